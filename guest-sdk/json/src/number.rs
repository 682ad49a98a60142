//! Numbers, by the letter of JSON's grammar (RFC 8259, section 6), rounded correctly.

use crate::error::Error;
use crate::reader::Reader;
use crate::source::Source;

/// A number as serde's visitors take it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    Unsigned(u64),
    Signed(i64),
    Float(f64),
}

/// Powers of ten that a double holds exactly.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];

const SHIFTS: [u64; 9] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];

/// So many digits fit 64 bits, whatever they are.
const ALWAYS_FIT: usize = 19;

impl<'de> Reader<'_, 'de> {
    /// The integer at `at` if it is one of one to seven digits, as most are, with the place behind it.
    #[inline(always)]
    pub(crate) fn short_integer(&self, at: usize) -> Option<(u64, usize)> {
        let word = self.source.whole_eight(at)?;
        let count = leading_digits(word);
        let behind = (word >> ((8 * count as u32) & 63)) as u8;
        let is_short = count.wrapping_sub(1) < 7 && (word as u8 != b'0' || count == 1);
        match is_short && ends_number(behind) {
            true => Some((eight_digits(word, count), at + count)),
            false => None,
        }
    }

    /// The integer at `at` if it is one of eight to fifteen digits, as times and numbers of customers are, with the place behind it.
    #[inline(always)]
    pub(crate) fn middling_integer(&self, at: usize) -> Option<(u64, usize)> {
        let (value, count) = middling(self.source.whole_eight(at)?, self.source.whole_eight(at + 8)?)?;
        Some((value, at + count))
    }

    /// The number at `at` if it has no sign, no exponent, one to seven digits and at most seven behind a point, as most have: its
    /// digits as an integer, how many of them stand behind the point, and the place behind it.
    #[inline(always)]
    pub(crate) fn short_decimal(&self, at: usize) -> Option<(u64, usize, usize)> {
        let word = self.source.whole_eight(at)?;
        let marks = others(word);
        let whole = first_byte(marks);
        if whole.wrapping_sub(1) >= 7 || word as u8 == b'0' && whole > 1 {
            return None;
        }
        let behind = (word >> ((8 * whole as u32) & 63)) as u8;
        if behind != b'.' {
            return ends_number(behind).then(|| (eight_digits(word, whole), 0, at + whole));
        }
        // Mostly all of it is among the eight bytes, and what follows. A point spoils no mark behind it.
        let end = first_byte(marks & marks.wrapping_sub(1));
        if end >= 8 || end < whole + 2 {
            return self.longer_decimal(at, word, whole);
        }
        if !ends_number((word >> ((8 * end as u32) & 63)) as u8) {
            return None;
        }
        let before = u64::MAX >> ((64 - 8 * whole as u32) & 63);
        let digits = eight_digits((word & before) | ((word >> 8) & !before), end - 1);
        Some((digits, end - whole - 1, at + end))
    }

    /// The same in quotes or not.
    #[inline(always)]
    pub(crate) fn decimal_in_quotes(&self, at: usize) -> Option<(u64, usize, usize)> {
        let quote = usize::from(self.source.byte(at) == b'"');
        let (digits, fraction, end) = self.short_decimal(at + quote)?;
        match quote == 0 || self.source.byte(end) == b'"' {
            true => Some((digits, fraction, end + quote)),
            false => None,
        }
    }

    /// The same with a fraction that ends farther behind.
    #[inline(always)]
    fn longer_decimal(&self, at: usize, word: u64, whole: usize) -> Option<(u64, usize, usize)> {
        let fraction = self.source.whole_eight(at + whole + 1)?;
        let count = leading_digits(fraction);
        let behind = (fraction >> ((8 * count as u32) & 63)) as u8;
        if count.wrapping_sub(1) >= 7 || !ends_number(behind) {
            return None;
        }
        // Kept apart: in a guest the compiler would make vectors of the two, whose products are slow.
        let before = std::hint::black_box(eight_digits(word, whole));
        let digits = before * SHIFTS.get(count)? + eight_digits(fraction, count);
        Some((digits, count, at + whole + 1 + count))
    }

    /// The number at `at` if it is one of up to seven digits with at most seven behind the point, as most are.
    #[inline(always)]
    pub(crate) fn short_float(&self, at: usize) -> Option<(f64, usize)> {
        let negative = self.source.byte(at) == b'-';
        let (digits, fraction, end) = self.short_decimal(at + usize::from(negative))?;
        // Both are exact in a double, so that one division rounds correctly (Clinger, 1990).
        let value = digits as f64 / POWERS.get(fraction)?;
        Some((if negative { -value } else { value }, end))
    }

    /// Takes any number; its first byte is a digit or a minus sign.
    #[inline(never)]
    pub(crate) fn number(&mut self) -> Result<Number, Error> {
        let start = self.at;
        let negative = self.source.byte(start) == b'-';
        let first = start + usize::from(negative);
        let (value, whole) = self.whole_part(first)?;
        let end = first + whole;
        if whole <= ALWAYS_FIT && !matches!(self.source.byte(end), b'.' | b'e' | b'E') {
            self.at = end;
            return Ok(match (negative, value) {
                (false, value) => Number::Unsigned(value),
                (true, 0) => Number::Float(-0.0),
                (true, value) => match 0i64.checked_sub_unsigned(value) {
                    Some(value) => Number::Signed(value),
                    None => Number::Float(-(value as f64)),
                },
            });
        }
        self.beyond_integer(start, first, (value, whole))
    }

    /// Fractions, exponents, and integers of twenty digits and more.
    fn beyond_integer(&mut self, start: usize, first: usize, whole: (u64, usize)) -> Result<Number, Error> {
        let (mut mantissa, mut significant) = whole;
        let mut end = first + significant;
        let (mut exponent, mut is_float) = (0i64, false);
        if self.source.byte(end) == b'.' {
            is_float = true;
            let (with_fraction, count) = self.some_digits(mantissa, end + 1)?;
            mantissa = with_fraction;
            significant += count;
            exponent = -i64::try_from(count).unwrap_or(i64::MAX);
            end += 1 + count;
        }
        if matches!(self.source.byte(end), b'e' | b'E') {
            is_float = true;
            let sign = self.source.byte(end + 1);
            end += 1 + usize::from(matches!(sign, b'-' | b'+'));
            let (value, count) = self.some_digits(0, end)?;
            let value = if count <= 18 { i64::try_from(value).unwrap_or(i64::MAX) } else { i64::MAX };
            exponent = exponent.saturating_add(if sign == b'-' { -value } else { value });
            end += count;
        }
        self.at = end;
        let text = self.source.text().get(start..end).unwrap_or_default();
        let negative = first > start;
        if !is_float
            && !negative
            && let Ok(value) = text.parse()
        {
            // Twenty digits may still fit.
            return Ok(Number::Unsigned(value));
        }
        // Both are exact in a double, so that one division or multiplication rounds correctly (Clinger, 1990).
        if significant <= ALWAYS_FIT && mantissa < 1 << 53 {
            let power = usize::try_from(exponent.unsigned_abs()).ok().and_then(|power| POWERS.get(power));
            if let Some(power) = power {
                let value = mantissa as f64;
                let value = if exponent < 0 { value / power } else { value * power };
                return Ok(Number::Float(if negative { -value } else { value }));
            }
        }
        match text.parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(Number::Float(value)),
            _ => {
                self.at = start;
                Err(Error::syntax("the number is out of range"))
            }
        }
    }

    /// Passes over a number; its first byte is a digit or a minus sign.
    #[inline]
    pub(crate) fn skip_number(&mut self) -> Result<(), Error> {
        match self.short_integer(self.at) {
            Some((_, end)) => {
                self.at = end;
                Ok(())
            }
            None => self.skip_any_number(),
        }
    }

    #[inline(never)]
    fn skip_any_number(&mut self) -> Result<(), Error> {
        let first = self.at + usize::from(self.source.byte(self.at) == b'-');
        let mut end = first + self.whole_part(first)?.1;
        if self.source.byte(end) == b'.' {
            end += 1;
            end += self.some_digits(0, end)?.1;
        }
        if matches!(self.source.byte(end), b'e' | b'E') {
            end += 1 + usize::from(matches!(self.source.byte(end + 1), b'-' | b'+'));
            end += self.some_digits(0, end)?.1;
        }
        self.at = end;
        Ok(())
    }

    /// The number's own text, checked by the grammar; its first byte is a digit or a minus sign.
    pub(crate) fn number_text(&mut self) -> Result<&'de str, Error> {
        let start = self.at;
        self.skip_number()?;
        Ok(self.source.text().get(start..self.at).unwrap_or_default())
    }

    /// The digits before a point: their value, wrapped where it is too large, and how many they are.
    #[inline(always)]
    fn whole_part(&mut self, first: usize) -> Result<(u64, usize), Error> {
        let (value, count) = self.some_digits(0, first)?;
        if count > 1 && self.source.byte(first) == b'0' {
            self.at = first;
            return Err(Error::syntax("a number begins with a zero"));
        }
        Ok((value, count))
    }

    /// Appends the digits at `at`, of which there must be one, to `value`.
    #[inline(always)]
    fn some_digits(&mut self, value: u64, at: usize) -> Result<(u64, usize), Error> {
        let (value, count) = accumulate(self.source, value, at);
        if count == 0 {
            self.at = at;
            return Err(Error::expected("a digit"));
        }
        Ok((value, count))
    }
}

/// The integer of eight to fifteen digits at the front of sixteen bytes, and how many it has.
#[inline(always)]
pub(crate) fn middling(front: u64, back: u64) -> Option<(u64, usize)> {
    let count = leading_digits(back);
    let behind = (back >> ((8 * count as u32) & 63)) as u8;
    if leading_digits(front) < 8 || front as u8 == b'0' || count == 8 || !ends_number(behind) {
        return None;
    }
    // The last digits with zeros in front of them, so that none are a number, too.
    let last = if count == 0 { 0 } else { eight_digits(back, count) };
    Some((eight_digits(front, 8) * SHIFTS.get(count)? + last, 8 + count))
}

/// Appends the digits at `at` to `value`, wrapped where it gets too large; says how many they were.
#[inline]
fn accumulate(source: Source<'_>, mut value: u64, at: usize) -> (u64, usize) {
    let mut total = 0;
    loop {
        let word = source.eight(at + total);
        let count = leading_digits(word);
        if count == 0 {
            return (value, total);
        }
        value = value.wrapping_mul(SHIFTS.get(count).copied().unwrap_or(1)).wrapping_add(eight_digits(word, count));
        total += count;
        if count < 8 {
            return (value, total);
        }
    }
}

/// Whether a number that has a digit before this byte ends there: what goes on with it is a point or an exponent. In one comparison,
/// which takes with them what lies between and never stands behind a number.
#[inline(always)]
fn ends_number(behind: u8) -> bool {
    (behind | 0x20).wrapping_sub(b'.') > b'e' - b'.'
}

/// How many of the eight bytes, from the lowest on, are digits before the first that is none.
#[inline(always)]
fn leading_digits(word: u64) -> usize {
    first_byte(others(word))
}

/// The bytes that are no digits, as their highest bit. Only the lowest is surely right, and one behind a byte of ASCII that is.
#[inline(always)]
fn others(word: u64) -> u64 {
    // A digit becomes 0 to 9; everything else reaches the highest bit, by itself or when 0x76 is added. A carry comes of bytes beyond
    // ASCII alone and only spoils those behind them.
    let value = word ^ 0x3030_3030_3030_3030;
    (value.wrapping_add(0x7676_7676_7676_7676) | value) & 0x8080_8080_8080_8080
}

/// The byte of the lowest mark; 8 where there is none.
#[inline(always)]
fn first_byte(marks: u64) -> usize {
    marks.trailing_zeros() as usize / 8
}

/// The value of the first `count` of the eight bytes, all digits, at least one: Johnny Lee's and Daniel Lemire's way, "Quickly parsing
/// eight digits", 2018. Digits are moved to the back of the word, and zeros in front of them change nothing.
#[inline(always)]
fn eight_digits(word: u64, count: usize) -> u64 {
    let word = (word & 0x0f0f_0f0f_0f0f_0f0f) << ((64 - 8 * count as u32) & 63);
    let pairs = word.wrapping_mul(10).wrapping_add(word >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul(100).wrapping_add(pairs >> 16) & 0x0000_ffff_0000_ffff;
    fours.wrapping_mul(10_000).wrapping_add(fours >> 32) & 0xffff_ffff
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Text;

    fn one_by_one(mut value: u64, bytes: &[u8]) -> (u64, usize) {
        let digits: Vec<u8> = bytes.iter().copied().take_while(u8::is_ascii_digit).collect();
        for digit in &digits {
            value = value.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
        }
        (value, digits.len())
    }

    #[test]
    fn eight_at_a_time_is_one_by_one() {
        let mut state = 1u64;
        for _ in 0..if cfg!(miri) { 100 } else { 200_000 } {
            let text: String = (0..20)
                .map(|_| {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    let random = (state >> 40) as u8;
                    // Mostly digits, and everything else up to two bytes.
                    if random < 230 { char::from(b'0' + random % 10) } else { char::from((state >> 48) as u8) }
                })
                .collect();
            assert_eq!(accumulate(Source::new(&text), 7, 0), one_by_one(7, text.as_bytes()), "{text:?}");
        }
    }

    #[test]
    fn middling_integers_are_those_of_eight_to_fifteen_digits() {
        for count in 1..20 {
            for first in ["1", "0", "9"] {
                let digits = format!("{first}{}", &"23456789012345678901"[..count - 1]);
                for behind in ["", ",", ".5", "e5", "E", "}"] {
                    let text = format!("{digits}{behind}                ");
                    let text = Text::from(&*text);
                    let read = Reader::new(text, None).middling_integer(0);
                    let is_one = (8..=15).contains(&count) && first != "0" && matches!(behind, "" | "," | "}");
                    assert_eq!(read, is_one.then(|| (digits.parse().unwrap(), count)), "{}", text.as_str());
                }
            }
        }
    }
}
