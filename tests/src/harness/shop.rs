//! The shop's records for one test, always the same ones, and what they become.

use anyhow::Context;
use tidegate_demo::produce::{Writer, produce};
use tidegate_demo::shop::{Options, Products, Sales, Stock};

use super::expected::Expected;
use super::files::repository;
use super::tenant::Tenant;

/// How many records there are, and what they are like.
#[derive(Clone, Copy, Debug)]
pub struct Shop {
    /// How many are written.
    pub count: u64,
    /// Of the topic; records go to one after the other.
    pub partitions: i32,
    /// The share of malformed records.
    pub malformed: f64,
}

/// Any seed would do: it is fixed so that a failure comes again.
const SEED: u64 = 20_261_120;

impl Shop {
    /// Sales from the first on.
    ///
    /// # Errors
    /// Where the products cannot be read.
    pub fn sales(&self) -> anyhow::Result<Sales> {
        Ok(Sales::new(SEED, self.options()?))
    }

    /// Stock movements from the first on.
    ///
    /// # Errors
    /// As for [`Self::sales`].
    pub fn stock(&self) -> anyhow::Result<Stock> {
        Ok(Stock::new(SEED, self.options()?))
    }

    /// A writer for a topic.
    ///
    /// # Errors
    /// Where librdkafka refuses the address.
    pub fn writer(&self, tenant: &Tenant, topic: &str) -> anyhow::Result<Writer> {
        Writer::new(tenant.kafka.brokers(), topic, self.partitions)
    }

    /// Writes all sales.
    ///
    /// # Errors
    /// Where the broker does not take them.
    pub fn write_sales(&self, tenant: &Tenant, topic: &str) -> anyhow::Result<()> {
        produce(&mut self.writer(tenant, topic)?, &mut self.sales()?, self.count, None)
    }

    /// Writes all stock movements.
    ///
    /// # Errors
    /// As for [`Self::write_sales`].
    pub fn write_stock(&self, tenant: &Tenant, topic: &str) -> anyhow::Result<()> {
        produce(&mut self.writer(tenant, topic)?, &mut self.stock()?, self.count, None)
    }

    /// What the sales become.
    ///
    /// # Errors
    /// As for [`Self::sales`].
    pub fn expected_sales(&self) -> anyhow::Result<Expected> {
        Ok(Expected::of_sales(self.sales()?, self.count, self.partitions))
    }

    /// What the stock movements become.
    ///
    /// # Errors
    /// As for [`Self::sales`].
    pub fn expected_stock(&self) -> anyhow::Result<Expected> {
        Ok(Expected::of_stock(self.stock()?, self.count, self.partitions))
    }

    fn options(&self) -> anyhow::Result<Options> {
        let products = repository().join("plugins").join("sales").join("products.csv");
        let products = Products::read(products).context("read the products")?;
        Ok(Options { malformed: self.malformed, products, ..Options::default() })
    }
}
