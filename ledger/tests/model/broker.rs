//! The broker: the committed entry of the partition, the group, and commits on their way. It looks at a commit's member and generation, and
//! not at who owns the partition.

use std::collections::BTreeSet;

use tidegate_ledger::{Entry, Plan};

use crate::setup::Setup;

/// A commit on its way.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Message {
    /// Whose it is.
    pub owner: usize,
    /// Whether the owner waits for the answer.
    pub is_awaited: bool,
    pub member: u8,
    pub generation: u8,
    pub offset: i64,
    pub metadata: String,
    /// Records whose dead letters travel with it, and the era that they count in.
    pub letters: BTreeSet<i64>,
    pub era: u8,
}

/// What the broker knows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Broker {
    pub committed: Option<(i64, String)>,
    pub generation: u8,
    /// By owner: the member that it is.
    pub members: [Option<u8>; 2],
    pub assigned: Option<usize>,
    /// Who gets the partition when it is given back.
    pub moves_to: Option<usize>,
    /// Of a transaction that is not ended.
    pub pending: Option<Message>,
}

impl Broker {
    pub fn accepts(&self, message: &Message) -> bool {
        self.members[message.owner] == Some(message.member) && self.generation == message.generation
    }

    /// # Errors
    /// Where a plan is broken by it.
    pub fn take(&mut self, setup: &Setup, message: &Message) -> Result<(), String> {
        let before = self.entry()?;
        self.committed = Some((message.offset, message.metadata.clone()));
        let after = self.entry()?;
        let (Some(before), Some(after), true) = (before, after, setup.looks_at_plans) else { return Ok(()) };
        if after.offset < before.offset {
            return Err(format!("the offset goes back from {} to {}", before.offset, after.offset));
        }
        for range in before.plan.ranges.iter().filter(|range| range.next > after.offset) {
            let same = after.plan.ranges.iter().find(|other| other.first == range.first);
            if same.is_none_or(|same| (same.next, same.bundle) != (range.next, range.bundle)) {
                return Err(format!("range {}-{} was planned, and is not any more", range.first, range.next));
            }
            if after.plan.lineage != before.plan.lineage {
                return Err("the lineage changes while ranges are planned".to_owned());
            }
        }
        Ok(())
    }

    /// As who begins reads it.
    pub fn entry(&self) -> Result<Option<Entry>, String> {
        let Some((offset, metadata)) = &self.committed else { return Ok(None) };
        let plan = Plan::read(&format!("tidegate/1 {metadata}"), *offset).map_err(|fault| fault.to_string())?;
        Ok(Some(Entry { offset: *offset, plan }))
    }
}
