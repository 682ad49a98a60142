//! A large lag in front of a sink that is slow: memory stays bounded, and everything arrives. In a file of its own,
//! since the slowness is that of the whole server: no other test runs beside these, and they wait for each other.

use std::sync::{Mutex, PoisonError};

use anyhow::{Context, ensure};
use tidegate_demo::produce::produce;
use tidegate_tests::harness::{ClickHouse, Duplicates, Expected, Gateway, Padded, SALES, Shop, Tenant, eventually};

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// What a gateway may take.
const MOST_MEMORY: u64 = 512 << 20;

/// Bytes of the lag, so that a gateway that took it all into its memory would be seen.
const LAG_BYTES: u64 = 800_000_000;

/// What a record has without padding.
const RECORD_BYTES: u64 = 200;

#[test]
fn a_large_lag_is_read_in_bounded_memory() -> anyhow::Result<()> {
    let records = match std::env::var("TIDEGATE_TEST_LAG_RECORDS") {
        Ok(count) => count.parse().context("read TIDEGATE_TEST_LAG_RECORDS")?,
        Err(_) => 300_000,
    };
    memory_is_bounded("lag", records, 8)
}

#[test]
fn a_large_lag_of_many_partitions_is_read_in_bounded_memory() -> anyhow::Result<()> {
    memory_is_bounded("partitions", 200_000, 64)
}

fn memory_is_bounded(name: &str, records: u64, partitions: i32) -> anyhow::Result<()> {
    let _one = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let shop = Shop { count: records, partitions, malformed: 0.0 };
    let tenant = Tenant::new(name)?;
    let topic = tenant.create_topic("sales", partitions)?;
    tenant.create_tables("sales")?;
    tenant.install(&tenant.pipeline("sales", &topic)?)?;
    let padding = usize::try_from((LAG_BYTES / records).saturating_sub(RECORD_BYTES))?;
    let mut source = Padded::new(shop.sales()?, padding);
    produce(&mut shop.writer(&tenant, &topic)?, &mut source, records, None)?;

    let slow = Slow::begin(&tenant.clickhouse)?;
    let gateway = Gateway::start(&tenant, &tenant.gateway_file())?;
    // Most of what it may hold is held: the sink is what it waits for.
    eventually("the sink holds the gateway up", || {
        let held = gateway.metric("tidegate_in_flight_bytes", &[])?;
        ensure!(held > f64::from(32 << 20), "only {held} bytes are under way");
        Ok(())
    })?;
    wait_for_all(&tenant, &gateway, &topic)?;
    let peak = gateway.peak_memory()?;
    println!("{name}: {records} records of {partitions} partitions, at most {} MiB", peak >> 20);
    ensure!(peak < MOST_MEMORY, "it took {} MiB", peak >> 20);
    gateway.stop()?;
    drop(slow);
    let expected = Expected::of_sales(shop.sales()?, records, partitions);
    expected.check_table(&tenant, SALES, Duplicates::Forbidden)
}

/// Waits as long as the lag shrinks, however large it is.
fn wait_for_all(tenant: &Tenant, gateway: &Gateway, topic: &str) -> anyhow::Result<()> {
    let group = tenant.group("sales", topic)?;
    let mut before = -1.0;
    loop {
        let rows = eventually("rows are written", || {
            let rows = gateway.metric("tidegate_rows_total", &[])?;
            ensure!(rows > before || group.has_caught_up().is_ok(), "the last ones were {rows}");
            Ok(rows)
        })?;
        if rows <= before {
            return Ok(());
        }
        before = rows;
    }
}

/// A server that takes ten times as long for an insert, and a second more, until this is dropped: long enough that what is held is seen.
struct Slow<'c>(&'c ClickHouse);

impl<'c> Slow<'c> {
    fn begin(clickhouse: &'c ClickHouse) -> anyhow::Result<Self> {
        clickhouse.hook("/__slow?factor=10&delay_ms=1000")?;
        Ok(Self(clickhouse))
    }
}

impl Drop for Slow<'_> {
    fn drop(&mut self) {
        let _ = self.0.hook("/__slow");
    }
}
