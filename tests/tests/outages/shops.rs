//! Two pipelines of one gateway: sales, which a test breaks, and stock, which has to go on meanwhile.

use anyhow::ensure;
use tidegate_tests::harness::{
    CORRECTIONS, Duplicates, GatewayFile, MOVEMENTS, PipelineFile, SALES, Shop, Tenant, check_letters,
};

pub const SHOP: Shop = Shop { count: 5_000, partitions: 2, malformed: 0.02 };

/// A tenant with both pipelines. Sales go through the sink `dwh`, stock through `other`.
pub struct Shops {
    pub tenant: Tenant,
    pub sales: String,
    pub stock: String,
}

impl Shops {
    /// Both with their topics and tables, and without records.
    pub fn new(name: &str) -> anyhow::Result<Self> {
        let tenant = Tenant::new(name)?;
        let sales = tenant.create_topic("sales", SHOP.partitions)?;
        let shops = Self::without_sales(tenant, sales)?;
        shops.tenant.create_tables("sales")?;
        Ok(shops)
    }

    /// Sales with neither a topic nor a table, but a name for the topic.
    pub fn without_sales(tenant: Tenant, sales: String) -> anyhow::Result<Self> {
        let stock = tenant.create_topic("stock", SHOP.partitions)?;
        tenant.create_tables("warehouse")?;
        let mut warehouse = tenant.pipeline("warehouse", &stock)?;
        warehouse.replace("dwh:", "other:")?;
        tenant.install(&warehouse)?;
        let shops = Self { tenant, sales, stock };
        shops.tenant.install(&shops.sales_file()?)?;
        Ok(shops)
    }

    /// The pipeline file of the sales.
    pub fn sales_file(&self) -> anyhow::Result<PipelineFile> {
        self.tenant.pipeline("sales", &self.sales)
    }

    /// The gateway's file with both sinks.
    pub fn gateway_file(&self) -> GatewayFile {
        let mut file = self.tenant.gateway_file();
        file.add_clickhouse("other", &self.tenant.services);
        file
    }

    pub fn write_sales(&self) -> anyhow::Result<()> {
        SHOP.write_sales(&self.tenant, &self.sales)
    }

    /// Writes stock movements, waits until they have arrived and compares them.
    pub fn stock_goes_on(&self) -> anyhow::Result<()> {
        SHOP.write_stock(&self.tenant, &self.stock)?;
        self.tenant.wait_for("warehouse", &self.stock)?;
        let expected = SHOP.expected_stock()?;
        expected.check_table(&self.tenant, MOVEMENTS, Duplicates::Forbidden)?;
        expected.check_table(&self.tenant, CORRECTIONS, Duplicates::Forbidden)
    }

    /// Fails if anything of the sales is committed but where they begin.
    pub fn no_sale_is_committed(&self) -> anyhow::Result<()> {
        let committed = self.tenant.group("sales", &self.sales)?.committed()?;
        ensure!(committed.iter().all(|offset| offset.unwrap_or_default() == 0), "committed is {committed:?}");
        Ok(())
    }

    /// Waits until all sales have arrived, and compares them and their dead letters.
    pub fn sales_arrive(&self) -> anyhow::Result<()> {
        self.tenant.wait_for("sales", &self.sales)?;
        let expected = SHOP.expected_sales()?;
        expected.check_table(&self.tenant, SALES, Duplicates::Forbidden)?;
        check_letters(&self.tenant, "sales", &self.sales, &expected.letters, Duplicates::Forbidden)
    }
}
