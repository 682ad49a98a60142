//! The pipeline of sales on the broker that wants to know who comes.

use anyhow::ensure;
use tidegate_demo::produce::produce;
use tidegate_tests::harness::{
    Answer, Duplicates, Gateway, GatewayFile, SALES, SecureKafka, Shop, Tenant, check_letters, eventually,
};

const SHOP: Shop = Shop { count: 1_000, partitions: 2, malformed: 0.02 };

/// Topic, tables, records and pipeline file are there; only the gateway has to get in.
pub struct Sales {
    pub kafka: SecureKafka,
    pub tenant: Tenant,
    topic: String,
}

/// The variable of the gateway's environment for passwords.
pub const VARIABLE: &str = "TIDEGATE_TEST_KAFKA_PASSWORD";

impl Sales {
    pub fn new(test: &str) -> anyhow::Result<Self> {
        let kafka = SecureKafka::find()?;
        let tenant = kafka.tenant(test)?;
        let topic = tenant.create_topic("sales", SHOP.partitions)?;
        tenant.create_tables("sales")?;
        tenant.install(&tenant.pipeline("sales", &topic)?)?;
        SHOP.write_sales(&tenant, &topic)?;
        Ok(Self { kafka, tenant, topic })
    }

    /// The gateway's file for the listener with users: a user and a password in the environment.
    pub fn with_user(&self, mechanism: &str, user: &str, password: &str) -> GatewayFile {
        let lines = [user_lines(mechanism, user, &format!("{{ env = \"{VARIABLE}\" }}")), self.kafka.ca()];
        let mut file = self.kafka.gateway_file(&self.tenant, &self.kafka.sasl, &lines);
        file.environment.push((VARIABLE, password.to_owned()));
        file
    }

    /// The same for the listener with clients' certificates.
    pub fn with_certificate(&self, certificate: &str, key: &str) -> GatewayFile {
        let path = |name: &str| self.kafka.certificates.path(name).display().to_string();
        let lines = [
            "security.protocol = \"ssl\"".to_owned(),
            self.kafka.ca(),
            format!("ssl.certificate.location = \"{}\"", path(certificate)),
            format!("ssl.key.location = \"{}\"", path(key)),
        ];
        self.kafka.gateway_file(&self.tenant, &self.kafka.mutual, &lines)
    }

    /// Starts a gateway and waits until all rows and letters are where they belong.
    pub fn flow(&self, file: &GatewayFile) -> anyhow::Result<()> {
        let gateway = Gateway::start(&self.tenant, file)?;
        self.arrive(&gateway)?;
        gateway.stop()
    }

    /// Waits until all rows and letters are where they belong and nothing is wrong any more.
    pub fn arrive(&self, gateway: &Gateway) -> anyhow::Result<()> {
        self.arrive_as(gateway, &SHOP)
    }

    fn arrive_as(&self, gateway: &Gateway, shop: &Shop) -> anyhow::Result<()> {
        self.tenant.wait_for("sales", &self.topic)?;
        gateway.is_well()?;
        let expected = shop.expected_sales()?;
        ensure!(!expected.letters.is_empty(), "no record is malformed: the dead letters are not tried");
        expected.check_table(&self.tenant, SALES, Duplicates::Forbidden)?;
        check_letters(&self.tenant, "sales", &self.topic, &expected.letters, Duplicates::Forbidden)
    }

    /// Writes as many records again, other ones, and waits for their rows and letters as well.
    pub fn go_on(&self, gateway: &Gateway) -> anyhow::Result<()> {
        let (mut writer, mut sales) = (SHOP.writer(&self.tenant, &self.topic)?, SHOP.sales()?);
        for _ in 0..SHOP.count {
            sales.next_record();
        }
        produce(&mut writer, &mut sales, SHOP.count, None)?;
        self.arrive_as(gateway, &Shop { count: 2 * SHOP.count, ..SHOP })
    }

    /// Starts a gateway that does not get in: it says so with all of these parts on its page and in its log, takes nothing, and
    /// runs on.
    pub fn refused(&self, file: &GatewayFile, parts: &[&str]) -> anyhow::Result<(Gateway, Answer)> {
        let gateway = Gateway::start(&self.tenant, file)?;
        let answer = gateway.says(&[&["/sales: running\n  kafka: "], parts].concat())?;
        ensure!(answer.status == 200, "what another start would not change is no reason for one: {}", answer.status);
        let told = |line: &serde_json::Value| {
            let message = line.get("message").and_then(serde_json::Value::as_str).unwrap_or_default();
            parts.iter().all(|part| message.contains(part))
        };
        // The page says it a moment before.
        eventually("the log says so", || {
            ensure!(gateway.log().iter().any(told), "it does not");
            Ok(())
        })?;
        let committed = self.tenant.group("sales", &self.topic)?.committed()?;
        ensure!(committed.iter().all(Option::is_none), "committed is {committed:?}");
        Ok((gateway, answer))
    }

    /// The same, and then stops it.
    pub fn stays_out(&self, file: &GatewayFile, parts: &[&str]) -> anyhow::Result<()> {
        let (gateway, _) = self.refused(file, parts)?;
        gateway.stop()
    }
}

/// Lines for a user; `password` is a secret as it stands in the file.
pub fn user_lines(mechanism: &str, user: &str, password: &str) -> String {
    format!(
        "security.protocol = \"sasl_ssl\"\nsasl.mechanisms = \"{mechanism}\"\nsasl.username = \"{user}\"\nsasl.password = {password}"
    )
}
