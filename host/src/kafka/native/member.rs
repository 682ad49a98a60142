//! A member's place in its group, as it was when it was asked for, and the offsets that a transaction commits with it. rdkafka has both,
//! but does not say the generation, and a place without one would be believed by the broker unseen.

use std::ffi::CStr;
use std::ptr;
use std::time::Duration;

use rdkafka::TopicPartitionList;
use rdkafka::bindings as rdsys;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::producer::{BaseProducer, Producer, ProducerContext};

/// A member of a group and the generation that it was in. Unlike a plain commit, which librdkafka stamps when it sends it, what is
/// committed with this is of this generation whenever it is sent.
pub struct Member(ptr::NonNull<rdsys::rd_kafka_consumer_group_metadata_t>);

// SAFETY: librdkafka's object is texts and a number that nobody writes to; it belongs to no thread.
unsafe impl Send for Member {}

/// Why offsets did not become part of a transaction.
#[derive(Debug)]
pub struct OffsetsFault {
    /// librdkafka's code.
    pub code: RDKafkaErrorCode,
    /// And its words.
    pub text: String,
    /// Whether the same call again goes on where this one stopped.
    pub is_retriable: bool,
    /// Whether the producer can do nothing more.
    pub is_fatal: bool,
}

impl Member {
    /// The consumer's place in its group just now; none while it has none.
    pub(in crate::kafka) fn of<C: ConsumerContext>(consumer: &BaseConsumer<C>) -> Option<Self> {
        // SAFETY: the client is valid as long as the consumer is borrowed; what comes back is ours to destroy, which `drop` does.
        let metadata = unsafe { rdsys::rd_kafka_consumer_group_metadata(consumer.client().native_ptr()) };
        let member = Self(ptr::NonNull::new(metadata)?);
        // The broker checks nothing of who has no generation.
        (member.generation() >= 0).then_some(member)
    }

    fn generation(&self) -> i32 {
        // SAFETY: the object is valid until it is dropped.
        unsafe { rdsys::rd_kafka_consumer_group_metadata_generation_id(self.0.as_ptr()) }
    }
}

impl std::fmt::Debug for Member {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "generation {}", self.generation())
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        // SAFETY: it is ours, and nothing refers to it after this.
        unsafe { rdsys::rd_kafka_consumer_group_metadata_destroy(self.0.as_ptr()) };
    }
}

/// Makes offsets, with their metadata, part of a producer's transaction. Waits for the group's coordinator.
pub(in crate::kafka) fn send_offsets<C: ProducerContext>(
    producer: &BaseProducer<C>,
    offsets: &TopicPartitionList,
    member: &Member,
    timeout: Duration,
) -> Result<(), OffsetsFault> {
    let milliseconds = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
    // SAFETY: client, list and member are valid during the call, and librdkafka copies what it keeps; the error, where there is one,
    // is ours to destroy, and its text is copied before.
    unsafe {
        let client = producer.client().native_ptr();
        let error = rdsys::rd_kafka_send_offsets_to_transaction(client, offsets.ptr(), member.0.as_ptr(), milliseconds);
        if error.is_null() {
            return Ok(());
        }
        let fault = OffsetsFault {
            code: rdsys::rd_kafka_error_code(error).into(),
            text: CStr::from_ptr(rdsys::rd_kafka_error_string(error)).to_string_lossy().into_owned(),
            is_retriable: rdsys::rd_kafka_error_is_retriable(error) != 0,
            is_fatal: rdsys::rd_kafka_error_is_fatal(error) != 0,
        };
        rdsys::rd_kafka_error_destroy(error);
        Err(fault)
    }
}
