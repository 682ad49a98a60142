//! Ranges of several partitions that are written as one: what each has become goes behind what another has, rows, rejects and records.

use tidegate_ledger::{Joined, Verdicts};

use super::batch::{Batch, JoinedRange};
use super::range::Range;
use super::stop::Stop;
use super::transform::Transformed;

impl Batch {
    /// How many of the records are of its own range.
    pub fn own_records(&self) -> usize {
        self.joined.first().map_or(self.records.len(), |joined| joined.records.start)
    }

    /// The range that a record is of.
    pub fn range_of(&self, record: usize) -> &Range {
        let joined = self.joined.iter().find(|joined| joined.records.contains(&record));
        joined.map_or(&self.range, |joined| &joined.range)
    }

    /// Where the joined ranges lie: partitions, first offsets and those behind.
    pub fn places(&self) -> Vec<(i32, i64, i64)> {
        self.joined.iter().map(|JoinedRange { range, .. }| (range.partition, range.first, range.next)).collect()
    }

    /// Nobody can tell what of it is written, and why.
    pub fn undecided(&self, reason: String) -> Stop {
        Stop::undecided(reason, &self.range).with(self.places())
    }

    /// Its range, and how many others there are, for people.
    pub fn told(&self) -> String {
        match self.joined.len() {
            0 => self.range.to_string(),
            others => format!("{} and {others} of other partitions that are written with it", self.range),
        }
    }
}

impl Transformed {
    /// Appends what ranges of other partitions have become, by the same version.
    pub fn join(mut self, others: Vec<Self>) -> Self {
        for other in others {
            let Self { batch, routes, rejects, dropped, refused } = other;
            let before = self.batch.records.len();
            self.batch.records.append(&batch.records);
            self.batch.permit.grow(batch.permit.bytes());
            self.batch.joined.push(JoinedRange { range: batch.range, records: before..before + batch.records.len() });
            for (route, joined) in self.routes.iter_mut().zip(routes) {
                route.join(joined, before);
            }
            self.rejects.extend(rejects.into_iter().map(|mut reject| {
                reject.record += before;
                reject
            }));
            self.dropped += dropped;
            for (route, records) in refused {
                let all = self.refused.entry(route).or_default();
                all.extend(records.into_iter().map(|record| before + record));
            }
        }
        self
    }

    /// What of the joined ranges' rows depends on more than their records and their bundle, as a plan says it.
    pub fn joined(&self) -> Vec<Joined> {
        let joined = |JoinedRange { range, records }: &JoinedRange| Joined {
            partition: range.partition,
            first: range.first,
            next: range.next,
            verdicts: self.verdicts_of(range, records.clone()),
        };
        self.batch.joined.iter().map(joined).collect()
    }

    /// The same of its own.
    pub fn verdicts(&self) -> Verdicts {
        self.verdicts_of(&self.batch.range, 0..self.batch.own_records())
    }
}
