//! `--until-caught-up` beside a partition that waits for an operator.

use anyhow::ensure;
use tidegate_tests::harness::{End, Gateway};

use super::stand::{GONE, RANGE, Stand};

/// It ends, the other partition is complete, and the log says which one is not, why, and what to run.
fn ends_naming(stand: &Stand, parts: &[&str]) -> anyhow::Result<()> {
    let End { code, log } = Gateway::run_until_caught_up(&stand.tenant, &stand.gateway_file())?;
    ensure!(code == Some(1), "it ended with {code:?}");
    let last = log.iter().find(|line| line.contains("did not catch up"));
    let last = last.map(String::as_str).unwrap_or_default();
    for part in parts.iter().copied().chain([&*format!("partition {}: ", stand.partition(0))]) {
        ensure!(last.contains(part), "`{part}` is not in {last}");
    }
    stand.rows_are(1, &(0..6).collect::<Vec<_>>())?;
    let committed = stand.tenant.group("sales", &stand.topic)?.committed()?;
    ensure!(committed == [Some(0), Some(6)], "committed are {committed:?}");
    Ok(())
}

#[test]
fn it_ends_where_a_plan_cannot_be_read() -> anyhow::Result<()> {
    let stand = Stand::new("unread", 2)?;
    stand.write(0, 0..RANGE)?;
    stand.write(1, 0..6)?;
    stand.say(0, 0, "tidegate/1 partitions=2 began=7 lineage=later")?;
    ends_naming(&stand, &["the plan `lineage=later`", "tidegate plan abandon --config ", &stand.partition(0)])
}

#[test]
fn it_ends_where_what_is_planned_was_deleted() -> anyhow::Result<()> {
    let stand = Stand::new("deleted", 2)?;
    stand.write(0, 0..3 * RANGE)?;
    stand.plan_with_a_bundle_that_is_gone()?;
    stand.write(1, 0..6)?;
    stand.tenant.kafka.delete_records(&stand.topic, 0, 2)?;
    ends_naming(
        &stand,
        &[
            "3 ranges from offset 0 to before 12 were planned",
            "tidegate plan accept --config ",
            // What lies behind is all there, and is written as it was planned.
            "--from 0 --to 4 --yes",
        ],
    )
}

#[test]
fn it_ends_where_a_range_cannot_be_processed_again() -> anyhow::Result<()> {
    let stand = Stand::new("gone", 2)?;
    stand.write(0, 0..3 * RANGE)?;
    stand.plan_with_a_bundle_that_is_gone()?;
    stand.write(1, 0..6)?;
    ends_naming(&stand, &[GONE, "tidegate plan accept --config ", "--from 0 --to 4 --yes"])
}
