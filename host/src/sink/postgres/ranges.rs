//! The table that holds which ranges a database has: a row for each, inserted first in the transaction of the range's rows and never
//! changed. Its unique key makes two writers of one range wait for each other, and tells the later that the range is there. It is the
//! operator's: checked here, and never made.

use super::catalog::{self, LiveTable, Server, is_named};
use super::connection::Connection;
use super::fault::classify;
use super::quote::{identifier, qualified, text};
use crate::pipeline::Range;
use crate::sink::{Fence, Problem, SinkFault};

/// The table, by its name.
pub struct Ranges<'n> {
    name: &'n str,
}

/// Its columns: name, number of the type, type.
const COLUMNS: [(&str, u32, &str); 7] = [
    ("lineage", 2950, "uuid"),
    ("topic", 25, "text"),
    ("kafka_partition", 23, "integer"),
    ("first_offset", 20, "bigint"),
    ("next_offset", 20, "bigint"),
    ("tenant", 25, "text"),
    ("written_at", 1184, "timestamptz"),
];

/// What tells ranges apart, in the order of the names.
const KEY: [&str; 4] = ["first_offset", "kafka_partition", "lineage", "topic"];

impl<'n> Ranges<'n> {
    /// The table of that name; its schema is part of it.
    pub fn named(name: &'n str) -> Self {
        Self { name }
    }

    /// What is wrong with the table, with statements that mend it.
    ///
    /// # Errors
    /// Where it cannot be looked at.
    pub async fn problems(&self, connection: &Connection, user: &str) -> Result<Vec<Problem>, SinkFault> {
        let Connection { client, server, .. } = connection;
        let failed = |fault| classify(&format!("look at table `{}`", self.name), &fault);
        let Some(live) = catalog::table(client, server, self.name, "").await.map_err(failed)? else {
            return Ok(vec![self.problem("it does not exist, or its user may not see it", Some(self.create(server)))]);
        };
        let mut problems = self.wrong_columns(&live, server);
        let keys = catalog::unique_keys(client, server, self.name).await.map_err(failed)?;
        if problems.is_empty() && keys.iter().all(|key| *key != KEY) {
            let statement = format!("ALTER TABLE {} ADD UNIQUE ({})", qualified(self.name), key_columns());
            problems.push(self.problem(&format!("it has no unique key on {}", key_columns()), Some(statement)));
        }
        let rights = catalog::rows(client.simple_query(&self.rights()).await.map_err(failed)?);
        let right = |index| rights.first().and_then(|row| row.get(index)) == Some("t");
        if !right(0) {
            problems.push(self.problem("it is not logged, so that a crash of the server empties it", None));
        }
        if !right(1) {
            let statement = format!("GRANT SELECT, INSERT ON {} TO {}", qualified(self.name), identifier(user));
            problems.push(self.problem(&format!("`{user}` may not read it and insert into it"), Some(statement)));
        }
        Ok(problems)
    }

    fn problem(&self, problem: &str, statement: Option<String>) -> Problem {
        let problem =
            format!("exactly-once needs the table `{}` for the ranges that are written: {problem}", self.name);
        Problem { column: None, problem, statement }
    }

    fn wrong_columns(&self, live: &LiveTable, server: &Server) -> Vec<Problem> {
        let expected = || format!("expected what this makes: {}", self.create(server));
        let is_right = |(name, oid, _): &(&str, u32, &str)| {
            live.column(name).is_some_and(|column| column.kind.oid == *oid && !column.kind.array && !column.generated)
        };
        let wrong: Vec<_> = COLUMNS
            .iter()
            .filter(|column| !is_right(column))
            .map(|(name, _, kind)| format!("`{name}` {kind}"))
            .collect();
        let known = |name: &str| COLUMNS.iter().any(|(known, ..)| *known == name);
        let needed = live.columns.iter().filter(|column| column.not_null && !column.has_default && !column.generated);
        let foreign: Vec<_> = needed.filter(|column| !known(&column.name)).map(|column| column.name.as_str()).collect();
        let mut problems = Vec::new();
        if !live.is_plain() {
            problems.push(self.problem(&format!("it is not a plain table; {}", expected()), None));
        }
        if !wrong.is_empty() {
            problems.push(self.problem(&format!("it lacks the columns {}; {}", wrong.join(", "), expected()), None));
        }
        if !foreign.is_empty() {
            let names = foreign.join("`, `");
            problems.push(
                self.problem(&format!("its columns `{names}` need values, which no range has; {}", expected()), None),
            );
        }
        problems
    }

    fn create(&self, server: &Server) -> String {
        let columns: Vec<_> = COLUMNS.iter().map(|(name, _, kind)| format!("{name} {kind} NOT NULL")).collect();
        // Those of one partition lie together: a range asks one segment.
        let distribution = if server.greenplum { " DISTRIBUTED BY (lineage)" } else { "" };
        format!(
            "CREATE TABLE IF NOT EXISTS {} ({}, UNIQUE ({})){distribution}",
            qualified(self.name),
            columns.join(", "),
            key_columns()
        )
    }

    /// Whether it outlives a crash, and whether it may be read and added to.
    fn rights(&self) -> String {
        format!(
            "SELECT c.relpersistence = 'p', pg_catalog.has_table_privilege(c.oid, 'SELECT') \
             AND pg_catalog.has_table_privilege(c.oid, 'INSERT') FROM pg_catalog.pg_class c \
             JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE {}",
            is_named(self.name)
        )
    }

    /// Says that a range is there. Waits where another transaction that is open says so.
    pub fn insert(&self, Fence { tenant, lineage, range }: Fence<'_>) -> String {
        let Range { topic, partition, first, next } = range;
        let names: Vec<_> = COLUMNS.iter().map(|(name, ..)| *name).collect();
        format!(
            "INSERT INTO {} ({}) VALUES ('{:032x}', {}, {partition}, {first}, {next}, {}, pg_catalog.now())",
            qualified(self.name),
            names.join(", "),
            lineage.0,
            text(topic),
            text(tenant)
        )
    }

    /// Asks for the end of a range that is there.
    pub fn next(&self, Fence { lineage, range, .. }: Fence<'_>) -> String {
        let Range { topic, partition, first, .. } = range;
        format!(
            "SELECT next_offset FROM {} WHERE lineage = '{:032x}' AND topic = {} AND kafka_partition = {partition} \
             AND first_offset = {first}",
            qualified(self.name),
            lineage.0,
            text(topic)
        )
    }

    /// What came of a range that is said to be there.
    ///
    /// # Errors
    /// Where it is another.
    pub fn is_same(&self, range: &Range, next: Option<&str>) -> Result<(), SinkFault> {
        let Range { topic, partition, first, .. } = range;
        match next {
            Some(next) if next == range.next.to_string() => Ok(()),
            Some(next) => Err(SinkFault::Refused(format!(
                "table `{}` has the range of {topic}/{partition} from {first} to {next}, and the one to be written ends at {}: one of them \
                 is not what was planned",
                self.name, range.next
            ))),
            None => Err(SinkFault::Refused(format!(
                "table `{}` refuses the range {range}, and does not have it: it has another unique key than on {}",
                self.name,
                key_columns()
            ))),
        }
    }
}

/// In the order in which they are looked up, and Greenplum's distribution first.
fn key_columns() -> &'static str {
    "lineage, topic, kafka_partition, first_offset"
}
