//! A gateway dies at each point of the way of ranges that are written as one; two others take its partitions over, so that what leads and
//! what has joined it are not in the same hands.

use anyhow::ensure;

use crate::stand::{Stand, Unusual};

const PARTITIONS: i32 = 8;
const LAST: i64 = 4_000;

fn dies_at(point: &str, leaves_a_plan: bool) -> anyhow::Result<()> {
    let unusual = Unusual { batch: "linger = \"200 ms\"", ..Unusual::default() };
    let stand = Stand::new(&format!("across_{}", point.replace('-', "_")), PARTITIONS, &unusual)?;
    stand.write(LAST)?;
    stand.die_at(point, 0)?;
    let joined = stand.joined()?;
    ensure!((joined > 0) == leaves_a_plan, "{joined} ranges have joined others");
    let (one, other) = (stand.start()?, stand.start()?);
    stand.arrives_once(LAST, |_| false)?;
    one.is_well()?;
    other.is_well()?;
    one.stop()?;
    other.stop()
}

#[test]
fn once_it_is_planned() -> anyhow::Result<()> {
    dies_at("planned", true)
}

#[test]
fn when_it_is_written() -> anyhow::Result<()> {
    dies_at("after-write", true)
}

#[test]
fn before_it_is_complete() -> anyhow::Result<()> {
    dies_at("before-complete", true)
}

#[test]
fn while_it_is_being_planned() -> anyhow::Result<()> {
    dies_at("offsets-sent", false)
}
