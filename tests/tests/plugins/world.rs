//! What a plugin finds around itself when its language's standard library asks for a system: nothing, the same every
//! time, or a trap that says what it asked for.

use std::sync::Arc;

use tidegate::pipeline::{RecordRef, Records};
use tidegate::plugin::Plugin;
use tidegate_tests::cases;

use crate::{load, texts, unruly};

async fn wasip2() -> Arc<dyn Plugin> {
    load("unruly-wasip2", cases::instance()).await
}

/// Records at these offsets with these timestamps.
fn timed(value: &str, records: &[(i64, i64)]) -> Records {
    let mut all = Records::default();
    for &(offset, timestamp) in records {
        all.push(RecordRef { offset, timestamp, key: None, value: Some(value.as_bytes()) });
    }
    all
}

async fn lines(plugin: &Arc<dyn Plugin>, records: Records) -> Vec<String> {
    let transformed = cases::transform(plugin.clone(), records).await.unwrap();
    assert_eq!(transformed.rejects, []);
    texts(&**plugin, &transformed)
}

async fn trap(plugin: &Arc<dyn Plugin>, command: &str) -> String {
    cases::transform(plugin.clone(), cases::records(0, [command])).await.unwrap_err().to_string()
}

#[tokio::test]
async fn a_plugin_of_wasip2_imports_wasi_and_runs_without_it() {
    let file = std::fs::read(cases::built("warehouse").unwrap()).unwrap();
    assert!(file.windows(5).any(|bytes| bytes == b"wasi:"), "the test's plugin has to import something of WASI");
    let plugin = load("warehouse", cases::instance()).await;
    let value = r#"{"movement_id":"0192f0c1-7a3b-7c11-9d2e-1f2a3b4c5d6e","event_time":"2026-11-20T10:15:00Z",
        "product_id":17,"warehouse":"msk-2","kind":"receipt","quantity":12}"#;
    assert_eq!(lines(&plugin, cases::records(0, [value])).await, ["0192f0c1-7a3b-7c11-9d2e-1f2a3b4c5d6e"]);
}

#[tokio::test]
async fn the_clock_stands_at_the_greatest_timestamp_so_far() {
    let plugin = wasip2().await;
    let records = timed("clock", &[(0, 1_795_169_700_123), (1, 1_795_169_700_456), (2, 1_795_169_700_001)]);
    assert_eq!(lines(&plugin, records).await, ["1795169700456"; 3]);
    // A range without timestamps knows no time, whatever the instance saw before.
    assert_eq!(lines(&plugin, timed("clock", &[(3, -1)])).await, ["0"]);
}

#[tokio::test]
async fn randomness_is_the_same_for_the_same_range_and_another_for_another() {
    let fresh = async |first: i64| lines(&wasip2().await, timed("random", &[(first, -1)])).await;
    let range = fresh(7).await;
    assert_eq!(fresh(7).await, range);
    assert_ne!(fresh(8).await, range);
}

#[tokio::test]
async fn the_environment_is_empty() {
    assert_eq!(lines(&wasip2().await, cases::records(0, ["environment", "arguments"])).await, ["0", "0"]);
}

#[tokio::test]
async fn what_is_not_there_traps_by_its_name() {
    let text = trap(&wasip2().await, "file /etc/passwd").await;
    assert!(text.contains("wasi:filesystem/preopens@0.2."), "{text}");
    let text = trap(&wasip2().await, "connect 127.0.0.1:9092").await;
    assert!(text.contains("wasi:sockets/"), "{text}");
    // Without WASI the standard library itself knows of no clock.
    let text = trap(&unruly().await, "clock").await;
    assert!(text.contains("time not implemented on this platform"), "{text}");
}
