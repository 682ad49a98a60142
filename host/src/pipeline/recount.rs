//! Whether a table has the rows that it says it has. One that notes an insert's token before it keeps its rows may know the one and lack the other
//! when its server has been killed in between: it answers the next try well, and the rows are nowhere. So what was in doubt is counted once it is
//! written, and what is lost is written again under another token. Nothing that is still on its way can bring it by then: its own token is spent.

use std::collections::{BTreeMap, BTreeSet};

use super::answers::record_of;
use super::batch::Batch;
use super::deliver::Delivery;
use super::deployment::Deployment;
use super::outlet::Outgoing;
use super::transform::Transformed;
use super::write::{Doubt, Written};
use crate::config::Target;
use crate::rows::whole_number;
use crate::sink::{Backoff, SinkFault, Table};

/// The columns by which rows say where they came from, as plugins call them where nothing else is asked of them.
pub const PARTITION: &str = "_partition";
/// See [`PARTITION`].
pub const OFFSET: &str = "_offset";

/// How many rows there are of each record, by its partition and offset.
type Counts = BTreeMap<(i32, i64), u64>;

/// What is to be in a table of a route.
struct Due {
    route: usize,
    rows: Counts,
    in_doubt: bool,
}

/// What a count says.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// All is there that was in doubt.
    There,
    /// Nothing is there of these routes.
    Lost(Vec<usize>),
    /// Something is lacking, and it cannot be said of which route.
    Unclear,
}

impl Delivery {
    /// Writes again what tables have lost of what was in doubt. Why it takes an operator, where it cannot be told what that is.
    pub(super) async fn write_lost(&self, by: &Deployment, transformed: &Transformed, doubt: &Doubt) -> Option<String> {
        let targets: BTreeSet<_> = by.tables.iter().map(|(target, _)| target).collect();
        for target in targets {
            // To count rows takes longer than to write them.
            if !routes(by, target).any(|route| doubt.is_of(&by.outlets, route)) {
                continue;
            }
            let Some(due) = due(by, target, transformed, doubt) else { continue };
            let table = by.tables.iter().find(|(other, _)| other == target).map(|(_, table)| &**table);
            let Some(table) = table.filter(|_| due.iter().any(|due| due.in_doubt)) else { continue };
            let Some(found) = self.found(target, table, &transformed.batch, doubt.planned_at).await else { continue };
            let lost = match judge(&due, &found) {
                Verdict::There => continue,
                Verdict::Lost(routes) => routes,
                Verdict::Unclear => {
                    return Some(format!(
                        "table `{}` lacks rows of range {} of a try that was not answered, though it knows the try's token, and several routes go \
                         there: it cannot be told which of them lacks rows",
                        target.table,
                        transformed.batch.told()
                    ));
                }
            };
            let rows: u64 = due.iter().filter(|due| lost.contains(&due.route)).flat_map(|due| due.rows.values()).sum();
            tracing::warn!(
                pipeline = %self.status.name(), table = target.table, range = %transformed.batch.range, rows,
                "the table knows an insert's token and has none of its rows: its server was killed in between; they are written again"
            );
            let again = Outgoing { is_lost: true, ..self.outgoing(by, transformed) };
            for (outlet, of_outlet) in doubt.by_outlet(&by.outlets) {
                if !outlet.routes.iter().any(|route| lost.contains(route)) {
                    continue;
                }
                match self.write(by, again, (outlet, of_outlet), doubt).await {
                    Written::Done => {}
                    Written::Unknowable(reason) => return Some(reason),
                    Written::Elsewhere | Written::Refused { .. } => {
                        return Some(format!(
                            "table `{}` has lost rows of range {} that it had taken, and does not take them again",
                            target.table,
                            transformed.batch.told()
                        ));
                    }
                }
            }
        }
        None
    }

    /// What a table has of a batch's ranges; none where it cannot lose what it knows, or its rows do not tell.
    async fn found(&self, target: &Target, table: &dyn Table, batch: &Batch, since: u64) -> Option<Counts> {
        let subject = format!("sink {target}");
        let mut backoff = Backoff::of_sink();
        loop {
            match found(table, batch, since).await {
                Ok(found) => {
                    self.status.solved(&subject);
                    return found;
                }
                Err(fault) => self.status.problem(&subject, &fault.to_string()),
            }
            let wait = backoff.next(&mut rand::rng());
            tokio::time::sleep(wait).await;
        }
    }
}

async fn found(table: &dyn Table, batch: &Batch, since: u64) -> Result<Option<Counts>, SinkFault> {
    let mut counts = Counts::new();
    for range in std::iter::once(&batch.range).chain(batch.joined.iter().map(|joined| &joined.range)) {
        let Some(rows) = table.recount(range, since).await? else { return Ok(None) };
        counts.extend(rows.into_iter().map(|(offset, rows)| ((range.partition, offset), rows)));
    }
    Ok(Some(counts))
}

/// The routes that go into a table.
fn routes<'a>(by: &'a Deployment, target: &'a Target) -> impl Iterator<Item = usize> + 'a {
    by.tables.iter().enumerate().filter(move |(_, (other, _))| other == target).map(|(route, _)| route)
}

/// What the routes that go into a table have there; none where their rows do not say where they came from.
fn due(by: &Deployment, target: &Target, transformed: &Transformed, doubt: &Doubt) -> Option<Vec<Due>> {
    let due = |route: usize| {
        let in_doubt = doubt.is_of(&by.outlets, route);
        let rows = counted(by, route, transformed)?;
        Some(Due { route, in_doubt: in_doubt && !rows.is_empty(), rows })
    };
    routes(by, target).map(due).collect()
}

/// How many rows a route has of each record. None where one does not say which that is: columns of these names may mean something else.
fn counted(by: &Deployment, route: usize, transformed: &Transformed) -> Option<Counts> {
    let columns = &by.plugin.description().routes.get(route)?.columns;
    let place = |name: &str| columns.iter().position(|column| column.name == name);
    let (partition, offset) = (place(PARTITION)?, place(OFFSET)?);
    let (mut counts, batch) = (Counts::new(), &transformed.batch);
    for chunk in &transformed.routes.get(route)?.chunks {
        for (row, origin) in chunk.rows().zip(&chunk.origins) {
            let record = record_of(*origin)?;
            let of = (batch.range_of(record).partition, *batch.records.offsets.get(record)?);
            let said = (whole_number(row, columns, partition)?, whole_number(row, columns, offset)?);
            if said != (of.0.into(), of.1) {
                return None;
            }
            *counts.entry(of).or_default() += 1;
        }
    }
    Some(counts)
}

/// An insert is there as a whole or not at all: whatever routes are lost, the others' rows are all there. Rows beyond these are of other
/// pipelines, or of what was processed on purpose once more.
fn judge(due: &[Due], found: &Counts) -> Verdict {
    let doubtful: Vec<usize> = due.iter().filter(|due| due.in_doubt).map(|due| due.route).collect();
    let there = |lost: &[usize]| {
        let mut rows = Counts::new();
        for due in due.iter().filter(|due| !lost.contains(&due.route)) {
            for (record, count) in &due.rows {
                *rows.entry(*record).or_default() += count;
            }
        }
        rows
    };
    let all = there(&[]);
    if all.iter().all(|(record, count)| found.get(record).is_some_and(|found| found >= count)) {
        return Verdict::There;
    }
    // Few routes go into one table; of many only that all or one are lost is looked at.
    let every: Vec<Vec<usize>> = match doubtful.len() {
        0 => Vec::new(),
        count @ 1..=6 => (1_u32..1 << count)
            .map(|set| {
                (0..count).filter(|at| set & (1 << at) != 0).filter_map(|at| doubtful.get(at).copied()).collect()
            })
            .collect(),
        _ => doubtful.iter().map(|route| vec![*route]).chain([doubtful.clone()]).collect(),
    };
    let fits = every.into_iter().filter(|lost| there(lost) == *found);
    match fits.collect::<Vec<_>>().as_slice() {
        [lost] => Verdict::Lost(lost.clone()),
        [] if found.is_empty() => Verdict::Lost(doubtful),
        // Rows of it are there: it is one insert, and people have taken away what is lacking. With several nobody can tell.
        [] if due.len() == 1 => Verdict::There,
        _ => Verdict::Unclear,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(offsets: &[(i64, u64)]) -> Counts {
        offsets.iter().map(|(offset, rows)| ((3, *offset), *rows)).collect()
    }

    fn due(route: usize, in_doubt: bool, rows: &[(i64, u64)]) -> Due {
        Due { route, in_doubt, rows: counts(rows) }
    }

    #[test]
    fn of_one_route_nothing_is_there_or_all() {
        let one = [due(0, true, &[(5, 1), (6, 2)])];
        assert_eq!(judge(&one, &counts(&[(5, 1), (6, 2)])), Verdict::There);
        assert_eq!(judge(&one, &counts(&[(5, 2), (6, 2), (7, 1)])), Verdict::There, "processed twice on purpose");
        assert_eq!(judge(&one, &counts(&[])), Verdict::Lost(vec![0]));
        assert_eq!(judge(&one, &counts(&[(6, 2)])), Verdict::There, "somebody has deleted some");
    }

    #[test]
    fn of_several_routes_the_lost_one_is_told_by_what_is_lacking() {
        let two = [due(0, true, &[(5, 1), (6, 2)]), due(2, true, &[(6, 1), (7, 1)])];
        assert_eq!(judge(&two, &counts(&[(5, 1), (6, 3), (7, 1)])), Verdict::There);
        assert_eq!(judge(&two, &counts(&[(6, 1), (7, 1)])), Verdict::Lost(vec![0]));
        assert_eq!(judge(&two, &counts(&[(5, 1), (6, 2)])), Verdict::Lost(vec![2]));
        assert_eq!(judge(&two, &counts(&[])), Verdict::Lost(vec![0, 2]));
        assert_eq!(judge(&two, &counts(&[(5, 1)])), Verdict::Unclear);
        let alike = [due(0, true, &[(5, 1)]), due(1, true, &[(5, 1)])];
        assert_eq!(judge(&alike, &counts(&[(5, 1)])), Verdict::Unclear);
        let known = [due(0, false, &[(5, 1)]), due(1, true, &[(5, 1)])];
        assert_eq!(judge(&known, &counts(&[(5, 1)])), Verdict::Lost(vec![1]));
    }
}
