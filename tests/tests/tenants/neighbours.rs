//! A neighbour that spins, in more ranges than there are threads.

use anyhow::ensure;
use tidegate_tests::harness::{Duplicates, Gateway, Message, PipelineFile, SALES, eventually};

use super::{Pair, SHOP};

#[test]
fn a_neighbour_that_spins_in_many_ranges_costs_no_row_and_no_letter() -> anyhow::Result<()> {
    let pair = Pair::new("spins")?;
    let (sales, commands) = (pair.own.create_topic("sales", 2)?, pair.own.create_topic("commands", 1)?);
    pair.own.create_tables("sales")?;
    pair.own.clickhouse.run(&format!(
        "CREATE TABLE {}.lines (text String, _offset Int64, _ordinal UInt32) ENGINE = MergeTree ORDER BY () \
         SETTINGS non_replicated_deduplication_window = 10000",
        pair.own.name
    ))?;
    pair.own.install(&pair.own.pipeline("sales", &sales)?)?;
    let text = format!(
        "topics = [\"{commands}\"]\non_reject = \"drop\"\n[batch]\nrecords = 1\n[routes]\nline = \"other:{}.lines\"\n",
        pair.own.name
    );
    pair.install_other(&PipelineFile { name: "unruly".to_owned(), plugin: "unruly", text })?;
    let spin = Message { value: Some(b"spin".to_vec()), timestamp: 1_795_000_000_000, ..Message::default() };
    pair.own.kafka.send(&commands, 0, &vec![spin; 200])?;
    let mut file = pair.gateway_file("", "");
    file.top = "workers = 1\ndrain = \"1 s\"".to_owned();
    let gateway = Gateway::start(&pair.own, &file)?;
    eventually("many ranges spin", || {
        let fetched = gateway.metric("tidegate_records_total", &["pipeline=\"unruly\""])?;
        ensure!(fetched >= 50.0, "{fetched} records");
        Ok(())
    })?;
    SHOP.write_sales(&pair.own, &sales)?;
    pair.own.wait_for("sales", &sales)?;
    gateway.stop()?;
    SHOP.expected_sales()?.check_table(&pair.own, SALES, Duplicates::Forbidden)
}
