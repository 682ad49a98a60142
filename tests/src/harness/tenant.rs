//! A test's own tenant: names that no other test has, so that tests run beside each other and again and again.

use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;

use anyhow::Context;
use tempfile::TempDir;

use super::clickhouse::ClickHouse;
use super::files::{GatewayFile, PipelineFile, own_statements, repository};
use super::http::Http;
use super::services::Services;
use super::topics::{Group, Kafka};
use super::wait::eventually;

/// A tenant with a database and a plugin directory.
pub struct Tenant {
    /// The name of the tenant and of its database, and what its topics begin with.
    pub name: String,
    /// For pages.
    pub http: Rc<Http>,
    /// The broker.
    pub kafka: Kafka,
    /// The warehouse.
    pub clickhouse: ClickHouse,
    /// Where they are.
    pub services: Services,
    folder: TempDir,
    topics: RefCell<Vec<String>>,
}

impl Tenant {
    /// A tenant whose names begin with `test`, with an empty database.
    ///
    /// # Errors
    /// Where the services are not there.
    pub fn new(test: &str) -> anyhow::Result<Self> {
        Self::on(test, Services::find()?)
    }

    /// The same on other services.
    ///
    /// # Errors
    /// As for [`Self::new`].
    pub fn on(test: &str, services: Services) -> anyhow::Result<Self> {
        let http = Rc::new(Http::new()?);
        let name = format!("{test}_{:08x}", rand::random::<u32>());
        let tenant = Self {
            kafka: Kafka::new(http.clone(), &services.kafka),
            clickhouse: ClickHouse::new(http.clone(), &services.clickhouse, Services::clickhouse_user()),
            services,
            http,
            folder: tempfile::tempdir().context("make a folder")?,
            topics: RefCell::default(),
            name,
        };
        std::fs::create_dir_all(tenant.plugins()).context("make the plugin directory")?;
        tenant.clickhouse.run(&format!("CREATE DATABASE {}", tenant.name))?;
        Ok(tenant)
    }

    /// Where the gateway's file lies, with the folder `plugins` beside it.
    pub fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// The tenant's own plugins and pipeline files.
    fn plugins(&self) -> PathBuf {
        self.folder().join("plugins").join(&self.name)
    }

    /// The gateway's file for these services.
    pub fn gateway_file(&self) -> GatewayFile {
        GatewayFile::new(&self.services)
    }

    /// A topic's name; the topic goes with the tenant.
    pub fn topic(&self, topic: &str) -> String {
        let topic = format!("{}.{topic}", self.name);
        self.topics.borrow_mut().push(topic.clone());
        topic
    }

    /// Makes a topic, and one for its dead letters.
    ///
    /// # Errors
    /// Where the broker refuses.
    pub fn create_topic(&self, topic: &str, partitions: i32) -> anyhow::Result<String> {
        let (topic, dead) = (self.topic(topic), self.topic(&format!("{topic}.dead")));
        self.kafka.create(&topic, partitions)?;
        self.kafka.create(&dead, 1)?;
        Ok(topic)
    }

    /// The shipped pipeline file of a plugin, for a topic of this tenant.
    ///
    /// # Errors
    /// As for [`PipelineFile::shipped`].
    pub fn pipeline(&self, plugin: &'static str, topic: &str) -> anyhow::Result<PipelineFile> {
        PipelineFile::shipped(plugin, topic, &self.name)
    }

    /// Puts a pipeline file and its plugin into the plugin directory.
    ///
    /// # Errors
    /// Where the plugins are not built.
    pub fn install(&self, file: &PipelineFile) -> anyhow::Result<()> {
        let built = repository().join("target");
        let copy = |name: &str, to: &str| {
            let folders = ["test-guests", "examples", "plugins", "dataset/plugins"];
            let folders = folders.map(|folder| built.join(folder).join(name));
            let [.., last] = &folders;
            let from = folders.iter().find(|file| file.exists()).unwrap_or(last);
            let to = self.plugins().join(to);
            std::fs::copy(from, to)
                .with_context(|| format!("copy {}; `make plugins test-guests dataset` makes it", from.display()))
        };
        copy(&format!("{}.wasm", file.plugin), &format!("{}.wasm", file.name))?;
        for lookup in file.lookup_files() {
            copy(lookup, lookup)?;
        }
        let path = self.plugins().join(format!("{}.toml", file.name));
        std::fs::write(&path, &file.text).with_context(|| format!("write {}", path.display()))
    }

    /// A pipeline's plugin file.
    pub fn plugin(&self, pipeline: &str) -> PathBuf {
        self.plugins().join(format!("{pipeline}.wasm"))
    }

    /// Makes the tables that are shipped with a plugin, in the tenant's database.
    ///
    /// # Errors
    /// Where ClickHouse refuses.
    pub fn create_tables(&self, plugin: &str) -> anyhow::Result<()> {
        for statement in self.table_statements(plugin)? {
            self.clickhouse.run(&statement)?;
        }
        Ok(())
    }

    /// Makes the same tables without their deduplication, so that a row that was written twice stands twice.
    ///
    /// # Errors
    /// As for [`Self::create_tables`].
    pub fn create_counting_tables(&self, plugin: &str) -> anyhow::Result<()> {
        for statement in self.table_statements(plugin)? {
            self.clickhouse.run(statement.split("SETTINGS").next().unwrap_or_default())?;
        }
        Ok(())
    }

    /// The statements of a plugin's `tables.sql`, for the tenant's database.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn table_statements(&self, plugin: &str) -> anyhow::Result<Vec<String>> {
        own_statements(plugin, "tables.sql", &self.name)
    }

    /// A pipeline's group, as it is called where the file does not say.
    ///
    /// # Errors
    /// As for [`Kafka::group`].
    pub fn group(&self, pipeline: &str, topic: &str) -> anyhow::Result<Group> {
        self.kafka.group(&format!("tidegate.{}.{pipeline}", self.name), topic)
    }

    /// Waits until a pipeline has committed all records of a topic.
    ///
    /// # Errors
    /// Where it does not.
    pub fn wait_for(&self, pipeline: &str, topic: &str) -> anyhow::Result<()> {
        let group = self.group(pipeline, topic)?;
        eventually("all records are committed", || group.has_caught_up())
    }

    /// How many rows a table of the tenant's has.
    ///
    /// # Errors
    /// Where ClickHouse refuses.
    pub fn count(&self, table: &str) -> anyhow::Result<i64> {
        self.clickhouse.number(&format!("SELECT count() FROM {}.{table}", self.name))
    }
}

impl Drop for Tenant {
    fn drop(&mut self) {
        // What stays behind would only take room: the names never come again.
        let _ = self.clickhouse.run(&format!("DROP DATABASE IF EXISTS {}", self.name));
        let _ = self.kafka.delete(&self.topics.borrow());
    }
}
