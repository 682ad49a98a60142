//! What the reader takes, and when: as records come, at the slots of a schedule, or once up to what there was at the start.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use chrono::{DateTime, SecondsFormat, Utc};

use super::{Partition, Reader};
use crate::kafka::{Ends, Inquiry, Progress, TopicPartition};
use crate::pipeline::pace::Pace;

/// How often Kafka is asked between two slots how far partitions are behind.
const LAG_INTERVAL: Duration = Duration::from_secs(5);

/// How long to wait before a question is asked once more that had no answer.
const RETRY: Duration = Duration::from_secs(2);

/// How often Kafka is asked how far the group is: often enough that the end of a short run is not spent on waiting.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(500);

/// How long others may take to complete their partitions before that is called a problem.
const OTHERS_PATIENCE: Duration = Duration::from_secs(10);

/// What is asked about ends and progress.
#[derive(Default)]
pub(super) struct Questions {
    ends: Option<EndsAsked>,
    progress: Option<Inquiry<Progress>>,
    /// Not before this.
    again_at: Option<Instant>,
    /// Since when nothing of our own is left to do.
    idle_since: Option<Instant>,
}

struct EndsAsked {
    inquiry: Inquiry<Ends>,
    purpose: Purpose,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// For people to see how far partitions are behind.
    Lag,
    /// Asked since the slot began: it takes what lies before them.
    Slot,
}

impl Reader {
    /// Takes partitions and puts them back as the pace says. True when the pipeline has done all that it was to do.
    pub(super) fn keep_pace(&mut self, now: Instant) -> Result<bool, String> {
        self.put_back()?;
        let may_take = match &mut self.state.pace {
            Pace::Stream => true,
            Pace::Scheduled(_) => self.keep_schedule(now),
            Pace::UntilCaughtUp(targets) => {
                for (key, partition) in &mut self.state.partitions {
                    let bound = partition.position().and_then(|position| targets.bound(key, position));
                    if !partition.is_bounded() {
                        partition.set_bound(bound);
                    }
                }
                let known = targets.ends.is_some();
                if self.has_caught_up(now) {
                    return Ok(true);
                }
                known
            }
        };
        if may_take && self.state.draining.is_none() {
            self.take_ready(now)?;
        }
        Ok(false)
    }

    /// When the next slot begins, if that is known and something waits for it.
    pub(super) fn next_slot(&self) -> Option<DateTime<Utc>> {
        match &self.state.pace {
            Pace::Scheduled(slots) => slots.next(),
            Pace::Stream | Pace::UntilCaughtUp(_) => None,
        }
    }

    /// Goes on with the schedule. Whether partitions may be taken now.
    fn keep_schedule(&mut self, now: Instant) -> bool {
        self.hear_ends(now);
        let partitions = &mut self.state.partitions;
        let Pace::Scheduled(slots) = &mut self.state.pace else { return true };
        let clock = Utc::now();
        if slots.begin(clock) {
            tracing::info!(pipeline = %self.status.name(), "slot begins");
            // Whatever is asked already was asked before the slot.
            self.state.questions.again_at = None;
        }
        let taking = slots.next().is_none();
        if taking && partitions.values().all(Partition::is_settled) {
            let parts = partitions.values().filter(|partition| partition.is_done()).count();
            if slots.end(parts, clock) {
                partitions.values_mut().for_each(|partition| partition.set_bound(None));
                tracing::info!(pipeline = %self.status.name(), "slot ends");
            }
        }
        match slots.next() {
            Some(next) => self.status.note("next slot", &next.to_rfc3339_opts(SecondsFormat::Secs, true)),
            None => self.status.note("next slot", "now; taking what there was when it began"),
        }
        let taking = slots.next().is_none();
        self.ask_ends(if taking { Purpose::Slot } else { Purpose::Lag }, now);
        // A bound says that the partition takes part in this slot: without one it waits for the answer.
        taking && self.state.partitions.values().all(Partition::is_bounded)
    }

    fn hear_ends(&mut self, now: Instant) {
        let Some(asked) = &self.state.questions.ends else { return };
        let Some(answer) = asked.inquiry.answer() else { return };
        let purpose = asked.purpose;
        self.state.questions.ends = None;
        let ends = match answer {
            Ok(ends) => ends,
            Err(fault) => {
                self.status.problem("ends", &format!("find out where partitions end: {fault}"));
                self.state.questions.again_at = Some(now + RETRY);
                return;
            }
        };
        self.status.solved("ends");
        let taking = self.next_slot().is_none();
        for (key, end) in ends {
            let Some(partition) = self.state.partitions.get_mut(&key) else { continue };
            partition.set_end(end);
            if taking && purpose == Purpose::Slot && !partition.is_bounded() {
                partition.set_bound(Some(end));
            }
        }
    }

    fn ask_ends(&mut self, purpose: Purpose, now: Instant) {
        let questions = &self.state.questions;
        if questions.ends.is_some() || questions.again_at.is_some_and(|again_at| now < again_at) {
            return;
        }
        let wanted = |partition: &&Partition| match purpose {
            Purpose::Lag => partition.position().is_some(),
            Purpose::Slot => !partition.is_bounded(),
        };
        let partitions: Vec<_> = self.state.partitions.values().filter(wanted).map(Partition::key).collect();
        if partitions.is_empty() || self.state.draining.is_some() {
            return;
        }
        self.state.questions.again_at = (purpose == Purpose::Lag).then_some(now + LAG_INTERVAL);
        let inquiry = self.membership.ask_ends(partitions);
        self.state.questions.ends = Some(EndsAsked { inquiry, purpose });
    }

    /// Whether the whole group has completed what there was when this pipeline started. What stopped here, or cannot begin before somebody decides,
    /// is not waited for.
    fn has_caught_up(&mut self, now: Instant) -> bool {
        let questions = &mut self.state.questions;
        let answer = questions.progress.as_ref().and_then(Inquiry::answer);
        if answer.is_some() {
            questions.progress = None;
            questions.again_at = Some(now + PROGRESS_INTERVAL);
        }
        if questions.progress.is_none() && questions.again_at.is_none_or(|again_at| now >= again_at) {
            questions.progress = Some(self.membership.ask_progress());
        }
        match answer {
            None => false,
            Some(Err(fault)) => {
                self.status.problem("progress", &format!("find out how far the group is: {fault}"));
                false
            }
            Some(Ok(progress)) => {
                self.status.solved("progress");
                self.compare(progress, now)
            }
        }
    }

    fn compare(&mut self, progress: Progress, now: Instant) -> bool {
        let Pace::UntilCaughtUp(targets) = &mut self.state.pace else { return false };
        let Some(known) = &targets.ends else {
            targets.ends = Some(progress.ends);
            return false;
        };
        let stopped = self.state.partitions.values().filter(|partition| partition.waits_for_people());
        let stopped: BTreeSet<TopicPartition> =
            stopped.map(Partition::key).filter(|key| known.contains_key(key)).collect();
        let Some(behind) = targets.behind(&progress, &stopped) else { return false };
        if !behind.is_empty() {
            let (ours, others): (Vec<_>, Vec<_>) =
                behind.iter().partition(|key| self.state.partitions.contains_key(*key));
            let idle_since = self.state.questions.idle_since.get_or_insert(now);
            if !ours.is_empty() {
                self.state.questions.idle_since = None;
            } else if now >= *idle_since + OTHERS_PATIENCE {
                let names = others.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                self.status.problem("progress", &format!("waits for partitions that are not read here: {names}"));
            }
            return false;
        }
        if stopped.is_empty() {
            self.status.set_caught_up();
        }
        let stopped = stopped.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        tracing::info!(pipeline = %self.status.name(), stopped, "has completed what there was at the start");
        true
    }
}
