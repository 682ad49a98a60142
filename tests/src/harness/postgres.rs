//! Statements for PostgreSQL and Greenplum, as an operator would send them, in a schema of a test's own.

use std::path::Path;
use std::rc::Rc;

use anyhow::{Context, bail};
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

use super::files::own_statements;
use super::http::Http;
use super::services::Services;

/// Where a server is, and as whom to come.
#[derive(Clone, Debug)]
pub struct PostgresServer {
    /// Host and port.
    pub address: String,
    /// The database.
    pub database: String,
    /// A user that may make schemas and roles.
    pub user: String,
    /// Its password.
    pub password: String,
}

/// A schema on a server; it goes with the test.
pub struct Postgres {
    /// Where it is.
    pub server: PostgresServer,
    /// Its name.
    pub schema: String,
    http: Rc<Http>,
    client: Client,
}

impl PostgresServer {
    /// PostgreSQL, and Greenplum where the environment names one.
    ///
    /// # Errors
    /// Where there is no PostgreSQL.
    pub fn all() -> anyhow::Result<Vec<Self>> {
        let urls = std::iter::once(Services::postgres()?).chain(Services::greenplum());
        urls.map(|url| Self::parse(&url)).collect()
    }

    /// Reads `postgresql://USER:PASSWORD@HOST:PORT/DATABASE`.
    ///
    /// # Errors
    /// Where it is none.
    pub fn parse(url: &str) -> anyhow::Result<Self> {
        let parts = || {
            let (user, rest) = url.strip_prefix("postgresql://")?.split_once('@')?;
            let (address, database) = rest.split_once('/')?;
            let (user, password) = user.split_once(':').unwrap_or((user, ""));
            let [address, database, user, password] = [address, database, user, password].map(str::to_owned);
            Some(Self { address, database, user, password })
        };
        parts().with_context(|| format!("`{url}` is not postgresql://USER:PASSWORD@HOST:PORT/DATABASE"))
    }

    /// The same behind another address.
    pub fn at(&self, address: &str) -> Self {
        Self { address: address.to_owned(), ..self.clone() }
    }

    /// A section `[sinks.NAME]` for it; the password goes to a file in `folder`.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn sink(&self, name: &str, folder: &Path) -> anyhow::Result<String> {
        let Self { address, database, user, password } = self;
        let file = folder.join(format!("{name}.password"));
        std::fs::write(&file, password).with_context(|| format!("write {}", file.display()))?;
        Ok(format!(
            "[sinks.{name}]\ntype = \"greenplum\"\nurl = \"postgresql://{address}/{database}\"\nuser = \"{user}\"\n\
             password = {{ file = \"{}\" }}\n\n",
            file.display()
        ))
    }
}

impl Postgres {
    /// An empty schema whose name begins with `test`.
    ///
    /// # Errors
    /// Where the server is not there.
    pub fn new(http: &Rc<Http>, server: &PostgresServer, test: &str) -> anyhow::Result<Self> {
        let schema = format!("{test}_{:08x}", rand::random::<u32>());
        let client = http.wait(connect(server)).with_context(|| format!("connect to {}", server.address))?;
        let postgres = Self { server: server.clone(), schema, http: http.clone(), client };
        postgres.run(&format!("CREATE SCHEMA {}", postgres.schema))?;
        postgres.create_ranges()?;
        Ok(postgres)
    }

    /// Makes the table that pipelines which deliver exactly once need, where it is none yet: one for all tests.
    fn create_ranges(&self) -> anyhow::Result<()> {
        let greenplum = self.value("SELECT version()")?.contains("Greenplum");
        let distribution = if greenplum { "DISTRIBUTED BY (lineage)" } else { "" };
        // Two that make it at once would fail.
        self.run(&format!(
            "BEGIN; SELECT pg_advisory_xact_lock(20261126); CREATE TABLE IF NOT EXISTS public.tidegate_ranges \
             (lineage uuid NOT NULL, topic text NOT NULL, kafka_partition integer NOT NULL, first_offset bigint NOT NULL, \
             next_offset bigint NOT NULL, tenant text NOT NULL, written_at timestamptz NOT NULL, \
             UNIQUE (lineage, topic, kafka_partition, first_offset)) {distribution}; COMMIT"
        ))
    }

    /// Runs statements.
    ///
    /// # Errors
    /// The server's own words.
    pub fn run(&self, statements: &str) -> anyhow::Result<()> {
        self.http.wait(self.client.batch_execute(statements)).with_context(|| format!("run `{statements}`"))
    }

    /// The rows of a query, tab-separated, with the escapes of ClickHouse's TabSeparated.
    ///
    /// # Errors
    /// As for [`Self::run`].
    pub fn lines(&self, query: &str) -> anyhow::Result<Vec<String>> {
        let answer = self.http.wait(self.client.simple_query(query)).with_context(|| format!("run `{query}`"))?;
        let mut lines = Vec::new();
        for message in answer {
            if let SimpleQueryMessage::Row(row) = message {
                let fields: Vec<_> =
                    (0..row.len()).map(|index| row.get(index).map_or("\\N".to_owned(), escaped)).collect();
                lines.push(fields.join("\t"));
            }
        }
        Ok(lines)
    }

    /// The first column of a query's rows, as text.
    ///
    /// # Errors
    /// As for [`Self::run`].
    pub fn column(&self, query: &str) -> anyhow::Result<Vec<Option<String>>> {
        let answer = self.http.wait(self.client.simple_query(query)).with_context(|| format!("run `{query}`"))?;
        let first = |message: &SimpleQueryMessage| match message {
            SimpleQueryMessage::Row(row) => Some(row.get(0).map(str::to_owned)),
            _ => None,
        };
        Ok(answer.iter().filter_map(first).collect())
    }

    /// The one value of a query, as text.
    ///
    /// # Errors
    /// Where it is not one, or null.
    pub fn value(&self, query: &str) -> anyhow::Result<String> {
        match self.column(query)?.as_mut_slice() {
            [value] => value.take().with_context(|| format!("`{query}` answers null")),
            other => bail!("`{query}` answers {} rows", other.len()),
        }
    }

    /// How many rows a table of the schema's has.
    ///
    /// # Errors
    /// As for [`Self::run`].
    pub fn count(&self, table: &str) -> anyhow::Result<i64> {
        Ok(self.value(&format!("SELECT count(*) FROM {}.{table}", self.schema))?.parse()?)
    }

    /// Makes the tables that are shipped with a plugin, in the schema.
    ///
    /// # Errors
    /// Where the server refuses.
    pub fn create_tables(&self, plugin: &str) -> anyhow::Result<()> {
        self.run(&own_statements(plugin, "tables.postgres.sql", &self.schema)?.join(";\n"))
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // What stays behind would only take room: the names never come again.
        let _ = self.run(&format!("DROP SCHEMA IF EXISTS {} CASCADE", self.schema));
    }
}

async fn connect(server: &PostgresServer) -> anyhow::Result<Client> {
    let PostgresServer { address, database, user, password } = server;
    let (host, port) = address.split_once(':').context("expected a host and a port")?;
    let mut config = tokio_postgres::Config::new();
    config.host(host).port(port.parse()?).dbname(database).user(user).password(password);
    let (client, connection) = config.connect(NoTls).await?;
    // Served whenever something is waited for, and ended with the runtime.
    tokio::spawn(connection);
    // Times as one reads them in the expectations, whatever the server's own zone; the notices of CREATE say nothing.
    client.batch_execute("SET timezone = 'UTC'; SET client_min_messages = warning; SET extra_float_digits = 3").await?;
    Ok(client)
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\t', "\\t").replace('\n', "\\n").replace('\'', "\\'")
}
