//! `derive(Record)`.
//!
//! Records mostly have their fields in the order of the struct, so that order is tried: field by field, is this the key? Whatever
//! key comes in another order waits for its turn in the next round, so one that nobody reads costs no more than itself.

use proc_macro2::{Ident, Span, TokenStream as Tokens};
use quote::{format_ident, quote};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{
    Data, DeriveInput, Error, Fields, GenericParam, Generics, Lifetime, LifetimeParam, Result, Type, parse_quote,
};

use crate::attributes::{Container, FieldDefault, Named};

/// A field of the struct.
struct Member<'a> {
    ident: &'a Ident,
    ty: &'a Type,
    named: Named,
    number: u16,
    /// The variable that it is read into.
    variable: Ident,
}

pub(super) fn expand(input: &DeriveInput, json: &Tokens) -> Result<Tokens> {
    let container = Container::of(input)?;
    let members = members(input, &container)?;
    refuse_doubles(&members)?;
    let name = &input.ident;
    let lifetime = Lifetime::new("'__de", Span::call_site());
    let generics = with_lifetime(&input.generics, &lifetime, json);
    let (impl_generics, _, where_clause) = generics.split_for_impl();
    let (_, type_generics, _) = input.generics.split_for_impl();
    let shape = shape(name, &members, &container);
    let from_json = from_json(&members, &container);
    let from_array = from_array(&members, &container);
    Ok(quote! {
        const _: () = {
            use #json::expansion as __json;

            #shape

            #[automatically_derived]
            impl #impl_generics __json::FromJson<#lifetime> for #name #type_generics #where_clause {
                #[inline]
                fn from_json(
                    reader: &mut __json::Reader<'_, #lifetime>,
                ) -> ::core::result::Result<Self, __json::Error> {
                    <Self as __json::FromJson<#lifetime>>::from_text(reader)
                }

                #[inline(always)]
                fn from_text(
                    reader: &mut __json::Reader<'_, #lifetime>,
                ) -> ::core::result::Result<Self, __json::Error> {
                    #from_json
                }

                #[cold]
                fn from_array(
                    reader: &mut __json::Reader<'_, #lifetime>,
                ) -> ::core::result::Result<Self, __json::Error> {
                    #from_array
                }
            }
        };
    })
}

fn members<'a>(input: &'a DeriveInput, container: &Container) -> Result<Vec<Member<'a>>> {
    let wrong = || {
        Error::new(
            input.ident.span(),
            "a Record is a struct with named fields; derive `Deserialize` and let serde read this type",
        )
    };
    let Data::Struct(data) = &input.data else { return Err(wrong()) };
    let Fields::Named(fields) = &data.fields else { return Err(wrong()) };
    let mut members = Vec::new();
    for (number, field) in (0..).zip(&fields.named) {
        let Some(ident) = &field.ident else { return Err(wrong()) };
        let named = Named::of(field, container)?;
        members.push(Member { ident, ty: &field.ty, named, number, variable: format_ident!("field_{number}") });
    }
    Ok(members)
}

fn refuse_doubles(members: &[Member<'_>]) -> Result<()> {
    for (index, member) in members.iter().enumerate() {
        let before = members.iter().take(index).flat_map(|before| &before.named.names);
        if let Some(name) = before.into_iter().find(|name| member.named.names.contains(*name)) {
            return Err(Error::new(member.ident.span(), format!("a field before this one is called `{name}`, too")));
        }
    }
    Ok(())
}

/// The struct's generics with the lifetime of the text, which outlives all of its own.
fn with_lifetime(generics: &Generics, lifetime: &Lifetime, json: &Tokens) -> Generics {
    let mut generics = generics.clone();
    let mut parameter = LifetimeParam::new(lifetime.clone());
    parameter.bounds = generics.lifetimes().map(|own| own.lifetime.clone()).collect::<Punctuated<_, _>>();
    let types: Vec<_> = generics.type_params().map(|own| own.ident.clone()).collect();
    let bounds = &mut generics.make_where_clause().predicates;
    for own in types {
        bounds.push(parse_quote!(#own: #json::expansion::FromJson<#lifetime>));
    }
    generics.params.insert(0, GenericParam::Lifetime(parameter));
    generics
}

fn shape(name: &Ident, members: &[Member<'_>], container: &Container) -> Tokens {
    let expecting = format!("struct {name}");
    let all = members.iter().flat_map(|member| &member.named.names);
    let arms = members.iter().map(|Member { named: Named { names, .. }, number, .. }| {
        let names = names.iter();
        quote!(#(#names)|* => __json::Meaning::Field(#number),)
    });
    let unknown = match container.deny_unknown {
        true => quote!(__json::Meaning::Text),
        false => quote!(__json::Meaning::Ignored(__json::IGNORED)),
    };
    quote! {
        static SHAPE: __json::Shape = __json::Shape { expecting: #expecting, names: &[#(#all),*], resolve };

        fn resolve(name: &str) -> __json::Meaning {
            match name {
                #(#arms)*
                _ => #unknown,
            }
        }
    }
}

fn from_json(members: &[Member<'_>], container: &Container) -> Tokens {
    let variables = members.iter().map(|Member { variable, ty, .. }| {
        quote!(let mut #variable: ::core::option::Option<#ty> = ::core::option::Option::None;)
    });
    let in_turn = members.iter().map(|member| {
        let Member { number, variable, named: Named { name, .. }, .. } = member;
        let read = member.read();
        quote! {
            if key == #number {
                if #variable.is_some() {
                    return ::core::result::Result::Err(__json::duplicate(#name));
                }
                #variable = ::core::option::Option::Some(#read);
                key = keys.next(reader);
            }
        }
    });
    let count = members.len() as u16;
    let made = made(members, container);
    quote! {
        let ::core::option::Option::Some(mut keys) = __json::Keys::begin(reader, &SHAPE)? else {
            return reader.apart(|reader| <Self as __json::FromJson<'__de>>::from_array(reader));
        };
        #(#variables)*
        let mut key = keys.first(reader);
        loop {
            #(#in_turn)*
            if key >= #count {
                match key {
                    __json::END => {
                        __json::end(reader);
                        break;
                    }
                    __json::OTHER => {
                        key = keys.other(reader, &SHAPE);
                        continue;
                    }
                    __json::FAILED => return ::core::result::Result::Err(__json::failure(reader)),
                    _ => __json::skip(reader)?,
                }
                key = keys.next(reader);
            }
        }
        #made
    }
}

fn from_array(members: &[Member<'_>], container: &Container) -> Tokens {
    let count = members.len();
    let read = members.iter().map(|member| {
        let (variable, ty) = (&member.variable, member.ty);
        let read = match member.named.by_serde {
            true => quote!(|reader| reader.deserialize::<#ty>()),
            false => quote!(<#ty as __json::FromJson<'__de>>::from_json),
        };
        // An element that is not there is noticed before those behind it are looked for.
        let check = match &member.named.default {
            None if !container.default => quote! {
                if #variable.is_none() {
                    return ::core::result::Result::Err(elements.too_short(#count));
                }
            },
            _ => quote!(),
        };
        quote! {
            let #variable: ::core::option::Option<#ty> = elements.next(#read)?;
            #check
        }
    });
    let made = made(members, container);
    quote! {
        let mut elements = __json::Elements::begin(reader, &SHAPE)?;
        #(#read)*
        elements.end()?;
        #made
    }
}

/// The struct of what was read, and of what is had in place of the rest.
fn made(members: &[Member<'_>], container: &Container) -> Tokens {
    let fields = members.iter().map(|member| {
        let Member { ident, variable, named, .. } = member;
        let otherwise = match &named.default {
            Some(FieldDefault::OfType) => quote!(::core::default::Default::default()),
            Some(FieldDefault::Path(path)) => quote!(#path()),
            None if container.default => quote!(default.#ident),
            None => member.absent(),
        };
        quote! {
            #ident: match #variable {
                ::core::option::Option::Some(value) => value,
                ::core::option::Option::None => #otherwise,
            }
        }
    });
    let default = container.default.then(|| quote!(let default: Self = ::core::default::Default::default();));
    quote! {
        #default
        ::core::result::Result::Ok(Self { #(#fields),* })
    }
}

impl Member<'_> {
    fn read(&self) -> Tokens {
        let ty = self.ty;
        // Errors about the type point at it.
        let span = ty.span();
        match self.named.by_serde {
            true => quote!(reader.deserialize::<#ty>()?),
            false => quote::quote_spanned!(span=> <#ty as __json::FromJson<'__de>>::from_json(reader)?),
        }
    }

    fn absent(&self) -> Tokens {
        let name = &self.named.name;
        match self.named.by_serde {
            true => quote!(__json::absent_for_serde(#name)?),
            false => quote!(__json::absent(#name)?),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn refused(input: DeriveInput) -> String {
        expand(&input, &quote!(::tidegate_json)).map(|tokens| tokens.to_string()).unwrap_err().to_string()
    }

    #[test]
    fn what_is_not_known_is_refused_by_name() {
        for (attribute, name) in [
            (quote!(flatten), "flatten"),
            (quote!(deserialize_with = "f"), "deserialize_with"),
            (quote!(skip), "skip"),
            (quote!(rename(deserialize = "a")), "rename"),
        ] {
            assert_eq!(
                refused(parse_quote!(
                    struct A {
                        #[serde(#attribute)]
                        a: u8,
                    }
                )),
                format!(
                    "`Record` does not know `#[serde({name})]` as it stands here; derive `Deserialize` and let serde read this struct"
                )
            );
        }
        assert!(
            refused(parse_quote!(
                #[serde(transparent)]
                struct A {
                    a: u8,
                }
            ))
            .contains("`#[serde(transparent)]`")
        );
        assert!(
            refused(parse_quote!(
                #[serde(default = "f")]
                struct A {
                    a: u8,
                }
            ))
            .contains("`#[serde(default)]`")
        );
    }

    #[test]
    fn what_is_no_struct_with_named_fields_is_refused() {
        for input in [
            parse_quote!(
                enum A {
                    B,
                }
            ),
            parse_quote!(
                struct A(u8);
            ),
            parse_quote!(
                struct A;
            ),
        ] {
            assert!(refused(input).starts_with("a Record is a struct with named fields; derive `Deserialize`"));
        }
    }

    #[test]
    fn mistakes_are_refused() {
        let twice = refused(parse_quote!(
            struct A {
                a: u8,
                #[serde(alias = "a")]
                b: u8,
            }
        ));
        assert_eq!(twice, "a field before this one is called `a`, too");
        let case = refused(parse_quote!(
            #[serde(rename_all = "Camel")]
            struct A {
                a: u8,
            }
        ));
        assert!(case.starts_with("there is no such case, there are \"lowercase\", "), "{case}");
        assert_eq!(
            refused(parse_quote!(
                struct A {
                    #[record(serde)]
                    a: u8,
                }
            )),
            "here there is: deserialize"
        );
    }

    #[test]
    fn what_is_said_about_writing_and_borrowing_is_passed_over() {
        let input = parse_quote! {
            struct A<'a> {
                #[serde(borrow, skip_serializing_if = "Option::is_none", serialize_with = "f")]
                a: Option<&'a str>,
            }
        };
        assert!(expand(&input, &quote!(::tidegate_json)).is_ok());
    }
}
