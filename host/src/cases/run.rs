//! Records through a plugin, on the path that the gateway itself takes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;

use super::case::{Case, Lookup, MOST_BYTES};
use super::outcome::Outcome;
use crate::config::{Limits, PluginState, confined};
use crate::pipeline::{self, Batch, Budget, Bundle, Lineage, Range, Records, TransformFault, Transformed};
use crate::plugin::{InstanceSettings, LookupTable, Lookups, Plugin, PluginHash};
use crate::tenants::TenantMemory;

/// What came of a case.
#[derive(Clone, Debug)]
pub struct Ran {
    /// What came out.
    pub found: Outcome,
    /// How many records went in.
    pub records: usize,
    /// How many rows came out, over all routes.
    pub rows: usize,
    /// How many records were rejected.
    pub rejects: usize,
    /// How many records have neither a row nor a reject.
    pub dropped: usize,
    /// How long the plugin and the check of its rows took.
    pub took: Duration,
}

/// Runs the records of a case as one range.
///
/// # Errors
/// Where the plugin traps or breaks the contract.
pub async fn run(plugin: &Arc<dyn Plugin>, case: &Case) -> anyhow::Result<Ran> {
    let records = case.records();
    let count = records.len();
    let start = Instant::now();
    let transformed = transform(plugin.clone(), case.range(), records).await?;
    let took = start.elapsed();
    Ok(Ran {
        found: Outcome::new(plugin.description(), &transformed)?,
        records: count,
        rows: transformed.routes.iter().map(|route| route.rows).sum(),
        rejects: transformed.rejects.len(),
        dropped: transformed.dropped,
        took,
    })
}

/// Runs records as this range.
///
/// # Errors
/// As [`pipeline::transform`].
pub async fn transform(plugin: Arc<dyn Plugin>, range: Range, records: Records) -> Result<Transformed, TransformFault> {
    let bundle = Bundle { plugin: plugin.hash(), settings: PluginHash::of(b"") };
    let permit = Budget::new(usize::MAX).take(records.bytes());
    let batch = Batch { range, permit, records, lineage: Lineage(0), bundle: Arc::new(bundle), joined: Vec::new() };
    pipeline::transform(plugin, batch).await.map_err(|failed| failed.fault)
}

/// Neither settings nor tables, and the limits of a pipeline file that says nothing of them.
pub fn instance() -> InstanceSettings {
    InstanceSettings {
        pipeline: "default/test".to_owned(),
        settings: "{}".to_owned(),
        lookups: Arc::default(),
        limits: Limits::DEFAULT,
        usage: Arc::default(),
        state: PluginState::Range,
        tenant: TenantMemory::unlimited(),
    }
}

/// Tables by their names, from CSV files whose first column is the key.
///
/// # Errors
/// Where a file cannot be read.
pub fn lookups<'a>(files: impl IntoIterator<Item = (&'a str, PathBuf)>) -> anyhow::Result<Lookups> {
    let lookup = |(name, file): (&str, PathBuf)| Lookup { name: name.to_owned(), file, key: None };
    tables(&files.into_iter().map(lookup).collect::<Vec<_>>(), None)
}

/// Tables whose files lie in a folder, where one is named.
pub(super) fn tables(lookups: &[Lookup], within: Option<&Path>) -> anyhow::Result<Lookups> {
    let mut tables = BTreeMap::new();
    for Lookup { name, file, key } in lookups {
        let bytes = match within {
            Some(folder) => confined::read(folder, file, MOST_BYTES).map_err(std::io::Error::from),
            None => std::fs::read(file),
        };
        let context = || format!("read lookup file {}", file.display());
        let bytes = bytes.with_context(context)?;
        let key = match key {
            Some(key) => key.clone(),
            None => first_column(&bytes).with_context(context)?,
        };
        tables.insert(name.clone(), LookupTable::of_csv(file, &bytes, &key)?);
    }
    Ok(Lookups::new(tables))
}

fn first_column(bytes: &[u8]) -> anyhow::Result<String> {
    let mut reader = csv::Reader::from_reader(bytes);
    Ok(reader.headers()?.get(0).unwrap_or_default().to_owned())
}
