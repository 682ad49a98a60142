//! Bundles: what has processed ranges that are planned, kept where every gateway finds it. A range that is taken over is processed again by the
//! bundle of its plan, though another version lies in the plugin directory by then, or none.
//!
//! They lie in a compacted topic. A bundle is a [`Manifest`] under `bundle/ID`, which says all that decides rows and names files by
//! their SHA-256; the files lie in pieces under `piece/SHA-256/NUMBER`. Beside them, `group/GROUP/TOPIC`
//! says that a group has planned ranges of a topic.

mod manifest;

use std::collections::BTreeSet;
use std::path::Path;

use parking_lot::Mutex;
use tidegate_ledger::BundleId;

use self::manifest::{files, pieces};
use crate::config::PipelineSettings;
use crate::kafka::{KafkaSettings, Shelf};
use crate::pipeline::Bundle;
use crate::plugin::PluginHash;
use crate::watch::Source;

pub use self::manifest::Manifest;

/// The topic's name where the gateway's file names no other.
pub const TOPIC: &str = "tidegate.bundles";

/// The bundles of a cluster.
pub struct Bundles {
    shelf: Shelf,
    /// Keys that this process has put there.
    put: Mutex<BTreeSet<String>>,
}

/// Why a bundle cannot be stored or read.
#[derive(Debug, thiserror::Error)]
pub enum BundleFault {
    /// Not just now.
    #[error("{0}")]
    Unavailable(String),
    /// What is there is not what was put there.
    #[error("bundle {id} in topic `{topic}` is broken: {problem}")]
    Broken {
        /// Which.
        id: BundleId,
        /// Where.
        topic: String,
        /// What is wrong.
        problem: String,
    },
}

impl BundleFault {
    /// Whether trying again is in vain.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Broken { .. })
    }
}

impl Bundles {
    /// Connects to nothing yet.
    pub fn new(settings: &KafkaSettings, topic: &str) -> Self {
        Self { shelf: Shelf::new(settings, topic), put: Mutex::default() }
    }

    /// The topic's name.
    pub fn topic(&self) -> &str {
        self.shelf.topic()
    }

    /// Puts a bundle where every gateway finds it. Returns when it is there.
    ///
    /// # Errors
    /// Where it cannot be put there just now.
    pub async fn store(
        &self,
        bundle: &Bundle,
        source: &Source,
        settings: &PipelineSettings,
    ) -> Result<(), BundleFault> {
        let (files, manifest) = (files(source), Manifest::of(settings, source, bundle.plugin).text());
        let named = files.iter().flat_map(|(hash, bytes)| pieces(*hash, bytes));
        let new: Vec<_> = named.filter(|(key, _)| !self.put.lock().contains(key)).collect();
        self.put(&new).await?;
        // What names the pieces comes when they are there.
        self.put(&[(bundle_key(bundle.id()), manifest.as_bytes())]).await
    }

    /// Notes that a group plans ranges of a topic from now on: where it has no offset in it any more, it has lost it. To be noted when it
    /// has one, and not before.
    ///
    /// # Errors
    /// Where it cannot be put there just now.
    pub async fn note(&self, group: &str, topic: &str) -> Result<(), BundleFault> {
        let key = group_key(group, topic);
        let is_noted = self.put.lock().contains(&key);
        if is_noted { Ok(()) } else { self.put(&[(key, b"{}")]).await }
    }

    async fn put(&self, values: &[(String, &[u8])]) -> Result<(), BundleFault> {
        if !values.is_empty() {
            self.shelf.put(values).await.map_err(BundleFault::Unavailable)?;
            self.put.lock().extend(values.iter().map(|(key, _)| key.clone()));
        }
        Ok(())
    }

    /// The files of a bundle, as if they lay beside the pipeline file `file`; what decides no rows is as in `like`. None where it is not there.
    ///
    /// # Errors
    /// Where the topic cannot be read, or does not hold what was put there.
    pub async fn fetch(
        &self,
        id: BundleId,
        like: &PipelineSettings,
        file: &Path,
    ) -> Result<Option<Source>, BundleFault> {
        let broken = |problem: String| BundleFault::Broken { id, topic: self.topic().to_owned(), problem };
        let named = move |text: &[u8]| {
            let manifest = Manifest::read(text, id)?;
            Ok((manifest.piece_keys(), manifest))
        };
        let found = self.shelf.get_with(bundle_key(id), named).await.map_err(BundleFault::Unavailable)?;
        let Some(found) = found else { return Ok(None) };
        let (manifest, pieces) = found.map_err(broken)?;
        manifest.source(&pieces, like, file).map(Some).map_err(broken)
    }

    /// Whether a group has ever planned ranges of a topic. For threads that may wait.
    ///
    /// # Errors
    /// Where that cannot be read just now.
    pub fn has_planned(&self, group: &str, topic: &str) -> Result<bool, String> {
        let key = group_key(group, topic);
        if self.put.lock().contains(&key) {
            return Ok(true);
        }
        let found = self.shelf.has_now(&key)?;
        if found {
            self.put.lock().insert(key);
        }
        Ok(found)
    }
}

fn bundle_key(id: BundleId) -> String {
    format!("bundle/{id}")
}

fn group_key(group: &str, topic: &str) -> String {
    format!("group/{group}/{topic}")
}

fn piece_key(hash: &PluginHash, index: usize) -> String {
    format!("piece/{hash}/{index}")
}
