//! The file sink: JSON Lines, a folder for every table, in it a file for every partition.
//!
//! At least once, like every sink: after a crash the last range may stand twice. A line is never half written for long: what a
//! crash left behind the last line end is cut off when the file is opened next.

use std::collections::HashMap;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::lines::Lines;
use super::{Sink, SinkFault, Table};
use crate::config::Guarantee;
use crate::pipeline::Range;
use crate::plugin::BoxFuture;
use crate::rows::Column;

/// JSON Lines below a folder.
pub struct FileSink {
    root: PathBuf,
}

struct FileTable {
    folder: PathBuf,
    lines: Lines,
    /// Open files by topic and partition. Each has a lock of its own, so that partitions do not wait for each other.
    files: Mutex<HashMap<(Arc<str>, i32), OpenFile>>,
}

type OpenFile = Arc<Mutex<std::fs::File>>;

impl FileSink {
    /// A sink that writes below `root`, which is made where it does not exist.
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }
}

impl Sink for FileSink {
    fn open<'a>(
        &'a self,
        table: &'a str,
        columns: &'a [Column],
        _: Guarantee,
    ) -> BoxFuture<'a, Result<Arc<dyn Table>, SinkFault>> {
        Box::pin(async move {
            let folder = folder(&self.root, table)?;
            std::fs::create_dir_all(&folder).map_err(|fault| unavailable("make folder", &folder, &fault))?;
            Ok(Arc::new(FileTable { folder, lines: Lines::new(columns), files: Mutex::default() }) as Arc<dyn Table>)
        })
    }
}

/// `shop.sales` is the folder `shop/sales`; no name leads out of the root.
fn folder(root: &Path, table: &str) -> Result<PathBuf, SinkFault> {
    let plain = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-');
    if !table.split('.').all(plain) {
        return Err(SinkFault::Refused(format!(
            "table `{table}`: expected names of letters, digits, hyphens and underscores, separated by dots"
        )));
    }
    Ok(table.split('.').fold(root.to_owned(), |path, part| path.join(part)))
}

fn unavailable(verb: &str, path: &Path, fault: &io::Error) -> SinkFault {
    SinkFault::Unavailable(format!("{verb} `{}`: {fault}", path.display()))
}

impl Table for FileTable {
    fn as_any(&self) -> &dyn std::any::Any {
        self
    }

    fn write<'a>(&'a self, write: super::Write<'a>) -> BoxFuture<'a, Result<(), SinkFault>> {
        Box::pin(async move {
            let super::Write { range, rows, .. } = write;
            let refused = |fault| SinkFault::Refused(format!("rows for `{}`: {fault}", self.folder.display()));
            let lines = self.lines.of(rows).map_err(refused)?;
            let path = self.folder.join(format!("{}-{}.jsonl", range.topic, range.partition));
            let file = self.file(range, &path).map_err(|fault| unavailable("open", &path, &fault))?;
            // Local files take a page of memory, not time; a disk that blocks holds this sink's own task.
            tokio::task::block_in_place(|| append(&mut file.lock(), &lines))
                .map_err(|fault| unavailable("append to", &path, &fault))
        })
    }
}

impl FileTable {
    fn file(&self, range: &Range, path: &Path) -> io::Result<OpenFile> {
        let mut files = self.files.lock();
        let key = (range.topic.clone(), range.partition);
        if let Some(file) = files.get(&key) {
            return Ok(file.clone());
        }
        let mut file = std::fs::File::options().create(true).read(true).write(true).truncate(false).open(path)?;
        cut_half_line(&mut file)?;
        let file = Arc::new(Mutex::new(file));
        files.insert(key, file.clone());
        Ok(file)
    }
}

/// Appends whole lines and waits until the disk has them; after a failure none of them is left.
fn append(file: &mut std::fs::File, lines: &[u8]) -> io::Result<()> {
    let end = file.seek(SeekFrom::End(0))?;
    let written = file.write_all(lines).and_then(|()| file.sync_data());
    if written.is_err() {
        file.set_len(end)?;
    }
    written
}

/// Cuts off what a crash left behind the last line end.
fn cut_half_line(file: &mut std::fs::File) -> io::Result<()> {
    const BLOCK: u64 = 64 << 10;
    let mut end = file.seek(SeekFrom::End(0))?;
    while end > 0 {
        let start = end.saturating_sub(BLOCK);
        let mut block = Vec::new();
        file.seek(SeekFrom::Start(start))?;
        Read::by_ref(file).take(end - start).read_to_end(&mut block)?;
        if let Some(position) = block.iter().rposition(|byte| *byte == b'\n') {
            return file.set_len(start + u64::try_from(position).unwrap_or_default() + 1);
        }
        end = start;
    }
    file.set_len(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_crash_left_behind_is_cut_off() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("t-0.jsonl");
        for (before, after) in [("{}\n{\"a", "{}\n"), ("{}\n", "{}\n"), ("{\"a", ""), ("", "")] {
            std::fs::write(&path, before).unwrap();
            let mut file = std::fs::File::options().read(true).write(true).open(&path).unwrap();
            cut_half_line(&mut file).unwrap();
            append(&mut file, b"[]\n").unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{after}[]\n"));
        }
    }

    #[test]
    fn no_table_name_leads_out_of_the_folder() {
        assert_eq!(folder(Path::new("out"), "shop.sales"), Ok(PathBuf::from("out/shop/sales")));
        for table in ["../x", "a/b", "a..b", "", ".", "/etc"] {
            assert!(folder(Path::new("out"), table).is_err(), "{table}");
        }
    }
}
