//! An open table of a ClickHouse server: inserts, and what becomes of them when somebody alters the table meanwhile.
//!
//! What is sent has a [`Form`]: the statement, the head of the rows, and the live columns that both were made for. A refused insert
//! makes the table look again: where the declared columns still fit, in another way, the form is made anew, and the next try goes
//! through; where they do not, the mismatch is told with its statements. Formats that carry no types would take bytes for
//! other values without a word, so there the table looks before every insert.

use std::sync::Arc;

use bytes::Bytes;
use clickhouse::Client;
use clickhouse::error::Error;
use parking_lot::Mutex;

use super::Server;
use super::classify::classify;
use super::columns::{LiveTable, changed, compare, object_columns};
use super::names::{qualified, quoted};
use crate::config::ClickHouseFormat;
use crate::plugin::BoxFuture;
use crate::rows::{Column, ObjectColumns};
use crate::sink::{LeftOut, Mismatch, Rule, SinkFault, Table, Write};

/// A table that takes rows of known columns, or JSON objects where there are none.
pub(super) struct ClickHouseTable {
    server: Arc<Server>,
    /// As the pipeline file calls it.
    name: String,
    columns: Vec<Column>,
    form: Mutex<Arc<Form>>,
    /// What objects may hold, where rows are objects. Stays as it was at the start: rows under way were checked by it.
    objects: Option<ObjectColumns>,
}

/// How rows are sent, made for the live columns as they were seen last.
struct Form {
    client: Client,
    insert: String,
    /// Names and types, in front of the rows; empty for formats without them.
    header: Bytes,
    live: LiveTable,
}

/// What the promise rests on, whatever the server's profile says: an answer means that the rows are in the table, on every node
/// that they belong to, and rows whose head does not fit the table are refused. Servers that know none of it know no names.
const SETTINGS: [(&str, &str); 4] = [
    ("async_insert", "0"),
    ("insert_distributed_sync", "1"),
    ("input_format_with_names_use_header", "1"),
    ("input_format_with_types_use_header", "1"),
];

/// How objects are read: no error is passed over, nothing unknown is skipped, no null becomes a default, times may be ISO 8601.
const OBJECT_SETTINGS: [(&str, &str); 6] = [
    ("input_format_allow_errors_num", "0"),
    ("input_format_allow_errors_ratio", "0"),
    ("input_format_skip_unknown_fields", "0"),
    ("input_format_null_as_default", "0"),
    ("input_format_defaults_for_omitted_fields", "1"),
    ("date_time_input_format", "best_effort"),
];

impl ClickHouseTable {
    /// Fails where the declared columns do not fit the live ones.
    pub fn new(server: Arc<Server>, name: &str, columns: &[Column], live: LiveTable) -> Result<Self, Mismatch> {
        let form = Form::new(&server, name, columns, live)?;
        let objects = columns.is_empty().then(|| object_columns(&form.live.columns));
        let form = Mutex::new(Arc::new(form));
        Ok(Self { server, name: name.to_owned(), columns: columns.to_vec(), form, objects })
    }

    fn form(&self) -> Arc<Form> {
        self.form.lock().clone()
    }

    async fn insert(&self, form: &Form, write: Write<'_>) -> Result<(), SinkFault> {
        let rows = write.rows;
        let insert = async {
            let mut insert = form.client.insert_formatted_with(&form.insert);
            if self.server.is_current() {
                // Where the table has a window of insert tokens, a try after a lost answer doubles nothing, and two ranges that
                // happen to hold the same rows are not taken for one.
                insert = insert.with_setting("insert_deduplication_token", write.token.as_str());
            }
            if !form.header.is_empty() {
                insert.send(form.header.clone()).await?;
            }
            for chunk in &rows.chunks {
                insert.send(chunk.bytes.clone()).await?;
            }
            insert.end().await
        };
        let answer = tokio::time::timeout(self.server.settings.timeout, insert).await.unwrap_or(Err(Error::TimedOut));
        answer.map_err(|fault| classify(&format!("insert {} rows into table `{}`", rows.rows, self.name), &fault))
    }

    /// Whether the format alone makes the server refuse rows that do not fit any more.
    fn sends_types(&self) -> bool {
        self.objects.is_none() && self.server.is_current()
    }

    /// Makes the form anew where the table is not what it was.
    ///
    /// # Errors
    /// Where rows of the declared columns do not fit it any more, or it cannot be read.
    async fn look_again(&self) -> Result<(), SinkFault> {
        let live = self.server.live_table(&self.name).await?;
        let before = self.form();
        if live == before.live {
            return Ok(());
        }
        if self.objects.is_some() {
            return match changed(&self.name, &before.live, &live) {
                Some(mismatch) => Err(SinkFault::Mismatch(mismatch)),
                None => Ok(()),
            };
        }
        let form = Form::new(&self.server, &self.name, &self.columns, live).map_err(SinkFault::Mismatch)?;
        tracing::info!(table = self.name, "the table was altered and still fits; goes on with its new columns");
        *self.form.lock() = Arc::new(form);
        Ok(())
    }
}

impl Table for ClickHouseTable {
    fn as_any(&self) -> &dyn std::any::Any {
        self
    }

    fn rule(&self) -> Option<&dyn Rule> {
        self.objects.as_ref().map(|objects| objects as &dyn Rule)
    }

    fn write<'a>(&'a self, write: Write<'a>) -> BoxFuture<'a, Result<(), SinkFault>> {
        Box::pin(async move {
            let _turn = self.server.inserts.take(write.tenant).await;
            if !self.sends_types() {
                self.look_again().await?;
            }
            match self.insert(&self.form(), write).await {
                Err(SinkFault::Refused(refusal)) => match self.look_again().await {
                    // What the table lacks says more than what the server made of the insert.
                    Err(SinkFault::Mismatch(mismatch)) => Err(SinkFault::Mismatch(mismatch)),
                    _ => Err(SinkFault::Refused(refusal)),
                },
                written => written,
            }
        })
    }

    fn left_out(&self) -> Vec<LeftOut> {
        // Which columns an object brings, only the object tells.
        if self.objects.is_some() { Vec::new() } else { self.form().live.left_out(&self.columns) }
    }
}

impl Form {
    fn new(server: &Server, name: &str, columns: &[Column], live: LiveTable) -> Result<Self, Mismatch> {
        let kinds = compare(name, columns, &live)?;
        let mut client = server.client.clone();
        if server.is_current() {
            client = SETTINGS.into_iter().fold(client, |client, (key, value)| client.with_setting(key, value));
        }
        if columns.is_empty() {
            let client =
                OBJECT_SETTINGS.into_iter().fold(client, |client, (key, value)| client.with_setting(key, value));
            let insert = format!("INSERT INTO {} FORMAT JSONEachRow", qualified(name));
            return Ok(Self { client, insert, header: Bytes::new(), live });
        }
        if columns.iter().any(|column| column.kind.holds_json()) {
            // Otherwise the server expects an encoding of its own instead of the text.
            client = client.with_setting("input_format_binary_read_json_as_string", "1");
        }
        let (format, header) = match server.settings.format {
            ClickHouseFormat::RowBinary => ("RowBinary", Vec::new()),
            ClickHouseFormat::RowBinaryWithNamesAndTypes => ("RowBinaryWithNamesAndTypes", header(columns, &kinds)),
        };
        let names: Vec<_> = columns.iter().map(|column| quoted(&column.name)).collect();
        let insert = format!("INSERT INTO {} ({}) FORMAT {format}", qualified(name), names.join(", "));
        Ok(Self { client, insert, header: header.into(), live })
    }
}

impl Rule for ObjectColumns {
    fn refuses(&self, row: &[u8]) -> Option<String> {
        self.check(row).err()
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
