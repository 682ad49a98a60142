//! Values as ClickHouse prints them.

use std::fmt::{self, Write};

use super::Value;

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Null => f.write_str("NULL"),
            Value::Bool(value) => write!(f, "{value}"),
            Value::UInt(value) => write!(f, "{value}"),
            Value::Int(value) => write!(f, "{value}"),
            Value::Float32(value) => write!(f, "{value}"),
            Value::Float64(value) => write!(f, "{value}"),
            Value::UInt256(value) => write!(f, "{value}"),
            Value::Int256(value) => write!(f, "{value}"),
            Value::Text(value) | Value::Json(value) | Value::Enum { name: value, .. } => f.write_str(value),
            Value::Bytes(bytes) => write_bytes(f, bytes),
            Value::Uuid(value) => write_uuid(f, *value),
            Value::Ipv4(value) => write!(f, "{value}"),
            Value::Ipv6(value) => write!(f, "{value}"),
            Value::Date(days) => write_date(f, i64::from(*days)),
            Value::Clock { ticks, precision } => write_clock(f, *ticks, *precision),
            Value::Time { ticks, precision } => write_time(f, *ticks, *precision),
            Value::Decimal { unscaled, scale } => {
                write_decimal(f, *unscaled < 0, unscaled.unsigned_abs().to_string(), *scale)
            }
            Value::Decimal256 { unscaled, scale } => {
                write_decimal(f, *unscaled < 0, unscaled.unsigned_abs().to_string(), *scale)
            }
            Value::Array(elements) => write_between(f, ('[', ']'), elements, write_element),
            Value::Map(entries) => write_between(f, ('{', '}'), entries, |f, (key, value)| {
                write_element(f, key)?;
                f.write_char(':')?;
                write_element(f, value)
            }),
            Value::Tuple(elements) => write_between(f, ('(', ')'), elements, |f, (_, value)| write_element(f, value)),
        }
    }
}

fn write_between<'v, T: 'v>(
    f: &mut fmt::Formatter<'_>,
    (open, close): (char, char),
    items: &'v [T],
    write_item: impl Fn(&mut fmt::Formatter<'_>, &'v T) -> fmt::Result,
) -> fmt::Result {
    f.write_char(open)?;
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            f.write_char(',')?;
        }
        write_item(f, item)?;
    }
    f.write_char(close)
}

/// Within an array, a map or a tuple texts and times stand in quotes.
fn write_element(f: &mut fmt::Formatter<'_>, value: &Value<'_>) -> fmt::Result {
    match value {
        Value::Null | Value::Bool(_) | Value::UInt(_) | Value::Int(_) | Value::UInt256(_) | Value::Int256(_) => {
            write!(f, "{value}")
        }
        Value::Float32(_) | Value::Float64(_) | Value::Decimal { .. } | Value::Decimal256 { .. } => {
            write!(f, "{value}")
        }
        Value::Array(_) | Value::Map(_) | Value::Tuple(_) => write!(f, "{value}"),
        text => {
            let text = text.to_string();
            write!(f, "'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
        }
    }
}

/// As a text where it is one, without the NULs that fill it up; else in hexadecimal.
fn write_bytes(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    match std::str::from_utf8(bytes) {
        Ok(text) => f.write_str(text.trim_end_matches('\0')),
        Err(_) => {
            f.write_str("\\x")?;
            bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
        }
    }
}

fn write_uuid(f: &mut fmt::Formatter<'_>, value: u128) -> fmt::Result {
    let field = |shift: u32, mask: u128| value >> shift & mask;
    write!(
        f,
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        field(96, 0xffff_ffff),
        field(80, 0xffff),
        field(64, 0xffff),
        field(48, 0xffff),
        field(0, 0xffff_ffff_ffff)
    )
}

fn write_time(f: &mut fmt::Formatter<'_>, ticks: i64, precision: u8) -> fmt::Result {
    let ticks_a_second = 10i64.pow(u32::from(precision.min(18)));
    let seconds = ticks.div_euclid(ticks_a_second);
    let fraction = ticks.rem_euclid(ticks_a_second);
    write_date(f, seconds.div_euclid(86_400))?;
    let second = seconds.rem_euclid(86_400);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    write!(f, " {hour:02}:{minute:02}:{second:02}")?;
    write_fraction(f, fraction, precision)
}

fn write_date(f: &mut fmt::Formatter<'_>, days: i64) -> fmt::Result {
    let (year, month, day) = civil_from_days(days);
    write!(f, "{year:04}-{month:02}-{day:02}")
}

fn write_clock(f: &mut fmt::Formatter<'_>, ticks: i64, precision: u8) -> fmt::Result {
    let ticks_a_second = 10u64.pow(u32::from(precision.min(18)));
    let (seconds, fraction) = (ticks.unsigned_abs() / ticks_a_second, ticks.unsigned_abs() % ticks_a_second);
    let sign = if ticks < 0 { "-" } else { "" };
    write!(f, "{sign}{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60)?;
    write_fraction(f, i64::try_from(fraction).unwrap_or_default(), precision)
}

fn write_fraction(f: &mut fmt::Formatter<'_>, fraction: i64, precision: u8) -> fmt::Result {
    match precision {
        0 => Ok(()),
        precision => write!(f, ".{fraction:0width$}", width = usize::from(precision)),
    }
}

/// Year, month and day of a day counted from 1970-01-01 in the proleptic Gregorian calendar, by counting in eras
/// of 400 years that begin on the first of March (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

fn write_decimal(f: &mut fmt::Formatter<'_>, negative: bool, digits: String, scale: u8) -> fmt::Result {
    let scale = usize::from(scale);
    // At least one digit stands before the point.
    let digits = format!("{digits:0>width$}", width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    f.write_str(if negative { "-" } else { "" })?;
    f.write_str(whole)?;
    match scale {
        0 => Ok(()),
        _ => write!(f, ".{fraction}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_before_and_after_the_epoch_print_as_clickhouse_prints_them() {
        let time = |ticks, precision| Value::Time { ticks, precision }.to_string();
        assert_eq!(time(1_795_170_900_123, 3), "2026-11-20 10:35:00.123");
        assert_eq!(time(0, 0), "1970-01-01 00:00:00");
        assert_eq!(time(-1, 3), "1969-12-31 23:59:59.999");
        assert_eq!(time(-2_208_988_800, 0), "1900-01-01 00:00:00");
        assert_eq!(time(951_782_400, 0), "2000-02-29 00:00:00");
    }

    #[test]
    fn decimals_keep_their_scale_and_sign() {
        let decimal = |unscaled, scale| Value::Decimal { unscaled, scale }.to_string();
        assert_eq!(decimal(1_499_000, 4), "149.9000");
        assert_eq!(decimal(-5, 2), "-0.05");
        assert_eq!(decimal(7, 0), "7");
    }

    #[test]
    fn composed_values_print_with_their_texts_in_quotes() {
        let text = |text| Value::Text(text);
        let array = Value::Array(vec![text("it's"), Value::Null, text("b\\")]);
        assert_eq!(array.to_string(), "['it\\'s',NULL,'b\\\\']");
        let map = Value::Map(vec![(text("a"), Value::UInt(1)), (text("b"), Value::UInt(2))]);
        assert_eq!(map.to_string(), "{'a':1,'b':2}");
        let tuple = Value::Tuple(vec![(None, Value::Date(-1)), (Some("x"), Value::Array(vec![]))]);
        assert_eq!(tuple.to_string(), "('1969-12-31',[])");
    }

    #[test]
    fn clocks_fixed_strings_and_wide_numbers_print() {
        assert_eq!(Value::Clock { ticks: -3_599_999_999, precision: 3 }.to_string(), "-999:59:59.999");
        assert_eq!(Value::Clock { ticks: 61, precision: 0 }.to_string(), "00:01:01");
        assert_eq!(Value::Bytes(b"ab\0\0").to_string(), "ab");
        assert_eq!(Value::Bytes(&[0xff, 0]).to_string(), "\\xff00");
        let least = ethnum::I256::MIN;
        assert_eq!(
            Value::Decimal256 { unscaled: least, scale: 76 }.to_string(),
            "-5.7896044618658097711785492504343953926634992332820282019728792003956564819968"
        );
    }
}
