//! When the records of a pipeline are taken, and up to where. Pure: time and the broker's answers are arguments.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};

use crate::config::Schedule;
use crate::kafka::{Ends, Progress, TopicPartition};

/// When records are taken.
#[derive(Clone, Debug, Default)]
pub enum Pace {
    /// As they come.
    #[default]
    Stream,
    /// At the slots of a schedule, each time what is there.
    Scheduled(Slots),
    /// Once, what is there; then the pipeline ends.
    UntilCaughtUp(Targets),
}

/// Where a pipeline stands between the slots of its schedule.
#[derive(Clone, Debug)]
pub struct Slots {
    schedule: Schedule,
    slot: Slot,
    /// The latest time that was seen: a clock that was put back must not keep the pipeline waiting for a slot far ahead.
    seen: DateTime<Utc>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slot {
    Waiting(DateTime<Utc>),
    Taking(DateTime<Utc>),
}

/// How long a slot is held open for a member that has no partition: one that is started just before a slot shall not wait for
/// the next, which may be a day away.
const HELD_OPEN: TimeDelta = TimeDelta::minutes(1);

impl Pace {
    /// Whether partitions are read up to an end that is known before.
    pub fn is_bounded(&self) -> bool {
        !matches!(self, Self::Stream)
    }
}

impl Slots {
    /// Waits for the first slot after `now`.
    pub fn new(schedule: Schedule, now: DateTime<Utc>) -> Self {
        let mut slots = Self { schedule, slot: Slot::Taking(now), seen: now };
        slots.wait_behind(now);
        slots
    }

    /// The next slot; none while one is being taken.
    pub fn next(&self) -> Option<DateTime<Utc>> {
        match self.slot {
            Slot::Waiting(next) => Some(next),
            Slot::Taking(_) => None,
        }
    }

    /// Begins a slot if it is time. Those that were missed meanwhile are one.
    pub fn begin(&mut self, now: DateTime<Utc>) -> bool {
        if now < self.seen && self.next().is_some() {
            self.wait_behind(now);
        }
        self.seen = now;
        let due = self.next().is_some_and(|next| now >= next);
        if due {
            self.slot = Slot::Taking(now);
        }
        due
    }

    /// Ends the slot that is being taken if all is settled; `partitions` says how many take part. One that came meanwhile
    /// begins at once.
    pub fn end(&mut self, partitions: usize, now: DateTime<Utc>) -> bool {
        match self.slot {
            Slot::Taking(since) if partitions > 0 || now - since >= HELD_OPEN => {
                self.wait_behind(since);
                true
            }
            _ => false,
        }
    }

    fn wait_behind(&mut self, time: DateTime<Utc>) {
        // A schedule that has no more slots within thousands of years has none.
        self.slot = Slot::Waiting(self.schedule.after(time).unwrap_or(DateTime::<Utc>::MAX_UTC));
    }
}

/// What there was when the pipeline started.
#[derive(Clone, Debug, Default)]
pub struct Targets {
    /// None until the broker has said.
    pub ends: Option<Ends>,
}

impl Targets {
    /// Up to where a partition that stands at `position` is read; none until it is known.
    pub fn bound(&self, partition: &TopicPartition, position: i64) -> Option<i64> {
        let ends = self.ends.as_ref()?;
        // A partition that was added since had no records.
        Some(ends.get(partition).copied().unwrap_or(position))
    }

    /// The partitions that the group has not completed, those aside that are stopped; none until the targets are known.
    pub fn behind(&self, progress: &Progress, stopped: &BTreeSet<TopicPartition>) -> Option<Vec<TopicPartition>> {
        let behind = |(partition, end): (&TopicPartition, &i64)| {
            // An offset beyond the end as it is now is of a log that was made anew: whoever gets the partition reads it again.
            let now = progress.ends.get(partition).copied().unwrap_or(i64::MAX);
            let complete = |offset: &i64| (*end..=now).contains(offset);
            let done = progress.committed.get(partition).is_some_and(complete) || stopped.contains(partition);
            (!done).then(|| partition.clone())
        };
        Some(self.ends.as_ref()?.iter().filter_map(behind).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn at(time: &str) -> DateTime<Utc> {
        DateTime::parse_from_rfc3339(&format!("2026-11-25T{time}Z")).unwrap().to_utc()
    }

    fn quarters(now: &str) -> Slots {
        Slots::new("every 15 min".parse().unwrap(), at(now))
    }

    #[test]
    fn nothing_is_taken_before_the_slot_and_a_slot_ends_once() {
        let mut slots = quarters("17:03:00");
        assert_eq!(slots.next(), Some(at("17:15:00")));
        assert!(!slots.begin(at("17:14:59")) && !slots.end(3, at("17:14:59")));
        assert!(slots.begin(at("17:15:00")));
        assert_eq!(slots.next(), None);
        assert!(!slots.begin(at("17:15:01")), "it is being taken");
        assert!(slots.end(3, at("17:16:00")));
        assert_eq!(slots.next(), Some(at("17:30:00")));
        assert!(!slots.end(3, at("17:16:01")));
    }

    #[test]
    fn slots_that_come_while_one_is_taken_are_one_and_begin_at_once() {
        let mut slots = quarters("17:03:00");
        assert!(slots.begin(at("17:15:00")));
        assert!(slots.end(3, at("17:50:00")));
        assert!(slots.begin(at("17:50:00")));
        assert!(slots.end(3, at("17:51:00")));
        assert_eq!(slots.next(), Some(at("18:00:00")));
    }

    #[test]
    fn a_clock_that_is_put_back_brings_the_next_slot_back() {
        let mut slots = quarters("17:03:00");
        // A clock that ran hours ahead for a moment.
        assert!(slots.begin(at("22:10:00")) && slots.end(1, at("22:10:00")));
        assert!(!slots.begin(at("17:04:00")));
        assert_eq!(slots.next(), Some(at("17:15:00")));
    }

    #[test]
    fn a_slot_is_held_open_for_a_member_without_partitions() {
        let mut slots = quarters("17:14:59");
        assert!(slots.begin(at("17:15:00")));
        assert!(!slots.end(0, at("17:15:59")));
        assert!(slots.end(0, at("17:16:00")));
    }

    #[test]
    fn a_group_has_caught_up_when_every_partition_is_at_its_end_or_stopped() {
        let key = |partition| TopicPartition { topic: "t".into(), partition };
        // The third partition has grown since.
        let ends = Ends::from([(key(0), 10), (key(1), 0), (key(2), 9)]);
        let progress = |committed: &[(i32, i64)]| {
            let committed = committed.iter().map(|(partition, offset)| (key(*partition), *offset)).collect();
            Progress { ends: ends.clone(), committed }
        };
        assert_eq!(Targets::default().behind(&progress(&[]), &BTreeSet::new()), None);
        let targets = Targets { ends: Some(BTreeMap::from([(key(0), 10), (key(1), 0), (key(2), 7)])) };
        let behind = |committed: &[(i32, i64)], stopped: &[i32]| {
            targets.behind(&progress(committed), &stopped.iter().map(|partition| key(*partition)).collect()).unwrap()
        };
        assert_eq!(behind(&[], &[]), [key(0), key(1), key(2)], "an empty partition has its start committed");
        assert_eq!(behind(&[(0, 9), (1, 0), (2, 8)], &[]), [key(0)]);
        assert_eq!(behind(&[(0, 9), (1, 0), (2, 8)], &[0]), []);
        assert_eq!(behind(&[(0, 1_000), (1, 0), (2, 9)], &[]), [key(0)], "the topic was made anew");
        assert_eq!(targets.bound(&key(0), 3), Some(10));
        assert_eq!(targets.bound(&key(3), 3), Some(3), "it was added since");
    }
}
