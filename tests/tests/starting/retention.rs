//! Records that Kafka deleted before they were read: named and counted, and what is left is read.

use anyhow::ensure;
use tidegate_tests::harness::Gateway;

use super::stand::Stand;

#[test]
fn a_named_offset_that_is_gone_begins_at_the_oldest_record() -> anyhow::Result<()> {
    let stand = Stand::new("gone", 1)?;
    stand.install("", &format!("[start.offsets]\n\"{}/0\" = 1", stand.topic))?;
    stand.write(0, 0..6)?;
    stand.tenant.kafka.delete_records(&stand.topic, 0, 4)?;
    let gateway = Gateway::start(&stand.tenant, &stand.tenant.gateway_file())?;
    gateway.says(&["`start` names the offset 1, but the oldest kept is 4; beginning at 4"])?;
    stand.rows_are(&[(0, 4..6)])?;
    ensure!(gateway.metric("tidegate_lost_records_total", &[])? == 0.0, "nobody had read up to there");
    gateway.stop()
}

#[test]
fn records_that_are_deleted_while_the_gateway_is_away_are_named_and_counted() -> anyhow::Result<()> {
    let stand = Stand::new("retention", 2)?;
    stand.install("start = \"latest\"", "")?;
    stand.write(0, 0..3)?;
    let gateway = Gateway::start(&stand.tenant, &stand.tenant.gateway_file())?;
    stand.commits_are(&[3, 0])?;
    gateway.stop()?;
    stand.write(0, 3..9)?;
    stand.write(1, 0..2)?;
    stand.tenant.kafka.delete_records(&stand.topic, 0, 7)?;
    let gateway = Gateway::start(&stand.tenant, &stand.tenant.gateway_file())?;
    let lost = format!("partition {}/0: offset 3 is gone, the oldest kept is 7: 4 records were deleted", stand.topic);
    gateway.says(&[&lost])?;
    stand.rows_are(&[(0, 7..9), (1, 0..2)])?;
    stand.commits_are(&[9, 2])?;
    ensure!(gateway.metric("tidegate_lost_records_total", &["partition=\"0\""])? == 4.0, "four were lost");
    gateway.stop()
}

#[test]
fn records_that_are_deleted_under_a_running_gateway_are_named_and_counted() -> anyhow::Result<()> {
    let stand = Stand::new("running", 1)?;
    stand.install("", "")?;
    stand.write(0, 0..3)?;
    let gateway = Gateway::start(&stand.tenant, &stand.tenant.gateway_file())?;
    stand.commits_are(&[3])?;
    gateway.freeze()?;
    // The request that the broker holds for the gateway is answered with the first of these at most.
    stand.write(0, 3..4)?;
    stand.write(0, 4..60)?;
    stand.tenant.kafka.delete_records(&stand.topic, 0, 50)?;
    gateway.thaw()?;
    gateway.says(&["the oldest kept is 50", "records were deleted before they were read; going on at 50"])?;
    stand.commits_are(&[60])?;
    let rows = stand.rows()?;
    let read = rows.len() as f64;
    let lost = gateway.metric("tidegate_lost_records_total", &[])?;
    ensure!(lost > 0.0 && read + lost == 60.0, "{read} records were read and {lost} lost, of 60");
    ensure!(rows.ends_with(&["0/59".to_owned()]) && rows.contains(&"0/50".to_owned()), "rows are {rows:?}");
    gateway.stop()
}

#[test]
fn an_offset_beyond_the_end_is_named_and_the_topic_is_read_again() -> anyhow::Result<()> {
    let stand = Stand::new("anew", 1)?;
    stand.install("", "")?;
    stand.write(0, 0..5)?;
    let gateway = Gateway::start(&stand.tenant, &stand.tenant.gateway_file())?;
    stand.commits_are(&[5])?;
    gateway.stop()?;
    let group = format!("tidegate.{}.sales", stand.tenant.name);
    stand.tenant.kafka.commit(&group, &stand.topic, 0, 40)?;
    let gateway = Gateway::start(&stand.tenant, &stand.tenant.gateway_file())?;
    gateway.says(&["the group's offset 40 is beyond the end 5: the topic was made anew or has lost records"])?;
    stand.commits_are(&[5])?;
    ensure!(stand.rows()?.len() == 10, "it is not read again");
    gateway.stop()
}
