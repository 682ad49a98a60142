//! What stands next in a text, for types that know the notations that most of their values have.

use std::fmt;

use serde::de::value::BorrowedBytesDeserializer;
use serde::de::{DeserializeSeed, Deserializer, EnumAccess, Error, IgnoredAny, VariantAccess, Visitor};

use crate::number;
use crate::quick::Unfit;

/// A newtype of this name asks to be read from the text itself where its value is written as most are. Its visitor gets
/// `visit_enum`, for [`read_ahead`], and `visit_newtype_struct` where that found nothing, or elsewhere than in this crate.
pub const AHEAD: &str = "$tidegate_json::Ahead";

/// The bytes from the beginning of a value on, to the end of all that can be read: those behind the text, too.
#[derive(Debug, Clone, Copy)]
pub struct Ahead<'de>(&'de [u8]);

impl<'de> Ahead<'de> {
    #[inline(always)]
    pub(crate) fn new(bytes: &'de [u8]) -> Self {
        Self(bytes)
    }

    /// The first `N` bytes, whatever they are.
    #[inline(always)]
    pub fn bytes<const N: usize>(self) -> Option<&'de [u8; N]> {
        self.0.first_chunk()
    }

    /// The `N` bytes between two quotes, whatever they are: they may be a value only where there are no quotes, backslashes or control
    /// characters among them.
    #[inline(always)]
    pub fn quoted<const N: usize>(self) -> Option<&'de [u8; N]> {
        match self.0.get(..N + 2)? {
            [b'"', inner @ .., b'"'] => inner.first_chunk(),
            _ => None,
        }
    }

    /// The integer of eight to fifteen digits, and how many it has.
    #[inline(always)]
    pub fn middling_integer(self) -> Option<(u64, usize)> {
        let (front, back) = self.0.first_chunk::<16>()?.split_first_chunk::<8>()?;
        number::middling(u64::from_le_bytes(*front), u64::from_le_bytes(*back.first_chunk()?))
    }
}

/// Has `read` look for a value in what stands next; it answers the value and how many bytes it has. For `visit_enum` of a visitor
/// that was handed to [`AHEAD`].
///
/// # Errors
/// Where `read` finds nothing.
#[inline(always)]
pub fn read_ahead<'de, T, A: EnumAccess<'de>>(
    access: A,
    read: impl FnOnce(Ahead<'de>) -> Option<(T, usize)>,
) -> Result<T, A::Error> {
    let (ahead, taken) = access.variant_seed(AheadSeed)?;
    let (value, length) = read(ahead).ok_or_else(|| A::Error::custom("the value is written in another way"))?;
    taken.tuple_variant(length, IgnoredAny)?;
    Ok(value)
}

struct AheadSeed;

impl<'de> DeserializeSeed<'de> for AheadSeed {
    type Value = Ahead<'de>;

    #[inline(always)]
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Ahead<'de>, D::Error> {
        deserializer.deserialize_bytes(self)
    }
}

impl<'de> Visitor<'de> for AheadSeed {
    type Value = Ahead<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    #[inline(always)]
    fn visit_borrowed_bytes<E: Error>(self, bytes: &'de [u8]) -> Result<Ahead<'de>, E> {
        Ok(Ahead(bytes))
    }
}

/// The deserializer that a type gets which asks for [`AHEAD`].
pub struct Here<'t, 'de> {
    text: &'de [u8],
    /// How many bytes were taken.
    length: &'t mut usize,
}

impl<'t, 'de> Here<'t, 'de> {
    #[inline(always)]
    pub(crate) fn new(text: &'de [u8], length: &'t mut usize) -> Self {
        Self { text, length }
    }
}

impl<'de> Deserializer<'de> for Here<'_, 'de> {
    type Error = Unfit;

    #[inline(always)]
    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Unfit> {
        Err(Unfit)
    }

    #[inline(always)]
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        visitor.visit_some(self)
    }

    #[inline(always)]
    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Unfit> {
        if name == AHEAD { visitor.visit_enum(self) } else { visitor.visit_newtype_struct(self) }
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl<'de> EnumAccess<'de> for Here<'_, 'de> {
    type Error = Unfit;
    type Variant = Self;

    #[inline(always)]
    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Unfit> {
        Ok((seed.deserialize(BorrowedBytesDeserializer::new(self.text))?, self))
    }
}

impl<'de> VariantAccess<'de> for Here<'_, 'de> {
    type Error = Unfit;

    #[inline(always)]
    fn unit_variant(self) -> Result<(), Unfit> {
        Err(Unfit)
    }

    #[inline(always)]
    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, _: S) -> Result<S::Value, Unfit> {
        Err(Unfit)
    }

    #[inline(always)]
    fn tuple_variant<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Unfit> {
        *self.length = length;
        visitor.visit_unit()
    }

    #[inline(always)]
    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], _: V) -> Result<V::Value, Unfit> {
        Err(Unfit)
    }
}
