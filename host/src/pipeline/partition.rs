//! A partition that is ours: where it stands, its queue while it is fetched, its open range, and which of its offsets are
//! complete.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tidegate_ledger::{BundleId, Entry, Ledger, Planned, Promise, Verdicts};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::batch::{Lineage, mint_lineage};
use super::deliver::Kept;
use super::range::{OpenRange, Range, Records, Shape};
use crate::config::BatchLimits;
use crate::kafka::{Beginning, Bound, Commit, FetchFault, Letters, Position, Queue, TopicPartition};

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
    waiting: BTreeMap<i64, oneshot::Sender<Go>>,
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

/// What becomes of a range that was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Go {
    /// It is planned: its rows may be sent.
    Send,
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
        self.position.is_none() && matches!(self.standing, Standing::Sound | Standing::Early)
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
            if let Some(go) = self.waiting.remove(&first) {
                // Whoever does not wait any more was cancelled.
                let _ = go.send(Go::Send);
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
    pub fn made(&mut self, range: &Range, (bundle, verdicts): (BundleId, Verdicts), now: u64, go: oneshot::Sender<Go>) {
        let goes_on = match self.standing {
            Standing::Sound | Standing::Adrift => true,
            Standing::Stopped => self.stopped_at.is_some_and(|at| range.first < at),
            Standing::Early | Standing::Leaving => false,
        };
        let Some(ledger) = self.ledger.as_mut().filter(|_| goes_on) else { return };
        let fits = ledger.has_room(range.first, &verdicts);
        let answer = match ledger.made(range.first, bundle, verdicts, now) {
            true => Go::Send,
            false if ledger.planned(range.first).is_none() && !fits => Go::Smaller,
            false if !ledger.finds_room(range.first) => Go::NoRoom,
            false => {
                self.waiting.insert(range.first, go);
                return;
            }
        };
        let _ = go.send(answer);
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
            Standing::Early | Standing::Stopped | Standing::Leaving => true,
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
        if let Some(planned) = self.replays.front() {
            return self.position.is_some_and(|position| position >= planned.next);
        }
        let Some(open) = &self.open else { return false };
        let ends = self.is_done() || self.standing == Standing::Adrift;
        open.is_full(limits) || ends || self.deadline(limits).is_some_and(|deadline| now >= deadline)
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

    /// How many records lie between the last complete one and the end; none until it is known where it begins.
    pub fn lag(&self) -> Option<i64> {
        let fetched = self.queue.as_ref().and_then(Queue::end);
        let end = fetched.max(self.end)?;
        Some((end - self.ledger.as_ref()?.position()).max(0))
    }
}
