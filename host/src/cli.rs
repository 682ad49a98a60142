//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

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
    Run {
        /// The gateway's file.
        #[arg(long, value_name = "FILE", default_value = "gateway.toml")]
        config: PathBuf,
        /// Name the plugins' functions for `perf`, in /tmp/perf-PID.map.
        #[arg(long)]
        profile_guests: bool,
    },
}
