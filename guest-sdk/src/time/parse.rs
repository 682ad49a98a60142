//! The notations of a point in time, read without tables or allocation: this runs for every record.

use std::cell::Cell;

/// A point in time: seconds since 1970-01-01 UTC, and nanoseconds after that second, so never negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment {
    pub(super) seconds: i64,
    pub(super) nanos: u32,
}

/// Why something is not a point in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// None of the notations.
    Shape,
    /// A month 13, a 30th of February, a minute 60.
    Calendar,
    /// Outside of what the column can hold.
    Range,
}

/// Integers from here on are milliseconds: as seconds they would be after the year 5138, and as milliseconds the
/// smallest is in March 1973.
const FIRST_MILLIS: u64 = 100_000_000_000;

/// Doubles are good for seconds up to here, well past 2299, with an error below a microsecond.
const LAST_DOUBLE: f64 = 1e11;

const SECONDS_A_DAY: i64 = 86_400;

impl Moment {
    /// RFC 3339 with any offset, the same with a space or without an offset (UTC), or an integer as text.
    #[inline(always)]
    pub(super) fn parse(text: &[u8]) -> Result<Self, Fault> {
        match text.split_first_chunk::<19>() {
            Some((civil, rest)) if matches!(civil, [_, _, _, _, b'-', ..]) => parse_civil(civil, rest),
            _ => parse_integer(text).map(Self::from_epoch),
        }
    }

    /// A time in quotes at the front of a text: with milliseconds and `Z`, an offset or neither, or without milliseconds and with `Z`
    /// or nothing; how many bytes it has. `None` for all else, right or wrong.
    #[inline(always)]
    pub(super) fn in_quotes(text: &[u8; 32]) -> Option<(Self, usize)> {
        let (civil, rest) = match text {
            [b'"', text @ ..] => text.split_first_chunk::<19>()?,
            _ => return None,
        };
        let seconds = seconds_of_civil(civil).ok()?;
        match *rest {
            [b'.', a @ b'0'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', ref rest @ ..] => {
                let nanos = (u32::from(a - b'0') * 100 + u32::from(b - b'0') * 10 + u32::from(c - b'0')) * 1_000_000;
                match *rest {
                    [b'Z', b'"', ..] => Some((Self { seconds, nanos }, 26)),
                    [b'"', ..] => Some((Self { seconds, nanos }, 25)),
                    [sign, h1, h2, b':', m1, m2, b'"', ..] => {
                        let ahead = offset(sign, two(h1, h2), two(m1, m2)).ok()?;
                        Some((Self { seconds: seconds - ahead, nanos }, 31))
                    }
                    _ => None,
                }
            }
            [b'"', ..] => Some((Self { seconds, nanos: 0 }, 21)),
            [b'Z', b'"', ..] => Some((Self { seconds, nanos: 0 }, 22)),
            _ => None,
        }
    }

    /// Seconds, or milliseconds where the number is too large for seconds.
    #[inline]
    pub(super) fn from_epoch(value: i64) -> Self {
        if value.unsigned_abs() >= FIRST_MILLIS {
            return Self::from_millis(value);
        }
        Self { seconds: value, nanos: 0 }
    }

    /// The same, of at most fifteen digits. Integers of 64 bits are divided slowly.
    #[inline(always)]
    pub(super) fn from_short_epoch(value: u64) -> Self {
        if value >= FIRST_MILLIS {
            let seconds = value / 1_000;
            return Self { seconds: seconds as i64, nanos: (value - seconds * 1_000) as u32 * 1_000_000 };
        }
        Self { seconds: value as i64, nanos: 0 }
    }

    #[inline]
    pub(super) fn from_millis(millis: i64) -> Self {
        Self { seconds: millis.div_euclid(1_000), nanos: millis.rem_euclid(1_000) as u32 * 1_000_000 }
    }

    /// Seconds with a fraction, to the nearest microsecond: a double of today's seconds is no better than that, and
    /// cutting it off would turn `.123` into `.122`.
    #[inline]
    pub(super) fn from_seconds(value: f64) -> Result<Self, Fault> {
        if value.is_nan() || value.abs() >= LAST_DOUBLE {
            return Err(Fault::Range);
        }
        let micros = (value * 1e6).round() as i64;
        Ok(Self { seconds: micros.div_euclid(1_000_000), nanos: micros.rem_euclid(1_000_000) as u32 * 1_000 })
    }
}

/// A date as it is written, in two parts, and its days since 1970-01-01.
struct LastDate {
    front: Cell<u64>,
    back: Cell<u16>,
    days: Cell<i64>,
}

thread_local! {
    /// The date that was read last: most times that follow are of the same day.
    static LAST_DATE: LastDate = const {
        LastDate {
            front: Cell::new(u64::from_le_bytes(*b"1970-01-")),
            back: Cell::new(u16::from_le_bytes(*b"01")),
            days: Cell::new(0),
        }
    };
}

/// `2026-11-20T10:15:00` and what follows: a fraction of any length, then `Z`, an offset or nothing.
#[inline(always)]
fn parse_civil(civil: &[u8; 19], rest: &[u8]) -> Result<Moment, Fault> {
    let seconds = seconds_of_civil(civil)?;
    match *rest {
        // As most have them.
        [b'.', a @ b'0'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', b'Z'] => {
            let millis = u32::from(a - b'0') * 100 + u32::from(b - b'0') * 10 + u32::from(c - b'0');
            Ok(Moment { seconds, nanos: millis * 1_000_000 })
        }
        [] | [b'Z'] => Ok(Moment { seconds, nanos: 0 }),
        _ => parse_rest(seconds, rest),
    }
}

/// Seconds since 1970-01-01 of `2026-11-20T10:15:00`.
#[inline(always)]
fn seconds_of_civil(civil: &[u8; 19]) -> Result<i64, Fault> {
    let (date, [separator, time @ ..]) = civil.split_first_chunk::<10>().ok_or(Fault::Shape)? else {
        return Err(Fault::Shape);
    };
    let (front, back) = parts(date);
    let known = LAST_DATE.with(|last| (last.front.get() == front && last.back.get() == back).then(|| last.days.get()));
    let days = match known {
        Some(days) => Ok(days),
        None => parse_day(*date),
    };
    // What looks like a time, but is of no day, may still not look like one.
    if days == Err(Fault::Shape) || !matches!(separator, b'T' | b' ' | b't') {
        return Err(Fault::Shape);
    }
    let Some([hour, minute, second]) = time.first_chunk().and_then(|time| three_pairs(*time, b':')) else {
        return Err(Fault::Shape);
    };
    let days = days?;
    if hour > 23 || minute > 59 || second > 59 {
        return Err(Fault::Calendar);
    }
    let time_of_day = i64::from(hour * 3_600 + minute * 60 + second);
    Ok(days * SECONDS_A_DAY + time_of_day)
}

/// A date in two numbers.
#[inline(always)]
fn parts([y1, y2, y3, y4, a, m1, m2, b, d1, d2]: &[u8; 10]) -> (u64, u16) {
    (u64::from_le_bytes([*y1, *y2, *y3, *y4, *a, *m1, *m2, *b]), u16::from_le_bytes([*d1, *d2]))
}

/// Days since 1970-01-01 of `2026-11-20`.
#[inline(never)]
fn parse_day(date: [u8; 10]) -> Result<i64, Fault> {
    let [year, month, day] = parse_date(date).ok_or(Fault::Shape)?;
    if day == 0 || day > days_of_month(year, month) {
        return Err(Fault::Calendar);
    }
    let days = days_from_civil(year, month, day);
    let (front, back) = parts(&date);
    LAST_DATE.with(|last| {
        last.front.set(front);
        last.back.set(back);
        last.days.set(days);
    });
    Ok(days)
}

/// With a fraction and a zone.
fn parse_rest(seconds: i64, rest: &[u8]) -> Result<Moment, Fault> {
    let (nanos, zone) = match rest {
        [b'.', fraction @ ..] => parse_fraction(fraction)?,
        zone => (0, zone),
    };
    Ok(Moment { seconds: seconds - parse_zone(zone)?, nanos })
}

/// Year, month and day of `2026-11-20`, whether there is such a day or not; `None` where it does not look like that.
#[inline]
pub(super) fn parse_date([y1, y2, y3, y4, a, m1, m2, b, d1, d2]: [u8; 10]) -> Option<[u32; 3]> {
    let century = two(y1, y2);
    let [year, month, day] = three_pairs([y3, y4, a, m1, m2, b, d1, d2], b'-')?;
    (century <= 99).then_some([century * 100 + year, month, day])
}

/// The values of `12-34-56`, worked on all at once (SWAR); `None` where there are other bytes than digits and separators.
#[inline]
fn three_pairs(text: [u8; 8], separator: u8) -> Option<[u32; 3]> {
    // Values of digits, and zeros where the separators are.
    let values =
        u64::from_le_bytes(text) ^ u64::from_le_bytes([b'0', b'0', separator, b'0', b'0', separator, b'0', b'0']);
    // What is too large for its place reaches the highest bit of its byte, or has it.
    let above = values.wrapping_add(u64::from_le_bytes([0x76, 0x76, 0x7f, 0x76, 0x76, 0x7f, 0x76, 0x76]));
    if (values | above) & u64::from_le_bytes([0x80; 8]) != 0 {
        return None;
    }
    let pairs = values.wrapping_mul(10).wrapping_add(values >> 8).to_le_bytes();
    Some([pairs[0].into(), pairs[3].into(), pairs[6].into()])
}

/// The value of two digits; above 99 where they are not digits.
#[inline]
fn two(tens: u8, ones: u8) -> u32 {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    if tens > 9 || ones > 9 {
        return 100;
    }
    u32::from(tens) * 10 + u32::from(ones)
}

/// Nanoseconds, and what stands after the digits. Digits after the ninth are cut off.
#[inline]
fn parse_fraction(digits: &[u8]) -> Result<(u32, &[u8]), Fault> {
    // Milliseconds, as most have them, without a loop.
    if let [a @ b'0'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', rest @ ..] = digits
        && !matches!(rest, [b'0'..=b'9', ..])
    {
        let millis = u32::from(a - b'0') * 100 + u32::from(b - b'0') * 10 + u32::from(c - b'0');
        return Ok((millis * 1_000_000, rest));
    }
    let mut nanos = 0;
    let mut weight = 100_000_000;
    let mut rest = digits;
    while let [digit @ b'0'..=b'9', more @ ..] = rest {
        nanos += u32::from(digit - b'0') * weight;
        weight /= 10;
        rest = more;
    }
    if rest.len() == digits.len() {
        return Err(Fault::Shape);
    }
    Ok((nanos, rest))
}

/// How many seconds the local time is ahead of UTC.
#[inline]
fn parse_zone(zone: &[u8]) -> Result<i64, Fault> {
    let (sign, hours, minutes) = match *zone {
        [] | [b'Z' | b'z'] => return Ok(0),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] | [sign @ (b'+' | b'-'), h1, h2, m1, m2] => {
            (sign, two(h1, h2), two(m1, m2))
        }
        _ => return Err(Fault::Shape),
    };
    offset(sign, hours, minutes)
}

/// The same of what `two` made of its digits.
#[inline(always)]
fn offset(sign: u8, hours: u32, minutes: u32) -> Result<i64, Fault> {
    if hours.max(minutes) > 99 || !matches!(sign, b'+' | b'-') {
        return Err(Fault::Shape);
    }
    if hours > 23 || minutes > 59 {
        return Err(Fault::Calendar);
    }
    let ahead = i64::from(hours * 3_600 + minutes * 60);
    Ok(if sign == b'+' { ahead } else { -ahead })
}

#[inline]
fn parse_integer(text: &[u8]) -> Result<i64, Fault> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Fault::Shape);
    }
    let mut value = 0i64;
    for digit in digits {
        value =
            value.checked_mul(10).and_then(|value| value.checked_add(i64::from(digit - b'0'))).ok_or(Fault::Range)?;
    }
    Ok(if negative { -value } else { value })
}

#[inline]
pub(super) fn days_of_month(year: u32, month: u32) -> u32 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        // Every other month is longer, and from August on the even ones are.
        1..=12 => 30 | (month ^ (month >> 3)),
        _ => 0,
    }
}

/// Days since 1970-01-01 in the Gregorian calendar, for years from 0. The algorithm is Howard Hinnant's
/// (<https://howardhinnant.github.io/date_algorithms.html>): years begin in March, so that a leap day ends one.
#[inline]
pub(super) fn days_from_civil(year: u32, month: u32, day: u32) -> i64 {
    // Shifted by one era of 400 years, so that January of the year 0 stays positive.
    let year = year + 400 - u32::from(month <= 2);
    let era = year / 400;
    let year_of_era = year % 400;
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    i64::from(era * 146_097 + day_of_era) - 146_097 - 719_468
}

/// The inverse of [`days_from_civil`], from the same source.
pub(super) fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing)]
    use super::*;

    /// As it is written down, byte by byte.
    fn slowly(text: &[u8; 19]) -> Result<Moment, Fault> {
        let number = |range: std::ops::Range<usize>| {
            let digits = text.get(range).filter(|digits| digits.iter().all(u8::is_ascii_digit)).ok_or(Fault::Shape)?;
            Ok(digits.iter().fold(0, |value, digit| value * 10 + u32::from(digit - b'0')))
        };
        let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
        let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
        let [.., a, _, _, b, _, _, t, _, _, c, _, _, d, _, _] = *text;
        if [a, b, c, d] != *b"--::" || !b"Tt ".contains(&t) {
            return Err(Fault::Shape);
        }
        let lengths = [31, 28 + u32::from(year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)), 31, 30, 31, 30];
        let lengths = [&lengths[..], &[31, 31, 30, 31, 30, 31]].concat();
        let length = month.checked_sub(1).and_then(|month| lengths.get(month as usize)).ok_or(Fault::Calendar)?;
        if day < 1 || day > *length || hour > 23 || minute > 59 || second > 59 {
            return Err(Fault::Calendar);
        }
        let days = days_from_civil(year, month, day);
        Ok(Moment { seconds: days * SECONDS_A_DAY + i64::from(hour * 3_600 + minute * 60 + second), nanos: 0 })
    }

    #[test]
    fn every_byte_in_every_place_is_read_as_it_is_slowly() {
        for right in [b"2026-11-20T10:15:00", b"2024-02-29 23:59:59", b"1900-02-28t00:00:00", b"0000-12-31 09:09:09"] {
            assert!(slowly(right).is_ok());
            for at in 0..right.len() {
                for byte in 0..=u8::MAX {
                    for then in *b"0359:-" {
                        let mut text = *right;
                        text[at] = byte;
                        text[(at + 1) % 19] = then;
                        assert_eq!(parse_civil(&text, &[]), slowly(&text), "{:?}", String::from_utf8_lossy(&text));
                    }
                }
            }
        }
    }

    #[test]
    fn days_and_dates_are_inverses_over_four_centuries() {
        for day in -200_000..=200_000 {
            let (year, month, date) = civil_from_days(day);
            let (year, month, date) = (year as u32, month as u32, date as u32);
            assert_eq!(days_from_civil(year, month, date), day);
            assert!(date >= 1 && date <= days_of_month(year, month));
        }
        assert_eq!(civil_from_days(0), (1970, 1, 1));
        assert_eq!(civil_from_days(11_016), (2000, 2, 29));
        assert_eq!(days_from_civil(0, 1, 1), -719_528);
        assert_eq!(days_from_civil(9999, 12, 31), 2_932_896);
    }
}
