//! How a group stands that nobody is a member of: whether there is anything to read for it. Pure: the broker's answers are
//! arguments.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::TopicPartition;
use super::inquiry::Offsets;
use super::native::GroupOffsets;

/// How a group stands in its topics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nobody has looked yet.
    Unknown,
    /// Every partition has a committed offset, and it is the partition's end.
    CaughtUp(Arc<GroupOffsets>),
    /// A member has something to do.
    Behind {
        /// What, for people.
        reason: String,
        /// How far partitions are behind, of those of which it is known.
        lags: BTreeMap<TopicPartition, i64>,
    },
    /// Kafka does not say: why.
    Unanswered(String),
}

/// The partitions of topics; those that are not there do not exist.
pub type Partitions = HashMap<String, Vec<TopicPartition>>;

/// How a group with these offsets stands in these topics.
pub fn standing(topics: &[String], committed: &Arc<GroupOffsets>, partitions: &Partitions, ends: &Offsets) -> Standing {
    let (mut reason, mut unanswered) = (None, None);
    for topic in topics {
        let Some(partitions) = partitions.get(topic) else {
            reason.get_or_insert_with(|| format!("topic {topic} does not exist"));
            continue;
        };
        for partition in partitions {
            match (committed.get(partition), ends.known.get(partition)) {
                (Some(offset), Some(end)) if offset == end => {}
                (Some(offset), Some(end)) if offset > end => {
                    reason.get_or_insert_with(|| format!("offset {offset} of {partition} is beyond its end {end}"));
                }
                (Some(_), Some(_)) => _ = reason.get_or_insert_with(|| format!("records have come to {partition}")),
                (None, _) => _ = reason.get_or_insert_with(|| format!("{partition} has no committed offset")),
                (Some(_), None) => {
                    let fault = ends.unknown.get(partition).map_or("the broker says no offset", String::as_str);
                    unanswered.get_or_insert_with(|| format!("find out where {partition} ends: {fault}"));
                }
            }
        }
    }
    match (reason, unanswered) {
        (Some(reason), _) => Standing::Behind { reason, lags: lags(topics, committed, partitions, ends) },
        (None, Some(fault)) => Standing::Unanswered(fault),
        (None, None) => Standing::CaughtUp(committed.clone()),
    }
}

fn lags(
    topics: &[String],
    committed: &GroupOffsets,
    partitions: &Partitions,
    ends: &Offsets,
) -> BTreeMap<TopicPartition, i64> {
    let all = topics.iter().filter_map(|topic| partitions.get(topic)).flatten();
    let lag = |partition: &TopicPartition| Some((ends.known.get(partition)? - committed.get(partition)?).max(0));
    all.filter_map(|partition| Some((partition.clone(), lag(partition)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(partition: i32) -> TopicPartition {
        TopicPartition { topic: "t".into(), partition }
    }

    fn offsets(offsets: &[(i32, i64)]) -> GroupOffsets {
        offsets.iter().map(|(partition, offset)| (key(*partition), *offset)).collect()
    }

    /// How a group stands in the topic `t` of so many partitions.
    fn stands(partitions: i32, committed: &[(i32, i64)], ends: &[(i32, i64)]) -> Standing {
        let partitions = Partitions::from([("t".to_owned(), (0..partitions).map(key).collect())]);
        let unknown = BTreeMap::from([(key(9), "it has no leader".to_owned())]);
        let ends = Offsets { known: offsets(ends), unknown };
        standing(&["t".to_owned()], &Arc::new(offsets(committed)), &partitions, &ends)
    }

    fn reason(standing: Standing) -> String {
        match standing {
            Standing::Behind { reason, .. } => reason,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_group_has_caught_up_where_every_partition_is_committed_up_to_its_end() {
        let committed = Arc::new(offsets(&[(0, 7), (1, 0)]));
        assert_eq!(stands(2, &[(0, 7), (1, 0)], &[(0, 7), (1, 0)]), Standing::CaughtUp(committed));
    }

    #[test]
    fn what_there_is_to_do_is_named_with_how_far_partitions_are_behind() {
        let behind = stands(2, &[(0, 7), (1, 0)], &[(0, 9), (1, 0)]);
        let lags = BTreeMap::from([(key(0), 2), (key(1), 0)]);
        assert_eq!(behind, Standing::Behind { reason: "records have come to t/0".to_owned(), lags });
        assert_eq!(reason(stands(3, &[(0, 7), (1, 0)], &[(0, 7), (1, 0), (2, 0)])), "t/2 has no committed offset");
        assert_eq!(reason(stands(1, &[(0, 7)], &[(0, 3)])), "offset 7 of t/0 is beyond its end 3");
        let gone = standing(&["u".to_owned()], &Arc::default(), &Partitions::new(), &Offsets::default());
        assert_eq!(reason(gone), "topic u does not exist");
    }

    #[test]
    fn a_partition_without_an_answer_is_no_reason_to_join_but_hides_none() {
        let told = stands(1, &[(0, 7)], &[]);
        assert_eq!(told, Standing::Unanswered("find out where t/0 ends: the broker says no offset".to_owned()));
        assert_eq!(reason(stands(2, &[(0, 7), (1, 0)], &[(1, 4)])), "records have come to t/1");
    }
}
