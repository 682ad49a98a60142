//! The table, and inserts on their way to it.

use std::collections::{BTreeMap, BTreeSet};

use crate::setup::{Kind, Setup, Tables};

/// What tells an insert from all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token {
    pub lineage: u8,
    pub first: i64,
    pub next: i64,
    pub route: u16,
}

/// Rows on their way.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Insert {
    /// Who waits for the answer.
    pub asker: Option<usize>,
    /// Of the range.
    pub first: i64,
    /// What the asker calls it.
    pub route: u16,
    pub token: Token,
    /// Of records, and where they go.
    pub rows: Vec<(u16, i64)>,
    /// What is counted together.
    pub era: u8,
}

/// How the table answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The rows are there.
    Done,
    /// None of them is: these are to blame.
    Refused(Vec<(u16, i64)>),
}

/// What is in the table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Table {
    /// How often, by era and record.
    pub rows: BTreeMap<(u8, i64), u8>,
    pub spent: BTreeSet<Token>,
    /// Whether it refuses what is delicate.
    pub strict: bool,
    /// How often it was altered.
    pub altered: u64,
}

impl Table {
    pub fn take(&mut self, setup: &Setup, insert: &Insert) -> Answer {
        let is_spent = self.spent.contains(&insert.token);
        if is_spent && setup.tables == Tables::Fence {
            return Answer::Done;
        }
        let is_refused = |(_, offset): &&(u16, i64)| self.strict && setup.kind(*offset) == Kind::Delicate;
        let refused: Vec<_> = insert.rows.iter().filter(is_refused).copied().collect();
        if !refused.is_empty() {
            return Answer::Refused(refused);
        }
        if !is_spent {
            self.spent.insert(insert.token);
            for (_, offset) in &insert.rows {
                *self.rows.entry((insert.era, *offset)).or_default() += 1;
            }
        }
        Answer::Done
    }

    pub fn alter(&mut self) {
        self.strict = !self.strict;
        self.altered += 1;
    }
}
