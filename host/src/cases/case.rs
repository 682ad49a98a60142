//! A case as its file says it; `docs/plugins.md` describes the format.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, ensure};
use toml::de::DeValue;

use super::fact::Fact;
use super::headers::{self, Header};
use super::outcome::Outcome;
use super::run;
use crate::config::{ConfigFaults, Document, Draft, Section, confined};
use crate::pipeline::{Range, RecordRef, Records};
use crate::plugin::InstanceSettings;

/// One file, read and checked.
#[derive(Clone, Debug)]
pub struct Case {
    /// The file's name without its ending.
    pub name: String,
    /// The file.
    pub file: PathBuf,
    /// What should come out.
    pub expected: Outcome,
    topic: String,
    partition: i32,
    /// A JSON object.
    settings: String,
    lookups: Vec<Lookup>,
    records: Vec<Input>,
    /// Where all of its files must lie, if anywhere.
    within: Option<PathBuf>,
}

/// What a case file, or a table of one, may have where others than the one who runs it wrote them.
pub(super) const MOST_BYTES: u64 = 64 << 20;

/// A table that the plugin looks things up in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lookup {
    pub name: String,
    pub file: PathBuf,
    /// The column to look up by; the first one where it is left out.
    pub key: Option<String>,
}

/// A record; without a value it is null.
#[derive(Clone, Debug)]
struct Input {
    offset: i64,
    /// Milliseconds since 1970, or -1.
    timestamp: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<Header>,
}

/// The case files that are meant by `path`: itself, or those in the folder that it is, in the order of their names.
///
/// # Errors
/// Where there are none: a check that checks nothing is none.
pub fn files(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        ensure!(path.exists(), "there is no `{}`; expected a case file or a folder of case files", path.display());
        return Ok(vec![path.to_owned()]);
    }
    let files = files_in(path).with_context(|| format!("list {}", path.display()))?;
    ensure!(!files.is_empty(), "there are no cases in `{0}`; expected files {0}/*.toml", path.display());
    Ok(files)
}

/// The case files in a folder, in the order of their names.
///
/// # Errors
/// Where it cannot be read.
pub fn files_in(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
    files.retain(|file| file.extension().is_some_and(|ending| ending == "toml"));
    files.sort();
    Ok(files)
}

impl Case {
    /// Reads a case file; paths in it are relative to its folder.
    ///
    /// # Errors
    /// All faults of the file at once.
    pub fn read(file: &Path) -> Result<Self, ConfigFaults> {
        Document::read(file, |top| Self::of(top, file))
    }

    /// As [`Self::read`], of a file that must lie in a folder, as must all that it names.
    ///
    /// # Errors
    /// As there.
    pub fn read_within(folder: &Path, file: &Path) -> Result<Self, ConfigFaults> {
        let draft = match confined::read_text(folder, file, MOST_BYTES) {
            Ok(text) => Document::draft_of(file, text, |top| Self::of(top, file)),
            Err(problem) => Draft::unread(file, 1, format!("cannot be read: {problem}")),
        };
        Ok(Self { within: Some(folder.to_owned()), ..draft.complete()? })
    }

    fn of(top: &Section<'_>, file: &Path) -> Option<Self> {
        let folder = file.parent().unwrap_or(Path::new(""));
        let topic = top.string("topic").unwrap_or("test").to_owned();
        let partition = top.number("partition", 0..=i32::MAX.into()).unwrap_or(0);
        let settings = top.section("settings").map_or("{}".to_owned(), |section| section.json().to_string());
        let lookups = top.section("lookups").map(|section| lookups(&section, folder)).unwrap_or_default();
        let records = records(top);
        Some(Self {
            name: file.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
            file: file.to_owned(),
            expected: expected(top, records.len()),
            topic,
            partition: i32::try_from(partition).ok()?,
            settings,
            lookups,
            records,
            within: None,
        })
    }

    /// What the plugin is started with.
    ///
    /// # Errors
    /// Where a lookup table cannot be read.
    pub fn instance(&self) -> anyhow::Result<InstanceSettings> {
        let lookups = run::tables(&self.lookups, self.within.as_deref())?;
        let pipeline = format!("cases/{}", self.name);
        Ok(InstanceSettings {
            pipeline,
            settings: self.settings.clone(),
            lookups: Arc::new(lookups),
            ..run::instance()
        })
    }

    /// Whether a plugin that was started for one of the two is as good for the other.
    pub fn starts_like(&self, other: &Self) -> bool {
        self.settings == other.settings && self.lookups == other.lookups
    }

    /// Where the records stand.
    pub fn range(&self) -> Range {
        let first = self.records.first().map_or(0, |record| record.offset);
        let next = self.records.last().map_or(0, |record| record.offset + 1);
        Range { topic: self.topic.as_str().into(), partition: self.partition, first, next }
    }

    /// The records as a range holds them.
    pub fn records(&self) -> Records {
        let mut records = Records::default();
        for Input { offset, timestamp, key, value, headers } in &self.records {
            let (key, value) = (key.as_deref(), value.as_deref());
            records.push(RecordRef { offset: *offset, timestamp: *timestamp, key, value });
            for (name, value) in headers {
                records.push_header(name.as_bytes(), value.as_deref());
            }
        }
        records
    }
}

fn lookups(section: &Section<'_>, folder: &Path) -> Vec<Lookup> {
    let mut lookups = Vec::new();
    for (name, value) in section.entries() {
        let lookup = |file: &str, key| Lookup { name: name.to_owned(), file: folder.join(file), key };
        match value {
            DeValue::String(file) => lookups.push(lookup(file, None)),
            DeValue::Table(_) => {
                let Some(table) = section.section_named(name) else { continue };
                let key = table.string("key").map(str::to_owned);
                lookups.extend(table.required_string("file", "\"products.csv\"").map(|file| lookup(file, key)));
            }
            _ => section.fault(name, "expected a CSV file, such as \"products.csv\""),
        }
    }
    lookups
}

fn records(top: &Section<'_>) -> Vec<Input> {
    let sections = top.tables("records");
    if sections.is_empty() {
        top.fault("records", "is missing; expected at least one [[records]] with a line such as value = '{\"id\":1}'");
    }
    let mut before = -1;
    let mut records = Vec::with_capacity(sections.len());
    for (index, section) in (0..).zip(sections) {
        // Beyond the last offset there would be no next one.
        let offset = section.number("offset", 0..=i64::MAX - 1).unwrap_or(index);
        if offset <= before {
            let problem = format!("is {offset}, and the record before it has {before}; offsets ascend");
            section.fault("offset", problem);
        }
        before = offset;
        records.push(Input {
            offset,
            timestamp: section.number("timestamp", -1..=i64::MAX).unwrap_or(-1),
            key: headers::bytes(&section, "key", "key_hex"),
            value: headers::bytes(&section, "value", "value_hex"),
            headers: headers::headers(&section),
        });
    }
    records
}

fn expected(top: &Section<'_>, records: usize) -> Outcome {
    let last = records.saturating_sub(1);
    let mut outcome = Outcome { dropped: top.integer("dropped", 0..=records), ..Outcome::default() };
    for section in top.tables("rows") {
        let route = section.required_string("route", "\"sale\"");
        let record = section.integer("record", 0..=last);
        if !section.is_section("columns") {
            section.fault("columns", "is missing; expected [rows.columns] with lines such as price = \"1.50\"");
        }
        let columns = section.section("columns").map(|section| columns(&section)).unwrap_or_default();
        outcome.row(route.unwrap_or_default(), record, columns);
    }
    for section in top.tables("rejects") {
        if !section.has("record") {
            section.fault("record", "is missing; expected the index of a record, counted from 0");
        }
        let record = section.integer("record", 0..=last);
        let reason = section.required_string("reason", "\"the value is null\"");
        outcome.reject(record.unwrap_or_default(), reason.unwrap_or_default());
    }
    outcome
}

fn columns(section: &Section<'_>) -> Vec<(String, Fact)> {
    let mut columns = Vec::new();
    for (column, value) in section.entries() {
        match Fact::of_file(value) {
            Ok(value) => columns.push((column.to_owned(), value)),
            Err(problem) => section.fault(column, problem),
        }
    }
    columns
}

#[cfg(test)]
mod tests;
