//! A topic for dead letters that does not exist: nothing is complete without its letters.

use anyhow::ensure;
use tidegate_tests::harness::{Gateway, Tenant};

use super::shops::{SHOP, Shops};

#[test]
fn a_missing_topic_for_dead_letters_is_named_and_no_letter_is_lost() -> anyhow::Result<()> {
    let tenant = Tenant::new("letters")?;
    let (sales, dead) = (tenant.topic("sales"), tenant.topic("sales.dead"));
    tenant.kafka.create(&sales, SHOP.partitions)?;
    tenant.create_tables("sales")?;
    let shops = Shops::without_sales(tenant, sales)?;
    shops.write_sales()?;
    let gateway = Gateway::start(&shops.tenant, &shops.gateway_file())?;
    let answer = gateway.says(&["dead letters: ", &dead])?;
    ensure!(answer.text.contains("the topic does not exist"), "{}", answer.text);
    shops.stock_goes_on()?;
    shops.no_sale_is_committed()?;
    shops.tenant.kafka.create(&dead, 1)?;
    shops.sales_arrive()?;
    gateway.is_well()?;
    gateway.stop()
}
