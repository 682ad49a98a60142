//! The three pipelines of a run, their topics and tables, and what must become of each number. What the plugin `twofold` and the tables
//! do is written down here a second time, so that nothing is taken from the gateway's word.

use std::rc::Rc;

use anyhow::Context;
use tokio_postgres::{NoTls, SimpleQueryMessage};

use super::stand::Stand;
use crate::harness::{ClickHouse, Http, Kafka, PostgresServer};

/// The name of the tenant, of ClickHouse's database and of PostgreSQL's schema.
pub const TENANT: &str = "chaos";

/// Where a pipeline's rows of one route go.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// As the plugin calls it.
    pub route: &'static str,
    /// Where the table is.
    pub base: Base,
    /// Its name.
    pub table: &'static str,
    /// Numbers that have this remainder, divided by [`REFUSED_DIVISOR`], are refused by the table.
    pub refused: Option<u64>,
}

/// A database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base {
    /// The sink `dwh`.
    ClickHouse,
    /// The sink `pg`.
    Postgres,
}

/// A pipeline.
#[derive(Clone, Copy, Debug)]
pub struct Pipeline {
    /// Its name, and its topic's.
    pub name: &'static str,
    /// Whether what its partitions have goes into the tables together.
    pub across_partitions: bool,
    /// Where its rows go.
    pub targets: [Target; 2],
}

/// One into each database, with two routes into one table, across partitions, and into two, and one into both at once.
pub const PIPELINES: [Pipeline; 3] = [
    Pipeline {
        name: "clicks",
        across_partitions: true,
        targets: [
            Target { route: "number", base: Base::ClickHouse, table: "clicks", refused: Some(7) },
            Target { route: "copy", base: Base::ClickHouse, table: "clicks", refused: None },
        ],
    },
    Pipeline {
        name: "sums",
        across_partitions: false,
        targets: [
            Target { route: "number", base: Base::Postgres, table: "sums", refused: Some(507) },
            Target { route: "copy", base: Base::Postgres, table: "sums_copy", refused: None },
        ],
    },
    Pipeline {
        name: "both",
        across_partitions: false,
        targets: [
            Target { route: "number", base: Base::ClickHouse, table: "both_number", refused: Some(7) },
            Target { route: "copy", base: Base::Postgres, table: "both_copy", refused: Some(507) },
        ],
    },
];

/// Of so many numbers one is rejected by the plugin, and on one it traps. It has no factor in common with the number of partitions, nor has
/// [`REFUSED_DIVISOR`]: what is bad is in every partition alike.
const POISON_DIVISOR: u64 = 97;

/// Of so many numbers a table refuses one.
const REFUSED_DIVISOR: u64 = 997;

/// Whether the plugin rejects a number, or traps on it.
pub fn is_poison(number: u64) -> bool {
    matches!(number % POISON_DIVISOR, 1 | 2)
}

impl Target {
    /// Whether the table refuses the row of this number.
    pub fn refuses(&self, number: u64) -> bool {
        self.refused == Some(number % REFUSED_DIVISOR)
    }

    /// As a pipeline file names it.
    fn place(&self) -> String {
        let sink = match self.base {
            Base::ClickHouse => "dwh",
            Base::Postgres => "pg",
        };
        format!("{sink}:{TENANT}.{}", self.table)
    }

    fn check(&self) -> String {
        match self.refused {
            Some(rest) => {
                format!(", CONSTRAINT likes CHECK (route <> '{}' OR number % {REFUSED_DIVISOR} <> {rest})", self.route)
            }
            None => String::new(),
        }
    }
}

impl Pipeline {
    /// Its topic.
    pub fn topic(&self) -> String {
        format!("{TENANT}.{}", self.name)
    }

    /// The topic of its dead letters.
    pub fn dead(&self) -> String {
        format!("{}.dead", self.topic())
    }

    /// Its group.
    pub fn group(&self) -> String {
        format!("tidegate.{TENANT}.{}", self.name)
    }

    /// Its file, for a version that its rows are to name.
    pub fn file(&self, version: &str, delivery: &str) -> String {
        let [first, second] = self.targets.map(|target| format!("{} = \"{}\"", target.route, target.place()));
        let across =
            if self.across_partitions && delivery == "exactly-once" { "across_partitions = true\n" } else { "" };
        format!(
            "topics = [\"{}\"]\ndead_letter = \"{}\"\ndelivery = \"{delivery}\"\n[batch]\nrecords = 2000\nlinger = \"150 ms\"\n{across}\
             [routes]\n{first}\n{second}\n[settings]\nversion = \"{version}\"\n",
            self.topic(),
            self.dead()
        )
    }
}

/// Kafka and the databases, asked from outside.
pub struct Field {
    /// For pages.
    pub http: Rc<Http>,
    /// The broker.
    pub kafka: Kafka,
    clickhouse: ClickHouse,
    postgres: PostgresServer,
}

impl Field {
    /// The services of a stand.
    ///
    /// # Errors
    /// Where they did not say where they are.
    pub fn new(stand: &Stand) -> anyhow::Result<Self> {
        let http = Rc::new(Http::new()?);
        let url = format!("http://{}", stand.clickhouse()?);
        let clickhouse = ClickHouse::new(http.clone(), &url, Some(stand.clickhouse_user()?));
        Ok(Self { kafka: Kafka::new(http.clone(), stand.kafka()?), http, clickhouse, postgres: stand.postgres()? })
    }

    /// Makes the topics and tables of pipelines. With `refusing` tables have their constraints.
    ///
    /// # Errors
    /// Where a service refuses.
    pub fn make(&self, partitions: i32, refusing: bool) -> anyhow::Result<()> {
        self.clickhouse.run(&format!("CREATE DATABASE {TENANT}"))?;
        self.postgres(&format!("CREATE SCHEMA {TENANT}"))?;
        self.postgres(
            "CREATE TABLE tidegate_ranges (lineage uuid NOT NULL, topic text NOT NULL, kafka_partition integer NOT NULL, \
             first_offset bigint NOT NULL, next_offset bigint NOT NULL, tenant text NOT NULL, written_at timestamptz NOT NULL, \
             UNIQUE (lineage, topic, kafka_partition, first_offset))",
        )?;
        // The services answer a commit before it is in the log, so that the death of the server costs what it had promised.
        self.postgres("ALTER SYSTEM SET synchronous_commit = on")?;
        self.postgres("SELECT pg_reload_conf()")?;
        for pipeline in PIPELINES {
            self.kafka.create(&pipeline.topic(), partitions)?;
            self.kafka.create(&pipeline.dead(), 2)?;
            for target in pipeline.targets {
                let check = if refusing { target.check() } else { String::new() };
                self.make_table(&target, &check)?;
            }
        }
        Ok(())
    }

    fn make_table(&self, target: &Target, check: &str) -> anyhow::Result<()> {
        let table = format!("{TENANT}.{}", target.table);
        match target.base {
            Base::ClickHouse => self
                .clickhouse
                .run(&format!(
                    "CREATE TABLE IF NOT EXISTS {table} (number Int64, route LowCardinality(String), version String, \
                     _partition Int32, _offset Int64{check}) ENGINE = MergeTree ORDER BY (_partition, _offset) \
                     SETTINGS non_replicated_deduplication_window = 10000"
                ))
                .map(|_| ()),
            Base::Postgres => self
                .postgres(&format!(
                    "CREATE TABLE {table} (number bigint NOT NULL, route text NOT NULL, version text NOT NULL, \
                     _partition integer NOT NULL, _offset bigint NOT NULL{check}); \
                     CREATE INDEX ON {table} (_partition, _offset)"
                ))
                .map(|_| ()),
        }
    }

    /// How far the rows of each partition go: the offset of the last.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub fn last_offsets(&self, target: &Target, partitions: i32) -> anyhow::Result<Vec<i64>> {
        let table = format!("{TENANT}.{}", target.table);
        let route = target.route;
        let mut last = vec![-1; usize::try_from(partitions)?];
        let pairs = match target.base {
            Base::ClickHouse => self.clickhouse(&format!(
                "SELECT _partition, max(_offset) FROM {table} WHERE route = '{route}' GROUP BY _partition"
            ))?,
            // One look into the index for each partition.
            Base::Postgres => self.postgres(&format!(
                "SELECT p, (SELECT coalesce(max(_offset), -1) FROM {table} WHERE _partition = p) \
                 FROM generate_series(0, {partitions} - 1) p"
            ))?,
        };
        for pair in pairs {
            let (partition, offset) = pair.split_once('\t').with_context(|| format!("two values, not `{pair}`"))?;
            if let Some(last) = last.get_mut(partition.parse::<usize>()?) {
                *last = offset.parse()?;
            }
        }
        Ok(last)
    }

    /// The lines of a query of the target's database.
    ///
    /// # Errors
    /// Where it does not answer.
    pub fn query(&self, base: Base, query: &str) -> anyhow::Result<Vec<String>> {
        match base {
            Base::ClickHouse => self.clickhouse(query),
            Base::Postgres => self.postgres(query),
        }
    }

    fn clickhouse(&self, query: &str) -> anyhow::Result<Vec<String>> {
        Ok(self.clickhouse.run(query)?.lines().map(str::to_owned).collect())
    }

    /// On a connection of its own: the server may have been killed since the last one.
    fn postgres(&self, query: &str) -> anyhow::Result<Vec<String>> {
        let PostgresServer { address, database, user, password } = &self.postgres;
        let (host, port) = address.split_once(':').context("expected a host and a port")?;
        let mut config = tokio_postgres::Config::new();
        config.host(host).port(port.parse()?).dbname(database).user(user).password(password);
        self.http.wait(async {
            let (client, connection) = config.connect(NoTls).await?;
            let connection = tokio::spawn(connection);
            let answer = client.simple_query(query).await;
            drop(client);
            let _ = connection.await;
            let row = |message| match message {
                SimpleQueryMessage::Row(row) => {
                    let fields: Vec<_> = (0..row.len()).map(|index| row.get(index).unwrap_or("NULL")).collect();
                    Some(fields.join("\t"))
                }
                _ => None,
            };
            let answer = answer.with_context(|| format!("run `{query}`"))?;
            Ok(answer.into_iter().filter_map(row).collect())
        })
    }
}
