//! The rows of a batch, by the version that runs. Where that one is on probation and rejects records, or traps, the former version runs the
//! same batch, and what counts is decided before anything is sent: a new version that does worse dead-letters nothing.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use super::batch::Batch;
use super::deliver::Delivery;
use super::deployment::Deployment;
use super::isolate::isolate;
use super::transform::{Failed, Transformed, failed};
use super::versions::{Choice, OnProbation, Trialled, Verdict};
use crate::cpu::Metered;
use crate::metrics::Timed;

/// What a batch became, and by which version.
pub struct Made {
    /// The version.
    pub by: Arc<Deployment>,
    /// Rows and rejects.
    pub transformed: Transformed,
}

impl Delivery {
    /// Runs a batch through the version that is to make its rows.
    ///
    /// # Errors
    /// Where that version makes none: the batch, and why.
    pub(super) async fn make(&self, mut batch: Batch) -> Result<Made, Box<Failed>> {
        loop {
            let tried = match self.versions.choose() {
                Choice::Proven(version) => match self.run(version.clone(), batch).await {
                    // Another took over meanwhile, and may do better.
                    Err(failed) if !Arc::ptr_eq(&version, &self.versions.current()) => {
                        batch = failed.batch;
                        continue;
                    }
                    made => return made,
                },
                Choice::OnProbation(tried) => tried,
            };
            let new = self.run(tried.new.clone(), batch).await;
            let suspicious = new.as_ref().map_or(true, |made| !made.transformed.rejects.is_empty());
            if suspicious {
                return self.compare(&tried, new).await;
            }
            let records = count(new.as_ref().map_or(0, |made| made.transformed.batch.records.len()));
            let verdict = self.versions.judge(&tried, &Trialled { records, worse: 0, reason: String::new() });
            match (verdict, new) {
                // It was rolled back for another range meanwhile: the former version makes this one too.
                (Verdict::Discard, Ok(made)) => batch = made.transformed.into_batch(),
                (_, new) => return new,
            }
        }
    }

    /// Decides what counts by running the former version on the same records.
    async fn compare(&self, tried: &OnProbation, new: Result<Made, Box<Failed>>) -> Result<Made, Box<Failed>> {
        let (batch, new) = match new {
            Ok(Made { by, transformed }) => {
                let (batch, output) = transformed.split();
                (batch, Ok((by, output)))
            }
            Err(failed) => {
                let Failed { batch, fault, .. } = *failed;
                (batch, Err(fault))
            }
        };
        let records = count(batch.records.len());
        let former = match (self.run(tried.former.clone(), batch).await, &new) {
            (Ok(former), _) => former,
            // Neither makes anything of it: the new version is not to blame, and what the former says of it is known to be so.
            (Err(former), Err(_)) => return Err(former),
            (Err(former), Ok(_)) => {
                // It does better.
                let range = Trialled { records, worse: 0, reason: String::new() };
                let verdict = self.versions.judge(tried, &range);
                return match (verdict, new) {
                    (Verdict::Keep, Ok((by, output))) => Ok(Made { by, transformed: output.of(former.batch) }),
                    _ => Err(former),
                };
            }
        };
        let range = match &new {
            Err(fault) => Trialled { records, worse: records, reason: fault.to_string() },
            Ok((_, output)) => {
                let taken = &former.transformed.rejects;
                let refused: BTreeSet<_> = taken.iter().map(|reject| reject.record).collect();
                let mut worse = output.rejects.iter().filter(|reject| !refused.contains(&reject.record));
                let first = worse.next();
                let reason = first.map(|reject| reject.reason.clone()).unwrap_or_default();
                Trialled { records, worse: count(usize::from(first.is_some()) + worse.count()), reason }
            }
        };
        match (self.versions.judge(tried, &range), new) {
            (Verdict::Keep, Ok((by, output))) => {
                let batch = former.transformed.into_batch();
                Ok(Made { by, transformed: output.of(batch) })
            }
            _ => Ok(former),
        }
    }

    /// Runs a batch through a version, on the workers.
    async fn run(&self, version: Arc<Deployment>, mut batch: Batch) -> Result<Made, Box<Failed>> {
        let started = Instant::now();
        batch.bundle = version.bundle.clone();
        let by = version.clone();
        let (transformed, cpu) = self.tenant.workers.spawn(Metered::new(rows_of(by, batch))).await;
        self.status.metrics().spent(Timed::Transform, started.elapsed(), cpu);
        Ok(Made { by: version, transformed: transformed? })
    }
}

/// The rows of a batch that its tables can hold.
async fn rows_of(version: Arc<Deployment>, batch: Batch) -> Result<Transformed, Box<Failed>> {
    let Deployment { plugin, tables, isolation, .. } = &*version;
    tracing::trace!(target: "tidegate::guest_calls", range = %batch.range, "begin");
    let range = batch.range.clone();
    let mut transformed = isolate(plugin.clone(), batch, isolation).await?;
    tracing::trace!(target: "tidegate::guest_calls", %range, "end");
    for (index, ((_, table), route)) in tables.iter().zip(&plugin.description().routes).enumerate() {
        if let Some(rule) = table.rule()
            && let Err(fault) = transformed.reject_refused(index, &route.name, rule)
        {
            let records = 0..transformed.batch.records.len();
            return Err(Box::new(failed(transformed.into_batch(), records, fault)));
        }
    }
    Ok(transformed)
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
