//! A pipeline of the plugin `picky`: numbers that become rows which say by which version, and files that an operator drops, changes and
//! removes while they flow.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use serde_json::Value;
use tidegate_demo::produce::{Outgoing, Source, Writer};

use super::feed::Feed;
use super::files::repository;
use super::gateway::Gateway;
use super::tenant::Tenant;
use super::wait::eventually;

/// The numbers from 1 on.
#[derive(Debug, Default)]
pub struct Numbers {
    last: u64,
    text: String,
}

/// A tenant with a topic of numbers, a table for them, and one pipeline at most.
pub struct NumbersTenant {
    /// The tenant.
    pub tenant: Tenant,
    /// Its topic.
    pub topic: String,
    partitions: i32,
}

/// What a pipeline file says of a version.
#[derive(Clone, Debug, Default)]
pub struct Version {
    /// What its rows say.
    pub name: String,
    /// More lines of `[settings]`.
    pub settings: String,
    /// More lines before the sections.
    pub top: String,
    /// More sections.
    pub sections: String,
}

impl Source for Numbers {
    fn next_record(&mut self, take: &mut dyn FnMut(Outgoing<'_>)) {
        self.last += 1;
        self.text = self.last.to_string();
        take(Outgoing { key: b"", value: Some(self.text.as_bytes()), headers: &[], timestamp: 1_795_000_000_000 });
    }
}

impl Version {
    /// A version whose rows say this.
    pub fn named(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }
}

impl NumbersTenant {
    /// A tenant of this name with its topic and table; no pipeline yet.
    ///
    /// # Errors
    /// Where the services are not there.
    pub fn new(test: &str, partitions: i32) -> anyhow::Result<Self> {
        let tenant = Tenant::new(test)?;
        let topic = tenant.create_topic("numbers", partitions)?;
        let columns = "number UInt64, version LowCardinality(String)";
        tenant.clickhouse.run(&format!(
            "CREATE TABLE {}.numbers ({columns}) ENGINE = MergeTree ORDER BY number \
                 SETTINGS non_replicated_deduplication_window = 10000",
            tenant.name
        ))?;
        Ok(Self { tenant, topic, partitions })
    }

    /// Numbers keep coming, so many a second.
    ///
    /// # Errors
    /// Where librdkafka refuses the address.
    pub fn feed(&self, rate: f64) -> anyhow::Result<Feed> {
        let writer = Writer::new(self.tenant.kafka.brokers(), &self.topic, self.partitions)?;
        Ok(Feed::start(writer, Numbers::default(), rate))
    }

    /// A file of the tenant's folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.tenant.plugin("numbers").with_file_name(name)
    }

    /// The text of a pipeline file.
    pub fn text(&self, version: &Version) -> String {
        let (topic, database) = (&self.topic, &self.tenant.name);
        let Version { name, settings, top, sections } = version;
        format!(
            "topics = [\"{topic}\"]\ndead_letter = \"{topic}.dead\"\n{top}\n[batch]\nlinger = \"50 ms\"\n[routes]\n\
             number = \"dwh:{database}.numbers\"\n[settings]\nversion = \"{name}\"\n{settings}\n{sections}\n"
        )
    }

    /// Puts a pipeline file there, whole, as a careful operator does.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn write(&self, version: &Version) -> anyhow::Result<()> {
        self.replace("numbers.toml", self.text(version).as_bytes())
    }

    /// Puts a file there, whole.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn replace(&self, name: &str, bytes: &[u8]) -> anyhow::Result<()> {
        let new = self.file(&format!(".{name}.new"));
        std::fs::write(&new, bytes).with_context(|| format!("write {}", new.display()))?;
        std::fs::rename(&new, self.file(name)).with_context(|| format!("rename to {name}"))
    }

    /// Puts the plugin there; `build` tells one from the next, which do the same.
    ///
    /// # Errors
    /// Where it was not built.
    pub fn write_plugin(&self, build: &str) -> anyhow::Result<()> {
        self.replace("numbers.wasm", &plugin(build)?)
    }

    /// What the status file says, once it has all of these parts.
    ///
    /// # Errors
    /// Where it never has.
    pub fn status(&self, parts: &[&str]) -> anyhow::Result<Value> {
        let file = self.file("numbers.status.json");
        eventually("the status file says so", || {
            let text = std::fs::read_to_string(&file).with_context(|| format!("read {}", file.display()))?;
            for part in parts {
                ensure!(text.contains(part), "`{part}` is not in:\n{text}");
            }
            serde_json::from_str(&text).with_context(|| format!("read {text}"))
        })
    }

    /// Waits until a version has made rows.
    ///
    /// # Errors
    /// Where it never does.
    pub fn wait_for_rows_of(&self, version: &str) -> anyhow::Result<()> {
        eventually("the version makes rows", || {
            let rows = self.rows_of(version)?;
            ensure!(rows > 0, "there are none of {version}");
            Ok(())
        })
    }

    /// How many rows a version has made.
    ///
    /// # Errors
    /// Where ClickHouse refuses.
    pub fn rows_of(&self, version: &str) -> anyhow::Result<i64> {
        let table = format!("{}.numbers", self.tenant.name);
        self.tenant.clickhouse.number(&format!("SELECT count() FROM {table} WHERE version = '{version}'"))
    }

    /// Waits until all is committed, stops the gateway, and compares the rows with the numbers up to this one: each once.
    ///
    /// # Errors
    /// Where one is missing or there twice.
    pub fn each_once(&self, gateway: Gateway, last: u64) -> anyhow::Result<()> {
        self.tenant.wait_for("numbers", &self.topic)?;
        gateway.stop()?;
        let query = format!("SELECT count(), uniqExact(number), max(number) FROM {}.numbers", self.tenant.name);
        let found = self.tenant.clickhouse.lines(&query)?;
        ensure!(found == [format!("{last}\t{last}\t{last}")], "{found:?} of {last} numbers");
        let letters = self.tenant.kafka.read(&format!("{}.dead", self.topic))?;
        ensure!(letters.is_empty(), "{} dead letters, the first {:?}", letters.len(), letters.first());
        Ok(())
    }
}

/// The plugin `picky`, with a custom section that says which build it is.
///
/// # Errors
/// Where it was not built.
pub fn plugin(build: &str) -> anyhow::Result<Vec<u8>> {
    let path: PathBuf = repository().join("target/test-guests/picky.wasm");
    let bytes =
        std::fs::read(&path).with_context(|| format!("read {}; `make test-guests` makes it", path.display()))?;
    with_build(bytes, build)
}

/// A module with a custom section that says which build it is: the same code, another hash.
///
/// # Errors
/// Where the text is longer than one byte can say.
pub fn with_build(mut module: Vec<u8>, build: &str) -> anyhow::Result<Vec<u8>> {
    const NAME: &str = "build";
    let length = 1 + NAME.len() + build.len();
    // As LEB128 writes it, in one byte.
    ensure!(length < 128, "{build} is too long for a build");
    module.extend([0, u8::try_from(length)?, u8::try_from(NAME.len())?]);
    module.extend_from_slice(NAME.as_bytes());
    module.extend_from_slice(build.as_bytes());
    Ok(module)
}

/// Renames a file.
///
/// # Errors
/// Where it cannot be.
pub fn rename(from: &Path, to: &Path) -> anyhow::Result<()> {
    std::fs::rename(from, to).with_context(|| format!("rename {}", from.display()))
}
