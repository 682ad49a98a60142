//! What it costs to read JSON records: sets of made-up records ([`data`]), the parsers that read them ([`parsers`]), and one
//! pass over a set with a parser ([`Bench`]). Compiled natively, where `json-bench` answers to the runner, and to a
//! WebAssembly module, whose exports are those of `guest`.
//!
//! The parsers beside `tidegate-json` and `serde_json` come with the feature `rivals`.

mod bench;
pub mod data;
mod dice;
#[cfg(target_family = "wasm")]
mod guest;
mod json;
pub mod parsers;
mod row;

pub use bench::{BATCH, Bench, NOT_HERE, PASSES, RECORDS, Tally};
pub use dice::Dice;
pub use row::Row;
