//! Writes what a batch has become, by the outlets that pipelines write by.

use super::there::{self, Asked};
use crate::config::{Guarantee, Target};
use crate::pipeline::{Outgoing, Outlet, Transformed, WriteFault};
use crate::sink::{Backoff, SinkFault};
use crate::subject::{Subject, SubjectFault, failed};

/// A sink that does not answer is asked so often again, over some seconds; after that it is for the operator to try.
const TRIES: usize = 6;

/// So many offsets of records that a table refuses are named: as many as somebody reads.
const MOST_NAMED: usize = 20;

/// Writes a batch. Records of which a table refuses rows are rejected, where all tables can be asked which rows they have: one that cannot
/// has nothing but the batch's tokens, and those are spent with the rest of its rows, so that what was left out would never get in.
///
/// # Errors
/// Where it cannot be written; what was written then is known by its token when the same is written again.
pub async fn write(subject: &Subject, asked: &[Asked], transformed: &mut Transformed) -> Result<(), SubjectFault> {
    let untold = untold(subject, asked, transformed);
    let sinks = &subject.shared.sinks;
    let outlets = Outlet::of(&subject.tables, subject.prepared.guarantee, |sink| sinks.get(sink).cloned());
    for outlet in &outlets {
        let (mut backoff, mut tries, mut lost) = (Backoff::default(), 0, None);
        loop {
            let Err((route, fault)) = attempt_after(lost, subject, asked, transformed, outlet).await else { break };
            match (route, fault) {
                (route, SinkFault::Rows(refusal)) => {
                    let (route, blamed) = blame(subject, transformed, outlet, route, refusal).await?;
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
    let found = routes.find(|(route, (_, rows))| rows.rows > 0 && !there::tells(asked, *route));
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

fn outgoing<'a>(subject: &'a Subject, transformed: &'a Transformed) -> Outgoing<'a> {
    Outgoing { tenant: &subject.tenant.name, tables: &subject.tables, transformed, is_lost: false }
}

/// An attempt after one whose answer was lost, of this route, where no token tells whether that has landed: the table is asked.
async fn attempt_after(
    lost: Option<usize>,
    subject: &Subject,
    asked: &[Asked],
    transformed: &Transformed,
    outlet: &Outlet,
) -> Result<(), WriteFault> {
    if let Some(route) = lost {
        let landed = there::has_landed(subject, asked, transformed, route).await;
        if landed.map_err(|fault| (Some(route), SinkFault::Unavailable(fault.to_string())))? {
            return Ok(());
        }
    }
    let has_rows = |route: &usize| transformed.routes.get(*route).is_some_and(|rows| rows.rows > 0);
    match outlet.routes.iter().any(has_rows) {
        true => outlet.write(outgoing(subject, transformed)).await,
        false => Ok(()),
    }
}

/// Rejects the records of the rows that a table refuses, and returns of which route and which those are.
async fn blame(
    subject: &Subject,
    transformed: &mut Transformed,
    outlet: &Outlet,
    route: Option<usize>,
    refusal: String,
) -> Result<(usize, Vec<usize>), SubjectFault> {
    let blamed = outlet.blame(outgoing(subject, transformed), route).await;
    let blamed = blamed.map_err(|fault| failed(format!("{refusal}; looking for the rows to blame: {fault}")))?;
    let Some((route, blamed)) = blamed else {
        let range = &transformed.batch.range;
        return Err(failed(format!("{range}: {refusal}; each of the rows passes by itself, so that none is to blame")));
    };
    let before = transformed.refused.get(&route).cloned().unwrap_or_default();
    let rejected = transformed.reject_blamed(route, subject.route(route), &blamed);
    rejected.map_err(|fault| failed(fault.to_string()))?;
    let after = transformed.refused.get(&route).into_iter().flatten();
    Ok((route, after.filter(|record| !before.contains(record)).copied().collect()))
}
