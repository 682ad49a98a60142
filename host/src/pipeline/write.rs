//! Writing what a range has become: each route's rows to its table, or those of all routes of a database in one transaction. Every write is
//! tried again until it is where it belongs. Rows that a table refuses are found one by one, and left out.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::deliver::Delivery;
use super::deployment::Deployment;
use super::outlet::{Outgoing, Outlet};
use super::transform::Transformed;
use crate::config::{Guarantee, OnReject};
use crate::cpu::Metered;
use crate::metrics::Timed;
use crate::sink::{Backoff, Blamed, SinkFault};
use crate::stop_points;
use crate::time::{now, told};

/// How a write ended.
pub enum Written {
    /// All of it is where it belongs.
    Done,
    /// A version that has taken over writes these rows elsewhere, and they cannot be written here.
    Elsewhere,
    /// Nobody can tell whether it is, and why.
    Unknowable(String),
    /// The table refuses these rows of the route; nothing was written.
    Refused {
        /// The route's index.
        route: usize,
        /// The rows, and why.
        rows: Vec<Blamed>,
    },
}

/// Whether rows of a range may have been written by a try that nobody has heard the end of.
pub(super) struct Doubt {
    /// When the range was planned, in seconds since 1970.
    pub(super) planned_at: u64,
    /// Whether it is planned at all, so that it is to be there once.
    is_planned: bool,
    /// By outlet, in the order of the version's.
    outlets: Vec<OutletDoubt>,
}

/// What is in doubt of an outlet's rows.
pub(super) struct OutletDoubt {
    is_there: AtomicBool,
    /// Nobody doubts, but some of a route's inserts are done, and others were refused.
    of_part: AtomicBool,
}

impl Doubt {
    /// There is none of a range that nobody has tried to write; one that was planned before may have been.
    pub fn of(outlets: &[Outlet], planned_at: Option<u64>, is_planned: bool) -> Self {
        let outlet = |_: &Outlet| OutletDoubt {
            is_there: AtomicBool::new(planned_at.is_some()),
            of_part: AtomicBool::new(false),
        };
        Self { planned_at: planned_at.unwrap_or_else(now), is_planned, outlets: outlets.iter().map(outlet).collect() }
    }

    /// The version's outlets, each with what is in doubt of it.
    pub fn by_outlet<'a>(&'a self, outlets: &'a [Outlet]) -> impl Iterator<Item = (&'a Outlet, &'a OutletDoubt)> {
        outlets.iter().zip(&self.outlets)
    }

    /// Whether rows of a route may be in its table by a try under their token of which nobody has heard the end.
    pub fn is_of(&self, outlets: &[Outlet], route: usize) -> bool {
        let of_route = self.by_outlet(outlets).find(|(outlet, _)| outlet.routes.contains(&route));
        of_route
            .is_some_and(|(outlet, of_outlet)| !outlet.is_transaction() && of_outlet.is_there.load(Ordering::Relaxed))
    }
}

impl Delivery {
    /// Why it takes an operator to say what became of rows that a table refuses: where a try in doubt may have brought them there before the
    /// table was altered. They would be there, and in the dead letters too. To be asked when all else is written: then a late try comes to
    /// nothing, since its token is spent. Where all rows of an insert are refused no token is, and a late try may yet bring them there.
    pub(super) async fn must_decide(
        &self,
        by: &Deployment,
        transformed: &Transformed,
        doubt: &Doubt,
    ) -> Option<String> {
        let mut backoff = Backoff::of_sink();
        for (route, records) in transformed.refused.iter().filter(|(_, records)| !records.is_empty()) {
            let Some((target, table)) = by.tables.get(*route) else { continue };
            let outlet = doubt.by_outlet(&by.outlets).find(|(outlet, _)| outlet.routes.contains(route));
            let Some((outlet, OutletDoubt { is_there, of_part })) = outlet else { continue };
            let is_there = is_there.load(Ordering::Relaxed);
            if !is_there && !of_part.load(Ordering::Relaxed) {
                continue;
            }
            let rows = transformed.routes.get(*route);
            if is_there
                && !outlet.is_transaction()
                && rows.is_some_and(|rows| rows.inserts().any(|rows| rows.is_empty()))
            {
                return Some(format!(
                    "table `{}` refuses all {} records of range {} that it was to get in one insert, and an insert of them may still be on its way, from a try \
                     that was not answered. Nothing more is read until an operator has looked whether they are there",
                    target.table,
                    records.len(),
                    transformed.batch.told()
                ));
            }
            let subject = format!("sink {target}");
            let altered = loop {
                match table.altered_since(doubt.planned_at).await {
                    Ok(altered) => break altered,
                    Err(fault) => self.status.problem(&subject, &fault.to_string()),
                }
                let wait = backoff.next(&mut rand::rng());
                tokio::time::sleep(wait).await;
            };
            self.status.solved(&subject);
            if altered {
                return Some(format!(
                    "table `{}` refuses rows of {} records of range {}, and was altered since the range was planned: it may have taken them before, by a \
                     try that was not answered. All else of the range is written. Nothing more is read until an operator has looked whether they are \
                     there",
                    target.table,
                    records.len(),
                    transformed.batch.told()
                ));
            }
        }
        None
    }

    /// Writes what belongs to an outlet, however long it takes.
    pub(super) async fn write(
        &self,
        by: &Deployment,
        outgoing: Outgoing<'_>,
        (outlet, of_outlet): (&Outlet, &OutletDoubt),
        doubt: &Doubt,
    ) -> Written {
        let transformed = outgoing.transformed;
        let mut backoff = Backoff::of_sink();
        loop {
            let started = Instant::now();
            let in_doubt = doubt.is_planned && of_outlet.is_there.load(Ordering::Relaxed);
            let remembered = match in_doubt {
                true => self.is_remembered(by, transformed, outlet, doubt.planned_at).await,
                false => Ok(None),
            };
            if let Ok(Some(reason)) = remembered {
                return Written::Unknowable(reason);
            }
            let try_to_write = async {
                remembered.map_err(|fault| (None, fault))?;
                outlet.write(outgoing).await
            };
            let (written, cpu) = Metered::new(try_to_write).await;
            self.status.metrics().spent(Timed::Sink, started.elapsed(), cpu);
            self.tenant.workers.charge(cpu);
            let problem = match written {
                Ok(()) => {
                    self.status.solved(&outlet.subject);
                    if by.outlets.len() > 1 {
                        stop_points::pass("between-sinks");
                    }
                    return Written::Done;
                }
                // Who plans waits: the range is this version's.
                Err(_) if by.guarantee == Guarantee::AtLeastOnce && !self.writes_like(by, &outlet.routes) => {
                    self.status.solved(&outlet.subject);
                    return Written::Elsewhere;
                }
                Err((route, SinkFault::Rows(refusal))) => {
                    // Inserts before the one that is refused are done.
                    let rows = route.and_then(|route| transformed.routes.get(route));
                    if rows.is_some_and(|rows| rows.inserts().count() > 1) {
                        of_outlet.of_part.store(true, Ordering::Relaxed);
                    }
                    match outlet.blame(outgoing, route).await {
                        Ok(None) => {
                            format!(
                                "{refusal}; each of the rows passes by itself, so that none is to blame; trying again"
                            )
                        }
                        Ok(Some((_, rows))) if *by.on_reject() == OnReject::Stop => {
                            let reason = rows.first().map(|row| row.reason.clone()).unwrap_or_default();
                            format!("{} rows are refused, and on_reject is \"stop\": {reason}", rows.len())
                        }
                        Ok(Some((route, rows))) => {
                            self.status.solved(&outlet.subject);
                            return Written::Refused { route, rows };
                        }
                        Err(fault) => format!("{refusal}; looking for the rows to blame: {fault}"),
                    }
                }
                Err((_, fault)) => {
                    of_outlet.is_there.store(true, Ordering::Relaxed);
                    fault.to_string()
                }
            };
            self.status.problem(&outlet.subject, &problem);
            self.status.metrics().retry(Timed::Sink);
            let wait = backoff.next(&mut rand::rng());
            tokio::time::sleep(wait).await;
        }
    }

    /// Why tables of an outlet may not know any more what a try in doubt has brought them; none where they do.
    async fn is_remembered(
        &self,
        by: &Deployment,
        transformed: &Transformed,
        outlet: &Outlet,
        planned_at: u64,
    ) -> Result<Option<String>, SinkFault> {
        for route in outlet.routes.iter().filter(|_| !outlet.is_transaction()) {
            let rows = transformed.routes.get(*route).map_or(0, |rows| rows.rows);
            let Some((target, table)) = by.tables.get(*route).filter(|_| rows > 0) else { continue };
            if let Some(reason) = table.forgotten_since(planned_at).await? {
                return Ok(Some(format!(
                    "{rows} rows of range {} may be in table `{}` since {}, by a try that was not answered, and it may not know them any more: \
                     {reason}. Nothing more is read until an operator has looked whether they are there",
                    transformed.batch.told(),
                    target.table,
                    told(planned_at)
                )));
            }
        }
        Ok(None)
    }

    pub(super) fn outgoing<'a>(&'a self, by: &'a Deployment, transformed: &'a Transformed) -> Outgoing<'a> {
        Outgoing { tenant: &self.tenant.name, tables: &by.tables, transformed, is_lost: false }
    }

    fn writes_like(&self, by: &Deployment, routes: &[usize]) -> bool {
        let current = self.versions.current();
        routes.iter().all(|route| current.writes_like(by, *route))
    }
}
