//! What is wrong between the gateway and its brokers, in words that an operator can act on. librdkafka says it in OpenSSL's,
//! one thing in several ways, and last that all brokers are down; what it said before is kept, since that is the reason.
//!
//! Called by the contexts of consumers and producers. It must never show a secret.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rdkafka::error::RDKafkaErrorCode;

use super::certificate;
use super::settings::KafkaSettings;

/// What librdkafka said of a client's connections.
pub(super) struct Troubles {
    settings: KafkaSettings,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// What was heard last, and when.
    last: Option<(Instant, String)>,
    /// Our texts for librdkafka's words, and when they were found.
    known: BTreeMap<String, (Instant, String)>,
    /// The last refusal of a broker's certificate, and when it was heard.
    certificate: Option<(Instant, String)>,
}

/// What OpenSSL says of a certificate, whatever is wrong with it.
const REFUSED: &str = "certificate verify failed";

/// Librdkafka repeats what lasts every 30 s; what is older is over, or needs another look.
const LASTS: Duration = Duration::from_secs(45);

/// More than a cluster has brokers that fail in different ways.
const MOST_KNOWN: usize = 64;

/// Parts of librdkafka's words, and what is wrong and would be right.
type Advice = (&'static [&'static str], &'static str);

/// In the order in which they are looked for.
const ADVICE: [Advice; 10] = [
    (
        &["SASL authentication error", "invalid_token"],
        "the broker does not accept the token; check the issuer, the audience and the scope (`sasl.oauthbearer.scope`) that it expects",
    ),
    (
        &["SASL authentication error"],
        "the broker refuses the user or the password; check `sasl.username`, `sasl.password` and whether the broker has this user for this `sasl.mechanisms`",
    ),
    (
        &["mechanism handshake failed", "Unsupported SASL mechanism"],
        "set `sasl.mechanisms` to one that the broker supports",
    ),
    (
        &["Failed to acquire SASL OAUTHBEARER token", "SSL certificate"],
        "there is no token to log in with: the certificate of `sasl.oauthbearer.token.endpoint.url` is not accepted; set `https.ca.location` to its authority",
    ),
    (
        &["Failed to acquire SASL OAUTHBEARER token"],
        "there is no token to log in with; check `sasl.oauthbearer.token.endpoint.url`, `sasl.oauthbearer.client.id` and `sasl.oauthbearer.client.secret`",
    ),
    (&["wrong version number"], NO_TLS),
    (&["connecting to a PLAINTEXT broker listener"], NO_TLS),
    (&["closed by peer", "in state SSL_HANDSHAKE"], NO_TLS),
    (&["Failed to resolve"], "the name is not known; check `bootstrap.servers` and what the broker advertises"),
    (&["Connection refused"], "nobody listens there; check `bootstrap.servers` and what the broker advertises"),
];

const NO_TLS: &str = "the port speaks no TLS; connect to one that does, or set `security.protocol` to \"plaintext\" or \"sasl_plaintext\"";

/// For connections without TLS.
const TLS: Advice = (
    &["closed by peer", "in state APIVERSION_QUERY"],
    "the broker closes the connection at once, as a port with TLS does; set `security.protocol` to \"ssl\" or \"sasl_ssl\"",
);

/// For connections without a user.
const SASL: Advice = (
    &["closed by peer", "in state UP"],
    "the broker closes the connection, as one does that wants a user; set `security.protocol` to \"sasl_ssl\" or \"sasl_plaintext\", and `sasl.mechanisms`",
);

/// The ways in which a broker says that it does not take the client's certificate (RFC 8446, section 6.2).
const ALERTS: [&str; 6] = [
    "alert bad certificate",
    "alert certificate expired",
    "alert certificate required",
    "alert certificate unknown",
    "alert unknown ca",
    "alert unsupported certificate",
];

/// Far more than any reason needs; a token endpoint may answer with a whole page.
const MOST_CHARACTERS: usize = 400;

impl Troubles {
    /// None yet.
    pub(super) fn new(settings: &KafkaSettings) -> Self {
        Self { settings: settings.clone(), state: Mutex::default() }
    }

    /// Takes in an error. Returns what is to be said of it, if anything is.
    ///
    /// Where a certificate is refused it looks at the certificate itself, which may take two seconds, and is done at most
    /// every [`LASTS`] for each broker.
    pub(super) fn hear(&self, code: RDKafkaErrorCode, reason: &str) -> Option<String> {
        match code {
            // It follows every failure of the last broker, and says less.
            RDKafkaErrorCode::AllBrokersDown if self.last().is_some() => return None,
            // Told as an error of the poll as well.
            RDKafkaErrorCode::UnknownTopicOrPartition => return None,
            _ => {}
        }
        let (now, words) = (Instant::now(), format!("{}{}", steady(reason), state(reason)));
        let known = self.state.lock().known.get(&words).filter(|(found, _)| now < *found + LASTS).cloned();
        // Not under the lock: others ask for what was said.
        let text = known.map_or_else(|| self.settings.redact(&self.explain(reason)), |(_, text)| text);
        let mut state = self.state.lock();
        state.known.retain(|_, (found, _)| now < *found + LASTS);
        if state.known.len() < MOST_KNOWN {
            state.known.entry(words).or_insert_with(|| (now, text.clone()));
        }
        if reason.contains(REFUSED) {
            state.certificate = Some((now, text.clone()));
        }
        state.last = Some((now, text.clone()));
        Some(text)
    }

    /// Takes in a line of the log: connections that a broker closes are no errors to librdkafka. Returns what is to be said at
    /// once: that the broker closes them before they are up. Later ones may be for want of use.
    pub(super) fn overhear(&self, facility: &str, line: &str) -> Option<String> {
        let line = line.split_once("]: ").map_or(line, |(_, line)| line);
        if facility != "FAIL" || !line.contains("Disconnected") {
            return None;
        }
        let text = self.hear(RDKafkaErrorCode::BrokerTransportFailure, line);
        text.filter(|_| state(line) == "APIVERSION_QUERY")
    }

    /// What was last said, while it lasts.
    pub(super) fn last(&self) -> Option<String> {
        let state = self.state.lock();
        state.last.as_ref().filter(|(heard, _)| heard.elapsed() < LASTS).map(|(_, text)| text.clone())
    }

    /// Why no broker answers: the last trouble, or else `fault`.
    pub(super) fn of_silence(&self, fault: &str) -> String {
        self.last().unwrap_or_else(|| format!("no broker answers: {fault}"))
    }

    /// A broker has answered, and what was said is over.
    ///
    /// # Errors
    /// Where the certificate of another broker is refused, as happens to addresses that brokers advertise: who answers does not
    /// help, since what that broker leads is not read.
    pub(super) fn answered(&self) -> Result<(), String> {
        let mut state = self.state.lock();
        let certificate = state.certificate.take().filter(|(heard, _)| heard.elapsed() < LASTS);
        let told = certificate.as_ref().map_or(Ok(()), |(_, text)| Err(text.clone()));
        *state = State { certificate, known: std::mem::take(&mut state.known), ..State::default() };
        told
    }

    fn explain(&self, reason: &str) -> String {
        let (broker, words) = of_broker(reason);
        let at = broker.map(|broker| format!("broker {broker}: ")).unwrap_or_default();
        if words.contains(REFUSED) {
            let problem = broker.and_then(|broker| certificate::problem(broker, &self.settings));
            let problem = problem.unwrap_or_else(|| {
                "its certificate is not accepted: it may have expired, be for another host or be signed by an authority that \
                 is not in `ssl.ca.location`"
                    .to_owned()
            });
            return format!("{at}{problem}");
        }
        let advice = match ALERTS.iter().any(|alert| words.contains(alert)) {
            true => Some(self.of_own_certificate()),
            false => self.advice(words),
        };
        let told = shortened(&steady(words));
        match advice {
            Some(advice) => format!("{at}{advice} (it says: {told})"),
            None => format!("{at}{told}"),
        }
    }

    fn advice(&self, words: &str) -> Option<&'static str> {
        let protocol = self.settings.get("security.protocol").unwrap_or("plaintext").to_ascii_lowercase();
        let tls = Some(TLS).filter(|_| !protocol.ends_with("ssl"));
        let sasl = Some(SASL).filter(|_| !protocol.starts_with("sasl"));
        let mut all = ADVICE.into_iter().chain(tls).chain(sasl);
        all.find(|(parts, _)| parts.iter().all(|part| words.contains(part))).map(|(_, advice)| advice)
    }

    fn of_own_certificate(&self) -> &'static str {
        let own = ["ssl.certificate.location", "ssl.certificate.pem", "ssl.keystore.location"];
        match own.iter().any(|key| self.settings.get(key).is_some()) {
            true => {
                "the broker does not accept the certificate of this client; check whether `ssl.certificate.location` has \
                 expired and is signed by an authority that the broker trusts"
            }
            false => {
                "the broker wants a certificate of this client; set `ssl.certificate.location` and `ssl.key.location`"
            }
        }
    }
}

/// A reason without what differs at every try: how long it took, how often it was said, and that it came within a handshake.
fn steady(reason: &str) -> String {
    let cut = reason.find(" (after ").map_or(reason, |end| reason.get(..end).unwrap_or(reason));
    let cut = cut.split(": broker certificate could not be verified").next().unwrap_or(cut);
    cut.replace("SSL handshake failed: ", "").replace(": connecting to a PLAINTEXT broker listener?", "")
}

/// The state of a connection in which something went wrong: the same words mean another thing in another one.
fn state(reason: &str) -> &str {
    let state = reason.rsplit_once(" in state ").map_or("", |(_, state)| state);
    state.split([',', ')']).next().unwrap_or_default()
}

/// The address of the broker that a reason begins with, and the rest. `sasl_ssl://host:9092/1: words`, or with a name of a
/// role before the address: `GroupCoordinator: host:9092: words`.
fn of_broker(reason: &str) -> (Option<&str>, &str) {
    let mut rest = reason;
    for _ in 0..2 {
        let Some((name, words)) = rest.split_once(": ") else { break };
        let name = name.rsplit("://").next().unwrap_or(name);
        let name = name.split('/').next().unwrap_or(name);
        if name.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok()) {
            return (Some(name), words);
        }
        rest = words;
    }
    (None, reason)
}

fn shortened(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match text.char_indices().nth(MOST_CHARACTERS) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::KafkaValue;

    fn troubles(pairs: &[(&str, &str)]) -> Troubles {
        let value = |(key, value): &(&str, &str)| ((*key).to_owned(), KafkaValue::Plain((*value).to_owned()));
        Troubles::new(&KafkaSettings::new(pairs.iter().map(value).collect()).unwrap())
    }

    /// What is said of librdkafka 2.12's own words.
    fn said(protocol: &str, words: &str) -> String {
        troubles(&[("security.protocol", protocol)]).hear(RDKafkaErrorCode::SSL, words).unwrap()
    }

    #[test]
    fn what_librdkafka_says_is_told_with_what_would_be_right() {
        for (protocol, words, expected) in [
            (
                "sasl_ssl",
                "sasl_ssl://10.0.0.1:9093/bootstrap: SASL authentication error: Authentication failed during authentication due to invalid credentials with SASL mechanism SCRAM-SHA-512 (after 129ms in state AUTH_REQ)",
                "broker 10.0.0.1:9093: the broker refuses the user or the password; check `sasl.username`",
            ),
            (
                "sasl_ssl",
                "sasl_ssl://10.0.0.1:9093/bootstrap: SASL SCRAM-SHA-256 mechanism handshake failed: Broker: Unsupported SASL mechanism: broker's supported mechanisms: PLAIN (after 2ms in state AUTH_HANDSHAKE)",
                "broker 10.0.0.1:9093: set `sasl.mechanisms` to one that the broker supports (it says: SASL SCRAM-SHA-256 mechanism handshake failed: Broker: Unsupported SASL mechanism: broker's supported mechanisms: PLAIN)",
            ),
            (
                "sasl_ssl",
                "sasl_ssl://10.0.0.1:9093/bootstrap: SASL authentication error: {\"status\":\"invalid_token\"} (after 3ms in state AUTH_REQ)",
                "broker 10.0.0.1:9093: the broker does not accept the token; check the issuer, the audience",
            ),
            (
                "sasl_ssl",
                "Failed to acquire SASL OAUTHBEARER token: {\"error\": \"invalid_client\"}",
                "there is no token to log in with; check `sasl.oauthbearer.token.endpoint.url`",
            ),
            (
                "ssl",
                "ssl://broker-1:9093/1: SSL handshake failed: Disconnected: SSL connection closed by peer: connecting to a PLAINTEXT broker listener? (after 17ms in state SSL_HANDSHAKE)",
                "broker broker-1:9093: the port speaks no TLS; connect to one that does",
            ),
            (
                "ssl",
                "ssl://broker-1:9093/1: Disconnected: SSL connection closed by peer (after 0ms in state SSL_HANDSHAKE)",
                "broker broker-1:9093: the port speaks no TLS; connect to one that does",
            ),
            (
                "plaintext",
                "broker-1:9093/1: Disconnected: connection closed by peer: receive 0 after POLLIN (after 31ms in state APIVERSION_QUERY)",
                "broker broker-1:9093: the broker closes the connection at once, as a port with TLS does; set `security.protocol` to \"ssl\" or \"sasl_ssl\"",
            ),
            (
                "ssl",
                "ssl://broker-1:9093/1: Disconnected: SSL connection closed by peer (after 3ms in state UP, 1 identical error(s) suppressed)",
                "broker broker-1:9093: the broker closes the connection, as one does that wants a user; set `security.protocol`",
            ),
            (
                "ssl",
                "GroupCoordinator: [::1]:9093: Receive failed: error:0A000412:SSL routines::sslv3 alert bad certificate: SSL alert number 42 (after 19ms in state APIVERSION_QUERY)",
                "broker [::1]:9093: the broker wants a certificate of this client; set `ssl.certificate.location` and `ssl.key.location`",
            ),
            (
                "plaintext",
                "10.0.0.1:9092/bootstrap: Connect to ipv4#10.0.0.1:9092 failed: Connection refused (after 0ms in state CONNECT)",
                "broker 10.0.0.1:9092: nobody listens there; check `bootstrap.servers` and what the broker advertises (it says: Connect to ipv4#10.0.0.1:9092 failed: Connection refused)",
            ),
            ("plaintext", "what nobody has thought of (after 5ms in state UP)", "what nobody has thought of"),
        ] {
            let text = said(protocol, words);
            assert!(text.starts_with(expected), "{text}");
            assert!(!text.contains("after ") || !text.contains("in state"), "{text}");
        }
    }

    #[test]
    fn a_client_with_a_certificate_is_told_that_it_is_not_accepted() {
        let own = [("security.protocol", "ssl"), ("ssl.certificate.location", "/own.pem")];
        let words = "ssl://b:9093/1: Receive failed: error:0A000416:SSL routines::sslv3 alert certificate unknown: SSL alert number 46 (after 1ms in state APIVERSION_QUERY)";
        let text = troubles(&own).hear(RDKafkaErrorCode::BrokerTransportFailure, words).unwrap();
        assert!(text.starts_with("broker b:9093: the broker does not accept the certificate of this client"), "{text}");
    }

    #[test]
    fn that_all_brokers_are_down_does_not_hide_why() {
        let troubles = troubles(&[]);
        let all_down = || troubles.hear(RDKafkaErrorCode::AllBrokersDown, "1/1 brokers are down");
        assert_eq!(all_down().as_deref(), Some("1/1 brokers are down"));
        troubles.answered().unwrap();
        let refused = "b:9092/1: Connect to ipv4#10.0.0.1:9092 failed: Connection refused (after 0ms in state CONNECT)";
        let text = troubles.hear(RDKafkaErrorCode::BrokerTransportFailure, refused);
        assert_eq!(all_down(), None);
        assert_eq!(Some(troubles.of_silence("timed out")), text);
        troubles.answered().unwrap();
        assert_eq!(troubles.of_silence("timed out"), "no broker answers: timed out");
    }

    #[test]
    fn the_same_words_in_another_state_mean_another_thing() {
        let troubles = troubles(&[("security.protocol", "ssl")]);
        let hear = |state: &str| {
            let words = format!(
                "ssl://b:9093/1: Disconnected: SSL connection closed by peer (after 3ms in state {state}, 1 identical error(s) suppressed)"
            );
            troubles.hear(RDKafkaErrorCode::BrokerTransportFailure, &words).unwrap()
        };
        assert!(hear("SSL_HANDSHAKE").contains("the port speaks no TLS"));
        assert!(hear("UP").contains("as one does that wants a user"));
        assert!(hear("SSL_HANDSHAKE").contains("the port speaks no TLS"));
    }

    #[test]
    fn a_refused_certificate_is_not_over_because_another_broker_answers() {
        let troubles = troubles(&[("security.protocol", "ssl")]);
        let words = "ssl://127.0.0.1:1/2: SSL handshake failed: error:0A000086:SSL routines::certificate verify failed: broker certificate could not be verified, verify that (after 3ms in state SSL_HANDSHAKE)";
        let text = troubles.hear(RDKafkaErrorCode::SSL, words).unwrap();
        assert!(text.starts_with("broker 127.0.0.1:1: its certificate is not accepted: it may have expired"), "{text}");
        assert_eq!(troubles.answered(), Err(text));
    }

    #[test]
    fn a_connection_that_was_closed_is_remembered_from_the_log() {
        let troubles = troubles(&[]);
        let closed = "[thrd:b:9093/bootstrap]: b:9093/bootstrap: Disconnected: connection closed by peer: receive 0 after POLLIN (after 0ms in state";
        assert_eq!(troubles.overhear("FAIL", &format!("{closed} UP)")), None, "perhaps for want of use");
        let told = troubles.overhear("FAIL", &format!("{closed} APIVERSION_QUERY)"));
        let text = troubles.of_silence("timed out");
        assert_eq!(told.as_ref(), Some(&text));
        assert!(text.starts_with("broker b:9093: the broker closes the connection at once"), "{text}");
        troubles.answered().unwrap();
        let _ = troubles.overhear("CONNECT", "[thrd:b:9093/bootstrap]: Disconnected");
        assert_eq!(troubles.of_silence("timed out"), "no broker answers: timed out");
    }
}
