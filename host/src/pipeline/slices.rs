//! Slices of a range for single guest calls: lent as they lie where all of their records go, copied where some are left out.

use std::ops::Range;

use super::batch::Batch;
use super::range::{RecordRef, Records, Strings};
use crate::plugin::contract;

/// A slice of a range for one guest call: small enough for its records and rows to stay in a core's cache, large enough
/// that the call costs nothing. From 256 to 16,384 records there was no difference.
const SLICE_RECORDS: usize = 4_096;
const SLICE_BYTES: usize = 1 << 20;

/// What of a batch a guest is given: consecutive records but for some.
#[derive(Clone, Debug)]
pub(super) struct Part<'a> {
    /// Indexes of records.
    pub records: Range<usize>,
    /// Those left out, ascending.
    pub without: &'a [usize],
}

/// Which records of a range stand in a call, in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Members {
    /// All of these.
    All(Range<usize>),
    /// Some within `of`.
    Some { of: Range<usize>, records: Vec<usize> },
}

impl Part<'_> {
    /// All of a batch.
    pub fn whole(batch: &Batch) -> Self {
        Self { records: 0..batch.records.len(), without: &[] }
    }

    /// The records of the slice that begins at `start`; none where there is nothing left.
    pub fn slice(&self, records: &Records, start: usize) -> Option<Members> {
        (start < self.records.end).then(|| {
            let end = slice_end(records, start).min(self.records.end);
            self.members(start..end)
        })
    }

    /// The records of the whole part.
    pub fn all(&self) -> Members {
        self.members(self.records.clone())
    }

    fn members(&self, of: Range<usize>) -> Members {
        let from = self.without.partition_point(|left_out| *left_out < of.start);
        let to = self.without.partition_point(|left_out| *left_out < of.end);
        let mut left_out = self.without.get(from..to).unwrap_or_default().iter().peekable();
        if left_out.peek().is_none() {
            return Members::All(of);
        }
        let records = of.clone().filter(|record| left_out.next_if_eq(&record).is_none()).collect();
        Members::Some { of, records }
    }
}

impl Members {
    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Self::All(range) => range.len(),
            Self::Some { records, .. } => records.len(),
        }
    }

    /// The part of the range that they are of.
    pub fn of(&self) -> Range<usize> {
        match self {
            Self::All(of) | Self::Some { of, .. } => of.clone(),
        }
    }

    /// The index in the range of the record that the call knows by `origin`.
    #[inline]
    pub fn record(&self, origin: u32) -> Option<usize> {
        let origin = usize::try_from(origin).ok()?;
        match self {
            Self::All(range) => range.start.checked_add(origin).filter(|record| *record < range.end),
            Self::Some { records, .. } => records.get(origin).copied(),
        }
    }
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
pub(super) struct Scratch {
    picked: Records,
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
    /// The records of a call as the contract wants them.
    pub fn slice<'a>(&'a mut self, batch: &'a Batch, members: &Members) -> contract::Batch<'a> {
        let (records, start, end) = match members {
            Members::All(range) => (&batch.records, range.start, range.end),
            Members::Some { records, .. } => {
                self.picked = picked(&batch.records, records);
                (&self.picked, 0, records.len())
            }
        };
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

/// A copy of some records.
fn picked(records: &Records, indexes: &[usize]) -> Records {
    let mut picked = Records::default();
    for index in indexes {
        let offset = records.offsets.get(*index).copied().unwrap_or_default();
        let timestamp = records.timestamps.get(*index).copied().unwrap_or(-1);
        let (key, value) = (records.keys.get(*index), records.values.get(*index));
        picked.push(RecordRef { offset, timestamp, key, value });
        for (name, value) in records.headers(*index) {
            picked.push_header(name, value);
        }
    }
    picked
}
