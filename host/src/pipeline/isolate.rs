//! Isolates what a guest fails on: where a range traps, goes beyond a limit or breaks the contract, parts of it are run on fresh
//! instances until the records to blame stand alone; then the range without them is run once more, whole, and only that output
//! counts. What it costs is bounded, and a plugin that fails on everything is given up.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use super::answers::Collected;
use super::batch::Batch;
use super::search::{Next, Search, Try, sample};
use super::slices::Part;
use super::status::Status;
use super::transform::{
    Concerns, Failed, Fault, LONGEST_FAULT, Reject, Stage, TransformFault, Transformed, failed, run, transform,
};
use crate::cpu::Metered;
use crate::plugin::{GuestFault, Plugin};

/// So many records that fail, and none that passes, are a plugin that fails on everything. Where half of all records fail, as many
/// picked at random do so once in four thousand million ranges.
const HOPELESS: usize = 32;

/// How much more CPU time a record may use that is run alone before it is said to take too long.
pub(super) const PATIENCE: u32 = 10;

/// How often the CPU time of one call may be spent on isolating a range: for a handful of records that never end, and for two runs
/// of every record where a run costs little.
const MOST_BUDGETS: u32 = 60;

/// The CPU time of a call where the plugin says none.
const USUAL_BUDGET: Duration = Duration::from_secs(1);

/// Parts of a call that timed out have their share of its time, but no less than this part of it: a call costs something by itself.
const LEAST_SHARE: u32 = 16;

/// So many records of a range keep their backtraces whole, and the others this many bytes of them: thousands would say the same, and
/// take more memory than the range.
const TOLD_WHOLE: usize = 100;
const BRIEF_FAULT: usize = 512;

/// What the ranges of a pipeline know of each other while one plugin runs them.
pub struct Isolation {
    status: Arc<Status>,
    /// One range is isolated at a time: what is found out about the plugin spares the others the same.
    turn: tokio::sync::Mutex<()>,
    /// How many records failed alone since the last one that passed.
    in_a_row: AtomicUsize,
    /// Why the plugin is given up, once it is.
    given_up: Mutex<Option<(TransformFault, Concerns)>>,
}

impl Isolation {
    /// Of a plugin that has not failed yet.
    pub fn new(status: Arc<Status>) -> Self {
        Self { status, turn: tokio::sync::Mutex::default(), in_a_row: AtomicUsize::new(0), given_up: Mutex::default() }
    }

    fn give_back(&self, batch: Batch) -> Result<Batch, Box<Failed>> {
        match self.given_up.lock().clone() {
            Some((fault, concerns)) => Err(Box::new(Failed { batch, fault, concerns })),
            None => Ok(batch),
        }
    }

    fn give_up(&self, failed: &Failed) {
        if failed.concerns.is_plugin() {
            self.given_up.lock().get_or_insert((failed.fault.clone(), failed.concerns));
        }
    }

    fn passed(&self) {
        self.in_a_row.store(0, Ordering::Relaxed);
    }
}

/// Runs a batch through its plugin, all records but those that it fails on, which are rejected.
///
/// # Errors
/// Where no such records can be told apart, or the plugin fails on everything: see [`Concerns`].
pub async fn isolate(plugin: Arc<dyn Plugin>, batch: Batch, isolation: &Isolation) -> Result<Transformed, Box<Failed>> {
    let batch = isolation.give_back(batch)?;
    let batch = match transform(plugin.clone(), batch).await {
        Ok(transformed) => {
            isolation.passed();
            return Ok(transformed);
        }
        Err(failed) => {
            isolation.status.metrics().traps.inc();
            isolation.give_up(&failed);
            if failed.concerns.is_plugin() || matches!(failed.fault.fault, GuestFault::Finish(_)) {
                return Err(failed);
            }
            tracing::warn!(pipeline = %isolation.status.name(), "{failed}; looking for the records to blame");
            failed.batch
        }
    };
    let _turn = isolation.turn.lock().await;
    let batch = isolation.give_back(batch)?;
    let mut hunt = Hunt::new(&*plugin, &batch, isolation);
    let found = hunt.hunt().await;
    let (runs, spent) = (hunt.runs, hunt.spent);
    let poison = hunt.poison();
    let (first, last) = (batch.range.first, batch.range.next - 1);
    tracing::warn!(
        pipeline = %isolation.status.name(), topic = %batch.range.topic, partition = batch.range.partition, first, last,
        poison = poison.len(), runs, cpu_ms = spent.as_millis(), "isolated"
    );
    match found {
        Ok(collected) => Ok(collected.into_transformed(&*plugin, batch, poison)),
        Err(Stop { records, fault, concerns }) => {
            let failed = Box::new(Failed { concerns, ..failed(batch, records, fault) });
            isolation.give_up(&failed);
            Err(failed)
        }
    }
}

/// A hunt for the records of a range that fail.
struct Hunt<'a> {
    plugin: &'a dyn Plugin,
    batch: &'a Batch,
    isolation: &'a Isolation,
    /// What the range failed on as a whole.
    fault: Option<(Range<usize>, GuestFault)>,
    /// By record.
    reasons: BTreeMap<usize, GuestFault>,
    /// Whether a record, or records together, passed only with more time than a call may take.
    patient: bool,
    runs: usize,
    spent: Duration,
}

/// Why a hunt ends without a result.
struct Stop {
    /// The records concerned, by their indexes.
    records: Range<usize>,
    fault: GuestFault,
    concerns: Concerns,
}

impl<'a> Hunt<'a> {
    fn new(plugin: &'a dyn Plugin, batch: &'a Batch, isolation: &'a Isolation) -> Self {
        let (reasons, patient, runs, spent) = (BTreeMap::new(), false, 0, Duration::ZERO);
        Self { plugin, batch, isolation, fault: None, reasons, patient, runs, spent }
    }

    /// What the range comes to without the records that fail.
    async fn hunt(&mut self) -> Result<Collected, Stop> {
        let whole = Part::whole(self.batch);
        // What an instance that many ranges have used fails on is not yet a record's fault.
        let fault = match self.run(&whole, self.plugin.cpu_budget()).await? {
            Ok(collected) => {
                self.isolation.passed();
                return Ok(collected);
            }
            Err(fault) => fault,
        };
        self.fault = Some((fault.records.clone(), fault.fault.clone()));
        self.look_for_one_that_passes().await?;
        self.search(fault).await?;
        let poison: Vec<usize> = self.reasons.keys().copied().collect();
        if poison.len() == self.batch.records.len() {
            return Ok(Collected::new(self.plugin.description(), poison.len()));
        }
        self.isolation.passed();
        let rest = Part { without: &poison, ..whole };
        let last = self.run(&rest, self.budget()).await?;
        last.map_err(|Fault { records, fault }| Stop { records, fault, concerns: Concerns::Together })
    }

    /// Runs records alone, here and there, until one passes; where none does, the plugin fails on everything.
    async fn look_for_one_that_passes(&mut self) -> Result<(), Stop> {
        let records = self.batch.records.len();
        let mut first = None;
        for record in sample(records, HOPELESS, self.batch.range.seed()) {
            let Err(fault) = self.run_alone(record, None).await? else { return Ok(()) };
            first.get_or_insert((record, fault.clone()));
            self.condemn(record, fault);
        }
        // A range may be as short as a record: several of them tell more.
        let failed = self.reasons.len();
        let in_a_row = self.isolation.in_a_row.fetch_add(failed, Ordering::Relaxed) + failed;
        match first {
            Some((record, fault)) if in_a_row >= HOPELESS => {
                Err(Stop { records: record..record + 1, fault, concerns: Concerns::EveryRecord(in_a_row) })
            }
            _ => Ok(()),
        }
    }

    async fn search(&mut self, fault: Fault) -> Result<(), Stop> {
        let (records, stateless) = (self.batch.records.len(), self.plugin.description().stateless);
        let mut search = Search::new(records, fault.records, fault.fault.is_timeout(), stateless);
        self.reasons.keys().for_each(|record| search.condemn(*record));
        let mut last = fault.fault;
        loop {
            match search.next() {
                Next::Run(Try { part, timed_out }) if part.len() == 1 => {
                    match self.run_alone(part.start, timed_out).await? {
                        Ok(()) => search.passed(),
                        Err(fault) => {
                            self.condemn(part.start, fault);
                            search.failed(part, false);
                        }
                    }
                }
                Next::Run(Try { part, timed_out }) => {
                    let budget = self.share(part.len(), timed_out);
                    let part = Part { records: part, without: &[] };
                    match self.try_out(&part, budget).await? {
                        // It is not what is looked for, and comes up again at the end where it matters.
                        Ok(_) | Err(Fault { fault: GuestFault::Finish(_), .. }) => search.passed(),
                        Err(Fault { records, fault }) => {
                            search.failed(records, fault.is_timeout());
                            last = fault;
                        }
                    }
                }
                Next::Slow(_) => self.patient = true,
                Next::Together(records) => return Err(Stop { records, fault: last, concerns: Concerns::Together }),
                Next::Done => return Ok(()),
            }
        }
    }

    /// The record fails alone.
    fn condemn(&mut self, record: usize, fault: GuestFault) {
        let told_whole = self.reasons.len() < TOLD_WHOLE;
        self.reasons.insert(record, if told_whole { fault } else { fault.shortened(BRIEF_FAULT) });
    }

    /// Whether a record that is run alone passes. That it takes too long is said only after it had much more time.
    async fn run_alone(&mut self, record: usize, timed_out: Option<usize>) -> Result<Result<(), GuestFault>, Stop> {
        let part = Part { records: record..record + 1, without: &[] };
        let budget = self.share(1, timed_out);
        let mut answer = self.try_out(&part, budget).await?;
        if let (Err(Fault { fault, .. }), Some(budget)) = (&answer, self.plugin.cpu_budget())
            && fault.is_timeout()
        {
            answer = self.try_out(&part, Some(budget * PATIENCE)).await?;
            self.patient |= answer.is_ok();
        }
        match answer {
            Ok(_) | Err(Fault { fault: GuestFault::Finish(_), .. }) => Ok(Ok(())),
            Err(Fault { fault, .. }) => Ok(Err(fault)),
        }
    }

    /// The CPU time of a call.
    fn budget(&self) -> Option<Duration> {
        self.plugin.cpu_budget().map(|budget| if self.patient { budget * PATIENCE } else { budget })
    }

    /// The CPU time of a call for so many records: where a call for `of` took too long, a share of what that had.
    fn share(&self, records: usize, of: Option<usize>) -> Option<Duration> {
        let Some(of) = of else { return self.budget() };
        let budget = self.plugin.cpu_budget()?;
        let of = u32::try_from(of.max(1)).unwrap_or(u32::MAX);
        let share = budget * u32::try_from(records).unwrap_or(u32::MAX).min(of) / of;
        Some(share.max(budget / LEAST_SHARE))
    }

    /// Runs a part, unless all that a range may cost is spent.
    async fn try_out(&mut self, part: &Part<'_>, budget: Option<Duration>) -> Result<Result<Collected, Fault>, Stop> {
        let most = self.plugin.cpu_budget().unwrap_or(USUAL_BUDGET) * MOST_BUDGETS;
        match self.fault.clone().filter(|_| self.spent >= most) {
            Some((records, fault)) => Err(Stop { records, fault, concerns: Concerns::TooMany(self.reasons.len()) }),
            None => self.run(part, budget).await,
        }
    }

    /// Runs a part on an instance of its own.
    async fn run(&mut self, part: &Part<'_>, budget: Option<Duration>) -> Result<Result<Collected, Fault>, Stop> {
        // A short run never gets to a tick at which it would yield.
        tokio::task::yield_now().await;
        self.runs += 1;
        self.isolation.status.metrics().isolation_runs.inc();
        let (plugin, batch) = (self.plugin, self.batch);
        let (answer, cpu) = Metered::new(async {
            let mut guest = plugin.fresh_guest(&batch.range).await?;
            if let Some(budget) = budget {
                guest.set_cpu_budget(budget);
            }
            Ok::<_, GuestFault>(run(plugin, &mut *guest, batch, part).await)
        })
        .await;
        self.spent += cpu;
        let begun =
            answer.map_err(|fault| Stop { records: part.records.clone(), fault, concerns: Concerns::Plugin })?;
        Ok(begun.map_err(|Fault { records, fault }| Fault { records, fault: fault.shortened(LONGEST_FAULT) }))
    }

    fn poison(&mut self) -> Vec<Reject> {
        let reasons = std::mem::take(&mut self.reasons);
        let reject =
            |(record, fault): (usize, GuestFault)| Reject { record, stage: Stage::Trap, reason: fault.to_string() };
        reasons.into_iter().map(reject).collect()
    }
}
