//! The derives behind `tidegate_plugin::Row` and its columns' types, documented there. They run in the author's build and name only
//! items of `tidegate_plugin`.

mod composed;
mod row;

use proc_macro::TokenStream;
use proc_macro2::TokenStream as Tokens;
use syn::{DeriveInput, Error, Result, parse_macro_input};

/// Makes a struct a row of a route: see the trait `tidegate_plugin::Row`.
#[proc_macro_derive(Row, attributes(row))]
pub fn derive_row(input: TokenStream) -> TokenStream {
    expand(&parse_macro_input!(input as DeriveInput), row::row)
}

/// Makes an enum without fields a column: `Enum8`, or `Enum16` where a number needs it. `#[column(name = "..")]` on a variant gives
/// it another name. It is read from a name with `FromStr`.
#[proc_macro_derive(Enum, attributes(column))]
pub fn derive_enum(input: TokenStream) -> TokenStream {
    expand(&parse_macro_input!(input as DeriveInput), composed::enumeration)
}

/// Makes a struct with named fields a column: a `Tuple` with their names. A list of it is an array of tuples, or `Nested` with
/// `#[row(nested)]`. `#[column(name = "..")]` on a field gives it another name.
#[proc_macro_derive(Tuple, attributes(column))]
pub fn derive_tuple(input: TokenStream) -> TokenStream {
    expand(&parse_macro_input!(input as DeriveInput), composed::tuple)
}

/// Makes an enum whose variants have one field each a column: a `Variant` of the fields' types. A variant without a field is null.
#[proc_macro_derive(Variant)]
pub fn derive_variant(input: TokenStream) -> TokenStream {
    expand(&parse_macro_input!(input as DeriveInput), composed::variant)
}

fn expand(input: &DeriveInput, derive: fn(&DeriveInput) -> Result<Tokens>) -> TokenStream {
    derive(input).unwrap_or_else(Error::into_compile_error).into()
}
