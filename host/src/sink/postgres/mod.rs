//! The sink for Greenplum and PostgreSQL: rows are read from RowBinary and written by binary COPY, a range and route in one
//! transaction. The sink loses nothing silently: what a column cannot hold is refused when the table is opened, what it
//! cannot hold of one value is refused alone, and a table that has changed since takes nothing.
//!
//! ```text
//! mod.rs          opening a table, writing a range
//! connection.rs   connections, so many at once                    tls.rs, fault.rs
//! catalog.rs      what the server and a table are                 quote.rs
//! plan.rs         declared columns against live ones
//! mapping.rs      which type goes into which
//! field.rs        one value from RowBinary to COPY                numeric.rs
//! check.rs        values that PostgreSQL cannot hold
//! reading.rs      which rows a table has, for who compares
//! ```

mod catalog;
mod check;
mod connection;
mod fault;
mod field;
mod mapping;
mod numeric;
mod plan;
mod quote;
mod reading;
mod tls;

use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::SinkExt;
use tokio_postgres::CopyInSink;

use catalog::LiveTable;
use connection::{Connection, Connections, Lease, no_answer};
use fault::classify;
use plan::Plan;

use super::{LeftOut, Mismatch, Problem, Reading, Rule, Sink, SinkFault, Table, Write};
use crate::config::{Guarantee, PostgresSettings};
use crate::pipeline::RouteRows;
use crate::plugin::BoxFuture;
use crate::rows::{Column, Decoder};

/// A Greenplum or PostgreSQL database.
pub struct Postgres {
    connections: Arc<Connections>,
}

struct PostgresTable {
    connections: Arc<Connections>,
    /// As the pipeline file calls it.
    name: String,
    columns: Vec<Column>,
    /// As it was when it was opened, which the plan is for.
    live: LiveTable,
    plan: Plan,
}

impl Postgres {
    /// A database; connects when it is first used.
    pub fn new(settings: PostgresSettings) -> Self {
        Self { connections: Arc::new(Connections::new(settings)) }
    }
}

/// Tables are opened one after the other where there is no room, whosever they are.
const OPENING: &str = "";

impl Sink for Postgres {
    fn reading(&self) -> Option<&dyn Reading> {
        Some(self)
    }

    fn open<'a>(
        &'a self,
        table: &'a str,
        columns: &'a [Column],
        _: Guarantee,
    ) -> BoxFuture<'a, Result<Arc<dyn Table>, SinkFault>> {
        Box::pin(async move {
            if columns.is_empty() {
                return Err(SinkFault::Refused(format!(
                    "table `{table}`: the plugin writes JSON objects, which this sink does not take; its route must declare columns"
                )));
            }
            let lease = self.connections.lease(OPENING).await?;
            let action = format!("read the columns of table `{table}`");
            let Connection { client, server, .. } = &lease.connection;
            let read = catalog::table(client, server, table, "");
            let live = match tokio::time::timeout(self.connections.timeout(), read).await {
                Ok(Ok(live)) => live,
                Ok(Err(fault)) => return Err(classify(&action, &fault)),
                Err(_) => return Err(no_answer(&action, self.connections.timeout())),
            };
            let plan = Plan::new(table, columns, live.as_ref(), server);
            let plan = plan.map_err(|problems| mismatch(table, problems))?;
            lease.keep();
            // A plan is for a table that is there.
            let live = live.ok_or_else(|| mismatch(table, Vec::new()))?;
            Ok(Arc::new(PostgresTable {
                connections: self.connections.clone(),
                name: table.to_owned(),
                columns: columns.to_vec(),
                live,
                plan,
            }) as Arc<dyn Table>)
        })
    }
}

fn mismatch(table: &str, problems: Vec<Problem>) -> SinkFault {
    SinkFault::Mismatch(Mismatch { table: table.to_owned(), problems })
}

impl Table for PostgresTable {
    fn as_any(&self) -> &dyn std::any::Any {
        self
    }

    fn write<'a>(&'a self, write: Write<'a>) -> BoxFuture<'a, Result<(), SinkFault>> {
        Box::pin(async move {
            let lease = self.connections.lease(write.tenant).await?;
            let timeout = self.connections.timeout();
            match tokio::time::timeout(timeout, self.transaction(&lease, write.rows)).await {
                Ok(Ok(())) => {
                    lease.keep();
                    Ok(())
                }
                Ok(Err(fault)) => {
                    lease.close().await;
                    Err(fault)
                }
                Err(_) => {
                    lease.cancel().await;
                    Err(no_answer(&self.action(write.rows), timeout))
                }
            }
        })
    }

    fn rule(&self) -> Option<&dyn Rule> {
        self.plan.can_refuse().then_some(&self.plan as &dyn Rule)
    }

    fn left_out(&self) -> Vec<LeftOut> {
        self.live.left_out(&self.columns)
    }
}

/// A piece of COPY on its way to the server: a few of them lie in memory, however large the range is.
const PIECE: usize = 256 << 10;

/// The signature, no flags, no extension.
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// Stands where the next row would.
const TRAILER: [u8; 2] = [0xff, 0xff];

impl PostgresTable {
    fn action(&self, rows: &RouteRows) -> String {
        format!("copy {} rows into table `{}`", rows.rows, self.name)
    }

    /// All rows or none. The table is looked at before, so that nothing is sent for nothing, and behind the rows, since only
    /// they hold it as it is: in between nobody can alter it until the transaction ends.
    async fn transaction(&self, lease: &Lease<'_>, rows: &RouteRows) -> Result<(), SinkFault> {
        let action = self.action(rows);
        let failed = |fault: tokio_postgres::Error| classify(&action, &fault);
        self.check(&lease.connection, "BEGIN;").await?;
        self.copy(&lease.connection, rows).await?;
        self.check(&lease.connection, "").await?;
        lease.connection.client.batch_execute("COMMIT").await.map_err(failed)
    }

    /// Fails where the table is not any more what the plan is for.
    async fn check(&self, connection: &Connection, first: &str) -> Result<(), SinkFault> {
        let Connection { client, server, .. } = connection;
        let live = catalog::table(client, server, &self.name, first).await;
        let live = live.map_err(|fault| classify(&format!("read the columns of table `{}`", self.name), &fault))?;
        if live.as_ref() == Some(&self.live) {
            return Ok(());
        }
        let plan = Plan::new(&self.name, &self.columns, live.as_ref(), server);
        let plan = plan.map_err(|problems| mismatch(&self.name, problems))?;
        match plan.writes_like(&self.plan) {
            true => Ok(()),
            false => Err(mismatch(&self.name, self.changed(live.as_ref()))),
        }
    }

    /// Columns that fit, but not in the way in which they did.
    fn changed(&self, live: Option<&LiveTable>) -> Vec<Problem> {
        let pairs = self.columns.iter().filter_map(|column| {
            let now = live?.column(&column.name)?;
            self.live.column(&column.name).filter(|before| before.kind != now.kind).map(|before| (before, now))
        });
        let changed = pairs.map(|(before, now)| Problem {
            column: Some(now.name.clone()),
            problem: format!(
                "its column `{}` is {} now and was {} when the pipeline began",
                now.name, now.kind.text, before.kind.text
            ),
            statement: None,
        });
        changed.collect()
    }

    async fn copy(&self, connection: &Connection, rows: &RouteRows) -> Result<(), SinkFault> {
        let action = self.action(rows);
        let failed = |fault: tokio_postgres::Error| classify(&action, &fault);
        let sink = connection.client.copy_in::<_, Bytes>(&self.statement()).await.map_err(failed)?;
        let mut sink = pin!(sink);
        let sent = self.send(&mut sink, rows).await;
        match sent {
            Ok(()) => {}
            Err(Unsent::Connection(fault)) => return Err(failed(fault)),
            Err(Unsent::Row(problem)) => return Err(SinkFault::Refused(format!("{action}: {problem}"))),
        }
        let copied = sink.finish().await.map_err(failed)?;
        match usize::try_from(copied) == Ok(rows.rows) {
            true => Ok(()),
            false => Err(SinkFault::Refused(format!("{action}: the server took {copied}"))),
        }
    }

    fn statement(&self) -> String {
        let names: Vec<_> = self.columns.iter().map(|column| quote::identifier(&column.name)).collect();
        format!("COPY {} ({}) FROM STDIN WITH (FORMAT binary)", quote::qualified(&self.name), names.join(", "))
    }

    /// Writes piece by piece; waits where the server is slower.
    async fn send(&self, sink: &mut std::pin::Pin<&mut CopyInSink<Bytes>>, rows: &RouteRows) -> Result<(), Unsent> {
        let mut piece = Vec::with_capacity(PIECE + PIECE / 8);
        piece.extend_from_slice(HEADER);
        for chunk in &rows.chunks {
            let mut decoder = Decoder::new(&chunk.bytes);
            while !decoder.is_empty() {
                self.plan.write(&mut decoder, &mut piece).map_err(|fault| Unsent::Row(fault.to_string()))?;
                if piece.len() >= PIECE {
                    let full = std::mem::replace(&mut piece, Vec::with_capacity(PIECE + PIECE / 8));
                    sink.send(full.into()).await.map_err(Unsent::Connection)?;
                }
            }
        }
        piece.extend_from_slice(&TRAILER);
        sink.send(piece.into()).await.map_err(Unsent::Connection)
    }
}

/// Why rows did not get to the server.
enum Unsent {
    Connection(tokio_postgres::Error),
    Row(String),
}
