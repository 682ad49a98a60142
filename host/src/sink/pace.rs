//! How many writes a second a table gets. Each becomes a file of its own in the database, which has to be merged with the others: few
//! large ones cost less than many small ones.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

/// How long nothing may be written before the ceiling holds at once: what came to be saved in that time is there for a burst, so that
/// neither a trickle over a few partitions nor a short load waits for anything.
pub const SAVED: Duration = Duration::from_secs(30);

/// A ceiling of writes a second, with what was saved when there were fewer. Pure: time is an argument.
#[derive(Debug)]
struct Ceiling {
    interval: Duration,
    /// When all that was saved is there again.
    rested: Option<Instant>,
}

impl Ceiling {
    fn new(per_second: usize) -> Self {
        // Rounded up: never one more than the ceiling, however long it goes on.
        let nanos = 1_000_000_000u64.div_ceil(u64::try_from(per_second.max(1)).unwrap_or(u64::MAX));
        Self { interval: Duration::from_nanos(nanos), rested: None }
    }

    /// How long a write waits that comes now.
    fn wait(&self, now: Instant) -> Duration {
        let owed = self.rested.map_or(Duration::ZERO, |rested| rested.saturating_duration_since(now));
        (owed + self.interval).saturating_sub(SAVED)
    }

    /// A write begins.
    fn begin(&mut self, now: Instant) {
        self.rested = Some(self.rested.map_or(now, |rested| rested.max(now)) + self.interval);
    }
}

/// The pace of one table. Who came first goes first.
#[derive(Debug)]
pub struct Pace {
    ceiling: Mutex<Ceiling>,
    waiting: AtomicU32,
    interval: Duration,
}

/// Counts who waits, also where it stops to.
struct Waiting<'p>(&'p AtomicU32);

impl Pace {
    /// So many a second, at least one.
    pub fn new(per_second: usize) -> Self {
        let ceiling = Ceiling::new(per_second);
        let interval = ceiling.interval;
        Self { ceiling: Mutex::new(ceiling), waiting: AtomicU32::new(0), interval }
    }

    /// Waits until another write may begin. Who stops waiting takes nothing from the others.
    pub async fn keep(&self) {
        let _waiting = Waiting::new(&self.waiting);
        // Given to those that wait in their order, and held by the first of them until its time comes.
        let mut ceiling = self.ceiling.lock().await;
        tokio::time::sleep(ceiling.wait(Instant::now())).await;
        ceiling.begin(Instant::now());
    }

    /// About how long a write would wait that comes now.
    pub fn delay(&self) -> Duration {
        match self.waiting.load(Ordering::Relaxed) {
            0 => self.ceiling.try_lock().map_or(self.interval, |ceiling| ceiling.wait(Instant::now())),
            waiting => self.interval.saturating_mul(waiting.saturating_add(1)),
        }
    }
}

impl<'p> Waiting<'p> {
    fn new(count: &'p AtomicU32) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How many writes there may be in a time, with all that may have been saved before it.
pub fn most_within(per_second: usize, time: Duration) -> u64 {
    let seconds = (time + SAVED).as_secs_f64().ceil();
    // Beyond what any count in it can mean, it stays at the greatest.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let seconds = seconds as u64;
    seconds.saturating_mul(u64::try_from(per_second).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn what_was_saved_is_spent_at_once_and_then_the_ceiling_holds() {
        let (mut ceiling, start) = (Ceiling::new(2), Instant::now());
        for _ in 0..60 {
            assert_eq!(ceiling.wait(start), Duration::ZERO);
            ceiling.begin(start);
        }
        assert_eq!(ceiling.wait(start), Duration::from_millis(500));
        let later = start + Duration::from_millis(500);
        assert_eq!(ceiling.wait(later), Duration::ZERO);
        ceiling.begin(later);
        assert_eq!(ceiling.wait(later), Duration::from_millis(500));
        // A rest saves no more than there is room for.
        let rested = start + Duration::from_secs(3600);
        for _ in 0..60 {
            assert_eq!(ceiling.wait(rested), Duration::ZERO);
            ceiling.begin(rested);
        }
        assert_eq!(ceiling.wait(rested), Duration::from_millis(500));
    }

    #[test]
    fn no_time_has_more_writes_than_the_window_counts() {
        let (mut ceiling, start) = (Ceiling::new(3), Instant::now());
        let (mut now, mut begun) = (start, 0);
        while now <= start + Duration::from_secs(100) {
            now += ceiling.wait(now);
            ceiling.begin(now);
            begun += 1;
        }
        let most = most_within(3, Duration::from_secs(100));
        assert!(begun <= most && begun + 3 > most, "{begun} of {most}");
        assert_eq!(most_within(2, Duration::from_secs(3600)), 7260);
        assert_eq!(most_within(1_000, Duration::from_secs(u64::MAX / 2)), u64::MAX);
    }

    #[test]
    fn a_trickle_never_waits() {
        let (mut ceiling, mut now) = (Ceiling::new(2), Instant::now());
        for _ in 0..1_000 {
            assert_eq!(ceiling.wait(now), Duration::ZERO);
            ceiling.begin(now);
            now += Duration::from_secs(1);
        }
    }

    #[tokio::test]
    async fn who_came_first_goes_first_and_who_goes_away_takes_nothing() {
        let pace = Pace::new(20);
        while pace.delay() == Duration::ZERO {
            pace.keep().await;
        }
        let started = Instant::now();
        let mut gone = Box::pin(pace.keep());
        let (mut first, mut second) = (Box::pin(pace.keep()), Box::pin(pace.keep()));
        assert!((&mut gone).now_or_never().is_none());
        assert!((&mut first).now_or_never().is_none() && (&mut second).now_or_never().is_none());
        assert_eq!(pace.delay(), Duration::from_millis(200), "three wait before the next");
        drop(gone);
        tokio::select! {
            biased;
            () = &mut second => panic!("the second was first"),
            () = &mut first => {}
        }
        second.await;
        assert!(started.elapsed() >= Duration::from_millis(50), "{:?}", started.elapsed());
        assert!(pace.delay() > Duration::ZERO);
    }
}
