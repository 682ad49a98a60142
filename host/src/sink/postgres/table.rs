//! A table that is open: rows are copied into it, or beside it first where they become something else than new rows.

use std::pin::{Pin, pin};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::SinkExt;
use tokio_postgres::CopyInSink;
use tokio_postgres::error::SqlState;

use super::catalog::{self, LiveTable};
use super::connection::{Connection, Connections, no_answer};
use super::fault::{self, classify};
use super::part::Part;
use super::plan::Plan;
use super::quote::{identifier, qualified};
use super::search::Search;
use super::staging::{self, Staging};
use super::{commit, mismatch, role};
use crate::plugin::BoxFuture;
use crate::rows::{Column, Decoder};
use crate::sink::{Blamed, LeftOut, Problem, Rule, SinkFault, Table, Write};

/// A table with a plan for the rows that a pipeline declares.
pub struct PostgresTable {
    pub(super) connections: Arc<Connections>,
    /// As the pipeline file calls it.
    pub(super) name: String,
    pub(super) columns: Vec<Column>,
    /// As it was when it was opened, which the plan is for.
    pub(super) live: LiveTable,
    pub(super) plan: Plan,
    /// Where rows do not simply become rows of the table.
    pub(super) staging: Option<Staging>,
}

/// Why rows did not get into a table.
pub struct Failure {
    /// What the server said, or this side of it.
    pub fault: SinkFault,
    /// At which of them it gave up, if that is known. A hint, see [`fault::row`].
    pub row: Option<usize>,
}

impl From<SinkFault> for Failure {
    fn from(fault: SinkFault) -> Self {
        Self { fault, row: None }
    }
}

impl Table for PostgresTable {
    fn as_any(&self) -> &dyn std::any::Any {
        self
    }

    fn write<'a>(&'a self, write: Write<'a>) -> BoxFuture<'a, Result<(), SinkFault>> {
        Box::pin(async move {
            let lease = self.connections.lease(write.tenant).await?;
            let timeout = self.connections.timeout();
            let written = tokio::time::timeout(timeout, self.transaction(&lease.connection, write)).await;
            let action = || self.action(write.rows.rows);
            lease.settle(written).await.unwrap_or_else(|| Err(no_answer(&action(), timeout)))
        })
    }

    fn blame<'a>(&'a self, write: Write<'a>) -> BoxFuture<'a, Result<Vec<Blamed>, SinkFault>> {
        Box::pin(async move {
            let lease = self.connections.lease(write.tenant).await?;
            let mut search = Search::new(self, write.rows);
            let begin = format!("BEGIN;{}", role(self.connections.settings(), write.tenant));
            let searched = async {
                self.begin(&lease.connection, &begin).await?;
                search.run(&lease.connection).await
            };
            let searched = tokio::time::timeout(self.connections.timeout(), searched).await;
            match lease.settle(searched).await {
                Some(Ok(())) => Ok(search.blamed()),
                Some(Err(fault)) => Err(fault),
                None => Err(search.unfinished(self.connections.timeout())),
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
    /// What is done, for messages.
    pub(super) fn action(&self, rows: usize) -> String {
        format!("copy {rows} rows into table `{}`", self.name)
    }

    /// All rows of one route or none.
    async fn transaction(&self, connection: &Connection, write: Write<'_>) -> Result<(), SinkFault> {
        let settings = self.connections.settings();
        let role = role(settings, write.tenant);
        let put = self.put(connection, Part::all(write.rows), &format!("BEGIN;{role}")).await;
        put.map_err(|failure| failure.fault)?;
        let commit = commit(settings, &connection.server, write.tenant);
        let committed = connection.client.batch_execute(commit).await;
        committed.map_err(|fault| classify(&self.action(write.rows.rows), &fault))
    }

    /// Does without rows what will be done with them, and takes it back: what the server has against it is known before there are any.
    pub(super) async fn rehearse(&self, connection: &Connection, tenant: &str) -> Result<(), SinkFault> {
        let Some(Staging { what, before, behind }) = &self.staging else { return Ok(()) };
        let role = role(self.connections.settings(), tenant);
        // Whoever works on the table just now is not waited for: what there is to say is said with the first rows then.
        let rehearsal = format!("BEGIN;{role} SET LOCAL lock_timeout = 2000; {before}; {behind}; ROLLBACK");
        match connection.client.batch_execute(&rehearsal).await {
            Ok(()) => Ok(()),
            Err(fault) if fault.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) => {
                self.begin(connection, "ROLLBACK").await
            }
            Err(fault) => Err(classify(&format!("rehearse the {what} of rows into table `{}`", self.name), &fault)),
        }
    }

    /// Begins a transaction with these statements.
    pub(super) async fn begin(&self, connection: &Connection, statements: &str) -> Result<(), SinkFault> {
        let begun = connection.client.batch_execute(statements).await;
        begun.map_err(|fault| classify(&format!("begin to write to table `{}`", self.name), &fault))
    }

    /// Puts rows where they belong, within a transaction, behind the statements `first`. The table is looked at before, so that nothing
    /// is sent for nothing, and behind the rows, since only they hold it as it is: in between nobody can alter it until the
    /// transaction ends.
    pub(super) async fn put(&self, connection: &Connection, part: Part<'_>, first: &str) -> Result<(), Failure> {
        self.check(connection, first).await?;
        self.fill(connection, part).await?;
        Ok(self.check(connection, "").await?)
    }

    /// Puts rows where they belong, into a table that was looked at.
    pub(super) async fn fill(&self, connection: &Connection, part: Part<'_>) -> Result<(), Failure> {
        match &self.staging {
            None => self.copy(connection, part, &qualified(&self.name)).await,
            Some(staging) => self.stage(connection, part, staging).await,
        }
    }

    async fn stage(&self, connection: &Connection, part: Part<'_>, staging: &Staging) -> Result<(), Failure> {
        let action = format!("{} of {} rows into table `{}`", staging.what, part.len(), self.name);
        let failed = |fault: tokio_postgres::Error| classify(&action, &fault);
        connection.client.batch_execute(&staging.before).await.map_err(failed)?;
        self.copy(connection, part, staging::ROWS).await?;
        Ok(connection.client.batch_execute(&staging.behind).await.map_err(failed)?)
    }

    /// Fails where the table is not any more what the plan is for.
    pub(super) async fn check(&self, connection: &Connection, first: &str) -> Result<(), SinkFault> {
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

    async fn copy(&self, connection: &Connection, part: Part<'_>, into: &str) -> Result<(), Failure> {
        let action = self.action(part.len());
        let failed =
            |fault: tokio_postgres::Error| Failure { fault: classify(&action, &fault), row: fault::row(&fault) };
        let sink = connection.client.copy_in::<_, Bytes>(&self.statement(into)).await.map_err(failed)?;
        let mut sink = pin!(sink);
        let sent = self.send(&mut sink, part.clone()).await;
        match sent {
            Ok(()) => {}
            Err(Unsent::Connection(fault)) => return Err(failed(fault)),
            Err(Unsent::Row(problem)) => return Err(SinkFault::Refused(format!("{action}: {problem}")).into()),
        }
        let copied = sink.finish().await.map_err(failed)?;
        match usize::try_from(copied) == Ok(part.len()) {
            true => Ok(()),
            false => Err(SinkFault::Refused(format!("{action}: the server took {copied}")).into()),
        }
    }

    fn statement(&self, into: &str) -> String {
        let number = self.staging.as_ref().map(|_| staging::NUMBER.to_owned());
        let names = self.columns.iter().map(|column| identifier(&column.name));
        let names: Vec<_> = number.into_iter().chain(names).collect();
        format!("COPY {into} ({}) FROM STDIN WITH (FORMAT binary)", names.join(", "))
    }

    /// Writes piece by piece; waits where the server is slower.
    async fn send(&self, sink: &mut Pin<&mut CopyInSink<Bytes>>, part: Part<'_>) -> Result<(), Unsent> {
        let mut piece = Vec::with_capacity(PIECE + PIECE / 8);
        piece.extend_from_slice(HEADER);
        let mut number = part.range.start;
        for rows in part.pieces() {
            let mut decoder = Decoder::new(rows);
            while !decoder.is_empty() {
                let written = match self.staging {
                    None => self.plan.write(&mut decoder, &mut piece),
                    Some(_) => self.plan.write_numbered(&mut decoder, number, &mut piece),
                };
                written.map_err(|fault| Unsent::Row(fault.to_string()))?;
                number += 1;
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
