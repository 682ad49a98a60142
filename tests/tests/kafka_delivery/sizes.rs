//! Letters that a topic does not take as they come: too many for a batch of its size, or too large by themselves.

use anyhow::ensure;
use tidegate_tests::harness::{Message, eventually};

use super::stand::{SHOP, Stand};

const LIMIT: &str = "max.message.bytes";

/// Not what anything could shorten: each letter differs from the one before.
fn noise(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|_| rand::random_range(b'!'..=b'~')).collect()
}

#[test]
fn many_small_letters_go_to_a_topic_that_takes_small_batches() -> anyhow::Result<()> {
    let stand = Stand::with_sales("small_batches")?;
    stand.tenant.kafka.set(&stand.dead(), LIMIT, "2000")?;
    let gateway = stand.start()?;
    stand.arrives_once()?;
    gateway.is_well()?;
    gateway.stop()
}

#[test]
fn a_letter_that_is_too_large_holds_its_partition_and_is_written_when_the_topic_takes_it() -> anyhow::Result<()> {
    let stand = Stand::new("too_large")?;
    stand.tenant.kafka.set(&stand.dead(), LIMIT, "4000")?;
    let small = Message { value: Some(b"no sale".to_vec()), ..Message::default() };
    let large = Message { value: Some(noise(9_000)), ..Message::default() };
    stand.tenant.kafka.send(&stand.topic, 0, &[small.clone(), large.clone()])?;
    stand.tenant.kafka.send(&stand.topic, 1, &[small.clone()])?;
    let gateway = stand.start()?;
    let answer =
        gateway.says(&["dead letters: ", &stand.dead(), &format!("record {}/0/1 ", stand.topic), "4000 bytes"])?;
    ensure!(answer.text.contains("--add-config max.message.bytes=16384"), "{}", answer.text);
    let group = stand.tenant.group("sales", &stand.topic)?;
    // The other partition goes on.
    let done = || {
        let committed = group.committed()?;
        ensure!(committed == [Some(0), Some(1)], "committed is {committed:?}");
        Ok(())
    };
    eventually("the other partition is complete", done)?;
    ensure!(stand.tenant.kafka.read(&stand.dead())?.len() == 1, "letters of a range came without the others");
    stand.tenant.kafka.set(&stand.dead(), LIMIT, "16384")?;
    stand.tenant.wait_for("sales", &stand.topic)?;
    gateway.is_well()?;
    let letters = stand.tenant.kafka.read(&stand.dead())?;
    let mut values: Vec<_> = letters.into_iter().filter_map(|letter| letter.message.value).collect();
    values.sort_by_key(Vec::len);
    ensure!(values.len() == 3 && Some(&values[2]) == large.value.as_ref(), "{} letters came", values.len());
    ensure!(SHOP.partitions == 2);
    gateway.stop()
}
