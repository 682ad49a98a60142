//! Values that are read without serde: each in the way that most of its kind are written, and in all others by serde, so that
//! there is one answer and one error.

use std::borrow::Cow;

use serde::de::Deserialize;

use crate::access::Elements;
use crate::ahead::Ahead;
use crate::error::Error;
use crate::reader::Reader;
use crate::record::FromJson;
use crate::written::Written;

/// What a type of one's own is read with.
impl<'de> Reader<'_, 'de> {
    /// Reads the next value by serde: in the ways that are not worth one of their own, and for their errors.
    ///
    /// # Errors
    /// Where it is not JSON, or does not fit.
    #[inline(never)]
    pub fn deserialize<T: Deserialize<'de>>(&mut self) -> Result<T, Error> {
        T::deserialize(self)
    }

    /// The string that stands right here, if it has no escape. It is not taken: [`take`](Self::take) its bytes and two quotes.
    #[inline(always)]
    pub fn plain_string(&self) -> Option<&'de str> {
        self.source.plain_string(self.at)
    }

    /// Takes the string that stands right here, if it has no escape.
    #[inline(always)]
    pub fn take_plain_string(&mut self) -> Option<&'de str> {
        let text = self.plain_string()?;
        self.take(text.len() + 2);
        Some(text)
    }

    /// What stands right here, to look for a value. It is not taken.
    #[inline(always)]
    pub fn ahead(&self) -> Option<Ahead<'de>> {
        self.source.behind(self.at).map(Ahead::new)
    }

    /// The number that stands right here, in quotes or not, if it is a short one, and how many bytes it has. It is not taken.
    #[inline(always)]
    pub fn short_number(&self) -> Option<(Written<'static>, usize)> {
        let (digits, fraction, end) = self.decimal_in_quotes(self.at)?;
        Some((Written::Short { digits, fraction: fraction as u32 }, end - self.at))
    }

    /// Takes so many bytes, which are a value.
    #[inline(always)]
    pub fn take(&mut self, bytes: usize) {
        self.at += bytes;
    }
}

macro_rules! unsigned {
    ($($type:ty)*) => {$(
        impl<'de> FromJson<'de> for $type {
            #[inline(always)]
            fn from_json(reader: &mut Reader<'_, 'de>) -> Result<Self, Error> {
                if let Some((value, end)) = reader.short_integer(reader.at)
                    && let Ok(value) = value.try_into()
                {
                    reader.at = end;
                    return Ok(value);
                }
                reader.apart(|reader| reader.deserialize())
            }
        }
    )*};
}

macro_rules! signed {
    ($($type:ty)*) => {$(
        impl<'de> FromJson<'de> for $type {
            #[inline(always)]
            fn from_json(reader: &mut Reader<'_, 'de>) -> Result<Self, Error> {
                let negative = reader.source.byte(reader.at) == b'-';
                // A zero with a sign is a float.
                if let Some((value, end)) = reader.short_integer(reader.at + usize::from(negative))
                    && (!negative || value != 0)
                    && let Ok(value) = (if negative { -(value as i64) } else { value as i64 }).try_into()
                {
                    reader.at = end;
                    return Ok(value);
                }
                reader.apart(|reader| reader.deserialize())
            }
        }
    )*};
}

/// Types that are read by serde.
macro_rules! by_serde {
    ($($type:ty)*) => {$(
        impl<'de> FromJson<'de> for $type {
            #[inline(always)]
            fn from_json(reader: &mut Reader<'_, 'de>) -> Result<Self, Error> {
                reader.deserialize()
            }
        }
    )*};
}

unsigned! { u8 u16 u32 u64 usize }
signed! { i8 i16 i32 i64 isize }
by_serde! {
    () i128 u128 f32 char Box<str>
    std::net::IpAddr std::net::Ipv4Addr std::net::Ipv6Addr
}

impl<'de> FromJson<'de> for f64 {
    #[inline(always)]
    fn from_json(reader: &mut Reader<'_, 'de>) -> Result<Self, Error> {
        match reader.short_float(reader.at) {
            Some((value, end)) => {
                reader.at = end;
                Ok(value)
            }
            None => reader.apart(|reader| reader.deserialize()),
        }
    }
}

impl<'de> FromJson<'de> for bool {
    #[inline(always)]
    fn from_json(reader: &mut Reader<'_, 'de>) -> Result<Self, Error> {
        let eight = reader.source.eight(reader.at);
        if eight as u32 == u32::from_le_bytes(*b"true") {
            reader.at += 4;
            return Ok(true);
        }
        if eight & 0xff_ffff_ffff == u64::from_le_bytes(*b"false\0\0\0") {
            reader.at += 5;
            return Ok(false);
        }
        reader.apart(|reader| reader.deserialize())
    }
}

impl<'de: 'a, 'a> FromJson<'de> for &'a str {
    #[inline(always)]
    fn from_json(reader: &mut Reader<'_, 'de>) -> Result<Self, Error> {
        let Some(text) = reader.take_plain_string() else { return reader.apart(|reader| reader.deserialize()) };
        Ok(text)
    }
}

impl<'de> FromJson<'de> for String {
    #[inline(always)]
    fn from_json(reader: &mut Reader<'_, 'de>) -> Result<Self, Error> {
        let Some(text) = reader.take_plain_string() else { return reader.apart(|reader| reader.deserialize()) };
        Ok(text.to_owned())
    }
}

/// Borrowed where there is no escape, which serde does only where it is told to.
impl<'de: 'a, 'a> FromJson<'de> for Cow<'a, str> {
    #[inline(always)]
    fn from_json(reader: &mut Reader<'_, 'de>) -> Result<Self, Error> {
        let Some(text) = reader.take_plain_string() else { return reader.apart(|reader| reader.deserialize()) };
        Ok(Self::Borrowed(text))
    }
}

impl<'de, T: FromJson<'de>> FromJson<'de> for Option<T> {
    #[inline(always)]
    fn absent() -> Option<Self> {
        Some(None)
    }

    #[inline(always)]
    fn from_json(reader: &mut Reader<'_, 'de>) -> Result<Self, Error> {
        if reader.peek_apart() == b'n' {
            reader.apart(|reader| reader.word("null"))?;
            return Ok(None);
        }
        T::from_json(reader).map(Some)
    }
}

impl<'de, T: FromJson<'de>> FromJson<'de> for Box<T> {
    #[inline(always)]
    fn absent() -> Option<Self> {
        T::absent().map(Self::new)
    }

    #[inline(always)]
    fn from_json(reader: &mut Reader<'_, 'de>) -> Result<Self, Error> {
        T::from_json(reader).map(Self::new)
    }
}

impl<'de, T: FromJson<'de>> FromJson<'de> for Vec<T> {
    fn from_json(reader: &mut Reader<'_, 'de>) -> Result<Self, Error> {
        if reader.peek() != b'[' {
            return Err(reader.unfit(&"a sequence"));
        }
        reader.enter()?;
        let mut elements = Elements::new(reader);
        let mut values = Self::new();
        while let Some(value) = elements.next_with(T::from_json)? {
            values.push(value);
        }
        elements.end_and_leave()?;
        Ok(values)
    }
}
