//! Dead letters: what they must hold of the record that was rejected, and what they must say of it.

use std::collections::BTreeMap;

use anyhow::{Context, ensure};
use tidegate::plugin::PluginHash;

use super::expected::Duplicates;
use super::tenant::Tenant;
use super::topics::{Message, Received};

/// A letter that is expected.
#[derive(Clone, Debug)]
pub struct Letter {
    /// The record as it was written.
    pub message: Message,
    /// A part of the reason; empty where only some reason must be given.
    pub reason: &'static str,
}

/// The headers that the gateway adds, behind those that the record came with.
const ADDED: [&str; 6] =
    ["tidegate-topic", "tidegate-partition", "tidegate-offset", "tidegate-plugin", "tidegate-stage", "tidegate-reason"];

/// Compares the dead letters of a topic with those expected, by the partition and offset that they came from.
///
/// # Errors
/// The first letter that is not as expected.
pub fn check_letters(
    tenant: &Tenant,
    pipeline: &str,
    topic: &str,
    expected: &BTreeMap<(i32, i64), Letter>,
    duplicates: Duplicates,
) -> anyhow::Result<()> {
    check_letters_in(tenant, (pipeline, topic, &format!("{topic}.dead")), expected, duplicates)
}

/// The same where a pipeline reads `topic` and has another topic for its dead letters.
///
/// # Errors
/// As for [`check_letters`].
pub fn check_letters_in(
    tenant: &Tenant,
    (pipeline, topic, dead): (&str, &str, &str),
    expected: &BTreeMap<(i32, i64), Letter>,
    duplicates: Duplicates,
) -> anyhow::Result<()> {
    let plugin = std::fs::read(tenant.plugin(pipeline)).context("read the plugin")?;
    let plugin = PluginHash::of(&plugin).to_string();
    let mut found = BTreeMap::new();
    for received in tenant.kafka.read(dead)? {
        let origin = origin(&received)?;
        let letter =
            expected.get(&origin).with_context(|| format!("no letter of {origin:?} is expected: {received:?}"))?;
        check(&received.message, letter, [topic, &origin.0.to_string(), &origin.1.to_string(), &plugin])
            .with_context(|| format!("letter of {origin:?}"))?;
        *found.entry(origin).or_insert(0) += 1;
    }
    let missing: Vec<_> = expected.keys().filter(|origin| !found.contains_key(origin)).take(5).collect();
    ensure!(missing.is_empty(), "{} of {} letters came; missing are {missing:?}", found.len(), expected.len());
    let twice = found.values().filter(|count| **count > 1).count();
    ensure!(duplicates == Duplicates::Allowed || twice == 0, "{twice} letters came more than once");
    Ok(())
}

/// The partition and offset that a letter says it came from.
fn origin(received: &Received) -> anyhow::Result<(i32, i64)> {
    Ok((
        header(&received.message, "tidegate-partition")?.parse()?,
        header(&received.message, "tidegate-offset")?.parse()?,
    ))
}

fn check(message: &Message, letter: &Letter, [topic, partition, offset, plugin]: [&str; 4]) -> anyhow::Result<()> {
    let record = &letter.message;
    ensure!(message.key == record.key, "key is {:?}, not {:?}", message.key, record.key);
    ensure!(message.value == record.value, "value differs: {}", differing(message, record));
    ensure!(message.timestamp == record.timestamp, "timestamp is {}, not {}", message.timestamp, record.timestamp);
    let own = message.headers.get(..record.headers.len()).unwrap_or_default();
    ensure!(own == record.headers, "headers are {own:?}, not {:?}", record.headers);
    let added = message.headers.iter().skip(record.headers.len()).map(|(name, _)| name.as_str());
    ensure!(added.eq(ADDED), "headers are {:?}", message.headers);
    for (name, right) in [
        ("tidegate-topic", topic),
        ("tidegate-partition", partition),
        ("tidegate-offset", offset),
        ("tidegate-plugin", plugin),
        ("tidegate-stage", "transform"),
    ] {
        let value = header(message, name)?;
        ensure!(value == right, "{name} is {value}, not {right}");
    }
    let reason = header(message, "tidegate-reason")?;
    ensure!(!reason.is_empty() && reason.contains(letter.reason), "reason is `{reason}`, without `{}`", letter.reason);
    Ok(())
}

fn header<'m>(message: &'m Message, name: &str) -> anyhow::Result<&'m str> {
    let value = message.headers.iter().rev().find(|(each, _)| each == name).and_then(|(_, value)| value.as_deref());
    Ok(std::str::from_utf8(value.with_context(|| format!("there is no {name}"))?)?)
}

/// Short, though values may be of a mebibyte.
fn differing(message: &Message, record: &Message) -> String {
    let shown = |value: &Option<Vec<u8>>| match value {
        None => "null".to_owned(),
        Some(bytes) => {
            let start: String = String::from_utf8_lossy(bytes).chars().take(60).collect();
            format!("{} bytes `{start}`", bytes.len())
        }
    };
    format!("{}, not {}", shown(&message.value), shown(&record.value))
}
