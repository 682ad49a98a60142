//! Many partitions and two routes into one table: inserts stay few, so that ClickHouse keeps up with merging what they make.

use std::time::{Duration, Instant};

use anyhow::ensure;
use tidegate_demo::produce::Writer;
use tidegate_tests::harness::{Feed, Gateway, Numbers, PipelineFile, Tenant};

const PARTITIONS: i32 = 64;

/// Records a second: some hundreds in each partition between two inserts.
const RATE: f64 = 5_000.0;

/// Far longer than the burst of inserts that a table takes before its pace is felt.
const FLOWS: Duration = Duration::from_secs(20);

/// Beyond some hundreds ClickHouse slows inserts down, beyond some thousands it refuses them.
const MOST_PARTS: i64 = 100;

#[test]
fn many_partitions_leave_few_parts() -> anyhow::Result<()> {
    let tenant = Tenant::new("parts")?;
    let topic = tenant.create_topic("numbers", PARTITIONS)?;
    let table = format!("{}.numbers", tenant.name);
    tenant.clickhouse.run(&format!(
        "CREATE TABLE {table} (number Int64, route LowCardinality(String), version String, _partition Int32, _offset Int64) \
         ENGINE = MergeTree ORDER BY (_partition, _offset) SETTINGS non_replicated_deduplication_window = 100000"
    ))?;
    let text = format!(
        "topics = [\"{topic}\"]\non_reject = \"drop\"\n[routes]\nnumber = \"dwh:{table}\"\ncopy = \"dwh:{table}\"\n"
    );
    tenant.install(&PipelineFile { name: "sales".to_owned(), plugin: "twofold", text })?;
    let gateway = Gateway::start(&tenant, &tenant.gateway_file())?;
    let feed = Feed::start(Writer::new(tenant.kafka.brokers(), &topic, PARTITIONS)?, Numbers::default(), RATE);
    let parts = format!("SELECT count() FROM system.parts WHERE active AND database = '{}'", tenant.name);
    let (began, mut most) = (Instant::now(), 0);
    while began.elapsed() < FLOWS {
        most = most.max(tenant.clickhouse.number(&parts)?);
        std::thread::sleep(Duration::from_millis(250));
    }
    let written = i64::try_from(feed.finish()?)?;
    tenant.wait_for("sales", &topic)?;
    most = most.max(tenant.clickhouse.number(&parts)?);
    gateway.stop()?;
    println!("{written} records, at most {most} active parts");
    ensure!(most < MOST_PARTS, "{most} active parts");
    // Of the numbers from 1 on, those that leave 1 or 2 divided by 97 are poison.
    let poison = (1..=written).filter(|number| matches!(number % 97, 1 | 2)).count();
    let rows = tenant.count("numbers")?;
    ensure!(
        rows == 2 * (written - i64::try_from(poison)?),
        "{rows} rows of {written} records, {poison} of them poison"
    );
    Ok(())
}
