//! `tidegate tap`: looks at what goes in and out of a running pipeline, sample by sample.

mod address;
mod client;
mod json_layout;
mod page;
mod screen;
mod view;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, ValueEnum};

use super::UNUSABLE;
use crate::tap::{Extent, Line, Only, PartitionName, Wanted, per_second, records};
use client::Client;
use screen::Screen;

/// What `tidegate tap` is asked.
#[derive(Debug, Args)]
pub struct TapArguments {
    /// The pipeline: TENANT/NAME, or NAME of the tenant `default` or where it is the only one of that name.
    pub pipeline: String,
    /// The gateway's file, which says where it listens.
    #[arg(long, value_name = "FILE", default_value = "gateway.toml")]
    pub config: PathBuf,
    /// Where the gateway listens, in place of its file.
    #[arg(long, value_name = "http://HOST:PORT", conflicts_with = "config")]
    pub url: Option<String>,
    /// End after so many samples.
    #[arg(long, value_name = "N", default_value = "20", value_parser = records)]
    pub records: u64,
    /// Show at most so many samples a second.
    #[arg(long, value_name = "N", default_value = "5", value_parser = per_second)]
    pub per_second: f64,
    /// Only records that became this.
    #[arg(long, value_enum)]
    pub only: Option<Only>,
    /// Only records with a row for this route.
    #[arg(long, value_name = "NAME")]
    pub route: Option<String>,
    /// Only records of this partition.
    #[arg(long, value_name = "TOPIC/N")]
    pub partition: Option<PartitionName>,
    /// Only records with exactly this key.
    #[arg(long, value_name = "TEXT")]
    pub key: Option<String>,
    /// Show long values whole, and many rows and headers, up to a MiB each and a thousand.
    #[arg(long)]
    pub full: bool,
    /// How samples are told.
    #[arg(long, value_enum, default_value_t = TapFormat::Text)]
    pub format: TapFormat,
}

/// How samples are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TapFormat {
    /// For a person.
    Text,
    /// One JSON object a line, as the gateway sends them.
    Json,
}

/// Why there is nothing to see, or nothing more.
#[derive(Debug, thiserror::Error)]
enum TapFault {
    /// What was asked for cannot be done as it was asked.
    #[error("{0}")]
    Unusable(String),
    /// It could be done at another time.
    #[error("{0}")]
    Failed(String),
    /// Nobody reads what is written.
    #[error("write to standard output: {0}")]
    Output(#[from] std::io::Error),
}

/// Shows samples until there are enough or Ctrl-C. 0 then, and where the output is closed; 1 where the gateway does not answer or does not go
/// on; 64 where what was asked for cannot be done.
pub fn tap(arguments: &TapArguments) -> ExitCode {
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(TapFault::Output(fault)) if fault.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("{}", crate::tap::escaped(&fault.to_string()));
            match fault {
                TapFault::Unusable(_) => ExitCode::from(UNUSABLE),
                TapFault::Failed(_) | TapFault::Output(_) => ExitCode::FAILURE,
            }
        }
    }
}

fn run(arguments: &TapArguments) -> Result<(), TapFault> {
    let address = address::of(arguments)?;
    let path = format!("{}?{}", address::path(&arguments.pipeline)?, arguments.wanted().query());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("start a runtime");
    let runtime = runtime.map_err(|fault| TapFault::Failed(format!("{fault:#}")))?;
    let mut screen = Screen::new(arguments.format);
    runtime.block_on(async {
        let interrupted = tokio::signal::ctrl_c();
        tokio::select! {
            ended = show(&address, &path, &mut screen) => ended,
            _ = interrupted => Ok(()),
        }
    })?;
    screen.finish()?;
    Ok(())
}

async fn show(address: &address::Address, path: &str, screen: &mut Screen) -> Result<(), TapFault> {
    let mut client = Client::ask(address, path).await?;
    while let Some(text) = client.line().await? {
        let line =
            Line::read(&text).map_err(|fault| TapFault::Failed(format!("the gateway at {address} says {fault}")))?;
        screen.show(&text, line.as_ref())?;
        match line {
            Some(Line::End(end)) if end.why == "enough" => return Ok(()),
            Some(Line::End(_)) => return Err(TapFault::Failed(format!("the gateway at {address} stops"))),
            _ => {}
        }
    }
    Err(TapFault::Failed(format!("the gateway at {address} closed the connection")))
}

impl TapArguments {
    fn wanted(&self) -> Wanted {
        Wanted {
            records: self.records,
            per_second: self.per_second,
            only: self.only,
            route: self.route.clone(),
            partition: self.partition.clone(),
            key: self.key.clone(),
            extent: if self.full { Extent::Whole } else { Extent::Beginning },
        }
    }
}
