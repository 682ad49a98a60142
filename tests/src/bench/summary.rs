//! Medians over the rounds of a benchmark, as a table and as `target/bench/summary.json`.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::measured::Measured;

/// All figures of a benchmark.
#[derive(Debug, Serialize)]
pub struct Summary {
    /// Records in the topic.
    pub records: u64,
    /// Partitions of the topic.
    pub partitions: i32,
    /// Rounds that the medians are of.
    pub rounds: usize,
    /// By mode.
    pub runs: BTreeMap<&'static str, Measured>,
    /// CPU a record, WebAssembly by native.
    pub wasm_tax: f64,
    /// CPU a record, exactly once by at least once.
    pub exactly_once_tax: f64,
    /// CPU a record, the whole path by a bare poll loop.
    pub over_librdkafka: f64,
}

impl Summary {
    /// The medians of every mode's rounds, and the ratios between them.
    ///
    /// # Errors
    /// Where a mode has no round.
    pub fn new(records: u64, partitions: i32, rounds: &BTreeMap<&'static str, Vec<Measured>>) -> anyhow::Result<Self> {
        let runs: BTreeMap<_, _> = rounds.iter().map(|(mode, rounds)| (*mode, medians(rounds))).collect();
        let cpu = |mode: &str| {
            let run = runs.get(mode).ok_or_else(|| anyhow::anyhow!("there is no run of {mode}"))?;
            anyhow::Ok(run.cpu_us_per_record)
        };
        let wasm = cpu("wasm_clickhouse")?;
        Ok(Self {
            records,
            partitions,
            rounds: rounds.values().map(Vec::len).min().unwrap_or_default(),
            wasm_tax: wasm / cpu("native_clickhouse")?,
            exactly_once_tax: wasm / cpu("wasm_clickhouse_at_least_once")?,
            over_librdkafka: wasm / cpu("librdkafka")?,
            runs,
        })
    }
}

fn medians(rounds: &[Measured]) -> Measured {
    let median = |figure: fn(&Measured) -> f64| {
        let mut figures: Vec<f64> = rounds.iter().map(figure).collect();
        figures.sort_by(f64::total_cmp);
        let upper = figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN);
        let lower = figures.get((figures.len().saturating_sub(1)) / 2).copied().unwrap_or(f64::NAN);
        (upper + lower) / 2.0
    };
    Measured {
        records_per_second: median(|measured| measured.records_per_second),
        cpu_us_per_record: median(|measured| measured.cpu_us_per_record),
        peak_rss_mib: median(|measured| measured.peak_rss_mib),
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { records, partitions, rounds, .. } = self;
        writeln!(f, "{records} records in {partitions} partitions, medians of {rounds}")?;
        writeln!(f, "{:<32}{:>16}{:>16}{:>14}", "", "records/s", "CPU us/record", "peak MiB")?;
        for (mode, run) in &self.runs {
            let Measured { records_per_second, cpu_us_per_record, peak_rss_mib } = run;
            writeln!(f, "{mode:<32}{records_per_second:>16.0}{cpu_us_per_record:>16.3}{peak_rss_mib:>14.0}")?;
        }
        writeln!(f, "wasm_tax         {:.2}", self.wasm_tax)?;
        writeln!(f, "exactly_once_tax {:.2}", self.exactly_once_tax)?;
        write!(f, "over_librdkafka  {:.2}", self.over_librdkafka)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(cpu: f64) -> Measured {
        Measured { records_per_second: 1.0, cpu_us_per_record: cpu, peak_rss_mib: 2.0 }
    }

    #[test]
    fn ratios_are_of_medians() -> anyhow::Result<()> {
        let rounds = BTreeMap::from([
            ("librdkafka", vec![measured(0.5), measured(9.0), measured(0.4)]),
            ("wasm_clickhouse", vec![measured(0.8), measured(0.7), measured(7.0)]),
            ("native_clickhouse", vec![measured(0.6), measured(0.8)]),
            ("wasm_clickhouse_at_least_once", vec![measured(0.5)]),
        ]);
        let summary = Summary::new(10, 4, &rounds)?;
        assert!((summary.over_librdkafka - 1.6).abs() < 1e-9);
        assert!((summary.wasm_tax - 0.8 / 0.7).abs() < 1e-9);
        assert!((summary.exactly_once_tax - 1.6).abs() < 1e-9);
        Ok(())
    }
}
