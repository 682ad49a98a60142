//! What a type asks a deserializer for, found out without a value: it is handed a deserializer whose every answer is an error that
//! says what it was asked for. The compiler makes nothing of it but the answer.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Visitor};

use crate::ahead::AHEAD;
use crate::written::NUMBER;

/// What a type asks for.
#[inline(always)]
pub fn wish_of<'de, V: Deserialize<'de>>() -> Wish {
    // A type that makes a value of an error asks for nothing that is known.
    V::deserialize(Probe).map_or_else(|wish| wish, |_| Wish::Other)
}

/// What may be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    Integer,
    Float,
    Text,
    Bool,
    /// A number as it is written.
    Number,
    Any,
    /// What stands next, to look for itself.
    Ahead,
    /// Nothing: it passes over the value.
    Nothing,
    Other,
}

struct Probe;

/// Methods that answer what is asked for.
macro_rules! wishes {
    ($($wish:ident: $($method:ident)*;)*) => {$($(
        #[inline(always)]
        fn $method<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Wish> {
            Err(Wish::$wish)
        }
    )*)*};
}

impl<'de> Deserializer<'de> for Probe {
    type Error = Wish;

    wishes! {
        Integer: deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
                 deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64;
        Float: deserialize_f64;
        Text: deserialize_str deserialize_string deserialize_char deserialize_identifier;
        Bool: deserialize_bool;
        Any: deserialize_any;
        Other: deserialize_i128 deserialize_u128 deserialize_f32 deserialize_unit deserialize_bytes deserialize_byte_buf
               deserialize_seq deserialize_map;
        Nothing: deserialize_ignored_any;
    }

    #[inline(always)]
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wish> {
        visitor.visit_some(self)
    }

    #[inline(always)]
    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Wish> {
        match name {
            NUMBER => Err(Wish::Number),
            AHEAD => Err(Wish::Ahead),
            _ => visitor.visit_newtype_struct(self),
        }
    }

    #[inline(always)]
    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, _: V) -> Result<V::Value, Wish> {
        Err(Wish::Other)
    }

    #[inline(always)]
    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, Wish> {
        Err(Wish::Other)
    }

    #[inline(always)]
    fn deserialize_tuple_struct<V: Visitor<'de>>(self, _: &'static str, _: usize, _: V) -> Result<V::Value, Wish> {
        Err(Wish::Other)
    }

    #[inline(always)]
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Wish> {
        Err(Wish::Other)
    }

    #[inline(always)]
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Wish> {
        Err(Wish::Other)
    }
}

impl fmt::Display for Wish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl std::error::Error for Wish {}

impl serde::de::Error for Wish {
    #[inline(always)]
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self::Other
    }
}
