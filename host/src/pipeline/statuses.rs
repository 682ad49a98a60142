//! The states of all pipelines that there are just now, by name: pipelines come and go.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::RwLock;

use super::status::Status;
use crate::config::PipelineName;

/// Shared by whoever shows pipelines. Cheap to clone.
#[derive(Clone, Default)]
pub struct Statuses(Arc<RwLock<BTreeMap<PipelineName, Arc<Status>>>>);

impl Statuses {
    /// A pipeline came.
    pub fn insert(&self, status: Arc<Status>) {
        self.0.write().insert(status.name().clone(), status);
    }

    /// A pipeline has gone.
    pub fn remove(&self, name: &PipelineName) {
        self.0.write().remove(name);
    }

    /// The one of this name.
    pub fn get(&self, name: &PipelineName) -> Option<Arc<Status>> {
        self.0.read().get(name).cloned()
    }

    /// All, in the order of their names.
    pub fn all(&self) -> Vec<Arc<Status>> {
        self.0.read().values().cloned().collect()
    }
}
