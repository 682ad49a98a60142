//! A pipeline's lookup files: read whole before it starts, and looked at while it runs. What was read stays what the plugin asks,
//! since ranges must give the same rows when they are read again; that a file is another since then is told.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::config::LookupSettings;
use crate::plugin::{LookupFault, LookupTable, Lookups};

/// The files of a pipeline as they were when they were read.
#[derive(Clone, Debug, Default)]
pub struct LookupFiles(Vec<LookupFile>);

#[derive(Clone, Debug)]
struct LookupFile {
    folder: PathBuf,
    settings: LookupSettings,
    was: Option<Stamp>,
    /// The version that was looked at last, and what is to be said of it: a large file is read once for each change.
    looked_at: Option<(Option<Stamp>, String)>,
}

/// What tells one version of a file from the next without reading it.
type Stamp = (SystemTime, u64);

/// Reads all tables, whose files must lie in the folder; those that can be read, their files, and what is wrong with the others by their names.
pub fn read_lookups(
    folder: &Path,
    settings: &BTreeMap<String, LookupSettings>,
) -> (Lookups, LookupFiles, Vec<(String, LookupFault)>) {
    let (mut tables, mut files, mut faults) = (BTreeMap::new(), Vec::new(), Vec::new());
    for (name, lookup) in settings {
        // Before it is read: a change while it is read must not be missed.
        files.push(LookupFile {
            folder: folder.to_owned(),
            settings: lookup.clone(),
            was: stamp(&lookup.file),
            looked_at: None,
        });
        match LookupTable::within(folder, &lookup.file, &lookup.key) {
            Ok(table) => _ = tables.insert(name.clone(), table),
            Err(fault) => faults.push((name.clone(), fault)),
        }
    }
    (Lookups::new(tables), LookupFiles(files), faults)
}

impl LookupFiles {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What has changed since the files were read, and whether the next start could use it. Reads what has changed since the
    /// last call.
    pub fn changes(&mut self) -> Option<String> {
        let changed: Vec<_> = self.0.iter_mut().filter_map(LookupFile::change).collect();
        (!changed.is_empty()).then(|| changed.join("; "))
    }
}

impl LookupFile {
    fn change(&mut self) -> Option<String> {
        let LookupSettings { file, key } = &self.settings;
        let now = stamp(file);
        if now == self.was {
            return None;
        }
        if let Some((_, text)) = self.looked_at.as_ref().filter(|(looked_at, _)| *looked_at == now) {
            return Some(text.clone());
        }
        let text = match LookupTable::within(&self.folder, file, key) {
            Ok(_) => format!(
                "`{}` has changed; the plugin goes on with what was read at the start, until the gateway is started again",
                file.display()
            ),
            Err(fault) => format!(
                "{fault}; the plugin goes on with what was read at the start, but the next start would refuse the pipeline"
            ),
        };
        self.looked_at = Some((now, text.clone()));
        Some(text)
    }
}

fn stamp(file: &Path) -> Option<Stamp> {
    let metadata = std::fs::metadata(file).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_told_until_the_file_is_what_it_was_and_a_broken_one_with_its_fault() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("products.csv");
        let write = |text: &str, second: u64| {
            std::fs::write(&file, text).unwrap();
            let at = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(second);
            std::fs::File::options().write(true).open(&file).unwrap().set_modified(at).unwrap();
        };
        write("id,name\n1,tea\n", 1);
        let settings = LookupSettings { file: file.clone(), key: "id".to_owned() };
        let (lookups, mut files, faults) =
            read_lookups(folder.path(), &BTreeMap::from([("products".to_owned(), settings)]));
        assert!(faults.is_empty() && lookups.open("products").is_ok());
        assert_eq!(files.changes(), None);
        write("id,name\n1,mead\n", 2);
        let changed = files.changes().unwrap();
        assert!(changed.contains("products.csv` has changed; the plugin goes on with what was read"), "{changed}");
        assert_eq!(files.changes().as_ref(), Some(&changed), "what was looked at is told again");
        write("number,name\n1,mead\n", 3);
        let broken = files.changes().unwrap();
        assert!(broken.contains("has no column `id`") && broken.contains("would refuse the pipeline"), "{broken}");
        std::fs::remove_file(&file).unwrap();
        assert!(files.changes().unwrap().contains("No such file"));
        write("id,name\n1,tea\n", 1);
        assert_eq!(files.changes(), None);
    }
}
