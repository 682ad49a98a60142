//! `tidegate check`: all that is wrong before anything runs, told to a person or to a machine.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::test::Format;
use super::{number, runtime};
use crate::check::{Extent, Finding, PipelineReport, Reach, Report, check as look};
use crate::config::parse_duration;
use crate::logging;

/// What `tidegate check` is asked.
#[derive(Debug, Args)]
pub struct CheckArguments {
    /// The gateway's file.
    #[arg(long, value_name = "FILE", default_value = "gateway.toml")]
    pub config: PathBuf,
    /// How results are told.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// Look at files and plugins only; connect to nothing.
    #[arg(long)]
    pub offline: bool,
    /// How long each may take: a plugin to load, a database and the cluster to answer.
    #[arg(long, value_name = "DURATION", default_value = "30 s", value_parser = parse_duration)]
    pub timeout: Duration,
}

/// Looks at everything. 0 where nothing is wrong, 1 where something is, or nothing could be looked at.
pub fn check(arguments: &CheckArguments) -> ExitCode {
    logging::start();
    let reach = if arguments.offline { Reach::Files } else { Reach::Everything };
    let extent = Extent { reach, timeout: arguments.timeout };
    let report = runtime()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(look(&arguments.config, extent)).map_err(anyhow::Error::from));
    let report = match report {
        Ok(report) => report,
        Err(fault) => {
            eprintln!("{fault:#}");
            return ExitCode::FAILURE;
        }
    };
    let text = match arguments.format {
        Format::Text => text(&report, extent),
        // Names and numbers always are JSON.
        Format::Json => serde_json::to_string_pretty(&report).map(|text| text + "\n").unwrap_or_default(),
    };
    // A reader that is gone has read enough.
    let _ = std::io::stdout().write_all(text.as_bytes());
    if report.faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn text(report: &Report, extent: Extent) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    for fault in &report.faults {
        let Finding { file, line, key, problem, statement, .. } = fault;
        let key = if key.is_empty() { String::new() } else { format!("`{key}`: ") };
        let _ = writeln!(text, "{}:{line}: {key}{problem}", file.display());
        if let Some(statement) = statement {
            let _ = writeln!(text, "    {statement}");
        }
    }
    if !report.faults.is_empty() {
        text.push('\n');
    }
    let width = report.pipelines.iter().map(|pipeline| pipeline.name.chars().count()).max().unwrap_or(0);
    for pipeline in &report.pipelines {
        write_pipeline(&mut text, pipeline, report, width);
    }
    if report.unseen {
        text.push_str("plugins and tables were not looked at: the gateway's file must be mended first\n");
    } else if extent.reach == Reach::Files {
        text.push_str("tables and topics were not looked at\n");
    }
    if report.pipelines.is_empty() {
        text.push_str("there are no pipeline files\n");
    }
    let faulty = report.pipelines.iter().filter(|pipeline| report.faults_of(&pipeline.name) > 0).count();
    let (pipelines, faults) = (number(report.pipelines.len(), "pipeline"), number(report.faults.len(), "fault"));
    let well = if report.unseen { 0 } else { report.pipelines.len() - faulty };
    let _ = writeln!(text, "{pipelines}: {well} ok, {faulty} with faults; {faults}");
    text
}

fn write_pipeline(text: &mut String, pipeline: &PipelineReport, report: &Report, width: usize) {
    let state = match report.faults_of(&pipeline.name) {
        0 if report.unseen => "unseen".to_owned(),
        0 => "ok".to_owned(),
        faults => number(faults, "fault"),
    };
    let plugin = pipeline.plugin.as_ref().map(|plugin| {
        let hash = plugin.hash.get(..12).unwrap_or_default();
        format!("plugin {} {} ({hash})", plugin.name, plugin.version)
    });
    let line = format!("{:width$}  {state:8}  {}", pipeline.name, plugin.unwrap_or_default());
    let _ = writeln!(text, "{}", line.trim_end());
    for table in &pipeline.tables {
        let _ = writeln!(text, "    {} -> {}", table.route, table.table);
        for left_out in &table.left_out {
            let _ = writeln!(text, "        `{}` is not written: {}", left_out.column, left_out.filled_by);
        }
    }
}
