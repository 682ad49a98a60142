//! Tables that do not fit: the page says what is wrong and which statement helps, and once an operator has run it the
//! pipeline goes on by itself.

use anyhow::{Context, ensure};
use tidegate_demo::produce::produce;
use tidegate_tests::harness::{Answer, Duplicates, Gateway, SALES, Shop, Tenant, check_letters};

use super::shops::{SHOP, Shops};

#[test]
fn a_missing_table_is_named_with_the_statement_that_makes_it() -> anyhow::Result<()> {
    let tenant = Tenant::new("no_table")?;
    let sales = tenant.create_topic("sales", SHOP.partitions)?;
    let shops = Shops::without_sales(tenant, sales)?;
    let problem = format!("table `{}.sales` does not fit the plugin: it does not exist", shops.tenant.name);
    the_statement_mends(&shops, &[&problem], "CREATE TABLE ")
}

#[test]
fn a_missing_column_is_named_with_the_statement_that_adds_it() -> anyhow::Result<()> {
    let shops = Shops::new("no_column")?;
    let table = format!("{}.sales", shops.tenant.name);
    shops.tenant.clickhouse.run(&format!("ALTER TABLE {table} DROP COLUMN amount"))?;
    let statement = format!("ALTER TABLE `{}`.`sales` ADD COLUMN `amount` Decimal(18, 4)", shops.tenant.name);
    the_statement_mends(&shops, &[&format!("table `{table}`"), "it has no column `amount`", &statement], "ALTER TABLE ")
}

#[test]
fn a_column_of_another_type_is_named_with_both_types() -> anyhow::Result<()> {
    let shops = Shops::new("other_type")?;
    let table = format!("{}.sales", shops.tenant.name);
    shops.tenant.clickhouse.run(&format!("ALTER TABLE {table} MODIFY COLUMN quantity Int32"))?;
    shops.write_sales()?;
    let gateway = Gateway::start(&shops.tenant, &shops.gateway_file())?;
    gateway.says(&[
        "/sales: starting",
        &format!("table `{table}`"),
        "its column `quantity` is Int32, but the plugin writes UInt16",
    ])?;
    shops.stock_goes_on()?;
    shops.no_sale_is_committed()?;
    shops.tenant.clickhouse.run(&format!("ALTER TABLE {table} MODIFY COLUMN quantity UInt16"))?;
    shops.sales_arrive()?;
    gateway.is_well()?;
    gateway.stop()
}

#[test]
fn a_column_that_is_dropped_under_way_stops_the_inserts_until_it_is_back() -> anyhow::Result<()> {
    let shops = Shops::new("dropped")?;
    let gateway = Gateway::start(&shops.tenant, &shops.gateway_file())?;
    let (mut writer, mut sales) = (SHOP.writer(&shops.tenant, &shops.sales)?, SHOP.sales()?);
    produce(&mut writer, &mut sales, SHOP.count, None)?;
    shops.sales_arrive()?;
    let before = shops.tenant.group("sales", &shops.sales)?.committed()?;
    let table = format!("{}.sales", shops.tenant.name);
    shops.tenant.clickhouse.run(&format!("ALTER TABLE {table} DROP COLUMN customer_id"))?;
    produce(&mut writer, &mut sales, SHOP.count, None)?;
    gateway.says(&["/sales: running\n  sink dwh:", "customer_id"])?;
    shops.stock_goes_on()?;
    let committed = shops.tenant.group("sales", &shops.sales)?.committed()?;
    ensure!(committed == before, "committed went on from {before:?} to {committed:?}");
    shops.tenant.clickhouse.run(&format!("ALTER TABLE {table} ADD COLUMN customer_id Nullable(UInt64)"))?;
    shops.tenant.wait_for("sales", &shops.sales)?;
    gateway.is_well()?;
    gateway.stop()?;
    let expected = Shop { count: 2 * SHOP.count, ..SHOP }.expected_sales()?;
    // The customers of the first half went with the column.
    let first = SHOP.count / u64::from(SHOP.partitions.unsigned_abs());
    let known = format!("SELECT count() FROM {table} WHERE customer_id > 0 AND _offset < {first}");
    ensure!(shops.tenant.clickhouse.number(&known)? == 0, "the column was not dropped");
    let rows = shops.tenant.count("sales")?;
    let right = expected.rows.get(SALES.table).map_or(0, Vec::len);
    ensure!(rows == i64::try_from(right)?, "{rows} rows, not {right}");
    check_letters(&shops.tenant, "sales", &shops.sales, &expected.letters, Duplicates::Forbidden)
}

/// Waits until the page says `parts`, runs the statement that it shows as an operator would, and waits for the rows.
fn the_statement_mends(shops: &Shops, parts: &[&str], verb: &str) -> anyhow::Result<()> {
    shops.write_sales()?;
    let gateway = Gateway::start(&shops.tenant, &shops.gateway_file())?;
    let answer = gateway.says(&[parts, &["/sales: starting", "sink dwh:"]].concat())?;
    shops.stock_goes_on()?;
    shops.no_sale_is_committed()?;
    shops.tenant.clickhouse.run(&statement(&answer, verb)?)?;
    shops.sales_arrive()?;
    gateway.is_well()?;
    gateway.stop()
}

/// The statement that stands at the end of a line.
fn statement(answer: &Answer, verb: &str) -> anyhow::Result<String> {
    let line = answer.text.lines().find(|line| line.contains(verb)).context("there is no statement")?;
    let start = line.find(verb).context("there is no statement")?;
    Ok(line[start..].to_owned())
}

#[test]
fn a_column_that_changes_under_way_holds_the_pipeline_with_the_statement_and_one_that_still_fits_does_not()
-> anyhow::Result<()> {
    let shops = Shops::new("drift")?;
    let gateway = Gateway::start(&shops.tenant, &shops.gateway_file())?;
    let (mut writer, mut sales) = (SHOP.writer(&shops.tenant, &shops.sales)?, SHOP.sales()?);
    produce(&mut writer, &mut sales, SHOP.count, None)?;
    shops.sales_arrive()?;
    let table = format!("{}.sales", shops.tenant.name);
    // The same bytes under another type's name: the gateway looks, and goes on by itself.
    shops.tenant.clickhouse.run(&format!("ALTER TABLE {table} MODIFY COLUMN product String"))?;
    produce(&mut writer, &mut sales, SHOP.count, None)?;
    shops.tenant.wait_for("sales", &shops.sales)?;
    gateway.is_well()?;
    let before = shops.tenant.group("sales", &shops.sales)?.committed()?;
    // Other bytes: nothing is written until somebody has run what the page says.
    shops.tenant.clickhouse.run(&format!("ALTER TABLE {table} MODIFY COLUMN quantity UInt64"))?;
    produce(&mut writer, &mut sales, SHOP.count, None)?;
    let answer = gateway.says(&[
        "/sales: running\n  sink dwh:",
        &format!(
            "table `{table}` does not fit the plugin: its column `quantity` is UInt64, but the plugin writes UInt16"
        ),
    ])?;
    shops.stock_goes_on()?;
    let committed = shops.tenant.group("sales", &shops.sales)?.committed()?;
    ensure!(committed == before, "committed went on from {before:?} to {committed:?}");
    shops.tenant.clickhouse.run(&statement(&answer, "ALTER TABLE ")?)?;
    shops.tenant.wait_for("sales", &shops.sales)?;
    gateway.is_well()?;
    gateway.stop()?;
    let expected = Shop { count: 3 * SHOP.count, ..SHOP }.expected_sales()?;
    expected.check_table(&shops.tenant, SALES, Duplicates::Forbidden)?;
    check_letters(&shops.tenant, "sales", &shops.sales, &expected.letters, Duplicates::Forbidden)
}

#[test]
fn a_column_that_takes_no_values_any_more_is_named_and_nothing_is_written() -> anyhow::Result<()> {
    let shops = Shops::new("computed")?;
    let gateway = Gateway::start(&shops.tenant, &shops.gateway_file())?;
    let (mut writer, mut sales) = (SHOP.writer(&shops.tenant, &shops.sales)?, SHOP.sales()?);
    produce(&mut writer, &mut sales, SHOP.count, None)?;
    shops.sales_arrive()?;
    let table = format!("{}.sales", shops.tenant.name);
    shops.tenant.clickhouse.run(&format!("ALTER TABLE {table} MODIFY COLUMN amount MATERIALIZED price * quantity"))?;
    produce(&mut writer, &mut sales, SHOP.count, None)?;
    let answer = gateway.says(&["its column `amount` is MATERIALIZED, which takes no values"])?;
    shops.tenant.clickhouse.run(&statement(&answer, "ALTER TABLE ")?)?;
    shops.tenant.wait_for("sales", &shops.sales)?;
    gateway.is_well()?;
    gateway.stop()?;
    let expected = Shop { count: 2 * SHOP.count, ..SHOP }.expected_sales()?;
    expected.check_table(&shops.tenant, SALES, Duplicates::Forbidden)
}
