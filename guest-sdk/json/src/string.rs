//! Strings: borrowed from the text where they have no escape, put together where they have one, or passed over.

use serde::de::Visitor;

use crate::deserializer::Deserializer;
use crate::error::Error;
use crate::scan;

/// A string of the text: borrowed where it has no escape.
pub(crate) enum Text<'de, 's> {
    Borrowed(&'de str),
    Made(&'s str),
}

impl<'de> Text<'de, '_> {
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Borrowed(text) => text,
            Self::Made(text) => text,
        }
    }

    #[inline]
    pub(crate) fn visit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Self::Borrowed(text) => visitor.visit_borrowed_str(text),
            Self::Made(text) => visitor.visit_str(text),
        }
    }

    pub(crate) fn visit_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Self::Borrowed(text) => visitor.visit_borrowed_bytes(text.as_bytes()),
            Self::Made(text) => visitor.visit_bytes(text.as_bytes()),
        }
    }
}

impl<'de> Deserializer<'de> {
    /// Takes the rest of a string whose opening quote was taken.
    #[inline]
    pub(crate) fn string(&mut self) -> Result<Text<'de, '_>, Error> {
        let start = self.at;
        let end = start + scan::plain(self.rest_bytes());
        if self.text.as_bytes().get(end) == Some(&b'"') {
            self.at = end + 1;
            return Ok(Text::Borrowed(self.text.get(start..end).unwrap_or_default()));
        }
        self.escaped(start, end)?;
        Ok(Text::Made(&self.scratch))
    }

    #[cold]
    fn escaped(&mut self, mut start: usize, mut end: usize) -> Result<(), Error> {
        self.scratch.clear();
        loop {
            self.scratch.push_str(self.text.get(start..end).unwrap_or_default());
            self.at = end;
            match self.text.as_bytes().get(end) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => {
                    self.at += 1;
                    let letter = self.escape()?;
                    self.scratch.push(letter);
                }
                Some(_) => return Err(Error::syntax("a control character stands in a string")),
                None => return Err(Error::syntax("the text ends within a string")),
            }
            start = self.at;
            end = start + scan::plain(self.rest_bytes());
        }
    }

    /// What an escape stands for; the backslash was taken.
    fn escape(&mut self) -> Result<char, Error> {
        let letter = self.text.as_bytes().get(self.at).copied();
        self.at += 1;
        Ok(match letter {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                let unit = self.four_digits()?;
                match unit {
                    0xd800..=0xdbff => {
                        if !self.rest().starts_with("\\u") {
                            return Err(Error::syntax("half of a surrogate pair stands alone"));
                        }
                        self.at += 2;
                        let low = self.four_digits()?;
                        if !(0xdc00..=0xdfff).contains(&low) {
                            return Err(Error::syntax("half of a surrogate pair stands alone"));
                        }
                        let code = 0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
                        char::from_u32(code).ok_or_else(|| Error::syntax("an escape is no character"))?
                    }
                    unit => {
                        char::from_u32(unit).ok_or_else(|| Error::syntax("half of a surrogate pair stands alone"))?
                    }
                }
            }
            _ => {
                self.at -= 1;
                return Err(Error::syntax("there is no such escape"));
            }
        })
    }

    fn four_digits(&mut self) -> Result<u32, Error> {
        let mut unit = 0;
        for _ in 0..4 {
            let digit = self.text.as_bytes().get(self.at).and_then(|byte| char::from(*byte).to_digit(16));
            unit = unit << 4 | digit.ok_or_else(|| Error::syntax("expected four hexadecimal digits"))?;
            self.at += 1;
        }
        Ok(unit)
    }

    /// Passes over the rest of a string whose opening quote was taken.
    pub(crate) fn skip_string(&mut self) -> Result<(), Error> {
        loop {
            self.at += scan::plain(self.rest_bytes());
            let byte = self.text.as_bytes().get(self.at);
            match byte {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => {
                    self.at += 1;
                    self.skip_escape()?;
                }
                Some(_) => return Err(Error::syntax("a control character stands in a string")),
                None => return Err(Error::syntax("the text ends within a string")),
            }
        }
    }

    /// As serde_json does in strings that nobody reads: four digits are enough, whatever they stand for.
    fn skip_escape(&mut self) -> Result<(), Error> {
        let letter = self.text.as_bytes().get(self.at);
        match letter {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.at += 1;
                Ok(())
            }
            Some(b'u') => {
                self.at += 1;
                self.four_digits().map(|_| ())
            }
            _ => Err(Error::syntax("there is no such escape")),
        }
    }
}
