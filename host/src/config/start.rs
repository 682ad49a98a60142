//! Where a group without offsets begins: `start` of a pipeline file.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use toml::de::DeValue;

use super::section::{Section, shown};

/// Where each partition begins that was there when the group began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    /// By topic and partition.
    pub offsets: BTreeMap<(String, i32), i64>,
    /// Partitions that are not named.
    pub otherwise: StartPoint,
}

/// A place in a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartPoint {
    /// The oldest record kept.
    Earliest,
    /// Behind the newest record.
    Latest,
    /// The first record with this timestamp or a later one; behind the newest where there is none.
    Time(DateTime<Utc>),
}

impl Default for Start {
    /// At the oldest record kept: what is read loses nothing.
    fn default() -> Self {
        Self::all(StartPoint::Earliest)
    }
}

impl Start {
    /// The same place in all partitions.
    pub fn all(point: StartPoint) -> Self {
        Self { offsets: BTreeMap::new(), otherwise: point }
    }

    /// Reads `start`, a word, a time or a section; none where it is wrong.
    pub(super) fn read(top: &Section<'_>, topics: &[String]) -> Option<Self> {
        match top.value("start") {
            None => Some(Self::default()),
            Some(DeValue::Table(_)) => Self::read_section(&top.section("start")?, topics),
            Some(value) => point(top, "start", value).map(Self::all),
        }
    }

    fn read_section(section: &Section<'_>, topics: &[String]) -> Option<Self> {
        let otherwise = match section.value("otherwise") {
            None => Some(StartPoint::Earliest),
            Some(value) => point(section, "otherwise", value),
        };
        let offsets =
            section.section("offsets").map_or(Some(BTreeMap::new()), |offsets| read_offsets(&offsets, topics));
        Some(Self { offsets: offsets?, otherwise: otherwise? })
    }
}

const EXPECTED: &str = "expected \"earliest\", \"latest\", or a time with its offset, such as \"2026-11-01T00:00:00Z\"";

fn point(section: &Section<'_>, key: &'static str, value: &DeValue<'_>) -> Option<StartPoint> {
    let (text, written) = match value {
        DeValue::String(text) => (text.to_string(), shown(value)),
        DeValue::Datetime(time) => (time.to_string(), shown(value)),
        other => {
            section.fault(key, format!("is {}; {EXPECTED}", shown(other)));
            return None;
        }
    };
    match text.as_str() {
        "earliest" => return Some(StartPoint::Earliest),
        "latest" => return Some(StartPoint::Latest),
        _ => {}
    }
    if let Ok(time) = DateTime::parse_from_rfc3339(&text) {
        return Some(StartPoint::Time(time.to_utc()));
    }
    let local = text.parse::<NaiveDateTime>().is_ok() || text.parse::<NaiveDate>().is_ok();
    let problem = if local {
        format!("is {written}, which does not say in which time zone; {EXPECTED}")
    } else {
        format!("is {written}; {EXPECTED}")
    };
    section.fault(key, problem);
    None
}

fn read_offsets(section: &Section<'_>, topics: &[String]) -> Option<BTreeMap<(String, i32), i64>> {
    let mut offsets = BTreeMap::new();
    let mut right = true;
    for (key, value) in section.entries() {
        let read = partition(key, topics).and_then(|partition| Ok((partition, offset(value)?)));
        match read {
            Ok((partition, offset)) => {
                offsets.insert(partition, offset);
            }
            Err(problem) => {
                section.fault(key, problem);
                right = false;
            }
        }
    }
    right.then_some(offsets)
}

fn partition(key: &str, topics: &[String]) -> Result<(String, i32), String> {
    let named = key.rsplit_once('/').and_then(|(topic, number)| {
        // Two keys for one partition, such as `a/1` and `a/01`, must not be.
        let partition =
            number.parse::<i32>().ok().filter(|partition| *partition >= 0 && partition.to_string() == number);
        Some((topic.to_owned(), partition?))
    });
    let (topic, partition) =
        named.ok_or("is not a partition; expected a topic and a number, such as \"sales/0\" = 1200")?;
    if !topics.contains(&topic) {
        return Err(format!("names the topic \"{topic}\", which `topics` does not name"));
    }
    Ok((topic, partition))
}

fn offset(value: &DeValue<'_>) -> Result<i64, String> {
    let number = match value {
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix()).ok(),
        _ => None,
    };
    let number = number.filter(|number| *number >= 0);
    number.ok_or_else(|| format!("is {}; expected an offset, a whole number from 0 on", shown(value)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Document;

    fn read(text: &str) -> Result<Start, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let topics = ["sales".to_owned(), "a/b".to_owned()];
        let read = Document::read(file.path(), |top| Start::read(top, &topics));
        read.map_err(|faults| faults.to_string().replace(&file.path().display().to_string(), "f"))
    }

    #[test]
    fn a_start_is_a_word_a_time_or_offsets() {
        let time = |text: &str| StartPoint::Time(DateTime::parse_from_rfc3339(text).unwrap().to_utc());
        for (text, start) in [
            ("", Start::default()),
            ("start = \"earliest\"", Start::default()),
            ("start = \"latest\"", Start::all(StartPoint::Latest)),
            ("start = \"2026-11-01T00:00:00Z\"", Start::all(time("2026-11-01T00:00:00Z"))),
            ("start = 2026-11-01T03:00:00.5+03:00", Start::all(time("2026-11-01T00:00:00.5Z"))),
            ("start = 2026-11-01 00:00:00Z", Start::all(time("2026-11-01T00:00:00Z"))),
            ("[start]", Start::default()),
            ("[start]\notherwise = \"latest\"", Start::all(StartPoint::Latest)),
        ] {
            assert_eq!(read(text), Ok(start), "{text}");
        }
        let start = read("[start]\notherwise = \"latest\"\n[start.offsets]\n\"sales/0\" = 1200\n\"sales/12\" = 0x10\n");
        let offsets = BTreeMap::from([(("sales".to_owned(), 0), 1200), (("sales".to_owned(), 12), 16)]);
        assert_eq!(start, Ok(Start { offsets, otherwise: StartPoint::Latest }));
    }

    #[test]
    fn what_is_not_a_start_is_refused_with_what_would_be_right() {
        for (text, fault) in [
            ("start = \"newest\"", "f:1: `start`: is \"newest\"; expected \"earliest\", \"latest\", or a time"),
            ("start = 1200", "f:1: `start`: is 1200; expected \"earliest\""),
            ("start = 2026-11-01T00:00:00", "`start`: is 2026-11-01T00:00:00, which does not say in which time zone"),
            ("start = \"2026-11-01T00:00:00\"", "is \"2026-11-01T00:00:00\", which does not say in which time zone"),
            ("start = 2026-11-01", "`start`: is 2026-11-01, which does not say in which time zone"),
            ("[start]\nother = 1", "f:2: `start.other`: is not a known key"),
            ("[start]\notherwise = 7", "f:2: `start.otherwise`: is 7; expected"),
            ("[start.offsets]\n\"sales\" = 1", "f:2: `start.offsets.sales`: is not a partition; expected a topic and"),
            ("[start.offsets]\n\"sales/-1\" = 1", "is not a partition"),
            ("[start.offsets]\n\"sales/01\" = 1", "is not a partition"),
            ("[start.offsets]\n\"stock/1\" = 1", "names the topic \"stock\", which `topics` does not name"),
            ("[start.offsets]\n\"sales/1\" = -1", "is -1; expected an offset, a whole number from 0 on"),
            ("[start.offsets]\n\"sales/1\" = \"latest\"", "is \"latest\"; expected an offset"),
        ] {
            let faults = read(text).expect_err(text);
            assert!(faults.contains(fault), "{fault} is not in:\n{faults}");
        }
    }
}
