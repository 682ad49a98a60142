//! What a plugin takes of what its limits allow, and how often they stopped it: for `tidegate test` and for the metrics.

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::metrics::PipelineMetrics;

/// Counted by all instances of a plugin together. Each number stands for itself.
#[derive(Default)]
pub struct Usage {
    memory: AtomicU64,
    cpu: AtomicU64,
    output: AtomicU64,
    rows_per_record: AtomicU64,
    lookups_per_record: AtomicU64,
    log_lines: AtomicU64,
    module_size: AtomicU64,
    metrics: OnceLock<PipelineMetrics>,
}

/// The most that was used so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// Bytes of linear memory, of one instance.
    pub memory: u64,
    /// CPU time of one call.
    pub cpu: Duration,
    /// Bytes that one call handed over.
    pub output: u64,
    /// Rows of one record.
    pub rows_per_record: u64,
    /// Lookups a record, of one call and rounded up.
    pub lookups_per_record: u64,
    /// Lines in the log, all together.
    pub log_lines: u64,
    /// Bytes of the plugin's file.
    pub module_size: u64,
}

impl Usage {
    /// From now on, what limits do is counted here.
    pub fn count_in(&self, metrics: PipelineMetrics) {
        // A plugin belongs to one pipeline.
        let _ = self.metrics.set(metrics);
    }

    /// What was used so far.
    pub fn used(&self) -> Used {
        let load = |number: &AtomicU64| number.load(Ordering::Relaxed);
        Used {
            memory: load(&self.memory),
            cpu: Duration::from_nanos(load(&self.cpu)),
            output: load(&self.output),
            rows_per_record: load(&self.rows_per_record),
            lookups_per_record: load(&self.lookups_per_record),
            log_lines: load(&self.log_lines),
            module_size: load(&self.module_size),
        }
    }

    /// A limit stopped a guest, or left out this many of its rows' records or lines.
    pub fn limited(&self, limit: &'static str, times: u64) {
        if let Some(metrics) = self.metrics.get() {
            metrics.limited(limit, times);
        }
    }

    /// Rows of one record.
    pub fn rows_per_record(&self, rows: usize) {
        self.rows_per_record.fetch_max(rows as u64, Ordering::Relaxed);
    }

    pub(super) fn memory(&self, bytes: usize) {
        self.memory.fetch_max(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn module_size(&self, bytes: usize) {
        self.module_size.fetch_max(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn cpu(&self, time: Duration) {
        self.cpu.fetch_max(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    pub(super) fn output(&self, bytes: usize) {
        self.output.fetch_max(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn lookups(&self, lookups: u64, records: usize) {
        self.lookups_per_record.fetch_max(lookups.div_ceil(records.max(1) as u64), Ordering::Relaxed);
    }

    pub(super) fn log_line(&self) {
        self.log_lines.fetch_add(1, Ordering::Relaxed);
    }
}

impl fmt::Debug for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.used().fmt(f)
    }
}
