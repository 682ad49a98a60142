//! Topics, and records in and out of them, by plain clients that know nothing of the gateway.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, NewPartitions, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Header, Headers, Message as _, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use tidegate_demo::produce::{Deliveries, create_topics};

use super::http::Http;
use super::wait::eventually;

/// How long a broker may take to answer.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A broker.
#[derive(Clone)]
pub struct Kafka {
    http: Rc<Http>,
    brokers: String,
}

/// A consumer group's offsets, seen from outside of it.
pub struct Group {
    name: String,
    consumer: BaseConsumer,
    topic: String,
}

/// A record to write.
#[derive(Clone, Debug, Default)]
pub struct Message {
    /// None for null.
    pub key: Option<Vec<u8>>,
    /// None for null.
    pub value: Option<Vec<u8>>,
    /// Names and values, None for null.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    /// Milliseconds since 1970.
    pub timestamp: i64,
}

/// How a transaction ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transaction {
    /// Its records count.
    Committed,
    /// They are in the log, and nobody is to read them.
    Aborted,
}

/// A record that was read.
#[derive(Clone, Debug)]
pub struct Received {
    /// Where it stood.
    pub partition: i32,
    /// Where it stood.
    pub offset: i64,
    /// What it says.
    pub message: Message,
}

impl Message {
    /// A sale that the plugin makes one row of; its number is in its id.
    pub fn sale(number: i64, timestamp: i64) -> Self {
        let text = format!(
            "{{\"event_id\":\"0192f0c1-7a3b-7c11-9d2e-{number:012x}\",\"event_time\":\"2026-11-20T10:15:00.123Z\",\
             \"product_id\":7,\"quantity\":3,\"price\":1.50,\"channel\":\"web\"}}"
        );
        Self { value: Some(text.into_bytes()), timestamp, ..Self::default() }
    }
}

impl Kafka {
    /// A broker; nothing is sent yet.
    pub fn new(http: Rc<Http>, brokers: &str) -> Self {
        Self { http, brokers: brokers.to_owned() }
    }

    /// Its host and port.
    pub fn brokers(&self) -> &str {
        &self.brokers
    }

    /// Makes a topic.
    ///
    /// # Errors
    /// Where the broker refuses.
    pub fn create(&self, topic: &str, partitions: i32) -> anyhow::Result<()> {
        self.http.wait(create_topics(&self.brokers, &[(topic, partitions)]))
    }

    /// Removes topics; those that are not there are no error.
    ///
    /// # Errors
    /// Where no broker answers.
    pub fn delete(&self, topics: &[String]) -> anyhow::Result<()> {
        let admin: AdminClient<DefaultClientContext> = self.client().create().context("connect to Kafka")?;
        // librdkafka follows a null pointer where a name comes twice.
        let names: BTreeSet<&str> = topics.iter().map(String::as_str).collect();
        let names: Vec<&str> = names.into_iter().collect();
        self.http.wait(admin.delete_topics(&names, &AdminOptions::new())).context("delete topics")?;
        Ok(())
    }

    /// Gives a topic more partitions, so many in all.
    ///
    /// # Errors
    /// Where the broker refuses.
    pub fn grow(&self, topic: &str, partitions: usize) -> anyhow::Result<()> {
        let admin: AdminClient<DefaultClientContext> = self.client().create().context("connect to Kafka")?;
        let options = AdminOptions::new().operation_timeout(Some(TIMEOUT));
        let more = [NewPartitions::new(topic, partitions)];
        let grown = admin.create_partitions(&more, &options);
        for result in self.http.wait(grown).context("add partitions")? {
            result.map_err(|(topic, code)| anyhow::anyhow!("add partitions to {topic}: {code}"))?;
        }
        Ok(())
    }

    /// Deletes a partition's records before `offset`, as retention does.
    ///
    /// # Errors
    /// Where the broker refuses.
    pub fn delete_records(&self, topic: &str, partition: i32, offset: i64) -> anyhow::Result<()> {
        let admin: AdminClient<DefaultClientContext> = self.client().create().context("connect to Kafka")?;
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, partition, Offset::Offset(offset))?;
        let options = AdminOptions::new().operation_timeout(Some(TIMEOUT));
        let deleted = self.http.wait(admin.delete_records(&list, &options)).context("delete records")?;
        deleted.elements().iter().try_for_each(|element| element.error()).context("delete records")
    }

    /// Sets what a topic has of its own.
    ///
    /// # Errors
    /// Where the broker refuses.
    pub fn set(&self, topic: &str, name: &str, value: &str) -> anyhow::Result<()> {
        let admin: AdminClient<DefaultClientContext> = self.client().create().context("connect to Kafka")?;
        let change = AlterConfig::new(ResourceSpecifier::Topic(topic)).set(name, value);
        let options = AdminOptions::new().operation_timeout(Some(TIMEOUT));
        for result in self.http.wait(admin.alter_configs([&change], &options)).context("configure a topic")? {
            result.map_err(|(_, code)| anyhow::anyhow!("set {name} of {topic}: {code}"))?;
        }
        Ok(())
    }

    /// Writes messages to a partition in one transaction, whose end leaves a mark in the log that takes an offset.
    ///
    /// # Errors
    /// Where the broker does not take them.
    pub fn send_in_transaction(
        &self,
        topic: &str,
        partition: i32,
        messages: &[Message],
        end: Transaction,
    ) -> anyhow::Result<()> {
        let mut config = self.client();
        config.set("transactional.id", format!("tidegate-tests-{:08x}", rand::random::<u32>()));
        let producer: BaseProducer<_> =
            config.create_with_context(Deliveries::default()).context("connect to Kafka")?;
        producer.init_transactions(TIMEOUT).context("begin with transactions")?;
        producer.begin_transaction()?;
        write(&producer, topic, partition, messages)?;
        match end {
            Transaction::Committed => producer.commit_transaction(TIMEOUT),
            Transaction::Aborted => producer.abort_transaction(TIMEOUT),
        }
        .with_context(|| format!("end a transaction in {topic}"))
    }

    /// Writes messages to a partition, in their order, and waits until the broker has them.
    ///
    /// # Errors
    /// Where it does not take them.
    pub fn send(&self, topic: &str, partition: i32, messages: &[Message]) -> anyhow::Result<()> {
        let mut config = self.client();
        config.set("message.max.bytes", "16000000").set("enable.idempotence", "true");
        let producer: BaseProducer<_> =
            config.create_with_context(Deliveries::default()).context("connect to Kafka")?;
        write(&producer, topic, partition, messages)
    }

    /// The offset behind the last record of each partition.
    ///
    /// # Errors
    /// Where there is no such topic.
    pub fn ends(&self, topic: &str) -> anyhow::Result<Vec<i64>> {
        ends(&self.consumer("tidegate-tests")?, topic)
    }

    /// How many records a topic has.
    ///
    /// # Errors
    /// As for [`Self::ends`].
    pub fn count(&self, topic: &str) -> anyhow::Result<i64> {
        Ok(self.ends(topic)?.iter().sum())
    }

    /// All records of a topic that count, partition by partition: those of aborted transactions do not.
    ///
    /// # Errors
    /// Where they do not come.
    pub fn read(&self, topic: &str) -> anyhow::Result<Vec<Received>> {
        let mut config = self.client();
        config.set("group.id", "tidegate-tests").set("enable.auto.commit", "false");
        config.set("fetch.message.max.bytes", "16000000");
        config.set("isolation.level", "read_committed").set("enable.partition.eof", "true");
        let consumer: BaseConsumer = config.create().context("connect to Kafka")?;
        // A partition that is asked about before its leader knows of it would end before it began.
        let mut open = ends(&consumer, topic)?.len();
        let mut list = TopicPartitionList::new();
        for partition in 0..partitions(&consumer, topic)? {
            list.add_partition_offset(topic, partition, Offset::Beginning)?;
        }
        consumer.assign(&list)?;
        let mut received = Vec::new();
        while open > 0 {
            match consumer.poll(TIMEOUT) {
                Some(Ok(message)) => received.push(owned(&message)),
                Some(Err(KafkaError::PartitionEOF(_))) => open -= 1,
                Some(Err(fault)) => return Err(fault).with_context(|| format!("read {topic}")),
                None => bail!("read {topic}: {} records came, and then nothing", received.len()),
            }
        }
        received.sort_by_key(|record| (record.partition, record.offset));
        Ok(received)
    }

    /// Sets a group's offset, as an operator does while the group has no member.
    ///
    /// # Errors
    /// Where the broker refuses.
    pub fn commit(&self, group: &str, topic: &str, partition: i32, offset: i64) -> anyhow::Result<()> {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, partition, Offset::Offset(offset))?;
        self.consumer(group)?.commit(&list, CommitMode::Sync).context("commit an offset")
    }

    /// The same, with what the commit says besides.
    ///
    /// # Errors
    /// Where the broker refuses.
    pub fn commit_saying(
        &self,
        group: &str,
        (topic, partition): (&str, i32),
        offset: i64,
        metadata: &str,
    ) -> anyhow::Result<()> {
        let mut list = TopicPartitionList::new();
        let mut element = list.add_partition(topic, partition);
        element.set_offset(Offset::Offset(offset))?;
        element.set_metadata(metadata);
        self.consumer(group)?.commit(&list, CommitMode::Sync).context("commit an offset")
    }

    /// The offsets of a group in one of its topics.
    ///
    /// # Errors
    /// Where librdkafka refuses the names.
    pub fn group(&self, group: &str, topic: &str) -> anyhow::Result<Group> {
        Ok(Group { name: group.to_owned(), consumer: self.consumer(group)?, topic: topic.to_owned() })
    }

    fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.brokers);
        config
    }

    fn consumer(&self, group: &str) -> anyhow::Result<BaseConsumer> {
        let mut config = self.client();
        config.set("group.id", group).set("enable.auto.commit", "false").set("fetch.message.max.bytes", "16000000");
        config.create().context("connect to Kafka")
    }
}

impl Group {
    /// The committed offset of each partition, where there is one.
    ///
    /// # Errors
    /// Where the broker does not say.
    pub fn committed(&self) -> anyhow::Result<Vec<Option<i64>>> {
        let committed = self.commits()?;
        let offset = |offset| match offset {
            Offset::Offset(offset) => Some(offset),
            _ => None,
        };
        Ok(committed.elements().iter().map(|element| offset(element.offset())).collect())
    }

    /// What the last commit of each partition says besides its offset; empty where it says nothing, or there is none.
    ///
    /// # Errors
    /// Where the broker does not say.
    pub fn metadata(&self) -> anyhow::Result<Vec<String>> {
        let committed = self.commits()?;
        Ok(committed.elements().iter().map(|element| element.metadata().to_owned()).collect())
    }

    /// A broker that has only just become the group's coordinator says that it is none, or not yet.
    fn commits(&self) -> anyhow::Result<TopicPartitionList> {
        let mut list = TopicPartitionList::new();
        for partition in 0..partitions(&self.consumer, &self.topic)? {
            list.add_partition(&self.topic, partition);
        }
        eventually("the group's coordinator answers", || {
            self.consumer.committed_offsets(list.clone(), TIMEOUT).context("read committed offsets")
        })
    }

    /// How many members it has.
    ///
    /// # Errors
    /// Where the broker does not say.
    pub fn members(&self) -> anyhow::Result<usize> {
        let list = self.consumer.fetch_group_list(Some(&self.name), TIMEOUT).context("read the group's members")?;
        Ok(list.groups().iter().map(|group| group.members().len()).sum())
    }

    /// Waits until these are the committed offsets.
    ///
    /// # Errors
    /// Says what is committed instead.
    pub fn commits_are(&self, expected: &[i64]) -> anyhow::Result<()> {
        eventually("the group's offsets are committed", || {
            let committed = self.committed()?;
            let right = committed.iter().copied().eq(expected.iter().copied().map(Some));
            ensure!(right, "committed are {committed:?}, not {expected:?}");
            Ok(())
        })
    }

    /// Fails until all records of the topic are committed; a topic without records has none to wait for.
    ///
    /// # Errors
    /// Says what is not.
    pub fn has_caught_up(&self) -> anyhow::Result<()> {
        let committed: Vec<_> = self.committed()?.into_iter().map(Option::unwrap_or_default).collect();
        let ends = ends(&self.consumer, &self.topic)?;
        ensure!(ends.iter().any(|end| *end > 0), "{} has no records", self.topic);
        ensure!(committed == ends, "{}: committed {committed:?} of {ends:?}", self.topic);
        Ok(())
    }
}

fn write(producer: &BaseProducer<Deliveries>, topic: &str, partition: i32, messages: &[Message]) -> anyhow::Result<()> {
    for message in messages {
        let mut record: BaseRecord<'_, [u8], [u8]> =
            BaseRecord::to(topic).partition(partition).timestamp(message.timestamp);
        record.key = message.key.as_deref();
        record.payload = message.value.as_deref();
        if !message.headers.is_empty() {
            record = record.headers(headers(message));
        }
        producer.send(record).map_err(|(fault, _)| fault).with_context(|| format!("write to {topic}"))?;
    }
    Deliveries::flush(producer, TIMEOUT).with_context(|| format!("write to {topic}"))
}

fn partitions(consumer: &BaseConsumer, topic: &str) -> anyhow::Result<i32> {
    let metadata = consumer.fetch_metadata(Some(topic), TIMEOUT).context("read metadata")?;
    let found = metadata.topics().iter().find(|found| found.name() == topic && found.error().is_none());
    let count = found.map_or(0, |found| found.partitions().len());
    ensure!(count > 0, "there is no topic {topic}");
    Ok(i32::try_from(count)?)
}

fn ends(consumer: &BaseConsumer, topic: &str) -> anyhow::Result<Vec<i64>> {
    (0..partitions(consumer, topic)?).map(|partition| end(consumer, topic, partition)).collect()
}

fn end(consumer: &BaseConsumer, topic: &str, partition: i32) -> anyhow::Result<i64> {
    let context = || format!("read the end of {topic}/{partition}");
    eventually("the leader of a new partition knows of it", || {
        match consumer.fetch_watermarks(topic, partition, TIMEOUT) {
            Ok((_, end)) => Ok(Ok(end)),
            // It takes a moment. Until then nobody knows that the partition is empty.
            Err(fault @ KafkaError::MetadataFetch(RDKafkaErrorCode::UnknownTopicOrPartition)) => {
                Err(fault).with_context(context)
            }
            Err(fault) => Ok(Err(fault).with_context(context)),
        }
    })?
}

fn headers(message: &Message) -> OwnedHeaders {
    let insert = |headers: OwnedHeaders, (name, value): &(String, Option<Vec<u8>>)| {
        headers.insert(Header { key: name, value: value.as_deref() })
    };
    message.headers.iter().fold(OwnedHeaders::new(), insert)
}

fn owned(message: &BorrowedMessage<'_>) -> Received {
    let headers = message.headers().map(|headers| {
        headers.iter().map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec))).collect()
    });
    Received {
        partition: message.partition(),
        offset: message.offset(),
        message: Message {
            key: message.key().map(<[u8]>::to_vec),
            value: message.payload().map(<[u8]>::to_vec),
            headers: headers.unwrap_or_default(),
            timestamp: message.timestamp().to_millis().unwrap_or(-1),
        },
    }
}
