//! What a correct reader makes of the shop's records. Tests compare it with what arrived; it is made of the values that
//! a record was rendered from, never of the JSON.

use super::malformed::Malformed;

/// What a correct reader makes of a sale's value.
#[derive(Clone, Debug, PartialEq)]
pub enum ExpectedSale<'a> {
    /// One row.
    Sale(Sale<'a>),
    /// No row and no complaint: the channel is `test`.
    Dropped,
    /// No row, and a dead letter.
    Malformed(Malformed),
}

/// The row that a sale becomes.
#[derive(Clone, Debug, PartialEq)]
pub struct Sale<'a> {
    /// A UUID of version 7, in the order of its text.
    pub event_id: [u8; 16],
    /// Milliseconds since 1970, as much of them as the notation in the JSON keeps.
    pub event_time_ms: i64,
    /// From 1 to 220.
    pub product_id: u32,
    /// The product's name, `unknown` if it is not in the table.
    pub product: &'a str,
    /// The product's category, `unknown` if it is not in the table.
    pub category: &'a str,
    /// At least 1.
    pub quantity: u16,
    /// The price of one, in ten-thousandths.
    pub price_e4: i64,
    /// Price times quantity, in ten-thousandths.
    pub amount_e4: i64,
    /// `RUB` unless the record says otherwise.
    pub currency: &'static str,
    /// `web`, `shop` or `app`.
    pub channel: &'static str,
    /// `None` if absent or null.
    pub customer_id: Option<u64>,
}

/// What a correct reader makes of a stock movement's value.
#[derive(Clone, Debug, PartialEq)]
pub enum ExpectedStock<'a> {
    /// One row for a receipt or a shipment; for a transfer two, of the warehouse that it leaves and of its destination.
    Movements(&'a [Movement]),
    /// One row, of the corrections.
    Correction(Correction),
    /// No row, and a dead letter.
    Malformed(Malformed),
}

/// What a movement changes at one warehouse.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Movement {
    /// A UUID of version 7, in the order of its text; both rows of a transfer have the same.
    pub movement_id: [u8; 16],
    /// Milliseconds since 1970, as much of them as the notation in the JSON keeps.
    pub event_time_ms: i64,
    /// From 1 to 220.
    pub product_id: u32,
    /// Where the stock changes.
    pub warehouse: &'static str,
    /// `receipt`, `shipment` or `transfer`.
    pub kind: &'static str,
    /// Positive for what arrives, negative for what leaves.
    pub quantity: i32,
    /// What one cost, in ten-thousandths, if the record says.
    pub unit_cost_e4: Option<i64>,
}

/// What a count found to be different from the books.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Correction {
    /// A UUID of version 7, in the order of its text.
    pub movement_id: [u8; 16],
    /// Milliseconds since 1970, as much of them as the notation in the JSON keeps.
    pub event_time_ms: i64,
    /// From 1 to 220.
    pub product_id: u32,
    /// Where the count was.
    pub warehouse: &'static str,
    /// Not zero; negative for what was missing.
    pub quantity: i32,
    /// `None` if absent or null.
    pub reason: Option<&'static str>,
    /// What one cost, in ten-thousandths, if the record says.
    pub unit_cost_e4: Option<i64>,
}
