//! What a tenant's pipelines hold together: records and rows in flight, and the memory of their plugins' instances. A tenant that
//! holds as much as it may waits: its partitions are not polled, and no instance is begun, until something of it is done. What is
//! in memory already counts also beyond the limit, and what is under way always goes on, so that it gets below again by itself.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tokio::sync::Notify;

/// A tenant's count of bytes. Cheap to clone.
#[derive(Clone)]
pub struct TenantMemory(Arc<Counts>);

struct Counts {
    limit: usize,
    used: AtomicUsize,
    /// Instances that were begun and have not ended, idle ones included.
    instances: AtomicUsize,
    freed: Notify,
    /// What has memory that is only kept to be used again.
    idle: Mutex<Vec<Weak<dyn Idle>>>,
}

/// Something that keeps memory only to use it again.
pub trait Idle: Send + Sync {
    /// Gives it up.
    fn release(&self);
}

/// Bytes that count for a tenant, given back when dropped.
pub struct Held {
    memory: TenantMemory,
    bytes: usize,
    is_instance: bool,
}

impl TenantMemory {
    /// A tenant that may hold so many bytes.
    pub fn new(limit: usize) -> Self {
        Self(Arc::new(Counts {
            limit,
            used: AtomicUsize::default(),
            instances: AtomicUsize::default(),
            freed: Notify::new(),
            idle: Mutex::default(),
        }))
    }

    /// A tenant whose pipelines have only their own bounds.
    pub fn unlimited() -> Self {
        Self::new(usize::MAX)
    }

    /// The bytes that may be held; none where there is no bound.
    pub fn limit(&self) -> Option<usize> {
        (self.0.limit < usize::MAX).then_some(self.0.limit)
    }

    /// The bytes that are held.
    pub fn used(&self) -> usize {
        self.0.used.load(Ordering::Relaxed)
    }

    /// The bytes that may still be taken.
    pub fn room(&self) -> usize {
        self.0.limit.saturating_sub(self.used())
    }

    /// Whether nothing more may be begun. What is only kept to be used again is given up first.
    pub fn is_spent(&self) -> bool {
        if self.room() > 0 {
            return false;
        }
        self.release_idle();
        self.room() == 0
    }

    /// Counts bytes for the tenant, also beyond the limit.
    pub fn hold(&self, bytes: usize) -> Held {
        self.0.used.fetch_add(bytes, Ordering::Relaxed);
        Held { memory: self.clone(), bytes, is_instance: false }
    }

    /// Waits until an instance of a plugin may be begun: while the tenant's memory is spent, and others of its instances are
    /// there whose end will free some.
    pub async fn instance(&self) -> Held {
        loop {
            let freed = self.0.freed.notified();
            tokio::pin!(freed);
            // From here on no call is missed.
            freed.as_mut().enable();
            if !self.is_spent() || self.0.instances.load(Ordering::Relaxed) == 0 {
                self.0.instances.fetch_add(1, Ordering::Relaxed);
                return Held { memory: self.clone(), bytes: 0, is_instance: true };
            }
            freed.await;
        }
    }

    /// Names something that is to give idle memory up when the tenant has none left, as long as it is there.
    pub fn when_spent(&self, release: Weak<dyn Idle>) {
        let mut idle = self.0.idle.lock();
        idle.retain(|known| known.strong_count() > 0);
        idle.push(release);
    }

    /// What is only kept to be used again is given up.
    pub fn release_idle(&self) {
        let idle = self.0.idle.lock().clone();
        idle.iter().filter_map(Weak::upgrade).for_each(|idle| idle.release());
    }
}

impl Held {
    /// Counts another number of bytes from here on.
    pub fn set(&mut self, bytes: usize) {
        let used = &self.memory.0.used;
        if bytes >= self.bytes {
            used.fetch_add(bytes - self.bytes, Ordering::Relaxed);
        } else {
            used.fetch_sub(self.bytes - bytes, Ordering::Relaxed);
            self.memory.0.freed.notify_waiters();
        }
        self.bytes = bytes;
    }

    /// Counts bytes of something else for the same tenant.
    pub fn another(&self, bytes: usize) -> Self {
        self.memory.hold(bytes)
    }

    /// The bytes that it counts.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.is_instance {
            self.memory.0.instances.fetch_sub(1, Ordering::Relaxed);
        }
        self.set(0);
        if self.is_instance {
            self.memory.0.freed.notify_waiters();
        }
    }
}

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Held({} bytes)", self.bytes)
    }
}

impl Default for TenantMemory {
    fn default() -> Self {
        Self::unlimited()
    }
}

impl std::fmt::Debug for TenantMemory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TenantMemory({} of {} bytes)", self.used(), self.0.limit)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::task::Poll;

    use super::*;

    #[test]
    fn what_is_held_counts_until_it_is_dropped() {
        let memory = TenantMemory::new(100);
        let mut held = memory.hold(60);
        let other = memory.hold(30);
        assert_eq!((memory.used(), memory.room(), memory.is_spent()), (90, 10, false));
        held.set(80);
        assert_eq!((memory.used(), memory.room(), memory.is_spent()), (110, 0, true));
        held.set(10);
        drop(other);
        assert_eq!((memory.used(), held.bytes()), (10, 10));
        drop(held);
        assert_eq!(memory.used(), 0);
    }

    #[tokio::test]
    async fn an_instance_waits_for_memory_unless_there_is_no_other_that_could_free_some() {
        let memory = TenantMemory::new(100);
        let records = memory.hold(200);
        let mut first = memory.instance().await;
        first.set(50);
        drop(records);
        let mut second = memory.instance().await;
        second.set(50);
        let third = memory.instance();
        tokio::pin!(third);
        let waits = poll_fn(|context| Poll::Ready(third.as_mut().poll(context).is_pending())).await;
        assert!(waits, "there is no room");
        drop(first);
        third.await;
    }

    #[test]
    fn what_is_idle_is_given_up_when_nothing_is_left() {
        let memory = TenantMemory::new(100);
        let idle = Arc::new(Mutex::new(vec![memory.hold(40)]));
        let weak: Weak<dyn Idle> = Arc::<Mutex<Vec<Held>>>::downgrade(&idle);
        memory.when_spent(weak);
        let _records = memory.hold(50);
        assert!(!memory.is_spent() && idle.lock().len() == 1, "there is room");
        let _more = memory.hold(20);
        assert!(!memory.is_spent() && idle.lock().is_empty(), "{memory:?}");
        drop(idle);
        let other: Arc<Mutex<Vec<Held>>> = Arc::default();
        let weak: Weak<dyn Idle> = Arc::<Mutex<Vec<Held>>>::downgrade(&other);
        memory.when_spent(weak);
        assert_eq!(memory.0.idle.lock().len(), 1, "who is gone is forgotten");
    }

    impl Idle for Mutex<Vec<Held>> {
        fn release(&self) {
            self.lock().clear();
        }
    }
}
