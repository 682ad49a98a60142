//! From a row's bytes back to its values, for people and for sinks that do not speak RowBinary.
//! RowBinary is ClickHouse's format of that name: little-endian values in the order of the columns.

use std::net::{Ipv4Addr, Ipv6Addr};

use ethnum::{I256, U256};

use super::column_type::decimal_width;
use super::{Column, ColumnType};

/// A value as it stands in a row; displayed as ClickHouse prints it, times in UTC.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Value<'a> {
    Null,
    Bool(bool),
    UInt(u128),
    Int(i128),
    UInt256(U256),
    Int256(I256),
    /// A BFloat16 too.
    Float32(f32),
    Float64(f64),
    Text(&'a str),
    /// Of a FixedString, its padding included.
    Bytes(&'a [u8]),
    /// The text of a JSON object.
    Json(&'a str),
    Uuid(u128),
    Ipv4(Ipv4Addr),
    Ipv6(Ipv6Addr),
    Enum {
        name: &'a str,
        number: i16,
    },
    /// Days since 1970-01-01.
    Date(i32),
    /// `ticks` of 10^-`precision` seconds, of either sign, of no day.
    Clock {
        ticks: i64,
        precision: u8,
    },
    /// `ticks` of 10^-`precision` seconds since 1970-01-01 UTC.
    Time {
        ticks: i64,
        precision: u8,
    },
    /// `unscaled` times 10^-`scale`, up to 38 digits.
    Decimal {
        unscaled: i128,
        scale: u8,
    },
    /// The same up to 76 digits.
    Decimal256 {
        unscaled: I256,
        scale: u8,
    },
    Array(Vec<Value<'a>>),
    Map(Vec<(Value<'a>, Value<'a>)>),
    /// With the names of its elements, where they have any.
    Tuple(Vec<(Option<&'a str>, Value<'a>)>),
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
    #[error("the length is not a number of at most 64 bits")]
    Length,
    /// The number before a value of an Enum or a Variant that has no such.
    #[error("the number {0} is none of the type's")]
    Number(i16),
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
    pub fn value(&mut self, column: &'a Column) -> Result<Value<'a>, DecodeFault> {
        self.value_of(&column.kind)
    }

    /// The next value, of this type.
    ///
    /// # Errors
    /// As for [`Self::value`].
    pub fn value_of(&mut self, kind: &'a ColumnType) -> Result<Value<'a>, DecodeFault> {
        Ok(match kind {
            ColumnType::UInt8 => Value::UInt(u8::from_le_bytes(self.array()?).into()),
            ColumnType::UInt16 => Value::UInt(u16::from_le_bytes(self.array()?).into()),
            ColumnType::UInt32 => Value::UInt(u32::from_le_bytes(self.array()?).into()),
            ColumnType::UInt64 => Value::UInt(u64::from_le_bytes(self.array()?).into()),
            ColumnType::UInt128 => Value::UInt(u128::from_le_bytes(self.array()?)),
            ColumnType::UInt256 => Value::UInt256(U256::from_le_bytes(self.array()?)),
            ColumnType::Int8 => Value::Int(i8::from_le_bytes(self.array()?).into()),
            ColumnType::Int16 => Value::Int(i16::from_le_bytes(self.array()?).into()),
            ColumnType::Int32 => Value::Int(i32::from_le_bytes(self.array()?).into()),
            ColumnType::Int64 => Value::Int(i64::from_le_bytes(self.array()?).into()),
            ColumnType::Int128 => Value::Int(i128::from_le_bytes(self.array()?)),
            ColumnType::Int256 => Value::Int256(I256::from_le_bytes(self.array()?)),
            // The upper half of a Float32.
            ColumnType::BFloat16 => Value::Float32(f32::from_bits(u32::from(u16::from_le_bytes(self.array()?)) << 16)),
            ColumnType::Float32 => Value::Float32(f32::from_le_bytes(self.array()?)),
            ColumnType::Float64 => Value::Float64(f64::from_le_bytes(self.array()?)),
            ColumnType::Bool => Value::Bool(self.flag()?),
            ColumnType::String => Value::Text(self.text()?),
            ColumnType::Json => Value::Json(self.text()?),
            ColumnType::FixedString { length } => Value::Bytes(self.take(*length)?),
            ColumnType::Uuid => {
                let high = u64::from_le_bytes(self.array()?);
                let low = u64::from_le_bytes(self.array()?);
                Value::Uuid(u128::from(high) << 64 | u128::from(low))
            }
            ColumnType::Ipv4 => Value::Ipv4(u32::from_le_bytes(self.array()?).into()),
            ColumnType::Ipv6 => Value::Ipv6(self.array::<16>()?.into()),
            ColumnType::Date => Value::Date(u16::from_le_bytes(self.array()?).into()),
            ColumnType::Date32 => Value::Date(i32::from_le_bytes(self.array()?)),
            ColumnType::Time => Value::Clock { ticks: i32::from_le_bytes(self.array()?).into(), precision: 0 },
            ColumnType::Time64 { precision } => {
                Value::Clock { ticks: i64::from_le_bytes(self.array()?), precision: *precision }
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
                    16 => i128::from_le_bytes(self.array()?),
                    _ => {
                        let unscaled = I256::from_le_bytes(self.array()?);
                        return Ok(Value::Decimal256 { unscaled, scale: *scale });
                    }
                };
                Value::Decimal { unscaled, scale: *scale }
            }
            ColumnType::Enum8(names) => {
                let number = i8::from_le_bytes(self.array()?).into();
                Value::Enum { name: names.name(number).ok_or(DecodeFault::Number(number))?, number }
            }
            ColumnType::Enum16(names) => {
                let number = i16::from_le_bytes(self.array()?);
                Value::Enum { name: names.name(number).ok_or(DecodeFault::Number(number))?, number }
            }
            ColumnType::Nullable(inner) => match self.flag()? {
                true => Value::Null,
                false => self.value_of(inner)?,
            },
            ColumnType::LowCardinality(inner) => self.value_of(inner)?,
            composed => self.composed(composed)?,
        })
    }

    fn composed(&mut self, kind: &'a ColumnType) -> Result<Value<'a>, DecodeFault> {
        Ok(match kind {
            ColumnType::Array(element) => Value::Array(self.repeated(|row| row.value_of(element))?),
            ColumnType::Map(key, value) => {
                Value::Map(self.repeated(|row| Ok((row.value_of(key)?, row.value_of(value)?)))?)
            }
            ColumnType::Nested(columns) => Value::Array(self.repeated(|row| {
                let element = |(name, kind): &'a (String, _)| Ok((Some(name.as_str()), row.value_of(kind)?));
                columns.iter().map(element).collect::<Result<_, _>>().map(Value::Tuple)
            })?),
            ColumnType::Tuple(elements) => {
                let element = |(name, kind): &'a (Option<String>, _)| Ok((name.as_deref(), self.value_of(kind)?));
                Value::Tuple(elements.iter().map(element).collect::<Result<_, _>>()?)
            }
            ColumnType::Variant(kinds) => match self.array()? {
                [255] => Value::Null,
                [number] => self.value_of(kinds.get(usize::from(number)).ok_or(DecodeFault::Number(number.into()))?)?,
            },
            // `value_of` does all others.
            _ => Value::Null,
        })
    }

    fn repeated<T>(
        &mut self,
        mut read: impl FnMut(&mut Self) -> Result<T, DecodeFault>,
    ) -> Result<Vec<T>, DecodeFault> {
        let count = self.length()?;
        // Each value takes a byte at least, so that a count that is too high ends with the row.
        (0..count).map(|_| read(self)).collect()
    }

    fn text(&mut self) -> Result<&'a str, DecodeFault> {
        let bytes = self.bytes()?;
        simdutf8::compat::from_utf8(bytes).map_err(|fault| DecodeFault::NotUtf8(fault.valid_up_to()))
    }

    /// The length of a byte string (LEB128), then its bytes.
    ///
    /// # Errors
    /// As for [`Self::length`].
    #[inline]
    pub fn bytes(&mut self) -> Result<&'a [u8], DecodeFault> {
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

    /// A length as LEB128.
    ///
    /// # Errors
    /// As for [`Self::array`], and beyond 64 bits.
    pub fn length(&mut self) -> Result<u64, DecodeFault> {
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

    /// The next byte, which is 0 or 1.
    ///
    /// # Errors
    /// As for [`Self::array`], and where it is neither.
    pub fn flag(&mut self) -> Result<bool, DecodeFault> {
        match self.array()? {
            [0] => Ok(false),
            [1] => Ok(true),
            [byte] => Err(DecodeFault::NotAFlag(byte)),
        }
    }

    /// The next `N` bytes.
    ///
    /// # Errors
    /// Where there are fewer, as for all that reads.
    #[inline]
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeFault> {
        let (value, rest) = self.rest.split_first_chunk::<N>().ok_or(DecodeFault::Short)?;
        self.rest = rest;
        Ok(*value)
    }

    /// The next bytes.
    ///
    /// # Errors
    /// As for [`Self::array`].
    #[inline]
    pub fn take(&mut self, length: usize) -> Result<&'a [u8], DecodeFault> {
        let (value, rest) = self.rest.split_at_checked(length).ok_or(DecodeFault::Short)?;
        self.rest = rest;
        Ok(value)
    }
}

/// The whole number in a column of a row, by the column's place; none where there is none.
pub fn whole_number(row: &[u8], columns: &[Column], index: usize) -> Option<i64> {
    let mut decoder = Decoder::new(row);
    let mut last = None;
    for column in columns.get(..=index)? {
        last = Some(decoder.value(column).ok()?);
    }
    match last? {
        Value::UInt(number) => i64::try_from(number).ok(),
        Value::Int(number) => i64::try_from(number).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
