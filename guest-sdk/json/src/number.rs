//! Numbers, by the letter of JSON's grammar (RFC 8259, section 6), rounded correctly.

use crate::error::Error;

/// A number as serde's visitors take it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    Unsigned(u64),
    Signed(i64),
    Float(f64),
}

/// What was read: the number and how many bytes it takes.
pub struct Parsed {
    pub number: Number,
    pub length: usize,
}

/// Powers of ten that a double holds exactly.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];

/// Reads the number at the front of `text`, whose first byte is a digit or a minus sign.
#[inline]
pub fn parse(text: &str) -> Result<Parsed, Error> {
    let bytes = text.as_bytes();
    let negative = bytes.first() == Some(&b'-');
    let start = usize::from(negative);
    let (value, digits) = integer(bytes, start)?;
    let length = start + digits;
    // Nineteen digits always fit 64 bits.
    if digits <= 19 && !matches!(bytes.get(length), Some(b'.' | b'e' | b'E')) {
        let number = match (negative, value) {
            (false, value) => Number::Unsigned(value),
            (true, 0) => Number::Float(-0.0),
            (true, value) => match 0i64.checked_sub_unsigned(value) {
                Some(value) => Number::Signed(value),
                None => Number::Float(-(value as f64)),
            },
        };
        return Ok(Parsed { number, length });
    }
    beyond_integer(text, negative, start, digits, value)
}

/// The digits from `start` on: their value, wrapped where it is too large, and how many they are.
#[inline]
fn integer(bytes: &[u8], start: usize) -> Result<(u64, usize), Error> {
    let digits = bytes.get(start..).unwrap_or_default();
    let (value, count) = accumulate(0, digits);
    match (count, digits.first()) {
        (0, _) => Err(Error::syntax("expected a digit")),
        (1, _) | (_, Some(b'1'..=b'9')) => Ok((value, count)),
        _ => Err(Error::syntax("a number begins with a zero")),
    }
}

/// Appends the digits at the front of `bytes` to `value`, wrapped where it gets too large; says how many they were.
#[inline]
fn accumulate(value: u64, bytes: &[u8]) -> (u64, usize) {
    // Eight at a time: Johnny Lee's and Daniel Lemire's way, "Quickly parsing eight digits", 2018.
    let Some((eight, behind)) = bytes.split_first_chunk::<8>() else { return one_by_one(value, bytes) };
    let word = u64::from_le_bytes(*eight);
    let count = leading_digits(word);
    // Digits are moved to the back of the word, and zeros in front of them change nothing.
    let value = value.wrapping_mul(SHIFTS.get(count).copied().unwrap_or(1)).wrapping_add(eight_digits(word, count));
    if count < 8 {
        return (value, count);
    }
    let (value, more) = one_by_one(value, behind);
    (value, 8 + more)
}

const SHIFTS: [u64; 9] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];

/// How many of the eight bytes, from the lowest on, are digits before the first that is none.
#[inline]
fn leading_digits(word: u64) -> usize {
    const HIGH: u64 = 0xf0f0_f0f0_f0f0_f0f0;
    // A byte is a digit where its high half is 3, and still is when 6 is added to it.
    let plus_six = word.wrapping_add(0x0606_0606_0606_0606);
    let wrong = ((word & HIGH) ^ 0x3030_3030_3030_3030) | ((plus_six & HIGH) ^ 0x3030_3030_3030_3030);
    // A carry of the addition only spoils bytes behind one that is wrong itself.
    if wrong == 0 { 8 } else { (wrong.trailing_zeros() / 8) as usize }
}

/// The value of the first `count` of the eight bytes, all digits.
#[inline]
fn eight_digits(word: u64, count: usize) -> u64 {
    if count == 0 {
        return 0;
    }
    let word = (word & 0x0f0f_0f0f_0f0f_0f0f) << (64 - 8 * count as u32);
    let pairs = word.wrapping_mul(10).wrapping_add(word >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul(100).wrapping_add(pairs >> 16) & 0x0000_ffff_0000_ffff;
    fours.wrapping_mul(10_000).wrapping_add(fours >> 32) & 0xffff_ffff
}

fn one_by_one(mut value: u64, bytes: &[u8]) -> (u64, usize) {
    let mut count = 0;
    for byte in bytes {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
        count += 1;
    }
    (value, count)
}

/// Fractions, exponents, and integers of twenty digits and more.
fn beyond_integer(text: &str, negative: bool, start: usize, digits: usize, value: u64) -> Result<Parsed, Error> {
    let bytes = text.as_bytes();
    let mut at = start + digits;
    let (mut mantissa, mut significant, mut exponent) = (value, digits, 0i64);
    let mut is_float = false;
    if bytes.get(at) == Some(&b'.') {
        is_float = true;
        at += 1;
        let count;
        (mantissa, count) = accumulate(mantissa, bytes.get(at..).unwrap_or_default());
        if count == 0 {
            return Err(Error::syntax("expected a digit behind the point"));
        }
        significant += count;
        exponent = -i64::try_from(count).unwrap_or(i64::MAX);
        at += count;
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        is_float = true;
        at += 1;
        let minus = bytes.get(at) == Some(&b'-');
        at += usize::from(matches!(bytes.get(at), Some(b'-' | b'+')));
        let power = bytes.get(at..).unwrap_or_default().iter().take_while(|byte| byte.is_ascii_digit());
        let (mut shift, mut count) = (0i64, 0);
        for byte in power {
            shift = shift.saturating_mul(10).saturating_add(i64::from(byte - b'0'));
            count += 1;
        }
        if count == 0 {
            return Err(Error::syntax("expected a digit in the exponent"));
        }
        exponent = if minus { exponent.saturating_sub(shift) } else { exponent.saturating_add(shift) };
        at += count;
    }
    let whole = text.get(..at).unwrap_or_default();
    let parsed = |number| Ok(Parsed { number, length: at });
    if !is_float {
        // Twenty digits may still fit.
        if let (false, Ok(value)) = (negative, whole.parse()) {
            return parsed(Number::Unsigned(value));
        }
    }
    // Both are exact in a double, so that one division or multiplication rounds correctly (Clinger, 1990).
    if significant <= 19 && mantissa < 1 << 53 {
        let power = usize::try_from(exponent.unsigned_abs()).ok().and_then(|power| POWERS.get(power));
        if let Some(power) = power {
            let value = mantissa as f64;
            let value = if exponent < 0 { value / power } else { value * power };
            return parsed(Number::Float(if negative { -value } else { value }));
        }
    }
    match whole.parse::<f64>() {
        Ok(value) if value.is_finite() => parsed(Number::Float(value)),
        _ => Err(Error::syntax("the number is out of range")),
    }
}

/// The bytes of the number at the front of `text`, checked but not read.
pub fn length(text: &str) -> Result<usize, Error> {
    let bytes = text.as_bytes();
    let start = usize::from(bytes.first() == Some(&b'-'));
    let (_, digits) = integer(bytes, start)?;
    let mut at = start + digits;
    let count = |at: usize| bytes.get(at..).unwrap_or_default().iter().take_while(|byte| byte.is_ascii_digit()).count();
    if bytes.get(at) == Some(&b'.') {
        let digits = count(at + 1);
        if digits == 0 {
            return Err(Error::syntax("expected a digit behind the point"));
        }
        at += 1 + digits;
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        at += 1 + usize::from(matches!(bytes.get(at + 1), Some(b'-' | b'+')));
        let digits = count(at);
        if digits == 0 {
            return Err(Error::syntax("expected a digit in the exponent"));
        }
        at += digits;
    }
    Ok(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_at_a_time_is_one_by_one() {
        let mut state = 1u64;
        for _ in 0..200_000 {
            let bytes: [u8; 12] = std::array::from_fn(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let random = (state >> 40) as u8;
                // Mostly digits, and what stands beside them in ASCII.
                if random < 230 { b'0' + random % 10 } else { random.wrapping_mul(31) }
            });
            assert_eq!(accumulate(7, &bytes), one_by_one(7, &bytes), "{bytes:?}");
        }
    }
}
