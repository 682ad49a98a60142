//! The limit of rows a record, enforced when all calls of a range have answered: a record that became too many rows is rejected
//! alone, and the others' rows stay.

use super::answers::{RANGE_ORIGIN, RouteRows};
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
    let is_overfull = |origin: u32| rows.get(index(origin)).is_some_and(|rows| *rows > limit);
    for route in routes {
        route.leave_out(|_, origin| is_overfull(origin));
    }
    let overfull: Vec<_> = rows.iter().enumerate().filter(|(_, rows)| **rows > limit).collect();
    if let Some(usage) = plugin.usage() {
        usage.limited("rows_per_record", overfull.len() as u64);
    }
    let raises = "a larger `limits.rows_per_record` in the pipeline's file allows more";
    let told = |(record, rows)| (record, format!("it became {rows} rows, and {limit} is the limit; {raises}"));
    overfull.into_iter().map(told).collect()
}

/// How many rows each record has.
fn counts(routes: &[RouteRows], records: usize) -> Vec<usize> {
    let mut rows = vec![0; records];
    for origin in routes.iter().flat_map(|route| &route.chunks).flat_map(|chunk| &chunk.origins) {
        if let Some(rows) = rows.get_mut(index(*origin)) {
            *rows += 1;
        }
    }
    rows
}

/// Rows that stand for the range as a whole have no record; what they take `limits.output` bounds.
fn index(origin: u32) -> usize {
    if origin == RANGE_ORIGIN { usize::MAX } else { usize::try_from(origin).unwrap_or(usize::MAX) }
}
