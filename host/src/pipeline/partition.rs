//! A partition that is ours: where it stands, its queue while it is fetched, its open range, and which of its offsets are
//! complete.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::batch::Lineage;
use super::complete::Completion;
use super::range::{OpenRange, Range, Records, Shape};
use crate::config::BatchLimits;
use crate::kafka::{Beginning, Bound, Commit, FetchFault, Position, Queue, TopicPartition};

/// How long a partition rests after something came of its queue that was no record: it may well come again.
const REST: Duration = Duration::from_secs(1);

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
    standing: Standing,
    /// How the group began in its topic; none until it is known where the partition begins.
    beginning: Option<Beginning>,
    /// The next offset to fetch; none until it is known where the partition begins.
    position: Option<i64>,
    /// No record is fetched from this offset on.
    bound: Option<i64>,
    /// Behind the last record, as the broker said when it was asked.
    end: Option<i64>,
    /// While it is fetched.
    queue: Option<Queue>,
    /// When something came of its queue that was no record. librdkafka counts that as one: before anything else is fetched,
    /// the partition is put back and taken again at its position.
    disturbed: Option<Instant>,
    open: Option<OpenRange>,
    /// What the range before held, and what the next is likely to.
    last: Shape,
    expected: usize,
}

/// Whether records of a partition may be fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// They may.
    Sound,
    /// It cannot begin yet: `start` names an offset that is to come.
    Early,
    /// A range cannot be completed: nothing behind it is read.
    Stopped,
    /// It goes to another member.
    Leaving,
    /// The log does not have its position any more, or it had stopped and may go on. It begins anew when all is committed that is
    /// under way.
    Adrift,
}

impl Partition {
    /// A partition of which nobody knows yet where it begins.
    pub fn new(key: &TopicPartition, assignment: u64) -> Self {
        Self {
            topic: key.topic.clone(),
            id: key.partition,
            assignment,
            lineage: Lineage::mint(),
            completion: Completion::default(),
            in_flight: 0,
            cancel: CancellationToken::new(),
            standing: Standing::Sound,
            beginning: None,
            position: None,
            bound: None,
            end: None,
            queue: None,
            disturbed: None,
            open: None,
            last: Shape::default(),
            expected: 0,
        }
    }

    /// Its topic and number.
    pub fn key(&self) -> TopicPartition {
        TopicPartition { topic: self.topic.clone(), partition: self.id }
    }

    /// Whether nobody knows yet where it begins.
    pub fn is_unknown(&self) -> bool {
        self.position.is_none() && matches!(self.standing, Standing::Sound | Standing::Early)
    }

    /// It begins here.
    pub fn begin(&mut self, position: &Position) {
        self.standing = Standing::Sound;
        self.completion = Completion::start(position.offset);
        if position.committed {
            self.completion.committed(position.offset);
        }
        self.position = Some(position.offset);
        self.end = Some(position.end);
        self.beginning = Some(position.beginning);
    }

    /// It cannot begin yet.
    pub fn wait(&mut self) {
        self.standing = Standing::Early;
    }

    /// What of it is to be committed, if anything is.
    pub fn to_commit(&self) -> Option<Commit> {
        let (offset, beginning) = (self.completion.to_commit()?, self.beginning?);
        Some(Commit { partition: self.key(), offset, beginning })
    }

    /// From which offset on it is to be fetched, where it is not and nothing is in the way.
    pub fn ready(&self, now: Instant) -> Option<i64> {
        let position = self.position?;
        if self.disturbed.is_some_and(|since| now < since + REST) {
            return None;
        }
        // Where nothing is committed yet, another member that took over would not know where this one began.
        let ready = self.standing == Standing::Sound && self.queue.is_none() && self.completion.has_begun();
        (ready && !self.is_done()).then_some(position)
    }

    /// It is fetched into this queue.
    pub fn take(&mut self, queue: Queue) {
        self.queue = Some(queue);
        self.disturbed = None;
    }

    /// It is fetched no more, until it is taken again.
    pub fn put_back(&mut self) {
        self.queue = None;
    }

    /// Whether it is fetched and is not to be any more.
    pub fn is_to_be_put_back(&self) -> bool {
        self.queue.is_some() && (self.disturbed.is_some() || self.is_done() || self.may_begin_anew())
    }

    /// No record is fetched from this offset on.
    pub fn set_bound(&mut self, bound: Option<i64>) {
        self.bound = bound;
    }

    /// Whether there is a bound, or none is to come since it takes no part.
    pub fn is_bounded(&self) -> bool {
        self.bound.is_some() || self.position.is_none() || !matches!(self.standing, Standing::Sound | Standing::Adrift)
    }

    /// Whether all up to its bound is fetched.
    pub fn is_done(&self) -> bool {
        self.bound.is_some_and(|bound| self.position.is_some_and(|position| position >= bound))
    }

    /// Whether all up to its bound is complete and committed, or it takes no part.
    pub fn is_settled(&self) -> bool {
        let drained = self.in_flight == 0 && self.open.is_none() && self.completion.to_commit().is_none();
        match self.standing {
            Standing::Sound => self.is_done() && drained,
            Standing::Adrift => false,
            Standing::Early | Standing::Stopped | Standing::Leaving => true,
        }
    }

    /// Whether it is known where it begins, and all that was fetched is complete and committed.
    pub fn is_at_rest(&self) -> bool {
        let drained = self.in_flight == 0 && self.open.is_none() && self.completion.to_commit().is_none();
        drained && self.standing == Standing::Sound && self.completion.has_begun()
    }

    /// The next offset to fetch, once it is known.
    pub fn position(&self) -> Option<i64> {
        self.position
    }

    /// Where the broker says that it ends.
    pub fn set_end(&mut self, end: i64) {
        self.end = Some(end);
    }

    /// A range cannot be completed: nothing behind it is read.
    pub fn stop(&mut self) {
        if self.standing != Standing::Leaving {
            self.standing = Standing::Stopped;
        }
        self.open = None;
    }

    /// What stopped it is over: it begins anew from what is committed, once nothing of it is under way.
    pub fn resume(&mut self) {
        if self.standing == Standing::Stopped {
            self.standing = Standing::Adrift;
        }
    }

    /// Whether it was stopped.
    pub fn is_stopped(&self) -> bool {
        self.standing == Standing::Stopped
    }

    /// Fetches nothing more and gives up what no batch was made of: whoever owns the partition next reads it again.
    pub fn leave(&mut self) {
        self.standing = Standing::Leaving;
        self.open = None;
    }

    /// The log does not have its position any more.
    pub fn drift(&mut self) {
        if self.standing == Standing::Sound {
            self.standing = Standing::Adrift;
        }
    }

    /// Whether it is to begin anew, and nothing of it is under way.
    pub fn may_begin_anew(&self) -> bool {
        let drained = self.in_flight == 0 && self.open.is_none() && self.completion.to_commit().is_none();
        self.standing == Standing::Adrift && drained
    }

    /// Takes what has come, up to the range's limits. Returns how many records, and what was wrong.
    pub fn fetch(&mut self, limits: &BatchLimits, now: Instant) -> (usize, Vec<FetchFault>) {
        let (Some(queue), Some(position)) = (&mut self.queue, self.position) else { return (0, Vec::new()) };
        let full = self.open.as_ref().is_some_and(|open| open.is_full(limits));
        let done = self.bound.is_some_and(|bound| position >= bound);
        if full || done || self.disturbed.is_some() || self.standing != Standing::Sound {
            return (0, Vec::new());
        }
        let open = self.open.get_or_insert_with(|| OpenRange::new(now, self.last));
        let most = limits.records.saturating_sub(open.records.len());
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
        // They become the open range's own.
        if self.open.is_none() {
            self.completion.skip(position, reached);
        }
        self.position = Some(reached);
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

    /// Whether the open range is full, has all that it will get, or has waited long enough.
    pub fn is_due(&self, limits: &BatchLimits, now: Instant) -> bool {
        let Some(open) = &self.open else { return false };
        let ends = self.is_done() || self.standing == Standing::Adrift;
        open.is_full(limits) || ends || self.deadline(limits).is_some_and(|deadline| now >= deadline)
    }

    /// When the open range has waited long enough; never where what is to come is known to be there already.
    pub fn deadline(&self, limits: &BatchLimits) -> Option<Instant> {
        self.open.as_ref().filter(|_| self.bound.is_none()).map(|open| open.deadline(limits))
    }

    /// Closes the open range; it is under way from now on.
    pub fn close(&mut self, limits: &BatchLimits) -> Option<(Range, Records)> {
        let open = self.open.take()?;
        let now_full = open.is_full(limits);
        let bytes = open.records.bytes();
        // A range that was closed early, for want of room, shall be larger the next time; one that lingered will linger again.
        self.expected = if now_full { bytes } else { (2 * bytes).min(limits.bytes.0) };
        self.last = open.records.shape();
        let (range, records) = open.close(&self.topic, self.id, self.position?)?;
        self.completion.begin(&range);
        self.in_flight += 1;
        Some((range, records))
    }

    /// How many records lie between the last complete one and the end; none until it is known where it begins.
    pub fn lag(&self) -> Option<i64> {
        let fetched = self.queue.as_ref().and_then(Queue::end);
        let end = fetched.max(self.end)?;
        Some((end - self.completion.position()?).max(0))
    }
}
