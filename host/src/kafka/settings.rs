//! librdkafka's settings: Tidegate's own choices, the operator's over them, and the promises' over both.

use std::collections::BTreeMap;

use rdkafka::ClientConfig;

use super::Subscription;

/// The settings of a cluster, known to be right.
#[derive(Clone, Debug)]
pub struct KafkaSettings {
    settings: BTreeMap<String, String>,
}

/// A setting that librdkafka refuses.
#[derive(Debug, thiserror::Error)]
#[error("Kafka settings: {0}")]
pub struct SettingsFault(String);

/// Small queues keep a record's objects in the caches and cost a third of librdkafka's defaults; all bounds are per partition.
/// Measured with `make bench`; see `docs/architecture.md`.
const FETCH_DEFAULTS: [(&str, &str); 7] = [
    ("queued.min.messages", "30000"),
    ("queued.max.messages.kbytes", "512"),
    ("fetch.message.max.bytes", "262144"),
    ("fetch.queue.backoff.ms", "2"),
    ("fetch.wait.max.ms", "100"),
    // A topic that is made later is found within this time.
    ("topic.metadata.refresh.interval.ms", "5000"),
    ("reconnect.backoff.max.ms", "2000"),
];

impl KafkaSettings {
    /// Checks the settings without connecting.
    ///
    /// # Errors
    /// Names the setting and what librdkafka says of it.
    pub fn new(settings: BTreeMap<String, String>) -> Result<Self, SettingsFault> {
        let mut config = ClientConfig::new();
        for (key, value) in &settings {
            config.set(key, value);
        }
        config.create_native_config().map_err(|fault| SettingsFault(fault.to_string()))?;
        Ok(Self { settings })
    }

    /// For a member of a group.
    pub(super) fn consumer(&self, subscription: &Subscription) -> ClientConfig {
        let mut config = self.client(&FETCH_DEFAULTS);
        config
            .set("group.id", &subscription.group)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("enable.partition.eof", if subscription.bounded { "true" } else { "false" })
            .set("allow.auto.create.topics", "false")
            .set("isolation.level", "read_committed")
            .set("partition.assignment.strategy", "cooperative-sticky")
            // Every partition is taken at an offset; one that is gone meanwhile is told, not skipped.
            .set("auto.offset.reset", "error");
        config
    }

    /// For a producer that loses nothing and writes nothing twice.
    pub(super) fn producer(&self) -> ClientConfig {
        let defaults = [
            ("compression.type", "lz4"),
            ("linger.ms", "5"),
            ("message.timeout.ms", "30000"),
            // A topic that does not exist is told of within this time.
            ("topic.metadata.propagation.max.ms", "5000"),
        ];
        let mut config = self.client(&defaults);
        config
            .set("enable.idempotence", "true")
            .set("acks", "all")
            // A dead letter is its record and its reasons: it must not be what the client refuses. The broker has its own limit.
            .set("message.max.bytes", "268435456");
        config
    }

    fn client(&self, defaults: &[(&str, &str)]) -> ClientConfig {
        let mut config = ClientConfig::new();
        for (key, value) in defaults {
            config.set(*key, *value);
        }
        for (key, value) in &self.settings {
            config.set(key, value);
        }
        if !self.settings.contains_key("client.id") {
            config.set("client.id", "tidegate");
        }
        config
    }
}
