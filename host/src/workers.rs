//! Threads of our own that run guests. A guest call is a fibre: a future that yields at every tick of the epoch, so that one
//! thread serves many and none holds it. Whose fibre is next, the tenants' weights say, and what CPU time they have used.

mod fair;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use async_task::{Runnable, Task};
use parking_lot::{Condvar, Mutex};

use self::fair::{FairQueue, FlowId};
use crate::cpu::thread_time;

/// A fixed number of threads and one queue. Threads end when this is dropped; what is queued then is never run.
pub struct Workers {
    queue: Arc<Queue>,
    threads: Vec<JoinHandle<()>>,
}

/// A tenant's share of the threads: whatever runs by it counts for the tenant.
#[derive(Clone)]
pub struct Share {
    queue: Arc<Queue>,
    flow: FlowId,
}

struct Queue {
    state: Mutex<State>,
    filled: Condvar,
}

/// Bounded by what may be in flight: every entry is a range that holds a permit of its pipeline's budget, or a plugin that is
/// loaded.
struct State {
    ready: FairQueue<Runnable>,
    /// Of every tenant that ever had work here.
    flows: BTreeMap<String, FlowId>,
    closed: bool,
}

impl Workers {
    /// Starts the threads.
    ///
    /// # Errors
    /// Where the system gives no more threads.
    pub fn start(count: usize) -> std::io::Result<Self> {
        let state = State { ready: FairQueue::new(), flows: BTreeMap::new(), closed: false };
        let queue = Arc::new(Queue { state: Mutex::new(state), filled: Condvar::new() });
        let mut workers = Self { queue, threads: Vec::with_capacity(count) };
        for index in 0..count {
            let queue = workers.queue.clone();
            let thread = std::thread::Builder::new().name(format!("worker-{index}")).spawn(move || queue.serve())?;
            workers.threads.push(thread);
        }
        Ok(workers)
    }

    /// The share of a tenant, who gets CPU time in proportion to its weight while others want some, too. The weight is that of
    /// the first call for the tenant.
    pub fn share(&self, tenant: &str, weight: u32) -> Share {
        let mut state = self.queue.state.lock();
        let State { ready, flows, .. } = &mut *state;
        let flow = *flows.entry(tenant.to_owned()).or_insert_with(|| ready.add(weight));
        Share { queue: self.queue.clone(), flow }
    }
}

impl Share {
    /// Runs a future on the workers. Dropping the task cancels it.
    pub fn spawn<T: Send + 'static>(&self, future: impl Future<Output = T> + Send + 'static) -> Task<T> {
        let Self { queue, flow } = self.clone();
        let (runnable, task) = async_task::spawn(future, move |runnable| queue.push(flow, runnable));
        runnable.schedule();
        task
    }
}

impl Share {
    /// The tenant has used CPU time on other threads: it has so much less of these.
    pub fn charge(&self, used: Duration) {
        self.queue.state.lock().ready.charge(self.flow, used);
    }
}

impl Queue {
    fn push(&self, flow: FlowId, runnable: Runnable) {
        let mut state = self.state.lock();
        if !state.closed {
            state.ready.push(flow, runnable);
            self.filled.notify_one();
        }
    }

    fn serve(&self) {
        while let Some((flow, runnable)) = self.begin() {
            let before = thread_time();
            // A panic here is a defect of the host; async-task hands it to whoever awaits the task.
            let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| runnable.run()));
            let used = thread_time().saturating_sub(before);
            self.state.lock().ready.end(flow, used);
        }
    }

    fn begin(&self) -> Option<(FlowId, Runnable)> {
        let mut state = self.state.lock();
        loop {
            if state.closed {
                return None;
            }
            if let Some(turn) = state.ready.begin() {
                return Some(turn);
            }
            self.filled.wait(&mut state);
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        let queued = {
            let mut state = self.queue.state.lock();
            state.closed = true;
            state.ready.drain()
        };
        // Dropped outside of the lock: what they hold may schedule others.
        drop(queued);
        self.queue.filled.notify_all();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Yields once: ready at the second poll.
    async fn yield_once() {
        let mut yielded = false;
        std::future::poll_fn(|context| {
            if std::mem::replace(&mut yielded, true) {
                return std::task::Poll::Ready(());
            }
            context.waker().wake_by_ref();
            std::task::Poll::Pending
        })
        .await;
    }

    #[tokio::test]
    async fn a_future_that_yields_lets_others_run_on_the_same_thread() {
        let workers = Workers::start(1).unwrap();
        let share = workers.share("acme", 1);
        let spins = Arc::new(std::sync::atomic::AtomicBool::new(true));
        let seen = spins.clone();
        let spinning = share.spawn(async move {
            while seen.load(std::sync::atomic::Ordering::Relaxed) {
                yield_once().await;
            }
        });
        assert_eq!(share.spawn(async { 7 }).await, 7);
        spins.store(false, std::sync::atomic::Ordering::Relaxed);
        spinning.await;
    }

    #[tokio::test]
    async fn a_dropped_task_is_cancelled_and_the_threads_end() {
        let workers = Workers::start(2).unwrap();
        let share = workers.share("acme", 1);
        let forever = share.spawn(std::future::pending::<()>());
        drop(forever);
        assert_eq!(share.spawn(async { 1 }).await, 1);
        drop(workers);
    }

    /// Works for a while and yields, again and again; counts how often.
    async fn work(counted: Arc<std::sync::atomic::AtomicU64>, goes_on: Arc<std::sync::atomic::AtomicBool>) {
        while goes_on.load(std::sync::atomic::Ordering::Relaxed) {
            let until = thread_time() + std::time::Duration::from_micros(500);
            while thread_time() < until {
                std::hint::spin_loop();
            }
            counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            yield_once().await;
        }
    }

    #[tokio::test]
    async fn cpu_time_is_shared_by_weight_and_not_by_the_number_of_fibres() {
        let workers = Workers::start(1).unwrap();
        let goes_on = Arc::new(std::sync::atomic::AtomicBool::new(true));
        let counts: Vec<_> = (0..2).map(|_| Arc::<std::sync::atomic::AtomicU64>::default()).collect();
        let mut tasks = Vec::new();
        for (tenant, weight, fibres, count) in [("honest", 3, 2, &counts[0]), ("greedy", 1, 50, &counts[1])] {
            let share = workers.share(tenant, weight);
            tasks.extend((0..fibres).map(|_| share.spawn(work(count.clone(), goes_on.clone()))));
        }
        let done = |index: usize| counts[index].load(std::sync::atomic::Ordering::Relaxed) as f64;
        while done(0) + done(1) < 800.0 {
            tokio::task::yield_now().await;
        }
        let ratio = done(0) / done(1);
        goes_on.store(false, std::sync::atomic::Ordering::Relaxed);
        for task in tasks {
            task.await;
        }
        assert!((2.5..3.5).contains(&ratio), "{ratio}");
    }
}
