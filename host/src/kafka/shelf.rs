//! A compacted topic as a shelf: values by their keys, which stay until another is put in a key's place. Not for records: all of the topic
//! is read to find a few values.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use parking_lot::Mutex;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::{Offset, TopicPartitionList};

use super::files;
use super::sender::{Record, Sender};
use super::settings::KafkaSettings;
use super::trouble::Troubles;

/// How long one request may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long nothing may come of a topic that has not been read to its end.
const SILENCE: Duration = Duration::from_secs(20);

/// For so long after it was used what writes is kept: many pipelines store something when they begin.
const KEPT: Duration = Duration::from_secs(10);

/// A compacted topic.
pub struct Shelf {
    settings: KafkaSettings,
    topic: String,
    /// Whether the topic was seen to be there, and to be compacted.
    ready: tokio::sync::OnceCell<()>,
    /// What writes to it, while it is kept.
    producer: Mutex<Weak<Sender>>,
}

impl Shelf {
    /// The topic is looked for when it is used first.
    pub fn new(settings: &KafkaSettings, topic: &str) -> Self {
        let ready = tokio::sync::OnceCell::new();
        Self { settings: settings.clone(), topic: topic.to_owned(), ready, producer: Mutex::default() }
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
        let producer = self.producer().map_err(|problem| fault(&problem))?;
        let written = try_join_all(values.iter().map(async |(key, value)| {
            let (key, payload) = (Some(key.as_bytes()), Some(*value));
            let sent = producer.send(Record { topic: &self.topic, key, payload, timestamp: None, headers: None });
            let delivery = sent.map_err(|problem| fault(&problem))?;
            producer.delivered(delivery).await.map_err(|problem| fault(&problem))
        }));
        let written = written.await;
        let keeps = written.is_ok();
        if !keeps {
            // What was wrong may be wrong with it for ever, such as a right that it lacked when it began.
            *self.producer.lock() = Weak::new();
        }
        tokio::spawn(async move {
            if keeps {
                tokio::time::sleep(KEPT).await;
            }
            // Its threads are joined where waiting is allowed.
            let _ = tokio::task::spawn_blocking(move || drop(producer)).await;
        });
        written.map(|_| ())
    }

    fn producer(&self) -> Result<Arc<Sender>, KafkaError> {
        let mut kept = self.producer.lock();
        if let Some(producer) = kept.upgrade() {
            return Ok(producer);
        }
        let troubles = Arc::new(Troubles::new(&self.settings));
        let producer = Arc::new(Sender::new(&self.settings.producer(), troubles)?);
        *kept = Arc::downgrade(&producer);
        Ok(producer)
    }

    /// The value of a key, and those of other keys that it names; none where it has none. `named` reads it: what it makes of the value comes with
    /// the others.
    ///
    /// # Errors
    /// Where the topic cannot be read to its end just now. One that does not exist holds nothing. The inner error is that of `named`.
    pub async fn get_with<T: Send + 'static>(
        &self,
        key: String,
        named: impl FnOnce(&[u8]) -> Result<(BTreeSet<String>, T), String> + Send + 'static,
    ) -> Result<Option<Result<Found<T>, String>>, String> {
        let (settings, topic) = (self.settings.clone(), self.topic.clone());
        let read = tokio::task::spawn_blocking(move || {
            let reading =
                Reading::begin(&settings, &topic).map_err(|problem| reading_fault(&settings, &topic, &problem))?;
            let Some(reading) = reading else { return Ok(None) };
            let found = reading.value_with(&key, named);
            found.map_err(|problem| reading_fault(&settings, &topic, &problem))
        });
        read.await.unwrap_or_else(|_| Err("the gateway is ending".to_owned()))
    }

    /// Whether a key has a value. For threads that may wait.
    ///
    /// # Errors
    /// As for [`Self::get_with`].
    pub fn has_now(&self, key: &str) -> Result<bool, String> {
        let fault = |problem: String| reading_fault(&self.settings, &self.topic, &problem);
        match Reading::begin(&self.settings, &self.topic).map_err(fault)? {
            Some(reading) => reading.places(None).map(|places| places.contains_key(key)).map_err(fault),
            None => Ok(false),
        }
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
                         kafka-configs.sh --bootstrap-server {1} --alter --topic {0} --add-config cleanup.policy=compact",
                        self.topic,
                        self.settings.brokers()
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
                "topic `{0}` does not exist, and cannot be made: {code}; make it: kafka-topics.sh --bootstrap-server {1} --create --topic {0} \
                 --partitions 1 --config cleanup.policy=compact",
                self.topic,
                self.settings.brokers()
            )),
            None => Err(format!("topic `{}` does not exist, and the broker says nothing to making it", self.topic)),
        }
    }
}

fn reading_fault(settings: &KafkaSettings, topic: &str, problem: &str) -> String {
    format!("read topic `{topic}`: {}", files::reason(settings, problem))
}

/// What a value was read as, and the values that it names.
pub type Found<T> = (T, BTreeMap<String, Vec<u8>>);

/// Where the last record of a key lies.
type Place = (i32, i64);

/// One time through the topic.
struct Reading {
    consumer: BaseConsumer,
    topic: String,
    /// Of the partitions that hold anything: where they begin and end.
    bounds: BTreeMap<i32, (i64, i64)>,
}

impl Reading {
    /// None where the topic does not exist.
    fn begin(settings: &KafkaSettings, topic: &str) -> Result<Option<Self>, String> {
        let mut config = settings.looker();
        // librdkafka assigns nothing without the name of a group; it is never joined, and nothing is committed to it.
        config.set("group.id", topic).set("enable.auto.commit", "false").set("auto.offset.reset", "earliest");
        config.set("isolation.level", "read_committed");
        let consumer: BaseConsumer = config.create().map_err(text)?;
        let metadata = consumer.fetch_metadata(Some(topic), PATIENCE).map_err(text)?;
        let partitions = metadata.topics().iter().find(|found| found.name() == topic && found.error().is_none());
        let Some(partitions) = partitions else { return Ok(None) };
        let mut bounds = BTreeMap::new();
        for partition in partitions.partitions() {
            let (low, high) = consumer.fetch_watermarks(topic, partition.id(), PATIENCE).map_err(text)?;
            if low < high {
                bounds.insert(partition.id(), (low, high));
            }
        }
        Ok(Some(Self { consumer, topic: topic.to_owned(), bounds }))
    }

    fn value_with<T>(
        &self,
        key: &str,
        named: impl FnOnce(&[u8]) -> Result<(BTreeSet<String>, T), String>,
    ) -> Result<Option<Result<Found<T>, String>>, String> {
        let mut value = None;
        let places = self.places(Some((key, &mut value)))?;
        let Some(value) = value else { return Ok(None) };
        let (others, read) = match named(&value) {
            Ok(named) => named,
            Err(fault) => return Ok(Some(Err(fault))),
        };
        // They lie close together, as they were put: only that stretch is read once more.
        let wanted: BTreeMap<Place, String> =
            others.into_iter().filter_map(|key| Some((*places.get(&key)?, key))).collect();
        let mut stretches: BTreeMap<i32, (i64, i64)> = BTreeMap::new();
        for (partition, offset) in wanted.keys() {
            let stretch = stretches.entry(*partition).or_insert((*offset, offset + 1));
            *stretch = (stretch.0.min(*offset), stretch.1.max(offset + 1));
        }
        let mut values = BTreeMap::new();
        self.read(&stretches, &mut |message| {
            if let (Some(key), Some(value)) = (wanted.get(&(message.partition(), message.offset())), message.payload())
            {
                values.insert(key.clone(), value.to_vec());
            }
        })?;
        if values.len() < wanted.len() {
            return Err("some of it was put there anew while it was read".to_owned());
        }
        Ok(Some(Ok((read, values))))
    }

    /// Where the value of each key lies, and that of one.
    fn places(&self, mut value_of: Option<(&str, &mut Option<Vec<u8>>)>) -> Result<BTreeMap<String, Place>, String> {
        let mut places = BTreeMap::new();
        self.read(&self.bounds, &mut |message| {
            let Some(key) = message.key().and_then(|key| std::str::from_utf8(key).ok()) else { return };
            match message.payload() {
                Some(_) => _ = places.insert(key.to_owned(), (message.partition(), message.offset())),
                None => _ = places.remove(key),
            }
            if let Some((wanted, value)) = &mut value_of
                && *wanted == key
            {
                **value = message.payload().map(<[u8]>::to_vec);
            }
        })?;
        Ok(places)
    }

    /// Reads of each partition what lies from one offset to before another.
    fn read(
        &self,
        stretches: &BTreeMap<i32, (i64, i64)>,
        each: &mut dyn FnMut(&BorrowedMessage<'_>),
    ) -> Result<(), String> {
        let (consumer, topic) = (&self.consumer, self.topic.as_str());
        let (mut ends, mut list) = (BTreeMap::new(), TopicPartitionList::new());
        for (partition, (first, next)) in stretches {
            ends.insert(*partition, *next);
            list.add_partition_offset(topic, *partition, Offset::Offset(*first)).map_err(text)?;
        }
        consumer.assign(&list).map_err(text)?;
        let mut heard = Instant::now();
        while !ends.is_empty() {
            match consumer.poll(Duration::from_millis(100)) {
                Some(Ok(message)) => {
                    heard = Instant::now();
                    each(&message);
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
        Ok(())
    }
}

fn text(problem: KafkaError) -> String {
    problem.to_string()
}
