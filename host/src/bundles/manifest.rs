//! What a bundle consists of, and the pieces that its files are cut into.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::piece_key;
use crate::config::PipelineName;
use crate::plugin::PluginHash;
use crate::watch::Source;

/// A broker takes messages of 1 MiB unless it is told otherwise.
const PIECE: usize = 900_000;

/// The first and only form of it.
const FORMAT: u32 = 1;

/// What a bundle consists of.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Manifest {
    format: u32,
    /// The pipeline file's text.
    text: String,
    /// By path, from the pipeline file's folder on.
    files: BTreeMap<PathBuf, Piecewise>,
}

/// A file.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Piecewise {
    /// SHA-256 in hexadecimal digits.
    hash: String,
    pieces: usize,
}

/// A file's pieces by their keys.
pub(super) fn pieces(hash: PluginHash, bytes: &Bytes) -> impl Iterator<Item = (String, &[u8])> {
    bytes.chunks(PIECE).enumerate().map(move |(index, piece)| (piece_key(&hash, index), piece))
}

impl Manifest {
    /// The manifest of a pipeline's files, and those files.
    pub fn of(source: &Source) -> (Self, Vec<(PluginHash, Bytes)>) {
        let folder = source.file.parent().unwrap_or(Path::new(""));
        let plugin = source.plugin.iter().flatten().map(|plugin| (&plugin.path, &plugin.bytes));
        let lookups = source.lookups.values().filter_map(|lookup| Some((&lookup.path, lookup.bytes.as_ref().ok()?)));
        let (mut named, mut files) = (BTreeMap::new(), Vec::new());
        for (path, bytes) in plugin.chain(lookups) {
            let hash = PluginHash::of(bytes);
            let path = path.strip_prefix(folder).unwrap_or(path).to_owned();
            let pieces = bytes.chunks(PIECE).count();
            named.insert(path, Piecewise { hash: hash.to_string(), pieces });
            files.push((hash, bytes.clone()));
        }
        (Self { format: FORMAT, text: source.text.clone(), files: named }, files)
    }

    pub fn write(&self) -> String {
        // Nothing of it can be refused by JSON.
        serde_json::to_string(self).unwrap_or_default()
    }

    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        let manifest: Self = serde_json::from_slice(bytes).map_err(|fault| fault.to_string())?;
        match manifest.format {
            FORMAT => Ok(manifest),
            other => Err(format!("it has format {other}, of a later version; this one knows {FORMAT}")),
        }
    }

    /// The keys of all that it names.
    pub fn piece_keys(&self) -> BTreeSet<String> {
        let keys = |file: &Piecewise| {
            let hash = file.hash.clone();
            (0..file.pieces).map(move |index| format!("piece/{hash}/{index}"))
        };
        self.files.values().flat_map(keys).collect()
    }

    /// A pipeline of these files, in the place of `file`.
    pub fn source(
        &self,
        pieces: &BTreeMap<String, Vec<u8>>,
        name: &PipelineName,
        file: &Path,
    ) -> Result<Source, String> {
        let folder = file.parent().unwrap_or(Path::new(""));
        let mut whole = BTreeMap::new();
        for (path, Piecewise { hash, pieces: count }) in &self.files {
            let mut bytes = Vec::new();
            for index in 0..*count {
                let piece = pieces.get(&format!("piece/{hash}/{index}"));
                bytes.extend_from_slice(
                    piece.ok_or_else(|| format!("piece {index} of `{}` is missing", path.display()))?,
                );
            }
            if PluginHash::of(&bytes).to_string() != *hash {
                return Err(format!("`{}` is not the file that it was made with", path.display()));
            }
            whole.insert(folder.join(path), Bytes::from(bytes));
        }
        let mut read =
            |path: &Path| whole.get(path).cloned().ok_or_else(|| std::io::Error::other("is not part of the bundle"));
        let mut source = Source::of(name, file, self.text.clone(), &mut read);
        // They were met when it was deployed.
        source.cases = None;
        Ok(source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "topics = [\"t\"]\non_reject = \"drop\"\n[routes]\nx = \"a:b\"\n[lookups.p]\nfile = \"p.csv\"\nkey = \"id\"\n";

    fn source(folder: &str, plugin: &Bytes) -> Source {
        let name = PipelineName { tenant: "acme".into(), pipeline: "sales".into() };
        let mut read = |path: &Path| -> std::io::Result<Bytes> {
            Ok(if path.ends_with("sales.wasm") { plugin.clone() } else { "id\n1\n".into() })
        };
        Source::of(&name, &Path::new(folder).join("sales.toml"), TEXT.to_owned(), &mut read)
    }

    #[test]
    fn a_bundle_is_the_same_files_wherever_they_lie() {
        let plugin = Bytes::from(vec![7; 2 * PIECE + 1]);
        let here = source("/here", &plugin);
        let (manifest, files) = Manifest::of(&here);
        let mut shelf: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        shelf.extend(
            files.iter().flat_map(|(hash, bytes)| pieces(*hash, bytes)).map(|(key, piece)| (key, piece.to_vec())),
        );
        assert_eq!(manifest.piece_keys(), shelf.keys().cloned().collect());
        assert_eq!(shelf.len(), 4);
        let read = Manifest::read(manifest.write().as_bytes()).unwrap();
        let there = read.source(&shelf, &here.name, Path::new("/there/sales.toml")).unwrap();
        assert_eq!(there.hash(), here.hash());
        assert!(there.plugin.unwrap().unwrap().path.starts_with("/there"));
    }

    #[test]
    fn what_is_missing_or_another_is_told_and_not_run() {
        let here = source("/here", &Bytes::from_static(b"plugin"));
        let (manifest, files) = Manifest::of(&here);
        let mut shelf: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        shelf.extend(
            files.iter().flat_map(|(hash, bytes)| pieces(*hash, bytes)).map(|(key, piece)| (key, piece.to_vec())),
        );
        let fault = |shelf: &BTreeMap<String, Vec<u8>>| match manifest.source(shelf, &here.name, &here.file) {
            Ok(_) => panic!("it is whole"),
            Err(fault) => fault,
        };
        assert!(fault(&BTreeMap::new()).contains("is missing"));
        let plugin = piece_key(&PluginHash::of(b"plugin"), 0);
        shelf.insert(plugin, b"forged".to_vec());
        assert_eq!(fault(&shelf), "`sales.wasm` is not the file that it was made with");
        assert!(Manifest::read(b"{\"format\":2,\"text\":\"\",\"files\":{}}").unwrap_err().contains("format 2"));
    }
}
