//! The stdout sink: each row a line for a person or a pipe, the table's name and the row as JSON. Logs go to standard error, so that
//! nothing else stands between the rows.

use std::io::Write as _;
use std::sync::Arc;

use super::lines::Lines;
use super::{Sink, SinkFault, Table, Write};
use crate::config::Guarantee;
use crate::plugin::BoxFuture;
use crate::rows::Column;

/// The process's standard output.
pub struct StdoutSink;

struct StdoutTable {
    name: String,
    lines: Lines,
}

impl Sink for StdoutSink {
    fn open<'a>(
        &'a self,
        table: &'a str,
        columns: &'a [Column],
        _: Guarantee,
    ) -> BoxFuture<'a, Result<Arc<dyn Table>, SinkFault>> {
        let table = StdoutTable { name: table.to_owned(), lines: Lines::new(columns) };
        Box::pin(async move { Ok(Arc::new(table) as Arc<dyn Table>) })
    }
}

impl Table for StdoutTable {
    fn as_any(&self) -> &dyn std::any::Any {
        self
    }

    fn write<'a>(&'a self, write: Write<'a>) -> BoxFuture<'a, Result<(), SinkFault>> {
        Box::pin(async move {
            let refused = |fault| SinkFault::Refused(format!("rows for table `{}`: {fault}", self.name));
            let lines = self.lines.of(write.rows).map_err(refused)?;
            // A pipe that nobody reads blocks, which is what holds the pipeline back: the task may wait for it.
            let written = tokio::task::block_in_place(|| print(&self.name, &lines));
            written.map_err(|fault| {
                SinkFault::Unavailable(format!("write rows of table `{}` to standard output: {fault}", self.name))
            })
        })
    }
}

/// Whole ranges at a time: two pipelines do not mix within one.
fn print(table: &str, lines: &[u8]) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    for line in lines.split_inclusive(|byte| *byte == b'\n') {
        write!(out, "{table} ")?;
        out.write_all(line)?;
    }
    out.flush()
}
