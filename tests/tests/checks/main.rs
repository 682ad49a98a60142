//! `tidegate check`: everything that is wrong before anything runs, at once, with its place and what would be right.
//! `make test` starts the services.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod faults;
mod services;
mod tables;

use anyhow::{Context, ensure};
use serde_json::Value;
use tidegate_tests::harness::{Gateway, GatewayFile, Tenant};

/// What a check said.
struct Checked {
    code: Option<i32>,
    text: String,
}

impl Checked {
    /// Runs a check on the tenant's files.
    fn of(tenant: &Tenant, file: &GatewayFile, more: &[&str]) -> anyhow::Result<Self> {
        let output = Gateway::command(tenant, file, &[&["check"], more].concat())?;
        let text = String::from_utf8(output.stdout)?;
        print!("{text}{}", String::from_utf8_lossy(&output.stderr));
        Ok(Self { code: output.status.code(), text })
    }

    /// Fails if one of these parts was not said, or the code is another.
    fn says(&self, code: i32, parts: &[&str]) -> anyhow::Result<()> {
        for part in parts {
            ensure!(self.text.contains(part), "`{part}` is not in:\n{}", self.text);
        }
        ensure!(self.code == Some(code), "it ended with {:?}", self.code);
        Ok(())
    }

    /// The statements that would mend what is wrong, as machines get them.
    fn statements(tenant: &Tenant, file: &GatewayFile) -> anyhow::Result<Vec<String>> {
        let checked = Self::of(tenant, file, &["--format", "json"])?;
        let report: Value = serde_json::from_str(&checked.text).context("read the report")?;
        let faults = report["faults"].as_array().context("there are no faults")?;
        Ok(faults.iter().filter_map(|fault| fault["statement"].as_str()).map(str::to_owned).collect())
    }
}
