//! The shipped plugins with their shipped pipeline files and tables: every record of the shop becomes what it should.

use anyhow::ensure;
use tidegate_tests::harness::{
    CORRECTIONS, Duplicates, Expected, Gateway, MOVEMENTS, SALES, Shop, Tenant, check_letters,
};

const SHOP: Shop = Shop { count: 200_000, partitions: 4, malformed: 0.02 };

#[test]
fn every_sale_becomes_its_row_and_every_malformed_one_a_dead_letter() -> anyhow::Result<()> {
    let tenant = Tenant::new("sales")?;
    let topic = tenant.create_topic("sales", SHOP.partitions)?;
    tenant.create_tables("sales")?;
    tenant.install(&tenant.pipeline("sales", &topic)?)?;
    SHOP.write_sales(&tenant, &topic)?;
    let gateway = Gateway::start(&tenant, &tenant.gateway_file())?;
    tenant.wait_for("sales", &topic)?;
    let expected = SHOP.expected_sales()?;
    check_counters(&gateway, &expected)?;
    gateway.is_well()?;
    gateway.stop()?;
    expected.check_table(&tenant, SALES, Duplicates::Forbidden)?;
    check_letters(&tenant, "sales", &topic, &expected.letters, Duplicates::Forbidden)
}

#[test]
fn every_movement_becomes_its_rows_and_every_correction_goes_to_its_own_table() -> anyhow::Result<()> {
    let tenant = Tenant::new("stock")?;
    let topic = tenant.create_topic("stock", SHOP.partitions)?;
    tenant.create_tables("warehouse")?;
    tenant.install(&tenant.pipeline("warehouse", &topic)?)?;
    SHOP.write_stock(&tenant, &topic)?;
    let gateway = Gateway::start(&tenant, &tenant.gateway_file())?;
    tenant.wait_for("warehouse", &topic)?;
    let expected = SHOP.expected_stock()?;
    check_counters(&gateway, &expected)?;
    gateway.is_well()?;
    gateway.stop()?;
    expected.check_table(&tenant, MOVEMENTS, Duplicates::Forbidden)?;
    expected.check_table(&tenant, CORRECTIONS, Duplicates::Forbidden)?;
    check_letters(&tenant, "warehouse", &topic, &expected.letters, Duplicates::Forbidden)?;
    check_transfers(&tenant)
}

/// What the gateway says of itself is what happened.
fn check_counters(gateway: &Gateway, expected: &Expected) -> anyhow::Result<()> {
    let rows: usize = expected.rows.values().map(Vec::len).sum();
    for (name, right) in [
        ("tidegate_records_total", SHOP.count as usize),
        ("tidegate_rows_total", rows),
        ("tidegate_rejects_total", expected.letters.len()),
        ("tidegate_dropped_records_total", expected.dropped),
    ] {
        let counted = gateway.metric(name, &[])?;
        ensure!(right > 0 || name.contains("dropped"), "{name}: nothing is expected, which proves nothing");
        ensure!(counted == right as f64, "{name} is {counted}, not {right}");
    }
    Ok(())
}

/// What leaves one warehouse comes to the other, in the order of the rows.
fn check_transfers(tenant: &Tenant) -> anyhow::Result<()> {
    let transfers = format!(
        "SELECT count() AS rows, sum(quantity) AS sum, groupArray(_ordinal) AS ordinals, min(quantity) AS least \
         FROM (SELECT * FROM {}.stock_movements WHERE kind = 'transfer' ORDER BY _ordinal) GROUP BY movement_id",
        tenant.name
    );
    let count = tenant.clickhouse.number(&format!("SELECT count() FROM ({transfers})"))?;
    let wrong = "rows != 2 OR sum != 0 OR least >= 0 OR ordinals != [0, 1]";
    let wrong = tenant.clickhouse.number(&format!("SELECT count() FROM ({transfers}) WHERE {wrong}"))?;
    ensure!(count > 10_000 && wrong == 0, "{wrong} of {count} transfers are wrong");
    Ok(())
}
