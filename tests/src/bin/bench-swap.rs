//! `make bench-swap`: a hundred versions of a plugin take over one after the other under a steady stream of records. Each is compiled
//! anew, since each has another hash. What is measured: how long after a file was put there its version is live, the longest pause of a
//! partition between two guest calls with and without swaps, and whether each record became one row.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, ExitCode, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, bail, ensure};
use clap::Parser;
use rustix::process::{Pid, Signal, kill_process};
use serde::Serialize;
use serde_json::Value;
use tidegate::plugin::PluginHash;
use tidegate_tests::harness::{GatewayFile, NumbersTenant, Version, eventually, plugin};

/// Measures swaps under load.
#[derive(Parser)]
struct Arguments {
    /// How many versions take over.
    #[arg(long, default_value_t = 100)]
    swaps: usize,
    /// Records a second.
    #[arg(long, default_value_t = 100_000.0)]
    rate: f64,
    /// How long the pauses without a swap are looked at, in seconds.
    #[arg(long, default_value_t = 30.0)]
    calm: f64,
    /// Where the summary goes.
    #[arg(long, default_value = "target/bench/swap.json")]
    summary: PathBuf,
}

const PARTITIONS: i32 = 4;

/// A version must be live within this time, 99 of 100 times.
const LIVE_WITHIN_MS: f64 = 1_000.0;

/// The longest pause may be so much longer with swaps than without.
const PAUSE_ALLOWANCE_MS: f64 = 50.0;

/// Longer than a version may take to be live, by far.
const PATIENCE: Duration = Duration::from_secs(30);

/// Between two swaps: a version has left its probation by then.
const BETWEEN: Duration = Duration::from_millis(400);

#[derive(Serialize)]
struct Summary {
    swaps: usize,
    p50_ms: f64,
    p99_ms: f64,
    /// Of all partitions, while versions take over.
    longest_pause_ms: f64,
    /// Before.
    longest_pause_without_swaps_ms: f64,
    records: u64,
    lost: i64,
    duplicated: i64,
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let numbers = NumbersTenant::new("bench_swap", PARTITIONS)?;
    numbers.write_plugin("0")?;
    numbers.write(&Version::named("bench"))?;
    let mut gateway = Watched::start(&numbers)?;
    gateway.live(PluginHash::of(&plugin("0")?))?;
    let feed = numbers.feed(arguments.rate)?;
    numbers.wait_for_rows_of("bench")?;
    gateway.listen(Duration::from_secs(2));
    let calm = Phase::begin();
    gateway.listen(Duration::from_secs_f64(arguments.calm));
    let calm = calm.end();
    let swapping = Phase::begin();
    let mut took = Vec::with_capacity(arguments.swaps);
    for swap in 1..=arguments.swaps {
        let build = plugin(&swap.to_string())?;
        let put = SystemTime::now();
        numbers.replace("numbers.wasm", &build)?;
        let live = gateway.live(PluginHash::of(&build))?;
        took.push(live.duration_since(put).unwrap_or_default().as_secs_f64() * 1_000.0);
        gateway.listen(BETWEEN);
    }
    let swapping = swapping.end();
    let records = feed.finish()?;
    gateway.listen(Duration::from_millis(500));
    numbers.tenant.wait_for("numbers", &numbers.topic)?;
    let (longest, without) = (gateway.pauses.longest(&swapping), gateway.pauses.longest(&calm));
    gateway.stop()?;
    let (lost, duplicated) = count(&numbers, records)?;
    took.sort_by(f64::total_cmp);
    let summary = Summary {
        swaps: took.len(),
        p50_ms: percentile(&took, 0.5),
        p99_ms: percentile(&took, 0.99),
        longest_pause_ms: longest,
        longest_pause_without_swaps_ms: without,
        records,
        lost,
        duplicated,
    };
    summary.tell(&arguments.summary)
}

impl Summary {
    fn tell(&self, file: &std::path::Path) -> anyhow::Result<ExitCode> {
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(file, serde_json::to_string_pretty(self)? + "\n")?;
        let Self { swaps, p50_ms, p99_ms, longest_pause_ms, longest_pause_without_swaps_ms, records, lost, duplicated } =
            self;
        println!("{swaps} swaps: live after {p50_ms:.0} ms (median), {p99_ms:.0} ms (p99)");
        println!(
            "longest pause of a partition: {longest_pause_ms:.0} ms, without swaps {longest_pause_without_swaps_ms:.0} ms"
        );
        println!("{records} records: {lost} lost, {duplicated} duplicated");
        println!("written to {}", file.display());
        let met = *p99_ms <= LIVE_WITHIN_MS
            && *longest_pause_ms <= longest_pause_without_swaps_ms + PAUSE_ALLOWANCE_MS
            && (*lost, *duplicated) == (0, 0);
        Ok(if met { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// Records without a row, and rows beyond one a record.
fn count(numbers: &NumbersTenant, records: u64) -> anyhow::Result<(i64, i64)> {
    let table = format!("{}.numbers", numbers.tenant.name);
    let number = |what: &str| numbers.tenant.clickhouse.number(&format!("SELECT {what} FROM {table}"));
    let (rows, distinct) = (number("count()")?, number("uniqExact(number)")?);
    Ok((i64::try_from(records)? - distinct, rows - distinct))
}

fn percentile(sorted: &[f64], share: f64) -> f64 {
    let index = ((sorted.len() as f64 * share).ceil() as usize).clamp(1, sorted.len().max(1)) - 1;
    sorted.get(index).copied().unwrap_or(f64::NAN)
}

/// A stretch of time.
struct Phase {
    from: SystemTime,
    to: SystemTime,
}

impl Phase {
    fn begin() -> Self {
        Self { from: SystemTime::now(), to: SystemTime::now() }
    }

    fn end(self) -> Self {
        Self { to: SystemTime::now(), ..self }
    }
}

/// A gateway whose log is listened to.
struct Watched {
    child: Child,
    said: Receiver<Said>,
    pauses: Pauses,
}

/// What matters of a log.
enum Said {
    /// A guest call of a partition began.
    Begin(SystemTime, String),
    /// It ended.
    End(SystemTime, String),
    /// A version of this plugin took over.
    Live(SystemTime, String),
}

/// Between the guest calls of each partition.
#[derive(Default)]
struct Pauses {
    ended: BTreeMap<String, SystemTime>,
    /// When each was over, and how long it was.
    all: Vec<(SystemTime, Duration)>,
}

impl Pauses {
    fn note(&mut self, said: &Said) {
        match said {
            Said::Begin(at, partition) => {
                if let Some(ended) = self.ended.remove(partition) {
                    self.all.push((*at, at.duration_since(ended).unwrap_or_default()));
                }
            }
            Said::End(at, partition) => _ = self.ended.insert(partition.clone(), *at),
            Said::Live(..) => {}
        }
    }

    /// In milliseconds.
    fn longest(&self, phase: &Phase) -> f64 {
        let within = self.all.iter().filter(|(at, _)| *at >= phase.from && *at <= phase.to);
        within.map(|(_, pause)| pause.as_secs_f64() * 1_000.0).fold(0.0, f64::max)
    }
}

impl Watched {
    fn start(numbers: &NumbersTenant) -> anyhow::Result<Self> {
        let file = numbers.tenant.gateway_file();
        let path = numbers.tenant.folder().join("gateway.toml");
        std::fs::write(&path, file.text())?;
        let binary = std::env::current_exe()?.with_file_name("tidegate");
        ensure!(binary.exists(), "there is no {}; `make bench-swap` builds it", binary.display());
        let mut command = Command::new(binary);
        command.args(["run", "--config"]).arg(&path).stderr(Stdio::piped()).stdout(Stdio::null());
        command.env("RUST_LOG", "info,tidegate::guest_calls=trace").env(GatewayFile::PASSWORD, &file.password);
        let mut child = command.spawn().context("start the gateway")?;
        let stderr = child.stderr.take().context("the gateway has no standard error")?;
        let (sender, said) = channel();
        std::thread::spawn(move || listen(stderr, &sender));
        Ok(Self { child, said, pauses: Pauses::default() })
    }

    /// Listens for so long.
    fn listen(&mut self, duration: Duration) {
        let end = Instant::now() + duration;
        while let Ok(said) = self.said.recv_timeout(end.saturating_duration_since(Instant::now())) {
            self.pauses.note(&said);
        }
    }

    /// When the plugin took over.
    fn live(&mut self, plugin: PluginHash) -> anyhow::Result<SystemTime> {
        let (plugin, end) = (plugin.to_string(), Instant::now() + PATIENCE);
        while let Ok(said) = self.said.recv_timeout(end.saturating_duration_since(Instant::now())) {
            self.pauses.note(&said);
            if let Said::Live(at, live) = said
                && live == plugin
            {
                return Ok(at);
            }
        }
        bail!("version {plugin} is not live after {PATIENCE:?}");
    }

    fn stop(mut self) -> anyhow::Result<()> {
        kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        let status = eventually("the gateway ends", || self.child.try_wait()?.context("it runs"))?;
        ensure!(status.success(), "the gateway ended with {status}");
        Ok(())
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        // One that has ended already is none of this.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn listen(stderr: ChildStderr, said: &Sender<Said>) {
    for line in BufReader::new(stderr).lines() {
        let Ok(line) = line else { return };
        let Some(matters) = serde_json::from_str(&line).ok().and_then(|line| matters(&line)) else {
            if line.contains("ERROR") || line.contains("WARN") {
                eprintln!("{line}");
            }
            continue;
        };
        if said.send(matters).is_err() {
            return;
        }
    }
}

fn matters(line: &Value) -> Option<Said> {
    let at = chrono::DateTime::parse_from_rfc3339(line.get("timestamp")?.as_str()?).ok()?.into();
    let text = |key: &str| Some(line.get(key)?.as_str()?.to_owned());
    let partition = || Some(text("range")?.split(' ').next()?.to_owned());
    match line.get("message")?.as_str()? {
        "begin" => Some(Said::Begin(at, partition()?)),
        "end" => Some(Said::End(at, partition()?)),
        "version live" | "version runs" => Some(Said::Live(at, text("plugin")?)),
        _ => None,
    }
}
