//! The reader's partitions as they come and go: assigned, taken where they begin, revoked, lost.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::{Partition, REVOKE_DEADLINE, Reader, Revocation, subject};
use crate::kafka::{Inquiry, Positions, TopicPartition};
use crate::pipeline::status::Phase;
use crate::pipeline::stop::Stop;
use crate::stop_points;

/// How long to wait before Kafka is asked once more where partitions begin.
const RETRY: Duration = Duration::from_secs(2);

/// What is asked about where partitions begin.
#[derive(Default)]
pub(super) struct Beginnings {
    inquiry: Option<Inquiry<Positions>>,
    /// The assignments that are asked about: what is known of an earlier one of the same partition is out of date.
    asked: BTreeMap<TopicPartition, u64>,
    /// Not before this.
    again_at: Option<Instant>,
}

impl Reader {
    pub(super) fn assign(&mut self, partitions: &[TopicPartition]) -> Result<(), String> {
        self.entrance = None;
        for assigned in partitions {
            self.begin_anew(assigned);
        }
        tracing::info!(pipeline = %self.status.name(), partitions = %names(partitions), "assigned");
        self.membership.accept()
    }

    /// The partition is ours, and nothing is known of it.
    fn begin_anew(&mut self, key: &TopicPartition) {
        self.state.assignments += 1;
        let mut partition = Partition::new(key, self.state.assignments, self.promise);
        if self.status.phase() == Phase::Paused {
            partition.stop(None);
        }
        self.state.partitions.insert(key.clone(), partition);
        self.state.beginnings.again_at = None;
    }

    /// Finds out where partitions begin that are new here, and has that committed.
    pub(super) fn find_beginnings(&mut self, now: Instant) {
        match self.state.beginnings.inquiry.as_ref().and_then(Inquiry::answer) {
            Some(answer) => {
                self.state.beginnings.inquiry = None;
                self.begin(answer, now);
            }
            None if self.state.beginnings.inquiry.is_some() => return,
            None => {}
        }
        let unknown = self.state.partitions.iter().filter(|(_, partition)| partition.is_unknown());
        let unknown: BTreeMap<_, _> = unknown.map(|(key, partition)| (key.clone(), partition.assignment)).collect();
        let early = self.state.beginnings.again_at.is_some_and(|again_at| now < again_at);
        if unknown.is_empty() || early || self.state.draining.is_some() {
            return;
        }
        self.state.beginnings.again_at = Some(now + RETRY);
        self.state.beginnings.inquiry =
            Some(self.membership.ask_positions(unknown.keys().cloned().collect(), self.has_planned.clone()));
        self.state.beginnings.asked = unknown;
    }

    fn begin(&mut self, answer: Result<Positions, String>, now: Instant) {
        let positions = match answer {
            Ok(positions) => positions,
            Err(fault) => {
                self.status.problem("positions", &format!("find out where partitions begin: {fault}"));
                return;
            }
        };
        self.status.solved("positions");
        for (key, position) in positions {
            let asked = self.state.beginnings.asked.get(&key).copied();
            let partition = self.state.partitions.get_mut(&key);
            let partition = partition.filter(|partition| partition.is_unknown() && Some(partition.assignment) == asked);
            // Another member's by now, or ours anew.
            let Some(partition) = partition else { continue };
            match position {
                Ok(position) => {
                    if !position.plan.ranges.is_empty() {
                        stop_points::pass("plan-read");
                    }
                    partition.begin(&position);
                    let (offset, planned) = (position.offset, position.plan.ranges.len());
                    tracing::debug!(pipeline = %self.status.name(), partition = %key, offset, planned, "begins");
                    match position.moved {
                        Some(moved) => {
                            self.status.metrics().lose(&key.topic, key.partition, moved.lost());
                            self.status.problem(&subject(&key), &moved.to_string());
                        }
                        None => self.status.solved(&subject(&key)),
                    }
                }
                Err(not_yet) => {
                    let problem = match Stop::of(&not_yet) {
                        Some(stop) => {
                            partition.wait_for_operator();
                            self.remedies.tell(&stop, &key)
                        }
                        None => {
                            partition.wait();
                            not_yet.to_string()
                        }
                    };
                    self.status.problem(&subject(&key), &problem);
                }
            }
        }
        self.commit(now);
    }

    /// Begins to fetch the partitions of which it is committed where they begin.
    pub(super) fn take_ready(&mut self, now: Instant) -> Result<(), String> {
        for partition in self.state.partitions.values_mut() {
            if let Some(offset) = partition.ready(now) {
                let queue = self.membership.take(&partition.key(), offset)?;
                partition.take(queue);
            }
        }
        Ok(())
    }

    /// The log does not have the partition's position any more.
    pub(super) fn drift(&mut self, key: &TopicPartition) {
        if let Some(partition) = self.state.partitions.get_mut(key) {
            tracing::warn!(pipeline = %self.status.name(), partition = %key, position = partition.position(), "out of range");
            partition.drift();
        }
    }

    /// Stops fetching what is not to be fetched any more, and lets begin anew what lost its position.
    pub(super) fn put_back(&mut self) -> Result<(), String> {
        // Within a rebalance librdkafka would take it for the answer to a revocation that is still draining.
        if !self.state.revocations.is_empty() {
            return Ok(());
        }
        let mut anew = Vec::new();
        for (key, partition) in &mut self.state.partitions {
            if partition.may_begin_anew() {
                anew.push(key.clone());
            }
            if partition.is_to_be_put_back() {
                partition.put_back();
                self.membership.put_back(key)?;
            }
        }
        for key in anew {
            self.begin_anew(&key);
        }
        Ok(())
    }

    pub(super) fn revoke(&mut self, partitions: Vec<TopicPartition>, now: Instant) {
        for revoked in &partitions {
            if let Some(partition) = self.state.partitions.get_mut(revoked) {
                partition.leave();
            }
        }
        self.leave_wave(&partitions);
        self.state.revocations.push(Revocation { partitions, deadline: now + REVOKE_DEADLINE });
    }

    /// # Errors
    /// Where a commit of them is on its way: librdkafka may send it once more when it has joined again, as a member in good standing, and
    /// overwrite the plan of who owns the partition by then.
    pub(super) fn lose(&mut self, partitions: &[TopicPartition]) -> Result<(), String> {
        tracing::warn!(pipeline = %self.status.name(), partitions = %names(partitions), "lost: another member has them");
        self.must_not_be_outstanding(partitions)?;
        self.forget(partitions);
        Ok(())
    }

    fn must_not_be_outstanding(&self, partitions: &[TopicPartition]) -> Result<(), String> {
        let of_these = partitions.iter().filter_map(|partition| self.state.partitions.get(partition));
        match of_these.filter(|partition| partition.is_outstanding()).count() {
            0 => Ok(()),
            count => Err(format!("{count} partitions went to another member while a commit of them was not answered")),
        }
    }

    /// Answers the revocations whose partitions have drained: their ranges are complete and the commit of them is answered.
    ///
    /// # Errors
    /// Where the answer takes too long: see [`Self::lose`].
    pub(super) fn answer_revocations(&mut self, now: Instant) -> Result<(), String> {
        let revocations = std::mem::take(&mut self.state.revocations);
        for revocation in revocations {
            let of_these = || revocation.partitions.iter().filter_map(|revoked| self.state.partitions.get(revoked));
            let late = now >= revocation.deadline;
            let open = of_these().any(|partition| partition.in_flight > 0);
            let uncommitted = of_these().any(Partition::is_uncommitted);
            if (open || uncommitted) && !late {
                if !open {
                    self.commit(now);
                }
                self.state.revocations.push(revocation);
                continue;
            }
            tracing::info!(pipeline = %self.status.name(), partitions = %names(&revocation.partitions), late, "revoked");
            self.must_not_be_outstanding(&revocation.partitions)?;
            self.forget(&revocation.partitions);
        }
        Ok(())
    }

    fn forget(&mut self, partitions: &[TopicPartition]) {
        self.leave_wave(partitions);
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
}

fn names(partitions: &[TopicPartition]) -> String {
    partitions.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}
