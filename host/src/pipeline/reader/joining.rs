//! Ranges of several partitions in one insert. Those that have lingered are closed at once, in a **wave**; when all of them are made, they are
//! planned as one: the plan of the first, which **leads**, names the others, whose offsets move past them with the same commit. That commit is
//! a transaction, since one without the other would lose ranges or write them twice. The next wave begins when this one is written: where a
//! table takes so many inserts and no more, waves grow instead of queueing up.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tidegate_ledger::{BundleId, Joined, Making, Promise};
use tokio::sync::oneshot;

use super::{Partition, Reader};
use crate::kafka::{Commit, TopicPartition};
use crate::pipeline::deliver::HowMade;
use crate::pipeline::partition::Go;
use crate::pipeline::range::Range;
use crate::time::now;

/// So many ranges go together at most: fewer than the hundred partitions of a table that ClickHouse lets one insert have, where
/// each has a partition of its own.
const MOST_TOGETHER: usize = 64;

/// A wave that is not written by then waits for people, or for its sink: other partitions go on without it.
const LONGEST: Duration = Duration::from_secs(30);

/// A range by its partition, the assignment of that, and its first offset.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    partition: TopicPartition,
    assignment: u64,
    first: i64,
}

/// A range of a wave.
struct Awaited {
    place: Place,
    /// Once it is made.
    made: Option<HowMade>,
}

/// A range of a wave that waits for being planned.
struct Ready {
    place: Place,
    range: Range,
    making: Making,
}

/// Ranges that are to be planned as one.
struct Group {
    leader: Place,
    others: Vec<Place>,
}

/// What is written together, and how far that is.
#[derive(Default)]
pub(super) struct Joining {
    /// Ranges that were closed together, until all of them are made.
    wave: Vec<Awaited>,
    /// What was made of them, until it is planned.
    groups: Vec<Group>,
    /// The ranges of the wave from then on until they are written, and since when.
    under_way: Vec<(Place, Instant)>,
}

impl Joining {
    /// Whether a wave has not come to its end.
    pub fn is_under_way(&self, now: Instant) -> bool {
        !self.wave.is_empty() || self.under_way.iter().any(|(_, since)| now < *since + LONGEST)
    }

    /// A range of the wave is made; given back where it is of none.
    fn hear(&mut self, made: HowMade) -> Option<HowMade> {
        let is_it = |awaited: &&mut Awaited| awaited.place.is_of(&made.range, made.assignment);
        match self.wave.iter_mut().find(is_it) {
            Some(awaited) => {
                awaited.made = Some(made);
                None
            }
            None => Some(made),
        }
    }
}

impl Place {
    fn is_of(&self, range: &Range, assignment: u64) -> bool {
        let Self { partition: TopicPartition { topic, partition }, assignment: own, first } = self;
        (topic, *partition, *first) == (&range.topic, range.partition, range.first) && *own == assignment
    }
}

impl Group {
    fn places(&self) -> impl Iterator<Item = &Place> {
        std::iter::once(&self.leader).chain(&self.others)
    }
}

impl Reader {
    /// Whether ranges of several partitions go together.
    pub(super) fn joins(&self) -> bool {
        self.limits.across_partitions && self.promise == Promise::ExactlyOnce && self.state.draining.is_none()
    }

    fn at(&self, Place { partition, assignment, .. }: &Place) -> Option<&Partition> {
        self.state.partitions.get(partition).filter(|partition| partition.assignment == *assignment)
    }

    fn at_mut(&mut self, Place { partition, assignment, .. }: &Place) -> Option<&mut Partition> {
        self.state.partitions.get_mut(partition).filter(|partition| partition.assignment == *assignment)
    }

    /// Closes all ranges that linger, when the first of them has lingered long enough.
    pub(super) fn close_wave(&mut self, now: Instant) {
        if self.state.joining.is_under_way(now) {
            return;
        }
        let lingers = |partition: &&Partition| partition.deadline(&self.limits).is_some() && !partition.rests();
        let lingering: Vec<_> = self.state.partitions.values().filter(lingers).collect();
        if !lingering.iter().any(|partition| partition.is_due(&self.limits, now)) {
            return;
        }
        let keys: Vec<_> = lingering.into_iter().map(Partition::key).collect();
        for partition in keys {
            let Some(first) = self.close(&partition, now) else { continue };
            let assignment = self.state.partitions.get(&partition).map_or(0, |partition| partition.assignment);
            let place = Place { partition, assignment, first };
            self.state.joining.wave.push(Awaited { place, made: None });
        }
    }

    /// Takes in that a range of the wave is made; given back where it is of none, and is planned by itself.
    pub(super) fn hear_of_wave(&mut self, made: HowMade) -> Option<HowMade> {
        let made = self.state.joining.hear(made);
        self.plan_wave();
        made
    }

    /// A range has come to its end; others of its wave may have waited for it.
    pub(super) fn end_in_wave(&mut self, range: &Range, assignment: u64) {
        // What is made waits for the others, and ends before it is planned only by being cancelled.
        self.state.joining.wave.retain(|awaited| !awaited.place.is_of(range, assignment));
        self.state.joining.under_way.retain(|(place, _)| !place.is_of(range, assignment));
        self.plan_wave();
    }

    /// Partitions go to another member: nothing waits for them.
    pub(super) fn leave_wave(&mut self, partitions: &[TopicPartition]) {
        self.state.joining.wave.retain(|awaited| !partitions.contains(&awaited.place.partition));
        self.state.joining.under_way.retain(|(place, _)| !partitions.contains(&place.partition));
        self.plan_wave();
    }

    /// Plans what a wave has brought, when all of it is made.
    fn plan_wave(&mut self) {
        if self.state.joining.wave.iter().any(|awaited| awaited.made.is_none()) {
            return;
        }
        // One version makes what is written together, and a plan names one topic.
        let mut alike: BTreeMap<(Arc<str>, BundleId), Vec<Ready>> = BTreeMap::new();
        for Awaited { place, made } in std::mem::take(&mut self.state.joining.wave) {
            let Some(made) = made else { continue };
            let (range, making) = (made.range.clone(), made.making.clone());
            self.plan_alone(made);
            // What could not be planned has been answered.
            if self.at(&place).is_some_and(|partition| partition.waits(place.first)) {
                let key = (range.topic.clone(), making.bundle);
                alike.entry(key).or_default().push(Ready { place, range, making });
            }
        }
        for mut ready in alike.into_values() {
            let since = Instant::now();
            let places = ready.iter().map(|ready| (ready.place.clone(), since));
            self.state.joining.under_way.extend(places);
            while !ready.is_empty() {
                ready = self.group(ready);
            }
        }
    }

    /// Has ranges planned as one, as many of them as may go together. Returns the others.
    fn group(&mut self, ready: Vec<Ready>) -> Vec<Ready> {
        let mut ready = ready.into_iter();
        let Some(Ready { place: leader, range, mut making }) = ready.next() else { return Vec::new() };
        let count = |first: i64, next: i64| usize::try_from(next - first).unwrap_or(usize::MAX);
        let mut records = count(range.first, range.next);
        let (mut others, mut gathered, mut left) = (Vec::new(), Vec::new(), Vec::new());
        for other in ready {
            let Range { partition, first, next, .. } = other.range;
            let together = records.saturating_add(count(first, next));
            let joined = Joined { partition, first, next, verdicts: other.making.verdicts.clone() };
            making.joined.push(joined.clone());
            let has_room = others.len() + 1 < MOST_TOGETHER
                && together <= self.limits.records
                && self.at(&leader).is_some_and(|partition| partition.has_room(leader.first, &making));
            let (to_leader, from_other) = oneshot::channel();
            if has_room && self.at_mut(&other.place).is_some_and(|partition| partition.join(first, Go::Join(to_leader)))
            {
                records = together;
                gathered.push((joined, from_other));
                others.push(other.place);
            } else {
                making.joined.pop();
                // What may not join another by itself is planned alone.
                if !has_room {
                    left.push(other);
                }
            }
        }
        if others.is_empty() {
            return left;
        }
        let group = Group { leader, others };
        let leads = self.at_mut(&group.leader);
        if leads.is_some_and(|partition| partition.lead(&range, making, now(), Go::Lead(gathered))) {
            // The commit is a transaction.
            self.membership.expect_letters();
            self.state.joining.groups.push(group);
        } else {
            self.dissolve(&group);
        }
        left
    }

    /// Ranges that were to be planned as one are planned alone.
    fn dissolve(&mut self, group: &Group) {
        for place in group.places() {
            if let Some(partition) = self.at_mut(place) {
                partition.stay(place.first);
            }
        }
    }

    /// No group is planned as one: the broker has refused to, or letters could not be written that were to go with it. By themselves all but
    /// those go on. To be called while no commit is on its way.
    pub(super) fn dissolve_groups(&mut self) {
        for group in std::mem::take(&mut self.state.joining.groups) {
            self.dissolve(&group);
        }
    }

    /// Of the groups that are not planned yet, those stay that still can be. To be called while no commit is on its way.
    pub(super) fn sort_groups(&mut self) {
        let groups = std::mem::take(&mut self.state.joining.groups);
        let waits =
            |place: &Place| self.at(place).is_some_and(|partition| partition.waits(place.first) && !partition.rests());
        let (stay, others): (Vec<_>, Vec<_>) = groups.into_iter().partition(|group| group.places().all(waits));
        // Of those that are planned nothing changes by that.
        others.iter().for_each(|group| self.dissolve(group));
        self.state.joining.groups = stay;
    }

    /// Leaves out the commits of groups that are not there as a whole. Returns whether there are any of others: they have to be one transaction.
    pub(super) fn hold_back(&self, commits: &mut Vec<Commit>) -> bool {
        let mut is_atomic = false;
        for group in &self.state.joining.groups {
            let Group { leader, others } = group;
            let commit = |place: &Place| commits.iter().find(|commit| commit.partition == place.partition);
            let names = |commit: &Commit| {
                commit.plan.ranges.iter().any(|range| range.first == leader.first && range.joined.len() == others.len())
            };
            let moves = |place: &Place| commit(place).is_some_and(|commit| commit.offset > place.first);
            let is_whole = commit(leader).is_some_and(names) && others.iter().all(moves);
            is_atomic |= is_whole;
            if !is_whole {
                commits.retain(|commit| group.places().all(|place| place.partition != commit.partition));
            }
        }
        is_atomic
    }
}
