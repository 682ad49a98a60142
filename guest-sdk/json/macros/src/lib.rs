//! The derive of `Record`, documented at `tidegate_json::Record`. It runs in the author's build and names only items of
//! `tidegate_json`, or of the crate that hands it on.

mod attributes;
mod case;
mod record;

use proc_macro::TokenStream;
use quote::quote;
use syn::{DeriveInput, Error, parse_macro_input};

/// Reads a struct from JSON without serde in between: `stream.record::<T>(text)`.
///
/// A struct that derives `Deserialize` can derive this in its place, with its attributes as they are. On the struct there are
/// `#[serde(default)]`, `rename_all` and `deny_unknown_fields`, on a field `rename`, `alias` and `default`; of the others those
/// that say nothing about reading are passed over, and the rest is refused. Fields are of types that are `FromJson`: integers,
/// floats, booleans, strings, `Cow<str>`, `Option`, `Box`, `Vec`, and structs that derive `Record`. `#[record(deserialize)]` on a
/// field has serde read it, whatever it is.
#[proc_macro_derive(Record, attributes(record, serde))]
pub fn derive_record(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    record::expand(&input, &quote!(::tidegate_json)).unwrap_or_else(Error::into_compile_error).into()
}

/// The same for plugins, which know `tidegate_json` by the name that their SDK gives it.
#[doc(hidden)]
#[proc_macro_derive(PluginRecord, attributes(record, serde))]
pub fn derive_plugin_record(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    record::expand(&input, &quote!(::tidegate_plugin::json)).unwrap_or_else(Error::into_compile_error).into()
}
