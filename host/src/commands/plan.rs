//! `tidegate plan`: what is planned of a group's partitions, and an operator's word where the gateway may not decide.

mod decide;
mod show;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};

use self::decide::Decision;
use super::UNUSABLE;
use super::test::Format;
use crate::config::{GatewaySettings, parse_duration};
use crate::kafka::KafkaSettings;
use crate::logging;

/// How long Kafka may take to answer.
const PATIENCE: Duration = Duration::from_secs(15);

/// What `tidegate plan` is asked.
#[derive(Debug, Args)]
pub struct PlanArguments {
    /// What to do.
    #[command(subcommand)]
    pub command: PlanCommand,
}

/// What to do with plans.
#[derive(Debug, Subcommand)]
pub enum PlanCommand {
    /// Show the offset of each partition, and the ranges that are planned behind it.
    Show(ShowArguments),
    /// Count a partition's first planned range as written: nothing of it is there twice, and what is not there is lost.
    Accept(DecideArguments),
    /// Let the deployed version write a partition's first planned range, whatever version it was planned with: nothing is there twice
    /// that its tables know.
    Force(DecideArguments),
    /// Give a partition's plan up and read its ranges again: nothing is lost, and rows that were written are there twice.
    Abandon(DecideArguments),
}

/// What `tidegate plan show` is asked.
#[derive(Debug, Args)]
pub struct ShowArguments {
    /// The gateway's file.
    #[arg(long, value_name = "FILE", default_value = "gateway.toml")]
    pub config: PathBuf,
    /// Only this pipeline, `TENANT/PIPELINE`; all that have a file without it.
    pub pipeline: Option<String>,
    /// How it is told.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// What `tidegate plan accept`, `force` and `abandon` are asked.
#[derive(Debug, Args)]
pub struct DecideArguments {
    /// The gateway's file.
    #[arg(long, value_name = "FILE", default_value = "gateway.toml")]
    pub config: PathBuf,
    /// The consumer group: `tidegate.TENANT.PIPELINE` unless the pipeline file names another.
    #[arg(long)]
    pub group: String,
    /// The partition, `TOPIC/PARTITION`.
    pub partition: String,
    /// Only where the first planned range begins here.
    #[arg(long, value_name = "OFFSET")]
    pub from: Option<i64>,
    /// All ranges up to the one that ends before this offset, instead of the first alone.
    #[arg(long, value_name = "OFFSET")]
    pub to: Option<i64>,
    /// How long the group's members may take to leave.
    #[arg(long, value_name = "DURATION", default_value = "60 s", value_parser = parse_duration)]
    pub wait: Duration,
    /// Do it; without this it is only said what would be done.
    #[arg(long)]
    pub yes: bool,
}

/// 0 where it was done or all was shown, 1 where it could not be or something could not be shown, 64 where the gateway's file has faults.
pub fn plan(arguments: PlanArguments) -> ExitCode {
    logging::start();
    let config = match &arguments.command {
        PlanCommand::Show(ShowArguments { config, .. })
        | PlanCommand::Accept(DecideArguments { config, .. })
        | PlanCommand::Force(DecideArguments { config, .. })
        | PlanCommand::Abandon(DecideArguments { config, .. }) => config,
    };
    let settings = match GatewaySettings::read(config) {
        Ok(settings) => settings,
        Err(faults) => {
            eprintln!("{faults}");
            return ExitCode::from(UNUSABLE);
        }
    };
    match run(&settings, &arguments.command) {
        Ok(code) => code,
        Err(fault) => {
            eprintln!("{fault:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(settings: &GatewaySettings, command: &PlanCommand) -> anyhow::Result<ExitCode> {
    let kafka = KafkaSettings::new(settings.kafka.clone())?;
    match command {
        PlanCommand::Show(arguments) => show::show(settings, &kafka, arguments),
        PlanCommand::Accept(arguments) => decide::decide(&kafka, arguments, Decision::Accept),
        PlanCommand::Force(arguments) => decide::decide(&kafka, arguments, Decision::Force),
        PlanCommand::Abandon(arguments) => decide::decide(&kafka, arguments, Decision::Abandon),
    }
}
