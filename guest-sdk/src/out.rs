//! Where a transform puts its rows. One `Out` serves all batches of an instance; the glue moves it from record to
//! record and takes its contents at the end of a batch. A refused record leaves no row behind in it.

use std::any;

use crate::contract::{self, Batch, NO_RECORD, Output, Rows};
use crate::reject::Reject;
use crate::room;
use crate::row::{Provenance, Row};

/// A row type that a plugin has declared as one of its routes. Implemented by [`plugin!`](crate::plugin!).
pub trait Routed: Row {
    /// The index of the route in the plugin's description.
    const ROUTE: u32;
}

/// Where a transform puts its rows.
#[derive(Debug)]
pub struct Out {
    routes: Vec<Buffer>,
    rejects: Vec<contract::Reject>,
    topic: String,
    partition: i32,
    offset: i64,
    origin: u32,
    ordinal: u32,
    records_before: usize,
}

impl Out {
    /// Writes a row to its route. Any number of rows may be written for a record, to any of the routes; should the
    /// transform return an error after all, they are taken back.
    #[inline]
    pub fn emit<R: Routed>(&mut self, row: &R) {
        let source =
            Provenance { topic: &self.topic, partition: self.partition, offset: self.offset, ordinal: self.ordinal };
        let Some(buffer) = self.routes.get_mut(R::ROUTE as usize) else { not_a_route::<R>() };
        room::append(&mut buffer.bytes, row, &source);
        buffer.ends.push(u32::try_from(buffer.bytes.len()).unwrap_or(u32::MAX));
        buffer.origins.push(self.origin);
        self.ordinal += 1;
    }

    pub(crate) fn new(routes: usize) -> Self {
        Self {
            routes: (0..routes).map(|_| Buffer::default()).collect(),
            rejects: Vec::new(),
            topic: String::new(),
            partition: -1,
            offset: -1,
            origin: NO_RECORD,
            ordinal: 0,
            records_before: 0,
        }
    }

    /// Begins a batch, with room for as many rows a record as the one before had.
    pub(crate) fn begin(&mut self, batch: &Batch) {
        self.topic.clone_from(&batch.topic);
        self.partition = batch.partition;
        let records = batch.offsets.len();
        if self.records_before == 0 {
            if let [only] = self.routes.as_mut_slice() {
                only.reserve(batch.values.bytes.len() / 2, records);
            }
        } else {
            for buffer in &mut self.routes {
                buffer.reserve_like_before(records, self.records_before);
            }
        }
        self.records_before = records;
    }

    /// Moves on to the record with this index in the batch.
    #[inline]
    pub(crate) fn at_record(&mut self, index: u32, offset: i64) {
        self.origin = index;
        self.offset = offset;
        self.ordinal = 0;
    }

    /// Moves on to the end of the range: rows from here on belong to no record.
    pub(crate) fn at_end(&mut self) {
        self.origin = NO_RECORD;
    }

    /// Refuses the current record: its rows are taken back.
    #[cold]
    pub(crate) fn reject(&mut self, reject: Reject) {
        for buffer in &mut self.routes {
            buffer.take_back(self.origin);
        }
        self.rejects.push(contract::Reject { origin: self.origin, reason: reject.into_reason() });
    }

    /// What has been gathered; routes without rows are left out.
    pub(crate) fn take(&mut self) -> Output {
        let mut rows = Vec::new();
        for (route, buffer) in (0..).zip(&mut self.routes) {
            if let Some((bytes, ends, origins)) = buffer.take() {
                rows.push(Rows { route, bytes, ends, origins });
            }
        }
        Output { rows, rejects: std::mem::take(&mut self.rejects) }
    }
}

#[derive(Debug, Default)]
struct Buffer {
    bytes: Vec<u8>,
    ends: Vec<u32>,
    origins: Vec<u32>,
    bytes_before: usize,
    rows_before: usize,
}

impl Buffer {
    fn reserve(&mut self, bytes: usize, rows: usize) {
        self.bytes.reserve(bytes);
        self.ends.reserve(rows);
        self.origins.reserve(rows);
    }

    fn reserve_like_before(&mut self, records: usize, records_before: usize) {
        self.reserve(
            scaled(self.bytes_before, records, records_before),
            scaled(self.rows_before, records, records_before),
        );
    }

    fn take_back(&mut self, origin: u32) {
        while self.origins.last() == Some(&origin) {
            self.origins.pop();
            self.ends.pop();
        }
        self.bytes.truncate(self.ends.last().map_or(0, |&end| end as usize));
    }

    fn take(&mut self) -> Option<(Vec<u8>, Vec<u32>, Vec<u32>)> {
        self.bytes_before = self.bytes.len();
        self.rows_before = self.ends.len();
        if self.ends.is_empty() {
            return None;
        }
        Some((std::mem::take(&mut self.bytes), std::mem::take(&mut self.ends), std::mem::take(&mut self.origins)))
    }
}

/// `before` scaled to this batch, with an eighth more, since rows vary.
fn scaled(before: usize, records: usize, records_before: usize) -> usize {
    // In 64 bits: bytes times records outgrow the 32 bits of a guest.
    let expected = before as u64 * records as u64 / records_before.max(1) as u64;
    usize::try_from(expected + expected / 8).unwrap_or(0)
}

/// A mistake in the plugin's own code, found by its first test: there is no record to blame and no row to lose.
#[cold]
#[expect(clippy::panic, reason = "a trap is the only answer that loses no row in silence")]
fn not_a_route<R>() -> ! {
    panic!("{} is not a row of this plugin's routes", any::type_name::<R>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Row;
    use crate::native::{Input, batch};

    #[derive(Row)]
    struct Byte {
        value: u8,
    }
    impl Routed for Byte {
        const ROUTE: u32 = 0;
    }

    #[derive(Row)]
    #[row(offset, ordinal)]
    struct Word<'a> {
        value: &'a str,
    }
    impl Routed for Word<'_> {
        const ROUTE: u32 = 1;
    }

    #[test]
    fn a_refused_record_takes_back_its_rows_and_no_others() {
        let mut out = Out::new(2);
        out.begin(&batch("t", 0, &[Input::null(), Input::null()]));
        out.at_record(0, 10);
        out.emit(&Byte { value: 1 });
        out.emit(&Word { value: "one" });
        out.at_record(1, 11);
        out.emit(&Byte { value: 2 });
        out.emit(&Byte { value: 3 });
        out.emit(&Word { value: "two" });
        out.reject(Reject::new("no"));
        let output = out.take();
        assert_eq!(output.rejects, [contract::Reject { origin: 1, reason: "no".into() }]);
        let [bytes, words] = output.rows.as_slice() else { unreachable!("two routes have rows") };
        assert_eq!((&*bytes.bytes, &*bytes.ends, &*bytes.origins), (&[1][..], &[1][..], &[0][..]));
        assert_eq!((&*words.ends, &*words.origins), (&[16][..], &[0][..]));
        assert_eq!(words.bytes, [&b"\x03one"[..], &10i64.to_le_bytes(), &1u32.to_le_bytes()].concat());
    }

    #[test]
    fn a_route_whose_only_rows_were_taken_back_is_left_out() {
        let mut out = Out::new(2);
        out.at_record(0, 0);
        out.emit(&Byte { value: 1 });
        out.reject(Reject::new("no"));
        assert_eq!(out.take().rows, []);
        out.at_record(0, 0);
        out.emit(&Word { value: "" });
        let output = out.take();
        assert_eq!(output.rows.iter().map(|rows| rows.route).collect::<Vec<_>>(), [1]);
        assert_eq!(output.rejects, []);
    }

    #[test]
    fn ordinals_count_over_routes_and_start_anew_with_each_record() {
        let mut out = Out::new(2);
        for index in 0..2 {
            out.at_record(index, 0);
            out.emit(&Word { value: "" });
            out.emit(&Byte { value: 0 });
            out.emit(&Word { value: "" });
        }
        let output = out.take();
        let words = output.rows.iter().find(|rows| rows.route == 1).map(|rows| &*rows.bytes).unwrap_or_default();
        let ordinals: Vec<u8> = words.chunks_exact(13).filter_map(|row| row.get(9).copied()).collect();
        assert_eq!(ordinals, [0, 2, 0, 2]);
    }

    #[test]
    #[should_panic(expected = "is not a row of this plugin's routes")]
    fn a_row_of_no_route_is_a_trap() {
        Out::new(1).emit(&Word { value: "" });
    }

    #[test]
    fn room_follows_the_batch_before_without_overflow() {
        assert_eq!(scaled(8_000, 100, 1_000), 900);
        assert_eq!(scaled(usize::MAX / 2, 0, 0), 0);
        assert_eq!(scaled(3_000_000_000, 2_000_000, 2_000_000), 3_375_000_000);
    }
}
