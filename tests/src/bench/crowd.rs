//! A thousand pipelines as operators would lay them out: a folder for each tenant, in it a plugin and a file for each pipeline.
//! No two plugins are the same file, though all do the same.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use tidegate_demo::produce::create_topics;

/// So many pipelines in a folder.
pub struct Crowd {
    folder: PathBuf,
    pipelines: usize,
}

/// A pipeline of a crowd.
#[derive(Clone, Copy, Debug)]
pub struct Member(usize);

/// How many pipelines a tenant has.
const OF_A_TENANT: usize = 50;

/// How many topics are made at once.
const TOPICS_AT_ONCE: usize = 100;

/// What all of them run: the smallest of the examples that reads JSON.
const PLUGIN: &str = "target/examples/people.wasm";

impl Crowd {
    /// Lays out files below `folder` and makes a topic for each pipeline.
    ///
    /// # Errors
    /// Where the plugin is not built, or the broker refuses.
    pub async fn gather(folder: &Path, pipelines: usize, brokers: &str) -> anyhow::Result<Self> {
        let crowd = Self { folder: folder.to_owned(), pipelines };
        let plugin = std::fs::read(PLUGIN).with_context(|| format!("read {PLUGIN}; `make plugins` builds it"))?;
        std::fs::write(crowd.gateway_file(), gateway_file(brokers))?;
        for member in crowd.members() {
            let tenant = folder.join("plugins").join(member.tenant());
            std::fs::create_dir_all(&tenant)?;
            std::fs::write(tenant.join(format!("{}.toml", member.name())), member.file())?;
            std::fs::write(tenant.join(format!("{}.wasm", member.name())), member.plugin(&plugin))?;
        }
        let topics: Vec<_> = crowd.members().map(Member::topic).collect();
        for some in topics.chunks(TOPICS_AT_ONCE) {
            let some: Vec<_> = some.iter().map(|topic| (topic.as_str(), 1)).collect();
            create_topics(brokers, &some).await?;
        }
        Ok(crowd)
    }

    /// All of its pipelines.
    pub fn members(&self) -> impl Iterator<Item = Member> + use<> {
        (0..self.pipelines).map(Member)
    }

    /// The gateway's file.
    pub fn gateway_file(&self) -> PathBuf {
        self.folder.join("gateway.toml")
    }

    /// How many rows a pipeline has written.
    ///
    /// # Errors
    /// Where its file cannot be read.
    pub fn rows(&self, member: Member) -> anyhow::Result<usize> {
        let folder = self.folder.join("out").join("many").join(member.name());
        match std::fs::read_to_string(folder.join(format!("{}-0.jsonl", member.topic()))) {
            Ok(text) => Ok(text.lines().count()),
            Err(fault) if fault.kind() == std::io::ErrorKind::NotFound => Ok(0),
            Err(fault) => Err(fault).context("read rows"),
        }
    }
}

impl Member {
    /// The pipeline's name within its tenant.
    pub fn name(self) -> String {
        format!("people{:04}", self.0)
    }

    /// The topic that it reads.
    pub fn topic(self) -> String {
        format!("many.{}", self.name())
    }

    /// A record for it, which becomes a row.
    ///
    /// # Errors
    /// Never for numbers of pipelines that there are.
    pub fn record(self) -> anyhow::Result<Vec<u8>> {
        ensure!(self.0 < 1_000_000, "numbers of more than six digits do not fit");
        Ok(format!(
            "{{\"uuid\":\"0192f0c1-7a3b-7c11-9d2e-1f2a3b{:06}\",\"first_name\":\"Ada\",\"last_name\":\"Lovelace\",\
             \"timestamp\":\"2026-11-20T10:15:00.123Z\"}}",
            self.0
        )
        .into_bytes())
    }

    fn tenant(self) -> String {
        format!("tenant{:02}", self.0 / OF_A_TENANT)
    }

    fn file(self) -> String {
        format!(
            "topics    = [\"{}\"]\non_reject = \"stop\"\n\n[batch]\nlinger = \"100 ms\"\n\n[routes]\nperson = \"out:many.{}\"\n",
            self.topic(),
            self.name()
        )
    }

    /// The plugin with a section of the pipeline's own, so that no two are the same to a cache.
    fn plugin(self, plugin: &[u8]) -> Vec<u8> {
        let (name, content) = ("pipeline", self.name());
        let length = u8::try_from(1 + name.len() + content.len()).unwrap_or(u8::MAX);
        // Kind, length, length of the name: numbers below 128 are their own LEB128.
        debug_assert!(length < 128);
        let head = [0, length, u8::try_from(name.len()).unwrap_or(u8::MAX)];
        [plugin, &head, name.as_bytes(), content.as_bytes()].concat()
    }
}

fn gateway_file(brokers: &str) -> String {
    format!(
        "plugins = \"plugins\"\n\n[http]\nlisten = \"127.0.0.1:0\"\n\n[kafka]\n\"bootstrap.servers\" = \"{brokers}\"\n\n\
         [sinks.out]\ntype = \"file\"\npath = \"out\"\n"
    )
}
