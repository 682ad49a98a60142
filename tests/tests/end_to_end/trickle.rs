//! A trickle: a record now and then must not wait for others to come.

use std::time::{Duration, Instant};

use anyhow::ensure;
use tidegate_tests::harness::{Gateway, Message, Tenant, eventually};

const PARTITIONS: i32 = 4;
const RECORDS: i64 = 20;
const LINGER: Duration = Duration::from_millis(300);

/// What a range's way through the gateway, Kafka and ClickHouse may take beside its linger, on a machine that does other things too.
const ON_ITS_WAY: Duration = Duration::from_millis(200);

#[test]
fn a_record_a_second_is_in_the_table_soon_after_its_linger() -> anyhow::Result<()> {
    let tenant = Tenant::new("trickle")?;
    let topic = tenant.create_topic("sales", PARTITIONS)?;
    tenant.create_tables("sales")?;
    let mut file = tenant.pipeline("sales", &topic)?;
    file.text += &format!("[batch]\nlinger = \"{} ms\"\n", LINGER.as_millis());
    tenant.install(&file)?;
    let gateway = Gateway::start(&tenant, &tenant.gateway_file())?;
    let send = |number: i64| {
        tenant.kafka.send(&topic, number as i32 % PARTITIONS, &[Message { value: Some(sale()), ..Message::default() }])
    };
    // The first ones wait for the group.
    (0..PARTITIONS).try_for_each(|partition| send(partition.into()))?;
    tenant.wait_for("sales", &topic)?;
    let mut took = Vec::new();
    for number in i64::from(PARTITIONS)..i64::from(PARTITIONS) + RECORDS {
        let begun = Instant::now();
        send(number)?;
        let sent = Instant::now();
        eventually("the record's row is there", || {
            let rows = tenant.count("sales")?;
            ensure!(rows > number, "{rows} rows");
            Ok(())
        })?;
        took.push(sent.elapsed());
        // A record a second, whatever else takes its time.
        std::thread::sleep(Duration::from_secs(1).saturating_sub(begun.elapsed()));
    }
    gateway.stop()?;
    took.sort();
    println!("{took:?}");
    let median = took.get(took.len() / 2).copied().unwrap_or_default();
    ensure!(median <= LINGER + ON_ITS_WAY, "half of all records took longer than {median:?}: {took:?}");
    Ok(())
}

fn sale() -> Vec<u8> {
    br#"{"event_id":"0192f0c1-7a3b-7c11-9d2e-1f2a3b4c5d6e","event_time":"2026-11-20T10:15:00.123Z","product_id":7,"quantity":3,"price":1.50,"channel":"web"}"#.to_vec()
}
