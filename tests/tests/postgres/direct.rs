//! The sink by itself: rows go in as a pipeline would hand them over, without a plugin or a gateway around.

use std::rc::Rc;
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use tempfile::TempDir;
use tidegate::config::{GatewaySettings, Guarantee};
use tidegate::pipeline::{Chunk, Range, RouteRows, Token, mint_lineage};
use tidegate::rows::Column;
use tidegate::sink::{self, Mismatch, Sink, SinkFault, Table, Write};
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

    /// With more lines for the sink's section.
    pub fn with(test: &str, server: &PostgresServer, lines: &str) -> anyhow::Result<Self> {
        let http = Rc::new(Http::new()?);
        let postgres = Postgres::new(&http, server, test)?;
        let folder = tempfile::tempdir()?;
        let sink = sink(server, lines, &folder)?;
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
        let column = |(name, kind): &(&str, &str)| {
            let kind = kind.parse().map_err(|fault| SinkFault::Refused(format!("the test's own type: {fault}")))?;
            Ok(Column { name: (*name).into(), kind })
        };
        let columns: Vec<_> = columns.iter().map(column).collect::<Result<_, _>>()?;
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

    /// Writes rows in two chunks, as from two calls of a guest.
    pub fn write(&self, table: &dyn Table, rows: &[Vec<u8>]) -> Result<(), SinkFault> {
        let (first, second) = rows.split_at(rows.len() / 2);
        let rows = RouteRows { chunks: vec![chunk(first), chunk(second)], rows: rows.len() };
        let range = Range { topic: "t".into(), partition: 0, first: 0, next: 1 };
        let token = Token::new(mint_lineage(), &range, 0);
        self.http.wait(table.write(Write { tenant: "acme", token: &token, range: &range, rows: &rows }))
    }

    /// What the table cannot hold of a row.
    pub fn refused(&self, table: &dyn Table, row: &[u8]) -> anyhow::Result<String> {
        let rule = table.rule().context("it refuses nothing")?;
        rule.refuses(row).context("it takes the row")
    }
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
