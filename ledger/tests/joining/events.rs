//! What can happen. Owners, partitions, commits and inserts are numbered.

use crate::Rules;
use crate::world::{END, PARTITIONS, World};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// An owner reads where a partition of its own begins, and what is planned.
    Begin(usize, usize),
    /// It closes a range of a partition, of one record, and makes it.
    Close(usize, usize),
    /// It does so with the next that is planned.
    CloseAgain(usize, usize),
    /// The ranges of both partitions are to be planned as one; which leads.
    Group(usize, usize),
    Commit(usize),
    /// A commit reaches the broker, and its answer the owner.
    Deliver(usize),
    /// The broker takes a commit's entries of these partitions, and the owner hears of no answer: its membership ends.
    DeliverUnheard(usize, [bool; PARTITIONS]),
    /// An owner sends the rows of a range, by its first offset.
    Insert(usize, usize, i64),
    /// They reach the table, and the answer the owner.
    Land(usize),
    /// The answer is lost.
    LandUnheard(usize),
    /// A partition goes to the other owner.
    Move(usize),
    /// Nothing of a partition is committed for a while.
    Rest(usize, usize),
    Wake(usize),
    Crash(usize),
    Restart(usize),
}

impl Event {
    /// Whether something goes wrong, or is another's doing.
    pub fn is_fault(self) -> bool {
        matches!(
            self,
            Self::DeliverUnheard(..) | Self::LandUnheard(_) | Self::Move(_) | Self::Rest(..) | Self::Crash(_)
        )
    }
}

impl World {
    /// All that can happen now.
    pub fn events(&self, rules: Rules) -> Vec<Event> {
        let mut events = self.usual(rules);
        for o in 0..2 {
            for leader in 0..PARTITIONS {
                let mut owner = self.owners[o].clone();
                if owner.leads.is_none() && !owner.is_waiting && owner.group(leader, rules.name_joined) {
                    events.push(Event::Group(o, leader));
                }
            }
        }
        if self.faults == 0 {
            return events;
        }
        for (i, commit) in self.wire.iter().enumerate().filter(|(_, commit)| commit.generation == self.generation) {
            let parts: &[[bool; PARTITIONS]] = match commit.is_atomic && rules.atomic {
                true => &[[true, true], [false, false]],
                false => &[[true, true], [true, false], [false, true], [false, false]],
            };
            events.extend(parts.iter().map(|taken| Event::DeliverUnheard(i, *taken)));
        }
        events.extend((0..self.inserts.len()).map(Event::LandUnheard));
        for p in 0..PARTITIONS {
            // A revocation is answered when no commit is on its way.
            let moves = |o: usize| !self.owners[o].is_waiting && self.owners[1 - o].is_alive;
            if self.assigned[p].is_some_and(moves) {
                events.push(Event::Move(p));
            }
            let begun = (0..2).filter(|o| self.owners[*o].parts[p].is_some() && self.owners[*o].rests.is_none());
            events.extend(begun.map(|o| Event::Rest(o, p)));
        }
        events.extend((0..2).filter(|o| self.owners[*o].is_alive).map(Event::Crash));
        events
    }

    /// What goes on without anything going wrong.
    fn usual(&self, rules: Rules) -> Vec<Event> {
        let mut events: Vec<_> = (0..self.wire.len()).map(Event::Deliver).collect();
        events.extend((0..self.inserts.len()).map(Event::Land));
        for (o, owner) in self.owners.iter().enumerate() {
            if !owner.is_alive {
                events.push(Event::Restart(o));
                continue;
            }
            for (p, part) in owner.parts.iter().enumerate() {
                let Some(part) = part else {
                    if self.assigned[p] == Some(o) {
                        events.push(Event::Begin(o, p));
                    }
                    continue;
                };
                let may_send = part.jobs.iter().filter(|(first, job)| part.ledger.is_released(**first) && !job.is_sent);
                events.extend(may_send.map(|(first, _)| Event::Insert(o, p, *first)));
                if !part.replays.is_empty() {
                    events.push(Event::CloseAgain(o, p));
                } else if part.position < END {
                    events.push(Event::Close(o, p));
                }
            }
            if owner.rests.is_some() {
                events.push(Event::Wake(o));
            }
            if !owner.is_waiting && !owner.to_commit(rules.hold_back).0.is_empty() {
                events.push(Event::Commit(o));
            }
        }
        events
    }

    /// The next thing on the way to the end, where nothing goes wrong any more; none at the end.
    pub fn next_calm(&self, rules: Rules) -> Option<Event> {
        self.usual(rules).into_iter().next()
    }
}
