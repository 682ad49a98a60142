//! The sinks of the gateway's file: where rows can go, and the credentials that a tenant's file never holds.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::section::{Section, shown};

/// A sink's settings, by its kind.
#[derive(Clone, Debug)]
pub enum SinkSettings {
    /// A ClickHouse server.
    ClickHouse(ClickHouseSettings),
    /// A Greenplum or PostgreSQL database.
    Postgres(PostgresSettings),
    /// Lines on the process's standard output.
    Stdout,
    /// Nowhere. What is measured with it sets it; a file cannot.
    Discard,
    /// JSON Lines below a folder.
    File {
        /// The folder; made where it does not exist.
        path: PathBuf,
    },
}

/// How to reach a ClickHouse server.
#[derive(Clone, Debug)]
pub struct ClickHouseSettings {
    /// The HTTP interface's address.
    pub url: String,
    /// `default` where the file says nothing.
    pub user: String,
    /// Empty where the file says nothing.
    pub password: Secret,
    /// How long an insert may take before it is tried again.
    pub timeout: Duration,
    /// On where the server is on another machine.
    pub compression: Compression,
    /// What inserts are written in.
    pub format: ClickHouseFormat,
    /// How many inserts may be under way at once.
    pub concurrency: usize,
    /// How many inserts a second a table gets, over all pipelines of the gateway.
    pub inserts_per_second: usize,
    /// What a table must remember of them, where rows go into it exactly once.
    pub memory: InsertMemory,
}

/// How long a table must remember the tokens of inserts, and how many there may be in that time: what exactly once rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InsertMemory {
    /// The longest time that may go by between an insert and the last try of it, while others go on.
    pub outage: Duration,
    /// How many gateways write to the same tables.
    pub gateways: usize,
    /// Into how many parts an insert into a table with partitions falls, on average over that time.
    pub parts_per_insert: usize,
}

/// Whether inserts are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// LZ4, in ClickHouse's framing.
    Lz4,
    /// None: on loopback, compressing costs more than it saves.
    None,
}

/// What inserts are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClickHouseFormat {
    /// Names and types travel along, and the server refuses what does not fit.
    RowBinaryWithNamesAndTypes,
    /// For servers before 21.1.
    RowBinary,
}

/// How to reach a Greenplum or PostgreSQL database.
#[derive(Clone, Debug)]
pub struct PostgresSettings {
    /// A name or an address, without the brackets of IPv6.
    pub host: String,
    /// 5432 where the file says nothing.
    pub port: u16,
    /// The database's name.
    pub database: String,
    /// The role that writes.
    pub user: String,
    /// Empty where the file says nothing.
    pub password: Secret,
    /// How long writing a range may take before it is tried again.
    pub timeout: Duration,
    /// How many connections there may be at once.
    pub concurrency: usize,
    /// Whether what is sent is encrypted, and whether the server must prove who it is.
    pub tls: SslMode,
    /// The table that holds which ranges are written, as `schema.table`.
    pub ranges: String,
    /// Statements that a route may name, each with [`STATEMENT_ROWS`] where its rows are.
    pub statements: BTreeMap<String, String>,
    /// By tenant, the role that its rows are written as; the user itself for all others.
    pub roles: BTreeMap<String, String>,
}

/// Stands in a statement for the table with the rows of the range.
pub const STATEMENT_ROWS: &str = "{rows}";

/// As libpq calls them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SslMode {
    /// In the clear.
    Disable,
    /// Encrypted, to whoever answers.
    Require,
    /// Encrypted, and the server's certificate is for this host, by an authority of the machine or of this PEM file.
    VerifyFull {
        /// The PEM file.
        ca: Option<PathBuf>,
    },
}

/// A text that is not shown.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Reads `key = { env = "NAME" }` or `key = { file = "PATH" }`; a path is relative to `base`.
    pub(super) fn read(section: &Section<'_>, key: &'static str, base: &Path) -> Option<Self> {
        if !section.has(key) {
            return None;
        }
        if !section.is_section(key) {
            section.fault(key, "stands in the file itself; expected { env = \"NAME\" } or { file = \"PATH\" }");
            return None;
        }
        Self::of(&section.section(key)?, base)
    }

    /// Reads a table with the one key `env` or `file`.
    pub(super) fn of(source: &Section<'_>, base: &Path) -> Option<Self> {
        match (source.string("env"), source.string("file")) {
            (Some(name), None) => match std::env::var(name) {
                Ok(value) => Some(Self(value)),
                Err(_) => {
                    source.fault("env", format!("names the environment variable `{name}`, which is not set"));
                    None
                }
            },
            (None, Some(path)) => match std::fs::read_to_string(base.join(path)) {
                Ok(value) => Some(Self(value.trim_end_matches(['\r', '\n']).to_owned())),
                Err(problem) => {
                    source.fault("file", format!("names the file `{path}`, which cannot be read: {problem}"));
                    None
                }
            },
            _ => {
                source.fault("", "expected either { env = \"NAME\" } or { file = \"PATH\" }");
                None
            }
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl SinkSettings {
    pub(super) fn read(section: &Section<'_>, base: &Path) -> Option<Self> {
        #[derive(Clone, Copy)]
        enum Kind {
            ClickHouse,
            Postgres,
            File,
            Stdout,
        }
        let kinds = [
            ("clickhouse", Kind::ClickHouse),
            ("greenplum", Kind::Postgres),
            ("postgres", Kind::Postgres),
            ("file", Kind::File),
            ("stdout", Kind::Stdout),
        ];
        if !section.has("type") {
            section.fault(
                "type",
                "is missing; expected \"clickhouse\" or \"greenplum\" or \"postgres\" or \"file\" or \"stdout\"",
            );
        }
        match section.choice("type", &kinds) {
            Some(Kind::ClickHouse) => clickhouse(section, base).map(Self::ClickHouse),
            Some(Kind::Postgres) => postgres(section, base).map(Self::Postgres),
            Some(Kind::Stdout) => Some(Self::Stdout),
            Some(Kind::File) => {
                let path = section.required_string("path", "\"out\"")?;
                Some(Self::File { path: base.join(path) })
            }
            None => {
                // Without its kind nothing can be said of the other keys.
                section.entries();
                None
            }
        }
    }
}

fn clickhouse(section: &Section<'_>, base: &Path) -> Option<ClickHouseSettings> {
    let url = section.required_string("url", "\"http://127.0.0.1:8123\"");
    let user = section.string("user").unwrap_or("default").to_owned();
    let password = Secret::read(section, "password", base).unwrap_or_default();
    // Well below the five minutes in which Kafka takes a silent consumer for dead.
    let timeout = section.duration("timeout").unwrap_or(Duration::from_secs(60));
    let compression = section.choice("compression", &[("lz4", Compression::Lz4), ("none", Compression::None)]);
    let formats = [
        ("RowBinaryWithNamesAndTypes", ClickHouseFormat::RowBinaryWithNamesAndTypes),
        ("RowBinary", ClickHouseFormat::RowBinary),
    ];
    let format = section.choice("format", &formats).unwrap_or(ClickHouseFormat::RowBinaryWithNamesAndTypes);
    let concurrency = section.integer("concurrency", 1..=64).unwrap_or(4);
    let inserts_per_second = section.integer("inserts_per_second", 1..=1_000).unwrap_or(2);
    let memory = InsertMemory {
        outage: section.duration("outage").unwrap_or(Duration::from_secs(3600)),
        gateways: section.integer("gateways", 1..=100).unwrap_or(1),
        // More than the one or two of a stream that is up to date, and fewer than the hundred that ClickHouse takes.
        parts_per_insert: section.integer("parts_per_insert", 1..=1_000).unwrap_or(10),
    };
    let url = url?.trim_end_matches('/').to_owned();
    if url.contains(['@', '?']) {
        // It is not shown: there may be a password in it.
        section.fault("url", "holds more than an address; a user and a password go to `user` and `password`");
        return None;
    }
    let Some(host) = host(&url) else {
        section.fault(
            "url",
            format!("is \"{url}\"; expected http:// or https:// and a host, such as \"http://127.0.0.1:8123\""),
        );
        return None;
    };
    let compression = compression.unwrap_or(if is_near(host) { Compression::None } else { Compression::Lz4 });
    Some(ClickHouseSettings {
        url,
        user,
        password,
        timeout,
        compression,
        format,
        concurrency,
        inserts_per_second,
        memory,
    })
}

/// The host of an HTTP address, brackets of IPv6 included.
fn host(url: &str) -> Option<&str> {
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"))?;
    let authority = rest.split(['/', '?']).next()?;
    let host = match authority.starts_with('[') {
        true => authority.split_inclusive(']').next()?,
        false => authority.split(':').next()?,
    };
    (!host.is_empty() && !authority.contains('@')).then_some(host)
}

fn is_near(host: &str) -> bool {
    matches!(host, "localhost" | "[::1]" | "::1") || host.starts_with("127.")
}

fn postgres(section: &Section<'_>, base: &Path) -> Option<PostgresSettings> {
    const EXAMPLE: &str = "\"postgresql://127.0.0.1:5432/dwh\"";
    let url = section.required_string("url", EXAMPLE);
    let user = section.required_string("user", "\"tidegate\"");
    let password = Secret::read(section, "password", base).unwrap_or_default();
    // Well below the five minutes in which Kafka takes a silent consumer for dead.
    let timeout = section.duration("timeout").unwrap_or(Duration::from_secs(60));
    let concurrency = section.integer("concurrency", 1..=64).unwrap_or(4);
    let mode = section.choice(
        "sslmode",
        &[("disable", Mode::Disable), ("require", Mode::Require), ("verify-full", Mode::VerifyFull)],
    );
    let ca = section.string("ca").map(|path| base.join(path));
    let ranges = ranges(section);
    let statements = section.section("statements").map(|section| statements(&section)).unwrap_or_default();
    let roles = section.section("roles").map(|section| named_texts(&section, "\"acme_loader\"")).unwrap_or_default();
    let url = url?;
    if url.contains(['@', '?']) {
        // It is not shown: there may be a password in it.
        section.fault("url", "holds a user, a password or parameters; the first two go to `user` and `password`");
        return None;
    }
    let Some((host, port, database)) = place(url) else {
        section
            .fault("url", format!("is \"{url}\"; expected a host and a database and nothing else, such as {EXAMPLE}"));
        return None;
    };
    let mode = mode.unwrap_or(if is_near(host) { Mode::Disable } else { Mode::VerifyFull });
    if ca.is_some() && mode != Mode::VerifyFull {
        section.fault("ca", "is looked at only with sslmode = \"verify-full\"");
    }
    let tls = match mode {
        Mode::Disable => SslMode::Disable,
        Mode::Require => SslMode::Require,
        Mode::VerifyFull => SslMode::VerifyFull { ca },
    };
    let (host, database, user) = (host.to_owned(), database.to_owned(), user?.to_owned());
    let ranges = ranges?;
    Some(PostgresSettings {
        host,
        port,
        database,
        user,
        password,
        timeout,
        concurrency,
        tls,
        ranges,
        statements,
        roles,
    })
}

/// With its schema: a search path may lead somewhere else tomorrow, where no range is known.
fn ranges(section: &Section<'_>) -> Option<String> {
    let name = section.string("ranges").unwrap_or("public.tidegate_ranges");
    let part = |part: &str| !part.is_empty() && part.len() <= 63;
    match name.split_once('.') {
        Some((schema, table)) if part(schema) && part(table) => Some(name.to_owned()),
        _ => {
            section.fault(
                "ranges",
                format!("is \"{name}\"; expected a schema and a table, such as \"public.tidegate_ranges\""),
            );
            None
        }
    }
}

fn statements(section: &Section<'_>) -> BTreeMap<String, String> {
    let example = format!("\"INSERT INTO shop.sales SELECT * FROM {STATEMENT_ROWS}\"");
    let statements = named_texts(section, &example);
    for (name, statement) in &statements {
        if !statement.contains(STATEMENT_ROWS) {
            section.fault(name, format!("does not say {STATEMENT_ROWS}, where the rows are; for example {example}"));
        }
    }
    statements
}

/// Texts under names that the file chose.
fn named_texts(section: &Section<'_>, example: &str) -> BTreeMap<String, String> {
    let mut texts = BTreeMap::new();
    for (name, value) in section.entries() {
        match value.as_str() {
            Some(text) if !text.trim().is_empty() => _ = texts.insert(name.to_owned(), text.to_owned()),
            _ => section.fault(name, format!("is {}; expected a text, such as {example}", shown(value))),
        }
    }
    texts
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Disable,
    Require,
    VerifyFull,
}

/// Host, port and database of `postgresql://host:5432/database`.
fn place(url: &str) -> Option<(&str, u16, &str)> {
    let rest = url.strip_prefix("postgresql://").or_else(|| url.strip_prefix("postgres://"))?;
    let (authority, database) = rest.split_once('/')?;
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            (host, port.strip_prefix(':').or(port.is_empty().then_some("5432"))?)
        }
        None => authority.split_once(':').unwrap_or((authority, "5432")),
    };
    let plain = |text: &str| !text.is_empty() && !text.contains(['@', '/', '?', '#', '%', ',']);
    (plain(host) && plain(database)).then_some((host, port.parse().ok()?, database))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Document;

    fn database(lines: &str) -> Result<PostgresSettings, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        let text = format!("[dwh]\ntype = \"greenplum\"\nurl = \"postgresql://127.0.0.1/dwh\"\nuser = \"u\"\n{lines}");
        std::fs::write(file.path(), text).unwrap();
        let read = Document::read(file.path(), |top| SinkSettings::read(&top.section("dwh")?, Path::new("")));
        match read {
            Ok(SinkSettings::Postgres(settings)) => Ok(settings),
            Ok(other) => panic!("{other:?}"),
            Err(faults) => Err(faults.to_string()),
        }
    }

    #[test]
    fn a_database_has_a_table_of_ranges_statements_and_roles() {
        let settings = database("").unwrap();
        assert_eq!(settings.ranges, "public.tidegate_ranges");
        assert!(settings.statements.is_empty() && settings.roles.is_empty());
        let settings = database(
            "ranges = \"ops.Ranges\"\n[dwh.statements]\nmove = \"INSERT INTO t SELECT a FROM {rows}\"\n[dwh.roles]\nacme = \"loader\"\n",
        );
        let settings = settings.unwrap();
        assert_eq!(settings.ranges, "ops.Ranges");
        assert_eq!(settings.statements["move"], "INSERT INTO t SELECT a FROM {rows}");
        assert_eq!(settings.roles["acme"], "loader");
        for (lines, said) in [
            ("ranges = \"ranges\"\n", "`dwh.ranges`: is \"ranges\"; expected a schema and a table"),
            (
                "[dwh.statements]\na = \"DELETE FROM t\"\n",
                "`dwh.statements.a`: does not say {rows}, where the rows are",
            ),
            ("[dwh.statements]\na = 7\n", "`dwh.statements.a`: is 7; expected a text, such as \"INSERT"),
            ("[dwh.roles]\nacme = \"\"\n", "`dwh.roles.acme`: is \"\"; expected a text, such as \"acme_loader\""),
        ] {
            let faults = database(lines).unwrap_err();
            assert!(faults.contains(said), "{said} is not in:\n{faults}");
        }
    }

    #[test]
    fn a_database_is_named_by_host_port_and_name_and_by_nothing_else() {
        assert_eq!(place("postgresql://db.example:6432/dwh"), Some(("db.example", 6432, "dwh")));
        assert_eq!(place("postgres://127.0.0.1/dwh"), Some(("127.0.0.1", 5432, "dwh")));
        assert_eq!(place("postgresql://[::1]:5433/dwh"), Some(("::1", 5433, "dwh")));
        for wrong in [
            "postgresql://user:secret@host/dwh",
            "postgresql://user@host/dwh",
            "postgresql://host",
            "postgresql://host/",
            "postgresql:///dwh",
            "postgresql://host/dwh?sslmode=require",
            "postgresql://one,two/dwh",
            "postgresql://host:port/dwh",
            "http://host/dwh",
            "host=127.0.0.1",
        ] {
            assert_eq!(place(wrong), None, "{wrong}");
        }
    }
}
