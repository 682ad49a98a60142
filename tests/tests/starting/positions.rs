//! `start`: each place is where the first row comes from, nothing behind it is passed over, and partitions that are added
//! later are read from their beginning.

use anyhow::ensure;
use tidegate_tests::harness::{Gateway, eventually};

use super::stand::Stand;

#[test]
fn latest_loses_nothing_that_comes_while_the_gateway_is_away_before_its_first_range() -> anyhow::Result<()> {
    let stand = Stand::new("latest", 2)?;
    stand.install("start = \"latest\"", "")?;
    stand.write(0, 0..5)?;
    stand.write(1, 0..3)?;
    let gateway = Gateway::start(&stand.tenant, &stand.tenant.gateway_file())?;
    stand.commits_are(&[5, 3])?;
    gateway.stop()?;
    stand.write(0, 5..9)?;
    stand.write(1, 3..4)?;
    let gateway = Gateway::start(&stand.tenant, &stand.tenant.gateway_file())?;
    stand.rows_are(&[(0, 5..9), (1, 3..4)])?;
    stand.commits_are(&[9, 4])?;
    gateway.is_well()?;
    gateway.stop()
}

#[test]
fn a_partition_that_is_added_behind_latest_is_read_from_its_beginning() -> anyhow::Result<()> {
    let stand = Stand::new("added", 2)?;
    stand.install("start = \"latest\"", "")?;
    stand.write(0, 0..5)?;
    stand.write(1, 0..3)?;
    let gateway = Gateway::start(&stand.tenant, &stand.tenant.gateway_file())?;
    stand.commits_are(&[5, 3])?;
    // The first is there before any gateway knows of it, the second comes while none runs.
    stand.tenant.kafka.grow(&stand.topic, 3)?;
    stand.write(2, 0..4)?;
    stand.rows_are(&[(2, 0..4)])?;
    stand.commits_are(&[5, 3, 4])?;
    gateway.stop()?;
    stand.tenant.kafka.grow(&stand.topic, 4)?;
    stand.write(3, 0..2)?;
    stand.write(0, 5..6)?;
    let gateway = Gateway::start(&stand.tenant, &stand.tenant.gateway_file())?;
    stand.rows_are(&[(0, 5..6), (2, 0..4), (3, 0..2)])?;
    gateway.is_well()?;
    gateway.stop()
}

#[test]
fn two_gateways_that_join_at_once_begin_every_partition_at_its_end() -> anyhow::Result<()> {
    let stand = Stand::new("joining", 4)?;
    stand.install("start = \"latest\"", "")?;
    for partition in 0..4 {
        stand.write(partition, 0..10)?;
    }
    let one = Gateway::start(&stand.tenant, &stand.tenant.gateway_file())?;
    let two = Gateway::start(&stand.tenant, &stand.tenant.gateway_file())?;
    stand.commits_are(&[10; 4])?;
    let reads = |gateway: &Gateway| anyhow::Ok(gateway.samples("tidegate_lag", &[])?.len());
    eventually("both have a share", || {
        let shares = (reads(&one)?, reads(&two)?);
        ensure!(shares == (2, 2), "they read {shares:?} partitions");
        Ok(())
    })?;
    for partition in 0..4 {
        stand.write(partition, 10..13)?;
    }
    stand.rows_are(&[(0, 10..13), (1, 10..13), (2, 10..13), (3, 10..13)])?;
    stand.commits_are(&[13; 4])?;
    one.stop()?;
    two.stop()
}

#[test]
fn a_time_begins_with_its_first_record_and_one_to_come_at_the_end() -> anyhow::Result<()> {
    let stand = Stand::new("time", 2)?;
    // Ten seconds behind the first record's.
    stand.install("start = 2023-11-14T22:13:30Z", "")?;
    stand.tenant.install(&stand.file(
        "later",
        "start = \"2123-11-14T22:13:30+03:00\"",
        "[batch]\nlinger = \"100 ms\"",
    )?)?;
    stand.write(0, 0..20)?;
    stand.write(1, 0..5)?;
    let gateway = Gateway::start(&stand.tenant, &stand.tenant.gateway_file())?;
    let later = stand.tenant.group("later", &stand.topic)?;
    eventually("the later pipeline has begun at the ends", || later.has_caught_up())?;
    stand.rows_are(&[(0, 10..20)])?;
    stand.commits_are(&[20, 5])?;
    gateway.is_well()?;
    gateway.stop()
}

#[test]
fn named_offsets_begin_where_they_say_and_one_beyond_the_end_waits_for_it() -> anyhow::Result<()> {
    let stand = Stand::new("offsets", 3)?;
    let topic = &stand.topic;
    let start = format!("[start]\notherwise = \"latest\"\n[start.offsets]\n\"{topic}/0\" = 2\n\"{topic}/1\" = 7");
    stand.install("", &start)?;
    for partition in 0..3 {
        stand.write(partition, 0..4)?;
    }
    let gateway = Gateway::start(&stand.tenant, &stand.tenant.gateway_file())?;
    let waits = format!("partition {topic}/1: `start` names the offset 7, but the partition ends at 4");
    gateway.says(&[&waits])?;
    stand.rows_are(&[(0, 2..4)])?;
    stand.write(1, 4..9)?;
    stand.write(2, 4..5)?;
    stand.rows_are(&[(0, 2..4), (1, 7..9), (2, 4..5)])?;
    stand.commits_are(&[4, 9, 5])?;
    gateway.is_well()?;
    gateway.stop()
}

#[test]
fn a_pipeline_whose_start_or_schedule_is_wrong_is_refused_with_what_would_be_right() -> anyhow::Result<()> {
    let stand = Stand::new("wrong", 1)?;
    stand.tenant.install(&stand.file("start", "start = 2026-11-01T00:00:00", "[batch]\nschedule = \"hourly\"")?)?;
    stand.install("", "")?;
    stand.write(0, 0..2)?;
    let gateway = Gateway::start(&stand.tenant, &stand.tenant.gateway_file())?;
    gateway.says(&[
        "/start: refused",
        "start.toml:1: `start`: is 2026-11-01T00:00:00, which does not say in which time zone; expected \"earliest\"",
        "`batch.schedule`: is \"hourly\"; expected \"every\" and a duration",
    ])?;
    stand.rows_are(&[(0, 0..2)])?;
    gateway.stop()
}
