//! What librdkafka has and rdkafka does not wrap: fetching a thousand records a call into flat memory, a commit that is
//! answered, one within a transaction, and the offsets of groups that one is no member of.
//!
//! The one place with `unsafe` in the host. Fetching earns it: taking messages one by one doubles what consuming costs
//! (`make bench`: `consume` against `librdkafka`). The commit needs it: rdkafka's asynchronous commit is never answered.

#![allow(unsafe_code)]

mod groups;
mod member;

use std::ffi::{CString, c_void};
use std::ptr;
use std::sync::Arc;
use std::thread::Thread;

use rdkafka::bindings as rdsys;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::types::{RDKafka, RDKafkaMessage, RDKafkaQueue, RDKafkaRespErr};
use rdkafka::{Offset, TopicPartitionList};

pub use groups::{GroupCommits, GroupOffsets};
pub(super) use groups::{group_commits, group_offsets, in_transactions};
pub(super) use member::{Member, OffsetsFault, send_offsets};

use super::TopicPartition;
use crate::pipeline::{RecordRef, Records};

/// Messages a call: enough that its cost vanishes, few enough that their objects stay in the caches.
const MESSAGES: usize = 1_000;

/// Wakes the thread that polls.
#[derive(Clone, Debug)]
pub struct Wake(Thread);

impl Wake {
    /// Wakes the thread that calls this.
    pub fn this_thread() -> Self {
        Self(std::thread::current())
    }

    /// Ends the thread's wait, or its next one if it does not wait.
    pub fn wake(&self) {
        self.0.unpark();
    }
}

/// The queue of one partition's fetched records. Called from one thread.
pub struct PartitionQueue<C: ConsumerContext + 'static> {
    queue: ptr::NonNull<RDKafkaQueue>,
    partition: i32,
    topic: CString,
    /// The consumer outlives its queues.
    consumer: Arc<BaseConsumer<C>>,
    /// Where librdkafka's callback finds it; kept until the callback is off.
    wake: Box<Wake>,
}

/// What librdkafka puts into a partition's queue besides records.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0}")]
pub struct FetchFault(RDKafkaErrorCode);

/// How much of a queue is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Bound {
    /// So many records at most.
    pub records: usize,
    /// Only records from this offset on; those that came before it came a second time, and are thrown away.
    pub first: i64,
    /// Only records before this offset; those that came from there on are thrown away.
    pub offset: Option<i64>,
}

/// What came of a queue.
#[derive(Debug, Default)]
pub struct Fetched {
    /// How many records.
    pub records: usize,
    /// No record that is wanted lies between the last one that came and this offset: the end of the partition, or the bound.
    pub reached: Option<i64>,
    /// What librdkafka had to say besides.
    pub faults: Vec<FetchFault>,
}

enum Taken {
    Record,
    Again,
    Reached(i64),
    Fault(FetchFault),
}

impl FetchFault {
    /// Whether the next offset to fetch is not in the partition any more, or not yet.
    pub fn is_out_of_range(&self) -> bool {
        self.0 == RDKafkaErrorCode::AutoOffsetReset
    }
}

impl<C: ConsumerContext + 'static> PartitionQueue<C> {
    pub(super) fn open(consumer: Arc<BaseConsumer<C>>, partition: &TopicPartition, wake: Wake) -> Option<Self> {
        let topic = CString::new(&*partition.topic).ok()?;
        let wake = Box::new(wake);
        // SAFETY: the client lives as long as `consumer`, which the queue keeps; `topic` is a C string; the queue is ours to
        // destroy, which `drop` does.
        let queue = unsafe {
            rdsys::rd_kafka_queue_get_partition(consumer.client().native_ptr(), topic.as_ptr(), partition.partition)
        };
        let queue = ptr::NonNull::new(queue)?;
        // SAFETY: the queue is valid; without a forward its records stay in it; the opaque pointer is to a box that this
        // struct keeps until `drop` has switched the callback off.
        unsafe {
            rdsys::rd_kafka_queue_forward(queue.as_ptr(), ptr::null_mut());
            let opaque: *const Wake = &*wake;
            rdsys::rd_kafka_queue_cb_event_enable(queue.as_ptr(), Some(on_nonempty), opaque.cast_mut().cast());
        }
        Some(Self { queue, partition: partition.partition, topic, consumer, wake })
    }

    /// Moves records that are already here to the end of `records`, as far as `bound` goes. Never waits.
    pub fn fetch(&mut self, records: &mut Records, bound: Bound) -> Fetched {
        let mut messages = [ptr::null_mut::<RDKafkaMessage>(); MESSAGES];
        let most = bound.records.min(MESSAGES);
        // SAFETY: the queue is valid, and the array has room for as many pointers as are asked for.
        let count = unsafe { rdsys::rd_kafka_consume_batch_queue(self.queue.as_ptr(), 0, messages.as_mut_ptr(), most) };
        let mut fetched = Fetched::default();
        // A negative count is an error without messages.
        for message in messages.iter().take(usize::try_from(count).unwrap_or_default()) {
            // SAFETY: librdkafka gave as many valid messages, each ours until it is destroyed just below.
            let taken = unsafe { take(*message, records, bound) };
            match taken {
                Taken::Record => fetched.records += 1,
                Taken::Again => {}
                Taken::Reached(offset) => fetched.reached = fetched.reached.max(Some(offset)),
                Taken::Fault(fault) => fetched.faults.push(fault),
            }
            // SAFETY: the message is ours, and nothing refers to it any more.
            unsafe { rdsys::rd_kafka_message_destroy(*message) };
        }
        fetched
    }

    /// The offset that follows what was fetched, the marks of transactions behind the last record included; none before
    /// anything was. Wrong by one after a [`FetchFault`] or the end of the partition, which librdkafka counts as records.
    pub fn position(&self) -> Option<i64> {
        let mut list = TopicPartitionList::new();
        list.add_partition(self.topic.to_str().ok()?, self.partition);
        // SAFETY: client and list are valid, and only the list's offsets are written.
        let code = unsafe { rdsys::rd_kafka_position(self.consumer.client().native_ptr(), list.ptr()) };
        let offset = list.elements().first().map(|element| element.offset());
        match (code, offset) {
            (RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR, Some(Offset::Offset(offset))) => Some(offset),
            _ => None,
        }
    }

    /// The offset behind the partition's last record, as the last answer of the broker said; none before the first.
    pub fn end(&self) -> Option<i64> {
        let (mut low, mut high) = (-1, -1);
        // SAFETY: the client and the topic's name are valid, and the two integers are written to at most.
        let code = unsafe {
            rdsys::rd_kafka_get_watermark_offsets(
                self.consumer.client().native_ptr(),
                self.topic.as_ptr(),
                self.partition,
                &mut low,
                &mut high,
            )
        };
        (code == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR && high >= 0).then_some(high)
    }
}

impl<C: ConsumerContext + 'static> Drop for PartitionQueue<C> {
    fn drop(&mut self) {
        // SAFETY: the queue is valid until it is destroyed here; switching the callback off waits for a call under way, so
        // that the box it points to may go after.
        unsafe {
            rdsys::rd_kafka_queue_cb_event_enable(self.queue.as_ptr(), None, ptr::null_mut());
            rdsys::rd_kafka_queue_destroy(self.queue.as_ptr());
        }
        let _: &Wake = &self.wake;
    }
}

/// Sends a commit whose answer comes to the consumer's own queue, and from there to its context's `commit_callback`.
pub(super) fn commit<C: ConsumerContext>(consumer: &BaseConsumer<C>, offsets: &TopicPartitionList) -> KafkaResult<()> {
    // SAFETY: the client is valid as long as the consumer is borrowed; librdkafka copies the list and takes a reference of its
    // own to the queue's inside, so that both may go when this returns; without a callback the opaque pointer is unused.
    let code = unsafe {
        let queue = rdsys::rd_kafka_queue_get_consumer(consumer.client().native_ptr());
        let code =
            rdsys::rd_kafka_commit_queue(consumer.client().native_ptr(), offsets.ptr(), queue, None, ptr::null_mut());
        if !queue.is_null() {
            rdsys::rd_kafka_queue_destroy(queue);
        }
        code
    };
    match code {
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(()),
        code => Err(KafkaError::ConsumerCommit(code.into())),
    }
}

/// Called on librdkafka's threads when the queue was empty and is no more.
unsafe extern "C" fn on_nonempty(_: *mut RDKafka, wake: *mut c_void) {
    // SAFETY: the pointer is to the box of a queue that has not been dropped: see `PartitionQueue::open`.
    let wake = unsafe { &*wake.cast::<Wake>() };
    wake.wake();
}

/// Copies a message's record to the end of `records`, unless it lies outside of the bounds.
///
/// # Safety
/// `message` points to a valid message, which stays so during the call.
unsafe fn take(message: *mut RDKafkaMessage, records: &mut Records, bound: Bound) -> Taken {
    // SAFETY: the caller's promise.
    let fields = unsafe { &*message };
    match fields.err {
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR => {}
        // With it comes the offset that will be fetched next: behind the marks of transactions, which are no records.
        RDKafkaRespErr::RD_KAFKA_RESP_ERR__PARTITION_EOF => return Taken::Reached(fields.offset),
        fault => return Taken::Fault(FetchFault(fault.into())),
    }
    if fields.offset < bound.first {
        return Taken::Again;
    }
    if let Some(end) = bound.offset.filter(|end| fields.offset >= *end) {
        return Taken::Reached(end);
    }
    let mut kind = rdsys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
    // SAFETY: the message is valid; librdkafka's pointers and lengths describe memory that lives as long as it.
    let (timestamp, key, value) = unsafe {
        let timestamp = rdsys::rd_kafka_message_timestamp(message, &mut kind);
        (timestamp, bytes(fields.key, fields.key_len), bytes(fields.payload, fields.len))
    };
    records.push(RecordRef { offset: fields.offset, timestamp, key, value });
    // SAFETY: as above.
    if unsafe { may_have_headers(message) } {
        // SAFETY: as above.
        unsafe { take_headers(message, records) };
    }
    Taken::Record
}

/// Whether a message may have headers; looked at first since librdkafka makes and destroys two objects to find none.
///
/// # Safety
/// As for [`take`].
unsafe fn may_have_headers(message: *mut RDKafkaMessage) -> bool {
    // SAFETY: the message is valid.
    let (epoch, fields) = unsafe { (rdsys::rd_kafka_message_leader_epoch(message), &*message) };
    // A null or empty value does not lie in the batch: librdkafka points to a constant.
    if epoch < 0 || fields.payload.is_null() || fields.len == 0 {
        return true;
    }
    // SAFETY: only batches of the format with headers carry an epoch. In it a record's value is followed by the count of
    // its headers (KIP-82), at least one byte, in the same buffer, and librdkafka gives the value where it lies.
    let count = unsafe { *fields.payload.cast::<u8>().add(fields.len) };
    count != 0
}

/// Copies a message's headers to the end of `records`.
///
/// # Safety
/// As for [`take`].
unsafe fn take_headers(message: *mut RDKafkaMessage, records: &mut Records) {
    let mut headers = ptr::null_mut();
    // SAFETY: the message is valid; the headers that are found belong to it.
    let code = unsafe { rdsys::rd_kafka_message_headers(message, &mut headers) };
    if code != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
        return;
    }
    for index in 0.. {
        let (mut name, mut value, mut length) = (ptr::null(), ptr::null(), 0);
        // SAFETY: the headers are valid, and the three places are written only where there is such a header.
        let code = unsafe { rdsys::rd_kafka_header_get_all(headers, index, &mut name, &mut value, &mut length) };
        if code != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
            return;
        }
        // SAFETY: the name is a C string and the value has its length; both live as long as the message.
        let (name, value) = unsafe { (std::ffi::CStr::from_ptr(name), bytes(value.cast_mut(), length)) };
        records.push_header(name.to_bytes(), value);
    }
}

/// The bytes at a pointer that is null for a null value.
///
/// # Safety
/// A pointer that is not null is to `length` bytes that live as long as the message.
unsafe fn bytes<'a>(start: *mut c_void, length: usize) -> Option<&'a [u8]> {
    let start = ptr::NonNull::new(start.cast::<u8>())?;
    // SAFETY: the caller's promise.
    Some(unsafe { std::slice::from_raw_parts(start.as_ptr(), length) })
}
