//! What becomes of rejects where they are no dead letters.

use anyhow::{Context, ensure};
use tidegate_tests::harness::{Duplicates, Gateway, Message, SALES, eventually};

use super::shops::{SHOP, Shops};

/// Where the malformed record stands in its partition.
const MALFORMED: i64 = 700;

const RECORDS: i64 = 1_000;

#[test]
fn a_reject_stops_its_own_partition_and_nothing_behind_it_is_committed() -> anyhow::Result<()> {
    let shops = Shops::new("stop")?;
    let mut pipeline = shops.sales_file()?;
    pipeline.on_reject("stop")?;
    pipeline.section("[batch]\nrecords = 50\nlinger = \"100 ms\"");
    shops.tenant.install(&pipeline)?;
    for partition in 0..SHOP.partitions {
        let messages: Vec<_> = (0..RECORDS).map(|offset| message(partition, offset)).collect();
        shops.tenant.kafka.send(&shops.sales, partition, &messages)?;
    }
    let gateway = Gateway::start(&shops.tenant, &shops.gateway_file())?;
    let problem = format!("partition {}/0: record {MALFORMED} is rejected, and on_reject is \"stop\":", shops.sales);
    gateway.says(&["/sales: running", &problem])?;
    shops.stock_goes_on()?;

    let group = shops.tenant.group("sales", &shops.sales)?;
    let committed = eventually("the other partition is read to its end", || {
        let committed = group.committed()?;
        ensure!(committed.get(1) == Some(&Some(RECORDS)), "committed is {committed:?}");
        Ok(committed)
    })?;
    let of_stopped = committed.first().copied().flatten().context("nothing of the stopped partition is committed")?;
    ensure!(of_stopped <= MALFORMED && of_stopped > MALFORMED - 50, "committed is {committed:?}");
    gateway.stop()?;
    ensure!(group.committed()? == committed, "stopping committed {:?} after {committed:?}", group.committed()?);

    // Once the operator says what shall become of it, all that lies behind is read.
    let mut pipeline = shops.sales_file()?;
    pipeline.on_reject("drop")?;
    shops.tenant.install(&pipeline)?;
    let gateway = Gateway::start(&shops.tenant, &shops.gateway_file())?;
    shops.tenant.wait_for("sales", &shops.sales)?;
    gateway.stop()?;
    let distinct = format!("SELECT count(DISTINCT _partition, _offset) FROM {}.sales", shops.tenant.name);
    let rows = shops.tenant.clickhouse.number(&distinct)?;
    ensure!(rows == 2 * RECORDS - 1, "{rows} rows");
    Ok(())
}

#[test]
fn dropped_rejects_are_counted() -> anyhow::Result<()> {
    let shops = Shops::new("drop")?;
    let mut pipeline = shops.sales_file()?;
    pipeline.on_reject("drop")?;
    shops.tenant.install(&pipeline)?;
    shops.write_sales()?;
    let gateway = Gateway::start(&shops.tenant, &shops.gateway_file())?;
    shops.tenant.wait_for("sales", &shops.sales)?;
    let expected = SHOP.expected_sales()?;
    let rejects = gateway.metric("tidegate_rejects_total", &["pipeline=\"sales\"", "stage=\"transform\""])?;
    ensure!(rejects == expected.letters.len() as f64, "{rejects} rejects, not {}", expected.letters.len());
    gateway.is_well()?;
    gateway.stop()?;
    expected.check_table(&shops.tenant, SALES, Duplicates::Forbidden)?;
    let letters = shops.tenant.kafka.count(&format!("{}.dead", shops.sales))?;
    ensure!(letters == 0, "{letters} dead letters");
    Ok(())
}

fn message(partition: i32, offset: i64) -> Message {
    let quantity = if (partition, offset) == (0, MALFORMED) { "\"two\"" } else { "2" };
    let value = format!(
        "{{\"event_id\":\"0192f0c1-7a3b-7c11-9d2e-{offset:012x}\",\"event_time\":\"2026-11-20T10:15:00.123Z\",\
         \"product_id\":7,\"quantity\":{quantity},\"price\":1.50,\"channel\":\"web\"}}"
    );
    Message { value: Some(value.into_bytes()), timestamp: 1_795_000_000_000, ..Message::default() }
}
