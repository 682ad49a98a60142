//! A replay as an operator runs it, and what it said.

use anyhow::{Context, ensure};
use serde_json::Value;
use tidegate_tests::harness::{GatewayFile, Tenant};

use super::told::told;

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
        let (code, text) = told(tenant, file, ("replay", pipeline), more)?;
        Ok(Self { code, text })
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
