//! The folder of a demonstration: rows, dead letters, the gateway's file and log. Fresh at every start; nothing else in
//! the folder is touched.

use std::fs::{self, File, TryLockError};
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

/// Enough for the last line of any table of the demonstration.
const TAIL: u64 = 4 << 10;

/// A folder of a demonstration.
#[derive(Clone, Debug)]
pub struct Output {
    root: PathBuf,
}

/// What lies in a table's folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableFiles {
    /// One for each partition.
    pub files: usize,
    /// Rows in all of them.
    pub lines: u64,
}

impl Output {
    /// Takes away what an earlier run left, and opens the log. Whoever holds the log holds the folder.
    ///
    /// # Errors
    /// Where another demonstration runs in the folder, or the disk refuses.
    pub fn fresh(root: PathBuf) -> anyhow::Result<(Self, File)> {
        let output = Self { root };
        fs::create_dir_all(&output.root).with_context(|| format!("make folder {}", output.root.display()))?;
        let log = File::options().create(true).truncate(false).write(true).open(output.log());
        let log = log.with_context(|| format!("open {}", output.log().display()))?;
        match log.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => bail!("another demonstration writes to {}", output.root.display()),
            Err(TryLockError::Error(fault)) => return Err(fault).context("lock the log"),
        }
        log.set_len(0)?;
        remove(fs::remove_dir_all(output.rows()), &output.rows())?;
        remove(fs::remove_file(output.dead_letters()), &output.dead_letters())?;
        Ok((output, log))
    }

    /// Where the gateway writes rows.
    pub fn rows(&self) -> PathBuf {
        self.root.join("rows")
    }

    /// The files of a table, as the file sink lays them out.
    pub fn table(&self, table: &str) -> PathBuf {
        table.split('.').fold(self.rows(), |path, part| path.join(part))
    }

    /// The dead letters as JSON Lines.
    pub fn dead_letters(&self) -> PathBuf {
        self.root.join("dead-letters.jsonl")
    }

    /// The gateway's log.
    pub fn log(&self) -> PathBuf {
        self.root.join("gateway.log")
    }

    /// The gateway's file.
    pub fn settings(&self) -> PathBuf {
        self.root.join("gateway.toml")
    }

    /// Writes the gateway's file.
    ///
    /// # Errors
    /// Where the plugins do not exist or the disk refuses.
    pub fn write_settings(&self, brokers: &str, plugins: &Path) -> anyhow::Result<()> {
        let missing = || format!("find plugins in {}, which `make plugins` makes", plugins.display());
        let plugins = plugins.canonicalize().with_context(missing)?;
        let text = format!(
            "# What the demonstration ran with. Its Kafka has ended with it: with the address of yours, run\n\
             #   tidegate run --config {file}\n\
             plugins = {plugins}\n\n\
             [kafka]\n\"bootstrap.servers\" = {brokers}\n\n\
             [sinks.dwh]\ntype = \"file\"\npath = \"rows\"\n\n\
             [http]\nlisten = \"127.0.0.1:0\"\n",
            file = self.settings().display(),
            plugins = quoted(&plugins.to_string_lossy()),
            brokers = quoted(brokers),
        );
        fs::write(self.settings(), text).with_context(|| format!("write {}", self.settings().display()))
    }

    /// Counts the rows of a table; none where there is no folder yet.
    ///
    /// # Errors
    /// Where a file cannot be read.
    pub fn count(&self, table: &str) -> anyhow::Result<TableFiles> {
        let mut counted = TableFiles::default();
        for path in files(&self.table(table)) {
            counted.files += 1;
            counted.lines += count_lines(&path)?;
        }
        Ok(counted)
    }

    /// The last whole line of a table's newest file, if there is one.
    pub fn last_row(&self, table: &str) -> Option<String> {
        let modified = |path: &PathBuf| path.metadata().and_then(|data| data.modified()).ok();
        let newest = files(&self.table(table)).into_iter().max_by_key(modified)?;
        last_line(&newest).ok()?
    }
}

fn count_lines(path: &Path) -> anyhow::Result<u64> {
    let context = || format!("read {}", path.display());
    let mut file = File::open(path).with_context(context)?;
    let mut block = vec![0; 64 << 10];
    let mut lines = 0;
    loop {
        let read = file.read(&mut block).with_context(context)?;
        let ends = block.get(..read).unwrap_or_default().iter().filter(|byte| **byte == b'\n').count();
        if read == 0 {
            return Ok(lines);
        }
        lines += u64::try_from(ends).unwrap_or_default();
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<_> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "jsonl"));
    paths.sort();
    paths
}

fn last_line(path: &Path) -> std::io::Result<Option<String>> {
    let mut file = File::open(path)?;
    let end = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(end.saturating_sub(TAIL)))?;
    let mut tail = Vec::new();
    file.read_to_end(&mut tail)?;
    let text = String::from_utf8_lossy(&tail);
    // Behind the last line end may be the beginning of a row.
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    Ok(whole.rsplit('\n').next().filter(|line| !line.is_empty()).map(str::to_owned))
}

/// TOML's basic strings take what JSON's do.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn remove(result: std::io::Result<()>, path: &Path) -> anyhow::Result<()> {
    match result {
        Err(fault) if fault.kind() != ErrorKind::NotFound => {
            Err(fault).with_context(|| format!("remove {}", path.display()))
        }
        _ => Ok(()),
    }
}
