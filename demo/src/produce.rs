//! Writes generated records to Kafka, as fast as it takes them or at a steady rate.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use rdkafka::ClientConfig;
use rdkafka::ClientContext;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext};

use crate::shop::{Headers, Sales, Stock};

/// A record on its way to Kafka.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    /// What chooses the partition.
    pub key: &'a [u8],
    /// None for null.
    pub value: Option<&'a [u8]>,
    /// Names and values, None for null.
    pub headers: Headers<'a>,
    /// Milliseconds since 1970.
    pub timestamp: i64,
}

/// Something that makes one record after the other.
pub trait Source {
    /// Makes the next record and hands it over.
    fn next_record(&mut self, take: &mut dyn FnMut(Outgoing<'_>));
}

impl Source for Sales {
    fn next_record(&mut self, take: &mut dyn FnMut(Outgoing<'_>)) {
        take(Sales::next_record(self).outgoing());
    }
}

impl Source for Stock {
    fn next_record(&mut self, take: &mut dyn FnMut(Outgoing<'_>)) {
        take(Stock::next_record(self).outgoing());
    }
}

/// Makes topics of so many partitions; those that exist are left as they are.
///
/// # Errors
/// Where no broker answers or one refuses.
pub async fn create_topics(brokers: &str, topics: &[(&str, i32)]) -> anyhow::Result<()> {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", brokers).create().context("connect to Kafka")?;
    let new: Vec<_> =
        topics.iter().map(|(name, partitions)| NewTopic::new(name, *partitions, TopicReplication::Fixed(1))).collect();
    let options = AdminOptions::new().operation_timeout(Some(Duration::from_secs(30)));
    for result in admin.create_topics(&new, &options).await.context("create topics")? {
        match result {
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((topic, code)) => anyhow::bail!("create topic {topic}: {code}"),
        }
    }
    Ok(())
}

/// How long events of deliveries are served at a time.
const SERVED: Duration = Duration::from_millis(1);

/// Remembers the first record that Kafka did not take: librdkafka tells only this of what it queued.
#[derive(Debug, Default)]
pub struct Deliveries(Mutex<Option<KafkaError>>);

impl Deliveries {
    /// Waits until Kafka has all that was queued.
    ///
    /// # Errors
    /// Where that takes longer than `patience`, or Kafka has refused a record since the last time.
    pub fn flush(producer: &BaseProducer<Self>, patience: Duration) -> Result<(), KafkaError> {
        let deadline = Instant::now() + patience;
        producer.flush(patience)?;
        // What was delivered is told by events, which may not have been served yet.
        while producer.in_flight_count() > 0 && Instant::now() < deadline {
            producer.poll(SERVED);
        }
        let Self(failed) = &**producer.context();
        failed.lock().unwrap_or_else(PoisonError::into_inner).take().map_or(Ok(()), Err)
    }
}

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((fault, _)) = result {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| fault.clone());
        }
    }
}

/// Writes records to one topic.
pub struct Writer {
    producer: BaseProducer<Deliveries>,
    topic: String,
    partitions: i32,
    written: i32,
}

impl Writer {
    /// A writer that spreads records evenly over the partitions, one after the other.
    ///
    /// # Errors
    /// Where librdkafka refuses the address.
    pub fn new(brokers: &str, topic: &str, partitions: i32) -> anyhow::Result<Self> {
        let producer = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            .set("compression.type", "lz4")
            .set("linger.ms", "20")
            .set("batch.size", "262144")
            .set("queue.buffering.max.messages", "200000")
            .set("acks", "1")
            .create_with_context(Deliveries::default())
            .context("connect to Kafka")?;
        Ok(Self { producer, topic: topic.to_owned(), partitions, written: 0 })
    }

    /// Queues a record; waits while the queue is full.
    ///
    /// # Errors
    /// Where librdkafka refuses the record.
    pub fn write(&mut self, record: Outgoing<'_>) -> anyhow::Result<()> {
        let mut queued = BaseRecord::to(&self.topic)
            .partition(self.written % self.partitions)
            .key(record.key)
            .timestamp(record.timestamp);
        if let Some(value) = record.value {
            queued = queued.payload(value);
        }
        if !record.headers.is_empty() {
            queued = queued.headers(headers(record.headers));
        }
        loop {
            match self.producer.send(queued) {
                Ok(()) => break,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), record)) => {
                    queued = record;
                    self.producer.poll(Duration::from_millis(10));
                }
                Err((fault, _)) => return Err(fault).context(format!("write to topic {}", self.topic)),
            }
        }
        // Wraps long before it overflows: what counts is the remainder.
        self.written = (self.written + 1) % self.partitions.max(1);
        Ok(())
    }

    /// Serves deliveries, and waits until Kafka has all that was queued.
    ///
    /// # Errors
    /// Where that takes more than a minute, or Kafka refused a record.
    pub fn flush(&self) -> anyhow::Result<()> {
        let flushed = Deliveries::flush(&self.producer, Duration::from_secs(60));
        flushed.map_err(hinted).context(format!("write to topic {}", self.topic))
    }

    /// Serves deliveries without waiting.
    pub fn poll(&self) {
        self.producer.poll(Duration::ZERO);
    }
}

/// A broker refuses records that are an hour ahead of its clock, and says no more than that they are invalid.
fn hinted(fault: KafkaError) -> anyhow::Error {
    match fault {
        KafkaError::MessageProduction(RDKafkaErrorCode::InvalidRecord) => anyhow::Error::new(fault)
            .context("generated records are of November 2026 and earlier; is the broker's clock behind that?"),
        fault => fault.into(),
    }
}

fn headers(headers: Headers<'_>) -> OwnedHeaders {
    let owned = OwnedHeaders::new_with_capacity(headers.len());
    headers.iter().fold(owned, |owned, (key, value)| owned.insert(Header { key, value: *value }))
}

/// Writes `count` records as fast as Kafka takes them, or at `rate` a second, and waits until it has them.
///
/// # Errors
/// As for [`Writer`].
pub fn produce(writer: &mut Writer, source: &mut dyn Source, count: u64, rate: Option<f64>) -> anyhow::Result<()> {
    let started = Instant::now();
    for index in 0..count {
        if let Some(rate) = rate {
            // Precise to far more than a record for any count that fits a run.
            let due = started + Duration::from_secs_f64(index as f64 / rate);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
        }
        let mut result = Ok(());
        source.next_record(&mut |record| result = writer.write(record));
        result?;
        if index % 1_000 == 0 {
            writer.poll();
        }
    }
    writer.flush()
}
