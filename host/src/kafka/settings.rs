//! librdkafka's settings: Tidegate's own choices, the operator's over them, and the promises' over both.

use std::collections::BTreeMap;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;

use crate::config::KafkaValue;

use super::Subscription;
use super::transactions::BROKER_DEADLINE;

/// The settings of a cluster, known to be right.
#[derive(Clone, Debug)]
pub struct KafkaSettings {
    settings: BTreeMap<String, KafkaValue>,
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
    pub fn new(settings: BTreeMap<String, KafkaValue>) -> Result<Self, SettingsFault> {
        let mut config = ClientConfig::new();
        for (key, value) in &settings {
            config.set(key, value.reveal());
        }
        let settings = Self { settings };
        match config.create_native_config() {
            Ok(_) => Ok(settings),
            // rdkafka's own text has the value in it, and librdkafka's may: either may be a secret.
            Err(KafkaError::ClientConfig(_, problem, key, value)) => {
                Err(SettingsFault(match settings.settings.get(&key) {
                    Some(KafkaValue::Secret(_)) => problem.replace(&value, "***"),
                    _ => problem,
                }))
            }
            Err(fault) => Err(SettingsFault(settings.redact(&fault.to_string()))),
        }
    }

    /// Where brokers are, as the operator says it.
    pub fn brokers(&self) -> &str {
        self.get("bootstrap.servers").or_else(|| self.get("metadata.broker.list")).unwrap_or_default()
    }

    /// A setting of the operator's.
    pub(super) fn get(&self, key: &str) -> Option<&str> {
        self.settings.get(key).map(KafkaValue::reveal)
    }

    /// A text without the secrets that may have got into it.
    pub(super) fn redact(&self, text: &str) -> String {
        let secrets = self.settings.values().filter_map(|value| match value {
            KafkaValue::Secret(secret) => Some(secret.reveal()),
            KafkaValue::Plain(_) => None,
        });
        // Replacing a few letters would make the text unreadable and keep nothing secret.
        let secrets = secrets.filter(|secret| secret.chars().count() > 3);
        secrets.fold(text.to_owned(), |text, secret| text.replace(secret, "***"))
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
        self.tell_breaks(&mut config);
        config
    }

    /// For who only looks at the cluster.
    pub(super) fn looker(&self) -> ClientConfig {
        let mut config = self.client(&[]);
        config.set("allow.auto.create.topics", "false");
        // A replica that lags behind the leader has another end, and what is read up to an end is all there is.
        config.remove("client.rack");
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

    /// The same for transactions under this id, with batches of at most so many bytes.
    pub(super) fn transactional_producer(&self, id: &str, largest: Option<usize>) -> ClientConfig {
        let mut config = self.producer();
        config
            .set("transactional.id", id)
            .set("transaction.timeout.ms", BROKER_DEADLINE.as_millis().to_string())
            // What is not delivered by then will not be in this transaction.
            .set("message.timeout.ms", "6000");
        match largest {
            Some(1) => _ = config.set("batch.num.messages", "1"),
            Some(bytes) => _ = config.set("batch.size", bytes.to_string()),
            None => {}
        }
        self.tell_breaks(&mut config);
        config
    }

    /// Has librdkafka tell of every connection that breaks: of one that breaks as it did before within half a minute it tells at this level
    /// alone, and what was sent on it may come late. It is a few lines for each connection and each partition that is taken.
    fn tell_breaks(&self, config: &mut ClientConfig) {
        let debug = match self.get("debug").filter(|debug| !debug.is_empty()) {
            Some(debug) => format!("{debug},broker"),
            None => "broker".to_owned(),
        };
        config.set("debug", debug).set_log_level(RDKafkaLogLevel::Debug);
    }

    fn client(&self, defaults: &[(&str, &str)]) -> ClientConfig {
        let mut config = ClientConfig::new();
        for (key, value) in defaults {
            config.set(*key, *value);
        }
        // librdkafka is linked with an OpenSSL and a curl of its own, which do not know where this machine has its authorities.
        for (own, other) in [("ssl.ca.location", "ssl.ca.pem"), ("https.ca.location", "https.ca.pem")] {
            if !self.settings.contains_key(other) {
                config.set(own, "probe");
            }
        }
        for (key, value) in &self.settings {
            config.set(key, value.reveal());
        }
        // Connections that a broker closes are told of in the log alone, at this level.
        if (config.log_level as i32) < RDKafkaLogLevel::Info as i32 {
            config.set_log_level(RDKafkaLogLevel::Info);
        }
        if !self.settings.contains_key("client.id") {
            config.set("client.id", "tidegate");
        }
        config
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::time::{Duration, Instant};

    use rdkafka::client::ClientContext;
    use rdkafka::consumer::{BaseConsumer, ConsumerContext};

    use super::*;
    use crate::config::GatewaySettings;
    use crate::config::Start;

    /// Settings as a gateway's file gives them.
    fn read(kafka: &str, secret: &str) -> BTreeMap<String, KafkaValue> {
        let folder = tempfile::tempdir().unwrap();
        let (file, password) = (folder.path().join("gateway.toml"), folder.path().join("secret"));
        std::fs::write(password, secret).unwrap();
        let text = format!("[kafka]\nbootstrap.servers = \"127.0.0.1:1\"\n{kafka}\n[sinks.out]\ntype = \"stdout\"\n");
        std::fs::write(&file, text).unwrap();
        GatewaySettings::read(&file).unwrap().kafka
    }

    #[test]
    fn a_setting_that_librdkafka_refuses_is_named_without_its_secret() {
        let fault = |kafka: &str| KafkaSettings::new(read(kafka, "hunter-2222")).unwrap_err().to_string();
        let unknown = fault(
            "\"sasl.pasword\" = { file = \"secret\" }\nsecurity.protocol = \"sasl_ssl\"\nsasl.mechanisms = \"OAUTHBEARER\"\nsasl.oauthbearer.method = \"oidc\"",
        );
        assert_eq!(unknown, "Kafka settings: No such configuration property: \"sasl.pasword\"");
        let value = fault("\"fetch.wait.max.ms\" = { file = \"secret\" }");
        assert_eq!(value, "Kafka settings: Invalid value for configuration property \"fetch.wait.max.ms\"");
        let shown = fault("\"fetch.min.bytes\" = \"some\"");
        assert!(shown.contains("fetch.min.bytes"), "{shown}");
    }

    #[test]
    fn secrets_are_neither_shown_nor_left_in_a_text() {
        let settings = "security.protocol = \"sasl_ssl\"\nsasl.mechanisms = \"PLAIN\"\nsasl.username = \"u\"\n\"sasl.password\" = { file = \"secret\" }";
        let settings = KafkaSettings::new(read(settings, "hunter-2222\n")).unwrap();
        assert_eq!(settings.get("sasl.password"), Some("hunter-2222"));
        assert!(!format!("{settings:?}").contains("hunter"), "{settings:?}");
        assert_eq!(settings.redact("it says: hunter-2222!"), "it says: ***!");
    }

    /// Passes on what librdkafka logs.
    struct Lines(Sender<String>);

    impl ClientContext for Lines {
        fn log(&self, _: RDKafkaLogLevel, facility: &str, line: &str) {
            let _ = self.0.send(format!("{facility} {line}"));
        }
    }

    impl ConsumerContext for Lines {}

    #[test]
    fn whoever_commits_hears_of_every_connection_that_breaks() {
        let subscription =
            Subscription { group: "group".into(), topics: Vec::new(), start: Start::default(), bounded: false };
        for (own, debug) in [("", "broker"), ("debug = \"security\"", "security,broker")] {
            let settings = KafkaSettings::new(read(own, "")).unwrap();
            for config in [settings.consumer(&subscription), settings.transactional_producer("id", None)] {
                assert_eq!(
                    (config.get("debug"), config.log_level as i32),
                    (Some(debug), RDKafkaLogLevel::Debug as i32)
                );
            }
        }
    }

    #[test]
    fn the_machines_authorities_are_looked_for_where_the_file_names_none() {
        let settings = KafkaSettings::new(read("security.protocol = \"ssl\"", "")).unwrap();
        let (sender, lines): (_, Receiver<String>) = channel();
        let subscription =
            Subscription { group: "group".into(), topics: Vec::new(), start: Start::default(), bounded: false };
        let mut config = settings.consumer(&subscription);
        config.set("debug", "security").set_log_level(RDKafkaLogLevel::Debug);
        let consumer: BaseConsumer<Lines> = config.create_with_context(Lines(sender)).unwrap();
        let deadline = Instant::now() + Duration::from_secs(30);
        let mut said = Vec::new();
        // It finds them or says that it does not; where nothing is set it does not look at all.
        while !said.iter().any(|line: &String| line.starts_with("CACERTS")) {
            assert!(Instant::now() < deadline, "{said:#?}");
            consumer.poll(Duration::from_millis(10));
            said.extend(lines.try_iter());
        }
    }
}
