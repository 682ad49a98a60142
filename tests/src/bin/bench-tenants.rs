//! `make bench-tenants`: what an honest tenant keeps of its throughput beside a hostile neighbour, against the same tenant beside an
//! honest one that uses all the CPU it may. Rows are discarded; every run is a process of its own, and runs alternate.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Parser;
use serde::Serialize;
use tidegate::Gateway;
use tidegate::config::{GatewaySettings, SinkSettings};
use tidegate::pipeline::Status;
use tidegate::plugin::{Engine, EngineSettings, compile_if_asked};
use tidegate_demo::produce::{Writer, create_topics, produce};
use tidegate_demo::shop::{Options, Products, Sales};
use tidegate_tests::bench::neighbours::{Commands, HONEST, HOSTILE, Neighbour};
use tokio_util::sync::CancellationToken;

/// As in the gateway's own process.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Measures what a tenant keeps beside hostile neighbours.
#[derive(Parser)]
struct Arguments {
    /// Records in the honest tenant's topic: more than it gets through in a run.
    #[arg(long, default_value_t = 8_000_000)]
    records: u64,
    /// How often every neighbour has its turn.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// How long a run is measured, in seconds.
    #[arg(long, default_value_t = 4.0)]
    window: f64,
    /// Only neighbours whose names hold this.
    #[arg(long)]
    only: Option<String>,
    /// Where the summary goes.
    #[arg(long, default_value = "target/bench/tenants.json")]
    summary: PathBuf,
    /// Be one run: a gateway with this file.
    #[arg(long, hide = true)]
    run: Option<PathBuf>,
}

/// What must be kept.
const BAR: f64 = 0.9;

/// How long both run before they are measured.
const WARM_UP: Duration = Duration::from_secs(2);

/// How long both may take to begin.
const PATIENCE: Duration = Duration::from_secs(120);

const TOPIC: &str = "sales";
const PARTITIONS: i32 = 4;

#[derive(Serialize)]
struct Summary {
    rounds: usize,
    window_seconds: f64,
    /// Beside the honest neighbour, the median of all runs.
    records_per_second: f64,
    neighbours: Vec<Kept>,
}

#[derive(Serialize)]
struct Kept {
    name: &'static str,
    /// The median.
    records_per_second: f64,
    /// The median of the ratios, each of two runs that followed one another.
    kept: f64,
}

fn main() -> anyhow::Result<ExitCode> {
    if let Some(code) = compile_if_asked() {
        return Ok(code);
    }
    let arguments = Arguments::parse();
    if let Some(config) = &arguments.run {
        println!("{}", run(config, &arguments)?);
        // What spins would have to be waited for.
        std::process::exit(0);
    }
    let bench = Bench { brokers: std::env::var("TIDEGATE_TEST_KAFKA")?, folder: tempfile::tempdir()?, arguments };
    bench.fill()?;
    let summary = bench.measure()?;
    if let Some(folder) = bench.arguments.summary.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(&bench.arguments.summary, serde_json::to_string_pretty(&summary)? + "\n")?;
    println!("\nbeside an honest neighbour {:>24.0}/s", summary.records_per_second);
    for Kept { name, records_per_second, kept } in &summary.neighbours {
        println!("beside one that {name:<24}{records_per_second:>11.0}/s  kept {kept:.2}");
    }
    println!("written to {}", bench.arguments.summary.display());
    let missed = summary.neighbours.iter().any(|neighbour| neighbour.kept < BAR);
    Ok(if missed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

struct Bench {
    brokers: String,
    folder: tempfile::TempDir,
    arguments: Arguments,
}

impl Bench {
    fn hostile(&self) -> impl Iterator<Item = Neighbour> {
        let only = self.arguments.only.clone();
        HOSTILE
            .into_iter()
            .filter(move |neighbour| only.as_ref().is_none_or(|only| neighbour.name.contains(only.as_str())))
    }

    fn fill(&self) -> anyhow::Result<()> {
        let started = Instant::now();
        let words: Vec<_> = self.hostile().map(|neighbour| neighbour.word()).collect();
        let mut topics = vec![(TOPIC, PARTITIONS), ("dead", 1)];
        topics.extend(words.iter().map(|word| (word.as_str(), PARTITIONS)));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(create_topics(&self.brokers, &topics))?;
        let options = Options { products: Products::read("plugins/sales/products.csv")?, ..Options::default() };
        let mut writer = Writer::new(&self.brokers, TOPIC, PARTITIONS)?;
        produce(&mut writer, &mut Sales::new(1, options), self.arguments.records, None)?;
        for (neighbour, word) in self.hostile().zip(&words) {
            let mut writer = Writer::new(&self.brokers, word, PARTITIONS)?;
            produce(&mut writer, &mut Commands::new(neighbour.commands), neighbour.records, None)?;
        }
        println!("filled the topics in {:.1} s", started.elapsed().as_secs_f64());
        Ok(())
    }

    fn measure(&self) -> anyhow::Result<Summary> {
        let mut beside_honest = Vec::new();
        let mut runs = BTreeMap::<&'static str, Vec<(f64, f64)>>::new();
        for round in 1..=self.arguments.rounds {
            for neighbour in self.hostile() {
                let honest = self.beside(HONEST)?;
                let hostile = self.beside(neighbour)?;
                println!("{round} {:<24}{hostile:>11.0}/s  against {honest:>8.0}/s", neighbour.name);
                beside_honest.push(honest);
                runs.entry(neighbour.name).or_default().push((hostile, hostile / honest));
            }
        }
        let kept = |neighbour: Neighbour| {
            let runs = runs.get(neighbour.name).context("a neighbour had no turn")?;
            let records_per_second = median(runs.iter().map(|(rate, _)| *rate).collect());
            let kept = median(runs.iter().map(|(_, kept)| *kept).collect());
            anyhow::Ok(Kept { name: neighbour.name, records_per_second, kept })
        };
        Ok(Summary {
            rounds: self.arguments.rounds,
            window_seconds: self.arguments.window,
            records_per_second: median(beside_honest),
            neighbours: self.hostile().map(kept).collect::<anyhow::Result<_>>()?,
        })
    }

    /// One run, in a process of its own.
    fn beside(&self, neighbour: Neighbour) -> anyhow::Result<f64> {
        let config = self.configure(neighbour)?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("--run").arg(config).args(["--window", &self.arguments.window.to_string()]);
        command.args(["--records", &self.arguments.records.to_string()]);
        // What a neighbour floods the log with is formatted and written.
        let log = self.folder.path().join("log");
        let output = command.env("RUST_LOG", "info").stderr(std::fs::File::create(&log)?).output()?;
        if !output.status.success() {
            let said = std::fs::read_to_string(&log)?;
            let last: Vec<_> = said.lines().skip_while(|line| !line.starts_with("Error")).take(4).collect();
            anyhow::bail!("beside one that {}: it ended with {}:\n{}", neighbour.name, output.status, last.join("\n"));
        }
        let text = String::from_utf8(output.stdout)?;
        text.trim().parse().with_context(|| format!("read the figure of a run: {text}"))
    }

    /// A gateway with two tenants, in groups that have read nothing yet.
    fn configure(&self, neighbour: Neighbour) -> anyhow::Result<PathBuf> {
        let unique = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_nanos();
        let folder = self.folder.path().join(unique.to_string());
        let (own, other) = (folder.join("plugins/own"), folder.join("plugins/neighbour"));
        install(&own, "sales", "plugins", TOPIC, "records = 5_000", unique)?;
        match neighbour.commands {
            [] => install(&other, "sales", "plugins", TOPIC, neighbour.batch, unique)?,
            _ => install(&other, "unruly", "test-guests", &neighbour.word(), neighbour.batch, unique)?,
        }
        let config = folder.join("gateway.toml");
        let granted = "read = [\"*\"]\ndead_letters = [\"dead\"]\ntables = [\"nowhere:*\"]\nmemory = \"512 MiB\"\n";
        std::fs::write(
            &config,
            format!(
                "drain = \"1 s\"\n[kafka]\n\"bootstrap.servers\" = \"{}\"\n[sinks.nowhere]\ntype = \"stdout\"\n\
                 [tenants.own]\n{granted}[tenants.neighbour]\n{granted}",
                self.brokers
            ),
        )?;
        Ok(config)
    }
}

fn install(folder: &Path, plugin: &str, built: &str, topic: &str, batch: &str, unique: u128) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder)?;
    let copy = |file: &str| {
        let from = Path::new("target").join(built).join(file);
        std::fs::copy(&from, folder.join(file))
            .with_context(|| format!("copy {}; `make plugins test-guests` makes it", from.display()))
    };
    copy(&format!("{plugin}.wasm"))?;
    let (route, lookups) = match plugin {
        "sales" => {
            copy("products.csv")?;
            ("sale", "[lookups.products]\nfile = \"products.csv\"\nkey = \"product_id\"\n")
        }
        _ => ("line", ""),
    };
    let tenant = folder.file_name().unwrap_or_default().to_string_lossy();
    std::fs::write(
        folder.join(format!("{plugin}.toml")),
        format!(
            "topics = [\"{topic}\"]\ngroup = \"tidegate.{tenant}.{unique}\"\ndead_letter = \"dead\"\n[batch]\n{batch}\n\
             [routes]\n{route} = \"nowhere:t\"\n{lookups}"
        ),
    )?;
    Ok(())
}

/// A run: the records a second that the honest tenant completes while both run.
fn run(config: &Path, arguments: &Arguments) -> anyhow::Result<f64> {
    tidegate::logging::start();
    // As many threads as in the gateway's own process.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let mut settings = GatewaySettings::read(config)?;
        settings.sinks.insert("nowhere".to_owned(), SinkSettings::Discard);
        let gateway = Gateway::with_plugins(settings, Arc::new(Engine::new(EngineSettings::default())?)).await?;
        let statuses = gateway.statuses().all();
        let of = |tenant: &str| {
            let found = statuses.iter().find(|status| status.name().tenant == tenant);
            found.cloned().with_context(|| format!("there is no pipeline of {tenant}"))
        };
        let (own, neighbour) = (of("own")?, of("neighbour")?);
        let _gateway = tokio::spawn(gateway.run(CancellationToken::new()));
        both_run(&own, &neighbour).await?;
        tokio::time::sleep(WARM_UP).await;
        let completed = || own.metrics().completed.get();
        let (begun, before) = (Instant::now(), completed());
        tokio::time::sleep(Duration::from_secs_f64(arguments.window)).await;
        let (took, done) = (begun.elapsed(), completed() - before);
        ensure!(before + done < arguments.records, "it got through all records: --records must be more");
        Ok(done as f64 / took.as_secs_f64())
    })
}

async fn both_run(own: &Status, neighbour: &Status) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while own.metrics().completed.get() == 0 || neighbour.metrics().records.get() == 0 {
        ensure!(Instant::now() < deadline, "they do not begin: {:?} {:?}", own.problems(), neighbour.problems());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    let at = |index: usize| figures.get(index).copied().unwrap_or(f64::NAN);
    (at(figures.len() / 2) + at(figures.len().saturating_sub(1) / 2)) / 2.0
}
