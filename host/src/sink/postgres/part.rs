//! A part of a route's rows, as they lie in the chunks that the guest handed over: nothing is copied to take one.

use std::ops::Range;

use crate::pipeline::RouteRows;

/// Consecutive rows of a route, counted over all chunks.
#[derive(Clone)]
pub struct Part<'r> {
    rows: &'r RouteRows,
    /// Which.
    pub range: Range<usize>,
}

impl<'r> Part<'r> {
    /// All of them.
    pub fn all(rows: &'r RouteRows) -> Self {
        Self { rows, range: 0..rows.rows }
    }

    /// Some of them.
    pub fn of(rows: &'r RouteRows, range: Range<usize>) -> Self {
        Self { rows, range }
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.range.len()
    }

    /// Their bytes, in order; each piece is whole rows.
    pub fn pieces(&self) -> impl Iterator<Item = &'r [u8]> {
        let Range { start, end } = self.range;
        let mut before = 0;
        self.rows.chunks.iter().filter_map(move |chunk| {
            let (from, to) = (start.saturating_sub(before), end.saturating_sub(before).min(chunk.ends.len()));
            before += chunk.ends.len();
            let byte = |row: usize| match row.checked_sub(1) {
                None => Some(0),
                Some(last) => chunk.ends.get(last).and_then(|end| usize::try_from(*end).ok()),
            };
            (from < to).then(|| chunk.bytes.get(byte(from)?..byte(to)?)).flatten()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::Chunk;

    #[test]
    fn a_part_is_cut_out_of_the_chunks_that_it_touches() {
        let chunk = |bytes: &'static [u8], ends: &[u32]| Chunk {
            bytes: bytes.into(),
            ends: ends.to_vec(),
            origins: vec![0; ends.len()],
        };
        let chunks = vec![chunk(b"abbccc", &[1, 3, 6]), chunk(b"", &[]), chunk(b"d", &[1]), chunk(b"eef", &[2, 3])];
        let rows = RouteRows::of(chunks);
        let pieces = |range| {
            let part = Part::of(&rows, range);
            let pieces = part.pieces().map(|piece| String::from_utf8_lossy(piece).into_owned());
            pieces.collect::<Vec<_>>()
        };
        assert_eq!(pieces(0..6), ["abbccc", "d", "eef"]);
        assert_eq!(pieces(1..2), ["bb"]);
        assert_eq!(pieces(2..5), ["ccc", "d", "ee"]);
        assert_eq!(pieces(5..6), ["f"]);
        assert!(pieces(3..3).is_empty());
        assert_eq!(Part::all(&rows).len(), 6);
    }
}
