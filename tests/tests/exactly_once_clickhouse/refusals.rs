//! Tables and users that exactly once cannot be had with: refused when the table is opened, with what would be right.

use anyhow::ensure;
use tidegate::config::Guarantee::{AtLeastOnce, ExactlyOnce};
use tidegate::sink::SinkFault;
use tidegate_tests::harness::Services;

use super::front::{Deed, Front};
use super::stand::{Stand, WINDOW, says};

#[test]
fn tables_that_remember_nothing_are_refused_and_taken_at_least_once() -> anyhow::Result<()> {
    let stand = Stand::new()?;
    for (engine, right) in [
        ("Memory", "expected an engine of the MergeTree family"),
        ("Log", "expected an engine of the MergeTree family"),
        ("StripeLog", "expected an engine of the MergeTree family"),
        ("Null", "which keeps nothing, and its views get every insert anew"),
    ] {
        stand.run(&format!("CREATE TABLE {{db}}.t (n UInt64) ENGINE = {engine}"))?;
        let fault = says(
            stand.open("t", "n UInt64", ExactlyOnce),
            &[&format!("it is a {engine}, "), right, "or delivery = \"at-least-once\""],
        )?;
        ensure!(matches!(fault, SinkFault::Mismatch(_)), "{fault:?}");
        stand.open("t", "n UInt64", AtLeastOnce)?;
        stand.run("DROP TABLE {db}.t")?;
    }
    Ok(())
}

#[test]
fn a_view_in_place_of_its_table_is_refused_by_the_tables_name() -> anyhow::Result<()> {
    let stand = Stand::new()?;
    stand.run(&format!("CREATE TABLE {{db}}.t (n UInt64) ENGINE = MergeTree ORDER BY n {WINDOW}"))?;
    stand.run(&format!("CREATE TABLE {{db}}.u (n UInt64) ENGINE = MergeTree ORDER BY n {WINDOW}"))?;
    stand.run("CREATE MATERIALIZED VIEW {db}.v TO {db}.u AS SELECT n FROM {db}.t")?;
    let behind = format!("name the table `{}.u` behind it", stand.database);
    says(stand.open("v", "n UInt64", ExactlyOnce), &["it is a MaterializedView", &behind])?;
    Ok(())
}

#[test]
fn a_views_target_that_remembers_nothing_is_refused_with_the_views_name() -> anyhow::Result<()> {
    let stand = Stand::new()?;
    stand.run(&format!("CREATE TABLE {{db}}.t (n UInt64) ENGINE = MergeTree ORDER BY n {WINDOW}"))?;
    stand.run("CREATE TABLE {db}.m (n UInt64) ENGINE = Memory")?;
    stand.run("CREATE MATERIALIZED VIEW {db}.v TO {db}.m AS SELECT n FROM {db}.t")?;
    let database = &stand.database;
    let part = format!("`{database}.m`, which its view `{database}.v` writes to, is a Memory");
    says(stand.open("t", "n UInt64", ExactlyOnce), &[&part])?;
    stand.run("DROP TABLE {db}.m")?;
    let part = format!("`{database}.m`, which its view `{database}.v` writes to, is not there or is not shown");
    says(stand.open("t", "n UInt64", ExactlyOnce), &[&part])?;
    stand.run("DROP TABLE {db}.v")?;
    stand.exact("t", "n UInt64")?;
    Ok(())
}

#[test]
fn a_profile_that_forbids_a_setting_is_refused_with_its_name() -> anyhow::Result<()> {
    let stand = Stand::new()?;
    stand.run(&format!("CREATE TABLE {{db}}.t (n UInt64) ENGINE = MergeTree ORDER BY n {WINDOW}"))?;
    for answer in [
        "Code: 452. DB::Exception: Setting max_block_size should not be changed. (SETTING_CONSTRAINT_VIOLATION)",
        "Code: 164. DB::Exception: Cannot modify 'max_block_size' setting in readonly mode. (READONLY)",
    ] {
        let front = Front::start(&stand.url, move |request| {
            if request.target.contains("max_block_size=") { Deed::Answer(500, answer) } else { Deed::Pass }
        })?;
        let sink = stand.sink(&front.url(), "")?;
        let fault = says(
            stand.open_in(&sink, "t", "n UInt64", ExactlyOnce),
            &["max_block_size", "must let it set that for its inserts", "or delivery = \"at-least-once\""],
        )?;
        ensure!(matches!(fault, SinkFault::Refused(_)), "{fault:?}");
        stand.open_in(&sink, "t", "n UInt64", AtLeastOnce)?;
    }
    Ok(())
}

#[test]
fn an_old_server_is_refused_for_what_it_does_not_know() -> anyhow::Result<()> {
    let (stand, old) = (Stand::new()?, Services::clickhouse_2018()?);
    let current = stand.sink(&old, "")?;
    let fault = says(
        stand.open_in(&current, "t", "n UInt64", ExactlyOnce),
        &["does not know the setting", "expected ClickHouse 22.2 or newer, or delivery = \"at-least-once\""],
    )?;
    ensure!(matches!(fault, SinkFault::Refused(_)), "{fault:?}");
    ensure!(current.best() == ExactlyOnce);
    ensure!(stand.sink(&old, "format = \"RowBinary\"")?.best() == AtLeastOnce);
    Ok(())
}
