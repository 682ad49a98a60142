//! What a pipeline keeps from one start of the gateway to the next: the files of the last version that was proven, which versions were
//! rolled back, and which consumer group it had. Under `state/versions/TENANT/PIPELINE/`: `version.json`, and the plugin and the lookup
//! files by their hashes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::StateFolder;
use crate::config::{PipelineName, PipelineSettings};
use crate::plugin::PluginHash;
use crate::watch::Source;

/// The folder within the state folder.
const VERSIONS: &str = "versions";

const RECORD: &str = "version.json";

/// Versions that were rolled back are remembered, the latest ones: a directory holds one at a time.
const MOST_ROLLED_BACK: usize = 16;

/// The folder of one pipeline.
pub struct Kept {
    folder: PathBuf,
    name: PipelineName,
    record: Record,
}

/// `version.json`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Record {
    good: Option<Good>,
    #[serde(default)]
    rolled_back: Vec<RolledBack>,
}

/// The last version that was proven.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Good {
    file: PathBuf,
    text: String,
    topics: Vec<String>,
    group: String,
    plugin: String,
    /// By path: the hash of each file that the text names.
    files: BTreeMap<PathBuf, String>,
}

/// A version that must not run again by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolledBack {
    /// SHA-256 of all its files.
    pub files: String,
    /// SHA-256 of its plugin.
    pub plugin: String,
    /// When it was rolled back.
    pub since: DateTime<Utc>,
    /// Why.
    pub reason: String,
}

impl Kept {
    /// What was kept of this pipeline; nothing where nothing can be read.
    pub fn open(state: &StateFolder, name: &PipelineName) -> Self {
        let folder = state.path().join(VERSIONS).join(&name.tenant).join(&name.pipeline);
        let record = match std::fs::read(folder.join(RECORD)) {
            Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_else(|fault| {
                tracing::warn!(pipeline = %name, folder = %folder.display(), "what was kept cannot be read: {fault}");
                Record::default()
            }),
            Err(_) => Record::default(),
        };
        Self { folder, name: name.clone(), record }
    }

    /// The files of the last version that was proven, if all of them are there and are what they were.
    pub fn good(&self) -> Option<Source> {
        let good = self.record.good.as_ref()?;
        let mut read = |path: &Path| {
            let missing = || std::io::Error::other("was not kept");
            let hash = good.files.get(path).ok_or_else(missing)?;
            let bytes = Bytes::from(std::fs::read(self.folder.join(hash))?);
            let same = PluginHash::of(&bytes).to_string() == *hash;
            same.then_some(bytes).ok_or_else(|| std::io::Error::other("is not what was kept"))
        };
        let mut source = Source::of(&self.name, &good.file, good.text.clone(), &mut read);
        // They were met when it was deployed; those that lie there now may belong to the next version.
        source.cases = None;
        let whole = matches!(source.plugin, Some(Ok(_))) && source.lookups.values().all(|lookup| lookup.bytes.is_ok());
        whole.then_some(source)
    }

    /// Keeps the files of a version that was proven.
    ///
    /// # Errors
    /// Where they cannot be written.
    pub fn keep(&mut self, source: &Source, settings: &PipelineSettings) -> std::io::Result<()> {
        let lookups = source.lookups.values().filter_map(|lookup| Some((&lookup.path, lookup.bytes.as_ref().ok()?)));
        let plugin = source.plugin.iter().flatten().map(|plugin| (&plugin.path, &plugin.bytes));
        std::fs::create_dir_all(&self.folder)?;
        let mut files = BTreeMap::new();
        for (path, bytes) in plugin.chain(lookups) {
            let hash = PluginHash::of(bytes).to_string();
            let kept = self.folder.join(&hash);
            if !kept.exists() {
                replace(&kept, bytes)?;
            }
            files.insert(path.clone(), hash);
        }
        let plugin = source.plugin.iter().flatten().map(|plugin| plugin.hash().to_string()).next().unwrap_or_default();
        let good = Some(Good {
            file: source.file.clone(),
            text: source.text.clone(),
            topics: settings.topics.clone(),
            group: settings.group.clone(),
            plugin,
            files,
        });
        if good == self.record.good {
            return Ok(());
        }
        self.record.good = good;
        self.write()?;
        self.tidy();
        Ok(())
    }

    /// Notes that a version was rolled back.
    ///
    /// # Errors
    /// Where that cannot be written.
    pub fn roll_back(&mut self, source: &Source, plugin: PluginHash, reason: &str) -> std::io::Result<()> {
        let rolled_back = RolledBack {
            files: source.hash().to_string(),
            plugin: plugin.to_string(),
            since: Utc::now(),
            reason: reason.to_owned(),
        };
        self.record.rolled_back.retain(|other| other.files != rolled_back.files);
        self.record.rolled_back.push(rolled_back);
        let beyond = self.record.rolled_back.len().saturating_sub(MOST_ROLLED_BACK);
        self.record.rolled_back.drain(..beyond);
        std::fs::create_dir_all(&self.folder)?;
        self.write()
    }

    /// Whether these files were rolled back, and why.
    pub fn rolled_back(&self, source: &Source) -> Option<&RolledBack> {
        let hash = source.hash().to_string();
        self.record.rolled_back.iter().find(|rolled_back| rolled_back.files == hash)
    }

    /// Forgets the files of a pipeline that is gone; which group it had stays known, should it come back under another name.
    pub fn strip(&self) {
        self.remove_but(|name| name == RECORD);
    }

    fn write(&self) -> std::io::Result<()> {
        replace(&self.folder.join(RECORD), &serde_json::to_vec_pretty(&self.record)?)
    }

    /// Removes files that no version needs any more.
    fn tidy(&self) {
        self.remove_but(|name| {
            name == RECORD || self.record.good.iter().any(|good| good.files.values().any(|hash| hash == name))
        });
    }

    fn remove_but(&self, needed: impl Fn(&str) -> bool) {
        let Ok(entries) = std::fs::read_dir(&self.folder) else { return };
        for entry in entries.flatten().filter(|entry| !needed(&entry.file_name().to_string_lossy())) {
            // What stays costs nothing but room.
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// Which pipeline of the same tenant these files belonged to when they had another name, and its group: one whose file is gone, with the same
/// text, or with the same topics and the same plugin. `is_there` says whether a pipeline file is there.
pub fn renamed_from(
    state: &StateFolder,
    source: &Source,
    is_there: impl Fn(&Path) -> bool,
) -> Option<(PipelineName, String)> {
    let settings = source.draft.value.as_ref()?;
    let plugin = source.plugin.as_ref()?.as_ref().ok()?.hash().to_string();
    let tenant = &source.name.tenant;
    let folder = state.path().join(VERSIONS).join(tenant);
    let own = folder.join(&source.name.pipeline).join(RECORD);
    if own.exists() {
        return None;
    }
    for entry in std::fs::read_dir(folder).ok()?.flatten() {
        let name = PipelineName { tenant: tenant.clone(), pipeline: entry.file_name().to_string_lossy().into_owned() };
        let Some(good) = Kept::open(state, &name).record.good else { continue };
        let same = good.text == source.text || (good.topics == settings.topics && good.plugin == plugin);
        if same && good.group != settings.group && !is_there(&good.file) {
            return Some((name, good.group));
        }
    }
    None
}

/// Writes a file whole or not at all.
fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let new = path.with_extension("new");
    std::fs::write(&new, bytes)?;
    std::fs::rename(&new, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "topics = [\"t\"]\non_reject = \"drop\"\n[routes]\nx = \"a:b\"\n[lookups.products]\nfile = \"p.csv\"\nkey = \"id\"\n";

    fn name(pipeline: &str) -> PipelineName {
        PipelineName { tenant: "acme".into(), pipeline: pipeline.into() }
    }

    /// Files in which the plugin is this text.
    fn source(pipeline: &str, plugin: &'static str) -> Source {
        let mut read = |path: &Path| -> std::io::Result<Bytes> {
            let is_plugin = path.extension().is_some_and(|ending| ending == "wasm");
            Ok(if is_plugin { plugin.into() } else { "id\n1\n".into() })
        };
        Source::of(&name(pipeline), Path::new(&format!("/plugins/acme/{pipeline}.toml")), TEXT.to_owned(), &mut read)
    }

    fn keep(state: &StateFolder, source: &Source) -> Kept {
        let mut kept = Kept::open(state, &source.name);
        kept.keep(source, source.draft.value.as_ref().unwrap()).unwrap();
        kept
    }

    #[test]
    fn the_last_good_version_comes_back_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateFolder::open(&folder.path().join("state")).unwrap();
        assert!(Kept::open(&state, &name("sales")).good().is_none());
        keep(&state, &source("sales", "one"));
        keep(&state, &source("sales", "two"));
        let good = Kept::open(&state, &name("sales")).good().unwrap();
        assert_eq!(good.hash(), source("sales", "two").hash());
        let kept = state.path().join("versions/acme/sales");
        assert_eq!(std::fs::read_dir(&kept).unwrap().count(), 3, "the plugin that was replaced is gone");
        let again = keep(&state, &source("sales", "two"));
        again.strip();
        assert!(again.good().is_none() && kept.join(RECORD).exists());
        keep(&state, &source("sales", "three"));
        keep(&state, &source("sales", "two"));
        let plugin = kept.join(PluginHash::of(b"two").to_string());
        std::fs::write(plugin, "forged").unwrap();
        assert!(Kept::open(&state, &name("sales")).good().is_none());
    }

    #[test]
    fn what_was_rolled_back_is_known_after_a_restart_until_its_files_change() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateFolder::open(&folder.path().join("state")).unwrap();
        let bad = source("sales", "bad");
        keep(&state, &source("sales", "one")).roll_back(&bad, PluginHash::of(b"bad"), "no price").unwrap();
        let kept = Kept::open(&state, &name("sales"));
        assert_eq!(kept.rolled_back(&bad).unwrap().reason, "no price");
        assert_eq!(kept.rolled_back(&source("sales", "mended")), None);
        assert!(kept.good().is_some());
    }

    #[test]
    fn a_pipeline_under_another_name_is_recognised_once_its_old_file_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateFolder::open(&folder.path().join("state")).unwrap();
        keep(&state, &source("sales", "one"));
        let renamed = source("orders", "one");
        assert_eq!(renamed_from(&state, &renamed, |_| true), None);
        let from = renamed_from(&state, &renamed, |_| false).unwrap();
        assert_eq!(from, (name("sales"), "tidegate.acme.sales".to_owned()));
        assert_eq!(renamed_from(&state, &source("sales", "one"), |_| false), None);
        keep(&state, &renamed);
        assert_eq!(renamed_from(&state, &renamed, |_| false), None, "it has a past of its own");
    }
}
