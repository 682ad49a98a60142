//! A look at a cluster without joining a group: which topics it has. Called by `check`; changes nothing.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;

use super::settings::KafkaSettings;

/// Those of `topics` that the cluster does not have, or that its user may not see. Blocks for at most about `timeout`.
///
/// # Errors
/// Where no broker answers, with the last that librdkafka said of it.
pub fn missing_topics(
    settings: &KafkaSettings,
    topics: &BTreeSet<String>,
    timeout: Duration,
) -> Result<BTreeSet<String>, String> {
    let context = Context::default();
    let last = context.last.clone();
    let consumer: BaseConsumer<Context> =
        settings.looker().create_with_context(context).map_err(|fault| fault.to_string())?;
    let until = Instant::now() + timeout;
    let mut missing = BTreeSet::new();
    for topic in topics {
        let left = until.saturating_duration_since(Instant::now());
        match consumer.fetch_metadata(Some(topic), left) {
            Ok(metadata) => {
                let here = |topic: &rdkafka::metadata::MetadataTopic| {
                    topic.error().is_none() && !topic.partitions().is_empty()
                };
                if !metadata.topics().iter().any(here) {
                    missing.insert(topic.clone());
                }
            }
            Err(fault) => {
                // What librdkafka says of its connections tells more than that the time was over.
                let _ = consumer.poll(Duration::ZERO);
                return Err(last.lock().take().unwrap_or_else(|| fault.to_string()));
            }
        }
    }
    Ok(missing)
}

/// Keeps the first cause that librdkafka tells: later ones say that all brokers are down.
#[derive(Default)]
struct Context {
    last: Arc<Mutex<Option<String>>>,
}

impl ConsumerContext for Context {}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::debug!(target: "librdkafka", ?level, facility, "{message}");
    }

    fn error(&self, _: KafkaError, reason: &str) {
        self.last.lock().get_or_insert_with(|| reason.to_owned());
    }
}
