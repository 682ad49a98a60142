//! The SDK's types as values of a `Record`: each in the notation that most have, and in all others as serde reads them.

use std::str::FromStr;

use serde::Deserialize;
use tidegate_json::Written;
pub use tidegate_json::{Error, FromJson, Reader, expansion};

use crate::{Date, Date32, DateTime, DateTime64, Decimal, FixedString, Text, Uuid};

impl<'de> FromJson<'de> for Uuid {
    #[inline(always)]
    fn from_json(reader: &mut Reader<'_, 'de>) -> Result<Self, Error> {
        if let Some(text) = reader.quoted()
            && let Some(uuid) = Self::hyphenated(text)
        {
            reader.take(text.len() + 2);
            return Ok(uuid);
        }
        reader.deserialize()
    }
}

macro_rules! times {
    ($([$($generics:tt)*] $type:ty;)*) => {$(
        impl<'de, $($generics)*> FromJson<'de> for $type {
            #[inline(always)]
            fn from_json(reader: &mut Reader<'_, 'de>) -> Result<Self, Error> {
                // As long as `2026-11-20T10:15:00.123Z`.
                if let Some(text) = reader.quoted()
                    && let Some(time) = Self::from_notation(text)
                {
                    reader.take(text.len() + 2);
                    return Ok(time);
                }
                from_text(reader)
            }
        }
    )*};
}

times! {
    [] DateTime;
    [const P: u32] DateTime64<P>;
}

impl<'de, const P: u32, const S: u32> FromJson<'de> for Decimal<P, S> {
    #[inline(always)]
    fn from_json(reader: &mut Reader<'_, 'de>) -> Result<Self, Error> {
        if let Some((Written::Short { digits, fraction }, length)) = reader.short_number()
            && let Some(decimal) = Self::from_short(digits, fraction)
        {
            reader.take(length);
            return Ok(decimal);
        }
        from_text(reader)
    }
}

impl<'de: 'a, 'a> FromJson<'de> for Text<'a> {
    #[inline(always)]
    fn from_json(reader: &mut Reader<'_, 'de>) -> Result<Self, Error> {
        let Some(text) = reader.take_plain_string() else { return reader.deserialize() };
        Ok(text.into())
    }
}

macro_rules! by_text {
    ($([$($generics:tt)*] $type:ty;)*) => {$(
        impl<'de, $($generics)*> FromJson<'de> for $type {
            #[inline(always)]
            fn from_json(reader: &mut Reader<'_, 'de>) -> Result<Self, Error> {
                from_text(reader)
            }
        }
    )*};
}

by_text! {
    [] Date;
    [] Date32;
    [const N: usize] FixedString<N>;
}

/// From a string, if it is none that says why it is wrong.
#[inline(never)]
fn from_text<'de, T: FromStr + Deserialize<'de>>(reader: &mut Reader<'_, 'de>) -> Result<T, Error> {
    if let Some(text) = reader.plain_string()
        && let Ok(value) = text.parse()
    {
        reader.take(text.len() + 2);
        return Ok(value);
    }
    reader.deserialize()
}
