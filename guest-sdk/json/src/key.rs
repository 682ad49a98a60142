//! Keys of objects: strings for most, and whatever a string may stand for in maps with other keys.

use serde::de::{self, IntoDeserializer, Visitor};

use crate::deserializer::Deserializer;
use crate::error::Error;
use crate::string::Text;

/// A key whose opening quote was taken.
pub struct Key<'d, 'de>(&'d mut Deserializer<'de>);

impl<'d, 'de> Key<'d, 'de> {
    #[inline]
    pub fn new(deserializer: &'d mut Deserializer<'de>) -> Self {
        Self(deserializer)
    }
}

/// Keys that are numbers: the text between the quotes is one, and nothing else.
macro_rules! numbers {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            let Text::Borrowed(text) = self.0.string()? else { return Err(Error::syntax("expected a number as key")) };
            if !matches!(text.as_bytes().first(), Some(b'0'..=b'9' | b'-')) {
                return Err(Error::syntax("expected a number as key"));
            }
            let mut number = Deserializer::new(text);
            let value = de::Deserializer::$method(&mut number, visitor)?;
            match number.position() == text.len() {
                true => Ok(value),
                false => Err(Error::syntax("expected a number as key")),
            }
        }
    )*};
}

impl<'de> de::Deserializer<'de> for Key<'_, 'de> {
    type Error = Error;

    #[inline]
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.0.string()?.visit(visitor)
    }

    numbers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
        deserialize_f32 deserialize_f64
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0.string()?.as_str() {
            "true" => visitor.visit_bool(true),
            "false" => visitor.visit_bool(false),
            _ => Err(Error::syntax("expected true or false as key")),
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
        let name = self.0.string()?.as_str().to_owned();
        visitor.visit_enum(name.into_deserializer())
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.0.string()?.visit_bytes(visitor)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_bytes(visitor)
    }

    serde::forward_to_deserialize_any! {
        char str string unit unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}
