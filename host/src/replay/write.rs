//! Writes what a batch has become, by the ways that pipelines write: each route's rows to its table, or those of all routes of a
//! database in one transaction.

use super::there::{self, Asked};
use crate::config::{Guarantee, Target};
use crate::pipeline::{Batch, Token, Transformed};
use crate::sink::{Backoff, Fence, Sink, SinkFault, Table, Transaction, Write};
use crate::subject::{Subject, SubjectFault, failed};

/// A sink that does not answer is asked so often again, over some seconds; after that it is for the operator to try.
const TRIES: usize = 6;

/// So many offsets of records that a table refuses are named: as many as somebody reads.
const MOST_NAMED: usize = 20;

/// What is written at once.
struct Outlet<'s> {
    routes: Vec<usize>,
    /// None where each table takes its rows by itself.
    sink: Option<&'s dyn Sink>,
}

/// Writes a batch. Records of which a table refuses rows are rejected, where all tables can be asked which rows they have: one that cannot
/// has nothing but the batch's tokens, and those are spent with the rest of its rows, so that what was left out would never get in.
///
/// # Errors
/// Where it cannot be written; what was written then is known by its token when the same is written again.
pub async fn write(subject: &Subject, asked: &[Asked], transformed: &mut Transformed) -> Result<(), SubjectFault> {
    let untold = untold(subject, asked, transformed);
    for outlet in outlets(subject) {
        let (mut backoff, mut tries, mut lost) = (Backoff::default(), 0, None);
        loop {
            let Err((route, fault)) = attempt_after(lost, subject, asked, transformed, &outlet).await else { break };
            match (route, fault) {
                (Some(route), SinkFault::Rows(refusal)) => {
                    let blamed = blame(subject, transformed, &outlet, route, refusal).await?;
                    if let Some(target) = &untold {
                        return Err(refused(subject, transformed, route, &blamed, target));
                    }
                }
                (route, SinkFault::Unavailable(_)) if tries < TRIES => {
                    tries += 1;
                    tokio::time::sleep(backoff.next(&mut rand::rng())).await;
                    lost = route.filter(|_| subject.prepared.guarantee == Guarantee::AtLeastOnce);
                }
                (_, fault) => return Err(failed(format!("{}: {fault}", transformed.batch.range))),
            }
        }
    }
    Ok(())
}

/// Fails where a table cannot hold some of the rows, as its columns' types are now, and another, or the same, gets others that it cannot be asked for.
///
/// # Errors
/// As for [`write`].
pub fn fits(subject: &Subject, asked: &[Asked], transformed: &Transformed) -> Result<(), SubjectFault> {
    match (untold(subject, asked, transformed), transformed.refused.first_key_value()) {
        (Some(target), Some((route, records))) => {
            let records: Vec<_> = records.iter().copied().collect();
            Err(refused(subject, transformed, *route, &records, &target))
        }
        _ => Ok(()),
    }
}

/// A table that gets rows of the batch and cannot be asked.
fn untold(subject: &Subject, asked: &[Asked], transformed: &Transformed) -> Option<Target> {
    let mut routes = subject.prepared.destinations.iter().zip(&transformed.routes).enumerate();
    let is_untold = |route: &usize| asked.iter().all(|table| !table.routes.contains(route));
    let found = routes.find(|(route, (_, rows))| rows.rows > 0 && is_untold(route));
    found.map(|(_, (destination, _))| destination.target.clone())
}

/// Says which records a table refuses.
fn refused(
    subject: &Subject,
    transformed: &Transformed,
    route: usize,
    blamed: &[usize],
    untold: &Target,
) -> SubjectFault {
    let Transformed { batch, rejects, .. } = transformed;
    let offsets: Vec<_> = blamed.iter().filter_map(|record| batch.records.offsets.get(*record)).collect();
    let mut named: Vec<_> = offsets.iter().take(MOST_NAMED).map(ToString::to_string).collect();
    if offsets.len() > named.len() {
        named.push(format!("{} more", offsets.len() - named.len()));
    }
    let reason = rejects.iter().find(|reject| blamed.contains(&reject.record)).map(|reject| reject.reason.as_str());
    let refusing = subject.prepared.destinations.get(route).map(|destination| destination.target.to_string());
    failed(format!(
        "{} refuses rows of {}/{} offset {}: {}; {untold} does not tell which rows it has, and would not take them behind the others of \
         this batch, so it is not written without them. Mend the table and replay the same once more: what is written already is not written twice then",
        refusing.unwrap_or_default(),
        batch.range.topic,
        batch.range.partition,
        named.join(", "),
        reason.unwrap_or_default()
    ))
}

/// The routes, those of one transaction together.
fn outlets(subject: &Subject) -> Vec<Outlet<'_>> {
    let mut outlets: Vec<(String, Outlet<'_>)> = Vec::new();
    for (route, destination) in subject.prepared.destinations.iter().enumerate() {
        let together = subject.prepared.guarantee == Guarantee::ExactlyOnce;
        let sink = Some(destination.sink()).filter(|sink| together && sink.transaction().is_some());
        let name = &destination.target.sink;
        match outlets.iter_mut().find(|(other, outlet)| sink.is_some() && outlet.sink.is_some() && other == name) {
            Some((_, outlet)) => outlet.routes.push(route),
            None => outlets.push((name.clone(), Outlet { routes: vec![route], sink })),
        }
    }
    outlets.into_iter().map(|(_, outlet)| outlet).collect()
}

/// The routes of an outlet that have rows, and the writes of those rows.
fn writes<'a>(
    subject: &'a Subject,
    transformed: &'a Transformed,
    outlet: &Outlet<'_>,
    tokens: &'a [Token],
) -> (Vec<usize>, Vec<(&'a dyn Table, Write<'a>)>) {
    let range = &transformed.batch.range;
    let of_route = |(route, token): (&usize, &'a Token)| {
        let rows = transformed.routes.get(*route).filter(|rows| rows.rows > 0)?;
        let table = subject.tables.get(*route)?;
        Some((*route, (&**table, Write { tenant: &subject.tenant.name, token, range, rows })))
    };
    outlet.routes.iter().zip(tokens).filter_map(of_route).unzip()
}

impl Outlet<'_> {
    fn tokens(&self, transformed: &Transformed) -> Vec<Token> {
        let Batch { range, lineage, .. } = &transformed.batch;
        self.routes.iter().map(|route| Token::new(*lineage, range, *route)).collect()
    }

    fn transaction(&self) -> Option<&dyn Transaction> {
        self.sink.and_then(|sink| sink.transaction())
    }
}

fn fence<'a>(subject: &'a Subject, transformed: &'a Transformed) -> Fence<'a> {
    let Batch { range, lineage, .. } = &transformed.batch;
    Fence { tenant: &subject.tenant.name, lineage: *lineage, range }
}

/// An attempt after one whose answer was lost, of this route, where no token tells whether that has landed: the table is asked.
async fn attempt_after(
    lost: Option<usize>,
    subject: &Subject,
    asked: &[Asked],
    transformed: &Transformed,
    outlet: &Outlet<'_>,
) -> Result<(), (Option<usize>, SinkFault)> {
    if let Some(route) = lost {
        let landed = there::has_landed(subject, asked, transformed, route).await;
        if landed.map_err(|fault| (Some(route), SinkFault::Unavailable(fault.to_string())))? {
            return Ok(());
        }
    }
    attempt(subject, transformed, outlet).await
}

async fn attempt(
    subject: &Subject,
    transformed: &Transformed,
    outlet: &Outlet<'_>,
) -> Result<(), (Option<usize>, SinkFault)> {
    let tokens = outlet.tokens(transformed);
    let (routes, writes) = writes(subject, transformed, outlet, &tokens);
    if writes.is_empty() {
        return Ok(());
    }
    if let Some(transaction) = outlet.transaction() {
        let written = transaction.write(&writes, fence(subject, transformed)).await;
        return written.map_err(|(index, fault)| (index.and_then(|index| routes.get(index).copied()), fault));
    }
    for (route, (table, write)) in routes.into_iter().zip(writes) {
        table.write(write).await.map_err(|fault| (Some(route), fault))?;
    }
    Ok(())
}

/// Rejects the records of the rows that a table refuses, and returns which those are.
async fn blame(
    subject: &Subject,
    transformed: &mut Transformed,
    outlet: &Outlet<'_>,
    route: usize,
    refusal: String,
) -> Result<Vec<usize>, SubjectFault> {
    let tokens = outlet.tokens(transformed);
    let (routes, writes) = writes(subject, transformed, outlet, &tokens);
    let index = routes.iter().position(|other| *other == route);
    let blamed = match (outlet.transaction(), index.and_then(|index| Some((index, writes.get(index)?)))) {
        (Some(transaction), Some((index, _))) => transaction.blame(&writes, index, fence(subject, transformed)).await,
        (None, Some((_, (table, write)))) => table.blame(*write).await,
        (_, None) => return Err(failed(refusal)),
    };
    let blamed = blamed.map_err(|fault| failed(format!("{refusal}; looking for the rows to blame: {fault}")))?;
    if blamed.is_empty() {
        let range = &transformed.batch.range;
        return Err(failed(format!("{range}: {refusal}; each of the rows passes by itself, so that none is to blame")));
    }
    let before = transformed.refused.get(&route).cloned().unwrap_or_default();
    let rejected = transformed.reject_blamed(route, subject.route(route), &blamed);
    rejected.map_err(|fault| failed(fault.to_string()))?;
    let after = transformed.refused.get(&route).into_iter().flatten();
    Ok(after.filter(|record| !before.contains(record)).copied().collect())
}
