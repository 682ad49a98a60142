//! The rows of all routes of a range and the range's own row in one transaction, so that they are there once or not at all. The
//! range's row goes first: where another transaction has written it, nothing else is done; where one holds it that does not end,
//! whose gateway is frozen or gone, that one's session is ended.

use std::time::Duration;

use tokio_postgres::SimpleQueryMessage;
use tokio_postgres::error::SqlState;

use super::catalog::rows;
use super::connection::{Connection, no_answer};
use super::fault::classify;
use super::part::Part;
use super::quote::text;
use super::ranges::Ranges;
use super::search::Search;
use super::table::PostgresTable;
use super::{Postgres, commit, role};
use crate::plugin::BoxFuture;
use crate::sink::{Blamed, Fence, SinkFault, Table, Transaction, Write};

/// How long a transaction that has begun to write the same range may go on. It is that of a gateway which this one has followed, or one
/// whose answer was lost: neither has a right to it any more, and it may commit until then.
const PATIENCE: Duration = Duration::from_secs(1);

/// A session that was ended is gone within moments. What else holds a range is nobody's to end.
const TRIES: usize = 4;

/// The longest name of a session, in bytes; the server cuts what is longer.
const LONGEST_NAME: usize = 63;

/// A failure, and the index of the write that is to blame where one is.
type Failed = (Option<usize>, SinkFault);

/// What the range's own row says.
enum Entry {
    /// The range is there already; there is no transaction.
    There,
    /// It is not, and a transaction has begun that writes it.
    Begun,
}

impl Transaction for Postgres {
    fn write<'a>(
        &'a self,
        writes: &'a [(&'a dyn Table, Write<'a>)],
        fence: Fence<'a>,
    ) -> BoxFuture<'a, Result<(), Failed>> {
        Box::pin(async move {
            let writes = own(writes)?;
            let lease = self.connections.lease(fence.tenant).await.map_err(whole)?;
            let timeout = self.connections.timeout();
            let written = tokio::time::timeout(timeout, self.write_all(&lease.connection, &writes, fence)).await;
            let action = || format!("write the range {}", fence.range);
            lease.settle(written).await.unwrap_or_else(|| Err(whole(no_answer(&action(), timeout))))
        })
    }

    fn blame<'a>(
        &'a self,
        writes: &'a [(&'a dyn Table, Write<'a>)],
        index: usize,
        fence: Fence<'a>,
    ) -> BoxFuture<'a, Result<Vec<Blamed>, SinkFault>> {
        Box::pin(async move {
            let writes = own(writes).map_err(|(_, fault)| fault)?;
            let Some((table, write)) = writes.get(index) else { return Ok(Vec::new()) };
            let lease = self.connections.lease(fence.tenant).await?;
            let timeout = self.connections.timeout();
            let mut search = Search::new(table, write.rows);
            let searched = async {
                if let Entry::There = self.enter(&lease.connection, fence).await? {
                    return Ok(());
                }
                let before = writes.iter().take(index);
                self.put_all(&lease.connection, before).await.map_err(|(_, fault)| fault)?;
                search.run(&lease.connection).await
            };
            let searched = tokio::time::timeout(timeout, searched).await;
            match lease.settle(searched).await {
                Some(Ok(())) => Ok(search.blamed()),
                Some(Err(fault)) => Err(fault),
                None => Err(search.unfinished(timeout)),
            }
        })
    }
}

fn whole(fault: SinkFault) -> Failed {
    (None, fault)
}

type Writes<'a> = Vec<(&'a PostgresTable, Write<'a>)>;

/// The tables as what they are.
fn own<'a>(writes: &'a [(&'a dyn Table, Write<'a>)]) -> Result<Writes<'a>, Failed> {
    let own = |(index, (table, write)): (usize, &'a (&'a dyn Table, Write<'a>))| {
        let own = table.as_any().downcast_ref::<PostgresTable>();
        let fault = || SinkFault::Refused("a table that another sink has opened".to_owned());
        own.map(|table| (table, *write)).ok_or_else(|| (Some(index), fault()))
    };
    writes.iter().enumerate().map(own).collect()
}

impl Postgres {
    async fn write_all(&self, connection: &Connection, writes: &Writes<'_>, fence: Fence<'_>) -> Result<(), Failed> {
        if let Entry::There = self.enter(connection, fence).await.map_err(whole)? {
            return Ok(());
        }
        crate::stop_points::pass("postgres-range-entered");
        self.put_all(connection, writes.iter()).await?;
        crate::stop_points::pass("postgres-rows-put");
        let commit = commit(self.connections.settings(), &connection.server, fence.tenant);
        let committed = connection.client.batch_execute(commit).await;
        crate::stop_points::pass("postgres-committed");
        committed.map_err(|fault| {
            // Constraints that wait for the end name their table.
            let broken = fault.as_db_error().and_then(|answer| Some((answer.schema()?, answer.table()?)));
            let is_broken = |(table, _): &(&PostgresTable, Write<'_>)| {
                let (schema, name) = table.name.split_once('.').unwrap_or(("", &table.name));
                broken.is_some_and(|broken| broken.1 == name && (schema.is_empty() || broken.0 == schema))
            };
            let fault = classify(&format!("commit the range {}", fence.range), &fault);
            (writes.iter().position(is_broken), fault)
        })
    }

    async fn put_all<'w>(
        &self,
        connection: &Connection,
        writes: impl Iterator<Item = &'w (&'w PostgresTable, Write<'w>)>,
    ) -> Result<(), Failed> {
        for (index, (table, write)) in writes.enumerate() {
            if write.rows.rows > 0 {
                let put = table.put(connection, Part::all(write.rows), "").await;
                put.map_err(|failure| (Some(index), failure.fault))?;
            }
        }
        Ok(())
    }

    /// Begins a transaction with the range's own row, and goes on as the tenant's role. Ends what holds the range and does not end by itself.
    async fn enter(&self, connection: &Connection, fence: Fence<'_>) -> Result<Entry, SinkFault> {
        let settings = self.connections.settings();
        let (ranges, session) = (Ranges::named(&settings.ranges), session_name(fence));
        let action = format!("enter the range {} into table `{}`", fence.range, settings.ranges);
        let begin = format!(
            "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL application_name = {}; \
             SET LOCAL lock_timeout = {}; {}; SET LOCAL lock_timeout TO DEFAULT;{}",
            text(&session),
            PATIENCE.as_millis(),
            ranges.insert(fence),
            role(settings, fence.tenant)
        );
        let failed = |fault: tokio_postgres::Error| classify(&action, &fault);
        for _ in 0..TRIES {
            let fault = match connection.client.simple_query(&begin).await {
                Ok(answer) if inserted(&answer) == 1 => return Ok(Entry::Begun),
                Ok(_) => {
                    return Err(SinkFault::Refused(format!("{action}: a rule or a trigger of it swallows the row")));
                }
                Err(fault) => fault,
            };
            let is = |state: &SqlState| fault.code() == Some(state);
            if is(&SqlState::UNIQUE_VIOLATION) {
                connection.client.batch_execute("ROLLBACK").await.map_err(failed)?;
                let answer = rows(connection.client.simple_query(&ranges.next(fence)).await.map_err(failed)?);
                ranges.is_same(fence.range, answer.first().and_then(|row| row.get(0)))?;
                return Ok(Entry::There);
            }
            if !is(&SqlState::LOCK_NOT_AVAILABLE) {
                return Err(failed(fault));
            }
            connection.client.batch_execute("ROLLBACK").await.map_err(failed)?;
            let ended = connection.client.simple_query(&end_sessions(&session)).await.map_err(failed)?;
            for row in rows(ended) {
                let session_id = row.get(0).unwrap_or_default();
                tracing::warn!(range = %fence.range, session_id, "ended a session that held a range and did not come to an end");
            }
        }
        Err(SinkFault::Unavailable(format!(
            "{action}: a transaction that is not this user's `{session}`, or cannot be ended, holds it"
        )))
    }
}

/// How many rows were inserted by a chain of statements with one INSERT: none of the others has any.
fn inserted(answer: &[SimpleQueryMessage]) -> u64 {
    let rows = |message: &SimpleQueryMessage| match message {
        SimpleQueryMessage::CommandComplete(rows) => *rows,
        _ => 0,
    };
    answer.iter().map(rows).sum()
}

/// By which whoever follows finds the session that writes a range.
fn session_name(Fence { lineage, range, .. }: Fence<'_>) -> String {
    let mut name = format!("tidegate {:032x} {} {}", lineage.0, range.partition, range.first);
    name.truncate(LONGEST_NAME);
    name
}

fn end_sessions(name: &str) -> String {
    format!(
        "SELECT pid, pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity WHERE application_name = {} \
         AND usename = session_user AND datname = pg_catalog.current_database() AND pid <> pg_catalog.pg_backend_pid()",
        text(name)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::{Lineage, Range};

    #[test]
    fn a_session_is_named_by_its_range_and_never_longer_than_the_server_keeps() {
        let name = |partition, first| {
            let range = Range { topic: "sales".into(), partition, first, next: first };
            session_name(Fence { tenant: "acme", lineage: Lineage(0xab), range: &range })
        };
        assert_eq!(name(7, 1_000), "tidegate 000000000000000000000000000000ab 7 1000");
        assert_eq!(name(i32::MAX, i64::MAX).len(), LONGEST_NAME);
    }
}
