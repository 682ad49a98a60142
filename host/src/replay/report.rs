//! What a replay would do, or has done, for people and machines.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::audit::Runs;

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Fate {
    /// It has rows, which are written, or would be.
    Through,
    /// It has rows, and all of them are there already.
    There,
    /// Some of its rows are there, and others are not: somebody must look.
    Conflict,
    /// Some of its rows may be there, in a table that does not tell.
    Doubt,
}

/// What a replay would do, or has done.
#[derive(Debug, Serialize)]
pub struct Report {
    /// `TENANT/NAME`.
    pub pipeline: String,
    /// The plugin's own name and version.
    pub plugin: String,
    /// SHA-256 of the plugin's file.
    pub hash: String,
    /// Whether rows were written.
    pub written: bool,
    /// What was read: `TOPIC/PARTITION FIRST-NEXT`.
    pub sources: Vec<String>,
    /// How many records.
    pub records: u64,
    /// Those with rows that are written, or would be.
    pub through: u64,
    /// Those whose rows are there already.
    pub there: u64,
    /// Those that are rejected once more.
    pub rejected: u64,
    /// Those of which the plugin makes nothing.
    pub dropped: u64,
    /// Those of which some rows are there, or may be, and others are not.
    pub conflicts: u64,
    /// Further letters of the same records.
    pub doubled_letters: u64,
    /// What is no letter of this pipeline's topics.
    pub other_letters: u64,
    /// In the plugin's order.
    pub routes: Vec<RouteReport>,
    /// Why records are rejected, with how many each.
    pub reasons: BTreeMap<String, u64>,
    /// Which records went through, are there, or need a look.
    pub offsets: Runs<Fate>,
    /// A few records, before and after.
    pub samples: Vec<Sample>,
    /// What an operator should know.
    pub notes: Vec<String>,
}

/// Rows of a route.
#[derive(Debug, Serialize)]
pub struct RouteReport {
    /// The plugin's route.
    pub route: String,
    /// `SINK:TABLE`.
    pub table: String,
    /// Rows that are written, or would be.
    pub rows: u64,
    /// Rows that are there already.
    pub there: u64,
    /// Whether the table can be asked which rows are there.
    pub asked: bool,
}

/// A record, before and after.
#[derive(Debug, Serialize)]
pub struct Sample {
    /// `TOPIC/PARTITION`.
    pub partition: String,
    /// Its offset.
    pub offset: i64,
    /// Why it was rejected; null where it was not.
    pub before: Option<String>,
    /// Why it is rejected now; null where it is not.
    pub rejected: Option<String>,
    /// `ROUTE {ROW}`.
    pub rows: Vec<String>,
}

/// So many reasons are told apart.
const MOST_REASONS: usize = 50;

impl Report {
    /// Counts a reject. Reasons that say where in a record something is wrong are as many as records.
    pub fn reject(&mut self, stage: &str, reason: &str) {
        self.rejected += 1;
        let reason = format!("{stage}: {reason}");
        let told_apart = self.reasons.len() < MOST_REASONS || self.reasons.contains_key(&reason);
        let reason = if told_apart { reason } else { "other reasons".to_owned() };
        *self.reasons.entry(reason).or_insert(0) += 1;
    }
}
