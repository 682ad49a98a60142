//! Readings and messages of syslog end to end: from a real Kafka into a real ClickHouse and a real PostgreSQL at once. What the
//! tables answer is what their generators know of the records.

use std::collections::BTreeMap;

use anyhow::{Context, ensure};
use tidegate_demo::examples::sensors::{ExpectedReadings, Sensors, Totals};
use tidegate_demo::examples::syslog::{ExpectedMessage, Syslog};
use tidegate_tests::harness::{Duplicates, Gateway, Message, PipelineFile, Postgres, PostgresServer, Tenant, compare};

use super::repository;

const RECORDS: usize = 20_000;

/// A place for an example: its pipelines, one to each database, on one topic.
struct Place {
    tenant: Tenant,
    postgres: Postgres,
    topic: String,
    name: &'static str,
}

impl Place {
    fn new(name: &'static str, database: &str) -> anyhow::Result<Self> {
        let tenant = Tenant::new(name)?;
        let server = PostgresServer::all()?.into_iter().next().context("there is no PostgreSQL")?;
        let postgres = Postgres::new(&tenant.http, &server, name)?;
        let topic = tenant.create_topic(name, 2)?;
        for statement in own(&shipped(name, "tables.sql")?, database, &tenant.name).split(';') {
            // What is left of the comments is no statement.
            if statement.contains("CREATE TABLE") {
                tenant.clickhouse.run(statement)?;
            }
        }
        postgres.run(&own(&shipped(name, "tables.postgres.sql")?, database, &postgres.schema))?;
        let text = shipped(name, &format!("{name}.toml"))?.replace(&format!("\"{name}"), &format!("\"{topic}"));
        let to_clickhouse = own(&text, database, &tenant.name);
        let to_postgres = own(&text, database, &postgres.schema).replace("dwh:", "pg:");
        for (pipeline, text) in [(name.to_owned(), to_clickhouse), (format!("{name}_pg"), to_postgres)] {
            tenant.install(&PipelineFile { name: pipeline, plugin: name, text })?;
        }
        Ok(Self { tenant, postgres, topic, name })
    }

    /// Writes the records, and runs a gateway until both databases have them.
    fn run(&self, records: &[Message]) -> anyhow::Result<()> {
        for (partition, half) in (0..).zip(records.chunks(records.len().div_ceil(2))) {
            self.tenant.kafka.send(&self.topic, partition, half)?;
        }
        let mut file = self.tenant.gateway_file();
        file.sinks.push_str(&self.postgres.server.sink("pg", &self.tenant.folder())?);
        let gateway = Gateway::start(&self.tenant, &file)?;
        self.tenant.wait_for(self.name, &self.topic)?;
        self.tenant.wait_for(&format!("{}_pg", self.name), &self.topic)?;
        gateway.is_well()?;
        gateway.stop()
    }

    /// Compares the answers of both databases with what is expected; each is asked in its own words, where `S` is its database or
    /// schema.
    fn answers(&self, expected: &[String], clickhouse: &str, postgres: &str) -> anyhow::Result<()> {
        let found = self.tenant.clickhouse.lines(&clickhouse.replace("S.", &format!("{}.", self.tenant.name)))?;
        compare(expected, found, Duplicates::Forbidden).context("in ClickHouse")?;
        let found = self.postgres.lines(&postgres.replace("S.", &format!("{}.", self.postgres.schema)))?;
        compare(expected, found, Duplicates::Forbidden).context("in PostgreSQL")
    }

    fn letters(&self, expected: usize) -> anyhow::Result<()> {
        let letters = self.tenant.kafka.count(&format!("{}.dead", self.topic))?;
        // Both pipelines reject them.
        ensure!(expected > 500 && letters == i64::try_from(2 * expected)?, "{letters} letters of {expected} records");
        Ok(())
    }
}

#[test]
fn readings_and_their_summaries_arrive_in_both_databases() -> anyhow::Result<()> {
    let place = Place::new("sensors", "plant")?;
    let (mut source, mut totals) = (Sensors::new(7, 0.05), Totals::default());
    let (mut records, mut readings, mut malformed) = (Vec::new(), Vec::new(), 0);
    for _ in 0..RECORDS {
        let record = source.next_record();
        records.push(message(record.key, record.value, record.timestamp));
        let ExpectedReadings::Readings(expected) = record.expected else {
            malformed += 1;
            continue;
        };
        for reading in expected {
            totals.add(reading);
            if reading.in_range {
                let note = if reading.note.is_empty() { "-".to_owned() } else { hex(reading.note) };
                readings.push(format!(
                    "{}\t{}\t{}\t{}\t{note}",
                    reading.device, reading.metric, reading.time, reading.value
                ));
            }
        }
    }
    place.run(&records)?;
    place.answers(
        &readings,
        "SELECT device, metric, toUnixTimestamp64Milli(time), toInt64(round(value * 100)), ifNull(lower(hex(note)), '-') FROM S.readings",
        "SELECT device, metric, round(extract(epoch FROM \"time\") * 1000)::bigint, round(value * 100)::bigint, \
         coalesce(encode(convert_to(note, 'UTF8'), 'hex'), '-') FROM S.readings",
    )?;
    let summary = |((device, metric), total): (&(String, &str), &tidegate_demo::examples::sensors::Total)| {
        let (least, most) = total
            .bounds
            .map_or(("-".to_owned(), "-".to_owned()), |(least, most)| (least.to_string(), most.to_string()));
        format!("{device}\t{metric}\t{}\t{}\t{least}\t{most}", total.readings, total.out_of_range)
    };
    place.answers(
        &totals.0.iter().map(summary).collect::<Vec<_>>(),
        "SELECT device, metric, sum(readings), sum(out_of_range), ifNull(toString(toInt64(round(min(min) * 100))), '-'), \
         ifNull(toString(toInt64(round(max(max) * 100))), '-') FROM S.summaries GROUP BY device, metric",
        "SELECT device, metric, sum(readings), sum(out_of_range), coalesce(round(min(min) * 100)::bigint::text, '-'), \
         coalesce(round(max(max) * 100)::bigint::text, '-') FROM S.summaries GROUP BY device, metric",
    )?;
    place.letters(malformed)
}

#[test]
fn messages_of_syslog_arrive_in_both_databases_with_their_structured_data() -> anyhow::Result<()> {
    let place = Place::new("syslog", "logs")?;
    let mut source = Syslog::new(7, 0.05);
    let (mut records, mut rows, mut malformed) = (Vec::new(), Vec::new(), 0);
    for _ in 0..RECORDS {
        let record = source.next_record();
        records.push(message(record.key, record.value, record.timestamp));
        let ExpectedMessage::Message(expected) = record.expected else {
            malformed += 1;
            continue;
        };
        let data: BTreeMap<_, _> = expected.structured_data.iter().copied().collect();
        let data: String = data.iter().map(|(key, value)| format!("{key}={value};")).collect();
        let known = |text: Option<&str>| text.unwrap_or("-").to_owned();
        rows.push(
            [
                expected.time.to_string(),
                expected.facility.to_owned(),
                expected.severity.to_owned(),
                known(expected.host),
                known(expected.app),
                known(expected.procid.as_deref()),
                known(expected.msgid),
                expected.format.to_owned(),
                hex(expected.message),
                hex(&data),
            ]
            .join("\t"),
        );
    }
    place.run(&records)?;
    place.answers(
        &rows,
        "SELECT toUnixTimestamp64Micro(time), facility, severity, ifNull(host, '-'), ifNull(app, '-'), ifNull(procid, '-'), \
         ifNull(msgid, '-'), format, lower(hex(message)), lower(hex(arrayStringConcat(arrayMap(pair -> concat(pair.1, '=', pair.2, ';'), \
         arraySort(arrayZip(mapKeys(structured_data), mapValues(structured_data))))))) FROM S.messages",
        "SELECT round(extract(epoch FROM \"time\") * 1000000)::bigint, facility, severity, coalesce(host, '-'), coalesce(app, '-'), \
         coalesce(procid, '-'), coalesce(msgid, '-'), format, encode(convert_to(message, 'UTF8'), 'hex'), \
         encode(convert_to(coalesce((SELECT string_agg(key || '=' || value || ';', '' ORDER BY key COLLATE \"C\") \
         FROM jsonb_each_text(structured_data)), ''), 'UTF8'), 'hex') FROM S.messages",
    )?;
    place.letters(malformed)
}

fn shipped(name: &str, file: &str) -> anyhow::Result<String> {
    let path = repository().join("plugins").join(name).join(file);
    std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))
}

/// The same text for a database or schema of the test's own.
fn own(text: &str, shipped: &str, own: &str) -> String {
    text.replace(&format!("{shipped}."), &format!("{own}."))
        .replace(&format!("EXISTS {shipped};"), &format!("EXISTS {own};"))
}

fn message(key: &[u8], value: Option<&[u8]>, timestamp: i64) -> Message {
    Message { key: Some(key.to_vec()), value: value.map(<[u8]>::to_vec), headers: Vec::new(), timestamp }
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}
