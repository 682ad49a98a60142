//! `tidegate run`: read the gateway's file, run all pipelines until a signal, drain.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;

use super::{UNUSABLE, runtime};
use crate::config::GatewaySettings;
use crate::pipeline::Status;
use crate::plugin::{EngineSettings, Profiling};
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
    /// End once every pipeline has completed what there was in its topics at the start.
    #[arg(long)]
    pub until_caught_up: bool,
}

/// Runs until a signal, or until all is complete. 0 after an orderly end, 1 where it could not start or something that was
/// there at the start is not complete, 64 where its file has faults.
pub fn run(arguments: RunArguments) -> ExitCode {
    let RunArguments { config, profile_guests, until_caught_up } = arguments;
    logging::start();
    let settings = match GatewaySettings::read(&config) {
        Ok(settings) => settings,
        Err(faults) => {
            eprintln!("{faults}");
            return ExitCode::from(UNUSABLE);
        }
    };
    let profiling = if profile_guests { Profiling::PerfMap } else { Profiling::Off };
    let end = if until_caught_up { End::WhenCaughtUp } else { End::BySignal };
    match serve(&config, settings, profiling, end) {
        Ok(code) => code,
        Err(fault) => {
            tracing::error!("{fault:#}");
            ExitCode::FAILURE
        }
    }
}

/// When the gateway ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    BySignal,
    /// Or by a signal, if one comes before.
    WhenCaughtUp,
}

fn serve(config: &Path, settings: GatewaySettings, profiling: Profiling, end: End) -> anyhow::Result<ExitCode> {
    runtime()?.block_on(async {
        let stop = signal::stop_token()?;
        let gateway = Gateway::prepare(settings, EngineSettings { profiling, ..EngineSettings::default() }).await?;
        let http = gateway.address().map(|address| format!("http://{address}")).unwrap_or_default();
        tracing::info!(config = %config.display(), http, pipelines = gateway.statuses().all().len(), "tidegate starts");
        let statuses = gateway.statuses();
        match end {
            End::BySignal => gateway.run(stop).await?,
            End::WhenCaughtUp => gateway.until_caught_up().run(stop).await?,
        }
        tracing::info!("tidegate has stopped");
        let complete = end == End::BySignal || all_caught_up(&statuses.all());
        Ok(if complete { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    })
}

/// Says which pipelines have not completed what there was at the start, and why.
fn all_caught_up(statuses: &[Arc<Status>]) -> bool {
    for status in statuses.iter().filter(|status| !status.has_caught_up()) {
        let problems = status.problems();
        let problems: Vec<_> = problems.iter().map(|(subject, problem)| format!("{subject}: {problem}")).collect();
        tracing::error!(pipeline = %status.name(), problems = problems.join("; "), "did not catch up");
    }
    statuses.iter().all(|status| status.has_caught_up())
}
