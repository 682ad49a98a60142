//! A look at a cluster without joining a group: which topics it has. Called by `check`; changes nothing.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::metadata::MetadataTopic;

use super::files;
use super::membership::Context;
use super::settings::KafkaSettings;

/// Those of `topics` that the cluster does not have, or that its user may not see. Blocks for at most about `timeout`.
///
/// # Errors
/// Where no broker answers, with what librdkafka said of it last.
pub fn missing_topics(
    settings: &KafkaSettings,
    topics: &BTreeSet<String>,
    timeout: Duration,
) -> Result<BTreeSet<String>, String> {
    let refused = |fault: KafkaError| files::reason(settings, &fault.to_string());
    let consumer: BaseConsumer<Context> =
        settings.looker().create_with_context(Context::new(settings)).map_err(refused)?;
    let until = Instant::now() + timeout;
    let mut missing = BTreeSet::new();
    for topic in topics {
        let left = until.saturating_duration_since(Instant::now());
        let metadata = consumer.fetch_metadata(Some(topic), left);
        let metadata = metadata.map_err(|fault| {
            // Errors of connections are told within a poll.
            let _ = consumer.poll(Duration::ZERO);
            consumer.context().troubles.of_silence(&fault.to_string())
        })?;
        let is_there = |topic: &MetadataTopic| topic.error().is_none() && !topic.partitions().is_empty();
        if !metadata.topics().iter().any(is_there) {
            missing.insert(topic.clone());
        }
    }
    Ok(missing)
}
