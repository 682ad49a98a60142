//! Planned ranges of which the first cannot be decided on: what each decision does to it, and to those behind it.

use anyhow::{Context, ensure};
use tidegate_tests::harness::Gateway;

use super::stand::{GONE, RANGE, Stand};

/// The rows of the second and the third range.
const BEHIND: [i64; 8] = [4, 5, 6, 7, 8, 9, 10, 11];

/// A gateway that stops at the first range. Those behind it are in the table.
fn stopped(name: &str) -> anyhow::Result<(Stand, Gateway)> {
    let stand = Stand::new(name, 1)?;
    stand.write(0, 0..3 * RANGE)?;
    stand.plan_with_a_bundle_that_is_gone_and_rows_behind()?;
    stand.rows_are(0, &BEHIND)?;
    let gateway = stand.start()?;
    gateway.says(&[&format!("bundle {GONE} is not in topic")])?;
    Ok((stand, gateway))
}

#[test]
fn the_first_range_is_accepted_and_those_behind_it_are_still_written() -> anyhow::Result<()> {
    let stand = Stand::new("accept", 1)?;
    stand.write(0, 0..3 * RANGE)?;
    stand.plan_with_a_bundle_that_is_gone()?;
    let before = stand.metadata(0)?;
    // Nothing is changed before somebody says so.
    let (group, partition) = (stand.group(), stand.partition(0));
    stand.plan(&["accept", "--group", &group, &partition])?.says(
        0,
        &[
            "counts as written                       0 to before 4, planned ",
            "stays planned                           4 to before 8, planned ",
            "stays planned                           8 to before 12, planned ",
            "may be lost                             rows of offsets 0 to before 4 that are not in their tables",
            "nothing was changed",
        ],
    )?;
    ensure!(stand.metadata(0)? == before);
    stand.decide("accept", &["--from", "4"])?.says(1, &["--from is 4, but the first planned range begins at 0"])?;
    stand
        .decide("accept", &["--to", "7"])?
        .says(1, &["--to is 7, where no planned range ends; they end at 4, 8, 12"])?;
    ensure!(stand.metadata(0)? == before);
    stand.decide("accept", &["--from", "0", "--to", "4"])?.says(0, &["goes on at offset 4"])?;
    let gateway = stand.start()?;
    stand.commits_are(&[3 * RANGE])?;
    stand.rows_are(0, &BEHIND)?;
    gateway.is_well()?;
    gateway.stop()
}

#[test]
fn several_ranges_are_accepted_where_that_is_said() -> anyhow::Result<()> {
    let stand = Stand::new("several", 1)?;
    stand.write(0, 0..3 * RANGE)?;
    stand.plan_with_a_bundle_that_is_gone()?;
    stand.decide("accept", &["--to", "8"])?.says(0, &["goes on at offset 8"])?;
    let gateway = stand.start()?;
    stand.commits_are(&[3 * RANGE])?;
    stand.rows_are(0, &BEHIND[4..])?;
    gateway.stop()
}

#[test]
fn what_is_forced_is_written_by_the_deployed_version_and_nothing_twice() -> anyhow::Result<()> {
    let (stand, gateway) = stopped("force")?;
    gateway.kill()?;
    stand.decide("force", &[])?.says(
        0,
        &[
            "has the version that is deployed write  0 to before 4",
            "stays planned                           4 to before 8",
        ],
    )?;
    stand.plan(&["show"])?.says(0, &["0 to before 4, planned ", " with the version that is deployed\n"])?;
    let gateway = stand.start()?;
    stand.commits_are(&[3 * RANGE])?;
    stand.rows_are(0, &(0..12).collect::<Vec<_>>())?;
    gateway.is_well()?;
    gateway.stop()
}

#[test]
fn what_a_table_refuses_wholly_becomes_letters_where_it_is_forced() -> anyhow::Result<()> {
    let stand = Stand::new("refused", 1)?;
    stand.write(0, 0..RANGE)?;
    let table = format!("{}.sales", stand.tenant.name);
    stand.tenant.clickhouse.run(&format!("ALTER TABLE {table} ADD CONSTRAINT c CHECK _offset < 0"))?;
    stand.die_at("before-write")?;
    let gateway = stand.start()?;
    gateway.says(&["refuses all 4 records of range", "may still be on its way", "tidegate plan accept --config "])?;
    gateway.kill()?;
    stand.decide("force", &[])?.says(0, &["has the version that is deployed write  0 to before 4"])?;
    let gateway = stand.start()?;
    stand.commits_are(&[RANGE])?;
    let letters = stand.tenant.kafka.read(&format!("{}.dead", stand.topic))?;
    ensure!(letters.len() == 4 && stand.rows(0)?.is_empty(), "{} letters, rows of {:?}", letters.len(), stand.rows(0)?);
    gateway.is_well()?;
    gateway.stop()
}

#[test]
fn what_is_abandoned_is_read_again_as_a_whole_and_only_where_that_is_said() -> anyhow::Result<()> {
    let (stand, gateway) = stopped("abandon")?;
    gateway.kill()?;
    stand.decide("abandon", &[])?.says(
        1,
        &["3 ranges are planned, from offset 0 to before 12, and a plan is given up as a whole", "say --to 12"],
    )?;
    stand.decide("abandon", &["--to", "12"])?.says(0, &["goes on at offset 0"])?;
    let gateway = stand.start()?;
    stand.commits_are(&[3 * RANGE])?;
    let mut twice: Vec<i64> = (0..4).chain(BEHIND).chain(BEHIND).collect();
    twice.sort_unstable();
    stand.rows_are(0, &twice)?;
    gateway.stop()
}

#[test]
fn the_command_that_a_stop_tells_can_be_pasted() -> anyhow::Result<()> {
    let (stand, gateway) = stopped("paste")?;
    let told = gateway.says(&["To go on: "])?.text;
    let commands: Vec<&str> = told.split('`').skip(1).step_by(2).filter(|part| part.contains("tidegate ")).collect();
    let command = |wanted: &str| {
        let found = commands.iter().find(|command| command.contains(wanted));
        found.with_context(|| format!("{wanted} is not told: {commands:?}"))
    };
    stand.paste(command("tidegate plan show")?)?.says(0, &["0 to before 4, planned", GONE])?;
    stand
        .paste(command("tidegate audit")?)?
        .says(1, &["records   read 4: written 0, dropped 0, rejected 0, missing 4"])?;
    // The gateway runs: its pipeline goes away for the command, and comes back.
    stand.paste(command("tidegate plan accept")?)?.says(0, &["goes on at offset 4"])?;
    stand.commits_are(&[3 * RANGE])?;
    stand.rows_are(0, &BEHIND)?;
    gateway.is_well()?;
    gateway.stop()
}

#[test]
fn a_group_with_members_is_left_alone() -> anyhow::Result<()> {
    let (stand, gateway) = stopped("members")?;
    let before = stand.metadata(0)?;
    stand.decide("accept", &["--wait", "1 s"])?.says(1, &["still has members (1), and only they may commit: move"])?;
    ensure!(stand.metadata(0)? == before);
    gateway.stop()
}
