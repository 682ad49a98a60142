//! All that there is: a log, a broker, a table, two gateways, and what is on its way between them.

use std::collections::{BTreeMap, BTreeSet};

use tidegate_ledger::{Plan, Promise};

use crate::broker::{Broker, Message};
use crate::event::Event;
use crate::owner::{Client, Job, Owner, Partition};
use crate::setup::Setup;
use crate::table::{Insert, Table};

/// A state.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    pub broker: Broker,
    pub owners: [Owner; 2],
    pub table: Table,
    /// Commits on their way.
    pub wire: Vec<Message>,
    /// Rows on their way.
    pub inserts: Vec<Insert>,
    /// How often, by era and record.
    pub letters: BTreeMap<(u8, i64), u8>,
    /// Records that may be doubled, since less was promised when they were written.
    pub loose: BTreeSet<(u8, i64)>,
    /// Records that were planned.
    pub promised: BTreeSet<(u8, i64)>,
    pub bundle: u8,
    pub promise: Promise,
    /// By lineage. An operator who sets the offset begins an era.
    pub eras: Vec<u8>,
    pub era: u8,
    /// How much more may go wrong.
    pub budget: u8,
}

/// Or which promise is broken.
pub type Step = Result<(), String>;

impl World {
    /// One owner has begun, and that is committed.
    pub fn begin(setup: &Setup) -> Self {
        let mut world = Self {
            broker: Broker::default(),
            owners: Default::default(),
            table: Table { strict: setup.strict, ..Table::default() },
            wire: Vec::new(),
            inserts: Vec::new(),
            letters: BTreeMap::new(),
            loose: BTreeSet::new(),
            promised: BTreeSet::new(),
            bundle: 0,
            promise: setup.promise,
            eras: Vec::new(),
            era: 0,
            budget: setup.budget,
        };
        for event in [Event::Join(0), Event::Begin(0), Event::Commit(0), Event::Deliver(0)] {
            world.apply(setup, event).unwrap();
        }
        world
    }

    pub fn is_paused(&self) -> bool {
        self.owners.iter().any(|owner| owner.paused.is_some())
    }

    /// # Errors
    /// Where a promise is broken.
    pub fn apply(&mut self, setup: &Setup, event: Event) -> Step {
        if self.cost(event).is_some() {
            self.budget -= 1;
        }
        match event {
            Event::Join(o) => self.join(o),
            Event::Expire(o) => self.expire(o),
            Event::Begin(o) => self.begin_partition(setup, o)?,
            Event::Close(o, next) => {
                let partition = self.partition(o);
                partition.ledger.close(partition.position, next);
                partition.jobs.insert(partition.position, Job::new(next, None));
                partition.position = next;
            }
            Event::Skip(o) => {
                let partition = self.partition(o);
                partition.ledger.skip(partition.position, partition.position + 1);
                partition.position += 1;
            }
            Event::CloseAgain(o) => {
                let partition = self.partition(o);
                let planned = partition.replays.pop_front().unwrap();
                partition.position = partition.position.max(planned.next);
                partition.jobs.insert(planned.first, Job::new(planned.next, Some(planned)));
            }
            Event::Make(o, first, traps) => self.make(setup, o, first, traps)?,
            Event::Halve(o, first) => self.halve(o, first),
            Event::Commit(o) => {
                let message = self.message(setup, o);
                self.wire.push(message);
            }
            Event::Defer(o) => {
                let message = self.message(setup, o);
                self.owners[o].deferred = Some(message);
            }
            Event::SendDeferred(o) => {
                let message = self.owners[o].deferred.take().unwrap();
                let Client { member, generation } = self.owners[o].client.unwrap();
                self.wire.push(Message { member, generation, ..message });
            }
            Event::Resend(o) => {
                let index = self.wire.iter().position(|message| message.owner == o && message.is_awaited).unwrap();
                let again = self.wire[index].clone();
                self.wire[index].is_awaited = false;
                self.wire.push(again);
            }
            Event::Deliver(index) => {
                let message = self.wire.remove(index);
                let is_accepted = self.broker.accepts(&message);
                if is_accepted {
                    self.commit(setup, &message)?;
                }
                self.answer(setup, &message, is_accepted)?;
            }
            Event::DeliverUnheard(index) => {
                let message = self.wire.remove(index);
                self.commit(setup, &message)?;
                if let Some(partition) = &mut self.owners[message.owner].partition {
                    partition.is_unheard = true;
                }
            }
            Event::Hold(index) => self.broker.pending = Some(self.wire.remove(index)),
            Event::EndTransaction(is_committed) => {
                let message = self.broker.pending.take().unwrap();
                if is_committed {
                    self.commit(setup, &message)?;
                }
                self.answer(setup, &message, is_committed)?;
            }
            Event::GiveUp(o) => match setup.rules.end_membership_on_unknown {
                true => self.end_membership(o),
                false => {
                    self.not_awaited(o);
                    let partition = self.partition(o);
                    partition.is_unheard = false;
                    partition.ledger.refused();
                }
            },
            Event::Insert(o, first, route) => self.insert(setup, o, first, route)?,
            Event::Land(index) => {
                let insert = self.inserts.remove(index);
                let answer = self.table.take(setup, &insert);
                if let Some(o) = insert.asker {
                    self.landed(setup, o, &insert, answer)?;
                }
            }
            Event::LandUnheard(index) => {
                let insert = self.inserts.remove(index);
                self.table.take(setup, &insert);
                if let Some(o) = insert.asker {
                    let job = self.partition(o).jobs.get_mut(&insert.first).unwrap();
                    job.sent.remove(&insert.route);
                    job.is_in_doubt = true;
                }
            }
            Event::TimeOut(o, first, route) => {
                let of_this =
                    |insert: &&mut Insert| insert.asker == Some(o) && (insert.first, insert.route) == (first, route);
                if let Some(insert) = self.inserts.iter_mut().find(of_this) {
                    insert.asker = None;
                }
                let job = self.partition(o).jobs.get_mut(&first).unwrap();
                job.sent.remove(&route);
                job.is_in_doubt = true;
            }
            Event::AnswerRevocation(o) => {
                self.forget(o);
                let to = self.broker.moves_to.take();
                self.rebalance(to);
            }
            Event::HearLost(o) => {
                let busy = self.owners[o].partition.as_ref().is_some_and(|of| of.ledger.is_outstanding());
                if busy && setup.rules.end_membership_on_lost {
                    self.owners[o].deferred = None;
                }
                self.forget(o);
                self.owners[o].client = None;
            }
            Event::Thaw(o) => self.owners[o].is_frozen = false,
            Event::Crash(o) => {
                self.forget(o);
                self.owners[o] = Owner::default();
            }
            Event::Freeze(o) => self.owners[o].is_frozen = true,
            Event::Alter => self.table.alter(),
            Event::Swap => self.bundle = 1,
            Event::SwitchPromise => {
                self.promise = match self.promise {
                    Promise::ExactlyOnce => Promise::AtLeastOnce,
                    Promise::AtLeastOnce => Promise::ExactlyOnce,
                };
            }
            Event::Reset => {
                self.era += 1;
                let lineage = self.broker.entry()?.and_then(|entry| entry.plan.lineage);
                let lineage = lineage.filter(|_| !setup.rules.reset_begins_lineage);
                self.broker.committed = Some((0, Plan { lineage, ranges: Vec::new() }.write(0)));
            }
        }
        self.wire.sort();
        self.inserts.sort();
        self.check(setup)
    }

    pub fn partition(&mut self, o: usize) -> &mut Partition {
        self.owners[o].partition.as_mut().unwrap()
    }
}
