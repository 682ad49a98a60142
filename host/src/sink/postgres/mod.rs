//! The sink for Greenplum and PostgreSQL: rows are read from RowBinary and written by binary COPY, all routes of a range in one
//! transaction with a row that says that the range is there. The sink loses nothing silently: what a column cannot hold is refused when
//! the table is opened, what it cannot hold of one value is refused alone, and a table that has changed since takes nothing.
//!
//! ```text
//! mod.rs          opening a table
//! transaction.rs  a range, all routes at once                     ranges.rs
//! table.rs        one table, a part of its rows                   part.rs
//! staging.rs      rows that update and merge
//! search.rs       which rows a table refuses
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
mod part;
mod plan;
mod quote;
mod ranges;
mod reading;
mod search;
mod staging;
mod table;
mod tls;
mod transaction;

use std::sync::Arc;

use catalog::Server;
use connection::{Connection, Connections, no_answer};
use fault::classify;
use plan::Plan;
use ranges::Ranges;
use staging::{Aim, Staging};
use table::PostgresTable;

use super::{Mismatch, Placement, Problem, Reading, Sink, SinkFault, Table, Transaction};
use crate::config::{Guarantee, Mode, PostgresSettings};
use crate::plugin::BoxFuture;
use crate::rows::Column;

/// A Greenplum or PostgreSQL database.
pub struct Postgres {
    connections: Arc<Connections>,
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
        guarantee: Guarantee,
    ) -> BoxFuture<'a, Result<Arc<dyn Table>, SinkFault>> {
        self.open_placed(table, columns, guarantee, Placement { tenant: "", mode: &Mode::Insert })
    }

    fn open_placed<'a>(
        &'a self,
        table: &'a str,
        columns: &'a [Column],
        guarantee: Guarantee,
        placement: Placement<'a>,
    ) -> BoxFuture<'a, Result<Arc<dyn Table>, SinkFault>> {
        Box::pin(async move {
            if columns.is_empty() {
                return Err(SinkFault::Refused(format!(
                    "table `{table}`: the plugin writes JSON objects, which this sink does not take; its route must declare columns"
                )));
            }
            let lease = self.connections.lease(OPENING).await?;
            let timeout = self.connections.timeout();
            let opening = Opening { table, columns, guarantee, placement };
            let opened = tokio::time::timeout(timeout, self.open_on(&lease.connection, opening)).await;
            let action = format!("read the columns of table `{table}`");
            let opened = lease.settle(opened).await.unwrap_or_else(|| Err(no_answer(&action, timeout)))?;
            opened.map(|table| Arc::new(table) as Arc<dyn Table>).map_err(|problems| mismatch(table, problems))
        })
    }

    fn takes(&self, mode: &Mode) -> Result<(), String> {
        match mode {
            Mode::Statement(name) => staging::statement(self.connections.settings(), name).map(|_| ()),
            Mode::Insert | Mode::Update(_) | Mode::Merge(_) => Ok(()),
        }
    }

    fn best(&self) -> Guarantee {
        Guarantee::ExactlyOnce
    }

    fn transaction(&self) -> Option<&dyn Transaction> {
        Some(self)
    }
}

/// What is asked for.
struct Opening<'a> {
    table: &'a str,
    columns: &'a [Column],
    guarantee: Guarantee,
    placement: Placement<'a>,
}

impl Postgres {
    /// The table, or all in which it does not fit.
    async fn open_on(
        &self,
        connection: &Connection,
        opening: Opening<'_>,
    ) -> Result<Result<PostgresTable, Vec<Problem>>, SinkFault> {
        let Opening { table, columns, guarantee, placement: Placement { tenant, mode } } = opening;
        let (Connection { client, server, .. }, settings) = (connection, self.connections.settings());
        let failed = |fault| classify(&format!("read the columns of table `{table}`"), &fault);
        let mut problems = Vec::new();
        let live = catalog::table(client, server, table, "").await.map_err(failed)?;
        let plan = Plan::new(table, columns, live.as_ref(), server).map_err(|found| problems.extend(found));
        if guarantee == Guarantee::ExactlyOnce {
            problems.extend(Ranges::named(&settings.ranges).problems(connection, &settings.user).await?);
        }
        let keys = catalog::unique_keys(client, server, table).await.map_err(failed)?;
        let aim = Aim { table, columns, keys: &keys, server };
        let staging = Staging::new(mode, &aim, settings).map_err(|found| problems.extend(found));
        let (Some(live), Ok(plan), Ok(staging), true) = (live, plan, staging, problems.is_empty()) else {
            return Ok(Err(problems));
        };
        let connections = self.connections.clone();
        let (name, columns) = (table.to_owned(), columns.to_vec());
        let table = PostgresTable { connections, name, columns, live, plan, staging };
        table.rehearse(connection, tenant).await?;
        Ok(Ok(table))
    }
}

fn mismatch(table: &str, problems: Vec<Problem>) -> SinkFault {
    SinkFault::Mismatch(Mismatch { table: table.to_owned(), problems })
}

/// The statement that goes on as a tenant's role until the transaction ends; none where it has none.
fn role(settings: &PostgresSettings, tenant: &str) -> String {
    let role = settings.roles.get(tenant).map(|role| format!(" SET LOCAL ROLE {};", quote::identifier(role)));
    role.unwrap_or_default()
}

/// The statements that commit what was written for a tenant. Greenplum prepares a transaction on its segments as the role of that
/// moment and commits it there as the user, who may not where the role prepared it: the coordinator tries ten times and restarts. So the
/// role ends before, and what waits for the end of the transaction is done while it is still the role's.
fn commit(settings: &PostgresSettings, server: &Server, tenant: &str) -> &'static str {
    match server.greenplum && settings.roles.contains_key(tenant) {
        true => "SET CONSTRAINTS ALL IMMEDIATE; RESET ROLE; COMMIT",
        false => "COMMIT",
    }
}
