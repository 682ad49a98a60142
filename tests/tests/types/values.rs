//! Values in RowBinary: the edges of each type, what is beyond them, and random ones.

use rand::Rng;
use rand::seq::IndexedRandom;
use serde_json::Value;
use tidegate::rows::{ColumnType, decimal_width};

/// The lowest, the highest and other remarkable values of a simple type.
pub fn edges(kind: &ColumnType) -> Vec<Vec<u8>> {
    match kind {
        ColumnType::Nullable(inner) => {
            let mut values = vec![vec![1]];
            values.extend(edges(inner).into_iter().map(|value| [vec![0], value].concat()));
            values
        }
        ColumnType::LowCardinality(inner) => edges(inner),
        ColumnType::Bool => vec![vec![0], vec![1]],
        ColumnType::String => ["", "a", "it's \"\\ \n\t", "\u{0}", "ёж 😀", "\u{10ffff}"].map(encoded).to_vec(),
        ColumnType::Float32 => {
            [0.0, -0.0, f32::MIN, f32::MAX, f32::MIN_POSITIVE, f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.1]
                .map(|each| each.to_le_bytes().to_vec())
                .to_vec()
        }
        ColumnType::Float64 => [0.0, -0.0, f64::MIN, f64::MAX, 5e-324, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.1]
            .map(|each| each.to_le_bytes().to_vec())
            .to_vec(),
        ColumnType::BFloat16 => {
            [0u16, 0x3f80, 0x7f7f, 0xff7f, 0x7fc0, 0x7f80].map(|each| each.to_le_bytes().to_vec()).to_vec()
        }
        ColumnType::Date32 => [-25_567i32, -1, 0, 120_529].map(|each| each.to_le_bytes().to_vec()).to_vec(),
        ColumnType::Time => [-3_599_999i32, 0, 3_599_999].map(|each| each.to_le_bytes().to_vec()).to_vec(),
        ColumnType::Time64 { precision } => {
            let last = 3_600_000 * 10i64.pow(u32::from(*precision)) - 1;
            [-last, 0, last].map(|each| each.to_le_bytes().to_vec()).to_vec()
        }
        ColumnType::DateTime64 { precision, .. } => {
            let ticks = 10i64.pow(u32::from(*precision));
            let ends = [-2_208_988_800i64, -1, 0, 10_413_791_999].map(|each| each.saturating_mul(ticks));
            ends.map(|each| each.to_le_bytes().to_vec()).to_vec()
        }
        ColumnType::Decimal { precision, .. } => {
            let nines = "9".repeat(usize::from(*precision)).parse::<ethnum::I256>().unwrap();
            let width = decimal_width(*precision);
            [-nines, ethnum::I256::new(-1), ethnum::I256::ZERO, nines]
                .map(|each| each.to_le_bytes()[..width].to_vec())
                .to_vec()
        }
        ColumnType::Enum8(names) => names.iter().map(|(number, _)| vec![(number as i8) as u8]).collect(),
        ColumnType::Enum16(names) => names.iter().map(|(number, _)| number.to_le_bytes().to_vec()).collect(),
        fixed => {
            let width = fixed.width().unwrap();
            let mut low = vec![0; width];
            *low.last_mut().unwrap() = 0x80;
            vec![vec![0; width], vec![0xff; width], low, [vec![0xff; width - 1], vec![0x7f]].concat()]
        }
    }
}

/// Values that the type cannot hold; none where any bytes are a value.
pub fn beyond(kind: &ColumnType) -> Vec<Vec<u8>> {
    match kind {
        ColumnType::Bool => vec![vec![2], vec![255]],
        ColumnType::String => vec![vec![1, 0xff], vec![2, 0xc3, 0x28], vec![5, b'a']],
        ColumnType::Date32 => [-25_568i32, 120_530].map(|each| each.to_le_bytes().to_vec()).to_vec(),
        ColumnType::Time => [-3_600_000i32, 3_600_000].map(|each| each.to_le_bytes().to_vec()).to_vec(),
        ColumnType::DateTime64 { precision: 9, .. } => vec![i64::MIN.to_le_bytes().to_vec()],
        ColumnType::DateTime64 { precision, .. } => {
            let ticks = 10i64.pow(u32::from(*precision));
            [-2_208_988_801i64 * ticks, 10_413_792_000 * ticks].map(|each| each.to_le_bytes().to_vec()).to_vec()
        }
        ColumnType::Decimal { precision, .. } => {
            let limit = ethnum::I256::new(10).pow(u32::from(*precision));
            let width = decimal_width(*precision);
            [-limit, limit].map(|each| each.to_le_bytes()[..width].to_vec()).to_vec()
        }
        ColumnType::Enum8(_) => vec![vec![5]],
        ColumnType::Enum16(_) => vec![vec![5, 5]],
        ColumnType::Nullable(_) => vec![vec![2], vec![0]],
        fixed => vec![vec![0; fixed.width().map_or(0, |width| width - 1)]],
    }
}

/// Appends a random value.
pub fn random_value(random: &mut impl Rng, kind: &ColumnType, row: &mut Vec<u8>) {
    match kind {
        ColumnType::Array(element) => repeat(random, row, |random, row| random_value(random, element, row)),
        ColumnType::Map(key, value) => {
            // Keys that stand twice are as good as others for the bytes, but not for printing.
            row.push(1);
            random_value(random, key, row);
            random_value(random, value, row);
        }
        ColumnType::Nested(columns) => repeat(random, row, |random, row| {
            columns.iter().for_each(|(_, kind)| random_value(random, kind, row));
        }),
        ColumnType::Tuple(elements) => elements.iter().for_each(|(_, kind)| random_value(random, kind, row)),
        ColumnType::Variant(kinds) => match random.random_range(0..=kinds.len()) {
            number if number == kinds.len() => row.push(255),
            number => {
                row.push(number as u8);
                random_value(random, &kinds[number], row);
            }
        },
        ColumnType::Nullable(inner) => match random.random_bool(0.3) {
            true => row.push(1),
            false => {
                row.push(0);
                random_value(random, inner, row);
            }
        },
        ColumnType::LowCardinality(inner) => random_value(random, inner, row),
        ColumnType::String if random.random_bool(0.8) => {
            let length = [0, 1, 7, 127, 128, 300][random.random_range(0..6)];
            text(&"abcdefgh".repeat(40).as_bytes()[..length], row);
        }
        scalar => row.extend(edges(scalar).choose(random).unwrap()),
    }
}

fn repeat<R: Rng>(random: &mut R, row: &mut Vec<u8>, mut each: impl FnMut(&mut R, &mut Vec<u8>)) {
    let count = random.random_range(0..4u8);
    row.push(count);
    (0..count).for_each(|_| each(random, row));
}

/// A text with its length as LEB128.
pub fn text(bytes: &[u8], row: &mut Vec<u8>) {
    let mut length = bytes.len();
    while length >= 0x80 {
        row.push(length as u8 | 0x80);
        length >>= 7;
    }
    row.push(length as u8);
    row.extend_from_slice(bytes);
}

fn encoded(value: &str) -> Vec<u8> {
    let mut row = Vec::new();
    text(value.as_bytes(), &mut row);
    row
}

/// Whether two JSON values say the same; numbers to six digits, since others are compared byte by byte before; texts without the NULs that fill them up.
pub fn alike(ours: &Value, theirs: &Value) -> bool {
    match (ours, theirs) {
        (Value::Number(ours), Value::Number(theirs)) => match (ours.as_f64(), theirs.as_f64()) {
            // The server prints a BFloat16 with more digits than it has.
            (Some(ours), Some(theirs)) => (ours - theirs).abs() <= ours.abs() * 1e-6,
            _ => false,
        },
        (Value::String(ours), Value::String(theirs)) => {
            // The server prints bytes that are no text as they are; the gateway in hexadecimal.
            ours.trim_end_matches('\0') == theirs.trim_end_matches('\0') || ours.starts_with("\\x")
        }
        (Value::Array(ours), Value::Array(theirs)) => {
            ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(ours, theirs)| alike(ours, theirs))
        }
        (Value::Object(ours), Value::Object(theirs)) => {
            ours.len() == theirs.len()
                && ours.iter().zip(theirs).all(|((our_name, ours), (their_name, theirs))| {
                    alike(&Value::String(our_name.clone()), &Value::String(their_name.clone())) && alike(ours, theirs)
                })
        }
        (ours, theirs) => ours == theirs,
    }
}
