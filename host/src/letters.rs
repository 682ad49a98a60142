//! Dead letters as they lie in their topic: which record each was, and what it was before it became one.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::kafka::TopicPartition;
use crate::pipeline::Records;

/// Which record a letter was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Where it stood.
    pub partition: TopicPartition,
    /// Where it stood.
    pub offset: i64,
    /// The stage that refused it; empty where the letter does not say.
    pub stage: String,
    /// Why; empty where the letter does not say.
    pub reason: String,
}

impl Origin {
    /// What a letter says of itself; none where it is none of a gateway's.
    pub fn of(letters: &Records, index: usize) -> Option<Self> {
        let mut said = BTreeMap::new();
        // A record may itself have been a letter once: the last word of each name is the gateway's.
        for (name, value) in letters.headers(index) {
            if let Some(value) = value.and_then(|value| std::str::from_utf8(value).ok()) {
                said.insert(name, value);
            }
        }
        let text = |name: &[u8]| said.get(name).map(|value| (*value).to_owned()).unwrap_or_default();
        let topic: Arc<str> = (*said.get(b"tidegate-topic".as_slice())?).into();
        let partition = said.get(b"tidegate-partition".as_slice())?.parse().ok()?;
        Some(Self {
            partition: TopicPartition { topic, partition },
            offset: said.get(b"tidegate-offset".as_slice())?.parse().ok()?,
            stage: text(b"tidegate-stage"),
            reason: text(b"tidegate-reason"),
        })
    }
}

/// The headers that a letter's record came with: those before the gateway's, of which the first names the topic.
pub fn own_headers(letters: &Records, index: usize) -> Vec<(&[u8], Option<&[u8]>)> {
    let mut headers: Vec<_> = letters.headers(index).collect();
    // A record may itself have been a letter once, whose words are its own.
    let added = headers.iter().rposition(|(name, _)| *name == b"tidegate-topic").unwrap_or(headers.len());
    headers.truncate(added);
    headers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::RecordRef;

    fn letter(headers: &[(&str, &str)]) -> Records {
        let mut records = Records::default();
        records.push(RecordRef { offset: 7, timestamp: 1, key: None, value: Some(b"v") });
        for (name, value) in headers {
            records.push_header(name.as_bytes(), Some(value.as_bytes()));
        }
        records
    }

    #[test]
    fn the_last_word_says_where_a_letter_came_from_and_what_it_came_with() {
        let letter = letter(&[
            ("trace", "a"),
            ("tidegate-topic", "older"),
            ("tidegate-offset", "1"),
            ("tidegate-topic", "sales"),
            ("tidegate-partition", "2"),
            ("tidegate-offset", "30"),
            ("tidegate-stage", "trap"),
            ("tidegate-reason", "because"),
        ]);
        let origin = Origin::of(&letter, 0).unwrap();
        assert_eq!((&*origin.partition.topic, origin.partition.partition, origin.offset), ("sales", 2, 30));
        assert_eq!((origin.stage.as_str(), origin.reason.as_str()), ("trap", "because"));
        let own: Vec<_> = own_headers(&letter, 0).into_iter().map(|(name, _)| name).collect();
        assert_eq!(own, [b"trace".as_slice(), b"tidegate-topic", b"tidegate-offset"]);
    }

    #[test]
    fn what_is_none_of_a_gateways_is_no_letter() {
        assert_eq!(Origin::of(&letter(&[("tidegate-topic", "sales")]), 0), None);
        assert_eq!(Origin::of(&letter(&[]), 0), None);
    }
}
