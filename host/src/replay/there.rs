//! Which rows of a batch are in the tables already: those are not written once more.

use std::collections::{BTreeMap, BTreeSet};

use crate::audit::compare::compare;
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

/// Which records lack rows in the tables that can be asked.
///
/// # Errors
/// Where a table does not answer.
pub async fn lacking(
    subject: &Subject,
    asked: &[Asked],
    transformed: &Transformed,
) -> Result<Vec<(Target, i64)>, SubjectFault> {
    let own: BTreeSet<i64> = transformed.batch.records.offsets.iter().copied().collect();
    let mut lacking = Vec::new();
    for table in asked {
        let made = made(subject, table, transformed)?;
        let expected: Vec<_> = made.values().flatten().flatten().copied().collect();
        if expected.is_empty() {
            continue;
        }
        let found = ask(subject, table, &transformed.batch.range, &own).await?;
        let records = compare(&expected, &found).into_iter().filter(|(_, record)| record.missing > 0);
        lacking.extend(records.map(|(offset, _)| (table.target.clone(), offset)));
    }
    Ok(lacking)
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
