//! Ranges of several partitions in one insert: how few inserts that makes, and that nothing is lost or doubled by it, whoever dies when and
//! whoever takes which partition over.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod crashes;
mod few;
mod leaving;
mod lost;
mod refused;
mod resting;
mod stand;
