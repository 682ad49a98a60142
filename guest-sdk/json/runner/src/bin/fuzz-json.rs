//! `fuzz-json MODULE RECORDS SEED [FIRST]`: the fuzzer in a guest, with the same answer as `json-fuzz` gives natively.

use std::path::PathBuf;

use clap::Parser;
use tidegate_json_runner::fuzz::{Count, fuzz};

/// Fuzzes in a guest.
#[derive(Parser)]
struct Arguments {
    module: PathBuf,
    records: u64,
    seed: u64,
    #[arg(default_value_t = 0)]
    first: u64,
}

fn main() -> anyhow::Result<()> {
    let Arguments { module, records, seed, first } = Arguments::parse();
    let Count { records, accepted, documented, fingerprint } = fuzz(&module, seed, first, records)?;
    println!("{records} records, {accepted} accepted, {documented} with a documented difference, {fingerprint:016x}");
    Ok(())
}
