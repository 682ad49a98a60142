//! The deserializer: where it stands in the text, and serde's way in.

use serde::de::{self, Expected, Unexpected, Visitor};

use crate::DEPTH;
use crate::access::{Elements, Members, Variant};
use crate::error::Error;
use crate::number::{self, Number};

/// Reads values from a text, front to back.
pub struct Deserializer<'de> {
    pub(crate) text: &'de str,
    pub(crate) at: usize,
    depth: u8,
    /// Strings with escapes are put together here.
    pub(crate) scratch: String,
}

impl<'de> Deserializer<'de> {
    pub(crate) fn new(text: &'de str) -> Self {
        Self { text, at: 0, depth: 0, scratch: String::new() }
    }

    pub(crate) fn position(&self) -> usize {
        self.at.min(self.text.len())
    }

    /// Nothing but white space may be left.
    pub(crate) fn end(&mut self) -> Result<(), Error> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(Error::syntax("there is more behind the value")),
        }
    }

    pub(crate) fn depth(&self) -> u8 {
        self.depth
    }

    #[inline]
    pub(crate) fn rest(&self) -> &'de str {
        self.text.get(self.at..).unwrap_or_default()
    }

    #[inline]
    pub(crate) fn rest_bytes(&self) -> &'de [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    #[inline]
    pub(crate) fn advance(&mut self, count: usize) {
        self.at += count;
    }

    /// The next byte that is not white space, without taking it.
    #[inline]
    pub(crate) fn peek(&mut self) -> Option<u8> {
        // Outside of the loop: every turn of a loop in a guest is a look at the clock of its time slice.
        let byte = *self.text.as_bytes().get(self.at)?;
        if byte > b' ' { Some(byte) } else { self.peek_behind_space() }
    }

    #[cold]
    fn peek_behind_space(&mut self) -> Option<u8> {
        loop {
            let byte = *self.text.as_bytes().get(self.at)?;
            if !matches!(byte, b' ' | b'\n' | b'\t' | b'\r') {
                return Some(byte);
            }
            self.at += 1;
        }
    }

    /// The next byte that is not white space, taken.
    #[inline]
    pub(crate) fn next_byte(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    /// An error about the byte that was just taken.
    #[cold]
    pub(crate) fn back(&mut self, message: &'static str) -> Error {
        if self.at >= self.text.len() {
            return Error::syntax("the text ends within a value");
        }
        self.at = self.at.saturating_sub(1);
        Error::syntax(message)
    }

    #[inline]
    pub(crate) fn colon(&mut self) -> Result<(), Error> {
        match self.next_byte() {
            Some(b':') => Ok(()),
            _ => Err(self.back("expected `:`")),
        }
    }

    pub(crate) fn word(&mut self, word: &'static str) -> Result<(), Error> {
        match self.rest().starts_with(word) {
            true => {
                self.at += word.len();
                Ok(())
            }
            false => Err(Error::syntax("expected a value")),
        }
    }

    #[inline]
    fn number(&mut self) -> Result<Number, Error> {
        let parsed = number::parse(self.rest())?;
        self.at += parsed.length;
        Ok(parsed.number)
    }

    pub(crate) fn enter(&mut self) -> Result<(), Error> {
        // The opening bracket is taken with the level.
        self.at += 1;
        self.depth += 1;
        match self.depth > DEPTH {
            true => Err(Error::syntax("nested deeper than 127 levels")),
            false => Ok(()),
        }
    }

    pub(crate) fn leave(&mut self) {
        self.depth -= 1;
    }

    #[inline]
    fn object<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        self.enter()?;
        let mut members = Members::new(self);
        let value = visitor.visit_map(&mut members)?;
        members.end()?;
        self.leave();
        Ok(value)
    }

    fn array<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        self.enter()?;
        let mut elements = Elements::new(self);
        let value = visitor.visit_seq(&mut elements)?;
        elements.end()?;
        self.leave();
        Ok(value)
    }

    #[inline]
    fn visit_number<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        match self.number()? {
            Number::Unsigned(value) => visitor.visit_u64(value),
            Number::Signed(value) => visitor.visit_i64(value),
            Number::Float(value) => visitor.visit_f64(value),
        }
    }

    /// The digits of an integer of up to 128 bits.
    fn wide<T: std::str::FromStr>(&mut self) -> Option<T> {
        let rest = self.rest();
        let length = number::length(rest).ok()?;
        let value = rest.get(..length)?.parse().ok()?;
        self.at += length;
        Some(value)
    }

    /// The error about a value of another type than the visitor's.
    #[cold]
    fn unfit(&mut self, expected: &dyn Expected) -> Error {
        match self.unexpected() {
            Ok(error) => error(expected),
            Err(error) => error,
        }
    }

    fn unexpected(&mut self) -> Result<impl FnOnce(&dyn Expected) -> Error, Error> {
        enum Found {
            Unit,
            Bool(bool),
            Number(Number),
            Text(String),
            Seq,
            Map,
        }
        let found = match self.peek() {
            Some(b'"') => {
                self.at += 1;
                Found::Text(self.string()?.as_str().to_owned())
            }
            Some(b'0'..=b'9' | b'-') => Found::Number(self.number()?),
            Some(b'{') => Found::Map,
            Some(b'[') => Found::Seq,
            Some(b't') => self.word("true").map(|()| Found::Bool(true))?,
            Some(b'f') => self.word("false").map(|()| Found::Bool(false))?,
            Some(b'n') => self.word("null").map(|()| Found::Unit)?,
            Some(_) => return Err(Error::syntax("expected a value")),
            None => return Err(Error::syntax("the text ends where a value is expected")),
        };
        Ok(move |expected: &dyn Expected| {
            let unexpected = match &found {
                Found::Unit => Unexpected::Other("null"),
                Found::Bool(value) => Unexpected::Bool(*value),
                Found::Number(Number::Unsigned(value)) => Unexpected::Unsigned(*value),
                Found::Number(Number::Signed(value)) => Unexpected::Signed(*value),
                Found::Number(Number::Float(value)) => Unexpected::Float(*value),
                Found::Text(text) => Unexpected::Str(text),
                Found::Seq => Unexpected::Seq,
                Found::Map => Unexpected::Map,
            };
            de::Error::invalid_type(unexpected, expected)
        })
    }
}

/// Methods whose values begin with certain bytes; anything else does not fit.
macro_rules! values {
    ($($method:ident: $begin:pat => $visit:ident;)*) => {$(
        #[inline]
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            match self.peek() {
                Some($begin) => self.$visit(visitor),
                _ => Err(self.unfit(&visitor)),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> {
    #[inline]
    fn visit_text<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        self.at += 1;
        self.string()?.visit(visitor)
    }

    /// Rounds once, to single precision: by way of a double some numbers would be rounded twice.
    fn visit_single<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        let start = self.at;
        match self.number()? {
            Number::Unsigned(value) => visitor.visit_u64(value),
            Number::Signed(value) => visitor.visit_i64(value),
            Number::Float(_) => match self.text.get(start..self.at).and_then(|text| text.parse::<f32>().ok()) {
                Some(value) if value.is_finite() => visitor.visit_f64(value.into()),
                _ => Err(Error::syntax("the number is out of range")),
            },
        }
    }

    fn visit_word<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        match self.peek() {
            Some(b't') => {
                self.word("true")?;
                visitor.visit_bool(true)
            }
            Some(b'f') => {
                self.word("false")?;
                visitor.visit_bool(false)
            }
            _ => {
                self.word("null")?;
                visitor.visit_unit()
            }
        }
    }
}

impl<'de> de::Deserializer<'de> for &mut Deserializer<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.peek() {
            Some(b'"') => self.visit_text(visitor),
            Some(b'0'..=b'9' | b'-') => self.visit_number(visitor),
            Some(b'{') => self.object(visitor),
            Some(b'[') => self.array(visitor),
            Some(b't' | b'f' | b'n') => self.visit_word(visitor),
            Some(_) => Err(Error::syntax("expected a value")),
            None => Err(Error::syntax("the text ends where a value is expected")),
        }
    }

    values! {
        deserialize_i8: b'0'..=b'9' | b'-' => visit_number;
        deserialize_i16: b'0'..=b'9' | b'-' => visit_number;
        deserialize_i32: b'0'..=b'9' | b'-' => visit_number;
        deserialize_i64: b'0'..=b'9' | b'-' => visit_number;
        deserialize_u8: b'0'..=b'9' | b'-' => visit_number;
        deserialize_u16: b'0'..=b'9' | b'-' => visit_number;
        deserialize_u32: b'0'..=b'9' | b'-' => visit_number;
        deserialize_u64: b'0'..=b'9' | b'-' => visit_number;
        deserialize_f32: b'0'..=b'9' | b'-' => visit_single;
        deserialize_f64: b'0'..=b'9' | b'-' => visit_number;
        deserialize_str: b'"' => visit_text;
        deserialize_string: b'"' => visit_text;
        deserialize_identifier: b'"' => visit_text;
        deserialize_char: b'"' => visit_text;
        deserialize_bool: b't' | b'f' => visit_word;
        deserialize_unit: b'n' => visit_word;
        deserialize_seq: b'[' => array;
        deserialize_map: b'{' => object;
    }

    fn deserialize_i128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.peek() {
            Some(b'0'..=b'9' | b'-') => match self.wide() {
                Some(value) => visitor.visit_i128(value),
                None => self.visit_number(visitor),
            },
            _ => Err(self.unfit(&visitor)),
        }
    }

    fn deserialize_u128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.peek() {
            Some(b'0'..=b'9') => match self.wide() {
                Some(value) => visitor.visit_u128(value),
                None => self.visit_number(visitor),
            },
            _ => Err(self.unfit(&visitor)),
        }
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.peek() {
            Some(b'"') => {
                self.at += 1;
                self.string()?.visit_bytes(visitor)
            }
            Some(b'[') => self.array(visitor),
            _ => Err(self.unfit(&visitor)),
        }
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_bytes(visitor)
    }

    #[inline]
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.peek() {
            Some(b'n') => {
                self.word("null")?;
                visitor.visit_none()
            }
            _ => visitor.visit_some(self),
        }
    }

    #[inline]
    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    #[inline]
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.peek() {
            Some(b'{') => self.object(visitor),
            Some(b'[') => self.array(visitor),
            _ => Err(self.unfit(&visitor)),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.peek() {
            Some(b'{') => {
                self.enter()?;
                let value = visitor.visit_enum(Variant::new(self))?;
                match self.next_byte() {
                    Some(b'}') => {
                        self.leave();
                        Ok(value)
                    }
                    _ => Err(self.back("expected `}` behind a variant")),
                }
            }
            Some(b'"') => visitor.visit_enum(crate::access::UnitVariant::new(self)),
            Some(_) => Err(Error::syntax("expected a variant")),
            None => Err(Error::syntax("the text ends where a variant is expected")),
        }
    }

    #[inline]
    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.skip_value()?;
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }
}
