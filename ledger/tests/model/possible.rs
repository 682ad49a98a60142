//! All that may happen next.

use tidegate_ledger::Ledger;

use crate::event::{Event, Fault};
use crate::rules::{Kind, Rule};
use crate::world::{Job, OWNERS, Request, Route, Step, Try, World, is_left_out, records};

impl Try {
    /// All that may happen next.
    pub fn possible(&self, world: &World) -> Vec<Event> {
        let mut events = Vec::new();
        for owner in 0..OWNERS {
            self.events_of(world, owner, &mut events);
        }
        let has = |fault| world.has(fault);
        let repeats = |request: &Request| has(Fault::Retry) && request.letters.is_empty();
        for (at, request) in world.requests.iter().enumerate() {
            let stands = world.members.contains(&request.member) && request.generation == world.generation;
            if request.letters.is_empty() || !stands || world.pending.is_none() {
                events.push(Event::Take(at));
                events.extend((has(Fault::Lose) && stands).then_some(Event::TakeUnheard(at)));
                events.extend((repeats(request) && stands).then_some(Event::TakeAndRepeat(at)));
                events.extend((repeats(request) && !stands).then_some(Event::RefuseAndRepeat(at)));
                events.extend(has(Fault::Lose).then_some(Event::Drop(at)));
            }
        }
        if let Some(pending) = &world.pending {
            events.push(Event::EndTransaction { heard: true });
            events.extend(has(Fault::Lose).then_some(Event::EndTransaction { heard: false }));
            events.extend((has(Fault::Lose) || !world.is_heard(pending.session)).then_some(Event::AbortTransaction));
        }
        for (at, insert) in world.inserts.iter().enumerate() {
            events.push(Event::Land(at));
            events.extend((has(Fault::Late) && world.is_heard(insert.session)).then_some(Event::LandUnheard(at)));
        }
        for member in &world.members {
            let owner = world.owners.iter().find(|owner| owner.member == Some(*member));
            let matters = owner.is_some_and(|owner| owner.session.is_some() || !world.requests.is_empty());
            events.extend(((has(Fault::Expire) && matters) || owner.is_none()).then_some(Event::Expire(*member)));
        }
        events.extend(has(Fault::Alter).then_some(Event::Alter));
        events.extend((has(Fault::Swap) && world.bundle == 0).then_some(Event::Swap));
        events.extend((has(Fault::Mode)).then_some(Event::Mode));
        events.extend((has(Fault::Reset) && world.time == 0 && world.pending.is_none()).then_some(Event::Reset));
        events
    }

    fn events_of(&self, world: &World, at: usize, events: &mut Vec<Event>) {
        let owner = &world.owners[at];
        let Some(member) = owner.member else {
            events.push(Event::Join(at));
            return;
        };
        // What does nothing may as well stay.
        let is_idle = owner.session.is_none() && owner.deferred.is_empty();
        events.extend((world.has(Fault::Crash) && !is_idle).then_some(Event::Crash(at)));
        let is_member = world.members.contains(&member);
        if !is_member {
            events.push(Event::Lost(at));
        }
        if owner.must_end {
            events.push(Event::EndMembership(at));
            return;
        }
        let is_free = world.assigned.is_none() && (world.pending.is_none() || !self.keeps(Rule::ReadStable));
        if is_member && is_free && owner.session.is_none() {
            events.push(Event::Assign(at));
        }
        events.extend((!owner.deferred.is_empty()).then_some(Event::Dispatch(at)));
        let Some(session) = &owner.session else { return };
        let ledger = &session.ledger;
        // What the ledger does not offer, a gateway does that forgets to wait.
        let is_impatient = |ledger: &Ledger| {
            let mut impatient = ledger.clone();
            impatient.refused();
            world.requests.len() < 2 && impatient.to_commit().is_some()
        };
        let may_commit = ledger.to_commit().is_some() || (!self.keeps(Rule::OneOutstanding) && is_impatient(ledger));
        if may_commit {
            events.push(Event::Commit(at));
            events.extend(
                (world.has(Fault::Defer) && self.letters(session, ledger.position()).is_empty())
                    .then_some(Event::Defer(at)),
            );
        }
        let is_going_on = !session.is_leaving && session.paused.is_none();
        if is_going_on && ledger.has_begun() && session.jobs.len() < self.scenario.under_way {
            match session.replays.is_empty() {
                false => events.push(Event::Replay(at)),
                true if self.is_gap(session.position) => events.push(Event::Skip(at)),
                true => {
                    let last = (session.position + self.scenario.longest).min(self.end());
                    events.extend((session.position + 1..=last).map(|next| Event::Close(at, next)));
                }
            }
        }
        for (first, job) in &session.jobs {
            self.events_of_job(world, at, (*first, job), events);
        }
        let is_outstanding = ledger.is_outstanding();
        if is_member && world.assigned == Some(member) {
            let another = world.members.iter().any(|other| *other != member);
            events.extend((is_going_on && another && world.has(Fault::Revoke)).then_some(Event::Revoke(at)));
            if session.is_leaving {
                let waits = self.ends_doubtful(Rule::AnswerRevocationAfterCommit, session.promise);
                let answers = !is_outstanding || !waits;
                events.push(if answers { Event::AnswerRevocation(at) } else { Event::EndMembership(at) });
            }
        }
        if session.promise != world.promise && !is_outstanding {
            events.push(Event::EndMembership(at));
        }
    }

    fn events_of_job(&self, world: &World, owner: usize, (first, job): (i64, &Job), events: &mut Vec<Event>) {
        match job.step {
            Step::Closed => {
                events.push(Event::Make { owner, first, traps: false });
                let left_out = |record| job.replayed.as_ref().is_some_and(|planned| is_left_out(planned, record));
                let flaky =
                    records(first, job.next).any(|record| self.kind(record) == Kind::Flaky && !left_out(record));
                events.extend(flaky.then_some(Event::Make { owner, first, traps: true }));
            }
            Step::Waiting => {}
            Step::Sending if world.has(Fault::Late) => {
                let sent = job.routes.iter().enumerate().filter(|(_, route)| matches!(route, Route::Sent(_)));
                events.extend(sent.map(|(route, _)| Event::GiveUp { owner, first, route }));
            }
            Step::Sending => {}
        }
    }
}
