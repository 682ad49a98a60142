//! A gateway dies, as by a power cut, at each step of a range that has dead letters.

use std::time::Duration;

use anyhow::{Context, ensure};
use tidegate_tests::harness::Gateway;

use super::stand::{SESSION, Stand};

/// Much less than the broker gives a transaction of which nothing more comes (15 s, and up to 10 s until it looks), and more than a member takes
/// that does not wait for that: the session's rest, two rounds of the group and a busy machine.
const WITHOUT_WAITING: Duration = Duration::from_secs(6);

#[test]
fn letters_are_seen_once_wherever_a_gateway_dies() -> anyhow::Result<()> {
    for point in [
        "planned",
        "after-write",
        "before-complete",
        "transaction-begun",
        "letters-sent",
        "offsets-sent",
        "transaction-committed",
        "completed",
    ] {
        let stand = Stand::with_sales(&format!("dies_{}", point.replace('-', "_")))?;
        stand.die_at(point)?;
        let gateway = stand.start()?;
        stand.arrives_once().with_context(|| format!("it died at {point}"))?;
        gateway.stop()?;
    }
    Ok(())
}

/// As after the death of a ClickHouse server between noting a token and keeping the rows.
#[test]
fn what_a_table_knows_and_has_lost_is_written_again() -> anyhow::Result<()> {
    let stand = Stand::with_sales("lost")?;
    stand.die_at("after-write")?;
    ensure!(stand.tenant.count("sales")? > 0, "nothing is written");
    // A mutation leaves the tokens as they are.
    let deleted = format!("ALTER TABLE {}.sales DELETE WHERE 1 SETTINGS mutations_sync = 1", stand.tenant.name);
    stand.tenant.clickhouse.run(&deleted)?;
    ensure!(stand.tenant.count("sales")? == 0, "the rows are still there");
    let gateway = stand.start()?;
    stand.arrives_once()?;
    gateway.stop()
}

#[test]
fn the_offsets_of_a_transaction_say_what_is_planned_and_whose_it_is() -> anyhow::Result<()> {
    let stand = Stand::with_sales("metadata")?;
    // It has begun one transaction, and died when that was committed: what the group has is of that.
    let mut file = stand.tenant.gateway_file();
    file.environment.push(("FAILPOINTS", "transaction-committed=return".to_owned()));
    Gateway::run_to_its_end(&stand.tenant, &file)?;
    let group = stand.tenant.group("sales", &stand.topic)?;
    let (offsets, metadata) = (group.committed()?, group.metadata()?);
    ensure!(offsets.iter().any(|offset| offset.is_some_and(|offset| offset > 0)), "committed is {offsets:?}");
    for (offset, metadata) in offsets.iter().zip(&metadata).filter(|(offset, _)| offset.is_some()) {
        for word in ["tidegate/1 partitions=2 ", " began=", " lineage=", " txn="] {
            ensure!(metadata.contains(word), "`{word}` is not in `{metadata}` of {offset:?}");
        }
    }
    Ok(())
}

#[test]
fn what_a_dead_member_left_open_holds_nobody_up() -> anyhow::Result<()> {
    let stand = Stand::with_sales("recovery")?;
    let died = stand.die_at("offsets-sent")?;
    let gateway = stand.start()?;
    stand.tenant.wait_for("sales", &stand.topic)?;
    let took = died.elapsed();
    println!("all was complete {took:?} after the gateway died; the session is {SESSION:?}");
    ensure!(took < SESSION + WITHOUT_WAITING, "it took {took:?} until all was complete");
    let ended = gateway.messages("ends the transaction of a member that is gone");
    ensure!(ended.len() == 1, "{} transactions were ended, not one", ended.len());
    stand.arrives_once()?;
    gateway.stop()
}
