//! The bytes that a pipeline may hold between fetching and completing. When they are spent, partitions are not polled:
//! memory stays bounded however slow the sink is, and Kafka keeps the rest.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A shared count of bytes.
#[derive(Clone, Debug)]
pub struct Budget {
    limit: usize,
    used: Arc<AtomicUsize>,
}

/// Bytes taken from a budget, given back when dropped.
#[derive(Debug)]
pub struct Permit {
    bytes: usize,
    used: Arc<AtomicUsize>,
}

impl Budget {
    /// A budget of `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { limit, used: Arc::default() }
    }

    /// The bytes that may be held at once.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// The bytes that are held by permits.
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// Takes bytes, also beyond the limit: they are in memory already, and the limit stops the next ones.
    pub fn take(&self, bytes: usize) -> Permit {
        self.used.fetch_add(bytes, Ordering::Relaxed);
        Permit { bytes, used: self.used.clone() }
    }
}

impl Permit {
    /// Takes more bytes: what a batch grew by when its rows joined its records.
    pub fn grow(&mut self, bytes: usize) {
        self.used.fetch_add(bytes, Ordering::Relaxed);
        self.bytes += bytes;
    }

    /// Gives back what is beyond `bytes`: what a batch has shrunk to.
    pub fn shrink_to(&mut self, bytes: usize) {
        let beyond = self.bytes.saturating_sub(bytes);
        self.used.fetch_sub(beyond, Ordering::Relaxed);
        self.bytes -= beyond;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_comes_back() {
        let budget = Budget::new(10);
        let mut permit = budget.take(8);
        permit.grow(4);
        assert_eq!(budget.used(), 12);
        permit.shrink_to(20);
        assert_eq!(budget.used(), 12);
        permit.shrink_to(7);
        assert_eq!(budget.used(), 7);
        drop(permit);
        assert_eq!(budget.used(), 0);
    }
}
