//! From a row's bytes back to its values, for people and for sinks that do not speak RowBinary.
//! RowBinary is ClickHouse's format of that name: little-endian values in the order of the columns.

use std::fmt;

use super::column_type::decimal_width;
use super::{Column, ColumnType};

/// A value as it stands in a row; displayed as ClickHouse prints it, times in UTC.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Value<'a> {
    Null,
    Bool(bool),
    UInt(u64),
    Int(i64),
    Float32(f32),
    Float64(f64),
    Text(&'a str),
    Uuid(u128),
    /// `ticks` of 10^-`precision` seconds since 1970-01-01 UTC.
    Time {
        ticks: i64,
        precision: u8,
    },
    /// `unscaled` times 10^-`scale`.
    Decimal {
        unscaled: i128,
        scale: u8,
    },
}

/// Why bytes cannot be read as a value of their type.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum DecodeFault {
    /// The row ends within a value.
    #[error("the row ends within the value")]
    Short,
    /// A text that is not UTF-8, and where it stops being.
    #[error("the text is not UTF-8 from its byte {0} on")]
    NotUtf8(usize),
    /// A flag byte other than 0 and 1.
    #[error("the byte {0} stands where 0 or 1 must")]
    NotAFlag(u8),
    /// A length of more than 64 bits.
    #[error("the length of the text is not a number of at most 64 bits")]
    Length,
}

/// Reads values from the front of a buffer of rows.
pub struct Decoder<'a> {
    rest: &'a [u8],
}

impl<'a> Decoder<'a> {
    /// Reads from the first byte of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The bytes that are left.
    pub fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// The next value, of the column's type.
    ///
    /// # Errors
    /// Where the bytes are not a value of that type; what is left is then undefined.
    pub fn value(&mut self, column: &Column) -> Result<Value<'a>, DecodeFault> {
        self.value_of(&column.kind)
    }

    fn value_of(&mut self, kind: &ColumnType) -> Result<Value<'a>, DecodeFault> {
        Ok(match kind {
            ColumnType::UInt8 => Value::UInt(u8::from_le_bytes(self.array()?).into()),
            ColumnType::UInt16 => Value::UInt(u16::from_le_bytes(self.array()?).into()),
            ColumnType::UInt32 => Value::UInt(u32::from_le_bytes(self.array()?).into()),
            ColumnType::UInt64 => Value::UInt(u64::from_le_bytes(self.array()?)),
            ColumnType::Int8 => Value::Int(i8::from_le_bytes(self.array()?).into()),
            ColumnType::Int16 => Value::Int(i16::from_le_bytes(self.array()?).into()),
            ColumnType::Int32 => Value::Int(i32::from_le_bytes(self.array()?).into()),
            ColumnType::Int64 => Value::Int(i64::from_le_bytes(self.array()?)),
            ColumnType::Float32 => Value::Float32(f32::from_le_bytes(self.array()?)),
            ColumnType::Float64 => Value::Float64(f64::from_le_bytes(self.array()?)),
            ColumnType::Bool => Value::Bool(self.flag()?),
            ColumnType::String => Value::Text(self.text()?),
            ColumnType::Uuid => {
                let high = u64::from_le_bytes(self.array()?);
                let low = u64::from_le_bytes(self.array()?);
                Value::Uuid(u128::from(high) << 64 | u128::from(low))
            }
            ColumnType::DateTime { .. } => {
                Value::Time { ticks: u32::from_le_bytes(self.array()?).into(), precision: 0 }
            }
            ColumnType::DateTime64 { precision, .. } => {
                Value::Time { ticks: i64::from_le_bytes(self.array()?), precision: *precision }
            }
            ColumnType::Decimal { precision, scale } => {
                let unscaled = match decimal_width(*precision) {
                    4 => i32::from_le_bytes(self.array()?).into(),
                    8 => i64::from_le_bytes(self.array()?).into(),
                    _ => i128::from_le_bytes(self.array()?),
                };
                Value::Decimal { unscaled, scale: *scale }
            }
            ColumnType::Nullable(inner) => match self.flag()? {
                true => Value::Null,
                false => self.value_of(inner)?,
            },
            ColumnType::LowCardinality(inner) => self.value_of(inner)?,
        })
    }

    fn text(&mut self) -> Result<&'a str, DecodeFault> {
        let bytes = self.bytes()?;
        simdutf8::compat::from_utf8(bytes).map_err(|fault| DecodeFault::NotUtf8(fault.valid_up_to()))
    }

    /// The length of a byte string (LEB128), then its bytes.
    #[inline]
    pub(super) fn bytes(&mut self) -> Result<&'a [u8], DecodeFault> {
        // Nearly all texts are shorter than 128 bytes, and their length is one byte.
        if let Some((length @ 0..0x80, rest)) = self.rest.split_first() {
            self.rest = rest;
            return self.take(usize::from(*length));
        }
        self.long_bytes()
    }

    fn long_bytes(&mut self) -> Result<&'a [u8], DecodeFault> {
        let length = self.length()?;
        let length = usize::try_from(length).map_err(|_| DecodeFault::Short)?;
        self.take(length)
    }

    fn length(&mut self) -> Result<u64, DecodeFault> {
        let mut length = 0u64;
        for shift in (0..64).step_by(7) {
            let [byte] = self.array()?;
            let bits = u64::from(byte & 0x7f);
            // The tenth byte holds the 64th bit alone.
            if shift == 63 && bits > 1 {
                return Err(DecodeFault::Length);
            }
            length |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(length);
            }
        }
        Err(DecodeFault::Length)
    }

    pub(super) fn flag(&mut self) -> Result<bool, DecodeFault> {
        match self.array()? {
            [0] => Ok(false),
            [1] => Ok(true),
            [byte] => Err(DecodeFault::NotAFlag(byte)),
        }
    }

    #[inline]
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeFault> {
        let (value, rest) = self.rest.split_first_chunk::<N>().ok_or(DecodeFault::Short)?;
        self.rest = rest;
        Ok(*value)
    }

    #[inline]
    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], DecodeFault> {
        let (value, rest) = self.rest.split_at_checked(length).ok_or(DecodeFault::Short)?;
        self.rest = rest;
        Ok(value)
    }
}

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Value::Null => f.write_str("NULL"),
            Value::Bool(value) => write!(f, "{value}"),
            Value::UInt(value) => write!(f, "{value}"),
            Value::Int(value) => write!(f, "{value}"),
            Value::Float32(value) => write!(f, "{value}"),
            Value::Float64(value) => write!(f, "{value}"),
            Value::Text(value) => f.write_str(value),
            Value::Uuid(value) => write_uuid(f, value),
            Value::Time { ticks, precision } => write_time(f, ticks, precision),
            Value::Decimal { unscaled, scale } => write_decimal(f, unscaled, scale),
        }
    }
}

fn write_uuid(f: &mut fmt::Formatter<'_>, value: u128) -> fmt::Result {
    let field = |shift: u32, mask: u128| value >> shift & mask;
    write!(
        f,
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        field(96, 0xffff_ffff),
        field(80, 0xffff),
        field(64, 0xffff),
        field(48, 0xffff),
        field(0, 0xffff_ffff_ffff)
    )
}

fn write_time(f: &mut fmt::Formatter<'_>, ticks: i64, precision: u8) -> fmt::Result {
    let ticks_a_second = 10i64.pow(u32::from(precision.min(18)));
    let seconds = ticks.div_euclid(ticks_a_second);
    let fraction = ticks.rem_euclid(ticks_a_second);
    let (year, month, day) = civil_from_days(seconds.div_euclid(86_400));
    let second = seconds.rem_euclid(86_400);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    write!(f, "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")?;
    match precision {
        0 => Ok(()),
        precision => write!(f, ".{fraction:0width$}", width = usize::from(precision)),
    }
}

/// Year, month and day of a day counted from 1970-01-01 in the proleptic Gregorian calendar, by counting in eras
/// of 400 years that begin on the first of March (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

fn write_decimal(f: &mut fmt::Formatter<'_>, unscaled: i128, scale: u8) -> fmt::Result {
    if unscaled < 0 {
        f.write_str("-")?;
    }
    let unit = 10u128.pow(u32::from(scale.min(38)));
    let magnitude = unscaled.unsigned_abs();
    write!(f, "{}", magnitude / unit)?;
    match scale {
        0 => Ok(()),
        scale => write!(f, ".{:0width$}", magnitude % unit, width = usize::from(scale)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_before_and_after_the_epoch_print_as_clickhouse_prints_them() {
        let time = |ticks, precision| Value::Time { ticks, precision }.to_string();
        assert_eq!(time(1_795_170_900_123, 3), "2026-11-20 10:35:00.123");
        assert_eq!(time(0, 0), "1970-01-01 00:00:00");
        assert_eq!(time(-1, 3), "1969-12-31 23:59:59.999");
        assert_eq!(time(-2_208_988_800, 0), "1900-01-01 00:00:00");
        assert_eq!(time(951_782_400, 0), "2000-02-29 00:00:00");
    }

    #[test]
    fn decimals_keep_their_scale_and_sign() {
        let decimal = |unscaled, scale| Value::Decimal { unscaled, scale }.to_string();
        assert_eq!(decimal(1_499_000, 4), "149.9000");
        assert_eq!(decimal(-5, 2), "-0.05");
        assert_eq!(decimal(7, 0), "7");
    }

    #[test]
    fn lengths_beyond_64_bits_and_beyond_the_row_are_faults() {
        let column = Column { name: "text".into(), kind: ColumnType::String };
        let fault = |bytes: &[u8]| Decoder::new(bytes).value(&column).unwrap_err();
        assert_eq!(fault(&[0xff; 11]), DecodeFault::Length);
        assert_eq!(fault(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]), DecodeFault::Short);
        assert_eq!(fault(&[5, b'a']), DecodeFault::Short);
        assert_eq!(fault(&[]), DecodeFault::Short);
        assert_eq!(fault(&[2, b'a', 0xff]), DecodeFault::NotUtf8(1));
    }
}
