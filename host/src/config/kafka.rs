//! The section `[kafka]`: librdkafka's settings, those that belong to Tidegate refused, secrets kept out of the file and out of
//! sight, paths taken from the file's folder.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use toml::de::DeValue;

use super::refused;
use super::section::Section;
use super::sink::Secret;

/// The value of a setting.
#[derive(Clone, PartialEq, Eq)]
pub enum KafkaValue {
    /// Stands in the file.
    Plain(String),
    /// From the environment or a file of its own; not shown.
    Secret(Secret),
}

impl KafkaValue {
    /// The text itself.
    pub fn reveal(&self) -> &str {
        match self {
            Self::Plain(text) => text,
            Self::Secret(secret) => secret.reveal(),
        }
    }
}

impl fmt::Debug for KafkaValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(text) => text.fmt(f),
            Self::Secret(secret) => secret.fmt(f),
        }
    }
}

/// Settings that are secrets: whoever reads them can do what the gateway may.
const SECRETS: [&str; 8] = [
    "sasl.password",
    "sasl.oauthbearer.client.secret",
    "sasl.oauthbearer.client.credentials.client.secret",
    "sasl.oauthbearer.assertion.private.key.passphrase",
    "sasl.oauthbearer.assertion.private.key.pem",
    "ssl.key.password",
    "ssl.key.pem",
    "ssl.keystore.password",
];

/// Settings that are paths, relative to the folder of the gateway's file.
const PATHS: [&str; 9] = [
    "ssl.ca.location",
    "ssl.certificate.location",
    "ssl.key.location",
    "ssl.crl.location",
    "ssl.keystore.location",
    "https.ca.location",
    "sasl.oauthbearer.assertion.file",
    "sasl.oauthbearer.assertion.private.key.file",
    "sasl.oauthbearer.assertion.jwt.template.file",
];

/// librdkafka's word, in place of a path, for wherever the machine keeps its authorities.
const PROBE: &str = "probe";

/// The mechanisms that the gateway is built with.
const MECHANISMS: [&str; 4] = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"];

/// Keys may be written `"bootstrap.servers"` or `bootstrap.servers`; TOML takes the latter for nested tables.
pub(super) fn kafka(section: &Section<'_>, base: &Path) -> Option<BTreeMap<String, KafkaValue>> {
    let mut settings = BTreeMap::new();
    collect(section, "", base, &mut settings);
    for key in settings.keys() {
        if let Some(reason) = refused::reason(key) {
            section.fault(key, format!("cannot be set: {reason}"));
        }
    }
    security(section, &settings);
    if !settings.contains_key("bootstrap.servers") {
        section.fault("bootstrap.servers", "is missing; for example \"bootstrap.servers\" = \"127.0.0.1:9092\"");
        return None;
    }
    Some(settings)
}

fn collect(section: &Section<'_>, prefix: &str, base: &Path, settings: &mut BTreeMap<String, KafkaValue>) {
    for (key, value) in section.entries() {
        let path = if prefix.is_empty() { key.to_owned() } else { format!("{prefix}.{key}") };
        let text = match value {
            DeValue::String(text) => text.to_string(),
            DeValue::Integer(number) => number.to_string(),
            DeValue::Boolean(value) => value.to_string(),
            DeValue::Float(number) => number.to_string(),
            DeValue::Table(table) => {
                let Some(below) = section.section_named(key) else { continue };
                if table.len() == 1 && (table.contains_key("env") || table.contains_key("file")) {
                    // One that cannot be read is a fault already, and none that is missing.
                    let secret = Secret::of(&below, base).unwrap_or_default();
                    settings.insert(path, KafkaValue::Secret(secret));
                } else {
                    collect(&below, &path, base, settings);
                }
                continue;
            }
            DeValue::Array(_) | DeValue::Datetime(_) => {
                section.fault(key, "expected a text, a number, true or false");
                continue;
            }
        };
        if SECRETS.contains(&path.as_str()) {
            section.fault(key, "stands in the file itself; expected { env = \"NAME\" } or { file = \"PATH\" }");
            settings.insert(path, KafkaValue::Secret(Secret::default()));
            continue;
        }
        let text = match PATHS.contains(&path.as_str()) && text != PROBE {
            true => base.join(text).to_string_lossy().into_owned(),
            false => text,
        };
        settings.insert(path, KafkaValue::Plain(text));
    }
}

/// What librdkafka would pass over in silence: credentials that are never sent, a mechanism that waits for ever.
fn security(section: &Section<'_>, settings: &BTreeMap<String, KafkaValue>) {
    let get = |key: &str| settings.get(key).map(KafkaValue::reveal);
    let protocol = get("security.protocol").unwrap_or("plaintext").to_ascii_lowercase();
    let unused = |prefix: &str| settings.keys().find(|key| key.starts_with(prefix));
    for (prefix, part, right) in
        [("ssl.", "ssl", "\"ssl\" or \"sasl_ssl\""), ("sasl.", "sasl", "\"sasl_ssl\" or \"sasl_plaintext\"")]
    {
        if let Some(key) = unused(prefix).filter(|_| !protocol.contains(part)) {
            let problem = format!("is \"{protocol}\", with which `{key}` is not looked at; expected {right}");
            section.fault("security.protocol", problem);
        }
    }
    if !protocol.starts_with("sasl") {
        return;
    }
    let mechanisms = "\"PLAIN\", \"SCRAM-SHA-256\", \"SCRAM-SHA-512\" or \"OAUTHBEARER\"";
    let Some(mechanism) = get("sasl.mechanisms").or_else(|| get("sasl.mechanism")) else {
        return section.fault("sasl.mechanisms", format!("is missing; expected {mechanisms}"));
    };
    if !MECHANISMS.iter().any(|known| known.eq_ignore_ascii_case(mechanism)) {
        section.fault("sasl.mechanisms", format!("is \"{mechanism}\"; expected {mechanisms}"));
    } else if !mechanism.eq_ignore_ascii_case("OAUTHBEARER") {
        for key in ["sasl.username", "sasl.password"] {
            if !settings.contains_key(key) {
                section.fault(key, format!("is missing; {mechanism} needs a user and a password"));
            }
        }
    } else if get("sasl.oauthbearer.method") != Some("oidc")
        && get("enable.sasl.oauthbearer.unsecure.jwt") != Some("true")
    {
        section.fault(
            "sasl.oauthbearer.method",
            "is missing; expected \"oidc\", which fetches tokens from \"sasl.oauthbearer.token.endpoint.url\"",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Document;

    fn read(text: &str) -> Result<BTreeMap<String, KafkaValue>, String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("gateway.toml");
        std::fs::write(folder.path().join("password"), "from-a-file\n").unwrap();
        std::fs::write(&file, format!("[kafka]\n\"bootstrap.servers\" = \"broker:9092\"\n{text}")).unwrap();
        let settings = Document::read(&file, |top| kafka(&top.section("kafka")?, Path::new("/etc/tidegate")))
            .map_err(|faults| faults.to_string().replace(&file.display().to_string(), "f"))?;
        Ok(settings)
    }

    const SCRAM: &str =
        "\"security.protocol\" = \"sasl_ssl\"\n\"sasl.mechanisms\" = \"SCRAM-SHA-512\"\n\"sasl.username\" = \"u\"\n";

    #[test]
    fn a_secret_in_the_file_itself_is_refused_and_not_repeated() {
        for (key, protocol) in SECRETS.iter().map(|key| (key, "\"security.protocol\" = \"sasl_ssl\"\n")) {
            let fault = read(&format!("{protocol}\"{key}\" = \"hunter2\"\n")).unwrap_err();
            let expected = format!(
                "f:4: `kafka.{key}`: stands in the file itself; expected {{ env = \"NAME\" }} or {{ file = \"PATH\" }}"
            );
            assert!(fault.lines().any(|line| line == expected), "{fault}");
            assert!(!fault.contains("hunter2"), "{fault}");
        }
        let nested = read(&format!("{SCRAM}sasl.password = \"hunter2\"\n")).unwrap_err();
        assert!(nested.contains("f:6: `kafka.sasl.password`: stands in the file itself"), "{nested}");
        assert_eq!(nested.lines().count(), 1, "{nested}");
    }

    #[test]
    fn a_secret_is_not_shown() {
        let settings = read(&format!("{SCRAM}\"sasl.password\" = {{ env = \"PATH\" }}\n")).unwrap();
        let password = std::env::var("PATH").unwrap();
        assert_eq!(settings.get("sasl.password").map(KafkaValue::reveal), Some(password.as_str()));
        let shown = format!("{settings:?} {settings:#?}");
        assert!(shown.contains("SCRAM-SHA-512") && shown.contains("***") && !shown.contains(&password), "{shown}");
    }

    #[test]
    fn paths_are_relative_to_the_folder_of_the_file() {
        let settings = read(
            "security.protocol = \"ssl\"\nssl.ca.location = \"tls/ca.pem\"\n\"ssl.key.location\" = \"/run/key.pem\"\n\
             \"https.ca.location\" = \"probe\"\n",
        )
        .unwrap();
        let path = |key: &str| settings.get(key).map(KafkaValue::reveal);
        assert_eq!(path("ssl.ca.location"), Some("/etc/tidegate/tls/ca.pem"));
        assert_eq!(path("ssl.key.location"), Some("/run/key.pem"));
        assert_eq!(path("https.ca.location"), Some("probe"));
    }

    #[test]
    fn security_that_would_be_passed_over_in_silence_is_a_fault() {
        let secret = "{ env = \"PATH\" }";
        for (text, expected) in [
            (
                "\"ssl.ca.location\" = \"ca.pem\"",
                "f:1: `kafka.security.protocol`: is \"plaintext\", with which `ssl.ca.location` is not looked at; expected \"ssl\" or \"sasl_ssl\"",
            ),
            (
                "\"security.protocol\" = \"ssl\"\n\"sasl.username\" = \"u\"",
                "f:3: `kafka.security.protocol`: is \"ssl\", with which `sasl.username` is not looked at; expected \"sasl_ssl\" or \"sasl_plaintext\"",
            ),
            ("\"security.protocol\" = \"sasl_ssl\"", "f:1: `kafka.sasl.mechanisms`: is missing; expected \"PLAIN\""),
            (
                "\"security.protocol\" = \"SASL_SSL\"\n\"sasl.mechanism\" = \"GSSAPI\"",
                "f:1: `kafka.sasl.mechanisms`: is \"GSSAPI\"; expected \"PLAIN\"",
            ),
            (
                "\"security.protocol\" = \"sasl_ssl\"\n\"sasl.mechanisms\" = \"PLAIN\"\n\"sasl.username\" = \"u\"",
                "f:1: `kafka.sasl.password`: is missing; PLAIN needs a user and a password",
            ),
            (
                "\"security.protocol\" = \"sasl_ssl\"\n\"sasl.mechanisms\" = \"OAUTHBEARER\"",
                "f:1: `kafka.sasl.oauthbearer.method`: is missing; expected \"oidc\"",
            ),
        ] {
            let faults = read(text).unwrap_err();
            assert!(faults.contains(expected), "{faults}");
        }
        read(&format!("{SCRAM}\"sasl.password\" = {secret}\n\"ssl.ca.location\" = \"ca.pem\"\n")).unwrap();
        read("\"security.protocol\" = \"sasl_plaintext\"\n\"sasl.mechanisms\" = \"OAUTHBEARER\"\n\"sasl.oauthbearer.method\" = \"oidc\"\n").unwrap();
    }
}
