//! serde's way into a reader.

use serde::de::{Deserializer, Error as _, Expected, Unexpected, Visitor};

use crate::access::{Elements, Members};
use crate::error::Error;
use crate::fields::Fields;
use crate::number::Number;
use crate::reader::Reader;
use crate::variant::{UnitVariant, Variant};
use crate::written::{NUMBER, Written};

impl<'de> Reader<'_, 'de> {
    #[inline]
    fn object<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        self.enter()?;
        let mut members = Members::new(self);
        let value = visitor.visit_map(&mut members)?;
        members.end()?;
        self.leave();
        Ok(value)
    }

    #[inline(always)]
    fn record<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        self.enter()?;
        let result = self.apart(|reader| {
            let mut fields = Fields::new(reader);
            // The value is left where it was put: it is moved nowhere on its way out.
            let mut result = visitor.visit_map(&mut fields);
            if !fields.has_ended()
                && result.is_ok()
                && let Err(more) = fields.end()
            {
                result = Err(more);
            }
            result
        });
        self.leave();
        result
    }

    #[inline]
    fn array<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        self.enter()?;
        let mut elements = Elements::new(self);
        let value = visitor.visit_seq(&mut elements)?;
        elements.end()?;
        self.leave();
        Ok(value)
    }

    /// Visits the integer that stands here, behind white space if need be.
    #[inline(always)]
    fn integer<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        match self.short_integer(self.at) {
            Some((value, end)) => {
                self.at = end;
                visitor.visit_u64(value)
            }
            None => self.visit_number(visitor),
        }
    }

    #[inline(never)]
    fn visit_number<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        if !matches!(self.peek(), b'0'..=b'9' | b'-') {
            return Err(self.unfit(&visitor));
        }
        match self.number()? {
            Number::Unsigned(value) => visitor.visit_u64(value),
            Number::Signed(value) => visitor.visit_i64(value),
            Number::Float(value) => visitor.visit_f64(value),
        }
    }

    /// Visits a number as it is written, or whatever else stands here.
    #[inline(never)]
    fn visit_written<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        match self.peek() {
            b'0'..=b'9' | b'-' => visitor.visit_borrowed_bytes(self.number_text()?.as_bytes()),
            _ => self.deserialize_any(visitor),
        }
    }

    /// Rounds once, to single precision: by way of a double some numbers would be rounded twice.
    fn visit_single<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        let start = self.at;
        match self.number()? {
            Number::Unsigned(value) => visitor.visit_u64(value),
            Number::Signed(value) => visitor.visit_i64(value),
            Number::Float(_) => match self.source.text().get(start..self.at).map(str::parse::<f32>) {
                Some(Ok(value)) if value.is_finite() => visitor.visit_f64(value.into()),
                _ => {
                    self.at = start;
                    Err(Error::syntax("the number is out of range"))
                }
            },
        }
    }

    fn visit_word<V: Visitor<'de>>(&mut self, first: u8, visitor: V) -> Result<V::Value, Error> {
        match first {
            b't' => {
                self.word("true")?;
                visitor.visit_bool(true)
            }
            b'f' => {
                self.word("false")?;
                visitor.visit_bool(false)
            }
            _ => {
                self.word("null")?;
                visitor.visit_unit()
            }
        }
    }

    /// The digits of an integer of up to 128 bits.
    fn wide<T: std::str::FromStr>(&mut self) -> Option<T> {
        let start = self.at;
        let value = self.number_text().ok().and_then(|text| text.parse().ok());
        if value.is_none() {
            self.at = start;
        }
        value
    }

    /// The error about a value of another type than the visitor's.
    #[cold]
    #[inline(never)]
    pub(crate) fn unfit(&mut self, expected: &dyn Expected) -> Error {
        self.invalid_type(expected).unwrap_or_else(|error| error)
    }

    fn invalid_type(&mut self, expected: &dyn Expected) -> Result<Error, Error> {
        let of = |unexpected: Unexpected<'_>| Error::invalid_type(unexpected, expected);
        Ok(match self.peek() {
            b'"' => {
                let taken = self.string()?;
                of(Unexpected::Str(self.taken(taken)))
            }
            b'0'..=b'9' | b'-' => match self.number()? {
                Number::Unsigned(value) => of(Unexpected::Unsigned(value)),
                Number::Signed(value) => of(Unexpected::Signed(value)),
                Number::Float(value) => of(Unexpected::Float(value)),
            },
            // What stands within them is not looked at.
            b'{' => of(Unexpected::Map),
            b'[' => of(Unexpected::Seq),
            b't' => self.word("true").map(|()| of(Unexpected::Bool(true)))?,
            b'f' => self.word("false").map(|()| of(Unexpected::Bool(false)))?,
            b'n' => self.word("null").map(|()| of(Unexpected::Other("null")))?,
            _ => Error::expected("a value"),
        })
    }
}

/// Methods whose values begin with certain bytes; anything else does not fit.
macro_rules! values {
    ($($method:ident: $begin:pat => $visit:ident;)*) => {$(
        #[inline(always)]
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            match self.peek() {
                $begin => self.$visit(visitor),
                _ => Err(self.unfit(&visitor)),
            }
        }
    )*};
}

/// Methods that are all the same.
macro_rules! through {
    ($visit:ident: $($method:ident)*) => {$(
        #[inline(always)]
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            self.$visit(visitor)
        }
    )*};
}

impl<'de> Deserializer<'de> for &mut Reader<'_, 'de> {
    type Error = Error;

    #[inline]
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.peek() {
            b'"' => self.visit_string(visitor),
            b'0'..=b'9' | b'-' => self.integer(visitor),
            b'{' => self.object(visitor),
            b'[' => self.array(visitor),
            first @ (b't' | b'f' | b'n') => self.visit_word(first, visitor),
            _ => Err(Error::expected("a value")),
        }
    }

    through! {
        integer: deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
                 deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
    }

    values! {
        deserialize_f32: b'0'..=b'9' | b'-' => visit_single;
        deserialize_seq: b'[' => array;
        deserialize_map: b'{' => object;
    }

    through! {
        visit_string: deserialize_str deserialize_string deserialize_char deserialize_identifier
    }

    #[inline(always)]
    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.short_float(self.at) {
            Some((value, end)) => {
                self.at = end;
                visitor.visit_f64(value)
            }
            None => self.visit_number(visitor),
        }
    }

    #[inline]
    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.peek() {
            first @ (b't' | b'f') => self.visit_word(first, visitor),
            _ => Err(self.unfit(&visitor)),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.peek() {
            first @ b'n' => self.visit_word(first, visitor),
            _ => Err(self.unfit(&visitor)),
        }
    }

    fn deserialize_i128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.peek() {
            b'0'..=b'9' | b'-' => match self.wide() {
                Some(value) => visitor.visit_i128(value),
                None => self.visit_number(visitor),
            },
            _ => Err(self.unfit(&visitor)),
        }
    }

    fn deserialize_u128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.peek() {
            b'0'..=b'9' => match self.wide() {
                Some(value) => visitor.visit_u128(value),
                None => self.visit_number(visitor),
            },
            _ => Err(self.unfit(&visitor)),
        }
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.peek() {
            b'"' => self.visit_string_as_bytes(visitor),
            b'[' => self.array(visitor),
            _ => Err(self.unfit(&visitor)),
        }
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_bytes(visitor)
    }

    #[inline(always)]
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.peek() {
            b'n' => {
                self.word("null")?;
                visitor.visit_none()
            }
            _ => visitor.visit_some(self),
        }
    }

    #[inline(always)]
    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Error> {
        if name != NUMBER {
            return visitor.visit_newtype_struct(self);
        }
        match self.decimal_in_quotes(self.at) {
            Some((digits, fraction, end)) => {
                self.at = end;
                visitor.visit_bytes(&Written::short(digits, fraction))
            }
            None => self.visit_written(visitor),
        }
    }

    #[inline(always)]
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.peek() {
            b'{' => self.record(visitor),
            b'[' => self.array(visitor),
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
            b'{' => {
                self.enter()?;
                let value = visitor.visit_enum(Variant(self))?;
                self.close(b'}', "a variant is an object of one member, and there are more")?;
                self.leave();
                Ok(value)
            }
            b'"' => visitor.visit_enum(UnitVariant(self)),
            _ => Err(self.unfit(&visitor)),
        }
    }

    #[inline(always)]
    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.skip_value()?;
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_unit(visitor)
    }

    #[inline]
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
