//! What a listener asks for: how many samples, of which records. The command writes it into an address, the gateway reads it from there.

use std::fmt;
use std::str::FromStr;

use clap::ValueEnum;

use crate::rows::nearest;

/// What one listener wants to see.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    /// After so many samples the stream ends.
    pub records: u64,
    /// At most so many samples a second on the average.
    pub per_second: f64,
    /// Only records that became this.
    pub only: Option<Only>,
    /// Only records with a row for this route.
    pub route: Option<String>,
    /// Only records of this partition.
    pub partition: Option<PartitionName>,
    /// Only records with exactly this key.
    pub key: Option<String>,
    /// How much of long values and of many rows is shown.
    pub extent: Extent,
}

/// What may have become of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Only {
    /// At least one row.
    Rows,
    /// A reject, by the plugin or by the gateway's check.
    Rejects,
    /// Neither.
    Drops,
}

/// How much of a sample is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// The beginning of what is long.
    Beginning,
    /// As much as the gateway ever sends.
    Whole,
}

/// A partition, written `TOPIC/NUMBER`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionName {
    /// The topic.
    pub topic: String,
    /// Counted from 0.
    pub number: i32,
}

/// The names of what an address may say.
const NAMES: [&str; 7] = ["records", "per_second", "only", "route", "partition", "key", "full"];

impl Default for Wanted {
    fn default() -> Self {
        Self {
            // A screen or two.
            records: 20,
            // About as fast as a person can glance at them.
            per_second: 5.0,
            only: None,
            route: None,
            partition: None,
            key: None,
            extent: Extent::Beginning,
        }
    }
}

impl Wanted {
    /// Reads the query of an address; what it leaves out is as by default.
    ///
    /// # Errors
    /// Names what is wrong, its value and what would be right.
    pub fn parse(query: &str) -> Result<Self, String> {
        let mut wanted = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let wrong = |problem: String| format!("`{name}` is \"{value}\"; {problem}");
            match &*name {
                "records" => wanted.records = records(&value).map_err(wrong)?,
                "per_second" => wanted.per_second = per_second(&value).map_err(wrong)?,
                "only" => wanted.only = Some(value.parse().map_err(wrong)?),
                "route" => wanted.route = Some(value.into_owned()),
                "partition" => wanted.partition = Some(value.parse().map_err(wrong)?),
                "key" => wanted.key = Some(value.into_owned()),
                "full" => wanted.extent = extent(&value).map_err(wrong)?,
                other => {
                    let hint = nearest(other, &NAMES).map(|name| format!("; the nearest is `{name}`"));
                    let known = || format!("; known ones are {}", NAMES.join(", "));
                    return Err(format!("there is no parameter `{other}`{}", hint.unwrap_or_else(known)));
                }
            }
        }
        Ok(wanted)
    }

    /// The query of an address that asks for this.
    pub fn query(&self) -> String {
        let Self { records, per_second, only, route, partition, key, extent } = self;
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("records", &records.to_string()).append_pair("per_second", &per_second.to_string());
        if let Some(only) = only {
            query.append_pair("only", only.name());
        }
        if let Some(route) = route {
            query.append_pair("route", route);
        }
        if let Some(partition) = partition {
            query.append_pair("partition", &partition.to_string());
        }
        if let Some(key) = key {
            query.append_pair("key", key);
        }
        if *extent == Extent::Whole {
            query.append_pair("full", "true");
        }
        query.finish()
    }
}

/// A number of samples.
///
/// # Errors
/// Says what would be right.
pub fn records(text: &str) -> Result<u64, String> {
    let number = text.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| "expected a whole number from 1 on, such as 20".to_owned())
}

/// A rate. Beyond a thousand samples a second nobody reads, and making them would be felt.
///
/// # Errors
/// As for [`records`].
pub fn per_second(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number| (0.01..=1_000.0).contains(number));
    number.ok_or_else(|| "expected a number from 0.01 to 1000, such as 5".to_owned())
}

fn extent(text: &str) -> Result<Extent, String> {
    match text {
        "true" => Ok(Extent::Whole),
        "false" => Ok(Extent::Beginning),
        _ => Err("expected true or false".to_owned()),
    }
}

impl Only {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rows => "rows",
            Self::Rejects => "rejects",
            Self::Drops => "drops",
        }
    }
}

impl FromStr for Only {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let all = [Self::Rows, Self::Rejects, Self::Drops];
        let found = all.into_iter().find(|only| only.name() == text);
        found.ok_or_else(|| "expected rows, rejects or drops".to_owned())
    }
}

impl FromStr for PartitionName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.rsplit_once('/').filter(|(topic, _)| !topic.is_empty());
        let parsed =
            parts.and_then(|(topic, number)| Some((topic, number.parse().ok().filter(|number| *number >= 0)?)));
        match parsed {
            Some((topic, number)) => Ok(Self { topic: topic.to_owned(), number }),
            None => Err("expected a topic and a partition's number, such as sales/0".to_owned()),
        }
    }
}

impl fmt::Display for PartitionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.topic, self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_command_writes_the_gateway_reads() {
        let all = Wanted {
            records: 7,
            per_second: 0.5,
            only: Some(Only::Rejects),
            route: Some("a&b=c".to_owned()),
            partition: Some("sales.eu/12".parse().unwrap()),
            key: Some("ключ +%".to_owned()),
            extent: Extent::Whole,
        };
        for wanted in [Wanted::default(), all] {
            assert_eq!(Wanted::parse(&wanted.query()), Ok(wanted));
        }
        assert_eq!(Wanted::parse(""), Ok(Wanted::default()));
    }

    #[test]
    fn what_cannot_be_done_is_named_with_what_would_be_right() {
        for (query, told) in [
            ("records=0", "`records` is \"0\"; expected a whole number from 1 on"),
            ("per_second=1e9", "`per_second` is \"1e9\"; expected a number from 0.01 to 1000"),
            ("per_second=NaN", "`per_second` is \"NaN\"; expected a number"),
            ("only=reject", "`only` is \"reject\"; expected rows, rejects or drops"),
            ("partition=sales", "`partition` is \"sales\"; expected a topic and a partition's number, such as sales/0"),
            ("partition=sales/-1", "`partition` is \"sales/-1\"; expected a topic"),
            ("full=yes", "`full` is \"yes\"; expected true or false"),
            ("recrods=1", "there is no parameter `recrods`; the nearest is `records`"),
            ("zzz=1", "there is no parameter `zzz`; known ones are records, per_second"),
        ] {
            let fault = Wanted::parse(query).unwrap_err();
            assert!(fault.starts_with(told), "{query}: {fault}");
        }
    }
}
