//! Threads of our own that run guests. A guest call is a fibre: a future that yields at every tick of the epoch, so that one
//! thread serves many and none holds it. The queue is first in, first out; whatever weighs tenants later takes its place.

use std::collections::VecDeque;
use std::sync::Arc;
use std::thread::JoinHandle;

use async_task::{Runnable, Task};
use parking_lot::{Condvar, Mutex};

/// A fixed number of threads and one queue. Threads end when this is dropped; what is queued then is never run.
pub struct Workers {
    queue: Arc<Queue>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    filled: Condvar,
}

/// Bounded by what may be in flight: every entry is a range that holds a permit of its pipeline's budget.
#[derive(Default)]
struct State {
    ready: VecDeque<Runnable>,
    closed: bool,
}

impl Workers {
    /// Starts the threads.
    ///
    /// # Errors
    /// Where the system gives no more threads.
    pub fn start(count: usize) -> std::io::Result<Self> {
        let mut workers = Self { queue: Arc::default(), threads: Vec::with_capacity(count) };
        for index in 0..count {
            let queue = workers.queue.clone();
            let thread = std::thread::Builder::new().name(format!("worker-{index}")).spawn(move || queue.serve())?;
            workers.threads.push(thread);
        }
        Ok(workers)
    }

    /// Runs a future on the workers. Dropping the task cancels it.
    pub fn spawn<T: Send + 'static>(&self, future: impl Future<Output = T> + Send + 'static) -> Task<T> {
        let queue = self.queue.clone();
        let (runnable, task) = async_task::spawn(future, move |runnable| queue.push(runnable));
        runnable.schedule();
        task
    }
}

impl Queue {
    fn push(&self, runnable: Runnable) {
        let mut state = self.state.lock();
        if !state.closed {
            state.ready.push_back(runnable);
            self.filled.notify_one();
        }
    }

    fn serve(&self) {
        while let Some(runnable) = self.next() {
            // A panic here is a defect of the host; async-task hands it to whoever awaits the task.
            let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| runnable.run()));
        }
    }

    fn next(&self) -> Option<Runnable> {
        let mut state = self.state.lock();
        loop {
            if state.closed {
                return None;
            }
            if let Some(runnable) = state.ready.pop_front() {
                return Some(runnable);
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
            std::mem::take(&mut state.ready)
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
        let spins = Arc::new(std::sync::atomic::AtomicBool::new(true));
        let seen = spins.clone();
        let spinning = workers.spawn(async move {
            while seen.load(std::sync::atomic::Ordering::Relaxed) {
                yield_once().await;
            }
        });
        assert_eq!(workers.spawn(async { 7 }).await, 7);
        spins.store(false, std::sync::atomic::Ordering::Relaxed);
        spinning.await;
    }

    #[tokio::test]
    async fn a_dropped_task_is_cancelled_and_the_threads_end() {
        let workers = Workers::start(2).unwrap();
        let forever = workers.spawn(std::future::pending::<()>());
        drop(forever);
        assert_eq!(workers.spawn(async { 1 }).await, 1);
        drop(workers);
    }
}
