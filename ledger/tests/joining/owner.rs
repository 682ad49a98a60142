//! A gateway and its partitions.

use std::collections::{BTreeMap, VecDeque};

use tidegate_ledger::{BundleId, Entry, Joined, Ledger, Lineage, Making, Plan, Planned, Promise, Verdicts};

use crate::world::PARTITIONS;

/// What makes all rows.
pub const BUNDLE: BundleId = BundleId(1);

/// A process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Owner {
    pub is_alive: bool,
    pub parts: [Option<Part>; PARTITIONS],
    /// Whether the answer to a commit is awaited.
    pub is_waiting: bool,
    /// A partition of which nothing is committed just now, since letters of it cannot be written.
    pub rests: Option<usize>,
    /// Which partition's range leads, while it is not known to be planned with the other's.
    pub leads: Option<usize>,
}

/// A partition of its own.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Part {
    pub ledger: Ledger,
    pub position: i64,
    pub replays: VecDeque<Planned>,
    pub jobs: BTreeMap<i64, Job>,
}

/// A range on its way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Job {
    pub next: i64,
    pub joined: Vec<Joined>,
    pub is_sent: bool,
}

impl Part {
    pub fn begin(committed: Option<&(i64, String)>, minted: u128) -> Self {
        let taken = committed.map(|(offset, text)| Entry { offset: *offset, plan: Plan::read(text, *offset).unwrap() });
        let offset = taken.as_ref().map_or(0, |entry| entry.offset);
        let replays = taken.iter().flat_map(|entry| entry.plan.ranges.clone()).collect();
        let ledger = Ledger::begin(Promise::ExactlyOnce, offset, taken, Lineage(minted), Ledger::ROOM);
        Self { ledger, position: offset, replays, jobs: BTreeMap::new() }
    }

    /// The next record is a range.
    pub fn close(&mut self) {
        let (first, next) = (self.position, self.position + 1);
        self.ledger.close(first, next);
        self.ledger.made(first, Making::alone(BUNDLE, Verdicts::default()), 1);
        self.jobs.insert(first, Job { next, joined: Vec::new(), is_sent: false });
        self.position = next;
    }

    pub fn close_again(&mut self, joins: bool) {
        let Planned { first, next, bundle, verdicts, joined, .. } = self.replays.pop_front().unwrap();
        self.ledger.close(first, next);
        self.ledger.made(first, Making { bundle, verdicts, joined: joined.clone() }, 1);
        self.position = self.position.max(next);
        let joined = if joins { joined } else { Vec::new() };
        self.jobs.insert(first, Job { next, joined, is_sent: false });
    }

    /// The first range that is under way, where it is not planned yet.
    pub fn unplanned(&self) -> Option<(i64, i64)> {
        let (first, job) = self.jobs.first_key_value()?;
        (self.ledger.planned(*first).is_none() && !self.ledger.is_released(*first)).then_some((*first, job.next))
    }
}

impl Owner {
    /// The range of the partition `leader` and the other's are to be planned as one. False where they cannot be.
    pub fn group(&mut self, leader: usize, names_joined: bool) -> bool {
        let other = 1 - leader;
        let parts = &mut self.parts;
        let (Some(leads), Some(joins)) = (parts[leader].as_ref(), parts[other].as_ref()) else { return false };
        let (Some((first, _)), Some((other_first, other_next))) = (leads.unplanned(), joins.unplanned()) else {
            return false;
        };
        if !parts[other].as_mut().unwrap().ledger.join(other_first) {
            return false;
        }
        let partition = i32::try_from(other).unwrap();
        let joined = vec![Joined { partition, first: other_first, next: other_next, verdicts: Verdicts::default() }];
        let leads = parts[leader].as_mut().unwrap();
        let named = if names_joined { joined.clone() } else { Vec::new() };
        leads.ledger.made(first, Making { joined: named, ..Making::alone(BUNDLE, Verdicts::default()) }, 1);
        leads.jobs.get_mut(&first).unwrap().joined = joined;
        self.leads = Some(leader);
        true
    }

    /// What was to be planned as one is planned by itself.
    pub fn dissolve(&mut self) {
        self.leads = None;
        for part in self.parts.iter_mut().flatten() {
            if let Some((first, _)) = part.unplanned() {
                part.ledger.stay(first);
                part.jobs.get_mut(&first).unwrap().joined.clear();
            }
        }
    }

    /// What is to be committed now, and whether the broker has to take all of it or nothing.
    pub fn to_commit(&self, holds_back: bool) -> (Vec<(usize, Entry)>, bool) {
        let all = self.parts.iter().enumerate();
        let mut entries: Vec<_> = all.filter_map(|(p, part)| Some((p, part.as_ref()?.ledger.to_commit()?))).collect();
        entries.retain(|(p, _)| self.rests != Some(*p));
        let Some(leader) = self.leads else { return (entries, false) };
        let names = |entry: &Entry| entry.plan.ranges.iter().any(|range| !range.joined.is_empty());
        let is_whole = entries.len() == PARTITIONS && entries.iter().any(|(p, entry)| *p == leader && names(entry));
        if !is_whole && holds_back {
            entries.clear();
        }
        (entries, true)
    }
}
