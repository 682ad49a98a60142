//! The limit of rows a record, enforced when all calls of a range have answered: a record that became too many rows is rejected
//! alone, and the others' rows stay.

use super::answers::{RouteRows, record_of};
use crate::plugin::Plugin;

/// Takes away the rows of records with more than the plugin's limit of them, over all routes. These records, and why.
pub(super) fn take_out(routes: &mut [RouteRows], records: usize, plugin: &dyn Plugin) -> Vec<(usize, String)> {
    let (rows, limit) = (counts(routes, records), plugin.rows_per_record());
    let most = rows.iter().copied().max().unwrap_or_default();
    if let Some(usage) = plugin.usage() {
        usage.rows_per_record(most);
    }
    if most <= limit {
        return Vec::new();
    }
    for route in routes {
        route.leave_out(|_, origin| {
            record_of(origin).and_then(|record| rows.get(record)).is_some_and(|rows| *rows > limit)
        });
    }
    let overfull: Vec<_> = rows.iter().enumerate().filter(|(_, rows)| **rows > limit).collect();
    if let Some(usage) = plugin.usage() {
        usage.limited("rows_per_record", overfull.len() as u64);
    }
    let raises = "a larger `limits.rows_per_record` in the pipeline's file allows more";
    let told = |(record, rows)| (record, format!("it became {rows} rows, and {limit} is the limit; {raises}"));
    overfull.into_iter().map(told).collect()
}

/// How many rows each record has. Those that stand for the range as a whole have none; what they take `limits.output` bounds.
fn counts(routes: &[RouteRows], records: usize) -> Vec<usize> {
    let mut rows = vec![0; records];
    for origin in routes.iter().flat_map(|route| &route.chunks).flat_map(|chunk| &chunk.origins) {
        if let Some(rows) = record_of(*origin).and_then(|record| rows.get_mut(record)) {
            *rows += 1;
        }
    }
    rows
}
