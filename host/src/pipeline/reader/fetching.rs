//! The reader's way from queues to batches: records go into open ranges as far as the budget goes, and ranges are closed.

use std::time::Instant;

use tidegate_ledger::Planned;

use super::{Job, Partition, Reader};
use crate::config::ByteSize;
use crate::kafka::TopicPartition;
use crate::pipeline::batch::Batch;
use crate::pipeline::budget::Spent;
use crate::pipeline::partition::Closed;
use crate::pipeline::range::{Range, Records};

impl Reader {
    /// Takes what has come, as far as the budget goes. Returns how many records that was.
    pub(super) fn fetch(&mut self, now: Instant) -> usize {
        self.budget.set_open(self.open_bytes());
        let spent = self.budget.spent();
        self.state.is_full = spent.is_some();
        if let Some(spent) = spent {
            self.note_memory(spent == Spent::Tenant);
            // Nothing comes back that could make room: what is open must go on its way.
            if self.state.in_flight == 0 {
                self.close_largest(now);
            }
            return 0;
        }
        let reserved: usize = self.state.partitions.values().map(Partition::reserved_bytes).sum();
        let (mut room, bound) = self.budget.room(reserved);
        let count = self.state.partitions.len().max(1);
        self.state.turn = (self.state.turn + 1) % count;
        let turn = self.state.turn;
        let bytes_before = self.open_bytes();
        let idle = self.state.in_flight == 0 && reserved == 0;
        let (mut fetched, mut passed_over) = (0, false);
        let mut faults = Vec::new();
        for partition in in_turn(self.state.partitions.values_mut(), turn) {
            // A range that opens will grow as the one before it did: many open at once would all stay small.
            let expected = partition.expected_bytes();
            if !partition.is_open() && expected > room && !(idle && fetched == 0) {
                passed_over = true;
                continue;
            }
            let was_open = partition.is_open();
            let (count, trouble) = partition.fetch(&self.limits, now);
            if count > 0 && !was_open {
                room = room.saturating_sub(expected);
            }
            fetched += count;
            faults.extend(trouble.into_iter().map(|fault| (partition.key(), fault)));
        }
        // What is open gets no more just now, and what could be fetched has no room beside it: a range without a deadline would
        // keep it so until a broker is back.
        let is_full = passed_over && fetched == 0;
        if is_full && self.state.in_flight == 0 {
            self.close_largest(now);
        }
        let waits = is_full && bound == Spent::Tenant;
        if waits {
            // The last room is too little for a range; with what is idle it may be enough.
            self.budget.tenant().release_idle();
        }
        self.note_memory(waits);
        self.state.is_full = is_full;
        self.status.metrics().records.inc_by(u64::try_from(fetched).unwrap_or_default());
        let bytes = self.open_bytes().saturating_sub(bytes_before);
        self.budget.set_open(bytes_before + bytes);
        self.status.metrics().bytes.inc_by(u64::try_from(bytes).unwrap_or_default());
        for (key, fault) in faults {
            if fault.is_out_of_range() {
                self.drift(&key);
                continue;
            }
            self.status.problem("kafka", &format!("partition {key}: {fault}"));
            self.state.trouble_probed_at.get_or_insert(now);
        }
        fetched
    }

    /// Says while the pipeline waits for its tenant's memory. That it waits for its own is what every slow sink brings about.
    fn note_memory(&mut self, waits: bool) {
        const SUBJECT: &str = "memory";
        if let (true, Some(limit)) = (waits, self.budget.tenant().limit()) {
            let (used, limit, name) = (ByteSize(self.budget.tenant().used()), ByteSize(limit), self.status.name());
            let text =
                format!("waits: the pipelines of tenant `{}` hold {used} of the {limit} that are granted", name.tenant);
            self.status.note(SUBJECT, &text);
        } else if self.state.waits_for_tenant {
            self.status.forget_note(SUBJECT);
        }
        self.state.waits_for_tenant = waits;
    }

    /// Sends the ranges on their way that are full or have waited long enough.
    pub(super) fn close_due(&mut self, now: Instant) {
        let draining = self.state.draining.is_some();
        // What cannot grow waits for nothing.
        let lingered = |partition: &Partition| self.state.is_full && partition.has_lingered(&self.limits, now);
        let joins = self.joins();
        let due = |partition: &Partition| match joins {
            true => partition.must_go(&self.limits) || lingered(partition),
            false => draining || partition.is_due(&self.limits, now) || lingered(partition),
        };
        let keys: Vec<_> =
            self.state.partitions.values().filter(|partition| due(partition)).map(Partition::key).collect();
        for key in keys {
            // Many ranges that are to be replayed may have come at once.
            while self.close(&key, now).is_some()
                && self.state.partitions.get(&key).is_some_and(|partition| partition.is_due(&self.limits, now))
            {
            }
            // What is to be replayed and is not there yet is read again by whoever comes next.
            if let Some(partition) = self.state.partitions.get_mut(&key).filter(|_| draining) {
                partition.give_up_open();
            }
        }
        if joins {
            self.close_wave(now);
        }
    }

    fn close_largest(&mut self, now: Instant) {
        let largest = self.state.partitions.values().max_by_key(|partition| partition.open_bytes());
        if let Some(key) = largest.map(Partition::key) {
            self.close(&key, now);
        }
    }

    /// The first offset of the range that it closes; none where there is no range to close, or no room for it.
    pub(super) fn close(&mut self, key: &TopicPartition, now: Instant) -> Option<i64> {
        if self.state.in_flight >= Self::MOST_RANGES {
            return None;
        }
        let Closed { range, records, planned } = self.state.partitions.get_mut(key)?.close(&self.limits, now)?;
        let first = range.first;
        self.send(key, range, records, planned);
        Some(first)
    }

    /// Sends a closed range on its way.
    pub(super) fn send(&mut self, key: &TopicPartition, range: Range, records: Records, planned: Option<Planned>) {
        let Some(partition) = self.state.partitions.get(key) else { return };
        let Some(lineage) = partition.lineage_of(range.first) else { return };
        let permit = self.budget.take(records.bytes());
        let bundle = self.versions.current().bundle.clone();
        let batch = Batch { range, records, lineage, bundle, permit, joined: Vec::new() };
        let job = Job { batch, assignment: partition.assignment, planned, cancel: partition.cancel.clone() };
        self.state.in_flight += 1;
        // There is room for as many as may be in flight. Where the other end is gone the pipeline is ending, and the range
        // is read again by whoever comes next.
        if self.jobs.try_send(job).is_err() {
            self.state.in_flight -= 1;
        }
    }
}

/// The items from position `turn` on, then those before it.
fn in_turn<'a, T: 'a>(items: impl Iterator<Item = &'a mut T>, turn: usize) -> impl Iterator<Item = &'a mut T> {
    let mut items: Vec<_> = items.collect();
    let turn = turn.min(items.len());
    items.rotate_left(turn);
    items.into_iter()
}
