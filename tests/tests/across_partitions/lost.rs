//! Rows that a table has lost, though it knows their tokens: as after the death of a ClickHouse server between noting the one and keeping the other.

use anyhow::ensure;

use crate::stand::{Stand, Unusual};

const PARTITIONS: i32 = 8;
const LAST: i64 = 4_000;

const TOLD: &str = "the table knows an insert's token and has none of its rows: its server was killed in between; they are written again";

#[test]
fn what_tables_know_and_have_lost_is_written_again() -> anyhow::Result<()> {
    let unusual = Unusual { batch: "linger = \"200 ms\"", ..Unusual::default() };
    let stand = Stand::new("across_lost", PARTITIONS, &unusual)?;
    stand.write(LAST)?;
    stand.die_at("after-write", 0)?;
    ensure!(stand.joined()? > 0, "nothing is planned as one");
    ensure!(stand.tenant.count("numbers")? > 0, "nothing is written");
    // A mutation leaves the tokens as they are.
    stand
        .tenant
        .clickhouse
        .run(&format!("ALTER TABLE {}.numbers DELETE WHERE 1 SETTINGS mutations_sync = 1", stand.tenant.name))?;
    ensure!(stand.tenant.count("numbers")? == 0, "the rows are still there");
    let gateway = stand.start()?;
    stand.arrives_once(LAST, |_| false)?;
    ensure!(!gateway.messages(TOLD).is_empty(), "nothing was said of it");
    gateway.is_well()?;
    gateway.stop()
}
