//! Which version of a pipeline transforms the next range: the one that runs, or a new one on probation beside the former one. Pure but for
//! its lock: knows nothing of files, Kafka or sinks.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::deployment::Deployment;
use crate::config::{BatchLimits, Probation};

/// The versions of a running pipeline.
pub struct Versions<D = Deployment> {
    state: Mutex<State<D>>,
    turned: Notify,
}

struct State<D> {
    current: Arc<D>,
    trial: Option<Trial<D>>,
    /// Counts what takes the place of what: a trial of another turn is over.
    turn: u64,
    /// What nobody has been told yet.
    outcomes: VecDeque<Turned<D>>,
    /// The version that was rolled back last.
    discarded: Option<Arc<D>>,
}

/// A new version that is compared with the former one.
struct Trial<D> {
    former: Arc<D>,
    probation: Probation,
    ranges: usize,
    records: u64,
    worse: u64,
}

/// What transforms a range.
#[derive(Debug)]
pub enum Choice<D = Deployment> {
    /// This version, without further ado.
    Proven(Arc<D>),
    /// The new version, whose rows count only where it is no worse than the former one.
    OnProbation(OnProbation<D>),
}

/// A version on probation.
#[derive(Debug)]
pub struct OnProbation<D = Deployment> {
    /// The one to be tried.
    pub new: Arc<D>,
    /// The one that stands in for it.
    pub former: Arc<D>,
    turn: u64,
}

/// What a range says of a version on probation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trialled {
    /// How many records it held.
    pub records: u64,
    /// How many of them the new version rejects or traps on although the former one takes them.
    pub worse: u64,
    /// What the first of those died of; empty where there is none.
    pub reason: String,
}

/// Whether what a version on probation made counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It does.
    Keep,
    /// The former version, which runs again, has to make it.
    Discard,
}

/// How a probation ended.
pub enum Turned<D = Deployment> {
    /// The new version is as good as the former.
    Proven(Arc<D>),
    /// It is not, and the former runs again: the refused one, and why.
    RolledBack(Arc<D>, String),
}

impl<D> Versions<D> {
    /// A pipeline that runs this version.
    pub fn new(version: Arc<D>) -> Self {
        let state = State { current: version, trial: None, turn: 0, outcomes: VecDeque::new(), discarded: None };
        Self { state: Mutex::new(state), turned: Notify::new() }
    }

    /// The version that transforms the next range.
    pub fn current(&self) -> Arc<D> {
        self.state.lock().current.clone()
    }

    /// Whether that version is on probation.
    pub fn is_on_probation(&self) -> bool {
        self.state.lock().trial.is_some()
    }

    /// Moves on whenever another version takes over.
    pub fn turn(&self) -> u64 {
        self.state.lock().turn
    }

    /// What transforms the next range.
    pub fn choose(&self) -> Choice<D> {
        let state = self.state.lock();
        let new = state.current.clone();
        match &state.trial {
            None => Choice::Proven(new),
            Some(trial) => Choice::OnProbation(OnProbation { new, former: trial.former.clone(), turn: state.turn }),
        }
    }

    /// Lets a new version take over from the next range on. The former version of a probation that goes on stays the same: it is the
    /// last one that was proven.
    pub fn swap(&self, version: Arc<D>, probation: Probation) {
        let mut state = self.state.lock();
        let before = std::mem::replace(&mut state.current, version);
        let former = state.trial.take().map_or(before, |trial| trial.former);
        state.turn += 1;
        // Coming back to what is proven needs no probation.
        if probation.ranges > 0 && !Arc::ptr_eq(&former, &state.current) {
            state.trial = Some(Trial { former, probation, ranges: 0, records: 0, worse: 0 });
        }
    }

    /// The version that was proven last.
    pub fn proven(&self) -> Arc<D> {
        let state = self.state.lock();
        state.trial.as_ref().map_or_else(|| state.current.clone(), |trial| trial.former.clone())
    }

    /// A range that a version on probation has transformed.
    pub fn judge(&self, tried: &OnProbation<D>, range: &Trialled) -> Verdict {
        let mut state = self.state.lock();
        let State { trial: Some(trial), turn, .. } = &mut *state else {
            // The probation has ended meanwhile: well, if the version is still the one that runs.
            return if Arc::ptr_eq(&state.current, &tried.new) { Verdict::Keep } else { Verdict::Discard };
        };
        if *turn != tried.turn {
            // A newer version took over. What this one made of the range is judged by itself.
            let exceeded = trial.probation.rejects.is_exceeded(range.worse, range.records);
            let discarded = state.discarded.as_ref().is_some_and(|discarded| Arc::ptr_eq(discarded, &tried.new));
            return if exceeded || discarded { Verdict::Discard } else { Verdict::Keep };
        }
        trial.ranges += 1;
        trial.records += range.records;
        trial.worse += range.worse;
        if trial.probation.rejects.is_exceeded(trial.worse, trial.records) {
            let (worse, records, allowed) = (trial.worse, trial.records, trial.probation.rejects);
            let reason = format!(
                "rolled back by itself: {worse} of the first {records} records are rejected or trap that the former version takes \
                 (`probation.rejects` allows {allowed}), the first of them: {}",
                range.reason
            );
            let former = trial.former.clone();
            let refused = std::mem::replace(&mut state.current, former);
            state.trial = None;
            state.turn += 1;
            state.discarded = Some(refused.clone());
            state.outcomes.push_back(Turned::RolledBack(refused, reason));
            drop(state);
            self.turned.notify_one();
            return Verdict::Discard;
        }
        if trial.ranges >= trial.probation.ranges {
            state.trial = None;
            state.outcomes.push_back(Turned::Proven(tried.new.clone()));
            drop(state);
            self.turned.notify_one();
        }
        Verdict::Keep
    }

    /// Waits until a probation has ended.
    pub async fn turned(&self) -> Turned<D> {
        loop {
            if let Some(outcome) = self.state.lock().outcomes.pop_front() {
                return outcome;
            }
            self.turned.notified().await;
        }
    }
}

impl Versions {
    /// When ranges are closed.
    pub fn limits(&self) -> BatchLimits {
        self.state.lock().current.limits()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probation(ranges: usize, rejects: &str) -> Probation {
        Probation { ranges, rejects: rejects.parse().unwrap() }
    }

    fn range(records: u64, worse: u64) -> Trialled {
        Trialled { records, worse, reason: "no price".into() }
    }

    fn on_probation(versions: &Versions<u8>) -> OnProbation<u8> {
        match versions.choose() {
            Choice::OnProbation(trial) => trial,
            Choice::Proven(version) => panic!("{version} is proven"),
        }
    }

    fn swapped(probation: Probation) -> Versions<u8> {
        let versions = Versions::new(Arc::new(1));
        assert!(matches!(versions.choose(), Choice::Proven(version) if *version == 1));
        versions.swap(Arc::new(2), probation);
        versions
    }

    fn outcome(versions: &Versions<u8>) -> Option<Turned<u8>> {
        versions.state.lock().outcomes.pop_front()
    }

    #[test]
    fn a_version_that_is_no_worse_is_proven_after_its_ranges() {
        let versions = swapped(probation(2, "1 %"));
        let trial = on_probation(&versions);
        assert_eq!((*trial.new, *trial.former, *versions.proven()), (2, 1, 1));
        assert_eq!(versions.judge(&trial, &range(100, 1)), Verdict::Keep);
        assert!(versions.is_on_probation() && outcome(&versions).is_none());
        assert_eq!(versions.judge(&trial, &range(100, 1)), Verdict::Keep);
        assert!(matches!(outcome(&versions), Some(Turned::Proven(version)) if *version == 2));
        // A range that was still under way.
        assert_eq!(versions.judge(&trial, &range(100, 0)), Verdict::Keep);
        assert_eq!((*versions.current(), *versions.proven()), (2, 2));
    }

    #[test]
    fn a_worse_version_is_rolled_back_and_what_it_made_meanwhile_is_discarded() {
        let versions = swapped(probation(10, "1 %"));
        let (one, other) = (on_probation(&versions), on_probation(&versions));
        assert_eq!(versions.judge(&one, &range(100, 1)), Verdict::Keep);
        let turn = versions.turn();
        assert_eq!(versions.judge(&one, &range(10, 1)), Verdict::Discard, "2 of 110");
        assert!(versions.turn() > turn);
        let Some(Turned::RolledBack(refused, reason)) = outcome(&versions) else { panic!("not rolled back") };
        assert_eq!((*refused, *versions.current()), (2, 1));
        assert!(reason.contains("2 of the first 110 records") && reason.contains("allows 1 %"), "{reason}");
        assert_eq!(versions.judge(&other, &range(100, 0)), Verdict::Discard);
        versions.swap(Arc::new(3), probation(10, "1 %"));
        assert_eq!(versions.judge(&other, &range(100, 0)), Verdict::Discard, "whatever is on probation now");
    }

    #[test]
    fn what_a_probation_came_to_is_told_though_another_version_takes_over() {
        let versions = swapped(probation(1, "1 %"));
        assert_eq!(versions.judge(&on_probation(&versions), &range(100, 50)), Verdict::Discard);
        versions.swap(Arc::new(3), probation(1, "1 %"));
        assert!(matches!(outcome(&versions), Some(Turned::RolledBack(version, _)) if *version == 2));
    }

    #[test]
    fn a_second_swap_within_a_probation_is_compared_with_what_was_proven() {
        let versions = swapped(probation(10, "1 %"));
        let first = on_probation(&versions);
        versions.swap(Arc::new(3), probation(10, "1 %"));
        let second = on_probation(&versions);
        assert_eq!((*second.new, *second.former), (3, 1));
        // What the first made, and comes to its end only now.
        assert_eq!(versions.judge(&first, &range(100, 0)), Verdict::Keep);
        assert_eq!(versions.judge(&first, &range(100, 50)), Verdict::Discard);
        assert_eq!(*versions.current(), 3, "the first says nothing of the second");
        versions.swap(second.former.clone(), probation(10, "1 %"));
        assert!(!versions.is_on_probation(), "what was proven is proven");
    }

    #[test]
    fn without_ranges_a_version_is_trusted_at_once() {
        let versions = swapped(probation(0, "1 %"));
        assert!(matches!(versions.choose(), Choice::Proven(version) if *version == 2));
    }
}
