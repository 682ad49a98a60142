//! A place in partitions, as an operator writes it: an offset, or a time.

use std::str::FromStr;

use chrono::{DateTime, Utc};

/// A place in a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The same offset in every partition.
    Offset(i64),
    /// The first record with this timestamp or a later one.
    Time(DateTime<Utc>),
}

impl FromStr for Place {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str =
            "expected an offset, such as 120000, or a time with its offset, such as 2026-11-01T00:00:00Z";
        match text.parse() {
            Ok(offset) if offset >= 0 => Ok(Self::Offset(offset)),
            Ok(_) => Err(EXPECTED),
            Err(_) => DateTime::parse_from_rfc3339(text).map(|time| Self::Time(time.to_utc())).map_err(|_| EXPECTED),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_an_offset_or_a_time_with_a_zone() {
        assert_eq!("12".parse(), Ok(Place::Offset(12)));
        let time = DateTime::from_timestamp(0, 0).unwrap();
        assert_eq!("1970-01-01T03:00:00+03:00".parse(), Ok(Place::Time(time)));
        for wrong in ["-1", "", "yesterday", "2026-11-01", "2026-11-01T00:00:00"] {
            assert!(wrong.parse::<Place>().is_err(), "{wrong}");
        }
    }
}
