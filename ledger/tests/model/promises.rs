//! What is promised in every state, and at the end.

use std::collections::BTreeMap;

use crate::setup::{Kind, Setup};
use crate::world::{Step, World};

impl World {
    pub fn times(&self, era: u8, offset: i64) -> (u8, u8) {
        let of = |counts: &BTreeMap<(u8, i64), u8>| counts.get(&(era, offset)).copied().unwrap_or_default();
        (of(&self.table.rows), of(&self.letters))
    }

    pub fn check(&self, setup: &Setup) -> Step {
        let committed = self.broker.committed.as_ref().map_or(0, |(offset, _)| *offset);
        for era in 0..=self.era {
            for offset in 0..setup.end() {
                let (rows, letters) = self.times(era, offset);
                if rows + letters > 1 && !self.loose.contains(&(era, offset)) {
                    return Err(format!(
                        "record {offset} is {rows} times in the table and {letters} times in the dead letters"
                    ));
                }
                let is_record = setup.kind(offset) != Kind::Gap;
                if is_record && era == self.era && offset < committed && rows + letters == 0 {
                    return Err(format!("record {offset} is lost: the offset is past it"));
                }
            }
        }
        Ok(())
    }

    /// # Errors
    /// Where not all is where it belongs.
    pub fn check_end(&self, setup: &Setup) -> Step {
        if self.is_paused() {
            return Ok(());
        }
        let Some(entry) = self.broker.entry()? else { return Err("nothing is committed".to_owned()) };
        if entry.offset != setup.end() || !entry.plan.ranges.is_empty() {
            return Err(format!("it comes to no end: offset {}, plan {:?}", entry.offset, entry.plan.ranges));
        }
        self.check(setup)
    }

    /// What is other than before, for those who read how it came about.
    pub fn differences(&self, before: &Self) -> String {
        let mut told = Vec::new();
        if self.broker.committed != before.broker.committed {
            let short = |text: &String| text.replace("00000000000000000000000000000", "");
            told.push(
                self.broker
                    .committed
                    .as_ref()
                    .map_or_else(String::new, |(offset, text)| format!("committed {offset} {}", short(text))),
            );
        }
        if self.table.rows != before.table.rows {
            let rows = self.table.rows.iter().map(|((_, offset), times)| format!("{offset}x{times}"));
            told.push(format!("rows {}", rows.collect::<Vec<_>>().join(" ")));
        }
        if self.letters != before.letters {
            let letters = self.letters.iter().map(|((_, offset), times)| format!("{offset}x{times}"));
            told.push(format!("letters {}", letters.collect::<Vec<_>>().join(" ")));
        }
        for (owner, (after, before)) in ["A", "B"].iter().zip(self.owners.iter().zip(&before.owners)) {
            if let Some(reason) = after.paused.filter(|_| before.paused.is_none()) {
                told.push(format!("{owner} pauses: {reason}"));
            }
        }
        told.join("; ")
    }
}
