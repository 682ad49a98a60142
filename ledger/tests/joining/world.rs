//! Two partitions, a broker, a table, two gateways, and what is on its way between them.

use std::collections::{BTreeMap, BTreeSet};

use tidegate_ledger::Entry;

use crate::Rules;
use crate::events::Event;
use crate::owner::{Job, Owner, Part};

pub const PARTITIONS: usize = 2;

/// Records of each partition.
pub const END: i64 = 2;

/// A commit on its way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Commit {
    pub owner: usize,
    pub generation: u8,
    pub entries: Vec<(usize, Entry)>,
    pub is_atomic: bool,
}

/// Lineage, partition, first and next offset.
type Token = (u128, usize, i64, i64);

/// Rows on their way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Insert {
    /// Who waits for the answer.
    pub asker: Option<usize>,
    pub token: Token,
    /// Partitions and offsets of records.
    pub rows: BTreeSet<(usize, i64)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    pub committed: [Option<(i64, String)>; PARTITIONS],
    pub assigned: [Option<usize>; PARTITIONS],
    pub generation: u8,
    pub owners: [Owner; 2],
    pub wire: Vec<Commit>,
    pub inserts: Vec<Insert>,
    tokens: BTreeSet<Token>,
    rows: BTreeMap<(usize, i64), u8>,
    minted: u8,
    /// How much more may go wrong.
    pub faults: u8,
}

impl World {
    pub fn begin(faults: u8) -> Self {
        let owner = Owner { is_alive: true, ..Owner::default() };
        Self {
            committed: [None, None],
            assigned: [Some(0), Some(0)],
            generation: 0,
            owners: [owner.clone(), owner],
            wire: Vec::new(),
            inserts: Vec::new(),
            tokens: BTreeSet::new(),
            rows: BTreeMap::new(),
            minted: 0,
            faults,
        }
    }

    pub fn part(&mut self, o: usize, p: usize) -> &mut Part {
        self.owners[o].parts[p].as_mut().unwrap()
    }

    /// # Errors
    /// Where a promise is broken.
    pub fn apply(&mut self, rules: Rules, event: Event) -> Result<(), String> {
        self.faults -= u8::from(event.is_fault());
        match event {
            Event::Begin(o, p) => {
                self.minted += 1;
                self.owners[o].parts[p] = Some(Part::begin(self.committed[p].as_ref(), u128::from(self.minted)));
            }
            Event::Close(o, p) => self.part(o, p).close(),
            Event::CloseAgain(o, p) => self.part(o, p).close_again(rules.replay_joined),
            Event::Group(o, leader) => _ = self.owners[o].group(leader, rules.name_joined),
            Event::Commit(o) => {
                let (entries, is_atomic) = self.owners[o].to_commit(rules.hold_back);
                for (p, entry) in &entries {
                    self.part(o, *p).ledger.sent(entry.clone());
                }
                self.owners[o].is_waiting = true;
                self.wire.push(Commit { owner: o, generation: self.generation, entries, is_atomic });
            }
            Event::Deliver(i) => {
                let commit = self.wire.remove(i);
                let is_taken = commit.generation == self.generation;
                if is_taken {
                    self.take(&commit, &[true; PARTITIONS]);
                }
                self.answer(&commit, is_taken);
            }
            Event::DeliverUnheard(i, taken) => {
                let commit = self.wire.remove(i);
                self.take(&commit, &taken);
                self.end_membership(commit.owner, true);
            }
            Event::Insert(o, p, first) => {
                let part = self.part(o, p);
                let lineage = part.ledger.lineage_of(first).0;
                let Job { next, joined, is_sent } = part.jobs.get_mut(&first).unwrap();
                *is_sent = true;
                let mut rows: BTreeSet<_> = (first..*next).map(|offset| (p, offset)).collect();
                for joined in joined {
                    let of = usize::try_from(joined.partition).unwrap();
                    rows.extend((joined.first..joined.next).map(|offset| (of, offset)));
                }
                let token = (lineage, p, first, *next);
                self.inserts.push(Insert { asker: Some(o), token, rows });
            }
            Event::Land(i) => {
                let insert = self.inserts.remove(i);
                self.land(&insert)?;
                let (_, p, first, _) = insert.token;
                if let Some(part) = insert.asker.and_then(|o| self.owners[o].parts[p].as_mut()) {
                    part.jobs.remove(&first);
                    part.ledger.complete(first);
                }
            }
            Event::LandUnheard(i) => {
                let insert = self.inserts.remove(i);
                self.land(&insert)?;
                let (_, p, first, _) = insert.token;
                if let Some(part) = insert.asker.and_then(|o| self.owners[o].parts[p].as_mut()) {
                    part.jobs.get_mut(&first).unwrap().is_sent = false;
                }
            }
            Event::Move(p) => {
                let o = self.assigned[p].unwrap();
                self.forget(o, p);
                if rules.dissolve && self.owners[o].leads.is_some() {
                    self.owners[o].dissolve();
                }
                self.assigned[p] = Some(1 - o);
                self.generation += 1;
            }
            Event::Rest(o, p) => self.owners[o].rests = Some(p),
            Event::Wake(o) => self.owners[o].rests = None,
            Event::Crash(o) => self.end_membership(o, false),
            Event::Restart(o) => {
                self.owners[o].is_alive = true;
                for assigned in self.assigned.iter_mut().filter(|assigned| assigned.is_none()) {
                    *assigned = Some(o);
                }
            }
        }
        Ok(())
    }

    /// The broker takes a commit's entries of some partitions.
    fn take(&mut self, commit: &Commit, taken: &[bool; PARTITIONS]) {
        for (p, Entry { offset, plan }) in commit.entries.iter().filter(|(p, _)| taken[*p]) {
            self.committed[*p] = Some((*offset, plan.write(*offset)));
        }
    }

    fn answer(&mut self, commit: &Commit, is_taken: bool) {
        let owner = &mut self.owners[commit.owner];
        // Of a membership that has ended.
        if commit.generation != self.generation && !owner.is_waiting {
            return;
        }
        owner.is_waiting = false;
        let leads = owner.leads.filter(|_| is_taken && commit.is_atomic);
        for (p, _) in &commit.entries {
            let Some(part) = owner.parts[*p].as_mut() else { continue };
            if !is_taken {
                part.ledger.refused();
                continue;
            }
            part.ledger.answered();
            let position = part.ledger.position();
            if leads.is_some_and(|leader| leader != *p) {
                // The other's job has it.
                part.jobs.retain(|first, _| *first >= position);
            }
        }
        if leads.is_some() {
            owner.leads = None;
        }
    }

    fn land(&mut self, insert: &Insert) -> Result<(), String> {
        if !self.tokens.insert(insert.token) {
            return Ok(());
        }
        for row in &insert.rows {
            let count = self.rows.entry(*row).or_default();
            *count += 1;
            if *count > 1 {
                return Err(format!("record {row:?} is there twice"));
            }
        }
        Ok(())
    }

    /// Nothing of a partition goes on here; what is on its way stays there.
    fn forget(&mut self, o: usize, p: usize) {
        self.owners[o].parts[p] = None;
        for insert in self.inserts.iter_mut().filter(|insert| insert.asker == Some(o) && insert.token.1 == p) {
            insert.asker = None;
        }
    }

    fn end_membership(&mut self, o: usize, stays_alive: bool) {
        (0..PARTITIONS).for_each(|p| self.forget(o, p));
        self.owners[o] = Owner { is_alive: stays_alive, ..Owner::default() };
        self.generation += 1;
        let other = 1 - o;
        let heir = [other, o].into_iter().find(|heir| self.owners[*heir].is_alive);
        for assigned in self.assigned.iter_mut().filter(|assigned| **assigned == Some(o)) {
            *assigned = heir;
        }
    }

    /// # Errors
    /// Where a record is not where it belongs.
    pub fn check_end(&self) -> Result<(), String> {
        for p in 0..PARTITIONS {
            for offset in 0..END {
                if self.rows.get(&(p, offset)) != Some(&1) {
                    return Err(format!("record {offset} of partition {p} is lost"));
                }
            }
        }
        Ok(())
    }
}
