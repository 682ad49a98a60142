//! How rows are sent to a table: the statement, the head of the rows, and the live columns that both were made for.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use clickhouse::Client;
use clickhouse::error::Error;

use super::columns::{LiveTable, compare};
use super::names::quoted;
use super::server::Server;
use super::settings::Known;
use crate::config::{ClickHouseFormat, Guarantee};
use crate::rows::Column;
use crate::sink::Mismatch;

/// What is asked of a table, whatever it is altered to.
pub(super) struct Declared {
    pub server: Arc<Server>,
    /// As the pipeline file calls it.
    pub name: String,
    /// None where rows are objects.
    pub columns: Vec<Column>,
    /// What can be said with an insert.
    pub known: Known,
    pub guarantee: Guarantee,
    /// The settings of the table, were it made anew.
    pub made_with: Option<String>,
}

/// How rows are sent, made for the live columns as they were seen last.
pub(super) struct Form {
    /// With all settings but the token.
    pub client: Client,
    pub live: LiveTable,
    /// What follows the table's name in the statement.
    layout: String,
    /// Names and types, in front of the rows; empty for formats without them.
    header: Bytes,
}

impl Declared {
    /// How rows are sent to a table with these columns.
    pub fn form(&self, live: LiveTable) -> Result<Form, Mismatch> {
        let kinds = compare(&self.name, &self.columns, &live, self.made_with.as_deref())?;
        let mut client = self.known.always(self.server.client.clone());
        if self.guarantee == Guarantee::ExactlyOnce {
            client = self.known.exactly_once(client);
        }
        if self.columns.is_empty() {
            client = self.known.objects(client);
            return Ok(Form { client, layout: "FORMAT JSONEachRow".to_owned(), header: Bytes::new(), live });
        }
        if self.columns.iter().any(|column| column.kind.holds_json()) {
            // Otherwise the server expects an encoding of its own instead of the text.
            client = client.with_setting("input_format_binary_read_json_as_string", "1");
        }
        let (format, header) = match self.server.settings.format {
            ClickHouseFormat::RowBinary => ("RowBinary", Vec::new()),
            ClickHouseFormat::RowBinaryWithNamesAndTypes => {
                ("RowBinaryWithNamesAndTypes", header(&self.columns, &kinds))
            }
        };
        let names: Vec<_> = self.columns.iter().map(|column| quoted(&column.name)).collect();
        let layout = format!("({}) FORMAT {format}", names.join(", "));
        Ok(Form { client, layout, header: header.into(), live })
    }
}

impl Form {
    /// One insert into a table, named as in a statement.
    pub async fn send(&self, client: &Client, table: &str, rows: Vec<Bytes>, timeout: Duration) -> Result<(), Error> {
        let insert = async {
            let mut insert = client.insert_formatted_with(format!("INSERT INTO {table} {}", self.layout));
            if !self.header.is_empty() {
                insert.send(self.header.clone()).await?;
            }
            for piece in rows {
                insert.send(piece).await?;
            }
            insert.end().await
        };
        tokio::time::timeout(timeout, insert).await.unwrap_or(Err(Error::TimedOut))
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
