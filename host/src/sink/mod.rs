//! Sinks: where rows go. A sink opens tables; opening compares the declared columns with the live ones.

mod backoff;
mod bounded;
mod clickhouse;
mod discard;
mod fault;
mod file;
mod lines;
mod pace;
mod postgres;
mod reading;
mod stdout;
mod turns;

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

pub use backoff::Backoff;
use bounded::Bounded;
pub use clickhouse::ClickHouse;
pub use fault::{Mismatch, Problem, SinkFault};
pub use file::FileSink;
pub use postgres::Postgres;
pub use reading::{Found, Provenance, Question, Reading};
pub use stdout::StdoutSink;

use crate::config::{Guarantee, Mode, SinkSettings};
use crate::pipeline::{Lineage, Range, RouteRows, Token};
use crate::plugin::BoxFuture;
use crate::rows::Column;

/// A place with tables.
pub trait Sink: Send + Sync {
    /// A table that takes rows of these columns; rows that are JSON objects where there are none.
    ///
    /// # Errors
    /// Where it cannot be reached, does not exist, takes no such rows, or cannot keep to `guarantee`; trying again is right.
    fn open<'a>(
        &'a self,
        table: &'a str,
        columns: &'a [Column],
        guarantee: Guarantee,
    ) -> BoxFuture<'a, Result<Arc<dyn Table>, SinkFault>>;

    /// As [`Self::open`], for rows that become something else there than new rows. To be asked for where [`Self::takes`] has nothing
    /// against it.
    ///
    /// # Errors
    /// As for `open`.
    fn open_placed<'a>(
        &'a self,
        table: &'a str,
        columns: &'a [Column],
        guarantee: Guarantee,
        placement: Placement<'a>,
    ) -> BoxFuture<'a, Result<Arc<dyn Table>, SinkFault>> {
        let _ = placement;
        self.open(table, columns, guarantee)
    }

    /// Whether rows can become that here.
    ///
    /// # Errors
    /// What a pipeline's file is told.
    fn takes(&self, mode: &Mode) -> Result<(), String> {
        match mode {
            Mode::Insert => Ok(()),
            Mode::Statement(_) => {
                Err("its sink runs no statements; those of type \"greenplum\" or \"postgres\" do".to_owned())
            }
            Mode::Update(_) | Mode::Merge(_) => Err(format!(
                "is \"{}\", but its sink takes new rows only; those of type \"greenplum\" or \"postgres\" take others",
                mode.name()
            )),
        }
    }

    /// The most that it can promise of a table that is made for it.
    fn best(&self) -> Guarantee {
        Guarantee::AtLeastOnce
    }

    /// Where it writes to all tables of a range at once or to none; each by itself without it.
    fn transaction(&self) -> Option<&dyn Transaction> {
        None
    }

    /// Where it can be asked which rows its tables have.
    fn reading(&self) -> Option<&dyn Reading> {
        None
    }
}

/// A sink that writes the rows of all routes of a range in one transaction, with a word of its own that the range is there.
pub trait Transaction: Send + Sync {
    /// Writes what is not there yet. `writes` are to tables that this sink has opened, and may be none: the range is there then, too.
    ///
    /// # Errors
    /// As for [`Table::write`], with the index of the write that is to blame, where one is.
    fn write<'a>(
        &'a self,
        writes: &'a [(&'a dyn Table, Write<'a>)],
        fence: Fence<'a>,
    ) -> BoxFuture<'a, Result<(), (Option<usize>, SinkFault)>>;

    /// As [`Table::blame`], of the write `index` behind those before it: rows of one route may need those of another.
    ///
    /// # Errors
    /// As for [`Table::blame`].
    fn blame<'a>(
        &'a self,
        writes: &'a [(&'a dyn Table, Write<'a>)],
        index: usize,
        fence: Fence<'a>,
    ) -> BoxFuture<'a, Result<Vec<Blamed>, SinkFault>> {
        let _ = fence;
        match writes.get(index) {
            Some((table, write)) => table.blame(*write),
            None => Box::pin(async { Ok(Vec::new()) }),
        }
    }
}

/// What a route's rows become in their table, and whose they are.
#[derive(Clone, Copy, Debug)]
pub struct Placement<'a> {
    /// Whose.
    pub tenant: &'a str,
    /// What.
    pub mode: &'a Mode,
}

/// What tells a range from all others that a transaction may have written.
#[derive(Clone, Copy, Debug)]
pub struct Fence<'a> {
    /// Whose it is.
    pub tenant: &'a str,
    /// Of the partition.
    pub lineage: Lineage,
    /// The range.
    pub range: &'a Range,
}

/// A table that takes rows of known columns.
pub trait Table: Send + Sync {
    /// Writes the rows of a range; when it returns they are where they belong. After an error some may be; where the table was opened
    /// for exactly once, trying again under the same token doubles none of them.
    ///
    /// # Errors
    /// As for `open`.
    fn write<'a>(&'a self, write: Write<'a>) -> BoxFuture<'a, Result<(), SinkFault>>;

    /// Which rows of a write that was answered by [`SinkFault::Rows`] the table refuses, in their order, found without touching it. None
    /// where all of them pass.
    ///
    /// # Errors
    /// Where it cannot be found out just now.
    fn blame<'a>(&'a self, write: Write<'a>) -> BoxFuture<'a, Result<Vec<Blamed>, SinkFault>> {
        let _ = write;
        Box::pin(async { Ok(Vec::new()) })
    }

    /// Whether it may have been altered since a time, in seconds since 1970, in what rows it takes. To be asked where a write of a range may have
    /// gone unanswered, so that rows that it refuses now may have been taken then; a table that knows its ranges has no need to.
    ///
    /// # Errors
    /// Where it cannot be found out just now.
    fn altered_since<'a>(&'a self, at: u64) -> BoxFuture<'a, Result<bool, SinkFault>> {
        let _ = at;
        Box::pin(async { Ok(false) })
    }

    /// Why it may not know any more that a write of a time, in seconds since 1970, was done, so that doing it again could double its rows; none
    /// where it still does. To be asked before a write whose end nobody has heard is tried again.
    ///
    /// # Errors
    /// Where it cannot be found out just now.
    fn forgotten_since<'a>(&'a self, at: u64) -> BoxFuture<'a, Result<Option<String>, SinkFault>> {
        let _ = at;
        Box::pin(async { Ok(None) })
    }

    /// How many rows of a range it has that came since a time, in seconds since 1970, by offset; none where that need not be asked or cannot be told. To be
    /// asked when a write is done that was tried before without an answer, of a table that may know a write and not have its rows.
    ///
    /// # Errors
    /// Where it cannot be found out just now.
    fn recount<'a>(
        &'a self,
        range: &'a Range,
        since: u64,
    ) -> BoxFuture<'a, Result<Option<BTreeMap<i64, u64>>, SinkFault>> {
        let _ = (range, since);
        Box::pin(async { Ok(None) })
    }

    /// About how long a write that came now would wait before it began, since the table gets only so many a second. Ranges that are left
    /// open so long become fewer and larger, and lose no time.
    fn delay(&self) -> Duration {
        Duration::ZERO
    }

    /// For [`Transaction::write`], which gets the tables that the same sink has opened.
    fn as_any(&self) -> &dyn Any;

    /// What it cannot hold of what the columns' types can, if there is anything.
    fn rule(&self) -> Option<&dyn Rule> {
        None
    }

    /// The columns that no row brings, for who wants to know what they will hold.
    fn left_out(&self) -> Vec<LeftOut> {
        Vec::new()
    }
}

/// A row that a table refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blamed {
    /// Its index among the rows of the write.
    pub row: usize,
    /// What the table said.
    pub reason: String,
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
