//! What decides the rows of a range, apart from its records, as a text: the manifest of a bundle. The hash of it names the bundle in plans, and the
//! text is what is stored, so that whoever replays has the very values that the range was planned with, whatever another version of Tidegate
//! calls them or takes for their defaults.
//!
//! In it stands what changes rows or dead letters: the plugin, its settings, its lookups, the routes with their tables and modes, what becomes of
//! rejects, the limits by which a record is one. Not in it: whose pipeline it is and what it reads, how ranges are cut and when, where files lie, log
//! lines. What the gateway's own file says of a sink or a tenant is not in it either: where the same name leads elsewhere, so do replays.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tidegate_ledger::BundleId;

use super::piece_key;
use crate::config::{
    ByteSize, Guarantee, Limits, LookupSettings, Matching, Mode, OnReject, PipelineSettings, PluginState, Target,
};
use crate::pipeline::Bundle;
use crate::plugin::{PluginFile, PluginHash};
use crate::watch::{LookupFile, Source};

/// A broker takes messages of 1 MiB unless it is told otherwise.
const PIECE: usize = 900_000;

/// The first and only form of it. A field more is another form: what a version does not know it must not pass over.
const FORMAT: u32 = 1;

/// What decides the rows of a range. The order of its fields is that of its text.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    format: u32,
    plugin: Piecewise,
    /// JSON, as the plugin gets it.
    settings: String,
    state: State,
    /// By the names that the plugin uses.
    lookups: BTreeMap<String, Lookup>,
    /// By name.
    routes: BTreeMap<String, Route>,
    rejects: Rejects,
    limits: RowLimits,
}

/// A file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Piecewise {
    /// In hexadecimal digits.
    sha256: String,
    pieces: usize,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Lookup {
    key: String,
    file: Piecewise,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Route {
    sink: String,
    table: String,
    mode: RowMode,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum RowMode {
    Insert,
    Update(Columns),
    Merge(Columns),
    Statement(String),
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Columns {
    r#match: Vec<String>,
    update: Option<Vec<String>>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Rejects {
    DeadLetter(String),
    Stop,
    Drop,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Range,
    Kept,
}

/// By which a record is rejected that takes more.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RowLimits {
    memory_bytes: usize,
    cpu_microseconds: u64,
    output_bytes: usize,
    rows_per_record: usize,
    lookups_per_record: usize,
}

/// A file's pieces by their keys.
pub(super) fn pieces(hash: PluginHash, bytes: &Bytes) -> impl Iterator<Item = (String, &[u8])> {
    bytes.chunks(PIECE).enumerate().map(move |(index, piece)| (piece_key(&hash, index), piece))
}

/// The files of a bundle, each by its hash.
pub(super) fn files(source: &Source) -> Vec<(PluginHash, Bytes)> {
    let plugin = source.plugin.iter().flatten().map(|plugin| &plugin.bytes);
    let lookups = source.lookups.values().filter_map(|lookup| lookup.bytes.as_ref().ok());
    plugin.chain(lookups).map(|bytes| (PluginHash::of(bytes), bytes.clone())).collect()
}

impl Manifest {
    /// Of a version with these settings and files.
    pub fn of(settings: &PipelineSettings, source: &Source, plugin: PluginHash) -> Self {
        let piecewise = |sha256: PluginHash, bytes: Option<&Bytes>| Piecewise {
            sha256: sha256.to_string(),
            pieces: bytes.map_or(0, |bytes| bytes.chunks(PIECE).count()),
        };
        let lookup = |(name, lookup): (&String, &LookupSettings)| {
            let bytes = source.lookups.get(name).and_then(|file| file.bytes.as_ref().ok());
            let hash = PluginHash::of(bytes.map(|bytes| &**bytes).unwrap_or_default());
            (name.clone(), Lookup { key: lookup.key.clone(), file: piecewise(hash, bytes) })
        };
        let route = |(name, target): (&String, &Target)| {
            let mode = RowMode::of(settings.modes.get(name).unwrap_or(&Mode::Insert));
            (name.clone(), Route { sink: target.sink.clone(), table: target.table.clone(), mode })
        };
        let Limits { memory, cpu, output, rows_per_record, lookups_per_record, log_lines: _, module_size: _ } =
            settings.limits;
        Self {
            format: FORMAT,
            plugin: piecewise(plugin, source.plugin.iter().flatten().map(|plugin| &plugin.bytes).next()),
            settings: settings.settings.clone(),
            state: match settings.state {
                PluginState::Range => State::Range,
                PluginState::Kept => State::Kept,
            },
            lookups: settings.lookups.iter().map(lookup).collect(),
            routes: settings.routes.iter().map(route).collect(),
            rejects: match &settings.on_reject {
                OnReject::DeadLetter(topic) => Rejects::DeadLetter(topic.clone()),
                OnReject::Stop => Rejects::Stop,
                OnReject::Drop => Rejects::Drop,
            },
            limits: RowLimits {
                memory_bytes: memory.0,
                cpu_microseconds: u64::try_from(cpu.as_micros()).unwrap_or(u64::MAX),
                output_bytes: output.0,
                rows_per_record,
                lookups_per_record,
            },
        }
    }

    /// Its text.
    pub fn text(&self) -> String {
        // Nothing of it can be refused by JSON.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// A manifest that was stored under a name.
    ///
    /// # Errors
    /// Where it is none, of a later version, or not the one that has this name.
    pub(super) fn read(text: &[u8], id: BundleId) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Form {
            format: u32,
        }
        let Form { format } = serde_json::from_slice(text).map_err(|fault| fault.to_string())?;
        if format != FORMAT {
            return Err(format!("it has format {format}, of a later version; this one knows {FORMAT}"));
        }
        let manifest: Self = serde_json::from_slice(text).map_err(|fault| fault.to_string())?;
        let plugin = read_hash(&manifest.plugin.sha256).ok_or("it names no plugin")?;
        let named = Bundle { plugin, settings: PluginHash::of(text) }.id();
        if named == id { Ok(manifest) } else { Err(format!("its text is that of bundle {named}")) }
    }

    /// The keys of all pieces that it names.
    pub(super) fn piece_keys(&self) -> BTreeSet<String> {
        let files = self.lookups.values().map(|lookup| &lookup.file).chain([&self.plugin]);
        files.flat_map(Piecewise::keys).collect()
    }

    /// The files of a pipeline that makes the same rows; what it reads and when is as in `like`.
    pub(super) fn source(
        &self,
        pieces: &BTreeMap<String, Vec<u8>>,
        like: &PipelineSettings,
        file: &Path,
    ) -> Result<Source, String> {
        let folder = file.parent().unwrap_or(Path::new(""));
        let plugin = PluginFile {
            path: file.with_extension("wasm"),
            bytes: self.plugin.whole(pieces).map_err(|problem| format!("its plugin {problem}"))?,
        };
        let (mut settings, mut files) = (self.settings(like), BTreeMap::new());
        settings.plugin = plugin.path.clone();
        for (name, lookup) in &self.lookups {
            let path = folder.join(format!("{name}.csv"));
            let bytes = lookup.file.whole(pieces).map_err(|problem| format!("its lookup table `{name}` {problem}"))?;
            settings.lookups.insert(name.clone(), LookupSettings { file: path.clone(), key: lookup.key.clone() });
            files.insert(name.clone(), LookupFile { path, bytes: Ok(bytes) });
        }
        Ok(Source::made(file, self.text(), settings, plugin, files))
    }

    fn settings(&self, like: &PipelineSettings) -> PipelineSettings {
        let RowLimits { memory_bytes, cpu_microseconds, output_bytes, rows_per_record, lookups_per_record } =
            self.limits;
        let target = |(name, route): (&String, &Route)| {
            (name.clone(), Target { sink: route.sink.clone(), table: route.table.clone() })
        };
        let modes = self.routes.iter().filter(|(_, route)| route.mode != RowMode::Insert);
        PipelineSettings {
            on_reject: match &self.rejects {
                Rejects::DeadLetter(topic) => OnReject::DeadLetter(topic.clone()),
                Rejects::Stop => OnReject::Stop,
                Rejects::Drop => OnReject::Drop,
            },
            routes: self.routes.iter().map(target).collect(),
            modes: modes.map(|(name, route)| (name.clone(), route.mode.mode())).collect(),
            settings: self.settings.clone(),
            lookups: BTreeMap::new(),
            limits: Limits {
                memory: ByteSize(memory_bytes),
                cpu: Duration::from_micros(cpu_microseconds),
                output: ByteSize(output_bytes),
                rows_per_record,
                lookups_per_record,
                ..like.limits
            },
            state: match self.state {
                State::Range => PluginState::Range,
                State::Kept => PluginState::Kept,
            },
            // What is planned is finished as it was planned.
            delivery: Some(Guarantee::ExactlyOnce),
            ..like.clone()
        }
    }
}

impl Piecewise {
    fn keys(&self) -> impl Iterator<Item = String> + '_ {
        (0..self.pieces).map(|index| format!("piece/{}/{index}", self.sha256))
    }

    fn whole(&self, pieces: &BTreeMap<String, Vec<u8>>) -> Result<Bytes, String> {
        let mut bytes = Vec::new();
        for (index, key) in self.keys().enumerate() {
            bytes.extend_from_slice(pieces.get(&key).ok_or_else(|| format!("lacks piece {index}"))?);
        }
        match PluginHash::of(&bytes).to_string() == self.sha256 {
            true => Ok(bytes.into()),
            false => Err("is not the file that it was made with".to_owned()),
        }
    }
}

impl RowMode {
    fn of(mode: &Mode) -> Self {
        let columns =
            |matching: &Matching| Columns { r#match: matching.columns.clone(), update: matching.update.clone() };
        match mode {
            Mode::Insert => Self::Insert,
            Mode::Update(matching) => Self::Update(columns(matching)),
            Mode::Merge(matching) => Self::Merge(columns(matching)),
            Mode::Statement(name) => Self::Statement(name.clone()),
        }
    }

    fn mode(&self) -> Mode {
        let matching =
            |columns: &Columns| Matching { columns: columns.r#match.clone(), update: columns.update.clone() };
        match self {
            Self::Insert => Mode::Insert,
            Self::Update(columns) => Mode::Update(matching(columns)),
            Self::Merge(columns) => Mode::Merge(matching(columns)),
            Self::Statement(name) => Mode::Statement(name.clone()),
        }
    }
}

fn read_hash(text: &str) -> Option<PluginHash> {
    let mut hash = [0; 32];
    if text.len() != 2 * hash.len() || !text.is_ascii() {
        return None;
    }
    for (index, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * index..2 * index + 2)?, 16).ok()?;
    }
    Some(PluginHash(hash))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::PipelineName;

    /// All that a pipeline file may say that decides rows.
    const TEXT: &str = r#"
topics = ["t"]
dead_letter = "t.dead"
[routes]
x = "a:b"
y = { table = "a:c", mode = "merge", match = ["id"], update = ["price"] }
z = { table = "a:d", statement = "upsert" }
[settings]
currency = "EUR"
[lookups.p]
file = "p.csv"
key = "id"
[limits]
cpu = "250 ms"
memory = "64 MiB"
output = "1 MiB"
rows_per_record = 7
lookups_per_record = 8
"#;

    /// What it comes to. Never to be changed: plans name it by its hash.
    const MANIFEST: &str = concat!(
        r#"{"format":1,"plugin":{"sha256":"5e689e2b01672bf33996e75d5e372ff60c536ce1599a1458e867cd8f4bef5160","pieces":1},"#,
        r#""settings":"{\"currency\":\"EUR\"}","state":"range","#,
        r#""lookups":{"p":{"key":"id","file":{"sha256":"7cde7fb64fd82bd152710cf238e017b9ab46c0592483edc067ba4f6c75fac108","pieces":1}}},"#,
        r#""routes":{"x":{"sink":"a","table":"b","mode":"insert"},"#,
        r#""y":{"sink":"a","table":"c","mode":{"merge":{"match":["id"],"update":["price"]}}},"#,
        r#""z":{"sink":"a","table":"d","mode":{"statement":"upsert"}}},"#,
        r#""rejects":{"dead_letter":"t.dead"},"#,
        r#""limits":{"memory_bytes":67108864,"cpu_microseconds":250000,"output_bytes":1048576,"rows_per_record":7,"lookups_per_record":8}}"#,
    );

    const ID: &str = "9783b3058782475f3542eb84add7daf7";

    fn source(folder: &str, text: &str, plugin: &Bytes) -> Source {
        let name = PipelineName { tenant: "acme".into(), pipeline: "sales".into() };
        let mut read = |path: &Path| -> std::io::Result<Bytes> {
            Ok(if path.extension().is_some_and(|ending| ending == "wasm") { plugin.clone() } else { "id\n1\n".into() })
        };
        Source::of(&name, &Path::new(folder).join("sales.toml"), text.to_owned(), &mut read)
    }

    fn settings(source: &Source) -> PipelineSettings {
        source.draft.clone().complete().unwrap()
    }

    fn manifest(text: &str) -> Manifest {
        let source = source("/here", text, &Bytes::from_static(b"plugin"));
        Manifest::of(&settings(&source), &source, PluginHash::of(b"plugin"))
    }

    fn id(manifest: &Manifest) -> BundleId {
        let plugin = read_hash(&manifest.plugin.sha256).unwrap();
        Bundle { plugin, settings: PluginHash::of(manifest.text().as_bytes()) }.id()
    }

    fn shelf(source: &Source) -> BTreeMap<String, Vec<u8>> {
        let files = files(source);
        let pieces = files.iter().flat_map(|(hash, bytes)| pieces(*hash, bytes));
        pieces.map(|(key, piece)| (key, piece.to_vec())).collect()
    }

    #[test]
    fn what_plans_of_former_times_name_is_named_so_for_ever() {
        assert_eq!(manifest(TEXT).text(), MANIFEST);
        assert_eq!(id(&manifest(TEXT)).to_string(), ID);
        let read = Manifest::read(MANIFEST.as_bytes(), ID.parse().unwrap()).unwrap();
        assert_eq!(read, manifest(TEXT));
    }

    #[test]
    fn what_decides_rows_is_in_it_and_nothing_else() {
        let one = id(&manifest(TEXT));
        for (what, by) in [
            ("topics = [\"t\"]", "topics = [\"t\", \"u\"]\ngroup = \"tidegate.acme.other\"\nstart = \"latest\""),
            (
                "[settings]",
                "[batch]\nrecords = 7\nlinger = \"1 ms\"\n[probation]\nranges = 3\n[settings] # other words",
            ),
            ("rows_per_record = 7", "rows_per_record = 7\nlog_lines = 3\nmodule_size = \"1 MiB\""),
        ] {
            assert_eq!(id(&manifest(&TEXT.replacen(what, by, 1))), one, "{by}");
        }
        for (what, by) in [
            ("dead_letter = \"t.dead\"", "on_reject = \"drop\""),
            ("x = \"a:b\"", "x = \"a:e\""),
            ("update = [\"price\"]", "update = [\"name\"]"),
            ("mode = \"merge\"", "mode = \"update\""),
            ("\"upsert\"", "\"other\""),
            ("EUR", "USD"),
            ("key = \"id\"", "key = \"key\""),
            ("cpu = \"250 ms\"", "cpu = \"251 ms\""),
            ("memory = \"64 MiB\"", "memory = \"65 MiB\""),
            ("output = \"1 MiB\"", "output = \"2 MiB\""),
            ("rows_per_record = 7", "rows_per_record = 8"),
            ("lookups_per_record = 8", "lookups_per_record = 9"),
        ] {
            assert!(TEXT.contains(what));
            assert_ne!(id(&manifest(&TEXT.replacen(what, by, 1))), one, "{by}");
        }
    }

    #[test]
    fn a_bundle_makes_the_same_settings_wherever_its_files_lie() {
        let plugin = Bytes::from(vec![7; 2 * PIECE + 1]);
        let here = source("/here", TEXT, &plugin);
        let manifest = Manifest::of(&settings(&here), &here, PluginHash::of(&plugin));
        let shelf = shelf(&here);
        assert_eq!(manifest.piece_keys(), shelf.keys().cloned().collect());
        assert_eq!(shelf.len(), 4);
        // Another pipeline file lies there by now.
        let other = TEXT.replace("\"a:b\"", "\"q:q\"").replace("[routes]", "batch.records = 9\n[routes]");
        let now = settings(&source("/there", &other, &plugin));
        let there = manifest.source(&shelf, &now, Path::new("/there/sales.toml")).unwrap();
        let made = settings(&there);
        assert_eq!(Manifest::of(&made, &there, there.plugin.clone().unwrap().unwrap().hash()), manifest);
        assert_eq!((made.routes["x"].to_string(), made.batch.records), ("a:b".to_owned(), 9));
        assert_eq!((made.delivery, &made.topics), (Some(Guarantee::ExactlyOnce), &now.topics));
        assert!(there.plugin.unwrap().unwrap().path.starts_with("/there"));
    }

    #[test]
    fn what_is_missing_or_another_is_told_and_not_run() {
        let here = source("/here", TEXT, &Bytes::from_static(b"plugin"));
        let (manifest, mut shelf) = (manifest(TEXT), shelf(&here));
        let fault = |shelf: &BTreeMap<String, Vec<u8>>| match manifest.source(shelf, &settings(&here), &here.file) {
            Ok(_) => panic!("it is whole"),
            Err(fault) => fault,
        };
        assert_eq!(fault(&BTreeMap::new()), "its plugin lacks piece 0");
        shelf.insert(piece_key(&PluginHash::of(b"plugin"), 0), b"forged".to_vec());
        assert_eq!(fault(&shelf), "its plugin is not the file that it was made with");
        let read = |text: &str| Manifest::read(text.as_bytes(), id(&manifest)).unwrap_err();
        assert!(
            read(&manifest.text().replace("\"format\":1", "\"format\":2")).contains("format 2, of a later version")
        );
        assert!(
            read(&manifest.text().replace("a:e", "a:b").replace("EUR", "USD")).contains("its text is that of bundle")
        );
        assert!(read(&manifest.text().replace("\"format\":1", "\"format\":1,\"more\":1")).contains("unknown field"));
    }
}
