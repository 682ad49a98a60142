//! The reader: the one thread of a pipeline that talks to Kafka. It fetches partitions into open ranges, closes them, sends
//! them on their way, and commits what is complete. It never waits for a sink: when the pipeline's budget is spent, it
//! fetches nothing, and Kafka keeps the rest.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::Sender;
use tokio_util::sync::CancellationToken;

use super::batch::{Batch, Bundle};
use super::budget::Budget;
use super::deliver::{Done, Job, Outcome};
use super::partition::Partition;
use super::status::Status;
use crate::config::BatchLimits;
use crate::kafka::{Event, Membership, TopicPartition, Wake};
use crate::metrics::Timed;

/// How often completed ranges are committed: each commit is a request to the broker, and at worst this much is read twice.
const COMMIT_INTERVAL: Duration = Duration::from_millis(500);

/// How long a revoked partition may drain while the group waits for it.
const REVOKE_DEADLINE: Duration = Duration::from_secs(10);

/// How often Kafka is asked whether a trouble is over.
const PROBE_INTERVAL: Duration = Duration::from_secs(5);

/// The longest wait of the thread; everything that matters wakes it before.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// Reads one pipeline's partitions.
pub struct Reader {
    /// The group.
    pub membership: Membership,
    /// Wakes this thread.
    pub wake: Wake,
    /// Where batches go; has room for [`Self::MOST_RANGES`].
    pub jobs: Sender<Job>,
    /// Where they come back from.
    pub done: Receiver<Done>,
    /// What may be held.
    pub budget: Budget,
    /// When ranges are closed.
    pub limits: BatchLimits,
    /// What processes the batches.
    pub bundle: Arc<Bundle>,
    /// Where troubles are told.
    pub status: Arc<Status>,
    /// Cancelled when the pipeline shall drain and end.
    pub stop: CancellationToken,
    /// How long draining may take.
    pub drain: Duration,
    /// What is read just now.
    pub state: State,
}

/// What a reader remembers.
#[derive(Default)]
pub struct State {
    partitions: BTreeMap<TopicPartition, Partition>,
    revocations: Vec<Revocation>,
    /// Which partition is looked at first; moves on, so that none is always last.
    turn: usize,
    assignments: u64,
    in_flight: usize,
    /// One commit is outstanding at a time.
    commit_outstanding: bool,
    committed_at: Option<Instant>,
    trouble_probed_at: Option<Instant>,
    draining: Option<Instant>,
    cpu: Duration,
}

struct Revocation {
    partitions: Vec<TopicPartition>,
    deadline: Instant,
}

impl Reader {
    /// How many ranges may be under way at once, however small they are.
    pub const MOST_RANGES: usize = 256;

    /// Reads until it is stopped and drained.
    ///
    /// # Errors
    /// Where the membership is over and another must be begun; what was under way is cancelled.
    pub fn run(mut self) -> Result<(), String> {
        let result = self.read();
        for partition in self.state.partitions.values() {
            partition.cancel.cancel();
            self.status.metrics().forget_lag(&partition.topic, partition.id);
        }
        // Queues go before the membership that they belong to.
        self.state.partitions.clear();
        self.membership.leave();
        result
    }

    fn read(&mut self) -> Result<(), String> {
        // Asked once in any case: a broker that takes the connection and says nothing causes no trouble that is told.
        self.state.trouble_probed_at = Some(Instant::now());
        loop {
            let now = Instant::now();
            for event in self.membership.poll() {
                self.handle(event, now)?;
            }
            while let Ok(done) = self.done.try_recv() {
                self.finish(done);
            }
            self.answer_revocations(now);
            self.housekeep(now);
            if self.stop.is_cancelled() && self.has_drained(now) {
                return Ok(());
            }
            let fetched = if self.state.draining.is_some() { 0 } else { self.fetch(now) };
            self.close_due(now);
            if fetched == 0 {
                std::thread::park_timeout(self.wait(now));
            }
        }
    }

    fn handle(&mut self, event: Event, now: Instant) -> Result<(), String> {
        match event {
            Event::Assigned(partitions) => self.assign(&partitions)?,
            Event::Revoked(partitions) => self.revoke(partitions, now),
            Event::Lost(partitions) => self.lose(&partitions),
            Event::Committed(offsets, answer) => self.committed(&offsets, answer, now),
            Event::Trouble(text) => {
                self.status.problem("kafka", &text);
                self.state.trouble_probed_at.get_or_insert(now);
            }
            Event::Fatal(text) => return Err(text),
        }
        Ok(())
    }

    fn assign(&mut self, partitions: &[TopicPartition]) -> Result<(), String> {
        for assigned in partitions {
            let queue = self.membership.open_queue(assigned, &self.wake);
            let queue = queue.ok_or_else(|| format!("partition {assigned} has no queue"))?;
            self.state.assignments += 1;
            let partition = Partition::new(assigned, queue, self.state.assignments);
            self.state.partitions.insert(assigned.clone(), partition);
        }
        tracing::info!(pipeline = %self.status.name(), partitions = %names(partitions), "assigned");
        self.membership.take(partitions)
    }

    fn revoke(&mut self, partitions: Vec<TopicPartition>, now: Instant) {
        for revoked in &partitions {
            if let Some(partition) = self.state.partitions.get_mut(revoked) {
                partition.stop_fetching();
            }
        }
        self.state.revocations.push(Revocation { partitions, deadline: now + REVOKE_DEADLINE });
    }

    fn lose(&mut self, partitions: &[TopicPartition]) {
        tracing::warn!(pipeline = %self.status.name(), partitions = %names(partitions), "lost: another member has them");
        self.forget(partitions);
    }

    /// Answers the revocations whose partitions have drained: their ranges are complete and the commit of them is answered.
    fn answer_revocations(&mut self, now: Instant) {
        let revocations = std::mem::take(&mut self.state.revocations);
        for revocation in revocations {
            let of_these = || revocation.partitions.iter().filter_map(|revoked| self.state.partitions.get(revoked));
            let late = now >= revocation.deadline;
            let open = of_these().any(|partition| partition.in_flight > 0);
            let uncommitted = of_these().any(|partition| partition.completion.to_commit().is_some());
            if (open || uncommitted) && !late {
                if !open {
                    self.commit(now);
                }
                self.state.revocations.push(revocation);
                continue;
            }
            tracing::info!(pipeline = %self.status.name(), partitions = %names(&revocation.partitions), late, "revoked");
            self.forget(&revocation.partitions);
        }
    }

    fn forget(&mut self, partitions: &[TopicPartition]) {
        for gone in partitions {
            if let Some(partition) = self.state.partitions.remove(gone) {
                partition.cancel.cancel();
                self.status.metrics().forget_lag(&partition.topic, partition.id);
                self.status.solved(&subject(gone));
            }
        }
        if let Err(fault) = self.membership.give_up(partitions) {
            tracing::warn!(pipeline = %self.status.name(), partitions = %names(partitions), "give up: {fault}");
        }
    }

    fn finish(&mut self, done: Done) {
        self.state.in_flight = self.state.in_flight.saturating_sub(1);
        let key = TopicPartition { topic: done.range.topic.clone(), partition: done.range.partition };
        let Some(partition) = self.state.partitions.get_mut(&key) else { return };
        // A range of an assignment that has ended says nothing about the present one.
        if partition.assignment != done.assignment {
            return;
        }
        partition.in_flight = partition.in_flight.saturating_sub(1);
        match done.outcome {
            Outcome::Complete => partition.completion.complete(&done.range),
            Outcome::Abandoned => partition.completion.abandon(&done.range),
            Outcome::Stopped(reason) => {
                partition.completion.abandon(&done.range);
                partition.stop_fetching();
                self.status.problem(&subject(&key), &reason);
            }
        }
    }

    fn committed(&mut self, offsets: &[(TopicPartition, i64)], answer: Result<(), String>, now: Instant) {
        self.state.commit_outstanding = false;
        self.state.committed_at = Some(now);
        match answer {
            Ok(()) => {
                for (key, offset) in offsets {
                    if let Some(partition) = self.state.partitions.get_mut(key) {
                        partition.completion.committed(*offset);
                    }
                }
            }
            // Tried again with the next commit, if the partitions are still ours then.
            Err(fault) => tracing::warn!(pipeline = %self.status.name(), "commit: {fault}"),
        }
    }

    fn commit(&mut self, now: Instant) {
        if self.state.commit_outstanding {
            return;
        }
        let due =
            |(key, partition): (&TopicPartition, &Partition)| Some((key.clone(), partition.completion.to_commit()?));
        let offsets: Vec<_> = self.state.partitions.iter().filter_map(due).collect();
        if offsets.is_empty() {
            return;
        }
        self.state.committed_at = Some(now);
        match self.membership.commit(&offsets) {
            Ok(()) => self.state.commit_outstanding = true,
            Err(fault) => tracing::warn!(pipeline = %self.status.name(), "commit: {fault}"),
        }
    }

    /// What is done now and then: commits, figures, questions to Kafka.
    fn housekeep(&mut self, now: Instant) {
        if self.state.committed_at.is_some_and(|last| now < last + COMMIT_INTERVAL) {
            return;
        }
        self.state.committed_at = Some(now);
        self.commit(now);
        let metrics = self.status.metrics();
        for partition in self.state.partitions.values() {
            if let Some(lag) = partition.lag() {
                metrics.set_lag(&partition.topic, partition.id, lag);
            }
        }
        metrics.in_flight.set(i64::try_from(self.budget.used() + self.open_bytes()).unwrap_or(i64::MAX));
        let cpu = crate::cpu::thread_time();
        let used = cpu.saturating_sub(self.state.cpu);
        // Waiting for records is no time that fetching takes.
        metrics.spent(Timed::Fetch, used, used);
        self.state.cpu = cpu;
        if self.state.trouble_probed_at.is_some_and(|last| now >= last + PROBE_INTERVAL) {
            self.probe(now);
        }
    }

    fn probe(&mut self, now: Instant) {
        match self.membership.missing_topics() {
            Ok(missing) if missing.is_empty() => {
                self.state.trouble_probed_at = None;
                self.status.solved("kafka");
            }
            Ok(missing) => {
                self.state.trouble_probed_at = Some(now);
                self.status.problem("kafka", &format!("topic {} does not exist; waiting for it", missing.join(", ")));
            }
            Err(fault) => {
                self.state.trouble_probed_at = Some(now);
                self.status.problem("kafka", &fault);
            }
        }
    }

    fn open_bytes(&self) -> usize {
        self.state.partitions.values().map(Partition::open_bytes).sum()
    }

    /// Takes what has come, as far as the budget goes. Returns how many records that was.
    fn fetch(&mut self, now: Instant) -> usize {
        let held = self.budget.used() + self.open_bytes();
        if held >= self.budget.limit() {
            // Nothing comes back that could make room: what is open must go on its way.
            if self.state.in_flight == 0 {
                self.close_largest();
            }
            return 0;
        }
        let reserved: usize = self.state.partitions.values().map(Partition::reserved_bytes).sum();
        let mut room = self.budget.limit().saturating_sub(self.budget.used() + reserved);
        let count = self.state.partitions.len().max(1);
        self.state.turn = (self.state.turn + 1) % count;
        let turn = self.state.turn;
        let bytes_before = self.open_bytes();
        let idle = self.state.in_flight == 0 && reserved == 0;
        let mut fetched = 0;
        let mut faults = Vec::new();
        for partition in in_turn(self.state.partitions.values_mut(), turn) {
            // A range that opens will grow as the one before it did: many open at once would all stay small.
            let expected = partition.expected_bytes();
            if !partition.is_open() && expected > room && !(idle && fetched == 0) {
                continue;
            }
            let was_open = partition.is_open();
            let (count, trouble) = partition.fetch(&self.limits, now);
            if count > 0 && !was_open {
                room = room.saturating_sub(expected);
            }
            fetched += count;
            faults.extend(trouble.into_iter().map(|fault| (partition.key(), fault)));
        }
        self.status.metrics().records.inc_by(u64::try_from(fetched).unwrap_or_default());
        let bytes = self.open_bytes().saturating_sub(bytes_before);
        self.status.metrics().bytes.inc_by(u64::try_from(bytes).unwrap_or_default());
        for (key, fault) in faults {
            self.status.problem("kafka", &format!("partition {key}: {fault}"));
            self.state.trouble_probed_at.get_or_insert(now);
        }
        fetched
    }

    /// Sends the ranges on their way that are full or have waited long enough.
    fn close_due(&mut self, now: Instant) {
        let draining = self.state.draining.is_some();
        let due = |partition: &Partition| draining || partition.is_due(&self.limits, now);
        let keys: Vec<_> =
            self.state.partitions.values().filter(|partition| due(partition)).map(Partition::key).collect();
        for key in keys {
            self.close(&key);
        }
    }

    fn close_largest(&mut self) {
        let largest = self.state.partitions.values().max_by_key(|partition| partition.open_bytes());
        if let Some(key) = largest.map(Partition::key) {
            self.close(&key);
        }
    }

    fn close(&mut self, key: &TopicPartition) {
        if self.state.in_flight >= Self::MOST_RANGES {
            return;
        }
        let Some(partition) = self.state.partitions.get_mut(key) else { return };
        let Some((range, records)) = partition.close(&self.limits) else { return };
        let permit = self.budget.take(records.bytes());
        let batch = Batch { range, records, lineage: partition.lineage, bundle: self.bundle.clone(), permit };
        let job = Job { batch, assignment: partition.assignment, cancel: partition.cancel.clone() };
        self.state.in_flight += 1;
        // There is room for as many as may be in flight. Where the other end is gone the pipeline is ending, and the range
        // is read again by whoever comes next.
        if self.jobs.try_send(job).is_err() {
            self.state.in_flight -= 1;
        }
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
        !self.state.commit_outstanding
    }

    /// Until when nothing happens if nobody wakes the thread.
    fn wait(&self, now: Instant) -> Duration {
        let linger = self.state.partitions.values().filter_map(|partition| partition.deadline(&self.limits)).min();
        let commit = self.state.committed_at.map(|last| last + COMMIT_INTERVAL);
        let drain = self.state.draining;
        let revoke = self.state.revocations.iter().map(|revocation| revocation.deadline).min();
        let next = [linger, commit, drain, revoke].into_iter().flatten().min();
        next.map_or(LONGEST_WAIT, |next| next.saturating_duration_since(now)).min(LONGEST_WAIT)
    }
}

/// The items from position `turn` on, then those before it.
fn in_turn<'a, T: 'a>(items: impl Iterator<Item = &'a mut T>, turn: usize) -> impl Iterator<Item = &'a mut T> {
    let mut items: Vec<_> = items.collect();
    let turn = turn.min(items.len());
    items.rotate_left(turn);
    items.into_iter()
}

fn subject(key: &TopicPartition) -> String {
    format!("partition {key}")
}

fn names(partitions: &[TopicPartition]) -> String {
    partitions.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}
