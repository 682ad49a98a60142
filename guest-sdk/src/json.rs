//! The SDK's types as values of a `Record`: each in the notation that most have, and in all others as serde reads them.

use std::str::FromStr;

use serde::Deserialize;
use tidegate_json::Written;
pub use tidegate_json::{Error, FromJson, Reader, expansion};

use crate::{Date, Date32, DateTime, DateTime64, Decimal, FixedString, Text, Uuid};

impl<'de> FromJson<'de> for Uuid {
    #[inline(always)]
    fn from_json(reader: &mut Reader<'_, 'de>) -> Result<Self, Error> {
        if let Some((uuid, length)) = reader.ahead().and_then(Self::ahead) {
            reader.take(length);
            return Ok(uuid);
        }
        reader.apart(|reader| reader.deserialize())
    }
}

macro_rules! times {
    ($([$($generics:tt)*] $type:ty;)*) => {$(
        impl<'de, $($generics)*> FromJson<'de> for $type {
            #[inline(always)]
            fn from_json(reader: &mut Reader<'_, 'de>) -> Result<Self, Error> {
                if let Some((time, length)) = reader.ahead().and_then(Self::ahead) {
                    reader.take(length);
                    return Ok(time);
                }
                reader.apart(from_text)
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
        reader.apart(from_text)
    }
}

impl<'de: 'a, 'a> FromJson<'de> for Text<'a> {
    #[inline(always)]
    fn from_json(reader: &mut Reader<'_, 'de>) -> Result<Self, Error> {
        let Some(text) = reader.take_plain_string() else { return reader.apart(|reader| reader.deserialize()) };
        Ok(text.into())
    }
}

macro_rules! by_text {
    ($([$($generics:tt)*] $type:ty;)*) => {$(
        impl<'de, $($generics)*> FromJson<'de> for $type {
            #[inline(always)]
            fn from_json(reader: &mut Reader<'_, 'de>) -> Result<Self, Error> {
                reader.apart(from_text)
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

#[cfg(test)]
mod tests {
    use tidegate_json::Stream;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize, crate::Record)]
    struct Values {
        a: DateTime64<3>,
        b: DateTime,
        c: Decimal<18, 4>,
    }

    #[test]
    fn every_byte_in_every_place_is_read_as_serde_reads_it() {
        let (by_serde, record) = (Stream::new(), Stream::new());
        for right in [
            r#"{"a":"2026-11-20T10:15:00.123Z","b":"2026-11-20T10:15:00Z","c":12.5}"#,
            r#"{"a":"2026-11-20T10:15:00.123+05:30","b":"2026-11-20 10:15:00","c":"12.50"}"#,
            r#"{"a":"2026-11-20t10:15:00.123-08:00","b":"2026-11-20 10:15:00.123","c":"1234567.8901"}"#,
            r#"{"a":1795132800,"b":1795132800123,"c":"7"}"#,
            r#"{"a":12345678,"b":123456789012345,"c":"0.1"}"#,
        ] {
            for at in 0..right.len() {
                for byte in 0..0x80 {
                    let mut bytes = right.as_bytes().to_vec();
                    if let Some(place) = bytes.get_mut(at) {
                        *place = byte;
                    }
                    // With more behind it, so that the quick ways may look ahead, and without.
                    let length = bytes.len();
                    bytes.extend([b' '; 64]);
                    let batch = tidegate_json::Batch::new(&bytes);
                    for range in [0..length, 0..bytes.len()] {
                        let Some(text) = batch.text(range) else { continue };
                        let read: Result<Values, _> = by_serde.read(text);
                        let (read, error) = (read.as_ref().ok(), read.as_ref().err().map(ToString::to_string));
                        let quickly: Result<Values, _> = record.record(text);
                        assert_eq!(quickly.as_ref().ok(), read, "{}", text.as_str());
                        assert_eq!(quickly.err().map(|error| error.to_string()), error, "{}", text.as_str());
                    }
                }
            }
        }
    }

    /// A field of a struct is read as most are written where it is so; an element of an array never is.
    #[derive(Debug, PartialEq, Deserialize)]
    struct Field<T> {
        field: T,
    }

    fn reads_fields_as_elements<T: for<'de> Deserialize<'de> + PartialEq + std::fmt::Debug>(right: &[&str]) {
        let stream = Stream::new();
        for text in right {
            for at in 0..text.len() {
                for byte in 0..0x80 {
                    let mut bytes = text.as_bytes().to_vec();
                    if let Some(place) = bytes.get_mut(at) {
                        *place = byte;
                    }
                    let Ok(text) = String::from_utf8(bytes) else { continue };
                    let element = tidegate_json::from_str::<(T,)>(&format!("[{text}]")).map(|(value,)| value);
                    let padded = format!("{{\"field\":{text}}}{}", " ".repeat(64));
                    let field = stream.read::<Field<T>>(padded.as_str().into()).map(|read| read.field);
                    assert_eq!(field.as_ref().ok(), element.as_ref().ok(), "{text}: {field:?} {element:?}");
                    let text_of = |error: &Error| error.to_string().split(" at ").next().map(str::to_owned);
                    if let (Err(field), Err(element)) = (field, element)
                        && element.is_data()
                        && field.is_data()
                    {
                        assert_eq!(text_of(&field), text_of(&element));
                    }
                }
            }
        }
    }

    #[test]
    fn a_quick_way_takes_what_the_general_way_takes() {
        let times = [
            "\"2026-11-20T10:15:00.123Z\"",
            "\"2026-11-20 10:15:00\"",
            "\"2026-11-20T10:15:00.1+05:30\"",
            "1795132800123",
        ];
        reads_fields_as_elements::<DateTime64<3>>(&times);
        reads_fields_as_elements::<Option<DateTime>>(&times);
        reads_fields_as_elements::<Uuid>(&["\"0192f0c1-7a3b-7c11-9d2e-1f2a3b4c5d6e\""]);
        reads_fields_as_elements::<Decimal<18, 4>>(&["12.5", "\"12.50\"", "1234567.8901", "-1"]);
    }
}
