//! All files of a pipeline as they were read: what is hashed, compiled, checked and run is the same bytes, whatever happens to the files
//! meanwhile.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use crate::config::{Draft, PipelineName, PipelineSettings, confined};
use crate::plugin::{PluginFile, PluginHash};

/// What a plugin may have, and what the tables of a pipeline may have together: far beyond any, and all of it is in memory while it is
/// looked at.
const MOST_BYTES: u64 = 256 << 20;

/// How many tables a pipeline may name.
const MOST_LOOKUPS: usize = 100;

/// The files of a pipeline.
#[derive(Clone)]
pub struct Source {
    /// The pipeline's name.
    pub name: PipelineName,
    /// Its file.
    pub file: PathBuf,
    /// What that said; empty where it cannot be read.
    pub text: String,
    /// The same, as far as it could be understood.
    pub draft: Draft<PipelineSettings>,
    /// The plugin, or why it cannot be read; none where the pipeline file does not say which it is.
    pub plugin: Option<Result<PluginFile, String>>,
    /// By the names that the plugin uses.
    pub lookups: BTreeMap<String, LookupFile>,
    /// The folder of the golden records that travel with the plugin, if there is one.
    pub cases: Option<PathBuf>,
    /// Which files these are; files may be large, and this is asked for often.
    hash: PluginHash,
}

/// A table that the plugin looks things up in.
#[derive(Clone)]
pub struct LookupFile {
    /// The file.
    pub path: PathBuf,
    /// All of it, or why it cannot be read.
    pub bytes: Result<Bytes, String>,
}

impl Source {
    /// Reads all files of a pipeline, as far as they can be read, and those alone that lie in its own folder.
    pub fn read(name: &PipelineName, file: &Path) -> Self {
        let folder = file.parent().unwrap_or(Path::new(""));
        let mut read = |path: &Path| Ok(confined::read(folder, path, MOST_BYTES)?.into());
        match PipelineSettings::text(file) {
            Ok(text) => Self::of(name, file, text, &mut read),
            Err(problem) => Self {
                name: name.clone(),
                file: file.to_owned(),
                text: String::new(),
                draft: Draft::unread(file, 1, format!("cannot be read: {problem}")),
                plugin: None,
                lookups: BTreeMap::new(),
                cases: None,
                hash: PluginHash::of(problem.to_string().as_bytes()),
            },
        }
    }

    /// A pipeline file with this text; `read` brings the other files.
    pub fn of(
        name: &PipelineName,
        file: &Path,
        text: String,
        read: &mut dyn FnMut(&Path) -> std::io::Result<Bytes>,
    ) -> Self {
        let draft = PipelineSettings::draft_of(name, file, text.clone());
        let mut source = Self {
            name: name.clone(),
            file: file.to_owned(),
            text,
            draft,
            plugin: None,
            lookups: BTreeMap::new(),
            cases: None,
            hash: PluginHash([0; 32]),
        };
        source.read_named(read);
        source.hash = source.hashed();
        source
    }

    /// Files that never lay in a folder, of a pipeline with these settings; `text` tells them from others.
    pub fn made(
        file: &Path,
        text: String,
        settings: PipelineSettings,
        plugin: PluginFile,
        lookups: BTreeMap<String, LookupFile>,
    ) -> Self {
        let mut source = Self {
            name: settings.name.clone(),
            file: file.to_owned(),
            text,
            draft: Draft::of(file, settings),
            plugin: Some(Ok(plugin)),
            lookups,
            // They were met when it was deployed.
            cases: None,
            hash: PluginHash([0; 32]),
        };
        source.hash = source.hashed();
        source
    }

    /// The files that the pipeline file names.
    fn read_named(&mut self, read: &mut dyn FnMut(&Path) -> std::io::Result<Bytes>) {
        let Some(settings) = &self.draft.value else { return };
        let path = &settings.plugin;
        let plugin = read(path).map_err(|problem| format!("read plugin `{}`: {problem}", path.display()));
        self.plugin = Some(plugin.map(|bytes| PluginFile { path: path.clone(), bytes }));
        let mut together = 0;
        for (index, (name, lookup)) in settings.lookups.iter().enumerate() {
            let path = &lookup.file;
            let bytes = match index < MOST_LOOKUPS && together < MOST_BYTES {
                true => read(path).map_err(|problem| format!("read lookup file `{}`: {problem}", path.display())),
                false => Err(format!(
                    "lookup file `{}` is not read; expected at most {MOST_LOOKUPS} tables of {MOST_BYTES} bytes together",
                    path.display()
                )),
            };
            together += bytes.as_ref().map_or(0, |bytes| u64::try_from(bytes.len()).unwrap_or(u64::MAX));
            self.lookups.insert(name.clone(), LookupFile { path: path.clone(), bytes });
        }
        self.cases = Some(cases_of(path)).filter(|cases| cases.is_dir());
    }

    /// Which files these are, the golden records left out; those that cannot be read count as what is wrong with them.
    pub fn hash(&self) -> PluginHash {
        self.hash
    }

    fn hashed(&self) -> PluginHash {
        use sha2::Digest;
        let mut hash = sha2::Sha256::new();
        let mut part = |part: &[u8]| {
            // Lengths keep the end of one file from being the beginning of the next.
            hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
            hash.update(part);
        };
        part(self.text.as_bytes());
        match &self.plugin {
            Some(Ok(plugin)) => part(&plugin.bytes),
            Some(Err(problem)) => part(problem.as_bytes()),
            None => part(b""),
        }
        for (name, lookup) in &self.lookups {
            part(name.as_bytes());
            match &lookup.bytes {
                Ok(bytes) => part(bytes),
                Err(problem) => part(problem.as_bytes()),
            }
        }
        PluginHash(hash.finalize().into())
    }
}

/// Where the golden records of a plugin lie: `sales.cases/` beside `sales.wasm`.
pub fn cases_of(plugin: &Path) -> PathBuf {
    plugin.with_extension("cases")
}

/// Whether the gateway itself writes this file into the plugin directory.
pub fn is_ours(path: &Path) -> bool {
    path.file_name().is_some_and(|name| {
        let name = name.to_string_lossy();
        name.ends_with(STATUS) || (name.starts_with('.') && name.ends_with(STATUS_NEW))
    })
}

/// How the names of status files end.
pub const STATUS: &str = ".status.json";

/// And while they are written.
pub const STATUS_NEW: &str = ".status.json.new";
