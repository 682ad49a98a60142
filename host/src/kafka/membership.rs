//! Membership of a consumer group: who may read which partition, and the commits that only a member may make.
//!
//! A revocation is answered when the caller says so, not within librdkafka's callback: the other partitions keep
//! flowing while the revoked ones drain. Everything is called from the one thread that also fetches.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Offset, TopicPartitionList};

use super::TopicPartition;
use super::files;
use super::native::{self, PartitionQueue, Wake};
use super::settings::KafkaSettings;
use super::trouble::Troubles;
use crate::config::Start;

/// A member of a consumer group.
pub struct Membership {
    consumer: Arc<BaseConsumer<Context>>,
    topics: Vec<String>,
}

/// The queue of a partition of a [`Membership`].
pub type Queue = PartitionQueue<Context>;

/// What to read, as whom.
#[derive(Clone, Debug)]
pub struct Subscription {
    /// The consumer group.
    pub group: String,
    /// At least one.
    pub topics: Vec<String>,
    /// Where the group begins if it has no offset.
    pub start: Start,
}

/// What happened to the membership.
#[derive(Debug)]
pub enum Event {
    /// These partitions are ours once they are taken by [`Membership::take`].
    Assigned(Vec<TopicPartition>),
    /// These partitions go to another member as soon as they are given up by [`Membership::give_up`].
    Revoked(Vec<TopicPartition>),
    /// These partitions are another's already: nothing of them may be committed.
    Lost(Vec<TopicPartition>),
    /// The broker's answer to a commit: the offsets, and why they were refused.
    Committed(Vec<(TopicPartition, i64)>, Result<(), String>),
    /// Something is wrong that may mend itself: a topic that does not exist, a broker that does not answer.
    Trouble(String),
    /// The membership is over; another must be begun.
    Fatal(String),
}

/// Why a membership cannot begin.
#[derive(Debug, thiserror::Error)]
#[error("join consumer group `{group}`: {problem}")]
pub struct JoinFault {
    group: String,
    problem: String,
}

impl Membership {
    /// Subscribes; partitions come later, as [`Event::Assigned`]. `wake` is called whenever there is something to poll.
    ///
    /// # Errors
    /// Where librdkafka refuses the settings or the topics' names.
    pub fn join(settings: &KafkaSettings, subscription: &Subscription, wake: &Wake) -> Result<Self, JoinFault> {
        let fault = |problem: KafkaError| {
            let problem = files::reason(settings, &problem.to_string());
            JoinFault { group: subscription.group.clone(), problem }
        };
        let config = settings.consumer(&subscription.group, subscription.start);
        let mut consumer: BaseConsumer<Context> = config.create_with_context(Context::new(settings)).map_err(fault)?;
        let wake = wake.clone();
        consumer.set_nonempty_callback(move || wake.wake());
        let topics: Vec<&str> = subscription.topics.iter().map(String::as_str).collect();
        consumer.subscribe(&topics).map_err(fault)?;
        Ok(Self { consumer: Arc::new(consumer), topics: subscription.topics.clone() })
    }

    /// All that has happened since the last call. Must be called at least every `max.poll.interval.ms`.
    pub fn poll(&self) -> Vec<Event> {
        // Rebalances, commits and lines of the log are handled within a poll that then returns nothing: one more finds the next.
        loop {
            let before = self.context().events.lock().len();
            match self.consumer.poll(Duration::ZERO) {
                Some(Err(fault)) => self.context().events.lock().extend(trouble(&fault)),
                Some(Ok(message)) => self.context().push(unexpected(&message)),
                None if self.context().events.lock().len() > before => {}
                None if self.context().logged.swap(false, Ordering::Relaxed) => {}
                None => break,
            }
        }
        self.context().events.lock().drain(..).collect()
    }

    /// Opens the queue of a partition that was assigned; before it is taken, so that every record goes to its own queue.
    ///
    /// # Errors
    /// Where there can be no such partition.
    pub fn open_queue(&self, partition: &TopicPartition, wake: &Wake) -> Option<Queue> {
        PartitionQueue::open(self.consumer.clone(), partition, wake.clone())
    }

    /// Begins to fetch partitions that were assigned.
    ///
    /// # Errors
    /// The text of librdkafka's error.
    pub fn take(&self, partitions: &[TopicPartition]) -> Result<(), String> {
        let list = list(partitions);
        let taken = match self.consumer.rebalance_protocol() {
            RebalanceProtocol::Cooperative => self.consumer.incremental_assign(&list),
            _ => self.consumer.assign(&list),
        };
        taken.map_err(|fault| fault.to_string())
    }

    /// Answers a revocation. Nothing of these partitions may be committed any more.
    ///
    /// # Errors
    /// The text of librdkafka's error.
    pub fn give_up(&self, partitions: &[TopicPartition]) -> Result<(), String> {
        let given = match self.consumer.rebalance_protocol() {
            RebalanceProtocol::Cooperative => self.consumer.incremental_unassign(&list(partitions)),
            _ => self.consumer.unassign(),
        };
        given.map_err(|fault| fault.to_string())
    }

    /// Sends a commit; the answer comes as [`Event::Committed`].
    ///
    /// # Errors
    /// The text of librdkafka's error, where the commit was not even sent.
    pub fn commit(&self, offsets: &[(TopicPartition, i64)]) -> Result<(), String> {
        let mut list = TopicPartitionList::new();
        for (TopicPartition { topic, partition }, offset) in offsets {
            let added = list.add_partition_offset(topic, *partition, Offset::Offset(*offset));
            added.map_err(|fault| fault.to_string())?;
        }
        native::commit(&self.consumer, &list).map_err(|fault| fault.to_string())
    }

    /// Asks the broker which of the topics it does not have. Waits up to a second for each.
    ///
    /// # Errors
    /// Where no broker answers, or the certificate of one is refused.
    pub fn missing_topics(&self) -> Result<Vec<String>, String> {
        let mut missing = Vec::new();
        for topic in &self.topics {
            let metadata = self.consumer.fetch_metadata(Some(topic), Duration::from_secs(1));
            let metadata = metadata.map_err(|fault| self.context().troubles.of_silence(&fault.to_string()))?;
            if metadata.topics().iter().any(|topic| topic.error().is_some() || topic.partitions().is_empty()) {
                missing.push(topic.clone());
            }
        }
        let answered = self.context().troubles.answered();
        if missing.is_empty() {
            answered?;
        }
        Ok(missing)
    }

    /// Ends the membership; the group hears of it at once. All queues must be dropped before.
    pub fn leave(self) {
        self.context().closing.store(true, Ordering::Release);
        // Dropping the last reference leaves the group and answers the revocation that comes of it.
        drop(self.consumer);
    }

    fn context(&self) -> &Context {
        self.consumer.context()
    }
}

fn list(partitions: &[TopicPartition]) -> TopicPartitionList {
    let mut list = TopicPartitionList::with_capacity(partitions.len());
    for TopicPartition { topic, partition } in partitions {
        list.add_partition(topic, *partition);
    }
    list
}

fn partitions(list: &TopicPartitionList) -> Vec<(TopicPartition, Offset)> {
    let elements = list.elements();
    elements
        .iter()
        .map(|element| {
            let partition = TopicPartition { topic: element.topic().into(), partition: element.partition() };
            (partition, element.offset())
        })
        .collect()
}

/// What an error of a poll means; none where [`Context::error`] has told of it already, with librdkafka's own words.
fn trouble(fault: &KafkaError) -> Option<Event> {
    match fault {
        KafkaError::MessageConsumptionFatal(code) => Some(Event::Fatal(code.to_string())),
        KafkaError::MessageConsumption(RDKafkaErrorCode::UnknownTopicOrPartition) => {
            Some(Event::Trouble("a topic of the pipeline does not exist; waiting for it".to_owned()))
        }
        KafkaError::MessageConsumption(_) => None,
        fault => Some(Event::Trouble(fault.to_string())),
    }
}

/// Queues are opened before partitions are taken: a record on the main queue would be one that nobody counts.
fn unexpected(message: &BorrowedMessage<'_>) -> Event {
    let (topic, partition, offset) = (message.topic(), message.partition(), message.offset());
    Event::Fatal(format!("record {topic}/{partition}/{offset} came outside of its partition's queue"))
}

/// Collects what librdkafka says within a poll.
pub struct Context {
    events: Mutex<VecDeque<Event>>,
    closing: AtomicBool,
    /// Whether a line of the log has come.
    logged: AtomicBool,
    troubles: Troubles,
}

impl Context {
    fn new(settings: &KafkaSettings) -> Self {
        Self {
            events: Mutex::default(),
            closing: AtomicBool::new(false),
            logged: AtomicBool::new(false),
            troubles: Troubles::new(settings),
        }
    }

    fn push(&self, event: Event) {
        self.events.lock().push_back(event);
    }
}

impl ConsumerContext for Context {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, code: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let concerned: Vec<_> = partitions(list).into_iter().map(|(partition, _)| partition).collect();
        if self.closing.load(Ordering::Acquire) {
            // Nobody is left to answer; all is drained or abandoned already.
            let _ = match consumer.rebalance_protocol() {
                RebalanceProtocol::Cooperative => consumer.incremental_unassign(list),
                _ => consumer.unassign(),
            };
            return;
        }
        self.push(match code {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => Event::Assigned(concerned),
            _ if consumer.assignment_lost() => Event::Lost(concerned),
            _ => Event::Revoked(concerned),
        });
    }

    fn commit_callback(&self, result: KafkaResult<()>, offsets: &TopicPartitionList) {
        let committed = partitions(offsets).into_iter().filter_map(|(partition, offset)| match offset {
            Offset::Offset(offset) => Some((partition, offset)),
            _ => None,
        });
        self.push(Event::Committed(committed.collect(), result.map_err(|fault| fault.to_string())));
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        // What matters comes as an event as well; these are for looking closer.
        tracing::debug!(target: "librdkafka", ?level, facility, "{message}");
        self.logged.store(true, Ordering::Relaxed);
        if let Some(text) = self.troubles.overhear(facility, message) {
            self.push(Event::Trouble(text));
        }
    }

    fn error(&self, fault: KafkaError, reason: &str) {
        let code = fault.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown);
        if let Some(text) = self.troubles.hear(code, reason) {
            self.push(Event::Trouble(text));
        }
    }
}
