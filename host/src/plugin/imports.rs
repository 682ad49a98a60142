//! The host's side of what a plugin imports: log lines, lookups, and the clock and the randomness of the empty world.

use std::sync::Arc;
use std::time::Instant;

use super::contract::{self, Output, log, lookup};
use super::engine::InstanceSettings;
use super::limit::{CpuMeter, LimitReached, MemoryLimit};
use super::log_lines::LogLines;
use crate::pipeline::Range;
use crate::rows::shortened;
use crate::tenants::Held;

/// The longest line that a guest's log is taken for, in bytes.
const LONGEST_LINE: usize = 4_096;

/// Lookups of `init`, which has no records to count them by.
const FIRST_LOOKUPS: u64 = 10_000;

/// What the host's side of the imports works on.
pub(super) struct GuestState {
    pub instance: InstanceSettings,
    pub memory: MemoryLimit,
    pub cpu: Arc<CpuMeter>,
    log_lines: Arc<LogLines>,
    /// How many more the range may make.
    lookups_left: u64,
    /// How many the call has made.
    lookups: u64,
    /// The last line that the guest logged as an error: a panic's message, when a trap follows.
    last_error: Option<String>,
    /// Milliseconds since 1970, the greatest timestamp that the range has shown so far.
    clock: u64,
    seed: u64,
}

impl GuestState {
    pub fn new(instance: InstanceSettings, log_lines: Arc<LogLines>, held: Held) -> Self {
        Self {
            memory: MemoryLimit { limit: instance.limits.memory, usage: instance.usage.clone(), held },
            cpu: Arc::new(CpuMeter::new(&instance.limits)),
            log_lines,
            lookups_left: FIRST_LOOKUPS,
            lookups: 0,
            last_error: None,
            clock: 0,
            seed: 0,
            instance,
        }
    }

    /// A range begins.
    pub fn begin(&mut self, range: &Range) {
        self.cpu.set_budget(self.instance.limits.cpu);
        self.last_error = None;
        self.clock = 0;
        self.seed = range.seed();
        self.lookups_left = 0;
        self.tell_left_out(self.log_lines.settle(Instant::now()));
    }

    /// A call begins with records of these timestamps.
    pub fn advance(&mut self, timestamps: &[i64]) {
        let latest = timestamps.iter().copied().max().and_then(|latest| u64::try_from(latest).ok());
        self.clock = self.clock.max(latest.unwrap_or_default());
        self.lookups = 0;
        let lookups = timestamps.len().saturating_mul(self.instance.limits.lookups_per_record);
        self.lookups_left = self.lookups_left.saturating_add(lookups as u64);
    }

    /// A call with so many records has ended.
    pub fn used(&self, records: usize, output: &Output) {
        let usage = &self.instance.usage;
        usage.lookups(self.lookups, records);
        usage.output(weight(output));
        usage.cpu(self.cpu.last());
    }

    pub fn clock(&self) -> u64 {
        self.clock
    }

    /// The message of the panic that a trap follows.
    pub fn take_panic(&mut self) -> Option<String> {
        self.last_error.take()
    }

    /// The next number of the sequence that the range's seed begins (SplitMix64: Steele, Lea and Flood, 2014).
    pub fn random(&mut self) -> u64 {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.seed ^ (self.seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn tell_left_out(&self, lines: u64) {
        if lines > 0 {
            let (pipeline, limit) = (self.instance.pipeline.as_str(), self.instance.limits.log_lines);
            tracing::warn!(target: "plugin", pipeline, "left out {lines} lines of the plugin: `limits.log_lines` is {limit} a second");
        }
    }

    fn count_lookup(&mut self) -> Result<(), LimitReached> {
        self.lookups += 1;
        let left = self.lookups_left.checked_sub(1);
        self.lookups_left = left.ok_or_else(|| LimitReached::lookups(self.instance.limits.lookups_per_record))?;
        Ok(())
    }
}

/// What an output takes in the host's memory, in bytes, as wasmtime counts what a guest hands over.
fn weight(output: &Output) -> usize {
    let rows = output
        .rows
        .iter()
        .map(|rows| size_of_val(rows) + rows.bytes.len() + 4 * (rows.ends.len() + rows.origins.len()));
    let rejects = output.rejects.iter().map(|reject| size_of_val(reject) + reject.reason.len());
    rows.chain(rejects).sum()
}

impl log::Host for GuestState {
    fn write(&mut self, level: log::Level, message: String) -> wasmtime::Result<()> {
        self.instance.usage.log_line();
        let admission = self.log_lines.admit(Instant::now());
        self.tell_left_out(admission.left_out);
        if !admission.admitted {
            self.instance.usage.limited("log_lines", 1);
        }
        if !admission.admitted && level != log::Level::Error {
            return Ok(());
        }
        let message = shortened(message, LONGEST_LINE);
        let pipeline = self.instance.pipeline.as_str();
        match level {
            log::Level::Debug => tracing::debug!(target: "plugin", pipeline, "{message}"),
            log::Level::Info => tracing::info!(target: "plugin", pipeline, "{message}"),
            log::Level::Warn => tracing::warn!(target: "plugin", pipeline, "{message}"),
            log::Level::Error => {
                if admission.admitted {
                    tracing::error!(target: "plugin", pipeline, "{message}");
                }
                self.last_error = Some(message);
            }
        }
        Ok(())
    }
}

impl lookup::Host for GuestState {
    fn open(&mut self, name: String) -> wasmtime::Result<Result<lookup::Table, String>> {
        self.count_lookup()?;
        let opened = self.instance.lookups.open(&shortened(name, LONGEST_LINE));
        Ok(opened.map(|(handle, columns)| lookup::Table { handle, columns: columns.to_vec() }))
    }

    fn get(&mut self, table: u32, key: String) -> wasmtime::Result<Option<Vec<String>>> {
        self.count_lookup()?;
        Ok(self.instance.lookups.get(table, &key).map(<[String]>::to_vec))
    }
}

impl contract::tidegate::plugin::types::Host for GuestState {}
