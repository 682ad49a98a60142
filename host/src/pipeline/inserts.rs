//! How a route's rows are cut into inserts, where they are too many for one. Each has a token of its own, so the cuts are made once, of the
//! rows as the plugin made them, and stay where they are when rows are left out: whoever tries again, or replays the range, sends
//! under each token what was sent under it before, but for those rows.

use std::ops::Range;

use super::answers::{Chunk, record_of};

/// Well below the million rows that ClickHouse makes into one block.
const MOST_ROWS: usize = 500_000;
/// What a server may be asked to hold of one insert, several times over, while it sorts it.
const MOST_BYTES: usize = 128 << 20;

/// Rows by their places among those of a route: from the first, up to the second.
pub type Span = Range<usize>;

/// Where one insert ends and the next begins. All rows of a record are in one insert wherever that can be: a record that is
/// left out must not be there in part already.
pub(super) fn cuts(chunks: &[Chunk]) -> Vec<usize> {
    let fits = Amount::of(chunks).with(Amount::default()).is_some();
    if fits { Vec::new() } else { cuts_at(chunks, MOST_ROWS, MOST_BYTES) }
}

/// How much an insert holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Amount {
    rows: usize,
    bytes: usize,
}

impl Amount {
    /// As much as an insert may hold, or more.
    pub const FULL: Self = Self { rows: MOST_ROWS, bytes: MOST_BYTES };

    /// All of these.
    pub fn of(chunks: &[Chunk]) -> Self {
        let add =
            |sum: Self, chunk: &Chunk| Self { rows: sum.rows + chunk.ends.len(), bytes: sum.bytes + chunk.bytes.len() };
        chunks.iter().fold(Self::default(), add)
    }

    /// Whether it is nothing.
    pub fn is_none(self) -> bool {
        self == Self::default()
    }

    /// Both, where one insert may hold them.
    pub fn with(self, other: Self) -> Option<Self> {
        let both = Self { rows: self.rows + other.rows, bytes: self.bytes + other.bytes };
        (both.rows <= MOST_ROWS && both.bytes <= MOST_BYTES).then_some(both)
    }
}

fn cuts_at(chunks: &[Chunk], most_rows: usize, most_bytes: usize) -> Vec<usize> {
    let last = last_rows(chunks);
    let mut cuts = Vec::new();
    // Where the insert begins and what it holds; the last place in it between two records, and what it holds up to there; up to
    // where the rows of records reach that have begun.
    let (mut from, mut held, mut between, mut held_between, mut reach) = (0, 0, 0, 0, 0);
    let rows = chunks.iter().flat_map(|chunk| chunk.rows().zip(&chunk.origins));
    for (index, (row, origin)) in rows.enumerate() {
        if index >= reach {
            (between, held_between) = (index, held);
        }
        // A row that is larger than all that may be is an insert alone; a record that is, is cut where it must be.
        while index > from && (index - from == most_rows || held + row.len() > most_bytes) {
            if between <= from {
                (between, held_between) = (index, held);
            }
            cuts.push(between);
            (from, held) = (between, held - held_between);
            held_between = 0;
        }
        held += row.len();
        reach = reach.max(record_of(*origin).and_then(|record| last.get(record)).map_or(0, |last| last + 1));
    }
    cuts
}

/// For each record, its last row.
fn last_rows(chunks: &[Chunk]) -> Vec<usize> {
    let mut last = Vec::new();
    for (index, origin) in chunks.iter().flat_map(|chunk| &chunk.origins).enumerate() {
        let Some(record) = record_of(*origin) else { continue };
        if last.len() <= record {
            last.resize(record + 1, 0);
        }
        if let Some(last) = last.get_mut(record) {
            *last = index;
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use super::super::answers::RANGE_ORIGIN;
    use super::*;

    /// Rows of these lengths in each chunk, with the records that they come from.
    fn chunks(chunks: &[&[(usize, u32)]]) -> Vec<Chunk> {
        let chunk = |rows: &&[(usize, u32)]| {
            let (mut bytes, mut ends) = (Vec::new(), Vec::new());
            for (length, _) in *rows {
                bytes.extend(std::iter::repeat_n(0, *length));
                ends.push(u32::try_from(bytes.len()).unwrap());
            }
            Chunk { bytes: bytes.into(), ends, origins: rows.iter().map(|(_, origin)| *origin).collect() }
        };
        chunks.iter().map(chunk).collect()
    }

    #[test]
    fn inserts_are_as_large_as_they_may_be_across_the_guests_calls() {
        let rows = chunks(&[&[(1, 0), (1, 1), (1, 2)], &[(1, 3), (1, 4)], &[], &[(1, 5)]]);
        assert_eq!(cuts_at(&rows, 4, 100), [4]);
        assert!(cuts_at(&rows, 6, 100).is_empty());
        assert_eq!(cuts_at(&rows, 100, 2), [2, 4]);
        assert!(cuts(&rows).is_empty());
    }

    #[test]
    fn a_row_beyond_all_bounds_goes_alone() {
        assert_eq!(cuts_at(&chunks(&[&[(1, 0), (9, 1), (1, 2)]]), 10, 4), [1, 2]);
    }

    #[test]
    fn the_rows_of_a_record_stay_together() {
        let rows = chunks(&[&[(1, 0), (1, 1), (1, 1)], &[(1, 1), (1, 2), (1, 2)]]);
        assert_eq!(cuts_at(&rows, 4, 100), [4]);
        assert_eq!(cuts_at(&rows, 3, 100), [1, 4]);
        assert_eq!(cuts_at(&rows, 5, 100), [4]);
        // Record 0 has rows before and behind those of 1: nothing may be cut between them.
        let rows = chunks(&[&[(1, 0), (1, 1), (1, 0), (1, 2), (1, 3)]]);
        assert_eq!(cuts_at(&rows, 3, 100), [3]);
        assert_eq!(cuts_at(&rows, 4, 100), [4]);
        // A row of the range as a whole is nobody's, and a record that is too large is cut all the same.
        let rows = chunks(&[&[(1, RANGE_ORIGIN), (1, 0), (1, 0), (1, 0), (1, RANGE_ORIGIN)]]);
        assert_eq!(cuts_at(&rows, 2, 100), [1, 3]);
    }
}
