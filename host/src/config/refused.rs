//! librdkafka settings that a gateway's file may not set, with why: those on which a promise rests, those that would load or run
//! other code, and second names of settings that have a default here. Compared with librdkafka's CONFIGURATION.md, version 2.12.

const COMMITS: &str = "an offset is committed when its range is complete";
const BROKER: &str = "offsets are kept by the broker, where every gateway of the group finds them";
const GROUP: &str = "members come and go with their gateways, by the classic group protocol";
const LETTERS: &str = "a dead letter is written once, and counts as written when all replicas have it";
const CODE: &str = "no other code is loaded into the gateway, and no program is run";
const EVENTS: &str = "the gateway hears of what happens by events of its own choice";
const BROKERS: &str = "what a broker can is asked of the broker itself; older forms would lose headers and timestamps";

/// Names and reasons.
pub(super) const REFUSED: [(&str, &str); 50] = [
    ("group.id", "a pipeline file names its group with `group`"),
    ("group.instance.id", GROUP),
    ("group.protocol", GROUP),
    ("group.protocol.type", GROUP),
    ("group.remote.assignor", GROUP),
    ("partition.assignment.strategy", "partitions move by cooperative rebalancing"),
    ("enable.auto.commit", COMMITS),
    ("auto.commit.enable", COMMITS),
    ("auto.commit.interval.ms", COMMITS),
    ("enable.auto.offset.store", COMMITS),
    ("offset.store.method", BROKER),
    ("offset.store.path", BROKER),
    ("offset.store.sync.interval.ms", BROKER),
    ("auto.offset.reset", "a pipeline file says where to start with `start`"),
    ("isolation.level", "records of aborted transactions are never read"),
    ("enable.partition.eof", "the gateway sets it itself"),
    ("allow.auto.create.topics", "a pipeline waits for a topic that does not exist"),
    ("transactional.id", "the gateway names its transactions itself"),
    ("enable.idempotence", LETTERS),
    ("acks", LETTERS),
    ("request.required.acks", LETTERS),
    ("enable.gapless.guarantee", LETTERS),
    ("max.in.flight", LETTERS),
    ("max.in.flight.requests.per.connection", LETTERS),
    ("queuing.strategy", LETTERS),
    ("delivery.report.only.error", LETTERS),
    ("plugin.library.paths", CODE),
    ("interceptors", CODE),
    ("ssl.engine.location", CODE),
    ("ssl.engine.id", CODE),
    ("ssl.providers", CODE),
    ("sasl.kerberos.kinit.cmd", CODE),
    ("opaque", CODE),
    ("default_topic_conf", CODE),
    ("ssl_engine_callback_data", CODE),
    ("enabled_events", EVENTS),
    ("log.queue", EVENTS),
    ("statistics.interval.ms", EVENTS),
    ("internal.termination.signal", EVENTS),
    ("api.version.request", BROKERS),
    ("api.version.fallback.ms", BROKERS),
    ("broker.version.fallback", BROKERS),
    ("metadata.broker.list", "write `bootstrap.servers`"),
    ("max.partition.fetch.bytes", "write `fetch.message.max.bytes`"),
    ("compression.codec", "write `compression.type`"),
    ("queue.buffering.max.ms", "write `linger.ms`"),
    ("delivery.timeout.ms", "write `message.timeout.ms`"),
    ("ssl_key", "write `ssl.key.location` or `ssl.key.pem`"),
    ("ssl_certificate", "write `ssl.certificate.location` or `ssl.certificate.pem`"),
    ("ssl_ca", "write `ssl.ca.location` or `ssl.ca.pem`"),
];

/// Why a setting is refused, if it is. Callbacks are functions of the program's own: no text is one.
pub(super) fn reason(key: &str) -> Option<&'static str> {
    let known = REFUSED.iter().find(|(refused, _)| *refused == key).map(|(_, reason)| *reason);
    known.or_else(|| key.ends_with("_cb").then_some(CODE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::GatewaySettings;

    fn faults(kafka: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("gateway.toml");
        let text = format!("[kafka]\n\"bootstrap.servers\" = \"b:1\"\n{kafka}\n[sinks.out]\ntype = \"stdout\"\n");
        std::fs::write(&file, text).unwrap();
        GatewaySettings::read(&file).map_or_else(|faults| faults.to_string(), |_| String::new())
    }

    #[test]
    fn each_is_refused_by_its_name_however_it_is_written() {
        for (key, reason) in REFUSED {
            let expected = format!(":3: `kafka.{key}`: cannot be set: {reason}");
            let told = faults(&format!("\"{key}\" = \"1\""));
            assert!(told.lines().any(|line| line.ends_with(&expected)), "{expected} is not in:\n{told}");
        }
        for text in ["plugin.library.paths = \"evil\"", "[kafka.plugin]\nlibrary.paths = \"evil\""] {
            assert!(faults(text).contains("`kafka.plugin.library.paths`: cannot be set: no other code"), "{text}");
        }
        assert!(faults("\"rebalance_cb\" = \"1\"").contains("cannot be set"));
    }

    #[test]
    fn none_of_them_is_a_name_that_librdkafka_does_not_know() {
        let known = rdkafka::ClientConfig::new().create_native_config().unwrap();
        for (key, _) in REFUSED {
            // Of some, that are no texts, it only says that they are there.
            let fault = match known.get(key) {
                Ok(_) => continue,
                Err(fault) => fault.to_string(),
            };
            let unknown = rdkafka::ClientConfig::new().set(key, "1").create_native_config();
            let unknown = unknown.err().map(|fault| fault.to_string()).unwrap_or_default();
            assert!(!unknown.contains("No such configuration property"), "{key}: {fault}; {unknown}");
        }
    }
}
