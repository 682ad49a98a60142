//! From a batch to rows and rejects: the guest is called slice by slice, and nothing that it hands over is trusted.

use std::sync::Arc;

use bytes::Bytes;

use super::batch::Batch;
use super::range::{Records, Strings};
use super::rows_per_record;
use crate::plugin::{Description, GuestFault, Plugin, Route, contract};
use crate::rows::shortened;
use crate::sink::Rule;

/// A slice of a range for one guest call: small enough for its records and rows to stay in a core's cache, large enough
/// that the call costs nothing. From 256 to 16,384 records there was no difference.
const SLICE_RECORDS: usize = 4_096;
const SLICE_BYTES: usize = 1 << 20;

/// The origin of rows that stand for the range as a whole: see `rows` in the contract.
const RANGE_ORIGIN: u32 = u32::MAX;

/// What came of a batch.
#[derive(Debug)]
pub struct Transformed {
    /// The batch, with the records that rejects refer to.
    pub batch: Batch,
    /// One entry for every route of the plugin, in its order.
    pub routes: Vec<RouteRows>,
    /// In the order of the records.
    pub rejects: Vec<Reject>,
    /// Records that have neither a row nor a reject.
    pub dropped: usize,
}

/// All rows for one route.
#[derive(Debug, Default)]
pub struct RouteRows {
    /// One for every guest call that emitted rows here.
    pub chunks: Vec<Chunk>,
    /// How many rows there are in all chunks.
    pub rows: usize,
}

/// Rows as they came from the guest, walked.
#[derive(Debug)]
pub struct Chunk {
    /// RowBinary.
    pub bytes: Bytes,
    /// Where each row ends.
    pub ends: Vec<u32>,
    /// For each row, the index of its record in the range; `u32::MAX` for a row of the range as a whole.
    pub origins: Vec<u32>,
}

/// A record that could not become rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// Its index in the range.
    pub record: usize,
    /// Who refused it.
    pub stage: Stage,
    /// Why.
    pub reason: String,
}

/// The stage that refused a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The plugin.
    Transform,
    /// The host's check of the rows that the plugin wrote.
    Encode,
}

impl Stage {
    /// As headers and metrics call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Transform => "transform",
            Self::Encode => "encode",
        }
    }
}

/// Why a batch has no result. The batch was not to blame, or not known to be: its range is not complete.
#[derive(Clone, Debug, thiserror::Error)]
#[error("transform records {first} to {last}: {fault}")]
pub struct TransformFault {
    /// The first offset of the slice that failed.
    pub first: i64,
    /// The last.
    pub last: i64,
    /// What happened.
    pub fault: GuestFault,
}

/// Runs a batch through its plugin.
///
/// # Errors
/// Where the guest traps or breaks the contract; the offsets narrow down where.
pub async fn transform(plugin: Arc<dyn Plugin>, mut batch: Batch) -> Result<Transformed, TransformFault> {
    let whole = (batch.range.first, batch.range.next - 1);
    let fault = |(first, last)| move |fault| TransformFault { first, last, fault };
    let mut guest = plugin.guest(&batch.range).await.map_err(fault(whole))?;
    let mut result = Collected::new(plugin.description(), batch.records.len());
    let mut scratch = Scratch::default();
    let mut start = 0;
    while start < batch.records.len() {
        let end = slice_end(&batch.records, start);
        let slice = scratch.slice(&batch, start, end);
        let bounds = (offset(&batch.records, start), offset(&batch.records, end - 1));
        let output = guest.transform(slice).await.map_err(fault(bounds))?;
        result.add(plugin.description(), output, start, end).map_err(fault(bounds))?;
        start = end;
    }
    let output = guest.finish().await.and_then(unless_failed).map_err(fault(whole))?;
    result.add(plugin.description(), output, 0, batch.records.len()).map_err(fault(whole))?;
    plugin.give_back(guest);
    let (records, limit) = (batch.records.len(), plugin.rows_per_record());
    rows_per_record::enforce(&mut result.routes, &mut result.rejects, records, limit, plugin.usage());
    let rows: usize = result.routes.iter().flat_map(|route| &route.chunks).map(Chunk::memory).sum();
    batch.permit.grow(rows);
    Ok(result.into_transformed(batch))
}

/// The answer of `finish`, where it does not reject the range as a whole. No other call may.
fn unless_failed(mut output: contract::Output) -> Result<contract::Output, GuestFault> {
    match output.rejects.iter().position(|reject| reject.origin == RANGE_ORIGIN) {
        Some(index) => Err(GuestFault::Finish(output.rejects.swap_remove(index).reason)),
        None => Ok(output),
    }
}

fn offset(records: &Records, index: usize) -> i64 {
    records.offsets.get(index).copied().unwrap_or_default()
}

/// Where a slice that begins with record `start` ends: it holds at least one record.
fn slice_end(records: &Records, start: usize) -> usize {
    let begin = end_before(&records.values, start);
    let ends = records.values.ends.get(start..).unwrap_or_default().iter().take(SLICE_RECORDS);
    let fitting = ends.take_while(|end| usize::try_from(**end).unwrap_or(usize::MAX) <= begin + SLICE_BYTES).count();
    start + fitting.max(1)
}

fn end_before(strings: &Strings, index: usize) -> usize {
    let end = index.checked_sub(1).and_then(|before| strings.ends.get(before)).copied().unwrap_or_default();
    usize::try_from(end).unwrap_or(usize::MAX)
}

/// Room for what of a slice is not lent as it lies: ends and indexes count from the slice's own beginning.
#[derive(Default)]
struct Scratch {
    keys: Rebased,
    values: Rebased,
    header_ends: Vec<u32>,
    header_names: Rebased,
    header_values: Rebased,
}

#[derive(Default)]
struct Rebased {
    ends: Vec<u32>,
    nulls: Vec<u32>,
}

impl Rebased {
    fn strings<'a>(&'a mut self, strings: &'a Strings, start: usize, end: usize) -> contract::Strings<'a> {
        let base = end_before(strings, start);
        let last = end_before(strings, end);
        let narrow = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let nulls = {
            let from = strings.nulls.partition_point(|null| *null < narrow(start));
            let to = strings.nulls.partition_point(|null| *null < narrow(end));
            strings.nulls.get(from..to).unwrap_or_default()
        };
        self.ends.clear();
        self.nulls.clear();
        // Where all are null, the contract says so with no ends at all.
        if nulls.len() < end - start {
            let ends = strings.ends.get(start..end).unwrap_or_default();
            self.ends.extend(ends.iter().map(|end| end.wrapping_sub(narrow(base))));
            self.nulls.extend(nulls.iter().map(|null| null.wrapping_sub(narrow(start))));
        }
        contract::Strings {
            bytes: strings.bytes.get(base..last).unwrap_or_default(),
            ends: &self.ends,
            nulls: &self.nulls,
        }
    }
}

impl Scratch {
    fn slice<'a>(&'a mut self, batch: &'a Batch, start: usize, end: usize) -> contract::Batch<'a> {
        let records = &batch.records;
        let header = |index: usize| -> usize {
            let end = index.checked_sub(1).and_then(|before| records.header_ends.get(before)).copied();
            usize::try_from(end.unwrap_or_default()).unwrap_or(usize::MAX)
        };
        let headers = (header(start), header(end));
        self.header_ends.clear();
        if headers.0 < headers.1 {
            let ends = records.header_ends.get(start..end).unwrap_or_default();
            let base = u32::try_from(headers.0).unwrap_or(u32::MAX);
            self.header_ends.extend(ends.iter().map(|end| end.wrapping_sub(base)));
        }
        contract::Batch {
            topic: &batch.range.topic,
            partition: batch.range.partition,
            offsets: records.offsets.get(start..end).unwrap_or_default(),
            timestamps: records.timestamps.get(start..end).unwrap_or_default(),
            keys: self.keys.strings(&records.keys, start, end),
            values: self.values.strings(&records.values, start, end),
            headers: contract::Headers {
                record_ends: &self.header_ends,
                names: self.header_names.strings(&records.header_names, headers.0, headers.1),
                values: self.header_values.strings(&records.header_values, headers.0, headers.1),
            },
        }
    }
}

/// What the guest's calls brought so far.
struct Collected {
    routes: Vec<RouteRows>,
    rejects: Vec<Reject>,
    /// Whether a record has a row or a reject.
    answered: Vec<bool>,
}

impl Collected {
    fn new(description: &Description, records: usize) -> Self {
        let routes = description.routes.iter().map(|_| RouteRows::default()).collect();
        Self { routes, rejects: Vec::new(), answered: vec![false; records] }
    }

    /// Checks and adds what a call for the records from `start` to before `end` answered.
    fn add(
        &mut self,
        description: &Description,
        output: contract::Output,
        start: usize,
        end: usize,
    ) -> Result<(), GuestFault> {
        let mut seen = vec![false; description.routes.len()];
        for rows in output.rows {
            let index = usize::try_from(rows.route).unwrap_or(usize::MAX);
            let (Some(route), Some(collected), Some(seen)) =
                (description.routes.get(index), self.routes.get_mut(index), seen.get_mut(index))
            else {
                let routes = description.routes.len();
                return Err(GuestFault::Contract(format!("rows for route {index}, but there are {routes} routes")));
            };
            if std::mem::replace(seen, true) {
                return Err(GuestFault::Contract(format!("rows for route `{}` twice in one output", route.name)));
            }
            let checked = check(route, rows, start, end)?;
            for origin in &checked.chunk.origins {
                if let Some(answered) = usize::try_from(*origin).ok().and_then(|origin| self.answered.get_mut(origin)) {
                    *answered = true;
                }
            }
            collected.rows += checked.chunk.ends.len();
            if !checked.chunk.ends.is_empty() {
                collected.chunks.push(checked.chunk);
            }
            self.rejects.extend(checked.rejects);
        }
        for reject in output.rejects {
            let record =
                usize::try_from(reject.origin).ok().map(|origin| origin + start).filter(|record| *record < end);
            let Some(record) = record else {
                let (origin, records) = (reject.origin, end - start);
                return Err(GuestFault::Contract(format!("a reject of record {origin} in a batch of {records}")));
            };
            self.rejects.push(Reject {
                record,
                stage: Stage::Transform,
                reason: shortened(reject.reason, LONGEST_REASON),
            });
        }
        Ok(())
    }

    fn into_transformed(mut self, batch: Batch) -> Transformed {
        self.rejects.sort_by_key(|reject| reject.record);
        // One letter a record, though several of its rows may be wrong.
        self.rejects.dedup_by_key(|reject| reject.record);
        for reject in &self.rejects {
            if let Some(answered) = self.answered.get_mut(reject.record) {
                *answered = true;
            }
        }
        let dropped = self.answered.iter().filter(|answered| !**answered).count();
        Transformed { batch, routes: self.routes, rejects: self.rejects, dropped }
    }
}

impl Transformed {
    /// Rejects the rows of a route that its table cannot hold, each alone, as rows are whose bytes are wrong.
    ///
    /// # Errors
    /// Where such a row has no record.
    pub fn reject_refused(&mut self, route: usize, name: &str, rule: &dyn Rule) -> Result<(), TransformFault> {
        let Some(rows) = self.routes.get_mut(route) else { return Ok(()) };
        let before = self.rejects.len();
        for chunk in &mut rows.chunks {
            let refused = chunk.refused(name, rule).map_err(|fault| {
                let (first, last) = (self.batch.range.first, self.batch.range.next - 1);
                TransformFault { first, last, fault }
            })?;
            if !refused.is_empty() {
                *chunk = chunk.without(&refused);
                rows.rows -= refused.len();
                self.rejects.extend(refused.into_iter().map(|(_, reject)| reject));
            }
        }
        if self.rejects.len() > before {
            rows.chunks.retain(|chunk| !chunk.ends.is_empty());
            self.rejects.sort_by_key(|reject| reject.record);
            self.rejects.dedup_by_key(|reject| reject.record);
        }
        Ok(())
    }
}

/// The longest reason that a dead letter carries, in bytes: enough for a person, little enough for a header.
const LONGEST_REASON: usize = 1_024;

struct Checked {
    chunk: Chunk,
    rejects: Vec<Reject>,
}

/// Checks rows that a guest handed over: ends, origins, and every row's bytes. A wrong row is rejected alone.
fn check(route: &Route, rows: contract::Rows, start: usize, end: usize) -> Result<Checked, GuestFault> {
    let contract::Rows { bytes, ends, mut origins, .. } = rows;
    let broken = |problem: String| Err(GuestFault::Contract(format!("rows for route `{}`: {problem}", route.name)));
    if ends.len() != origins.len() {
        return broken(format!("{} ends, but {} origins", ends.len(), origins.len()));
    }
    let (records, base) = (end - start, u32::try_from(start).unwrap_or(u32::MAX));
    let mut wrong = Vec::new();
    let mut from = 0;
    for (index, (row_end, origin)) in ends.iter().zip(&mut origins).enumerate() {
        let to = usize::try_from(*row_end).unwrap_or(usize::MAX);
        let Some(row) = bytes.get(from..to) else {
            return broken(format!("row {index} from {from} to {to}, but there are {} bytes", bytes.len()));
        };
        from = to;
        if *origin != RANGE_ORIGIN {
            if usize::try_from(*origin).unwrap_or(usize::MAX) >= records {
                return broken(format!("row {index} comes from record {origin} in a batch of {records}"));
            }
            *origin += base;
        }
        if let Err(fault) = route.walker.check(row) {
            wrong.push((index, wrong_row(&route.name, index, *origin, &fault.to_string())?));
        }
    }
    if from != bytes.len() {
        return broken(format!("the last row ends at {from}, but there are {} bytes", bytes.len()));
    }
    let chunk = Chunk { bytes: bytes.into(), ends, origins };
    let chunk = if wrong.is_empty() { chunk } else { chunk.without(&wrong) };
    Ok(Checked { chunk, rejects: wrong.into_iter().map(|(_, reject)| reject).collect() })
}

/// The reject of a wrong row, which needs a record to blame.
fn wrong_row(route: &str, index: usize, origin: u32, problem: &str) -> Result<Reject, GuestFault> {
    match usize::try_from(origin) {
        Ok(record) if origin != RANGE_ORIGIN => {
            let reason = format!("row for route `{route}`: {problem}");
            Ok(Reject { record, stage: Stage::Encode, reason })
        }
        _ => Err(GuestFault::Contract(format!(
            "rows for route `{route}`: row {index}, which has no record, is wrong: {problem}"
        ))),
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

    /// The indexes of the rows that a rule refuses, with their rejects.
    fn refused(&self, route: &str, rule: &dyn Rule) -> Result<Vec<(usize, Reject)>, GuestFault> {
        let mut refused = Vec::new();
        for (index, (row, origin)) in self.rows().zip(&self.origins).enumerate() {
            if let Some(problem) = rule.refuses(row) {
                refused.push((index, wrong_row(route, index, *origin, &problem)?));
            }
        }
        Ok(refused)
    }

    /// What it takes in memory, in bytes.
    fn memory(&self) -> usize {
        self.bytes.len() + 4 * (self.ends.len() + self.origins.len())
    }

    /// The chunk without the rows with these indexes, which ascend.
    fn without(&self, wrong: &[(usize, Reject)]) -> Self {
        let mut kept = (Vec::with_capacity(self.bytes.len()), Vec::new(), Vec::new());
        let mut from = 0;
        for (index, (end, origin)) in self.ends.iter().zip(&self.origins).enumerate() {
            let to = usize::try_from(*end).unwrap_or(usize::MAX);
            if wrong.binary_search_by_key(&index, |(index, _)| *index).is_err() {
                kept.0.extend_from_slice(self.bytes.get(from..to).unwrap_or_default());
                kept.1.push(u32::try_from(kept.0.len()).unwrap_or(u32::MAX));
                kept.2.push(*origin);
            }
            from = to;
        }
        Self { bytes: kept.0.into(), ends: kept.1, origins: kept.2 }
    }
}
