//! Whether a table, and all behind its views, still knows the inserts of a time that lies further back than its window was made for.
//!
//! A server does not tell which tokens it knows. It does tell how parts are numbered, each insert with the next number of its table, or of its
//! partition where tables are replicated; a merged part has the last number of what it was merged from. So no more inserts can have
//! come since a time than lie between the newest part that is older and the newest of all.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use super::names::text;
use super::needs::{Came, forgotten};
use super::relations::{Place, Relations};
use super::server::Server;
use crate::sink::SinkFault;

#[derive(Deserialize)]
struct Numbers {
    database: String,
    name: String,
    of_table: u64,
    of_partitions: u64,
}

/// Why a table may have forgotten inserts of a time, in seconds since 1970 and so long ago; none where it has not.
///
/// # Errors
/// Where the server does not answer.
pub(super) async fn forgotten_since(
    server: &Server,
    table: &str,
    since: u64,
    ago: Duration,
) -> Result<Option<String>, SinkFault> {
    let Some((root, relations)) = Relations::read(server, table).await? else {
        return Err(SinkFault::Unavailable(format!("table `{table}` does not exist")));
    };
    let names: Vec<_> =
        relations.places().map(|place| format!("({}, {})", text(&place.database), text(&place.name))).collect();
    let query = format!(
        "SELECT database, name, toUInt64(max(last) - max(known)) AS of_table, toUInt64(sum(last - known)) AS of_partitions FROM \
         (SELECT database, table AS name, partition_id, max(max_block_number) AS last, \
         maxIf(max_block_number, modification_time < toDateTime({since})) AS known \
         FROM system.parts WHERE (database, table) IN ({}) GROUP BY database, name, partition_id) GROUP BY database, name \
         SETTINGS output_format_json_quote_64bit_integers = 0",
        names.join(", ")
    );
    let action = format!("count what has come to table `{table}`");
    let numbers: Vec<Numbers> = server.ask(&action, &query).await?;
    let came: BTreeMap<_, _> = numbers
        .into_iter()
        .map(|Numbers { database, name, of_table, of_partitions }| {
            (Place { database, name }, Came { of_table, of_partitions })
        })
        .collect();
    let defaults = relations.defaults(server).await?;
    Ok(forgotten(&root, &relations, &defaults, &came, ago))
}
