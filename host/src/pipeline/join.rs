//! Ranges of several partitions that are written as one: what each has become goes behind what another has, rows, rejects and records.

use std::sync::Arc;

use tidegate_ledger::{Joined, Planned, Verdicts};
use tokio::sync::oneshot;

use super::batch::{Batch, JoinedRange};
use super::deliver::Delivery;
use super::deployment::Deployment;
use super::probation::Made;
use super::range::{Range, Records};
use super::stop::Stop;
use super::transform::{Failed, Transformed};

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

impl Delivery {
    /// Ranges of other partitions as they were planned, whose records are read again.
    pub(super) async fn joined_again(
        &self,
        by: &Arc<Deployment>,
        like: &Batch,
        joined: &[Joined],
    ) -> Result<Vec<Transformed>, String> {
        let mut others = Vec::with_capacity(joined.len());
        for (batch, joined) in self.batches_of(by, like, joined).await?.into_iter().zip(joined) {
            let Joined { partition: _, first, next, verdicts } = joined.clone();
            let planned = Planned { first, next, bundle: by.bundle.id(), verdicts, at: 0, joined: Vec::new() };
            let range = batch.range.clone();
            let made = self.run_again(by, batch, planned).await;
            others.push(made.map_err(|reason| format!("of range {range}, which is written with it: {reason}"))?);
        }
        Ok(others)
    }

    /// Batches of the records of ranges of other partitions.
    async fn batches_of(&self, by: &Deployment, like: &Batch, joined: &[Joined]) -> Result<Vec<Batch>, String> {
        if joined.is_empty() {
            return Ok(Vec::new());
        }
        let range = |joined: &Joined| Range {
            topic: like.range.topic.clone(),
            partition: joined.partition,
            first: joined.first,
            next: joined.next,
        };
        let ranges: Vec<_> = joined.iter().map(range).collect();
        let records = self.past.records(&ranges, &by.settings.group, &self.status).await?;
        let batch = |(range, records): (Range, Records)| Batch {
            range,
            permit: like.permit.another(records.bytes()),
            records,
            lineage: like.lineage,
            bundle: by.bundle.clone(),
            joined: Vec::new(),
        };
        Ok(ranges.into_iter().zip(records).map(batch).collect())
    }

    /// What is deployed makes a range, and those that are planned with it.
    pub(super) async fn make_with(&self, batch: Batch, joined: &[Joined]) -> Result<Result<Made, Box<Failed>>, String> {
        let mut others = Vec::with_capacity(joined.len());
        for of_other in self.batches_of(&self.versions.current(), &batch, joined).await? {
            match self.make(of_other).await {
                Ok(made) => others.push(made),
                Err(failed) => return Ok(Err(failed)),
            }
        }
        let made = match self.make(batch).await {
            Ok(made) => made,
            Err(failed) => return Ok(Err(failed)),
        };
        if others.iter().any(|other| other.by.bundle.id() != made.by.bundle.id()) {
            return Err("another version took over while it was made".to_owned());
        }
        let others = others.into_iter().map(|other| other.transformed).collect();
        Ok(Ok(Made { transformed: made.transformed.join(others), by: made.by }))
    }

    /// Joins what ranges of other partitions have become that are planned with this one.
    ///
    /// # Errors
    /// Where the records of one are gone that has to be made again.
    pub(super) async fn gather(
        &self,
        by: &Arc<Deployment>,
        transformed: Transformed,
        others: Vec<(Joined, oneshot::Receiver<Box<Transformed>>)>,
    ) -> Result<Transformed, Stop> {
        let mut gathered = Vec::with_capacity(others.len());
        for (joined, other) in others {
            match other.await {
                Ok(other) => gathered.push(*other),
                // Its partition went to another member before it came: this one's plan names it.
                Err(_) => {
                    let again = self.joined_again(by, &transformed.batch, std::slice::from_ref(&joined)).await;
                    gathered.extend(again.map_err(|reason| Stop::undecided(reason, &transformed.batch.range))?);
                }
            }
        }
        Ok(transformed.join(gathered))
    }
}

/// Where joined ranges lie: partitions, first offsets and those behind.
pub(super) fn places(joined: &[Joined]) -> Vec<(i32, i64, i64)> {
    joined.iter().map(|Joined { partition, first, next, .. }| (*partition, *first, *next)).collect()
}
