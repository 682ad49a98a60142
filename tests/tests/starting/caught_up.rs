//! `tidegate run --until-caught-up`: it ends by itself, and its code says whether all that there was is complete.

use anyhow::ensure;
use tidegate_tests::harness::{End, Gateway, Message, Tenant, Transaction, eventually};

use super::stand::{Stand, sales};

#[test]
fn it_ends_well_when_every_pipeline_has_completed_what_there_was() -> anyhow::Result<()> {
    let stand = Stand::new("caught", 3)?;
    let empty = stand.tenant.create_topic("stock", 2)?;
    stand.tenant.create_tables("warehouse")?;
    // Neither the schedule nor the linger is waited for.
    stand.tenant.install(&stand.file("sales", "", "[batch]\nschedule = \"0 0 29 2 *\"")?)?;
    stand.tenant.install(&stand.file("again", "", "[batch]\nlinger = \"1 h\"")?)?;
    stand.tenant.install(&stand.tenant.pipeline("warehouse", &empty)?)?;
    stand.write(0, 0..500)?;
    stand.write(1, 0..3)?;
    ends_with(&stand.tenant, 0)?;
    ensure!(stand.rows()?.len() == 2 * 503, "there are {} rows", stand.rows()?.len());
    stand.commits_are(&[500, 3, 0])?;
    stand.tenant.group("again", &stand.topic)?.has_caught_up()?;
    // Where nothing is there the group's beginning is committed.
    let committed = stand.tenant.group("warehouse", &empty)?.committed()?;
    ensure!(committed == [Some(0), Some(0)], "committed is {committed:?}");
    // Once more, with only a little that is new.
    stand.write(2, 0..2)?;
    ends_with(&stand.tenant, 0)?;
    ensure!(stand.rows()?.len() == 2 * 505, "there are {} rows", stand.rows()?.len());
    Ok(())
}

#[test]
fn a_topic_that_was_made_anew_is_read_before_it_ends() -> anyhow::Result<()> {
    let stand = Stand::new("anew", 1)?;
    stand.tenant.install(&stand.file("sales", "", "")?)?;
    stand.write(0, 0..50)?;
    ends_with(&stand.tenant, 0)?;
    stand.commits_are(&[50])?;
    // The group's offset is kept, and lies far beyond the end of the new log.
    stand.tenant.kafka.delete(std::slice::from_ref(&stand.topic))?;
    eventually("the topic is made anew", || stand.tenant.kafka.create(&stand.topic, 1))?;
    eventually("the new topic takes records", || stand.write(0, 0..7))?;
    ends_with(&stand.tenant, 0)?;
    ensure!(stand.rows()?.len() == 50 + 7, "there are {} rows", stand.rows()?.len());
    stand.commits_are(&[7])
}

#[test]
fn it_ends_well_behind_the_marks_of_transactions() -> anyhow::Result<()> {
    let stand = Stand::new("marks", 3)?;
    stand.tenant.install(&stand.file("sales", "", "")?)?;
    let send =
        |partition, seconds, end| stand.tenant.kafka.send_in_transaction(&stand.topic, partition, &sales(seconds), end);
    send(0, 0..3, Transaction::Committed)?;
    send(1, 0..2, Transaction::Committed)?;
    send(1, 2..4, Transaction::Aborted)?;
    send(2, 0..5, Transaction::Aborted)?;
    ends_with(&stand.tenant, 0)?;
    stand.rows_are(&[(0, 0..3), (1, 0..2)])?;
    // Records, and a mark for every transaction.
    stand.commits_are(&[4, 6, 6])?;
    // A gateway that goes on tells no lag of what nobody can read.
    let gateway = Gateway::start(&stand.tenant, &stand.tenant.gateway_file())?;
    send(0, 3..4, Transaction::Committed)?;
    stand.commits_are(&[6, 6, 6])?;
    eventually("there is no lag", || {
        let (lags, lag) = (gateway.samples("tidegate_lag", &[])?.len(), gateway.metric("tidegate_lag", &[])?);
        ensure!(lags == 3 && lag == 0.0, "the lag of {lags} partitions is {lag}");
        Ok(())
    })?;
    gateway.stop()
}

#[test]
fn a_refused_pipeline_makes_it_fail_when_the_others_are_done() -> anyhow::Result<()> {
    let stand = Stand::new("refused", 2)?;
    stand.install("", "")?;
    stand.tenant.install(&stand.file("broken", "strat = \"latest\"", "")?)?;
    stand.write(0, 0..7)?;
    let end = ends_with(&stand.tenant, 1)?;
    stand.rows_are(&[(0, 0..7)])?;
    stand.commits_are(&[7, 0])?;
    says(&end, &["did not catch up", "/broken", "`strat`: is not a known key"])
}

#[test]
fn a_partition_that_stops_makes_it_fail_when_the_others_are_done() -> anyhow::Result<()> {
    let stand = Stand::new("stopped", 2)?;
    let mut file = stand.file("sales", "", "[batch]\nrecords = 2")?;
    file.on_reject("stop")?;
    stand.tenant.install(&file)?;
    stand.write(0, 0..4)?;
    let garbage = Message { value: Some(b"garbage".to_vec()), ..Message::default() };
    stand.tenant.kafka.send(&stand.topic, 0, &[garbage])?;
    stand.write(0, 5..9)?;
    stand.write(1, 0..7)?;
    let end = ends_with(&stand.tenant, 1)?;
    stand.commits_are(&[4, 7])?;
    says(&end, &["did not catch up", &format!("partition {}/0: record 4 is rejected", stand.topic)])
}

#[test]
fn it_waits_for_what_other_members_of_the_group_complete() -> anyhow::Result<()> {
    let stand = Stand::new("members", 4)?;
    stand.install("", "")?;
    for partition in 0..4 {
        stand.write(partition, 0..50)?;
    }
    let other = Gateway::start(&stand.tenant, &stand.tenant.gateway_file())?;
    ends_with(&stand.tenant, 0)?;
    stand.commits_are(&[50; 4])?;
    other.stop()
}

#[test]
fn ranges_that_could_be_larger_than_in_flight_are_cut_and_all_is_written() -> anyhow::Result<()> {
    let stand = Stand::new("cut", 3)?;
    stand.tenant.install(&stand.file("sales", "", "[batch]\nrecords = 1_000_000\nbytes = \"512 MiB\"")?)?;
    for partition in 0..3 {
        stand.write(partition, 0..5_000)?;
    }
    let mut file = stand.tenant.gateway_file();
    file.top = "in_flight = \"1 MiB\"".to_owned();
    let end = Gateway::run_until_caught_up(&stand.tenant, &file)?;
    ensure!(end.code == Some(0), "it ended with {:?}", end.code);
    says(&end, &["`in_flight` closes ranges before `batch.bytes` does"])?;
    stand.commits_are(&[5_000; 3])?;
    stand.rows_are(&[(0, 0..5_000), (1, 0..5_000), (2, 0..5_000)])
}

#[test]
fn a_signal_before_it_has_caught_up_makes_it_fail() -> anyhow::Result<()> {
    let stand = Stand::new("signal", 1)?;
    let mut file = stand.file("sales", "", "")?;
    file.replace(&format!("\"{}\"", stand.topic), "\"nowhere\"")?;
    stand.tenant.install(&file)?;
    let gateway = Gateway::start_until_caught_up(&stand.tenant, &stand.tenant.gateway_file())?;
    gateway.says(&["topic nowhere does not exist"])?;
    gateway.terminate()?;
    let end = gateway.end()?;
    ensure!(end.code == Some(1), "it ended with {:?}", end.code);
    says(&end, &["did not catch up", "topic nowhere does not exist"])
}

fn ends_with(tenant: &Tenant, code: i32) -> anyhow::Result<End> {
    let end = Gateway::run_until_caught_up(tenant, &tenant.gateway_file())?;
    ensure!(end.code == Some(code), "it ended with {:?}", end.code);
    Ok(end)
}

fn says(end: &End, parts: &[&str]) -> anyhow::Result<()> {
    let log = end.log.join("\n");
    for part in parts {
        ensure!(log.contains(part), "`{part}` is not in:\n{log}");
    }
    Ok(())
}
