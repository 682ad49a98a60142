//! Which records a listener is shown: about so many a second, spread over time, over partitions and over each range. Knows no clock: the
//! time comes as an argument.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How much of the rate may gather, in seconds: ranges come about once a second by default, and each takes a third of what is there.
const BURST: f64 = 3.0;

/// How long a partition keeps its share of the rate after its last record that matched.
const ACTIVE: Duration = Duration::from_secs(10);

/// What making samples may cost: bytes of lines a second. A core makes a hundred times as many.
const BYTES_PER_SECOND: f64 = (4 << 20) as f64;

/// A partition's topic and number.
pub(super) type Place = (Arc<str>, i32);

/// The rate of one listener. Each partition that has something to show gets an equal share of it.
#[derive(Debug)]
pub(super) struct Sampler {
    per_second: f64,
    all: Bucket,
    bytes: Bucket,
    partitions: HashMap<Place, Share>,
}

#[derive(Debug)]
struct Share {
    bucket: Bucket,
    /// When it last had a record to show, as far as is known; none where it had its chance and had nothing.
    wanting: Option<Instant>,
}

/// What may be spent, filled up as time goes by.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    left: f64,
    filled: Instant,
}

impl Bucket {
    fn fill(&mut self, per_second: f64, most: f64, now: Instant) {
        let passed = now.saturating_duration_since(self.filled).as_secs_f64();
        self.left = (self.left + passed * per_second).min(most);
        self.filled = now;
    }
}

/// What a range was allowed, and what it made of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spent {
    /// As [`Sampler::reserve`] answered.
    pub reserved: usize,
    /// How many samples were made, or due and skipped.
    pub used: usize,
}

impl Sampler {
    pub fn new(per_second: f64, now: Instant) -> Self {
        let bucket = |left: f64| Bucket { left, filled: now };
        let (all, bytes) = (bucket(per_second.max(1.0)), bucket(BYTES_PER_SECOND));
        Self { per_second, all, bytes, partitions: HashMap::new() }
    }

    /// How many samples a range of this partition may give now. They count as given until they are settled.
    pub fn reserve(&mut self, place: &Place, now: Instant) -> usize {
        self.all.fill(self.per_second, (self.per_second * BURST).max(1.0), now);
        self.bytes.fill(BYTES_PER_SECOND, BYTES_PER_SECOND, now);
        let per_second = self.per_second / self.sharers(place, now);
        let share = self.partitions.entry(place.clone()).or_insert_with(|| Share {
            // The first samples come at once.
            bucket: Bucket { left: per_second.max(1.0), filled: now },
            wanting: Some(now),
        });
        share.bucket.fill(per_second, (per_second * BURST).max(1.0), now);
        if self.bytes.left <= 0.0 {
            return 0;
        }
        // Tenths that were added up are not quite one.
        let allowed = (share.bucket.left.min(self.all.left) + 1e-9).max(0.0).floor();
        if allowed == 0.0 {
            // One that was not looked at may well have something.
            share.wanting = share.wanting.map(|_| now);
        }
        share.bucket.left -= allowed;
        self.all.left -= allowed;
        // At most twice the rate, which has its own bound.
        allowed as usize
    }

    /// Pays for a sample that was made. Whether another may be.
    pub fn pay(&mut self, bytes: usize) -> bool {
        self.bytes.left -= bytes as f64;
        self.bytes.left > 0.0
    }

    /// Gives back what a range did not use.
    pub fn settle(&mut self, place: &Place, spent: Spent, now: Instant) {
        let unused = spent.reserved.saturating_sub(spent.used) as f64;
        self.all.left += unused;
        if let Some(share) = self.partitions.get_mut(place) {
            share.bucket.left += unused;
            if spent.reserved > 0 {
                share.wanting = (spent.used > 0).then_some(now);
            }
        }
    }

    /// How many partitions share the rate: this one, and all others that had something to show lately or may have.
    fn sharers(&self, place: &Place, now: Instant) -> f64 {
        let lately = |share: &Share| share.wanting.is_some_and(|at| now.saturating_duration_since(at) < ACTIVE);
        let others = self.partitions.iter().filter(|(other, share)| *other != place && lately(share)).count();
        (others + 1) as f64
    }
}

/// `count` of the indexes below `of`, or all of them: one in each of equal parts, at the same place in each. `phase`, from 0 to
/// below 1, says which place.
pub(super) fn spread(count: usize, of: usize, phase: f64) -> impl Iterator<Item = usize> {
    let count = count.min(of);
    let shift = ((phase * of as f64) as usize).min(of.saturating_sub(1));
    (0..count).map(move |part| (part * of + shift) / count)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn place(partition: i32) -> Place {
        ("t".into(), partition)
    }

    /// Takes all that may be taken.
    fn take(sampler: &mut Sampler, partition: i32, now: Instant) -> usize {
        let reserved = sampler.reserve(&place(partition), now);
        sampler.settle(&place(partition), Spent { reserved, used: reserved }, now);
        reserved
    }

    #[test]
    fn partitions_share_the_rate_even_where_their_ranges_always_come_in_the_same_order() {
        for partitions in [1, 4, 64] {
            let (start, rate) = (Instant::now(), 5.0);
            let mut sampler = Sampler::new(rate, start);
            let mut taken = vec![0; partitions];
            let seconds = 400;
            for second in 0..seconds {
                for (partition, taken) in taken.iter_mut().enumerate() {
                    *taken += take(&mut sampler, partition as i32, start + SECOND * second);
                }
            }
            let all: usize = taken.iter().sum();
            let (least, most) = (taken.iter().min().unwrap(), taken.iter().max().unwrap());
            assert!(all <= 5 * seconds as usize + 10, "{partitions}: {all} in {seconds} s");
            assert!(all >= 4 * seconds as usize, "{partitions}: {all} in {seconds} s");
            assert!(most - least <= 8, "{partitions}: {taken:?}");
        }
    }

    #[test]
    fn what_is_rare_is_shown_at_once_and_a_partition_alone_has_the_whole_rate() {
        let start = Instant::now();
        let mut sampler = Sampler::new(5.0, start);
        // Partitions without a match give back what they reserve, and keep no share.
        for second in 0..30 {
            let now = start + SECOND * second;
            for partition in 1..9 {
                let reserved = sampler.reserve(&place(partition), now);
                assert!(reserved > 0, "partition {partition} after {second} s");
                sampler.settle(&place(partition), Spent { reserved, used: 0 }, now);
            }
            if second > 0 {
                assert_eq!(take(&mut sampler, 0, now), 5, "after {second} s");
            }
        }
    }

    #[test]
    fn a_rate_below_one_still_gives_a_sample_now_and_then() {
        let start = Instant::now();
        let mut sampler = Sampler::new(0.1, start);
        let taken: usize = (0..100).map(|second| take(&mut sampler, 0, start + SECOND * second)).sum();
        assert_eq!(taken, 10);
    }

    #[test]
    fn after_very_large_samples_there_are_none_until_their_bytes_are_paid_off() {
        let start = Instant::now();
        let mut sampler = Sampler::new(5.0, start);
        let reserved = sampler.reserve(&place(0), start);
        assert!(sampler.pay(1 << 20));
        assert!(!sampler.pay(19 << 20));
        sampler.settle(&place(0), Spent { reserved, used: reserved }, start);
        let seconds = (1..10).find(|second| take(&mut sampler, 0, start + SECOND * *second) > 0);
        assert_eq!(seconds, Some(5));
    }

    #[test]
    fn a_range_is_sampled_evenly_wherever_the_phase_is() {
        for phase in [0.0, 0.3, 0.999_999] {
            for (count, of) in [(5, 50_000), (3, 10), (1, 7), (7, 7), (9, 4), (0, 5), (3, 0)] {
                let picked: Vec<_> = spread(count, of, phase).collect();
                assert_eq!(picked.len(), count.min(of));
                assert!(picked.iter().all(|index| *index < of), "{picked:?} of {of}");
                let gap = of as f64 / count.max(1) as f64;
                assert!(
                    picked.windows(2).all(|pair| (pair[1] - pair[0]) as f64 >= (gap - 1.0).max(1.0)),
                    "{picked:?} of {of}"
                );
            }
        }
    }
}
