//! What the server says of itself and of a table, through its catalogs.

use tokio_postgres::{Client, Error, SimpleQueryMessage, SimpleQueryRow};

use super::mapping::LiveType;
use super::quote::text;
use crate::rows::Column;
use crate::sink::LeftOut;

/// A server, as far as statements depend on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// As in 150000; Greenplum says that of the PostgreSQL it is made of.
    pub version: u32,
    /// Whether it is Greenplum.
    pub greenplum: bool,
    /// Of the database's texts.
    pub encoding: String,
    /// Whether times are integers; a server before 10 could be built otherwise.
    pub integer_times: bool,
}

/// A table, as COPY will find it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveTable {
    /// `r` is a table, `p` a partitioned one, `f` a foreign one, `v` a view, `x` an external table of Greenplum 6.
    kind: String,
    /// In their order.
    pub columns: Vec<LiveColumn>,
}

/// A column of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveColumn {
    pub name: String,
    pub kind: LiveType,
    pub not_null: bool,
    /// Whether it gets a value where it is not written.
    pub has_default: bool,
    /// Whether its values are computed.
    pub generated: bool,
}

/// Reads what the server is.
pub async fn server(client: &Client) -> Result<Server, Error> {
    let query = "SELECT current_setting('server_version_num'), version(), current_setting('server_encoding'), \
                 current_setting('integer_datetimes')";
    let answer = rows(client.simple_query(query).await?);
    let field = |index| answer.first().and_then(|row| row.get(index)).unwrap_or_default();
    Ok(Server {
        version: field(0).parse().unwrap_or_default(),
        greenplum: field(1).contains("Greenplum"),
        encoding: field(2).to_owned(),
        integer_times: field(3) == "on",
    })
}

/// Reads a table's columns behind the statement `first`, in one message; none where there is no such table.
pub async fn table(client: &Client, server: &Server, name: &str, first: &str) -> Result<Option<LiveTable>, Error> {
    let answer = rows(client.simple_query(&format!("{first}{}", query(server, name))).await?);
    let Some(row) = answer.first() else { return Ok(None) };
    let kind = row.get(0).unwrap_or_default().to_owned();
    Ok(Some(LiveTable { kind, columns: answer.iter().filter_map(column).collect() }))
}

/// The columns of each unique key of a table that holds for every row and at once, in the order of their names.
pub async fn unique_keys(client: &Client, server: &Server, name: &str) -> Result<Vec<Vec<String>>, Error> {
    // Columns that an index only carries along are no part of its key.
    let bare = if server.version >= 110_000 { "AND i.indnkeyatts = i.indnatts" } else { "" };
    let query = format!(
        "SELECT i.indexrelid, a.attname FROM pg_catalog.pg_class c \
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         JOIN pg_catalog.pg_index i ON i.indrelid = c.oid \
         JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey) \
         WHERE {} AND i.indisunique AND i.indimmediate AND i.indisvalid \
         AND i.indpred IS NULL AND i.indexprs IS NULL {bare} ORDER BY 1, 2",
        is_named(name)
    );
    let mut keys = std::collections::BTreeMap::<String, Vec<String>>::new();
    for row in rows(client.simple_query(&query).await?) {
        if let (Some(index), Some(column)) = (row.get(0), row.get(1)) {
            keys.entry(index.to_owned()).or_default().push(column.to_owned());
        }
    }
    Ok(keys.into_values().collect())
}

/// The condition for `c` in `n` to be the table of that name.
pub fn is_named(name: &str) -> String {
    match name.split_once('.') {
        Some((schema, name)) => format!("c.relname = {} AND n.nspname = {}", text(name), text(schema)),
        None => format!("c.relname = {} AND pg_catalog.pg_table_is_visible(c.oid)", text(name)),
    }
}

fn query(server: &Server, name: &str) -> String {
    let generated = if server.version >= 120_000 { "a.attgenerated <> ''" } else { "false" };
    let identity = if server.version >= 100_000 { "a.attidentity <> ''" } else { "false" };
    // Greenplum 6 tells external tables, which wait for whoever is behind their address, by this alone.
    let kind = match server.greenplum && server.version < 120_000 {
        true => "CASE c.relstorage WHEN 'x' THEN 'x' ELSE c.relkind END",
        false => "c.relkind",
    };
    format!(
        "SELECT {kind}, a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), \
         CASE WHEN t.typoutput = 'pg_catalog.array_out'::pg_catalog.regproc THEN t.typelem ELSE 0 END, \
         a.atttypid, a.atttypmod, a.attnotnull, \
         a.atthasdef OR t.typdefault IS NOT NULL OR {identity}, {generated} \
         FROM pg_catalog.pg_class c \
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
         LEFT JOIN pg_catalog.pg_type t ON t.oid = a.atttypid \
         WHERE {} AND c.relkind IN ('r', 'p', 'f', 'v', 'm') ORDER BY a.attnum",
        is_named(name)
    )
}

/// None for the one row of a table without columns.
fn column(row: &SimpleQueryRow) -> Option<LiveColumn> {
    let number = |index| row.get(index).and_then(|number| number.parse::<u32>().ok());
    let element = number(3)?;
    let kind = LiveType {
        oid: if element == 0 { number(4)? } else { element },
        array: element != 0,
        modifier: row.get(5)?.parse().ok()?,
        text: row.get(2)?.to_owned(),
    };
    let is_true = |index| row.get(index) == Some("t");
    let (not_null, has_default, generated) = (is_true(6), is_true(7), is_true(8));
    Some(LiveColumn { name: row.get(1)?.to_owned(), kind, not_null, has_default, generated })
}

/// The rows of a query's answer.
pub fn rows(answer: Vec<SimpleQueryMessage>) -> Vec<SimpleQueryRow> {
    let row = |message| if let SimpleQueryMessage::Row(row) = message { Some(row) } else { None };
    answer.into_iter().filter_map(row).collect()
}

impl LiveTable {
    /// A plain table, for tests.
    #[cfg(test)]
    pub fn of(columns: Vec<LiveColumn>) -> Self {
        Self { kind: "r".to_owned(), columns }
    }

    /// The column of that name.
    pub fn column(&self, name: &str) -> Option<&LiveColumn> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// Its columns that are not among those written. None of them needs a value: that is for the plan to see.
    pub fn left_out(&self, written: &[Column]) -> Vec<LeftOut> {
        let others = self.columns.iter().filter(|live| written.iter().all(|column| column.name != live.name));
        let filled_by = |live: &LiveColumn| match (live.generated, live.has_default) {
            (true, _) => "it is generated",
            (false, true) => "it gets its default",
            (false, false) => "it is NULL",
        };
        others.map(|live| LeftOut { column: live.name.clone(), filled_by: filled_by(live).to_owned() }).collect()
    }

    /// Whether it is a table and nothing else.
    pub fn is_plain(&self) -> bool {
        self.kind == "r"
    }

    /// What it is, where it is nothing to write into.
    pub fn unsuitable(&self) -> Option<&'static str> {
        match self.kind.as_str() {
            "v" => Some("a view"),
            "m" => Some("a materialized view"),
            "x" => Some("an external table"),
            _ => None,
        }
    }
}
