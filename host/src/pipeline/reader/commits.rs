//! The reader's way back: ranges that have come to their end, and the commits of what is complete.

use std::time::{Duration, Instant};

use super::{Done, HowMade, Outcome, Outstanding, Partition, Reader, Report, subject};
use crate::kafka::{CommitFault, TopicPartition};
use crate::metrics::Timed;
use crate::pipeline::batch::Batch;
use crate::pipeline::range::Range;
use crate::pipeline::status::Phase;
use crate::pipeline::stop::Stop;
use crate::stop_points;
use crate::time::now;

/// How long commits may fail before somebody is told: in a rebalance one is refused now and then.
const COMMIT_PATIENCE: Duration = Duration::from_secs(5);

/// What is told of letters that cannot be written.
const LETTERS: &str = "dead letters";

impl Reader {
    pub(super) fn hear_reports(&mut self, now: Instant) {
        while let Ok(report) = self.done.try_recv() {
            match report {
                Report::Made(made) => self.plan(made),
                Report::Done(done) => self.finish(done),
            }
        }
        // Their rows wait for it.
        if std::mem::take(&mut self.state.plans_wait) {
            self.commit(now);
        }
    }

    /// A range is to be planned, alone or with others.
    fn plan(&mut self, made: HowMade) {
        if let Some(made) = self.hear_of_wave(made) {
            self.plan_alone(made);
        }
    }

    /// A range is to be planned. Whoever asks hears of it when a commit is answered.
    pub(super) fn plan_alone(&mut self, made: HowMade) {
        let HowMade { range, assignment, making, has_letters, go } = made;
        let key = TopicPartition { topic: range.topic.clone(), partition: range.partition };
        let partition = self.state.partitions.get_mut(&key).filter(|partition| partition.assignment == assignment);
        let Some(partition) = partition else { return };
        if has_letters {
            self.membership.expect_letters();
        }
        partition.made(&range, making, now(), go);
        self.state.plans_wait = true;
    }

    fn finish(&mut self, done: Done) {
        self.state.in_flight = self.state.in_flight.saturating_sub(1);
        self.end_in_wave(&done.range, done.assignment);
        let key = TopicPartition { topic: done.range.topic.clone(), partition: done.range.partition };
        let Some(partition) = self.state.partitions.get_mut(&key) else { return };
        // A range of an assignment that has ended says nothing about the present one.
        if partition.assignment != done.assignment {
            return;
        }
        partition.finished(&done.range);
        match done.outcome {
            Outcome::Complete(letters) => partition.complete(&done.range, letters),
            Outcome::Joined | Outcome::Abandoned => {}
            Outcome::TooLarge(batch) => self.halve(&key, *batch),
            // A version that took over meanwhile may do what the one before could not.
            Outcome::Stopped(_) | Outcome::Paused(_) if done.turn != self.versions.turn() => {
                partition.stop(Some(done.range.first));
                partition.resume();
            }
            Outcome::Stopped(stop) => self.stop(&key, done.range.first, &stop),
            Outcome::Paused(reason) => {
                let stop = Stop::mend(reason, done.range.first, done.range.next);
                self.pause(&self.remedies.tell(&stop, &key));
            }
        }
    }

    /// More of a range is left out than a plan has room for: each half of it is processed by itself.
    fn halve(&mut self, key: &TopicPartition, batch: Batch) {
        let Batch { range, mut records, permit, .. } = batch;
        drop(permit);
        let Some(at) = records.offsets.get(records.len() / 2).copied().filter(|at| *at > range.first) else {
            let reason = format!("record {} alone finds no room in a plan, which is a defect", range.first);
            return self.stop(key, range.first, &Stop::mend(reason, range.first, range.next));
        };
        let Some(partition) = self.state.partitions.get_mut(key) else { return };
        partition.split(&range, at);
        let behind = records.split_at_offset(at);
        let second = Range { first: at, ..range.clone() };
        self.send(key, Range { next: at, ..range }, records, None);
        self.send(key, second, behind, None);
    }

    /// Fetches nothing more of a partition, whose range at this offset cannot be completed.
    fn stop(&mut self, key: &TopicPartition, at: i64, stop: &Stop) {
        let Some(partition) = self.state.partitions.get_mut(key) else { return };
        partition.stop(Some(at));
        // Of several that have stopped, the first is to be decided first.
        if partition.stopped_at() == Some(at) {
            self.status.problem(&subject(key), &self.remedies.tell(stop, key));
        }
    }

    /// Fetches nothing more of any partition, and stays in the group: ranges that are under way come to their end.
    fn pause(&mut self, reason: &str) {
        self.state.partitions.values_mut().for_each(|partition| partition.stop(None));
        if self.status.phase() != Phase::Paused {
            self.status.enter(Phase::Paused);
        }
        self.status.problem("plugin", reason);
    }

    /// # Errors
    /// Where nobody knows whether the broker has taken the commit: the membership ends, and the next one reads what is there.
    pub(super) fn committed(&mut self, answer: Result<(), CommitFault>, now: Instant) -> Result<(), String> {
        self.state.committed_at = Some(now);
        let outstanding = std::mem::take(&mut self.state.commit_outstanding);
        let mut of_these: Vec<_> = outstanding
            .iter()
            .filter_map(|Outstanding { partition, assignment }| {
                let index = |other: &Partition| other.assignment == *assignment;
                self.state.partitions.get(partition).is_some_and(index).then(|| partition.clone())
            })
            .collect();
        let mut each = |what: &mut dyn FnMut(&mut Partition)| {
            for key in of_these.drain(..) {
                if let Some(partition) = self.state.partitions.get_mut(&key) {
                    what(partition);
                }
            }
        };
        match answer {
            Ok(()) => {
                let mut completes = false;
                each(&mut |partition| completes |= partition.answered());
                if completes {
                    tracing::debug!(pipeline = %self.status.name(), "committed what is complete");
                    stop_points::pass("completed");
                }
                if std::mem::take(&mut self.state.letters_outstanding) {
                    self.status.solved(LETTERS);
                }
                self.state.commits_fail_since = None;
                self.status.solved("commits");
                // What was made meanwhile waits for the next one.
                self.state.plans_wait = true;
            }
            // At least once too: another member may plan by now, and a late commit would overwrite that.
            Err(CommitFault::Unknown(fault)) => {
                return Err(format!("a commit may or may not have been taken: {fault}; joining again"));
            }
            Err(CommitFault::Letters { problem, partitions, rest }) => {
                each(&mut Partition::refused);
                self.dissolve_groups();
                for key in &partitions {
                    if let Some(partition) = self.state.partitions.get_mut(key) {
                        partition.rest(now + rest);
                    }
                }
                self.status.problem(LETTERS, &problem);
                self.status.metrics().retry(Timed::DeadLetter);
                self.state.plans_wait = true;
            }
            // Tried again with the next commit, if the partitions are still ours then.
            Err(fault) => {
                each(&mut Partition::refused);
                self.dissolve_groups();
                self.commit_failed(&fault.to_string(), now);
            }
        }
        Ok(())
    }

    /// Commits what is to be committed: offsets that are complete, plans, and where partitions begin.
    pub(super) fn commit(&mut self, now: Instant) {
        if !self.state.commit_outstanding.is_empty() {
            return;
        }
        self.state.partitions.values_mut().for_each(|partition| partition.wake(now));
        self.sort_groups();
        let mut commits: Vec<_> = self.state.partitions.values().filter_map(Partition::to_commit).collect();
        let mut is_atomic = self.hold_back(&mut commits);
        if commits.is_empty() {
            return;
        }
        let mut with_letters = commits.iter().any(|commit| !commit.letters.is_empty());
        if with_letters || is_atomic {
            // Whoever finds the transaction unfinished has to find out whose it is.
            let of_these = commits.iter().filter_map(|commit| self.state.partitions.get(&commit.partition));
            let announcements: Vec<_> = of_these.filter_map(Partition::to_announce).collect();
            if !announcements.is_empty() {
                (commits, with_letters, is_atomic) = (announcements, false, false);
            }
        }
        self.state.committed_at = Some(now);
        stop_points::pass("before-plan");
        let sent = match is_atomic {
            true => self.membership.commit_as_one(&commits),
            false => self.membership.commit(&commits),
        };
        if let Err(fault) = sent {
            return self.commit_failed(&fault, now);
        }
        self.state.letters_outstanding = with_letters || is_atomic;
        for commit in commits {
            let Some(partition) = self.state.partitions.get_mut(&commit.partition) else { continue };
            partition.sent(&commit);
            let assignment = partition.assignment;
            self.state.commit_outstanding.push(Outstanding { partition: commit.partition, assignment });
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
