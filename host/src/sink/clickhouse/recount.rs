//! How many rows of a range a table has.
//!
//! A MergeTree that is not replicated notes an insert's token before it keeps the insert's rows (`MergeTreeSink`, `MergeTreeDeduplicationLog`). A
//! server that is killed in between knows the token when it is back, and answers an insert under it well, though the rows are nowhere. So what
//! was in doubt is counted, where the rows say where they came from.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::names::{qualified, text};
use super::server::Server;
use crate::pipeline::{OFFSET, PARTITION, Range};
use crate::rows::Column;
use crate::sink::SinkFault;

/// With several topics in one table, rows say of which they are.
const TOPIC: &str = "_topic";

/// The only engine whose rows stay as they were written, and of which a token can be there without its rows.
pub(super) const ENGINE: &str = "MergeTree";

#[derive(Deserialize)]
struct Known {
    block: i64,
}

#[derive(Deserialize)]
struct Found {
    at: i64,
    rows: u64,
}

/// By offset: how many rows of a range a table has that came since a time, in seconds since 1970; none where its rows do not say where they came from.
///
/// # Errors
/// Where the server does not answer.
pub(super) async fn recount(
    server: &Server,
    table: &str,
    columns: &[Column],
    range: &Range,
    since: u64,
) -> Result<Option<BTreeMap<i64, u64>>, SinkFault> {
    let has = |name: &str| columns.iter().any(|column| column.name == name);
    if !has(PARTITION) || !has(OFFSET) {
        return Ok(None);
    }
    let action = format!("count the rows of range {range} in table `{table}`");
    let (database, name) = table.split_once('.').unwrap_or(("default", table));
    // Parts are numbered in their order, and a merged part has the last number of those that it is made of: what lies in older ones need not be read.
    let query = format!(
        "SELECT toInt64(max(max_block_number)) AS block FROM system.parts WHERE database = {} AND table = {} \
         AND modification_time < toDateTime({since}) SETTINGS output_format_json_quote_64bit_integers = 0",
        text(database),
        text(name)
    );
    let known: Vec<Known> = server.ask(&action, &query).await?;
    let before = known.first().map_or(0, |known| known.block);
    let topic = if has(TOPIC) { format!(" AND {TOPIC} = {}", text(&range.topic)) } else { String::new() };
    let query = format!(
        "SELECT toInt64({OFFSET}) AS at, count() AS rows FROM {} WHERE toInt64OrZero(splitByChar('_', _part)[3]) >= {before} \
         AND {PARTITION} = {} AND {OFFSET} >= {} AND {OFFSET} < {}{topic} GROUP BY at \
         SETTINGS output_format_json_quote_64bit_integers = 0",
        qualified(table),
        range.partition,
        range.first,
        range.next
    );
    let found: Vec<Found> = server.ask(&action, &query).await?;
    Ok(Some(found.into_iter().map(|Found { at, rows }| (at, rows)).collect()))
}
