//! The tap of a running pipeline: what it shows is what came from Kafka and what goes to the sink, and nobody who looks, or does not look,
//! holds anything up.

mod command;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, ensure};
use serde_json::Value;
use tidegate_tests::harness::{Feed, Gateway, GatewayFile, Message, Padded, PipelineFile, Shop, Tenant, eventually};

use command::{Ended, Tapping, ask, read_until_skipped, run_tap, tap};

const SHOP: Shop = Shop { count: 0, partitions: 3, malformed: 0.02 };

/// Records a second: enough that there is always something to see.
const RATE: f64 = 3_000.0;

#[test]
fn what_is_shown_is_what_came_from_kafka_and_what_goes_to_the_sink() -> anyhow::Result<()> {
    let sales = Running::sales("taps")?;
    // For some seconds, so that ranges of every partition come by.
    let shown = sales.tap(&["--records", "120", "--per-second", "40"])?.samples()?;
    let rejects = sales.tap(&["--only", "rejects", "--records", "15", "--per-second", "100"])?.samples()?;
    let drops = sales.tap(&["--only", "drops", "--records", "15", "--per-second", "100"])?.samples()?;
    let rows =
        sales.tap(&["--only", "rows", "--records", "15", "--partition", &format!("{}/1", sales.topic)])?.samples()?;
    let (records, rows_of_files, letters) = sales.finish()?;

    let became = |samples: &[Value]| -> BTreeSet<String> {
        samples.iter().map(|sample| sample["became"].as_str().unwrap_or_default().to_owned()).collect()
    };
    ensure!(shown.len() == 120 && became(&shown).contains("rows") && became(&shown).contains("dropped"), "{shown:?}");
    ensure!(rejects.len() == 15 && became(&rejects) == ["rejected".to_owned()].into(), "{rejects:?}");
    ensure!(drops.len() == 15 && became(&drops) == ["dropped".to_owned()].into(), "{drops:?}");
    ensure!(rows.len() == 15 && became(&rows) == ["rows".to_owned()].into(), "{rows:?}");
    ensure!(rows.iter().all(|sample| sample["partition"] == 1), "{rows:?}");
    let partitions: BTreeSet<_> = shown.iter().map(|sample| sample["partition"].as_i64()).collect();
    ensure!(partitions.len() == 3, "only partitions {partitions:?} are shown");

    for sample in shown.iter().chain(&rejects).chain(&drops).chain(&rows) {
        let place =
            (sample["partition"].as_i64().context("no partition")?, sample["offset"].as_i64().context("no offset")?);
        let record = records.get(&place).with_context(|| format!("there is no record {place:?}"))?;
        same_record(sample, record).with_context(|| format!("record {place:?}: {sample}"))?;
        let columns: Vec<_> =
            sample["rows"].as_array().into_iter().flatten().map(|row| row["columns"].clone()).collect();
        let expected: Vec<_> = rows_of_files.get(&place).into_iter().cloned().collect();
        ensure!(columns == expected, "record {place:?} has rows {columns:?}, its file {expected:?}");
        let reason = sample["reject"]["reason"].as_str();
        ensure!(
            reason == letters.get(&place).map(String::as_str),
            "record {place:?}: {reason:?}, not {:?}",
            letters.get(&place)
        );
        ensure!((sample["became"] == "dropped") == (columns.is_empty() && reason.is_none()), "{sample}");
    }
    Ok(())
}

#[test]
fn records_are_chosen_by_route_and_by_key_and_all_their_rows_are_shown() -> anyhow::Result<()> {
    let stock = Running::stock("routes")?;
    let corrections = stock.tap(&["--route", "correction", "--records", "10", "--per-second", "50"])?.samples()?;
    ensure!(corrections.len() == 10, "{corrections:?}");
    let table = format!("files:{}.stock_corrections", stock.tenant.name);
    for sample in &corrections {
        ensure!(sample["rows"][0]["route"] == "correction" && sample["rows"][0]["table"] == *table, "{sample}");
    }
    let any = stock.tap(&["--only", "rows", "--records", "60", "--per-second", "200"])?.samples()?;
    let transfer = any.iter().find(|sample| sample["rows"].as_array().is_some_and(|rows| rows.len() == 2));
    let transfer = transfer.context("a tenth of the movements are transfers, and none is shown")?;
    let quantities = [0, 1].map(|row| transfer["rows"][row]["columns"]["quantity"].as_i64().unwrap_or_default());
    ensure!(quantities[0] < 0 && quantities[0] == -quantities[1], "{transfer}");

    let key = any.iter().find_map(|sample| sample["key"]["text"].as_str()).context("no record has a key")?;
    let same = stock.tap(&["--key", key, "--records", "5", "--per-second", "50"])?.samples()?;
    ensure!(same.len() == 5 && same.iter().all(|sample| sample["key"]["text"] == key), "{key}: {same:?}");

    let unknown = stock.tap(&["--route", "corection"])?;
    ensure!(unknown.code == Some(64), "{unknown:?}");
    ensure!(unknown.err.contains("the plugin has no route `corection`; the nearest is `correction`"), "{unknown:?}");
    Ok(())
}

#[test]
fn nobody_who_does_not_read_holds_a_pipeline_up_and_a_fifth_listener_is_sent_away() -> anyhow::Result<()> {
    let tenant = Tenant::new("standstill")?;
    let topic = tenant.create_topic("sales", SHOP.partitions)?;
    tenant.install(&to_files(tenant.pipeline("sales", &topic)?)?)?;
    let gateway = Gateway::start(&tenant, &with_files(&tenant))?;
    gateway.is_well()?;
    let path = format!("/tap/{}/sales?records=1000000&per_second=1000&full=true", tenant.name);
    let mut still: Vec<_> = (0..4).map(|_| ask(&gateway, &path)).collect::<Result<_, _>>()?;
    let busy = tap(&gateway, &tenant, &[])?;
    ensure!(busy.code == Some(1) && busy.err.contains("4 others listen already"), "{busy:?}");

    // Far more than the connections and their queues take.
    let source = Padded::new(SHOP.sales()?, 4_000);
    let feed = Feed::start(SHOP.writer(&tenant, &topic)?, source, 5_000.0);
    eventually("the pipeline goes on", || {
        let completed = gateway.metric("tidegate_completed_records_total", &[])?;
        ensure!(completed >= 20_000.0, "{completed} records");
        Ok(())
    })?;
    let written = feed.finish()?;
    tenant.wait_for("sales", &topic)?;
    let rows = gateway.metric("tidegate_rows_total", &[])?;
    ensure!(rows > 0.8 * written as f64, "{rows} rows of {written} records");

    // Who reads on is told what was skipped, and one that goes away leaves its place to another.
    let mut first = still.pop().context("there is no listener")?;
    read_until_skipped(&mut first)?;
    drop(still);
    let feed = Feed::start(SHOP.writer(&tenant, &topic)?, SHOP.sales()?, RATE);
    eventually("a place is free", || {
        let next = tap(&gateway, &tenant, &["--records", "3"])?;
        ensure!(next.code == Some(0), "{next:?}");
        Ok(())
    })?;
    feed.finish()?;
    gateway.stop()
}

#[test]
fn a_record_cannot_command_the_terminal_in_either_format() -> anyhow::Result<()> {
    let tenant = Tenant::new("escapes")?;
    let topic = tenant.create_topic("sales", 1)?;
    tenant.install(&to_files(tenant.pipeline("sales", &topic)?)?)?;
    let gateway = Gateway::start(&tenant, &with_files(&tenant))?;
    gateway.is_well()?;
    let evil = "\u{1b}]0;title\u{7}\u{1b}[2J\u{9b}31m\u{202e}\u{7f}\r";
    let message = Message {
        key: Some(evil.as_bytes().to_vec()),
        value: Some(format!("{{\"{evil}\"").into_bytes()),
        headers: vec![(evil.to_owned(), Some(evil.as_bytes().to_vec())), ("null".to_owned(), None)],
        timestamp: 1_795_000_000_000,
    };
    for format in ["text", "json"] {
        let tapping = Tapping::start(&gateway, &tenant, &["--records", "1", "--format", format])?;
        tapping.listens()?;
        tenant.kafka.send(&topic, 0, std::slice::from_ref(&message))?;
        let ended = tapping.end()?;
        ensure!(ended.code == Some(0), "{ended:?}");
        let commands = ended.out.chars().filter(|c| (c.is_control() && *c != '\n') || *c == '\u{202e}');
        ensure!(commands.count() == 0, "{:?}", ended.out);
        let written = if format == "text" {
            "\\x1b]0;title\\x07\\x1b[2J\\u{9b}31m"
        } else {
            "\\u001b]0;title\\u0007\\u001b[2J\\u009b31m"
        };
        ensure!(ended.out.matches(written).count() >= 4, "{}", ended.out);
        ensure!(
            ended.out.contains(if format == "text" { "null: is null" } else { "{\"name\":\"null\",\"value\":null}" }),
            "{}",
            ended.out
        );
    }
    gateway.stop()
}

#[test]
fn rows_of_a_range_and_its_failure_are_shown_as_those_of_the_range() -> anyhow::Result<()> {
    let tenant = Tenant::new("ranges")?;
    let topic = tenant.create_topic("counted", 1)?;
    let text = format!(
        "topics = [\"{topic}\"]\non_reject = \"drop\"\n[batch]\nlinger = \"100 ms\"\n[routes]\ncount = \"files:counts\"\n"
    );
    tenant.install(&PipelineFile { name: "sales".to_owned(), plugin: "counter", text })?;
    let gateway = Gateway::start(&tenant, &with_files(&tenant))?;
    gateway.is_well()?;
    let send = |value: &str| {
        let message = Message { value: Some(value.as_bytes().to_vec()), ..Message::default() };
        tenant.kafka.send(&topic, 0, &[message])
    };
    let tapping = Tapping::start(&gateway, &tenant, &["--records", "2", "--format", "json"])?;
    tapping.listens()?;
    send("one")?;
    let samples = tapping.end()?.samples()?;
    let range = samples.iter().find(|sample| sample["kind"] == "range").context("no range is shown")?;
    ensure!(range["rows"][0]["columns"]["records"] == 1 && range["rows"][0]["table"] == "files:counts", "{range}");
    ensure!((&range["first"], &range["last"]) == (&0.into(), &0.into()), "{range}");

    let tapping = Tapping::start(&gateway, &tenant, &["--records", "1", "--only", "rejects", "--format", "json"])?;
    tapping.listens()?;
    send("fail")?;
    let samples = tapping.end()?.samples()?;
    let fault = samples.first().and_then(|sample| sample["fault"].as_str()).context("no failure is shown")?;
    ensure!(fault.contains("records 1 to 1") && fault.contains("the count is not to be trusted"), "{fault}");
    gateway.stop()
}

#[test]
fn the_tap_is_closed_beyond_loopback_unless_the_gateways_file_opens_it() -> anyhow::Result<()> {
    let tenant = Tenant::new("closed")?;
    let topic = tenant.create_topic("sales", 1)?;
    tenant.install(&to_files(tenant.pipeline("sales", &topic)?)?)?;
    let mut refused = PipelineFile { name: "broken".to_owned(), plugin: "sales", text: "topics = 7\n".to_owned() };
    refused.section("[routes]");
    tenant.install(&refused)?;
    for (http, allowed) in [
        ("listen = \"0.0.0.0:0\"", false),
        ("listen = \"127.0.0.1:0\"\ntap = false", false),
        ("listen = \"0.0.0.0:0\"\ntap = true", true),
    ] {
        let gateway = Gateway::start(&tenant, &GatewayFile { http: http.to_owned(), ..with_files(&tenant) })?;
        gateway.says(&["sales: running", "broken: refused"])?;
        let unknown = run_tap(&gateway, &format!("{}/slaes", tenant.name), &[])?;
        let broken = run_tap(&gateway, &format!("{}/broken", tenant.name), &[])?;
        if allowed {
            let nearest = format!("there is no pipeline `{0}/slaes`; the nearest is `{0}/sales`\n", tenant.name);
            ensure!(unknown.code == Some(64) && unknown.err == nearest, "{unknown:?}");
            let refused =
                format!("{}/broken is refused, and only a running pipeline can be tapped; files: ", tenant.name);
            ensure!(broken.code == Some(1) && broken.err.starts_with(&refused), "{broken:?}");
            ensure!(broken.err.lines().count() == 1 && broken.err.contains("`topics`: is 7"), "{broken:?}");
        } else {
            for ended in [unknown, broken] {
                ensure!(ended.code == Some(64) && ended.err.starts_with("the tap is closed: "), "{http}: {ended:?}");
                ensure!(ended.err.contains("tap = "), "{http}: {ended:?}");
            }
        }
        gateway.stop()?;
    }
    Ok(())
}

/// A pipeline with records that keep coming.
struct Running {
    tenant: Tenant,
    topic: String,
    table: String,
    gateway: Gateway,
    feed: Feed,
}

/// By partition and offset.
type Places<T> = BTreeMap<(i64, i64), T>;

impl Running {
    fn sales(test: &str) -> anyhow::Result<Self> {
        let tenant = Tenant::new(test)?;
        let topic = tenant.create_topic("sales", SHOP.partitions)?;
        tenant.install(&to_files(tenant.pipeline("sales", &topic)?)?)?;
        let feed = Feed::start(SHOP.writer(&tenant, &topic)?, SHOP.sales()?, RATE);
        Self::start(tenant, topic, "sales", feed)
    }

    fn stock(test: &str) -> anyhow::Result<Self> {
        let tenant = Tenant::new(test)?;
        let topic = tenant.create_topic("stock", SHOP.partitions)?;
        let mut pipeline = to_files(tenant.pipeline("warehouse", &topic)?)?;
        // The tap of a test is always that of the pipeline `sales`.
        pipeline.name = "sales".to_owned();
        tenant.install(&pipeline)?;
        let feed = Feed::start(SHOP.writer(&tenant, &topic)?, SHOP.stock()?, RATE);
        Self::start(tenant, topic, "stock_movements", feed)
    }

    fn start(tenant: Tenant, topic: String, table: &str, feed: Feed) -> anyhow::Result<Self> {
        let gateway = Gateway::start(&tenant, &with_files(&tenant))?;
        gateway.is_well()?;
        Ok(Self { tenant, topic, table: table.to_owned(), gateway, feed })
    }

    fn tap(&self, arguments: &[&str]) -> anyhow::Result<Ended> {
        tap(&self.gateway, &self.tenant, &[&["--format", "json"], arguments].concat())
    }

    /// Ends the feed, and returns all records, the row of each that has one, and the reasons of the rejects.
    fn finish(self) -> anyhow::Result<(Places<Message>, Places<Value>, Places<String>)> {
        let Self { tenant, topic, table, gateway, feed } = self;
        feed.finish()?;
        tenant.wait_for("sales", &topic)?;
        gateway.stop()?;
        let received = tenant.kafka.read(&topic)?;
        let records = received.into_iter().map(|each| ((each.partition.into(), each.offset), each.message)).collect();
        let mut rows = BTreeMap::new();
        for partition in 0..SHOP.partitions {
            let folder = tenant.folder().join("out").join(&tenant.name).join(&table);
            let lines = std::fs::read_to_string(folder.join(format!("{topic}-{partition}.jsonl")))?;
            for line in lines.lines() {
                let row: Value = serde_json::from_str(line)?;
                let offset = row.get("_offset").and_then(Value::as_i64).context("there is no offset")?;
                rows.insert((partition.into(), offset), row);
            }
        }
        let mut letters = BTreeMap::new();
        for letter in tenant.kafka.read(&format!("{topic}.dead"))? {
            let told = |name: &str| -> anyhow::Result<String> {
                let header = letter.message.headers.iter().find(|(each, _)| each == name);
                let value = header.and_then(|(_, value)| value.clone()).with_context(|| format!("no {name}"))?;
                Ok(String::from_utf8(value)?)
            };
            let place = (told("tidegate-partition")?.parse()?, told("tidegate-offset")?.parse()?);
            letters.insert(place, told("tidegate-reason")?);
        }
        Ok((records, rows, letters))
    }
}

fn same_record(sample: &Value, record: &Message) -> anyhow::Result<()> {
    let same = |shown: &Value, bytes: Option<&[u8]>| match bytes {
        None => shown.is_null(),
        Some(bytes) => {
            let as_text = std::str::from_utf8(bytes).is_ok_and(|text| shown["text"] == text);
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            shown["bytes"] == bytes.len() && (as_text || shown["hex"] == *hex)
        }
    };
    ensure!(same(&sample["key"], record.key.as_deref()), "the key is {:?}", record.key);
    ensure!(same(&sample["value"], record.value.as_deref()), "the value is {:?}", record.value);
    ensure!(sample["timestamp"] == record.timestamp, "the timestamp is {}", record.timestamp);
    let headers = sample["headers"].as_array().context("there are no headers")?;
    ensure!(headers.len() == record.headers.len(), "the headers are {:?}", record.headers);
    for (shown, (name, value)) in headers.iter().zip(&record.headers) {
        ensure!(shown["name"] == **name && same(&shown["value"], value.as_deref()), "a header is {name}: {value:?}");
    }
    Ok(())
}

/// The gateway's file with a sink of files.
fn with_files(tenant: &Tenant) -> GatewayFile {
    let sinks = "[sinks.files]\ntype = \"file\"\npath = \"out\"".to_owned();
    GatewayFile { sinks, ..tenant.gateway_file() }
}

fn to_files(mut pipeline: PipelineFile) -> anyhow::Result<PipelineFile> {
    pipeline.replace("dwh:", "files:")?;
    pipeline.section("[batch]\nlinger = \"100 ms\"");
    Ok(pipeline)
}
