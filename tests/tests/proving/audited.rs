//! An audit as an operator runs it, and what it said.

use anyhow::{Context, ensure};
use serde_json::Value;
use tidegate_tests::harness::{Gateway, GatewayFile, Postgres, Tenant};

use super::told::told;

/// What an audit said.
pub struct Audited {
    /// Its exit code.
    pub code: Option<i32>,
    /// As machines get it.
    pub report: Value,
}

impl Audited {
    /// Audits a pipeline of the tenant's.
    pub fn of(tenant: &Tenant, file: &GatewayFile, pipeline: &str, more: &[&str]) -> anyhow::Result<Self> {
        let pipeline = format!("{}/{pipeline}", tenant.name);
        let output = Gateway::command(tenant, file, &[&["audit", &pipeline, "--format", "json"], more].concat())?;
        let text = String::from_utf8(output.stdout)?;
        print!("{text}{}", String::from_utf8_lossy(&output.stderr));
        let report = serde_json::from_str(&text)
            .with_context(|| format!("read the report: {}", String::from_utf8_lossy(&output.stderr)))?;
        Ok(Self { code: output.status.code(), report })
    }

    /// What it says to a person, with the exit code.
    pub fn text(tenant: &Tenant, file: &GatewayFile, pipeline: &str, more: &[&str]) -> anyhow::Result<(i32, String)> {
        let (code, text) = told(tenant, file, ("audit", pipeline), more)?;
        Ok((code.context("it was ended")?, text))
    }

    /// A number of the report.
    pub fn number(&self, pointer: &str) -> anyhow::Result<u64> {
        let number = self.report.pointer(pointer).and_then(Value::as_u64);
        number.with_context(|| format!("there is no number {pointer}"))
    }

    /// Fails if a number is another.
    pub fn is(&self, pointer: &str, right: usize) -> anyhow::Result<()> {
        let number = self.number(pointer)?;
        ensure!(number == right as u64, "{pointer} is {number}, not {right}");
        Ok(())
    }

    /// The offsets that it names, one by one: what is wrong, partition, offset. Below `/tables/N` or `/dead_letters`.
    pub fn offsets(&self, of: &str) -> anyhow::Result<Vec<(String, i64, i64)>> {
        let pointer = format!("{of}/offsets/runs");
        let runs = self.report.pointer(&pointer).and_then(Value::as_array);
        let mut offsets = Vec::new();
        for run in runs.with_context(|| format!("there is no {pointer}"))? {
            let number = |key: &str| run[key].as_i64().with_context(|| format!("there is no {key} in {run}"));
            for offset in number("first")?..=number("last")? {
                offsets.push((run["what"].as_str().unwrap_or_default().to_owned(), number("partition")?, offset));
            }
        }
        offsets.sort();
        Ok(offsets)
    }
}

/// The tenant's gateway with a sink `pg`, and a table of ranges of the test's own.
pub fn with_postgres(tenant: &Tenant, postgres: &Postgres) -> anyhow::Result<GatewayFile> {
    let ranges = format!("{}.ranges", postgres.schema);
    postgres.run(&format!(
        "CREATE TABLE {ranges} (lineage uuid NOT NULL, topic text NOT NULL, kafka_partition integer NOT NULL, \
         first_offset bigint NOT NULL, next_offset bigint NOT NULL, tenant text NOT NULL, written_at timestamptz NOT NULL, \
         UNIQUE (lineage, topic, kafka_partition, first_offset))"
    ))?;
    let mut file = tenant.gateway_file();
    let sink = postgres.server.sink("pg", &tenant.folder())?;
    file.sinks.push_str(&format!("{}\nranges = \"{ranges}\"\n\n", sink.trim_end()));
    Ok(file)
}
