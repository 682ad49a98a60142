//! Two gateways of one group: they share the partitions, and what one leaves the other takes over without a stop.

use std::collections::BTreeSet;

use anyhow::ensure;
use tidegate_tests::harness::{Duplicates, Feed, Gateway, SALES, Shop, Tenant, check_letters, eventually};

const SHOP: Shop = Shop { count: 0, partitions: 4, malformed: 0.02 };

#[test]
fn two_gateways_share_the_partitions_and_one_takes_over_from_the_other() -> anyhow::Result<()> {
    let tenant = Tenant::new("group")?;
    let topic = tenant.create_topic("sales", SHOP.partitions)?;
    tenant.create_counting_tables("sales")?;
    let mut pipeline = tenant.pipeline("sales", &topic)?;
    pipeline.text.insert_str(0, "delivery = \"at-least-once\"\n");
    pipeline.section("[batch]\nlinger = \"200 ms\"");
    tenant.install(&pipeline)?;
    let feed = Feed::start(SHOP.writer(&tenant, &topic)?, SHOP.sales()?, 5_000.0);

    let staying = Gateway::start(&tenant, &tenant.gateway_file())?;
    wait_for_share(&staying, 4)?;
    let leaving = Gateway::start(&tenant, &tenant.gateway_file())?;
    let kept = wait_for_share(&staying, 2)?;
    let moved = wait_for_share(&leaving, 2)?;
    ensure!(kept.is_disjoint(&moved), "both read {kept:?} and {moved:?}");
    let both = tenant.count("sales")?;
    eventually("both go on", || {
        ensure!(tenant.count("sales")? > both + 10_000, "too few rows came");
        Ok(())
    })?;
    ensure!(leaving.metric("tidegate_rows_total", &[])? > 0.0, "the second gateway wrote nothing");
    leaving.stop()?;
    wait_for_share(&staying, 4)?;

    // What stayed was never given up: the group moves partitions by themselves.
    let revoked: Vec<_> = staying.messages("revoked").iter().map(|line| line["partitions"].to_string()).collect();
    for partition in &kept {
        ensure!(!revoked.iter().any(|list| list.contains(partition.as_str())), "{partition} is among {revoked:?}");
    }
    ensure!(!revoked.is_empty(), "nothing was given up");

    let shop = Shop { count: feed.finish()?, ..SHOP };
    tenant.wait_for("sales", &topic)?;
    staying.stop()?;
    let expected = shop.expected_sales()?;
    expected.check_table(&tenant, SALES, Duplicates::Forbidden)?;
    check_letters(&tenant, "sales", &topic, &expected.letters, Duplicates::Forbidden)
}

/// Waits until a gateway reads so many partitions, and returns them as the log calls them.
fn wait_for_share(gateway: &Gateway, count: usize) -> anyhow::Result<BTreeSet<String>> {
    eventually("the partitions are shared", || {
        let share = share(gateway)?;
        ensure!(share.len() == count, "it reads {share:?}");
        Ok(share)
    })
}

/// The partitions whose lag a gateway tells: those that it reads.
fn share(gateway: &Gateway) -> anyhow::Result<BTreeSet<String>> {
    let label = |line: &str, name: &str| {
        let value = line.split(&format!("{name}=\"")).nth(1)?.split('"').next()?;
        Some(value.to_owned())
    };
    let samples = gateway.samples("tidegate_lag", &[])?;
    let named = |line: &String| Some(format!("{}/{}", label(line, "topic")?, label(line, "partition")?));
    Ok(samples.iter().filter_map(named).collect())
}
