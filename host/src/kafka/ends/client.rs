//! The client through which groups are watched, and what it asks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rdkafka::Offset;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::Group;
use crate::kafka::inquiry::{Offsets, offsets};
use crate::kafka::native::{GroupOffsets, group_offsets};
use crate::kafka::settings::KafkaSettings;
use crate::kafka::standing::Partitions;
use crate::kafka::trouble::Troubles;
use crate::kafka::{TopicPartition, files};

/// How often it is asked which partitions topics have: as often as members of groups ask.
const TOPICS_INTERVAL: Duration = Duration::from_secs(5);

/// How many groups are asked for at once: two small requests each.
const GROUPS_AT_ONCE: usize = 200;

/// How many partitions are asked for at once: librdkafka looks each up in the list that it belongs to.
const PARTITIONS_AT_ONCE: usize = 250;

/// How long an answer may take; the end of a gateway waits for it.
const PATIENCE: Duration = Duration::from_secs(3);

/// How long a group's offsets may take: groups that have no coordinator just now must not keep the others waiting.
const OFFSETS_PATIENCE: Duration = Duration::from_secs(2);

/// More than a client says between two looks, also one that is asked to say everything; what is left is heard with the next.
const MOST_WORDS: usize = 10_000;

/// What the broker said.
pub(super) struct Looked {
    /// The groups that were looked at.
    pub groups: BTreeSet<u64>,
    /// The offsets of those that were asked for.
    pub committed: Vec<(u64, Result<GroupOffsets, String>)>,
    /// Where partitions end.
    pub ends: Offsets,
}

/// Asks, and remembers which partitions there are.
pub(super) struct Client {
    consumer: BaseConsumer<Context>,
    /// Of the topics of all watched groups.
    pub partitions: Partitions,
    /// The same by the brokers that lead them: one that does not answer keeps back nothing but its own.
    led: BTreeMap<i32, Vec<TopicPartition>>,
    /// The topics that they were asked for.
    topics: BTreeSet<String>,
    partitions_read_at: Option<Instant>,
}

impl Client {
    /// Connects with the first question.
    pub fn new(settings: &KafkaSettings, groups: &BTreeMap<u64, Group>) -> Result<Self, String> {
        let context = Context { troubles: Troubles::new(settings), heard: AtomicBool::new(false) };
        let mut config = settings.looker();
        // It joins no group. But librdkafka (2.12, `rd_kafka_handle_OffsetFetch`) follows a null pointer where a group's
        // coordinator has moved and the client that asks has no group of its own; any that its user may see will do.
        if let Some(group) = groups.values().next() {
            config.set("group.id", &*group.name);
        }
        let consumer = config.create_with_context(context);
        let consumer = consumer.map_err(|fault| files::reason(settings, &fault.to_string()))?;
        Ok(Self {
            consumer,
            partitions: Partitions::new(),
            led: BTreeMap::new(),
            topics: BTreeSet::new(),
            partitions_read_at: None,
        })
    }

    /// Asks what is due. Offsets before ends: where both are the same, all was read when the ends were told.
    pub fn look(&mut self, groups: &BTreeMap<u64, Group>) -> Result<Looked, String> {
        self.hear();
        let looked = self.read_partitions(groups).and_then(|()| {
            let committed = self.read_committed(groups);
            let ends = self.read_ends()?;
            Ok(Looked { groups: groups.keys().copied().collect(), committed, ends })
        });
        match looked {
            Ok(looked) => {
                let _ = self.consumer.context().troubles.answered();
                Ok(looked)
            }
            Err(fault) => {
                self.partitions_read_at = None;
                self.hear();
                Err(self.consumer.context().troubles.of_silence(&fault))
            }
        }
    }

    /// Lets librdkafka say what is wrong with its connections, which it does within polls, a word in each.
    fn hear(&self) {
        let context = self.consumer.context();
        for _ in 0..MOST_WORDS {
            let _ = self.consumer.poll(Duration::ZERO);
            if !context.heard.swap(false, Ordering::Relaxed) {
                return;
            }
        }
    }

    fn read_committed(&self, groups: &BTreeMap<u64, Group>) -> Vec<(u64, Result<GroupOffsets, String>)> {
        let now = Instant::now();
        let mut due: Vec<_> = groups.iter().filter(|(_, group)| group.is_to_be_read(now)).collect();
        // Those first of which nothing is known.
        due.sort_by_key(|(_, group)| group.read_at);
        due.truncate(GROUPS_AT_ONCE);
        if due.is_empty() {
            return Vec::new();
        }
        let names: Vec<_> = due.iter().map(|(_, group)| &*group.name).collect();
        let answers = group_offsets(&self.consumer, &names, OFFSETS_PATIENCE);
        due.into_iter().map(|(number, _)| *number).zip(answers).collect()
    }

    fn read_partitions(&mut self, groups: &BTreeMap<u64, Group>) -> Result<(), String> {
        let now = Instant::now();
        let topics: BTreeSet<&str> =
            groups.values().flat_map(|group| group.topics.iter().map(String::as_str)).collect();
        let due = self.partitions_read_at.is_none_or(|read_at| now >= read_at + TOPICS_INTERVAL);
        if !due && topics.iter().all(|topic| self.topics.contains(*topic)) {
            return Ok(());
        }
        // All topics of the cluster: one request, where asking for each would be thousands.
        let metadata = self.consumer.fetch_metadata(None, PATIENCE).map_err(|fault| fault.to_string())?;
        let there = metadata.topics().iter().filter(|topic| topic.error().is_none() && !topic.partitions().is_empty());
        self.partitions.clear();
        self.led.clear();
        for topic in there.filter(|topic| topics.contains(topic.name())) {
            let name: Arc<str> = topic.name().into();
            for found in topic.partitions() {
                let partition = TopicPartition { topic: name.clone(), partition: found.id() };
                self.partitions.entry(topic.name().to_owned()).or_default().push(partition.clone());
                self.led.entry(found.leader()).or_default().push(partition);
            }
        }
        self.topics = topics.into_iter().map(str::to_owned).collect();
        self.partitions_read_at = Some(now);
        Ok(())
    }

    /// Fails where no broker tells any end.
    fn read_ends(&self) -> Result<Offsets, String> {
        let mut ends = Offsets::default();
        let mut problem = None;
        for some in self.led.values().flat_map(|partitions| partitions.chunks(PARTITIONS_AT_ONCE)) {
            match offsets(&self.consumer, some.iter().map(|partition| (partition, Offset::End)), PATIENCE) {
                Ok(more) => {
                    ends.known.extend(more.known);
                    ends.unknown.extend(more.unknown);
                }
                Err(fault) => {
                    ends.unknown.extend(some.iter().map(|partition| (partition.clone(), fault.clone())));
                    problem = Some(fault);
                }
            }
        }
        match problem {
            Some(fault) if ends.known.is_empty() => Err(fault),
            _ => Ok(ends),
        }
    }
}

/// Keeps what librdkafka says of the connections.
struct Context {
    troubles: Troubles,
    /// Whether anything was said since it was looked at.
    heard: AtomicBool,
}

impl ConsumerContext for Context {}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::debug!(target: "librdkafka", ?level, facility, "{message}");
        let _ = self.troubles.overhear(facility, message);
        self.heard.store(true, Ordering::Relaxed);
    }

    fn error(&self, fault: KafkaError, reason: &str) {
        let code = fault.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown);
        self.troubles.hear(code, reason);
        self.heard.store(true, Ordering::Relaxed);
    }
}
