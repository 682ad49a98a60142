//! The world that the ledger lives in: a broker, a table, two gateways with a ledger each, and what is on its way between them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use tidegate_ledger::{BundleId, Entry, Ledger, Lineage, Plan, Planned, Promise, Verdicts};

use crate::rules::{Kind, Memory, Rule, Scenario};
use crate::search::Model;

/// How many gateways.
const OWNERS: usize = 2;
/// How many records at most.
const MOST: usize = 4;
/// How many times the partition is processed on purpose.
const TIMES: usize = 2;

/// What may go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// A gateway is gone at once, and may come back as another member.
    Crash,
    /// The group does not hear of a member for too long, which does not know it yet.
    Expire,
    /// The partition is to go to another member.
    Revoke,
    /// A client keeps a commit back and sends it later.
    Defer,
    /// The answer to a commit is lost, or the commit.
    Lose,
    /// A client sends a commit once more by itself.
    Retry,
    /// The answer to an insert is lost, or the insert is on its way for long.
    Late,
    /// The table is altered.
    Alter,
    /// Another version of the plugin takes over.
    Swap,
    /// An operator sets the offset.
    Reset,
    /// `delivery` is changed.
    Mode,
}

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    Join(usize),
    Assign(usize),
    Replay(usize),
    Close(usize, i64),
    Skip(usize),
    Make { owner: usize, first: i64, traps: bool },
    Commit(usize),
    Defer(usize),
    Dispatch(usize),
    Take(usize),
    TakeUnheard(usize),
    TakeAndRepeat(usize),
    RefuseAndRepeat(usize),
    Drop(usize),
    EndTransaction { heard: bool },
    AbortTransaction,
    GiveUp { owner: usize, first: i64, route: usize },
    Land(usize),
    LandUnheard(usize),
    Crash(usize),
    Expire(u8),
    Lost(usize),
    Revoke(usize),
    AnswerRevocation(usize),
    EndMembership(usize),
    Alter,
    Swap,
    Reset,
    Mode,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    committed: Option<(i64, String)>,
    /// A transaction that has its offset and is not ended.
    pending: Option<Request>,
    generation: u8,
    next_member: u8,
    members: Vec<u8>,
    /// Which member has the partition.
    assigned: Option<u8>,
    /// Commits on their way to the broker.
    requests: Vec<Request>,
    owners: [Owner; OWNERS],
    /// Inserts on their way to the table.
    inserts: Vec<Insert>,
    table: Table,
    letters: [[u8; MOST]; TIMES],
    bundle: u128,
    promise: Promise,
    /// How often the partition was set back.
    time: usize,
    /// Records that were sent without a plan: these may be doubled.
    loose: [[bool; MOST]; TIMES],
    minted: u8,
    /// Of each fault, then of all.
    left: [u8; 11],
    left_in_all: u8,
    wrong: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Owner {
    member: Option<u8>,
    /// Commits that its client has not sent yet.
    deferred: Vec<Request>,
    session: Option<Session>,
    /// The fate of a commit is unknown: nothing but the end of its membership is left to it.
    must_end: bool,
}

/// A partition that is, or was, assigned.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Session {
    id: u8,
    time: usize,
    promise: Promise,
    ledger: Ledger,
    position: i64,
    replays: Vec<Planned>,
    jobs: BTreeMap<i64, Job>,
    /// Of complete ranges: next offset and records.
    letters: BTreeMap<i64, (i64, Vec<usize>)>,
    is_leaving: bool,
    paused: Option<&'static str>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Job {
    next: i64,
    step: Step,
    replayed: Option<Planned>,
    wanted: Option<Planned>,
    /// Whether an insert of it may be in the table, or come there, of which nobody knows.
    is_doubtful: bool,
    tries: u8,
    routes: Vec<Route>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Step {
    Closed,
    Waiting,
    Sending,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Route {
    Idle,
    Sent(u8),
    Written,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Request {
    member: u8,
    generation: u8,
    session: u8,
    time: usize,
    offset: i64,
    metadata: String,
    letters: Vec<usize>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Insert {
    session: u8,
    time: usize,
    first: i64,
    route: usize,
    attempt: u8,
    token: Token,
    rows: Vec<usize>,
    verdicts: Verdicts,
}

type Token = (Lineage, i64, i64, usize);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Table {
    rows: [[u8; MOST]; TIMES],
    /// The oldest first, with what was left out.
    spent: Vec<(Token, Verdicts)>,
    refuses_fickle: bool,
    /// How often it was: stands for the time of the last.
    altered: u8,
}

/// What a table answers.
enum Landed {
    Taken,
    Refused(Vec<usize>),
    /// The range is there with other rows.
    Otherwise,
}

enum Answer {
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
    fn keeps(&self, rule: Rule) -> bool {
        !self.broken.contains(&rule)
    }

    fn end(&self) -> i64 {
        i64::try_from(self.scenario.log.len()).unwrap()
    }

    fn kind(&self, record: usize) -> Kind {
        self.scenario.log[record]
    }

    /// What the plugin makes of a record: a row, or a reject.
    fn is_row(&self, record: usize, bundle: BundleId) -> bool {
        self.kind(record) != Kind::Gap && !self.rejects(record, bundle)
    }

    fn rejects(&self, record: usize, bundle: BundleId) -> bool {
        self.kind(record) == Kind::Changed && bundle.0 == 1
    }

    fn is_gap(&self, offset: i64) -> bool {
        usize::try_from(offset).is_ok_and(|record| self.scenario.log.get(record) == Some(&Kind::Gap))
    }

    /// Records of a range whose rows go to a route.
    fn rows(&self, planned: &Planned, route: usize) -> Vec<usize> {
        records(planned.first, planned.next)
            .filter(|record| record % self.scenario.routes == route)
            .filter(|record| self.is_row(*record, planned.bundle) && !is_left_out(planned, *record))
            .collect()
    }
}

fn records(first: i64, next: i64) -> impl Iterator<Item = usize> {
    (first..next).map(|offset| usize::try_from(offset).unwrap())
}

fn relative(record: usize, first: i64) -> u32 {
    u32::try_from(i64::try_from(record).unwrap() - first).unwrap()
}

fn is_left_out(planned: &Planned, record: usize) -> bool {
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

impl Try {
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

    /// Whether a membership with a commit in doubt ends, by this rule.
    fn ends_doubtful(&self, rule: Rule, promise: Promise) -> bool {
        self.keeps(rule) && (promise == Promise::ExactlyOnce || self.keeps(Rule::AtLeastOnceIsAsCareful))
    }

    fn job(&self, next: i64, replayed: Option<Planned>) -> Job {
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

    fn assign(&self, world: &mut World, at: usize) {
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
    fn make_at_once(&self, world: &mut World, at: usize, first: i64) {
        let next = world.job(at, first).unwrap().next;
        if !self.scenario.makes_slowly && records(first, next).all(|record| self.kind(record) != Kind::Flaky) {
            self.make(world, at, first, false);
        }
    }

    fn make(&self, world: &mut World, at: usize, first: i64, traps: bool) {
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
    fn made(&self, world: &mut World, at: usize, first: i64, bundle: BundleId, verdicts: Verdicts, now: u64) {
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

    fn letters(&self, session: &Session, offset: i64) -> Vec<usize> {
        session
            .letters
            .values()
            .filter(|(next, _)| *next <= offset)
            .flat_map(|(_, records)| records.iter().copied())
            .collect()
    }

    fn commit(&self, world: &mut World, at: usize) -> Option<Request> {
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

    fn answer(&self, world: &mut World, request: &Request, answer: Answer) {
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
    fn send_released(&self, world: &mut World, at: usize) {
        let Some(session) = &mut world.owners[at].session else { return };
        let may_go = |first, job: &Job| job.step != Step::Closed && session.ledger.is_released(first);
        let released = session.jobs.iter_mut().filter(|(first, job)| may_go(**first, job));
        let firsts: Vec<_> = released.map(|(first, job)| (*first, job.step = Step::Sending).0).collect();
        firsts.into_iter().for_each(|first| self.go_on(world, at, first));
    }

    fn send(&self, world: &mut World, at: usize, first: i64, route: usize) {
        let rule = self.keeps(Rule::TokenPerRoute);
        let session = world.owners[at].session.as_mut().unwrap();
        let is_planned = session.ledger.planned(first).is_some();
        let lineage = match self.keeps(Rule::UnplannedHasOwnLineage) {
            true => session.ledger.lineage_of(first),
            false => session.ledger.lineage(),
        };
        let (time, id, promise) = (session.time, session.id, session.promise);
        let stands = world.owners[at].member == world.assigned;
        let session = world.owners[at].session.as_mut().unwrap();
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
            let (offset, metadata) = world.committed.clone().unwrap_or_default();
            let plan = Plan::read(&metadata, offset).unwrap();
            let overlapping = |range: &&Planned| stands && range.first < wanted.next && first < range.next;
            if let Some(range) = plan.ranges.iter().find(overlapping) {
                world.wrong = Some(format!(
                    "{first}-{} is sent without a plan, but {}-{} is planned",
                    wanted.next, range.first, range.next
                ));
            }
        }
        world.inserts.push(insert);
    }

    fn land(&self, world: &mut World, insert: &Insert) -> Landed {
        let refuses = world.table.refuses_fickle;
        let is_refused = |record: &usize| match self.kind(*record) {
            Kind::Refused => true,
            Kind::Fickle => refuses,
            _ => false,
        };
        let refused: Vec<_> = insert.rows.iter().copied().filter(is_refused).collect();
        let before = world.table.spent.iter().find(|(token, _)| *token == insert.token).map(|(_, verdicts)| verdicts);
        match self.scenario.memory {
            Memory::Tokens(_) if !refused.is_empty() => return Landed::Refused(refused),
            Memory::Tokens(_) if before.is_some() => return Landed::Taken,
            Memory::Tokens(_) => {}
            Memory::Fence => match before {
                Some(before) if *before != insert.verdicts && self.keeps(Rule::FenceHoldsVerdicts) => {
                    return Landed::Otherwise;
                }
                Some(_) => return Landed::Taken,
                None if !refused.is_empty() => return Landed::Refused(refused),
                None => {}
            },
        }
        insert.rows.iter().for_each(|record| world.table.rows[insert.time][*record] += 1);
        world.table.spent.push((insert.token, insert.verdicts.clone()));
        let window = match self.scenario.memory {
            Memory::Tokens(_) if !self.keeps(Rule::WideWindow) => 1,
            Memory::Tokens(window) => window,
            Memory::Fence => usize::MAX,
        };
        if world.table.spent.len() > window {
            world.table.spent.remove(0);
        }
        Landed::Taken
    }

    fn hear(&self, world: &mut World, insert: &Insert, landed: Landed, heard: bool) {
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
    fn go_on(&self, world: &mut World, at: usize, first: i64) {
        let altered = u64::from(world.table.altered);
        let Some(job) = world.job(at, first) else { return };
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

impl Session {
    /// Nothing more is planned; what is sent comes to its end.
    fn close_down(&mut self) {
        self.replays.clear();
        self.jobs.retain(|_, job| job.step == Step::Sending);
        self.ledger.close_down();
    }

    fn pause(&mut self, reason: &'static str) {
        self.paused = Some(reason);
        self.close_down();
        // What is sent and not complete will not be: it is read again by whoever goes on.
        self.jobs.clear();
    }
}

impl World {
    fn has(&self, fault: Fault) -> bool {
        self.left_in_all > 0 && self.left[fault as usize] > 0
    }

    /// Whether an event is what has to happen, sooner or later.
    fn is_free(&self, event: Event) -> bool {
        match event {
            Event::Expire(member) => self.owners.iter().all(|owner| owner.member != Some(member)),
            Event::AbortTransaction => self.pending.as_ref().is_some_and(|pending| !self.is_heard(pending.session)),
            _ => event.fault().is_none(),
        }
    }

    /// Whether anybody waits for answers of a session's.
    fn is_heard(&self, id: u8) -> bool {
        self.owners.iter().flat_map(|owner| &owner.session).any(|session| session.id == id)
    }

    /// Troubles are counted.
    fn pay(&mut self, event: Event) {
        if let Some(fault) = event.fault().filter(|_| !self.is_free(event)) {
            self.left[fault as usize] -= 1;
            self.left_in_all -= 1;
        }
    }

    fn job(&mut self, owner: usize, first: i64) -> Option<&mut Job> {
        self.owners[owner].session.as_mut()?.jobs.get_mut(&first)
    }

    fn pause(&mut self, owner: usize, reason: &'static str) {
        if let Some(session) = &mut self.owners[owner].session {
            session.pause(reason);
        }
    }

    fn leave(&mut self, member: u8) {
        self.members.retain(|other| *other != member);
        self.generation += 1;
        if self.assigned == Some(member) {
            self.assigned = None;
        }
    }

    fn end_membership(&mut self, at: usize) {
        if let Some(member) = self.owners[at].member.filter(|member| self.members.contains(member)) {
            self.leave(member);
        }
        self.owners[at] = Owner::default();
    }

    /// The broker looks at a commit; none where the answer comes with the end of its transaction.
    fn receive(&mut self, at: usize) -> (Request, Option<Answer>) {
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

    fn store(&mut self, request: &Request) {
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

impl Event {
    fn fault(self) -> Option<Fault> {
        match self {
            Event::Crash(_) => Some(Fault::Crash),
            Event::Expire(_) => Some(Fault::Expire),
            Event::Revoke(_) => Some(Fault::Revoke),
            Event::Defer(_) => Some(Fault::Defer),
            Event::TakeUnheard(_)
            | Event::Drop(_)
            | Event::EndTransaction { heard: false }
            | Event::AbortTransaction => Some(Fault::Lose),
            Event::TakeAndRepeat(_) | Event::RefuseAndRepeat(_) => Some(Fault::Retry),
            Event::GiveUp { .. } | Event::LandUnheard(_) => Some(Fault::Late),
            Event::Alter => Some(Fault::Alter),
            Event::Swap => Some(Fault::Swap),
            Event::Reset => Some(Fault::Reset),
            Event::Mode => Some(Fault::Mode),
            _ => None,
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::Join(owner) => write!(f, "gateway {owner} joins"),
            Event::Assign(owner) => write!(f, "gateway {owner} is assigned the partition and reads the commit"),
            Event::Replay(owner) => write!(f, "gateway {owner} closes the next planned range as it was"),
            Event::Close(owner, next) => write!(f, "gateway {owner} closes a range before offset {next}"),
            Event::Skip(owner) => write!(f, "gateway {owner} passes over an offset without a record"),
            Event::Make { owner, first, traps: false } => write!(f, "gateway {owner} makes the range at {first}"),
            Event::Make { owner, first, .. } => {
                write!(f, "gateway {owner} makes the range at {first}, and the flaky record traps")
            }
            Event::Commit(owner) => write!(f, "gateway {owner} commits"),
            Event::Defer(owner) => write!(f, "gateway {owner} commits, and its client keeps that back"),
            Event::Dispatch(owner) => write!(f, "the client of gateway {owner} sends what it kept back"),
            Event::Take(_) => write!(f, "the broker decides on the commit, and that is heard"),
            Event::TakeUnheard(_) => write!(f, "the broker takes the commit, and the answer is lost"),
            Event::TakeAndRepeat(_) => write!(f, "the broker takes the commit, and the client will send it again"),
            Event::RefuseAndRepeat(_) => write!(f, "the broker refuses the commit, and the client will send it again"),
            Event::Drop(_) => write!(f, "the commit is lost"),
            Event::EndTransaction { heard: true } => write!(f, "the transaction of the commit ends"),
            Event::EndTransaction { .. } => write!(f, "the transaction of the commit ends, and nobody hears of it"),
            Event::AbortTransaction => write!(f, "the transaction of the commit is given up"),
            Event::GiveUp { owner, first, .. } => {
                write!(f, "gateway {owner} gives up waiting for the insert of the range at {first}")
            }
            Event::Land(_) => write!(f, "an insert reaches the table"),
            Event::LandUnheard(_) => write!(f, "an insert reaches the table, and the answer is lost"),
            Event::Crash(owner) => write!(f, "gateway {owner} crashes"),
            Event::Expire(member) => write!(f, "the group ends the session of member {member}"),
            Event::Lost(owner) => write!(f, "gateway {owner} hears that it has lost the partition"),
            Event::Revoke(owner) => write!(f, "gateway {owner} is to give the partition back"),
            Event::AnswerRevocation(owner) => write!(f, "gateway {owner} gives the partition back"),
            Event::EndMembership(owner) => write!(f, "gateway {owner} ends its membership"),
            Event::Alter => write!(f, "the table is altered"),
            Event::Swap => write!(f, "another version of the plugin takes over"),
            Event::Reset => write!(f, "all leave, and an operator sets the offset to 0"),
            Event::Mode => write!(f, "`delivery` is changed"),
        }
    }
}
