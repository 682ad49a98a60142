//! Writes what a batch has become, by the ways that pipelines write: each route's rows to its table, or those of all routes of a
//! database in one transaction.

use crate::config::Guarantee;
use crate::pipeline::{Batch, Token, Transformed};
use crate::sink::{Backoff, Fence, Sink, SinkFault, Table, Transaction, Write};
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
pub async fn write(subject: &Subject, transformed: &mut Transformed) -> Result<(), SubjectFault> {
    for outlet in outlets(subject) {
        let (mut backoff, mut tries) = (Backoff::default(), 0);
        loop {
            let Err((route, fault)) = attempt(subject, transformed, &outlet).await else { break };
            match (route, fault) {
                (Some(route), SinkFault::Rows(refusal)) => blame(subject, transformed, &outlet, route, refusal).await?,
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

/// Rejects the records of the rows that a table refuses.
async fn blame(
    subject: &Subject,
    transformed: &mut Transformed,
    outlet: &Outlet<'_>,
    route: usize,
    refusal: String,
) -> Result<(), SubjectFault> {
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
    let rejected = transformed.reject_blamed(route, subject.route(route), &blamed);
    rejected.map(|_| ()).map_err(|fault| failed(fault.to_string()))
}
