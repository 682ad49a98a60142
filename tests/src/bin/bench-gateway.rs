//! A gateway that works off what is there, measures itself and ends: with the plugin as WebAssembly, the same plugin linked
//! natively, or one that discards everything.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use tidegate::config::GatewaySettings;
use tidegate::plugin::{Engine, EngineSettings, Profiling, compile_if_asked};
use tidegate::{Gateway, LoadPlugin};
use tidegate_tests::bench::measured::Measured;
use tidegate_tests::discard::Discard;
use tidegate_tests::native::NativeSales;
use tokio_util::sync::CancellationToken;

/// As in the gateway's own process.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Works off so many records and measures itself.
#[derive(Parser)]
struct Arguments {
    #[arg(long)]
    config: PathBuf,
    #[arg(long)]
    mode: Mode,
    #[arg(long)]
    records: u64,
    /// Name the plugin's functions for `perf`.
    #[arg(long)]
    profile_guests: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Mode {
    Wasm,
    Native,
    Discard,
}

fn main() -> ExitCode {
    if let Some(code) = compile_if_asked() {
        return code;
    }
    match measure() {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("{fault:?}");
            ExitCode::FAILURE
        }
    }
}

fn measure() -> anyhow::Result<()> {
    let Arguments { config, mode, records, profile_guests } = Arguments::parse();
    tidegate::logging::start();
    // As many threads as in the gateway's own process.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let settings = GatewaySettings::read(&config)?;
        let profiling = if profile_guests { Profiling::PerfMap } else { Profiling::Off };
        let plugins: Arc<dyn LoadPlugin> = match mode {
            Mode::Wasm => Arc::new(Engine::new(EngineSettings { profiling, ..EngineSettings::default() })?),
            Mode::Native => Arc::new(NativeSales),
            Mode::Discard => Arc::new(Discard),
        };
        let gateway = Gateway::with_plugins(settings, plugins).await?;
        let statuses = gateway.statuses().all();
        let status = statuses.first().ok_or_else(|| anyhow::anyhow!("there is no pipeline in {}", config.display()))?;
        let metrics = status.metrics().clone();
        let stop = CancellationToken::new();
        let run = tokio::spawn(gateway.run(stop.clone()));
        let mut first = None;
        let mut tick = tokio::time::interval(Duration::from_millis(10));
        while metrics.completed.get() < records {
            tick.tick().await;
            if metrics.records.get() > 0 {
                first.get_or_insert_with(Instant::now);
            }
            if run.is_finished() {
                anyhow::bail!("the gateway ended early");
            }
        }
        let measured = Measured::now(records, first.unwrap_or_else(Instant::now))?;
        stop.cancel();
        run.await??;
        measured.print()
    })
}
