//! `[limits]`: what a plugin may take. Read for pipelines, whose limits are raised in their files, and for tenants, whose ceilings
//! hold for all of their pipelines.

use std::fmt::Display;
use std::time::Duration;

use super::section::Section;
use super::units::{ByteSize, shown_duration};
use crate::plugin::PluginFile;

/// What one plugin of one pipeline may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The linear memory of one instance.
    pub memory: ByteSize,
    /// CPU time of the thread in one call; `init`, `describe` and the start of an instance count as calls.
    pub cpu: Duration,
    /// What one call may hand over, as it lies in the host's memory.
    pub output: ByteSize,
    /// Rows that one record becomes, over all routes and calls.
    pub rows_per_record: usize,
    /// Lines a second in the gateway's log, over all instances.
    pub log_lines: usize,
    /// Questions to lookup tables, on the average of a range's records.
    pub lookups_per_record: usize,
    /// The plugin's file.
    pub module_size: ByteSize,
}

/// A limit beyond a ceiling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exceeding {
    /// The key below `[limits]`.
    pub key: &'static str,
    /// What the pipeline wants.
    pub wanted: String,
    /// What there is to be had.
    pub ceiling: String,
}

impl Limits {
    /// Of a file that says nothing: a hundred times what the examples use, and little enough that a thousand pipelines with
    /// one mistake each leave the machine standing.
    pub const DEFAULT: Self = Self {
        memory: ByteSize::mib(256),
        cpu: Duration::from_secs(1),
        output: ByteSize::mib(128),
        rows_per_record: 10_000,
        log_lines: 100,
        lookups_per_record: 100,
        module_size: ByteSize::mib(32),
    };

    /// Of a tenant whose section says nothing of them: as much as a pipeline's file can ask for.
    pub const MOST: Self = Self {
        memory: ByteSize::mib(4 << 10),
        cpu: Duration::from_secs(600),
        output: ByteSize::mib(4 << 10),
        rows_per_record: 1_000_000_000,
        log_lines: 1_000_000_000,
        lookups_per_record: 1_000_000_000,
        module_size: Self::LARGEST_MODULE,
    };

    /// The largest file that is read at all.
    pub const LARGEST_MODULE: ByteSize = ByteSize(PluginFile::MOST_BYTES as usize);

    /// The keys of the section; what it does not name is as in `otherwise`.
    pub fn read(section: &Section<'_>, otherwise: Self) -> Self {
        let module_size = section.size("module_size", ByteSize(1)).filter(|size| {
            let fits = *size <= Self::LARGEST_MODULE;
            if !fits {
                section.fault("module_size", format!("is \"{size}\"; expected at most \"{}\"", Self::LARGEST_MODULE));
            }
            fits
        });
        let cpu = section.duration("cpu").filter(|cpu| {
            // Time is looked at at the ticks of the epoch, every 5 ms.
            let right = (Duration::from_millis(10)..=Duration::from_secs(600)).contains(cpu);
            if !right {
                let cpu = shown_duration(*cpu);
                section.fault("cpu", format!("is \"{cpu}\"; expected at least \"10 ms\" and at most \"10 min\""));
            }
            right
        });
        let count = |key| section.integer(key, 0..=1_000_000_000);
        Self {
            memory: section.size("memory", ByteSize::mib(1)).unwrap_or(otherwise.memory),
            cpu: cpu.unwrap_or(otherwise.cpu),
            output: section.size("output", ByteSize(64 << 10)).unwrap_or(otherwise.output),
            rows_per_record: section.integer("rows_per_record", 1..=1_000_000_000).unwrap_or(otherwise.rows_per_record),
            log_lines: count("log_lines").unwrap_or(otherwise.log_lines),
            lookups_per_record: count("lookups_per_record").unwrap_or(otherwise.lookups_per_record),
            module_size: module_size.unwrap_or(otherwise.module_size),
        }
    }

    /// The smaller of both, limit by limit: the defaults of a tenant that may not have as much.
    #[must_use]
    pub fn at_most(&self, ceiling: &Self) -> Self {
        Self {
            memory: self.memory.min(ceiling.memory),
            cpu: self.cpu.min(ceiling.cpu),
            output: self.output.min(ceiling.output),
            rows_per_record: self.rows_per_record.min(ceiling.rows_per_record),
            log_lines: self.log_lines.min(ceiling.log_lines),
            lookups_per_record: self.lookups_per_record.min(ceiling.lookups_per_record),
            module_size: self.module_size.min(ceiling.module_size),
        }
    }

    /// The limits that lie beyond a ceiling.
    pub fn exceeding(&self, ceiling: &Self) -> Vec<Exceeding> {
        let cpu = (shown_duration(self.cpu), shown_duration(ceiling.cpu));
        [
            beyond("memory", self.memory, ceiling.memory),
            (self.cpu > ceiling.cpu).then_some(Exceeding { key: "cpu", wanted: cpu.0, ceiling: cpu.1 }),
            beyond("output", self.output, ceiling.output),
            beyond("rows_per_record", self.rows_per_record, ceiling.rows_per_record),
            beyond("log_lines", self.log_lines, ceiling.log_lines),
            beyond("lookups_per_record", self.lookups_per_record, ceiling.lookups_per_record),
            beyond("module_size", self.module_size, ceiling.module_size),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

fn beyond<T: PartialOrd + Display>(key: &'static str, wanted: T, ceiling: T) -> Option<Exceeding> {
    (wanted > ceiling).then(|| Exceeding { key, wanted: wanted.to_string(), ceiling: ceiling.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Document;

    fn read(text: &str) -> Result<Limits, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let limits = Document::read(file.path(), |top| Some(Limits::read(&top.section("limits")?, Limits::DEFAULT)));
        limits.map_err(|faults| faults.to_string().replace(&file.path().display().to_string(), "f"))
    }

    #[test]
    fn what_is_not_named_is_as_it_is_by_default() {
        let limits = read("[limits]\ncpu = \"100 ms\"\nlog_lines = 0\nmodule_size = \"64 MiB\"\n").unwrap();
        let (cpu, module_size) = (Duration::from_millis(100), ByteSize::mib(64));
        assert_eq!(limits, Limits { cpu, log_lines: 0, module_size, ..Limits::DEFAULT });
    }

    #[test]
    fn faults_say_what_would_be_right() {
        let text = "[limits]\nmemory = \"4 KiB\"\ncpu = \"1 ms\"\noutput = \"1 B\"\nrows_per_record = 0\nlog_lines = \"few\"\n\
                    lookups_per_record = -1\nmodule_size = \"1 GiB\"\nrows = 1\n";
        let faults = read(text).unwrap_err();
        let mut lines: Vec<_> = faults.lines().collect();
        lines.sort_unstable();
        assert_eq!(
            lines,
            [
                "f:2: `limits.memory`: is \"4 KiB\"; expected at least \"1 MiB\"",
                "f:3: `limits.cpu`: is \"1 ms\"; expected at least \"10 ms\" and at most \"10 min\"",
                "f:4: `limits.output`: is \"1 B\"; expected at least \"64 KiB\"",
                "f:5: `limits.rows_per_record`: is 0; expected a whole number from 1 to 1000000000",
                "f:6: `limits.log_lines`: is \"few\"; expected a whole number from 0 to 1000000000",
                "f:7: `limits.lookups_per_record`: is -1; expected a whole number from 0 to 1000000000",
                "f:8: `limits.module_size`: is \"1024 MiB\"; expected at most \"256 MiB\"",
                "f:9: `limits.rows`: is not a known key; the nearest known one is `rows_per_record`",
            ]
        );
    }

    #[test]
    fn what_lies_beyond_a_ceiling_is_named_with_both_values() {
        let ceiling = Limits { cpu: Duration::from_millis(500), log_lines: 10, ..Limits::DEFAULT };
        let exceeding = Limits::DEFAULT.exceeding(&ceiling);
        let told: Vec<_> = exceeding.iter().map(|one| (one.key, &*one.wanted, &*one.ceiling)).collect();
        assert_eq!(told, [("cpu", "1 s", "500 ms"), ("log_lines", "100", "10")]);
        assert_eq!(Limits::DEFAULT.at_most(&ceiling), ceiling);
        assert!(ceiling.exceeding(&Limits::DEFAULT).is_empty());
    }
}
