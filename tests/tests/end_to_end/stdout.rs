//! The stdout sink: what a person sees is what a table would have got, and nothing else stands between the lines.

use anyhow::{Context, ensure};
use tidegate_tests::harness::{Duplicates, Gateway, SALES, Shop, Tenant};

const SHOP: Shop = Shop { count: 20_000, partitions: 2, malformed: 0.02 };

#[test]
fn standard_output_holds_the_same_rows_as_a_table_would_and_nothing_else() -> anyhow::Result<()> {
    let tenant = Tenant::new("stdout")?;
    let topic = tenant.create_topic("sales", SHOP.partitions)?;
    let mut pipeline = tenant.pipeline("sales", &topic)?;
    pipeline.replace("dwh:", "screen:")?;
    tenant.install(&pipeline)?;
    SHOP.write_sales(&tenant, &topic)?;
    let mut file = tenant.gateway_file();
    file.sinks = "[sinks.screen]\ntype = \"stdout\"".to_owned();
    let gateway = Gateway::start(&tenant, &file)?;
    tenant.wait_for("sales", &topic)?;
    gateway.stop()?;

    let output = std::fs::read_to_string(tenant.folder().join(Gateway::OUTPUT)).context("read the output")?;
    let table = format!("{}.sales ", tenant.name);
    let rows: Option<Vec<_>> = output.lines().map(|line| line.strip_prefix(&table)).collect();
    let rows = rows.context("a line does not begin with the table's name")?;
    ensure!(!rows.is_empty(), "there is no output");
    tenant.create_counting_tables("sales")?;
    tenant.clickhouse.insert(&format!("{}.sales", tenant.name), "JSONEachRow", rows.join("\n").as_bytes())?;
    SHOP.expected_sales()?.check_table(&tenant, SALES, Duplicates::Forbidden)
}
