//! A trickle over many partitions is few inserts, and soon there.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use anyhow::ensure;
use tidegate_demo::produce::Source as _;
use tidegate_tests::harness::Numbers;

use crate::stand::{Stand, Unusual, is_poison};

const PARTITIONS: i32 = 32;

/// Each partition has a record every fifth of a second.
const RATE: f64 = 160.0;

const FLOWS: Duration = Duration::from_secs(20);

/// The first records wait for the group.
const AT_FIRST: Duration = Duration::from_secs(6);

/// The table takes two inserts a second: each partition by itself would get one in sixteen seconds.
const INSERTS: u32 = 2;
const LONGEST: Duration = Duration::from_secs(3);

#[test]
fn a_trickle_over_many_partitions_is_few_inserts_and_soon_there() -> anyhow::Result<()> {
    let unusual = Unusual { batch: "linger = \"200 ms\"", inserts: Some(INSERTS), ..Unusual::default() };
    let stand = Stand::new("across_few", PARTITIONS, &unusual)?;
    let gateway = stand.start()?;
    let (mut writer, mut numbers, begun) = (stand.writer()?, Numbers::default(), Instant::now());
    let (mut last, mut marks) = (0, VecDeque::new());
    while begun.elapsed() < FLOWS {
        while (last as f64) < begun.elapsed().as_secs_f64() * RATE {
            let mut written = Ok(());
            numbers.next_record(&mut |record| written = writer.write(record));
            written?;
            last += 1;
        }
        writer.flush()?;
        marks.push_back((Instant::now(), last));
        let rows = stand.tenant.count("copies")?;
        while let Some((_, last)) = marks.pop_front_if(|(at, _)| at.elapsed() > LONGEST) {
            let due = (1..=last).filter(|number| !is_poison(*number)).count();
            ensure!(
                begun.elapsed() < AT_FIRST + LONGEST || usize::try_from(rows)? >= due,
                "{LONGEST:?} after {due} rows were written there are {rows}"
            );
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    stand.arrives_once(last, |_| false)?;
    let ranges = gateway.metric("tidegate_ranges_total", &[])?;
    gateway.stop()?;
    // One for the whole of a wave, and what was written while the group was still to be joined.
    ensure!(ranges <= 2.0 * f64::from(INSERTS) * FLOWS.as_secs_f64(), "{ranges} ranges");
    Ok(())
}
