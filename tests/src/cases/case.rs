//! The cases of the example plugins, found by where they lie.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use tidegate::cases::{Case, files};

/// A case with the plugin that it is for.
#[derive(Clone, Debug)]
pub struct PluginCase {
    /// The plugin's folder, which is also the plugin's name.
    pub plugin: String,
    /// The case.
    pub case: Case,
}

/// All cases under `plugins`, in the order of their names.
///
/// # Errors
/// Where there are none, or one cannot be read: a check that checks nothing is none.
pub fn discover(plugins: &Path) -> anyhow::Result<Vec<PluginCase>> {
    let mut cases = Vec::new();
    for folder in entries(plugins)? {
        let directory = folder.join("cases");
        if !directory.is_dir() {
            continue;
        }
        let plugin = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        for file in files(&directory)? {
            cases.push(PluginCase { plugin: plugin.clone(), case: Case::read(&file)? });
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

impl PluginCase {
    /// The plugin's folder and the file's name: `sales/numbers`.
    pub fn name(&self) -> String {
        format!("{}/{}", self.plugin, self.case.name)
    }
}
