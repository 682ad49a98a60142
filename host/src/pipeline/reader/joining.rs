//! Ranges of several partitions in one insert. Those that have lingered are closed at once, in a **wave**; when all of them are made, they are
//! planned as one: the plan of the first, which **leads**, names the others, whose offsets move past them with the same commit. That commit is
//! a transaction, since one without the other would lose ranges or write them twice. The next wave begins when this one is written: where a
//! table takes so many inserts and no more, waves grow instead of queueing up.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use tidegate_ledger::{BundleId, Joined, Making, Promise};
use tokio::sync::oneshot;

use super::Reader;
use crate::kafka::{Commit, TopicPartition};
use crate::pipeline::deliver::HowMade;
use crate::pipeline::partition::Go;
use crate::pipeline::range::Range;
use crate::time::now;

/// A range of an assignment of its partition, by its first offset.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Member {
    partition: TopicPartition,
    assignment: u64,
    first: i64,
}

/// A range of a wave.
struct Awaited {
    member: Member,
    /// Once it is made.
    made: Option<HowMade>,
}

/// A range of a wave that waits for being planned.
struct Ready {
    member: Member,
    range: Range,
    making: Making,
}

/// Ranges that are to be planned as one.
struct Group {
    leader: Member,
    others: Vec<Member>,
}

/// What is written together, and how far that is.
#[derive(Default)]
pub(super) struct Joining {
    wave: Vec<Awaited>,
    groups: Vec<Group>,
    /// Ranges of the wave that are being written, or wait for being planned.
    writing: Vec<Member>,
}

impl Joining {
    /// Whether a wave has not come to its end.
    pub fn is_under_way(&self) -> bool {
        !(self.wave.is_empty() && self.writing.is_empty())
    }

    /// A range of the wave is made; given back where it is of none.
    fn hear(&mut self, made: HowMade) -> Option<HowMade> {
        let is_it = |awaited: &&mut Awaited| awaited.member.is_of(&made.range, made.assignment);
        match self.wave.iter_mut().find(is_it) {
            Some(awaited) => {
                awaited.made = Some(made);
                None
            }
            None => Some(made),
        }
    }

    /// A range has come to its end.
    fn end(&mut self, range: &Range, assignment: u64) {
        // What is made waits for the others, and cannot end before it is planned but by being cancelled.
        self.wave.retain(|awaited| !awaited.member.is_of(range, assignment));
        self.writing.retain(|member| !member.is_of(range, assignment));
    }
}

impl Member {
    fn is_of(&self, range: &Range, assignment: u64) -> bool {
        let Self { partition: TopicPartition { topic, partition }, assignment: own, first } = self;
        (topic, *partition, *first) == (&range.topic, range.partition, range.first) && *own == assignment
    }
}

impl Reader {
    /// Whether ranges of several partitions go together.
    pub(super) fn joins(&self) -> bool {
        self.limits.across_partitions && self.promise == Promise::ExactlyOnce && self.state.draining.is_none()
    }

    /// Closes all ranges that linger, when the first of them has lingered long enough.
    pub(super) fn close_wave(&mut self, now: Instant) {
        if self.state.joining.is_under_way() {
            return;
        }
        let lingers = |partition: &&super::Partition| partition.deadline(&self.limits).is_some();
        let lingering: Vec<_> = self.state.partitions.values().filter(lingers).collect();
        if !lingering.iter().any(|partition| partition.is_due(&self.limits, now)) {
            return;
        }
        let keys: Vec<_> = lingering.into_iter().map(super::Partition::key).collect();
        for key in keys {
            let Some(first) = self.close(&key, now) else { continue };
            let Some(assignment) = self.state.partitions.get(&key).map(|partition| partition.assignment) else {
                continue;
            };
            let member = Member { partition: key, assignment, first };
            self.state.joining.wave.push(Awaited { member, made: None });
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
        self.state.joining.end(range, assignment);
        self.plan_wave();
    }

    /// Plans what a wave has brought, when all of it is made.
    pub(super) fn plan_wave(&mut self) {
        let partitions = &self.state.partitions;
        let is_ours = |member: &Member| {
            partitions.get(&member.partition).is_some_and(|partition| partition.assignment == member.assignment)
        };
        self.state.joining.wave.retain(|awaited| is_ours(&awaited.member));
        self.state.joining.writing.retain(is_ours);
        let is_made = self.state.joining.wave.iter().all(|awaited| awaited.made.is_some());
        if self.state.joining.wave.is_empty() || !is_made {
            return;
        }
        // One version makes what is written together, and a plan names one topic.
        let mut alike: BTreeMap<(Arc<str>, BundleId), Vec<Ready>> = BTreeMap::new();
        for Awaited { member, made } in std::mem::take(&mut self.state.joining.wave) {
            let Some(made) = made else { continue };
            let (range, making) = (made.range.clone(), made.making.clone());
            self.plan_alone(made);
            // What could not be planned has been answered.
            if self.state.partitions.get(&member.partition).is_some_and(|partition| partition.waits(member.first)) {
                let key = (range.topic.clone(), making.bundle);
                alike.entry(key).or_default().push(Ready { member, range, making });
            }
        }
        alike.into_values().for_each(|waiting| self.group(waiting));
    }

    /// Has ranges planned as one, as many of them as a plan has room for.
    fn group(&mut self, waiting: Vec<Ready>) {
        self.state.joining.writing.extend(waiting.iter().map(|ready| ready.member.clone()));
        let mut waiting = waiting.into_iter();
        let Some(Ready { member: leader, range, mut making }) = waiting.next() else { return };
        let (mut others, mut gathered) = (Vec::new(), Vec::new());
        for Ready { member, range: Range { partition, first, next, .. }, making: Making { verdicts, .. } } in waiting {
            let joined = Joined { partition, first, next, verdicts };
            making.joined.push(joined.clone());
            let leads = self.state.partitions.get(&leader.partition);
            let (to_leader, from_other) = oneshot::channel();
            let has_room = leads.is_some_and(|partition| partition.has_room(leader.first, &making));
            let other = self.state.partitions.get_mut(&member.partition).filter(|_| has_room);
            if other.is_some_and(|partition| partition.join(first, Go::Join(to_leader))) {
                gathered.push((joined, from_other));
                others.push(member);
            } else {
                making.joined.pop();
            }
        }
        if others.is_empty() {
            return;
        }
        let leads = self.state.partitions.get_mut(&leader.partition);
        let group = Group { leader, others };
        match leads.is_some_and(|partition| partition.lead(&range, making, now(), Go::Lead(gathered))) {
            true => {
                // The commit is a transaction.
                self.membership.expect_letters();
                self.state.joining.groups.push(group);
            }
            false => self.dissolve(&group),
        }
    }

    fn dissolve(&mut self, Group { leader, others }: &Group) {
        for Member { partition, assignment, first } in std::iter::once(leader).chain(others) {
            let partition = self.state.partitions.get_mut(partition);
            if let Some(partition) = partition.filter(|partition| partition.assignment == *assignment) {
                partition.stay(*first);
            }
        }
    }

    /// Of the groups that are not planned yet, those stay that still can be. To be called while no commit is on its way.
    pub(super) fn sort_groups(&mut self) {
        for group in std::mem::take(&mut self.state.joining.groups) {
            let waits = |Member { partition, assignment, first }: &Member| {
                let partition = self.state.partitions.get(partition);
                partition.is_some_and(|partition| partition.assignment == *assignment && partition.waits(*first))
            };
            let members = || std::iter::once(&group.leader).chain(&group.others);
            if members().all(waits) {
                self.state.joining.groups.push(group);
            } else if members().any(waits) {
                self.dissolve(&group);
            }
        }
    }

    /// Leaves out the commits of groups that are not there as a whole. Returns whether there are any of others: they have to be one transaction.
    pub(super) fn hold_back(&self, commits: &mut Vec<Commit>) -> bool {
        let mut is_atomic = false;
        for Group { leader, others } in &self.state.joining.groups {
            let commit = |member: &Member| commits.iter().find(|commit| commit.partition == member.partition);
            let names = |commit: &Commit| {
                commit.plan.ranges.iter().any(|range| range.first == leader.first && range.joined.len() == others.len())
            };
            let moves = |member: &Member| commit(member).is_some_and(|commit| commit.offset > member.first);
            let is_whole = commit(leader).is_some_and(names) && others.iter().all(moves);
            is_atomic |= is_whole;
            if !is_whole {
                let is_of = |partition: &TopicPartition| {
                    std::iter::once(leader).chain(others).any(|member| member.partition == *partition)
                };
                commits.retain(|commit| !is_of(&commit.partition));
            }
        }
        is_atomic
    }
}
