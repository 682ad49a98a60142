//! `make bench-many`: a thousand pipelines with a thousand plugins in one gateway. How long it takes to start, what it costs
//! while nothing comes, and how long a record through one of them takes.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Parser;
use rand::seq::SliceRandom;
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord};
use serde::Serialize;
use tidegate_demo::produce::Deliveries;
use tidegate_tests::bench::crowd::{Crowd, Member};
use tidegate_tests::bench::process::Running;
use tidegate_tests::harness::Http;

/// Measures what many pipelines cost, and misses where that is more than it may be.
#[derive(Parser)]
struct Arguments {
    #[arg(long, default_value_t = 1_000)]
    pipelines: usize,
    /// Through how many of them a record is sent, one after the other.
    #[arg(long, default_value_t = 50)]
    records: usize,
    /// How long the idle gateway is watched, in seconds.
    #[arg(long, default_value_t = 30)]
    idle: u64,
    /// Where the figures go.
    #[arg(long, default_value = "target/bench/many.json")]
    summary: PathBuf,
}

/// The figures, those that are bounded first.
#[derive(Debug, Serialize)]
struct Summary {
    pipelines: usize,
    /// From the process's start until every pipeline is parked, with compiled plugins and committed offsets from before.
    start_seconds: f64,
    idle_rss_mib: f64,
    idle_cores: f64,
    /// From writing a record to its row, over all records.
    slowest_record_ms: f64,
    median_record_ms: f64,
    /// The first start ever: every plugin is compiled, every group begins.
    first_start_seconds: f64,
    idle_threads: u64,
    /// With as many pipelines awake as records were sent.
    awake_threads: u64,
    awake_rss_mib: f64,
}

/// A figure's name, the figure, and what it may be at most.
type Bar = (&'static str, fn(&Summary) -> f64, f64);

const BARS: [Bar; 4] = [
    ("start_seconds", |summary| summary.start_seconds, 20.0),
    ("idle_rss_mib", |summary| summary.idle_rss_mib, 2_048.0),
    ("idle_cores", |summary| summary.idle_cores, 0.1),
    ("slowest_record_ms", |summary| summary.slowest_record_ms, 1_000.0),
];

/// How long the first start may take: it compiles a thousand plugins.
const FIRST_START: Duration = Duration::from_secs(1_800);

/// How long the second start may take before it is given up: far beyond its bar.
const START: Duration = Duration::from_secs(300);

/// How long a row may take before it is given up.
const ROW: Duration = Duration::from_secs(30);

/// Between two looks at a file: beside a row's time it is nothing.
const LOOK: Duration = Duration::from_millis(2);

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let brokers = std::env::var("TIDEGATE_TEST_KAFKA")
        .context("TIDEGATE_TEST_KAFKA is not set; `make bench-many` starts the service")?;
    let folder = tempfile::tempdir()?;
    let summary = measure(&arguments, &brokers, folder.path())?;
    if let Some(folder) = arguments.summary.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let text = serde_json::to_string_pretty(&summary)? + "\n";
    std::fs::write(&arguments.summary, &text)?;
    println!("{text}written to {}", arguments.summary.display());
    let mut met = true;
    for (name, figure, most) in BARS {
        if figure(&summary) > most {
            eprintln!("{name} is {:.3}, above {most}", figure(&summary));
            met = false;
        }
    }
    Ok(if met { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn measure(arguments: &Arguments, brokers: &str, folder: &Path) -> anyhow::Result<Summary> {
    let Arguments { pipelines, records, .. } = *arguments;
    let http = Http::new()?;
    let crowd = http.wait(Crowd::gather(folder, pipelines, brokers))?;
    println!("{pipelines} topics, plugins and pipeline files are made");

    let gateway = Running::start(&crowd.gateway_file(), &folder.join("first.log"))?;
    gateway.wait_for("tidegate_parked", pipelines, FIRST_START)?;
    let first_start_seconds = gateway.elapsed().as_secs_f64();
    println!("started for the first time within {first_start_seconds:.1} s");
    gateway.stop()?;

    let gateway = Running::start(&crowd.gateway_file(), &folder.join("second.log"))?;
    gateway.wait_for("tidegate_parked", pipelines, START)?;
    let start_seconds = gateway.elapsed().as_secs_f64();
    println!("started again within {start_seconds:.1} s");

    let (cpu, since) = (gateway.cpu()?, Instant::now());
    std::thread::sleep(Duration::from_secs(arguments.idle));
    let idle_cores = (gateway.cpu()? - cpu).as_secs_f64() / since.elapsed().as_secs_f64();
    let (idle_rss_mib, idle_threads) = (mebibytes(gateway.resident()?), gateway.threads()?);
    ensure!(gateway.metric("tidegate_parked")? == pipelines as f64, "pipelines woke although nothing came");
    println!("idle: {idle_rss_mib:.0} MiB, {idle_cores:.3} cores, {idle_threads} threads");

    let mut members: Vec<_> = crowd.members().collect();
    members.shuffle(&mut rand::rng());
    // One for all: whose records these are has its connections already.
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers).set("linger.ms", "0");
    let producer: BaseProducer<Deliveries> = config.create_with_context(Deliveries::default())?;
    let mut times = Vec::with_capacity(records);
    for member in members.into_iter().take(records) {
        times.push(send(&producer, &crowd, member)?);
    }
    times.sort_by(f64::total_cmp);
    let (awake_threads, awake_rss_mib) = (gateway.threads()?, mebibytes(gateway.resident()?));
    gateway.stop()?;
    Ok(Summary {
        pipelines,
        start_seconds,
        idle_rss_mib,
        idle_cores,
        slowest_record_ms: times.last().copied().context("no record was sent")?,
        median_record_ms: times.get(times.len() / 2).copied().unwrap_or_default(),
        first_start_seconds,
        idle_threads,
        awake_threads,
        awake_rss_mib,
    })
}

/// Sends a record through a pipeline. Returns the milliseconds from before it was written until its row is there.
fn send(producer: &BaseProducer<Deliveries>, crowd: &Crowd, member: Member) -> anyhow::Result<f64> {
    let (topic, value) = (member.topic(), member.record()?);
    let sent = Instant::now();
    let record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(&topic).partition(0).payload(&value);
    producer.send(record).map_err(|(fault, _)| fault).with_context(|| format!("write to {topic}"))?;
    Deliveries::flush(producer, ROW)?;
    while crowd.rows(member)? == 0 {
        ensure!(sent.elapsed() < ROW, "no row of {} within {ROW:?}", member.topic());
        std::thread::sleep(LOOK);
    }
    ensure!(crowd.rows(member)? == 1, "one record became several rows");
    Ok(sent.elapsed().as_secs_f64() * 1_000.0)
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / (1 << 20) as f64
}
