//! `derive(Enum)`, `derive(Tuple)` and `derive(Variant)`.

use proc_macro2::TokenStream as Tokens;
use quote::quote;
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Attribute, Data, DataEnum, DeriveInput, Error, Fields, Ident, LitStr, Result};

pub(super) fn enumeration(input: &DeriveInput) -> Result<Tokens> {
    let variants = &variants(input)?.variants;
    let mut names = Vec::new();
    for variant in variants {
        if !matches!(variant.fields, Fields::Unit) {
            return Err(Error::new(variant.span(), "an Enum has names alone; `Variant` has values"));
        }
        names.push(name(&variant.ident, &variant.attrs)?);
    }
    let name = &input.ident;
    let idents: Vec<_> = variants.iter().map(|variant| &variant.ident).collect();
    let expected = names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ");
    Ok(quote! {
        #[automatically_derived]
        impl ::tidegate_plugin::Column for #name {
            fn type_name() -> ::std::string::String {
                ::tidegate_plugin::expansion::enumeration(&[#((#names, Self::#idents as i16)),*])
            }

            #[inline]
            fn encode(&self, room: &mut ::tidegate_plugin::Room<'_>) {
                const NARROW: bool = true #(&& #name::#idents as i64 >= -128 && #name::#idents as i64 <= 127)*;
                const {
                    assert!(true #(&& #name::#idents as i64 >= -32_768 && #name::#idents as i64 <= 32_767)*,
                        "the numbers of an Enum have 16 bits");
                }
                let number = match self {
                    #(Self::#idents => Self::#idents as i16),*
                };
                match NARROW {
                    true => room.put([number as u8]),
                    false => ::tidegate_plugin::Column::encode(&number, room),
                }
            }
        }

        #[automatically_derived]
        impl ::std::str::FromStr for #name {
            type Err = ::tidegate_plugin::InvalidValue;

            fn from_str(text: &str) -> ::std::result::Result<Self, Self::Err> {
                match text {
                    #(#names => ::std::result::Result::Ok(Self::#idents),)*
                    other => ::std::result::Result::Err(::tidegate_plugin::expansion::no_name(other, #expected)),
                }
            }
        }
    })
}

pub(super) fn tuple(input: &DeriveInput) -> Result<Tokens> {
    let fields = match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(fields) => &fields.named,
            _ => return Err(Error::new(input.ident.span(), "a Tuple is a struct with named fields")),
        },
        _ => return Err(Error::new(input.ident.span(), "a Tuple is a struct")),
    };
    if fields.is_empty() {
        return Err(Error::new(input.ident.span(), "a Tuple has at least one element"));
    }
    let (mut elements, mut encodings) = (Vec::new(), Vec::new());
    for field in fields {
        let Some(ident) = &field.ident else { continue };
        let (element, ty) = (name(ident, &field.attrs)?, &field.ty);
        elements.push(quote!((#element, <#ty as ::tidegate_plugin::Column>::type_name())));
        encodings.push(quote!(::tidegate_plugin::Column::encode(&self.#ident, room);));
    }
    let name = &input.ident;
    let (impl_generics, type_generics, where_clause) = input.generics.split_for_impl();
    Ok(quote! {
        #[automatically_derived]
        impl #impl_generics ::tidegate_plugin::Column for #name #type_generics #where_clause {
            const COMPOSED: bool = true;

            fn type_name() -> ::std::string::String {
                ::tidegate_plugin::expansion::tuple(&[#(#elements),*])
            }

            #[inline]
            fn encode(&self, room: &mut ::tidegate_plugin::Room<'_>) {
                #(#encodings)*
            }
        }
    })
}

pub(super) fn variant(input: &DeriveInput) -> Result<Tokens> {
    if let Some(parameter) = input.generics.type_params().next() {
        return Err(Error::new(parameter.span(), "a Variant's types are known: it has no type parameters"));
    }
    let (mut kinds, mut arms) = (Vec::new(), Vec::new());
    for variant in &variants(input)?.variants {
        let ident = &variant.ident;
        match &variant.fields {
            Fields::Unit => arms.push(quote!(Self::#ident => room.put([255]))),
            Fields::Unnamed(fields) if fields.unnamed.len() == 1 => {
                let index = kinds.len();
                arms.push(quote! {
                    Self::#ident(value) => {
                        room.put([ORDER.number(#index, kinds)]);
                        ::tidegate_plugin::Column::encode(value, room);
                    }
                });
                kinds.extend(fields.unnamed.iter().map(|field| &field.ty));
            }
            _ => return Err(Error::new(variant.span(), "each type of a Variant is a variant with one field")),
        }
    }
    let name = &input.ident;
    let (impl_generics, type_generics, where_clause) = input.generics.split_for_impl();
    // The names of types do not depend on lifetimes, so that one order serves all of them.
    let kinds = quote!(::std::vec![#(<#kinds as ::tidegate_plugin::Column>::type_name()),*]);
    Ok(quote! {
        #[automatically_derived]
        impl #impl_generics ::tidegate_plugin::Column for #name #type_generics #where_clause {
            const COMPOSED: bool = true;

            fn type_name() -> ::std::string::String {
                ::tidegate_plugin::expansion::variant(#kinds)
            }

            #[inline]
            fn encode(&self, room: &mut ::tidegate_plugin::Room<'_>) {
                static ORDER: ::tidegate_plugin::expansion::Order = ::tidegate_plugin::expansion::Order::new();
                let kinds = || #kinds;
                match self {
                    #(#arms),*
                }
            }
        }
    })
}

fn variants(input: &DeriveInput) -> Result<&DataEnum> {
    match &input.data {
        Data::Enum(data) if !data.variants.is_empty() => Ok(data),
        _ => Err(Error::new(input.ident.span(), "expected an enum with at least one variant")),
    }
}

/// The name that the database knows: the field's own, or the attribute's.
fn name(ident: &Ident, attributes: &[Attribute]) -> Result<String> {
    let mut name = ident.unraw().to_string();
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("column")) {
        attribute.parse_nested_meta(|meta| match meta.path.is_ident("name") {
            true => {
                name = meta.value()?.parse::<LitStr>()?.value();
                Ok(())
            }
            false => Err(meta.error("here there is: name = \"..\"")),
        })?;
    }
    Ok(name)
}
