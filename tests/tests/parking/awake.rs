//! What keeps a pipeline in its group: others that work, a trouble, and an operator's word.

use std::time::{Duration, Instant};

use anyhow::ensure;
use tidegate_tests::harness::{Gateway, GatewayFile, eventually};

use super::parking;
use super::stand::Stand;

#[test]
fn a_member_without_records_stays_while_another_works_and_all_leave_when_none_does() -> anyhow::Result<()> {
    let stand = Stand::new("two", 2)?;
    stand.install("", "")?;
    // Something to read, so that both join.
    stand.write(0, 0..1)?;
    let one = Gateway::start(&stand.tenant, &parking(&stand))?;
    let two = Gateway::start(&stand.tenant, &parking(&stand))?;
    let mut written = 1;
    let mut more = || {
        stand.write(0, written..written + 1)?;
        written += 1;
        anyhow::Ok(written)
    };
    eventually("both have a share", || {
        more()?;
        let share = |gateway: &Gateway| anyhow::Ok(gateway.samples("tidegate_lag", &[])?.len());
        let (shares, members) = ((share(&one)?, share(&two)?), stand.tenant.group("sales", &stand.topic)?.members()?);
        ensure!(shares == (1, 1) && members == 2, "{members} members read {shares:?} partitions");
        Ok(())
    })?;
    let moves = || one.messages("assigned").len() + two.messages("assigned").len();
    let before = moves();
    // Several times as long as it takes to be parked.
    let until = Instant::now() + Duration::from_secs(5);
    while Instant::now() < until {
        more()?;
        ensure!(moves() == before, "partitions moved although one had records all the time");
    }
    let written = more()?;
    stand.rows_are(&[(0, 0..written)])?;
    one.has_parked(1)?;
    two.has_parked(1)?;
    stand.commits_are(&[written, 0])?;
    stand.write(0, written..written + 1)?;
    stand.write(1, 0..2)?;
    stand.rows_are(&[(0, 0..written + 1), (1, 0..2)])?;
    one.stop()?;
    two.stop()
}

#[test]
fn a_pipeline_with_a_problem_stays_where_people_look_for_it() -> anyhow::Result<()> {
    let stand = Stand::new("stopped", 1)?;
    let mut file = stand.file("sales", "", "[batch]\nlinger = \"100 ms\"")?;
    file.on_reject("stop")?;
    stand.tenant.install(&file)?;
    let gateway = super::parked(&stand)?;
    let mut records = super::stand::sales(0..1);
    records.iter_mut().for_each(|record| record.value = Some(b"not JSON".to_vec()));
    stand.tenant.kafka.send(&stand.topic, 0, &records)?;
    gateway.says(&["record 0 is rejected, and on_reject is \"stop\""])?;
    let group = stand.tenant.group("sales", &stand.topic)?;
    // Several times as long as it takes to be parked.
    let until = Instant::now() + Duration::from_secs(4);
    while Instant::now() < until {
        ensure!(group.members()? == 1 && gateway.metric("tidegate_parked", &[])? == 0.0, "it was parked");
    }
    gateway.stop()
}

#[test]
fn a_pipeline_stays_in_its_group_where_parking_is_off() -> anyhow::Result<()> {
    let stand = Stand::new("off", 1)?;
    stand.install("", "")?;
    let file = GatewayFile { top: "park_after = \"off\"".to_owned(), ..stand.tenant.gateway_file() };
    let gateway = Gateway::start(&stand.tenant, &file)?;
    stand.commits_are(&[0])?;
    gateway.stop()?;
    let gateway = Gateway::start(&stand.tenant, &file)?;
    let group = stand.tenant.group("sales", &stand.topic)?;
    eventually("it joins although there is nothing to read", || {
        let members = group.members()?;
        ensure!(members == 1, "there are {members} members");
        Ok(())
    })?;
    gateway.is_well()?;
    gateway.stop()
}
