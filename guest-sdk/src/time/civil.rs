//! Days without a time and times without a day.

use std::fmt;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer};

use super::parse::{civil_from_days, days_from_civil, days_of_month, parse_date};
use crate::invalid::InvalidValue;
use crate::text;

/// A day between 1970-01-01 and 2149-06-06: ClickHouse's `Date`. Read from `2026-11-20`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date {
    days: u16,
}

/// A day between 1900-01-01 and 2299-12-31: ClickHouse's `Date32`. Read from `2026-11-20`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date32 {
    days: i32,
}

/// 1900-01-01 and 2299-12-31 as days since 1970-01-01.
const DATE32_DAYS: std::ops::RangeInclusive<i32> = -25_567..=120_529;

impl Date {
    /// The day this many days after 1970-01-01.
    pub fn from_days(days: u16) -> Self {
        Self { days }
    }

    /// A day of the Gregorian calendar.
    ///
    /// # Errors
    /// Where there is no such day, or the type does not reach it.
    pub fn new(year: u32, month: u32, day: u32) -> Result<Self, InvalidValue> {
        Self::checked(days(year, month, day)?)
    }

    /// Days since 1970-01-01.
    pub fn days(self) -> u16 {
        self.days
    }

    fn checked(days: i64) -> Result<Self, InvalidValue> {
        let range = || out_of_range(days, "Date holds 1970-01-01 to 2149-06-06");
        u16::try_from(days).map(Self::from_days).map_err(|_| range())
    }
}

impl Date32 {
    /// The day this many days after 1970-01-01, negative before it.
    ///
    /// # Errors
    /// Beyond 1900 to 2299.
    pub fn from_days(days: i32) -> Result<Self, InvalidValue> {
        Self::checked(days.into())
    }

    /// A day of the Gregorian calendar.
    ///
    /// # Errors
    /// Where there is no such day, or the type does not reach it.
    pub fn new(year: u32, month: u32, day: u32) -> Result<Self, InvalidValue> {
        Self::checked(days(year, month, day)?)
    }

    /// Days since 1970-01-01.
    pub fn days(self) -> i32 {
        self.days
    }

    fn checked(days: i64) -> Result<Self, InvalidValue> {
        let fitting = i32::try_from(days).ok().filter(|days| DATE32_DAYS.contains(days));
        fitting.map(|days| Self { days }).ok_or_else(|| out_of_range(days, "Date32 holds 1900-01-01 to 2299-12-31"))
    }
}

fn days(year: u32, month: u32, day: u32) -> Result<i64, InvalidValue> {
    if year > 9999 || day == 0 || day > days_of_month(year, month) {
        return Err(InvalidValue::new(format!("{year:04}-{month:02}-{day:02} is no day of the calendar")));
    }
    Ok(days_from_civil(year, month, day))
}

#[cold]
fn out_of_range(days: i64, range: &str) -> InvalidValue {
    let (year, month, day) = civil_from_days(days);
    InvalidValue::new(format!("{year:04}-{month:02}-{day:02} is out of range, {range}"))
}

macro_rules! date {
    ($($type:ident),+) => {$(
        impl FromStr for $type {
            type Err = InvalidValue;

            fn from_str(text: &str) -> Result<Self, InvalidValue> {
                match text.as_bytes().try_into().ok().and_then(parse_date) {
                    Some([year, month, day]) => Self::new(year, month, day),
                    None => Err(InvalidValue::new(format!("\"{text}\" is not a date, such as \"2026-11-20\""))),
                }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let (year, month, day) = civil_from_days(self.days.into());
                write!(f, "{year:04}-{month:02}-{day:02}")
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                text::parsed(deserializer, "a string")
            }
        }
    )+};
}

date!(Date, Date32);

/// Seconds of either sign, of no day: ClickHouse's `Time`, from -999:59:59 to 999:59:59.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time {
    seconds: i32,
}

/// Ticks of 10^-`P` seconds of either sign, of no day: ClickHouse's `Time64(P)`, as far as `Time`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time64<const P: u32> {
    ticks: i64,
}

/// 999:59:59.
const LAST_SECOND: i64 = 3_599_999;

impl Time {
    /// This many seconds.
    ///
    /// # Errors
    /// Beyond 999:59:59 of either sign.
    pub fn from_seconds(seconds: i32) -> Result<Self, InvalidValue> {
        match i64::from(seconds).abs() <= LAST_SECOND {
            true => Ok(Self { seconds }),
            false => Err(InvalidValue::new(format!("{seconds} seconds are out of range, Time holds 999:59:59"))),
        }
    }

    /// The seconds.
    pub fn seconds(self) -> i32 {
        self.seconds
    }
}

impl<const P: u32> Time64<P> {
    /// This many ticks of 10^-`P` seconds.
    ///
    /// # Errors
    /// Beyond 999:59:59 and its fraction, of either sign.
    pub fn from_ticks(ticks: i64) -> Result<Self, InvalidValue> {
        const { assert!(P <= super::FINEST, "Time64 counts no finer than nanoseconds") };
        match ticks.unsigned_abs() < (LAST_SECOND as u64 + 1) * 10u64.pow(P) {
            true => Ok(Self { ticks }),
            false => Err(InvalidValue::new(format!("{ticks} ticks are out of range, Time64({P}) holds 999:59:59"))),
        }
    }

    /// The ticks.
    pub fn ticks(self) -> i64 {
        self.ticks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_and_printed_within_their_ranges() {
        let date = |text: &str| text.parse::<Date>().map(|date| date.to_string()).map_err(|fault| fault.to_string());
        let date32 =
            |text: &str| text.parse::<Date32>().map(|date| date.to_string()).map_err(|fault| fault.to_string());
        for right in ["1970-01-01", "2149-06-06", "2024-02-29"] {
            assert_eq!(date(right), Ok(right.to_owned()));
        }
        for right in ["1900-01-01", "2299-12-31"] {
            assert_eq!(date32(right), Ok(right.to_owned()));
        }
        assert_eq!(
            date("2149-06-07"),
            Err("2149-06-07 is out of range, Date holds 1970-01-01 to 2149-06-06".to_owned())
        );
        assert!(date("1969-12-31").is_err() && date32("1899-12-31").is_err() && date32("2300-01-01").is_err());
        assert_eq!(date("2026-02-29"), Err("2026-02-29 is no day of the calendar".to_owned()));
        for wrong in ["", "2026-1-1", "2026-11-20T", "+026-11-20", "20261120", "2026-11-2x"] {
            assert_eq!(date(wrong), Err(format!("\"{wrong}\" is not a date, such as \"2026-11-20\"")));
        }
    }

    #[test]
    fn clocks_end_at_999_hours() {
        assert!(Time::from_seconds(3_599_999).is_ok() && Time::from_seconds(-3_600_000).is_err());
        assert!(Time::from_seconds(i32::MIN).is_err());
        assert!(Time64::<3>::from_ticks(-3_599_999_999).is_ok() && Time64::<3>::from_ticks(3_600_000_000).is_err());
    }
}
