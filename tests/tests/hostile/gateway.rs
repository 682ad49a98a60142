//! The whole gateway with hostile pipelines of every kind at once, and an honest one beside them.

use std::collections::BTreeMap;

use anyhow::{Context, ensure};
use serde_json::Value;
use tidegate_tests::harness::{Gateway, GatewayFile, Message, PipelineFile, Tenant};

/// Something that a record commands, and what is to become of that record.
struct Hostile {
    name: &'static str,
    plugin: &'static str,
    command: &'static str,
    /// More lines of the pipeline's file.
    more: &'static str,
    stage: &'static str,
    reason: &'static str,
}

const fn trap(name: &'static str, plugin: &'static str, command: &'static str, reason: &'static str) -> Hostile {
    Hostile { name, plugin, command, more: "", stage: "trap", reason }
}

const fn encode(name: &'static str, command: &'static str, reason: &'static str) -> Hostile {
    Hostile { name, plugin: "liar", command, more: "", stage: "encode", reason }
}

const HOSTILE: [Hostile; 16] = [
    trap("panic", "unruly", "panic out of tea", "the plugin trapped: panicked at tests/guests/unruly/src/lib.rs"),
    trap("recursion", "unruly", "recurse", "the plugin reached a limit: its calls are nested deeper than"),
    trap("memory", "unruly", "grow 1000", "the plugin reached a limit: its memory would grow to"),
    trap("gigabyte", "unruly", "output 1024", "the plugin reached a limit: its memory would grow to"),
    Hostile {
        more: "[limits]\ncpu = \"200 ms\"",
        ..trap("spin", "unruly", "spin", "the plugin reached a limit: one call takes more than 2 s of CPU time")
    },
    Hostile {
        more: "[lookups.products]\nfile = \"products.csv\"\nkey = \"product_id\"\n[settings]\ntable = \"products\"",
        ..trap("lookups", "unruly", "flood-lookup 1000000", "it asks lookup tables more than 100 times a record")
    },
    Hostile { plugin: "unruly", ..encode("rows", "ok 1000000", "it became 1000000 rows, and 10000 is the limit") },
    trap("backwards", "liar", "backwards", "the plugin broke the contract: rows for route `line`: row"),
    trap("beyond", "liar", "beyond", "to 4294967295, but there are"),
    trap("origin", "liar", "origin 4000000", "row 0 comes from record 4000000 in a batch of 1"),
    trap("route", "liar", "route 7", "rows for route 7, but there are 1 routes"),
    trap("reject", "liar", "reject 999999", "a reject of record 999999 in a batch of 1"),
    encode("short", "short 3", "column `text`: the row ends within the value"),
    encode("length", "length", "column `text`: the row ends within the value"),
    encode("enum", "enum", "column `kind`: "),
    encode("text", "text", "column `text`: the text is not UTF-8"),
];

/// How many records each pipeline gets.
const RECORDS: usize = 600;

/// Where the hostile ones are: alone, two beside each other, and the last.
const PLACES: [usize; 4] = [0, 300, 301, RECORDS - 1];

const NEIGHBOUR: usize = 30_000;

#[test]
fn what_records_command_costs_those_records_and_no_neighbour_hears_of_it() -> anyhow::Result<()> {
    let tenant = Tenant::new("hostile")?;
    for Hostile { name, plugin, command, more, .. } in &HOSTILE {
        let topic = install(&tenant, name, plugin, more)?;
        tenant.kafka.send(
            &topic,
            0,
            &messages(RECORDS, |index| if PLACES.contains(&index) { command } else { "ok 1" }),
        )?;
    }
    let neighbour = install(&tenant, "neighbour", "unruly", "")?;
    tenant.kafka.send(&neighbour, 0, &messages(NEIGHBOUR, |_| "ok 1"))?;
    let gateway = Gateway::start(&tenant, &gateway_file(&tenant))?;
    for Hostile { name, .. } in &HOSTILE {
        tenant.wait_for(name, &format!("{}.{name}", tenant.name)).with_context(|| (*name).to_owned())?;
    }
    tenant.wait_for("neighbour", &neighbour)?;
    gateway.is_well()?;
    for hostile in &HOSTILE {
        let labels = [format!("pipeline=\"{}\"", hostile.name), format!("stage=\"{}\"", hostile.stage)];
        let rejects = gateway.metric("tidegate_rejects_total", &[&labels[0], &labels[1]])?;
        ensure!(rejects == PLACES.len() as f64, "{}: {rejects} rejects", hostile.name);
        let traps = gateway.metric("tidegate_traps_total", &[&labels[0]])?;
        ensure!((traps > 0.0) == (hostile.stage == "trap"), "{}: {traps} traps", hostile.name);
        let runs = gateway.metric("tidegate_isolation_runs_total", &[&labels[0]])?;
        ensure!(runs <= 2.0 * RECORDS as f64, "{}: {runs} runs", hostile.name);
    }
    gateway.stop()?;
    for hostile in &HOSTILE {
        check(&tenant, hostile).with_context(|| hostile.name.to_owned())?;
    }
    ensure!(rows(&tenant, "neighbour")? == once(0..NEIGHBOUR), "the neighbour's rows are not all there once");
    ensure!(tenant.kafka.count(&format!("{neighbour}.dead"))? == 0, "the neighbour has dead letters");
    Ok(())
}

#[test]
fn a_plugin_that_fails_on_everything_pauses_its_pipeline_until_it_is_mended() -> anyhow::Result<()> {
    let tenant = Tenant::new("paused")?;
    let topic = install(&tenant, "broken", "unruly", "")?;
    tenant.kafka.send(&topic, 0, &messages(RECORDS, |_| "panic at the disco"))?;
    let neighbour = install(&tenant, "neighbour", "unruly", "")?;
    tenant.kafka.send(&neighbour, 0, &messages(NEIGHBOUR, |_| "ok 1"))?;
    let gateway = Gateway::start(&tenant, &gateway_file(&tenant))?;
    gateway.says(&[
        "/broken: paused",
        "  plugin: each of 32 records fails by itself, and none passes; record ",
        "at the disco",
        "nothing is read until its files change",
    ])?;
    tenant.wait_for("neighbour", &neighbour)?;
    let answer = gateway.says(&["/neighbour: running", "/broken: paused"])?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.text);
    let runs = gateway.metric("tidegate_isolation_runs_total", &["pipeline=\"broken\""])?;
    ensure!(runs == 33.0, "{runs} runs");
    ensure!(gateway.metric("tidegate_running", &["pipeline=\"broken\""])? == 0.0, "it is said to run");
    // What comes now is not even fetched.
    tenant.kafka.send(&topic, 0, &messages(RECORDS, |_| "ok 1"))?;
    gateway.stop()?;
    let committed = tenant.group("broken", &topic)?.committed()?;
    ensure!(committed == [Some(0)], "committed is {committed:?}");
    ensure!(tenant.kafka.count(&format!("{topic}.dead"))? == 0, "there are dead letters");

    // Another plugin knows nothing of panics: it drops what it does not know.
    tenant.install(&pipeline_file(&tenant, "broken", "liar", ""))?;
    let gateway = Gateway::start(&tenant, &gateway_file(&tenant))?;
    tenant.wait_for("broken", &topic)?;
    gateway.is_well()?;
    gateway.stop()?;
    ensure!(rows(&tenant, "broken")? == once(RECORDS..2 * RECORDS), "rows of what came later are missing");
    Ok(())
}

#[test]
fn records_that_fail_only_together_stop_their_partition_and_are_named() -> anyhow::Result<()> {
    let tenant = Tenant::new("together")?;
    let topic = install(&tenant, "crowd", "liar", "")?;
    tenant.kafka.send(&topic, 0, &messages(RECORDS, |index| if index == 77 { "alone" } else { "ok 1" }))?;
    let gateway = Gateway::start(&tenant, &gateway_file(&tenant))?;
    let answer = gateway.says(&[
        "/crowd: running",
        &format!("  partition {topic}/0: records "),
        "fail together, though none of them fails alone: the plugin trapped: ",
        "the partition stops here",
    ])?;
    ensure!(answer.text.contains(" 77 "), "record 77 is not named:\n{}", answer.text);
    gateway.stop()?;
    ensure!(tenant.kafka.count(&format!("{topic}.dead"))? == 0, "there are dead letters");
    ensure!(tenant.group("crowd", &topic)?.committed()? == [Some(0)], "something is committed");
    ensure!(rows(&tenant, "crowd")?.is_empty(), "something is written");
    Ok(())
}

#[test]
fn where_no_dead_letters_are_kept_a_record_that_traps_stops_its_partition_or_is_dropped() -> anyhow::Result<()> {
    let tenant = Tenant::new("no_letters")?;
    for (name, word) in [("stops", "stop"), ("drops", "drop")] {
        let topic = tenant.create_topic(name, 1)?;
        let mut file = pipeline_file(&tenant, name, "unruly", "");
        file.on_reject(word)?;
        tenant.install(&file)?;
        tenant.kafka.send(&topic, 0, &messages(RECORDS, |index| if index == 5 { "trap" } else { "ok 1" }))?;
    }
    let gateway = Gateway::start(&tenant, &gateway_file(&tenant))?;
    tenant.wait_for("drops", &format!("{}.drops", tenant.name))?;
    gateway.says(&["record 5 is rejected, and on_reject is \"stop\": the plugin trapped: "])?;
    let rejects = gateway.metric("tidegate_rejects_total", &["pipeline=\"drops\"", "stage=\"trap\""])?;
    ensure!(rejects == 1.0, "{rejects} rejects");
    gateway.stop()?;
    let mut expected = once(0..RECORDS);
    expected.remove(&5);
    ensure!(rows(&tenant, "drops")? == expected, "rows are missing");
    ensure!(rows(&tenant, "stops")?.is_empty(), "something is written");
    Ok(())
}

/// A pipeline of this name with a topic and a table that are called like it.
fn install(tenant: &Tenant, name: &str, plugin: &'static str, more: &str) -> anyhow::Result<String> {
    let topic = tenant.create_topic(name, 1)?;
    tenant.install(&pipeline_file(tenant, name, plugin, more))?;
    Ok(topic)
}

fn pipeline_file(tenant: &Tenant, name: &str, plugin: &'static str, more: &str) -> PipelineFile {
    let topic = format!("{}.{name}", tenant.name);
    let text = format!(
        "topics = [\"{topic}\"]\ndead_letter = \"{topic}.dead\"\n[batch]\nlinger = \"100 ms\"\n[routes]\nline = \"files:{name}\"\n{more}\n"
    );
    PipelineFile { name: name.to_owned(), plugin, text }
}

fn gateway_file(tenant: &Tenant) -> GatewayFile {
    let sinks = "[sinks.files]\ntype = \"file\"\npath = \"out\"".to_owned();
    GatewayFile { sinks, ..tenant.gateway_file() }
}

fn messages(count: usize, value: impl Fn(usize) -> &'static str) -> Vec<Message> {
    let message = |index| Message {
        key: Some(format!("key {index}").into_bytes()),
        value: Some(value(index).as_bytes().to_vec()),
        headers: vec![("number".to_owned(), Some(index.to_string().into_bytes()))],
        timestamp: 1_795_000_000_000,
    };
    (0..count).map(message).collect()
}

/// How many rows each offset has in the table that is called like the pipeline.
fn rows(tenant: &Tenant, name: &str) -> anyhow::Result<BTreeMap<usize, usize>> {
    let file = tenant.folder().join("out").join(name).join(format!("{}.{name}-0.jsonl", tenant.name));
    let mut rows = BTreeMap::new();
    if !file.exists() {
        return Ok(rows);
    }
    for line in std::fs::read_to_string(&file)?.lines() {
        let row: Value = serde_json::from_str(line)?;
        let offset = match row.get("_offset") {
            Some(Value::String(text)) => text.parse()?,
            offset => offset.and_then(Value::as_u64).context("a row has no offset")?,
        };
        *rows.entry(usize::try_from(offset)?).or_default() += 1;
    }
    Ok(rows)
}

fn once(offsets: std::ops::Range<usize>) -> BTreeMap<usize, usize> {
    offsets.map(|offset| (offset, 1)).collect()
}

/// That the honest records have their rows, each once, and the others their letters, raw and with the reason.
fn check(tenant: &Tenant, hostile: &Hostile) -> anyhow::Result<()> {
    let topic = format!("{}.{}", tenant.name, hostile.name);
    let mut expected = once(0..RECORDS);
    for place in PLACES {
        match hostile.stage {
            // Two right rows stand around the wrong one.
            "encode" if hostile.plugin == "liar" => expected.insert(place, 2),
            _ => expected.remove(&place),
        };
    }
    let found = rows(tenant, hostile.name)?;
    ensure!(found == expected, "rows are {found:?}");
    let letters = tenant.kafka.read(&format!("{topic}.dead"))?;
    let mut offsets = Vec::new();
    for letter in letters {
        let header = |name: &str| -> anyhow::Result<&str> {
            let value = letter.message.headers.iter().rev().find(|(each, _)| each == name);
            Ok(std::str::from_utf8(value.and_then(|(_, value)| value.as_deref()).with_context(|| name.to_owned())?)?)
        };
        let offset: usize = header("tidegate-offset")?.parse()?;
        ensure!(header("tidegate-stage")? == hostile.stage, "stage is {}", header("tidegate-stage")?);
        ensure!(header("tidegate-reason")?.contains(hostile.reason), "reason is {}", header("tidegate-reason")?);
        ensure!(header("tidegate-plugin")?.len() == 64, "plugin is {}", header("tidegate-plugin")?);
        ensure!(letter.message.value.as_deref() == Some(hostile.command.as_bytes()), "value differs");
        ensure!(letter.message.key == Some(format!("key {offset}").into_bytes()), "key differs");
        ensure!(header("number")? == offset.to_string(), "its own header differs");
        offsets.push(offset);
    }
    offsets.sort_unstable();
    ensure!(offsets == PLACES, "letters are of {offsets:?}");
    Ok(())
}
