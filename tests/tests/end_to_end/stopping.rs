//! Stopping and dying in mid-stream: nothing is lost, and an orderly end doubles nothing either.

use std::time::{Duration, Instant};

use anyhow::ensure;
use tidegate_tests::harness::{
    Duplicates, Feed, Gateway, GatewayFile, Mode, Proxy, SALES, Shop, Tenant, check_letters, eventually,
};

const SHOP: Shop = Shop { count: 0, partitions: 4, malformed: 0.02 };

/// Records a second: a tenth of what a gateway takes, so that it keeps up, and enough that something is always under way.
const RATE: f64 = 5_000.0;

#[test]
fn stopping_in_mid_stream_neither_loses_nor_doubles_a_record() -> anyhow::Result<()> {
    let (tenant, topic) = tenant("stops")?;
    let feed = Feed::start(SHOP.writer(&tenant, &topic)?, SHOP.sales()?, RATE);
    for _ in 0..4 {
        let gateway = Gateway::start(&tenant, &tenant.gateway_file())?;
        wait_for_rows(&gateway)?;
        gateway.stop()?;
    }
    let shop = Shop { count: feed.finish()?, ..SHOP };
    finish(&tenant, &topic, &tenant.gateway_file(), shop, Duplicates::Forbidden)
}

#[test]
fn a_crash_in_mid_stream_loses_nothing() -> anyhow::Result<()> {
    let (tenant, topic) = tenant("crashes")?;
    let proxy = Proxy::start(&tenant.services.clickhouse, Mode::Open)?;
    let mut file = tenant.gateway_file();
    file.url = proxy.url();
    let feed = Feed::start(SHOP.writer(&tenant, &topic)?, SHOP.sales()?, RATE);
    for _ in 0..2 {
        let gateway = Gateway::start(&tenant, &file)?;
        wait_for_rows(&gateway)?;
        hang(&proxy, &gateway)?;
        gateway.kill()?;
        proxy.set(Mode::Open);
    }
    let shop = Shop { count: feed.finish()?, ..SHOP };
    finish(&tenant, &topic, &file, shop, Duplicates::Allowed)
}

#[test]
fn a_second_signal_leaves_at_once() -> anyhow::Result<()> {
    let (tenant, topic) = tenant("signals")?;
    let proxy = Proxy::start(&tenant.services.clickhouse, Mode::Open)?;
    let mut file = tenant.gateway_file();
    file.url = proxy.url();
    file.top = "drain = \"10 min\"".to_owned();
    let feed = Feed::start(SHOP.writer(&tenant, &topic)?, SHOP.sales()?, RATE);
    let gateway = Gateway::start(&tenant, &file)?;
    wait_for_rows(&gateway)?;
    hang(&proxy, &gateway)?;
    gateway.terminate()?;
    eventually("the gateway drains", || {
        ensure!(!gateway.messages("draining; a second signal leaves at once").is_empty(), "it does not say so");
        Ok(())
    })?;
    gateway.terminate()?;
    let end = gateway.end()?;
    ensure!(end.code == Some(130), "it ended with {:?}", end.code);
    proxy.set(Mode::Open);
    let shop = Shop { count: feed.finish()?, ..SHOP };
    finish(&tenant, &topic, &file, shop, Duplicates::Allowed)
}

#[test]
fn draining_ends_at_its_deadline() -> anyhow::Result<()> {
    const DRAIN: Duration = Duration::from_secs(2);
    let (tenant, topic) = tenant("drains")?;
    let proxy = Proxy::start(&tenant.services.clickhouse, Mode::Open)?;
    let mut file = tenant.gateway_file();
    file.url = proxy.url();
    file.top = "drain = \"2 s\"".to_owned();
    let feed = Feed::start(SHOP.writer(&tenant, &topic)?, SHOP.sales()?, RATE);
    let gateway = Gateway::start(&tenant, &file)?;
    wait_for_rows(&gateway)?;
    hang(&proxy, &gateway)?;
    let asked = Instant::now();
    gateway.terminate()?;
    let end = gateway.end()?;
    let took = asked.elapsed();
    ensure!(end.code == Some(0), "it ended with {:?}", end.code);
    ensure!(end.log.iter().any(|line| line.contains("drain deadline passed")), "it does not say what it left behind");
    // The upper bound is for a busy machine; without a deadline the end would never come.
    ensure!(took >= DRAIN && took < DRAIN * 5, "draining took {took:?}");
    proxy.set(Mode::Open);
    let shop = Shop { count: feed.finish()?, ..SHOP };
    finish(&tenant, &topic, &file, shop, Duplicates::Allowed)
}

fn tenant(name: &str) -> anyhow::Result<(Tenant, String)> {
    let tenant = Tenant::new(name)?;
    let topic = tenant.create_topic("sales", SHOP.partitions)?;
    tenant.create_counting_tables("sales")?;
    let mut pipeline = tenant.pipeline("sales", &topic)?;
    pipeline.text.insert_str(0, "delivery = \"at-least-once\"\n");
    pipeline.section("[batch]\nlinger = \"200 ms\"");
    tenant.install(&pipeline)?;
    Ok((tenant, topic))
}

fn wait_for_rows(gateway: &Gateway) -> anyhow::Result<()> {
    eventually("rows are written", || {
        ensure!(gateway.metric("tidegate_rows_total", &[])? > 0.0, "there are none");
        Ok(())
    })
}

/// Makes the sink hang, and waits until ranges are under way that it does not answer for.
fn hang(proxy: &Proxy, gateway: &Gateway) -> anyhow::Result<()> {
    proxy.set(Mode::Hanging);
    eventually("an insert hangs", || {
        ensure!(proxy.holds(), "the proxy holds nothing");
        // This figure is taken when commits are made: one was due since something hangs.
        ensure!(gateway.metric("tidegate_in_flight_bytes", &[])? > 500_000.0, "too little is under way");
        Ok(())
    })
}

/// Lets a gateway read all that is left, and compares.
fn finish(tenant: &Tenant, topic: &str, file: &GatewayFile, shop: Shop, duplicates: Duplicates) -> anyhow::Result<()> {
    let gateway = Gateway::start(tenant, file)?;
    tenant.wait_for("sales", topic)?;
    gateway.stop()?;
    let expected = shop.expected_sales()?;
    expected.check_table(tenant, SALES, duplicates)?;
    check_letters(tenant, "sales", topic, &expected.letters, duplicates)
}
