//! The world that the ledger lives in: a broker, a table, two gateways with a ledger each, and what is on its way between them.

use std::collections::BTreeMap;
use tidegate_ledger::{BundleId, Ledger, Lineage, Plan, Planned, Promise, Verdicts};

use crate::event::{Event, Fault};
use crate::rules::{Kind, Rule, Scenario};
use crate::search::Model;
use crate::table::{Insert, Table};

/// How many gateways.
pub const OWNERS: usize = 2;
/// How many records at most.
pub const MOST: usize = 4;
/// How many times the partition is processed on purpose.
pub const TIMES: usize = 2;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    pub committed: Option<(i64, String)>,
    /// A transaction that has its offset and is not ended.
    pub pending: Option<Request>,
    pub generation: u8,
    pub next_member: u8,
    pub members: Vec<u8>,
    /// Which member has the partition.
    pub assigned: Option<u8>,
    /// Commits on their way to the broker.
    pub requests: Vec<Request>,
    pub owners: [Owner; OWNERS],
    /// Inserts on their way to the table.
    pub inserts: Vec<Insert>,
    pub table: Table,
    pub letters: [[u8; MOST]; TIMES],
    pub bundle: u128,
    pub promise: Promise,
    /// How often the partition was set back.
    pub time: usize,
    /// Records that were sent without a plan: these may be doubled.
    pub loose: [[bool; MOST]; TIMES],
    pub minted: u8,
    /// Of each fault, then of all.
    pub left: [u8; 11],
    pub left_in_all: u8,
    pub wrong: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Owner {
    pub member: Option<u8>,
    /// Commits that its client has not sent yet.
    pub deferred: Vec<Request>,
    pub session: Option<Session>,
    /// The fate of a commit is unknown: nothing but the end of its membership is left to it.
    pub must_end: bool,
}

/// A partition that is, or was, assigned.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Session {
    pub id: u8,
    pub time: usize,
    pub promise: Promise,
    pub ledger: Ledger,
    pub position: i64,
    pub replays: Vec<Planned>,
    pub jobs: BTreeMap<i64, Job>,
    /// Of complete ranges: next offset and records.
    pub letters: BTreeMap<i64, (i64, Vec<usize>)>,
    pub is_leaving: bool,
    pub paused: Option<&'static str>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Job {
    pub next: i64,
    pub step: Step,
    pub replayed: Option<Planned>,
    pub wanted: Option<Planned>,
    /// Whether an insert of it may be in the table, or come there, of which nobody knows.
    pub is_doubtful: bool,
    pub tries: u8,
    pub routes: Vec<Route>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    Closed,
    Waiting,
    Sending,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Route {
    Idle,
    Sent(u8),
    Written,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Request {
    pub member: u8,
    pub generation: u8,
    pub session: u8,
    pub time: usize,
    pub offset: i64,
    pub metadata: String,
    pub letters: Vec<usize>,
}

pub enum Answer {
    Taken,
    Refused,
    Unknown,
}

/// A scenario, with all rules or without some.
#[derive(Clone)]
pub struct Try {
    /// What is tried.
    pub scenario: Scenario,
    /// What is not kept.
    pub broken: Vec<Rule>,
}

impl Try {
    pub fn keeps(&self, rule: Rule) -> bool {
        !self.broken.contains(&rule)
    }

    pub fn end(&self) -> i64 {
        i64::try_from(self.scenario.log.len()).unwrap()
    }

    pub fn kind(&self, record: usize) -> Kind {
        self.scenario.log[record]
    }

    /// What the plugin makes of a record: a row, or a reject.
    pub fn is_row(&self, record: usize, bundle: BundleId) -> bool {
        self.kind(record) != Kind::Gap && !self.rejects(record, bundle)
    }

    pub fn rejects(&self, record: usize, bundle: BundleId) -> bool {
        self.kind(record) == Kind::Changed && bundle.0 == 1
    }

    pub fn is_gap(&self, offset: i64) -> bool {
        usize::try_from(offset).is_ok_and(|record| self.scenario.log.get(record) == Some(&Kind::Gap))
    }

    /// Records of a range whose rows go to a route.
    pub fn rows(&self, planned: &Planned, route: usize) -> Vec<usize> {
        records(planned.first, planned.next)
            .filter(|record| record % self.scenario.routes == route)
            .filter(|record| self.is_row(*record, planned.bundle) && !is_left_out(planned, *record))
            .collect()
    }
}

pub fn records(first: i64, next: i64) -> impl Iterator<Item = usize> {
    (first..next).map(|offset| usize::try_from(offset).unwrap())
}

pub fn relative(record: usize, first: i64) -> u32 {
    u32::try_from(i64::try_from(record).unwrap() - first).unwrap()
}

pub fn is_left_out(planned: &Planned, record: usize) -> bool {
    let relative = relative(record, planned.first);
    let Verdicts { poison, refused } = &planned.verdicts;
    poison.contains(&relative) || refused.values().any(|records| records.contains(&relative))
}

impl Model for Try {
    type State = World;
    type Event = Event;

    fn begin(&self) -> World {
        let mut left = [0; 11];
        self.scenario.faults.iter().for_each(|(fault, times)| left[*fault as usize] = *times);
        let promise = match self.scenario.begins_at_least_once {
            true => Promise::AtLeastOnce,
            false => Promise::ExactlyOnce,
        };
        let mut world = World {
            committed: None,
            pending: None,
            generation: 0,
            next_member: 0,
            members: Vec::new(),
            assigned: None,
            requests: Vec::new(),
            owners: Default::default(),
            inserts: Vec::new(),
            table: Table { rows: Default::default(), spent: Vec::new(), refuses_fickle: false, altered: 0 },
            letters: Default::default(),
            bundle: 0,
            promise,
            time: 0,
            loose: Default::default(),
            minted: 0,
            left,
            left_in_all: self.scenario.most_faults,
            wrong: None,
        };
        // Every search begins like that.
        if self.scenario.begins_planned {
            let planned = Planned { first: 0, next: 1, bundle: BundleId(0), verdicts: Verdicts::default(), at: 0 };
            let plan = Plan { lineage: Some(Lineage(u128::MAX)), ranges: vec![planned] };
            world.committed = Some((0, plan.write(0)));
        }
        for event in [Event::Join(0), Event::Join(1), Event::Assign(0)] {
            self.apply(&mut world, event);
        }
        if !self.scenario.begins_planned {
            self.apply(&mut world, Event::Commit(0));
            self.apply(&mut world, Event::Take(0));
        }
        world
    }

    fn events(&self, world: &World) -> Vec<Event> {
        self.possible(world)
    }

    fn apply(&self, world: &mut World, event: Event) {
        world.pay(event);
        match event {
            Event::Join(owner) => {
                let member = world.next_member;
                world.next_member += 1;
                world.generation += 1;
                world.members.push(member);
                world.owners[owner].member = Some(member);
            }
            Event::Assign(owner) => self.assign(world, owner),
            Event::Replay(owner) => {
                let session = world.owners[owner].session.as_mut().unwrap();
                let planned = session.replays.remove(0);
                session.ledger.close(planned.first, planned.next);
                session.position = session.position.max(planned.next);
                let job = self.job(planned.next, Some(planned.clone()));
                session.jobs.insert(planned.first, job);
                self.make_at_once(world, owner, planned.first);
            }
            Event::Close(owner, next) => {
                let session = world.owners[owner].session.as_mut().unwrap();
                let first = std::mem::replace(&mut session.position, next);
                session.ledger.close(first, next);
                session.jobs.insert(first, self.job(next, None));
                self.make_at_once(world, owner, first);
            }
            Event::Skip(owner) => {
                let session = world.owners[owner].session.as_mut().unwrap();
                session.ledger.skip(session.position, session.position + 1);
                session.position += 1;
            }
            Event::Make { owner, first, traps } => self.make(world, owner, first, traps),
            Event::Commit(owner) | Event::Defer(owner) => {
                let Some(request) = self.commit(world, owner) else { return };
                match event {
                    Event::Defer(_) => world.owners[owner].deferred.push(request),
                    _ => world.requests.push(request),
                }
            }
            Event::Dispatch(owner) => {
                let mut request = world.owners[owner].deferred.remove(0);
                // The client stamps what it sends when it sends it.
                request.member = world.owners[owner].member.unwrap();
                request.generation = world.generation;
                world.requests.push(request);
            }
            Event::Take(at) => match world.receive(at) {
                (_, None) => {}
                (request, Some(answer)) => self.answer(world, &request, answer),
            },
            Event::TakeUnheard(at) => {
                if let (request, Some(_)) = world.receive(at) {
                    self.answer(world, &request, Answer::Unknown);
                }
            }
            Event::TakeAndRepeat(at) | Event::RefuseAndRepeat(at) => {
                let (request, _) = world.receive(at);
                let of =
                    |owner: &&mut Owner| owner.session.as_ref().is_some_and(|session| session.id == request.session);
                if let Some(owner) = world.owners.iter_mut().find(of) {
                    owner.deferred.push(request);
                }
            }
            Event::Drop(at) => {
                let request = world.requests.remove(at);
                self.answer(world, &request, Answer::Unknown);
            }
            Event::EndTransaction { heard } => {
                let request = world.pending.take().unwrap();
                world.store(&request);
                self.answer(world, &request, if heard { Answer::Taken } else { Answer::Unknown });
            }
            Event::AbortTransaction => {
                let request = world.pending.take().unwrap();
                self.answer(world, &request, Answer::Unknown);
            }
            Event::GiveUp { owner, first, route } => {
                let job = world.job(owner, first).unwrap();
                job.is_doubtful = true;
                job.routes[route] = Route::Idle;
                self.go_on(world, owner, first);
            }
            Event::Land(at) | Event::LandUnheard(at) => {
                let insert = world.inserts.remove(at);
                let landed = self.land(world, &insert);
                self.hear(world, &insert, landed, matches!(event, Event::Land(_)));
            }
            Event::Crash(owner) => world.owners[owner] = Owner::default(),
            Event::Expire(member) => world.leave(member),
            Event::Lost(at) => {
                let owner = &mut world.owners[at];
                owner.member = None;
                if let Some(session) = owner.session.take()
                    && session.ledger.is_outstanding()
                    && self.ends_doubtful(Rule::EndMembershipOnLost, session.promise)
                {
                    owner.deferred.clear();
                }
                // Without a rule nothing else ends it either.
                owner.must_end = false;
            }
            Event::Revoke(owner) => {
                let session = world.owners[owner].session.as_mut().unwrap();
                session.is_leaving = true;
                session.close_down();
            }
            Event::AnswerRevocation(at) => {
                world.owners[at].session = None;
                world.assigned = None;
                world.generation += 1;
            }
            Event::EndMembership(at) => world.end_membership(at),
            Event::Alter => {
                world.table.refuses_fickle = !world.table.refuses_fickle;
                world.table.altered += 1;
            }
            Event::Swap => world.bundle = 1,
            Event::Mode => {
                world.promise = match world.promise {
                    Promise::AtLeastOnce => Promise::ExactlyOnce,
                    Promise::ExactlyOnce => Promise::AtLeastOnce,
                }
            }
            Event::Reset => {
                (0..OWNERS).for_each(|owner| world.end_membership(owner));
                for member in world.members.clone() {
                    world.leave(member);
                }
                let before = world.committed.take().map(|(_, metadata)| metadata).unwrap_or_default();
                let lineage = before.split(' ').find(|word| word.starts_with("lineage=")).unwrap_or_default();
                let metadata = if self.keeps(Rule::ResetBeginsLineage) { "" } else { lineage };
                world.committed = Some((0, metadata.to_owned()));
                world.time = 1;
            }
        }
    }

    fn wrong(&self, world: &World) -> Option<String> {
        if world.wrong.is_some() {
            return world.wrong.clone();
        }
        let committed = world.committed.as_ref().map_or(0, |(offset, _)| *offset);
        for time in 0..=world.time {
            for record in 0..self.scenario.log.len() {
                let (rows, letters) = (world.table.rows[time][record], world.letters[time][record]);
                let is_done =
                    time == world.time && self.kind(record) != Kind::Gap && committed > i64::try_from(record).unwrap();
                match rows + letters {
                    0 if is_done => {
                        return Some(format!("record {record} is lost: neither in the table nor a dead letter"));
                    }
                    0 | 1 => {}
                    _ if world.loose[time][record] => {}
                    _ => {
                        return Some(format!(
                            "record {record} is doubled: {rows} times in the table, {letters} times a dead letter"
                        ));
                    }
                }
            }
        }
        None
    }

    fn is_goal(&self, world: &World) -> bool {
        let mut sessions = world.owners.iter().flat_map(|owner| &owner.session);
        world.committed.as_ref().is_some_and(|(offset, _)| *offset == self.end())
            || sessions.any(|session| session.paused.is_some())
    }

    fn is_fault(&self, world: &World, event: Event) -> bool {
        !world.is_free(event)
    }

    fn show(&self, world: &World) -> String {
        let committed = match &world.committed {
            Some((offset, metadata)) => {
                let plan = Plan::read(metadata, *offset).unwrap();
                let ranges =
                    plan.ranges.iter().map(|range| format!("{}-{}{}", range.first, range.next, range.verdicts));
                format!("{offset} [{}]", ranges.collect::<Vec<_>>().join(" "))
            }
            None => "none".to_owned(),
        };
        let count = self.scenario.log.len();
        let of = |all: &[[u8; MOST]; TIMES]| {
            all[..=world.time].iter().map(|times| format!("{:?}", &times[..count])).collect::<String>()
        };
        let paused: String =
            world.owners.iter().flat_map(|owner| &owner.session).flat_map(|session| session.paused).collect();
        format!("| committed {committed}, table {}, letters {} {paused}", of(&world.table.rows), of(&world.letters))
    }
}

impl Session {
    /// Nothing more is planned; what is sent comes to its end.
    pub fn close_down(&mut self) {
        self.replays.clear();
        self.jobs.retain(|_, job| job.step == Step::Sending);
        self.ledger.close_down();
    }

    pub fn pause(&mut self, reason: &'static str) {
        self.paused = Some(reason);
        self.close_down();
        // What is sent and not complete will not be: it is read again by whoever goes on.
        self.jobs.clear();
    }
}

impl World {
    pub fn has(&self, fault: Fault) -> bool {
        self.left_in_all > 0 && self.left[fault as usize] > 0
    }

    /// Whether an event is what has to happen, sooner or later.
    pub fn is_free(&self, event: Event) -> bool {
        match event {
            Event::Expire(member) => self.owners.iter().all(|owner| owner.member != Some(member)),
            Event::AbortTransaction => self.pending.as_ref().is_some_and(|pending| !self.is_heard(pending.session)),
            _ => event.fault().is_none(),
        }
    }

    /// Whether anybody waits for answers of a session's.
    pub fn is_heard(&self, id: u8) -> bool {
        self.owners.iter().flat_map(|owner| &owner.session).any(|session| session.id == id)
    }

    /// Troubles are counted.
    pub fn pay(&mut self, event: Event) {
        if let Some(fault) = event.fault().filter(|_| !self.is_free(event)) {
            self.left[fault as usize] -= 1;
            self.left_in_all -= 1;
        }
    }

    pub fn job(&mut self, owner: usize, first: i64) -> Option<&mut Job> {
        self.owners[owner].session.as_mut()?.jobs.get_mut(&first)
    }

    pub fn pause(&mut self, owner: usize, reason: &'static str) {
        if let Some(session) = &mut self.owners[owner].session {
            session.pause(reason);
        }
    }

    pub fn leave(&mut self, member: u8) {
        self.members.retain(|other| *other != member);
        self.generation += 1;
        if self.assigned == Some(member) {
            self.assigned = None;
        }
    }

    pub fn end_membership(&mut self, at: usize) {
        if let Some(member) = self.owners[at].member.filter(|member| self.members.contains(member)) {
            self.leave(member);
        }
        self.owners[at] = Owner::default();
    }

    /// The broker looks at a commit; none where the answer comes with the end of its transaction.
    pub fn receive(&mut self, at: usize) -> (Request, Option<Answer>) {
        let request = self.requests.remove(at);
        if !self.members.contains(&request.member) || request.generation != self.generation {
            return (request, Some(Answer::Refused));
        }
        if request.letters.is_empty() {
            self.store(&request);
            return (request, Some(Answer::Taken));
        }
        self.pending = Some(request.clone());
        (request, None)
    }

    pub fn store(&mut self, request: &Request) {
        let Request { offset, metadata, .. } = request;
        let plan = Plan::read(metadata, *offset).unwrap();
        if let Some((before, text)) = &self.committed {
            for range in Plan::read(text, *before).unwrap().ranges {
                let stays = plan
                    .ranges
                    .iter()
                    .any(|other| (other.first, other.next, other.bundle) == (range.first, range.next, range.bundle));
                if range.next > *offset && !stays {
                    self.wrong = Some(format!(
                        "{}-{} was planned, is not complete, and is not planned any more",
                        range.first, range.next
                    ));
                }
            }
        }
        request.letters.iter().for_each(|record| self.letters[request.time][*record] += 1);
        self.committed = Some((*offset, metadata.clone()));
    }
}
