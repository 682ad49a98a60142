//! A replay as an operator runs it, and what it said.

use anyhow::{Context, ensure};
use serde_json::Value;
use tidegate_tests::harness::{Gateway, GatewayFile, Tenant};

/// What a replay said.
pub struct Replayed {
    /// Its exit code.
    pub code: Option<i32>,
    /// All that it said.
    pub text: String,
}

impl Replayed {
    /// Replays of a pipeline of the tenant's.
    pub fn of(tenant: &Tenant, file: &GatewayFile, pipeline: &str, more: &[&str]) -> anyhow::Result<Self> {
        let pipeline = format!("{}/{pipeline}", tenant.name);
        let output = Gateway::command(tenant, file, &[&["replay", &pipeline], more].concat())?;
        let text = String::from_utf8(output.stdout)? + &String::from_utf8(output.stderr)?;
        print!("{text}");
        Ok(Self { code: output.status.code(), text })
    }

    /// Fails unless it ended well, and told these numbers.
    pub fn report(
        tenant: &Tenant,
        file: &GatewayFile,
        pipeline: &str,
        more: &[&str],
        numbers: &[(&str, usize)],
    ) -> anyhow::Result<Value> {
        let replayed = Self::of(tenant, file, pipeline, &[more, &["--format", "json"]].concat())?;
        ensure!(replayed.code == Some(0), "it ended with {:?}: {}", replayed.code, replayed.text);
        let report: Value = serde_json::from_str(&replayed.text).context("read the report")?;
        for (key, right) in numbers {
            ensure!(report[key] == *right as u64, "{key} is {}, not {right}", report[key]);
        }
        Ok(report)
    }

    /// Fails unless it ended with this code and said this.
    pub fn says(&self, code: i32, part: &str) -> anyhow::Result<()> {
        ensure!(
            self.code == Some(code) && self.text.contains(part),
            "{:?}, without `{part}`: {}",
            self.code,
            self.text
        );
        Ok(())
    }
}
