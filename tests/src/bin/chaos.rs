//! `make chaos`: see `tidegate_tests::chaos`. Exits with 1 where a record is lost, doubled or in the wrong place, and names it.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use tidegate_tests::chaos::{Settings, run};

/// Breaks everything around two gateways, and counts what became of each record.
#[derive(Parser)]
struct Arguments {
    /// How many records, at least.
    #[arg(long, default_value_t = 500_000)]
    records: u64,
    /// How many faults, at least. Each kind and each stop point comes once in any case.
    #[arg(long, default_value_t = 0)]
    faults: usize,
    /// Only faults whose kind has one of these parts in its name; may be given more than once.
    #[arg(long)]
    only: Vec<String>,
    /// Repeats the plan of a run.
    #[arg(long)]
    seed: Option<u64>,
    /// `exactly-once`, or `at-least-once`, which may double.
    #[arg(long, default_value = "exactly-once")]
    delivery: String,
    /// Takes the planning out, and succeeds where the count shows that.
    #[arg(long)]
    unplanned: bool,
    /// Tables take every row.
    #[arg(long)]
    undemanding: bool,
    /// Where logs and `summary.json` go.
    #[arg(long, default_value = "target/chaos")]
    folder: PathBuf,
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let all = arguments.only.is_empty();
    let doubles = arguments.delivery == "at-least-once";
    let folder = arguments.folder;
    let usual = Settings::usual(folder.clone());
    let seed = arguments.seed.unwrap_or(usual.seed);
    let settings = Settings {
        records: arguments.records,
        faults: arguments.faults,
        only: arguments.only,
        seed,
        delivery: arguments.delivery,
        planned: !arguments.unplanned,
        refusing: !arguments.undemanding,
        ..usual
    };
    let (summary, account, unhit) =
        run(settings).inspect_err(|_| println!("failed; the same plan again: SEED={seed}"))?;
    summary.tell(&folder.join("summary.json"))?;
    if arguments.unplanned {
        println!("without plans the count must show it: it does{}", if account.is_clean() { " not" } else { "" });
        return Ok(if account.is_clean() { ExitCode::FAILURE } else { ExitCode::SUCCESS });
    }
    if doubles {
        // What at-least-once promises: nothing is lost.
        let kept = account.lost.count == 0 && account.dead_letters_missing.count == 0 && account.misjudged.count == 0;
        return Ok(if kept { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    if all && !unhit.is_empty() {
        println!("stop points that were not hit alone and under load: {}", unhit.join(", "));
    }
    let well = account.is_clean() && (!all || unhit.is_empty());
    if !well {
        println!("failed; the same plan again: SEED={seed}");
    }
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
