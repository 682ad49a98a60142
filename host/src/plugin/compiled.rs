//! Compiled plugins, kept from one start to the next. Loading machine code is running it, so this is the gateway's most delicate
//! file: what lies in the folder is only loaded where a key that lies there too says that this gateway has written it, all of
//! it, for this plugin and these settings. Anything else is named, removed and compiled anew.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use hmac::digest::Key;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use wasmtime::component::Component;

use super::{LoadFault, PluginHash, configuration};
use crate::StateFolder;
use crate::config::ByteSize;

/// Files end like this.
const ENDING: &str = "compiled";

/// While they are written, like this.
const UNFINISHED: &str = "tmp";

const KEY: &str = "key";

/// HMAC-SHA256: RFC 2104 and FIPS 180-4. It stands behind the code, which the ELF format says the length of.
const MAC_BYTES: usize = 32;

/// What nobody has loaded for so long is removed.
const UNUSED: Duration = Duration::from_secs(30 * 24 * 3_600);

/// Beyond this, what was loaded longest ago is removed. A thousand plugins take a quarter.
const MOST_BYTES: u64 = ByteSize::mib(4 << 10).0 as u64;

/// How exactly it is known when a file was last loaded: it is not touched at every start.
const TOUCHED: Duration = Duration::from_secs(24 * 3_600);

/// The folder.
pub(super) struct CompiledPlugins {
    folder: StateFolder,
    key: [u8; MAC_BYTES],
    identity: [u8; 32],
}

impl CompiledPlugins {
    /// Opens the folder, makes a key where there is none, and removes what is old.
    pub fn open(folder: StateFolder) -> Result<Self, LoadFault> {
        let identity = configuration::identity()?;
        let key = key(folder.path()).map_err(|problem| {
            LoadFault::Engine(format!("read or make the key `{}`: {problem}", folder.path().join(KEY).display()))
        })?;
        let opened = Self { folder, key, identity };
        opened.clear(SystemTime::now());
        Ok(opened)
    }

    /// The component that was compiled from this file, if it is kept.
    pub fn get(&self, engine: &wasmtime::Engine, plugin: PluginHash) -> Option<Component> {
        let path = self.path(plugin);
        match self.load(engine, plugin, &path) {
            Ok(component) => {
                touch(&path);
                Some(component)
            }
            Err(Refusal::NotThere) => None,
            Err(Refusal::Because(problem)) => {
                let removed = fs::remove_file(&path);
                let outcome = removed.map_or_else(
                    |problem| format!("it cannot be removed: {problem}"),
                    |()| "it is removed and compiled anew".to_owned(),
                );
                tracing::warn!(file = %path.display(), "a compiled plugin is refused: {problem}; {outcome}");
                None
            }
        }
    }

    fn load(&self, engine: &wasmtime::Engine, plugin: PluginHash, path: &Path) -> Result<Component, Refusal> {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(problem) if problem.kind() == std::io::ErrorKind::NotFound => return Err(Refusal::NotThere),
            Err(problem) => return Err(Refusal::Because(problem.to_string())),
        };
        let Some((code, mac)) = bytes.split_last_chunk::<MAC_BYTES>() else {
            return Err(Refusal::Because("it is cut off".to_owned()));
        };
        if self.mac(plugin, code).verify_slice(mac).is_err() {
            let problem =
                "its signature is wrong; it is damaged, or not by this gateway for this plugin and these settings";
            return Err(Refusal::Because(problem.to_owned()));
        }
        drop(bytes);
        mapped(engine, path).map_err(|fault| Refusal::Because(format!("{fault:#}")))
    }

    /// Keeps machine code, and loads it from where it is kept.
    pub fn put(&self, engine: &wasmtime::Engine, plugin: PluginHash, code: &[u8]) -> std::io::Result<Component> {
        let path = self.path(plugin);
        // Whoever else compiles the same writes a file of his own; the last to rename wins, and both are right.
        let unfinished = self.folder.path().join(format!("{plugin}-{:016x}.{UNFINISHED}", rand::random::<u64>()));
        let mac = self.mac(plugin, code).finalize().into_bytes();
        let written = write(&unfinished, &[code, &mac]).and_then(|()| fs::rename(&unfinished, &path));
        if let Err(problem) = written {
            let _ = fs::remove_file(&unfinished);
            return Err(problem);
        }
        self.clear(SystemTime::now());
        mapped(engine, &path).map_err(std::io::Error::other)
    }

    /// Where the code of a plugin lies. Other settings have other files, so that going back to a former gateway compiles nothing.
    fn path(&self, plugin: PluginHash) -> PathBuf {
        let settings: String = self.identity.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        self.folder.path().join(format!("{plugin}-{settings}.{ENDING}"))
    }

    fn mac(&self, plugin: PluginHash, code: &[u8]) -> Hmac<Sha256> {
        // Of parts whose lengths are fixed, but for the last.
        keyed(&self.key).chain_update(plugin.0).chain_update(self.identity).chain_update(code)
    }

    /// Removes what nobody needs. What cannot be removed today can be tomorrow.
    fn clear(&self, now: SystemTime) {
        let Ok(entries) = fs::read_dir(self.folder.path()) else { return };
        let mut kept = Vec::new();
        for entry in entries.flatten() {
            let path = entry.path();
            let Ok(metadata) = entry.metadata() else { continue };
            let unused = metadata.modified().ok().and_then(|used| now.duration_since(used).ok()).unwrap_or_default();
            let ending = path.extension().and_then(|ending| ending.to_str());
            match ending {
                // An hour is more than any writing takes.
                Some(UNFINISHED) if unused > Duration::from_secs(3_600) => _ = fs::remove_file(path),
                Some(ENDING) if unused > UNUSED => _ = fs::remove_file(path),
                Some(ENDING) => kept.push((unused, metadata.len(), path)),
                _ => {}
            }
        }
        kept.sort_unstable();
        let mut bytes = 0;
        for (_, length, path) in kept {
            bytes += length;
            if bytes > MOST_BYTES {
                let _ = fs::remove_file(path);
            }
        }
    }
}

enum Refusal {
    NotThere,
    Because(String),
}

/// Maps a file of our own: its pages are shared by all instances and by the system's cache of files, and are read when they are needed.
#[allow(unsafe_code)]
fn mapped(engine: &wasmtime::Engine, path: &Path) -> wasmtime::Result<Component> {
    // SAFETY: it is what wasmtime compiled in a child process of this program, as the signature that was checked, or
    // written, just before says. It lies in a folder that only the gateway's own user may write to, who could as well change
    // the gateway itself; files there are renamed into place and never written to again.
    unsafe { Component::deserialize_file(engine, path) }
}

/// Machine code that comes from the compiler and is kept nowhere.
#[allow(unsafe_code)]
pub(super) fn unkept(engine: &wasmtime::Engine, code: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: it is what wasmtime compiled in a child process of this program, and came through a pipe that nobody else has.
    unsafe { Component::deserialize(engine, code) }
}

fn keyed(key: &[u8; MAC_BYTES]) -> Hmac<Sha256> {
    // A key that is shorter than a block of the hash is filled up with zeros: RFC 2104.
    let mut block = Key::<Hmac<Sha256>>::default();
    block.iter_mut().zip(key).for_each(|(filled, byte)| *filled = *byte);
    Hmac::new(&block)
}

/// The key of the folder; two gateways that make one at once take the same.
fn key(folder: &Path) -> std::io::Result<[u8; MAC_BYTES]> {
    let path = folder.join(KEY);
    for _ in 0..2 {
        match fs::read(&path) {
            Ok(bytes) => match bytes.as_slice().try_into() {
                Ok(key) => return Ok(key),
                Err(_) => {
                    let length = bytes.len();
                    tracing::warn!(file = %path.display(), "the key has {length} bytes instead of {MAC_BYTES}; a new one is made, and all plugins are compiled anew");
                    fs::remove_file(&path)?;
                }
            },
            Err(problem) if problem.kind() == std::io::ErrorKind::NotFound => {}
            Err(problem) => return Err(problem),
        }
        let unfinished = folder.join(format!("{KEY}-{:016x}.{UNFINISHED}", rand::random::<u64>()));
        write(&unfinished, &[&rand::random::<[u8; MAC_BYTES]>()])?;
        let linked = fs::hard_link(&unfinished, &path);
        let _ = fs::remove_file(&unfinished);
        match linked {
            Err(problem) if problem.kind() != std::io::ErrorKind::AlreadyExists => return Err(problem),
            // One is there now, by whoever was first.
            _ => {}
        }
    }
    let mut key = [0; MAC_BYTES];
    File::open(&path)?.read_exact(&mut key)?;
    Ok(key)
}

fn write(path: &Path, parts: &[&[u8]]) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    parts.iter().try_for_each(|part| file.write_all(part))
}

fn touch(path: &Path) {
    let now = SystemTime::now();
    let used = fs::metadata(path).and_then(|metadata| metadata.modified());
    if used.is_ok_and(|used| now.duration_since(used).is_ok_and(|since| since > TOUCHED)) {
        // At worst it is compiled once more in a month.
        let _ = File::options().append(true).open(path).and_then(|file| file.set_modified(now));
    }
}
