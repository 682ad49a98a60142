//! What an audit found, for people and machines.

use serde::Serialize;

use super::compare::{Runs, Wrong};

/// All that an audit found.
#[derive(Debug, Serialize)]
pub struct Report {
    /// `TENANT/NAME`.
    pub pipeline: String,
    /// The plugin that said what ought to be there.
    pub plugin: PluginReport,
    /// What was read.
    pub partitions: Vec<PartitionReport>,
    /// What became of the records.
    pub records: RecordsReport,
    /// One a table.
    pub tables: Vec<TableReport>,
    /// None where the pipeline has no topic for them.
    pub dead_letters: Option<LettersReport>,
    /// What an operator should know of how this was found.
    pub notes: Vec<String>,
}

/// A plugin as it describes itself.
#[derive(Debug, Serialize)]
pub struct PluginReport {
    /// Its own name.
    pub name: String,
    /// Its own version.
    pub version: String,
    /// SHA-256 of its file.
    pub hash: String,
}

/// A range of a partition.
#[derive(Debug, Serialize)]
pub struct PartitionReport {
    /// The topic.
    pub topic: String,
    /// The partition's number.
    pub partition: i32,
    /// The first offset.
    pub first: i64,
    /// Behind the last offset.
    pub next: i64,
    /// How many records there are.
    pub read: u64,
}

/// What became of records, each counted once.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct RecordsReport {
    /// All of them.
    pub read: u64,
    /// Those of which the plugin makes nothing.
    pub dropped: u64,
    /// Those that are kept as dead letters; where the pipeline has no topic for them, those that the plugin rejects.
    pub rejected: u64,
    /// Those that have all of their rows.
    pub written: u64,
    /// Those that lack a row or a dead letter.
    pub missing: u64,
    /// Of those that have all of their rows, those that are dead letters as well: they were mended and replayed, or were written twice.
    pub written_and_rejected: u64,
    /// Of those that are dead letters, those with rows in a table: it had taken them when another refused its own.
    pub rejected_with_rows: u64,
}

/// How a table was compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase", tag = "by", content = "why")]
pub enum Compared {
    /// By the columns that say where a row came from.
    Offset,
    /// Only by how many rows there are, for this reason.
    Count(String),
    /// Not at all, for this reason.
    Nothing(String),
}

/// A table.
#[derive(Debug, Serialize)]
pub struct TableReport {
    /// `SINK:TABLE`.
    pub table: String,
    /// The routes that are written there.
    pub routes: Vec<String>,
    /// How it was compared.
    pub compared: Compared,
    /// Rows that the plugin makes.
    pub expected: u64,
    /// Rows that are there.
    pub written: u64,
    /// Rows that the plugin makes now of records that are dead letters.
    pub rejected: u64,
    /// Rows that are not there and ought to be.
    pub missing: u64,
    /// Rows that are there once more.
    pub doubled: u64,
    /// Rows that the plugin does not make.
    pub unexpected: u64,
    /// Which.
    pub offsets: Runs<Wrong>,
}

/// The dead letters of the records that were read.
#[derive(Debug, Serialize)]
pub struct LettersReport {
    /// Their topic.
    pub topic: String,
    /// How many there are.
    pub written: u64,
    /// Records that the plugin rejects and that are neither there nor in a table.
    pub missing: u64,
    /// Letters of records that have one already.
    pub doubled: u64,
    /// Which.
    pub offsets: Runs<Wrong>,
}

impl Report {
    /// Whether nothing is missing, doubled or there without a reason.
    pub fn is_right(&self) -> bool {
        let tables = self.tables.iter().all(|table| table.missing + table.doubled + table.unexpected == 0);
        tables && self.dead_letters.as_ref().is_none_or(|letters| letters.missing + letters.doubled == 0)
    }
}
