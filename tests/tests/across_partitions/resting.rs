//! A partition whose letter cannot be written rests, and holds up no other.

use anyhow::ensure;
use tidegate_tests::harness::{Message, eventually};

use crate::stand::{Stand, Unusual};

const PARTITIONS: i32 = 6;

/// The plugin rejects this number, and takes those behind 2.
const REJECTED: i64 = 1;

#[test]
fn a_partition_whose_letter_is_too_large_holds_up_no_other() -> anyhow::Result<()> {
    let unusual = Unusual { batch: "linger = \"100 ms\"", ..Unusual::default() };
    let stand = Stand::new("across_resting", PARTITIONS, &unusual)?;
    let (kafka, topic) = (&stand.tenant.kafka, &stand.topic);
    let dead = format!("{topic}.dead");
    kafka.create(&dead, 1)?;
    kafka.set(&dead, "max.message.bytes", "100")?;
    let send = |partition: i32, number: i64| {
        kafka.send(topic, partition, &[Message { value: Some(number.to_string().into_bytes()), ..Message::default() }])
    };
    send(0, REJECTED)?;
    let gateway = stand.start()?;
    let has = |rows: i64| {
        eventually("the rows are there", || {
            let there = stand.tenant.count("copies")?;
            ensure!(there == rows, "{there} of {rows}");
            Ok(())
        })
    };
    gateway.says(&[&format!("the letter of record {topic}/0/0 has "), "max.message.bytes"])?;
    // Ranges of the others come to their end together, one after the other, and nothing waits for the first one's letter.
    let mut number = 3;
    for round in 1..=5 {
        for partition in 1..PARTITIONS {
            send(partition, number)?;
            number += 1;
        }
        has(round * i64::from(PARTITIONS - 1))?;
    }
    kafka.set(&dead, "max.message.bytes", "100000")?;
    stand.tenant.wait_for("numbers", topic)?;
    eventually("the letter is seen", || {
        let letters = kafka.count(&dead)?;
        ensure!(letters >= 1, "{letters} letters");
        Ok(())
    })?;
    gateway.stop()
}
