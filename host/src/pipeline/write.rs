//! Writing what a range has become: each route's rows to its table, or those of all routes of a database in one transaction. Every write is
//! tried again until it is where it belongs. Rows that a table refuses are found one by one, and left out.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::batch::{Batch, Token};
use super::deliver::Delivery;
use super::deployment::Deployment;
use super::transform::{RouteRows, Transformed};
use crate::config::{Guarantee, OnReject, Target};
use crate::cpu::Metered;
use crate::metrics::Timed;
use crate::sink::{Backoff, Blamed, Fence, Sink, SinkFault, Table, Transaction, Write};
use crate::stop_points;
use crate::time::{now, told};

/// What is written at once.
pub struct Outlet {
    /// Indexes of routes.
    routes: Vec<usize>,
    /// Whose transaction it is; without one each route's table takes its rows by itself.
    sink: Option<Arc<dyn Sink>>,
    /// What troubles are told of.
    subject: String,
}

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

impl Outlet {
    /// What the routes of a version are written by.
    pub fn of(
        tables: &[(Target, Arc<dyn Table>)],
        guarantee: Guarantee,
        sink: impl Fn(&str) -> Option<Arc<dyn Sink>>,
    ) -> Vec<Self> {
        let mut outlets: Vec<Self> = Vec::new();
        for (route, (target, _)) in tables.iter().enumerate() {
            let together = guarantee == Guarantee::ExactlyOnce;
            let sink = sink(&target.sink).filter(|sink| together && sink.transaction().is_some());
            let subject = match sink {
                Some(_) => format!("sink {}", target.sink),
                None => format!("sink {target}"),
            };
            let same = outlets.iter_mut().find(|outlet| outlet.sink.is_some() && outlet.subject == subject);
            match same.filter(|_| sink.is_some()) {
                Some(outlet) => outlet.routes.push(route),
                None => outlets.push(Self { routes: vec![route], sink, subject }),
            }
        }
        outlets
    }

    fn transaction(&self) -> Option<&dyn Transaction> {
        self.sink.as_ref().and_then(|sink| sink.transaction())
    }

    /// One for each route.
    fn tokens(&self, batch: &Batch) -> Vec<Token> {
        self.routes.iter().map(|route| Token::new(batch.lineage, &batch.range, *route)).collect()
    }
}

/// Whether rows of a range may have been written by a try that nobody has heard the end of.
pub(super) struct Doubt {
    /// When the range was planned, in seconds since 1970.
    planned_at: u64,
    /// Whether it is planned at all, so that it is to be there once.
    is_planned: bool,
    /// By outlet, in the order of the version's.
    outlets: Vec<OutletDoubt>,
}

/// What is in doubt of an outlet's rows.
struct OutletDoubt {
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
            let outlets = by.outlets.iter().zip(&doubt.outlets);
            let outlet = outlets.into_iter().find(|(outlet, _)| outlet.routes.contains(route));
            let Some((outlet, OutletDoubt { is_there, of_part })) = outlet else { continue };
            let is_there = is_there.load(Ordering::Relaxed);
            if !is_there && !of_part.load(Ordering::Relaxed) {
                continue;
            }
            let rows = transformed.routes.get(*route);
            if is_there
                && outlet.transaction().is_none()
                && rows.is_some_and(|rows| rows.inserts().any(|rows| rows.is_empty()))
            {
                return Some(format!(
                    "table `{}` refuses all {} records of range {} that it was to get in one insert, and an insert of them may still be on its way, from a try \
                     that was not answered. Nothing more is read until an operator has looked whether they are there",
                    target.table,
                    records.len(),
                    transformed.batch.range
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
                    transformed.batch.range
                ));
            }
        }
        None
    }

    /// Writes what belongs to an outlet, however long it takes.
    pub(super) async fn write(
        &self,
        by: &Deployment,
        transformed: &Transformed,
        index: usize,
        doubt: &Doubt,
    ) -> Written {
        let (Some(outlet), Some(of_outlet)) = (by.outlets.get(index), doubt.outlets.get(index)) else {
            return Written::Done;
        };
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
                self.try_to_write(by, transformed, outlet).await
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
                    let inserts =
                        |route| transformed.routes.get(route).map_or(0, |rows: &RouteRows| rows.inserts().count());
                    if route.is_some_and(|route| inserts(route) > 1) {
                        of_outlet.of_part.store(true, Ordering::Relaxed);
                    }
                    match self.blame(by, transformed, outlet, route).await {
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
        for route in outlet.routes.iter().filter(|_| outlet.transaction().is_none()) {
            let rows = transformed.routes.get(*route).map_or(0, |rows| rows.rows);
            let Some((target, table)) = by.tables.get(*route).filter(|_| rows > 0) else { continue };
            if let Some(reason) = table.forgotten_since(planned_at).await? {
                return Ok(Some(format!(
                    "{rows} rows of range {} may be in table `{}` since {}, by a try that was not answered, and it may not know them any more: \
                     {reason}. Nothing more is read until an operator has looked whether they are there",
                    transformed.batch.range,
                    target.table,
                    told(planned_at)
                )));
            }
        }
        Ok(None)
    }

    async fn try_to_write(
        &self,
        by: &Deployment,
        transformed: &Transformed,
        outlet: &Outlet,
    ) -> Result<(), (Option<usize>, SinkFault)> {
        let tokens = outlet.tokens(&transformed.batch);
        let (routes, writes) = self.writes(by, transformed, outlet, &tokens);
        if let Some(transaction) = outlet.transaction() {
            let written = transaction.write(&writes, self.fence(&transformed.batch)).await;
            return written.map_err(|(index, fault)| (index.and_then(|index| routes.get(index).copied()), fault));
        }
        for ((table, write), route) in writes.into_iter().zip(routes) {
            table.write(write).await.map_err(|fault| (Some(route), fault))?;
        }
        Ok(())
    }

    /// Which rows of a route the sink refuses, none where each passes. What a database looks at when it commits does not always say of which
    /// table it is: then it is looked for in all of the outlet's.
    async fn blame(
        &self,
        by: &Deployment,
        transformed: &Transformed,
        outlet: &Outlet,
        route: Option<usize>,
    ) -> Result<Option<(usize, Vec<Blamed>)>, SinkFault> {
        let tokens = outlet.tokens(&transformed.batch);
        let (routes, writes) = self.writes(by, transformed, outlet, &tokens);
        let suspects = routes.iter().zip(&writes).enumerate();
        for (index, (suspect, (table, write))) in suspects {
            if route.is_some_and(|route| route != *suspect) {
                continue;
            }
            let rows = match outlet.transaction() {
                Some(transaction) => transaction.blame(&writes, index, self.fence(&transformed.batch)).await?,
                None => table.blame(*write).await?,
            };
            if !rows.is_empty() {
                return Ok(Some((*suspect, rows)));
            }
        }
        Ok(None)
    }

    fn fence<'a>(&'a self, batch: &'a Batch) -> Fence<'a> {
        Fence { tenant: &self.tenant.name, lineage: batch.lineage, range: &batch.range }
    }

    /// The routes of an outlet that have rows, and the writes of those rows.
    fn writes<'a>(
        &'a self,
        by: &'a Deployment,
        transformed: &'a Transformed,
        outlet: &Outlet,
        tokens: &'a [Token],
    ) -> (Vec<usize>, Vec<(&'a dyn Table, Write<'a>)>) {
        let of_route = |(route, token): (&usize, &'a Token)| {
            let (_, table) = by.tables.get(*route)?;
            let rows = transformed.routes.get(*route).filter(|rows| rows.rows > 0)?;
            let write = Write { tenant: &self.tenant.name, token, range: &transformed.batch.range, rows };
            Some((*route, (&**table, write)))
        };
        outlet.routes.iter().zip(tokens).filter_map(of_route).unzip()
    }

    fn writes_like(&self, by: &Deployment, routes: &[usize]) -> bool {
        let current = self.versions.current();
        routes.iter().all(|route| current.writes_like(by, *route))
    }
}
