//! A gateway: a process that may be a member of the group, and its partition if it owns it. It drives the ledger as the gateway does.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use tidegate_ledger::{Ledger, Planned, Promise, Verdicts};

use crate::broker::Message;
use crate::setup::{Kind, Setup, Tables};

/// What the client takes itself for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Client {
    pub member: u8,
    pub generation: u8,
}

/// A process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Owner {
    /// None where it is no member: it has not joined, or its membership has ended.
    pub client: Option<Client>,
    pub is_frozen: bool,
    /// What its client keeps until it can be sent.
    pub deferred: Option<Message>,
    /// None where the partition is not its own, or it is not known where it begins.
    pub partition: Option<Partition>,
    /// It is to give the partition back.
    pub is_revoked: bool,
    /// Why nothing goes on.
    pub paused: Option<&'static str>,
}

/// A partition of its own.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Partition {
    pub ledger: Ledger,
    pub promise: Promise,
    pub position: i64,
    pub replays: VecDeque<Planned>,
    pub jobs: BTreeMap<i64, Job>,
    /// Ranges that are complete and not committed, and the records whose letters they bring.
    pub done: BTreeMap<i64, BTreeSet<i64>>,
    /// The answer to its commit was lost.
    pub is_unheard: bool,
}

/// Where a range stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// The guest is to run.
    Making,
    /// It is to become two.
    TooLarge,
    /// It is to be planned.
    Waiting,
    /// It may be sent.
    Sending,
    /// All is written; only where a rule is broken is it not complete at once.
    Written,
}

/// A range on its way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Job {
    pub next: i64,
    pub replayed: Option<Planned>,
    pub phase: Phase,
    pub bundle: u8,
    pub verdicts: Verdicts,
    /// Routes that are not written, once it is sent.
    pub open: Option<BTreeSet<u16>>,
    /// Those that an answer is awaited of.
    pub sent: BTreeSet<u16>,
    /// What was refused since it was planned.
    pub refused: BTreeSet<(u16, i64)>,
    /// Rows of it may have been written already, or still be.
    pub is_in_doubt: bool,
}

impl Job {
    pub fn new(next: i64, replayed: Option<Planned>) -> Self {
        Self {
            next,
            is_in_doubt: replayed.is_some(),
            replayed,
            phase: Phase::Making,
            bundle: 0,
            verdicts: Verdicts::default(),
            open: None,
            sent: BTreeSet::new(),
            refused: BTreeSet::new(),
        }
    }

    /// Its rows, but those that are left out.
    pub fn rows(&self, setup: &Setup, first: i64) -> Vec<(u16, i64)> {
        let relative = |offset: i64| u32::try_from(offset - first).unwrap();
        (first..self.next)
            .filter(|offset| setup.kind(*offset) != Kind::Gap)
            .filter(|offset| !self.verdicts.poison.contains(&relative(*offset)))
            .map(|offset| (setup.route(self.bundle, offset), offset))
            .filter(|(route, offset)| {
                let refused = self.verdicts.refused.get(route);
                !refused.is_some_and(|refused| refused.contains(&relative(*offset)))
            })
            .collect()
    }

    /// What is left out of it.
    pub fn letters(&self, setup: &Setup, first: i64) -> BTreeSet<i64> {
        let rows: BTreeSet<_> = self.rows(setup, first).into_iter().map(|(_, offset)| offset).collect();
        (first..self.next).filter(|offset| setup.kind(*offset) != Kind::Gap && !rows.contains(offset)).collect()
    }

    /// Which writes it takes, of those that have something to write.
    pub fn routes(&self, setup: &Setup, first: i64) -> BTreeSet<u16> {
        let rows = self.rows(setup, first);
        match setup.tables {
            Tables::Fence if rows.is_empty() && !setup.rules.fence_without_rows => BTreeSet::new(),
            Tables::Fence => [0].into(),
            Tables::Tokens => rows.into_iter().map(|(route, _)| route).collect(),
        }
    }

    /// Whether a refusal leaves nothing that would spend a token.
    pub fn leaves_none(&self, setup: &Setup, first: i64) -> bool {
        let routes = self.routes(setup, first);
        let refused = self.verdicts.refused.iter().filter(|(_, records)| !records.is_empty());
        setup.tables == Tables::Tokens && refused.into_iter().any(|(route, _)| !routes.contains(route))
    }
}
