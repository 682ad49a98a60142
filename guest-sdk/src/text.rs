//! Text that borrows where it can. For fields of records; `serde` cannot do this for an `Option<Cow<str>>`.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

use crate::record;
use crate::reject::Reject;

/// Text of a record: borrowed from it, or owned where an escape in the JSON had to be resolved.
///
/// A `&str` refuses a string with an escape, and a `Cow` inside an `Option` always allocates; this does neither. A
/// field of this type needs `#[serde(borrow)]`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Text<'a>(Cow<'a, str>);

impl Text<'_> {
    /// The text itself.
    #[inline]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text read as JSON, for JSON that stands in a string of other JSON. Refuses an empty text and whatever does not
    /// fit `T`; bytes in the reason are counted within this text.
    ///
    /// `T` may borrow from the text, as with [`Record::json`](crate::Record::json).
    #[inline]
    pub fn json<'t, T: Deserialize<'t>>(&'t self) -> Result<T, Reject> {
        record::json(self, "the text")
    }
}

impl Deref for Text<'_> {
    type Target = str;

    #[inline]
    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Self {
        Self(Cow::Borrowed(text))
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    #[inline(always)]
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a string")
    }

    #[inline(always)]
    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Owned(text.to_owned())))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Owned(text)))
    }
}

/// Reads a value from a string where the string lies, without a copy of it; `expected` is what a reason calls it.
#[inline(always)]
pub(crate) fn parsed<'de, D, T>(deserializer: D, expected: &'static str) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: fmt::Display>,
{
    deserializer.deserialize_str(ParsedVisitor { expected, value: PhantomData })
}

struct ParsedVisitor<T> {
    expected: &'static str,
    value: PhantomData<T>,
}

impl<'de, T: FromStr<Err: fmt::Display>> Visitor<'de> for ParsedVisitor<T> {
    type Value = T;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.expected)
    }

    #[inline(always)]
    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }

    // What serde has here is not always inlined.
    #[inline(always)]
    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<T, E> {
        self.visit_str(text)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde::Deserialize;

    use super::*;

    #[test]
    fn borrows_plain_text_even_inside_an_option() -> Result<(), serde_json::Error> {
        let plain: Option<Text<'_>> = serde_json::from_str(r#""plain""#)?;
        assert!(matches!(plain, Some(Text(Cow::Borrowed("plain")))));
        let escaped: Text<'_> = serde_json::from_str(r#""a\"b""#)?;
        assert_eq!(escaped.as_str(), "a\"b");
        Ok(())
    }

    #[test]
    fn typed_texts_are_read_as_they_stand_with_escapes_resolved() {
        let date = |json| serde_json::from_str::<crate::Date>(json).map(|date| date.to_string());
        assert_eq!(date(r#""2026-11-20""#).unwrap(), "2026-11-20");
        assert_eq!(date(r#""2026\u002d11-20""#).unwrap(), "2026-11-20");
        let reason = |json| date(json).unwrap_err().to_string();
        assert!(reason(r#"" 2026-11-20""#).starts_with("\" 2026-11-20\" is not a date, such as \"2026-11-20\""));
        assert!(reason("20261120").starts_with("invalid type: integer `20261120`, expected a string"));
    }

    #[test]
    fn json_in_a_string_is_read_whether_the_string_has_escapes_or_not() {
        #[derive(Debug, PartialEq, Deserialize)]
        struct Inner<'a> {
            n: u8,
            #[serde(borrow)]
            name: Option<Text<'a>>,
        }
        let escaped: Text<'_> = serde_json::from_str(r#""{\"n\":7,\"name\":\"a\\\"b\"}""#).unwrap();
        assert_eq!(escaped.json(), Ok(Inner { n: 7, name: Some(Text(Cow::Borrowed("a\"b"))) }));
        let plain = Text::from("[1,2]");
        assert_eq!(plain.json(), Ok([1, 2]));
        let reason = |text| Text::from(text).json::<Inner<'_>>().unwrap_err().to_string();
        assert_eq!(reason(""), "the text is empty");
        assert_eq!(
            reason("{"),
            "the text is not JSON: expected a key in quotes or `}`, found the end of the text at byte 1"
        );
        assert_eq!(reason("{}"), "the JSON does not fit: missing field `n` at byte 0");
    }
}
