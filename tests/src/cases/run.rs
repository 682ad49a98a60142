//! Records through a plugin, on the path that the gateway itself takes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use tidegate::pipeline::{
    Batch, Budget, Bundle, Lineage, Range, RecordRef, Records, TransformFault, Transformed, transform as run,
};
use tidegate::plugin::{InstanceSettings, LookupTable, Lookups, Plugin, PluginHash};

/// A plugin's file, as `make` lays it out.
///
/// # Errors
/// Where it was not built, with the command that does.
pub fn built(name: &str) -> anyhow::Result<PathBuf> {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target");
    let folders = ["plugins", "examples", "test-guests"].map(|folder| target.join(folder));
    let path = folders.map(|directory| directory.join(format!("{name}.wasm"))).into_iter();
    let Some(found) = path.into_iter().find(|path| path.is_file()) else {
        bail!("there is no plugin `{name}` in {}; run: make plugins test-guests", target.display());
    };
    Ok(found)
}

/// Neither settings nor tables, and as much memory as a pipeline file grants without saying so.
pub fn instance() -> InstanceSettings {
    InstanceSettings {
        pipeline: "default/test".to_owned(),
        settings: "{}".to_owned(),
        lookups: Arc::default(),
        memory: 256 << 20,
    }
}

/// Tables by their names, from CSV files whose first column is the key.
///
/// # Errors
/// Where a file cannot be read.
pub fn lookups<'a>(files: impl IntoIterator<Item = (&'a str, PathBuf)>) -> anyhow::Result<Lookups> {
    let mut tables = BTreeMap::new();
    for (name, file) in files {
        let text = std::fs::read_to_string(&file).with_context(|| format!("read lookup file {}", file.display()))?;
        let key = text.split([',', '\r', '\n']).next().unwrap_or_default();
        tables.insert(name.to_owned(), LookupTable::read_csv(&file, key)?);
    }
    Ok(Lookups::new(tables))
}

/// Records with these values at the offsets from `first` on.
pub fn records<V: AsRef<[u8]>>(first: i64, values: impl IntoIterator<Item = V>) -> Records {
    let mut records = Records::default();
    for (offset, value) in (first..).zip(values) {
        records.push(RecordRef { offset, timestamp: -1, key: None, value: Some(value.as_ref()) });
    }
    records
}

/// Runs records as one range of partition 0 of the topic `test`.
///
/// # Errors
/// As [`tidegate::pipeline::transform`].
pub async fn transform(plugin: Arc<dyn Plugin>, records: Records) -> Result<Transformed, TransformFault> {
    let first = records.offsets.first().copied().unwrap_or_default();
    let next = records.offsets.last().map_or(first, |last| last + 1);
    let bundle = Bundle { plugin: plugin.hash(), settings: PluginHash::of(b"") };
    let batch = Batch {
        range: Range { topic: "test".into(), partition: 0, first, next },
        permit: Budget::new(usize::MAX).take(records.bytes()),
        records,
        lineage: Lineage(0),
        bundle: Arc::new(bundle),
    };
    run(plugin, batch).await
}
