//! Rows cut into inserts. Each is one block of the server and has a token of its own, so where the cuts are must follow from the rows
//! alone: a try again makes the same ones.

use bytes::Bytes;

use crate::pipeline::RouteRows;

/// Well below the million rows that the server makes into one block.
const MOST_ROWS: usize = 500_000;
/// What a server may be asked to hold of one insert, several times over, while it sorts it.
const MOST_BYTES: usize = 128 << 20;

/// Rows by their places in a write: from the first, up to the second.
pub(super) type Span = std::ops::Range<usize>;

/// The inserts of a write, in order.
pub(super) fn cut(rows: &RouteRows) -> Vec<Span> {
    let bytes: usize = rows.chunks.iter().map(|chunk| chunk.bytes.len()).sum();
    match rows.rows {
        0 => Vec::new(),
        1..=MOST_ROWS if bytes <= MOST_BYTES => std::iter::once(0..rows.rows).collect(),
        _ => cut_at(rows, MOST_ROWS, MOST_BYTES),
    }
}

fn cut_at(rows: &RouteRows, most_rows: usize, most_bytes: usize) -> Vec<Span> {
    let (mut cuts, mut from, mut held, mut index) = (Vec::new(), 0, 0, 0);
    for chunk in &rows.chunks {
        for row in chunk.rows() {
            // A row that is larger than all that may be is an insert alone.
            if index > from && (index - from == most_rows || held + row.len() > most_bytes) {
                cuts.push(from..index);
                (from, held) = (index, 0);
            }
            held += row.len();
            index += 1;
        }
    }
    if index > from {
        cuts.push(from..index);
    }
    cuts
}

/// The bytes of some of the rows, as they lie in memory.
pub(super) fn bytes(rows: &RouteRows, span: &Span) -> Vec<Bytes> {
    let (mut pieces, mut before) = (Vec::new(), 0);
    for chunk in &rows.chunks {
        let count = chunk.ends.len();
        let from = span.start.saturating_sub(before).min(count);
        let to = span.end.saturating_sub(before).min(count);
        if from < to {
            let all = chunk.bytes.len();
            let end_of =
                |row: usize| chunk.ends.get(row).and_then(|end| usize::try_from(*end).ok()).unwrap_or(all).min(all);
            let begin = if from == 0 { 0 } else { end_of(from - 1) };
            pieces.push(chunk.bytes.slice(begin..end_of(to - 1)));
        }
        before += count;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::Chunk;

    /// Rows of these lengths in each chunk, every byte of a row its index.
    fn rows(chunks: &[&[usize]]) -> RouteRows {
        let mut index = 0u8;
        let mut chunk = |lengths: &&[usize]| {
            let (mut bytes, mut ends) = (Vec::new(), Vec::new());
            for length in *lengths {
                bytes.extend(std::iter::repeat_n(index, *length));
                ends.push(u32::try_from(bytes.len()).unwrap());
                index += 1;
            }
            Chunk { bytes: bytes.into(), origins: vec![0; ends.len()], ends }
        };
        let chunks: Vec<_> = chunks.iter().map(&mut chunk).collect();
        RouteRows { rows: chunks.iter().map(|chunk| chunk.ends.len()).sum(), chunks }
    }

    #[test]
    fn inserts_are_as_large_as_they_may_be_across_the_guests_calls() {
        let rows = rows(&[&[1, 1, 1], &[1, 1], &[], &[1]]);
        assert_eq!(cut_at(&rows, 4, 100), [0..4, 4..6]);
        assert_eq!(cut_at(&rows, 6, 100), std::slice::from_ref(&(0..6)));
        assert_eq!(cut_at(&rows, 100, 2), [0..2, 2..4, 4..6]);
        assert!(cut(&RouteRows::default()).is_empty());
    }

    #[test]
    fn a_row_beyond_all_bounds_goes_alone() {
        assert_eq!(cut_at(&rows(&[&[1, 9, 1]]), 10, 4), [0..1, 1..2, 2..3]);
    }

    #[test]
    fn a_span_has_the_bytes_of_its_rows() {
        let rows = rows(&[&[1, 2, 1], &[0, 3]]);
        let all: Vec<Bytes> = (0..5).flat_map(|row| bytes(&rows, &(row..row + 1))).collect();
        assert_eq!(all, [&[0][..], &[1, 1], &[2], &[], &[4, 4, 4]]);
        assert_eq!(bytes(&rows, &(1..5)), [&[1, 1, 2][..], &[4, 4, 4]]);
        assert_eq!(bytes(&rows, &(0..5)).concat(), [0, 1, 1, 2, 4, 4, 4]);
        assert!(bytes(&rows, &(2..2)).is_empty());
    }
}
