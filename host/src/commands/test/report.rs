//! How the results of cases are told. Standard output holds nothing else, so that it can be piped and pasted.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;

use serde::Serialize;

use super::Telling;
use super::usage::{self, LimitsSummary};
use crate::cases::{Case, Ran};
use crate::commands::number;
use crate::plugin::Used;

/// A case with what came of it.
pub(super) struct Checked {
    pub case: Case,
    /// None where nothing came out.
    pub ran: Option<Ran>,
    pub verdict: Verdict,
}

pub(super) enum Verdict {
    Met,
    /// In which lines.
    Differs(String),
    /// A trap, a broken contract, refused settings.
    Broken(String),
}

impl Checked {
    /// A case that brought nothing that could be compared.
    pub fn broken(case: &Case, fault: &anyhow::Error) -> Self {
        Self { case: case.clone(), ran: None, verdict: Verdict::Broken(format!("{fault:#}")) }
    }

    fn is_met(&self) -> bool {
        matches!(self.verdict, Verdict::Met)
    }

    /// What is wrong, line by line.
    fn problems(&self) -> &str {
        match &self.verdict {
            Verdict::Met => "",
            Verdict::Differs(text) | Verdict::Broken(text) => text,
        }
    }
}

/// Tells all results on standard output, and the exit code.
pub(super) fn tell(checked: &[Checked], used: &Used, telling: Telling) -> ExitCode {
    let (text, well) = match telling {
        Telling::Text => (text(checked) + &usage::text(used), checked.iter().all(Checked::is_met)),
        Telling::Json => (json(checked, used), checked.iter().all(Checked::is_met)),
        Telling::Toml => (toml(checked), checked.iter().all(|checked| checked.ran.is_some())),
    };
    // A reader that is gone has read enough.
    let _ = std::io::stdout().write_all(text.as_bytes());
    if well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn text(checked: &[Checked]) -> String {
    let mut text = String::new();
    let width = checked.iter().map(|checked| checked.case.name.chars().count()).max().unwrap_or(0);
    for one in checked {
        let word = if one.is_met() { "ok    " } else { "failed" };
        let counts = one.ran.as_ref().map(counts).unwrap_or_default();
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}", format!("{word}  {:width$}  {counts}", one.case.name).trim_end());
        for line in one.problems().lines() {
            let _ = writeln!(text, "    {line}");
        }
    }
    let met = checked.iter().filter(|checked| checked.is_met()).count();
    let _ = writeln!(text, "\n{}: {met} ok, {} failed", number(checked.len(), "case"), checked.len() - met);
    text
}

fn counts(ran: &Ran) -> String {
    let Ran { records, rows, rejects, dropped, .. } = ran;
    let time = microseconds_a_record(ran);
    let (records, rows) = (number(*records, "record"), number(*rows, "row"));
    format!("{records}: {rows}, {rejects} rejected, {dropped} dropped; {time:.1} us a record")
}

/// Far fewer records than 2^53 fit a case.
#[allow(clippy::cast_precision_loss)]
fn microseconds_a_record(ran: &Ran) -> f64 {
    ran.took.as_secs_f64() * 1e6 / ran.records.max(1) as f64
}

fn toml(checked: &[Checked]) -> String {
    let mut text = String::new();
    for one in checked {
        let _ = writeln!(text, "# {}", one.case.file.display());
        match &one.ran {
            Some(ran) => text.push_str(&ran.found.to_toml()),
            None => one.problems().lines().for_each(|line| _ = writeln!(text, "# {line}")),
        }
        text.push('\n');
    }
    text
}

#[derive(Serialize)]
struct Summary<'c> {
    ok: usize,
    failed: usize,
    limits: LimitsSummary,
    cases: Vec<CaseSummary<'c>>,
}

#[derive(Serialize)]
struct CaseSummary<'c> {
    name: &'c str,
    file: String,
    ok: bool,
    #[serde(flatten)]
    counts: Option<Counts>,
    /// Lines of the difference, or of the fault.
    problems: Vec<&'c str>,
}

#[derive(Serialize)]
struct Counts {
    records: usize,
    rows: usize,
    rejects: usize,
    dropped: usize,
    microseconds_a_record: f64,
}

impl<'c> CaseSummary<'c> {
    fn of(checked: &'c Checked) -> Self {
        let counts = |ran: &Ran| Counts {
            records: ran.records,
            rows: ran.rows,
            rejects: ran.rejects,
            dropped: ran.dropped,
            microseconds_a_record: microseconds_a_record(ran),
        };
        Self {
            name: &checked.case.name,
            file: checked.case.file.display().to_string(),
            ok: checked.is_met(),
            counts: checked.ran.as_ref().map(counts),
            problems: checked.problems().lines().collect(),
        }
    }
}

fn json(checked: &[Checked], used: &Used) -> String {
    let ok = checked.iter().filter(|checked| checked.is_met()).count();
    let cases = checked.iter().map(CaseSummary::of).collect();
    let summary = Summary { ok, failed: checked.len() - ok, limits: LimitsSummary::of(used), cases };
    // Names and numbers always are JSON.
    serde_json::to_string_pretty(&summary).map(|text| text + "\n").unwrap_or_default()
}
