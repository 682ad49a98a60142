//! What a group has committed, asked for by a client of that group.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};
use tidegate_ledger::{JOIN, Joined, Plan};

use super::TopicPartition;
use super::native::GroupCommits;
use super::position::Committed;

/// How long to wait before a coordinator is asked again that is not ready.
const ASK_AGAIN: Duration = Duration::from_millis(100);

/// The group's commits, of those partitions that have one. Waits for transactions that may change them, and for a coordinator
/// that has only just become it: librdkafka asks again after a broken connection, and not after these answers.
///
/// # Errors
/// Where the broker does not say until `until`, or refuses.
pub(super) fn committed<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    partitions: TopicPartitionList,
    until: Instant,
) -> Result<GroupCommits, KafkaError> {
    let found = loop {
        // librdkafka takes no time at all for a poll of what is there already.
        let left = until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        match consumer.committed_offsets(partitions.clone(), left) {
            Err(fault) if may_pass(&fault) && Instant::now() + ASK_AGAIN < until => std::thread::sleep(ASK_AGAIN),
            answer => break answer?,
        }
    };
    let mut commits = GroupCommits::new();
    for element in found.elements() {
        element.error()?;
        if let Offset::Offset(offset) = element.offset() {
            let partition = TopicPartition { topic: element.topic().into(), partition: element.partition() };
            commits.insert(partition, Committed { offset, metadata: element.metadata().to_owned() });
        }
    }
    Ok(commits)
}

/// Up to where the group has completed partitions, as its commits say. A range that is planned with one of another partition is not complete, though
/// its own partition's offset is behind it.
///
/// # Errors
/// Where a plan that may name such ranges cannot be read.
pub(super) fn completed(commits: &GroupCommits) -> Result<BTreeMap<TopicPartition, i64>, String> {
    let mut offsets: BTreeMap<_, _> = commits.iter().map(|(key, commit)| (key.clone(), commit.offset)).collect();
    for (key, Committed { offset, metadata }) in commits {
        let plan = match Plan::read(metadata, *offset) {
            Ok(plan) => plan,
            Err(fault) if metadata.contains(JOIN) => return Err(format!("{key}: {fault}")),
            // It is its own partition's trouble.
            Err(_) => continue,
        };
        for Joined { partition, first, .. } in plan.ranges.into_iter().flat_map(|range| range.joined) {
            let joined = offsets.get_mut(&TopicPartition { topic: key.topic.clone(), partition });
            joined.into_iter().for_each(|offset| *offset = first.min(*offset));
        }
    }
    Ok(offsets)
}

fn may_pass(fault: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        fault.rdkafka_error_code(),
        Some(Code::NotCoordinator | Code::CoordinatorLoadInProgress | Code::CoordinatorNotAvailable)
    )
}
