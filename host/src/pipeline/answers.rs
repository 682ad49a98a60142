//! What a guest answers, taken apart: every end, origin and row is checked, and what is kept of it is bounded by what the guest
//! handed over. A wrong row is rejected alone; all else that is wrong is a fault of the call.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use bytes::Bytes;

use super::batch::Batch;
use super::inserts::{Amount, Span, cuts};
use super::rows_per_record;
use super::slices::Members;
use super::transform::{Reject, Stage, Transformed};
use crate::plugin::{Description, GuestFault, Plugin, Route, contract};
use crate::rows::shortened;
use crate::sink::{Blamed, Rule};

/// The origin of rows that stand for the range as a whole: see `rows` in the contract.
pub const RANGE_ORIGIN: u32 = u32::MAX;

/// The longest reason that a dead letter carries, in bytes: enough for a person, little enough for a header.
const LONGEST_REASON: usize = 1_024;

/// All rows for one route.
#[derive(Clone, Debug, Default)]
pub struct RouteRows {
    /// One for every guest call that emitted rows here.
    pub chunks: Vec<Chunk>,
    /// How many rows there are in all chunks.
    pub rows: usize,
    /// Where an insert ends and the next begins, where it takes more than one: places among the rows, in order.
    cuts: Vec<usize>,
    /// What the last insert held as the plugin made it.
    last: Amount,
}

/// Rows as they came from the guest, walked.
#[derive(Clone, Debug)]
pub struct Chunk {
    /// RowBinary.
    pub bytes: Bytes,
    /// Where each row ends.
    pub ends: Vec<u32>,
    /// For each row, the index of its record in the range; `u32::MAX` for a row of the range as a whole.
    pub origins: Vec<u32>,
}

/// What the guest's calls brought so far.
pub(super) struct Collected {
    routes: Vec<RouteRows>,
    rejects: Vec<Reject>,
    /// By record.
    fates: Vec<Fate>,
}

/// What is known of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Silent,
    Emitted,
    /// One letter a record: what else is said against it is not kept.
    Rejected,
}

impl Collected {
    /// Nothing yet, of a range of this many records.
    pub fn new(description: &Description, records: usize) -> Self {
        let routes = description.routes.iter().map(|_| RouteRows::default()).collect();
        Self { routes, rejects: Vec::new(), fates: vec![Fate::Silent; records] }
    }

    /// Checks and adds what a call for these records answered.
    pub fn add(
        &mut self,
        description: &Description,
        output: contract::Output,
        members: &Members,
    ) -> Result<(), GuestFault> {
        let mut seen = vec![false; description.routes.len()];
        for rows in output.rows {
            let index = usize::try_from(rows.route).unwrap_or(usize::MAX);
            let (Some(route), Some(seen)) = (description.routes.get(index), seen.get_mut(index)) else {
                let routes = description.routes.len();
                return Err(GuestFault::Contract(format!("rows for route {index}, but there are {routes} routes")));
            };
            if std::mem::replace(seen, true) {
                return Err(GuestFault::Contract(format!("rows for route `{}` twice in one output", route.name)));
            }
            let chunk = self.check(route, rows, members)?;
            for origin in &chunk.origins {
                if let Some(fate @ Fate::Silent) = usize::try_from(*origin).ok().and_then(|at| self.fates.get_mut(at)) {
                    *fate = Fate::Emitted;
                }
            }
            if let Some(collected) = self.routes.get_mut(index).filter(|_| !chunk.ends.is_empty()) {
                collected.rows += chunk.ends.len();
                collected.chunks.push(chunk);
            }
        }
        for reject in output.rejects {
            let Some(record) = members.record(reject.origin) else {
                let (origin, records) = (reject.origin, members.len());
                return Err(GuestFault::Contract(format!("a reject of record {origin} in a batch of {records}")));
            };
            self.reject(record, Stage::Transform, || reject.reason);
        }
        Ok(())
    }

    /// Rejects the records that became more rows than one may, each alone.
    fn limit_rows(&mut self, plugin: &dyn Plugin) {
        for (record, reason) in rows_per_record::take_out(&mut self.routes, self.fates.len(), plugin) {
            self.reject(record, Stage::Encode, || reason);
        }
    }

    /// Checks rows that a guest handed over. Returns those that are right; the records of the others are rejected.
    fn check(&mut self, route: &Route, rows: contract::Rows, members: &Members) -> Result<Chunk, GuestFault> {
        let contract::Rows { bytes, ends, mut origins, .. } = rows;
        let broken = |problem: String| Err(GuestFault::Contract(format!("rows for route `{}`: {problem}", route.name)));
        if ends.len() != origins.len() {
            return broken(format!("{} ends, but {} origins", ends.len(), origins.len()));
        }
        let mut wrong = Vec::new();
        let mut from = 0;
        for (index, (row_end, origin)) in ends.iter().zip(&mut origins).enumerate() {
            let to = usize::try_from(*row_end).unwrap_or(usize::MAX);
            let Some(row) = bytes.get(from..to) else {
                return broken(format!("row {index} from {from} to {to}, but there are {} bytes", bytes.len()));
            };
            from = to;
            let mut record = None;
            if *origin != RANGE_ORIGIN {
                let Some(member) = members.record(*origin) else {
                    let records = members.len();
                    return broken(format!("row {index} comes from record {origin} in a batch of {records}"));
                };
                record = Some(member);
                *origin = u32::try_from(member).unwrap_or(RANGE_ORIGIN);
            }
            if let Err(fault) = route.walker.check(row) {
                let record = record.ok_or_else(|| without_record(&route.name, index, &fault.to_string()))?;
                wrong.push(index);
                self.reject(record, Stage::Encode, || wrong_row(&route.name, &fault.to_string()));
            }
        }
        if from != bytes.len() {
            return broken(format!("the last row ends at {from}, but there are {} bytes", bytes.len()));
        }
        let chunk = Chunk { bytes: bytes.into(), ends, origins };
        Ok(if wrong.is_empty() { chunk } else { chunk.without(&wrong) })
    }

    fn reject(&mut self, record: usize, stage: Stage, reason: impl FnOnce() -> String) {
        let Some(fate) = self.fates.get_mut(record) else { return };
        if std::mem::replace(fate, Fate::Rejected) != Fate::Rejected {
            self.rejects.push(Reject { record, stage, reason: brief(reason()) });
        }
    }

    /// The result, with further records that the guest was not given any more.
    pub fn into_transformed(mut self, plugin: &dyn Plugin, batch: Batch, poison: Vec<Reject>) -> Transformed {
        self.limit_rows(plugin);
        for route in &mut self.routes {
            *route = RouteRows::of(std::mem::take(&mut route.chunks));
        }
        for reject in poison {
            if let Some(fate) = self.fates.get_mut(reject.record) {
                *fate = Fate::Rejected;
                self.rejects.push(reject);
            }
        }
        self.rejects.sort_by_key(|reject| reject.record);
        let dropped = self.fates.iter().filter(|fate| **fate == Fate::Silent).count();
        Output { routes: self.routes, rejects: self.rejects, dropped, refused: BTreeMap::new() }.of(batch)
    }
}

/// What came of a batch, without the batch: see [`Transformed`].
#[derive(Debug)]
pub struct Output {
    routes: Vec<RouteRows>,
    /// In the order of the records.
    pub rejects: Vec<Reject>,
    dropped: usize,
    refused: BTreeMap<usize, BTreeSet<usize>>,
}

impl Output {
    /// As what came of this batch.
    pub fn of(self, mut batch: Batch) -> Transformed {
        let Self { routes, rejects, dropped, refused } = self;
        let rows: usize = routes.iter().flat_map(|route| &route.chunks).map(Chunk::memory).sum();
        let reasons: usize = rejects.iter().map(|reject| size_of::<Reject>() + reject.reason.len()).sum();
        batch.permit.grow(rows + reasons);
        Transformed { batch, routes, rejects, dropped, refused }
    }
}

/// A guest's text cut to its length, in no more memory than that takes.
fn brief(reason: String) -> String {
    let mut reason = shortened(reason, LONGEST_REASON);
    reason.shrink_to_fit();
    reason
}

fn wrong_row(route: &str, problem: &str) -> String {
    format!("row for route `{route}`: {problem}")
}

/// A wrong row needs a record to blame.
fn without_record(route: &str, index: usize, problem: &str) -> GuestFault {
    GuestFault::Contract(brief(format!(
        "rows for route `{route}`: row {index}, which has no record, is wrong: {problem}"
    )))
}

impl Transformed {
    /// The batch, and what came of it.
    pub fn split(self) -> (Batch, Output) {
        let Self { mut batch, routes, rejects, dropped, refused } = self;
        batch.permit.shrink_to(batch.records.bytes());
        (batch, Output { routes, rejects, dropped, refused })
    }

    /// The batch alone, for another try.
    pub fn into_batch(self) -> Batch {
        self.split().0
    }

    /// Rejects the records of which the table of a route cannot hold a row, each alone, as rows are whose bytes are wrong. Returns how many.
    ///
    /// # Errors
    /// Where such a row has no record.
    pub fn reject_refused(&mut self, route: usize, name: &str, rule: &dyn Rule) -> Result<usize, GuestFault> {
        let Some(rows) = self.routes.get(route) else { return Ok(0) };
        let mut refused = BTreeMap::new();
        let all = rows.chunks.iter().flat_map(|chunk| chunk.rows().zip(&chunk.origins));
        for (index, (row, origin)) in all.enumerate() {
            if let Some(problem) = rule.refuses(row) {
                let record = record_of(*origin).ok_or_else(|| without_record(name, index, &problem))?;
                refused.entry(record).or_insert_with(|| brief(wrong_row(name, &problem)));
            }
        }
        Ok(self.refuse(route, Stage::Encode, refused))
    }

    /// Rejects the records of rows that the table of a route refused. Returns how many.
    ///
    /// # Errors
    /// Where such a row has no record.
    pub fn reject_blamed(&mut self, route: usize, name: &str, blamed: &[Blamed]) -> Result<usize, GuestFault> {
        let Some(rows) = self.routes.get(route) else { return Ok(0) };
        let origins: Vec<_> = rows.chunks.iter().flat_map(|chunk| chunk.origins.iter().copied()).collect();
        let mut refused = BTreeMap::new();
        for Blamed { row, reason } in blamed {
            let origin = origins.get(*row).copied().unwrap_or(RANGE_ORIGIN);
            let record = record_of(origin).ok_or_else(|| without_record(name, *row, reason))?;
            refused.entry(record).or_insert_with(|| brief(wrong_row(name, reason)));
        }
        Ok(self.refuse(route, Stage::Sink, refused))
    }

    /// Leaves out all rows that these records have for a route: a record that is rejected leaves none behind there. Returns how many
    /// records those are that have any.
    pub fn refuse(&mut self, route: usize, stage: Stage, refused: BTreeMap<usize, String>) -> usize {
        let Some(rows) = self.routes.get_mut(route).filter(|_| !refused.is_empty()) else { return 0 };
        let mut had_rows = BTreeSet::new();
        rows.leave_out(|_, origin| {
            let record = record_of(origin).filter(|record| refused.contains_key(record));
            had_rows.extend(record);
            record.is_some()
        });
        let rejected: HashSet<usize> = self.rejects.iter().map(|reject| reject.record).collect();
        for (record, reason) in refused.into_iter().filter(|(record, _)| had_rows.contains(record)) {
            if !rejected.contains(&record) {
                self.rejects.push(Reject { record, stage, reason });
            }
            self.refused.entry(route).or_default().insert(record);
        }
        self.rejects.sort_by_key(|reject| reject.record);
        had_rows.len()
    }
}

/// The index of a row's record; none where it stands for the range as a whole.
pub(super) fn record_of(origin: u32) -> Option<usize> {
    usize::try_from(origin).ok().filter(|_| origin != RANGE_ORIGIN)
}

impl RouteRows {
    /// These rows, cut into inserts.
    pub fn of(chunks: Vec<Chunk>) -> Self {
        let rows = chunks.iter().map(|chunk| chunk.ends.len()).sum();
        let cuts = cuts(&chunks);
        let last = if cuts.is_empty() { Amount::of(&chunks) } else { Amount::FULL };
        Self { rows, cuts, chunks, last }
    }

    /// Appends the rows of another range, whose records follow so many. They go into the last insert where there is room: by what the plugin
    /// made, whatever is left out of it by now, so that who joins them again cuts where it was cut before.
    pub fn join(&mut self, other: Self, records: usize) {
        let both = self.last.with(other.last).filter(|_| other.cuts.is_empty());
        if both.is_none() && !self.last.is_none() {
            self.cuts.push(self.rows);
        }
        self.cuts.extend(other.cuts.iter().map(|cut| self.rows + cut));
        self.last = both.unwrap_or(other.last);
        self.rows += other.rows;
        self.chunks.extend(other.chunks.into_iter().map(|chunk| chunk.behind(records)));
    }

    /// Leaves out rows, by their places among all rows of the route and their origins. The others stay in the inserts that they were in.
    pub fn leave_out(&mut self, mut is_wrong: impl FnMut(usize, u32) -> bool) {
        let (mut index, mut left_out) = (0, 0);
        let mut cuts = self.cuts.iter_mut().peekable();
        for chunk in &mut self.chunks {
            let mut wrong = Vec::new();
            for (place, origin) in chunk.origins.iter().enumerate() {
                while let Some(cut) = cuts.next_if(|cut| **cut == index) {
                    *cut -= left_out;
                }
                if is_wrong(index, *origin) {
                    wrong.push(place);
                    left_out += 1;
                }
                index += 1;
            }
            if !wrong.is_empty() {
                *chunk = chunk.without(&wrong);
            }
        }
        cuts.for_each(|cut| *cut -= left_out);
        self.chunks.retain(|chunk| !chunk.ends.is_empty());
        self.rows -= left_out;
    }

    /// The rows of each insert, in order. One of which all rows are left out is empty, and keeps its place.
    pub fn inserts(&self) -> impl Iterator<Item = Span> {
        let ends = self.cuts.iter().copied().chain(std::iter::once(self.rows));
        ends.scan(0, |from, end| Some(std::mem::replace(from, end)..end))
    }
}

impl Chunk {
    /// The bytes of each row.
    pub fn rows(&self) -> impl Iterator<Item = &[u8]> {
        let mut from = 0;
        self.ends.iter().map(move |end| {
            let to = usize::try_from(*end).unwrap_or(usize::MAX);
            let row = self.bytes.get(from..to).unwrap_or_default();
            from = to;
            row
        })
    }

    /// The same where so many records come before its own.
    fn behind(mut self, records: usize) -> Self {
        let records = u32::try_from(records).unwrap_or(RANGE_ORIGIN);
        for origin in self.origins.iter_mut().filter(|origin| **origin != RANGE_ORIGIN) {
            *origin = origin.saturating_add(records);
        }
        self
    }

    /// What it takes in memory, in bytes.
    fn memory(&self) -> usize {
        self.bytes.len() + 4 * (self.ends.len() + self.origins.len())
    }

    /// The chunk without the rows with these indexes, which ascend.
    fn without(&self, wrong: &[usize]) -> Self {
        let mut kept = (Vec::with_capacity(self.bytes.len()), Vec::new(), Vec::new());
        let mut wrong = wrong.iter().peekable();
        let mut from = 0;
        for (index, (end, origin)) in self.ends.iter().zip(&self.origins).enumerate() {
            let to = usize::try_from(*end).unwrap_or(usize::MAX);
            if wrong.next_if_eq(&&index).is_none() {
                kept.0.extend_from_slice(self.bytes.get(from..to).unwrap_or_default());
                kept.1.push(u32::try_from(kept.0.len()).unwrap_or(u32::MAX));
                kept.2.push(*origin);
            }
            from = to;
        }
        Self { bytes: kept.0.into(), ends: kept.1, origins: kept.2 }
    }
}
