//! Files that are dropped, changed, renamed and removed.

use std::time::SystemTime;

use anyhow::ensure;
use tidegate_tests::harness::{Gateway, NumbersTenant, Version, eventually, rename};

const NO_PROBATION: &str = "[probation]\nranges = 0";

fn trusted(name: &str) -> Version {
    Version { sections: NO_PROBATION.to_owned(), ..Version::named(name) }
}

#[test]
fn a_pipeline_that_is_dropped_in_starts_is_swapped_between_ranges_and_ends_when_it_is_removed() -> anyhow::Result<()> {
    let numbers = NumbersTenant::new("comes", 2)?;
    let feed = numbers.feed(2_000.0)?;
    let gateway = Gateway::start(&numbers.tenant, &numbers.tenant.gateway_file())?;
    // The plugin before its pipeline file, which is written in two halves.
    numbers.write_plugin("1")?;
    let text = numbers.text(&trusted("one"));
    let (first, second) = text.split_at(text.len() / 2);
    std::fs::write(numbers.file("numbers.toml"), first)?;
    std::fs::write(numbers.file("numbers.toml"), [first, second].concat())?;
    numbers.wait_for_rows_of("one")?;
    numbers.write(&trusted("two"))?;
    numbers.wait_for_rows_of("two")?;
    numbers.write_plugin("2")?;
    let (hash, _) = hash_of("2")?;
    numbers.status(&[&hash, "\"refused\": null"])?;
    let last = feed.finish()?;
    numbers.tenant.wait_for("numbers", &numbers.topic)?;
    // By offset: one version after the other, and nothing of both.
    let table = format!("{}.numbers", numbers.tenant.name);
    let overlap = numbers.tenant.clickhouse.number(&format!(
        "SELECT count() FROM {table} WHERE version = 'one' AND number > (SELECT min(number) FROM {table} WHERE version = 'two') + 2000"
    ))?;
    ensure!(overlap == 0, "{overlap} rows of the old version are far behind the first of the new one");
    for name in ["numbers.toml", "numbers.wasm"] {
        std::fs::remove_file(numbers.file(name))?;
    }
    eventually("the pipeline is gone", || {
        let page = gateway.ready()?.text;
        ensure!(!page.contains("/numbers"), "{page}");
        Ok(())
    })?;
    ensure!(!numbers.file("numbers.status.json").exists(), "its status file is still there");
    ensure!(gateway.samples("tidegate_running", &["pipeline=\"numbers\""])?.is_empty(), "it is still said to run");
    numbers.each_once(gateway, last)
}

fn hash_of(build: &str) -> anyhow::Result<(String, Vec<u8>)> {
    let plugin = tidegate_tests::harness::plugin(build)?;
    Ok((tidegate::plugin::PluginHash::of(&plugin).to_string(), plugin))
}

#[test]
fn a_touch_and_a_comment_swap_nothing_and_a_lookup_file_that_changes_does() -> anyhow::Result<()> {
    let numbers = NumbersTenant::new("touch", 1)?;
    numbers.write_plugin("1")?;
    let lookups = "[lookups.names]\nfile = \"names.csv\"\nkey = \"id\"";
    let version = Version { sections: format!("{NO_PROBATION}\n{lookups}"), ..Version::named("one") };
    std::fs::write(numbers.file("names.csv"), "id,name\n1,tea\n")?;
    numbers.write(&version)?;
    let gateway = Gateway::start(&numbers.tenant, &numbers.tenant.gateway_file())?;
    let before = numbers.status(&["\"on_probation\": false"])?;
    let live = || gateway.metric("tidegate_swaps_total", &["outcome=\"live\""]);
    let touched = std::fs::File::options().append(true).open(numbers.file("numbers.wasm"))?;
    touched.set_modified(SystemTime::now())?;
    numbers.replace("numbers.toml", format!("# a comment\n{}", numbers.text(&version)).as_bytes())?;
    // What comes behind them in the same folder has been seen when the lookup file takes over.
    std::fs::write(numbers.file("names.csv"), "id,name\n1,mead\n")?;
    eventually("the lookup file takes over", || {
        let swaps = live()?;
        ensure!(swaps == 1.0, "{swaps} swaps");
        Ok(())
    })?;
    let after = numbers.status(&["\"refused\": null"])?;
    ensure!(before.pointer("/running/plugin") == after.pointer("/running/plugin"), "{before} {after}");
    ensure!(before.pointer("/running/settings") != after.pointer("/running/settings"), "{before} {after}");
    std::fs::write(numbers.file("names.csv"), "number,name\n1,mead\n")?;
    gateway.says(&["/numbers: running", "names.csv` has no column `id`"])?;
    std::fs::write(numbers.file("names.csv"), "id,name\n1,mead\n")?;
    gateway.is_well()?;
    ensure!(live()? == 1.0, "what was refused and withdrawn swapped something");
    gateway.stop()
}

#[test]
fn a_renamed_pipeline_does_not_silently_begin_a_new_group() -> anyhow::Result<()> {
    let numbers = NumbersTenant::new("rename", 1)?;
    numbers.write_plugin("1")?;
    numbers.write(&trusted("one"))?;
    let feed = numbers.feed(1_000.0)?;
    let gateway = Gateway::start(&numbers.tenant, &numbers.tenant.gateway_file())?;
    numbers.wait_for_rows_of("one")?;
    let last = feed.finish()?;
    numbers.tenant.wait_for("numbers", &numbers.topic)?;
    rename(&numbers.file("numbers.toml"), &numbers.file("orders.toml"))?;
    rename(&numbers.file("numbers.wasm"), &numbers.file("orders.wasm"))?;
    let tenant = &numbers.tenant.name;
    let group = format!("expected group = \"tidegate.{tenant}.numbers\" to go on where that stopped");
    gateway.says(&["/orders: refused", &group])?;
    // The operator says what is meant.
    let top = format!("group = \"tidegate.{tenant}.numbers\"");
    let kept = Version { top, ..trusted("two") };
    numbers.replace("orders.toml", numbers.text(&kept).as_bytes())?;
    eventually("it goes on under its new name", || {
        let page = gateway.ready()?.text;
        ensure!(page.contains("/orders: running") && !page.contains("/numbers: "), "{page}");
        Ok(())
    })?;
    ensure!(numbers.rows_of("two")? == 0, "records were read again");
    numbers.each_once(gateway, last)
}

#[test]
fn another_topic_is_another_membership_of_the_same_group() -> anyhow::Result<()> {
    let numbers = NumbersTenant::new("anew", 1)?;
    let more = numbers.tenant.create_topic("more", 1)?;
    numbers.write_plugin("1")?;
    numbers.write(&trusted("one"))?;
    let feed = numbers.feed(1_000.0)?;
    let gateway = Gateway::start(&numbers.tenant, &numbers.tenant.gateway_file())?;
    numbers.wait_for_rows_of("one")?;
    let text = numbers.text(&trusted("two"));
    let both = format!("topics = [\"{}\", \"{more}\"]", numbers.topic);
    let text = text.replace(&format!("topics = [\"{}\"]", numbers.topic), &both);
    numbers.replace("numbers.toml", text.as_bytes())?;
    numbers.wait_for_rows_of("two")?;
    let last = feed.finish()?;
    numbers.tenant.kafka.send(&more, 0, &[number(last + 1)])?;
    numbers.tenant.wait_for("numbers", &more)?;
    numbers.each_once(gateway, last + 1)
}

fn number(number: u64) -> tidegate_tests::harness::Message {
    tidegate_tests::harness::Message {
        value: Some(number.to_string().into_bytes()),
        timestamp: 1_795_000_000_000,
        ..Default::default()
    }
}
