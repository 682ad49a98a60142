//! A case as its file says it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use serde::Deserialize;
use tidegate::pipeline::{RecordRef, Records};
use tidegate::plugin::InstanceSettings;

use super::outcome::Outcome;
use super::run;

/// One file.
#[derive(Clone, Debug)]
pub struct Case {
    /// The plugin's folder and the file's name: `sales/numbers`.
    pub name: String,
    /// The plugin's folder, which is also the plugin's name.
    pub plugin: String,
    directory: PathBuf,
    content: Content,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    #[serde(default)]
    settings: toml::Table,
    /// CSV files relative to the case; their first column is the key.
    #[serde(default)]
    lookups: BTreeMap<String, PathBuf>,
    records: Vec<Input>,
    #[serde(default)]
    rows: Vec<Row>,
    #[serde(default)]
    rejects: Vec<Reject>,
}

/// A record; without a value it is null. Its offset is its index, where it does not say another.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    offset: Option<i64>,
    timestamp: Option<i64>,
    key: Option<String>,
    value: Option<String>,
    value_hex: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
}

/// A row; columns that it leaves out are null.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    route: String,
    record: Option<usize>,
    columns: toml::Table,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Reject {
    record: usize,
    reason: String,
}

/// All cases under `plugins`, in the order of their names.
///
/// # Errors
/// Where there are none, or one cannot be read: a check that checks nothing is none.
pub fn discover(plugins: &Path) -> anyhow::Result<Vec<Case>> {
    let mut cases = Vec::new();
    for plugin in entries(plugins)? {
        let directory = plugin.join("cases");
        if !directory.is_dir() {
            continue;
        }
        let files = entries(&directory)?;
        for file in files.iter().filter(|file| file.extension().is_some_and(|ending| ending == "toml")) {
            cases.push(Case::read(&name(&plugin), file).with_context(|| format!("read case {}", file.display()))?);
        }
    }
    ensure!(!cases.is_empty(), "there are no cases at {}/*/cases/*.toml", plugins.display());
    Ok(cases)
}

fn entries(directory: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let listed = std::fs::read_dir(directory).with_context(|| format!("list {}", directory.display()))?;
    let mut paths = listed.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

fn name(path: &Path) -> String {
    path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

impl Case {
    fn read(plugin: &str, file: &Path) -> anyhow::Result<Self> {
        let content: Content = toml::from_str(&std::fs::read_to_string(file)?)?;
        ensure!(!content.records.is_empty(), "it has no records");
        Ok(Self {
            name: format!("{plugin}/{}", name(file)),
            plugin: plugin.to_owned(),
            directory: file.parent().map(Path::to_owned).unwrap_or_default(),
            content,
        })
    }

    /// What the plugin is started with.
    ///
    /// # Errors
    /// Where a lookup table cannot be read.
    pub fn instance(&self) -> anyhow::Result<InstanceSettings> {
        let tables = self.content.lookups.iter().map(|(table, file)| (table.as_str(), self.directory.join(file)));
        let lookups = run::lookups(tables)?;
        let settings = serde_json::to_string(&self.content.settings)?;
        Ok(InstanceSettings { pipeline: self.name.clone(), settings, lookups: Arc::new(lookups), ..run::instance() })
    }

    /// The records as a range holds them.
    ///
    /// # Errors
    /// Where a value is given twice or is not hexadecimal, or offsets do not ascend.
    pub fn records(&self) -> anyhow::Result<Records> {
        let mut records = Records::default();
        for (index, input) in (0i64..).zip(&self.content.records) {
            let offset = input.offset.unwrap_or(index);
            let before = records.offsets.last().copied().unwrap_or(-1);
            ensure!(before < offset, "record {index} has the offset {offset}, the one before it {before}");
            let value = match (&input.value, &input.value_hex) {
                (Some(_), Some(_)) => bail!("record {index} has both `value` and `value_hex`"),
                (Some(text), None) => Some(text.clone().into_bytes()),
                (None, hex) => hex.as_deref().map(unhex).transpose()?,
            };
            records.push(RecordRef {
                offset,
                timestamp: input.timestamp.unwrap_or(-1),
                key: input.key.as_deref().map(str::as_bytes),
                value: value.as_deref(),
            });
            for (name, value) in &input.headers {
                records.push_header(name.as_bytes(), Some(value.as_bytes()));
            }
        }
        Ok(records)
    }

    /// What should come out.
    ///
    /// # Errors
    /// Where a value of a row is none that a column can have.
    pub fn expected(&self) -> anyhow::Result<Outcome> {
        let mut outcome = Outcome::default();
        for row in &self.content.rows {
            let mut columns = Vec::with_capacity(row.columns.len());
            for (column, value) in &row.columns {
                columns.push((column.as_str(), text(value).with_context(|| format!("column `{column}`"))?));
            }
            outcome.row(&row.route, row.record, columns);
        }
        for reject in &self.content.rejects {
            outcome.reject(reject.record, &reject.reason);
        }
        Ok(outcome)
    }
}

/// A value as ClickHouse prints it; decimals, times and what 64 signed bits do not hold stand in the file as text.
fn text(value: &toml::Value) -> anyhow::Result<String> {
    Ok(match value {
        toml::Value::String(text) => text.clone(),
        toml::Value::Integer(number) => number.to_string(),
        toml::Value::Boolean(flag) => flag.to_string(),
        other => bail!("{other} is neither text nor an integer nor a flag"),
    })
}

fn unhex(text: &str) -> anyhow::Result<Vec<u8>> {
    ensure!(text.len().is_multiple_of(2), "`{text}` has half a byte");
    let byte = |index: usize| text.get(index..index + 2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
    let bytes = (0..text.len()).step_by(2).map(byte).collect::<Option<_>>();
    bytes.with_context(|| format!("`{text}` is not hexadecimal"))
}
