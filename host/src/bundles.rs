//! PLACEHOLDER
use crate::config::PipelineName;
use crate::watch::Source;
use std::path::Path;
use tidegate_ledger::BundleId;
/// x
#[derive(Debug, thiserror::Error)]
#[error("x")]
pub struct BundleFault;
impl BundleFault {
    /// x
    pub fn is_final(&self) -> bool {
        false
    }
}
/// x
pub struct Bundles(parking_lot::Mutex<std::collections::BTreeMap<BundleId, Source>>);
impl Bundles {
    /// x
    pub fn new() -> Self {
        Self(Default::default())
    }
    /// x
    pub fn topic(&self) -> &str {
        "tidegate.bundles"
    }
    /// x
    pub async fn store(&self, id: BundleId, source: &Source) -> Result<(), BundleFault> {
        self.0.lock().insert(id, source.clone());
        Ok(())
    }
    /// x
    pub async fn fetch(&self, id: BundleId, _: &PipelineName, _: &Path) -> Result<Option<Source>, BundleFault> {
        Ok(self.0.lock().get(&id).cloned())
    }
}
