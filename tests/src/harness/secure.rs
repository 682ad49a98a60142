//! The broker whose clients have to say who they are, as `tests/services/kafka_secure.py` starts it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};

use super::files::GatewayFile;
use super::services::{Services, address};
use super::tenant::Tenant;

/// Its listeners, all of one broker, and the authority of its certificates.
#[derive(Clone, Debug)]
pub struct SecureKafka {
    /// In the clear and for anybody: the tests' own way in.
    pub plain: String,
    /// TLS, with users: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 and OAUTHBEARER.
    pub sasl: String,
    /// TLS, with certificates of the clients.
    pub mutual: String,
    /// TLS, with a certificate that has expired.
    pub expired: String,
    /// TLS, with a certificate for `localhost`, while the broker advertises 127.0.0.1.
    pub named: String,
    /// The address of an HTTP server that gives out tokens.
    pub tokens: String,
    /// Certificates and keys; what there is stands in `tests/services/certificates.py`.
    pub certificates: Certificates,
    tools: PathBuf,
}

/// A folder of certificates and keys.
#[derive(Clone, Debug)]
pub struct Certificates(PathBuf);

impl Certificates {
    /// Those that the services were started with.
    ///
    /// # Errors
    /// As for [`Services::find`].
    pub fn find() -> anyhow::Result<Self> {
        Ok(Self(address("TIDEGATE_TEST_CERTIFICATES")?.into()))
    }

    /// A file of the folder, such as `ca.pem`.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl SecureKafka {
    /// A user that the broker has for PLAIN and SCRAM.
    pub const USER: &'static str = "tidegate";
    /// Its password.
    pub const PASSWORD: &'static str = "kafka-secret-1234";
    /// The secret for which the token endpoint gives any client a token.
    pub const CLIENT_SECRET: &'static str = "oauth-secret-1234";
    /// What opens `client-locked.key`.
    pub const LOCK: &'static str = "locked-5678";

    /// Reads where it is.
    ///
    /// # Errors
    /// As for [`Services::find`].
    pub fn find() -> anyhow::Result<Self> {
        Ok(Self {
            plain: address("TIDEGATE_TEST_KAFKA_SECURE")?,
            sasl: address("TIDEGATE_TEST_KAFKA_SASL")?,
            mutual: address("TIDEGATE_TEST_KAFKA_MUTUAL")?,
            expired: address("TIDEGATE_TEST_KAFKA_EXPIRED")?,
            named: address("TIDEGATE_TEST_KAFKA_NAMED")?,
            tokens: address("TIDEGATE_TEST_KAFKA_TOKENS")?,
            certificates: Certificates::find()?,
            tools: address("TIDEGATE_TEST_KAFKA_LIBS")?.into(),
        })
    }

    /// A tenant on this broker.
    ///
    /// # Errors
    /// Where the services are not there.
    pub fn tenant(&self, test: &str) -> anyhow::Result<Tenant> {
        Tenant::on(test, Services { kafka: self.plain.clone(), clickhouse: address("TIDEGATE_TEST_CLICKHOUSE")? })
    }

    /// A gateway's file for a listener, with lines for its section `[kafka]`.
    pub fn gateway_file(&self, tenant: &Tenant, listener: &str, lines: &[String]) -> GatewayFile {
        let mut file = tenant.gateway_file();
        file.brokers = listener.to_owned();
        file.kafka = lines.join("\n");
        file
    }

    /// The line that names the authority of the broker's certificates.
    pub fn ca(&self) -> String {
        format!("ssl.ca.location = \"{}\"", self.certificates.path("ca.pem").display())
    }

    /// Gives a user a password for SCRAM-SHA-512, as an operator does: with Kafka's own tool.
    ///
    /// # Errors
    /// What the tool says.
    pub fn add_user(&self, user: &str, password: &str) -> anyhow::Result<()> {
        let mut tool = Command::new("java");
        tool.arg("-cp").arg(Path::new(&self.tools).join("*")).arg("kafka.admin.ConfigCommand");
        tool.args(["--bootstrap-server", &self.plain, "--alter", "--entity-type", "users", "--entity-name", user]);
        tool.args(["--add-config", &format!("SCRAM-SHA-512=[password={password}]")]);
        let done = tool.output().context("run java")?;
        ensure!(done.status.success(), "kafka-configs: {}", String::from_utf8_lossy(&done.stderr));
        Ok(())
    }
}
