//! A look at the plugin directory: names and stamps, no contents, except for pipeline files that have changed, which say what other
//! files to look at.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::config::{PipelineName, PipelineSettings, entries, named};

/// What tells one version of a file from another without reading it: device, inode, length, times of the last change to the
/// content and to the file, in nanoseconds.
pub type Stamp = (u64, u64, u64, i128, i128);

/// All files of a pipeline with their stamps; none where there is no such file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    pub name: PipelineName,
    pub stamps: Vec<(PathBuf, Option<Stamp>)>,
}

/// What a look found.
#[derive(Default)]
pub struct Look {
    /// By pipeline file.
    pub sightings: BTreeMap<PathBuf, Sighting>,
    /// Folders that cannot be read, and why.
    pub unreadable: Vec<(PathBuf, String)>,
}

/// Looks at one plugin directory.
pub struct Scanner {
    plugins: PathBuf,
    /// What each pipeline file names, as of its stamp.
    named: BTreeMap<PathBuf, (Option<Stamp>, Vec<PathBuf>)>,
}

impl Scanner {
    pub fn new(plugins: PathBuf) -> Self {
        Self { plugins, named: BTreeMap::new() }
    }

    pub fn plugins(&self) -> &Path {
        &self.plugins
    }

    /// # Errors
    /// Where the directory itself cannot be read.
    pub fn look(&mut self) -> std::io::Result<Look> {
        let mut look = Look::default();
        let mut found = Vec::new();
        for path in entries(&self.plugins)? {
            if !path.is_dir() {
                found.extend(named(crate::config::DEFAULT_TENANT, path));
                continue;
            }
            let tenant = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            match entries(&path) {
                Ok(files) => found.extend(files.into_iter().filter_map(|file| named(&tenant, file))),
                // It went between the two looks.
                Err(problem) if problem.kind() == std::io::ErrorKind::NotFound => {}
                Err(problem) => look.unreadable.push((path.clone(), format!("{}: {problem}", path.display()))),
            }
        }
        let there: BTreeSet<_> = found.iter().map(|(_, file)| file).collect();
        self.named.retain(|file, _| there.contains(file));
        for (name, file) in found {
            let sighting = self.sighting(&name, &file);
            look.sightings.insert(file, sighting);
        }
        Ok(look)
    }

    /// The stamps of a pipeline's files just now.
    pub fn sighting(&mut self, name: &PipelineName, file: &Path) -> Sighting {
        let own = stamp(file);
        let known = self.named.get(file).filter(|(stamp, _)| *stamp == own);
        let others = match known {
            Some((_, others)) => others.clone(),
            None => {
                let others = files_named_in(name, file);
                self.named.insert(file.to_owned(), (own, others.clone()));
                others
            }
        };
        let mut stamps = vec![(file.to_owned(), own)];
        stamps.extend(others.into_iter().flat_map(|path| with_entries(&path)));
        Sighting { name: name.clone(), stamps }
    }
}

/// The plugin, its golden cases and the lookup files.
fn files_named_in(name: &PipelineName, file: &Path) -> Vec<PathBuf> {
    let Some(settings) = PipelineSettings::draft(name, file).value else {
        // It cannot be read yet; the plugin beside it may be what is still to come.
        return vec![file.with_extension("wasm")];
    };
    let cases = super::source::cases_of(&settings.plugin);
    let lookups = settings.lookups.into_values().map(|lookup| lookup.file);
    [settings.plugin, cases].into_iter().chain(lookups).collect()
}

/// More golden records than travel with any plugin; a look costs as much as it stamps.
const MOST_CASES: usize = 1_000;

/// A file, or the folder of golden records with the files in it.
fn with_entries(path: &Path) -> Vec<(PathBuf, Option<Stamp>)> {
    let mut stamps = vec![(path.to_owned(), stamp(path))];
    if path.extension().is_some_and(|ending| ending == "cases")
        && path.is_dir()
        && let Ok(mut files) = entries(path)
    {
        files.sort();
        files.truncate(MOST_CASES);
        stamps.extend(files.into_iter().map(|file| (file.clone(), stamp(&file))));
    }
    stamps
}

fn stamp(path: &Path) -> Option<Stamp> {
    let metadata = std::fs::metadata(path).ok()?;
    let nanoseconds = |seconds: i64, rest: i64| i128::from(seconds) * 1_000_000_000 + i128::from(rest);
    Some((
        metadata.dev(),
        metadata.ino(),
        metadata.len(),
        nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
        nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
    ))
}
