//! A serde deserializer for JSON records, quick inside a WebAssembly guest.
//!
//! It reads a `&str` that is known to be UTF-8, borrows every string that has no escape, works on eight bytes at a time and
//! allocates for nothing but escapes. All of serde's data model is there. It accepts what `serde_json` accepts, with one
//! difference: nesting deeper than [`DEPTH`] is refused in values that nobody reads, too.
//!
//! ```
//! #[derive(serde::Deserialize)]
//! struct Sale<'a> {
//!     product: &'a str,
//!     quantity: u32,
//! }
//! let sale: Sale = tidegate_json::from_str(r#"{"product": "tea", "quantity": 3}"#)?;
//! assert_eq!((sale.product, sale.quantity), ("tea", 3));
//! # Ok::<(), tidegate_json::Error>(())
//! ```

mod access;
mod deserializer;
mod error;
mod key;
mod number;
mod scan;
mod skip;
mod string;

use serde::Deserialize;

use deserializer::Deserializer;
pub use error::Error;

/// How deep objects and arrays may stand in each other.
pub const DEPTH: u8 = 127;

/// Reads one JSON value that makes up the whole text, white space around it aside.
///
/// # Errors
/// Where the text is not JSON, or is JSON that does not fit `T`; says what was expected and at which byte.
#[inline]
pub fn from_str<'de, T: Deserialize<'de>>(text: &'de str) -> Result<T, Error> {
    let mut deserializer = Deserializer::new(text);
    let value = T::deserialize(&mut deserializer).and_then(|value| deserializer.end().map(|()| value));
    value.map_err(|error| error.at(deserializer.position()))
}
