//! Writing what a range has become: each route's rows to its table, or those of all routes of a database in one transaction. Every write is
//! tried again until it is where it belongs. Rows that a table refuses are found one by one, and left out.

use std::sync::Arc;
use std::time::Instant;

use super::batch::{Batch, Token};
use super::deliver::Delivery;
use super::deployment::Deployment;
use super::transform::Transformed;
use crate::config::{Guarantee, OnReject, Target};
use crate::cpu::Metered;
use crate::metrics::Timed;
use crate::sink::{Backoff, Blamed, Fence, Sink, SinkFault, Table, Write};

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
}

impl Delivery {
    /// Writes what belongs to an outlet, however long it takes.
    pub(super) async fn write(&self, by: &Deployment, transformed: &Transformed, outlet: &Outlet) -> Written {
        let mut backoff = Backoff::default();
        loop {
            let started = Instant::now();
            let (written, cpu) = Metered::new(self.try_to_write(by, transformed, outlet)).await;
            self.status.metrics().spent(Timed::Sink, started.elapsed(), cpu);
            self.tenant.workers.charge(cpu);
            let problem = match written {
                Ok(()) => {
                    self.status.solved(&outlet.subject);
                    return Written::Done;
                }
                // Who plans waits: the range is this version's.
                Err(_) if by.guarantee == Guarantee::AtLeastOnce && !self.writes_like(by, &outlet.routes) => {
                    self.status.solved(&outlet.subject);
                    return Written::Elsewhere;
                }
                Err((Some(route), SinkFault::Rows(refusal))) => match self.blame(by, transformed, route).await {
                    Ok(rows) if rows.is_empty() => {
                        format!("{refusal}; each of the rows passes by itself, so that none is to blame; trying again")
                    }
                    Ok(rows) if *by.on_reject() == OnReject::Stop => {
                        let reason = rows.first().map(|row| row.reason.clone()).unwrap_or_default();
                        format!("{} rows are refused, and on_reject is \"stop\": {reason}", rows.len())
                    }
                    Ok(rows) => {
                        self.status.solved(&outlet.subject);
                        return Written::Refused { route, rows };
                    }
                    Err(fault) => format!("{refusal}; looking for the rows to blame: {fault}"),
                },
                Err((_, fault)) => fault.to_string(),
            };
            self.status.problem(&outlet.subject, &problem);
            self.status.metrics().retry(Timed::Sink);
            let wait = backoff.next(&mut rand::rng());
            tokio::time::sleep(wait).await;
        }
    }

    async fn try_to_write(
        &self,
        by: &Deployment,
        transformed: &Transformed,
        outlet: &Outlet,
    ) -> Result<(), (Option<usize>, SinkFault)> {
        let Batch { range, lineage, .. } = &transformed.batch;
        let tokens: Vec<_> = outlet.routes.iter().map(|route| Token::new(*lineage, range, *route)).collect();
        let of_route = |(route, token)| self.one_write(by, transformed, route, token);
        let writes: Vec<_> = outlet.routes.iter().copied().zip(&tokens).filter_map(of_route).collect();
        if let Some(transaction) = outlet.sink.as_ref().and_then(|sink| sink.transaction()) {
            let fence = Fence { tenant: &self.tenant.name, lineage: *lineage, range };
            let (routes, writes): (Vec<_>, Vec<_>) =
                writes.into_iter().map(|(route, table, write)| (route, (table, write))).unzip();
            let written = transaction.write(&writes, fence).await;
            return written.map_err(|(index, fault)| (index.and_then(|index| routes.get(index).copied()), fault));
        }
        for (route, table, write) in writes {
            table.write(write).await.map_err(|fault| (Some(route), fault))?;
        }
        Ok(())
    }

    /// None where the route has no rows.
    fn one_write<'a>(
        &'a self,
        by: &'a Deployment,
        transformed: &'a Transformed,
        route: usize,
        token: &'a Token,
    ) -> Option<(usize, &'a dyn Table, Write<'a>)> {
        let (_, table) = by.tables.get(route)?;
        let rows = transformed.routes.get(route).filter(|rows| rows.rows > 0)?;
        let write = Write { tenant: &self.tenant.name, token, range: &transformed.batch.range, rows };
        Some((route, &**table, write))
    }

    async fn blame(&self, by: &Deployment, transformed: &Transformed, route: usize) -> Result<Vec<Blamed>, SinkFault> {
        let Batch { range, lineage, .. } = &transformed.batch;
        let token = Token::new(*lineage, range, route);
        match self.one_write(by, transformed, route, &token) {
            Some((_, table, write)) => table.blame(write).await,
            None => Ok(Vec::new()),
        }
    }

    fn writes_like(&self, by: &Deployment, routes: &[usize]) -> bool {
        let current = self.versions.current();
        routes.iter().all(|route| current.writes_like(by, *route))
    }
}
