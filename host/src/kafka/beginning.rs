//! How a group began in a topic: a short text in the metadata of every commit. By it a member tells a partition that was there
//! when the group began, where `start` holds, from one that was added later, which is read from its beginning.

use std::fmt;

use chrono::{DateTime, Utc};

/// How the group began in one topic. All commits of the topic carry the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beginning {
    /// How many partitions the topic had. 0 where nobody knows: then whatever has no offset counts as added later.
    pub partitions: i32,
    /// When it was.
    pub time: DateTime<Utc>,
}

/// Tells our metadata from others', and this form of it from later ones.
const MARK: &str = "tidegate/1";

impl Beginning {
    /// Reads a commit's metadata; none where it is another's.
    pub fn read(metadata: &str) -> Option<Self> {
        let mut words = metadata.split(' ');
        if words.next() != Some(MARK) {
            return None;
        }
        let (mut partitions, mut time) = (None, None);
        // Words that are not known are a later version's and not ours to judge.
        for (key, value) in words.filter_map(|word| word.split_once('=')) {
            match key {
                "partitions" => partitions = value.parse().ok(),
                "began" => time = value.parse().ok().and_then(DateTime::from_timestamp_millis),
                _ => {}
            }
        }
        Some(Self { partitions: partitions?, time: time? })
    }

    /// The one that all the commits of a topic speak of. Where they differ, the one by which the least is passed over.
    pub fn of<'m>(metadata: impl Iterator<Item = &'m str>) -> Option<Self> {
        let least = |a: Self, b: Self| Self { partitions: a.partitions.min(b.partitions), time: a.time.min(b.time) };
        metadata.filter_map(Self::read).reduce(least)
    }
}

impl fmt::Display for Beginning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{MARK} partitions={} began={}", self.partitions, self.time.timestamp_millis())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beginning(partitions: i32, milliseconds: i64) -> Beginning {
        Beginning { partitions, time: DateTime::from_timestamp_millis(milliseconds).unwrap() }
    }

    #[test]
    fn what_a_commit_carries_is_read_back() {
        let text = beginning(4, 1_795_000_000_123).to_string();
        assert_eq!(text, "tidegate/1 partitions=4 began=1795000000123");
        assert_eq!(Beginning::read(&text), Some(beginning(4, 1_795_000_000_123)));
        assert_eq!(Beginning::read("tidegate/1 a=b c partitions=4 began=7"), Some(beginning(4, 7)));
        for other in ["", "tidegate/2 partitions=4 began=7", "tidegate/1 partitions=x began=7", "tidegate/1 began=7"] {
            assert_eq!(Beginning::read(other), None, "{other}");
        }
    }

    #[test]
    fn where_commits_differ_the_one_counts_that_passes_over_the_least() {
        let (one, two) = (beginning(4, 9).to_string(), beginning(6, 7).to_string());
        assert_eq!(Beginning::of([one.as_str(), "", two.as_str()].into_iter()), Some(beginning(4, 7)));
        assert_eq!(Beginning::of(["", "another's"].into_iter()), None);
    }
}
