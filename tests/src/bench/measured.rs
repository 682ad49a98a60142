//! What a process measures of itself, at its end.

use std::time::Instant;

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// The figures of one process.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct Measured {
    /// Records from the first to the last, by the time between the two.
    pub records_per_second: f64,
    /// User and system time of the whole process, start included, by record.
    pub cpu_us_per_record: f64,
    /// The most memory that was resident at once.
    pub peak_rss_mib: f64,
}

impl Measured {
    /// Measures the calling process, which has read `records` since `first`.
    ///
    /// # Errors
    /// Where the system does not say how much memory was used.
    pub fn now(records: u64, first: Instant) -> anyhow::Result<Self> {
        let elapsed = first.elapsed().as_secs_f64();
        let cpu = clock_gettime(ClockId::ProcessCPUTime);
        let cpu = cpu.tv_sec as f64 + cpu.tv_nsec as f64 / 1e9;
        let records = records as f64;
        Ok(Self {
            records_per_second: records / elapsed,
            cpu_us_per_record: cpu * 1e6 / records,
            peak_rss_mib: peak_rss_kib()? / 1_024.0,
        })
    }

    /// Prints the figures for the process that started this one.
    ///
    /// # Errors
    /// Where they cannot be written as JSON.
    pub fn print(&self) -> anyhow::Result<()> {
        println!("{}", serde_json::to_string(self)?);
        Ok(())
    }
}

/// `VmHWM` of /proc/self/status.
fn peak_rss_kib() -> anyhow::Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let figure = line.and_then(|line| line.split_whitespace().next());
    Ok(figure.ok_or_else(|| anyhow::anyhow!("/proc/self/status has no VmHWM"))?.parse()?)
}
