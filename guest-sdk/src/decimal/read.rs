//! The notations of a decimal number, read into units of its last digit without a double in between: this runs for every record.

/// Why something is not a decimal number of the type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The text is not a number.
    Shape,
    /// More digits before the point than the type has.
    Digits,
    /// More digits after the point than the type has.
    Fraction,
    /// A double that stands for no single decimal of the type.
    Inexact,
}

/// Units of 10^-`scale` in `-12.50` or `+1`: no exponent, digits on both sides of a point.
#[inline]
pub(super) fn text(text: &[u8], scale: u32) -> Result<i128, Fault> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    let units = match short(digits, scale) {
        Some(units) => units.into(),
        None => longer(digits, 0, scale)?,
    };
    Ok(if negative { -units } else { units })
}

/// Units of 10^-`scale` in a number of JSON, which may have an exponent.
#[inline]
pub(super) fn number(number: &[u8], scale: u32) -> Result<i128, Fault> {
    let (negative, digits) = match number {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    let units = match short(digits, scale) {
        Some(units) => units.into(),
        None => with_exponent(digits, scale)?,
    };
    Ok(if negative { -units } else { units })
}

fn with_exponent(number: &[u8], scale: u32) -> Result<i128, Fault> {
    let Some(at) = number.iter().position(|byte| matches!(byte, b'e' | b'E')) else { return longer(number, 0, scale) };
    let (digits, exponent) = number.split_at(at);
    let (negative, exponent) = match exponent {
        [_, b'-', exponent @ ..] => (true, exponent),
        [_, b'+', exponent @ ..] | [_, exponent @ ..] => (false, exponent),
        [] => return Err(Fault::Shape),
    };
    if exponent.is_empty() {
        return Err(Fault::Shape);
    }
    let mut power = 0i64;
    for digit in exponent {
        power = power.saturating_mul(10).saturating_add(i64::from(value(*digit)?));
    }
    longer(digits, if negative { -power } else { power }, scale)
}

/// Eight bytes of this.
const fn eight(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

const POWERS: [u64; 12] = [
    1,
    10,
    100,
    1_000,
    10_000,
    100_000,
    1_000_000,
    10_000_000,
    100_000_000,
    1_000_000_000,
    10_000_000_000,
    100_000_000_000,
];

/// Units of up to eight digits with an optional point, worked on all at once (SWAR), as most numbers are; `None` for all else, right
/// or wrong.
#[inline]
fn short(text: &[u8], scale: u32) -> Option<u64> {
    let word = word(text)?;
    // The lowest byte that is zero shows as its highest bit; higher ones may be wrong.
    let without_points = word ^ eight(b'.');
    let points = without_points.wrapping_sub(eight(1)) & !without_points & eight(0x80);
    let whole = (points.trailing_zeros() / 8).min(text.len() as u32);
    let fraction = (text.len() as u32 - whole).saturating_sub(1);
    let count = whole + fraction;
    if whole == 0 || (points != 0 && fraction == 0) || fraction > scale {
        return None;
    }
    // Digits behind the point move over it, then all to the high end; below them come zeros.
    let before = u64::MAX.checked_shl(8 * whole).unwrap_or(0);
    let digits = (word & !before) | ((word >> 8) & before);
    let digits = if points == 0 { word } else { digits } << (64 - 8 * count);
    let values = digits ^ (eight(b'0') << (64 - 8 * count));
    if (values | values.wrapping_add(eight(0x76))) & eight(0x80) != 0 {
        return None;
    }
    // Johnny Lee's and Daniel Lemire's way, "Quickly parsing eight digits", 2018.
    let pairs = values.wrapping_mul(10).wrapping_add(values >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul(100).wrapping_add(pairs >> 16) & 0x0000_ffff_0000_ffff;
    let value = fours.wrapping_mul(10_000).wrapping_add(fours >> 32) & 0xffff_ffff;
    // Nineteen digits at most.
    Some(value * POWERS.get((scale - fraction) as usize)?)
}

/// One to eight bytes, the first the lowest, zeros behind the last.
#[inline]
fn word(text: &[u8]) -> Option<u64> {
    let length = text.len();
    match length {
        4..=8 => {
            let (first, last) = (text.first_chunk::<4>()?, text.last_chunk::<4>()?);
            Some(u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << (8 * (length - 4)))
        }
        1..=3 => {
            let (first, middle, last) = (*text.first()?, *text.get(length / 2)?, *text.last()?);
            Some(u64::from(first) | u64::from(middle) << (8 * (length / 2)) | u64::from(last) << (8 * (length - 1)))
        }
        _ => None,
    }
}

/// Units of digits with an optional point, times ten to the `power`.
fn longer(text: &[u8], power: i64, scale: u32) -> Result<i128, Fault> {
    if power == 0
        && text.len() + scale as usize <= 19
        && let Some(units) = middling(text, scale)
    {
        return Ok(units.into());
    }
    long(text, power, scale)
}

/// The same where text and scale together are at most 19 digits, which fit 64 bits: arithmetic with those costs a guest far less.
/// `None` for all else, right or wrong.
fn middling(text: &[u8], scale: u32) -> Option<u64> {
    let (mut units, mut fraction) = (0u64, None);
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        match (digit, fraction) {
            (0..=9, _) => {
                units = units.wrapping_mul(10).wrapping_add(digit.into());
                fraction = fraction.map(|count| count + 1);
            }
            (_, None) if *byte == b'.' => fraction = Some(0),
            _ => return None,
        }
    }
    if fraction == Some(0) || matches!(text, [] | [b'.', ..]) {
        return None;
    }
    let zeros = scale.checked_sub(fraction.unwrap_or(0))?;
    Some(units * 10u64.pow(zeros))
}

/// Units of any number of digits with an optional point, times ten to the `power`.
fn long(text: &[u8], power: i64, scale: u32) -> Result<i128, Fault> {
    let whole = text.iter().position(|byte| *byte == b'.').unwrap_or(text.len());
    let (before, behind) = text.split_at(whole);
    let behind = match behind {
        [] => behind,
        [_, behind @ ..] if !behind.is_empty() => behind,
        _ => return Err(Fault::Shape),
    };
    if before.is_empty() {
        return Err(Fault::Shape);
    }
    // So many digits from the first on are units, and zeros follow where there are not so many.
    let mut kept = (whole as i64).saturating_add(power).saturating_add(i64::from(scale));
    let (mut units, mut too_many, mut inexact) = (0u128, false, false);
    for byte in before.iter().chain(behind) {
        let digit = value(*byte)?;
        if kept > 0 {
            match units.checked_mul(10).and_then(|units| units.checked_add(digit.into())) {
                Some(more) => units = more,
                None => too_many = true,
            }
            kept -= 1;
        } else {
            inexact |= digit != 0;
        }
    }
    if too_many {
        return Err(Fault::Digits);
    }
    if inexact {
        return Err(Fault::Fraction);
    }
    if units > 0 && kept > 0 {
        let zeros = u32::try_from(kept).ok().and_then(|kept| 10u128.checked_pow(kept));
        units = zeros.and_then(|zeros| units.checked_mul(zeros)).ok_or(Fault::Digits)?;
    }
    i128::try_from(units).map_err(|_| Fault::Digits)
}

#[inline]
fn value(digit: u8) -> Result<u8, Fault> {
    let value = digit.wrapping_sub(b'0');
    if value > 9 { Err(Fault::Shape) } else { Ok(value) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Random texts of what numbers are written with, mostly digits.
    fn texts() -> impl Iterator<Item = Vec<u8>> {
        let mut state = 7u64;
        let mut random = move |limit: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % limit
        };
        (0..400_000).map(move |_| {
            let mut text: Vec<u8> = (0..random(22)).map(|_| b'0' + random(10) as u8).collect();
            for _ in 0..random(3) {
                let (at, odd) =
                    (random(text.len() as u64 + 1) as usize, b"....-+eE/:\x00\xb0\xff"[random(13) as usize]);
                text.insert(at, odd);
            }
            text
        })
    }

    #[test]
    fn quick_ways_answer_as_the_slow_one() {
        for text in texts() {
            for scale in [0, 2, 4, 11, 12, 18, 38] {
                let slow = long(&text, 0, scale);
                if let Some(units) = short(&text, scale) {
                    assert_eq!(Ok(units.into()), slow, "{:?}", String::from_utf8_lossy(&text));
                }
                assert_eq!(longer(&text, 0, scale), slow, "{:?}", String::from_utf8_lossy(&text));
            }
            // What the quickest way is there for it must not leave to the others.
            if text.len() <= 8 && long(&text, 0, 8).is_ok() {
                assert!(short(&text, 8).is_some(), "{:?}", String::from_utf8_lossy(&text));
            }
        }
    }

    #[test]
    fn an_exponent_moves_the_point() {
        for (given, units) in [
            ("1.1e2", Ok(1_100_000)),
            ("1e0", Ok(10_000)),
            ("-25E-4", Ok(-25)),
            ("0.00012e+1", Ok(12)),
            ("100000e-9", Ok(1)),
            ("0e999999999999999999999", Ok(0)),
            ("0.0e-99999", Ok(0)),
            ("1e34", Ok(10i128.pow(38))),
            ("1e-5", Err(Fault::Fraction)),
            ("1.00005", Err(Fault::Fraction)),
            ("1e-999999999999999999999", Err(Fault::Fraction)),
            ("1e35", Err(Fault::Digits)),
            ("1e999999999999999999999", Err(Fault::Digits)),
            ("1e", Err(Fault::Shape)),
            ("1e+", Err(Fault::Shape)),
            ("e1", Err(Fault::Shape)),
            ("1.e1", Err(Fault::Shape)),
            ("1e1.5", Err(Fault::Shape)),
            ("1e1e1", Err(Fault::Shape)),
        ] {
            assert_eq!(number(given.as_bytes(), 4), units, "{given}");
        }
        assert_eq!(text(b"1e1", 4), Err(Fault::Shape));
    }
}
