//! CPU time by stage: what a future costs is what its thread's CPU clock moves on while it is polled.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// The CPU time that the calling thread has used.
pub fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or_default())
}

/// A future that adds up the CPU time of its polls.
pub struct Metered<F> {
    future: Pin<Box<F>>,
    used: Duration,
}

impl<F: Future> Metered<F> {
    /// Meters a future.
    pub fn new(future: F) -> Self {
        Self { future: Box::pin(future), used: Duration::ZERO }
    }
}

impl<F: Future> Future for Metered<F> {
    type Output = (F::Output, Duration);

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let before = thread_time();
        let poll = self.future.as_mut().poll(context);
        self.used += thread_time().saturating_sub(before);
        poll.map(|output| (output, self.used))
    }
}
