//! The yardstick: a bare poll loop over librdkafka that throws every record away, on C's own malloc. It never changes.

use std::time::{Duration, Instant};

use clap::Parser;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Offset, TopicPartitionList};
use tidegate_tests::bench::measured::Measured;

/// Reads a topic to its end and measures itself.
#[derive(Parser)]
struct Arguments {
    #[arg(long)]
    brokers: String,
    #[arg(long)]
    topic: String,
    #[arg(long)]
    partitions: i32,
    #[arg(long)]
    records: u64,
}

fn main() -> anyhow::Result<()> {
    let Arguments { brokers, topic, partitions, records } = Arguments::parse();
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "yardstick")
        .set("enable.auto.commit", "false")
        .set("queued.min.messages", "1000000")
        .set("fetch.queue.backoff.ms", "50")
        .create()?;
    let mut list = TopicPartitionList::new();
    for partition in 0..partitions {
        list.add_partition_offset(&topic, partition, Offset::Beginning)?;
    }
    consumer.assign(&list)?;
    let mut first = None;
    let mut read = 0;
    while read < records {
        match consumer.poll(Duration::from_secs(30)) {
            Some(message) => {
                message?;
                first.get_or_insert_with(Instant::now);
                read += 1;
            }
            None => anyhow::bail!("{read} of {records} records after 30 s without one"),
        }
    }
    Measured::now(read, first.unwrap_or_else(Instant::now))?.print()?;
    // Closing the consumer is not what is measured.
    std::process::exit(0)
}
