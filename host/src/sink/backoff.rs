//! How long to wait before the next try: doubling, with jitter so that many do not come back at once. Pure.

use std::time::Duration;

use rand::Rng;

/// The waits between tries.
#[derive(Debug)]
pub struct Backoff {
    next: Duration,
    first: Duration,
    longest: Duration,
}

impl Backoff {
    /// Waits from `first` on, doubling up to `longest`.
    pub fn new(first: Duration, longest: Duration) -> Self {
        Self { next: first, first, longest }
    }

    /// Of what waits for a sink: one that has come back is not kept waiting, and one that has not is asked little.
    pub fn of_sink() -> Self {
        Self::new(Duration::from_millis(100), Duration::from_secs(1))
    }

    /// The next wait: between a half and the whole of the doubled one.
    pub fn next(&mut self, random: &mut impl Rng) -> Duration {
        let whole = self.next;
        self.next = (whole * 2).min(self.longest);
        whole.mul_f64(random.random_range(0.5..=1.0))
    }

    /// Begins again after a success.
    pub fn reset(&mut self) {
        self.next = self.first;
    }
}

impl Default for Backoff {
    /// A short outage costs little, a long one no load.
    fn default() -> Self {
        Self::new(Duration::from_millis(100), Duration::from_secs(10))
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_begin_again() {
        let mut random = rand::rngs::StdRng::seed_from_u64(1);
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_millis(300));
        for whole in [100, 200, 300, 300] {
            let wait = backoff.next(&mut random);
            assert!(wait <= Duration::from_millis(whole) && wait >= Duration::from_millis(whole) / 2, "{wait:?}");
        }
        backoff.reset();
        assert!(backoff.next(&mut random) <= Duration::from_millis(100));
    }

    #[test]
    fn a_sink_is_asked_again_within_a_second_however_long_it_was_away() {
        let mut random = rand::rngs::StdRng::seed_from_u64(1);
        let mut backoff = Backoff::of_sink();
        let longest = (0..1_000).map(|_| backoff.next(&mut random)).max();
        assert!(longest.is_some_and(|wait| wait <= Duration::from_secs(1)), "{longest:?}");
    }
}
