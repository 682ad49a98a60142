//! The reader's way back: ranges that have come to their end, and the commits of what is complete.

use std::time::{Duration, Instant};

use super::{Done, Outcome, Partition, Reader, subject};
use crate::kafka::TopicPartition;
use crate::pipeline::status::Phase;

/// How long commits may fail before somebody is told: in a rebalance one is refused now and then.
const COMMIT_PATIENCE: Duration = Duration::from_secs(5);

impl Reader {
    pub(super) fn finish(&mut self, done: Done) {
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
            // A version that took over meanwhile may do what the one before could not.
            Outcome::Stopped(_) | Outcome::Paused(_) if done.turn != self.versions.turn() => {
                partition.completion.abandon(&done.range);
                partition.stop();
                partition.resume();
            }
            Outcome::Stopped(reason) => {
                partition.completion.abandon(&done.range);
                partition.stop();
                self.status.problem(&subject(&key), &reason);
            }
            Outcome::Paused(reason) => {
                partition.completion.abandon(&done.range);
                self.pause(&reason);
            }
        }
    }

    /// Fetches nothing more of any partition, and stays in the group: ranges that are under way come to their end.
    fn pause(&mut self, reason: &str) {
        self.state.partitions.values_mut().for_each(Partition::stop);
        if self.status.phase() != Phase::Paused {
            self.status.enter(Phase::Paused);
        }
        self.status.problem("plugin", reason);
    }

    pub(super) fn committed(&mut self, offsets: &[(TopicPartition, i64)], answer: Result<(), String>, now: Instant) {
        self.state.commit_outstanding = false;
        self.state.committed_at = Some(now);
        match answer {
            Ok(()) => {
                for (key, offset) in offsets {
                    if let Some(partition) = self.state.partitions.get_mut(key) {
                        partition.completion.committed(*offset);
                    }
                }
                self.state.commits_fail_since = None;
                self.status.solved("commits");
            }
            // Tried again with the next commit, if the partitions are still ours then.
            Err(fault) => self.commit_failed(&fault, now),
        }
    }

    /// Commits what is to be committed: offsets that are complete, and where partitions begin.
    pub(super) fn commit(&mut self, now: Instant) {
        if self.state.commit_outstanding {
            return;
        }
        let commits: Vec<_> = self.state.partitions.values().filter_map(super::Partition::to_commit).collect();
        if commits.is_empty() {
            return;
        }
        self.state.committed_at = Some(now);
        match self.membership.commit(&commits) {
            Ok(()) => self.state.commit_outstanding = true,
            Err(fault) => self.commit_failed(&fault, now),
        }
    }

    fn commit_failed(&mut self, fault: &str, now: Instant) {
        let since = *self.state.commits_fail_since.get_or_insert(now);
        if now >= since + COMMIT_PATIENCE {
            self.status.problem("commits", fault);
        } else {
            tracing::warn!(pipeline = %self.status.name(), "commit: {fault}");
        }
    }
}
