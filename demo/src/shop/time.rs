//! The event time of a record: the moment, the notation it takes in the JSON, and the moment that the notation keeps.

use super::dice::Dice;
use super::json;

const SECOND: i64 = 1_000;
const DAY: i64 = 86_400 * SECOND;

#[derive(Clone, Copy, Debug)]
pub(crate) struct EventTime {
    /// Milliseconds since 1970, UTC.
    moment: i64,
    notation: Notation,
}

#[derive(Clone, Copy, Debug)]
enum Notation {
    /// `2026-11-20T10:15:00.123Z`
    Utc,
    /// `2026-11-20T13:15:00.123+03:00`, with the offset in minutes.
    Offset(i64),
    /// `2026-11-20 10:15:00`, in UTC as every notation without an offset.
    Seconds,
    /// `2026-11-20 10:15:00.123`
    Fraction,
    /// `1795169700`
    EpochSeconds,
    /// `1795169700123`
    EpochMilliseconds,
}

impl EventTime {
    /// Mostly RFC 3339 in UTC; the other notations take about a third together.
    pub(crate) fn draw(dice: &mut Dice, moment: i64) -> Self {
        let notation = match dice.below(100) {
            0..64 => Notation::Utc,
            64..76 => Notation::Offset(dice.pick(&[180, 330, -480, 0])),
            76..82 => Notation::Seconds,
            82..88 => Notation::Fraction,
            88..94 => Notation::EpochSeconds,
            _ => Notation::EpochMilliseconds,
        };
        Self { moment, notation }
    }

    /// The moment that the notation keeps: one without a fraction keeps the whole second before it.
    pub(crate) fn kept(&self) -> i64 {
        match self.notation {
            Notation::Seconds | Notation::EpochSeconds => self.moment.div_euclid(SECOND) * SECOND,
            Notation::Utc | Notation::Offset(_) | Notation::Fraction | Notation::EpochMilliseconds => self.moment,
        }
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        match self.notation {
            Notation::Utc => quoted(out, &Civil::at(self.moment), b'T', Fraction::Milliseconds, b"Z"),
            Notation::Offset(minutes) => {
                let local = Civil::at(self.moment + minutes * 60 * SECOND);
                quoted(out, &local, b'T', Fraction::Milliseconds, &offset(minutes));
            }
            Notation::Seconds => quoted(out, &Civil::at(self.moment), b' ', Fraction::None, b""),
            Notation::Fraction => quoted(out, &Civil::at(self.moment), b' ', Fraction::Milliseconds, b""),
            Notation::EpochSeconds => json::integer(out, self.moment.div_euclid(SECOND)),
            Notation::EpochMilliseconds => json::integer(out, self.moment),
        }
    }

    /// Well-formed but for the month, which is the thirteenth.
    pub(super) fn write_month_13(&self, out: &mut Vec<u8>) {
        let civil = Civil { month: 13, ..Civil::at(self.moment) };
        quoted(out, &civil, b'T', Fraction::Milliseconds, b"Z");
    }
}

enum Fraction {
    None,
    Milliseconds,
}

fn quoted(out: &mut Vec<u8>, civil: &Civil, separator: u8, fraction: Fraction, zone: &[u8]) {
    let second_of_day = civil.millisecond_of_day / 1_000;
    out.push(b'"');
    json::digits::<4>(out, civil.year);
    out.push(b'-');
    json::digits::<2>(out, civil.month);
    out.push(b'-');
    json::digits::<2>(out, civil.day);
    out.push(separator);
    json::digits::<2>(out, second_of_day / 3_600);
    out.push(b':');
    json::digits::<2>(out, second_of_day / 60 % 60);
    out.push(b':');
    json::digits::<2>(out, second_of_day % 60);
    if let Fraction::Milliseconds = fraction {
        out.push(b'.');
        json::digits::<3>(out, civil.millisecond_of_day % 1_000);
    }
    out.extend_from_slice(zone);
    out.push(b'"');
}

fn offset(minutes: i64) -> [u8; 6] {
    let sign = if minutes < 0 { b'-' } else { b'+' };
    let (hours, minutes) = (minutes.unsigned_abs() / 60, minutes.unsigned_abs() % 60);
    let digit = |value: u64| b'0' + (value % 10) as u8;
    [sign, digit(hours / 10), digit(hours), b':', digit(minutes / 10), digit(minutes)]
}

/// A moment as a calendar and a clock on the wall show it.
pub(crate) struct Civil {
    pub(crate) year: u32,
    pub(crate) month: u32,
    pub(crate) day: u32,
    pub(crate) millisecond_of_day: u32,
}

impl Civil {
    /// Hinnant's `civil_from_days` (howardhinnant.github.io/date_algorithms.html): years start in March there, so
    /// that a leap day is the last of its year.
    pub(crate) fn at(moment: i64) -> Self {
        let days = moment.div_euclid(DAY) + 719_468;
        let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        Self {
            year: year as u32,
            month: month as u32,
            day: day as u32,
            millisecond_of_day: moment.rem_euclid(DAY) as u32,
        }
    }
}
