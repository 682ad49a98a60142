//! A shop's sales and stock movements as Kafka records, each with what should become of it.
//!
//! The demonstration, the end-to-end tests and the benchmarks call it: the same seed and options give the same
//! bytes. What is expected is worked out from the values that the JSON was rendered from; nothing here may ever
//! read the JSON back, or the expectation would share the faults of the reader that it is there to check.
//!
//! ```text
//! Sales, Stock        draw the values of a record, say what to expect    sales.rs, stock.rs, expected.rs
//!   Source            the clock, the key, the fields in common           source.rs
//!   EventTime, Money  a value and the notation it takes                  time.rs, money.rs
//!   Object            the bytes of the JSON                              json.rs
//!   Malformed         what is wrong with a record, if anything           malformed.rs
//! ```

pub(crate) mod dice;
mod expected;
mod json;
mod malformed;
mod money;
mod products;
mod sales;
mod source;
mod stock;
#[cfg(test)]
mod tests;
pub(crate) mod time;

pub use expected::{Correction, ExpectedSale, ExpectedStock, Movement, Sale};
pub use malformed::Malformed;
pub use products::Products;
pub use sales::Sales;
pub use stock::Stock;

use crate::produce::Outgoing;

/// Headers of a record in their order: names and values, None for null.
pub type Headers<'a> = &'a [(&'a str, Option<&'a [u8]>)];

/// What the records of a shop are like.
#[derive(Clone, Debug)]
pub struct Options {
    /// Share of the records that are malformed, from 0 to 1. Zero unless asked for.
    pub malformed: f64,
    /// Where the clock of the records starts, in milliseconds since 1970: 2026-11-20T00:00:00Z unless asked for.
    /// It advances by a millisecond a record on average, and event times lag it by up to five minutes, so the first
    /// ones are before the start.
    pub start: i64,
    /// What sales call their products; without any, every product is `unknown`. Stock has no use for it.
    pub products: Products,
}

impl Default for Options {
    fn default() -> Self {
        Self { malformed: 0.0, start: 1_795_132_800_000, products: Products::default() }
    }
}

/// A record, and what is expected of it. Borrowed from its generator until the next one is asked for.
#[derive(Debug)]
pub struct Generated<'a, Expected> {
    /// In the shop the product's id as text, of malformed records too.
    pub key: &'a [u8],
    /// The JSON, or `None` for a null value.
    pub value: Option<&'a [u8]>,
    /// None in the shop.
    pub headers: Headers<'a>,
    /// When the record was produced, in milliseconds since 1970; never goes back.
    pub timestamp: i64,
    /// What a correct reader makes of the value.
    pub expected: Expected,
}

impl<'a, Expected> Generated<'a, Expected> {
    /// What goes to Kafka.
    pub fn outgoing(&self) -> Outgoing<'a> {
        Outgoing { key: self.key, value: self.value, headers: self.headers, timestamp: self.timestamp }
    }
}
