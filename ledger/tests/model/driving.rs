//! What an owner does with its partition, as the gateway does: begin, make, plan, commit.

use std::collections::{BTreeMap, BTreeSet};

use tidegate_ledger::{BundleId, Entry, Ledger, Lineage, Making, Plan, Promise, Verdicts};

use crate::broker::Message;
use crate::owner::{Client, Job, Partition, Phase};
use crate::setup::{Kind, Setup};
use crate::world::{Step, World};

impl World {
    pub fn mint(&mut self) -> u8 {
        self.eras.push(self.era);
        u8::try_from(self.eras.len() - 1).unwrap()
    }

    pub fn begin_partition(&mut self, setup: &Setup, o: usize) -> Step {
        let mut taken = self.broker.entry()?;
        let mut replays = Vec::new();
        let gives_up = self.promise == Promise::AtLeastOnce && !setup.rules.finish_old_plan;
        if let Some(entry) = &mut taken {
            if !setup.rules.replay_as_planned || gives_up {
                entry.plan.ranges.clear();
            }
            if !setup.rules.carry_lineage {
                entry.plan.lineage = None;
            }
            replays.clone_from(&entry.plan.ranges);
        }
        let is_new = taken.as_ref().is_none_or(|entry| entry.plan.lineage.is_none());
        let minted = if is_new || self.promise == Promise::AtLeastOnce { self.mint() } else { 0 };
        if let Some(entry) = taken.as_mut().filter(|entry| !entry.plan.ranges.is_empty()) {
            entry.plan.lineage.get_or_insert(Lineage(minted.into()));
        }
        let offset = taken.as_ref().map_or(0, |entry| entry.offset);
        let ledger = Ledger::begin(self.promise, offset, taken, Lineage(minted.into()), setup.room);
        self.owners[o].partition = Some(Partition {
            ledger,
            promise: self.promise,
            position: offset,
            replays: replays.into(),
            jobs: BTreeMap::new(),
            done: BTreeMap::new(),
            is_unheard: false,
        });
        Ok(())
    }

    pub fn make(&mut self, setup: &Setup, o: usize, first: i64, traps: bool) -> Step {
        let current = self.bundle;
        let job = self.partition(o).jobs.get_mut(&first).unwrap();
        let poison = (first..job.next).filter(|offset| match setup.kind(*offset) {
            Kind::Poison => true,
            Kind::Flaky => traps,
            Kind::Good | Kind::Delicate | Kind::Gap => false,
        });
        let poison: BTreeSet<u32> = poison.map(|offset| u32::try_from(offset - first).unwrap()).collect();
        match &job.replayed {
            Some(planned) => {
                job.bundle = u8::try_from(planned.bundle.0).unwrap();
                job.verdicts = planned.verdicts.clone();
                if !setup.rules.replay_same_bundle {
                    job.bundle = current;
                }
                if !setup.rules.carry_verdicts {
                    job.verdicts.poison = poison;
                } else if !poison.is_subset(&job.verdicts.poison) {
                    if setup.rules.replay_finds_no_poison {
                        self.pause(o, "the plugin fails on what it took before");
                        return Ok(());
                    }
                    job.verdicts.poison.extend(poison);
                }
            }
            None => {
                job.bundle = current;
                job.verdicts = Verdicts { poison, ..Verdicts::default() };
            }
        }
        self.plan(setup, o, first)
    }

    /// As the gateway's partition decides what becomes of a range that was made.
    pub fn plan(&mut self, setup: &Setup, o: usize, first: i64) -> Step {
        let now = self.table.altered;
        let partition = self.partition(o);
        let ledger = &mut partition.ledger;
        let job = partition.jobs.get_mut(&first).unwrap();
        let told = if setup.rules.carry_verdicts { job.verdicts.clone() } else { Verdicts::default() };
        let making = Making::alone(BundleId(job.bundle.into()), told);
        let fits = ledger.has_room(first, &making);
        match ledger.made(first, making, now) {
            true => return self.send(setup, o, first),
            false if !setup.rules.plan_before_send => return self.send(setup, o, first),
            false if ledger.planned(first).is_none() && !fits => job.phase = Phase::TooLarge,
            false if !ledger.finds_room(first) => self.pause(o, "no room for what is left out"),
            false => job.phase = Phase::Waiting,
        }
        Ok(())
    }

    pub fn halve(&mut self, o: usize, first: i64) {
        let partition = self.partition(o);
        let next = partition.jobs[&first].next;
        let at = first + (next - first) / 2;
        if at == first {
            return self.pause(o, "no room for what is left out of one record");
        }
        partition.ledger.split(first, at);
        partition.jobs.insert(first, Job::new(at, None));
        partition.jobs.insert(at, Job::new(next, None));
    }

    /// Plans nothing more; what is planned and sent may come to its end.
    pub fn close_down(&mut self, o: usize) {
        if let Some(partition) = &mut self.owners[o].partition {
            partition.replays.clear();
            partition.jobs.retain(|_, job| matches!(job.phase, Phase::Sending | Phase::Written));
            partition.ledger.close_down();
        }
    }

    pub fn pause(&mut self, o: usize, reason: &'static str) {
        self.owners[o].paused = Some(reason);
        self.close_down(o);
    }

    pub fn next_entry(&self, setup: &Setup, o: usize, partition: &Partition) -> Option<Entry> {
        let ledger = &partition.ledger;
        let mut entry = match ledger.is_outstanding() && !setup.rules.one_outstanding {
            false => ledger.to_commit()?,
            true => {
                let mut other = ledger.clone();
                other.refused();
                let entry = other.to_commit()?;
                let text = entry.plan.write(entry.offset);
                // The same once more makes no difference.
                let of_this = |message: &&Message| message.owner == o && message.is_awaited;
                let sent = self
                    .wire
                    .iter()
                    .filter(of_this)
                    .any(|message| (message.offset, &message.metadata) == (entry.offset, &text));
                if sent {
                    return None;
                }
                entry
            }
        };
        if !setup.rules.keep_planned_ranges
            && entry.plan.ranges.iter().any(|range| ledger.planned(range.first).is_none())
        {
            entry.plan.ranges.retain(|range| ledger.planned(range.first).is_none());
        }
        Some(entry)
    }

    pub fn message(&mut self, setup: &Setup, o: usize) -> Message {
        let entry = self.next_entry(setup, o, self.owners[o].partition.as_ref().unwrap()).unwrap();
        let Client { member, generation } = self.owners[o].client.unwrap();
        let era = self.era_of(o);
        let partition = self.partition(o);
        let letters = partition.done.range(..entry.offset).flat_map(|(_, letters)| letters.iter().copied()).collect();
        let metadata = entry.plan.write(entry.offset);
        let offset = entry.offset;
        partition.ledger.sent(entry.clone());
        let planned: Vec<_> = entry.plan.ranges.iter().map(|range| range.first).collect();
        if !setup.rules.await_answer {
            for first in planned {
                if self.partition(o).jobs.get(&first).is_some_and(|job| job.phase == Phase::Waiting) {
                    // What comes of it is seen later.
                    let _ = self.send(setup, o, first);
                }
            }
        }
        Message { owner: o, is_awaited: true, member, generation, offset, metadata, letters, era }
    }

    pub fn commit(&mut self, setup: &Setup, message: &Message) -> Step {
        self.broker.take(setup, message)?;
        for range in self.broker.entry()?.into_iter().flat_map(|entry| entry.plan.ranges) {
            self.promised.extend((range.first..range.next).map(|offset| (message.era, offset)));
        }
        for offset in &message.letters {
            *self.letters.entry((message.era, *offset)).or_default() += 1;
        }
        Ok(())
    }

    pub fn answer(&mut self, setup: &Setup, message: &Message, is_taken: bool) -> Step {
        let o = message.owner;
        let Some(partition) = self.owners[o].partition.as_mut().filter(|_| message.is_awaited) else { return Ok(()) };
        if !is_taken {
            partition.ledger.refused();
            return Ok(());
        }
        if !setup.rules.one_outstanding {
            let plan = Plan::read(&message.metadata, message.offset).map_err(|fault| fault.to_string())?;
            partition.ledger.sent(Entry { offset: message.offset, plan });
        }
        let released = partition.ledger.answered();
        partition.done = partition.done.split_off(&message.offset);
        for first in released {
            if self.partition(o).jobs.get(&first).is_some_and(|job| job.phase == Phase::Waiting) {
                self.send(setup, o, first)?;
            }
        }
        let Some(partition) = &self.owners[o].partition else { return Ok(()) };
        let written: Vec<_> =
            partition.jobs.iter().filter(|(_, job)| job.phase == Phase::Written).map(|(first, _)| *first).collect();
        for first in written {
            self.complete(o, first);
        }
        Ok(())
    }
}
