//! The command line. Each command declares its own arguments in its file below `commands`.

use clap::{Parser, Subcommand};

use crate::commands::audit::AuditArguments;
use crate::commands::check::CheckArguments;
use crate::commands::new::NewArguments;
use crate::commands::plan::PlanArguments;
use crate::commands::replay::ReplayArguments;
use crate::commands::run::RunArguments;
use crate::commands::tap::TapArguments;
use crate::commands::test::TestArguments;

/// Consumes Kafka topics, runs every record through a WebAssembly plugin, and writes the rows to the warehouse.
#[derive(Debug, Parser)]
#[command(version)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run all pipelines until a signal comes.
    Run(RunArguments),
    /// Say all that is wrong with files, plugins, tables and topics before anything runs.
    Check(CheckArguments),
    /// Run golden cases through a plugin and compare what comes out.
    Test(TestArguments),
    /// Look at a sample of what goes in and out of a running pipeline.
    Tap(TapArguments),
    /// Show what is planned of partitions, or decide where the gateway may not.
    Plan(PlanArguments),
    /// Compare Kafka with the tables and the dead letters: what is missing, what is there twice.
    Audit(AuditArguments),
    /// Process dead letters, or records of a range of offsets, once more.
    Replay(ReplayArguments),
    /// Write a new plugin's crate.
    New(NewArguments),
}
