//! Asking a sink which rows its tables have, by the columns that say where a row came from. Called by `audit`, which compares them
//! with what ought to be there, and by `replay`, which writes nothing that is there already.

use super::SinkFault;
use crate::pipeline::Range;
use crate::plugin::BoxFuture;

/// The names of the columns of a table that say where a row came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provenance {
    /// The topic; none where the table does not say.
    pub topic: Option<String>,
    /// The partition.
    pub partition: String,
    /// The offset.
    pub offset: String,
    /// Which of the rows of its record it is; none where the table does not say.
    pub ordinal: Option<String>,
}

/// Which rows a table has of a range.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// As a pipeline file calls it.
    pub table: &'a str,
    /// Its columns.
    pub provenance: &'a Provenance,
    /// So few offsets that the answer may have a line for each.
    pub range: &'a Range,
}

/// So many rows of a record: as many as stand in the table, those of a table that merges doubled rows later included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    /// Of the record.
    pub offset: i64,
    /// Which of its rows; 0 where the table does not say.
    pub ordinal: i64,
    /// How many there are.
    pub rows: u64,
}

/// A sink that can be asked.
pub trait Reading: Send + Sync {
    /// The rows of a range, in no particular order.
    ///
    /// # Errors
    /// Where it cannot be reached, or the table has no such columns.
    fn rows<'a>(&'a self, question: Question<'a>) -> BoxFuture<'a, Result<Vec<Found>, SinkFault>>;

    /// How many rows a table has.
    ///
    /// # Errors
    /// As for [`Self::rows`].
    fn count<'a>(&'a self, table: &'a str) -> BoxFuture<'a, Result<u64, SinkFault>>;
}

impl Found {
    /// Reads the three numbers of a line of an answer.
    pub(super) fn of(mut numbers: impl Iterator<Item = Option<i64>>) -> Option<Self> {
        let (offset, ordinal, rows) = (numbers.next()??, numbers.next()??, numbers.next()??);
        Some(Self { offset, ordinal, rows: u64::try_from(rows).ok()? })
    }
}
