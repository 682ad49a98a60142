//! Numbers that keep coming: 1, 2, 3 and so on in each topic, each once, whatever becomes of the broker meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord};
use tidegate_demo::produce::Deliveries;

/// A topic that is written to.
#[derive(Debug)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// How many partitions are written to.
    pub partitions: AtomicI32,
    /// The last number.
    pub last: AtomicU64,
}

/// A writer in the background.
pub struct Stream {
    topics: Arc<[Topic]>,
    /// Numbers in all are written at least, as soon as no more time matters.
    hurry: Arc<AtomicBool>,
    thread: Option<JoinHandle<anyhow::Result<()>>>,
}

/// Between two writes.
const TICK: Duration = Duration::from_millis(5);

/// How long the broker may take to have all that was written in the end.
const PATIENCE: Duration = Duration::from_secs(120);

impl Stream {
    /// Writes `rate` numbers a second, one topic after the other, one partition after the other; in the end at least `least`.
    ///
    /// # Errors
    /// Where librdkafka refuses the address.
    pub fn start(brokers: &str, topics: Vec<(String, i32)>, rate: f64, least: u64) -> anyhow::Result<Self> {
        let new = |(name, partitions)| Topic { name, partitions: AtomicI32::new(partitions), last: AtomicU64::new(0) };
        let topics: Arc<[Topic]> = topics.into_iter().map(new).collect();
        // Idempotent, and without an end to its patience: each number is there once, also after the death of a broker.
        let producer = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            .set("enable.idempotence", "true")
            .set("message.timeout.ms", "0")
            .set("compression.type", "lz4")
            .set("linger.ms", "20")
            .set("reconnect.backoff.max.ms", "500")
            .set("topic.metadata.refresh.interval.ms", "1000")
            .set("queue.buffering.max.messages", "200000")
            .create_with_context(Deliveries::default())
            .context("connect to Kafka")?;
        let hurry = Arc::<AtomicBool>::default();
        let thread = std::thread::spawn({
            let (topics, hurry) = (topics.clone(), hurry.clone());
            move || write(&producer, &topics, (rate, least), &hurry)
        });
        Ok(Self { topics, hurry, thread: Some(thread) })
    }

    /// What is written to.
    pub fn topics(&self) -> &[Topic] {
        &self.topics
    }

    /// Writes what is missing of the least, as fast as the broker takes it, and ends. Returns the last number of each topic.
    ///
    /// # Errors
    /// What went wrong while writing.
    pub fn finish(mut self) -> anyhow::Result<Vec<u64>> {
        self.hurry.store(true, Ordering::Relaxed);
        let thread = self.thread.take().ok_or_else(|| anyhow!("the writer was finished before"))?;
        thread.join().map_err(|_| anyhow!("the writer panicked"))??;
        Ok(self.topics.iter().map(|topic| topic.last.load(Ordering::Relaxed)).collect())
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // What was not finished is a run that failed: it need not write the rest.
        self.topics = Arc::default();
        self.hurry.store(true, Ordering::Relaxed);
    }
}

fn write(
    producer: &BaseProducer<Deliveries>,
    topics: &[Topic],
    (rate, least): (f64, u64),
    hurry: &AtomicBool,
) -> anyhow::Result<()> {
    let (started, mut written) = (Instant::now(), 0_u64);
    let mut text = String::new();
    loop {
        let hurries = hurry.load(Ordering::Relaxed);
        let due = if hurries { least.max(written) } else { (started.elapsed().as_secs_f64() * rate) as u64 };
        while written < due {
            let count = u64::try_from(topics.len()).unwrap_or(1).max(1);
            for topic in topics.iter().skip(usize::try_from(written % count)?).take(1) {
                let number = topic.last.load(Ordering::Relaxed) + 1;
                let partitions = u64::try_from(topic.partitions.load(Ordering::Relaxed))?.max(1);
                text.clear();
                text.push_str(&number.to_string());
                send(producer, &topic.name, i32::try_from(number % partitions)?, &text)?;
                topic.last.store(number, Ordering::Relaxed);
            }
            written += 1;
        }
        if hurries {
            break;
        }
        producer.poll(Duration::ZERO);
        std::thread::sleep(TICK);
    }
    Deliveries::flush(producer, PATIENCE).context("write numbers")
}

fn send(producer: &BaseProducer<Deliveries>, topic: &str, partition: i32, value: &str) -> anyhow::Result<()> {
    let mut record: BaseRecord<'_, str, str> = BaseRecord::to(topic).partition(partition).payload(value);
    loop {
        match producer.send(record) {
            Ok(()) => return Ok(()),
            // A partition that was just added is not known at once.
            Err((
                KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull | RDKafkaErrorCode::UnknownPartition),
                back,
            )) => {
                record = back;
                producer.poll(Duration::from_millis(10));
            }
            Err((fault, _)) => return Err(fault).with_context(|| format!("write to {topic}")),
        }
    }
}
