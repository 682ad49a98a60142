//! Rows that are JSON objects: a plugin that does not know its columns writes to whatever table there is, and what the table
//! would refuse is rejected alone.

use anyhow::{Context, ensure};
use tidegate_tests::harness::{Duplicates, Gateway, Message, PipelineFile, Tenant, compare};

const TABLE: &str = "(id UInt64, name LowCardinality(String) DEFAULT 'nobody', price Nullable(Decimal(9, 2)), \
     at DateTime64(3, 'UTC') DEFAULT toDateTime64(0, 3, 'UTC'), tags Array(String), sizes Map(String, UInt8), \
     kind Enum8('a' = 1, 'b' = 2), twice UInt64 MATERIALIZED id * 2) ENGINE = MergeTree ORDER BY id \
     SETTINGS non_replicated_deduplication_window = 10000";

/// Records, and the row that each becomes as ClickHouse prints it, or a part of the reason why it is rejected.
const RECORDS: [(&str, Result<&str, &str>); 12] = [
    (r#"{"id": 1, "kind": "a"}"#, Ok("1\tnobody\t\\N\t1970-01-01 00:00:00.000\t[]\t{}\ta\t2")),
    (
        r#"{"kind": "b", "id": "18446744073709551615", "name": "é\n", "price": -12.5, "at": "2026-11-20T10:15:00.123+03:00", "tags": ["x", ""], "sizes": {"m": 3}}"#,
        Ok("18446744073709551615\té\\n\t-12.5\t2026-11-20 07:15:00.123\t['x','']\t{'m':3}\tb\t18446744073709551614"),
    ),
    (r#"{"id": 3, "price": null, "kind": "a"}"#, Ok("3\tnobody\t\\N\t1970-01-01 00:00:00.000\t[]\t{}\ta\t6")),
    (r#"{"id": 4, "prise": 1}"#, Err("member `prise` has no column in the table; the nearest is `price`")),
    (r#"{"id": -4}"#, Err("member `id` is -4; expected UInt64")),
    (r#"{"id": 5, "name": null}"#, Err("member `name` is null; expected String")),
    (r#"{"id": 6, "kind": "c"}"#, Err("member `kind` is \"c\"; expected Enum8('a' = 1, 'b' = 2)")),
    (r#"{"id": 7, "twice": 7}"#, Err("member `twice` is for a column that is MATERIALIZED")),
    (r#"{"id": 8, "at": "2300-01-01 00:00:00"}"#, Err("expected DateTime64(3, 'UTC'), such as \"2026-11-20")),
    (r#"{"id": 9, "id": 9}"#, Err("the path `id` stands twice")),
    ("[1]", Err("it is not a JSON object")),
    (r#"{"id": 10, "price": 1.234}"#, Err("member `price` is 1.234; expected Decimal(9, 2), such as 12.50")),
];

#[test]
fn objects_become_rows_of_a_table_that_their_plugin_does_not_know() -> anyhow::Result<()> {
    let tenant = Tenant::new("objects")?;
    let topic = tenant.create_topic("anything", 1)?;
    tenant.clickhouse.run(&format!("CREATE TABLE {}.things {TABLE}", tenant.name))?;
    let text = format!(
        "topics = [\"{topic}\"]\ndead_letter = \"{topic}.dead\"\n[batch]\nlinger = \"200 ms\"\n[routes]\nanything = \"dwh:{}.things\"\n",
        tenant.name
    );
    tenant.install(&PipelineFile { name: "objects".to_owned(), plugin: "objects", text })?;
    let message = |(index, (value, _)): (i64, &(&str, _))| Message {
        key: None,
        value: Some(value.as_bytes().to_vec()),
        headers: Vec::new(),
        timestamp: 1_795_000_000_000 + index,
    };
    tenant.kafka.send(&topic, 0, &(0..).zip(&RECORDS).map(message).collect::<Vec<_>>())?;
    let gateway = Gateway::start(&tenant, &tenant.gateway_file())?;
    tenant.wait_for("objects", &topic)?;
    gateway.is_well()?;
    gateway.stop()?;
    let expected: Vec<_> = RECORDS.iter().filter_map(|(_, row)| row.ok()).map(str::to_owned).collect();
    let found = tenant.clickhouse.lines(&format!("SELECT *, twice FROM {}.things", tenant.name))?;
    compare(&expected, found, Duplicates::Forbidden)?;
    let rejected = RECORDS.iter().filter_map(|(value, row)| Some((*value, row.err()?)));
    let letters = tenant.kafka.read(&format!("{topic}.dead"))?;
    ensure!(letters.len() == RECORDS.len() - expected.len(), "{} letters", letters.len());
    for (value, reason) in rejected {
        let of_this = |message: &&Message| message.value.as_deref() == Some(value.as_bytes());
        let letter = letters
            .iter()
            .map(|letter| &letter.message)
            .find(of_this)
            .with_context(|| format!("no letter: {value}"))?;
        let told =
            |name: &str| letter.headers.iter().find(|(each, _)| each == name).and_then(|(_, value)| value.clone());
        let words = String::from_utf8(told("tidegate-reason").context("there is no reason")?)?;
        ensure!(words.starts_with("row for route `anything`: ") && words.contains(reason), "{value}: {words}");
        ensure!(told("tidegate-stage").as_deref() == Some(b"encode"), "{value}");
    }
    Ok(())
}

#[test]
fn objects_are_held_while_a_column_is_not_what_they_were_checked_for() -> anyhow::Result<()> {
    let tenant = Tenant::new("object_drift")?;
    let topic = tenant.create_topic("anything", 1)?;
    let table = format!("{}.things", tenant.name);
    let window = "SETTINGS non_replicated_deduplication_window = 10000";
    tenant
        .clickhouse
        .run(&format!("CREATE TABLE {table} (id UInt64, n UInt8) ENGINE = MergeTree ORDER BY id {window}"))?;
    let text = format!(
        "topics = [\"{topic}\"]\ndead_letter = \"{topic}.dead\"\n[batch]\nlinger = \"50 ms\"\n[routes]\nanything = \"dwh:{table}\"\n"
    );
    tenant.install(&PipelineFile { name: "objects".to_owned(), plugin: "objects", text })?;
    let send = |id: u64| {
        let value = Some(format!("{{\"id\": {id}, \"n\": 200}}").into_bytes());
        let message = Message { key: None, value, headers: Vec::new(), timestamp: 1_795_000_000_000 };
        tenant.kafka.send(&topic, 0, &[message])
    };
    let gateway = Gateway::start(&tenant, &tenant.gateway_file())?;
    send(1)?;
    tenant.wait_for("objects", &topic)?;
    // The server would take 200 for -56 without a word.
    tenant.clickhouse.run(&format!("ALTER TABLE {table} MODIFY COLUMN n Int8"))?;
    send(2)?;
    gateway.says(&[
        "its column `n` is Int8 now and was UInt8",
        &format!("ALTER TABLE `{}`.`things` MODIFY COLUMN `n` UInt8", tenant.name),
    ])?;
    tenant.clickhouse.run(&format!("ALTER TABLE {table} MODIFY COLUMN n UInt8, ADD COLUMN more String"))?;
    tenant.wait_for("objects", &topic)?;
    gateway.is_well()?;
    gateway.stop()?;
    let found = tenant.clickhouse.lines(&format!("SELECT id, n FROM {table} ORDER BY id"))?;
    ensure!(found.get(1).map(String::as_str) == Some("2\t200"), "{found:?}");
    Ok(())
}
