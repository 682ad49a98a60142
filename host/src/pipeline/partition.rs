//! A partition that is ours: where it stands, its queue while it is fetched, its open range, and which of its offsets are
//! complete.

mod commits;
mod fetching;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tidegate_ledger::{Entry, Joined, Ledger, Planned, Promise};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::batch::mint_lineage;
use super::deliver::Kept;
use super::range::{OpenRange, Range, Records, Shape};
use super::transform::Transformed;
use crate::kafka::{Beginning, Position, Queue, TopicPartition};

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
    /// What of it is under way, and what may be sent and committed; none until it is known where the partition begins.
    ledger: Option<Ledger>,
    promise: Promise,
    /// Ranges that were planned before it was ours, in their order: they are closed as they were, before anything else is.
    replays: VecDeque<Planned>,
    /// By first offset: dead letters of complete ranges, until a commit has moved the offset past them.
    letters: BTreeMap<i64, Kept>,
    /// Whether the commit that the broker has says which transactions a successor has to end.
    is_announced: bool,
    /// Nothing is fetched or committed before this: its letters cannot be written.
    rests_until: Option<Instant>,
    /// Where it stopped, if it did.
    stopped_at: Option<i64>,
    /// By first offset: who waits until a commit of the plan is answered.
    waiting: BTreeMap<i64, Waiting>,
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

/// Who waits until a range is planned, and what is answered then.
struct Waiting {
    go: oneshot::Sender<Go>,
    then: Go,
}

/// What becomes of a range that was made.
#[derive(Debug)]
pub enum Go {
    /// It is planned: its rows may be sent.
    Send,
    /// It is planned with ranges of other partitions: what those have become comes by these, and all is sent as one.
    Lead(Vec<(Joined, oneshot::Receiver<Box<Transformed>>)>),
    /// It is planned with a range of another partition, which waits for what it has become.
    Join(oneshot::Sender<Box<Transformed>>),
    /// What is left out of it finds no room in a plan: it has to become two.
    Smaller,
    /// The same, of a range that is planned already.
    NoRoom,
}

/// A range that is closed.
pub struct Closed {
    /// Its boundaries.
    pub range: Range,
    /// What it holds.
    pub records: Records,
    /// How it was planned, where it was.
    pub planned: Option<Planned>,
}

/// Whether records of a partition may be fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// They may.
    Sound,
    /// It cannot begin yet: `start` names an offset that is to come.
    Early,
    /// It cannot begin before an operator has decided what became of what is planned.
    Undecided,
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
    pub fn new(key: &TopicPartition, assignment: u64, promise: Promise) -> Self {
        Self {
            topic: key.topic.clone(),
            id: key.partition,
            assignment,
            ledger: None,
            promise,
            replays: VecDeque::new(),
            letters: BTreeMap::new(),
            is_announced: false,
            rests_until: None,
            stopped_at: None,
            waiting: BTreeMap::new(),
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
        self.position.is_none() && matches!(self.standing, Standing::Sound | Standing::Early | Standing::Undecided)
    }

    /// It begins here.
    pub fn begin(&mut self, position: &Position) {
        self.standing = Standing::Sound;
        let taken = position.committed.then(|| Entry { offset: position.offset, plan: position.plan.clone() });
        self.replays = taken.iter().flat_map(|entry| entry.plan.ranges.iter().cloned()).collect();
        self.ledger = Some(Ledger::begin(self.promise, position.offset, taken, mint_lineage(), Ledger::ROOM));
        self.position = Some(position.offset);
        self.end = Some(position.end);
        self.beginning = Some(position.beginning);
    }

    /// It cannot begin yet.
    pub fn wait(&mut self) {
        self.standing = Standing::Early;
    }

    /// It cannot begin before an operator has decided.
    pub fn wait_for_operator(&mut self) {
        self.standing = Standing::Undecided;
    }

    /// Plans nothing more. What is planned and sent may come to its end.
    fn close_down(&mut self) {
        self.open = None;
        self.replays.clear();
        self.waiting.clear();
        if let Some(ledger) = &mut self.ledger {
            ledger.close_down();
        }
    }

    fn has_begun(&self) -> bool {
        self.ledger.as_ref().is_some_and(Ledger::has_begun)
    }

    fn has_drained(&self) -> bool {
        self.in_flight == 0 && self.open.is_none() && !self.is_uncommitted()
    }

    /// From which offset on it is to be fetched, where it is not and nothing is in the way.
    pub fn ready(&self, now: Instant) -> Option<i64> {
        let position = self.position?;
        if self.disturbed.is_some_and(|since| now < since + REST) {
            return None;
        }
        // Where nothing is committed yet, another member that took over would not know where this one began.
        let ready = self.standing == Standing::Sound && self.queue.is_none() && self.has_begun();
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
        match self.standing {
            Standing::Sound => self.is_done() && self.replays.is_empty() && self.has_drained(),
            Standing::Adrift => false,
            Standing::Early | Standing::Undecided | Standing::Stopped | Standing::Leaving => true,
        }
    }

    /// Whether it is known where it begins, and all that was fetched is complete and committed.
    pub fn is_at_rest(&self) -> bool {
        let at_rest = self.has_drained() && self.replays.is_empty();
        at_rest && self.standing == Standing::Sound && self.has_begun()
    }

    /// The next offset to fetch, once it is known.
    pub fn position(&self) -> Option<i64> {
        self.position
    }

    /// Where the broker says that it ends.
    pub fn set_end(&mut self, end: i64) {
        self.end = Some(end);
    }

    /// The range at this offset cannot be completed, or nothing of the partition can: nothing behind it is read or planned. What lies before
    /// it goes on to its end.
    pub fn stop(&mut self, at: Option<i64>) {
        if self.standing != Standing::Leaving {
            self.standing = Standing::Stopped;
        }
        match at {
            Some(at) => {
                self.open = None;
                self.replays.clear();
                self.waiting.retain(|first, _| *first < at);
                self.stopped_at = self.stopped_at.map_or(Some(at), |before| Some(before.min(at)));
            }
            None => self.close_down(),
        }
    }

    /// What stopped it is over: it begins anew from what is committed, once nothing of it is under way.
    pub fn resume(&mut self) {
        if self.standing == Standing::Stopped {
            self.standing = Standing::Adrift;
        }
    }

    /// Where it stopped, if it did at a range.
    pub fn stopped_at(&self) -> Option<i64> {
        self.stopped_at
    }

    /// Whether nothing of it goes on until somebody mends something or decides.
    pub fn waits_for_people(&self) -> bool {
        matches!(self.standing, Standing::Stopped | Standing::Undecided)
    }

    /// Whether it was stopped.
    pub fn is_stopped(&self) -> bool {
        self.standing == Standing::Stopped
    }

    /// Fetches nothing more and gives up what no batch was made of: whoever owns the partition next reads it again.
    pub fn leave(&mut self) {
        self.standing = Standing::Leaving;
        self.close_down();
    }

    /// The log does not have its position any more.
    pub fn drift(&mut self) {
        if self.standing == Standing::Sound {
            self.standing = Standing::Adrift;
            // What is planned and not fetched yet is looked for anew.
            if !self.replays.is_empty() {
                self.close_down();
            }
        }
    }

    /// Whether it is to begin anew, and nothing of it is under way.
    pub fn may_begin_anew(&self) -> bool {
        self.standing == Standing::Adrift && self.has_drained()
    }

    /// How many records lie between the last complete one and the end; none until it is known where it begins.
    pub fn lag(&self) -> Option<i64> {
        let fetched = self.queue.as_ref().and_then(Queue::end);
        let end = fetched.max(self.end)?;
        Some((end - self.ledger.as_ref()?.position()).max(0))
    }
}
