//! Saves dead letters as JSON Lines: the embedded Kafka that holds them ends with the demonstration.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::text::printable;

/// How soon a request to finish is noticed.
const POLL: Duration = Duration::from_millis(100);

/// How long the last letters may take to come: they are all in the Kafka of this process.
const FINISH: Duration = Duration::from_secs(5);

/// What has come so far.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Letters by the topic that they lie in.
    pub letters: BTreeMap<String, u64>,
    /// The one that came last.
    pub last: Option<Letter>,
}

/// A dead letter, for people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Letter {
    /// Where the record came from: topic, partition and offset.
    pub origin: String,
    /// Why it was rejected.
    pub reason: String,
    /// The record's value; `None` for null.
    pub value: Option<String>,
}

/// The thread that saves letters.
pub struct DeadLetters {
    seen: Arc<Mutex<Seen>>,
    stop: CancellationToken,
    thread: JoinHandle<anyhow::Result<()>>,
}

struct Saver {
    consumer: BaseConsumer,
    file: File,
    seen: Arc<Mutex<Seen>>,
}

impl DeadLetters {
    /// Begins to read topics of one partition, which exist, and to append to `file`.
    ///
    /// # Errors
    /// Where the file cannot be made or no thread is to be had.
    pub fn start(brokers: &str, topics: &[String], file: &Path) -> anyhow::Result<Self> {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            .set("group.id", "dead-letters")
            .set("enable.auto.commit", "false")
            .create()
            .context("read dead letters")?;
        let mut partitions = TopicPartitionList::new();
        for topic in topics {
            partitions.add_partition_offset(topic, 0, Offset::Beginning)?;
        }
        consumer.assign(&partitions).context("read dead letters")?;
        let file = File::create(file).with_context(|| format!("make {}", file.display()))?;
        let (seen, stop) = (Arc::<Mutex<Seen>>::default(), CancellationToken::new());
        let mut saver = Saver { consumer, file, seen: seen.clone() };
        let (topics, stopped) = (topics.to_vec(), stop.clone());
        let thread = std::thread::Builder::new().name("dead letters".to_owned());
        let thread = thread.spawn(move || saver.run(&topics, &stopped)).context("start a thread")?;
        Ok(Self { seen, stop, thread })
    }

    /// What has come so far. Cheap enough to ask for often.
    pub fn seen(&self) -> impl Fn() -> Seen + Send + use<> {
        let seen = self.seen.clone();
        move || seen.lock().map(|seen| seen.clone()).unwrap_or_default()
    }

    /// Saves what Kafka has by now, then ends. Blocks.
    ///
    /// # Errors
    /// Where the file could not be written.
    pub fn finish(self) -> anyhow::Result<()> {
        self.stop.cancel();
        self.thread.join().unwrap_or_else(|_| Err(anyhow::anyhow!("the thread that saves dead letters panicked")))
    }
}

impl Saver {
    fn run(&mut self, topics: &[String], stop: &CancellationToken) -> anyhow::Result<()> {
        while !stop.is_cancelled() {
            self.save_next()?;
        }
        let ends = self.ends(topics)?;
        let deadline = Instant::now() + FINISH;
        while !self.has_all(&ends) && Instant::now() < deadline {
            self.save_next()?;
        }
        Ok(())
    }

    fn save_next(&mut self) -> anyhow::Result<()> {
        match self.consumer.poll(POLL) {
            None => Ok(()),
            Some(Err(fault)) => {
                tracing::warn!("read dead letters: {fault}");
                Ok(())
            }
            Some(Ok(message)) => save(&message, &mut self.file, &self.seen),
        }
    }

    fn ends(&self, topics: &[String]) -> anyhow::Result<Vec<(String, u64)>> {
        let mut ends = Vec::new();
        for topic in topics {
            let (_, end) = self.consumer.fetch_watermarks(topic, 0, FINISH).context("count dead letters")?;
            ends.push((topic.clone(), u64::try_from(end).unwrap_or_default()));
        }
        Ok(ends)
    }

    /// Nothing else writes to these topics, and their offsets have no gaps.
    fn has_all(&self, ends: &[(String, u64)]) -> bool {
        let Ok(seen) = self.seen.lock() else { return true };
        ends.iter().all(|(topic, end)| seen.letters.get(topic).copied().unwrap_or_default() >= *end)
    }
}

fn save(message: &BorrowedMessage<'_>, file: &mut File, seen: &Mutex<Seen>) -> anyhow::Result<()> {
    let header = |name: &str| -> String {
        let found = message.headers().and_then(|headers| headers.iter().find(|header| header.key == name));
        printable(found.and_then(|header| header.value).unwrap_or_default())
    };
    let reason = header("tidegate-reason");
    // Bytes that are not UTF-8 are replaced, for a JSON text cannot hold them; in the topic they are as they came.
    let value = message.payload().map(String::from_utf8_lossy);
    let line = json!({
        "topic": header("tidegate-topic"),
        "partition": header("tidegate-partition").parse::<i64>().ok(),
        "offset": header("tidegate-offset").parse::<i64>().ok(),
        "stage": header("tidegate-stage"),
        "reason": reason,
        "plugin": header("tidegate-plugin"),
        "key": message.key().map(String::from_utf8_lossy),
        "value": value,
    });
    file.write_all(format!("{line}\n").as_bytes()).context("save a dead letter")?;
    let origin = format!("{}/{}/{}", header("tidegate-topic"), header("tidegate-partition"), header("tidegate-offset"));
    if let Ok(mut seen) = seen.lock() {
        *seen.letters.entry(message.topic().to_owned()).or_default() += 1;
        seen.last = Some(Letter { origin, reason, value: message.payload().map(printable) });
    }
    Ok(())
}
