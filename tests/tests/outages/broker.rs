//! Topics that do not exist yet and brokers that do not answer yet.

use anyhow::ensure;
use tidegate_tests::harness::{Gateway, Mode, Proxy, Tenant};

use super::shops::{SHOP, Shops};

#[test]
fn a_pipeline_waits_for_its_topic_and_starts_when_it_is_made() -> anyhow::Result<()> {
    let tenant = Tenant::new("topic")?;
    let sales = tenant.topic("sales");
    tenant.kafka.create(&tenant.topic("sales.dead"), 1)?;
    tenant.create_tables("sales")?;
    let shops = Shops::without_sales(tenant, sales)?;
    let gateway = Gateway::start(&shops.tenant, &shops.gateway_file())?;
    gateway.says(&[&format!("kafka: topic {} does not exist", shops.sales)])?;
    shops.stock_goes_on()?;
    shops.tenant.kafka.create(&shops.sales, SHOP.partitions)?;
    shops.write_sales()?;
    shops.sales_arrive()?;
    gateway.is_well()?;
    gateway.stop()
}

#[test]
fn a_gateway_waits_for_its_broker() -> anyhow::Result<()> {
    let shops = Shops::new("broker")?;
    shops.write_sales()?;
    // The broker names its own address once it is reached: only the beginning goes through the proxy.
    let proxy = Proxy::start(shops.tenant.kafka.brokers(), Mode::Away)?;
    let mut file = shops.gateway_file();
    file.brokers = proxy.address();
    let gateway = Gateway::start(&shops.tenant, &file)?;
    let answer =
        gateway.says(&["/sales: running\n  kafka: ", "/warehouse: running\n  kafka: ", "Connection refused"])?;
    ensure!(answer.text.contains(&file.brokers), "the broker is not named: {}", answer.text);
    proxy.set(Mode::Open);
    shops.sales_arrive()?;
    shops.stock_goes_on()?;
    gateway.is_well()?;
    gateway.stop()
}

#[test]
fn a_broker_that_takes_connections_and_says_nothing_is_named() -> anyhow::Result<()> {
    let shops = Shops::new("silent")?;
    shops.write_sales()?;
    let proxy = Proxy::start(shops.tenant.kafka.brokers(), Mode::Hanging)?;
    let mut file = shops.gateway_file();
    file.brokers = proxy.address();
    let gateway = Gateway::start(&shops.tenant, &file)?;
    gateway.says(&["/sales: running\n  kafka: ", "/warehouse: running\n  kafka: "])?;
    proxy.set(Mode::Open);
    shops.sales_arrive()?;
    gateway.is_well()?;
    gateway.stop()
}
