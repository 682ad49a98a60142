//! The reader: the one thread of a pipeline that talks to Kafka. It fetches partitions into open ranges, closes them, sends
//! them on their way, and commits what is complete. It never waits for a sink: when the pipeline's budget is spent, it
//! fetches nothing, and Kafka keeps the rest. Nor does it wait for an answer of Kafka's.

mod assignment;
mod commits;
mod fetching;
mod idling;
mod joining;
mod pacing;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use chrono::Utc;
use parking_lot::Mutex;
use tidegate_ledger::Promise;
use tokio::sync::mpsc::Sender;
use tokio_util::sync::CancellationToken;

use self::assignment::Beginnings;
use self::idling::Idleness;
use self::joining::Joining;
use self::pacing::Questions;
use super::budget::Budget;
use super::deliver::{Done, HowMade, Job, LETTERS_COST, Outcome, Report};
use super::pace::Pace;
use super::park::Entrance;
use super::partition::Partition;
use super::status::{Phase, Status};
use super::stop::Remedies;
use super::versions::Versions;
use crate::config::{BatchLimits, ByteSize};
use crate::kafka::{Event, GroupOffsets, HasPlanned, Inquiry, Membership, TopicPartition};
use crate::metrics::Timed;
use crate::workers::Share;

/// How often completed ranges are committed: each commit is a request to the broker, and at worst this much is read twice.
const COMMIT_INTERVAL: Duration = Duration::from_millis(500);

/// How long a revoked partition may drain while the group waits for it.
const REVOKE_DEADLINE: Duration = Duration::from_secs(10);

/// How often Kafka is asked whether a trouble is over.
const PROBE_INTERVAL: Duration = Duration::from_secs(5);

/// How long inserts may wait for their table before ranges become larger.
const LONGEST_DELAY: Duration = Duration::from_millis(500);

/// So many times as large as the limits say they become at most: as many rows as one insert holds, where records are like ours.
const MOST_STRETCH: usize = 10;

/// The longest wait of the thread; everything that matters wakes it before.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// Reads one pipeline's partitions.
pub struct Reader {
    /// The group.
    pub membership: Membership,
    /// What is promised of the group's records.
    pub promise: Promise,
    /// Whether the group has ever planned ranges of a topic, where it plans them.
    pub has_planned: Arc<HasPlanned>,
    /// Where batches go; has room for [`Self::MOST_RANGES`].
    pub jobs: Sender<Job>,
    /// Where they come back from.
    pub done: Receiver<Report>,
    /// What may be held.
    pub budget: Budget,
    /// When ranges are closed.
    pub limits: BatchLimits,
    /// When records are taken. How far that is outlives a membership.
    pub pace: Arc<Mutex<Pace>>,
    /// Of the tenant: what is used on other threads counts for it.
    pub workers: Share,
    /// What processes the batches.
    pub versions: Arc<Versions>,
    /// Where troubles are told.
    pub status: Arc<Status>,
    /// What operators are told to run.
    pub remedies: Remedies,
    /// Cancelled when the pipeline shall drain and end.
    pub stop: CancellationToken,
    /// How long draining may take.
    pub drain: Duration,
    /// After how long without anything to do the membership ends; never without it.
    pub park_after: Option<Duration>,
    /// The right to join, until there are partitions.
    pub entrance: Option<Entrance>,
    /// What is read just now.
    pub state: State,
}

/// What a reader remembers.
#[derive(Default)]
pub struct State {
    pace: Pace,
    partitions: BTreeMap<TopicPartition, Partition>,
    revocations: Vec<Revocation>,
    beginnings: Beginnings,
    questions: Questions,
    idleness: Idleness,
    joining: Joining,
    /// Which partition is looked at first; moves on, so that none is always last.
    turn: usize,
    /// Of the versions, when it was looked at last.
    version: u64,
    assignments: u64,
    in_flight: usize,
    /// What was sent and not answered; one commit at a time.
    commit_outstanding: Vec<Outstanding>,
    /// Whether letters went with it.
    letters_outstanding: bool,
    /// Whether ranges wait for being planned.
    plans_wait: bool,
    committed_at: Option<Instant>,
    commits_fail_since: Option<Instant>,
    trouble_probed_at: Option<Instant>,
    probe: Option<Inquiry<Vec<String>>>,
    /// How many times as large ranges are as the limits say.
    stretch: usize,
    /// Whether nothing more has room, as it was the last time that anything was fetched: what is open does not grow.
    is_full: bool,
    /// Whether nothing is fetched for the tenant's memory, as is told.
    waits_for_tenant: bool,
    /// Until when, once it has begun.
    draining: Option<Instant>,
    cpu: Duration,
}

/// How a reader ended whose membership did not fail.
pub enum Ending {
    /// It was stopped, or has done all that it was to do.
    Drained,
    /// There is nothing to do for the group just now, and this is what it has committed.
    Idle(GroupOffsets),
}

/// A partition that stands in a commit that was sent, and in which assignment.
struct Outstanding {
    partition: TopicPartition,
    assignment: u64,
}

struct Revocation {
    partitions: Vec<TopicPartition>,
    deadline: Instant,
}

impl Reader {
    /// How many ranges may be under way at once, however small they are.
    pub const MOST_RANGES: usize = 256;

    /// Reads until it is stopped, or has done all that it was to do, and drained; or until there is nothing to do.
    ///
    /// # Errors
    /// Where the membership is over and another must be begun; what was under way is cancelled.
    pub fn run(mut self) -> Result<Ending, String> {
        let (bytes, in_flight) = (self.limits.bytes, ByteSize(self.budget.limit()));
        if bytes > in_flight {
            tracing::warn!(pipeline = %self.status.name(), %bytes, %in_flight, "`in_flight` closes ranges before `batch.bytes` does");
        }
        self.state.pace = self.pace.lock().clone();
        let result = self.read();
        *self.pace.lock() = std::mem::take(&mut self.state.pace);
        for partition in self.state.partitions.values() {
            partition.cancel.cancel();
            self.status.metrics().forget_lag(&partition.topic, partition.id);
        }
        // Queues and questions go before the membership that they belong to.
        self.state = State::default();
        self.membership.leave();
        result
    }

    fn read(&mut self) -> Result<Ending, String> {
        // Asked once in any case: a broker that takes the connection and says nothing causes no trouble that is told.
        self.state.trouble_probed_at = Some(Instant::now());
        self.state.version = self.versions.turn();
        let mut has_ended = false;
        loop {
            let now = Instant::now();
            self.follow_versions();
            for event in self.membership.poll() {
                self.handle(event, now)?;
            }
            self.hear_reports(now);
            self.answer_revocations(now)?;
            self.find_beginnings(now);
            has_ended = has_ended || self.keep_pace(now)?;
            self.housekeep(now);
            if (has_ended || self.stop.is_cancelled()) && self.has_drained(now) {
                return Ok(Ending::Drained);
            }
            let fetched = if self.state.draining.is_some() { 0 } else { self.fetch(now) };
            self.close_due(now);
            if let Some(committed) = self.find_idle(fetched, now) {
                return Ok(Ending::Idle(committed));
            }
            if fetched == 0 {
                std::thread::park_timeout(self.wait(now));
            }
        }
    }

    fn handle(&mut self, event: Event, now: Instant) -> Result<(), String> {
        match event {
            Event::Assigned(partitions) => self.assign(&partitions)?,
            Event::Revoked(partitions) => self.revoke(partitions, now),
            Event::Lost(partitions) => self.lose(&partitions)?,
            Event::Committed(answer) => self.committed(answer, now)?,
            Event::Wrote(elapsed, cpu) => {
                self.status.metrics().spent(Timed::DeadLetter, elapsed, cpu);
                self.workers.charge(cpu * LETTERS_COST);
            }
            Event::Trouble(text) => {
                self.status.problem("kafka", &text);
                self.state.trouble_probed_at.get_or_insert(now);
            }
            Event::Fatal(text) => return Err(text),
        }
        Ok(())
    }

    /// Another version may close ranges at other limits, and may do what the one before could not: what had stopped begins anew.
    fn follow_versions(&mut self) {
        let turn = self.versions.turn();
        if turn == self.state.version {
            return;
        }
        self.state.version = turn;
        self.stretch_ranges();
        for (key, partition) in self.state.partitions.iter_mut().filter(|(_, partition)| partition.is_stopped()) {
            partition.resume();
            self.status.solved(&subject(key));
        }
        if self.status.phase() == Phase::Paused {
            self.status.solved("plugin");
            self.status.enter(Phase::Running);
        }
    }

    /// Where a table takes so many inserts a second and no more, and ranges wait for it, they become larger instead of more.
    fn stretch_ranges(&mut self) {
        let version = self.versions.current();
        let waits = version.tables.iter().any(|(_, table)| table.delay() > LONGEST_DELAY);
        let stretch = self.state.stretch.max(1);
        self.state.stretch = if waits { (2 * stretch).min(MOST_STRETCH) } else { (stretch / 2).max(1) };
        // Two of them, with their rows, have to find room.
        self.limits = version.limits().stretched(self.state.stretch, self.budget.limit() / 4);
    }

    /// What is done now and then: commits, figures, questions to Kafka.
    fn housekeep(&mut self, now: Instant) {
        if self.state.committed_at.is_some_and(|last| now < last + COMMIT_INTERVAL) {
            return;
        }
        self.state.committed_at = Some(now);
        self.stretch_ranges();
        self.entrance.take_if(|entrance| entrance.is_over(now));
        self.state.partitions.values_mut().for_each(Partition::pass_marks);
        self.commit(now);
        let metrics = self.status.metrics();
        for partition in self.state.partitions.values() {
            if let Some(lag) = partition.lag() {
                metrics.set_lag(&partition.topic, partition.id, lag);
            }
        }
        metrics.in_flight.set(i64::try_from(self.budget.used() + self.open_bytes()).unwrap_or(i64::MAX));
        metrics.set_tenant_memory(self.budget.tenant().used());
        let cpu = crate::cpu::thread_time();
        let used = cpu.saturating_sub(self.state.cpu);
        // Waiting for records is no time that fetching takes.
        metrics.spent(Timed::Fetch, used, used);
        self.state.cpu = cpu;
        self.probe(now);
    }

    /// Asks Kafka whether a trouble is over, and hears what it answered.
    fn probe(&mut self, now: Instant) {
        if self.state.probe.is_none() && self.state.trouble_probed_at.is_some_and(|last| now >= last + PROBE_INTERVAL) {
            self.state.trouble_probed_at = Some(now);
            self.state.probe = Some(self.membership.ask_missing());
        }
        let Some(answer) = self.state.probe.as_ref().and_then(Inquiry::answer) else { return };
        self.state.probe = None;
        match answer {
            Ok(missing) if missing.is_empty() => {
                self.state.trouble_probed_at = None;
                self.status.solved("kafka");
            }
            Ok(missing) => {
                self.status.problem("kafka", &format!("topic {} does not exist; waiting for it", missing.join(", ")));
            }
            Err(fault) => self.status.problem("kafka", &fault),
        }
    }

    fn open_bytes(&self) -> usize {
        self.state.partitions.values().map(Partition::open_bytes).sum()
    }

    /// Whether all that can be finished is finished and committed, or the deadline has passed.
    fn has_drained(&mut self, now: Instant) -> bool {
        let deadline = *self.state.draining.get_or_insert(now + self.drain);
        if now >= deadline {
            let open = self.state.in_flight;
            tracing::warn!(pipeline = %self.status.name(), ranges = open, "drain deadline passed; these are read again later");
            return true;
        }
        let open = self.state.partitions.values().any(|partition| partition.in_flight > 0 || partition.is_open());
        if open {
            return false;
        }
        self.commit(now);
        self.state.commit_outstanding.is_empty()
    }

    /// Until when nothing happens if nobody wakes the thread.
    fn wait(&self, now: Instant) -> Duration {
        let lingers = |partition: &Partition| partition.deadline(&self.limits);
        // What comes to an end wakes the thread, and the next wave begins then.
        let waits = self.joins() && self.state.joining.is_under_way(now);
        let linger = self.state.partitions.values().filter_map(lingers).min().filter(|_| !waits);
        let commit = self.state.committed_at.map(|last| last + COMMIT_INTERVAL);
        let drain = self.state.draining;
        let revoke = self.state.revocations.iter().map(|revocation| revocation.deadline).min();
        let next = [linger, commit, drain, revoke].into_iter().flatten().min();
        let next = next.map_or(LONGEST_WAIT, |next| next.saturating_duration_since(now)).min(LONGEST_WAIT);
        // By the clock on the wall, which may be set meanwhile: the longest wait bounds that.
        let slot = self.next_slot().map(|slot| (slot - Utc::now()).to_std().unwrap_or_default());
        slot.map_or(next, |slot| slot.min(next))
    }
}

fn subject(key: &TopicPartition) -> String {
    format!("partition {key}")
}
