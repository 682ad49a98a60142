//! What the author of a Tidegate plugin depends on: one record in, typed rows out, one plain function between them.
//!
//! A complete plugin, the whole of its `src/lib.rs`:
//!
//! ```
//! use serde::Deserialize;
//! use tidegate_plugin::{DateTime64, Decimal, Out, Record, Reject, Row, Text, Uuid, plugin};
//!
//! #[derive(Deserialize)]
//! struct Event<'a> {
//!     id: Uuid,
//!     at: DateTime64<3>,
//!     #[serde(borrow)]
//!     channel: Text<'a>,
//!     price: Decimal<18, 4>,
//! }
//!
//! #[derive(Row)]
//! #[row(partition, offset)]
//! struct Sale<'a> {
//!     id: Uuid,
//!     at: DateTime64<3>,
//!     #[row(low_cardinality)]
//!     channel: &'a str,
//!     price: Decimal<18, 4>,
//! }
//!
//! fn transform(record: Record<'_>, out: &mut Out) -> Result<(), Reject> {
//!     let Event { id, at, channel, price } = record.json()?;
//!     if &*channel != "test" {
//!         out.emit(&Sale { id, at, channel: &channel, price });
//!     }
//!     Ok(())
//! }
//!
//! plugin! { routes: { "sale" => Sale<'_> }, transform: transform }
//!
//! # fn main() -> Result<(), tidegate_plugin::SetupError> {
//! // And a test of it, which needs neither a gateway nor WebAssembly:
//! use tidegate_plugin::native::{self, Input, MemoryEnvironment};
//! let sold = r#"{"id":"0192f0c1-7a3b-7c11-9d2e-1f2a3b4c5d6e","at":1763633700,"channel":"web","price":"9.90"}"#;
//! let output = native::run::<Exported>(MemoryEnvironment::new(), "{}", &[Input::value(sold), Input::value("{")])?;
//! assert_eq!(native::decode::<Exported>(&output)?[0].get("price"), Some("9.9000"));
//! assert_eq!(output.rejects[0].origin, 1);
//! # Ok(())
//! # }
//! ```
//!
//! Its `Cargo.toml` says `crate-type = ["cdylib", "rlib"]`, and `cargo build --release --target
//! wasm32-unknown-unknown` makes the module that an operator drops beside a pipeline file.
//!
//! What becomes of a record is what the function does with it: rows that it emitted are written, an error sends the
//! record with its reason to the dead letters and takes back the rows it had emitted, and `Ok` without a row drops
//! it. A panic is a trap: the record's partition stops, and the gateway shows the panic's message and where it was.
//! What a record may cause belongs into an error.
//!
//! - [`plugin!`] declares a plugin, also with settings and lookup tables ([`Setup`]) or with state over a range.
//! - [`Row`] and [`Column`] are the typed side: what stands in a row and how ClickHouse calls it.
//! - [`native`] runs a plugin in a test or a benchmark through the same code as in the gateway.
//! - [`contract`] is the WebAssembly interface underneath, which an author need not know.

// The derive and the macros name this crate from outside; its own tests use them too.
extern crate self as tidegate_plugin;

#[doc(hidden)]
pub mod bindings;
mod column;
#[cfg(target_family = "wasm")]
mod component;
mod composed;
mod decimal;
mod environment;
mod id;
mod invalid;
#[doc(hidden)]
pub mod json;
pub mod log;
#[cfg(not(target_family = "wasm"))]
pub mod native;
mod out;
mod plugin;
mod record;
mod reject;
mod room;
mod row;
mod serialize;
mod setup;
mod table;
mod text;
mod time;

pub use column::{BFloat16, Column, FixedString, Json, Pairs};
pub use decimal::Decimal;
pub use id::Uuid;
pub use invalid::InvalidValue;
pub use out::{Out, Routed};
pub use plugin::{Plugin, Transformer};
pub use record::{Headers, Record};
pub use reject::Reject;
pub use room::Room;
pub use row::{Provenance, Row};
pub use setup::{Setup, SetupError};
pub use table::{Table, TableRow};
pub use text::Text;
pub use tidegate_json_macros::PluginRecord as Record;
pub use tidegate_plugin_macros::{Enum, Row, Tuple, Variant};
pub use time::{Date, Date32, DateTime, DateTime64, Time, Time64};

/// Integers of 256 bits, with arithmetic, `FromStr` and `Display`.
pub use ethnum::{I256 as Int256, U256 as UInt256};

/// The types of the WebAssembly contract, `tidegate:plugin`, as both sides of it see them.
pub mod contract {
    pub use crate::bindings::tidegate::plugin::log::Level;
    pub use crate::bindings::tidegate::plugin::lookup::Table;
    pub use crate::bindings::tidegate::plugin::types::{
        Batch, Column, Description, Headers, Output, Reject, Route, Rows, Strings,
    };

    /// The origin of a row that stands for the range as a whole, as those of `finish` do.
    pub const NO_RECORD: u32 = u32::MAX;
}

/// What the expansions of [`plugin!`] and of the derive call. Not for authors; it changes without notice.
#[doc(hidden)]
pub mod expansion {
    pub use crate::composed::{Order, enumeration, no_name, tuple, variant};
    pub use crate::plugin::{Start, describe, keep_silent, plain, stateful, stateless};
    pub use crate::room::append;
    pub use crate::row::{column, low_cardinality, nested, object, zoned};
}
