//! `tidegate replay`: dead letters, or records of a range of offsets, through a plugin once more; what that would do, and with
//! `--write` done.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::columns::{ColumnArguments, found};
use super::test::Format;
use crate::audit::Place;
use crate::config::{Target, parse_duration};
use crate::logging;
use crate::replay::{Fate, Instead, Offsets, Report, Selection, Wanted, replay as run};
use crate::rows::shortened;

/// What `tidegate replay` is asked.
#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("what").required(true).args(["dead_letters", "offsets"])))]
pub struct ReplayArguments {
    /// The pipeline: TENANT/NAME, or NAME of the tenant `default` or where it is the only one of that name.
    pub pipeline: String,
    /// The gateway's file.
    #[arg(long, value_name = "FILE", default_value = "gateway.toml")]
    pub config: PathBuf,
    /// Replay the pipeline's dead letters.
    #[arg(long)]
    pub dead_letters: bool,
    /// Begin here in the topic of dead letters; without it at the oldest letter.
    #[arg(long, value_name = "OFFSET|TIME", conflicts_with = "offsets")]
    pub from: Option<Place>,
    /// End before this in the topic of dead letters; without it behind the newest letter.
    #[arg(long, value_name = "OFFSET|TIME", conflicts_with = "offsets")]
    pub to: Option<Place>,
    /// Replay these records, from the first offset to before the next.
    #[arg(long, value_name = "TOPIC/PARTITION:FIRST-NEXT")]
    pub offsets: Vec<Offsets>,
    /// A plugin in place of the pipeline's.
    #[arg(long, value_name = "FILE.wasm")]
    pub plugin: Option<PathBuf>,
    /// A pipeline file in place of the pipeline's.
    #[arg(long, value_name = "FILE.toml")]
    pub pipeline_file: Option<PathBuf>,
    /// Write a route's rows into another table.
    #[arg(long, value_name = "ROUTE=SINK:TABLE", value_parser = into)]
    pub into: Vec<(String, Target)>,
    /// The rows of these offsets were deleted.
    #[arg(long, conflicts_with = "dead_letters")]
    pub after_delete: bool,
    /// Which time the same is replayed, where its rows were deleted in between.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub again: u32,
    /// Write rows; without it nothing is changed.
    #[arg(long)]
    pub write: bool,
    /// What the plugin calls the columns that tell where rows came from.
    #[command(flatten)]
    pub columns: ColumnArguments,
    /// Show so many records, before and after.
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub samples: usize,
    /// List at most so many runs of offsets.
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub listed: usize,
    /// How results are told.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// How long Kafka may take to answer.
    #[arg(long, value_name = "DURATION", default_value = "30 s", value_parser = parse_duration)]
    pub timeout: Duration,
}

fn into(text: &str) -> Result<(String, Target), &'static str> {
    const EXPECTED: &str = "expected ROUTE=SINK:TABLE, such as sale=dwh:shop.sales_again";
    let (route, target) = text.split_once('=').ok_or(EXPECTED)?;
    Ok((route.to_owned(), target.parse().map_err(|()| EXPECTED)?))
}

/// Replays. 0 where it was done, or would be; 1 where something speaks against it or it could not be done, 64 where what was asked for cannot
/// be done.
pub fn replay(arguments: &ReplayArguments) -> ExitCode {
    logging::start();
    let wanted = arguments.wanted();
    let report = match found(run(&arguments.config, &arguments.pipeline, &wanted)) {
        Ok(report) => report,
        Err(code) => return code,
    };
    let text = match arguments.format {
        Format::Text => text(&report, arguments.write),
        // Names and numbers always are JSON.
        Format::Json => serde_json::to_string_pretty(&report).map(|text| text + "\n").unwrap_or_default(),
    };
    // A reader that is gone has read enough.
    let _ = std::io::stdout().write_all(text.as_bytes());
    if report.conflicts == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

impl ReplayArguments {
    fn wanted(&self) -> Wanted {
        let selection = match self.dead_letters {
            true => Selection::DeadLetters { from: self.from, to: self.to },
            false => Selection::Offsets(self.offsets.clone()),
        };
        Wanted {
            selection,
            instead: Instead {
                plugin: self.plugin.clone(),
                pipeline: self.pipeline_file.clone(),
                tables: self.into.clone(),
            },
            write: self.write,
            after_delete: self.after_delete,
            again: self.again,
            columns: self.columns.names(),
            timeout: self.timeout,
            samples: self.samples,
            listed: self.listed,
        }
    }
}

/// A sample's text is cut to a few lines of a terminal.
const LONGEST: usize = 400;

fn text(report: &Report, wanted: bool) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let hash = report.hash.get(..12).unwrap_or_default();
    let _ = writeln!(text, "{}  plugin {} ({hash})", report.pipeline, report.plugin);
    for source in &report.sources {
        let _ = writeln!(text, "    {source}");
    }
    let Report { records, through, there, rejected, dropped, .. } = report;
    let _ = writeln!(
        text,
        "\nrecords   {records}: {through} become rows, {there} are there already, {rejected} are rejected, {dropped} dropped"
    );
    for route in &report.routes {
        let verb = if report.written { "written to" } else { "for" };
        let _ = writeln!(
            text,
            "rows      {} {verb} {} ({}); {} are there already",
            route.rows, route.table, route.route, route.there
        );
    }
    for (count, what) in [
        (report.doubled_letters, "further letters of the same records"),
        (report.other_letters, "letters of other topics than the pipeline's, or none at all"),
    ] {
        if count > 0 {
            let _ = writeln!(text, "letters   {count} were left out: {what}");
        }
    }
    for (reason, count) in &report.reasons {
        let _ = writeln!(text, "rejected  {count}: {}", shortened(reason.clone(), LONGEST));
    }
    for sample in &report.samples {
        let _ = writeln!(text, "\n{} offset {}", sample.partition, sample.offset);
        if let Some(before) = &sample.before {
            let _ = writeln!(text, "    before  rejected, {}", shortened(before.clone(), LONGEST));
        }
        if let Some(rejected) = &sample.rejected {
            let _ = writeln!(text, "    after   rejected, {}", shortened(rejected.clone(), LONGEST));
        }
        for row in &sample.rows {
            let _ = writeln!(text, "    after   {}", shortened(row.clone(), LONGEST));
        }
        if sample.rejected.is_none() && sample.rows.is_empty() {
            text.push_str("    after   no row that is not there already\n");
        }
    }
    text.push('\n');
    for run in &report.offsets.runs {
        let what = match run.what {
            Fate::Through if report.written => "went through",
            Fate::Through => "would go through",
            Fate::There => "is there already",
            Fate::Conflict => "is there in part",
            Fate::Doubt => "may be there in part",
        };
        let _ = match run.first == run.last {
            true => writeln!(text, "{what}: {}/{} offset {}", run.topic, run.partition, run.first),
            false => writeln!(text, "{what}: {}/{} offsets {} to {}", run.topic, run.partition, run.first, run.last),
        };
    }
    if report.offsets.more > 0 {
        let _ = writeln!(text, "{} more are not listed; --listed lists more", report.offsets.more);
    }
    for note in &report.notes {
        let _ = writeln!(text, "{note}");
    }
    let _ = match (report.written, report.conflicts) {
        (true, _) => writeln!(text, "what became rows is in the tables"),
        (false, 0) => writeln!(text, "nothing was written; --write writes"),
        (false, conflicts) if wanted => {
            writeln!(text, "nothing was written: of {conflicts} records other rows than these are there, or may be")
        }
        (false, conflicts) => {
            writeln!(
                text,
                "nothing would be written: of {conflicts} records other rows than these are there, or may be"
            )
        }
    };
    text
}
