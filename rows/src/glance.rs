//! Whether a row is right, for rows that are. Bytes of fixed width that follow each other are taken in one step, and nothing is said of what is
//! wrong: that is for [`walk`], which has the last word on all that does not pass here.

use super::Decoder;
use super::walk::{Step, walk};

/// The columns of a row, in fewer steps.
#[derive(Debug)]
pub(super) struct Glance(Vec<Look>);

/// What to look at next.
#[derive(Debug)]
enum Look {
    /// Columns whose width is known, one behind the other.
    Fixed {
        width: usize,
        bounds: Vec<Bound>,
    },
    Text,
    /// A byte that says whether so many others follow, of which any are right.
    NullableFixed(usize),
    /// The column of this number, as others see it.
    Column(usize),
}

/// Eight bytes that are a number between two others.
#[derive(Debug)]
struct Bound {
    at: usize,
    lowest: i64,
    highest: i64,
}

impl Glance {
    pub fn new(steps: &[Step]) -> Self {
        let mut looks = Vec::new();
        for (index, step) in steps.iter().enumerate() {
            let (more, bound) = match step {
                Step::Skip(width) => (*width, None),
                Step::Between64 { lowest, highest } => (8, Some((*lowest, *highest))),
                Step::Decimal64(limit) => (8, Some((1 - limit, limit - 1))),
                Step::Text => {
                    looks.push(Look::Text);
                    continue;
                }
                Step::Nullable(inner) if let Step::Skip(width) = **inner => {
                    looks.push(Look::NullableFixed(width));
                    continue;
                }
                _ => {
                    looks.push(Look::Column(index));
                    continue;
                }
            };
            if !matches!(looks.last(), Some(Look::Fixed { .. })) {
                looks.push(Look::Fixed { width: 0, bounds: Vec::new() });
            }
            if let Some(Look::Fixed { width, bounds }) = looks.last_mut() {
                bounds.extend(bound.map(|(lowest, highest)| Bound { at: *width, lowest, highest }));
                *width += more;
            }
        }
        Self(looks)
    }

    /// Whether these bytes are exactly one row. `steps` are those that it was made of.
    pub fn passes(&self, row: &[u8], steps: &[Step]) -> bool {
        let mut rest = row;
        for look in &self.0 {
            let next = match look {
                Look::Fixed { width, bounds } => fixed(rest, *width, bounds),
                Look::Text => text(rest),
                Look::NullableFixed(width) => match rest.split_first() {
                    Some((0, value)) => value.get(*width..),
                    Some((1, behind)) => Some(behind),
                    _ => None,
                },
                Look::Column(index) => column(rest, steps.get(*index)),
            };
            match next {
                Some(behind) => rest = behind,
                None => return false,
            }
        }
        rest.is_empty()
    }
}

/// What is behind the value; none where it is wrong.
#[inline]
fn fixed<'r>(rest: &'r [u8], width: usize, bounds: &[Bound]) -> Option<&'r [u8]> {
    let (values, behind) = rest.split_at_checked(width)?;
    let is_within = |bound: &Bound| {
        let eight = values.get(bound.at..).and_then(<[u8]>::first_chunk);
        eight
            .map(|eight| i64::from_le_bytes(*eight))
            .is_some_and(|value| bound.lowest <= value && value <= bound.highest)
    };
    bounds.iter().all(is_within).then_some(behind)
}

/// The same of a text, of which most are short and ASCII.
#[inline]
fn text(rest: &[u8]) -> Option<&[u8]> {
    match rest.split_first() {
        Some((length @ 0..0x80, behind)) => {
            let (text, rest) = behind.split_at_checked(usize::from(*length))?;
            (is_ascii(text, behind) || simdutf8::basic::from_utf8(text).is_ok()).then_some(rest)
        }
        _ => column(rest, Some(&Step::Text)),
    }
}

/// Whether a text at the front of these bytes is. Where there are sixteen they are looked at together, those of others masked out: a loop over
/// some few costs more.
#[inline]
fn is_ascii(text: &[u8], bytes: &[u8]) -> bool {
    const HIGH: u128 = u128::from_le_bytes([0x80; 16]);
    match bytes.first_chunk::<16>() {
        Some(sixteen) if text.len() <= 16 => {
            let others = u128::MAX.checked_shl(8 * text.len() as u32).unwrap_or(0);
            u128::from_le_bytes(*sixteen) & HIGH & !others == 0
        }
        _ => text.is_ascii(),
    }
}

#[inline(never)]
fn column<'r>(rest: &'r [u8], step: Option<&Step>) -> Option<&'r [u8]> {
    let mut decoder = Decoder::new(rest);
    walk(step?, &mut decoder).ok()?;
    rest.get(rest.len() - decoder.remaining()..)
}

#[cfg(test)]
mod tests {
    use super::super::Column;
    use super::super::walk::steps_of;
    use super::*;

    /// Columns of every kind of look, and a row of them.
    fn row() -> (Vec<Column>, Vec<u8>) {
        let kinds = [
            "UUID",
            "DateTime64(3)",
            "UInt16",
            "Decimal(18, 4)",
            "String",
            "Nullable(UInt64)",
            "Nullable(UInt64)",
            "Bool",
            "Array(String)",
            "LowCardinality(String)",
            "Int64",
            "String",
        ];
        let columns = kinds.iter().map(|kind| Column { name: (*kind).to_owned(), kind: kind.parse().unwrap() });
        let mut row = vec![7; 16];
        row.extend_from_slice(&1_763_634_900_123i64.to_le_bytes());
        row.extend_from_slice(&[1, 2]);
        row.extend_from_slice(&(-999_999_999_999_999_999i64).to_le_bytes());
        row.extend_from_slice("\u{8}caf\u{e9}-12".as_bytes());
        row.extend_from_slice(&[1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 1, b'a', 0, 3]);
        row.extend_from_slice(b"EUR");
        row.extend_from_slice(&[0xff; 8]);
        row.extend_from_slice(&[200, 1]);
        row.extend_from_slice(&[b'x'; 200]);
        (columns.collect(), row)
    }

    /// What walking says, which is what counts.
    fn walks(steps: &[Step], row: &[u8]) -> bool {
        let mut decoder = Decoder::new(row);
        steps.iter().all(|step| walk(step, &mut decoder).is_ok()) && decoder.is_empty()
    }

    #[test]
    fn passes_what_walking_finds_right_and_nothing_else() {
        let (columns, right) = row();
        let steps = steps_of(&columns);
        let glance = Glance::new(&steps);
        assert!(glance.passes(&right, &steps));
        for end in 0..right.len() {
            assert!(!glance.passes(&right[..end], &steps), "cut at {end}");
        }
        let mut refused = 0;
        for at in 0..right.len() {
            for byte in [0, 1, 2, 3, 0x7f, 0x80, 0xc3, 0xff] {
                let mut other = right.clone();
                other[at] = byte;
                assert_eq!(glance.passes(&other, &steps), walks(&steps, &other), "{byte} at {at}");
                refused += usize::from(!walks(&steps, &other));
            }
        }
        assert!(refused > 100, "{refused}");
        assert!(!glance.passes(&[&*right, &[0]].concat(), &steps), "a byte behind the last column");
    }

    #[test]
    fn a_byte_beyond_ascii_is_seen_in_texts_of_every_length_and_not_behind_them() {
        for length in 0..40 {
            let mut bytes = [b'x'; 60];
            bytes[length] = 0xff;
            for behind in [0, 1, 20] {
                let bytes = &bytes[..length + behind];
                assert!(is_ascii(&bytes[..length], bytes), "{length} {behind}");
            }
            for at in 0..length {
                let mut bytes = [b'x'; 60];
                bytes[at] = 0x80;
                assert!(
                    !is_ascii(&bytes[..length], &bytes) && !is_ascii(&bytes[..length], &bytes[..length]),
                    "{length} {at}"
                );
            }
        }
    }

    #[test]
    fn columns_of_fixed_width_are_one_look() {
        let (columns, _) = row();
        let Glance(looks) = Glance::new(&steps_of(&columns));
        assert!(
            matches!(&looks[..2], [Look::Fixed { width: 34, bounds }, Look::Text] if bounds.len() == 2),
            "{looks:?}"
        );
        assert_eq!(looks.len(), 9, "{looks:?}");
    }
}
