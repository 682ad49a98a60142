//! What a search begins with.

use std::fmt;

use tidegate_ledger::{Ledger, Promise};

use crate::event::Fault;
use crate::rules::Rules;

/// How records behave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// They become a row.
    Good,
    /// The plugin traps on them.
    Poison,
    /// It traps on them one time and not the next.
    Flaky,
    /// The table refuses their row, until it is altered, and again from the next time on.
    Delicate,
    /// There is none at this offset: a compaction has taken it, or it marks the end of a transaction.
    Gap,
}

/// What the table can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tables {
    /// It takes each token once, of each route, and looks at the rows before it looks at the token.
    Tokens,
    /// All routes go in one transaction with a row that tells the range.
    Fence,
}

/// Which route a row takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Routes {
    /// There is one.
    One,
    /// That of its bundle.
    OfBundle,
    /// That of its record, in turns.
    OfRecord,
}

/// What a search begins with.
#[derive(Clone, Debug)]
pub struct Setup {
    pub name: &'static str,
    pub log: Vec<Kind>,
    pub tables: Tables,
    pub routes: Routes,
    pub promise: Promise,
    /// Of a commit's metadata, for the plan.
    pub room: usize,
    /// Whether the table refuses what is delicate, at first.
    pub strict: bool,
    /// Whether a breach of the plans themselves is told, or only what comes of it.
    pub looks_at_plans: bool,
    /// What may go wrong, and how often in all.
    pub faults: Vec<Fault>,
    pub budget: u8,
    /// So many ranges are under way at most.
    pub ranges: usize,
    pub rules: Rules,
}

impl Setup {
    pub fn new(name: &'static str, log: &[Kind], budget: u8, faults: &[Fault]) -> Self {
        Self {
            name,
            log: log.to_vec(),
            tables: Tables::Tokens,
            routes: Routes::One,
            promise: Promise::ExactlyOnce,
            room: Ledger::ROOM,
            strict: true,
            looks_at_plans: true,
            faults: faults.to_vec(),
            budget,
            ranges: 2,
            rules: Rules::ALL,
        }
    }

    pub fn end(&self) -> i64 {
        i64::try_from(self.log.len()).unwrap()
    }

    pub fn kind(&self, offset: i64) -> Kind {
        self.log[usize::try_from(offset).unwrap()]
    }

    pub fn route(&self, bundle: u8, offset: i64) -> u16 {
        match self.routes {
            Routes::One => 0,
            Routes::OfBundle => u16::from(bundle),
            Routes::OfRecord => u16::try_from(offset % 2).unwrap(),
        }
    }
}

impl fmt::Display for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: records {:?}, {:?}, routes {:?}, {} faults of {:?}",
            self.name, self.log, self.tables, self.routes, self.budget, self.faults
        )
    }
}
