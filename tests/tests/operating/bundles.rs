//! Planned ranges are finished by what they were planned with, and of the same records.

use anyhow::{Context, ensure};
use tidegate_tests::harness::{Message, Transaction};

use super::stand::{RANGE, Stand, sales};

#[test]
fn a_planned_range_has_the_lookups_that_it_was_planned_with() -> anyhow::Result<()> {
    let stand = Stand::new("lookups", 1)?;
    stand.write(0, 0..3 * RANGE)?;
    let metadata = stand.die_planned()?;
    let plan = metadata.split(' ').find_map(|word| word.strip_prefix("plan=")).context("nothing is planned")?;
    let planned = RANGE * i64::try_from(plan.split(';').count())?;
    let products = stand.folder().join("products.csv");
    let text = std::fs::read_to_string(&products)?;
    let line = "7,\"Cushion, linen\",home";
    ensure!(text.contains(line), "{text}");
    std::fs::write(&products, text.replace(line, "7,Renamed,home"))?;
    // Another gateway goes on, which has never run the former version.
    std::fs::remove_dir_all(stand.tenant.folder().join("state"))?;
    stand.write(0, 3 * RANGE..6 * RANGE)?;
    let gateway = stand.start()?;
    stand.commits_are(&[6 * RANGE])?;
    stand.rows_are(0, &(0..6 * RANGE).collect::<Vec<_>>())?;
    let table = &stand.tenant.name;
    let named = |name: &str| {
        let question = format!("SELECT count() FROM {table}.sales WHERE product = '{name}'");
        stand.tenant.clickhouse.number(&question)
    };
    let (former, renamed) = (named("Cushion, linen")?, named("Renamed")?);
    ensure!((former, renamed) == (planned, 6 * RANGE - planned), "{former} and {renamed}, of {planned} planned");
    let made = gateway.log().iter().filter(|line| line.to_string().contains("makes a former version again")).count();
    ensure!(made == 1, "it was made {made} times");
    gateway.stop()
}

#[test]
fn records_that_are_gone_since_their_range_was_planned_are_missed() -> anyhow::Result<()> {
    let stand = Stand::new("compacted", 1)?;
    // The mark at offset 2 is no record, and never was.
    let first: Vec<Message> = sales(0..2);
    stand.tenant.kafka.send_in_transaction(&stand.topic, 0, &first, Transaction::Committed)?;
    stand.write(0, 3..8)?;
    let metadata = stand.die_planned()?;
    ensure!(metadata.contains(".g1"), "the gap is not planned: {metadata}");
    // As a plan of before a compaction that has left it.
    stand.say(0, 0, &metadata.replace(".g1", ""))?;
    let gateway = stand.start()?;
    gateway.says(&["compaction has removed 1 of its records since", "tidegate plan accept --config "])?;
    ensure!(stand.rows(0)?.is_empty(), "{:?}", stand.rows(0)?);
    gateway.stop()?;
    stand.say(0, 0, &metadata)?;
    let gateway = stand.start()?;
    stand.commits_are(&[8])?;
    stand.rows_are(0, &[0, 1, 3, 4, 5, 6, 7])?;
    gateway.stop()
}
