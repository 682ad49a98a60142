//! The command line. Each command declares its own arguments in its file below `commands`.

use clap::{Parser, Subcommand};

use crate::commands::run::RunArguments;

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
}
