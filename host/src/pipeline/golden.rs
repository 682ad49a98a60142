//! The golden records that travel with a plugin, `NAME.cases/` beside `NAME.wasm`: a version that does not meet them never runs.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::shared::Shared;
use crate::PluginRequest;
use crate::cases::{self, Case};
use crate::config::PipelineSettings;
use crate::plugin::{InstanceSettings, Plugin, PluginFile};
use crate::watch::Source;

/// The most that is said of what differs, in bytes: `tidegate test` says all of it.
const LONGEST: usize = 2_000;

/// Runs all cases in the folder, each as its file says.
///
/// # Errors
/// What the first case that is not met differs in, or why it cannot be run.
pub async fn check(
    folder: PathBuf,
    source: &Source,
    settings: &PipelineSettings,
    file: PluginFile,
    shared: &Shared,
) -> Result<(), String> {
    let plugins = shared.plugins.clone();
    let tenant = shared.tenants.of(&source.name.tenant);
    let workers = tenant.workers.clone();
    // As the pipeline itself would run it.
    let (pipeline, limits) = (source.name.to_string(), settings.limits);
    let place = folder.display().to_string();
    let within = source.file.parent().unwrap_or(Path::new("")).to_owned();
    let run = async move {
        let mut started: Option<(Case, Arc<dyn Plugin>)> = None;
        for path in cases::files_in(&folder).map_err(|problem| format!("{}: {problem}", folder.display()))? {
            let case = Case::read_within(&within, &path).map_err(|faults| faults.to_string())?;
            let plugin = match started.take().filter(|(before, _)| before.starts_like(&case)) {
                Some((_, plugin)) => plugin,
                None => {
                    let instance = case.instance().map_err(|fault| format!("{}: {fault:#}", path.display()))?;
                    let instance = InstanceSettings {
                        pipeline: pipeline.clone(),
                        limits,
                        tenant: tenant.memory.clone(),
                        ..instance
                    };
                    let request = PluginRequest { file: file.clone(), instance };
                    plugins.load(request).await.map_err(|fault| format!("{}: {fault}", path.display()))?
                }
            };
            let ran = cases::run(&plugin, &case).await.map_err(|fault| format!("{}: {fault:#}", path.display()))?;
            let difference = case.expected.difference(&ran.found);
            if !difference.is_empty() {
                return Err(format!("{}: {difference}", path.display()));
            }
            started = Some((case, plugin));
        }
        Ok(())
    };
    let met: Result<(), String> = workers.spawn(run).await;
    met.map_err(|problem| {
        let problem = crate::rows::shortened(problem, LONGEST);
        format!("the golden records in `{place}` are not met: {problem}")
    })
}
