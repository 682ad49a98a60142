//! What a run came to, as a file and for people.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use serde::Serialize;

use super::account::Account;
use super::plan::{Fault, STOP_POINTS};

/// What happened in a run.
#[derive(Debug, Default)]
pub struct Happened {
    /// How often each kind of fault did.
    pub faults: BTreeMap<String, u32>,
    /// Of outages, how long it took until rows flowed again in all partitions.
    pub recoveries: Vec<(String, Duration)>,
    /// How often a gateway died at each stop point: alone, and under load.
    pub stop_points: BTreeMap<&'static str, Hits>,
    /// Faults that were planned and did not come about.
    pub missed: Vec<String>,
    /// Versions that were put there.
    pub swaps: u64,
}

/// How often a stop point was hit.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Hits {
    /// By a gateway of its own, without other faults.
    pub alone: u32,
    /// In the thick of it.
    pub under_load: u32,
}

/// The file `summary.json`.
#[derive(Debug, Serialize)]
pub struct Summary {
    seed: u64,
    delivery: String,
    /// Whether ranges were planned before they were sent.
    planned: bool,
    seconds: u64,
    records: u64,
    rows: u64,
    dead_letters: u64,
    swaps: u64,
    /// How many of these made rows, of the pipeline with the most.
    versions: u64,
    /// By kind.
    faults: BTreeMap<String, u32>,
    missed: Vec<String>,
    stop_points: BTreeMap<&'static str, Hits>,
    lost: u64,
    duplicated: u64,
    dead_letters_missing: u64,
    dead_letters_doubled: u64,
    in_both: u64,
    misjudged: u64,
    /// From the end of an outage until rows flow again in all partitions.
    recovery_p99_seconds: f64,
    /// The longest of each kind.
    recovery_seconds: BTreeMap<String, f64>,
    /// The first numbers of each kind that are not as they should be.
    findings: BTreeMap<&'static str, Vec<String>>,
}

/// So many findings of a kind are shown to people; the file has more.
const SHOWN: usize = 5;

impl Happened {
    /// A fault happened.
    pub fn note(&mut self, fault: &Fault) {
        *self.faults.entry(fault.kind()).or_default() += 1;
    }

    /// Rows flow again so long after its end.
    pub fn recovered(&mut self, fault: &Fault, took: Duration) {
        self.recoveries.push((fault.kind(), took));
    }

    /// Stop points that were never hit alone or never under load.
    pub fn unhit(&self) -> Vec<&'static str> {
        let hits = |name: &str| self.stop_points.get(name).copied().unwrap_or_default();
        let unhit = |name: &&str| hits(name).alone == 0 || hits(name).under_load == 0;
        STOP_POINTS.into_iter().filter(unhit).collect()
    }
}

impl Summary {
    /// Of a run by this seed that took so long.
    pub fn new(
        (seed, took): (u64, Duration),
        (delivery, planned): (&str, bool),
        happened: Happened,
        account: &Account,
    ) -> Self {
        let mut outages: Vec<f64> = happened.recoveries.iter().map(|(_, took)| took.as_secs_f64()).collect();
        outages.sort_by(f64::total_cmp);
        let p99 = ((outages.len() as f64 * 0.99).ceil() as usize).clamp(1, outages.len().max(1)) - 1;
        let mut longest = BTreeMap::new();
        for (kind, took) in &happened.recoveries {
            let longest: &mut f64 = longest.entry(kind.clone()).or_default();
            *longest = longest.max((took.as_secs_f64() * 100.0).round() / 100.0);
        }
        let findings = account.findings().into_iter().filter(|(_, findings)| findings.count > 0);
        Self {
            seed,
            delivery: delivery.to_owned(),
            planned,
            seconds: took.as_secs(),
            records: account.records,
            rows: account.rows,
            dead_letters: account.letters,
            swaps: happened.swaps,
            versions: account.versions,
            faults: happened.faults,
            missed: happened.missed,
            stop_points: happened.stop_points,
            lost: account.lost.count,
            duplicated: account.duplicated.count,
            dead_letters_missing: account.dead_letters_missing.count,
            dead_letters_doubled: account.dead_letters_doubled.count,
            in_both: account.in_both.count,
            misjudged: account.misjudged.count,
            recovery_p99_seconds: outages.get(p99).map_or(0.0, |seconds| (seconds * 100.0).round() / 100.0),
            recovery_seconds: longest,
            findings: findings.map(|(name, findings)| (name, findings.first.clone())).collect(),
        }
    }

    /// Writes the file, and says the same to people.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn tell(&self, file: &Path) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        std::fs::write(file, text).with_context(|| format!("write {}", file.display()))?;
        let faults: u32 = self.faults.values().sum();
        println!(
            "{} records in {} s, {} rows and {} dead letters by up to {} of {} versions, {faults} faults, seed {}",
            self.records, self.seconds, self.rows, self.dead_letters, self.versions, self.swaps, self.seed
        );
        println!(
            "{} lost, {} duplicated, {} dead letters missing, {} doubled, {} in both, {} misjudged",
            self.lost,
            self.duplicated,
            self.dead_letters_missing,
            self.dead_letters_doubled,
            self.in_both,
            self.misjudged
        );
        for (kind, numbers) in &self.findings {
            println!("{kind}:");
            numbers.iter().take(SHOWN).for_each(|number| println!("  {number}"));
        }
        for missed in &self.missed {
            println!("did not come about: {missed}");
        }
        println!("rows flow again after {:.2} s (p99 of outages)", self.recovery_p99_seconds);
        println!("written to {}", file.display());
        Ok(())
    }
}
