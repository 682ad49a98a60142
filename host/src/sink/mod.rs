//! Sinks: where rows go. A sink opens tables; opening compares the declared columns with the live ones.

mod backoff;
mod bounded;
mod clickhouse;
mod discard;
mod fault;
mod file;
mod lines;
mod postgres;
mod stdout;
mod turns;

use std::sync::Arc;

pub use backoff::Backoff;
use bounded::Bounded;
pub use clickhouse::ClickHouse;
pub use fault::{Mismatch, Problem, SinkFault};
pub use file::FileSink;
pub use postgres::Postgres;
pub use stdout::StdoutSink;

use crate::config::SinkSettings;
use crate::pipeline::{Range, RouteRows, Token};
use crate::plugin::BoxFuture;
use crate::rows::Column;

/// A place with tables.
pub trait Sink: Send + Sync {
    /// A table that takes rows of these columns; rows that are JSON objects where there are none.
    ///
    /// # Errors
    /// Where it cannot be reached, does not exist, or takes no such rows; trying again is right.
    fn open<'a>(&'a self, table: &'a str, columns: &'a [Column]) -> BoxFuture<'a, Result<Arc<dyn Table>, SinkFault>>;
}

/// A table that takes rows of known columns.
pub trait Table: Send + Sync {
    /// Writes the rows of a range; when it returns they are where they belong. At least once: after an error some may be.
    ///
    /// # Errors
    /// As for `open`.
    fn write<'a>(&'a self, write: Write<'a>) -> BoxFuture<'a, Result<(), SinkFault>>;

    /// What it cannot hold of what the columns' types can, if there is anything.
    fn rule(&self) -> Option<&dyn Rule> {
        None
    }

    /// The columns that no row brings, for who wants to know what they will hold.
    fn left_out(&self) -> Vec<LeftOut> {
        Vec::new()
    }
}

/// A column of a table that the plugin does not write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// Its name.
    pub column: String,
    /// What it holds instead: "its default now()", "it is computed".
    pub filled_by: String,
}

/// Tells rows that a table cannot hold, before any are written, so that such a row is rejected alone.
pub trait Rule: Send + Sync {
    /// Why the table cannot hold this row, which is right by its types.
    fn refuses(&self, row: &[u8]) -> Option<String>;
}

/// The rows of one route of a range.
#[derive(Clone, Copy, Debug)]
pub struct Write<'a> {
    /// Whose rows they are: tenants take turns where a sink writes only so much at once.
    pub tenant: &'a str,
    /// The same for every try of the same rows.
    pub token: &'a Token,
    /// Where they come from.
    pub range: &'a Range,
    /// The rows.
    pub rows: &'a RouteRows,
}

/// Opens the sink of these settings. Connects to nothing yet.
pub fn new(settings: &SinkSettings) -> Arc<dyn Sink> {
    match settings {
        SinkSettings::ClickHouse(settings) => Arc::new(Bounded::new(ClickHouse::new(settings.clone()))),
        SinkSettings::Postgres(settings) => Arc::new(Bounded::new(Postgres::new(settings.clone()))),
        SinkSettings::Stdout => Arc::new(StdoutSink),
        SinkSettings::Discard => Arc::new(discard::DiscardSink),
        SinkSettings::File { path } => Arc::new(FileSink::new(path.clone())),
    }
}
