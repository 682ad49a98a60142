//! The text that is read, from which any number of bytes may be asked for: what lies behind its end reads as zeros, which
//! are control characters, so that no string, number or space goes on there.

use crate::vector::{Block, WIDTH};

/// A text, and where sixteen bytes at once may be taken from it.
#[derive(Debug, Clone, Copy)]
pub struct Source<'de> {
    text: &'de str,
    /// At this many places, from the front, sixteen bytes may be read.
    places: usize,
    /// At this many, eight.
    places_of_eight: usize,
}

/// A short text to compare with.
#[derive(Clone, Copy)]
pub struct Literal {
    parts: [Part; 3],
    length: usize,
}

#[derive(Clone, Copy)]
struct Part {
    text: [u8; WIDTH],
    mask: [u8; WIDTH],
}

impl Literal {
    /// How long one may be: what stands between two values of a record is rarely longer, and three steps compare it.
    pub const LONGEST: usize = 3 * WIDTH;

    /// A literal that no text has: this byte is none of UTF-8.
    pub const NEVER: Self = Self { parts: [Part { text: [0xff; WIDTH], mask: [0xff; WIDTH] }; 3], length: 0 };

    /// The literal of these bytes, of at most [`LONGEST`](Self::LONGEST).
    pub fn new(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > Self::LONGEST {
            return None;
        }
        let mut parts = [Part { text: [0; WIDTH], mask: [0; WIDTH] }; 3];
        for (part, bytes) in parts.iter_mut().zip(bytes.chunks(WIDTH)) {
            part.text.iter_mut().zip(bytes).for_each(|(into, byte)| *into = *byte);
            part.mask.iter_mut().take(bytes.len()).for_each(|mask| *mask = 0xff);
        }
        Some(Self { parts, length: bytes.len() })
    }

    #[inline(always)]
    pub fn length(&self) -> usize {
        self.length
    }
}

/// The text that these bytes are, if they are one.
///
/// In pieces: the check is quick as long as there is nothing but ASCII, and slow from there on to its end. What begins as ASCII is
/// looked at here, for most texts are nothing else.
#[allow(unsafe_code)]
pub fn text_of(bytes: &[u8]) -> Option<&str> {
    let mut rest = behind_ascii(bytes);
    while let Some(cut) = (PIECE..rest.len()).find(|&at| rest.get(at).is_some_and(|byte| byte & 0xc0 != 0x80)) {
        let (piece, behind) = rest.split_at_checked(cut)?;
        simdutf8::basic::from_utf8(piece).ok()?;
        rest = behind_ascii(behind);
    }
    simdutf8::basic::from_utf8(rest).ok()?;
    // SAFETY: each piece is UTF-8, and texts one behind the other are one.
    Some(unsafe { str::from_utf8_unchecked(bytes) })
}

/// Longer than most records, and so long that what a piece costs besides does not count.
const PIECE: usize = 1 << 10;

/// What is left of the bytes behind all blocks of ASCII at their front.
#[inline]
fn behind_ascii(mut bytes: &[u8]) -> &[u8] {
    // Eight blocks a turn: every turn of a loop costs a guest a look at the clock of its time slice.
    while let Some((eight, rest)) = bytes.split_first_chunk::<{ 8 * WIDTH }>()
        && Block::all_ascii(eight)
    {
        bytes = rest;
    }
    bytes
}

impl<'de> Source<'de> {
    #[inline(always)]
    pub fn new(text: &'de str) -> Self {
        let places = |width: usize| (text.len() + 1).saturating_sub(width);
        Self { text, places: places(WIDTH), places_of_eight: places(8) }
    }

    #[inline]
    pub fn text(&self) -> &'de str {
        self.text
    }

    #[inline(always)]
    #[allow(unsafe_code)]
    fn chunk(&self, at: usize) -> Option<&'de [u8; WIDTH]> {
        if at >= self.places {
            return None;
        }
        // SAFETY: `at + 16` is at most the text's length by how `places` was made, and these bytes live as long as the text. One
        // comparison where a slice's own check makes two; this is the way of every token.
        Some(unsafe { &*self.text.as_ptr().add(at).cast() })
    }

    /// What is left of the text at `at`, filled up with zeros.
    #[cold]
    #[inline(never)]
    fn tail(self, at: usize) -> [u8; WIDTH] {
        let mut bytes = [0; WIDTH];
        let rest = self.text.as_bytes().get(at..).unwrap_or_default();
        bytes.iter_mut().zip(rest).for_each(|(byte, of_text)| *byte = *of_text);
        bytes
    }

    #[inline(always)]
    fn block(&self, at: usize) -> Block {
        match self.chunk(at) {
            Some(chunk) => Block::load(chunk),
            None => Block::load(&self.tail(at)),
        }
    }

    /// Eight bytes, the first one the lowest; zeros behind the end.
    #[inline(always)]
    pub fn eight(&self, at: usize) -> u64 {
        self.whole_eight(at).unwrap_or_else(|| self.eight_of_tail(at))
    }

    #[cold]
    #[inline(never)]
    fn eight_of_tail(self, at: usize) -> u64 {
        self.tail(at).first_chunk().map_or(0, |eight| u64::from_le_bytes(*eight))
    }

    /// The same, if there are eight.
    #[inline(always)]
    #[allow(unsafe_code)]
    pub fn whole_eight(&self, at: usize) -> Option<u64> {
        if at >= self.places_of_eight {
            return None;
        }
        // SAFETY: as in `chunk`, with eight bytes.
        let eight: &[u8; 8] = unsafe { &*self.text.as_ptr().add(at).cast() };
        Some(u64::from_le_bytes(*eight))
    }

    #[inline(always)]
    pub fn byte(&self, at: usize) -> u8 {
        self.text.as_bytes().get(at).copied().unwrap_or(0)
    }

    /// Whether `literal` stands at `at`. False also where the end is too near to compare sixteen bytes.
    #[inline(always)]
    pub fn has(&self, at: usize, literal: &Literal) -> bool {
        let [front, ..] = &literal.parts;
        self.has_part(at, front) && (literal.length <= WIDTH || self.has_rest(at, literal))
    }

    #[inline(never)]
    fn has_rest(self, at: usize, literal: &Literal) -> bool {
        let [_, middle, back] = &literal.parts;
        self.has_part(at + WIDTH, middle) && (literal.length <= 2 * WIDTH || self.has_part(at + 2 * WIDTH, back))
    }

    #[inline(always)]
    fn has_part(&self, at: usize, part: &Part) -> bool {
        self.chunk(at).is_some_and(|chunk| Block::load(chunk).matches(&part.text, &part.mask))
    }

    /// The string whose opening quote stands at `at`, if it has no escape; its closing quote stands behind it.
    #[inline(always)]
    #[allow(unsafe_code)]
    pub fn plain_string(&self, at: usize) -> Option<&'de str> {
        let Some(chunk) = self.chunk(at) else { return self.longer_string(at, at + 1) };
        let (special, quotes) = Block::load(chunk).specials();
        let behind_opening = special & special.wrapping_sub(1);
        if behind_opening == 0 {
            return self.longer_string(at, at + WIDTH);
        }
        let end = behind_opening.trailing_zeros();
        if quotes & (quotes >> end) & 1 == 0 {
            return None;
        }
        // SAFETY: quotes stand at `at` and, since the lowest bit was taken away, behind it, at one of the sixteen bytes that are the
        // text's. Behind a quote and before one there are no halves of characters.
        Some(unsafe { self.text.get_unchecked(at + 1..at + end as usize) })
    }

    /// The same where all is plain up to `plain`.
    #[inline(never)]
    fn longer_string(self, at: usize, plain: usize) -> Option<&'de str> {
        self.between_quotes(at + 1, self.plain_end_of_longer(plain))
    }

    /// All bytes from `at` on.
    #[inline(always)]
    pub fn behind(&self, at: usize) -> Option<&'de [u8]> {
        self.text.as_bytes().get(at..)
    }

    #[inline(always)]
    #[allow(unsafe_code)]
    fn between_quotes(&self, start: usize, end: usize) -> Option<&'de str> {
        if self.byte(start.wrapping_sub(1)) != b'"' || self.byte(end) != b'"' || start > end {
            return None;
        }
        // SAFETY: both ends stand within the text, since a byte beyond it reads as 0, and in this order. Behind a quote and
        // before one there are no halves of characters.
        Some(unsafe { self.text.get_unchecked(start..end) })
    }

    /// Where the plain text that begins at `at` ends: at a quote, a backslash or a control character.
    #[inline(always)]
    pub fn plain_end(&self, at: usize) -> usize {
        // Most strings end here.
        match self.chunk(at).map(|chunk| Block::load(chunk).first_special()) {
            Some(found) if found < WIDTH => at + found,
            _ => self.plain_end_of_longer(at),
        }
    }

    /// Where the white space ends that may begin at `at`.
    #[inline(always)]
    pub fn behind_space(&self, at: usize) -> usize {
        let byte = self.byte(at);
        if byte > b' ' {
            return at;
        }
        match byte == b' ' && self.byte(at + 1) > b' ' {
            true => at + 1,
            false => self.behind_longer_space(at),
        }
    }

    /// The same, without being part of what asks for it.
    #[inline(never)]
    pub fn behind_any_space(self, at: usize) -> usize {
        self.behind_space(at)
    }

    #[inline(never)]
    fn behind_longer_space(self, at: usize) -> usize {
        match self.chunk(at).map(|chunk| Block::load(chunk).first_that_is_no_space()) {
            Some(found) if found < WIDTH => at + found,
            _ => self.behind_space_one_by_one(at),
        }
    }

    fn behind_space_one_by_one(self, mut at: usize) -> usize {
        while matches!(self.byte(at), b' ' | b'\n' | b'\t' | b'\r') {
            at += 1;
        }
        at
    }

    #[inline(never)]
    fn plain_end_of_longer(self, mut at: usize) -> usize {
        loop {
            // Two a turn: every turn of a loop costs a guest a look at the clock of its time slice.
            let found = self.block(at).first_special();
            if found < WIDTH {
                return at + found;
            }
            at += WIDTH;
            let found = self.block(at).first_special();
            if found < WIDTH {
                return at + found;
            }
            at += WIDTH;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_what_is_utf8_wherever_it_stops_being_ascii() {
        let letters = ["é", "ж", "汉", "😀"].map(str::as_bytes);
        let wrong: [&[u8]; 5] = [b"\xff", b"\xc3", b"\xa9", b"\xe6\xb1", b"\xf0\x9f\x98"];
        for at in (0..3 * PIECE).step_by(if cfg!(miri) { 511 } else { 13 }) {
            for piece in letters.into_iter().chain(wrong) {
                let bytes = ["a".repeat(at).as_bytes(), piece, "b".repeat(3 * PIECE - at).as_bytes()].concat();
                assert_eq!(text_of(&bytes), str::from_utf8(&bytes).ok(), "{at} {piece:?}");
                let bytes = ["a".repeat(at).as_bytes(), piece].concat();
                assert_eq!(text_of(&bytes), str::from_utf8(&bytes).ok(), "{at} {piece:?}");
            }
        }
    }

    #[test]
    fn behind_the_end_there_are_zeros() {
        for length in 0..40 {
            let text = "x".repeat(length);
            let source = Source::new(&text);
            for at in 0..60 {
                let expected: Vec<u8> = (at..at + 8).map(|at| if at < length { b'x' } else { 0 }).collect();
                assert_eq!(source.eight(at).to_le_bytes(), *expected, "{length} {at}");
                assert_eq!(source.byte(at), expected[0]);
                assert_eq!(source.plain_end(at), at.max(length));
            }
        }
        assert_eq!(Source::new("abc").byte(usize::MAX), 0);
        assert_eq!(Source::new("abc").eight(usize::MAX), 0);
    }

    #[test]
    fn takes_strings_of_all_lengths_to_their_quote_and_no_others() {
        for length in (0..100).step_by(if cfg!(miri) { 9 } else { 1 }) {
            for end in ["", "\"", "\\", "\n"] {
                let inner = "é".repeat(length);
                let text = format!("[\"{inner}{end}");
                let expected = (end == "\"").then_some(&*inner);
                assert_eq!(Source::new(&text).plain_string(1), expected);
                assert_eq!(Source::new(&text).plain_string(0), None);
                assert_eq!(Source::new(&(text + &"-".repeat(32))).plain_string(1), expected);
            }
        }
    }

    #[test]
    fn has_a_literal_where_all_of_it_stands() {
        let text = "0123456789".repeat(6);
        let source = Source::new(&text);
        for length in (0..=Literal::LONGEST).step_by(if cfg!(miri) { 7 } else { 1 }) {
            for at in 0..text.len() + 3 {
                let there =
                    text.as_bytes().get(at..at + length.max(1).next_multiple_of(WIDTH)).map(|there| &there[..length]);
                let literal = Literal::new(&text.as_bytes()[1..=length]).unwrap();
                assert_eq!(source.has(at, &literal), there.is_some_and(|there| *there == text.as_bytes()[1..=length]));
            }
            for wrong in 0..length {
                let mut bytes = text.as_bytes()[..length].to_vec();
                bytes[wrong] ^= 1;
                assert!(!source.has(0, &Literal::new(&bytes).unwrap()), "{length} {wrong}");
            }
        }
        assert!(Literal::new(&[0; Literal::LONGEST + 1]).is_none());
        assert!(!source.has(0, &Literal::NEVER));
        assert!(!source.has(1_000, &Literal::NEVER));
    }
}
