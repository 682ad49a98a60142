//! A tenant that holds what it may.

use anyhow::ensure;
use tidegate_tests::harness::{Duplicates, Gateway, MOVEMENTS, Mode, Proxy, SALES, Shop, eventually};

use super::{Pair, SHOP};

/// Some 20 MB of records, of which the tenant may hold 8 MiB, instances of its plugin included.
const MUCH: Shop = Shop { count: 100_000, partitions: 2, malformed: 0.0 };

#[test]
fn a_tenant_over_its_memory_waits_and_another_does_not() -> anyhow::Result<()> {
    let pair = Pair::new("memory")?;
    let (sales, stock) = (pair.own.create_topic("sales", 2)?, pair.own.create_topic("stock", 2)?);
    pair.own.create_tables("sales")?;
    pair.own.create_tables("warehouse")?;
    let mut warehouse = pair.own.pipeline("warehouse", &stock)?;
    warehouse.replace("dwh:", "other:")?;
    pair.install_other(&warehouse)?;
    let mut of_sales = pair.own.pipeline("sales", &sales)?;
    of_sales.section("[batch]\nrecords = 1000");
    pair.own.install(&of_sales)?;
    let proxy = Proxy::start(&pair.own.services.clickhouse, Mode::Open)?;
    let mut file = pair.gateway_file("memory = \"8 MiB\"", "");
    file.url = proxy.url();
    let (name, other) = (&pair.own.name, &pair.other);
    let gateway = Gateway::start(&pair.own, &file)?;
    gateway.says(&[&format!("{name}/sales: running"), &format!("{other}/warehouse: running")])?;
    proxy.set(Mode::Away);
    MUCH.write_sales(&pair.own, &sales)?;
    gateway.says(&[
        &format!("  memory: waits: the pipelines of tenant `{name}` hold "),
        " of the 8 MiB that are granted",
    ])?;
    let tenant = format!("tenant=\"{name}\"");
    // It waits as soon as one more range would not fit.
    let held = eventually("the tenant's memory is told", || {
        let held = gateway.metric("tidegate_tenant_memory_bytes", &[&tenant])?;
        ensure!(held >= f64::from(7 << 20), "{held} bytes");
        Ok(held)
    })?;
    // What was fetched last, and what was being transformed, at most.
    ensure!(held < f64::from(16 << 20), "it holds {held} bytes");
    SHOP.write_stock(&pair.own, &stock)?;
    pair.wait_for_other("warehouse", &stock)?;
    SHOP.expected_stock()?.check_table(&pair.own, MOVEMENTS, Duplicates::Forbidden)?;

    proxy.set(Mode::Open);
    pair.own.wait_for("sales", &sales)?;
    eventually("it waits no more", || {
        let answer = gateway.ready()?;
        ensure!(!answer.text.contains("memory:"), "{}", answer.text);
        Ok(())
    })?;
    gateway.is_well()?;
    gateway.stop()?;
    MUCH.expected_sales()?.check_table(&pair.own, SALES, Duplicates::Forbidden)
}
