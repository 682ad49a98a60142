//! Limits where guests meet them: memory when it grows, CPU time at every tick of the epoch.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use wasmtime::ResourceLimiter;

use super::usage::Usage;
use crate::config::{ByteSize, Limits, shown_duration};
use crate::cpu::thread_time;
use crate::tenants::Held;

/// A limit that stopped a guest: a trap of its own.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub(super) struct LimitReached {
    /// The key in `[limits]`.
    pub limit: &'static str,
    pub problem: String,
}

impl LimitReached {
    fn new(limit: &'static str, problem: &str) -> Self {
        Self { limit, problem: format!("{problem}; a larger `limits.{limit}` in the pipeline's file allows more") }
    }

    fn memory(wanted: usize, limit: ByteSize) -> Self {
        Self::new("memory", &format!("its memory would grow to {}, beyond {limit}", ByteSize(wanted)))
    }

    pub fn cpu(budget: Duration) -> Self {
        Self::new("cpu", &format!("one call takes more than {} of CPU time", shown_duration(budget)))
    }

    pub fn output(limit: ByteSize) -> Self {
        Self::new("output", &format!("one call hands over more than {limit}"))
    }

    pub fn lookups(limit: usize) -> Self {
        Self::new("lookups_per_record", &format!("it asks lookup tables more than {limit} times a record"))
    }

    /// The one limit that all plugins share, since wasmtime has no other.
    pub fn stack() -> Self {
        let problem = "its calls are nested deeper than 512 KiB of stack hold, which no plugin may exceed";
        Self { limit: "stack", problem: problem.to_owned() }
    }
}

/// A limit of memory counts for each memory by itself, so there may be one; compilers make no more.
const MEMORIES: usize = 1;

/// A table lists functions that are called by address, eight bytes each: a million is far beyond any module, and 8 MiB
/// are no way around the limit of memory.
const TABLE_ELEMENTS: usize = 1 << 20;

/// A module has one, and what wraps it into a component has another.
const TABLES: usize = 4;

/// A module, what wraps it, and what adapts an older interface: five. A component may list one a hundred thousand times.
const INSTANCES: usize = 16;

/// How much memory an instance may have.
pub(super) struct MemoryLimit {
    pub limit: ByteSize,
    pub usage: Arc<Usage>,
    /// The same for the tenant.
    pub held: Held,
}

impl ResourceLimiter for MemoryLimit {
    fn memory_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        if desired > self.limit.0 {
            return Err(LimitReached::memory(desired, self.limit).into());
        }
        self.usage.memory(desired);
        self.held.set(desired);
        Ok(true)
    }

    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        // A trap tells where; a guest that is told no has no better idea than to panic.
        Err(error)
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        if desired > TABLE_ELEMENTS {
            let problem = format!("a table of {desired} functions is beyond the {TABLE_ELEMENTS} that there may be");
            return Err(wasmtime::Error::msg(problem));
        }
        Ok(true)
    }

    fn table_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        Err(error)
    }

    fn instances(&self) -> usize {
        INSTANCES
    }

    fn tables(&self) -> usize {
        TABLES
    }

    fn memories(&self) -> usize {
        MEMORIES
    }
}

/// The CPU time of the call that an instance is at, whichever threads it runs on. Set around every poll, read at every tick:
/// never by two threads at once.
pub(super) struct CpuMeter {
    budget: AtomicU64,
    /// Of the polls before this one.
    used: AtomicU64,
    /// The thread's time when this poll began.
    since: AtomicU64,
}

impl CpuMeter {
    pub fn new(limits: &Limits) -> Self {
        Self { budget: nanos(limits.cpu).into(), used: AtomicU64::default(), since: AtomicU64::default() }
    }

    /// What the calls from now on may take.
    pub fn set_budget(&self, budget: Duration) {
        self.budget.store(nanos(budget), Ordering::Relaxed);
    }

    /// Runs one call.
    pub async fn run<T>(&self, call: impl Future<Output = T>) -> T {
        self.used.store(0, Ordering::Relaxed);
        let mut call = pin!(call);
        std::future::poll_fn(|context| {
            self.since.store(nanos(thread_time()), Ordering::Relaxed);
            let poll = call.as_mut().poll(context);
            self.used.store(nanos(self.used()), Ordering::Relaxed);
            poll
        })
        .await
    }

    /// What the last call took.
    pub fn last(&self) -> Duration {
        Duration::from_nanos(self.used.load(Ordering::Relaxed))
    }

    /// Called from within a call.
    pub fn check(&self) -> Result<(), LimitReached> {
        let budget = Duration::from_nanos(self.budget.load(Ordering::Relaxed));
        if self.used() > budget { Err(LimitReached::cpu(budget)) } else { Ok(()) }
    }

    fn used(&self) -> Duration {
        let poll = thread_time().saturating_sub(Duration::from_nanos(self.since.load(Ordering::Relaxed)));
        self.last() + poll
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn time_that_others_have_the_processor_is_not_counted() {
        const AWAY: Duration = Duration::from_millis(200);
        let limits = Limits { cpu: Duration::from_millis(100), ..Limits::DEFAULT };
        let meter = CpuMeter::new(&limits);
        meter
            .run(async {
                // The thread is off the processor within a poll, as where a machine has more to do than it can.
                std::thread::sleep(AWAY);
                meter.check().unwrap();
                tokio::task::yield_now().await;
                meter.check().unwrap();
            })
            .await;
        assert!(meter.last() < limits.cpu, "{:?}", meter.last());
    }

    #[tokio::test]
    async fn time_of_all_polls_is_counted_together_and_every_call_begins_at_none() {
        let meter = CpuMeter::new(&Limits { cpu: Duration::from_millis(20), ..Limits::DEFAULT });
        let work = || {
            let until = thread_time() + Duration::from_millis(15);
            while thread_time() < until {}
        };
        let reached = meter.run(async {
            work();
            let first = meter.check();
            tokio::task::yield_now().await;
            work();
            (first, meter.check())
        });
        assert_eq!(reached.await, (Ok(()), Err(LimitReached::cpu(Duration::from_millis(20)))));
        assert!(meter.run(async { meter.check() }).await.is_ok());
        meter.set_budget(Duration::from_millis(40));
        assert!(
            meter
                .run(async {
                    work();
                    work();
                    meter.check()
                })
                .await
                .is_ok()
        );
    }
}
