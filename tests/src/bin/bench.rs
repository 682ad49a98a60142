//! `make bench`: fills a topic, runs every mode in a process of its own, several times in turn, and compares medians.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context;
use clap::Parser;
use tidegate_demo::produce::{Writer, create_topics, produce};
use tidegate_demo::shop::{Options, Products, Sales};
use tidegate_tests::bench::measured::Measured;
use tidegate_tests::bench::summary::Summary;
use tidegate_tests::harness::{Http, Postgres, PostgresServer, Services};

/// Measures what a record costs, against a bare poll loop over librdkafka.
#[derive(Parser)]
struct Arguments {
    /// Records in the topic.
    #[arg(long, default_value_t = 5_000_000)]
    records: u64,
    #[arg(long, default_value_t = 4)]
    partitions: i32,
    /// How often every mode runs.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Run only this mode, without a summary.
    #[arg(long)]
    only: Option<String>,
    /// Record a profile of `wasm_clickhouse` with `perf`, guest functions named, into this file.
    #[arg(long)]
    profile: Option<PathBuf>,
    /// Where the summary goes.
    #[arg(long, default_value = "target/bench/summary.json")]
    summary: PathBuf,
}

const MODES: [&str; 6] =
    ["librdkafka", "consume", "wasm_clickhouse", AT_LEAST_ONCE, "wasm_postgres", "native_clickhouse"];

/// As `wasm_clickhouse`, without plans and with dead letters that are written by themselves.
const AT_LEAST_ONCE: &str = "wasm_clickhouse_at_least_once";

struct Bench {
    arguments: Arguments,
    brokers: String,
    clickhouse: String,
    /// Its schema goes with it.
    postgres: Postgres,
    folder: tempfile::TempDir,
}

fn main() -> anyhow::Result<()> {
    let bench = Bench {
        arguments: Arguments::parse(),
        brokers: service("TIDEGATE_TEST_KAFKA")?,
        clickhouse: service("TIDEGATE_TEST_CLICKHOUSE")?,
        postgres: Postgres::new(&Http::new()?.into(), &PostgresServer::parse(&Services::postgres()?)?, "bench")?,
        folder: tempfile::tempdir()?,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    bench.fill(&runtime)?;
    if let Some(profile) = &bench.arguments.profile {
        bench.profile(&runtime, profile)?;
        return Ok(());
    }
    let mut rounds: BTreeMap<&'static str, Vec<Measured>> = BTreeMap::new();
    for round in 1..=bench.arguments.rounds {
        for mode in MODES {
            if bench.arguments.only.as_ref().is_some_and(|only| only != mode) {
                continue;
            }
            let measured = bench.run(&runtime, mode)?;
            let Measured { records_per_second, cpu_us_per_record, peak_rss_mib } = measured;
            println!(
                "{round} {mode:<20}{records_per_second:>12.0}/s {cpu_us_per_record:>8.3} us {peak_rss_mib:>6.0} MiB"
            );
            rounds.entry(mode).or_default().push(measured);
        }
    }
    if bench.arguments.only.is_some() {
        return Ok(());
    }
    let summary = Summary::new(bench.arguments.records, bench.arguments.partitions, &rounds)?;
    if let Some(folder) = bench.arguments.summary.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(&bench.arguments.summary, serde_json::to_string_pretty(&summary)? + "\n")?;
    println!("\n{summary}\n\nwritten to {}", bench.arguments.summary.display());
    Ok(())
}

fn service(variable: &str) -> anyhow::Result<String> {
    std::env::var(variable).with_context(|| format!("{variable} is not set; `make bench` starts the services"))
}

/// The topic that is measured, and a second one that nobody reads, for the letters that do not come.
const TOPIC: &str = "sales";

impl Bench {
    fn fill(&self, runtime: &tokio::runtime::Runtime) -> anyhow::Result<()> {
        let Arguments { records, partitions, .. } = self.arguments;
        let started = std::time::Instant::now();
        runtime.block_on(create_topics(&self.brokers, &[(TOPIC, partitions), ("sales.dead", 1)]))?;
        let options = Options { products: Products::read("plugins/sales/products.csv")?, ..Options::default() };
        let mut writer = Writer::new(&self.brokers, TOPIC, partitions)?;
        produce(&mut writer, &mut Sales::new(1, options), records, None)?;
        println!("filled topic `{TOPIC}` with {records} records in {:.1} s", started.elapsed().as_secs_f64());
        Ok(())
    }

    fn run(&self, runtime: &tokio::runtime::Runtime, mode: &str) -> anyhow::Result<Measured> {
        let mut command = self.command(runtime, mode, mode)?;
        let output = command.stderr(Stdio::inherit()).output().with_context(|| format!("run {mode}"))?;
        anyhow::ensure!(output.status.success(), "{mode} failed: {}", output.status);
        let measured = serde_json::from_slice(&output.stdout).with_context(|| format!("read the figures of {mode}"))?;
        if let Some(rows) = self.rows(runtime, mode)? {
            self.check(rows)?;
        }
        Ok(measured)
    }

    /// How many rows a mode has written, if it writes any.
    fn rows(&self, runtime: &tokio::runtime::Runtime, mode: &str) -> anyhow::Result<Option<i64>> {
        Ok(match mode {
            "wasm_clickhouse" | AT_LEAST_ONCE | "native_clickhouse" => {
                Some(runtime.block_on(self.query("SELECT count() FROM shop.sales"))?.trim().parse()?)
            }
            "wasm_postgres" => Some(self.postgres.count("sales")?),
            _ => None,
        })
    }

    /// The rows must be there: all sales that are not of the channel `test`.
    fn check(&self, rows: i64) -> anyhow::Result<()> {
        let expected = self.arguments.records as f64 * 0.9;
        let found = rows as f64;
        anyhow::ensure!(
            (found - expected).abs() < expected * 0.01,
            "{rows} rows in the table, about {expected} expected"
        );
        Ok(())
    }

    fn command(&self, runtime: &tokio::runtime::Runtime, mode: &str, group: &str) -> anyhow::Result<Command> {
        let Arguments { records, partitions, .. } = self.arguments;
        if mode == "librdkafka" {
            let mut command = Command::new(sibling("librdkafka")?);
            command.args(["--brokers", &self.brokers, "--topic", TOPIC]);
            command.args(["--partitions", &partitions.to_string(), "--records", &records.to_string()]);
            return Ok(command);
        }
        match mode {
            "wasm_postgres" => self.fresh_postgres_table()?,
            _ => runtime.block_on(self.fresh_tables())?,
        }
        let config = self.configure(mode, group)?;
        let mut command = Command::new(sibling("bench-gateway")?);
        let name = match mode {
            "wasm_clickhouse" | AT_LEAST_ONCE | "wasm_postgres" => "wasm",
            "native_clickhouse" => "native",
            _ => "discard",
        };
        command.arg("--config").arg(config).args(["--mode", name, "--records", &records.to_string()]);
        command.env("RUST_LOG", "warn");
        Ok(command)
    }

    async fn fresh_tables(&self) -> anyhow::Result<()> {
        let statements = std::fs::read_to_string("plugins/sales/tables.sql")?;
        let lines: Vec<_> = statements.lines().filter(|line| !line.trim_start().starts_with("--")).collect();
        self.query("DROP TABLE IF EXISTS shop.sales SYNC").await.ok();
        for statement in lines.join("\n").split(';').map(str::trim).filter(|statement| !statement.is_empty()) {
            self.query(statement).await?;
        }
        Ok(())
    }

    fn fresh_postgres_table(&self) -> anyhow::Result<()> {
        self.postgres.run(&format!("DROP TABLE IF EXISTS {}.sales", self.postgres.schema))?;
        self.postgres.create_tables("sales")
    }

    async fn query(&self, query: &str) -> anyhow::Result<String> {
        let response = reqwest::Client::new().post(&self.clickhouse).body(query.to_owned()).send().await?;
        let status = response.status();
        let text = response.text().await?;
        anyhow::ensure!(status.is_success(), "ClickHouse: {query}: {text}");
        Ok(text)
    }

    /// A gateway with one pipeline, in a group that has read nothing yet.
    fn configure(&self, mode: &str, group: &str) -> anyhow::Result<PathBuf> {
        let folder = self.folder.path().join(mode);
        let plugins = folder.join("plugins");
        std::fs::create_dir_all(&plugins)?;
        for file in ["sales.wasm", "products.csv"] {
            let from = Path::new("target/plugins").join(file);
            std::fs::copy(&from, plugins.join(file))
                .with_context(|| format!("copy {}; `make plugins` builds it", from.display()))?;
        }
        let target = match mode {
            "consume" => "nowhere:shop.sales".to_owned(),
            "wasm_postgres" => format!("pg:{}.sales", self.postgres.schema),
            _ => "dwh:shop.sales".to_owned(),
        };
        let delivery = if mode == AT_LEAST_ONCE { "delivery = \"at-least-once\"\n" } else { "" };
        let unique = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_nanos();
        std::fs::write(
            plugins.join("sales.toml"),
            format!(
                "{delivery}topics = [\"{TOPIC}\"]\ngroup = \"tidegate.default.{group}-{unique}\"\ndead_letter = \"sales.dead\"\n\
                 [routes]\nsale = \"{target}\"\n[lookups.products]\nfile = \"products.csv\"\nkey = \"product_id\"\n"
            ),
        )?;
        let config = folder.join("gateway.toml");
        let (brokers, clickhouse) = (&self.brokers, &self.clickhouse);
        let postgres = self.postgres.server.sink("pg", &folder)?;
        std::fs::write(
            &config,
            format!(
                "[kafka]\n\"bootstrap.servers\" = \"{brokers}\"\n[sinks.dwh]\ntype = \"clickhouse\"\nurl = \"{clickhouse}\"\n\
                 inserts_per_second = 100\noutage = \"1 min\"\n\
                 [sinks.nowhere]\ntype = \"file\"\npath = \"out\"\n{postgres}"
            ),
        )?;
        Ok(config)
    }

    fn profile(&self, runtime: &tokio::runtime::Runtime, file: &Path) -> anyhow::Result<()> {
        let inner = self.command(runtime, "wasm_clickhouse", "profile")?;
        let mut perf = Command::new("perf");
        perf.args(["record", "-F", "997", "-g", "-o"]).arg(file).arg("--");
        perf.arg(inner.get_program()).args(inner.get_args()).arg("--profile-guests").env("RUST_LOG", "warn");
        let status = perf.status().context("run perf; install it with: apt-get install -y linux-perf")?;
        anyhow::ensure!(status.success(), "perf record failed: {status}");
        println!("look at it with: perf report -i {}", file.display());
        Ok(())
    }
}

/// A program that was built beside this one.
fn sibling(name: &str) -> anyhow::Result<PathBuf> {
    let this = std::env::current_exe()?;
    Ok(this.parent().context("this program has no folder")?.join(name))
}
