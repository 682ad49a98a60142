//! The ClickHouse sink: rows go out as they came from the guest, in one insert a range and route.
//!
//! RowBinaryWithNamesAndTypes carries the names and types of the live table: after an `ALTER` the server refuses what does not
//! fit any more, where plain RowBinary would have been taken for other values.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use clickhouse::Client;
use clickhouse::error::Error;
use tokio::sync::Semaphore;

use super::{Mismatch, Problem, Sink, SinkFault, Table, Write};
use crate::config::{ClickHouseFormat, ClickHouseSettings, Compression};
use crate::plugin::BoxFuture;
use crate::rows::{Column, ColumnType};
use crate::text::shortened;

/// A ClickHouse server.
pub struct ClickHouse {
    client: Client,
    settings: ClickHouseSettings,
    /// Inserts under way at once, over all tables.
    inserts: Arc<Semaphore>,
}

struct ClickHouseTable {
    client: Client,
    insert: String,
    /// Names and types, in front of the rows; empty for plain RowBinary.
    header: Bytes,
    name: String,
    timeout: Duration,
    inserts: Arc<Semaphore>,
}

/// A column as the server has it.
#[derive(serde::Deserialize)]
struct LiveColumn {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    default_kind: String,
}

impl ClickHouse {
    /// A client for the server; connects when it is first used.
    pub fn new(settings: ClickHouseSettings) -> Self {
        let compression = match settings.compression {
            Compression::Lz4 => clickhouse::Compression::Lz4,
            Compression::None => clickhouse::Compression::None,
        };
        let mut client = Client::default()
            .with_url(&settings.url)
            .with_user(&settings.user)
            .with_compression(compression)
            .with_product_info("tidegate", env!("CARGO_PKG_VERSION"));
        if !settings.password.reveal().is_empty() {
            client = client.with_password(settings.password.reveal());
        }
        let inserts = Arc::new(Semaphore::new(settings.concurrency));
        Self { client, settings, inserts }
    }

    async fn live_columns(&self, table: &str) -> Result<Vec<LiveColumn>, SinkFault> {
        let (database, name) = match table.split_once('.') {
            Some((database, name)) => (text(database), name),
            None => ("currentDatabase()".to_owned(), table),
        };
        let query = format!(
            "SELECT name, type, default_kind FROM system.columns WHERE database = {database} AND table = {} ORDER BY name",
            text(name)
        );
        // Through a formatted answer, since the client's own row types are fixed when the gateway is compiled.
        let answer = async {
            let mut cursor = self.client.query_raw(&query).fetch_bytes("JSONEachRow")?;
            let all = cursor.collect().await?;
            Ok(all)
        };
        let answer = tokio::time::timeout(self.settings.timeout, answer).await.unwrap_or(Err(Error::TimedOut));
        let answer = answer.map_err(|fault| classify(&format!("read the columns of table `{table}`"), &fault))?;
        let lines = answer.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let columns: Result<Vec<LiveColumn>, _> = lines.map(serde_json::from_slice).collect();
        columns.map_err(|fault| {
            SinkFault::Unavailable(format!(
                "read the columns of table `{table}`: the answer of {} is not ClickHouse's: {fault}",
                self.settings.url
            ))
        })
    }
}

impl Sink for ClickHouse {
    fn open<'a>(&'a self, table: &'a str, columns: &'a [Column]) -> BoxFuture<'a, Result<Arc<dyn Table>, SinkFault>> {
        Box::pin(async move {
            let live = self.live_columns(table).await?;
            let kinds = compare(table, columns, &live).map_err(SinkFault::Mismatch)?;
            let (format, header) = match self.settings.format {
                ClickHouseFormat::RowBinary => ("RowBinary", Vec::new()),
                ClickHouseFormat::RowBinaryWithNamesAndTypes => ("RowBinaryWithNamesAndTypes", header(columns, &kinds)),
            };
            let names: Vec<_> = columns.iter().map(|column| quoted(&column.name)).collect();
            let qualified = table.split('.').map(quoted).collect::<Vec<_>>().join(".");
            let mut client = self.client.clone();
            if self.settings.format == ClickHouseFormat::RowBinaryWithNamesAndTypes {
                // An answer must mean that the rows are in the table. Servers that know no asynchronous inserts know no names.
                client = client.with_setting("async_insert", "0");
            }
            Ok(Arc::new(ClickHouseTable {
                client,
                insert: format!("INSERT INTO {qualified} ({}) FORMAT {format}", names.join(", ")),
                header: header.into(),
                name: table.to_owned(),
                timeout: self.settings.timeout,
                inserts: self.inserts.clone(),
            }) as Arc<dyn Table>)
        })
    }
}

impl Table for ClickHouseTable {
    fn write<'a>(&'a self, write: Write<'a>) -> BoxFuture<'a, Result<(), SinkFault>> {
        Box::pin(async move {
            let rows = write.rows;
            // Never closed, so that waiting cannot fail.
            let _permit = self.inserts.acquire().await;
            let insert = async {
                let mut insert = self.client.insert_formatted_with(&self.insert);
                if !self.header.is_empty() {
                    // Where the table has a window of insert tokens, a try after a lost answer doubles nothing, and two ranges that
                    // happen to hold the same rows are not taken for one. Servers without names know no tokens either.
                    insert = insert.with_setting("insert_deduplication_token", write.token.as_str());
                    insert.send(self.header.clone()).await?;
                }
                for chunk in &rows.chunks {
                    insert.send(chunk.bytes.clone()).await?;
                }
                insert.end().await
            };
            let answer = tokio::time::timeout(self.timeout, insert).await.unwrap_or(Err(Error::TimedOut));
            answer.map_err(|fault| classify(&format!("insert {} rows into table `{}`", rows.rows, self.name), &fault))
        })
    }
}

/// The live type of every declared column, or what is wrong and the statements that would mend it.
fn compare(table: &str, columns: &[Column], live: &[LiveColumn]) -> Result<Vec<String>, Mismatch> {
    let mut kinds = Vec::with_capacity(columns.len());
    let mut problems = Vec::new();
    if live.is_empty() {
        problems.push(missing(table, columns));
    } else {
        for column in columns {
            let found = live.iter().find(|live| live.name == column.name);
            match compare_column(table, column, found) {
                Ok(kind) => kinds.push(kind),
                Err(problem) => problems.push(problem),
            }
        }
    }
    if problems.is_empty() { Ok(kinds) } else { Err(Mismatch { table: table.to_owned(), problems }) }
}

fn missing(table: &str, columns: &[Column]) -> Problem {
    let columns: Vec<_> = columns.iter().map(|column| format!("{} {}", quoted(&column.name), column.kind)).collect();
    Problem {
        column: None,
        problem: "it does not exist, or its user may not see it".to_owned(),
        statement: Some(format!("CREATE TABLE {table} ({}) ENGINE = MergeTree ORDER BY tuple()", columns.join(", "))),
    }
}

fn compare_column(table: &str, column: &Column, found: Option<&LiveColumn>) -> Result<String, Problem> {
    let Column { name, kind } = column;
    let problem =
        |problem: String, statement: Option<String>| Problem { column: Some(name.clone()), problem, statement };
    let Some(found) = found else {
        let statement = format!("ALTER TABLE {table} ADD COLUMN {} {kind}", quoted(name));
        return Err(problem(format!("it has no column `{name}`"), Some(statement)));
    };
    if matches!(found.default_kind.as_str(), "MATERIALIZED" | "ALIAS") {
        return Err(problem(format!("its column `{name}` is {}, which takes no values", found.default_kind), None));
    }
    match found.kind.parse::<ColumnType>() {
        Ok(live) if kind.same_bytes(&live) => Ok(found.kind.clone()),
        _ => {
            let statement = format!("ALTER TABLE {table} MODIFY COLUMN {} {kind}", quoted(name));
            let wrong = format!("its column `{name}` is {}, but the plugin writes {kind}", found.kind);
            Err(problem(wrong, Some(statement)))
        }
    }
}

/// The head of RowBinaryWithNamesAndTypes: the count of columns, their names, their types, as length-prefixed texts.
fn header(columns: &[Column], kinds: &[String]) -> Vec<u8> {
    let mut header = Vec::new();
    write_length(columns.len(), &mut header);
    for text in columns.iter().map(|column| &column.name).chain(kinds) {
        write_length(text.len(), &mut header);
        header.extend_from_slice(text.as_bytes());
    }
    header
}

/// LEB128, as RowBinary writes lengths.
fn write_length(mut length: usize, out: &mut Vec<u8>) {
    while length >= 0x80 {
        // The lowest seven bits fit a byte.
        out.push(u8::try_from(length & 0x7f).unwrap_or_default() | 0x80);
        length >>= 7;
    }
    out.push(u8::try_from(length).unwrap_or_default());
}

fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('\\', "\\\\").replace('`', "\\`"))
}

fn text(value: &str) -> String {
    format!("'{}'", value.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// Errors that somebody has to mend, by ClickHouse's codes; all others may pass by themselves.
/// 16 no such column, 53 types do not fit, 60 no such table, 81 no such database, 117 names or types of the header do not fit,
/// 164 read-only, 192 to 194 and 516 wrong user or password, 497 not enough rights.
const REFUSED: [u32; 11] = [16, 53, 60, 81, 117, 164, 192, 193, 194, 497, 516];

/// An answer quotes the statement and lists columns: its beginning says what is wrong.
const LONGEST_ANSWER: usize = 500;

fn classify(action: &str, fault: &Error) -> SinkFault {
    match fault {
        Error::BadResponse(answer) => {
            let answer = answer.trim();
            let text = format!("{action}: {}", shortened(answer.to_owned(), LONGEST_ANSWER));
            match code(answer).is_some_and(|code| REFUSED.contains(&code)) {
                true => SinkFault::Refused(text),
                false => SinkFault::Unavailable(text),
            }
        }
        Error::Network(cause) => SinkFault::Unavailable(format!("{action}: network error: {}", chain(&**cause))),
        other => SinkFault::Unavailable(format!("{action}: {other}")),
    }
}

/// The number in `Code: 516. DB::Exception: ...`.
fn code(answer: &str) -> Option<u32> {
    let rest = answer.split_once("Code: ")?.1;
    let end = rest.find(|c: char| !c.is_ascii_digit())?;
    rest.get(..end)?.parse().ok()
}

fn chain(fault: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(fault), |fault| fault.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn live(columns: &[(&str, &str, &str)]) -> Vec<LiveColumn> {
        let column = |(name, kind, default): &(&str, &str, &str)| LiveColumn {
            name: (*name).into(),
            kind: (*kind).into(),
            default_kind: (*default).into(),
        };
        columns.iter().map(column).collect()
    }

    fn declared(columns: &[(&str, &str)]) -> Vec<Column> {
        columns.iter().map(|(name, kind)| Column { name: (*name).into(), kind: kind.parse().unwrap() }).collect()
    }

    #[test]
    fn the_live_types_are_what_the_header_says() {
        let live = live(&[
            ("extra", "Map(String, String)", ""),
            ("at", "DateTime64(3, 'UTC')", ""),
            ("name", "LowCardinality(String)", "DEFAULT"),
        ]);
        let kinds = compare("t", &declared(&[("name", "String"), ("at", "DateTime64(3)")]), &live);
        assert_eq!(kinds, Ok(vec!["LowCardinality(String)".to_owned(), "DateTime64(3, 'UTC')".to_owned()]));
    }

    #[test]
    fn all_that_does_not_fit_is_said_at_once_with_the_statement_that_helps() {
        let live = live(&[("a", "Int64", ""), ("m", "UInt8", "MATERIALIZED")]);
        let problem =
            compare("shop.t", &declared(&[("a", "UInt64"), ("b", "String"), ("m", "UInt8")]), &live).unwrap_err();
        assert_eq!(
            problem.to_string(),
            "table `shop.t` does not fit the plugin: its column `a` is Int64, but the plugin writes UInt64; \
             ALTER TABLE shop.t MODIFY COLUMN `a` UInt64; \
             it has no column `b`; ALTER TABLE shop.t ADD COLUMN `b` String; \
             its column `m` is MATERIALIZED, which takes no values"
        );
        assert!(
            compare("shop.t", &declared(&[("a", "UInt64")]), &[])
                .unwrap_err()
                .to_string()
                .contains("CREATE TABLE shop.t (`a` UInt64)")
        );
    }

    #[test]
    fn errors_that_somebody_must_mend_are_told_from_those_that_pass() {
        let classified = |answer: &str| classify("insert", &Error::BadResponse(answer.to_owned()));
        assert!(matches!(
            classified("Code: 516. DB::Exception: default: Authentication failed"),
            SinkFault::Refused(_)
        ));
        assert!(matches!(classified("Code: 241. DB::Exception: Memory limit"), SinkFault::Unavailable(_)));
        assert!(matches!(classified("Bad Gateway"), SinkFault::Unavailable(_)));
        assert!(matches!(classify("insert", &Error::TimedOut), SinkFault::Unavailable(_)));
    }
}
