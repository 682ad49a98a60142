//! Values of structs in the ways that most of their kind are written. What a type asks a deserializer for is found out before:
//! then the value is read, which needs no serde, and handed over. So the reading is a part of what reads the struct, whatever the
//! compiler makes of what serde and its derive have in between.
//!
//! What is written in another way, or does not fit, is read by the general way, which alone makes errors.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Visitor};

use crate::ahead::Here;
use crate::error::Error;
use crate::reader::Reader;
use crate::wish::{Wish, wish_of};
use crate::written::{NUMBER, Written};

/// Reads the next value of a struct, behind white space if need be.
///
/// # Errors
/// Where it is not JSON, or does not fit.
#[inline(always)]
pub fn value<'de, V: Deserialize<'de>>(reader: &mut Reader<'_, 'de>) -> Result<V, Error> {
    let quick = match wish_of::<V>() {
        Wish::Other => return reader.apart(|reader| V::deserialize(reader)),
        Wish::Ahead => ahead(reader),
        wish => in_kind(reader, wish),
    };
    match quick {
        Some(value) => Ok(value),
        None => reader.apart(|reader| reader.deserialize()),
    }
}

#[inline(always)]
fn ahead<'de, V: Deserialize<'de>>(reader: &mut Reader<'_, 'de>) -> Option<V> {
    let mut length = 0;
    let value = V::deserialize(Here::new(reader.source.behind(reader.at)?, &mut length)).ok()?;
    reader.at += length;
    // Where nothing was taken, somebody made a value of that.
    (length > 0).then_some(value)
}

#[inline(always)]
fn in_kind<'de, V: Deserialize<'de>>(reader: &mut Reader<'_, 'de>, wish: Wish) -> Option<V> {
    let (token, end) = token(reader, wish)?;
    let value = V::deserialize(token).ok()?;
    reader.at = end;
    Some(value)
}

/// A value that was read.
#[derive(Clone, Copy)]
enum Token<'de> {
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text(&'de str),
    Bool(bool),
    Number(u64, usize),
    Nothing,
}

#[inline(always)]
fn token<'de>(reader: &Reader<'_, 'de>, wish: Wish) -> Option<(Token<'de>, usize)> {
    let at = reader.at;
    match wish {
        Wish::Integer => match reader.short_integer(at) {
            Some((value, end)) => Some((Token::Unsigned(value), end)),
            None => negative(reader),
        },
        Wish::Float => reader.short_float(at).map(|(value, end)| (Token::Float(value), end)),
        Wish::Text => reader.source.plain_string(at).map(|text| (Token::Text(text), at + text.len() + 2)),
        Wish::Any => match reader.source.plain_string(at) {
            Some(text) => Some((Token::Text(text), at + text.len() + 2)),
            None => {
                let integer = reader.short_integer(at).or_else(|| reader.middling_integer(at));
                integer.map(|(value, end)| (Token::Unsigned(value), end))
            }
        },
        Wish::Bool => {
            let eight = reader.source.eight(at);
            if eight as u32 == u32::from_le_bytes(*b"true") {
                Some((Token::Bool(true), at + 4))
            } else if eight & 0xff_ffff_ffff == u64::from_le_bytes(*b"false\0\0\0") {
                Some((Token::Bool(false), at + 5))
            } else {
                None
            }
        }
        Wish::Number => {
            let (digits, fraction, end) = reader.decimal_in_quotes(at)?;
            Some((Token::Number(digits, fraction), end))
        }
        Wish::Nothing => reader.quick_scalar().map(|end| (Token::Nothing, end)),
        Wish::Ahead | Wish::Other => None,
    }
}

#[inline(always)]
fn negative<'de>(reader: &Reader<'_, 'de>) -> Option<(Token<'de>, usize)> {
    if reader.source.byte(reader.at) != b'-' {
        return None;
    }
    match reader.short_integer(reader.at + 1)? {
        // A zero with a sign is a float.
        (0, _) => None,
        (value, end) => Some((Token::Signed(-(value as i64)), end)),
    }
}

/// The value is to be read by the general way.
#[derive(Debug, Clone, Copy)]
pub struct Unfit;

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("unfit")
    }
}

impl std::error::Error for Unfit {}

impl serde::de::Error for Unfit {
    #[inline(always)]
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

impl<'de> Deserializer<'de> for Token<'de> {
    type Error = Unfit;

    #[inline(always)]
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        match self {
            Self::Unsigned(value) => visitor.visit_u64(value),
            Self::Signed(value) => visitor.visit_i64(value),
            Self::Float(value) => visitor.visit_f64(value),
            Self::Text(text) => visitor.visit_borrowed_str(text),
            Self::Bool(value) => visitor.visit_bool(value),
            Self::Number(digits, fraction) => visitor.visit_bytes(&Written::short(digits, fraction)),
            Self::Nothing => visitor.visit_unit(),
        }
    }

    #[inline(always)]
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        visitor.visit_some(self)
    }

    #[inline(always)]
    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Unfit> {
        if name == NUMBER { self.deserialize_any(visitor) } else { visitor.visit_newtype_struct(self) }
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        seq tuple tuple_struct map struct enum identifier ignored_any
    }
}
