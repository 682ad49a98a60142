//! Points in time as ClickHouse holds them. Read from text and from JSON (`parse` knows the notations), written as
//! RowBinary by `column`. Everything is UTC.

mod civil;
mod parse;

use std::fmt;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, EnumAccess, Error, Visitor};
use tidegate_json::{AHEAD, Ahead, read_ahead};

use crate::invalid::InvalidValue;
use parse::{Fault, Moment};

pub use civil::{Date, Date32, Time, Time64};

/// Nanoseconds, as fine as `DateTime64` goes.
pub(crate) const FINEST: u32 = 9;

/// 1900-01-01 00:00:00, the first second of `DateTime64`.
const FIRST_SECOND: i64 = -2_208_988_800;

/// 2299-12-31 23:59:59, the last second of `DateTime64`.
const LAST_SECOND: i64 = 10_413_791_999;

/// A second of UTC between 1970 and 2106: ClickHouse's `DateTime`. Fractions are cut off.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DateTime {
    seconds: u32,
}

impl DateTime {
    /// The time this many seconds after 1970-01-01 UTC.
    #[inline]
    pub fn from_seconds(seconds: u32) -> Self {
        Self { seconds }
    }

    /// Seconds since 1970-01-01 UTC.
    #[inline]
    pub fn seconds(self) -> u32 {
        self.seconds
    }

    #[inline]
    fn from_moment(moment: Moment) -> Result<Self, Fault> {
        u32::try_from(moment.seconds).map(Self::from_seconds).map_err(|_| Fault::Range)
    }

    #[cold]
    fn invalid(value: impl fmt::Display, fault: Fault) -> InvalidValue {
        invalid(value, fault, "DateTime holds 1970-01-01 00:00:00 to 2106-02-07 06:28:15")
    }
}

/// A point in time between 1900 and 2299 in ticks of 10^-`P` seconds, `P` at most 9: ClickHouse's `DateTime64(P)`.
/// With `P` = 9 the last is in 2262, where 64 bits of nanoseconds end. Finer fractions are cut off.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DateTime64<const P: u32> {
    ticks: i64,
}

impl<const P: u32> DateTime64<P> {
    const TICKS_A_SECOND: i64 = {
        assert!(P <= FINEST, "DateTime64 counts no finer than nanoseconds");
        10i64.pow(P)
    };

    /// The time this many ticks of 10^-`P` seconds after 1970-01-01 UTC, negative before it.
    pub fn from_ticks(ticks: i64) -> Result<Self, InvalidValue> {
        let seconds = ticks.div_euclid(Self::TICKS_A_SECOND);
        if (FIRST_SECOND..=LAST_SECOND).contains(&seconds) {
            return Ok(Self { ticks });
        }
        Err(Self::invalid(format_args!("{ticks} ticks"), Fault::Range))
    }

    /// The time this many milliseconds after 1970-01-01 UTC, such as a record's timestamp.
    #[inline]
    pub fn from_millis(millis: i64) -> Result<Self, InvalidValue> {
        Self::from_moment(Moment::from_millis(millis))
            .map_err(|fault| Self::invalid(format_args!("{millis} milliseconds"), fault))
    }

    /// Ticks of 10^-`P` seconds since 1970-01-01 UTC.
    #[inline]
    pub fn ticks(self) -> i64 {
        self.ticks
    }

    /// Whole milliseconds since 1970-01-01 UTC.
    #[inline]
    pub fn millis(self) -> i64 {
        // At most 10^10 seconds with P <= 3, so this stays within 64 bits.
        match P.checked_sub(3) {
            Some(finer) => self.ticks.div_euclid(10i64.pow(finer)),
            None => self.ticks * 10i64.pow(3u32.saturating_sub(P)),
        }
    }

    #[inline]
    fn from_moment(moment: Moment) -> Result<Self, Fault> {
        if !(FIRST_SECOND..=LAST_SECOND).contains(&moment.seconds) {
            return Err(Fault::Range);
        }
        let fraction = i64::from(moment.nanos / 10u32.pow(FINEST - P));
        let ticks = if P == FINEST {
            moment.seconds.checked_mul(Self::TICKS_A_SECOND).and_then(|ticks| ticks.checked_add(fraction))
        } else {
            // Within the range just checked only nanoseconds can outgrow 64 bits.
            Some(moment.seconds * Self::TICKS_A_SECOND + fraction)
        };
        ticks.map(|ticks| Self { ticks }).ok_or(Fault::Range)
    }

    #[cold]
    fn invalid(value: impl fmt::Display, fault: Fault) -> InvalidValue {
        let last = if P == FINEST { "2262-04-11" } else { "2299-12-31" };
        invalid(value, fault, format_args!("DateTime64({P}) holds 1900-01-01 to {last}"))
    }
}

#[cold]
fn invalid(value: impl fmt::Display, fault: Fault, range: impl fmt::Display) -> InvalidValue {
    InvalidValue::new(match fault {
        Fault::Shape => {
            format!("\"{value}\" is not a time, such as \"2026-11-20T10:15:00.123Z\" or epoch milliseconds")
        }
        Fault::Calendar => format!("\"{value}\" is not a time, there is no such date or time of day"),
        Fault::Range => format!("{value} is out of range, {range}"),
    })
}

/// What the two types have in common, so that both read the same notations.
macro_rules! time {
    ([$($generics:tt)*] $type:ty, $visitor:expr, $visitor_type:ty) => {
        impl<$($generics)*> FromStr for $type {
            type Err = InvalidValue;

            #[inline(always)]
            fn from_str(text: &str) -> Result<Self, InvalidValue> {
                Moment::parse(text.as_bytes())
                    .and_then(Self::from_moment)
                    .map_err(|fault| Self::invalid(text, fault))
            }
        }

        impl<$($generics)*> $type {
            /// The time this many seconds after 1970-01-01 UTC, or milliseconds from 100,000,000,000 on, of either sign.
            ///
            /// # Errors
            /// Where the type does not reach it.
            #[inline]
            pub fn from_epoch(value: i64) -> Result<Self, InvalidValue> {
                Self::from_moment(Moment::from_epoch(value)).map_err(|fault| Self::invalid(value, fault))
            }

            /// From what stands next in JSON, in one of the usual notations in quotes or as an integer, and how many bytes it has.
            #[inline(always)]
            pub(crate) fn ahead(ahead: Ahead<'_>) -> Option<(Self, usize)> {
                if let Some(text) = ahead.bytes()
                    && let Some((moment, length)) = Moment::in_quotes(text)
                    && let Ok(time) = Self::from_moment(moment)
                {
                    return Some((time, length));
                }
                let (epoch, length) = ahead.middling_integer()?;
                Some((Self::from_moment(Moment::from_short_epoch(epoch)).ok()?, length))
            }

            /// The time this many seconds after 1970-01-01 UTC, to the nearest microsecond.
            ///
            /// # Errors
            /// Where the type does not reach it.
            #[inline]
            pub fn from_epoch_seconds(value: f64) -> Result<Self, InvalidValue> {
                Moment::from_seconds(value)
                    .and_then(Self::from_moment)
                    .map_err(|fault| Self::invalid(format_args!("{value:?}"), fault))
            }
        }

        impl<$($generics)*> fmt::Debug for $type {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, formatter)
            }
        }

        impl<'de, $($generics)*> Deserialize<'de> for $type {
            #[inline(always)]
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_newtype_struct(AHEAD, $visitor)
            }
        }

        impl<'de, $($generics)*> Visitor<'de> for $visitor_type {
            type Value = $type;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a time")
            }

            fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
                deserializer.deserialize_any(self)
            }

            #[inline(always)]
            fn visit_enum<A: EnumAccess<'de>>(self, access: A) -> Result<Self::Value, A::Error> {
                read_ahead(access, Self::Value::ahead)
            }

            #[inline(always)]
            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                text.parse().map_err(E::custom)
            }

            // What serde has here is not always inlined.
            #[inline(always)]
            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                self.visit_str(text)
            }

            #[inline]
            fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
                Self::Value::from_epoch(value).map_err(E::custom)
            }

            #[inline]
            fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
                // What is beyond `i64` is beyond every range too.
                self.visit_i64(i64::try_from(value).unwrap_or(i64::MAX))
                    .map_err(|_: E| E::custom(Self::Value::invalid(value, Fault::Range)))
            }

            #[inline]
            fn visit_f64<E: Error>(self, value: f64) -> Result<Self::Value, E> {
                Self::Value::from_epoch_seconds(value).map_err(E::custom)
            }
        }
    };
}

struct DateTimeVisitor;
struct DateTime64Visitor<const P: u32>;

time!([] DateTime, DateTimeVisitor, DateTimeVisitor);
time!([const P: u32] DateTime64<P>, DateTime64Visitor::<P>, DateTime64Visitor<P>);

impl fmt::Display for DateTime {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(i64::from(self.seconds), 0, formatter)
    }
}

impl<const P: u32> fmt::Display for DateTime64<P> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(self.ticks, P, formatter)
    }
}

/// Ticks as ClickHouse prints them in UTC: `2026-11-20 10:15:00.123`.
fn write(ticks: i64, precision: u32, to: &mut impl fmt::Write) -> fmt::Result {
    let ticks_a_second = 10i64.pow(precision);
    let seconds = ticks.div_euclid(ticks_a_second);
    let (year, month, day) = parse::civil_from_days(seconds.div_euclid(86_400));
    let second = seconds.rem_euclid(86_400);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    write!(to, "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")?;
    if precision > 0 {
        write!(to, ".{:0width$}", ticks.rem_euclid(ticks_a_second), width = precision as usize)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
