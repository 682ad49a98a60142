//! Partitions come and go while ranges of them are written as one, and operators decide on plans of such.

use anyhow::ensure;
use tidegate_tests::harness::{Gateway, eventually};

use crate::stand::{Stand, Unusual};

const PARTITIONS: i32 = 12;

#[test]
fn members_come_and_go_while_numbers_flow() -> anyhow::Result<()> {
    let unusual = Unusual { batch: "linger = \"100 ms\"", ..Unusual::default() };
    let stand = Stand::new("across_members", PARTITIONS, &unusual)?;
    let feed = stand.feed(2_000.0)?;
    let mut members = vec![stand.start()?];
    for turn in 0..3 {
        let before = stand.tenant.count("copies")?;
        members.push(stand.start()?);
        eventually("rows flow with one more", || {
            let rows = stand.tenant.count("copies")?;
            ensure!(rows > before + 500, "{rows} rows, {before} before");
            Ok(())
        })?;
        let leaves = members.remove(0);
        match turn % 2 {
            0 => leaves.stop()?,
            _ => leaves.kill()?,
        }
    }
    let last = i64::try_from(feed.finish()?)?;
    stand.arrives_once(last, |_| false)?;
    members.into_iter().try_for_each(Gateway::stop)
}
