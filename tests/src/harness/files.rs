//! The files that an operator writes: the gateway's own, and the shipped pipeline files with names of a test's own.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

use super::services::Services;

/// A pipeline file on its way to the plugin directory.
#[derive(Clone, Debug)]
pub struct PipelineFile {
    /// The pipeline's name.
    pub name: String,
    /// The plugin's name.
    pub plugin: &'static str,
    /// TOML.
    pub text: String,
}

/// The parts of a `gateway.toml`.
#[derive(Clone, Debug)]
pub struct GatewayFile {
    /// Lines for the top section, such as `drain = "2 s"`.
    pub top: String,
    /// The lines of the section `[http]`.
    pub http: String,
    /// `bootstrap.servers`.
    pub brokers: String,
    /// More lines for the section `[kafka]`.
    pub kafka: String,
    /// The address of the sink `dwh`.
    pub url: String,
    /// How many inserts a second its tables take.
    pub inserts_per_second: u32,
    /// More sinks, as sections.
    pub sinks: String,
    /// What the environment says is the password of the sink `dwh`.
    pub password: String,
    /// More of the environment.
    pub environment: Vec<(&'static str, String)>,
}

/// Tests write many small ranges and shall not wait for each other.
const INSERTS_PER_SECOND: u32 = 100;

/// What a table remembers may be little in return.
const LITTLE: &str = "outage = \"1 s\"\nparts_per_insert = 2";

impl PipelineFile {
    /// The file that is shipped with `plugin`, with the tenant's topic, dead letters and database.
    ///
    /// # Errors
    /// Where the shipped file cannot be read or has changed beyond recognition.
    pub fn shipped(plugin: &'static str, topic: &str, database: &str) -> anyhow::Result<Self> {
        let text = read(&repository().join("plugins").join(plugin).join(format!("{plugin}.toml")))?;
        let shipped = shipped_database(plugin)?;
        let mut file = Self { name: plugin.to_owned(), plugin, text };
        file.replace_line("topics", &format!("topics = [\"{topic}\"]"))?;
        file.dead_letter(&format!("{topic}.dead"))?;
        file.replace(&format!("dwh:{shipped}."), &format!("dwh:{database}."))?;
        Ok(file)
    }

    /// Names another topic for what is rejected.
    ///
    /// # Errors
    /// Where the file names none.
    pub fn dead_letter(&mut self, topic: &str) -> anyhow::Result<()> {
        self.replace_line("dead_letter", &format!("dead_letter = \"{topic}\""))
    }

    /// The files of its lookup tables, as it names them.
    pub fn lookup_files(&self) -> Vec<&str> {
        let assigned = self.text.lines().filter_map(|line| line.strip_prefix("file")?.trim_start().strip_prefix('='));
        assigned.map(|path| path.trim().trim_matches('"')).collect()
    }

    /// Replaces a part of the text.
    ///
    /// # Errors
    /// Where the text has no such part.
    pub fn replace(&mut self, part: &str, by: &str) -> anyhow::Result<()> {
        ensure!(self.text.contains(part), "{}.toml has no `{part}`:\n{}", self.name, self.text);
        self.text = self.text.replace(part, by);
        Ok(())
    }

    /// Says what becomes of rejects in place of a topic for them.
    ///
    /// # Errors
    /// Where the file names no topic for them.
    pub fn on_reject(&mut self, word: &str) -> anyhow::Result<()> {
        self.replace_line("dead_letter", &format!("on_reject = \"{word}\""))
    }

    fn replace_line(&mut self, key: &str, by: &str) -> anyhow::Result<()> {
        let line = self.text.lines().find(|line| line.starts_with(key)).map(str::to_owned);
        self.replace(&line.with_context(|| format!("{}.toml has no {key}", self.name))?, by)
    }

    /// Adds a section.
    pub fn section(&mut self, text: &str) {
        self.text.push_str(&format!("\n{text}\n"));
    }
}

impl GatewayFile {
    /// The file of a gateway between these services.
    pub fn new(services: &Services) -> Self {
        Self {
            top: String::new(),
            http: "listen = \"127.0.0.1:0\"".to_owned(),
            brokers: services.kafka.clone(),
            kafka: String::new(),
            url: services.clickhouse.clone(),
            inserts_per_second: INSERTS_PER_SECOND,
            sinks: String::new(),
            password: Services::password(),
            environment: Vec::new(),
        }
    }

    /// The variable that the file names for the password of the sink `dwh`.
    pub const PASSWORD: &'static str = "TIDEGATE_TEST_SINK_PASSWORD";

    /// The variable for the right password, whatever a test makes of the other.
    pub const RIGHT_PASSWORD: &'static str = "TIDEGATE_TEST_RIGHT_PASSWORD";

    /// Adds a sink that no test breaks.
    pub fn add_clickhouse(&mut self, name: &str, services: &Services) {
        let sink = clickhouse_sink(name, &services.clickhouse, Self::RIGHT_PASSWORD, self.inserts_per_second);
        self.sinks.push_str(&sink);
    }

    /// The file's text. A member that was killed is missed after six seconds: no test waits longer for its partitions.
    pub fn text(&self) -> String {
        let Self { top, http, brokers, kafka, url, sinks, inserts_per_second, .. } = self;
        let dwh = clickhouse_sink("dwh", url, Self::PASSWORD, *inserts_per_second);
        format!(
            r#"plugins = "plugins"
{top}

[http]
{http}

[kafka]
"bootstrap.servers" = "{brokers}"
"session.timeout.ms" = 6000
"heartbeat.interval.ms" = 1000
{kafka}

{dwh}
{sinks}
"#
        )
    }
}

fn clickhouse_sink(name: &str, url: &str, password: &str, inserts_per_second: u32) -> String {
    let user = Services::clickhouse_user().map_or("default".to_owned(), |(user, _)| user);
    format!(
        "[sinks.{name}]\ntype = \"clickhouse\"\nurl = \"{url}\"\nuser = \"{user}\"\npassword = {{ env = \"{password}\" }}\n\
         inserts_per_second = {inserts_per_second}\n{LITTLE}\n\n"
    )
}

/// The database, or schema, that the files of an example name.
pub(super) fn shipped_database(plugin: &str) -> anyhow::Result<String> {
    let text = read(&repository().join("plugins").join(plugin).join("tables.sql"))?;
    let name = text.lines().find_map(|line| line.strip_prefix("CREATE DATABASE IF NOT EXISTS ")?.strip_suffix(';'));
    name.map(str::to_owned).with_context(|| format!("plugins/{plugin}/tables.sql makes no database"))
}

/// Statements of an example for a database, or schema, that is there already.
pub(super) fn own_statements(plugin: &str, file: &str, database: &str) -> anyhow::Result<Vec<String>> {
    let text = read(&repository().join("plugins").join(plugin).join(file))?;
    let text = text.replace(&format!("{}.", shipped_database(plugin)?), &format!("{database}."));
    let lines: String = text.lines().filter(|line| !line.starts_with("--")).flat_map(|line| [line, "\n"]).collect();
    let statements = lines.split(';').map(str::trim).filter(|statement| !statement.is_empty());
    let makes_database =
        |statement: &&str| ["CREATE DATABASE", "CREATE SCHEMA"].iter().any(|s| statement.starts_with(s));
    Ok(statements.filter(|statement| !makes_database(statement)).map(str::to_owned).collect())
}

/// The root of the checkout that the tests were built in.
pub(super) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

pub(super) fn read(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))
}
