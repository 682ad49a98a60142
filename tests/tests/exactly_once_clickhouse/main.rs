//! The ClickHouse sink's part of exactly once, on the real engine: tokens, windows, views, lost answers, rows that a table refuses. Written
//! through the sink itself, as the gateway does.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod front;
mod outages;
mod refusals;
mod rows;
mod stand;
mod tokens;
mod views;
mod windows;
