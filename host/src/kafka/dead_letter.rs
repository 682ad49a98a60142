//! Dead letters: rejected records as they came, with headers that say where from and why.

use std::sync::Arc;

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use tokio::sync::Mutex;

use super::files;
use super::sender::{Delivery, Record, Sender};
use super::settings::KafkaSettings;
use super::trouble::Troubles;

/// Writes dead letters of one pipeline to its topic.
pub struct DeadLetters {
    topic: String,
    settings: KafkaSettings,
    /// Made when it first writes.
    producer: Mutex<Option<Arc<Sender>>>,
    troubles: Arc<Troubles>,
}

/// A rejected record, raw, and what is said of it in headers of its own behind those it came with.
#[derive(Debug)]
pub struct DeadLetter<'a> {
    /// None for null.
    pub key: Option<&'a [u8]>,
    /// None for null.
    pub value: Option<&'a [u8]>,
    /// Milliseconds since 1970, or -1.
    pub timestamp: i64,
    /// As they came.
    pub headers: Vec<(&'a [u8], Option<&'a [u8]>)>,
    /// Names and values that say where from and why.
    pub reasons: Vec<(&'static str, String)>,
}

/// The letters of a range.
#[derive(Debug)]
pub struct Letters {
    /// Where they go.
    pub topic: Arc<str>,
    /// In the order of the records.
    pub letters: Vec<OwnedLetter>,
}

/// A letter that has outlived its batch.
#[derive(Debug)]
pub struct OwnedLetter {
    /// The record's partition.
    pub partition: i32,
    /// The record's offset.
    pub offset: i64,
    /// None for null.
    pub key: Option<Vec<u8>>,
    /// None for null.
    pub value: Option<Vec<u8>>,
    /// Milliseconds since 1970, or -1.
    pub timestamp: i64,
    /// The record's own, and those that say where from and why.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

impl Letters {
    /// What they take in memory, in bytes.
    pub fn bytes(&self) -> usize {
        self.letters.iter().map(|letter| size_of::<OwnedLetter>() + letter.bytes()).sum()
    }
}

impl OwnedLetter {
    /// What is sent of it, in bytes.
    pub fn bytes(&self) -> usize {
        let length = |bytes: &Option<Vec<u8>>| bytes.as_ref().map_or(0, Vec::len);
        let headers = self.headers.iter().map(|(name, value)| name.len() + length(value));
        length(&self.key) + length(&self.value) + headers.sum::<usize>()
    }

    pub(super) fn headers(&self) -> OwnedHeaders {
        let empty = OwnedHeaders::new_with_capacity(self.headers.len());
        self.headers
            .iter()
            .fold(empty, |headers, (name, value)| headers.insert(Header { key: name, value: value.as_deref() }))
    }
}

impl DeadLetter<'_> {
    /// A copy of the letter of the record at this offset of this partition, for later.
    pub fn keep(&self, partition: i32, offset: i64) -> OwnedLetter {
        let owned = |bytes: &[u8]| bytes.to_vec();
        let own =
            self.headers.iter().map(|(name, value)| (String::from_utf8_lossy(name).into_owned(), value.map(owned)));
        let reasons = self.reasons.iter().map(|(name, value)| ((*name).to_owned(), Some(value.clone().into_bytes())));
        OwnedLetter {
            partition,
            offset,
            key: self.key.map(owned),
            value: self.value.map(owned),
            timestamp: self.timestamp,
            headers: own.chain(reasons).collect(),
        }
    }
}

/// Why dead letters could not be written. Trying again is right.
#[derive(Debug, thiserror::Error)]
#[error("write dead letters to topic `{topic}`: {problem}")]
pub struct DeadLetterFault {
    topic: String,
    problem: String,
}

/// How many letters are handed to librdkafka without a pause: some hundred microseconds' worth.
const AT_ONCE: usize = 256;

impl DeadLetters {
    /// For the topic.
    pub fn new(settings: &KafkaSettings, topic: &str) -> Self {
        let troubles = Arc::new(Troubles::new(settings));
        Self { topic: topic.to_owned(), settings: settings.clone(), producer: Mutex::default(), troubles }
    }

    /// Where they go.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// Writes letters and waits until the broker has them. Returns the indexes of those that it has not, with the first reason.
    pub async fn write(&self, letters: &[DeadLetter<'_>]) -> Result<(), (Vec<usize>, DeadLetterFault)> {
        let producer = match self.producer().await {
            Ok(producer) => producer,
            Err(fault) => return Err(((0..letters.len()).collect(), fault)),
        };
        let mut sent: Vec<(usize, Delivery)> = Vec::with_capacity(letters.len());
        let mut failed = Vec::new();
        let mut problem = None;
        for (index, letter) in letters.iter().enumerate() {
            if index % AT_ONCE == AT_ONCE - 1 {
                // Thousands take a while, and other pipelines' inserts run on the same threads.
                tokio::task::yield_now().await;
            }
            match producer.send(self.record(letter)) {
                Ok(delivery) => sent.push((index, delivery)),
                Err(fault) => {
                    failed.push(index);
                    // The queue is full: what is in it must go before more is offered.
                    let full = fault.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull);
                    problem.get_or_insert(explain(&fault, &self.troubles));
                    if full {
                        failed.extend(index + 1..letters.len());
                        break;
                    }
                }
            }
        }
        for (index, delivery) in sent {
            if let Err(fault) = producer.delivered(delivery).await {
                failed.push(index);
                problem.get_or_insert(explain(&fault, &self.troubles));
            }
        }
        match problem {
            None => Ok(()),
            Some(problem) => {
                if producer.is_over() {
                    drop(producer);
                    self.close().await;
                }
                failed.sort_unstable();
                Err((failed, DeadLetterFault { topic: self.topic.clone(), problem }))
            }
        }
    }

    /// A producer, once it can be made: a file that it needs may come later.
    async fn producer(&self) -> Result<Arc<Sender>, DeadLetterFault> {
        let mut producer = self.producer.lock().await;
        if let Some(producer) = &*producer {
            return Ok(producer.clone());
        }
        let made = Sender::new(&self.settings.producer(), self.troubles.clone());
        let made = made.map_err(|problem| DeadLetterFault {
            topic: self.topic.clone(),
            problem: files::reason(&self.settings, &problem.to_string()),
        })?;
        Ok(producer.insert(Arc::new(made)).clone())
    }

    /// Closes the connections, until there are letters again. All that were written must have been awaited.
    pub async fn close(&self) {
        let producer = self.producer.lock().await.take();
        // Its threads are joined where waiting is allowed.
        if producer.is_some() {
            let _ = tokio::task::spawn_blocking(move || drop(producer)).await;
        }
    }

    fn record<'a>(&'a self, letter: &DeadLetter<'a>) -> Record<'a> {
        let mut headers = OwnedHeaders::new_with_capacity(letter.headers.len() + letter.reasons.len());
        for (name, value) in &letter.headers {
            headers = headers.insert(Header { key: &String::from_utf8_lossy(name), value: *value });
        }
        for (name, value) in &letter.reasons {
            headers = headers.insert(Header { key: name, value: Some(value) });
        }
        Record {
            topic: &self.topic,
            key: letter.key,
            payload: letter.value,
            timestamp: (letter.timestamp >= 0).then_some(letter.timestamp),
            headers: Some(headers),
        }
    }
}

pub(super) fn explain(fault: &KafkaError, troubles: &Troubles) -> String {
    match fault.rdkafka_error_code() {
        Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => {
            "the topic does not exist; waiting for it".to_owned()
        }
        Some(RDKafkaErrorCode::MessageSizeTooLarge) => {
            "a letter is larger than the topic's `max.message.bytes` allows; raise that".to_owned()
        }
        Some(RDKafkaErrorCode::MessageTimedOut) => troubles.of_silence(&fault.to_string()),
        _ => fault.to_string(),
    }
}

impl Drop for DeadLetters {
    fn drop(&mut self) {
        // Every letter was awaited; what is left belongs to ranges that will be read again.
        if let Some(producer) = self.producer.get_mut() {
            producer.purge();
        }
    }
}
