//! A serde deserializer for JSON records, quick inside a WebAssembly guest.
//!
//! It reads text that is known to be UTF-8, borrows every string that has no escape, works on sixteen bytes at a time and
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
//!
//! Where many records come that are alike, a [`Stream`] learns which key follows which, and a [`Batch`] checks their UTF-8 at
//! once:
//!
//! ```
//! # #[derive(serde::Deserialize)]
//! # struct Sale<'a> { product: &'a str, quantity: u32 }
//! use tidegate_json::{Batch, Stream};
//!
//! let batch = Batch::new(br#"{"product":"tea","quantity":3}{"product":"milk","quantity":1}"#);
//! let stream = Stream::new();
//! let mut sold = 0;
//! for range in [0..30, 30..61] {
//!     let text = batch.text(range).ok_or("not UTF-8")?;
//!     let sale: Sale = stream.read(text)?;
//!     sold += sale.quantity;
//! }
//! assert_eq!(sold, 4);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod access;
mod ahead;
mod deserializer;
mod error;
mod fields;
mod key;
mod learned;
mod locate;
mod number;
mod quick;
mod reader;
mod record;
mod skip;
mod source;
mod stream;
mod string;
mod text;
mod values;
mod variant;
mod vector;
mod wish;
mod written;

use serde::Deserialize;

pub use ahead::{AHEAD, Ahead, read_ahead};
pub use error::Error;
pub use reader::Reader;
pub use record::FromJson;
pub use stream::Stream;
pub use text::{Batch, Text};
pub use tidegate_json_macros::Record;
pub use written::{NUMBER, Written};

/// How deep objects and arrays may stand in each other.
pub const DEPTH: u8 = 127;

/// Reads one JSON value that makes up the whole text, white space around it aside.
///
/// # Errors
/// Where the text is not JSON, or is JSON that does not fit `T`; says what was expected, what was found, at which byte and
/// where in the value.
#[inline]
pub fn from_str<'de, T: Deserialize<'de>>(text: &'de str) -> Result<T, Error> {
    Reader::whole(Text::from(text), None, |reader| T::deserialize(reader))
}

/// The same as [`from_str`] without serde.
///
/// # Errors
/// As [`from_str`].
#[inline]
pub fn record<'de, T: FromJson<'de>>(text: &'de str) -> Result<T, Error> {
    Reader::whole(Text::from(text), None, |reader| T::from_text(reader))
}

/// What the expansion of the derive calls. Not for authors; it changes without notice.
#[doc(hidden)]
pub mod expansion {
    pub use crate::learned::Meaning;
    pub use crate::record::{
        END, Elements, FAILED, IGNORED, Keys, OTHER, Shape, absent, absent_for_serde, duplicate, end, failure, skip,
    };
    pub use crate::{Error, FromJson, Reader};
}
