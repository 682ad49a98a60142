//! What became of each number, counted by the databases and from the topics themselves.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};

use super::pipelines::{Field, Pipeline, TENANT, is_poison};
use crate::harness::eventually;

/// Numbers that are not as they should be, of one kind.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// How many there are.
    pub count: u64,
    /// The first of them, with where they were looked for.
    pub first: Vec<String>,
}

/// What became of all numbers.
#[derive(Clone, Debug, Default)]
pub struct Account {
    /// Numbers that were written to Kafka.
    pub records: u64,
    /// Rows in all tables.
    pub rows: u64,
    /// Dead letters.
    pub letters: u64,
    /// How many versions made rows.
    pub versions: u64,
    /// Rows that are in no table, and of which no dead letter tells.
    pub lost: Findings,
    /// Rows beyond the first.
    pub duplicated: Findings,
    /// Dead letters that should be there.
    pub dead_letters_missing: Findings,
    /// Dead letters beyond the first.
    pub dead_letters_doubled: Findings,
    /// Rows that the plugin never makes or the table refuses: they are in a table and in the dead letters.
    pub in_both: Findings,
    /// Dead letters of records with which nothing is wrong.
    pub misjudged: Findings,
}

/// So many findings of a kind are named.
const NAMED: usize = 20;

/// How long the broker may take to answer.
const TIMEOUT: Duration = Duration::from_secs(30);

impl Findings {
    fn add(&mut self, count: u64, what: impl FnOnce() -> String) {
        self.count += count;
        if self.first.len() < NAMED {
            self.first.push(what());
        }
    }
}

impl Account {
    /// All kinds of findings by name, those that must be none.
    pub fn findings(&self) -> [(&'static str, &Findings); 6] {
        [
            ("lost", &self.lost),
            ("duplicated", &self.duplicated),
            ("dead_letters_missing", &self.dead_letters_missing),
            ("dead_letters_doubled", &self.dead_letters_doubled),
            ("in_both", &self.in_both),
            ("misjudged", &self.misjudged),
        ]
    }

    /// Whether every number is where it should be, once.
    pub fn is_clean(&self) -> bool {
        self.findings().iter().all(|(_, findings)| findings.count == 0)
    }

    /// Counts what became of the numbers up to `last` of a pipeline. With `refusing` tables have their constraints.
    ///
    /// # Errors
    /// Where a service does not answer, or the numbers did not get to Kafka each once.
    pub fn count(&mut self, field: &Field, pipeline: &Pipeline, last: u64, refusing: bool) -> anyhow::Result<()> {
        let size = usize::try_from(last)? + 1;
        let places = places(field, pipeline, size)?;
        let letters = letters(field, pipeline, size)?;
        self.records += last;
        self.letters += letters.iter().map(|count| u64::from(*count)).sum::<u64>();
        let refuses = |target: usize, number: u64| {
            refusing && pipeline.targets.get(target).is_some_and(|target| target.refuses(number))
        };
        let place = |number: usize| {
            let (partition, offset) = places.get(number).copied().unwrap_or_default();
            format!("{}: {number} (partition {partition}, offset {offset})", pipeline.name)
        };
        for (number, found) in letters.iter().enumerate().skip(1) {
            let value = number as u64;
            let due = if is_poison(value) { 1 } else { (0..2).filter(|target| refuses(*target, value)).count() as u64 };
            let found = u64::from(*found);
            if found < due {
                self.dead_letters_missing.add(due - found, || place(number));
            } else if due > 0 && found > due {
                self.dead_letters_doubled.add(found - due, || place(number));
            } else if found > due {
                self.misjudged.add(found, || place(number));
            }
        }
        for (index, target) in pipeline.targets.iter().enumerate() {
            let table = format!("{TENANT}.{}", target.table);
            let query =
                format!("SELECT number, count(*) FROM {table} WHERE route = '{}' GROUP BY number", target.route);
            let rows = counts(&field.query(target.base, &query)?, size)?;
            self.rows += rows.iter().map(|count| u64::from(*count)).sum::<u64>();
            let versions = field.query(target.base, &format!("SELECT count(DISTINCT version) FROM {table}"))?;
            self.versions = self.versions.max(versions.first().context("no count of versions")?.parse()?);
            for (number, found) in rows.iter().enumerate().skip(1) {
                let (value, told) = (number as u64, letters.get(number).is_some_and(|count| *count > 0));
                let found = u64::from(*found);
                let what = || format!("{}, {}", place(number), target.table);
                match (is_poison(value) || refuses(index, value), found) {
                    (true, 0) | (false, 1) => {}
                    (true, found) => self.in_both.add(found, what),
                    // What a letter tells of is not lost; that it does is counted above.
                    (false, 0) if told && !refuses(1 - index.min(1), value) => {}
                    (false, 0) => self.lost.add(1, what),
                    (false, found) => self.duplicated.add(found - 1, what),
                }
            }
        }
        Ok(())
    }
}

/// Where each number stands in its topic.
fn places(field: &Field, pipeline: &Pipeline, size: usize) -> anyhow::Result<Vec<(i32, i64)>> {
    let mut places = vec![None; size];
    let mut doubled = 0_u64;
    read(field, &pipeline.topic(), &mut |number, partition, offset| {
        let place = places.get_mut(number).with_context(|| format!("{number} is beyond the last number"))?;
        doubled += u64::from(place.replace((partition, offset)).is_some());
        Ok(())
    })?;
    let missing = places.iter().skip(1).filter(|place| place.is_none()).count();
    // Nothing that the gateway does: the run proves nothing.
    ensure!(missing == 0 && doubled == 0, "{}: {missing} numbers are not in Kafka, {doubled} twice", pipeline.topic());
    Ok(places.into_iter().map(Option::unwrap_or_default).collect())
}

/// How many dead letters there are of each number.
fn letters(field: &Field, pipeline: &Pipeline, size: usize) -> anyhow::Result<Vec<u32>> {
    let mut letters = vec![0; size];
    read(field, &pipeline.dead(), &mut |number, _, _| {
        *letters.get_mut(number).with_context(|| format!("a letter of {number}, which was never written"))? += 1;
        Ok(())
    })?;
    Ok(letters)
}

/// Lines of a number and how often it is there.
fn counts(lines: &[String], size: usize) -> anyhow::Result<Vec<u32>> {
    let mut counts = vec![0; size];
    for line in lines {
        let (number, count) = line.split_once('\t').with_context(|| format!("a number and a count, not `{line}`"))?;
        let found = counts.get_mut(number.parse::<usize>()?);
        *found.with_context(|| format!("a row of {number}, which was never written"))? = count.parse()?;
    }
    Ok(counts)
}

/// Reads all committed records of a topic: their number, partition and offset.
fn read(field: &Field, topic: &str, take: &mut dyn FnMut(usize, i32, i64) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let brokers = field.kafka.brokers();
    let committed = consumer(brokers, "read_committed")?;
    let everything = consumer(brokers, "read_uncommitted")?;
    let metadata = committed.fetch_metadata(Some(topic), TIMEOUT).context("read metadata")?;
    let partitions = metadata.topics().first().map_or(0, |topic| topic.partitions().len());
    ensure!(partitions > 0, "there is no topic {topic}");
    let mut ends = BTreeMap::new();
    let mut list = TopicPartitionList::new();
    for partition in 0..i32::try_from(partitions)? {
        let end = eventually("no transaction is open", || {
            let (_, stable) = committed.fetch_watermarks(topic, partition, TIMEOUT)?;
            let (_, end) = everything.fetch_watermarks(topic, partition, TIMEOUT)?;
            ensure!(stable == end, "{topic}/{partition} is stable up to {stable} of {end}");
            Ok(end)
        })?;
        ends.insert(partition, end);
        list.add_partition_offset(topic, partition, Offset::Beginning)?;
    }
    committed.assign(&list)?;
    let mut open = partitions;
    while open > 0 {
        match committed.poll(TIMEOUT) {
            Some(Ok(message)) => {
                let value = message.payload().with_context(|| format!("a record of {topic} is null"))?;
                let number = std::str::from_utf8(value)?.parse().with_context(|| format!("{topic} has no number"))?;
                take(number, message.partition(), message.offset())?;
            }
            Some(Err(KafkaError::PartitionEOF(_))) => open -= 1,
            Some(Err(fault)) => return Err(fault).with_context(|| format!("read {topic}")),
            None => bail!("read {topic}: no more records come, and {open} partitions are not at their ends {ends:?}"),
        }
    }
    Ok(())
}

fn consumer(brokers: &str, isolation: &str) -> anyhow::Result<BaseConsumer> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers).set("group.id", "tidegate-chaos").set("enable.auto.commit", "false");
    config.set("isolation.level", isolation).set("enable.partition.eof", "true");
    config.create().context("connect to Kafka")
}
