//! `Oct 11 22:14:15`: a time without a year and without a zone.

use tidegate_plugin::{DateTime64, Reject, SetupError};

use crate::reader::Reader;

/// How far the clocks of the senders are ahead of UTC, as `+03:00`.
pub struct UtcOffset(String);

impl UtcOffset {
    pub fn new(text: String) -> Result<Self, SetupError> {
        let is_offset = matches!(text.as_bytes(), [b'+' | b'-', ..]) && time(2000, "01-01T00:00:00", &text).is_some();
        match is_offset {
            true => Ok(Self(text)),
            false => Err(SetupError::new(format!("settings: utc_offset is {text:?}, it should be like \"+03:00\""))),
        }
    }
}

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A Gregorian year in the mean.
const MILLIS_A_YEAR: i64 = 31_556_952_000;

/// Reads a time. Its year is the one that puts it nearest to when the record was received.
pub fn read(reader: &mut Reader<'_>, offset: &UtcOffset, received: Option<i64>) -> Result<DateTime64<6>, Reject> {
    let text = reader.take("Oct 11 22:14:15".len());
    let time = match (civil(text), received) {
        (None, _) => Err("is not a time, such as \"Oct 11 22:14:15\", nor a version of RFC 5424".to_owned()),
        (Some(_), None) => Err("names no year, and the record has no timestamp to take it from".to_owned()),
        (Some(civil), Some(received)) => nearest(&civil, offset, received)
            .ok_or_else(|| "is not a time, there is no such date or time of day".to_owned()),
    };
    time.map_err(|fault| {
        reader.give_back(text);
        reader.fault(format_args!("{text:?} {fault}"))
    })
}

/// The same without its year as RFC 3339 writes it: `10-11T22:14:15`.
fn civil(text: &str) -> Option<String> {
    let (month, rest) = text.split_at_checked(3)?;
    let month = 1 + MONTHS.iter().position(|name| *name == month)?;
    let (day, clock) = rest.strip_prefix(' ')?.split_at_checked(2)?;
    let clock = clock.strip_prefix(' ')?;
    // Days before the tenth have a space where others have a digit; some senders write a zero.
    Some(format!("{month:02}-{}T{clock}", day.replacen(' ', "0", 1)))
}

fn nearest(civil: &str, offset: &UtcOffset, received: i64) -> Option<DateTime64<6>> {
    // Off by at most a day at the turn of a year, where it is the neighbour that is nearest.
    let year = 1970 + received.div_euclid(MILLIS_A_YEAR);
    let times = (year - 1..=year + 1).filter_map(|year| time(year, civil, &offset.0));
    times.min_by_key(|time| time.millis().abs_diff(received))
}

/// None where this year has no such day.
fn time(year: i64, civil: &str, offset: &str) -> Option<DateTime64<6>> {
    format!("{year:04}-{civil}{offset}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_at(text: &str, offset: &str, received: &str) -> Result<String, String> {
        let offset = UtcOffset::new(offset.to_owned()).unwrap();
        let received = received.parse::<DateTime64<3>>().unwrap().millis();
        let time = read(&mut Reader::new(text), &offset, Some(received));
        time.map(|time| time.to_string()).map_err(|fault| fault.to_string())
    }

    fn year(text: &str, received: &str) -> String {
        read_at(text, "+00:00", received).unwrap()[..4].to_owned()
    }

    #[test]
    fn the_year_is_the_one_that_is_nearest() {
        assert_eq!(year("Nov 20 10:15:00", "2026-11-20 10:15:02"), "2026");
        assert_eq!(year("Dec 31 23:59:59", "2027-01-01 00:00:01"), "2026");
        assert_eq!(year("Jan  1 00:00:00", "2026-12-31 23:59:58"), "2027");
        assert_eq!(year("Jan  1 00:00:00", "2027-01-01 00:00:00"), "2027");
        assert_eq!(year("Jun 30 12:00:00", "2026-12-29 23:59:59"), "2026");
        assert_eq!(year("Jun 30 12:00:00", "2026-12-30 00:00:01"), "2027");
        assert_eq!(year("Jul  2 12:00:00", "2027-01-01 00:00:01"), "2027");
    }

    #[test]
    fn every_day_of_forty_years_is_found_again_from_five_months_around_it() {
        const DAY: i64 = 86_400_000;
        let offset = UtcOffset::new("+00:00".to_owned()).unwrap();
        for day in 10_000..25_000 {
            let time = DateTime64::<6>::from_millis(day * DAY).unwrap();
            let text = time.to_string();
            let month = MONTHS[text[5..7].parse::<usize>().unwrap() - 1];
            let text = format!("{month} {} 00:00:00", &text[8..10]);
            for apart in [-150 * DAY, -DAY, 0, DAY, 150 * DAY] {
                let found = read(&mut Reader::new(&text), &offset, Some(day * DAY + apart));
                assert_eq!(found.unwrap(), time, "{text} {apart}");
            }
        }
    }

    #[test]
    fn the_zone_is_that_of_the_settings() {
        let read = |offset| read_at("Jan  1 01:30:00", offset, "2026-12-31 22:30:05").unwrap();
        assert_eq!(read("+03:00"), "2026-12-31 22:30:00.000000");
        assert_eq!(read("-05:30"), "2027-01-01 07:00:00.000000");
    }

    #[test]
    fn a_leap_day_is_of_the_leap_year_beside_and_of_none_where_there_is_none() {
        assert_eq!(year("Feb 29 12:00:00", "2025-01-10 00:00:00"), "2024");
        let fault = read_at("Feb 29 12:00:00", "+00:00", "2026-02-28 00:00:00").unwrap_err();
        assert!(
            fault.ends_with(": \"Feb 29 12:00:00\" is not a time, there is no such date or time of day"),
            "{fault}"
        );
    }

    #[test]
    fn other_notations_are_none_of_this_format() {
        for text in [
            "oct 11 22:14:15",
            "Oct 11 22:14",
            "Oct 1 22:14:15",
            "Oct 11 22:14:60",
            "Oct 32 22:14:15",
            "Okt 11 22:14:15",
            "Oct 11T22:14:15",
            "Oct 11 2é:14:15",
        ] {
            assert!(read_at(text, "+00:00", "2026-11-20 10:15:00").is_err(), "{text}");
        }
    }

    #[test]
    fn offsets_that_are_none_are_refused() {
        for text in ["", "Z", "3", "+3", "+25:00", "Europe/Moscow", "0", "+0300 "] {
            let refused = UtcOffset::new(text.to_owned()).err().map(|fault| fault.to_string());
            let expected = format!("settings: utc_offset is {text:?}, it should be like \"+03:00\"");
            assert_eq!(refused, Some(expected));
        }
    }
}
