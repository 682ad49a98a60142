//! New versions beside the former: what is worse is rolled back before anything of it was sent, and stays away over a restart.

use anyhow::ensure;
use tidegate_tests::harness::{Gateway, NumbersTenant, Version, eventually};

fn bad(name: &str, settings: &str) -> Version {
    Version { settings: settings.to_owned(), ..Version::named(name) }
}

fn rolled_back(gateway: &Gateway) -> anyhow::Result<()> {
    eventually("the version is rolled back", || {
        let count = gateway.metric("tidegate_swaps_total", &["outcome=\"rolled_back\""])?;
        ensure!(count >= 1.0, "{}", gateway.ready()?.text);
        Ok(())
    })
}

#[test]
fn a_version_that_rejects_what_the_former_takes_is_rolled_back_and_dead_letters_nothing() -> anyhow::Result<()> {
    let numbers = NumbersTenant::new("rejects", 3)?;
    numbers.write_plugin("1")?;
    numbers.write(&Version::named("one"))?;
    let feed = numbers.feed(3_000.0)?;
    let gateway = Gateway::start(&numbers.tenant, &numbers.tenant.gateway_file())?;
    numbers.wait_for_rows_of("one")?;
    numbers.write(&bad("two", "reject_every = 10"))?;
    rolled_back(&gateway)?;
    let reason = "rolled back by itself: ";
    gateway.says(&["/numbers: running", reason, "is not to the liking of version two"])?;
    numbers.status(&[reason])?;
    // The same files again are the same version.
    let restarted = numbers.tenant.gateway_file();
    gateway.stop()?;
    let gateway = Gateway::start(&numbers.tenant, &restarted)?;
    gateway.says(&["/numbers: running", reason])?;
    numbers.write(&Version::named("three"))?;
    numbers.wait_for_rows_of("three")?;
    gateway.is_well()?;
    ensure!(numbers.rows_of("two")? == 0, "rows of the version that was rolled back were sent");
    let last = feed.finish()?;
    numbers.each_once(gateway, last)
}

#[test]
fn a_version_that_traps_on_everything_is_rolled_back_as_well() -> anyhow::Result<()> {
    let numbers = NumbersTenant::new("traps", 2)?;
    numbers.write_plugin("1")?;
    numbers.write(&Version::named("one"))?;
    let feed = numbers.feed(2_000.0)?;
    let gateway = Gateway::start(&numbers.tenant, &numbers.tenant.gateway_file())?;
    numbers.wait_for_rows_of("one")?;
    numbers.write(&bad("two", "trap_every = 1"))?;
    rolled_back(&gateway)?;
    gateway.says(&["/numbers: running", "rolled back by itself", "is too much for version two"])?;
    let last = feed.finish()?;
    numbers.each_once(gateway, last)
}

#[test]
fn a_version_that_is_no_worse_than_the_former_is_proven() -> anyhow::Result<()> {
    let numbers = NumbersTenant::new("proven", 2)?;
    numbers.write_plugin("1")?;
    numbers.write(&bad("one", "reject_every = 10"))?;
    let feed = numbers.feed(2_000.0)?;
    let gateway = Gateway::start(&numbers.tenant, &numbers.tenant.gateway_file())?;
    numbers.wait_for_rows_of("one")?;
    // It rejects fewer records than the former, and some of the same.
    numbers.write(&bad("two", "reject_every = 20"))?;
    let status = numbers.status(&["\"on_probation\": true"])?;
    ensure!(status.pointer("/refused").is_some_and(serde_json::Value::is_null), "{status}");
    let status = numbers.status(&["\"on_probation\": false", "\"refused\": null"])?;
    gateway.says(&["/numbers: running"])?;
    numbers.wait_for_rows_of("two")?;
    ensure!(gateway.metric("tidegate_swaps_total", &["outcome=\"rolled_back\""])? == 0.0, "{status}");
    let last = feed.finish()?;
    numbers.tenant.wait_for("numbers", &numbers.topic)?;
    gateway.stop()?;
    // Every number is a row or a letter, and none is both.
    let rows = numbers.rows_of("one")? + numbers.rows_of("two")?;
    let letters = numbers.tenant.kafka.read(&format!("{}.dead", numbers.topic))?;
    ensure!(rows + i64::try_from(letters.len())? == i64::try_from(last)?, "{rows} rows, {} letters", letters.len());
    Ok(())
}

#[test]
fn the_last_good_version_runs_after_a_restart_while_what_lies_there_is_broken() -> anyhow::Result<()> {
    let numbers = NumbersTenant::new("restart", 1)?;
    numbers.write_plugin("1")?;
    numbers.write(&Version::named("one"))?;
    let file = numbers.tenant.gateway_file();
    let gateway = Gateway::start(&numbers.tenant, &file)?;
    gateway.is_well()?;
    gateway.stop()?;
    numbers.replace("numbers.wasm", b"\0asm, but no more than that")?;
    let feed = numbers.feed(1_000.0)?;
    let gateway = Gateway::start(&numbers.tenant, &file)?;
    numbers.wait_for_rows_of("one")?;
    gateway.says(&["/numbers: running", "numbers.wasm"])?;
    let last = feed.finish()?;
    numbers.each_once(gateway, last)
}
