//! Which version of a pipeline runs and which was refused, for people and tools: kept in the status, and written to `NAME.status.json`
//! beside the pipeline's file.

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::deployment::Deployment;
use crate::watch::{STATUS, STATUS_NEW};

/// What is written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct VersionReport {
    /// None where nothing runs.
    pub running: Option<RunningVersion>,
    /// None where the files that lie there are the ones that run.
    pub refused: Option<RefusedVersion>,
}

/// The version that transforms records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RunningVersion {
    /// SHA-256 of the plugin's file.
    pub plugin: String,
    /// What the plugin calls itself.
    pub name: String,
    /// And its version.
    pub version: String,
    /// SHA-256 of what decides rows: settings, lookups, routes, limits.
    pub settings: String,
    /// When it took over.
    pub since: DateTime<Utc>,
    /// Whether it is still compared with the former one.
    pub on_probation: bool,
}

/// The version that lies there and does not run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RefusedVersion {
    /// SHA-256 of the plugin's file; none where it cannot be read.
    pub plugin: Option<String>,
    /// When it was refused.
    pub since: DateTime<Utc>,
    /// Why.
    pub reason: String,
}

impl RunningVersion {
    /// Of a version that has taken over.
    pub fn of(version: &Deployment, on_probation: bool) -> Self {
        let description = version.plugin.description();
        Self {
            plugin: version.bundle.plugin.to_string(),
            name: description.name.clone(),
            version: description.version.clone(),
            settings: version.bundle.settings.to_string(),
            since: version.since,
            on_probation,
        }
    }
}

/// Where the status of the pipeline of this file is written.
fn place(file: &Path) -> PathBuf {
    with_name(file, "", STATUS)
}

fn with_name(file: &Path, before: &str, after: &str) -> PathBuf {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    file.with_file_name(format!("{before}{stem}{after}"))
}

/// Writes the status file, whole or not at all. A directory that cannot be written to is no fault: the log, the metrics and `/readyz`
/// say the same.
pub fn write(file: &Path, report: &VersionReport) {
    let new = with_name(file, ".", STATUS_NEW);
    let write = || -> std::io::Result<()> {
        let mut text = serde_json::to_vec_pretty(report)?;
        text.push(b'\n');
        // Whoever may write to the folder may have put a symbolic link there: it is removed, never followed.
        let _ = std::fs::remove_file(&new);
        let mut file_new = std::fs::File::options().write(true).create_new(true).open(&new)?;
        std::io::Write::write_all(&mut file_new, &text)?;
        std::fs::rename(&new, place(file))
    };
    if let Err(problem) = write() {
        tracing::debug!(file = %file.display(), "no status file beside it: {problem}");
    }
}

/// Removes the status file of a pipeline that is gone.
pub fn remove(file: &Path) {
    let _ = std::fs::remove_file(place(file));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_lies_beside_the_pipeline_file_and_is_no_pipeline_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("sales.toml");
        let elsewhere = folder.path().join("elsewhere");
        std::os::unix::fs::symlink(&elsewhere, folder.path().join(".sales.status.json.new")).unwrap();
        std::os::unix::fs::symlink(&elsewhere, folder.path().join("sales.status.json")).unwrap();
        let refused = RefusedVersion { plugin: None, since: Utc::now(), reason: "no such file".into() };
        write(&file, &VersionReport { running: None, refused: Some(refused) });
        let text = std::fs::read_to_string(folder.path().join("sales.status.json")).unwrap();
        assert!(text.contains("\"running\": null") && text.contains("no such file"), "{text}");
        assert!(!elsewhere.exists(), "a link was followed");
        assert!(crate::config::discover(folder.path()).unwrap().is_empty());
        remove(&file);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
