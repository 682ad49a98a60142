//! `derive(Row)`.

use proc_macro2::{Span, TokenStream as Tokens};
use quote::{quote, quote_spanned};
use syn::ext::IdentExt;
use syn::meta::ParseNestedMeta;
use syn::spanned::Spanned;
use syn::{Data, DeriveInput, Error, Field, Fields, LitStr, Result};

pub(super) fn row(input: &DeriveInput) -> Result<Tokens> {
    let Data::Struct(data) = &input.data else {
        return Err(Error::new(input.ident.span(), "a row is a struct"));
    };
    if is_object(input)? {
        return Ok(object(input));
    }
    let Fields::Named(fields) = &data.fields else {
        return Err(Error::new(input.ident.span(), "a row is a struct with named fields"));
    };
    let mut columns = Vec::new();
    for field in &fields.named {
        columns.push(field_column(field)?);
    }
    columns.extend(provenance_columns(input)?);
    refuse_doubles(input, &columns)?;

    let descriptions = columns.iter().map(|column| &column.description);
    let encodings = columns.iter().map(|column| &column.encoding);
    let name = &input.ident;
    let (impl_generics, type_generics, where_clause) = input.generics.split_for_impl();
    Ok(quote! {
        #[automatically_derived]
        impl #impl_generics ::tidegate_plugin::Row for #name #type_generics #where_clause {
            fn columns() -> ::std::vec::Vec<::tidegate_plugin::contract::Column> {
                ::std::vec![#(#descriptions),*]
            }

            #[inline(always)]
            fn encode(
                &self,
                room: &mut ::tidegate_plugin::Room<'_>,
                source: &::tidegate_plugin::Provenance<'_>,
            ) {
                let _ = source;
                #(#encodings)*
            }
        }
    })
}

/// Whether `#[row(object)]` stands on the struct; nothing else may then.
fn is_object(input: &DeriveInput) -> Result<bool> {
    let mut object = false;
    let mut others = None;
    for attribute in input.attrs.iter().filter(|attribute| attribute.path().is_ident("row")) {
        attribute.parse_nested_meta(|meta| {
            match meta.path.is_ident("object") {
                true => object = true,
                false => others = Some(meta.error("an object has no columns besides its members")),
            }
            // What stands behind a `=` is read here or where the columns are.
            meta.value().and_then(|value| value.parse::<LitStr>()).map(|_| ()).or(Ok(()))
        })?;
    }
    match others {
        Some(fault) if object => Err(fault),
        _ => Ok(object),
    }
}

/// A row without columns, written as the JSON that serde makes of it.
fn object(input: &DeriveInput) -> Tokens {
    let name = &input.ident;
    let (impl_generics, type_generics, where_clause) = input.generics.split_for_impl();
    quote! {
        #[automatically_derived]
        impl #impl_generics ::tidegate_plugin::Row for #name #type_generics #where_clause {
            fn columns() -> ::std::vec::Vec<::tidegate_plugin::contract::Column> {
                ::std::vec::Vec::new()
            }

            fn encode(&self, room: &mut ::tidegate_plugin::Room<'_>, _: &::tidegate_plugin::Provenance<'_>) {
                ::tidegate_plugin::expansion::object(self, room);
            }
        }
    }
}

/// A column of the row and how it is described and written.
struct Column {
    name: String,
    span: Span,
    description: Tokens,
    encoding: Tokens,
}

fn field_column(field: &Field) -> Result<Column> {
    let Some(ident) = &field.ident else {
        return Err(Error::new(field.span(), "a column needs a name"));
    };
    let mut name = ident.unraw().to_string();
    let (mut low_cardinality, mut nested, mut zone) = (false, false, None);
    for attribute in field.attrs.iter().filter(|attribute| attribute.path().is_ident("row")) {
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("name") {
                name = meta.value()?.parse::<LitStr>()?.value();
            } else if meta.path.is_ident("low_cardinality") {
                low_cardinality = true;
            } else if meta.path.is_ident("nested") {
                nested = true;
            } else if meta.path.is_ident("zone") {
                zone = Some(meta.value()?.parse::<LitStr>()?);
            } else {
                return Err(meta.error("on a field there are: name = \"..\", low_cardinality, nested, zone = \"..\""));
            }
            Ok(())
        })?;
    }
    let ty = &field.ty;
    let span = ty.span();
    let description = match zone {
        Some(zone) => quote_spanned!(span=> ::tidegate_plugin::expansion::zoned::<#ty>(#name, #zone)),
        None if nested => quote_spanned!(span=> ::tidegate_plugin::expansion::nested::<#ty>(#name)),
        None if low_cardinality => quote_spanned!(span=> ::tidegate_plugin::expansion::low_cardinality::<#ty>(#name)),
        None => quote_spanned!(span=> ::tidegate_plugin::expansion::column::<#ty>(#name)),
    };
    let encoding = quote_spanned!(span=> ::tidegate_plugin::Column::encode(&self.#ident, room););
    Ok(Column { name, span: ident.span(), description, encoding })
}

fn provenance_columns(input: &DeriveInput) -> Result<Vec<Column>> {
    let mut columns = Vec::new();
    for attribute in input.attrs.iter().filter(|attribute| attribute.path().is_ident("row")) {
        attribute.parse_nested_meta(|meta| {
            columns.push(provenance_column(&meta)?);
            Ok(())
        })?;
    }
    Ok(columns)
}

fn provenance_column(meta: &ParseNestedMeta<'_>) -> Result<Column> {
    let known = meta.path.get_ident().map(ToString::to_string).unwrap_or_default();
    let (ty, describe) = match known.as_str() {
        "topic" => (quote!(&str), quote!(low_cardinality)),
        "partition" => (quote!(i32), quote!(column)),
        "offset" => (quote!(i64), quote!(column)),
        "ordinal" => (quote!(u32), quote!(column)),
        _ => return Err(meta.error("on a struct there are: topic, partition, offset, ordinal")),
    };
    let name = match meta.value() {
        Ok(value) => value.parse::<LitStr>()?.value(),
        Err(_) => format!("_{known}"),
    };
    let field = &meta.path;
    Ok(Column {
        description: quote!(::tidegate_plugin::expansion::#describe::<#ty>(#name)),
        encoding: quote!(::tidegate_plugin::Column::encode(&source.#field, room);),
        name,
        span: meta.path.span(),
    })
}

fn refuse_doubles(input: &DeriveInput, columns: &[Column]) -> Result<()> {
    if columns.is_empty() {
        return Err(Error::new(input.ident.span(), "a row has at least one column"));
    }
    let mut seen = std::collections::HashSet::new();
    for column in columns {
        if !seen.insert(&column.name) {
            return Err(Error::new(column.span, format!("the column {} stands twice in the row", column.name)));
        }
    }
    Ok(())
}
