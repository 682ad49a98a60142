//! From a batch to a complete range: transform (`probation`, or `again` what was planned), have it planned, write every route's rows (`write`),
//! in that order. A range is complete when all of it is where it belongs; until then every step is tried again.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Instant;

use futures_util::future::{FutureExt, join_all};
use tidegate_ledger::{BundleId, Making, Planned};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::again::{again, gone};
use super::batch::Batch;
use super::budget::Permit;
use super::deployment::Deployment;
use super::join::places;
use super::partition::Go;
use super::past::Past;
use super::probation::Made;
use super::range::Range;
use super::status::Status;
use super::stop::Stop;
use super::transform::{Failed, Reject, Transformed};
use super::turns::{Turn, Turns};
use super::versions::Versions;
use super::write::{Doubt, Written};
use crate::config::{Guarantee, OnReject, PluginState};
use crate::cpu::{Metered, thread_time};
use crate::kafka::{DeadLetter, DeadLetters, Letters, Wake};
use crate::metrics::Timed;
use crate::plugin::PluginHash;
use crate::sink::Backoff;
use crate::stop_points;
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
    /// Versions of former times, for ranges that were planned with them.
    pub past: Past,
}

/// What a letter costs, in times what the thread that offers it to librdkafka spends: as much again, and more, goes by on threads of
/// librdkafka's own, which nobody can tell apart by tenant.
pub const LETTERS_COST: u32 = 3;

/// A batch on its way.
pub struct Job {
    /// The batch.
    pub batch: Batch,
    /// The assignment of its partition that it was fetched in.
    pub assignment: u64,
    /// How it was planned, where it was.
    pub planned: Option<Planned>,
    /// Cancelled when the partition is another's.
    pub cancel: CancellationToken,
}

/// What the reader hears of batches that are under way.
#[derive(Debug)]
pub enum Report {
    /// It is known how a range is to be written.
    Made(HowMade),
    /// A range has come to its end.
    Done(Done),
}

/// How a range is to be written.
#[derive(Debug)]
pub struct HowMade {
    /// The range.
    pub range: Range,
    /// As in the job.
    pub assignment: u64,
    /// How.
    pub making: Making,
    /// Whether dead letters come with it.
    pub has_letters: bool,
    /// Answered when it is decided what becomes of it; dropped where nothing will.
    pub go: oneshot::Sender<Go>,
}

/// Where batches report to the reader.
#[derive(Clone)]
pub struct Reports {
    /// Has room for as many as may come.
    pub sender: SyncSender<Report>,
    /// The reader's thread.
    pub wake: Wake,
}

impl Reports {
    /// Reports, and wakes the reader.
    pub fn send(&self, report: Report) {
        // Where the other end is gone nobody cares any more.
        let _ = self.sender.try_send(report);
        self.wake.wake();
    }
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
    /// All of it is where it belongs, but for its dead letters: they go with the commit that completes it.
    Complete(Option<Kept>),
    /// It cannot become rows, and nothing behind it may be committed: why.
    Stopped(Stop),
    /// What is left out of it finds no room in a plan: it has to become two.
    TooLarge(Box<Batch>),
    /// No range can become rows, since the plugin fails on everything: why.
    Paused(String),
    /// Another partition's range has what it became, and is written with it.
    Joined,
    /// It was cancelled.
    Abandoned,
}

/// Dead letters that wait for a commit.
#[derive(Debug)]
pub struct Kept {
    /// At least one.
    pub letters: Arc<Letters>,
    /// Their share of the bytes that the pipeline may hold.
    pub _permit: Permit,
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

    /// Does what the first range would wait for, while the group takes its time to let a member in.
    pub async fn make_ready(&self) {
        let version = self.versions.current();
        if version.guarantee == Guarantee::ExactlyOnce {
            // Where it cannot be stored, the first range will say so.
            let _ = self.past.store(&version, &self.status).await;
        }
    }

    /// The place of a batch among those of its partition, where they have an order. To be asked for in it.
    pub fn turn(&self, job: &Job) -> Option<Turn> {
        let kept = self.versions.current().settings.state == PluginState::Kept;
        kept.then(|| self.turns.next(&job.batch))
    }

    /// Brings a batch to its end, when its turn comes.
    pub async fn deliver(&self, job: Job, place: Option<Turn>, reports: &Reports) -> Done {
        let Job { batch, assignment, planned, cancel } = job;
        let (range, turn) = (batch.range.clone(), self.versions.turn());
        let ask = Ask { reports, assignment };
        let outcome = tokio::select! {
            // Where both are ready, what is done counts as done.
            biased;
            // A range must come to an end whatever happens on its way: one that vanished would hold its partition for ever,
            // and nobody would hear of it.
            outcome = AssertUnwindSafe(self.complete(batch, place, planned, ask)).catch_unwind() => outcome.unwrap_or_else(|_| {
                Outcome::Stopped(Stop::again("a defect of the gateway, named in the log, ended it; the partition stops here"))
            }),
            () = cancel.cancelled() => Outcome::Abandoned,
        };
        Done { range, assignment, turn, outcome }
    }

    async fn complete(&self, batch: Batch, mut place: Option<Turn>, planned: Option<Planned>, ask: Ask<'_>) -> Outcome {
        let range = batch.range.clone();
        if let Some(place) = &mut place
            && place.comes().await
        {
            for version in [self.versions.current(), self.versions.proven()] {
                version.plugin.forget(&range);
            }
        }
        self.pass(&range, "closed");
        let before = planned.clone();
        let joined = before.as_ref().map_or(&[][..], |planned| &planned.joined);
        // An operator has said that the version that is deployed is to make it, whatever was sent of it before.
        let made = match planned.filter(|planned| planned.bundle != BundleId::DEPLOYED) {
            Some(planned) => match self.make_again(batch, planned).await {
                Ok(made) => Ok(made),
                Err(reason) => return Outcome::Stopped(Stop::undecided(reason, &range).with(places(joined))),
            },
            None => match self.make_with(batch, joined).await {
                Ok(made) => made,
                Err(reason) => return Outcome::Stopped(Stop::undecided(reason, &range).with(places(joined))),
            },
        };
        // Writing takes its time; the next may be made meanwhile.
        drop(place);
        let Made { by, transformed } = match made {
            Ok(made) => made,
            Err(failed) => {
                self.shown(&range, &failed);
                return match failed.concerns.is_plugin() {
                    true => Outcome::Paused(format!("{failed}; nothing is read until its files change")),
                    false => {
                        let reason = format!("{failed}; the partition stops here, nothing behind is read");
                        Outcome::Stopped(Stop::mend(reason, range.first, range.next))
                    }
                };
            }
        };
        let transformed = self.show(&by, transformed).await;
        if let (OnReject::Stop, Some(reject)) = (by.on_reject(), transformed.rejects.first()) {
            let offset = transformed.batch.records.offsets.get(reject.record).copied().unwrap_or_default();
            let reason = &reject.reason;
            let reason = format!("record {offset} is rejected, and on_reject is \"stop\": {reason}");
            return Outcome::Stopped(Stop::mend(reason, offset, offset + 1));
        }
        self.pass(&range, "made");
        self.finish(by, transformed, before, ask).await
    }

    /// Has a range planned, where it is to be, and brings its rows and letters where they belong.
    async fn finish(
        &self,
        by: Arc<Deployment>,
        mut transformed: Transformed,
        planned: Option<Planned>,
        ask: Ask<'_>,
    ) -> Outcome {
        let must_plan = planned.is_some() || by.guarantee == Guarantee::ExactlyOnce;
        // An operator who has it written anew knows that nothing of it is on its way.
        let doubted = planned.filter(|planned| planned.bundle != BundleId::DEPLOYED);
        let doubt = Doubt::of(&by.outlets, doubted.map(|planned| planned.at), must_plan);
        let mut open: Vec<_> = doubt.by_outlet(&by.outlets).collect();
        loop {
            if must_plan {
                let topic = &transformed.batch.range.topic;
                let ready = async {
                    self.past.store(&by, &self.status).await?;
                    self.past.note(&by, topic, &self.status).await
                };
                if let Err(reason) = ready.await {
                    return Outcome::Stopped(Stop::again(reason));
                }
                match ask.plan(&by, &transformed).await {
                    Some(Go::Send) => self.pass(&transformed.batch.range, "planned"),
                    Some(Go::Join(leader)) => {
                        // Where it is gone, its plan names this range: whoever comes next reads its records again.
                        let _ = leader.send(Box::new(transformed));
                        return Outcome::Joined;
                    }
                    Some(Go::Lead(others)) => {
                        self.pass(&transformed.batch.range, "planned");
                        transformed = match self.gather(&by, transformed, others).await {
                            Ok(transformed) => transformed,
                            Err(reason) => return Outcome::Stopped(reason),
                        };
                    }
                    Some(Go::Smaller) => return Outcome::TooLarge(Box::new(transformed.into_batch())),
                    Some(Go::NoRoom) => {
                        let reason = format!(
                            "tables refuse {} of its records, more than a commit's metadata has room for",
                            transformed.rejects.len()
                        );
                        return Outcome::Stopped(transformed.batch.undecided(reason));
                    }
                    None => return Outcome::Abandoned,
                }
            }
            self.pass(&transformed.batch.range, "before-write");
            let written = join_all(open.iter().map(|outlet| {
                let outgoing = self.outgoing(&by, &transformed);
                self.write(&by, outgoing, *outlet, &doubt)
            }))
            .await;
            self.pass(&transformed.batch.range, "after-write");
            let mut refused_by = Vec::new();
            for (outlet, written) in open.into_iter().zip(written) {
                match written {
                    Written::Done => {}
                    Written::Unknowable(reason) => {
                        let joined = transformed.batch.places();
                        return Outcome::Stopped(Stop::forgotten(reason, &transformed.batch.range).with(joined));
                    }
                    Written::Elsewhere => {
                        return Outcome::Stopped(Stop::again(
                            "its rows belong elsewhere since another version took over",
                        ));
                    }
                    Written::Refused { route, rows } => {
                        let name = by.plugin.description().routes.get(route).map(|route| route.name.clone());
                        if let Err(fault) = transformed.reject_blamed(route, &name.unwrap_or_default(), &rows) {
                            let Range { first, next, .. } = transformed.batch.range;
                            return Outcome::Stopped(Stop::mend(fault.to_string(), first, next));
                        }
                        refused_by.push(outlet);
                    }
                }
            }
            if refused_by.is_empty() {
                break;
            }
            open = refused_by;
        }
        if must_plan && let Some(reason) = self.write_lost(&by, &transformed, &doubt).await {
            return Outcome::Stopped(transformed.batch.undecided(reason));
        }
        if must_plan && let Some(reason) = self.must_decide(&by, &transformed, &doubt).await {
            return Outcome::Stopped(transformed.batch.undecided(reason));
        }
        let letters = match must_plan {
            true => self.keep_dead_letters(&by, &transformed),
            false => {
                self.write_dead_letters(&by, &transformed).await;
                None
            }
        };
        self.count(&by, &transformed);
        self.pass(&transformed.batch.range, "before-complete");
        Outcome::Complete(letters.map(|letters| {
            let Batch { mut permit, .. } = transformed.batch;
            permit.shrink_to(letters.bytes());
            Kept { letters: Arc::new(letters), _permit: permit }
        }))
    }

    /// Runs a batch as it was planned.
    async fn make_again(&self, mut batch: Batch, planned: Planned) -> Result<Made, String> {
        self.pass(&batch.range, "before-replay");
        let in_doubt = |problem: String| {
            format!(
                "range {}-{} was planned with bundle {}, and may have been written, in part or wholly; it cannot be processed again: {problem}. \
                 Nothing of the partition is read until that is mended, or an operator decides",
                planned.first, planned.next, planned.bundle
            )
        };
        let current = [self.versions.current(), self.versions.proven()];
        // One that promises less now would write it without what makes it come once.
        let known = current
            .into_iter()
            .find(|version| version.bundle.id() == planned.bundle && version.guarantee == Guarantee::ExactlyOnce);
        let by = match known {
            Some(version) => version,
            None => {
                let like = &self.versions.current().settings;
                self.past.version(planned.bundle, like, &self.status).await.map_err(in_doubt)?
            }
        };
        batch.bundle = by.bundle.clone();
        let others = self.joined_again(&by, &batch, &planned.joined).await.map_err(in_doubt)?;
        let transformed = self.run_again(&by, batch, planned.clone()).await.map_err(in_doubt)?;
        Ok(Made { by, transformed: transformed.join(others) })
    }

    pub(super) async fn run_again(
        &self,
        by: &Arc<Deployment>,
        batch: Batch,
        planned: Planned,
    ) -> Result<Transformed, String> {
        match gone(&batch, &planned) {
            0 => {}
            gone => return Err(format!("compaction has removed {gone} of its records since")),
        }
        let started = Instant::now();
        let (transformed, cpu) = self.tenant.workers.spawn(Metered::new(again(by.clone(), batch, planned))).await;
        self.status.metrics().spent(Timed::Transform, started.elapsed(), cpu);
        transformed.map_err(|failed| failed.to_string())
    }

    fn keep_dead_letters(&self, by: &Deployment, transformed: &Transformed) -> Option<Letters> {
        let topic = dead_letters(by, transformed)?.topic().into();
        let (plugin, before) = (by.plugin.hash(), thread_time());
        let kept = transformed.rejects.iter().map(|reject| {
            let offset = transformed.batch.records.offsets.get(reject.record).copied().unwrap_or_default();
            let partition = transformed.batch.range_of(reject.record).partition;
            letter(transformed, reject, plugin).keep(partition, offset)
        });
        let letters = Letters { topic, letters: kept.collect() };
        self.tenant.workers.charge(thread_time().saturating_sub(before));
        Some(letters)
    }

    async fn write_dead_letters(&self, by: &Deployment, transformed: &Transformed) {
        let Some(dead_letters) = dead_letters(by, transformed) else { return };
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

    /// A range comes to a point of its way: for whoever wonders where it spends its time, and for tests that stop it there.
    fn pass(&self, range: &Range, point: &'static str) {
        tracing::debug!(pipeline = %self.status.name(), %range, "{point}");
        stop_points::pass(point);
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

/// What a batch asks of the reader.
struct Ask<'a> {
    reports: &'a Reports,
    assignment: u64,
}

impl Ask<'_> {
    /// Has a range planned; none where it will not be.
    async fn plan(&self, by: &Deployment, transformed: &Transformed) -> Option<Go> {
        let (go, answer) = oneshot::channel();
        self.reports.send(Report::Made(HowMade {
            range: transformed.batch.range.clone(),
            assignment: self.assignment,
            making: Making { bundle: by.bundle.id(), verdicts: transformed.verdicts(), joined: transformed.joined() },
            has_letters: dead_letters(by, transformed).is_some(),
            go,
        }));
        answer.await.ok()
    }
}

/// Where dead letters of a range go, where it has any that go anywhere.
fn dead_letters<'d>(by: &'d Deployment, transformed: &Transformed) -> Option<&'d DeadLetters> {
    by.dead_letters.as_ref().filter(|_| !transformed.rejects.is_empty())
}

/// A letter: the record as it came, and headers that say where from, by which plugin, at which stage and why.
fn letter<'a>(transformed: &'a Transformed, reject: &Reject, plugin: PluginHash) -> DeadLetter<'a> {
    let Batch { records, .. } = &transformed.batch;
    let range = transformed.batch.range_of(reject.record);
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
