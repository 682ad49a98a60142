//! Records of a test through a plugin, on the path that the gateway itself takes.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::bail;
use tidegate::pipeline::{Range, RecordRef, Records, TransformFault, Transformed};
use tidegate::plugin::Plugin;

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
    let range = Range { topic: "test".into(), partition: 0, first, next };
    tidegate::cases::transform(plugin, range, records).await
}
