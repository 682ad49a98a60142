//! Writes what a batch has become, by the ways that pipelines write: each route's rows to its table, or those of all routes of a
//! database in one transaction.

use crate::config::Guarantee;
use crate::pipeline::{Lineage, Token, Transformed};
use crate::sink::{Backoff, Fence, Sink, SinkFault, Table, Write};
use crate::subject::{Subject, SubjectFault, failed};

/// A sink that does not answer is asked so often again, over some seconds; after that it is for the operator to try.
const TRIES: usize = 6;

/// What is written at once.
struct Outlet<'s> {
    routes: Vec<usize>,
    /// None where each table takes its rows by itself.
    sink: Option<&'s dyn Sink>,
}

/// Writes a batch. Records of which a table refuses rows are rejected.
///
/// # Errors
/// Where it cannot be written; what was written then is known by its token when the same is written again.
pub async fn write(subject: &Subject, transformed: &mut Transformed, lineage: Lineage) -> Result<(), SubjectFault> {
    for outlet in outlets(subject) {
        let (mut backoff, mut tries) = (Backoff::default(), 0);
        loop {
            let Err((route, fault)) = attempt(subject, transformed, &outlet, lineage).await else { break };
            match (route, fault) {
                (Some(route), SinkFault::Rows(refusal)) => blame(subject, transformed, route, lineage, refusal).await?,
                (_, SinkFault::Unavailable(_)) if tries < TRIES => {
                    tries += 1;
                    tokio::time::sleep(backoff.next(&mut rand::rng())).await;
                }
                (_, fault) => return Err(failed(format!("{}: {fault}", transformed.batch.range))),
            }
        }
    }
    Ok(())
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

async fn attempt(
    subject: &Subject,
    transformed: &Transformed,
    outlet: &Outlet<'_>,
    lineage: Lineage,
) -> Result<(), (Option<usize>, SinkFault)> {
    let range = &transformed.batch.range;
    let tokens: Vec<_> = outlet.routes.iter().map(|route| Token::new(lineage, range, *route)).collect();
    let mut routes = Vec::new();
    let mut writes: Vec<(&dyn Table, Write<'_>)> = Vec::new();
    for (route, token) in outlet.routes.iter().zip(&tokens) {
        let rows = transformed.routes.get(*route).filter(|rows| rows.rows > 0);
        if let Some((table, rows)) = subject.tables.get(*route).zip(rows) {
            routes.push(*route);
            writes.push((&**table, Write { tenant: &subject.tenant.name, token, range, rows }));
        }
    }
    if writes.is_empty() {
        return Ok(());
    }
    if let Some(transaction) = outlet.sink.and_then(|sink| sink.transaction()) {
        let fence = Fence { tenant: &subject.tenant.name, lineage, range };
        let written = transaction.write(&writes, fence).await;
        return written.map_err(|(index, fault)| (index.and_then(|index| routes.get(index).copied()), fault));
    }
    for (route, (table, write)) in routes.into_iter().zip(writes) {
        table.write(write).await.map_err(|fault| (Some(route), fault))?;
    }
    Ok(())
}

/// Rejects the records of the rows that a table refuses.
async fn blame(
    subject: &Subject,
    transformed: &mut Transformed,
    route: usize,
    lineage: Lineage,
    refusal: String,
) -> Result<(), SubjectFault> {
    let range = transformed.batch.range.clone();
    let token = Token::new(lineage, &range, route);
    let (Some(table), Some(rows)) = (subject.tables.get(route), transformed.routes.get(route)) else {
        return Err(failed(refusal));
    };
    let write = Write { tenant: &subject.tenant.name, token: &token, range: &range, rows };
    let blamed = table
        .blame(write)
        .await
        .map_err(|fault| failed(format!("{refusal}; looking for the rows to blame: {fault}")))?;
    if blamed.is_empty() {
        return Err(failed(format!("{range}: {refusal}; each of the rows passes by itself, so that none is to blame")));
    }
    let rejected = transformed.reject_blamed(route, subject.route(route), &blamed);
    rejected.map(|_| ()).map_err(|fault| failed(fault.to_string()))
}
