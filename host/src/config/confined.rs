//! Reads a file that must lie within a folder: what a tenant's files name stays in the tenant's own folder, wherever links lead.
//!
//! The file is opened without being read or even touched (`O_PATH`), and what was opened is looked at: its kind, and by
//! /proc/self/fd the path that the links led to. Only then it is read, and by that same handle: whatever becomes of the path
//! meanwhile, what is read is what was looked at. Links within the folder are fine, so is a folder that is itself a link, and so are
//! absolute links, all of which `openat2` with `RESOLVE_BENEATH` would refuse; `..data` of Kubernetes is a link within.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, open};

/// Why a file is not read; whoever asked names it.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum ConfinedFault {
    #[error("{0}")]
    Io(#[from] std::io::Error),
    #[error(
        "it leads to `{leads_to}`, outside of `{folder}`; what a pipeline file names must lie in the folder of the file"
    )]
    Outside { leads_to: PathBuf, folder: PathBuf },
    #[error("it is {0}; expected a file")]
    NotAFile(&'static str),
    #[error("it has {bytes} bytes; expected at most {most}")]
    TooLarge { bytes: u64, most: u64 },
    #[error("it changed while it was read")]
    Changed,
}

impl From<ConfinedFault> for std::io::Error {
    fn from(fault: ConfinedFault) -> Self {
        match fault {
            ConfinedFault::Io(problem) => problem,
            fault => Self::other(fault),
        }
    }
}

/// Reads a file of at most `most` bytes. Never waits for a writer, as opening a pipe would.
///
/// # Errors
/// Where it leads out of the folder, is not a file, is too large, cannot be read, or changed meanwhile.
pub fn read(folder: &Path, path: &Path, most: u64) -> Result<Vec<u8>, ConfinedFault> {
    let mut file = open_within(folder, path)?;
    let before = file.metadata()?;
    if before.len() > most {
        return Err(ConfinedFault::TooLarge { bytes: before.len(), most });
    }
    let mut bytes = Vec::new();
    // One more than it may have, to tell a file that grows without an end.
    Read::by_ref(&mut file).take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    let read = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    if read > most {
        return Err(ConfinedFault::TooLarge { bytes: read, most });
    }
    let after = file.metadata()?;
    let stamp = |file: &std::fs::Metadata| (file.len(), file.mtime(), file.mtime_nsec());
    if stamp(&before) != stamp(&after) || read != after.len() {
        return Err(ConfinedFault::Changed);
    }
    Ok(bytes)
}

/// Reads a text in UTF-8.
///
/// # Errors
/// As for [`read`], and where it is not UTF-8.
pub fn read_text(folder: &Path, path: &Path, most: u64) -> std::io::Result<String> {
    let bytes = read(folder, path, most)?;
    String::from_utf8(bytes).map_err(|_| std::io::Error::other("it is not UTF-8"))
}

/// The file behind a path, known to lie within the folder.
fn open_within(folder: &Path, path: &Path) -> Result<File, ConfinedFault> {
    let file = handle(path)?;
    let (folder, leads_to) = (place(&handle(folder)?)?, place(&file)?);
    if !leads_to.starts_with(&folder) {
        return Err(ConfinedFault::Outside { leads_to, folder });
    }
    // Opening a device may do things, and a pipe would have to be waited for: neither is opened.
    match unless_file(std::fs::metadata(by_number(&file))?.file_type()) {
        Some(kind) => Err(ConfinedFault::NotAFile(kind)),
        // Whoever holds a lease on the file would keep an open that waits waiting.
        None => {
            let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
            Ok(open(by_number(&file), flags, Mode::empty()).map_err(std::io::Error::from)?.into())
        }
    }
}

/// Names what lies at a path, all links followed, and opens nothing of it.
fn handle(path: &Path) -> std::io::Result<OwnedFd> {
    Ok(open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?)
}

/// Where it lies, without any links.
fn place(handle: &OwnedFd) -> std::io::Result<PathBuf> {
    std::fs::read_link(by_number(handle))
}

/// The handle itself as a path: the kernel goes to what is open, and looks at no names.
fn by_number(handle: &OwnedFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", handle.as_raw_fd()))
}

fn unless_file(kind: std::fs::FileType) -> Option<&'static str> {
    use std::os::unix::fs::FileTypeExt;
    match kind {
        kind if kind.is_file() => None,
        kind if kind.is_dir() => Some("a folder"),
        kind if kind.is_fifo() => Some("a pipe"),
        kind if kind.is_socket() => Some("a socket"),
        kind if kind.is_char_device() || kind.is_block_device() => Some("a device"),
        _ => Some("something else"),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    /// A tenant's folder with a file of its own, and one beside it that is another's.
    fn folders() -> (tempfile::TempDir, PathBuf) {
        let root = tempfile::tempdir().unwrap();
        let acme = root.path().join("plugins/acme");
        std::fs::create_dir_all(&acme).unwrap();
        std::fs::create_dir_all(root.path().join("plugins/acme-2")).unwrap();
        std::fs::write(acme.join("own"), "own").unwrap();
        std::fs::write(root.path().join("plugins/acme-2/secret"), "secret").unwrap();
        (root, acme)
    }

    fn text(folder: &Path, name: &str) -> Result<String, String> {
        let read = read(folder, &folder.join(name), 1_000);
        read.map(|bytes| String::from_utf8(bytes).unwrap()).map_err(|fault| fault.to_string())
    }

    #[test]
    fn what_lies_within_is_read_also_by_links_within() {
        let (root, acme) = folders();
        std::fs::create_dir_all(acme.join("..2026_11_25")).unwrap();
        std::fs::write(acme.join("..2026_11_25/sales.wasm"), "mounted").unwrap();
        symlink("..2026_11_25", acme.join("..data")).unwrap();
        symlink("..data/sales.wasm", acme.join("sales.wasm")).unwrap();
        symlink(acme.join("own"), acme.join("absolute")).unwrap();
        symlink(&acme, root.path().join("plugins/linked")).unwrap();
        assert_eq!(text(&acme, "own").as_deref(), Ok("own"));
        assert_eq!(text(&acme, "sales.wasm").as_deref(), Ok("mounted"));
        assert_eq!(text(&acme, "absolute").as_deref(), Ok("own"));
        assert_eq!(text(&root.path().join("plugins/linked"), "own").as_deref(), Ok("own"));
    }

    #[test]
    fn what_leads_out_is_refused_with_where_it_leads() {
        let (root, acme) = folders();
        let secret = root.path().join("plugins/acme-2/secret");
        symlink("../acme-2/secret", acme.join("relative")).unwrap();
        symlink(&secret, acme.join("absolute")).unwrap();
        symlink("..", acme.join("up")).unwrap();
        let secret = secret.canonicalize().unwrap();
        for name in ["relative", "absolute", "../acme-2/secret", "up/acme-2/secret", secret.to_str().unwrap()] {
            let fault = text(&acme, name).unwrap_err();
            assert!(fault.contains(&format!("leads to `{}`, outside of `", secret.display())), "{name}: {fault}");
        }
        let itself = text(&acme, "../acme").unwrap_err();
        assert!(itself == "it is a folder; expected a file", "{itself}");
    }

    #[test]
    fn what_is_no_file_is_named_and_never_waited_for() {
        let (_root, acme) = folders();
        rustix::fs::mknodat(rustix::fs::CWD, acme.join("pipe"), rustix::fs::FileType::Fifo, Mode::RUSR, 0).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(acme.join("socket")).unwrap();
        std::fs::create_dir(acme.join("folder")).unwrap();
        symlink("loop", acme.join("loop")).unwrap();
        for (name, kind) in [("pipe", "a pipe"), ("socket", "a socket"), ("folder", "a folder")] {
            let fault = text(&acme, name).unwrap_err();
            assert!(fault == format!("it is {kind}; expected a file"), "{fault}");
        }
        let fault = text(&acme, "loop").unwrap_err();
        assert!(fault.contains("Too many levels of symbolic links"), "{fault}");
        let fault = text(&acme, "missing").unwrap_err();
        assert!(fault.contains("No such file"), "{fault}");
    }

    #[test]
    fn a_file_beyond_the_most_is_not_read() {
        let (_root, acme) = folders();
        std::fs::write(acme.join("large"), vec![0; 1_001]).unwrap();
        let fault = text(&acme, "large").unwrap_err();
        assert!(fault == "it has 1001 bytes; expected at most 1000", "{fault}");
    }

    #[test]
    fn a_link_that_is_turned_while_it_is_read_never_shows_what_lies_outside() {
        let (root, acme) = folders();
        let (link, other) = (acme.join("link"), acme.join("other"));
        symlink("own", &link).unwrap();
        let goes_on = Arc::new(AtomicBool::new(true));
        let turning = std::thread::spawn({
            let (link, goes_on) = (link.clone(), goes_on.clone());
            let secret = root.path().join("plugins/acme-2/secret");
            move || {
                while goes_on.load(Ordering::Relaxed) {
                    for target in [secret.as_path(), Path::new("own")] {
                        symlink(target, &other).unwrap();
                        std::fs::rename(&other, &link).unwrap();
                    }
                }
            }
        });
        let mut seen = [0_u32; 2];
        while seen.iter().any(|count| *count < 200) {
            match read(&acme, &link, 1_000) {
                Ok(bytes) => {
                    assert_eq!(bytes, b"own");
                    seen[0] += 1;
                }
                Err(fault) => {
                    assert!(matches!(fault, ConfinedFault::Outside { .. }), "{fault}");
                    seen[1] += 1;
                }
            }
        }
        goes_on.store(false, Ordering::Relaxed);
        turning.join().unwrap();
    }

    #[test]
    fn a_file_that_is_written_while_it_is_read_is_told_or_whole() {
        let (_root, acme) = folders();
        let path = acme.join("written");
        std::fs::write(&path, vec![b'a'; 1 << 20]).unwrap();
        let goes_on = Arc::new(AtomicBool::new(true));
        let writing = std::thread::spawn({
            let (path, goes_on) = (path.clone(), goes_on.clone());
            move || {
                use std::io::Write;
                let mut file = File::options().append(true).open(path).unwrap();
                while goes_on.load(Ordering::Relaxed) {
                    file.write_all(&[b'b'; 64]).unwrap();
                }
            }
        });
        // Some read meets a write, however the two run.
        let changed = loop {
            match read(&acme, &path, 1 << 30) {
                Err(fault) => break fault.to_string(),
                Ok(bytes) => assert!(bytes.len() >= 1 << 20),
            }
        };
        goes_on.store(false, Ordering::Relaxed);
        writing.join().unwrap();
        assert!(changed == "it changed while it was read", "{changed}");
    }
}
