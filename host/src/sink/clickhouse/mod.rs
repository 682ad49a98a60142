//! The ClickHouse sink: rows go out as they came from the guest, in one insert a range and route.
//!
//! RowBinaryWithNamesAndTypes carries the names and types of the live table: after an `ALTER` the server refuses what does not
//! fit any more, where plain RowBinary would have been taken for other values.

mod classify;
mod columns;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use clickhouse::Client;
use clickhouse::error::Error;
use tokio::sync::Semaphore;

use self::classify::classify;
use self::columns::{LiveColumn, compare, object_columns};
use super::{Mismatch, Rule, Sink, SinkFault, Table, Write};
use crate::config::{ClickHouseFormat, ClickHouseSettings, Compression};
use crate::plugin::BoxFuture;
use crate::rows::{Column, ObjectColumns};

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
    /// Names and types, in front of the rows; empty for formats without them.
    header: Bytes,
    /// Whether inserts carry a token; servers that know no names know no tokens either.
    tokens: bool,
    /// What objects may hold, where rows are objects.
    objects: Option<ObjectColumns>,
    name: String,
    timeout: Duration,
    inserts: Arc<Semaphore>,
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
            let written = match columns {
                [] => self.objects(table, &live),
                columns => self.rows(table, columns, &live),
            };
            Ok(Arc::new(written.map_err(SinkFault::Mismatch)?) as Arc<dyn Table>)
        })
    }
}

impl ClickHouse {
    /// A table that takes rows of these columns.
    fn rows(&self, table: &str, columns: &[Column], live: &[LiveColumn]) -> Result<ClickHouseTable, Mismatch> {
        let kinds = compare(table, columns, live)?;
        let (format, header) = match self.settings.format {
            ClickHouseFormat::RowBinary => ("RowBinary", Vec::new()),
            ClickHouseFormat::RowBinaryWithNamesAndTypes => ("RowBinaryWithNamesAndTypes", header(columns, &kinds)),
        };
        let names: Vec<_> = columns.iter().map(|column| quoted(&column.name)).collect();
        let insert = format!("INSERT INTO {} ({}) FORMAT {format}", qualified(table), names.join(", "));
        let mut written = self.table(table, insert);
        if columns.iter().any(|column| column.kind.holds_json()) {
            // Otherwise the server expects an encoding of its own instead of the text.
            written.client = written.client.with_setting("input_format_binary_read_json_as_string", "1");
        }
        written.header = header.into();
        Ok(written)
    }

    /// A table that takes JSON objects. Only what the server does by default today is left to it.
    fn objects(&self, table: &str, live: &[LiveColumn]) -> Result<ClickHouseTable, Mismatch> {
        if live.is_empty() {
            return compare(table, &[], live).map(|_| self.table(table, String::new()));
        }
        let mut written = self.table(table, format!("INSERT INTO {} FORMAT JSONEachRow", qualified(table)));
        for (setting, value) in OBJECT_SETTINGS {
            written.client = written.client.with_setting(setting, value);
        }
        written.objects = Some(object_columns(live));
        Ok(written)
    }

    fn table(&self, table: &str, insert: String) -> ClickHouseTable {
        let mut client = self.client.clone();
        let tokens = self.settings.format == ClickHouseFormat::RowBinaryWithNamesAndTypes;
        if tokens {
            // An answer must mean that the rows are in the table. Servers that know no asynchronous inserts know no names.
            client = client.with_setting("async_insert", "0");
        }
        ClickHouseTable {
            client,
            insert,
            header: Bytes::new(),
            tokens,
            objects: None,
            name: table.to_owned(),
            timeout: self.settings.timeout,
            inserts: self.inserts.clone(),
        }
    }
}

impl Rule for ObjectColumns {
    fn refuses(&self, row: &[u8]) -> Option<String> {
        self.check(row).err()
    }
}

/// How objects are read: nothing unknown is skipped, no null becomes a default, times may be ISO 8601.
const OBJECT_SETTINGS: [(&str, &str); 4] = [
    ("input_format_skip_unknown_fields", "0"),
    ("input_format_null_as_default", "0"),
    ("input_format_defaults_for_omitted_fields", "1"),
    ("date_time_input_format", "best_effort"),
];

impl Table for ClickHouseTable {
    fn rule(&self) -> Option<&dyn Rule> {
        self.objects.as_ref().map(|objects| objects as &dyn Rule)
    }

    fn write<'a>(&'a self, write: Write<'a>) -> BoxFuture<'a, Result<(), SinkFault>> {
        Box::pin(async move {
            let rows = write.rows;
            // Never closed, so that waiting cannot fail.
            let _permit = self.inserts.acquire().await;
            let insert = async {
                let mut insert = self.client.insert_formatted_with(&self.insert);
                if self.tokens {
                    // Where the table has a window of insert tokens, a try after a lost answer doubles nothing, and two ranges that
                    // happen to hold the same rows are not taken for one.
                    insert = insert.with_setting("insert_deduplication_token", write.token.as_str());
                }
                if !self.header.is_empty() {
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

fn qualified(table: &str) -> String {
    table.split('.').map(quoted).collect::<Vec<_>>().join(".")
}

fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('\\', "\\\\").replace('`', "\\`"))
}

fn text(value: &str) -> String {
    format!("'{}'", value.replace('\\', "\\\\").replace('\'', "\\'"))
}
