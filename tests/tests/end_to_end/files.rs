//! The file sink: its lines are what ClickHouse would have got. ClickHouse itself reads them for the comparison.

use anyhow::{Context, ensure};
use tidegate_tests::harness::{Duplicates, Gateway, SALES, Shop, Tenant, check_letters};

const SHOP: Shop = Shop { count: 20_000, partitions: 3, malformed: 0.02 };

#[test]
fn files_hold_the_same_rows_as_a_table_would() -> anyhow::Result<()> {
    let tenant = Tenant::new("files")?;
    let topic = tenant.create_topic("sales", SHOP.partitions)?;
    let mut pipeline = tenant.pipeline("sales", &topic)?;
    pipeline.replace("dwh:", "files:")?;
    tenant.install(&pipeline)?;
    SHOP.write_sales(&tenant, &topic)?;
    let mut file = tenant.gateway_file();
    file.sinks = "[sinks.files]\ntype = \"file\"\npath = \"out\"".to_owned();
    let gateway = Gateway::start(&tenant, &file)?;
    tenant.wait_for("sales", &topic)?;
    gateway.stop()?;

    tenant.create_counting_tables("sales")?;
    for partition in 0..SHOP.partitions {
        let path =
            tenant.folder().join("out").join(&tenant.name).join("sales").join(format!("{topic}-{partition}.jsonl"));
        let lines = std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        let own = format!("\"_partition\":{partition},");
        ensure!(lines.ends_with('\n') && lines.lines().all(|line| line.contains(&own)), "{}", path.display());
        tenant.clickhouse.insert(&format!("{}.sales", tenant.name), "JSONEachRow", lines.as_bytes())?;
    }
    let expected = SHOP.expected_sales()?;
    expected.check_table(&tenant, SALES, Duplicates::Forbidden)?;
    check_letters(&tenant, "sales", &topic, &expected.letters, Duplicates::Forbidden)
}
