//! Which JSON values a column of a simple type takes for exactly what they say: nothing is rounded, cut off or wrapped around.

use std::borrow::Cow;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ethnum::{I256, U256};

use super::ColumnType;

/// Whether a column of this type takes the value.
pub(super) fn is_right(kind: &ColumnType, value: &str) -> bool {
    match kind {
        ColumnType::UInt8 => integer::<u8>(value),
        ColumnType::UInt16 => integer::<u16>(value),
        ColumnType::UInt32 => integer::<u32>(value),
        ColumnType::UInt64 => integer::<u64>(value),
        ColumnType::UInt128 => integer::<u128>(value),
        ColumnType::UInt256 => integer::<U256>(value),
        ColumnType::Int8 => integer::<i8>(value),
        ColumnType::Int16 => integer::<i16>(value),
        ColumnType::Int32 => integer::<i32>(value),
        ColumnType::Int64 => integer::<i64>(value),
        ColumnType::Int128 => integer::<i128>(value),
        ColumnType::Int256 => integer::<I256>(value),
        ColumnType::BFloat16 | ColumnType::Float32 => {
            is_number(value) && value.parse::<f32>().is_ok_and(f32::is_finite)
        }
        ColumnType::Float64 => is_number(value) && value.parse::<f64>().is_ok_and(f64::is_finite),
        ColumnType::Bool => matches!(value, "true" | "false"),
        ColumnType::Decimal { precision, scale } => decimal(value, usize::from(*precision), usize::from(*scale)),
        ColumnType::DateTime { .. } if is_number(value) => integer::<u32>(value),
        kind => text(value).is_some_and(|text| is_right_text(kind, &text)),
    }
}

/// A value that would be right, where the type alone does not say it.
pub(super) fn example(kind: &ColumnType) -> Option<&'static str> {
    Some(match kind {
        ColumnType::Decimal { .. } => "12.50",
        ColumnType::Uuid => "\"0192f0c1-7a3b-7c11-9d2e-1f2a3b4c5d6e\"",
        ColumnType::Date | ColumnType::Date32 => "\"2026-11-20\"",
        ColumnType::DateTime { .. } => "\"2026-11-20 10:15:00\"",
        ColumnType::DateTime64 { .. } => "\"2026-11-20 10:15:00.123\"",
        ColumnType::Time | ColumnType::Time64 { .. } => "\"10:15:00\"",
        _ => return None,
    })
}

fn is_right_text(kind: &ColumnType, text: &str) -> bool {
    match kind {
        ColumnType::String => true,
        ColumnType::FixedString { length } => text.len() <= *length,
        ColumnType::Uuid => is_uuid(text),
        ColumnType::Ipv4 => text.parse::<Ipv4Addr>().is_ok(),
        ColumnType::Ipv6 => text.parse::<Ipv6Addr>().is_ok(),
        ColumnType::Enum8(names) | ColumnType::Enum16(names) => names.number(text).is_some(),
        ColumnType::Date => ("1970-01-01"..="2149-06-06").contains(&text) && is_date(text),
        ColumnType::Date32 => ("1900-01-01"..="2299-12-31").contains(&text) && is_date(text),
        // A day less on both ends: where the time says no zone, the column's own moves it by up to that.
        ColumnType::DateTime { .. } => ("1970-01-02".."2106-02-06").contains(&text) && is_time(text, 0),
        ColumnType::DateTime64 { precision: 9, .. } => ("1900-01-02".."2262-04-10").contains(&text) && is_time(text, 9),
        ColumnType::DateTime64 { precision, .. } => {
            ("1900-01-02".."2299-12-31").contains(&text) && is_time(text, usize::from(*precision))
        }
        ColumnType::Time => is_clock(text.strip_prefix('-').unwrap_or(text), 999, 0),
        ColumnType::Time64 { precision } => {
            is_clock(text.strip_prefix('-').unwrap_or(text), 999, usize::from(*precision))
        }
        _ => false,
    }
}

fn text(value: &str) -> Option<Cow<'_, str>> {
    serde_json::from_str(value).ok()
}

/// What is no text, list or object and no word, since the whole is known to be JSON.
fn is_number(value: &str) -> bool {
    value.starts_with(|first: char| first == '-' || first.is_ascii_digit())
}

/// A whole number, also in quotes: beyond 53 bits many writers put them there.
fn integer<N: FromStr>(value: &str) -> bool {
    let digits = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
    is_number(digits) && digits.parse::<N>().is_ok()
}

fn decimal(value: &str, precision: usize, scale: usize) -> bool {
    let digits = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
    let digits = digits.strip_prefix('-').unwrap_or(digits);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let all_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    // Zeros before the first digit and behind the last say nothing.
    let (whole_length, fraction_length) = (whole.trim_start_matches('0').len(), fraction.trim_end_matches('0').len());
    all_digits(whole) && all_digits(fraction) && whole_length <= precision - scale && fraction_length <= scale
}

/// Eight, four, four, four and twelve hexadecimal digits.
fn is_uuid(text: &str) -> bool {
    let mut parts = text.split('-');
    let right =
        |length: usize| move |part: &str| part.len() == length && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    [8, 4, 4, 4, 12].into_iter().all(|length| parts.next().is_some_and(right(length))) && parts.next().is_none()
}

/// `2026-11-20`, of a day that there is.
fn is_date(text: &str) -> bool {
    let [year, month, day] = [(0, 4), (5, 7), (8, 10)].map(|(from, to)| number(text.get(from..to)));
    let dashes = text.len() == 10 && text.get(4..5) == Some("-") && text.get(7..8) == Some("-");
    let (Some(year), Some(month), Some(day)) = (year, month, day) else { return false };
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => 31,
    };
    dashes && (1..=12).contains(&month) && (1..=days).contains(&day)
}

/// `2026-11-20 10:15:00.123`, with a T for the space and a zone if it likes.
fn is_time(text: &str, fraction: usize) -> bool {
    let (Some(date), Some(separator), Some(rest)) = (text.get(..10), text.get(10..11), text.get(11..)) else {
        return false;
    };
    let zone = rest.find(['Z', '+', '-']).unwrap_or(rest.len());
    let (clock, zone) = rest.split_at(zone);
    is_date(date) && matches!(separator, " " | "T") && is_clock(clock, 23, fraction) && is_zone(zone)
}

fn is_zone(zone: &str) -> bool {
    match zone {
        "" | "Z" => true,
        offset => {
            let hours = number(offset.get(1..3)).is_some_and(|hours| hours <= 14);
            let minutes = number(offset.get(4..6)).is_some_and(|minutes| minutes <= 59);
            offset.len() == 6 && offset.get(3..4) == Some(":") && hours && minutes
        }
    }
}

/// `10:15:00` with hours up to `hours` and at most so many digits behind a point.
fn is_clock(text: &str, hours: u32, fraction: usize) -> bool {
    let (whole, behind) = match text.split_once('.') {
        None => (text, None),
        Some((whole, behind)) => (whole, Some(behind)),
    };
    let mut parts = whole.split(':');
    let mut part = |least: usize, most: u32| {
        let text = parts.next().filter(|part| part.len() >= least && part.len() <= 3);
        number(text).is_some_and(|value| value <= most)
    };
    let clock = part(2, hours) && part(2, 59) && part(2, 59) && parts.next().is_none();
    let fine = behind.is_none_or(|behind| (1..=fraction).contains(&behind.len()) && number(Some(behind)).is_some());
    clock && fine && whole.len() >= 8
}

fn number(digits: Option<&str>) -> Option<u32> {
    digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?.parse().ok()
}
