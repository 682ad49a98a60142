use std::os::unix::fs::symlink;
use std::path::Path;

use tempfile::TempDir;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::*;

const TEXT: &str = "topics = [\"t\"]\non_reject = \"drop\"\n[routes]\nx = \"a:b\"\n";

const QUIET: Duration = Duration::from_millis(60);

/// A directory with a watch whose looks the test makes.
struct Looked {
    folder: TempDir,
    watch: Watch,
}

impl Looked {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let plugins = folder.path().join("plugins");
        std::fs::create_dir(&plugins).unwrap();
        Self { watch: Watch::new(plugins, QUIET), folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("plugins").join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Looks until all has settled.
    fn changes(&mut self) -> Vec<Change> {
        let mut changes = self.watch.look();
        while let Some(wait) = self.watch.settles_in() {
            std::thread::sleep(wait);
            changes.extend(self.watch.look());
        }
        changes
    }

    fn found(&mut self) -> Vec<String> {
        self.changes().iter().map(said).collect()
    }
}

/// `found NAME PLUGIN`, with the plugin's bytes or what is wrong with it.
fn said(change: &Change) -> String {
    match change {
        Change::Found(source) => {
            let plugin = match &source.plugin {
                Some(Ok(plugin)) => String::from_utf8_lossy(&plugin.bytes).into_owned(),
                Some(Err(problem)) => problem.rsplit(": ").next().unwrap_or_default().to_owned(),
                None => "-".to_owned(),
            };
            format!("found {} {plugin}", source.name)
        }
        Change::Gone(file) => format!("gone {}", file.file_name().unwrap().to_string_lossy()),
        Change::Unreadable(_) => "unreadable".to_owned(),
        Change::Readable => "readable".to_owned(),
    }
}

#[test]
fn a_pipeline_is_told_whole_and_again_for_each_change_of_any_of_its_files() {
    let mut looked = Looked::new();
    looked.write("acme/sales.toml", TEXT);
    looked.write("acme/sales.wasm", "one");
    looked.write("acme/sales.toml.swp", "an editor's");
    looked.write("acme/.sales.toml.1234", "rsync's");
    assert_eq!(looked.found(), ["found acme/sales one"]);
    assert_eq!(looked.found(), [""; 0]);
    looked.write("acme/sales.wasm", "two");
    assert_eq!(looked.found(), ["found acme/sales two"]);
    looked.write("acme/new.wasm", "three");
    std::fs::rename(looked.path("acme/new.wasm"), looked.path("acme/sales.wasm")).unwrap();
    assert_eq!(looked.found(), ["found acme/sales three"]);
    looked.write("acme/sales.cases/one.toml", "");
    assert_eq!(looked.found(), ["found acme/sales three"]);
    std::fs::remove_file(looked.path("acme/sales.wasm")).unwrap();
    assert_eq!(looked.found(), ["found acme/sales No such file or directory (os error 2)"]);
    std::fs::remove_file(looked.path("acme/sales.toml")).unwrap();
    assert_eq!(looked.found(), ["gone sales.toml"]);
}

#[test]
fn a_status_file_is_no_change() {
    let mut looked = Looked::new();
    looked.write("sales.toml", TEXT);
    looked.write("sales.wasm", "one");
    assert_eq!(looked.found().len(), 1);
    looked.write("sales.status.json", "{}");
    looked.write(".sales.status.json.new", "{}");
    assert_eq!(looked.found(), [""; 0]);
    assert!(source::is_ours(Path::new("/p/sales.status.json")) && source::is_ours(Path::new(".a.status.json.new")));
    assert!(!source::is_ours(Path::new("/p/..data")) && !source::is_ours(Path::new("/p/sales.toml")));
}

#[test]
fn a_swapped_symbolic_link_is_one_change_of_all_files_behind_it() {
    let mut looked = Looked::new();
    for (version, plugin) in [("..1", "one"), ("..2", "two")] {
        looked.write(&format!("acme/{version}/sales.toml"), TEXT);
        looked.write(&format!("acme/{version}/sales.wasm"), plugin);
    }
    symlink("..1", looked.path("acme/..data")).unwrap();
    for file in ["sales.toml", "sales.wasm"] {
        symlink(format!("..data/{file}"), looked.path(&format!("acme/{file}"))).unwrap();
    }
    assert_eq!(looked.found(), ["found acme/sales one"]);
    symlink("..2", looked.path("acme/..data_tmp")).unwrap();
    std::fs::rename(looked.path("acme/..data_tmp"), looked.path("acme/..data")).unwrap();
    assert_eq!(looked.found(), ["found acme/sales two"]);
}

#[test]
fn a_directory_that_is_gone_for_a_while_changes_nothing() {
    let mut looked = Looked::new();
    looked.write("sales.toml", TEXT);
    looked.write("sales.wasm", "one");
    assert_eq!(looked.found().len(), 1);
    let away = looked.folder.path().join("away");
    std::fs::rename(looked.path(""), &away).unwrap();
    assert_eq!(looked.found(), ["unreadable"]);
    std::fs::rename(&away, looked.path("")).unwrap();
    let found = looked.found();
    assert_eq!(found[0], "readable");
    assert!(!found.iter().any(|change| change.starts_with("gone")), "{found:?}");
}

#[test]
fn a_tenants_folder_that_cannot_be_read_is_told_and_takes_nothing_from_others() {
    use std::os::unix::fs::PermissionsExt;
    if rustix::process::geteuid().is_root() {
        // Nothing is unreadable for root.
        return;
    }
    let mut looked = Looked::new();
    looked.write("acme/sales.toml", TEXT);
    looked.write("other/stock.toml", TEXT);
    assert_eq!(looked.found().len(), 2);
    std::fs::set_permissions(looked.path("acme"), std::fs::Permissions::from_mode(0o000)).unwrap();
    assert_eq!(looked.found(), ["unreadable"]);
    std::fs::set_permissions(looked.path("acme"), std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// Changes as they come from the thread, without a word from the test.
struct Followed {
    looked: Looked,
    changes: UnboundedReceiver<Vec<Change>>,
}

impl Followed {
    fn new(looked: Looked) -> Self {
        let (sender, changes) = unbounded_channel();
        Watch::new(looked.path(""), QUIET).start(sender).unwrap();
        Self { looked, changes }
    }

    async fn next(&mut self) -> Vec<String> {
        let next = tokio::time::timeout(Duration::from_secs(20), self.changes.recv()).await;
        next.unwrap().unwrap().iter().map(said).collect()
    }
}

#[tokio::test]
async fn two_hundred_pipelines_at_once_are_all_told() {
    let mut followed = Followed::new(Looked::new());
    for index in 0..200 {
        followed.looked.write(&format!("t{}/p{index}.toml", index % 7), TEXT);
        followed.looked.write(&format!("t{}/p{index}.wasm", index % 7), "one");
    }
    let mut found = std::collections::BTreeSet::new();
    while found.len() < 200 {
        found.extend(followed.next().await);
    }
    assert!(found.iter().all(|change| change.ends_with(" one")), "{found:?}");
}

#[tokio::test]
async fn a_directory_that_was_deleted_and_made_anew_is_still_looked_at() {
    let looked = Looked::new();
    looked.write("sales.toml", TEXT);
    looked.write("sales.wasm", "one");
    let mut followed = Followed::new(looked);
    assert_eq!(followed.next().await, ["found default/sales one"]);
    std::fs::remove_dir_all(followed.looked.path("")).unwrap();
    assert_eq!(followed.next().await, ["unreadable"]);
    followed.looked.write("sales.toml", TEXT);
    followed.looked.write("sales.wasm", "two");
    let mut last = String::new();
    while last != "found default/sales two" {
        last = followed.next().await.pop().unwrap();
        assert!(!last.starts_with("gone"), "{last}");
    }
}
