//! `tidegate run`: read the gateway's file, run all pipelines until a signal, drain.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::UNUSABLE;
use crate::config::GatewaySettings;
use crate::plugin::Profiling;
use crate::{Gateway, logging, signal};

/// What `tidegate run` is asked.
#[derive(Debug, Args)]
pub struct RunArguments {
    /// The gateway's file.
    #[arg(long, value_name = "FILE", default_value = "gateway.toml")]
    pub config: PathBuf,
    /// Name the plugins' functions for `perf`, in /tmp/perf-PID.map.
    #[arg(long)]
    pub profile_guests: bool,
}

/// Runs until a signal. 0 after an orderly end, 1 where it could not start, 64 where its file has faults.
pub fn run(arguments: RunArguments) -> ExitCode {
    let RunArguments { config, profile_guests } = arguments;
    logging::start();
    let settings = match GatewaySettings::read(&config) {
        Ok(settings) => settings,
        Err(faults) => {
            eprintln!("{faults}");
            return ExitCode::from(UNUSABLE);
        }
    };
    let profiling = if profile_guests { Profiling::PerfMap } else { Profiling::Off };
    match serve(&config, settings, profiling) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            tracing::error!("{fault:#}");
            ExitCode::FAILURE
        }
    }
}

fn serve(config: &Path, settings: GatewaySettings, profiling: Profiling) -> anyhow::Result<()> {
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
