//! The host's side of the contract in `guest-sdk/wit/plugin.wit`, as generated.
//! Batches are lent to the guest (one copy, into its memory); outputs come back owned (one copy, out of it).

#![allow(missing_docs)] // The contract's own file documents what is generated here.

wasmtime::component::bindgen!({
    path: "../guest-sdk/wit",
    world: "plugin",
    imports: { default: trappable },
    exports: { default: async },
    ownership: Borrowing { duplicate_if_necessary: false },
});

pub use self::exports::tidegate::plugin::transformer::{Batch, Description, Output};
pub use self::tidegate::plugin::types::{Column, Headers, Reject, Route, Rows, Strings};
pub use self::tidegate::plugin::{log, lookup};
