//! One listener: what it wants, its rate, and a bounded queue of lines between the workers and its connection. What does not fit is skipped
//! and counted: nobody waits for a reader.

use std::iter::once_with;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use parking_lot::Mutex;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::find;
use super::line::{Count, Line};
use super::sample::{Material, failed};
use super::sampler::{Place, Sampler, Spent, spread};
use super::wanted::Wanted;
use crate::pipeline::{Range, TransformFault};

/// Lines that wait for a reader: several seconds of what is read with ease.
const MOST_LINES: usize = 64;

/// And their bytes, since one line may hold a large record. A single line always fits.
const MOST_BYTES: usize = 4 << 20;

/// The workers' end.
pub(super) struct Listener {
    wanted: Wanted,
    /// Held for a moment only: never while samples are looked for or made.
    sampler: Mutex<Sampler>,
    lines: Sender<String>,
    waiting: Arc<AtomicUsize>,
    records: AtomicU64,
    skipped: AtomicU64,
}

/// The connection's end.
pub(super) struct Queue {
    lines: Receiver<String>,
    /// Bytes of lines in the queue.
    waiting: Arc<AtomicUsize>,
}

impl Listener {
    pub fn new(wanted: Wanted) -> (Self, Queue) {
        let (sender, receiver) = channel(MOST_LINES);
        let waiting = Arc::<AtomicUsize>::default();
        let listener = Self {
            sampler: Mutex::new(Sampler::new(wanted.per_second, Instant::now())),
            wanted,
            lines: sender,
            waiting: waiting.clone(),
            records: AtomicU64::new(0),
            skipped: AtomicU64::new(0),
        };
        (listener, Queue { lines: receiver, waiting })
    }

    pub fn count(&self) -> Count {
        Count { records: self.records.load(Ordering::Relaxed), skipped: self.skipped.load(Ordering::Relaxed) }
    }

    /// Shows as many samples of a range as the rate allows.
    pub fn show(&self, material: &Material<'_>, now: Instant) {
        let batch = &material.transformed.batch;
        if !self.wants(&batch.range) {
            return;
        }
        self.records.fetch_add(count(batch.records.len()), Ordering::Relaxed);
        let place: Place = (batch.range.topic.clone(), batch.range.partition);
        let reserved = self.sampler.lock().reserve(&place, now);
        if reserved == 0 {
            return;
        }
        let used = self.sample(material, reserved);
        self.sampler.lock().settle(&place, Spent { reserved, used }, now);
    }

    /// Shows that a range failed, whatever the rate: its partition stops, so that it comes once.
    pub fn show_fault(&self, range: &Range, fault: &TransformFault) {
        if self.wants(range) {
            self.offer(&Line::Range(failed(range, fault.to_string())));
        }
    }

    fn wants(&self, range: &Range) -> bool {
        let partition = self.wanted.partition.as_ref();
        partition.is_none_or(|wanted| wanted.number == range.partition && wanted.topic == *range.topic)
    }

    /// Makes at most so many samples, one by one until their bytes are spent or the queue is full. Returns how many were due.
    fn sample(&self, material: &Material<'_>, most: usize) -> usize {
        let wanted = &self.wanted;
        // By its name in the version that made the range: a later one may have it elsewhere, or not at all.
        let route = match &wanted.route {
            None => None,
            Some(name) => match material.description.route(name) {
                None => return 0,
                found => found,
            },
        };
        let found = find::records(material.transformed, wanted, route);
        let of_range = find::range_rows(material.transformed, wanted, route);
        // The first range to come shall not take all that its neighbours could show.
        let most = if found.len() > most { most.div_ceil(3) } else { most };
        // Where there is one place for both, records come more often than the range as a whole.
        let gives_way = of_range && (most > 1 || found.len() == 0 || rand::random_bool(0.25));
        let places = most - usize::from(gives_way);
        let picked: Vec<_> = spread(places, found.len(), rand::random()).filter_map(|index| found.get(index)).collect();
        let due = picked.len() + usize::from(gives_way);
        self.skipped.fetch_add(count(due - self.make(material, &picked, gives_way)), Ordering::Relaxed);
        due
    }

    /// Returns how many samples were made.
    fn make(&self, material: &Material<'_>, picked: &[usize], of_range: bool) -> usize {
        if self.is_full() {
            // A reader that stands still costs no more than looking.
            return 0;
        }
        let extent = self.wanted.extent;
        let records = material.records(picked, extent).map(|record| Line::Record(Box::new(record)));
        let range = once_with(|| Line::Range(material.range(extent))).take(usize::from(of_range));
        let mut made = 0;
        for line in records.chain(range) {
            made += 1;
            let bytes = self.offer(&line);
            if !self.sampler.lock().pay(bytes) || self.is_full() {
                break;
            }
        }
        made
    }

    fn is_full(&self) -> bool {
        self.lines.capacity() == 0 || self.waiting.load(Ordering::Relaxed) >= MOST_BYTES
    }

    /// Puts a line into the queue, or skips it where there is no place. Returns its bytes.
    fn offer(&self, line: &Line) -> usize {
        let text = line.write();
        let bytes = text.len();
        let fits = self.waiting.load(Ordering::Relaxed) < MOST_BYTES;
        if fits {
            self.waiting.fetch_add(bytes, Ordering::Relaxed);
            if self.lines.try_send(text).is_ok() {
                return bytes;
            }
            self.waiting.fetch_sub(bytes, Ordering::Relaxed);
        }
        self.skipped.fetch_add(1, Ordering::Relaxed);
        bytes
    }
}

impl Queue {
    /// The next line. Waits until there is one.
    pub async fn next(&mut self) -> String {
        match self.lines.recv().await {
            Some(line) => {
                self.waiting.fetch_sub(line.len(), Ordering::Relaxed);
                line
            }
            // The listener that sends is kept by the same place at the tap: it does not go before this.
            None => std::future::pending().await,
        }
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::sample::tests::dropped;
    use super::super::wanted::Extent;
    use super::*;
    use crate::pipeline::{RecordRef, Records};

    const VALUE: usize = 100 << 10;

    /// How many lines wait, and their bytes.
    fn read(queue: &mut Queue) -> (u64, usize) {
        let (mut lines, mut bytes) = (0, 0);
        while let Ok(line) = queue.lines.try_recv() {
            queue.waiting.fetch_sub(line.len(), Ordering::Relaxed);
            (lines, bytes) = (lines + 1, bytes + line.len());
        }
        (lines, bytes)
    }

    #[test]
    fn of_large_samples_no_more_are_made_than_fit_and_the_others_are_counted() {
        let mut records = Records::default();
        for offset in 0..300 {
            records.push(RecordRef { offset, timestamp: -1, key: None, value: Some(&[b'v'; VALUE]) });
        }
        let (transformed, description) = dropped(records);
        let material = Material { transformed: &transformed, description: &description, targets: &[] };
        let wanted = Wanted { per_second: 1_000.0, extent: Extent::Whole, ..Wanted::default() };
        let (listener, mut queue) = Listener::new(wanted);

        let start = Instant::now();
        listener.show(&material, start);
        let (lines, bytes) = read(&mut queue);
        assert!((MOST_BYTES..MOST_BYTES + 2 * VALUE).contains(&bytes), "{bytes} bytes");
        assert_eq!(listener.count(), Count { records: 300, skipped: 300 - lines });
        // What was not made is not paid for: the next second has its own.
        listener.show(&material, start + Duration::from_millis(1_500));
        let (more, bytes) = read(&mut queue);
        assert!((MOST_BYTES..MOST_BYTES + 2 * VALUE).contains(&bytes), "{bytes} bytes");
        assert_eq!(listener.count(), Count { records: 600, skipped: 600 - lines - more });
    }

    #[test]
    fn where_the_queue_is_full_of_small_samples_the_others_are_counted() {
        let mut records = Records::default();
        (0..500).for_each(|offset| records.push(RecordRef { offset, timestamp: -1, key: None, value: None }));
        let (transformed, description) = dropped(records);
        let material = Material { transformed: &transformed, description: &description, targets: &[] };
        let (listener, mut queue) = Listener::new(Wanted { per_second: 1_000.0, ..Wanted::default() });
        let start = Instant::now();
        listener.show(&material, start);
        listener.show(&material, start);
        let lines = u64::try_from(MOST_LINES).unwrap();
        assert_eq!(read(&mut queue).0, lines);
        assert_eq!(listener.count(), Count { records: 1_000, skipped: 1_000 - lines });
    }
}
