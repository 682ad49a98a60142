//! The offsets of groups that the asking client is no member of, many groups on the same connections. rdkafka has them only
//! through a consumer of each group, which is some threads and connections a group.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{CStr, CString, c_void};
use std::ptr;
use std::time::{Duration, Instant};

use rdkafka::bindings as rdsys;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::types::{RDKafka, RDKafkaQueue, RDKafkaRespErr};

use crate::kafka::TopicPartition;
use crate::kafka::position::Committed;

/// A group's offsets, of the partitions that have one.
pub type GroupOffsets = BTreeMap<TopicPartition, i64>;

/// A group's commits, of the partitions that have one.
pub type GroupCommits = BTreeMap<TopicPartition, Committed>;

/// How much longer to wait than librdkafka may take: its own word says more than ours.
const GRACE: Duration = Duration::from_millis(500);

/// Reads the offsets of groups, all asked at once; the answers are in the order of the groups. Waits for at most about `timeout`.
pub fn group_offsets<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    groups: &[&str],
    timeout: Duration,
) -> Vec<Result<GroupOffsets, String>> {
    let offsets = |commits: GroupCommits| {
        commits.into_iter().map(|(partition, commit)| (partition, commit.offset)).collect::<GroupOffsets>()
    };
    let commits = group_commits(consumer, groups, timeout);
    commits.into_iter().map(|commits| commits.map(offsets)).collect()
}

/// The same with the metadata. What stands in a transaction that has not come to its end does not count.
pub fn group_commits<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    groups: &[&str],
    timeout: Duration,
) -> Vec<Result<GroupCommits, String>> {
    let found = look(consumer, groups, Wanted::Any, timeout);
    found.into_iter().map(|found| found.map(|found| found.commits)).collect()
}

/// The partitions of a group of which a transaction may change the offset that has not come to its end.
pub fn in_transactions<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    group: &str,
    timeout: Duration,
) -> Result<BTreeSet<TopicPartition>, String> {
    let found = look(consumer, &[group], Wanted::Settled, timeout).pop();
    found.unwrap_or_else(|| Err("there is no answer".to_owned())).map(|found| found.unsettled)
}

/// Which offsets are wanted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    /// Those that count just now.
    Any,
    /// Those that no transaction may change.
    Settled,
}

/// What an answer says.
#[derive(Default)]
struct Found {
    commits: GroupCommits,
    unsettled: BTreeSet<TopicPartition>,
}

fn look<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    groups: &[&str],
    wanted: Wanted,
    timeout: Duration,
) -> Vec<Result<Found, String>> {
    let mut answers: Vec<_> = groups.iter().map(|_| Err("there is no answer".to_owned())).collect();
    let client = consumer.client().native_ptr();
    let Some(queue) = Answers::new(client) else { return answers };
    let mut open = 0;
    for (index, group) in groups.iter().enumerate() {
        // Names of groups are checked when a pipeline's file is read: none has a NUL in it.
        let Ok(group) = CString::new(*group) else { continue };
        // SAFETY: the client lives as long as the borrow of `consumer`, and the queue as long as `queue`.
        unsafe { ask(client, &group, index, (wanted, timeout), queue.0) };
        open += 1;
    }
    let until = Instant::now() + timeout + GRACE;
    while open > 0 {
        let left = until.saturating_duration_since(Instant::now());
        let Some((index, answer)) = queue.next(left) else { break };
        open -= 1;
        if let Some(place) = answers.get_mut(index) {
            *place = answer;
        }
    }
    answers
}

/// Sends a question whose answer comes to the queue under this number.
///
/// # Safety
/// Client and queue are valid.
unsafe fn ask(
    client: *mut RDKafka,
    group: &CStr,
    number: usize,
    (wanted, timeout): (Wanted, Duration),
    queue: *mut RDKafkaQueue,
) {
    let milliseconds = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
    // SAFETY: the caller's promise; no partitions stand for all; librdkafka copies the request and its options, which are
    // ours to destroy; the number is never used as an address; a timeout out of bounds is refused and leaves the default.
    unsafe {
        let mut request = rdsys::rd_kafka_ListConsumerGroupOffsets_new(group.as_ptr(), ptr::null());
        let operation = rdsys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS;
        let options = rdsys::rd_kafka_AdminOptions_new(client, operation);
        rdsys::rd_kafka_AdminOptions_set_request_timeout(options, milliseconds, ptr::null_mut(), 0);
        if wanted == Wanted::Settled {
            // Supported for this operation, so that there is no error.
            rdsys::rd_kafka_AdminOptions_set_require_stable_offsets(options, 1);
        }
        rdsys::rd_kafka_AdminOptions_set_opaque(options, ptr::without_provenance_mut::<c_void>(number));
        rdsys::rd_kafka_ListConsumerGroupOffsets(client, &mut request, 1, options, queue);
        rdsys::rd_kafka_AdminOptions_destroy(options);
        rdsys::rd_kafka_ListConsumerGroupOffsets_destroy(request);
    }
}

/// Where answers come to.
struct Answers(*mut RDKafkaQueue);

impl Answers {
    fn new(client: *mut RDKafka) -> Option<Self> {
        // SAFETY: the client is valid; the queue is ours to destroy, which `drop` does.
        let queue = unsafe { rdsys::rd_kafka_queue_new(client) };
        (!queue.is_null()).then_some(Self(queue))
    }

    /// The next answer with its number.
    fn next(&self, wait: Duration) -> Option<(usize, Result<Found, String>)> {
        let milliseconds = i32::try_from(wait.as_millis()).unwrap_or(i32::MAX);
        // SAFETY: the queue is valid; the event is ours until it is destroyed, and nothing refers to it after that.
        unsafe {
            let event = rdsys::rd_kafka_queue_poll(self.0, milliseconds);
            if event.is_null() {
                return None;
            }
            let answer = (rdsys::rd_kafka_event_opaque(event).addr(), read(event));
            rdsys::rd_kafka_event_destroy(event);
            Some(answer)
        }
    }
}

impl Drop for Answers {
    fn drop(&mut self) {
        // SAFETY: the queue is valid until here; librdkafka throws away what comes to it later.
        unsafe { rdsys::rd_kafka_queue_destroy(self.0) };
    }
}

/// What an answer says.
///
/// # Safety
/// `event` points to a valid event, which stays so during the call.
unsafe fn read(event: *mut rdsys::rd_kafka_event_t) -> Result<Found, String> {
    // SAFETY: the caller's promise; texts and lists belong to the event, and pointers are looked at before they are followed.
    unsafe {
        if rdsys::rd_kafka_event_error(event) != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
            return Err(text(rdsys::rd_kafka_event_error_string(event)));
        }
        let result = rdsys::rd_kafka_event_ListConsumerGroupOffsets_result(event);
        let mut count = 0;
        let groups = match result.is_null() {
            true => ptr::null_mut(),
            false => rdsys::rd_kafka_ListConsumerGroupOffsets_result_groups(result, &mut count),
        };
        if groups.is_null() || count == 0 {
            return Err("the answer names no group".to_owned());
        }
        let fault = rdsys::rd_kafka_group_result_error(*groups);
        if !fault.is_null() {
            return Err(text(rdsys::rd_kafka_error_string(fault)));
        }
        commits(rdsys::rd_kafka_group_result_partitions(*groups))
    }
}

/// The commits of a list.
///
/// # Safety
/// `list` is null or points to a valid list.
unsafe fn commits(list: *const rdsys::rd_kafka_topic_partition_list_t) -> Result<Found, String> {
    let mut found = Found::default();
    // SAFETY: the caller's promise; a list has `cnt` elements, each with a C string as its topic and with as many
    // bytes of metadata as it says.
    unsafe {
        let Some(list) = list.as_ref().filter(|list| !list.elems.is_null()) else { return Ok(found) };
        for element in std::slice::from_raw_parts(list.elems, usize::try_from(list.cnt).unwrap_or_default()) {
            let partition = TopicPartition { topic: text(element.topic).into(), partition: element.partition };
            if element.err == RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT {
                found.unsettled.insert(partition);
                continue;
            }
            if element.err != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
                return Err(format!("{partition}: {}", RDKafkaErrorCode::from(element.err)));
            }
            // A negative one says that there is none.
            if element.offset >= 0 {
                let metadata = match element.metadata.is_null() {
                    true => &[],
                    false => std::slice::from_raw_parts(element.metadata.cast::<u8>(), element.metadata_size),
                };
                let metadata = String::from_utf8_lossy(metadata).into_owned();
                found.commits.insert(partition, Committed { offset: element.offset, metadata });
            }
        }
    }
    Ok(found)
}

/// A C string's text.
///
/// # Safety
/// The pointer is null or to a C string.
unsafe fn text(text: *const std::ffi::c_char) -> String {
    if text.is_null() {
        return "no reason is given".to_owned();
    }
    // SAFETY: the caller's promise.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}
