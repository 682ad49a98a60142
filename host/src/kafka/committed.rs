//! What a group has committed, asked for by a client of that group.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};

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

fn may_pass(fault: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        fault.rdkafka_error_code(),
        Some(Code::NotCoordinator | Code::CoordinatorLoadInProgress | Code::CoordinatorNotAvailable)
    )
}
