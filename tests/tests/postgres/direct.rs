//! The sink by itself: rows go in as a pipeline would hand them over, without a plugin or a gateway around.

use std::rc::Rc;
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use tempfile::TempDir;
use tidegate::config::{GatewaySettings, Guarantee, Mode};
use tidegate::pipeline::{Chunk, Lineage, Range, RouteRows, Token, mint_lineage};
use tidegate::rows::Column;
use tidegate::sink::{self, Blamed, Fence, Mismatch, Placement, Sink, SinkFault, Table, Write};
use tidegate_tests::harness::{Http, Postgres, PostgresServer};

/// A sink, and the schema that it writes into.
pub struct Direct {
    pub postgres: Postgres,
    pub sink: Arc<dyn Sink>,
    http: Rc<Http>,
    folder: TempDir,
}

impl Direct {
    pub fn new(test: &str, server: &PostgresServer) -> anyhow::Result<Self> {
        Self::with(test, server, "")
    }

    /// With more lines for the sink's section; SCHEMA in them is the test's own.
    pub fn with(test: &str, server: &PostgresServer, lines: &str) -> anyhow::Result<Self> {
        let http = Rc::new(Http::new()?);
        let postgres = Postgres::new(&http, server, test)?;
        let folder = tempfile::tempdir()?;
        let sink = sink(server, &lines.replace("SCHEMA", &postgres.schema), &folder)?;
        Ok(Self { postgres, sink, http, folder })
    }

    /// The same schema through another way to its server.
    pub fn through(self, server: &PostgresServer) -> anyhow::Result<Self> {
        self.through_with(server, "")
    }

    /// With more lines for the sink's section.
    pub fn through_with(self, server: &PostgresServer, lines: &str) -> anyhow::Result<Self> {
        let sink = sink(server, lines, &self.folder)?;
        Ok(Self { sink, ..self })
    }

    /// A table of the schema's with these columns.
    pub fn open(&self, table: &str, columns: &[(&str, &str)]) -> Result<Arc<dyn Table>, SinkFault> {
        self.open_in(&self.postgres.schema, table, columns)
    }

    /// The same in another schema.
    pub fn open_in(&self, schema: &str, table: &str, columns: &[(&str, &str)]) -> Result<Arc<dyn Table>, SinkFault> {
        let columns = declared(columns)?;
        self.http.wait(self.sink.open(&format!("{schema}.{table}"), &columns, Guarantee::AtLeastOnce))
    }

    /// Why a table does not open.
    pub fn mismatch(&self, table: &str, columns: &[(&str, &str)]) -> anyhow::Result<Mismatch> {
        match self.open(table, columns) {
            Err(SinkFault::Mismatch(mismatch)) => Ok(mismatch),
            Err(fault) => bail!("{fault}"),
            Ok(_) => bail!("it opens"),
        }
    }

    /// Makes the table that the sink itself asks for.
    pub fn create(&self, table: &str, columns: &[(&str, &str)]) -> anyhow::Result<Arc<dyn Table>> {
        let mismatch = self.mismatch(table, columns)?;
        let [problem] = mismatch.problems.as_slice() else { bail!("{mismatch}") };
        self.postgres.run(problem.statement.as_ref().context("there is no statement")?)?;
        Ok(self.open(table, columns)?)
    }

    /// A table, by its schema and name, for rows that become something else than new rows, or for exactly once.
    pub fn open_placed(
        &self,
        table: &str,
        columns: &[(&str, &str)],
        guarantee: Guarantee,
        mode: &Mode,
    ) -> Result<Arc<dyn Table>, SinkFault> {
        let columns = declared(columns)?;
        self.http.wait(self.sink.open_placed(table, &columns, guarantee, Placement { tenant: "acme", mode }))
    }

    /// A table of the schema's for exactly once.
    pub fn exactly(&self, table: &str, columns: &[(&str, &str)]) -> Result<Arc<dyn Table>, SinkFault> {
        let table = format!("{}.{table}", self.postgres.schema);
        self.open_placed(&table, columns, Guarantee::ExactlyOnce, &Mode::Insert)
    }

    /// Writes rows in two chunks, as from two calls of a guest.
    pub fn write(&self, table: &dyn Table, rows: &[Vec<u8>]) -> Result<(), SinkFault> {
        let (rows, at) = (route_rows(rows), At::new(0, 1));
        self.http.wait(table.write(at.write(&rows)))
    }

    /// Which rows a table refuses.
    pub fn blame(&self, table: &dyn Table, rows: &[Vec<u8>]) -> Result<Vec<Blamed>, SinkFault> {
        let (rows, at) = (route_rows(rows), At::new(0, 1));
        self.http.wait(table.blame(at.write(&rows)))
    }

    /// Writes the rows of several tables as those of a range.
    pub fn transact(&self, writes: &[(&dyn Table, &[Vec<u8>])], at: &At) -> Result<(), (Option<usize>, SinkFault)> {
        let rows: Vec<_> = writes.iter().map(|(_, rows)| route_rows(rows)).collect();
        let writes: Vec<_> = writes.iter().zip(&rows).map(|((table, _), rows)| (*table, at.write(rows))).collect();
        let transaction = self.sink.transaction().ok_or_else(|| (None, no_transactions()))?;
        self.http.wait(transaction.write(&writes, at.fence()))
    }

    /// Which rows of the write `index` are refused.
    pub fn blame_among(
        &self,
        writes: &[(&dyn Table, &[Vec<u8>])],
        index: usize,
        at: &At,
    ) -> Result<Vec<Blamed>, SinkFault> {
        let rows: Vec<_> = writes.iter().map(|(_, rows)| route_rows(rows)).collect();
        let writes: Vec<_> = writes.iter().zip(&rows).map(|((table, _), rows)| (*table, at.write(rows))).collect();
        let transaction = self.sink.transaction().ok_or_else(no_transactions)?;
        self.http.wait(transaction.blame(&writes, index, at.fence()))
    }

    /// What the table cannot hold of a row.
    pub fn refused(&self, table: &dyn Table, row: &[u8]) -> anyhow::Result<String> {
        let rule = table.rule().context("it refuses nothing")?;
        rule.refuses(row).context("it takes the row")
    }
}

fn no_transactions() -> SinkFault {
    SinkFault::Refused("the sink has no transactions".to_owned())
}

fn declared(columns: &[(&str, &str)]) -> Result<Vec<Column>, SinkFault> {
    let column = |(name, kind): &(&str, &str)| {
        let kind = kind.parse().map_err(|fault| SinkFault::Refused(format!("the test's own type: {fault}")))?;
        Ok(Column { name: (*name).into(), kind })
    };
    columns.iter().map(column).collect()
}

/// A range, and whose it is.
#[derive(Clone)]
pub struct At {
    pub lineage: Lineage,
    pub range: Range,
    token: Token,
}

impl At {
    /// A range of a lineage of its own.
    pub fn new(first: i64, next: i64) -> Self {
        Self::of(mint_lineage(), first, next)
    }

    pub fn of(lineage: Lineage, first: i64, next: i64) -> Self {
        let range = Range { topic: "it's".into(), partition: 3, first, next };
        Self { lineage, token: Token::new(lineage, &range, 0), range }
    }

    fn write<'a>(&'a self, rows: &'a RouteRows) -> Write<'a> {
        Write { tenant: "acme", token: &self.token, range: &self.range, rows }
    }

    fn fence(&self) -> Fence<'_> {
        Fence { tenant: "acme", lineage: self.lineage, range: &self.range }
    }
}

fn route_rows(rows: &[Vec<u8>]) -> RouteRows {
    let (first, second) = rows.split_at(rows.len() / 2);
    RouteRows::of(vec![chunk(first), chunk(second)])
}

/// The sink of a gateway's file.
fn sink(server: &PostgresServer, lines: &str, folder: &TempDir) -> anyhow::Result<Arc<dyn Sink>> {
    let section = server.sink("pg", folder.path())?;
    let file = folder.path().join("gateway.toml");
    std::fs::write(
        &file,
        format!("[kafka]\n\"bootstrap.servers\" = \"127.0.0.1:1\"\n\n{}\n{lines}\n", section.trim()),
    )?;
    let settings = GatewaySettings::read(&file)?;
    Ok(sink::new(settings.sinks.get("pg").context("there is no sink")?))
}

fn chunk(rows: &[Vec<u8>]) -> Chunk {
    let ends = rows.iter().scan(0, |end, row| {
        *end += row.len() as u32;
        Some(*end)
    });
    Chunk { ends: ends.collect(), bytes: rows.concat().into(), origins: (0..rows.len() as u32).collect() }
}

/// A text in RowBinary: LEB128 of its length, then its bytes.
pub fn text(text: impl AsRef<[u8]>) -> Vec<u8> {
    let text = text.as_ref();
    [length(text.len()), text.to_vec()].concat()
}

pub fn length(mut length: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while length >= 0x80 {
        bytes.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    bytes.push(length as u8);
    bytes
}

/// Fails unless every part is in the text.
pub fn says(text: &str, parts: &[&str]) -> anyhow::Result<()> {
    for part in parts {
        ensure!(text.contains(part), "`{part}` is not in: {text}");
    }
    Ok(())
}
