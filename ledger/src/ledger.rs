//! The ledger of a partition: what of it is under way, what a commit is to say, and what may be sent.

use std::collections::BTreeMap;

use crate::plan::{BundleId, Joined, Lineage, Plan, Planned};
use crate::verdicts::Verdicts;

/// What is promised of a partition's records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Promise {
    /// None is lost. Nothing is planned: what is made may be sent at once, and after a crash some of it is sent again.
    AtLeastOnce,
    /// None is lost, and none is written twice.
    ExactlyOnce,
}

/// A commit's offset and what its metadata says of the ranges behind it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    /// Everything before it is complete.
    pub offset: i64,
    /// What is planned from there on.
    pub plan: Plan,
}

/// The ranges of a partition from the first that is not complete on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ledger {
    promise: Promise,
    lineage: Lineage,
    minted: Lineage,
    /// By first offset.
    ranges: BTreeMap<i64, Tracked>,
    /// Behind the last range of the complete ones that nothing open precedes.
    complete_to: i64,
    /// What the broker has, as far as it has answered.
    taken: Option<Entry>,
    /// What was sent to it and not answered.
    outstanding: Option<Entry>,
    /// Whether nothing more is planned than what is.
    is_closing: bool,
    room: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Tracked {
    next: i64,
    /// Once it is made, or was read in a plan.
    wanted: Option<Planned>,
    is_released: bool,
    is_complete: bool,
    /// Whether it goes into the plan of another partition's range: see [`Ledger::join`].
    is_joining: bool,
}

impl Tracked {
    fn new(next: i64) -> Self {
        Self { next, wanted: None, is_released: false, is_complete: false, is_joining: false }
    }
}

/// How a range is to be written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Making {
    /// What has made its rows.
    pub bundle: BundleId,
    /// What is left out of it.
    pub verdicts: Verdicts,
    /// What is written with it.
    pub joined: Vec<Joined>,
}

impl Making {
    /// A range that is written alone.
    pub fn alone(bundle: BundleId, verdicts: Verdicts) -> Self {
        Self { bundle, verdicts, joined: Vec::new() }
    }
}

impl Ledger {
    /// So many bytes of a commit's metadata are for the plan. A broker takes 4,096 by default (`offset.metadata.max.bytes`), and the rest of
    /// the metadata needs some.
    pub const ROOM: usize = 3_900;

    /// How much of the room new ranges may fill, in fourths: the rest is for verdicts that come later.
    const FOR_NEW: usize = 3;

    /// The same of a range with which those of other partitions are written: there are more verdicts to come.
    const FOR_JOINED: usize = 2;

    /// A partition that begins at an offset, of which the broker has this commit or none. `minted` becomes its lineage where the commit has
    /// none.
    pub fn begin(promise: Promise, offset: i64, taken: Option<Entry>, minted: Lineage, room: usize) -> Self {
        let plan = taken.as_ref().map(|entry| entry.plan.clone()).unwrap_or_default();
        let replayed = plan
            .ranges
            .iter()
            .map(|planned| (planned.first, Tracked { wanted: Some(planned.clone()), ..Tracked::new(planned.next) }));
        Self {
            promise,
            lineage: plan.lineage.unwrap_or(minted),
            minted,
            ranges: replayed.collect(),
            complete_to: offset,
            taken,
            outstanding: None,
            is_closing: false,
            room,
        }
    }

    /// What commits carry on.
    pub fn lineage(&self) -> Lineage {
        self.lineage
    }

    /// What tells writes of a range from all others. What nothing is planned of goes under a lineage that no commit ever carries: whoever plans
    /// the same range later must not be taken for who wrote it first, and left out something else.
    pub fn lineage_of(&self, first: i64) -> Lineage {
        match self.promise {
            Promise::AtLeastOnce if self.planned(first).is_none() => Lineage(!self.minted.0),
            _ => self.lineage,
        }
    }

    /// What the broker has, as far as it has answered; none where the group has no offset of the partition.
    pub fn taken(&self) -> Option<&Entry> {
        self.taken.as_ref()
    }

    /// What is to be processed again exactly as planned, before anything else is.
    pub fn to_replay(&self) -> impl Iterator<Item = &Planned> {
        let unmade = self.ranges.values().filter(|tracked| !tracked.is_released && !tracked.is_complete);
        unmade.filter_map(|tracked| tracked.wanted.as_ref()).filter(|wanted| self.is_taken(wanted))
    }

    /// No record that is wanted lies from offset `first` to before `next`.
    pub fn skip(&mut self, first: i64, next: i64) {
        self.ranges.insert(first, Tracked { is_complete: true, ..Tracked::new(next) });
        self.advance();
    }

    /// A range was closed and sent on its way. One that is planned already stays as it is.
    pub fn close(&mut self, first: i64, next: i64) {
        let is_released = self.promise == Promise::AtLeastOnce;
        self.ranges.entry(first).or_insert(Tracked { is_released, ..Tracked::new(next) });
    }

    /// A range of which nothing is planned becomes two, the second from `at` on: the verdicts of both together find no room.
    pub fn split(&mut self, first: i64, at: i64) {
        let is_planned = self.planned(first).is_some() || self.outstanding_names(first);
        let Some(tracked) = self.ranges.get_mut(&first) else { return };
        if is_planned || first >= at || at >= tracked.next {
            return;
        }
        let behind = Tracked { is_released: tracked.is_released, ..Tracked::new(tracked.next) };
        (tracked.next, tracked.wanted) = (at, None);
        self.ranges.insert(at, behind);
    }

    /// The plugin has run, or a table has refused rows: this is how the range is to be written. True where it may be sent at once; else it is
    /// to be planned first, and [`Self::answered`] says when it may.
    ///
    /// Other verdicts than before may come only where nothing that was sent with those can have been written, or still be. A new range whose
    /// verdicts find no room ([`Self::has_room`]) is not planned at all: see [`Self::split`].
    pub fn made(&mut self, first: i64, making: Making, now: u64) -> bool {
        let taken = self.taken.as_ref().and_then(|entry| entry.plan.ranges.iter().find(|range| range.first == first));
        let at = taken.map_or(now, |range| range.at);
        // It becomes two: what was planned of it whole would hold its second half back for ever, or pass over it.
        let is_too_large = self.promise == Promise::ExactlyOnce && taken.is_none() && !self.has_room(first, &making);
        let Some(tracked) = self.ranges.get_mut(&first) else { return false };
        let Making { bundle, verdicts, joined } = making;
        let wanted = Planned { first, next: tracked.next, bundle, verdicts, at, joined };
        tracked.is_released = match (self.promise, taken) {
            // It may have been sent: only the same again is safe.
            (_, Some(taken)) => taken.is_like(&wanted),
            (Promise::AtLeastOnce, None) => true,
            (Promise::ExactlyOnce, None) => false,
        };
        tracked.wanted = (!is_too_large).then_some(wanted);
        tracked.is_released
    }

    /// A range that was made goes with one of another partition: that one's plan names it from the commit on by which this one's offset moves
    /// past it. Both have to be one transaction of the broker's, since one without the other would lose the range, or write it twice.
    /// False where it cannot go: it is planned already, or something before it is not complete.
    pub fn join(&mut self, first: i64) -> bool {
        let can_go = self.promise == Promise::ExactlyOnce
            && !self.is_closing
            && !self.outstanding_names(first)
            && self.ranges.first_key_value().is_some_and(|(open, _)| *open == first)
            && self.planned(first).is_none();
        let tracked = self.ranges.get_mut(&first).filter(|tracked| can_go && tracked.wanted.is_some());
        tracked.map(|tracked| tracked.is_joining = true).is_some()
    }

    /// A range that was to join another, or to be joined, and is not planned yet, is planned alone.
    pub fn stay(&mut self, first: i64) {
        let is_sent =
            self.outstanding_names(first) || self.outstanding.as_ref().is_some_and(|sent| sent.offset > first);
        let is_planned = self.planned(first).is_some();
        if let Some(tracked) = self.ranges.get_mut(&first).filter(|_| !is_planned && !is_sent) {
            tracked.is_joining = false;
            if let Some(wanted) = &mut tracked.wanted {
                wanted.joined.clear();
            }
        }
    }

    /// What is left out of a range that is planned, and by what it is processed.
    pub fn planned(&self, first: i64) -> Option<&Planned> {
        self.taken.as_ref().and_then(|entry| entry.plan.ranges.iter().find(|range| range.first == first))
    }

    /// All rows of a range are where they belong.
    pub fn complete(&mut self, first: i64) {
        if let Some(tracked) = self.ranges.get_mut(&first).filter(|tracked| tracked.is_released) {
            tracked.is_complete = true;
        }
        self.advance();
    }

    fn advance(&mut self) {
        while let Some(first) = self.ranges.first_entry()
            && first.get().is_complete
        {
            self.complete_to = first.remove().next;
        }
    }

    /// Nothing more is planned; what is planned may come to its end. For a partition that goes to another member, or has to stop.
    pub fn close_down(&mut self) {
        self.is_closing = true;
    }

    /// Whether nothing more is planned.
    pub fn is_closing(&self) -> bool {
        self.is_closing
    }

    /// What is to be committed, if it is anything else than what the broker has. Nothing while a commit is outstanding.
    pub fn to_commit(&self) -> Option<Entry> {
        if self.outstanding.is_some() {
            return None;
        }
        let entry = self.entry();
        (self.taken.as_ref() != Some(&entry)).then_some(entry)
    }

    fn entry(&self) -> Entry {
        let joining = self.ranges.first_key_value().filter(|(_, tracked)| tracked.is_joining && !self.is_closing);
        let offset = joining.map_or(self.complete_to, |(_, tracked)| tracked.next);
        let mut plan = Plan { lineage: Some(self.lineage), ranges: Vec::new() };
        // What is planned stays planned. Verdicts that have come since find room beside it, or wait.
        let all = self.ranges.values().filter_map(|tracked| tracked.wanted.as_ref());
        let (planned, wanted): (Vec<_>, Vec<_>) =
            all.filter_map(|wanted| Some((self.planned(wanted.first)?.clone(), wanted))).unzip();
        plan.ranges = planned;
        for (index, wanted) in wanted.into_iter().enumerate() {
            let Some(place) = plan.ranges.get_mut(index).filter(|planned| !planned.is_like(wanted)) else { continue };
            let before = std::mem::replace(place, wanted.clone());
            if plan.write(offset).len() > self.room
                && let Some(place) = plan.ranges.get_mut(index)
            {
                *place = before;
            }
        }
        let plans_more = self.promise == Promise::ExactlyOnce && !self.is_closing;
        for tracked in self.ranges.values().skip(usize::from(joining.is_some())).filter(|_| plans_more) {
            match &tracked.wanted {
                Some(wanted) if self.planned(wanted.first).is_some() => {}
                Some(wanted) => {
                    plan.ranges.push(wanted.clone());
                    if plan.write(offset).len() > self.room / 4 * Self::FOR_NEW {
                        plan.ranges.pop();
                        break;
                    }
                }
                // Offsets without records are passed over; what is not made yet is not passed over by what lies behind it.
                None if tracked.is_complete => {}
                None => break,
            }
        }
        if self.promise == Promise::AtLeastOnce && plan.ranges.is_empty() {
            plan.lineage = None;
        }
        Entry { offset, plan }
    }

    /// Whether a range that was made is planned with the next commit or a later one: not where it was planned with other verdicts before, and
    /// its new ones find no room.
    pub fn finds_room(&self, first: i64) -> bool {
        let Some(wanted) = self.ranges.get(&first).and_then(|tracked| tracked.wanted.as_ref()) else { return false };
        let entry = self.entry();
        self.planned(first).is_none() || entry.plan.ranges.iter().any(|range| range.is_like(wanted))
    }

    /// Whether a range with these verdicts could ever be planned, were it alone. One that could not has to become smaller.
    pub fn has_room(&self, first: i64, making: &Making) -> bool {
        let (lineage, bundle) = (Some(self.lineage), BundleId(0));
        let (next, at) = (i64::MAX, u64::from(u32::MAX));
        let Making { bundle: _, verdicts, joined } = making.clone();
        let fourths = if joined.is_empty() { Self::FOR_NEW } else { Self::FOR_JOINED };
        let range = Planned { first, next, bundle, verdicts, at, joined };
        Plan { lineage, ranges: vec![range] }.write(first).len() <= self.room / 4 * fourths
    }

    /// The entry that [`Self::to_commit`] gave is on its way to the broker.
    pub fn sent(&mut self, entry: Entry) {
        self.outstanding = Some(entry);
    }

    /// The broker has taken what was sent. Returns the first offsets of the ranges that may be sent now.
    pub fn answered(&mut self) -> Vec<i64> {
        let Some(entry) = self.outstanding.take() else { return Vec::new() };
        let mut released = Vec::new();
        for (first, tracked) in self.ranges.range_mut(..entry.offset).filter(|(_, tracked)| tracked.is_joining) {
            // It is another partition's from now on.
            (tracked.is_joining, tracked.is_released, tracked.is_complete) = (false, true, true);
            released.push(*first);
        }
        self.advance();
        for planned in &entry.plan.ranges {
            if let Some(tracked) = self.ranges.get_mut(&planned.first)
                && !tracked.is_released
                && !tracked.is_complete
                && tracked.wanted.as_ref().is_some_and(|wanted| wanted.is_like(planned))
                // What was read in a plan is released when it is made again.
                && self.taken.as_ref().is_none_or(|taken| taken.plan.ranges.iter().all(|before| !before.is_like(planned)))
            {
                tracked.is_released = true;
                released.push(planned.first);
            }
        }
        self.taken = Some(entry);
        released
    }

    /// The broker has refused what was sent: it is certain not to be there.
    pub fn refused(&mut self) {
        self.outstanding = None;
    }

    /// Whether a commit is on its way.
    pub fn is_outstanding(&self) -> bool {
        self.outstanding.is_some()
    }

    /// Whether the group has an offset of the partition, so that nothing is passed over if another member goes on.
    pub fn has_begun(&self) -> bool {
        self.taken.is_some()
    }

    /// The next offset that is not complete, as far as is known.
    pub fn position(&self) -> i64 {
        self.complete_to
    }

    /// Whether nothing is under way or to be committed.
    pub fn is_at_rest(&self) -> bool {
        self.ranges.is_empty() && self.outstanding.is_none() && self.to_commit().is_none()
    }

    /// Whether a range may be sent.
    pub fn is_released(&self, first: i64) -> bool {
        self.ranges.get(&first).is_some_and(|tracked| tracked.is_released)
    }

    fn outstanding_names(&self, first: i64) -> bool {
        self.outstanding.as_ref().is_some_and(|entry| entry.plan.ranges.iter().any(|range| range.first == first))
    }

    fn is_taken(&self, wanted: &Planned) -> bool {
        self.planned(wanted.first).is_some_and(|taken| taken.is_like(wanted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUNDLE: BundleId = BundleId(5);

    fn ledger(promise: Promise, taken: Option<Entry>) -> Ledger {
        let offset = taken.as_ref().map_or(0, |entry| entry.offset);
        Ledger::begin(promise, offset, taken, Lineage(7), Ledger::ROOM)
    }

    fn made(ledger: &mut Ledger, first: i64, next: i64) -> bool {
        ledger.close(first, next);
        ledger.made(first, Making::alone(BUNDLE, Verdicts::default()), 1)
    }

    fn commit(ledger: &mut Ledger) -> (Entry, Vec<i64>) {
        let entry = ledger.to_commit().unwrap();
        ledger.sent(entry.clone());
        assert_eq!(ledger.to_commit(), None, "one at a time");
        (entry, ledger.answered())
    }

    fn left_out(records: u32) -> Making {
        Making::alone(BUNDLE, Verdicts { poison: (0..records).collect(), ..Verdicts::default() })
    }

    fn firsts(entry: &Entry) -> Vec<i64> {
        entry.plan.ranges.iter().map(|range| range.first).collect()
    }

    #[test]
    fn nothing_is_released_before_its_plan_is_answered() {
        let mut ledger = ledger(Promise::ExactlyOnce, None);
        assert_eq!(
            commit(&mut ledger).0,
            Entry { offset: 0, plan: Plan { lineage: Some(Lineage(7)), ranges: vec![] } }
        );
        ledger.close(0, 10);
        assert_eq!(ledger.to_commit(), None, "it is not made yet");
        assert!(!made(&mut ledger, 10, 20), "what is made earlier waits for what lies before it");
        assert_eq!(ledger.to_commit(), None);
        assert!(!made(&mut ledger, 0, 10));
        ledger.complete(0);
        assert_eq!(ledger.position(), 0, "what was not sent is not complete");
        let (entry, released) = commit(&mut ledger);
        assert_eq!((entry.offset, firsts(&entry), released), (0, vec![0, 10], vec![0, 10]));
        ledger.complete(10);
        assert_eq!(ledger.to_commit(), None, "what is complete stays planned until all before it is");
        assert!(!made(&mut ledger, 20, 30));
        ledger.complete(0);
        let (entry, released) = commit(&mut ledger);
        assert_eq!((entry.offset, firsts(&entry), released), (20, vec![20], vec![20]));
        ledger.complete(20);
        assert_eq!(commit(&mut ledger).0.offset, 30);
        assert!(ledger.is_at_rest());
    }

    #[test]
    fn a_refused_commit_releases_nothing_and_is_made_again() {
        let mut ledger = ledger(Promise::ExactlyOnce, None);
        made(&mut ledger, 0, 10);
        let entry = ledger.to_commit().unwrap();
        ledger.sent(entry.clone());
        ledger.refused();
        assert!(!ledger.is_released(0));
        assert_eq!(commit(&mut ledger), (entry, vec![0]));
    }

    #[test]
    fn who_comes_next_replays_what_is_planned_and_only_as_it_is_planned() {
        let mut before = ledger(Promise::ExactlyOnce, None);
        made(&mut before, 0, 10);
        before.skip(10, 12);
        made(&mut before, 12, 20);
        let (entry, _) = commit(&mut before);
        let mut after = ledger(Promise::ExactlyOnce, Some(entry));
        let planned: Vec<_> = after.to_replay().map(|range| (range.first, range.next)).collect();
        assert_eq!(planned, [(0, 10), (12, 20)]);
        after.close(0, 10);
        let other = Verdicts { poison: [1].into(), ..Verdicts::default() };
        assert!(!after.made(0, Making::alone(BUNDLE, other), 1), "it traps now on what it took before");
        assert!(after.made(0, Making::alone(BUNDLE, Verdicts::default()), 9));
        after.complete(0);
        let (entry, released) = commit(&mut after);
        assert_eq!((entry.offset, firsts(&entry), released), (10, vec![12], vec![]), "the second is not made yet");
        assert!(after.made(12, Making::alone(BUNDLE, Verdicts::default()), 9));
        after.complete(12);
        assert_eq!(commit(&mut after).0.offset, 20);
    }

    #[test]
    fn verdicts_that_come_later_are_planned_before_the_rest_is_sent() {
        let mut ledger = ledger(Promise::ExactlyOnce, None);
        made(&mut ledger, 0, 10);
        commit(&mut ledger);
        let mut verdicts = Verdicts::default();
        verdicts.refuse(0, 3);
        assert!(!ledger.made(0, Making::alone(BUNDLE, verdicts.clone()), 8));
        assert!(!ledger.is_released(0));
        let (entry, released) = commit(&mut ledger);
        assert_eq!((&entry.plan.ranges[0].verdicts, entry.plan.ranges[0].at, released), (&verdicts, 1, vec![0]));
    }

    #[test]
    fn at_least_once_plans_nothing_and_finishes_what_was_planned() {
        let mut before = ledger(Promise::ExactlyOnce, None);
        made(&mut before, 0, 10);
        let (entry, _) = commit(&mut before);
        let mut after = Ledger::begin(Promise::AtLeastOnce, 0, Some(entry), Lineage(8), Ledger::ROOM);
        assert_eq!(after.to_commit(), None);
        assert!(made(&mut after, 10, 20), "what was never planned may be sent");
        assert_eq!((after.lineage_of(0), after.lineage_of(10)), (Lineage(7), Lineage(!8)));
        assert!(after.made(0, Making::alone(BUNDLE, Verdicts::default()), 1));
        after.complete(10);
        after.complete(0);
        assert_eq!(commit(&mut after).0, Entry { offset: 20, plan: Plan::default() });
    }

    #[test]
    fn a_partition_that_goes_away_plans_nothing_more() {
        let mut ledger = ledger(Promise::ExactlyOnce, None);
        made(&mut ledger, 0, 10);
        commit(&mut ledger);
        ledger.close_down();
        made(&mut ledger, 10, 20);
        assert_eq!(ledger.to_commit(), None);
        ledger.complete(0);
        assert_eq!(firsts(&commit(&mut ledger).0), []);
    }

    #[test]
    fn plans_stay_within_their_room_and_verdicts_have_some_left() {
        let mut ledger = Ledger::begin(Promise::ExactlyOnce, 0, None, Lineage(7), 400);
        for first in 0..100 {
            made(&mut ledger, 10 * first, 10 * first + 10);
        }
        let (entry, released) = commit(&mut ledger);
        assert!(entry.plan.write(0).len() <= 300 && released.len() > 5, "{released:?}");
        let many = Verdicts { poison: (0..150).collect(), ..Verdicts::default() };
        assert!(!ledger.made(0, Making::alone(BUNDLE, many), 1));
        let (entry, released) = commit_if(&mut ledger);
        assert_eq!((entry, released), (None, vec![]), "no room: it stays as it was planned");
        assert!(!ledger.finds_room(0) && ledger.finds_room(990));
        assert!(!ledger.has_room(0, &left_out(300)));
        assert!(ledger.has_room(0, &left_out(50)));
    }

    #[test]
    fn a_range_that_is_to_become_two_is_not_planned_meanwhile() {
        // The least room that is not enough: what is planned now is shorter than the longest that it might be.
        let many = Verdicts { poison: (0..9).collect(), ..Verdicts::default() };
        let narrow = |room| Ledger::begin(Promise::ExactlyOnce, 0, None, Lineage(7), room);
        let room = (0..Ledger::ROOM)
            .rev()
            .find(|room| !narrow(*room).has_room(0, &Making::alone(BUNDLE, many.clone())))
            .unwrap();
        let mut ledger = narrow(room);
        ledger.close(0, 10);
        assert!(!ledger.made(0, Making::alone(BUNDLE, many), 1));
        assert_eq!(firsts(&ledger.to_commit().unwrap()), []);
        ledger.split(0, 5);
        made(&mut ledger, 0, 5);
        made(&mut ledger, 5, 10);
        let ends: Vec<_> = ledger.to_commit().unwrap().plan.ranges.iter().map(|range| range.next).collect();
        assert_eq!(ends, [5, 10]);
    }

    #[test]
    fn a_range_with_too_many_verdicts_becomes_two() {
        let mut ledger = ledger(Promise::ExactlyOnce, None);
        made(&mut ledger, 0, 10);
        ledger.split(0, 6);
        assert_eq!(commit(&mut ledger).1, [], "nothing is made any more");
        assert!(!made(&mut ledger, 6, 10) && !made(&mut ledger, 0, 6));
        assert_eq!(commit(&mut ledger).1, [0, 6]);
        ledger.split(0, 3);
        ledger.complete(0);
        assert_eq!(ledger.position(), 6, "what is planned stays as it is");
    }

    #[test]
    fn a_range_that_joins_another_is_passed_over_and_the_others_plan_names_it() {
        let (mut leader, mut other) = (ledger(Promise::ExactlyOnce, None), ledger(Promise::ExactlyOnce, None));
        commit(&mut leader);
        commit(&mut other);
        made(&mut leader, 0, 10);
        made(&mut other, 0, 7);
        made(&mut other, 7, 9);
        assert!(!other.join(7), "something before it is not complete");
        assert!(other.join(0));
        let joined = Joined { partition: 3, first: 0, next: 7, verdicts: Verdicts::default() };
        let making = Making { joined: vec![joined.clone()], ..Making::alone(BUNDLE, Verdicts::default()) };
        assert!(leader.has_room(0, &making) && !leader.made(0, making, 1));
        let (entry, released) = commit(&mut other);
        assert_eq!((entry.offset, firsts(&entry), released), (7, vec![7], vec![0, 7]), "what lies behind is its own");
        let (entry, released) = commit(&mut leader);
        assert_eq!((&entry.plan.ranges[0].joined, released), (&vec![joined.clone()], vec![0]));
        assert!(!other.join(7), "it is planned");
        // Whoever comes next writes both as they are planned, and nothing else.
        let mut after = ledger(Promise::ExactlyOnce, Some(entry));
        assert!(!after.made(0, Making::alone(BUNDLE, Verdicts::default()), 2), "without the other");
        assert!(after.made(0, Making { joined: vec![joined], ..Making::alone(BUNDLE, Verdicts::default()) }, 2));
        after.complete(0);
        assert_eq!(commit(&mut after).0.offset, 10);
        other.complete(7);
        assert_eq!(commit(&mut other).0.offset, 9);
    }

    #[test]
    fn a_range_that_does_not_join_after_all_is_planned_alone() {
        let mut ledger = ledger(Promise::ExactlyOnce, None);
        commit(&mut ledger);
        made(&mut ledger, 0, 10);
        assert!(ledger.join(0));
        let entry = ledger.to_commit().unwrap();
        ledger.sent(entry.clone());
        ledger.stay(0);
        ledger.refused();
        assert_eq!(ledger.to_commit(), Some(entry), "it was on its way: what is refused goes together once more");
        ledger.stay(0);
        let (entry, released) = commit(&mut ledger);
        assert_eq!((entry.offset, firsts(&entry), released), (0, vec![0], vec![0]));
        let mut closing = self::ledger(Promise::ExactlyOnce, None);
        made(&mut closing, 0, 10);
        assert!(closing.join(0));
        closing.close_down();
        assert_eq!(closing.to_commit().map(|entry| entry.offset), Some(0), "whoever comes next reads it");
    }

    fn commit_if(ledger: &mut Ledger) -> (Option<Entry>, Vec<i64>) {
        match ledger.to_commit() {
            Some(entry) => {
                ledger.sent(entry.clone());
                (Some(entry), ledger.answered())
            }
            None => (None, Vec::new()),
        }
    }
}
