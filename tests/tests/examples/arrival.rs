//! Every example with generated records end to end: one topic, a pipeline into ClickHouse and one into each PostgreSQL. What
//! the tables answer, row by row, and what the dead letters hold, byte by byte, is what the generators know of the records.

use anyhow::{Context, ensure};
use tidegate_demo::examples::Example;
use tidegate_demo::produce::{Writer, produce};
use tidegate_tests::harness::{
    Duplicates, Expected, Gateway, PipelineFile, Postgres, PostgresServer, Tenant, check_letters_in, compare,
};

use super::expectations::{self, Records};
use super::tables::{self, Dialect};

const RECORDS: Records = Records { seed: 7, malformed: 0.05, count: 20_000, partitions: 3 };

/// Fewer rows or letters of a kind prove little.
const ENOUGH: usize = 500;

#[test]
fn readings_and_their_summaries_arrive_in_both_databases() -> anyhow::Result<()> {
    all_arrive(Example::Sensors)
}

#[test]
fn messages_of_syslog_arrive_in_both_databases_with_their_structured_data() -> anyhow::Result<()> {
    all_arrive(Example::Syslog)
}

#[test]
fn events_of_a_clickstream_arrive_in_both_databases_by_their_routes() -> anyhow::Result<()> {
    all_arrive(Example::Music)
}

#[test]
fn people_arrive_in_both_databases_with_and_without_a_middle_name() -> anyhow::Result<()> {
    all_arrive(Example::People)
}

#[test]
fn marketing_events_arrive_in_both_databases_by_the_source_in_their_header() -> anyhow::Result<()> {
    all_arrive(Example::Campaigns)
}

/// A pipeline of the example, and where its rows and its dead letters go.
struct Flow {
    pipeline: String,
    dead: String,
    /// ClickHouse without.
    postgres: Option<Postgres>,
}

fn all_arrive(example: Example) -> anyhow::Result<()> {
    let tenant = Tenant::new(example.plugin())?;
    let topic = tenant.create_topic(example.topic(), RECORDS.partitions)?;
    let flows = flows(&tenant, example, &topic)?;
    let mut file = tenant.gateway_file();
    for Flow { pipeline, postgres, .. } in &flows {
        if let Some(postgres) = postgres {
            file.sinks.push_str(&postgres.server.sink(pipeline, &tenant.folder())?);
        }
    }

    let mut source = example.source(RECORDS.seed, RECORDS.malformed);
    let mut writer = Writer::new(tenant.kafka.brokers(), &topic, RECORDS.partitions)?;
    produce(&mut writer, &mut *source, RECORDS.count, None)?;
    ensure!(tenant.kafka.ends(&topic)? == RECORDS.ends(), "the topic does not hold what was written");
    let gateway = Gateway::start(&tenant, &file)?;
    let expected = expectations::of(example, RECORDS);
    for flow in &flows {
        tenant.wait_for(&flow.pipeline, &topic)?;
        check_counters(&gateway, flow, &expected)?;
    }
    gateway.is_well()?;
    gateway.stop()?;

    for flow in &flows {
        check_rows(&tenant, flow, example, &expected).with_context(|| format!("rows of {}", flow.pipeline))?;
        let place = (flow.pipeline.as_str(), topic.as_str(), flow.dead.as_str());
        check_letters_in(&tenant, place, &expected.letters, Duplicates::Forbidden)
            .with_context(|| format!("dead letters of {}", flow.pipeline))?;
    }
    Ok(())
}

/// The shipped pipeline file once for each database, with the shipped tables.
fn flows(tenant: &Tenant, example: Example, topic: &str) -> anyhow::Result<Vec<Flow>> {
    let plugin = example.plugin();
    tenant.create_tables(plugin)?;
    tenant.install(&tenant.pipeline(plugin, topic)?)?;
    let mut flows = vec![Flow { pipeline: plugin.to_owned(), dead: format!("{topic}.dead"), postgres: None }];
    for (index, server) in PostgresServer::all()?.iter().enumerate() {
        let pipeline = format!("{plugin}_pg{index}");
        let postgres = Postgres::new(&tenant.http, server, plugin)?;
        postgres.create_tables(plugin)?;
        let dead = tenant.topic(&format!("{pipeline}.dead"));
        tenant.kafka.create(&dead, 1)?;
        let mut file = PipelineFile::shipped(plugin, topic, &postgres.schema)?;
        file.name.clone_from(&pipeline);
        file.dead_letter(&dead)?;
        file.replace("dwh:", &format!("{pipeline}:"))?;
        tenant.install(&file)?;
        flows.push(Flow { pipeline, dead, postgres: Some(postgres) });
    }
    Ok(flows)
}

/// What the gateway says of itself adds up: every record is in rows, among the dead letters, or dropped. Rows of ranges, which
/// no record has, are left out.
fn check_counters(gateway: &Gateway, flow: &Flow, expected: &Expected) -> anyhow::Result<()> {
    let pipeline = format!("pipeline=\"{}\"", flow.pipeline);
    for (name, right) in [
        ("tidegate_records_total", RECORDS.count as usize),
        ("tidegate_completed_records_total", RECORDS.count as usize),
        ("tidegate_rejects_total", expected.letters.len()),
        ("tidegate_dropped_records_total", expected.dropped),
    ] {
        let counted = gateway.metric(name, &[&pipeline])?;
        ensure!(counted == right as f64, "{name} of {} is {counted}, not {right}", flow.pipeline);
    }
    ensure!(expected.letters.len() > ENOUGH, "{} dead letters prove little", expected.letters.len());
    Ok(())
}

/// Compares all tables of the example, whole rows, each as often as it is expected.
fn check_rows(tenant: &Tenant, flow: &Flow, example: Example, expected: &Expected) -> anyhow::Result<()> {
    for table in tables::of(example) {
        let rows = expected.rows.get(table.name).with_context(|| format!("no rows are expected in {}", table.name))?;
        ensure!(rows.len() > table.at_least, "{} rows of {} prove little", rows.len(), table.name);
        let found = match &flow.postgres {
            None => {
                let columns = tenant.clickhouse.lines(&table.columns_in_clickhouse(&tenant.name))?;
                ensure!(table.has_all(&columns), "{} has the columns {columns:?}, not all are compared", table.name);
                tenant.clickhouse.lines(&table.query(Dialect::ClickHouse, &tenant.name))?
            }
            Some(postgres) => postgres.lines(&table.query(Dialect::Postgres, &postgres.schema))?,
        };
        compare(rows, found, Duplicates::Forbidden).with_context(|| table.name)?;
    }
    Ok(())
}
