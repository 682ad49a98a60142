//! A table on the real server, written through the gateway's own sink.

use std::sync::Arc;

use anyhow::{Context, ensure};
use tidegate::config::{GatewaySettings, Guarantee};
use tidegate::pipeline::{Chunk, Range, RouteRows, Token, mint_lineage};
use tidegate::rows::Column;
use tidegate::sink::{self, Sink, Write};
use tidegate_tests::harness::Services;

/// Types that a server asks to be allowed, and how it shall print.
const SETTINGS: &str = "flatten_nested=0&allow_suspicious_low_cardinality_types=1&enable_time_time64_type=1\
     &allow_suspicious_variant_types=1&output_format_json_quote_64bit_integers=0&output_format_json_quote_decimals=0\
     &output_format_json_quote_denormals=0&output_format_json_named_tuples_as_objects=1&output_format_binary_write_json_as_string=1";

/// A server with a database of its own.
pub struct Server {
    runtime: tokio::runtime::Runtime,
    client: reqwest::Client,
    url: String,
    user: Option<(String, String)>,
    sink: Arc<dyn Sink>,
    database: String,
}

impl Server {
    pub fn new() -> anyhow::Result<Self> {
        let services = Services::find()?;
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("gateway.toml");
        let user = Services::clickhouse_user();
        let (name, secret) = user.clone().unwrap_or(("default".to_owned(), String::new()));
        std::fs::write(folder.path().join("secret"), secret)?;
        let text = format!(
            "[kafka]\n\"bootstrap.servers\" = \"127.0.0.1:1\"\n\n[sinks.dwh]\ntype = \"clickhouse\"\nurl = \"{}\"\n\
             user = \"{name}\"\npassword = {{ file = \"secret\" }}\ninserts_per_second = 1000\n",
            services.clickhouse
        );
        std::fs::write(&file, text)?;
        let settings = GatewaySettings::read(&file)?;
        let server = Self {
            runtime: tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?,
            client: reqwest::Client::builder().no_proxy().build()?,
            url: services.clickhouse,
            user,
            sink: sink::new(settings.sinks.get("dwh").context("there is no sink")?),
            database: format!("types_{:08x}", rand::random::<u32>()),
        };
        server.run(&format!("CREATE DATABASE {}", server.database))?;
        Ok(server)
    }

    /// Makes the table anew, writes the rows through the sink, and reads them back in their order.
    pub fn write_and_read(&self, columns: &[Column], rows: &[Vec<u8>], format: &str) -> anyhow::Result<Vec<u8>> {
        let table = format!("{}.t", self.database);
        self.run(&format!("DROP TABLE IF EXISTS {table}"))?;
        let described: Vec<_> = columns.iter().map(|column| format!("{} {}", column.name, column.kind)).collect();
        self.run(&format!("CREATE TABLE {table} ({}) ENGINE = Memory", described.join(", ")))?;
        let count = rows.len();
        let range = Range { topic: "t".into(), partition: 0, first: 0, next: i64::try_from(count)? };
        let ends = rows.iter().scan(0u32, |end, row| {
            *end += u32::try_from(row.len()).unwrap();
            Some(*end)
        });
        let chunk =
            Chunk { bytes: rows.concat().into(), ends: ends.collect(), origins: (0..u32::try_from(count)?).collect() };
        let rows = RouteRows::of(vec![chunk]);
        let token = Token::new(mint_lineage(), &range, 0);
        self.runtime.block_on(async {
            let table = self.sink.open(&table, columns, Guarantee::AtLeastOnce).await?;
            table.write(Write { tenant: "acme", token: &token, range: &range, rows: &rows }).await
        })?;
        self.read(format)
    }

    /// Reads the table as it is.
    pub fn read(&self, format: &str) -> anyhow::Result<Vec<u8>> {
        self.run(&format!("SELECT * FROM {}.t FORMAT {format}", self.database))
    }

    fn run(&self, statement: &str) -> anyhow::Result<Vec<u8>> {
        let mut request = self.client.post(format!("{}/?{SETTINGS}", self.url)).body(statement.to_owned());
        if let Some((name, secret)) = &self.user {
            request = request.header("X-ClickHouse-User", name).header("X-ClickHouse-Key", secret);
        }
        let (status, body) = self.runtime.block_on(async {
            let response = request.send().await?;
            anyhow::Ok((response.status(), response.bytes().await?))
        })?;
        ensure!(status.is_success(), "`{statement}`: {}", String::from_utf8_lossy(&body));
        Ok(body.to_vec())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.run(&format!("DROP DATABASE IF EXISTS {}", self.database));
    }
}
