//! Versions that are refused before they run: what ran goes on, and the reason is in the log, the metrics, on the page and in the status file.

use anyhow::ensure;
use tidegate_tests::harness::{Gateway, NumbersTenant, Version, plugin};

/// A gateway that runs the version `one`, and knows what to say.
struct Running {
    numbers: NumbersTenant,
    gateway: Gateway,
}

impl Running {
    fn new(test: &str) -> anyhow::Result<Self> {
        let numbers = NumbersTenant::new(test, 1)?;
        numbers.write_plugin("1")?;
        numbers.write(&Version::named("one"))?;
        let gateway = Gateway::start(&numbers.tenant, &numbers.tenant.gateway_file())?;
        gateway.is_well()?;
        Ok(Self { numbers, gateway })
    }

    /// Waits until this reason is told everywhere, while the pipeline runs.
    fn refuses(&self, reason: &str) -> anyhow::Result<()> {
        self.gateway.says(&["/numbers: running", reason])?;
        let status = self.numbers.status(&[&json(reason)])?;
        let running = status.pointer("/running/plugin").and_then(serde_json::Value::as_str).unwrap_or_default();
        let one = tidegate::plugin::PluginHash::of(&plugin("1")?).to_string();
        ensure!(running == one, "{status} does not run {one}");
        let log = self.gateway.log();
        let told = log.iter().any(|line| line["message"].as_str().is_some_and(|message| message.contains(reason)));
        ensure!(told, "the log does not say {reason}");
        let refused = self.gateway.metric("tidegate_swaps_total", &["outcome=\"refused\""])?;
        ensure!(refused >= 1.0, "the metrics do not say that anything was refused");
        Ok(())
    }

    /// All numbers are there, each once, and no version but the first and the last made any.
    fn ends_well(self, last: &str) -> anyhow::Result<()> {
        let feed = self.numbers.feed(1_000.0)?;
        self.numbers.wait_for_rows_of(last)?;
        let count = feed.finish()?;
        self.numbers.each_once(self.gateway, count)
    }
}

/// As JSON writes it.
fn json(text: &str) -> String {
    let quoted = serde_json::to_string(text).unwrap_or_default();
    quoted.trim_matches('"').to_owned()
}

#[test]
fn a_file_that_is_no_plugin_or_only_half_of_one_is_refused_and_the_next_is_not() -> anyhow::Result<()> {
    let running = Running::new("broken")?;
    let whole = plugin("2")?;
    running.numbers.replace("numbers.wasm", b"")?;
    running.refuses("is not WebAssembly: it is empty")?;
    running.numbers.replace("numbers.wasm", whole.get(..whole.len() / 2).unwrap_or_default())?;
    running.refuses("is damaged or uses what is not supported")?;
    std::fs::remove_file(running.numbers.file("numbers.wasm"))?;
    running.refuses("numbers.wasm`: No such file or directory")?;
    running.numbers.replace("numbers.wasm", &whole)?;
    running.numbers.write(&Version::named("two"))?;
    running.gateway.is_well()?;
    running.ends_well("two")
}

#[test]
fn a_pipeline_file_with_faults_and_settings_that_the_plugin_refuses_change_nothing() -> anyhow::Result<()> {
    let running = Running::new("faulty")?;
    running.numbers.write(&Version { top: "delivry = 1".to_owned(), ..Version::named("two") })?;
    running.refuses("`delivry`: is not a known key; the nearest known one is `delivery`")?;
    running.numbers.write(&Version { settings: "nonsense = 1".to_owned(), ..Version::named("two") })?;
    running.refuses("the plugin refuses its settings")?;
    running.ends_well("one")
}

#[test]
fn golden_records_that_are_not_met_keep_a_version_from_running() -> anyhow::Result<()> {
    let running = Running::new("golden")?;
    let case = |version: &str| {
        format!(
            "[settings]\nversion = \"golden\"\n[[records]]\nvalue = \"7\"\n[[rows]]\nroute = \"number\"\nrecord = 0\n\
             [rows.columns]\nnumber = 7\nversion = \"{version}\"\n"
        )
    };
    let cases = running.numbers.file("numbers.cases");
    std::fs::create_dir(&cases)?;
    std::fs::write(cases.join("seven.toml"), case("golden"))?;
    running.numbers.write(&Version::named("two"))?;
    running.numbers.status(&["\"refused\": null"])?;
    std::fs::write(cases.join("seven.toml"), case("silver"))?;
    running.numbers.write(&Version::named("three"))?;
    running.refuses("seven.toml: ")?;
    running.gateway.says(&["the golden records in `", "are not met", "silver"])?;
    // The cases are mended, and nothing else: what waited runs.
    std::fs::write(cases.join("seven.toml"), case("golden"))?;
    running.gateway.is_well()?;
    running.ends_well("three")
}

#[test]
fn a_version_whose_table_does_not_fit_waits_until_it_does() -> anyhow::Result<()> {
    let running = Running::new("table")?;
    let database = running.numbers.tenant.name.clone();
    let clickhouse = &running.numbers.tenant.clickhouse;
    let text = running.numbers.text(&Version::named("two"));
    let other = text.replace(".numbers\"", ".others\"");
    running.numbers.replace("numbers.toml", other.as_bytes())?;
    running.gateway.says(&["/numbers: running", "waits for its tables: sink dwh:"])?;
    running.numbers.status(&["waits for its tables: sink dwh:"])?;
    clickhouse.run(&format!("CREATE TABLE {database}.others AS {database}.numbers"))?;
    running.numbers.status(&["\"refused\": null"])?;
    running.gateway.is_well()?;
    // And back to the table where the numbers are counted.
    running.numbers.write(&Version::named("three"))?;
    running.numbers.status(&["\"refused\": null"])?;
    running.gateway.is_well()?;
    running.ends_well("three")
}
