//! What a table refuses after a try of which nobody has heard the end: where that try may have brought it there, the partition pauses.

use anyhow::ensure;
use tidegate_tests::harness::Shop;

use super::stand::Stand;

/// So few that a table which refuses all of them is not taken for one that is broken.
const FEW: Shop = Shop { count: 20, partitions: 1, malformed: 0.0 };

/// The others are dropped.
const ROWS: i64 = 17;

fn stand_with_a_few(name: &str) -> anyhow::Result<(Stand, String)> {
    let stand = Stand::of(&FEW, name)?;
    FEW.write_sales(&stand.tenant, &stand.topic)?;
    let table = format!("{}.sales", stand.tenant.name);
    Ok((stand, table))
}

#[test]
fn a_table_that_was_altered_meanwhile_pauses_the_partition() -> anyhow::Result<()> {
    let (stand, table) = stand_with_a_few("altered")?;
    stand.die_at("after-write")?;
    ensure!(stand.tenant.count("sales")? == ROWS);
    // The server tells in whole seconds when a table was altered.
    stand.tenant.clickhouse.seconds_later(1)?;
    stand.tenant.clickhouse.run(&format!("ALTER TABLE {table} ADD CONSTRAINT c CHECK _offset != 2"))?;
    let gateway = stand.start()?;
    gateway.says(&[
        "refuses rows of 1 records of range",
        "was altered since the range was planned",
        "tidegate plan",
    ])?;
    ensure!(stand.tenant.kafka.read(&stand.dead())?.is_empty(), "a row that is in the table became a dead letter");
    gateway.stop()
}

#[test]
fn where_nothing_is_left_that_a_late_try_would_find_done_the_partition_pauses() -> anyhow::Result<()> {
    let (stand, table) = stand_with_a_few("nothing_left")?;
    stand.tenant.clickhouse.run(&format!("ALTER TABLE {table} ADD CONSTRAINT c CHECK _offset < 0"))?;
    stand.die_at("before-write")?;
    let gateway = stand.start()?;
    gateway.says(&["refuses all 17 records of range", "may still be on its way", "tidegate plan"])?;
    ensure!(stand.tenant.kafka.read(&stand.dead())?.is_empty(), "records became dead letters");
    ensure!(stand.tenant.count("sales")? == 0);
    gateway.stop()
}

#[test]
fn what_was_refused_all_along_becomes_letters_after_a_try_in_doubt() -> anyhow::Result<()> {
    let (stand, table) = stand_with_a_few("all_along")?;
    stand.tenant.clickhouse.run(&format!("ALTER TABLE {table} ADD CONSTRAINT c CHECK _offset != 2"))?;
    // Otherwise nobody could tell whether it was altered before the range was planned.
    stand.tenant.clickhouse.seconds_later(2)?;
    stand.die_at("before-write")?;
    let gateway = stand.start()?;
    stand.tenant.wait_for("sales", &stand.topic)?;
    ensure!(stand.tenant.count("sales")? == ROWS - 1);
    ensure!(stand.tenant.kafka.read(&stand.dead())?.len() == 1);
    gateway.stop()
}
