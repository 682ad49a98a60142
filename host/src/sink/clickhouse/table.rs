//! An open table of a ClickHouse server: inserts, and what becomes of them when somebody alters the table meanwhile.
//!
//! What is sent has a [`Form`]: the statement, the head of the rows, and the live columns that both were made for. A refused insert
//! makes the table look again: where the declared columns still fit, in another way, the form is made anew, and the next try goes
//! through; where they do not, the mismatch is told with its statements. Formats that carry no types would take bytes for
//! other values without a word, so there the table looks before every insert.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::blame::blame;
use super::chunks::bytes;
use super::classify::classify_insert;
use super::columns::{LiveTable, changed, object_columns};
use super::form::{Declared, Form};
use super::memory::forgotten_since;
use super::names::qualified;
use super::recount::{ENGINE, recount};
use super::settings::TOKEN;
use crate::config::Guarantee;
use crate::pipeline::{Range, Span, Token};
use crate::plugin::BoxFuture;
use crate::rows::ObjectColumns;
use crate::sink::pace::Pace;
use crate::sink::{Blamed, LeftOut, Mismatch, Rule, SinkFault, Table, Write};
use crate::time::now;

/// How far the clocks of a gateway and a server may be apart, in seconds, before what was altered or inserted is taken for older than it is.
const CLOCKS: u64 = 1;

/// A table that takes rows of known columns, or JSON objects where there are none.
pub(super) struct ClickHouseTable {
    pub declared: Declared,
    pace: Arc<Pace>,
    form: Mutex<Arc<Form>>,
    /// What objects may hold, where rows are objects. Stays as it was at the start: rows under way were checked by it.
    objects: Option<ObjectColumns>,
}

impl ClickHouseTable {
    /// Fails where the declared columns do not fit the live ones.
    pub fn new(declared: Declared, live: LiveTable) -> Result<Self, Mismatch> {
        let pace = declared.server.pace(&declared.name, &live);
        let objects = declared.columns.is_empty().then(|| object_columns(&live.columns));
        let form = Mutex::new(Arc::new(declared.form(live)?));
        Ok(Self { declared, pace, form, objects })
    }

    /// How rows are sent just now.
    pub fn form(&self) -> Arc<Form> {
        self.form.lock().clone()
    }

    /// One insert of some of the rows, when its turn comes.
    async fn insert(&self, write: &Write<'_>, span: &Span, token: &Token) -> Result<(), SinkFault> {
        let Declared { server, name, known, .. } = &self.declared;
        self.pace.keep().await;
        let _turn = server.inserts.take(write.tenant).await;
        if !self.sends_types() {
            self.look_again().await?;
        }
        let form = self.form();
        let mut client = form.client.clone();
        if known.has_tokens() {
            // Where the table has a window of insert tokens, a try after a lost answer doubles nothing, and two ranges that
            // happen to hold the same rows are not taken for one.
            client = client.with_setting(TOKEN, token.as_str());
        }
        match form.send(&client, &qualified(name), bytes(write.rows, span), server.settings.timeout).await {
            Err(fault) => {
                let action = format!("insert {} rows into table `{name}`", span.len());
                self.explained(classify_insert(&action, &fault)).await
            }
            Ok(()) => Ok(()),
        }
    }

    /// What the table lacks says more than what the server made of the insert.
    async fn explained(&self, fault: SinkFault) -> Result<(), SinkFault> {
        match fault {
            SinkFault::Refused(refusal) => match self.look_again().await {
                Err(SinkFault::Mismatch(mismatch)) => Err(SinkFault::Mismatch(mismatch)),
                _ => Err(SinkFault::Refused(refusal)),
            },
            other => Err(other),
        }
    }

    /// Whether the format alone makes the server refuse rows that do not fit any more.
    fn sends_types(&self) -> bool {
        self.objects.is_none() && self.declared.server.is_current()
    }

    /// Makes the form anew where the table is not what it was.
    ///
    /// # Errors
    /// Where rows of the declared columns do not fit it any more, or it cannot be read.
    async fn look_again(&self) -> Result<(), SinkFault> {
        let Declared { server, name, .. } = &self.declared;
        let live = server.live_table(name).await?;
        let before = self.form();
        if live == before.live {
            return Ok(());
        }
        if self.objects.is_some() {
            return match changed(name, &before.live, &live) {
                Some(mismatch) => Err(SinkFault::Mismatch(mismatch)),
                None => Ok(()),
            };
        }
        let form = self.declared.form(live).map_err(SinkFault::Mismatch)?;
        tracing::info!(table = name, "the table was altered and still fits; goes on with its new columns");
        *self.form.lock() = Arc::new(form);
        Ok(())
    }
}

impl Table for ClickHouseTable {
    fn as_any(&self) -> &dyn std::any::Any {
        self
    }

    fn rule(&self) -> Option<&dyn Rule> {
        self.objects.as_ref().map(|objects| objects as &dyn Rule)
    }

    /// More rows than one insert may have go in several, each under a token of its own, one after the other: those before the first row that
    /// the server refuses are there, and are the same again when that row is left out.
    fn write<'a>(&'a self, write: Write<'a>) -> BoxFuture<'a, Result<(), SinkFault>> {
        Box::pin(async move {
            for (number, span) in write.rows.inserts().enumerate().filter(|(_, span)| !span.is_empty()) {
                self.insert(&write, &span, &write.token.chunk(number)).await?;
            }
            Ok(())
        })
    }

    fn blame<'a>(&'a self, write: Write<'a>) -> BoxFuture<'a, Result<Vec<Blamed>, SinkFault>> {
        Box::pin(blame(self, write))
    }

    fn altered_since<'a>(&'a self, at: u64) -> BoxFuture<'a, Result<bool, SinkFault>> {
        Box::pin(async move {
            let altered_at = self.declared.server.altered_at(&self.declared.name).await?;
            Ok(altered_at + CLOCKS >= at)
        })
    }

    /// Within the time that its window was asked for there is nothing to ask.
    fn forgotten_since<'a>(&'a self, at: u64) -> BoxFuture<'a, Result<Option<String>, SinkFault>> {
        Box::pin(async move {
            let server = &self.declared.server;
            let ago = Duration::from_secs(now().saturating_sub(at));
            match self.declared.guarantee {
                Guarantee::ExactlyOnce if ago > server.settings.memory.outage => {
                    forgotten_since(server, &self.declared.name, at.saturating_sub(CLOCKS), ago).await
                }
                _ => Ok(None),
            }
        })
    }

    fn recount<'a>(
        &'a self,
        range: &'a Range,
        since: u64,
    ) -> BoxFuture<'a, Result<Option<BTreeMap<i64, u64>>, SinkFault>> {
        Box::pin(async move {
            let Declared { server, name, columns, guarantee, .. } = &self.declared;
            let may_lack = *guarantee == Guarantee::ExactlyOnce && self.form().live.engine() == Some(ENGINE);
            match may_lack {
                true => recount(server, name, columns, range, since.saturating_sub(CLOCKS)).await,
                false => Ok(None),
            }
        })
    }

    fn delay(&self) -> Duration {
        self.pace.delay()
    }

    fn left_out(&self) -> Vec<LeftOut> {
        // Which columns an object brings, only the object tells.
        if self.objects.is_some() { Vec::new() } else { self.form().live.left_out(&self.declared.columns) }
    }
}

impl Rule for ObjectColumns {
    fn refuses(&self, row: &[u8]) -> Option<String> {
        self.check(row).err()
    }
}
