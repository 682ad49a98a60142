//! When a pipeline takes what has gathered: every so often by the clock, or as a cron expression says. Pure: time is an
//! argument.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};

use super::units::parse_duration;

/// Slots of time, all in UTC.
#[derive(Clone, Debug)]
pub struct Schedule {
    text: String,
    slots: Slots,
}

#[derive(Clone, Debug)]
enum Slots {
    /// At every multiple of this since 1970-01-01T00:00:00Z: on the hour, where it divides an hour.
    Every(TimeDelta),
    Cron(Box<Cron>),
}

/// Shorter slots would be a linger.
const SHORTEST: Duration = Duration::from_secs(1);

/// Longer ones would not be aligned to anything that people count by; a cron expression says those better.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

const EXPECTED: &str = "expected \"every\" and a duration from \"1 s\" to \"24 h\", such as \"every 15 min\", or a cron \
                        expression of five fields in UTC, such as \"0 3 * * *\"";

impl Schedule {
    /// The first slot after `time`.
    pub fn after(&self, time: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match &self.slots {
            Slots::Every(step) => {
                let (step, time) = (step.num_milliseconds(), time.timestamp_millis());
                DateTime::from_timestamp_millis((time.div_euclid(step) + 1) * step)
            }
            Slots::Cron(cron) => cron.find_next_occurrence(&time, false).ok(),
        }
    }
}

impl FromStr for Schedule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let slots = match text.trim().strip_prefix("every ") {
            Some(step) => every(step)?,
            None => cron(text)?,
        };
        let schedule = Self { text: text.to_owned(), slots };
        // Any date does: what does not come within thousands of years from it never does.
        match schedule.after(DateTime::UNIX_EPOCH) {
            Some(_) => Ok(schedule),
            None => Err(format!("no day is such a day; {EXPECTED}")),
        }
    }
}

fn every(step: &str) -> Result<Slots, String> {
    let step = parse_duration(step).ok().filter(|step| (SHORTEST..=LONGEST).contains(step));
    let step = step.and_then(|step| TimeDelta::from_std(step).ok()).ok_or(EXPECTED)?;
    Ok(Slots::Every(step))
}

fn cron(text: &str) -> Result<Slots, String> {
    // The library would also take seconds, years and nicknames such as `@daily`: one way to say a thing is enough.
    if text.split_whitespace().count() != 5 {
        return Err(EXPECTED.to_owned());
    }
    let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
    let cron = parser.parse(text).map_err(|fault| {
        let fault = fault.to_string();
        format!("{}; {EXPECTED}", fault.trim_end_matches('.'))
    })?;
    Ok(Slots::Cron(Box::new(cron)))
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(schedule: &str, time: &str) -> String {
        let schedule: Schedule = schedule.parse().unwrap();
        let time = DateTime::parse_from_rfc3339(time).unwrap().to_utc();
        schedule.after(time).unwrap().format("%Y-%m-%dT%H:%M:%S%.f").to_string()
    }

    #[test]
    fn slots_stand_on_the_clock_and_come_after_the_time_that_is_asked_for() {
        for (schedule, time, slot) in [
            ("every 15 min", "2026-11-25T17:03:00Z", "2026-11-25T17:15:00"),
            ("every 15 min", "2026-11-25T17:15:00Z", "2026-11-25T17:30:00"),
            ("every 15 min", "2026-11-25T23:59:59.999Z", "2026-11-26T00:00:00"),
            ("every 2 s", "2026-11-25T17:03:01.5Z", "2026-11-25T17:03:02"),
            ("every 24 h", "2026-11-25T17:03:00+03:00", "2026-11-26T00:00:00"),
            ("every 1 h", "1969-12-31T23:30:00Z", "1970-01-01T00:00:00"),
            ("0 3 * * *", "2026-11-25T03:00:00Z", "2026-11-26T03:00:00"),
            ("0 3 * * *", "2026-11-25T02:59:59Z", "2026-11-25T03:00:00"),
            ("*/20 9-17 * * MON-FRI", "2026-11-27T17:40:00Z", "2026-11-30T09:00:00"),
            ("0 0 29 2 *", "2026-11-25T00:00:00Z", "2028-02-29T00:00:00"),
            ("30 4 1,15 * 5", "2026-11-25T00:00:00Z", "2026-11-27T04:30:00"),
        ] {
            assert_eq!(after(schedule, time), slot, "{schedule} after {time}");
        }
    }

    #[test]
    fn what_is_not_a_schedule_is_refused_with_what_would_be_right() {
        for text in [
            "",
            "every",
            "every 15",
            "every 0 s",
            "every 10 ms",
            "every 2 days",
            "every 25 h",
            "15 min",
            "* * * *",
            "* * * * * *",
            "61 * * * *",
            "a b c d e",
            "0 3 * * XYZ",
            "@daily",
        ] {
            let fault = text.parse::<Schedule>().expect_err(text);
            assert!(fault.ends_with(EXPECTED), "{text}: {fault}");
        }
        let never = "0 0 31 2 *".parse::<Schedule>().unwrap_err();
        assert!(never.starts_with("no day is such a day"), "{never}");
    }
}
