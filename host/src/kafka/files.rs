//! Why librdkafka makes no client of the settings. Where it is a file, OpenSSL says "system lib" or "PEM lib" and no name, so
//! the gateway looks at the file itself. The file may be mended while the gateway runs: making a client is tried again.

use std::fs;
use std::path::Path;

use super::settings::KafkaSettings;

/// What a file must hold.
#[derive(Clone, Copy)]
struct Content {
    key: &'static str,
    /// The beginning and the end of a line that stands in it.
    line: (&'static str, &'static str),
    name: &'static str,
}

const CERTIFICATE: (&str, &str) = ("-----BEGIN ", "CERTIFICATE-----");
const PRIVATE_KEY: (&str, &str) = ("-----BEGIN ", "PRIVATE KEY-----");

const CONTENTS: [Content; 4] = [
    Content { key: "ssl.ca.location", line: CERTIFICATE, name: "certificate" },
    Content { key: "https.ca.location", line: CERTIFICATE, name: "certificate" },
    Content { key: "ssl.certificate.location", line: CERTIFICATE, name: "certificate" },
    Content { key: "ssl.key.location", line: PRIVATE_KEY, name: "private key" },
];

/// The reason for librdkafka's `fault`, in words that name the setting and the file; `fault` itself where it is no file.
pub(super) fn reason(settings: &KafkaSettings, fault: &str) -> String {
    let named = CONTENTS.iter().filter_map(|content| Some((content, settings.get(content.key)?)));
    let problem = named.filter_map(|(content, path)| content.problem(path)).next();
    if let Some(problem) = problem {
        return problem;
    }
    let key = settings.get("ssl.key.location").unwrap_or_default();
    if fault.contains("key values mismatch") {
        let certificate = settings.get("ssl.certificate.location").unwrap_or_default();
        return format!(
            "`ssl.key.location` = \"{key}\" is not the key of the certificate `ssl.certificate.location` = \"{certificate}\""
        );
    }
    if fault.contains("ssl.key.location failed") {
        return match settings.get("ssl.key.password") {
            None => format!("`ssl.key.location` = \"{key}\" holds a key under a password; set `ssl.key.password`"),
            Some(_) => format!("`ssl.key.location` = \"{key}\" cannot be opened; check `ssl.key.password`"),
        };
    }
    settings.redact(fault)
}

impl Content {
    fn problem(&self, path: &str) -> Option<String> {
        let Self { key, line: (begin, end), name } = self;
        if path == "probe" || Path::new(path).is_dir() {
            return None;
        }
        let text = match fs::read(path) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(problem) => return Some(format!("`{key}` = \"{path}\" cannot be read: {problem}")),
        };
        let holds = text.lines().any(|line| line.starts_with(begin) && line.trim_end().ends_with(end));
        (!holds).then(|| format!("`{key}` = \"{path}\" holds no {name}; expected a file in PEM format"))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::config::KafkaValue;

    fn settings(pairs: &[(&str, &str)]) -> KafkaSettings {
        let value = |(key, value): &(&str, &str)| ((*key).to_owned(), KafkaValue::Plain((*value).to_owned()));
        KafkaSettings::new(pairs.iter().map(value).collect::<BTreeMap<_, _>>()).unwrap()
    }

    #[test]
    fn a_file_that_is_not_there_or_not_pem_is_named_with_its_setting() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file.pem").display().to_string();
        let of = |key: &str| reason(&settings(&[("security.protocol", "ssl"), (key, &file)]), "ssl failed: system lib");
        for key in ["ssl.ca.location", "ssl.certificate.location", "ssl.key.location"] {
            let expected = format!("`{key}` = \"{file}\" cannot be read: No such file or directory (os error 2)");
            assert_eq!(of(key), expected);
        }
        fs::write(&file, "-----BEGIN CERTIFICATE-----\n").unwrap();
        assert_eq!(of("ssl.ca.location"), "ssl failed: system lib");
        let expected = format!("`ssl.key.location` = \"{file}\" holds no private key; expected a file in PEM format");
        assert_eq!(of("ssl.key.location"), expected);
        fs::write(&file, b"\xff\xfe").unwrap();
        let expected = format!("`ssl.ca.location` = \"{file}\" holds no certificate; expected a file in PEM format");
        assert_eq!(of("ssl.ca.location"), expected);
    }

    #[test]
    fn what_is_no_file_is_said_as_librdkafka_says_it() {
        assert_eq!(
            reason(&settings(&[]), "sasl.username and sasl.password must be set"),
            "sasl.username and sasl.password must be set"
        );
    }
}
