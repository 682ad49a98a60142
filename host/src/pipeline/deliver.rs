//! From a batch to a complete range: transform (`probation`), write every route's rows, write the dead letters, in that order. A range is
//! complete when all of it is where it belongs; until then every step is tried again.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use futures_util::future::{FutureExt, join_all};
use tokio_util::sync::CancellationToken;

use super::batch::{Batch, Token};
use super::deployment::Deployment;
use super::probation::Made;
use super::range::Range;
use super::status::Status;
use super::transform::{Failed, Reject, Transformed};
use super::turns::{Turn, Turns};
use super::versions::Versions;
use crate::config::{OnReject, PluginState};
use crate::cpu::{Metered, thread_time};
use crate::kafka::DeadLetter;
use crate::metrics::Timed;
use crate::plugin::PluginHash;
use crate::sink::{Backoff, Write};
use crate::tenants::Tenant;

/// All that the batches of a pipeline need.
pub struct Delivery {
    /// What transforms them, and where their rows go.
    pub versions: Arc<Versions>,
    /// Whose pipeline it is: guests run in its share of the workers.
    pub tenant: Tenant,
    /// Where troubles are told.
    pub status: Arc<Status>,
    /// Of ranges that go through a plugin one after the other.
    pub turns: Turns,
}

/// What a letter costs, in times what the thread that offers it to librdkafka spends: as much again, and more, goes by on threads of
/// librdkafka's own, which nobody can tell apart by tenant.
const LETTERS_COST: u32 = 3;

/// A batch on its way.
pub struct Job {
    /// The batch.
    pub batch: Batch,
    /// The assignment of its partition that it was fetched in.
    pub assignment: u64,
    /// Cancelled when the partition is another's.
    pub cancel: CancellationToken,
}

/// A batch at its end.
#[derive(Debug)]
pub struct Done {
    /// Its range.
    pub range: Range,
    /// As in the job.
    pub assignment: u64,
    /// Of the versions, when it began.
    pub turn: u64,
    /// How it ended.
    pub outcome: Outcome,
}

/// How a batch ended.
#[derive(Debug)]
pub enum Outcome {
    /// All of it is where it belongs.
    Complete,
    /// It cannot become rows, and nothing behind it may be committed: why.
    Stopped(String),
    /// No range can become rows, since the plugin fails on everything: why.
    Paused(String),
    /// It was cancelled.
    Abandoned,
}

impl Delivery {
    /// Gives back what only records need, when none are to be expected soon. It is made anew with the next.
    pub async fn rest(&self) {
        for version in [self.versions.current(), self.versions.proven()] {
            version.plugin.release_idle();
            if let Some(dead_letters) = &version.dead_letters {
                dead_letters.close().await;
            }
        }
    }

    /// The place of a batch among those of its partition, where they have an order. To be asked for in it.
    pub fn turn(&self, job: &Job) -> Option<Turn> {
        let kept = self.versions.current().settings.state == PluginState::Kept;
        kept.then(|| self.turns.next(&job.batch))
    }

    /// Brings a batch to its end, when its turn comes.
    pub async fn deliver(&self, job: Job, place: Option<Turn>) -> Done {
        let Job { batch, assignment, cancel } = job;
        let (range, turn) = (batch.range.clone(), self.versions.turn());
        let outcome = tokio::select! {
            // Where both are ready, what is done counts as done.
            biased;
            // A range must come to an end whatever happens on its way: one that vanished would hold its partition for ever,
            // and nobody would hear of it.
            outcome = AssertUnwindSafe(self.complete(batch, place)).catch_unwind() => outcome.unwrap_or_else(|_| {
                Outcome::Stopped("a defect of the gateway, named in the log, ended it; the partition stops here".to_owned())
            }),
            () = cancel.cancelled() => Outcome::Abandoned,
        };
        Done { range, assignment, turn, outcome }
    }

    async fn complete(&self, batch: Batch, mut place: Option<Turn>) -> Outcome {
        let range = batch.range.clone();
        if let Some(place) = &mut place
            && place.comes().await
        {
            for version in [self.versions.current(), self.versions.proven()] {
                version.plugin.forget(&range);
            }
        }
        let made = self.make(batch).await;
        // Writing takes its time; the next may be made meanwhile.
        drop(place);
        let Made { by, transformed } = match made {
            Ok(made) => made,
            Err(failed) => {
                self.shown(&range, &failed);
                return match failed.concerns.is_plugin() {
                    true => Outcome::Paused(format!("{failed}; nothing is read until its files change")),
                    false => Outcome::Stopped(format!("{failed}; the partition stops here, nothing behind is read")),
                };
            }
        };
        let transformed = self.show(&by, transformed).await;
        if let (OnReject::Stop, Some(reject)) = (by.on_reject(), transformed.rejects.first()) {
            let offset = transformed.batch.records.offsets.get(reject.record).copied().unwrap_or_default();
            let reason = &reject.reason;
            return Outcome::Stopped(format!("record {offset} is rejected, and on_reject is \"stop\": {reason}"));
        }
        let written = join_all((0..by.tables.len()).map(|route| self.write(&by, &transformed, route))).await;
        if written.contains(&false) {
            return Outcome::Stopped("its rows belong elsewhere since another version took over".to_owned());
        }
        self.write_dead_letters(&by, &transformed).await;
        self.count(&by, &transformed);
        Outcome::Complete
    }

    /// Whether the rows of a route are where they belong; not where a version that has taken over writes them elsewhere, and they cannot be
    /// written here.
    async fn write(&self, by: &Deployment, transformed: &Transformed, route: usize) -> bool {
        let (Some((target, table)), Some(rows)) = (by.tables.get(route), transformed.routes.get(route)) else {
            return true;
        };
        if rows.rows == 0 {
            return true;
        }
        let subject = format!("sink {target}");
        let Batch { range, lineage, .. } = &transformed.batch;
        let token = Token::new(*lineage, range, route);
        let mut backoff = Backoff::default();
        loop {
            let started = Instant::now();
            let (written, cpu) =
                Metered::new(table.write(Write { tenant: &self.tenant.name, token: &token, range, rows })).await;
            self.status.metrics().spent(Timed::Sink, started.elapsed(), cpu);
            self.tenant.workers.charge(cpu);
            match written {
                Ok(()) => {
                    self.status.solved(&subject);
                    return true;
                }
                Err(_) if !self.versions.current().writes_like(by, route) => {
                    self.status.solved(&subject);
                    return false;
                }
                Err(fault) => self.status.problem(&subject, &fault.to_string()),
            }
            self.status.metrics().retry(Timed::Sink);
            let wait = backoff.next(&mut rand::rng());
            tokio::time::sleep(wait).await;
        }
    }

    async fn write_dead_letters(&self, by: &Deployment, transformed: &Transformed) {
        let Some(dead_letters) = &by.dead_letters else { return };
        if transformed.rejects.is_empty() {
            return;
        }
        let plugin = by.plugin.hash();
        let before = thread_time();
        let mut letters: Vec<_> =
            transformed.rejects.iter().map(|reject| letter(transformed, reject, plugin)).collect();
        self.tenant.workers.charge(thread_time().saturating_sub(before));
        let mut backoff = Backoff::default();
        loop {
            let started = Instant::now();
            let (written, cpu) = Metered::new(dead_letters.write(&letters)).await;
            self.status.metrics().spent(Timed::DeadLetter, started.elapsed(), cpu);
            self.tenant.workers.charge(cpu * LETTERS_COST);
            let Err((failed, fault)) = written else { return self.status.solved("dead letters") };
            self.status.problem("dead letters", &fault.to_string());
            // Only those that the broker has not are written again.
            let mut index = 0;
            letters.retain(|_| {
                let keep = failed.binary_search(&index).is_ok();
                index += 1;
                keep
            });
            self.status.metrics().retry(Timed::DeadLetter);
            let wait = backoff.next(&mut rand::rng());
            tokio::time::sleep(wait).await;
        }
    }

    /// Shows whoever taps the pipeline what came of a range, where anybody does, on the workers: it takes CPU time.
    async fn show(&self, by: &Arc<Deployment>, transformed: Transformed) -> Transformed {
        let tap = self.status.tap();
        if !tap.is_tapped() {
            return transformed;
        }
        let (tap, shown) = (tap.clone(), by.shown.clone());
        let show = async move {
            // A defect of what only looks on costs no more than the look.
            let _ = std::panic::catch_unwind(AssertUnwindSafe(|| tap.show(&shown, &transformed)));
            transformed
        };
        self.tenant.workers.spawn(show).await
    }

    /// Shows whoever taps the pipeline that nothing came of a range.
    fn shown(&self, range: &Range, failed: &Failed) {
        let tap = self.status.tap();
        if tap.is_tapped() {
            let _ = std::panic::catch_unwind(AssertUnwindSafe(|| tap.show_fault(range, &failed.fault)));
        }
    }

    fn count(&self, by: &Deployment, transformed: &Transformed) {
        let metrics = self.status.metrics();
        for (route, rows) in by.plugin.description().routes.iter().zip(&transformed.routes) {
            metrics.rows(&route.name).inc_by(u64::try_from(rows.rows).unwrap_or_default());
        }
        for reject in &transformed.rejects {
            metrics.rejects(reject.stage.name()).inc();
        }
        metrics.dropped.inc_by(u64::try_from(transformed.dropped).unwrap_or_default());
        metrics.completed.inc_by(u64::try_from(transformed.batch.records.len()).unwrap_or_default());
        metrics.ranges.inc();
    }
}

/// A letter: the record as it came, and headers that say where from, by which plugin, at which stage and why.
fn letter<'a>(transformed: &'a Transformed, reject: &Reject, plugin: PluginHash) -> DeadLetter<'a> {
    let Batch { range, records, .. } = &transformed.batch;
    let offset = records.offsets.get(reject.record).copied().unwrap_or_default();
    DeadLetter {
        key: records.keys.get(reject.record),
        value: records.values.get(reject.record),
        timestamp: records.timestamps.get(reject.record).copied().unwrap_or(-1),
        headers: records.headers(reject.record).collect(),
        reasons: vec![
            ("tidegate-topic", range.topic.to_string()),
            ("tidegate-partition", range.partition.to_string()),
            ("tidegate-offset", offset.to_string()),
            ("tidegate-plugin", plugin.to_string()),
            ("tidegate-stage", reject.stage.name().to_owned()),
            ("tidegate-reason", reject.reason.clone()),
        ],
    }
}
