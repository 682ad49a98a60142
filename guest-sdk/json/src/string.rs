//! Strings: borrowed from the text where they have no escape, put together where they have one, or passed over.

use serde::de::Visitor;

use crate::error::Error;
use crate::reader::Reader;

/// A string that was taken: borrowed where it has no escape.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Taken<'de> {
    Borrowed(&'de str),
    /// It stands in the reader's scratch.
    Made,
}

impl<'de> Reader<'_, 'de> {
    /// Takes the string whose opening quote stands here.
    #[inline]
    pub(crate) fn string(&mut self) -> Result<Taken<'de>, Error> {
        match self.source.plain_string(self.at) {
            Some(text) => {
                self.at += text.len() + 2;
                Ok(Taken::Borrowed(text))
            }
            None => self.escaped().map(|()| Taken::Made),
        }
    }

    /// Visits the string that stands here, behind white space if need be.
    #[inline(always)]
    pub(crate) fn visit_string<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        match self.source.plain_string(self.at) {
            Some(text) => {
                self.at += text.len() + 2;
                visitor.visit_borrowed_str(text)
            }
            None => self.visit_any_string(visitor),
        }
    }

    #[inline(never)]
    fn visit_any_string<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        if self.peek() != b'"' {
            return Err(self.unfit(&visitor));
        }
        match self.string()? {
            Taken::Borrowed(text) => visitor.visit_borrowed_str(text),
            Taken::Made => visitor.visit_str(self.scratch()),
        }
    }

    pub(crate) fn visit_string_as_bytes<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        match self.string()? {
            Taken::Borrowed(text) => visitor.visit_borrowed_bytes(text.as_bytes()),
            Taken::Made => visitor.visit_bytes(self.scratch().as_bytes()),
        }
    }

    pub(crate) fn taken<'t>(&'t self, taken: Taken<'t>) -> &'t str {
        match taken {
            Taken::Borrowed(text) => text,
            Taken::Made => self.scratch(),
        }
    }

    /// Puts the string together whose opening quote stands here.
    #[cold]
    #[inline(never)]
    fn escaped(&mut self) -> Result<(), Error> {
        // Taken out meanwhile, for what follows needs the reader.
        let mut scratch = std::mem::take(&mut self.aside().scratch);
        scratch.clear();
        self.at += 1;
        let result = self.put_together(&mut scratch);
        self.aside().scratch = scratch;
        result
    }

    fn put_together(&mut self, scratch: &mut String) -> Result<(), Error> {
        loop {
            let start = self.at;
            self.at = self.source.plain_end(start);
            scratch.push_str(self.source.text().get(start..self.at).unwrap_or_default());
            match self.source.byte(self.at) {
                b'"' => {
                    self.at += 1;
                    return Ok(());
                }
                b'\\' => {
                    self.at += 1;
                    let letter = self.escape()?;
                    scratch.push(letter);
                }
                _ => return Err(self.control()),
            }
        }
    }

    /// What an escape stands for; the backslash was taken.
    fn escape(&mut self) -> Result<char, Error> {
        let letter = self.source.byte(self.at);
        self.at += 1;
        Ok(match letter {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.escaped_char(),
            _ => return Err(self.no_escape()),
        })
    }

    /// The character of one or, where they are surrogates, two escapes; `\u` was taken.
    fn escaped_char(&mut self) -> Result<char, Error> {
        let lonely = || Error::syntax("half of a surrogate pair stands alone");
        let start = self.at;
        let unit = self.four_digits()?;
        let code = match unit {
            0xd800..=0xdbff => {
                if [self.source.byte(self.at), self.source.byte(self.at + 1)] != *b"\\u" {
                    self.at = start;
                    return Err(lonely());
                }
                self.at += 2;
                match self.four_digits()? {
                    low @ 0xdc00..=0xdfff => 0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00),
                    _ => unit,
                }
            }
            unit => unit,
        };
        char::from_u32(code).ok_or_else(|| {
            self.at = start;
            lonely()
        })
    }

    fn four_digits(&mut self) -> Result<u32, Error> {
        if let Some(unit) = hexadecimal(self.source.eight(self.at) as u32) {
            self.at += 4;
            return Ok(unit);
        }
        while self.source.byte(self.at).is_ascii_hexdigit() {
            self.at += 1;
        }
        Err(Error::expected("four hexadecimal digits"))
    }

    /// Passes over the string whose opening quote stands here.
    #[inline(always)]
    pub(crate) fn skip_string(&mut self) -> Result<(), Error> {
        let end = self.source.plain_end(self.at + 1);
        if self.source.byte(end) != b'"' {
            return self.skip_escaped(end);
        }
        self.at = end + 1;
        Ok(())
    }

    #[cold]
    #[inline(never)]
    fn skip_escaped(&mut self, mut end: usize) -> Result<(), Error> {
        loop {
            self.at = end + 1;
            match self.source.byte(end) {
                b'"' => return Ok(()),
                b'\\' => self.skip_escape()?,
                _ => {
                    self.at = end;
                    return Err(self.control());
                }
            }
            end = self.source.plain_end(self.at);
        }
    }

    /// As serde_json does in strings that nobody reads: four digits are enough, whatever they stand for.
    fn skip_escape(&mut self) -> Result<(), Error> {
        let letter = self.source.byte(self.at);
        self.at += 1;
        match letter {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Ok(()),
            b'u' => self.four_digits().map(|_| ()),
            _ => Err(self.no_escape()),
        }
    }

    fn no_escape(&mut self) -> Error {
        self.at -= 1;
        Error::expected("one of `\"\\/bfnrtu` behind `\\`")
    }

    fn control(&self) -> Error {
        // Behind the end there are zeros, which look like control characters.
        match self.at >= self.source.text().len() {
            true => Error::expected("`\"`"),
            false => Error::syntax("a control character stands in a string"),
        }
    }
}

/// The value of four hexadecimal digits, the first of which is the highest and lies in the lowest byte.
#[inline(always)]
fn hexadecimal(four: u32) -> Option<u32> {
    const ONES: u32 = 0x0101_0101;
    let lower = four | (0x20 * ONES);
    // What is no digit has another high half, or one of its own.
    let letters = (lower >> 6) & ONES;
    let values = (lower & (0x0f * ONES)) + 9 * letters;
    let written = values + 0x30 * ONES + 0x27 * letters;
    let above_nine = ((values + 6 * ONES) >> 4) & ONES;
    let in_case = ((four >> 5) & ONES) | letters;
    if (values & (0xf0 * ONES)) | (written ^ lower) | (above_nine ^ letters) | (in_case ^ ONES) != 0 {
        return None;
    }
    let [a, b, c, d] = values.to_le_bytes().map(u32::from);
    Some(a << 12 | b << 8 | c << 4 | d)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_digits_are_read_as_one_by_one() {
        for at in 0..4 {
            for byte in 0..=0xff {
                let mut digits = *b"0aF9";
                digits[at] = byte;
                let expected = digits
                    .iter()
                    .try_fold(0, |unit, digit| char::from(*digit).to_digit(16).map(|digit| unit << 4 | digit));
                assert_eq!(hexadecimal(u32::from_le_bytes(digits)), expected, "{digits:?}");
            }
        }
    }
}
