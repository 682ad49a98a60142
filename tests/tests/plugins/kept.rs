//! Compiled plugins that are kept: loaded again without a compiler, and refused where anything but this gateway wrote them.

use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tidegate::StateFolder;
use tidegate::plugin::{Engine, EngineSettings, LoadFault, PluginFile, PluginHash};
use tidegate_tests::cases;
use tidegate_tests::harness::binary;

/// A folder of compiled plugins.
struct Kept {
    _directory: TempDir,
    folder: StateFolder,
}

impl Kept {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let folder = StateFolder::open(&directory.path().join("state")).unwrap().folder("compiled").unwrap();
        Self { _directory: directory, folder }
    }

    /// Loads a test guest by an engine of its own, as after a start.
    async fn load(&self, name: &str, compiler: PathBuf) -> Result<PluginHash, LoadFault> {
        let settings = EngineSettings { compiler, compiled: Some(self.folder.clone()), ..EngineSettings::default() };
        let file = PluginFile::read(&cases::built(name).unwrap())?;
        Engine::new(settings)?.load(&file, cases::instance()).await.map(|_| file.hash())
    }

    async fn compile(&self, name: &str) -> PluginHash {
        self.load(name, binary().unwrap()).await.unwrap()
    }

    /// Whether it is there and right: without a compiler nothing else can be loaded.
    async fn is_kept(&self, name: &str) -> bool {
        match self.load(name, "/nowhere/tidegate".into()).await {
            Ok(_) => true,
            Err(fault) => {
                assert!(fault.to_string().contains("the compiler cannot be started: /nowhere/tidegate"), "{fault}");
                false
            }
        }
    }

    fn path(&self, plugin: PluginHash) -> PathBuf {
        let files = std::fs::read_dir(self.folder.path()).unwrap().map(|file| file.unwrap().path());
        let of_plugin = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with(&plugin.to_string());
        files.into_iter().find(of_plugin).unwrap()
    }

    /// Changes the file of a plugin that was compiled; it must be refused, removed and compiled anew.
    async fn is_refused_after(&self, change: impl FnOnce(&Path)) {
        let plugin = self.compile("counter").await;
        let path = self.path(plugin);
        change(&path);
        assert!(!self.is_kept("counter").await, "it was loaded");
        assert!(!path.exists(), "it was refused, but it is still there");
        self.compile("counter").await;
        assert!(self.is_kept("counter").await, "it was not compiled anew");
    }
}

#[tokio::test]
async fn what_was_compiled_once_is_loaded_without_a_compiler() {
    let kept = Kept::new();
    assert!(!kept.is_kept("counter").await);
    kept.compile("counter").await;
    assert!(kept.is_kept("counter").await);
    assert!(!kept.is_kept("unruly").await);
}

#[tokio::test]
async fn nobody_else_may_read_or_write_what_is_kept() {
    use std::os::unix::fs::MetadataExt;
    let kept = Kept::new();
    let plugin = kept.compile("counter").await;
    let mode = |path: &Path| std::fs::metadata(path).unwrap().mode() & 0o777;
    assert_eq!(mode(kept.folder.path()), 0o700);
    assert_eq!((mode(&kept.path(plugin)), mode(&kept.folder.path().join("key"))), (0o600, 0o600));
    assert_eq!(std::fs::read(kept.folder.path().join("key")).unwrap().len(), 32);
}

#[tokio::test]
async fn a_changed_byte_is_refused_wherever_it_is() {
    let kept = Kept::new();
    // In the header of the file, in its middle, where its code is, and in the signature.
    for (numerator, denominator) in [(0, 1), (1, 2), (1, 4), (3, 4), (1, 1)] {
        kept.is_refused_after(|path| {
            let mut bytes = std::fs::read(path).unwrap();
            let place = (bytes.len() - 1) * numerator / denominator;
            bytes[place] ^= 1;
            std::fs::write(path, bytes).unwrap();
        })
        .await;
    }
}

#[tokio::test]
async fn a_file_that_is_cut_off_is_refused() {
    let kept = Kept::new();
    for length in [0, 31, 32, 4_096] {
        kept.is_refused_after(|path| {
            let bytes = std::fs::read(path).unwrap();
            std::fs::write(path, &bytes[..length]).unwrap();
        })
        .await;
    }
}

#[tokio::test]
async fn the_code_of_another_plugin_is_refused_though_it_is_signed() {
    let kept = Kept::new();
    let other = kept.compile("unruly").await;
    let code = std::fs::read(kept.path(other)).unwrap();
    kept.is_refused_after(|path| std::fs::write(path, &code).unwrap()).await;
}

#[tokio::test]
async fn what_another_key_signed_is_refused() {
    let (kept, other) = (Kept::new(), Kept::new());
    let plugin = other.compile("counter").await;
    let code = std::fs::read(other.path(plugin)).unwrap();
    kept.is_refused_after(|path| std::fs::write(path, &code).unwrap()).await;
    kept.is_refused_after(|_| std::fs::write(kept.folder.path().join("key"), [7; 32]).unwrap()).await;
}

#[tokio::test]
async fn a_key_of_a_wrong_length_is_made_anew() {
    let kept = Kept::new();
    kept.is_refused_after(|_| std::fs::write(kept.folder.path().join("key"), [7; 5]).unwrap()).await;
    assert_eq!(std::fs::read(kept.folder.path().join("key")).unwrap().len(), 32);
}

#[tokio::test]
async fn what_nobody_loads_for_a_month_is_removed_and_what_is_loaded_stays() {
    let kept = Kept::new();
    let (old, young) = (kept.compile("counter").await, kept.compile("unruly").await);
    let age = |plugin, days: u64| {
        let used = std::time::SystemTime::now() - std::time::Duration::from_secs(days * 24 * 3_600);
        std::fs::File::options().append(true).open(kept.path(plugin)).unwrap().set_modified(used).unwrap();
    };
    age(old, 31);
    age(young, 29);
    assert!(kept.is_kept("unruly").await);
    age(young, 2);
    assert!(kept.is_kept("unruly").await);
    let modified = std::fs::metadata(kept.path(young)).unwrap().modified().unwrap();
    assert!(modified.elapsed().unwrap().as_secs() < 3_600, "loading it did not make it young");
    assert!(!kept.is_kept("counter").await);
}
