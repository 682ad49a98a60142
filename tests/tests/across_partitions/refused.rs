//! Rows that a table refuses among those of several partitions.

use anyhow::ensure;

use crate::stand::{Stand, Unusual};

const PARTITIONS: i32 = 6;
const LAST: i64 = 3_000;
const CHECK: &str = ", CONSTRAINT likes CHECK number % 101 != 50";

fn is_refused(number: i64) -> bool {
    number % 101 == 50
}

#[test]
fn refused_rows_of_several_partitions_are_left_out_and_become_letters() -> anyhow::Result<()> {
    let unusual = Unusual { batch: "linger = \"300 ms\"", check: CHECK, ..Unusual::default() };
    let stand = Stand::new("across_refused", PARTITIONS, &unusual)?;
    stand.write(LAST)?;
    let gateway = stand.start()?;
    stand.arrives_once(LAST, is_refused)?;
    let ranges = gateway.metric("tidegate_ranges_total", &[])?;
    ensure!(ranges < 2.0 * f64::from(PARTITIONS), "{ranges} ranges");
    gateway.is_well()?;
    gateway.stop()
}

#[test]
fn what_was_left_out_stays_so_where_others_take_over() -> anyhow::Result<()> {
    let unusual = Unusual { batch: "linger = \"300 ms\"", check: CHECK, ..Unusual::default() };
    let stand = Stand::new("across_left_out", PARTITIONS, &unusual)?;
    stand.write(LAST)?;
    // One of the routes is written by then, and the other's rows were refused and are left out in a second plan.
    stand.die_at("after-write", 1)?;
    ensure!(stand.joined()? > 0, "nothing is planned as one");
    let (one, other) = (stand.start()?, stand.start()?);
    stand.arrives_once(LAST, is_refused)?;
    one.stop()?;
    other.stop()
}
