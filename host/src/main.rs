//! The gateway's process: read the command, read the file, run until a signal, drain.

use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use tidegate::cli::{Arguments, Command};
use tidegate::config::GatewaySettings;
use tidegate::plugin::Profiling;
use tidegate::{Gateway, logging, signal};

/// Half of what consuming costs is allocation, librdkafka's included: jemalloc is built to stand in for C's malloc.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// `EX_USAGE` of sysexits.h: what was asked for cannot be done as it was asked.
const BAD_CONFIGURATION: u8 = 64;

fn main() -> ExitCode {
    let Command::Run { config, profile_guests } = Arguments::parse().command;
    logging::start();
    let settings = match GatewaySettings::read(&config) {
        Ok(settings) => settings,
        Err(faults) => {
            eprintln!("{faults}");
            return ExitCode::from(BAD_CONFIGURATION);
        }
    };
    let profiling = if profile_guests { Profiling::PerfMap } else { Profiling::Off };
    match run(&config, settings, profiling) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            tracing::error!("{fault:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(config: &Path, settings: GatewaySettings, profiling: Profiling) -> anyhow::Result<()> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).thread_name("io").enable_all().build()?;
    runtime.block_on(async {
        let stop = signal::stop_token()?;
        let gateway = Gateway::prepare(settings, profiling).await?;
        let http = gateway.address().map(|address| format!("http://{address}")).unwrap_or_default();
        tracing::info!(config = %config.display(), http, pipelines = gateway.statuses().len(), "tidegate starts");
        gateway.run(stop).await?;
        tracing::info!("tidegate has stopped");
        Ok(())
    })
}
