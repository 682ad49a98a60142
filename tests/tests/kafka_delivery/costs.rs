//! What a range's letters cost: in one transaction with the commit, against written before it.
//! `cargo test --release -p tidegate-tests --test kafka_delivery -- --ignored --nocapture costs`

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use chrono::Utc;
use rustix::time::{ClockId, clock_gettime};
use tidegate::config::{GatewaySettings, Start};
use tidegate::kafka::{
    Beginning, Commit, DeadLetter, DeadLetters, Event, KafkaSettings, Letters, Membership, Subscription,
    TopicPartition, Wake,
};
use tidegate_tests::harness::Tenant;

const LETTERS: usize = 1_000;

const ROUNDS: i64 = 60;

/// As the bench has them.
const VALUE: usize = 173;

#[test]
#[ignore = "a measurement"]
fn costs_of_a_range_with_letters() -> anyhow::Result<()> {
    let tenant = Tenant::new("costs")?;
    let (topic, dead) = (tenant.create_topic("sales", 1)?, tenant.topic("letters"));
    tenant.kafka.create(&dead, 4)?;
    let file = tenant.folder().join("gateway.toml");
    let brokers = &tenant.services.kafka;
    std::fs::write(&file, format!("[kafka]\nbootstrap.servers = \"{brokers}\"\n[sinks.out]\ntype = \"stdout\"\n"))?;
    let kafka: BTreeMap<_, _> = GatewaySettings::read(&file)?.kafka;
    let settings = KafkaSettings::new(kafka)?;
    let wake = Wake::this_thread();
    let group = format!("tidegate.costs.{}", tenant.topic("g"));
    let subscription = Subscription { group, topics: vec![topic.clone()], start: Start::default(), bounded: false };
    let mut membership = Membership::join(&settings, &subscription, &wake)?;
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        if membership.poll().iter().any(|event| matches!(event, Event::Assigned(_))) {
            membership.accept().map_err(anyhow::Error::msg)?;
            break;
        }
        anyhow::ensure!(Instant::now() < deadline, "no partition came");
        std::thread::park_timeout(Duration::from_millis(20));
    }
    let value: Vec<u8> = (0..VALUE).map(|index| b"0123456789abcdefghij"[index * 7 % 20]).collect();
    let letter = |offset: i64| DeadLetter {
        key: Some(b"key"),
        value: Some(&value),
        timestamp: 1_795_000_000_000,
        headers: Vec::new(),
        reasons: vec![
            ("tidegate-topic", topic.clone()),
            ("tidegate-partition", "0".to_owned()),
            ("tidegate-offset", offset.to_string()),
            ("tidegate-plugin", "f".repeat(64)),
            ("tidegate-stage", "transform".to_owned()),
            ("tidegate-reason", "quantity: expected a number at column 97".to_owned()),
        ],
    };
    let key = TopicPartition { topic: topic.as_str().into(), partition: 0 };
    let plain = DeadLetters::new(&settings, &dead);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut measured = Vec::new();
    let mut offset = 0;
    for way in ["nothing", "before", "transaction", "nothing", "before", "transaction"] {
        // The first of each makes its producer.
        let mut begun = None;
        for round in 0..=ROUNDS {
            if round == 1 {
                begun = Some((Instant::now(), process_time()));
            }
            offset += 1;
            let letters: Vec<_> = (0..LETTERS as i64).map(letter).collect();
            let mut kept = Vec::new();
            match way {
                "before" => runtime.block_on(plain.write(&letters)).map_err(|(_, fault)| fault)?,
                "transaction" => {
                    let letters = letters.iter().map(|letter| letter.keep(0, offset)).collect();
                    kept.push(Arc::new(Letters { topic: dead.as_str().into(), letters }));
                }
                _ => {}
            }
            let beginning = Beginning { partitions: 1, time: Utc::now() };
            let commit = Commit { partition: key.clone(), offset, beginning, plan: Default::default(), letters: kept };
            membership.commit(&[commit]).map_err(anyhow::Error::msg)?;
            answered(&membership)?;
        }
        let (began, cpu) = begun.context("no rounds")?;
        let each = |time: Duration| time / ROUNDS as u32;
        measured.push((way, each(began.elapsed()), each(process_time().saturating_sub(cpu))));
    }
    drop(plain);
    membership.leave();
    for (way, elapsed, cpu) in measured {
        println!("{way}: {cpu:?} of CPU and {elapsed:?} for a commit with {LETTERS} letters");
    }
    Ok(())
}

fn answered(membership: &Membership) -> anyhow::Result<()> {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        for event in membership.poll() {
            match event {
                Event::Committed(answer) => return answer.context("commit"),
                Event::Fatal(text) => bail!(text),
                _ => {}
            }
        }
        anyhow::ensure!(Instant::now() < deadline, "no answer came");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

fn process_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
