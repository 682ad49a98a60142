//! The ClickHouse sink: rows go out as they came from the guest, in one insert a range and route.
//!
//! RowBinaryWithNamesAndTypes carries the names and types of the live table: after an `ALTER` the server refuses what does not
//! fit any more, where plain RowBinary would have been taken for other values.
//!
//! ```text
//! mod.rs        the server, reading a table's columns
//! table.rs      an open table: inserts, and tables that are altered meanwhile
//! columns.rs    declared columns against live ones
//! classify.rs   what the server answers
//! reading.rs    which rows a table has, for who compares
//! ```

mod classify;
mod columns;
mod names;
mod reading;
mod table;

use std::sync::Arc;

use clickhouse::Client;
use clickhouse::error::Error;

use self::classify::classify;
use self::columns::{LiveColumn, LiveTable};
use self::names::text;
use self::table::ClickHouseTable;
use super::turns::Turns;
use super::{Reading, Sink, SinkFault, Table};
use crate::config::{ClickHouseFormat, ClickHouseSettings, Compression, Guarantee};
use crate::plugin::BoxFuture;
use crate::rows::Column;

/// A ClickHouse server.
pub struct ClickHouse {
    server: Arc<Server>,
}

/// What all of its tables share.
struct Server {
    client: Client,
    settings: ClickHouseSettings,
    /// Inserts under way at once, over all tables.
    inserts: Turns,
}

impl ClickHouse {
    /// A client for the server; connects when it is first used.
    pub fn new(settings: ClickHouseSettings) -> Self {
        let compression = match settings.compression {
            Compression::Lz4 => clickhouse::Compression::Lz4,
            Compression::None => clickhouse::Compression::None,
        };
        let mut client = Client::default()
            .with_url(&settings.url)
            .with_user(&settings.user)
            .with_compression(compression)
            .with_product_info("tidegate", env!("CARGO_PKG_VERSION"));
        if !settings.password.reveal().is_empty() {
            client = client.with_password(settings.password.reveal());
        }
        let inserts = Turns::new(settings.concurrency);
        Self { server: Arc::new(Server { client, settings, inserts }) }
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
        _: Guarantee,
    ) -> BoxFuture<'a, Result<Arc<dyn Table>, SinkFault>> {
        Box::pin(async move {
            let live = self.server.live_table(table).await?;
            let opened = ClickHouseTable::new(self.server.clone(), table, columns, live);
            Ok(Arc::new(opened.map_err(SinkFault::Mismatch)?) as Arc<dyn Table>)
        })
    }
}

impl Server {
    /// Whether it knows names and types in front of rows. Servers that know none of them know no insert tokens either.
    fn is_current(&self) -> bool {
        self.settings.format == ClickHouseFormat::RowBinaryWithNamesAndTypes
    }

    /// A table as it is now; without columns where it does not exist.
    async fn live_table(&self, table: &str) -> Result<LiveTable, SinkFault> {
        let action = format!("read the columns of table `{table}`");
        let (database, name) = match table.split_once('.') {
            Some((database, name)) => (text(database), text(name)),
            None => ("currentDatabase()".to_owned(), text(table)),
        };
        let query = format!(
            "SELECT name, type, default_kind, default_expression, \
             (SELECT any(engine) FROM system.tables WHERE database = {database} AND name = {name}) AS engine \
             FROM system.columns WHERE database = {database} AND table = {name} ORDER BY name"
        );
        // Through a formatted answer, since the client's own row types are fixed when the gateway is compiled.
        let answer = async {
            let mut cursor = self.client.query_raw(&query).fetch_bytes("JSONEachRow")?;
            let all = cursor.collect().await?;
            Ok(all)
        };
        let answer = tokio::time::timeout(self.settings.timeout, answer).await.unwrap_or(Err(Error::TimedOut));
        let answer = answer.map_err(|fault| classify(&action, &fault))?;
        let lines = answer.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let columns: Result<Vec<LiveColumn>, _> = lines.map(serde_json::from_slice).collect();
        let columns = columns.map_err(|fault| {
            SinkFault::Unavailable(format!(
                "{action}: the answer of {} is not ClickHouse's: {fault}",
                self.settings.url
            ))
        });
        Ok(LiveTable { columns: columns? })
    }
}
