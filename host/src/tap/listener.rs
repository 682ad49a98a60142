//! One listener: what it wants, its rate, and a bounded queue of lines between the workers and its connection. What does not fit is skipped
//! and counted: nobody waits for a reader.

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
    /// The index of the route that is wanted.
    route: Option<usize>,
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
    pub fn new(wanted: Wanted, route: Option<usize>) -> (Self, Queue) {
        let (sender, receiver) = channel(MOST_LINES);
        let waiting = Arc::<AtomicUsize>::default();
        let listener = Self {
            sampler: Mutex::new(Sampler::new(wanted.per_second, Instant::now())),
            wanted,
            route,
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
        let (used, bytes) = self.sample(material, reserved);
        self.sampler.lock().settle(&place, Spent { reserved, used, bytes }, now);
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

    /// Makes at most so many samples. Returns how many there were, and their bytes.
    fn sample(&self, material: &Material<'_>, most: usize) -> (usize, usize) {
        let Self { wanted, route, .. } = self;
        let found = find::records(material.transformed, wanted, *route);
        let of_range = find::range_rows(material.transformed, wanted, *route);
        // The first range to come shall not take all that its neighbours could show.
        let most = if found.len() > most { most.div_ceil(3) } else { most };
        // Where there is one place for both, records come more often than the range as a whole.
        let gives_way = of_range && (most > 1 || found.len() == 0 || rand::random_bool(0.25));
        let places = most - usize::from(gives_way);
        let picked: Vec<_> = spread(places, found.len(), rand::random()).filter_map(|index| found.get(index)).collect();
        if self.is_full() {
            // Not even made: a reader that stands still costs no more than looking.
            let missed = picked.len() + usize::from(gives_way);
            self.skipped.fetch_add(count(missed), Ordering::Relaxed);
            return (missed, 0);
        }
        let records = material.records(&picked, wanted.extent).into_iter();
        let mut lines: Vec<_> = records.map(|record| Line::Record(Box::new(record))).collect();
        if gives_way {
            lines.push(Line::Range(material.range(wanted.extent)));
        }
        let bytes = lines.iter().map(|line| self.offer(line)).sum();
        (lines.len(), bytes)
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
