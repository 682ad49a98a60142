//! Which parts of a range are run, one after the other, until the records that fail stand alone. Pure: knows nothing of guests.
//!
//! A part that fails is halved, and each half is run for itself: one record that fails among `n` takes about `2 log2 n` runs, and
//! however many fail, there are fewer than two runs a record.

use std::collections::BTreeSet;
use std::ops::Range;

/// The search for the records of a range that fail.
#[derive(Debug)]
pub(super) struct Search {
    /// The last one is looked at first.
    open: Vec<Open>,
    /// What is run just now.
    current: Option<Try>,
    poison: BTreeSet<usize>,
    /// Whether what a record comes to depends on that record alone.
    stateless: bool,
}

#[derive(Debug)]
enum Open {
    Try(Try),
    /// All that could be to blame for the failure of this part has been tried.
    Settle {
        part: Range<usize>,
        timed_out: bool,
    },
}

/// A part that is to be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Try {
    /// Indexes of records.
    pub part: Range<usize>,
    /// Where the part is of a call that used up its time: how many records that call was given. A part's share of the time is
    /// enough to tell whether it is suspect.
    pub timed_out: Option<usize>,
}

/// What is to be done next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Run this part; [`Search::passed`] or [`Search::failed`] tells what came of it.
    Run(Try),
    /// These records fail together, though none of them fails alone.
    Together(Range<usize>),
    /// These took too long together, though none of them fails alone.
    Slow(Range<usize>),
    /// All records that fail alone are found.
    Done,
}

impl Search {
    /// A search in a range of this many records, which failed in a call for those of `at`.
    pub fn new(records: usize, at: Range<usize>, timed_out: bool, stateless: bool) -> Self {
        let current = Some(Try { part: 0..records, timed_out: None });
        let mut search = Self { open: Vec::new(), current, poison: BTreeSet::new(), stateless };
        search.failed(at, timed_out);
        search
    }

    /// A record fails alone, as was found out by other means.
    pub fn condemn(&mut self, record: usize) {
        self.poison.insert(record);
    }

    /// What is to be done next.
    pub fn next(&mut self) -> Next {
        while let Some(open) = self.open.pop() {
            match open {
                Open::Try(Try { part, timed_out }) if self.has_poison(&part) => {
                    // It is bound to fail.
                    self.halve(part, timed_out);
                }
                Open::Try(next) => {
                    self.current = Some(next.clone());
                    return Next::Run(next);
                }
                Open::Settle { part, .. } if self.has_poison(&part) => {}
                Open::Settle { part, timed_out: true } => return Next::Slow(part),
                Open::Settle { part, timed_out: false } => return Next::Together(part),
            }
        }
        Next::Done
    }

    /// No record of the part that was run last fails.
    pub fn passed(&mut self) {
        self.current = None;
    }

    /// The part that was run last failed, in a call for the records of `at`.
    pub fn failed(&mut self, at: Range<usize>, timed_out: bool) {
        let Some(Try { part, timed_out: before }) = self.current.take() else { return };
        if part.len() <= 1 {
            self.poison.extend(part);
            return;
        }
        // What went before has passed, unless the guest carried something over from it.
        let failing = if self.stateless { at.start..at.end } else { part.start..at.end };
        if at.end < part.end {
            self.open.push(Open::Try(Try { part: at.end..part.end, timed_out: None }));
        }
        let timed_out = timed_out.then(|| before.unwrap_or(at.len()));
        if failing == part {
            return self.halve(part, timed_out);
        }
        if failing.len() > 1 {
            return self.halve(failing, timed_out);
        }
        // A record in a call of its own, but not alone in its run.
        self.open.push(Open::Settle { part: part.start..at.end, timed_out: timed_out.is_some() });
        self.open.push(Open::Try(Try { part: failing, timed_out }));
    }

    fn halve(&mut self, part: Range<usize>, timed_out: Option<usize>) {
        if part.len() <= 1 {
            return;
        }
        let middle = part.start + part.len() / 2;
        self.open.push(Open::Settle { part: part.clone(), timed_out: timed_out.is_some() });
        self.open.push(Open::Try(Try { part: middle..part.end, timed_out }));
        self.open.push(Open::Try(Try { part: part.start..middle, timed_out }));
    }

    fn has_poison(&self, part: &Range<usize>) -> bool {
        self.poison.range(part.clone()).next().is_some()
    }
}

/// Up to `most` records of a range, spread over all of it and yet at no regular distance, which a plugin could fail at.
pub(super) fn sample(records: usize, most: usize, seed: u64) -> impl Iterator<Item = usize> {
    let count = records.min(most);
    (0..count).map(move |index| {
        let (from, to) = (index * records / count, (index + 1) * records / count);
        // A part of the range for each, and in it a place by a hash of the seed (the finalizer of MurmurHash3).
        let mut hash = seed ^ (index as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        hash ^= hash >> 33;
        from + usize::try_from(hash % (to - from).max(1) as u64).unwrap_or_default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLICE: usize = 100;

    /// How a search ended, and what was run for it.
    struct Ended {
        poison: Vec<usize>,
        last: Next,
        parts: Vec<Range<usize>>,
    }

    /// Searches a range whose calls, of up to `SLICE` records, fail where `fails` says so of their records.
    fn search(records: usize, stateless: bool, fails: impl Fn(Range<usize>) -> bool) -> Ended {
        let call = |part: Range<usize>| {
            let mut starts = part.clone().step_by(SLICE);
            starts.find_map(|start| {
                let slice = start..(start + SLICE).min(part.end);
                let seen = if stateless { slice.clone() } else { part.start..slice.end };
                fails(seen).then_some(slice)
            })
        };
        let Some(at) = call(0..records) else { panic!("nothing fails") };
        let mut search = Search::new(records, at, false, stateless);
        let mut parts = Vec::new();
        let last = loop {
            match search.next() {
                Next::Run(Try { part, .. }) => {
                    parts.push(part.clone());
                    match call(part) {
                        Some(at) => search.failed(at, false),
                        None => search.passed(),
                    }
                }
                last => break last,
            }
        };
        Ended { poison: search.poison.into_iter().collect(), last, parts }
    }

    fn poisoned(records: usize, stateless: bool, poison: &[usize]) -> Ended {
        search(records, stateless, |part| poison.iter().any(|record| part.contains(record)))
    }

    #[test]
    fn one_record_is_found_in_a_few_runs_wherever_it_stands() {
        for stateless in [true, false] {
            for record in [0, 1, 99, 100, 517, 998, 999] {
                let ended = poisoned(1_000, stateless, &[record]);
                assert_eq!((ended.poison.as_slice(), ended.last), (&[record][..], Next::Done));
                assert!(ended.parts.len() <= 22, "{record}: {:?}", ended.parts);
            }
        }
    }

    #[test]
    fn what_passed_before_the_failing_call_is_not_run_again() {
        let ended = poisoned(1_000, true, &[517]);
        assert!(ended.parts.iter().all(|part| part.start >= 500), "{:?}", ended.parts);
        let run: usize = ended.parts.iter().map(Range::len).sum();
        assert!(run < 800, "{run} records");
    }

    #[test]
    fn clusters_and_every_second_record_are_found_within_two_runs_a_record() {
        let every_second: Vec<_> = (0..1_000).step_by(2).collect();
        let clusters: Vec<_> = (3..40).chain(250..251).chain(600..777).collect();
        let all: Vec<_> = (0..1_000).collect();
        for poison in [every_second, clusters, all] {
            for stateless in [true, false] {
                let ended = poisoned(1_000, stateless, &poison);
                assert_eq!((ended.poison.as_slice(), ended.last), (&poison[..], Next::Done));
                assert!(ended.parts.len() < 2_000, "{} runs", ended.parts.len());
            }
        }
    }

    #[test]
    fn no_part_is_run_twice() {
        let ended = poisoned(1_000, true, &[0, 7, 8, 500, 999]);
        let distinct: BTreeSet<_> = ended.parts.iter().map(|part| (part.start, part.end)).collect();
        assert_eq!(distinct.len(), ended.parts.len());
    }

    #[test]
    fn records_that_fail_only_together_end_the_search_at_the_smallest_part_that_fails() {
        let ended = search(1_000, true, |part| part.len() > 1);
        assert_eq!((ended.poison.as_slice(), ended.last), (&[][..], Next::Together(1..3)));
        let ended = search(1_000, true, |part| part.contains(&30) && part.contains(&60));
        assert_eq!((ended.poison.as_slice(), ended.last), (&[][..], Next::Together(0..100)));
        assert!(ended.parts.len() <= 22, "{:?}", ended.parts);
        // What the guest carries over from call to call.
        let ended = search(1_000, false, |part| part.len() > 250);
        assert_eq!((ended.poison.as_slice(), ended.last), (&[][..], Next::Together(0..300)));
    }

    #[test]
    fn a_record_in_a_call_of_its_own_is_run_alone_before_it_is_condemned() {
        let mut search = Search::new(3, 1..2, false, true);
        assert_eq!(search.next(), Next::Run(Try { part: 1..2, timed_out: None }));
        search.passed();
        assert_eq!(search.next(), Next::Together(0..2));
    }

    #[test]
    fn parts_of_a_call_that_timed_out_know_its_size_and_blame_nobody_for_being_slow_together() {
        let mut search = Search::new(8, 0..4, true, true);
        assert_eq!(search.next(), Next::Run(Try { part: 0..2, timed_out: Some(4) }));
        search.passed();
        assert_eq!(search.next(), Next::Run(Try { part: 2..4, timed_out: Some(4) }));
        search.failed(2..4, true);
        assert_eq!(search.next(), Next::Run(Try { part: 2..3, timed_out: Some(4) }));
        search.passed();
        assert_eq!(search.next(), Next::Run(Try { part: 3..4, timed_out: Some(4) }));
        search.passed();
        assert_eq!(search.next(), Next::Slow(2..4));
        assert_eq!(search.next(), Next::Slow(0..4));
        assert_eq!(search.next(), Next::Run(Try { part: 4..8, timed_out: None }));
    }

    #[test]
    fn what_holds_a_record_that_is_known_to_fail_is_halved_without_a_run() {
        let mut search = Search::new(4, 0..4, false, true);
        search.condemn(2);
        let mut parts = Vec::new();
        while let Next::Run(Try { part, .. }) = search.next() {
            parts.push(part);
            search.passed();
        }
        assert_eq!(parts, [0..2, 3..4]);
        assert_eq!(search.poison, BTreeSet::from([2]));
    }

    #[test]
    fn a_sample_is_spread_over_the_range_and_meets_odd_and_even_records() {
        let picked: Vec<_> = sample(50_000, 32, 7).collect();
        assert_eq!(picked.len(), 32);
        assert!(picked.is_sorted() && picked.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(picked[0] < 2_000 && picked[31] > 48_000, "{picked:?}");
        let odd = picked.iter().filter(|record| *record % 2 == 1).count();
        assert!((6..=26).contains(&odd), "{picked:?}");
        assert_eq!(sample(3, 32, 7).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(sample(0, 32, 7).count(), 0);
    }
}
