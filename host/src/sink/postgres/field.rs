//! How the values of one column are read from RowBinary and written as PostgreSQL's binary COPY wants them. Made once when
//! a table is opened; runs for every value, so nothing is allocated for the plain types. Numbers in COPY are big-endian.

use std::io::Write;

use ethnum::{I256, U256};

use super::numeric::{write_small, write_wide};
use crate::rows::{ColumnType, DecodeFault, Decoder, Value, write_value};

/// A column, or the elements of an array.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Whether a flag stands before the value.
    pub nullable: bool,
    /// The characters that a text may have.
    pub limit: Option<usize>,
    /// What becomes of the value.
    pub cast: Cast,
}

/// From a type of RowBinary to a type of PostgreSQL.
#[derive(Clone, Debug, PartialEq)]
pub enum Cast {
    Bool,
    /// To an integer of so many bytes, which has room for it.
    Whole {
        from: Whole,
        width: usize,
    },
    /// The number times 10^-`scale`.
    Numeric {
        from: Whole,
        scale: u8,
    },
    /// BFloat16, the upper half of a Float32.
    HalfToReal,
    HalfToDouble,
    Real,
    RealToDouble,
    Double,
    /// A String to text.
    Text,
    /// A String to bytea.
    Bytes,
    /// A FixedString to bytea, its padding included.
    FixedBytes(usize),
    /// A FixedString to text, without the NULs that fill it up.
    FixedText(usize),
    Uuid,
    Ipv4,
    Ipv6,
    Date,
    Date32,
    DateTime,
    DateTime64 {
        micros: i64,
    },
    /// To an interval, as Time64.
    Time,
    Time64 {
        micros: i64,
    },
    /// As it prints.
    Printed(ColumnType),
    /// To json or text.
    Json(ColumnType),
    Jsonb(ColumnType),
    /// To an array of one dimension; the number is that of the elements' type.
    Array {
        element: Box<Field>,
        oid: u32,
    },
}

/// Integers of RowBinary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whole {
    U8,
    U16,
    U32,
    U64,
    U128,
    U256,
    I8,
    I16,
    I32,
    I64,
    I128,
    I256,
}

/// Stands for the length of a null.
const NULL: i32 = -1;

/// 2000-01-01, where PostgreSQL counts from, after 1970-01-01.
const EPOCH_DAYS: i32 = 10_957;
const EPOCH_MICROS: i64 = 946_684_800_000_000;

/// `AF_INET` of PostgreSQL, and the one behind it for IPv6, on every machine.
const INET: u8 = 2;
const INET6: u8 = 3;

type Written = Result<(), DecodeFault>;

impl Field {
    /// The same, with the limit where the texts are: at the elements of an array.
    pub fn for_elements(self) -> Self {
        match self {
            Field { nullable, limit, cast: Cast::Array { mut element, oid } } => {
                element.limit = limit;
                Field { nullable, limit: None, cast: Cast::Array { element, oid } }
            }
            other => other,
        }
    }

    /// Appends the next value of `row`, its length before it.
    #[inline]
    pub fn write<'a>(&'a self, row: &mut Decoder<'a>, out: &mut Vec<u8>) -> Written {
        if self.nullable && row.flag()? {
            out.extend_from_slice(&NULL.to_be_bytes());
            return Ok(());
        }
        match &self.cast {
            Cast::Whole { from, width } => write_whole(from.small(row)?, *width, out),
            Cast::Numeric { from, scale } => return write_numeric(*from, *scale, row, out),
            Cast::Text | Cast::Bytes => put_bytes(out, row.bytes()?),
            Cast::DateTime64 { micros } => {
                put(out, (i64::from_le_bytes(row.array()?) * micros - EPOCH_MICROS).to_be_bytes())
            }
            Cast::DateTime => {
                let seconds = i64::from(u32::from_le_bytes(row.array()?));
                put(out, (seconds * 1_000_000 - EPOCH_MICROS).to_be_bytes());
            }
            Cast::Uuid => {
                let (high, low): ([u8; 8], [u8; 8]) = (row.array()?, row.array()?);
                let uuid = u128::from(u64::from_le_bytes(high)) << 64 | u128::from(u64::from_le_bytes(low));
                put(out, uuid.to_be_bytes());
            }
            Cast::Bool => put(out, [u8::from(row.flag()?)]),
            Cast::Double => put(out, f64::from_le_bytes(row.array()?).to_be_bytes()),
            Cast::Real => put(out, f32::from_le_bytes(row.array()?).to_be_bytes()),
            Cast::Date => put(out, (i32::from(u16::from_le_bytes(row.array()?)) - EPOCH_DAYS).to_be_bytes()),
            Cast::Date32 => put(out, (i32::from_le_bytes(row.array()?) - EPOCH_DAYS).to_be_bytes()),
            _ => return self.write_rarer(row, out),
        }
        Ok(())
    }

    fn write_rarer<'a>(&'a self, row: &mut Decoder<'a>, out: &mut Vec<u8>) -> Written {
        match &self.cast {
            Cast::RealToDouble => put(out, f64::from(f32::from_le_bytes(row.array()?)).to_be_bytes()),
            Cast::HalfToReal => put(out, half(row)?.to_be_bytes()),
            Cast::HalfToDouble => put(out, f64::from(half(row)?).to_be_bytes()),
            Cast::FixedBytes(length) => put_bytes(out, row.take(*length)?),
            Cast::FixedText(length) => put_bytes(out, unpadded(row.take(*length)?)),
            Cast::Ipv4 => {
                let address = u32::from_le_bytes(row.array()?).to_be_bytes();
                put_sized(out, |out| {
                    out.extend_from_slice(&[INET, 32, 0, 4]);
                    out.extend_from_slice(&address);
                });
            }
            Cast::Ipv6 => {
                let address: [u8; 16] = row.array()?;
                put_sized(out, |out| {
                    out.extend_from_slice(&[INET6, 128, 0, 16]);
                    out.extend_from_slice(&address);
                });
            }
            Cast::Time => put_interval(out, i64::from(i32::from_le_bytes(row.array()?)) * 1_000_000),
            Cast::Time64 { micros } => put_interval(out, i64::from_le_bytes(row.array()?) * micros),
            Cast::Printed(kind) => {
                let value = row.value_of(kind)?;
                // Writing to a Vec cannot fail.
                put_sized(out, |out| drop(write!(out, "{value}")));
            }
            Cast::Json(kind) => put_json(out, &[], &row.value_of(kind)?),
            Cast::Jsonb(kind) => put_json(out, &[JSONB_VERSION], &row.value_of(kind)?),
            Cast::Array { element, oid } => return write_array(element, *oid, row, out),
            // `write` does all others.
            _ => {}
        }
        Ok(())
    }
}

impl Whole {
    /// The next integer of `row`, which has at most 64 bits with its sign.
    #[inline]
    fn small(self, row: &mut Decoder<'_>) -> Result<i64, DecodeFault> {
        Ok(match self {
            Self::U8 => u8::from_le_bytes(row.array()?).into(),
            Self::U16 => u16::from_le_bytes(row.array()?).into(),
            Self::U32 => u32::from_le_bytes(row.array()?).into(),
            Self::I8 => i8::from_le_bytes(row.array()?).into(),
            Self::I16 => i16::from_le_bytes(row.array()?).into(),
            Self::I32 => i32::from_le_bytes(row.array()?).into(),
            Self::I64 => i64::from_le_bytes(row.array()?),
            // `write_numeric` does the wider ones.
            Self::U64 | Self::U128 | Self::U256 | Self::I128 | Self::I256 => 0,
        })
    }
}

fn write_numeric(from: Whole, scale: u8, row: &mut Decoder<'_>, out: &mut Vec<u8>) -> Written {
    let (negative, magnitude) = match from {
        Whole::U64 => {
            write_small(false, u64::from_le_bytes(row.array()?), scale, out);
            return Ok(());
        }
        Whole::U128 => (false, U256::from(u128::from_le_bytes(row.array()?))),
        Whole::U256 => (false, U256::from_le_bytes(row.array()?)),
        Whole::I128 => {
            let value = i128::from_le_bytes(row.array()?);
            (value < 0, U256::from(value.unsigned_abs()))
        }
        Whole::I256 => {
            let value = I256::from_le_bytes(row.array()?);
            (value < 0, value.unsigned_abs())
        }
        small => {
            let value = small.small(row)?;
            write_small(value < 0, value.unsigned_abs(), scale, out);
            return Ok(());
        }
    };
    write_wide(negative, magnitude, scale, out);
    Ok(())
}

/// The lowest `width` bytes, which hold the number: `mapping` pairs no integer with a narrower one.
#[inline]
fn write_whole(value: i64, width: usize, out: &mut Vec<u8>) {
    match width {
        2 => put(out, (value as i16).to_be_bytes()),
        4 => put(out, (value as i32).to_be_bytes()),
        _ => put(out, value.to_be_bytes()),
    }
}

fn half(row: &mut Decoder<'_>) -> Result<f32, DecodeFault> {
    Ok(f32::from_bits(u32::from(u16::from_le_bytes(row.array()?)) << 16))
}

/// Without the NULs at the end.
pub fn unpadded(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    bytes.get(..end).unwrap_or_default()
}

/// The first byte of every jsonb that is received.
const JSONB_VERSION: u8 = 1;

/// A value as JSON behind `head`. No value, which a Variant may have, is a null of the table and not of JSON.
fn put_json(out: &mut Vec<u8>, head: &[u8], value: &Value<'_>) {
    if *value == Value::Null {
        return out.extend_from_slice(&NULL.to_be_bytes());
    }
    put_sized(out, |out| {
        out.extend_from_slice(head);
        write_value(value, out);
    });
}

/// Microseconds, no days, no months.
fn put_interval(out: &mut Vec<u8>, micros: i64) {
    put_sized(out, |out| {
        out.extend_from_slice(&micros.to_be_bytes());
        out.extend_from_slice(&[0; 8]);
    });
}

fn write_array<'a>(element: &'a Field, oid: u32, row: &mut Decoder<'a>, out: &mut Vec<u8>) -> Written {
    let count = row.length()?;
    let mut written = Ok(());
    put_sized(out, |out| {
        let dimensions: i32 = if count == 0 { 0 } else { 1 };
        out.extend_from_slice(&dimensions.to_be_bytes());
        out.extend_from_slice(&i32::from(element.nullable).to_be_bytes());
        out.extend_from_slice(&oid.to_be_bytes());
        if count == 0 {
            return;
        }
        // How many there are, which `check` bounds, and the number of the first.
        out.extend_from_slice(&i32::try_from(count).unwrap_or(i32::MAX).to_be_bytes());
        out.extend_from_slice(&1i32.to_be_bytes());
        written = (0..count).try_for_each(|_| element.write(row, out));
    });
    written
}

/// A value of fixed width, at most 16 bytes, its length before it: one copy, since it is the most frequent of all.
#[inline(always)]
fn put<const N: usize>(out: &mut Vec<u8>, value: [u8; N]) {
    let mut sized = [0; 20];
    if let Some((length, rest)) = sized.split_first_chunk_mut::<4>()
        && let Some(place) = rest.first_chunk_mut::<N>()
    {
        *length = (N as i32).to_be_bytes();
        *place = value;
    }
    out.extend_from_slice(sized.get(..4 + N).unwrap_or_default());
}

#[inline]
fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.reserve(4 + bytes.len());
    out.extend_from_slice(&i32::try_from(bytes.len()).unwrap_or(i32::MAX).to_be_bytes());
    out.extend_from_slice(bytes);
}

/// What `write` appends, with its length before it.
fn put_sized(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    write(out);
    let length = i32::try_from(out.len() - start - 4).unwrap_or(i32::MAX);
    if let Some(place) = out.get_mut(start..start + 4) {
        place.copy_from_slice(&length.to_be_bytes());
    }
}
