//! The table, and inserts on their way to it.

use tidegate_ledger::{Lineage, Verdicts};

use crate::rules::{Kind, Memory, Rule};
use crate::world::{MOST, TIMES, Try, World};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Insert {
    pub session: u8,
    pub time: usize,
    pub first: i64,
    pub route: usize,
    pub attempt: u8,
    pub token: Token,
    pub rows: Vec<usize>,
    pub verdicts: Verdicts,
}

pub type Token = (Lineage, i64, i64, usize);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Table {
    pub rows: [[u8; MOST]; TIMES],
    /// The oldest first, with what was left out.
    pub spent: Vec<(Token, Verdicts)>,
    pub refuses_fickle: bool,
    /// How often it was: stands for the time of the last.
    pub altered: u8,
}

/// What a table answers.
pub enum Landed {
    Taken,
    Refused(Vec<usize>),
    /// The range is there with other rows.
    Otherwise,
}

impl Try {
    /// What comes of an insert.
    pub fn land(&self, world: &mut World, insert: &Insert) -> Landed {
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
}
