//! What a parked pipeline keeps, and what wakes it.

use anyhow::ensure;
use tidegate_tests::harness::{Gateway, eventually};

use super::stand::Stand;
use super::{parked, parking};

/// Enough to see that each is parked and woken for itself.
const PIPELINES: usize = 20;

#[test]
fn pipelines_without_records_leave_their_groups_and_the_one_that_gets_a_record_joins_again() -> anyhow::Result<()> {
    let stand = Stand::new("many", 1)?;
    let name = |number: usize| format!("sales{number:02}");
    for number in 0..PIPELINES {
        let topic = stand.tenant.create_topic(&name(number), 1)?;
        let mut file = stand.file(&name(number), "", "[batch]\nlinger = \"100 ms\"")?;
        file.replace(&format!("\"{}\"", stand.topic), &format!("\"{topic}\""))?;
        stand.tenant.install(&file)?;
    }
    let gateway = Gateway::start(&stand.tenant, &parking(&stand))?;
    gateway.has_parked(PIPELINES)?;
    gateway.is_well()?;
    gateway.says(&["  parked: since "])?;
    ensure!(gateway.samples("tidegate_lag", &[])?.len() == PIPELINES, "the lag of a parked pipeline is not shown");

    let topic = format!("{}.{}", stand.tenant.name, name(7));
    let group = stand.tenant.group(&name(7), &topic)?;
    ensure!(group.members()? == 0, "a parked pipeline is a member of its group");
    ensure!(group.committed()? == [Some(0)], "its offset is not kept");
    stand.tenant.kafka.send(&topic, 0, &super::stand::sales(0..3))?;
    eventually("its rows are there", || {
        let rows = stand.rows()?;
        ensure!(rows == ["0/0", "0/1", "0/2"], "rows are {rows:?}");
        Ok(())
    })?;
    stand.tenant.wait_for(&name(7), &topic)?;
    let woken = gateway.messages("joins its group");
    let records = format!("records have come to {topic}/0");
    let by_records = woken.iter().filter(|line| line.get("reason").is_some_and(|reason| *reason == records));
    ensure!(by_records.count() == 1 && woken.len() == PIPELINES + 1, "others were woken, too: {woken:?}");

    gateway.has_parked(PIPELINES)?;
    ensure!(group.members()? == 0 && group.committed()? == [Some(3)], "it was parked before all was committed");
    ensure!(gateway.metric("tidegate_lag", &[])? == 0.0, "nothing is behind");
    gateway.stop()
}

#[test]
fn a_gateway_whose_groups_have_nothing_to_read_starts_without_joining_and_misses_nothing() -> anyhow::Result<()> {
    let stand = Stand::new("start", 2)?;
    stand.install("", "")?;
    stand.write(0, 0..3)?;
    let gateway = Gateway::start(&stand.tenant, &stand.tenant.gateway_file())?;
    stand.commits_are(&[3, 0])?;
    gateway.stop()?;
    let gateway = parked(&stand)?;
    ensure!(gateway.messages("assigned").is_empty(), "it joined although there was nothing to read");
    stand.write(0, 3..5)?;
    stand.write(1, 0..1)?;
    stand.rows_are(&[(0, 0..5), (1, 0..1)])?;
    stand.commits_are(&[5, 1])?;
    gateway.stop()?;
    // With something to read it joins at once.
    stand.write(1, 1..2)?;
    let gateway = Gateway::start(&stand.tenant, &stand.tenant.gateway_file())?;
    stand.rows_are(&[(0, 0..5), (1, 0..2)])?;
    ensure!(gateway.messages("parked").is_empty(), "it was parked although there was something to read");
    gateway.stop()
}

#[test]
fn a_partition_that_is_added_wakes_its_pipeline_and_begins_for_the_group() -> anyhow::Result<()> {
    let stand = Stand::new("grown", 1)?;
    stand.install("start = \"latest\"", "")?;
    stand.write(0, 0..3)?;
    let gateway = parked(&stand)?;
    stand.tenant.kafka.grow(&stand.topic, 2)?;
    stand.commits_are(&[3, 0])?;
    gateway.has_parked(1)?;
    stand.write(1, 0..2)?;
    stand.rows_are(&[(1, 0..2)])?;
    gateway.is_well()?;
    gateway.stop()
}

#[test]
fn a_topic_that_is_made_anew_is_read_from_its_beginning() -> anyhow::Result<()> {
    let stand = Stand::new("renewed", 1)?;
    stand.install("", "")?;
    stand.write(0, 0..5)?;
    let gateway = parked(&stand)?;
    stand.rows_are(&[(0, 0..5)])?;
    stand.tenant.kafka.delete(std::slice::from_ref(&stand.topic))?;
    gateway.says(&[&format!("topic {} does not exist; waiting for it", stand.topic)])?;
    stand.tenant.kafka.create(&stand.topic, 1)?;
    stand.write(0, 0..2)?;
    eventually("the new topic's records are read", || {
        let rows = stand.rows()?;
        ensure!(rows.len() == 7, "there are {} rows", rows.len());
        Ok(())
    })?;
    gateway.has_parked(1)?;
    stand.commits_are(&[2])?;
    gateway.is_well()?;
    gateway.stop()
}

#[test]
fn offsets_that_an_operator_sets_while_a_pipeline_is_parked_are_heeded() -> anyhow::Result<()> {
    let stand = Stand::new("reset", 1)?;
    stand.install("", "")?;
    stand.write(0, 0..5)?;
    let gateway = parked(&stand)?;
    stand.rows_are(&[(0, 0..5)])?;
    // Kafka takes it from an operator since the group has no member.
    stand.tenant.kafka.commit(&format!("tidegate.{}.sales", stand.tenant.name), &stand.topic, 0, 3)?;
    eventually("two records are read again", || {
        let rows = stand.rows()?;
        ensure!(rows == ["0/0", "0/1", "0/2", "0/3", "0/3", "0/4", "0/4"], "rows are {rows:?}");
        Ok(())
    })?;
    stand.commits_are(&[5])?;
    gateway.stop()
}
