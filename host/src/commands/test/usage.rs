//! What a plugin took of each of its limits, beside what it may take.

use std::fmt::Write as _;

use serde::Serialize;

use crate::config::{ByteSize, Limits, shown_duration};
use crate::plugin::Used;

/// The most over all cases, with the defaults of a pipeline file; sizes in bytes.
#[derive(Serialize)]
pub(super) struct LimitsSummary {
    memory: Of,
    cpu_microseconds: Of,
    output: Of,
    rows_per_record: Of,
    lookups_per_record: Of,
    /// Lines all together, and how many a second may have.
    log_lines: Of,
    module_size: Of,
}

#[derive(Serialize)]
struct Of {
    used: u64,
    limit: u64,
}

impl LimitsSummary {
    pub fn of(used: &Used) -> Self {
        let limits = Limits::DEFAULT;
        let micros = |time: std::time::Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let of = |used, limit: usize| Of { used, limit: limit as u64 };
        Self {
            memory: of(used.memory, limits.memory.0),
            cpu_microseconds: Of { used: micros(used.cpu), limit: micros(limits.cpu) },
            output: of(used.output, limits.output.0),
            rows_per_record: of(used.rows_per_record, limits.rows_per_record),
            lookups_per_record: of(used.lookups_per_record, limits.lookups_per_record),
            log_lines: of(used.log_lines, limits.log_lines),
            module_size: of(used.module_size, limits.module_size.0),
        }
    }
}

/// A line for each limit.
pub(super) fn text(used: &Used) -> String {
    let limits = Limits::DEFAULT;
    let size = |bytes: u64| ByteSize(usize::try_from(bytes).unwrap_or(usize::MAX)).to_string();
    let lines = [
        ("memory", size(used.memory), format!("{} an instance", limits.memory)),
        ("cpu", shown_duration(used.cpu), format!("{} a call", shown_duration(limits.cpu))),
        ("output", size(used.output), format!("{} a call", limits.output)),
        ("rows_per_record", used.rows_per_record.to_string(), limits.rows_per_record.to_string()),
        ("lookups_per_record", used.lookups_per_record.to_string(), limits.lookups_per_record.to_string()),
        ("log_lines", used.log_lines.to_string(), format!("{} a second", limits.log_lines)),
        ("module_size", size(used.module_size), limits.module_size.to_string()),
    ];
    let mut text = String::from("\nthe most that it took, of what a pipeline's [limits] are without naming them\n");
    for (limit, used, most) in lines {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "    {limit:18}  {used:>10}  of {most}");
    }
    text
}
