//! What is written at once: each route's rows to its table, or those of all routes of a database in one transaction.

use std::sync::Arc;

use super::batch::{Batch, Token};
use super::transform::Transformed;
use crate::config::{Guarantee, Target};
use crate::sink::{Blamed, Fence, Sink, SinkFault, Table, Transaction, Write};

/// What is written at once.
pub struct Outlet {
    /// Indexes of routes.
    pub routes: Vec<usize>,
    /// Whose transaction it is; without one each route's table takes its rows by itself.
    sink: Option<Arc<dyn Sink>>,
    /// What troubles are told of.
    pub subject: String,
}

/// What a batch has become, on its way into tables.
#[derive(Clone, Copy)]
pub struct Outgoing<'a> {
    /// Whose it is.
    pub tenant: &'a str,
    /// By route.
    pub tables: &'a [(Target, Arc<dyn Table>)],
    /// The rows.
    pub transformed: &'a Transformed,
    /// Whether the tables have lost them, and know their tokens.
    pub is_lost: bool,
}

/// A write that failed: of which route, where that is known.
pub type WriteFault = (Option<usize>, SinkFault);

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

    /// Whether its rows go in one transaction, in place of tokens.
    pub fn is_transaction(&self) -> bool {
        self.transaction().is_some()
    }

    fn transaction(&self) -> Option<&dyn Transaction> {
        self.sink.as_ref().and_then(|sink| sink.transaction())
    }

    /// Writes what belongs to it, once. A transaction is made of no rows, too.
    ///
    /// # Errors
    /// What the sink says.
    pub async fn write(&self, rows: Outgoing<'_>) -> Result<(), WriteFault> {
        let tokens = self.tokens(rows);
        let (routes, writes) = self.writes(rows, &tokens);
        if let Some(transaction) = self.transaction() {
            let written = transaction.write(&writes, rows.fence()).await;
            return written.map_err(|(index, fault)| (index.and_then(|index| routes.get(index).copied()), fault));
        }
        for ((table, write), route) in writes.into_iter().zip(routes) {
            table.write(write).await.map_err(|fault| (Some(route), fault))?;
        }
        Ok(())
    }

    /// Which rows of a route the sink refuses, none where each passes. What a database looks at when it commits does not always say of which
    /// table it is: then it is looked for in all of them.
    ///
    /// # Errors
    /// Where that cannot be found out.
    pub async fn blame(
        &self,
        rows: Outgoing<'_>,
        route: Option<usize>,
    ) -> Result<Option<(usize, Vec<Blamed>)>, SinkFault> {
        let tokens = self.tokens(rows);
        let (routes, writes) = self.writes(rows, &tokens);
        for (index, (suspect, (table, write))) in routes.iter().zip(&writes).enumerate() {
            if route.is_some_and(|route| route != *suspect) {
                continue;
            }
            let blamed = match self.transaction() {
                Some(transaction) => transaction.blame(&writes, index, rows.fence()).await?,
                None => table.blame(*write).await?,
            };
            if !blamed.is_empty() {
                return Ok(Some((*suspect, blamed)));
            }
        }
        Ok(None)
    }

    /// One for each route.
    fn tokens(&self, rows: Outgoing<'_>) -> Vec<Token> {
        let Batch { range, lineage, .. } = &rows.transformed.batch;
        let token = |route: &usize| Token::new(*lineage, range, *route);
        let of_rows = |token: Token| if rows.is_lost { token.again() } else { token };
        self.routes.iter().map(token).map(of_rows).collect()
    }

    /// The routes that have rows, and the writes of those rows.
    fn writes<'a>(&self, rows: Outgoing<'a>, tokens: &'a [Token]) -> (Vec<usize>, Vec<(&'a dyn Table, Write<'a>)>) {
        let Outgoing { tenant, tables, transformed, .. } = rows;
        let of_route = |(route, token): (&usize, &'a Token)| {
            let (_, table) = tables.get(*route)?;
            let rows = transformed.routes.get(*route).filter(|rows| rows.rows > 0)?;
            Some((*route, (&**table, Write { tenant, token, range: &transformed.batch.range, rows })))
        };
        self.routes.iter().zip(tokens).filter_map(of_route).unzip()
    }
}

impl<'a> Outgoing<'a> {
    fn fence(self) -> Fence<'a> {
        let Batch { range, lineage, .. } = &self.transformed.batch;
        Fence { tenant: self.tenant, lineage: *lineage, range }
    }
}
