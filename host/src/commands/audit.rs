//! `tidegate audit`: what became of a pipeline's records, told to a person or to a machine.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::columns::{ColumnArguments, found};
use super::test::Format;
use crate::audit::{Compared, Place, Report, Runs, Wanted, Wrong, audit as look};
use crate::config::parse_duration;
use crate::logging;

/// What `tidegate audit` is asked.
#[derive(Debug, Args)]
pub struct AuditArguments {
    /// The pipeline: TENANT/NAME, or NAME of the tenant `default` or where it is the only one of that name.
    pub pipeline: String,
    /// The gateway's file.
    #[arg(long, value_name = "FILE", default_value = "gateway.toml")]
    pub config: PathBuf,
    /// Only this topic of the pipeline.
    #[arg(long, value_name = "TOPIC")]
    pub topic: Option<String>,
    /// Only this partition.
    #[arg(long, value_name = "N")]
    pub partition: Option<i32>,
    /// Begin here; without it at the oldest record.
    #[arg(long, value_name = "OFFSET|TIME")]
    pub from: Option<Place>,
    /// End before this; without it at what the pipeline's group has committed.
    #[arg(long, value_name = "OFFSET|TIME")]
    pub to: Option<Place>,
    /// What the plugin calls the columns that tell where rows came from.
    #[command(flatten)]
    pub columns: ColumnArguments,
    /// List at most so many runs of offsets for each table.
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub listed: usize,
    /// How results are told.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// How long Kafka may take to answer.
    #[arg(long, value_name = "DURATION", default_value = "30 s", value_parser = parse_duration)]
    pub timeout: Duration,
}

/// Compares. 0 where nothing is missing, doubled or there without a reason, 1 where something is or it could not be found out, 64 where
/// what was asked for cannot be done.
pub fn audit(arguments: &AuditArguments) -> ExitCode {
    logging::start();
    let wanted = arguments.wanted();
    let report = match found(look(&arguments.config, &arguments.pipeline, &wanted)) {
        Ok(report) => report,
        Err(code) => return code,
    };
    let text = match arguments.format {
        Format::Text => text(&report),
        // Names and numbers always are JSON.
        Format::Json => serde_json::to_string_pretty(&report).map(|text| text + "\n").unwrap_or_default(),
    };
    // A reader that is gone has read enough.
    let _ = std::io::stdout().write_all(text.as_bytes());
    if report.is_right() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

impl AuditArguments {
    fn wanted(&self) -> Wanted {
        Wanted {
            topic: self.topic.clone(),
            partition: self.partition,
            from: self.from,
            to: self.to,
            columns: self.columns.names(),
            timeout: self.timeout,
            listed: self.listed,
        }
    }
}

fn text(report: &Report) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let plugin = &report.plugin;
    let hash = plugin.hash.get(..12).unwrap_or_default();
    let _ = writeln!(text, "{}  plugin {} {} ({hash})", report.pipeline, plugin.name, plugin.version);
    for partition in &report.partitions {
        let _ = writeln!(
            text,
            "    {}/{}  offsets {}-{}, {} records",
            partition.topic, partition.partition, partition.first, partition.next, partition.read
        );
    }
    let records = &report.records;
    let _ = writeln!(
        text,
        "\nrecords   read {}: written {}, dropped {}, rejected {}, missing {}",
        records.read, records.written, records.dropped, records.rejected, records.missing
    );
    if records.written_and_rejected > 0 {
        let _ = writeln!(text, "          {} of those written are dead letters as well", records.written_and_rejected);
    }
    if records.rejected_with_rows > 0 {
        let _ =
            writeln!(text, "          {} of those rejected have rows in a table as well", records.rejected_with_rows);
    }
    text.push('\n');
    write_tables(&mut text, report);
    for table in &report.tables {
        write_runs(&mut text, &table.table, &table.offsets);
    }
    if let Some(letters) = &report.dead_letters {
        write_runs(&mut text, &format!("dead letters in {}", letters.topic), &letters.offsets);
    }
    for table in &report.tables {
        let _ = match &table.compared {
            Compared::Offset => Ok(()),
            Compared::Count(why) => writeln!(text, "{}: only the rows were counted: {why}", table.table),
            Compared::Nothing(why) => writeln!(text, "{}: was not compared: {why}", table.table),
        };
    }
    for note in &report.notes {
        let _ = writeln!(text, "{note}");
    }
    let unseen = report.tables.iter().any(|table| matches!(table.compared, Compared::Nothing(_)));
    text.push_str(match (report.is_right(), unseen) {
        (true, false) => "nothing is missing, and nothing is there twice\n",
        (true, true) => "nothing is missing or there twice in what was compared\n",
        (false, _) => "what Kafka has and what the tables have differ\n",
    });
    text
}

fn write_tables(text: &mut String, report: &Report) {
    let letters = report.dead_letters.as_ref().map(|letters| format!("dead letters in {}", letters.topic));
    let names = report.tables.iter().map(|table| table.table.as_str()).chain(letters.as_deref());
    let width = names.map(|name| name.chars().count()).max().unwrap_or(0);
    let head = ["expected", "written", "rejected", "missing", "doubled", "unexpected"];
    let mut line = |name: &str, cells: [String; 6]| {
        let cells: Vec<_> = cells.iter().map(|cell| format!("{cell:>10}")).collect();
        let _ = writeln!(text, "{name:width$}  {}", cells.join("  "));
    };
    line("", head.map(str::to_owned));
    for table in &report.tables {
        let known = |number: u64| match table.compared {
            Compared::Nothing(_) => "?".to_owned(),
            _ => number.to_string(),
        };
        let cells = [table.written, table.rejected, table.missing, table.doubled, table.unexpected].map(known);
        let [written, rejected, missing, doubled, unexpected] = cells;
        line(&table.table, [table.expected.to_string(), written, rejected, missing, doubled, unexpected]);
    }
    if let (Some(name), Some(letters)) = (&letters, &report.dead_letters) {
        let cells = [letters.written, letters.missing, letters.doubled].map(|number| number.to_string());
        let [written, missing, doubled] = cells;
        line(name, [String::new(), written, String::new(), missing, doubled, String::new()]);
    }
    text.push('\n');
}

fn write_runs(text: &mut String, name: &str, offsets: &Runs<Wrong>) {
    for run in &offsets.runs {
        let what = match run.what {
            Wrong::Missing => "missing",
            Wrong::Doubled => "doubled",
            Wrong::Unexpected => "unexpected",
        };
        let offsets = match run.first == run.last {
            true => format!("offset {}", run.first),
            false => format!("offsets {} to {}", run.first, run.last),
        };
        let _ = writeln!(text, "{name}: {what}: {}/{} {offsets} ({})", run.topic, run.partition, run.count);
    }
    if offsets.more > 0 {
        let _ = writeln!(text, "{name}: {} more are not listed; --listed lists more", offsets.more);
    }
}
