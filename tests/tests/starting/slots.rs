//! `batch.schedule`: nothing is taken before a slot, all that was there is taken at it, in ranges as large as may be.

use anyhow::ensure;
use tidegate_tests::harness::{Duplicates, Gateway, SALES, Shop, Tenant, eventually};

use super::stand::Stand;

#[test]
fn between_slots_nothing_is_fetched_and_the_lag_is_told() -> anyhow::Result<()> {
    let stand = Stand::new("waiting", 2)?;
    // Years away, whenever the test runs.
    stand.tenant.install(&stand.file("sales", "", "[batch]\nschedule = \"0 0 29 2 *\"")?)?;
    stand.write(0, 0..5)?;
    stand.write(1, 0..2)?;
    let gateway = Gateway::start(&stand.tenant, &stand.tenant.gateway_file())?;
    let lag_is = |right: f64| {
        eventually("the lag is told", || {
            let lag = gateway.metric("tidegate_lag", &[])?;
            ensure!(lag == right, "the lag is {lag}");
            Ok(())
        })
    };
    lag_is(7.0)?;
    stand.write(1, 2..4)?;
    lag_is(9.0)?;
    let answer = gateway.says(&["/sales: running\n  next slot: ", "-02-29T00:00:00Z"])?;
    ensure!(answer.status == 200, "waiting for a slot is nothing wrong: {} {}", answer.status, answer.text);
    ensure!(gateway.metric("tidegate_problems", &[])? == 0.0, "{}", answer.text);
    ensure!(gateway.metric("tidegate_records_total", &[])? == 0.0, "records were fetched");
    stand.commits_are(&[0, 0])?;
    gateway.stop()?;
    ensure!(stand.rows()?.is_empty(), "an end is no slot");
    Ok(())
}

#[test]
fn a_slot_takes_all_that_was_there_in_large_ranges_and_the_next_what_came_since() -> anyhow::Result<()> {
    const SHOP: Shop = Shop { count: 100_000, partitions: 2, malformed: 0.0 };
    let tenant = Tenant::new("slots")?;
    let topic = tenant.create_topic("sales", SHOP.partitions)?;
    tenant.create_counting_tables("sales")?;
    let mut pipeline = tenant.pipeline("sales", &topic)?;
    pipeline.text.insert_str(0, "delivery = \"at-least-once\"\n");
    pipeline.section("[batch]\nschedule = \"every 3 s\"\nrecords = 1_000_000\nbytes = \"512 MiB\"");
    tenant.install(&pipeline)?;
    let (mut writer, mut source) = (SHOP.writer(&tenant, &topic)?, SHOP.sales()?);
    let mut write = |count| tidegate_demo::produce::produce(&mut writer, &mut source, count, None);
    write(80_000)?;
    let gateway = Gateway::start(&tenant, &tenant.gateway_file())?;
    let early = eventually("a slot begins", || {
        let records = gateway.metric("tidegate_records_total", &[])?;
        // Asked behind the figure: what it counts cannot have come of a slot that begins only now.
        let begun = !gateway.messages("slot begins").is_empty();
        ensure!(begun || records > 0.0, "it has not");
        Ok(records > 0.0 && !begun)
    })?;
    ensure!(!early, "records were fetched before the slot");
    tenant.wait_for("sales", &topic)?;
    let ranges = gateway.metric("tidegate_ranges_total", &[])?;
    ensure!(ranges == f64::from(SHOP.partitions), "{ranges} ranges were made of a slot");
    write(20_000)?;
    tenant.wait_for("sales", &topic)?;
    ensure!(gateway.metric("tidegate_problems", &[])? == 0.0, "something is wrong: {}", gateway.ready()?.text);
    gateway.stop()?;
    SHOP.expected_sales()?.check_table(&tenant, SALES, Duplicates::Forbidden)
}
