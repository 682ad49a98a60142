//! What may happen next in a state, and what does where nothing goes wrong.

use crate::event::{Event, Fault};
use crate::owner::Phase;
use crate::setup::{Kind, Setup};
use crate::world::World;

impl World {
    /// What may happen next.
    pub fn events(&self, setup: &Setup) -> Vec<Event> {
        let mut events = self.candidates(setup);
        events.retain(|event| self.is_possible(setup, *event));
        events
    }

    pub fn candidates(&self, setup: &Setup) -> Vec<Event> {
        let mut events = Vec::with_capacity(64);
        for o in 0..self.owners.len() {
            self.events_of(setup, o, &mut events);
        }
        for (index, message) in self.wire.iter().enumerate() {
            events.extend([Event::Deliver(index), Event::DeliverUnheard(index)]);
            if !message.letters.is_empty() && self.broker.pending.is_none() {
                events.push(Event::Hold(index));
            }
        }
        for index in 0..self.inserts.len() {
            events.extend([Event::Land(index), Event::LandUnheard(index)]);
        }
        if self.broker.pending.is_some() {
            events.extend([Event::EndTransaction(true), Event::EndTransaction(false)]);
        }
        events.extend([Event::Alter, Event::Swap, Event::SwitchPromise, Event::Reset]);
        events
    }

    pub fn events_of(&self, setup: &Setup, o: usize, events: &mut Vec<Event>) {
        events.extend([
            Event::Join(o),
            Event::Expire(o),
            Event::Begin(o),
            Event::Skip(o),
            Event::CloseAgain(o),
            Event::Commit(o),
            Event::Defer(o),
        ]);
        events.extend([Event::SendDeferred(o), Event::Resend(o), Event::GiveUp(o), Event::AnswerRevocation(o)]);
        events.extend([Event::HearLost(o), Event::Thaw(o), Event::Crash(o), Event::Freeze(o)]);
        let Some(partition) = &self.owners[o].partition else { return };
        events.extend((partition.position + 1..=setup.end()).map(|next| Event::Close(o, next)));
        for (first, job) in &partition.jobs {
            events.extend([Event::Make(o, *first, false), Event::Make(o, *first, true), Event::Halve(o, *first)]);
            for route in job.open.iter().flatten() {
                events.extend([Event::Insert(o, *first, *route), Event::TimeOut(o, *first, *route)]);
            }
        }
    }

    /// What happens next where nothing goes wrong any more; none at the end. What nobody waits for comes last of all.
    pub fn next_calm(&self, setup: &Setup) -> Option<Event> {
        let is_unheard = |o: usize| self.owners[o].partition.as_ref().is_some_and(|partition| partition.is_unheard);
        let rank = |event: &Event| {
            Some(match *event {
                Event::EndTransaction(true) if self.broker.pending.as_ref().is_some_and(|of| of.is_awaited) => 0,
                Event::EndTransaction(false) if self.broker.pending.as_ref().is_some_and(|of| !of.is_awaited) => 0,
                Event::Thaw(_) => 1,
                Event::HearLost(_) => 2,
                Event::GiveUp(o) if is_unheard(o) => 3,
                Event::Deliver(index) if self.wire[index].is_awaited => 4,
                Event::Land(index) if self.inserts[index].asker.is_some() => 5,
                Event::Insert(..) => 6,
                Event::Make(_, _, false) => 7,
                Event::Halve(..) => 8,
                Event::SendDeferred(_) => 9,
                Event::Commit(_) => 10,
                Event::AnswerRevocation(_) => 11,
                Event::Expire(_) => 12,
                Event::Begin(_) => 13,
                Event::CloseAgain(_) => 14,
                Event::Skip(_) => 14,
                Event::Close(_, next) if next == setup.end() => 15,
                Event::Join(_) if self.broker.members == [None, None] => 16,
                Event::Deliver(_) => 17,
                Event::Land(_) => 18,
                _ => return None,
            })
        };
        let ranked = self.candidates(setup).into_iter().filter_map(|event| Some((rank(&event)?, event)));
        let mut ranked: Vec<_> = ranked.collect();
        ranked.sort_by_key(|(rank, _)| *rank);
        ranked.into_iter().map(|(_, event)| event).find(|event| self.is_possible(setup, *event))
    }

    pub fn cost(&self, event: Event) -> Option<Fault> {
        let is_live = |o: usize| self.owners[o].client.is_some() && !self.owners[o].is_frozen;
        match event {
            Event::Join(_) => self.broker.assigned.filter(|o| is_live(*o)).map(|_| Fault::Rebalance),
            Event::GiveUp(o) if self.owners[o].partition.as_ref().is_some_and(|of| !of.is_unheard) => {
                Some(Fault::Commit)
            }
            // Where nobody waits for it, it makes no difference.
            Event::DeliverUnheard(_) => Some(Fault::Commit),
            event => event.fault(),
        }
    }

    pub fn is_possible(&self, setup: &Setup, event: Event) -> bool {
        if self.cost(event).is_some_and(|fault| self.budget == 0 || !setup.faults.contains(&fault)) {
            return false;
        }
        let runs = |o: usize| self.owners[o].client.is_some() && !self.owners[o].is_frozen;
        let owns = |o: usize| {
            let member = self.owners[o].client.map(|client| client.member);
            runs(o) && self.broker.assigned == Some(o) && self.broker.members[o] == member
        };
        let partition = |o: usize| self.owners[o].partition.as_ref().filter(|_| runs(o));
        let goes_on = |o: usize| {
            let owner = &self.owners[o];
            partition(o).filter(|_| owner.paused.is_none() && !owner.is_revoked)
        };
        let job = |o: usize, first: i64| partition(o).and_then(|partition| partition.jobs.get(&first));
        match event {
            Event::Join(o) => {
                self.owners[o].client.is_none() && !self.owners[o].is_frozen && self.broker.members[o].is_none()
            }
            Event::Expire(o) => {
                let member = self.owners[o].client.map(|client| client.member);
                self.broker.members[o].is_some() && (self.owners[o].is_frozen || self.broker.members[o] != member)
            }
            Event::Begin(o) => {
                let owner = &self.owners[o];
                let stable = self.broker.pending.is_none() || !setup.rules.read_stable;
                owns(o) && owner.partition.is_none() && !owner.is_revoked && owner.paused.is_none() && stable
            }
            Event::Close(o, _) => goes_on(o).is_some_and(|of| {
                let has_room = of.jobs.len() < setup.ranges && setup.kind(of.position) != Kind::Gap;
                of.replays.is_empty() && has_room && of.ledger.has_begun()
            }),
            Event::Skip(o) => goes_on(o).is_some_and(|of| {
                let is_gap = of.position < setup.end() && setup.kind(of.position) == Kind::Gap;
                of.replays.is_empty() && is_gap && of.ledger.has_begun()
            }),
            Event::CloseAgain(o) => goes_on(o).is_some_and(|of| !of.replays.is_empty()),
            Event::Make(o, first, traps) => goes_on(o).and_then(|of| of.jobs.get(&first)).is_some_and(|job| {
                let flaky = (first..job.next).any(|offset| setup.kind(offset) == Kind::Flaky);
                job.phase == Phase::Making && (!traps || flaky)
            }),
            Event::Halve(o, first) => {
                goes_on(o).and_then(|of| of.jobs.get(&first)).is_some_and(|job| job.phase == Phase::TooLarge)
            }
            Event::Commit(o) | Event::Defer(o) => {
                self.owners[o].deferred.is_none()
                    && partition(o).is_some_and(|of| self.next_entry(setup, o, of).is_some())
            }
            Event::SendDeferred(o) => runs(o) && self.owners[o].deferred.is_some(),
            Event::Resend(o) => {
                runs(o)
                    && !setup.rules.never_resend
                    && self.wire.iter().any(|message| message.owner == o && message.is_awaited)
            }
            Event::GiveUp(o) => partition(o).is_some_and(|of| of.ledger.is_outstanding()),
            Event::Insert(o, first, route) => job(o, first).is_some_and(|job| {
                let is_refused = job.refused.iter().any(|(refused, _)| *refused == route);
                job.phase == Phase::Sending && !job.sent.contains(&route) && !is_refused
            }),
            Event::TimeOut(o, first, route) => job(o, first).is_some_and(|job| job.sent.contains(&route)),
            Event::AnswerRevocation(o) => {
                let busy = partition(o).is_some_and(|of| of.ledger.is_outstanding());
                owns(o) && self.owners[o].is_revoked && (!busy || !setup.rules.answer_revocation_after_commit)
            }
            Event::HearLost(o) => {
                let member = self.owners[o].client.map(|client| client.member);
                runs(o) && self.broker.members[o] != member
            }
            Event::Thaw(o) => self.owners[o].is_frozen,
            Event::Crash(o) => self.owners[o].client.is_some(),
            Event::Freeze(o) => runs(o),
            Event::Alter => setup.log.contains(&Kind::Delicate),
            Event::Swap => self.bundle == 0,
            Event::Reset => self.broker.members == [None, None] && self.broker.committed.is_some(),
            Event::Hold(index) => self.broker.accepts(&self.wire[index]),
            Event::DeliverUnheard(index) => self.wire[index].is_awaited && self.broker.accepts(&self.wire[index]),
            Event::LandUnheard(index) => self.inserts[index].asker.is_some(),
            Event::Deliver(_) | Event::Land(_) | Event::EndTransaction(_) | Event::SwitchPromise => true,
        }
    }
}
