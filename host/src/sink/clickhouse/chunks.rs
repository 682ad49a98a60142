//! The bytes of rows, as an insert sends them.

use bytes::Bytes;

use crate::pipeline::{RouteRows, Span};

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
        RouteRows::of(chunks)
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
