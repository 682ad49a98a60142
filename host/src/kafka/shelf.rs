//! A compacted topic as a shelf: values by their keys, which stay until another is put in a key's place. Not for records: all of the topic
//! is read to find a few values.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::util::Timeout;
use rdkafka::{Offset, TopicPartitionList};

use super::files;
use super::settings::KafkaSettings;

/// How long one request may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long nothing may come of a topic that has not been read to its end.
const SILENCE: Duration = Duration::from_secs(20);

/// A compacted topic.
pub struct Shelf {
    settings: KafkaSettings,
    topic: String,
    /// Whether the topic was seen to be there, and to be compacted.
    ready: tokio::sync::OnceCell<()>,
    /// What writes to it, from the first time on: many pipelines store something when they begin.
    producer: tokio::sync::OnceCell<FutureProducer>,
}

impl Shelf {
    /// The topic is looked for when it is used first.
    pub fn new(settings: &KafkaSettings, topic: &str) -> Self {
        let (ready, producer) = (tokio::sync::OnceCell::new(), tokio::sync::OnceCell::new());
        Self { settings: settings.clone(), topic: topic.to_owned(), ready, producer }
    }

    /// Its name.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// Puts values in their places; returns when all brokers that ought to have them do.
    ///
    /// # Errors
    /// Where the topic is not there and cannot be made, is not compacted, or takes no records just now. Trying again is right.
    pub async fn put(&self, values: &[(String, &[u8])]) -> Result<(), String> {
        self.ready.get_or_try_init(|| self.make_ready()).await?;
        let fault = |problem: &KafkaError| format!("write to topic `{}`: {}", self.topic, self.reason(problem));
        let producer = self.producer.get_or_try_init(|| async { self.settings.producer().create() }).await;
        let producer = producer.map_err(|problem| fault(&problem))?;
        let sent = values.iter().map(|(key, value)| {
            let record = FutureRecord::to(&self.topic).key(key).payload(*value);
            let sent = producer.send(record, Timeout::Never);
            async { sent.await.map_err(|(problem, _)| fault(&problem)) }
        });
        try_join_all(sent).await?;
        Ok(())
    }

    /// The values of these keys, of those that have one.
    ///
    /// # Errors
    /// Where the topic cannot be read to its end just now. One that does not exist holds nothing.
    pub async fn get(&self, keys: BTreeSet<String>) -> Result<BTreeMap<String, Vec<u8>>, String> {
        let (settings, topic) = (self.settings.clone(), self.topic.clone());
        let read = tokio::task::spawn_blocking(move || read_for(&settings, &topic, &keys));
        read.await.unwrap_or_else(|_| Err("the gateway is ending".to_owned()))
    }

    /// As [`Self::get`], for threads that may wait.
    ///
    /// # Errors
    /// As for [`Self::get`].
    pub fn get_now(&self, keys: &BTreeSet<String>) -> Result<BTreeMap<String, Vec<u8>>, String> {
        read_for(&self.settings, &self.topic, keys)
    }

    fn reason(&self, problem: &KafkaError) -> String {
        files::reason(&self.settings, &problem.to_string())
    }

    async fn make_ready(&self) -> Result<(), String> {
        let admin: AdminClient<DefaultClientContext> =
            self.settings.looker().create().map_err(|problem: KafkaError| self.reason(&problem))?;
        let options = AdminOptions::new().operation_timeout(Some(PATIENCE)).request_timeout(Some(PATIENCE));
        let resource = [ResourceSpecifier::Topic(&self.topic)];
        let described = admin.describe_configs(&resource, &options).await.map_err(|problem| self.reason(&problem))?;
        let policy = described.into_iter().find_map(|config| config.ok()?.get("cleanup.policy")?.value.clone());
        match policy {
            Some(policy) => {
                match policy.split(',').any(|word| word.trim() == "compact") && !policy.contains("delete") {
                    true => Ok(()),
                    false => Err(format!(
                        "topic `{0}` has cleanup.policy={policy}, by which what is planned with would be deleted; make it compact: \
                         kafka-configs.sh --alter --topic {0} --add-config cleanup.policy=compact",
                        self.topic
                    )),
                }
            }
            // It does not exist, or may not be looked at: the client tells one as it tells the other.
            None => self.create(&admin, &options).await,
        }
    }

    async fn create(&self, admin: &AdminClient<DefaultClientContext>, options: &AdminOptions) -> Result<(), String> {
        let topic = NewTopic::new(&self.topic, 1, TopicReplication::Fixed(-1)).set("cleanup.policy", "compact");
        let created = admin.create_topics([&topic], options).await.map_err(|problem| self.reason(&problem))?;
        match created.into_iter().next() {
            Some(Ok(_)) => {
                tracing::info!(topic = self.topic, "made, with cleanup.policy=compact");
                Ok(())
            }
            // Who may not look at it may still write to it.
            Some(Err((
                _,
                RDKafkaErrorCode::TopicAlreadyExists
                | RDKafkaErrorCode::TopicAuthorizationFailed
                | RDKafkaErrorCode::ClusterAuthorizationFailed,
            ))) => {
                tracing::warn!(
                    topic = self.topic,
                    "its configuration may not be seen: see to it that cleanup.policy is compact"
                );
                Ok(())
            }
            Some(Err((_, code))) => Err(format!(
                "topic `{0}` does not exist, and cannot be made: {code}; make it: kafka-topics.sh --create --topic {0} --partitions 1 \
                 --config cleanup.policy=compact",
                self.topic
            )),
            None => Err(format!("topic `{}` does not exist, and the broker says nothing to making it", self.topic)),
        }
    }
}

fn read_for(
    settings: &KafkaSettings,
    topic: &str,
    keys: &BTreeSet<String>,
) -> Result<BTreeMap<String, Vec<u8>>, String> {
    read(settings, topic, keys)
        .map_err(|problem| format!("read topic `{topic}`: {}", files::reason(settings, &problem)))
}

fn read(settings: &KafkaSettings, topic: &str, keys: &BTreeSet<String>) -> Result<BTreeMap<String, Vec<u8>>, String> {
    let text = |problem: KafkaError| problem.to_string();
    let mut config = settings.looker();
    // librdkafka assigns nothing without the name of a group; it is never joined, and nothing is committed to it.
    config.set("group.id", topic).set("enable.auto.commit", "false").set("auto.offset.reset", "earliest");
    config.set("isolation.level", "read_committed");
    let consumer: BaseConsumer = config.create().map_err(text)?;
    let metadata = consumer.fetch_metadata(Some(topic), PATIENCE).map_err(text)?;
    let partitions = metadata.topics().iter().find(|found| found.name() == topic && found.error().is_none());
    let Some(partitions) = partitions else { return Ok(BTreeMap::new()) };
    let (mut ends, mut list) = (BTreeMap::new(), TopicPartitionList::new());
    for partition in partitions.partitions() {
        let (low, high) = consumer.fetch_watermarks(topic, partition.id(), PATIENCE).map_err(text)?;
        if low < high {
            ends.insert(partition.id(), high);
            list.add_partition_offset(topic, partition.id(), Offset::Beginning).map_err(text)?;
        }
    }
    let mut found = BTreeMap::new();
    consumer.assign(&list).map_err(text)?;
    let mut heard = Instant::now();
    while !ends.is_empty() {
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => {
                heard = Instant::now();
                let key = message.key().and_then(|key| std::str::from_utf8(key).ok()).filter(|key| keys.contains(*key));
                match (key, message.payload()) {
                    (Some(key), Some(value)) => _ = found.insert(key.to_owned(), value.to_vec()),
                    (Some(key), None) => _ = found.remove(key),
                    (None, _) => {}
                }
            }
            Some(Err(problem)) => tracing::debug!(topic, "{problem}"),
            None => {}
        }
        // Where it stands, and not which record came last: compaction leaves none at the end of some.
        let position = consumer.position().map_err(text)?;
        ends.retain(|partition, end| {
            let at = position.find_partition(topic, *partition).map(|element| element.offset());
            !matches!(at, Some(Offset::Offset(at)) if at >= *end)
        });
        if heard.elapsed() > SILENCE {
            return Err(format!("nothing comes of it, though it goes on to offset {:?}", ends.values().max()));
        }
    }
    Ok(found)
}
