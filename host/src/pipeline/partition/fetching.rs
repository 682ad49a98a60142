//! A partition's open range: taken from its queue, due at some time, closed, or closed as it was planned before.

use std::time::Instant;

use tidegate_ledger::Planned;

use super::{Closed, OpenRange, Partition, Range, Standing};
use crate::config::BatchLimits;
use crate::kafka::{Bound, FetchFault, Queue};

impl Partition {
    /// Takes what has come, up to the range's limits. Returns how many records, and what was wrong.
    pub fn fetch(&mut self, limits: &BatchLimits, now: Instant) -> (usize, Vec<FetchFault>) {
        let (Some(queue), Some(position)) = (&mut self.queue, self.position) else { return (0, Vec::new()) };
        // What is planned has its boundaries, whatever the limits are now.
        let replays = !self.replays.is_empty();
        let full = !replays && self.open.as_ref().is_some_and(|open| open.is_full(limits));
        let done = self.bound.is_some_and(|bound| position >= bound);
        if full || done || self.rests_until.is_some() || self.disturbed.is_some() || self.standing != Standing::Sound {
            return (0, Vec::new());
        }
        let open = self.open.get_or_insert_with(|| OpenRange::new(now, self.last));
        let most = if replays { limits.records } else { limits.records.saturating_sub(open.records.len()) };
        let fetched = queue.fetch(&mut open.records, Bound { records: most, first: position, offset: self.bound });
        let mut next = position;
        if fetched.records > 0 {
            next = open.records.offsets.last().map_or(next, |last| last + 1);
        }
        if open.records.is_empty() {
            self.open = None;
        }
        self.position = Some(next);
        if let Some(reached) = fetched.reached {
            self.pass(self.bound.map_or(reached, |bound| reached.min(bound)));
        }
        if !fetched.faults.is_empty() || (fetched.reached.is_some() && !self.is_done()) {
            self.disturbed = Some(now);
        }
        (fetched.records, fetched.faults)
    }

    /// Gets past offsets behind the last record that are no records.
    pub fn pass_marks(&mut self) {
        let sound = self.standing == Standing::Sound && self.disturbed.is_none() && self.bound.is_none();
        if let Some(reached) = self.queue.as_ref().filter(|_| sound).and_then(Queue::position) {
            self.pass(reached);
        }
    }

    /// There is no record between its position and this offset.
    fn pass(&mut self, reached: i64) {
        let Some(position) = self.position.filter(|position| *position < reached) else { return };
        self.position = Some(reached);
        self.skip(position, reached);
    }

    /// No record lies between these offsets: they become the open range's own, or belong to what is replayed, where there is either.
    fn skip(&mut self, from: i64, to: i64) {
        if let Some(ledger) =
            self.ledger.as_mut().filter(|_| self.open.is_none() && self.replays.is_empty() && from < to)
        {
            ledger.skip(from, to);
        }
    }

    /// Gives up what is open; whoever comes next reads it again.
    pub fn give_up_open(&mut self) {
        self.open = None;
    }

    /// Whether a range is open.
    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// What the open range holds, in bytes.
    pub fn open_bytes(&self) -> usize {
        self.open.as_ref().map_or(0, |open| open.records.bytes())
    }

    /// What the next range is likely to hold, in bytes.
    pub fn expected_bytes(&self) -> usize {
        self.expected
    }

    /// What the open range is likely to grow to, in bytes.
    pub fn reserved_bytes(&self) -> usize {
        self.open.as_ref().map_or(0, |open| open.records.bytes().max(self.expected))
    }

    /// Whether the open range is full, has all that it will get, or has waited long enough; or what is to be replayed is there.
    pub fn is_due(&self, limits: &BatchLimits, now: Instant) -> bool {
        self.must_go(limits) || self.deadline(limits).is_some_and(|deadline| now >= deadline)
    }

    /// The same, but for how long it has waited.
    pub fn must_go(&self, limits: &BatchLimits) -> bool {
        if let Some(planned) = self.replays.front() {
            return self.position.is_some_and(|position| position >= planned.next);
        }
        let Some(open) = &self.open else { return false };
        let ends = self.is_done() || self.standing == Standing::Adrift;
        open.is_full(limits) || ends
    }

    /// When the open range has waited long enough; never where what is to come is known to be there already. Nor while another of its ranges
    /// is under way: where a table takes so many inserts and no more, ranges grow instead of queueing up.
    pub fn deadline(&self, limits: &BatchLimits) -> Option<Instant> {
        self.lingers_until(limits).filter(|_| self.in_flight == 0)
    }

    /// Whether the open range has waited as long as it does where no other is under way.
    pub fn has_lingered(&self, limits: &BatchLimits, now: Instant) -> bool {
        self.lingers_until(limits).is_some_and(|deadline| now >= deadline)
    }

    fn lingers_until(&self, limits: &BatchLimits) -> Option<Instant> {
        let lingers = self.bound.is_none() && self.replays.is_empty();
        self.open.as_ref().filter(|_| lingers).map(|open| open.deadline(limits))
    }

    /// Closes the open range, or the next that is to be replayed; it is under way from now on.
    pub fn close(&mut self, limits: &BatchLimits, now: Instant) -> Option<Closed> {
        if let Some(planned) = self.replays.front() {
            let planned = planned.clone();
            return (self.position? >= planned.next).then(|| self.close_as(planned, now));
        }
        let open = self.open.take()?;
        let now_full = open.is_full(limits);
        let bytes = open.records.bytes();
        // A range that was closed early, for want of room, shall be larger the next time; one that lingered will linger again.
        self.expected = if now_full { bytes } else { (2 * bytes).min(limits.bytes.0) };
        self.last = open.records.shape();
        let (range, records) = open.close(&self.topic, self.id, self.position?)?;
        self.ledger.as_mut()?.close(range.first, range.next);
        self.in_flight += 1;
        Some(Closed { range, records, planned: None })
    }

    /// A range as it was planned, with what there is of it still.
    fn close_as(&mut self, planned: Planned, now: Instant) -> Closed {
        let mut records = self.open.take().map(|open| open.records).unwrap_or_default();
        let rest = records.split_at_offset(planned.next);
        // What lies before it is complete: only what follows it was not.
        let records = records.split_at_offset(planned.first);
        self.open = (!rest.is_empty()).then(|| OpenRange::with(rest, now));
        self.replays.pop_front();
        if let Some(position) = self.position {
            self.skip(planned.next, position);
        }
        self.in_flight += 1;
        let range = Range { topic: self.topic.clone(), partition: self.id, first: planned.first, next: planned.next };
        Closed { range, records, planned: Some(planned) }
    }
}
