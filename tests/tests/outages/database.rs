//! A database that is not reached, or does not let the gateway in.

use anyhow::ensure;
use tidegate_demo::produce::produce;
use tidegate_tests::harness::{Duplicates, Gateway, Mode, Proxy, SALES, Shop, check_letters};

use super::shops::{SHOP, Shops};

#[test]
fn a_database_that_is_away_at_the_start_is_waited_for() -> anyhow::Result<()> {
    let shops = Shops::new("away")?;
    shops.write_sales()?;
    let proxy = Proxy::start(&shops.tenant.services.clickhouse, Mode::Away)?;
    let mut file = shops.gateway_file();
    file.url = proxy.url();
    let gateway = Gateway::start(&shops.tenant, &file)?;
    let answer = gateway.says(&["/sales: starting", "sink dwh:", "network error", "/warehouse: running"])?;
    ensure!(answer.status == 503, "a pipeline starts, but the status is {}", answer.status);
    shops.stock_goes_on()?;
    shops.no_sale_is_committed()?;
    proxy.set(Mode::Open);
    shops.sales_arrive()?;
    gateway.is_well()?;
    gateway.stop()
}

#[test]
fn a_database_that_goes_away_and_comes_back_costs_nothing() -> anyhow::Result<()> {
    let shops = Shops::new("outage")?;
    let proxy = Proxy::start(&shops.tenant.services.clickhouse, Mode::Open)?;
    let mut file = shops.gateway_file();
    file.url = proxy.url();
    let gateway = Gateway::start(&shops.tenant, &file)?;
    let (mut writer, mut sales) = (SHOP.writer(&shops.tenant, &shops.sales)?, SHOP.sales()?);
    produce(&mut writer, &mut sales, SHOP.count, None)?;
    shops.sales_arrive()?;
    let before = shops.tenant.group("sales", &shops.sales)?.committed()?;

    proxy.set(Mode::Away);
    produce(&mut writer, &mut sales, SHOP.count, None)?;
    gateway.says(&["/sales: running\n  sink dwh:", "network error"])?;
    shops.stock_goes_on()?;
    let committed = shops.tenant.group("sales", &shops.sales)?.committed()?;
    ensure!(committed == before, "committed went on from {before:?} to {committed:?}");

    proxy.set(Mode::Open);
    shops.tenant.wait_for("sales", &shops.sales)?;
    gateway.is_well()?;
    gateway.stop()?;
    let expected = Shop { count: 2 * SHOP.count, ..SHOP }.expected_sales()?;
    expected.check_table(&shops.tenant, SALES, Duplicates::Forbidden)?;
    check_letters(&shops.tenant, "sales", &shops.sales, &expected.letters, Duplicates::Forbidden)
}

#[test]
fn a_wrong_password_is_named_and_costs_nothing() -> anyhow::Result<()> {
    let shops = Shops::new("password")?;
    shops.write_sales()?;
    let mut file = shops.gateway_file();
    file.password = "wrong-1234".to_owned();
    let gateway = Gateway::start(&shops.tenant, &file)?;
    let answer = gateway.says(&["/sales: starting\n  sink dwh:", "Authentication failed"])?;
    ensure!(!answer.text.contains(&file.password), "the password is shown: {}", answer.text);
    shops.stock_goes_on()?;
    shops.no_sale_is_committed()?;
    gateway.stop()?;
    let gateway = Gateway::start(&shops.tenant, &shops.gateway_file())?;
    shops.sales_arrive()?;
    gateway.is_well()?;
    gateway.stop()
}
