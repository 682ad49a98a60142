//! Records that were tampered with, read by `tidegate-json` and by `serde_json` (with `float_roundtrip`), which must agree on
//! whether a record is read and on what it holds.
//!
//! Records come in streams of one kind each (`kinds`), so that what was learned from the ones before is at work when a
//! record is not as they were (`tamper`). Everything follows from a seed and a stream's number. Compiled natively, where
//! `json-fuzz` runs it, and to a WebAssembly module, whose exports are those of `guest`.

mod compare;
mod floats;
#[cfg(target_family = "wasm")]
mod guest;
mod kinds;
mod pieces;
mod seen;
mod stream;
mod tamper;
mod tokens;

pub use compare::Count;
pub use stream::{STREAM, stream};
