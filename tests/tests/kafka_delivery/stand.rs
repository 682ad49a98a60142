//! Sales of which some are malformed, and gateways that die where a test says.

use std::time::{Duration, Instant};

use anyhow::ensure;
use tidegate_tests::harness::{Duplicates, End, Gateway, GatewayFile, SALES, Shop, Tenant, check_letters, eventually};

pub const SHOP: Shop = Shop { count: 20_000, partitions: 2, malformed: 0.02 };

/// How long the group waits for a member that was killed, as the gateway's file says.
pub const SESSION: Duration = Duration::from_secs(6);

pub struct Stand {
    pub tenant: Tenant,
    pub topic: String,
}

impl Stand {
    pub fn new(name: &str) -> anyhow::Result<Self> {
        Self::of(&SHOP, name)
    }

    /// With a topic for the sales of this shop, and none of them in it.
    pub fn of(shop: &Shop, name: &str) -> anyhow::Result<Self> {
        let tenant = Tenant::new(name)?;
        let topic = tenant.create_topic("sales", shop.partitions)?;
        tenant.create_tables("sales")?;
        let mut pipeline = tenant.pipeline("sales", &topic)?;
        pipeline.section("[batch]\nrecords = 2000\nlinger = \"200 ms\"");
        tenant.install(&pipeline)?;
        Ok(Self { tenant, topic })
    }

    pub fn with_sales(name: &str) -> anyhow::Result<Self> {
        let stand = Self::new(name)?;
        SHOP.write_sales(&stand.tenant, &stand.topic)?;
        Ok(stand)
    }

    pub fn dead(&self) -> String {
        format!("{}.dead", self.topic)
    }

    /// Runs a gateway that dies when it comes to a stop point.
    pub fn die_at(&self, point: &str) -> anyhow::Result<Instant> {
        let mut file: GatewayFile = self.tenant.gateway_file();
        file.environment.push(("FAILPOINTS", format!("{point}=return")));
        let End { code, log } = Gateway::run_to_its_end(&self.tenant, &file)?;
        ensure!(code.is_none(), "it ended with {code:?} before it came to {point}: {log:#?}");
        Ok(Instant::now())
    }

    pub fn start(&self) -> anyhow::Result<Gateway> {
        Gateway::start(&self.tenant, &self.tenant.gateway_file())
    }

    /// Waits until all is complete; then each sale and each letter must be there once.
    pub fn arrives_once(&self) -> anyhow::Result<()> {
        self.tenant.wait_for("sales", &self.topic)?;
        let expected = SHOP.expected_sales()?;
        expected.check_table(&self.tenant, SALES, Duplicates::Forbidden)?;
        // Letters that lie behind an open transaction of a gateway that died are there, and seen when the broker has ended that.
        eventually("the letters are seen", || {
            check_letters(&self.tenant, "sales", &self.topic, &expected.letters, Duplicates::Forbidden)
        })
    }
}
