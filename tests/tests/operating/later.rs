//! Topics that the group has no offset in yet, though it has planned ranges of others: they begin.

use anyhow::ensure;
use tidegate_tests::harness::eventually;

use super::stand::{Stand, sales};

#[test]
fn a_topic_that_is_made_when_another_has_been_read_begins() -> anyhow::Result<()> {
    let stand = Stand::new("later", 1)?;
    let tenant = &stand.tenant;
    let other = format!("{}.returns", tenant.name);
    let mut pipeline = stand.pipeline()?;
    pipeline
        .replace(&format!("topics = [\"{}\"]", stand.topic), &format!("topics = [\"{}\", \"{other}\"]", stand.topic))?;
    tenant.install(&pipeline)?;
    stand.write(0, 0..8)?;
    let gateway = stand.start()?;
    let rows = |expected: i64| {
        eventually("the rows are there", || {
            let rows = tenant.count("sales")?;
            ensure!(rows == expected, "{rows} rows, not {expected}");
            Ok(())
        })
    };
    rows(8)?;
    tenant.create_topic("returns", 1)?;
    tenant.kafka.send(&other, 0, &sales(8..12))?;
    rows(12)?;
    gateway.is_well()?;
    gateway.stop()
}
