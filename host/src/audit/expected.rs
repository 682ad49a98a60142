//! What a plugin made of records, as it would be found in a table.

use crate::pipeline::{RouteRows, Transformed};
use crate::rows::{Column, whole_number};
use crate::sink::Found;

/// The rows of one route, in their order; none for a row that stands for the range as a whole. `ordinal` is the column that tells which
/// of the rows of its record each is.
///
/// # Errors
/// Where a row is not what its columns say.
pub fn rows(
    transformed: &Transformed,
    route: &RouteRows,
    columns: &[Column],
    ordinal: Option<&str>,
) -> Result<Vec<Option<Found>>, String> {
    let mut expected = Vec::with_capacity(route.rows);
    let ordinal = ordinal.and_then(|name| columns.iter().position(|column| column.name == name));
    for chunk in &route.chunks {
        for (row, origin) in chunk.rows().zip(&chunk.origins) {
            let offset = usize::try_from(*origin).ok().and_then(|record| transformed.batch.records.offsets.get(record));
            let Some(offset) = offset else {
                expected.push(None);
                continue;
            };
            let ordinal = match ordinal {
                Some(index) => whole_number(row, columns, index).ok_or("a row's ordinal is no number")?,
                None => 0,
            };
            expected.push(Some(Found { offset: *offset, ordinal, rows: 1 }));
        }
    }
    Ok(expected)
}
