//! What ought to be in a table against what is, record by record. Knows no services.

use std::collections::BTreeMap;

use crate::sink::Found;

/// What is wrong with rows or letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Wrong {
    /// They ought to be there and are not.
    Missing,
    /// They are there more often than they ought to be.
    Doubled,
    /// They are there, but the plugin makes none such of the record.
    Unexpected,
}

/// The rows of a record in a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OfRecord {
    /// How many ought to be there.
    pub expected: u64,
    /// How many are.
    pub written: u64,
    /// How many of those that ought to be there are not.
    pub missing: u64,
    /// How many are there once more.
    pub doubled: u64,
    /// How many are there that nobody expects.
    pub unexpected: u64,
}

/// Compares by offset and ordinal; neither list need be sorted, and what stands in one twice is added up.
pub fn compare(expected: &[Found], found: &[Found]) -> BTreeMap<i64, OfRecord> {
    let mut rows: BTreeMap<(i64, i64), (u64, u64)> = BTreeMap::new();
    for one in expected {
        rows.entry((one.offset, one.ordinal)).or_default().0 += one.rows;
    }
    for one in found {
        rows.entry((one.offset, one.ordinal)).or_default().1 += one.rows;
    }
    let mut records: BTreeMap<i64, OfRecord> = BTreeMap::new();
    for ((offset, _), (expected, found)) in rows {
        let record = records.entry(offset).or_default();
        record.expected += expected;
        record.written += found;
        record.missing += expected.saturating_sub(found);
        match expected {
            0 => record.unexpected += found,
            expected => record.doubled += found.saturating_sub(expected),
        }
    }
    records
}

/// Consecutive offsets of which the same is told.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Run<W> {
    /// What is told of them.
    pub what: W,
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The first offset.
    pub first: i64,
    /// The last offset.
    pub last: i64,
    /// How many rows or letters that concerns.
    pub count: u64,
}

/// A list of offsets that is never longer than somebody reads.
#[derive(Debug, serde::Serialize)]
pub struct Runs<W> {
    /// By partition and offset, as far as they are listed.
    pub runs: Vec<Run<W>>,
    /// How many more there are that are not listed.
    pub more: u64,
    #[serde(skip)]
    most: usize,
}

impl<W: PartialEq> Runs<W> {
    /// None yet; at most so many are listed.
    pub fn new(most: usize) -> Self {
        Self { runs: Vec::new(), more: 0, most }
    }

    /// Adds rows of a record; offsets ascend within a partition.
    pub fn add(&mut self, what: W, (topic, partition): (&str, i32), offset: i64, count: u64) {
        if count == 0 {
            return;
        }
        // Two kinds of faults take turns where both are in a row.
        let mut last = self.runs.iter_mut().rev().take(3);
        let continues = |run: &&mut Run<W>| {
            run.what == what && run.partition == partition && run.topic == topic && run.last + 1 == offset
        };
        if let Some(run) = last.find(continues) {
            run.last = offset;
            run.count += count;
        } else if self.runs.len() < self.most {
            let topic = topic.to_owned();
            self.runs.push(Run { what, topic, partition, first: offset, last: offset, count });
        } else {
            self.more += count;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(rows: &[(i64, i64, u64)]) -> Vec<Found> {
        rows.iter().map(|(offset, ordinal, rows)| Found { offset: *offset, ordinal: *ordinal, rows: *rows }).collect()
    }

    #[test]
    fn one_row_that_is_missing_does_not_make_up_for_another_that_is_there_twice() {
        let records = compare(&found(&[(5, 0, 1), (5, 1, 1)]), &found(&[(5, 0, 2)]));
        let right = OfRecord { expected: 2, written: 2, missing: 1, doubled: 1, unexpected: 0 };
        assert_eq!(records, BTreeMap::from([(5, right)]));
    }

    #[test]
    fn rows_that_nobody_expects_are_no_doubled_ones() {
        let records = compare(&found(&[(5, 0, 1)]), &found(&[(5, 0, 1), (5, 1, 1), (6, 0, 3)]));
        assert_eq!(records[&5], OfRecord { expected: 1, written: 2, unexpected: 1, ..OfRecord::default() });
        assert_eq!(records[&6], OfRecord { written: 3, unexpected: 3, ..OfRecord::default() });
    }

    #[test]
    fn without_ordinals_rows_are_counted_by_record() {
        let records = compare(&found(&[(5, 0, 1), (5, 0, 1)]), &found(&[(5, 0, 3)]));
        assert_eq!(records[&5], OfRecord { expected: 2, written: 3, doubled: 1, ..OfRecord::default() });
    }

    #[test]
    fn offsets_in_a_row_are_told_once_and_a_long_list_says_how_much_more_there_is() {
        let mut runs = Runs::new(3);
        for offset in [5, 6, 7] {
            runs.add(Wrong::Missing, ("t", 0), offset, 1);
            runs.add(Wrong::Doubled, ("t", 0), offset, 2);
        }
        runs.add(Wrong::Missing, ("t", 1), 8, 1);
        runs.add(Wrong::Missing, ("t", 1), 10, 1);
        runs.add(Wrong::Missing, ("t", 1), 12, 0);
        let told: Vec<_> =
            runs.runs.iter().map(|run| (run.what, run.partition, run.first, run.last, run.count)).collect();
        let right = [(Wrong::Missing, 0, 5, 7, 3), (Wrong::Doubled, 0, 5, 7, 6), (Wrong::Missing, 1, 8, 8, 1)];
        assert_eq!(told, right);
        assert_eq!(runs.more, 1);
    }
}
