//! The ClickHouse sink: rows go out as they came from the guest, in one insert a range and route.
//!
//! RowBinaryWithNamesAndTypes carries the names and types of the live table: after an `ALTER` the server refuses what does not
//! fit any more, where plain RowBinary would have been taken for other values.
//!
//! Exactly once rests on the server's memory of tokens: an insert under a token that a table has seen is answered as if it were done, and
//! adds nothing. `needs` says how much a table and the targets of its views must remember, `settings` keeps the same rows the same
//! blocks, `chunks` takes the bytes of one insert out of a range.
//!
//! ```text
//! mod.rs        the server, opening tables
//! server.rs     questions to it
//! connect.rs    connections to it
//! columns.rs    declared columns against live ones
//! relations.rs  a table's views and their targets
//! needs.rs      what they must remember
//! memory.rs     whether they still do
//! settings.rs   what is said with every insert
//! table.rs      an open table: inserts, and tables that are altered meanwhile
//! form.rs       how rows are sent to it
//! chunks.rs     the bytes of an insert's rows
//! blame.rs      which rows a table refuses
//! classify.rs   what the server answers
//! reading.rs    which rows a table has, for who compares
//! ```

mod blame;
mod chunks;
mod classify;
mod columns;
mod connect;
mod form;
mod memory;
mod names;
mod needs;
mod reading;
mod recount;
mod relations;
mod server;
mod settings;
mod table;

use std::sync::Arc;

use self::form::Declared;
use self::needs::Demand;
use self::server::Server;
use self::table::ClickHouseTable;
use super::pace::most_within;
use super::{Mismatch, Problem, Reading, Sink, SinkFault, Table};
use crate::config::{ClickHouseSettings, Guarantee};
use crate::plugin::BoxFuture;
use crate::rows::Column;

/// A ClickHouse server.
pub struct ClickHouse {
    server: Arc<Server>,
}

impl ClickHouse {
    /// A client for the server; connects when it is first used.
    pub fn new(settings: ClickHouseSettings) -> Self {
        Self { server: Arc::new(Server::new(settings)) }
    }

    /// How many inserts a table may have to tell apart.
    fn demand(&self) -> Demand {
        let settings = &self.server.settings;
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        let of_one = most_within(settings.inserts_per_second, settings.memory.outage);
        Demand {
            inserts: of_one.saturating_mul(count(settings.memory.gateways)),
            parts_per_insert: count(settings.memory.parts_per_insert),
            outage: settings.memory.outage,
        }
    }

    /// In what a table falls short of exactly once.
    async fn shortfalls(&self, table: &str) -> Result<Vec<Problem>, SinkFault> {
        let Some((place, relations)) = relations::Relations::read(&self.server, table).await? else {
            // What is not there is told already.
            return Ok(Vec::new());
        };
        let defaults = relations.defaults(&self.server).await?;
        Ok(needs::shortfalls(&place, &relations, &defaults, self.demand()))
    }
}

impl Sink for ClickHouse {
    fn reading(&self) -> Option<&dyn Reading> {
        Some(self)
    }

    fn best(&self) -> Guarantee {
        if self.server.is_current() { Guarantee::ExactlyOnce } else { Guarantee::AtLeastOnce }
    }

    fn open<'a>(
        &'a self,
        table: &'a str,
        columns: &'a [Column],
        guarantee: Guarantee,
    ) -> BoxFuture<'a, Result<Arc<dyn Table>, SinkFault>> {
        Box::pin(async move {
            let live = self.server.live_table(table).await?;
            let known = self.server.known().await?;
            let (mut shortfalls, mut made_with) = (Vec::new(), None);
            if guarantee == Guarantee::ExactlyOnce {
                self.server.takes_settings(&known).await?;
                if live.unsuitable().is_none() {
                    shortfalls = self.shortfalls(table).await?;
                }
                made_with = Some(self.demand().of_new_table());
            }
            let (server, name, columns) = (self.server.clone(), table.to_owned(), columns.to_vec());
            let declared = Declared { server, name, columns, known, guarantee, made_with };
            let opened = match ClickHouseTable::new(declared, live) {
                Ok(opened) if shortfalls.is_empty() => opened,
                Ok(_) => return Err(SinkFault::Mismatch(Mismatch { table: table.to_owned(), problems: shortfalls })),
                Err(mut mismatch) => {
                    mismatch.problems.extend(shortfalls);
                    return Err(SinkFault::Mismatch(mismatch));
                }
            };
            Ok(Arc::new(opened) as Arc<dyn Table>)
        })
    }
}
