//! What a gateway does: it makes ranges, commits, sends and hears, as its ledger says.

use std::collections::{BTreeMap, BTreeSet};

use tidegate_ledger::{BundleId, Entry, Ledger, Lineage, Plan, Planned, Promise, Verdicts};

use crate::rules::{Kind, Memory, Rule};
use crate::table::{Insert, Landed};
use crate::world::{Answer, Job, Owner, Request, Route, Session, Step, Try, World, is_left_out, records, relative};

impl Try {
    /// Whether a membership with a commit in doubt ends, by this rule.
    pub fn ends_doubtful(&self, rule: Rule, promise: Promise) -> bool {
        self.keeps(rule) && (promise == Promise::ExactlyOnce || self.keeps(Rule::AtLeastOnceIsAsCareful))
    }

    pub fn job(&self, next: i64, replayed: Option<Planned>) -> Job {
        let is_doubtful = replayed.is_some();
        Job {
            next,
            step: Step::Closed,
            replayed,
            wanted: None,
            is_doubtful,
            tries: 0,
            routes: vec![Route::Idle; self.scenario.routes],
        }
    }

    pub fn assign(&self, world: &mut World, at: usize) {
        let member = world.owners[at].member.unwrap();
        world.assigned = Some(member);
        world.minted += 1;
        let mut taken = world
            .committed
            .as_ref()
            .map(|(offset, metadata)| Entry { offset: *offset, plan: Plan::read(metadata, *offset).unwrap() });
        if let Some(entry) = &mut taken {
            if !self.keeps(Rule::CarryLineage) {
                entry.plan.lineage = None;
            }
            if !self.keeps(Rule::ReplayWhatIsPlanned) {
                entry.plan.ranges.clear();
            }
        }
        let offset = taken.as_ref().map_or(0, |entry| entry.offset);
        let replays = taken.iter().flat_map(|entry| entry.plan.ranges.iter().cloned()).collect();
        let minted = Lineage(world.minted.into());
        let ledger = Ledger::begin(world.promise, offset, taken, minted, self.scenario.room);
        world.owners[at].session = Some(Session {
            id: world.minted,
            time: world.time,
            promise: world.promise,
            ledger,
            position: offset,
            replays,
            jobs: BTreeMap::new(),
            letters: BTreeMap::new(),
            is_leaving: false,
            paused: None,
        });
    }

    /// Where nothing else can come of it, and it does not matter when.
    pub fn make_at_once(&self, world: &mut World, at: usize, first: i64) {
        let next = world.job(at, first).unwrap().next;
        if !self.scenario.makes_slowly && records(first, next).all(|record| self.kind(record) != Kind::Flaky) {
            self.make(world, at, first, false);
        }
    }

    pub fn make(&self, world: &mut World, at: usize, first: i64, traps: bool) {
        let (bundle, now) = (BundleId(world.bundle), world.table.altered.into());
        let session = world.owners[at].session.as_mut().unwrap();
        let job = session.jobs.get_mut(&first).unwrap();
        let is_poison = |record: &usize| match self.kind(*record) {
            Kind::Poison => true,
            Kind::Flaky => traps,
            _ => false,
        };
        let poison = records(first, job.next).filter(is_poison).map(|record| relative(record, first)).collect();
        let (mut bundle, mut verdicts) = (bundle, Verdicts { poison, ..Verdicts::default() });
        if let Some(planned) = &job.replayed {
            if self.keeps(Rule::CarryVerdicts) {
                if traps {
                    session.pause("a record traps that did not when it was planned");
                    return;
                }
                verdicts = planned.verdicts.clone();
            }
            if self.keeps(Rule::ReplayWithBundle) {
                bundle = planned.bundle;
            }
        }
        self.made(world, at, first, bundle, verdicts, now);
    }

    /// It is known how a range is to be written.
    pub fn made(&self, world: &mut World, at: usize, first: i64, bundle: BundleId, verdicts: Verdicts, now: u64) {
        let session = world.owners[at].session.as_mut().unwrap();
        let job = session.jobs.get_mut(&first).unwrap();
        let wanted = Planned { first, next: job.next, bundle, verdicts: verdicts.clone(), at: now };
        let is_planned = session.ledger.planned(first).is_some();
        let at_planned = session.ledger.planned(first).map_or(now, |planned| planned.at);
        job.wanted = Some(Planned { at: at_planned, ..wanted });
        let fits = session.ledger.has_room(first, &verdicts);
        if session.ledger.made(first, bundle, verdicts, now) {
            job.step = Step::Sending;
            return self.go_on(world, at, first);
        }
        job.step = Step::Waiting;
        if !is_planned && !fits {
            let middle = first + (job.next - first) / 2;
            if middle == first {
                return session.pause("what is left out of one record finds no room");
            }
            let next = job.next;
            session.ledger.split(first, middle);
            session.jobs.insert(first, self.job(middle, None));
            session.jobs.insert(middle, self.job(next, None));
        } else if !session.ledger.finds_room(first) {
            session.pause("what a table refuses finds no room");
        } else if !self.keeps(if is_planned { Rule::PlanVerdicts } else { Rule::PlanBeforeSend }) {
            job.step = Step::Sending;
            self.go_on(world, at, first);
        }
    }

    pub fn letters(&self, session: &Session, offset: i64) -> Vec<usize> {
        session
            .letters
            .values()
            .filter(|(next, _)| *next <= offset)
            .flat_map(|(_, records)| records.iter().copied())
            .collect()
    }

    pub fn commit(&self, world: &mut World, at: usize) -> Option<Request> {
        let owner = &mut world.owners[at];
        let session = owner.session.as_mut()?;
        if !self.keeps(Rule::OneOutstanding) {
            session.ledger.refused();
        }
        let entry = session.ledger.to_commit()?;
        session.ledger.sent(entry.clone());
        let Entry { offset, mut plan } = entry;
        if !self.keeps(Rule::KeepPlannedRanges) {
            plan.ranges.retain(|range| session.ledger.planned(range.first).is_none());
        }
        let request = Request {
            member: owner.member?,
            generation: world.generation,
            session: session.id,
            time: session.time,
            offset,
            metadata: plan.write(offset),
            letters: self.letters(session, offset),
        };
        if !self.keeps(Rule::AwaitAnswer) {
            self.answer(world, &request, Answer::Taken);
        }
        Some(request)
    }

    pub fn answer(&self, world: &mut World, request: &Request, answer: Answer) {
        let of = |owner: &Owner| owner.session.as_ref().is_some_and(|session| session.id == request.session);
        let Some(at) = world.owners.iter().position(of) else { return };
        let owner = &mut world.owners[at];
        let Some(session) = &mut owner.session else { return };
        match answer {
            Answer::Taken => {
                session.ledger.answered();
                session.letters.retain(|_, (next, _)| *next > request.offset);
                self.send_released(world, at);
            }
            Answer::Refused => session.ledger.refused(),
            Answer::Unknown if self.ends_doubtful(Rule::EndMembershipOnUnknown, session.promise) => {
                owner.must_end = true
            }
            Answer::Unknown => session.ledger.refused(),
        }
    }

    /// All that the ledger has released may be sent.
    pub fn send_released(&self, world: &mut World, at: usize) {
        let Some(session) = &mut world.owners[at].session else { return };
        let may_go = |first, job: &Job| job.step != Step::Closed && session.ledger.is_released(first);
        let released = session.jobs.iter_mut().filter(|(first, job)| may_go(**first, job));
        let firsts: Vec<_> = released.map(|(first, job)| (*first, job.step = Step::Sending).0).collect();
        firsts.into_iter().for_each(|first| self.go_on(world, at, first));
    }

    pub fn send(&self, world: &mut World, at: usize, first: i64, route: usize) {
        let rule = self.keeps(Rule::TokenPerRoute);
        let session = world.owners[at].session.as_mut().unwrap();
        let is_planned = session.ledger.planned(first).is_some();
        let lineage = match self.keeps(Rule::UnplannedHasOwnLineage) {
            true => session.ledger.lineage_of(first),
            false => session.ledger.lineage(),
        };
        let (time, id, promise) = (session.time, session.id, session.promise);
        let job = session.jobs.get_mut(&first).unwrap();
        job.tries += 1;
        job.routes[route] = Route::Sent(job.tries);
        let wanted = job.wanted.clone().unwrap();
        let token = (lineage, first, job.next, if rule { route } else { 0 });
        let insert = Insert {
            session: id,
            time,
            first,
            route,
            attempt: job.tries,
            token,
            rows: self.rows(&wanted, route),
            verdicts: wanted.verdicts.clone(),
        };
        if promise == Promise::AtLeastOnce && !is_planned {
            records(first, job.next).for_each(|record| world.loose[time][record] = true);
        }
        // With a rule broken it is the harm that is looked for.
        if world.owners[at].member == world.assigned && self.broken.is_empty() {
            self.must_be_planned(world, &wanted, promise);
        }
        world.inserts.push(insert);
    }

    /// What an owner in good standing sends is what the broker has as planned. At least once, it may be what nobody has planned.
    pub fn must_be_planned(&self, world: &mut World, wanted: &Planned, promise: Promise) {
        let (offset, metadata) = world.committed.clone().unwrap_or_default();
        let plan = Plan::read(&metadata, offset).unwrap();
        let is_planned = plan.ranges.iter().any(|range| range.is_like(wanted));
        let overlaps = plan.ranges.iter().any(|range| range.first < wanted.next && wanted.first < range.next);
        if !is_planned && (promise == Promise::ExactlyOnce || overlaps) {
            world.wrong = Some(format!(
                "{}-{}{} is sent and is not planned like that",
                wanted.first, wanted.next, wanted.verdicts
            ));
        }
    }

    pub fn hear(&self, world: &mut World, insert: &Insert, landed: Landed, heard: bool) {
        let of = |owner: &Owner| owner.session.as_ref().is_some_and(|session| session.id == insert.session);
        let Some(at) = world.owners.iter().position(of) else { return };
        let altered = u64::from(world.table.altered);
        let Some(job) = world.job(at, insert.first) else { return };
        if job.routes[insert.route] != Route::Sent(insert.attempt) {
            return;
        }
        job.routes[insert.route] = Route::Idle;
        if !heard {
            job.is_doubtful = true;
            return self.go_on(world, at, insert.first);
        }
        let first = insert.first;
        match landed {
            Landed::Taken => {
                job.routes[insert.route] = Route::Written;
                self.go_on(world, at, first);
            }
            Landed::Otherwise => world.pause(at, "the range is in the database with other rows"),
            Landed::Refused(rows) => {
                let wanted = job.wanted.clone().unwrap();
                let mut verdicts = wanted.verdicts.clone();
                let route = u16::try_from(insert.route).unwrap();
                rows.iter().for_each(|record| verdicts.refuse(route, relative(*record, first)));
                self.made(world, at, first, wanted.bundle, verdicts, altered);
            }
        }
    }

    /// Sends what may be sent. Routes without rows need no insert; a range whose rows are all written is complete.
    pub fn go_on(&self, world: &mut World, at: usize, first: i64) {
        let altered = u64::from(world.table.altered);
        let Some(job) = world.job(at, first).filter(|job| job.step == Step::Sending) else { return };
        let wanted = job.wanted.clone().unwrap();
        for route in 0..self.scenario.routes {
            let Some(job) = world.job(at, first).filter(|job| job.routes[route] == Route::Idle) else { continue };
            // A transaction has its range's row to write.
            match self.rows(&wanted, route).is_empty() && self.scenario.memory != Memory::Fence {
                true => job.routes[route] = Route::Written,
                false => self.send(world, at, first, route),
            }
        }
        let Some(session) = &mut world.owners[at].session else { return };
        let Some(job) = session.jobs.get(&first) else { return };
        if !session.ledger.is_released(first) || job.routes.iter().any(|route| *route != Route::Written) {
            return;
        }
        let refused = !wanted.verdicts.refused.is_empty();
        let is_tokens = matches!(self.scenario.memory, Memory::Tokens(_));
        if refused && is_tokens && job.is_doubtful {
            let spends = |(route, records): (&u16, &BTreeSet<u32>)| {
                records.is_empty() || !self.rows(&wanted, usize::from(*route)).is_empty()
            };
            if altered > wanted.at && self.keeps(Rule::AskWhetherAltered) {
                return world.pause(at, "a table was altered that may have taken what is left out");
            }
            if !wanted.verdicts.refused.iter().all(spends) && self.keeps(Rule::SpendToken) {
                return world.pause(at, "nothing is left to send that keeps out what may be on its way");
            }
        }
        let session = world.owners[at].session.as_mut().unwrap();
        session.jobs.remove(&first);
        let is_planned = session.ledger.planned(first).is_some();
        session.ledger.complete(first);
        let left_out: Vec<_> = records(first, wanted.next)
            .filter(|record| is_left_out(&wanted, *record) || self.rejects(*record, wanted.bundle))
            .collect();
        let (time, is_loose) = (session.time, session.promise == Promise::AtLeastOnce && !is_planned);
        if is_loose || !self.keeps(Rule::LettersWithCommit) {
            for record in left_out {
                world.letters[time][record] += 1;
                world.loose[time][record] |= is_loose;
            }
        } else if !left_out.is_empty() {
            session.letters.insert(first, (wanted.next, left_out));
        }
    }
}
