//! `make bench-json`: reads every set with every parser, natively and in a guest, several times in turn, and writes the
//! medians.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, ensure};
use clap::Parser;
use tidegate::plugin::Profiling;
use tidegate_json_bench::data::DataSet;
use tidegate_json_bench::parsers::ParserKind;
use tidegate_json_bench::{BATCH, PASSES, RECORDS};
use tidegate_json_runner::bench::{Figures, InGuest, NanosPerRecord, Native, ParserFigures, SetFigures, Side};

/// Measures what a record costs to read.
#[derive(Parser)]
struct Arguments {
    /// The program `json-bench`.
    #[arg(long)]
    native: PathBuf,
    /// The same as a module.
    #[arg(long)]
    guest: PathBuf,
    /// How often everything is measured.
    #[arg(long, default_value_t = 11)]
    rounds: usize,
    /// Only sets whose name contains this.
    #[arg(long, default_value = "")]
    set: String,
    /// Only parsers whose name contains this.
    #[arg(long, default_value = "")]
    parser: String,
    /// Name the guest's functions for `perf`.
    #[arg(long)]
    perf_map: bool,
    /// Where the figures go.
    #[arg(long, default_value = "target/bench/json.json")]
    figures: PathBuf,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    ensure!(arguments.rounds > 0, "rounds is 0; expected at least 1");
    let profiling = if arguments.perf_map { Profiling::PerfMap } else { Profiling::Off };
    let mut sides: [Box<dyn Side>; 2] =
        [Box::new(Native::start(&arguments.native)?), Box::new(InGuest::load(&arguments.guest, profiling)?)];
    let wanted_sets = DataSet::ALL.iter().enumerate().filter(|(_, set)| set.name().contains(&arguments.set));
    let wanted_parsers =
        ParserKind::ALL.iter().enumerate().filter(|(_, parser)| parser.name().contains(&arguments.parser));
    let parsers: Vec<_> = wanted_parsers.collect();
    let mut data_sets = BTreeMap::new();
    for (number, set) in wanted_sets {
        eprintln!("{}", set.name());
        let figures = measure(&mut sides, number, &parsers, arguments.rounds);
        data_sets.insert(set.name(), figures.with_context(|| format!("measure {}", set.name()))?);
    }
    let figures = Figures { records: RECORDS * PASSES, batch: BATCH, rounds: arguments.rounds, data_sets };
    println!("{figures}");
    if let Some(folder) = arguments.figures.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(&arguments.figures, serde_json::to_string_pretty(&figures)? + "\n")?;
    println!("\nwritten to {}", arguments.figures.display());
    Ok(())
}

/// One set: all parsers on both sides, one after the other in every round, so that whatever else the machine does falls on all.
fn measure(
    sides: &mut [Box<dyn Side>; 2],
    set: usize,
    parsers: &[(usize, &ParserKind)],
    rounds: usize,
) -> anyhow::Result<SetFigures> {
    let mut figures = SetFigures::default();
    for side in &mut *sides {
        figures.bytes_per_record = side.prepare(set)?;
    }
    let mut taken: BTreeMap<(usize, usize), Vec<f64>> = BTreeMap::new();
    let mut refused = BTreeMap::new();
    // The first round only warms up.
    for round in 0..=rounds {
        for &(number, _) in parsers {
            for (index, side) in sides.iter_mut().enumerate() {
                let Some((count, time)) = side.run(number)? else { continue };
                refused.insert(number, count as f64 / (RECORDS * PASSES) as f64);
                if round > 0 {
                    let nanos = time.as_secs_f64() * 1e9 / (RECORDS * PASSES) as f64;
                    taken.entry((number, index)).or_default().push(nanos);
                }
            }
        }
    }
    for &(number, parser) in parsers {
        let mut median = |side| taken.remove(&(number, side)).and_then(median);
        let ns_per_record = NanosPerRecord { native: median(0), guest: median(1) };
        let refused = refused.get(&number).copied().unwrap_or_default();
        figures.parsers.insert(parser.name(), ParserFigures { ns_per_record, refused });
    }
    Ok(figures)
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).map(|value| (value * 100.0).round() / 100.0)
}
