//! A database of its own on the real engine, and rows that go into it through the sink.

use std::sync::Arc;

use anyhow::{Context, ensure};
use tidegate::config::{GatewaySettings, Guarantee};
use tidegate::pipeline::{Chunk, Lineage, Range, RouteRows, Token};
use tidegate::rows::Column;
use tidegate::sink::{self, Blamed, Sink, SinkFault, Table, Write};
use tidegate_tests::harness::Services;

/// A database of its own.
pub struct Stand {
    runtime: tokio::runtime::Runtime,
    client: reqwest::Client,
    /// The address of the engine.
    pub url: String,
    sink: Arc<dyn Sink>,
    /// The database's name.
    pub database: String,
}

/// Rows with what makes them a write.
pub struct Batch {
    pub token: Token,
    range: Range,
    rows: RouteRows,
}

/// Two routes of a range, and the lineage that most tests write under.
pub const ROUTE: usize = 0;
pub const OTHER_ROUTE: usize = 1;
pub const LINEAGE: Lineage = Lineage(7);

/// Enough for every test that is not about windows.
pub const WINDOW: &str = "SETTINGS non_replicated_deduplication_window = 10000";

impl Stand {
    pub fn new() -> anyhow::Result<Self> {
        let services = Services::find()?;
        let stand = Self {
            runtime: tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?,
            client: reqwest::Client::builder().no_proxy().build()?,
            sink: new_sink(&services.clickhouse, "")?,
            url: services.clickhouse,
            database: format!("once_{:08x}", rand::random::<u32>()),
        };
        stand.run(&format!("CREATE DATABASE {}", stand.database))?;
        Ok(stand)
    }

    /// A sink of its own, with these keys in its section of the gateway's file.
    pub fn sink(&self, url: &str, keys: &str) -> anyhow::Result<Arc<dyn Sink>> {
        new_sink(url, keys)
    }

    /// Runs a statement, in which `{db}` is the database, and returns the answer.
    pub fn run(&self, statement: &str) -> anyhow::Result<String> {
        let statement = statement.replace("{db}", &self.database);
        let mut request = self.client.post(format!("{}/?mutations_sync=1", self.url)).body(statement.clone());
        if let Some((name, secret)) = Services::clickhouse_user() {
            request = request.header("X-ClickHouse-User", name).header("X-ClickHouse-Key", secret);
        }
        let (status, body) = self.runtime.block_on(async {
            let response = request.send().await?;
            anyhow::Ok((response.status(), response.text().await?))
        })?;
        ensure!(status.is_success(), "`{statement}`: {body}");
        Ok(body.trim().to_owned())
    }

    /// A number that a question answers.
    pub fn number(&self, question: &str) -> anyhow::Result<u64> {
        let answer = self.run(question)?;
        answer.parse().with_context(|| format!("`{question}` answers {answer}"))
    }

    /// How many rows a table has.
    pub fn count(&self, table: &str) -> anyhow::Result<u64> {
        self.number(&format!("SELECT count() FROM {{db}}.{table}"))
    }

    /// Opens a table of the database through the usual sink.
    pub fn open(&self, table: &str, columns: &str, guarantee: Guarantee) -> Result<Arc<dyn Table>, SinkFault> {
        self.open_in(&self.sink, table, columns, guarantee)
    }

    /// The same through another sink.
    pub fn open_in(
        &self,
        sink: &Arc<dyn Sink>,
        table: &str,
        columns: &str,
        guarantee: Guarantee,
    ) -> Result<Arc<dyn Table>, SinkFault> {
        let columns = columns_of(columns);
        self.runtime.block_on(sink.open(&format!("{}.{table}", self.database), &columns, guarantee))
    }

    /// The same for exactly once, which the table must be fit for.
    pub fn exact(&self, table: &str, columns: &str) -> anyhow::Result<Arc<dyn Table>> {
        Ok(self.open(table, columns, Guarantee::ExactlyOnce)?)
    }

    pub fn write(&self, table: &Arc<dyn Table>, batch: &Batch) -> Result<(), SinkFault> {
        self.runtime.block_on(table.write(batch.write()))
    }

    /// The same write several times at once.
    pub fn write_at_once(&self, table: &Arc<dyn Table>, batch: &Batch, times: usize) -> Vec<Result<(), SinkFault>> {
        self.runtime.block_on(async {
            let mut writes = Vec::new();
            for _ in 0..times {
                writes.push(table.write(batch.write()));
            }
            let mut results = Vec::new();
            for write in std::pin::pin!(futures(writes)).await {
                results.push(write);
            }
            results
        })
    }

    pub fn forgotten_since(&self, table: &Arc<dyn Table>, at: u64) -> Result<Option<String>, SinkFault> {
        self.runtime.block_on(table.forgotten_since(at))
    }

    pub fn blame(&self, table: &Arc<dyn Table>, batch: &Batch) -> Result<Vec<Blamed>, SinkFault> {
        self.runtime.block_on(table.blame(batch.write()))
    }
}

/// Waits for all of them at once.
async fn futures<T>(all: Vec<impl Future<Output = T>>) -> Vec<T> {
    let mut all: Vec<_> = all.into_iter().map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|context| {
        for (future, result) in &mut all {
            if result.is_none()
                && let std::task::Poll::Ready(value) = future.as_mut().poll(context)
            {
                *result = Some(value);
            }
        }
        if all.iter().all(|(_, result)| result.is_some()) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    all.into_iter().filter_map(|(_, result)| result).collect()
}

impl Drop for Stand {
    fn drop(&mut self) {
        let _ = self.run("DROP DATABASE IF EXISTS {db}");
    }
}

impl Batch {
    /// The rows of a route of a range that begins at `first`.
    pub fn new(lineage: Lineage, first: i64, route: usize, rows: &[Vec<u8>]) -> Self {
        Self::of_topic("t", lineage, first, route, rows)
    }

    pub fn of_topic(topic: &str, lineage: Lineage, first: i64, route: usize, rows: &[Vec<u8>]) -> Self {
        let count = rows.len();
        let range = Range { topic: topic.into(), partition: 0, first, next: first + i64::try_from(count).unwrap() };
        let ends = rows.iter().scan(0u32, |end, row| {
            *end += u32::try_from(row.len()).unwrap();
            Some(*end)
        });
        let origins = (0..u32::try_from(count).unwrap()).collect();
        let chunk = Chunk { bytes: rows.concat().into(), ends: ends.collect(), origins };
        Self { token: Token::new(lineage, &range, route), range, rows: RouteRows::of(vec![chunk]) }
    }

    /// Of the one column `n UInt64`.
    pub fn numbers(first: i64, numbers: impl IntoIterator<Item = u64>) -> Self {
        let rows: Vec<_> = numbers.into_iter().map(|number| number.to_le_bytes().to_vec()).collect();
        Self::new(LINEAGE, first, ROUTE, &rows)
    }

    /// The same write without some of its rows.
    pub fn without(&self, blamed: &[Blamed]) -> Self {
        let mut rows = self.rows.clone();
        rows.leave_out(|row, _| blamed.iter().any(|blamed| blamed.row == row));
        Self { token: self.token.clone(), range: self.range.clone(), rows }
    }

    fn write(&self) -> Write<'_> {
        Write { tenant: "acme", token: &self.token, range: &self.range, rows: &self.rows }
    }
}

/// `n UInt64, at Date`; none for objects.
fn columns_of(text: &str) -> Vec<Column> {
    let columns = text.split(", ").filter_map(|column| column.split_once(' '));
    columns.map(|(name, kind)| Column { name: name.into(), kind: kind.parse().unwrap() }).collect()
}

fn new_sink(url: &str, keys: &str) -> anyhow::Result<Arc<dyn Sink>> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("gateway.toml");
    let (name, secret) = Services::clickhouse_user().unwrap_or(("default".to_owned(), String::new()));
    std::fs::write(folder.path().join("secret"), secret)?;
    let text = format!(
        "[kafka]\n\"bootstrap.servers\" = \"127.0.0.1:1\"\n\n[sinks.dwh]\ntype = \"clickhouse\"\nurl = \"{url}\"\n\
         user = \"{name}\"\npassword = {{ file = \"secret\" }}\n{keys}\n"
    );
    std::fs::write(&file, text)?;
    let settings = GatewaySettings::read(&file)?;
    Ok(sink::new(settings.sinks.get("dwh").context("there is no sink")?))
}

/// The statements of a mismatch.
pub fn statements(fault: &SinkFault) -> Vec<String> {
    match fault {
        SinkFault::Mismatch(mismatch) => {
            mismatch.problems.iter().filter_map(|problem| problem.statement.clone()).collect()
        }
        _ => Vec::new(),
    }
}

/// Asserts that a fault is one, and says these things.
pub fn says<T>(result: Result<T, SinkFault>, parts: &[&str]) -> anyhow::Result<SinkFault> {
    let fault = result.err().context("nothing is wrong with it")?;
    let text = fault.to_string();
    for part in parts {
        ensure!(text.contains(part), "`{part}` is not in: {text}");
    }
    Ok(fault)
}
