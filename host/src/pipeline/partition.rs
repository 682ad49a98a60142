//! A partition that is ours: its queue, its open range, and which of its offsets are complete.

use std::sync::Arc;
use std::time::Instant;

use tokio_util::sync::CancellationToken;

use super::batch::Lineage;
use super::complete::Completion;
use super::range::{OpenRange, Range, Records, Shape};
use crate::config::BatchLimits;
use crate::kafka::{FetchFault, Queue, TopicPartition};

/// What the reader knows of one partition of its assignment.
pub struct Partition {
    /// The topic.
    pub topic: Arc<str>,
    /// The partition's number.
    pub id: i32,
    /// Tells this assignment from earlier ones of the same partition.
    pub assignment: u64,
    /// What tells the writes of this assignment from those of all others.
    pub lineage: Lineage,
    /// Which offsets may be committed.
    pub completion: Completion,
    /// How many of its ranges are under way.
    pub in_flight: usize,
    /// Ends what is under way when the partition is another's.
    pub cancel: CancellationToken,
    queue: Queue,
    open: Option<OpenRange>,
    fetching: bool,
    /// The first offset that was fetched, as long as nothing is complete.
    began: Option<i64>,
    /// What the range before held, and what the next is likely to.
    last: Shape,
    expected: usize,
}

impl Partition {
    /// A partition with nothing fetched yet.
    pub fn new(key: &TopicPartition, queue: Queue, assignment: u64) -> Self {
        Self {
            topic: key.topic.clone(),
            id: key.partition,
            assignment,
            lineage: Lineage::mint(),
            completion: Completion::default(),
            in_flight: 0,
            cancel: CancellationToken::new(),
            queue,
            open: None,
            fetching: true,
            began: None,
            last: Shape::default(),
            expected: 0,
        }
    }

    /// Its topic and number.
    pub fn key(&self) -> TopicPartition {
        TopicPartition { topic: self.topic.clone(), partition: self.id }
    }

    /// Fetches nothing more and gives up what no batch was made of: whoever owns the partition next reads it again.
    pub fn stop_fetching(&mut self) {
        self.fetching = false;
        self.open = None;
    }

    /// Takes what has come, up to the range's limits. Returns how many records, and what was wrong.
    pub fn fetch(&mut self, limits: &BatchLimits, now: Instant) -> (usize, Vec<FetchFault>) {
        if !self.fetching || self.open.as_ref().is_some_and(|open| open.is_full(limits)) {
            return (0, Vec::new());
        }
        let open = self.open.get_or_insert_with(|| OpenRange::new(now, self.last));
        let most = limits.records.saturating_sub(open.records.len());
        let (count, faults) = self.queue.fetch(&mut open.records, most);
        if self.began.is_none() {
            self.began = open.records.offsets.first().copied();
        }
        if open.records.is_empty() {
            self.open = None;
        }
        (count, faults)
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

    /// Whether the open range is full or has waited long enough.
    pub fn is_due(&self, limits: &BatchLimits, now: Instant) -> bool {
        self.open.as_ref().is_some_and(|open| open.is_full(limits) || now >= open.deadline(limits))
    }

    /// When the open range has waited long enough.
    pub fn deadline(&self, limits: &BatchLimits) -> Option<Instant> {
        self.open.as_ref().map(|open| open.deadline(limits))
    }

    /// Closes the open range; it is under way from now on.
    pub fn close(&mut self, limits: &BatchLimits) -> Option<(Range, Records)> {
        let open = self.open.take()?;
        let now_full = open.is_full(limits);
        let bytes = open.records.bytes();
        // A range that was closed early, for want of room, shall be larger the next time; one that lingered will linger again.
        self.expected = if now_full { bytes } else { (2 * bytes).min(limits.bytes.0) };
        self.last = open.records.shape();
        let (range, records) = open.close(&self.topic, self.id)?;
        self.completion.begin(&range);
        self.in_flight += 1;
        Some((range, records))
    }

    /// How many records lie between the last complete one and the end; none before the first record.
    pub fn lag(&self) -> Option<i64> {
        let position = self.completion.position().or(self.began)?;
        Some((self.queue.end()? - position).max(0))
    }
}
