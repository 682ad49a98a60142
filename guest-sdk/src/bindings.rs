//! The contract as Rust, generated from `wit/`. Nothing here is written by hand; authors see it as
//! [`contract`](crate::contract).
#![allow(unsafe_code, missing_docs, clippy::all, clippy::indexing_slicing, clippy::unwrap_used)]

wit_bindgen::generate!({
    path: "wit",
    world: "plugin",
    pub_export_macro: true,
    default_bindings_module: "tidegate_plugin::bindings",
    additional_derives: [Clone, PartialEq, Eq],
});
