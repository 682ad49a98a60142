//! Parts of topics, read again by who is no member of anything: between two offsets, piece by piece, by a consumer that neither
//! joins nor commits. Called by `audit` and `replay`. It blocks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::{Offset, TopicPartitionList};

use super::committed::{committed, completed};
use super::inquiry::offsets;
use super::membership::{Context, Subscription, list};
use super::settings::KafkaSettings;
use super::{TopicPartition, files};
use crate::config::Start;
use crate::pipeline::{Range, RecordRef, Records};

/// What a cluster has, for who reads parts of it.
pub struct Excerpts {
    consumer: BaseConsumer<Context>,
    timeout: Duration,
}

/// What there is of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The oldest offset.
    pub first: i64,
    /// Behind the newest record that can be read.
    pub next: i64,
}

impl Kept {
    /// Whether all of a range lies within.
    pub fn has(&self, range: &Range) -> bool {
        self.first <= range.first && range.next <= self.next
    }
}

/// How much of a partition is held at once.
#[derive(Clone, Copy, Debug)]
pub struct Most {
    /// At most so many records.
    pub records: usize,
    /// No more records once there are so many bytes.
    pub bytes: usize,
}

impl Excerpts {
    /// Connects with the first question. The group is the one whose offsets are read; its user may see them.
    ///
    /// # Errors
    /// Where librdkafka refuses the settings.
    pub fn new(settings: &KafkaSettings, group: &str, timeout: Duration) -> Result<Self, String> {
        // It never subscribes, so that it never joins.
        let subscription =
            Subscription { group: group.to_owned(), topics: Vec::new(), start: Start::default(), bounded: true };
        let consumer = settings.consumer(&subscription).create_with_context(Context::new(settings));
        let consumer = consumer.map_err(|fault: KafkaError| files::reason(settings, &fault.to_string()))?;
        Ok(Self { consumer, timeout })
    }

    /// The partitions of a topic.
    ///
    /// # Errors
    /// Where no broker answers, or there is no such topic.
    pub fn partitions(&self, topic: &str) -> Result<Vec<TopicPartition>, String> {
        let metadata = self.consumer.fetch_metadata(Some(topic), self.timeout).map_err(|fault| {
            // Errors of connections are told within a poll.
            let _ = self.consumer.poll(Duration::ZERO);
            self.consumer.context().troubles.of_silence(&fault.to_string())
        })?;
        let found = metadata.topics().iter().find(|found| found.name() == topic && found.error().is_none());
        let mut numbers: Vec<_> =
            found.map(|found| found.partitions().iter().map(|partition| partition.id()).collect()).unwrap_or_default();
        if numbers.is_empty() {
            return Err(format!("topic {topic} does not exist, or its user may not see it"));
        }
        numbers.sort_unstable();
        let topic: Arc<str> = topic.into();
        Ok(numbers.into_iter().map(|partition| TopicPartition { topic: topic.clone(), partition }).collect())
    }

    /// What there is of partitions.
    ///
    /// # Errors
    /// Where the broker does not say.
    pub fn kept(&self, partitions: &[TopicPartition]) -> Result<BTreeMap<TopicPartition, Kept>, String> {
        let first = self.offsets(partitions, Offset::Beginning)?;
        let next = self.offsets(partitions, Offset::End)?;
        let kept = |partition: &TopicPartition| {
            let known = |offsets: &BTreeMap<TopicPartition, i64>| {
                offsets.get(partition).copied().ok_or_else(|| format!("the broker says no offset of {partition}"))
            };
            Ok((partition.clone(), Kept { first: known(&first)?, next: known(&next)? }))
        };
        partitions.iter().map(kept).collect()
    }

    /// The first offsets with this timestamp or a later one, of those partitions that have one.
    ///
    /// # Errors
    /// As for [`Self::kept`].
    pub fn at_time(
        &self,
        partitions: &[TopicPartition],
        time: DateTime<Utc>,
    ) -> Result<BTreeMap<TopicPartition, i64>, String> {
        self.offsets(partitions, Offset::Offset(time.timestamp_millis().max(0)))
    }

    /// Up to where the group has completed partitions, of those that it has an offset of. A range that is planned with one of another
    /// partition is not complete, though its own partition's offset is behind it.
    ///
    /// # Errors
    /// As for [`Self::kept`].
    pub fn committed(&self, partitions: &[TopicPartition]) -> Result<BTreeMap<TopicPartition, i64>, String> {
        let topics: BTreeSet<_> = partitions.iter().map(|partition| &partition.topic).collect();
        let mut all = Vec::new();
        for topic in topics {
            all.extend(self.partitions(topic)?);
        }
        let commits = committed(&self.consumer, list(&all), Instant::now() + self.timeout);
        let commits = commits.map_err(|fault| format!("read the group's offsets: {fault}"))?;
        let mut offsets = completed(&commits)?;
        offsets.retain(|partition, _| partitions.contains(partition));
        Ok(offsets)
    }

    fn offsets(&self, partitions: &[TopicPartition], time: Offset) -> Result<BTreeMap<TopicPartition, i64>, String> {
        let found = offsets(&self.consumer, partitions.iter().map(|partition| (partition, time)), self.timeout)?;
        match found.unknown.into_iter().next() {
            Some((partition, fault)) => Err(format!("{partition}: {fault}")),
            None => Ok(found.known),
        }
    }

    /// Begins to read a range. It takes the place of all others, which must not be read any further.
    ///
    /// # Errors
    /// Where librdkafka refuses the topic's name.
    pub fn read(self: &Arc<Self>, range: &Range, most: Most) -> Result<Excerpt, String> {
        let mut at = TopicPartitionList::new();
        let added = at.add_partition_offset(&range.topic, range.partition, Offset::Offset(range.first));
        added.and_then(|()| self.consumer.assign(&at)).map_err(|fault| format!("read {range}: {fault}"))?;
        Ok(Excerpt { of: self.clone(), range: range.clone(), at: range.first, most })
    }
}

/// A range that is being read.
pub struct Excerpt {
    of: Arc<Excerpts>,
    range: Range,
    /// Where the next piece begins.
    at: i64,
    most: Most,
}

impl Excerpt {
    /// The next piece; none behind the last. A piece's boundaries are those of the records in it, so that all pieces together are the range.
    ///
    /// # Errors
    /// Where records do not come in time, or are gone.
    pub fn piece(&mut self) -> Result<Option<(Range, Records)>, String> {
        if self.at >= self.range.next {
            return Ok(None);
        }
        let mut records = Records::default();
        let mut until = Instant::now() + self.of.timeout;
        loop {
            if records.offsets.last().is_some_and(|last| last + 1 == self.range.next) {
                return Ok(Some(self.cut(self.range.next, records)));
            }
            if records.len() >= self.most.records || records.bytes() >= self.most.bytes {
                let next = records.offsets.last().map_or(self.at, |last| last + 1);
                return Ok(Some(self.cut(next, records)));
            }
            match self.of.consumer.poll(until.saturating_duration_since(Instant::now())) {
                Some(Ok(message)) if message.offset() >= self.range.next => {
                    return Ok(Some(self.cut(self.range.next, records)));
                }
                Some(Ok(message)) => push(&mut records, &message),
                Some(Err(KafkaError::PartitionEOF(_))) => return Ok(Some(self.cut(self.range.next, records))),
                Some(Err(fault)) => return Err(format!("read {} from offset {}: {fault}", self.range, self.at)),
                // Words of librdkafka's own end a poll as well.
                None if Instant::now() < until => continue,
                None => {
                    let silence = self.of.consumer.context().troubles.of_silence("no record came");
                    return Err(format!("read {} from offset {}: {silence}", self.range, self.at));
                }
            }
            until = Instant::now() + self.of.timeout;
        }
    }

    fn cut(&mut self, next: i64, records: Records) -> (Range, Records) {
        let range = Range { first: self.at, next, ..self.range.clone() };
        self.at = next;
        (range, records)
    }
}

fn push(records: &mut Records, message: &BorrowedMessage<'_>) {
    records.push(RecordRef {
        offset: message.offset(),
        timestamp: message.timestamp().to_millis().unwrap_or(-1),
        key: message.key(),
        value: message.payload(),
    });
    for header in message.headers().into_iter().flat_map(Headers::iter) {
        records.push_header(header.key.as_bytes(), header.value);
    }
}
