//! What of a partition is planned and committed: its ledger, who waits for a plan, and letters that go with the offset.

use std::sync::Arc;
use std::time::Instant;

use tidegate_ledger::{Entry, Ledger, Making};
use tokio::sync::oneshot;

use super::{Go, Partition, Standing, Waiting};
use crate::kafka::{Commit, Letters};
use crate::pipeline::batch::Lineage;
use crate::pipeline::deliver::Kept;
use crate::pipeline::range::Range;

impl Partition {
    /// What of it is to be committed, if anything is.
    pub fn to_commit(&self) -> Option<Commit> {
        let entry = self.ledger.as_ref().filter(|_| self.rests_until.is_none())?.to_commit()?;
        let letters = self.letters.range(..entry.offset).map(|(_, kept)| kept.letters.clone()).collect();
        self.commit(entry, letters)
    }

    /// What is to be committed of it before it may be part of a transaction, if anything is: the broker's commit of it once more, which
    /// then names this membership's transactions.
    pub fn to_announce(&self) -> Option<Commit> {
        let ledger = self.ledger.as_ref().filter(|ledger| !self.is_announced && !ledger.is_outstanding())?;
        let mut entry = ledger.taken().cloned().or_else(|| ledger.to_commit())?;
        entry.plan.lineage = self.ledger.as_ref().map(Ledger::lineage);
        self.commit(entry, Vec::new())
    }

    fn commit(&self, Entry { offset, plan }: Entry, letters: Vec<Arc<Letters>>) -> Option<Commit> {
        Some(Commit { partition: self.key(), offset, beginning: self.beginning?, plan, letters })
    }

    /// Its letters cannot be written just now: until then it does nothing.
    pub fn rest(&mut self, until: Instant) {
        self.rests_until = Some(until);
    }

    /// Whether its letters cannot be written just now.
    pub fn rests(&self) -> bool {
        self.rests_until.is_some()
    }

    /// Goes on where it has rested long enough.
    pub fn wake(&mut self, now: Instant) {
        self.rests_until = self.rests_until.filter(|until| now < *until);
    }

    /// Whether something of it is to be committed.
    pub fn is_uncommitted(&self) -> bool {
        let ledger = self.ledger.as_ref();
        // What rests is left to whoever comes next.
        let waits = |ledger: &Ledger| self.rests_until.is_none() && ledger.to_commit().is_some();
        ledger.is_some_and(|ledger| ledger.is_outstanding() || waits(ledger))
    }

    /// Whether a commit of it is on its way.
    pub fn is_outstanding(&self) -> bool {
        self.ledger.as_ref().is_some_and(Ledger::is_outstanding)
    }

    /// What tells writes of a range from those of all others; none until it is known where the partition begins.
    pub fn lineage_of(&self, first: i64) -> Option<Lineage> {
        self.ledger.as_ref().map(|ledger| ledger.lineage_of(first))
    }

    /// A commit of it was sent.
    pub fn sent(&mut self, commit: &Commit) {
        if let Some(ledger) = &mut self.ledger {
            ledger.sent(Entry { offset: commit.offset, plan: commit.plan.clone() });
        }
    }

    /// The broker has answered what was sent: ranges that it has planned by that may go. Returns whether it has completed any.
    pub fn answered(&mut self) -> bool {
        let offset = |ledger: &Option<Ledger>| ledger.as_ref().and_then(Ledger::taken).map(|taken| taken.offset);
        let before = offset(&self.ledger);
        for first in self.ledger.as_mut().map(Ledger::answered).unwrap_or_default() {
            if let Some(Waiting { go, then }) = self.waiting.remove(&first) {
                // Whoever does not wait any more was cancelled.
                let _ = go.send(then);
            }
        }
        let taken = self.ledger.as_ref().and_then(Ledger::taken);
        self.is_announced = taken.is_some_and(|taken| taken.plan.lineage.is_some());
        let after = offset(&self.ledger);
        self.letters = self.letters.split_off(&after.unwrap_or_default());
        before.is_some() && after > before
    }

    /// The broker has refused what was sent.
    pub fn refused(&mut self) {
        if let Some(ledger) = &mut self.ledger {
            ledger.refused();
        }
    }

    /// It is known how a range is to be written; `go` is answered when it may be, and dropped where it will not be.
    pub fn made(&mut self, range: &Range, making: Making, now: u64, go: oneshot::Sender<Go>) {
        let Some(ledger) = self.plans(range.first) else { return };
        let fits = ledger.has_room(range.first, &making);
        let answer = match ledger.made(range.first, making, now) {
            true => Go::Send,
            false if ledger.planned(range.first).is_none() && !fits => Go::Smaller,
            false if !ledger.finds_room(range.first) => Go::NoRoom,
            false => {
                self.waiting.insert(range.first, Waiting { go, then: Go::Send });
                return;
            }
        };
        let _ = go.send(answer);
    }

    /// The ledger, where a range that begins here may still be planned.
    fn plans(&mut self, first: i64) -> Option<&mut Ledger> {
        let goes_on = match self.standing {
            // Behind what stopped it nothing is planned any more, also when it is about to begin anew.
            Standing::Sound | Standing::Stopped | Standing::Adrift => self.stopped_at.is_none_or(|at| first < at),
            Standing::Early | Standing::Undecided | Standing::Leaving => false,
        };
        self.ledger.as_mut().filter(|ledger| goes_on && !ledger.is_closing())
    }

    /// Whether a range and what is to be written with it find room in a plan.
    pub fn has_room(&self, first: i64, making: &Making) -> bool {
        self.ledger.as_ref().is_some_and(|ledger| ledger.has_room(first, making))
    }

    /// A range that waits to be planned is to be planned with these of other partitions; false where it does not wait.
    pub fn lead(&mut self, range: &Range, making: Making, now: u64, then: Go) -> bool {
        let Some(waiting) = self.waiting.get_mut(&range.first) else { return false };
        waiting.then = then;
        self.ledger.as_mut().is_some_and(|ledger| !ledger.made(range.first, making, now))
    }

    /// A range that waits to be planned is to be planned with one of another partition; false where it cannot be, and stays as it is.
    pub fn join(&mut self, first: i64, then: Go) -> bool {
        let rests = self.rests();
        let Some(waiting) = self.waiting.get_mut(&first).filter(|_| !rests) else { return false };
        let joins = self.ledger.as_mut().is_some_and(|ledger| ledger.join(first));
        if joins {
            waiting.then = then;
        }
        joins
    }

    /// A range that was to be planned with others is planned alone.
    pub fn stay(&mut self, first: i64) {
        if let Some(ledger) = &mut self.ledger {
            ledger.stay(first);
        }
        if let Some(waiting) = self.waiting.get_mut(&first) {
            waiting.then = Go::Send;
        }
    }

    /// Whether a range waits to be planned.
    pub fn waits(&self, first: i64) -> bool {
        self.waiting.contains_key(&first)
    }

    /// A range has come to its end.
    pub fn finished(&mut self, range: &Range) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.waiting.remove(&range.first);
    }

    /// All of a range is where it belongs, but for these letters.
    pub fn complete(&mut self, range: &Range, letters: Option<Kept>) {
        if let Some(ledger) = &mut self.ledger {
            ledger.complete(range.first);
        }
        self.letters.extend(letters.map(|letters| (range.first, letters)));
    }

    /// A range that is under way becomes two, of which the second begins at this offset.
    pub fn split(&mut self, range: &Range, at: i64) {
        if let Some(ledger) = &mut self.ledger {
            ledger.split(range.first, at);
        }
        self.in_flight += 1;
    }
}

#[cfg(test)]
mod tests {
    use tidegate_ledger::{BundleId, Promise, Verdicts};

    use super::*;
    use crate::kafka::TopicPartition;
    use crate::pipeline::batch::mint_lineage;

    fn begun() -> Partition {
        let key = TopicPartition { topic: "t".into(), partition: 0 };
        let mut partition = Partition::new(&key, 1, Promise::ExactlyOnce);
        let taken = Some(Entry { offset: 0, plan: tidegate_ledger::Plan::default() });
        partition.ledger = Some(Ledger::begin(Promise::ExactlyOnce, 0, taken, mint_lineage(), Ledger::ROOM));
        partition.position = Some(20);
        commit(&mut partition);
        partition
    }

    fn commit(partition: &mut Partition) {
        if let Some(ledger) = &mut partition.ledger
            && let Some(entry) = ledger.to_commit()
        {
            ledger.sent(entry);
        }
        partition.answered();
    }

    /// A range of ten that is under way.
    fn range(partition: &mut Partition, first: i64) -> Range {
        if let Some(ledger) = &mut partition.ledger {
            ledger.close(first, first + 10);
        }
        partition.in_flight += 1;
        Range { topic: "t".into(), partition: 0, first, next: first + 10 }
    }

    fn made(partition: &mut Partition, range: &Range) -> oneshot::Receiver<Go> {
        let (go, answer) = oneshot::channel();
        partition.made(range, Making::alone(BundleId(1), Verdicts::default()), 1, go);
        answer
    }

    #[test]
    fn what_lies_behind_a_stop_ends_also_where_it_is_made_when_the_partition_may_go_on() {
        for stop in [Some(0), None] {
            let mut partition = begun();
            let (stopped, behind) = (range(&mut partition, 0), range(&mut partition, 10));
            partition.stop(stop);
            partition.finished(&stopped);
            partition.resume();
            assert!(!partition.may_begin_anew(), "one is under way");
            let mut answer = made(&mut partition, &behind);
            assert!(matches!(answer.try_recv(), Err(oneshot::error::TryRecvError::Closed)), "it waits for ever");
            partition.finished(&behind);
            assert!(partition.may_begin_anew());
        }
    }

    #[test]
    fn what_lies_before_a_stop_is_planned_and_comes_to_its_end() {
        let mut partition = begun();
        let (before, stopped) = (range(&mut partition, 0), range(&mut partition, 10));
        partition.stop(Some(10));
        partition.finished(&stopped);
        partition.resume();
        let mut answer = made(&mut partition, &before);
        commit(&mut partition);
        assert!(matches!(answer.try_recv(), Ok(Go::Send)));
    }
}
