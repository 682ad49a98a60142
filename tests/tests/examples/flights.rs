//! The public data set, in ClickHouse and in PostgreSQL: what the tables answer is what its file says. The figures are those of a CSV reader and of additions
//! here; no code of the plugin has a part in them.
#![allow(clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, ensure};
use csv::StringRecord;
use tidegate_demo::lines::{self, FirstLine};
use tidegate_demo::produce::Writer;
use tidegate_tests::harness::{Gateway, PipelineFile, Postgres, PostgresServer, Tenant};

use super::repository;
use super::tables::Dialect;

const PARTITIONS: i32 = 4;

/// Of the whole file and of one airline.
#[derive(Debug, Default, PartialEq, Eq)]
struct Figures {
    flights: i64,
    cancelled: i64,
    without_arrival_delay: i64,
    departure_delay: i64,
    arrival_delay: i64,
    air_time: i64,
    distance: i64,
}

/// The same in the order of [`Figures::line`].
const QUERY: &str = "count(), countIf(departed IS NULL), countIf(arr_delay IS NULL), \
                     ifNull(sum(dep_delay), 0), ifNull(sum(arr_delay), 0), ifNull(sum(air_time), 0), sum(distance)";

#[test]
fn every_flight_of_the_file_is_in_the_table_with_its_airline_and_its_figures() -> anyhow::Result<()> {
    let dataset = repository().join("target").join("dataset");
    let file = dataset.join("flights.csv");
    ensure!(file.exists(), "there is no {}; `make dataset` fetches it", file.display());
    let expected = by_airline(&file, &airlines(&dataset.join("plugins").join("airlines.csv"))?)?;

    let tenant = Tenant::new("flights")?;
    let topic = tenant.create_topic("flights", PARTITIONS)?;
    tenant.create_tables("flights")?;
    tenant.install(&tenant.pipeline("flights", &topic)?)?;
    let mut gateway_file = tenant.gateway_file();
    let mut schemas = Vec::new();
    for (index, server) in PostgresServer::all()?.iter().enumerate() {
        let name = format!("flights_pg{index}");
        gateway_file.sinks.push_str(&server.sink(&name, &tenant.folder())?);
        schemas.push((install_for(&tenant, server, (&name, &topic))?, name));
    }
    let mut writer = Writer::new(tenant.kafka.brokers(), &topic, PARTITIONS)?;
    let written = lines::write(&mut writer, &file, FirstLine::Skipped)?;
    let gateway = Gateway::start(&tenant, &gateway_file)?;
    for pipeline in std::iter::once("flights").chain(schemas.iter().map(|(_, name)| name.as_str())) {
        tenant.wait_for(pipeline, &topic)?;
    }
    gateway.is_well()?;
    gateway.stop()?;

    let flights: i64 = expected.values().map(|figures| figures.flights).sum();
    ensure!(flights == 336_776 && written == 336_776, "{written} lines and {flights} flights are not the data set");
    ensure!(tenant.kafka.count(&format!("{topic}.dead"))? == 0, "flights were rejected");
    check_airlines(&tenant, &expected)?;
    let expected = flight_lines(&file)?;
    check_flights(tenant.clickhouse.lines(&every_flight(Dialect::ClickHouse, &tenant.name))?, &expected)?;
    for (postgres, name) in &schemas {
        let found = postgres.lines(&every_flight(Dialect::Postgres, &postgres.schema))?;
        check_flights(found, &expected).with_context(|| format!("flights of {name}"))?;
    }
    Ok(())
}

/// The shipped pipeline and table once more, for a schema on this server.
fn install_for(tenant: &Tenant, server: &PostgresServer, (name, topic): (&str, &str)) -> anyhow::Result<Postgres> {
    let postgres = Postgres::new(&tenant.http, server, "flights")?;
    postgres.create_tables("flights")?;
    let mut file = PipelineFile::shipped("flights", topic, &postgres.schema)?;
    file.name = name.to_owned();
    file.replace("dwh:", &format!("{name}:"))?;
    tenant.install(&file)?;
    Ok(postgres)
}

/// Sums by airline: numbers, nulls and looked up names.
fn check_airlines(tenant: &Tenant, expected: &BTreeMap<String, Figures>) -> anyhow::Result<()> {
    let query = format!("SELECT airline, {QUERY} FROM {}.flights GROUP BY airline ORDER BY airline", tenant.name);
    let found = tenant.clickhouse.lines(&query)?;
    let expected: Vec<_> = expected.iter().map(|(airline, figures)| figures.line(airline)).collect();
    ensure!(expected.len() == 16 && found == expected, "found {found:#?}, expected {expected:#?}");
    Ok(())
}

/// Every flight by itself. The file's own times of day stand against the times in UTC that the plugin makes of them.
fn every_flight(dialect: Dialect, database: &str) -> String {
    let columns = ["dep_delay", "arr_time", "arr_delay", "tailnum", "air_time"].map(|column| known(dialect, column));
    let (day, scheduled, departed) = match dialect {
        Dialect::ClickHouse => {
            let clock = |time| format!("toString(toUInt16(formatDateTime({time}, '%H%i', 'America/New_York')))");
            let departed = format!("if(departed IS NULL, 'NA', {})", clock("assumeNotNull(departed)"));
            ("toDate(scheduled, 'America/New_York')", clock("scheduled"), departed)
        }
        Dialect::Postgres => {
            let clock = |time| format!("to_char({time} AT TIME ZONE 'America/New_York', 'HH24MI')::integer::text");
            let departed = format!("coalesce({}, 'NA')", clock("departed"));
            ("(scheduled AT TIME ZONE 'America/New_York')::date", clock("scheduled"), departed)
        }
    };
    format!(
        "SELECT {day}, {scheduled}, {departed}, sched_dep_time, sched_arr_time, carrier, flight, origin, dest, distance, {} \
         FROM {database}.flights",
        columns.join(", ")
    )
}

fn known(dialect: Dialect, column: &str) -> String {
    match dialect {
        Dialect::ClickHouse => format!("ifNull(toString({column}), 'NA')"),
        Dialect::Postgres => format!("coalesce({column}::text, 'NA')"),
    }
}

/// The same of the file, sorted.
fn flight_lines(file: &Path) -> anyhow::Result<Vec<String>> {
    let mut lines = Vec::new();
    for flight in rows(file)? {
        lines.push(flight_line(&flight?)?);
    }
    lines.sort_unstable();
    Ok(lines)
}

fn check_flights(mut found: Vec<String>, expected: &[String]) -> anyhow::Result<()> {
    found.sort_unstable();
    let wrong = found.iter().zip(expected).find(|(found, expected)| found != expected);
    ensure!(wrong.is_none() && found.len() == expected.len(), "{wrong:?} of {} and {}", found.len(), expected.len());
    Ok(())
}

fn flight_line(flight: &StringRecord) -> anyhow::Result<String> {
    let [year, month, day] = [0, 1, 2].map(|index| flight.get(index).unwrap_or_default().parse::<u32>());
    // An hour past midnight is 2400 in the file and 0 on a clock.
    let departed = if &flight[3] == "2400" { "0" } else { &flight[3] };
    let mut fields = vec![format!("{}-{:02}-{:02}", year?, month?, day?), flight[4].to_owned(), departed.to_owned()];
    fields.extend([4, 7, 9, 10, 12, 13, 15, 5, 6, 8, 11, 14].map(|index| flight[index].to_owned()));
    Ok(fields.join("\t"))
}

fn by_airline(file: &Path, airlines: &BTreeMap<String, String>) -> anyhow::Result<BTreeMap<String, Figures>> {
    let mut by_airline = BTreeMap::<_, Figures>::new();
    for flight in rows(file)? {
        let flight = flight?;
        let airline = airlines.get(&flight[9]).with_context(|| format!("{flight:?} is of no airline"))?;
        by_airline.entry(airline.clone()).or_default().add(&flight)?;
    }
    Ok(by_airline)
}

impl Figures {
    fn add(&mut self, flight: &StringRecord) -> anyhow::Result<()> {
        self.flights += 1;
        self.cancelled += i64::from(&flight[3] == "NA");
        self.without_arrival_delay += i64::from(&flight[8] == "NA");
        for (sum, index) in [
            (&mut self.departure_delay, 5),
            (&mut self.arrival_delay, 8),
            (&mut self.air_time, 14),
            (&mut self.distance, 15),
        ] {
            if &flight[index] != "NA" {
                *sum += flight[index].parse::<i64>().with_context(|| format!("field {index} of {flight:?}"))?;
            }
        }
        Ok(())
    }

    fn line(&self, airline: &str) -> String {
        let Self { flights, cancelled, without_arrival_delay, departure_delay, arrival_delay, air_time, distance } =
            self;
        format!(
            "{airline}\t{flights}\t{cancelled}\t{without_arrival_delay}\t{departure_delay}\t{arrival_delay}\t\
             {air_time}\t{distance}"
        )
    }
}

fn airlines(file: &Path) -> anyhow::Result<BTreeMap<String, String>> {
    rows(file)?
        .map(|row| row.map(|row| (row[0].to_owned(), row[1].to_owned())))
        .collect::<Result<_, _>>()
        .context("read")
}

fn rows(file: &Path) -> anyhow::Result<impl Iterator<Item = csv::Result<StringRecord>>> {
    let reader = csv::Reader::from_path(file).with_context(|| format!("read {}", file.display()))?;
    Ok(reader.into_records())
}
