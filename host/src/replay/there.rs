//! Which rows of a batch are in the tables already: those are not written once more.

use std::collections::{BTreeMap, BTreeSet};

use crate::audit::compare::{OfRecord, compare};
use crate::audit::expected;
use crate::config::Target;
use crate::pipeline::{Range, Transformed};
use crate::sink::{Found, Provenance, Question};
use crate::subject::{Subject, SubjectFault, failed};

/// What is known of a batch's rows in all tables that can be asked.
#[derive(Default)]
pub struct There {
    /// How many rows of each route are there, by its index.
    pub rows: BTreeMap<usize, u64>,
    /// Records of which some rows are there and others are not.
    pub conflicts: BTreeSet<i64>,
    /// Records of which some rows may be there, in tables that do not tell.
    pub doubts: BTreeSet<i64>,
    /// Records with rows that are there.
    pub records: BTreeSet<i64>,
    /// Records with rows that are not there, or of which nobody knows.
    pub open: BTreeSet<i64>,
}

/// A table that can be asked.
pub struct Asked {
    /// Its name.
    pub target: Target,
    /// Indexes of the routes that are written there.
    pub routes: Vec<usize>,
    /// Its columns.
    pub provenance: Provenance,
}

/// Whether the table of a route can be asked which rows it has.
pub fn tells(asked: &[Asked], route: usize) -> bool {
    asked.iter().any(|table| table.routes.contains(&route))
}

/// A question has an answer of at most so many offsets.
const WIDEST: i64 = 50_000;

/// Takes the rows out of a batch that are there already. `all_gone`: records that have rows where the plugin now makes none are conflicts too.
///
/// # Errors
/// Where a table does not answer.
pub async fn take_out(
    subject: &Subject,
    asked: &[Asked],
    transformed: &mut Transformed,
    all_gone: bool,
) -> Result<There, SubjectFault> {
    let mut there = There::default();
    let own: BTreeSet<i64> = transformed.batch.records.offsets.iter().copied().collect();
    let mut unknown: BTreeSet<usize> = (0..transformed.routes.len()).collect();
    for table in asked {
        let found = ask(subject, table, &transformed.batch.range, &own).await?;
        let made = made(subject, table, transformed)?;
        let expected: Vec<_> = made.values().flatten().flatten().copied().collect();
        let mut done = BTreeSet::new();
        for (offset, record) in compare(&expected, &found) {
            if !own.contains(&offset) || record.written == 0 {
                continue;
            }
            match (record.expected, record.missing) {
                (0, _) if !all_gone => {}
                (0, _) => _ = there.conflicts.insert(offset),
                (_, 0) => _ = done.insert(offset),
                _ => _ = there.conflicts.insert(offset),
            }
        }
        for (route, rows) in made {
            unknown.remove(&route);
            let Some(of_route) = transformed.routes.get_mut(route) else { continue };
            let is_done = |index: usize| matches!(rows.get(index), Some(Some(row)) if done.contains(&row.offset));
            let before = of_route.rows;
            of_route.leave_out(|index, _| is_done(index));
            let taken = u64::try_from(before - of_route.rows).unwrap_or_default();
            *there.rows.entry(route).or_insert(0) += taken;
            let open = rows.iter().flatten().map(|row| row.offset).filter(|offset| !done.contains(offset));
            there.open.extend(open);
        }
        there.records.extend(done);
    }
    for route in unknown {
        there.open.extend(made_by(subject, route, transformed, None)?.into_iter().flatten().map(|row| row.offset));
    }
    Ok(there)
}

/// Whether the rows of a route are in its table, or none of them is.
///
/// # Errors
/// Where the table does not answer, or has some.
pub async fn has_landed(
    subject: &Subject,
    asked: &[Asked],
    transformed: &Transformed,
    route: usize,
) -> Result<bool, SubjectFault> {
    let Some(table) = asked.iter().find(|table| table.routes.contains(&route)) else { return Ok(false) };
    let mut made = made(subject, table, transformed)?;
    // Routes are written in their order, and several may share a table.
    made.retain(|other, _| *other <= route);
    let own: BTreeSet<i64> = made.values().flatten().flatten().map(|row| row.offset).collect();
    let count = |rows: &[Option<Found>]| rows.iter().flatten().map(|row| row.rows).sum::<u64>();
    let all: u64 = made.values().map(|rows| count(rows)).sum();
    let lost = made.get(&route).map(|rows| count(rows)).unwrap_or_default();
    let found = ask(subject, table, &transformed.batch.range, &own).await?;
    let found: u64 = found.iter().filter(|row| own.contains(&row.offset)).map(|row| row.rows).sum();
    match found {
        found if found == all => Ok(true),
        found if found + lost == all => Ok(false),
        _ => Err(failed(format!(
            "{}: no answer came to an insert of {}, and some of its rows are there and others are not; the same replay once more leaves out those \
             that are there",
            table.target, transformed.batch.range
        ))),
    }
}

/// Of which records the tables that can be asked do not have the rows once each, now that they are written.
///
/// # Errors
/// Where a table does not answer.
pub async fn not_once(
    subject: &Subject,
    asked: &[Asked],
    transformed: &Transformed,
) -> Result<Vec<(Target, i64, OfRecord)>, SubjectFault> {
    let own: BTreeSet<i64> = transformed.batch.records.offsets.iter().copied().collect();
    let mut not_once = Vec::new();
    for table in asked {
        let made = made(subject, table, transformed)?;
        let expected: Vec<_> = made.values().flatten().flatten().copied().collect();
        if expected.is_empty() {
            continue;
        }
        let found = ask(subject, table, &transformed.batch.range, &own).await?;
        let records = compare(&expected, &found).into_iter();
        let wrong = records.filter(|(_, record)| record.missing + record.doubled > 0);
        not_once.extend(wrong.map(|(offset, record)| (table.target.clone(), offset, record)));
    }
    Ok(not_once)
}

/// Records that some of these routes may have rows of already, though their tables cannot be asked: those that another table refused, and
/// that make rows for several routes.
///
/// # Errors
/// Where a row is not what its columns say.
pub fn in_doubt(
    subject: &Subject,
    untold: &BTreeSet<usize>,
    transformed: &Transformed,
    refused: &BTreeSet<i64>,
) -> Result<BTreeSet<i64>, SubjectFault> {
    let mut routes: BTreeMap<i64, BTreeSet<usize>> = BTreeMap::new();
    if untold.is_empty() || refused.is_empty() {
        return Ok(BTreeSet::new());
    }
    for route in 0..transformed.routes.len() {
        for row in made_by(subject, route, transformed, None)?.into_iter().flatten() {
            routes.entry(row.offset).or_default().insert(route);
        }
    }
    let doubtful = |(offset, routes): &(i64, BTreeSet<usize>)| {
        refused.contains(offset) && routes.len() > 1 && !routes.is_disjoint(untold)
    };
    Ok(routes.into_iter().filter(doubtful).map(|(offset, _)| offset).collect())
}

/// The rows that are to go to a table, by route.
fn made(
    subject: &Subject,
    table: &Asked,
    transformed: &Transformed,
) -> Result<BTreeMap<usize, Vec<Option<Found>>>, SubjectFault> {
    let ordinal = table.provenance.ordinal.as_deref();
    let of = |route: &usize| Ok((*route, made_by(subject, *route, transformed, ordinal)?));
    table.routes.iter().map(of).collect()
}

fn made_by(
    subject: &Subject,
    route: usize,
    transformed: &Transformed,
    ordinal: Option<&str>,
) -> Result<Vec<Option<Found>>, SubjectFault> {
    let (destination, rows) = (subject.prepared.destinations.get(route), transformed.routes.get(route));
    match destination.zip(rows) {
        Some((destination, rows)) => expected::rows(transformed, rows, destination.columns(), ordinal).map_err(failed),
        None => Ok(Vec::new()),
    }
}

async fn ask(subject: &Subject, table: &Asked, range: &Range, own: &BTreeSet<i64>) -> Result<Vec<Found>, SubjectFault> {
    let destination = table.routes.first().and_then(|route| subject.prepared.destinations.get(*route));
    let Some(reading) = destination.and_then(|destination| destination.sink().reading()) else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for (first, next) in pieces(own) {
        let range = Range { first, next, ..range.clone() };
        let question = Question { table: &table.target.table, provenance: &table.provenance, range: &range };
        let answer = reading.rows(question).await.map_err(|fault| failed(format!("{}: {fault}", table.target)))?;
        found.extend(answer);
    }
    Ok(found)
}

/// Ranges that are not too wide, and hold all of the offsets.
fn pieces(offsets: &BTreeSet<i64>) -> Vec<(i64, i64)> {
    let mut pieces: Vec<(i64, i64)> = Vec::new();
    for offset in offsets {
        match pieces.last_mut() {
            Some((first, next)) if offset - *first < WIDEST => *next = offset + 1,
            _ => pieces.push((*offset, offset + 1)),
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_asked_of_no_more_offsets_than_an_answer_may_have() {
        let pieces = pieces(&BTreeSet::from([3, 4, 50_002, 50_003, 9_000_000]));
        assert_eq!(pieces, [(3, 50_003), (50_003, 50_004), (9_000_000, 9_000_001)]);
    }
}
