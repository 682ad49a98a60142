//! Texts to read: one alone, or many that lie end to end in one buffer, as a batch of records does.

use std::ops::Range;

use crate::source;

/// Many texts end to end. It is checked once whether all of them together are UTF-8: text by text costs more than reading the
/// JSON's numbers does.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    bytes: &'a [u8],
    text: Option<&'a str>,
}

impl<'a> Batch<'a> {
    /// A batch of these bytes, whatever they are.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, text: source::text_of(bytes) }
    }

    /// The text in this range of bytes. `None` where they are not UTF-8 by themselves, or not in the batch.
    ///
    /// Bytes that are not UTF-8 spoil no text but their own.
    #[inline]
    pub fn text(&self, range: Range<usize>) -> Option<Text<'a>> {
        // A boundary within a character makes no text, though the batch as a whole may be one.
        if let Some(readable) = self.text.and_then(|text| text.get(range.start..)) {
            let length = range.end.checked_sub(range.start)?;
            return readable.is_char_boundary(length).then_some(Text { readable, length });
        }
        simdutf8::basic::from_utf8(self.bytes.get(range)?).ok().map(Text::from)
    }
}

/// One text, which is to be read as one JSON value.
///
/// It knows what lies behind it in its batch. A reader takes sixteen bytes at a time, and where the text ends within them the
/// bytes behind it do no harm. The last texts of a batch, and a text alone, are read more slowly at their end.
#[derive(Debug, Clone, Copy)]
pub struct Text<'a> {
    /// The text and what lies behind it.
    readable: &'a str,
    /// Not beyond `readable`, and between two of its characters.
    length: usize,
}

impl<'a> Text<'a> {
    /// The text itself.
    #[inline]
    pub fn as_str(&self) -> &'a str {
        self.readable.get(..self.length).unwrap_or_default()
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.length
    }

    /// The first byte; 0 where the text is empty.
    #[inline]
    pub(crate) fn first(&self) -> u8 {
        if self.length == 0 { 0 } else { self.readable.as_bytes().first().copied().unwrap_or(0) }
    }

    #[inline]
    pub(crate) fn readable(&self) -> &'a str {
        self.readable
    }
}

impl<'a> From<&'a str> for Text<'a> {
    #[inline]
    fn from(text: &'a str) -> Self {
        Self { readable: text, length: text.len() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_not_utf8_spoil_no_text_but_their_own() {
        let bytes = b"\"a\"\"\xe9\"\"\xd0\xb6\"";
        let batch = Batch::new(bytes);
        let texts = [0..3, 3..6, 6..10].map(|range| batch.text(range).map(|text| text.as_str()));
        assert_eq!(texts, [Some("\"a\""), None, Some("\"ж\"")]);
    }

    #[test]
    fn a_range_that_is_not_in_the_batch_or_splits_a_character_is_no_text() {
        for bytes in ["aж".as_bytes(), b"a\xd0\xb6\xff"] {
            let batch = Batch::new(bytes);
            assert_eq!(batch.text(0..3).map(|text| text.as_str()), Some("aж"));
            #[expect(clippy::reversed_empty_ranges, reason = "this is what must be refused")]
            for range in [0..2, 2..3, 1..9, 7..9, 2..1, 1..0] {
                assert!(batch.text(range.clone()).is_none(), "{range:?}");
            }
        }
    }
}
