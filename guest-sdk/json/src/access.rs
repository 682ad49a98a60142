//! What stands within brackets, for serde's visitors.

use serde::de::{DeserializeSeed, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor};

use crate::deserializer::Deserializer;
use crate::error::Error;
use crate::key::Key;

/// The members of an object whose opening bracket was taken.
pub struct Members<'d, 'de> {
    deserializer: &'d mut Deserializer<'de>,
    first: bool,
}

impl<'d, 'de> Members<'d, 'de> {
    #[inline]
    pub fn new(deserializer: &'d mut Deserializer<'de>) -> Self {
        Self { deserializer, first: true }
    }

    /// The closing bracket must follow: a visitor may stop before it.
    #[inline]
    pub fn end(&mut self) -> Result<(), Error> {
        match self.deserializer.next_byte() {
            Some(b'}') => Ok(()),
            _ => Err(self.deserializer.back("expected `}`")),
        }
    }
}

impl<'de> MapAccess<'de> for &mut Members<'_, 'de> {
    type Error = Error;

    #[inline]
    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        match (self.deserializer.peek(), self.first) {
            (Some(b','), false) => self.deserializer.advance(1),
            (Some(b'}'), _) => return Ok(None),
            (Some(_), true) => self.first = false,
            (Some(_), false) => return Err(Error::syntax("expected `,` or `}`")),
            (None, _) => return Err(Error::syntax("the text ends within an object")),
        }
        match self.deserializer.next_byte() {
            Some(b'"') => seed.deserialize(Key::new(self.deserializer)).map(Some),
            _ => Err(self.deserializer.back("expected a key in quotes")),
        }
    }

    #[inline]
    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        self.deserializer.colon()?;
        seed.deserialize(&mut *self.deserializer)
    }
}

/// The elements of an array whose opening bracket was taken.
pub struct Elements<'d, 'de> {
    deserializer: &'d mut Deserializer<'de>,
    first: bool,
}

impl<'d, 'de> Elements<'d, 'de> {
    pub fn new(deserializer: &'d mut Deserializer<'de>) -> Self {
        Self { deserializer, first: true }
    }

    /// The closing bracket must follow: a visitor may stop before it.
    pub fn end(&mut self) -> Result<(), Error> {
        match self.deserializer.next_byte() {
            Some(b']') => Ok(()),
            _ => Err(self.deserializer.back("expected `]`")),
        }
    }
}

impl<'de> SeqAccess<'de> for &mut Elements<'_, 'de> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        match self.deserializer.peek() {
            Some(b']') => return Ok(None),
            Some(b',') if !self.first => self.deserializer.advance(1),
            Some(_) if self.first => {}
            Some(_) => return Err(Error::syntax("expected `,` or `]`")),
            None => return Err(Error::syntax("the text ends within an array")),
        }
        self.first = false;
        if self.deserializer.peek() == Some(b']') {
            return Err(Error::syntax("expected a value behind `,`"));
        }
        seed.deserialize(&mut *self.deserializer).map(Some)
    }
}

/// A variant as an object of one member, `{"name": content}`; the opening bracket was taken.
pub struct Variant<'d, 'de>(&'d mut Deserializer<'de>);

impl<'d, 'de> Variant<'d, 'de> {
    pub fn new(deserializer: &'d mut Deserializer<'de>) -> Self {
        Self(deserializer)
    }
}

impl<'de> EnumAccess<'de> for Variant<'_, 'de> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Error> {
        let name = seed.deserialize(&mut *self.0)?;
        self.0.colon()?;
        Ok((name, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_, 'de> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        serde::Deserialize::deserialize(self.0)
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        seed.deserialize(self.0)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        serde::Deserializer::deserialize_seq(self.0, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, fields: &'static [&'static str], visitor: V) -> Result<V::Value, Error> {
        serde::Deserializer::deserialize_struct(self.0, "", fields, visitor)
    }
}

/// A variant as its name alone.
pub struct UnitVariant<'d, 'de>(&'d mut Deserializer<'de>);

impl<'d, 'de> UnitVariant<'d, 'de> {
    pub fn new(deserializer: &'d mut Deserializer<'de>) -> Self {
        Self(deserializer)
    }
}

impl<'de> EnumAccess<'de> for UnitVariant<'_, 'de> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Error> {
        let name = seed.deserialize(&mut *self.0)?;
        Ok((name, self))
    }
}

impl<'de> VariantAccess<'de> for UnitVariant<'_, 'de> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, _: T) -> Result<T::Value, Error> {
        Err(content_expected())
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, Error> {
        Err(content_expected())
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], _: V) -> Result<V::Value, Error> {
        Err(content_expected())
    }
}

fn content_expected() -> Error {
    serde::de::Error::invalid_type(serde::de::Unexpected::UnitVariant, &"a variant with content")
}
