//! How much of a partition is taken at once, and when: `[batch]` of a pipeline file.

use std::time::Duration;

use super::schedule::Schedule;
use super::section::Section;
use super::units::ByteSize;

/// A range is closed when the first of these is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchLimits {
    /// Records in a range.
    pub records: usize,
    /// Bytes of keys, values and headers in a range.
    pub bytes: ByteSize,
    /// Time since the range's first record came.
    pub linger: Duration,
    /// Whether ranges that have lingered go into their tables together, those of all partitions as one.
    pub across_partitions: bool,
}

impl BatchLimits {
    /// Large enough that a table gets few parts, small enough that several ranges fit the memory of a pipeline.
    pub const DEFAULT: Self =
        Self { records: 50_000, bytes: ByteSize::mib(8), linger: Duration::from_secs(1), across_partitions: false };

    /// Ranges so many times as large, at most `bytes`.
    pub fn stretched(self, times: usize, bytes: usize) -> Self {
        let most = bytes.max(self.bytes.0);
        let bytes = ByteSize(self.bytes.0.saturating_mul(times).min(most));
        Self { records: self.records.saturating_mul(times), bytes, ..self }
    }
}

/// The limits, and the schedule if there is one.
pub(super) fn read(section: &Section<'_>) -> (BatchLimits, Option<Schedule>) {
    let default = BatchLimits::DEFAULT;
    let limits = BatchLimits {
        records: section.integer("records", 1..=10_000_000).unwrap_or(default.records),
        bytes: section.size("bytes", ByteSize(1 << 10)).unwrap_or(default.bytes),
        linger: section.duration("linger").unwrap_or(default.linger),
        across_partitions: section.flag("across_partitions").unwrap_or(default.across_partitions),
    };
    let schedule = section.parsed("schedule");
    if schedule.is_some() && section.has("linger") {
        section.fault("linger", "stands beside `schedule`, where ranges wait for no time; expected one of the two");
    }
    if schedule.is_some() && limits.across_partitions {
        section.fault(
            "across_partitions",
            "stands beside `schedule`, where ranges do not linger; expected one of the two",
        );
    }
    (limits, schedule)
}
