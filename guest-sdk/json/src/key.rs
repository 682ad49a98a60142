//! Keys of objects: strings for most, and whatever a string may stand for in maps with other keys.

use serde::de::{Deserializer, Error as _, Expected, IntoDeserializer, Unexpected, Visitor};

use crate::error::Error;
use crate::reader::Reader;
use crate::string::Taken;
use crate::text::Text;

/// A key that was taken.
#[derive(Clone, Copy)]
pub enum Key<'d, 'de> {
    /// As it stands in the text.
    Borrowed(&'de str),
    /// Put together from one with escapes.
    Made(&'d str),
}

impl<'d, 'de> Key<'d, 'de> {
    #[inline]
    pub(crate) fn new(reader: &'d Reader<'_, 'de>, taken: Taken<'de>) -> Self {
        match taken {
            Taken::Borrowed(text) => Self::Borrowed(text),
            Taken::Made => Self::Made(reader.scratch()),
        }
    }

    /// The key.
    fn text(&self) -> &str {
        match self {
            Self::Borrowed(text) => text,
            Self::Made(text) => text,
        }
    }

    #[cold]
    fn unfit(&self, expected: &dyn Expected) -> Error {
        Error::invalid_type(Unexpected::Str(self.text()), expected)
    }
}

/// Keys that are numbers: the text between the quotes is one, and nothing else.
macro_rules! numbers {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            let Self::Borrowed(text) = self else { return Err(self.unfit(&visitor)) };
            let mut number = Reader::new(Text::from(text), None);
            if !matches!(number.source.byte(0), b'0'..=b'9' | b'-') {
                return Err(self.unfit(&visitor));
            }
            match Deserializer::$method(&mut number, visitor) {
                Ok(value) if number.at == text.len() => Ok(value),
                Err(error) if error.is_data() => Err(error),
                _ => Err(self.unfit(&"a number")),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for Key<'_, 'de> {
    type Error = Error;

    #[inline]
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Self::Borrowed(text) => visitor.visit_borrowed_str(text),
            Self::Made(text) => visitor.visit_str(text),
        }
    }

    numbers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
        deserialize_f32 deserialize_f64
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        // As it is written, as numbers are.
        match self {
            Self::Borrowed("true") => visitor.visit_bool(true),
            Self::Borrowed("false") => visitor.visit_bool(false),
            _ => Err(self.unfit(&visitor)),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        // A key is never null.
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_enum(self.text().into_deserializer())
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Self::Borrowed(text) => visitor.visit_borrowed_bytes(text.as_bytes()),
            Self::Made(text) => visitor.visit_bytes(text.as_bytes()),
        }
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_bytes(visitor)
    }

    serde::forward_to_deserialize_any! {
        char str string unit unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}
