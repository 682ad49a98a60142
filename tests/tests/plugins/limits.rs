//! Guests that panic, trap, grow, recurse and spin: each fails its own range, and the next range knows nothing of it.

use std::sync::Arc;

use tidegate::pipeline::TransformFault;
use tidegate::plugin::{GuestFault, InstanceSettings, Plugin};
use tidegate::workers::Workers;
use tidegate_tests::cases;

use crate::{load, rejects, texts, unruly};

/// Where the range failed and the text of the trap; then the same plugin has to do another range as if nothing had been.
async fn trap(plugin: &Arc<dyn Plugin>, first: i64, values: &[String]) -> (i64, i64, String) {
    let failed = cases::transform(plugin.clone(), cases::records(first, values)).await.unwrap_err();
    let next = cases::transform(plugin.clone(), cases::records(0, ["ok 1"])).await.unwrap();
    assert_eq!(texts(&**plugin, &next), ["ok"]);
    match failed {
        TransformFault { first, last, fault: GuestFault::Trap(text) } => (first, last, text),
        other => panic!("{other:?}"),
    }
}

async fn trap_of(plugin: &Arc<dyn Plugin>, command: &str) -> String {
    trap(plugin, 0, &[command.to_owned()]).await.2
}

#[tokio::test]
async fn a_panic_tells_its_message_its_place_and_its_frames() {
    let text = trap_of(&unruly().await, "panic out of tea").await;
    assert!(text.starts_with("panicked at tests/guests/unruly/src/lib.rs:"), "{text}");
    assert!(text.contains(": out of tea; "), "{text}");
    assert!(text.contains("wasm trap: wasm `unreachable` instruction executed"), "{text}");
    assert!(text.contains("unruly.wasm!unruly::fail::"), "no frame of the plugin's own function:\n{text}");
}

#[tokio::test]
async fn a_trap_without_a_word_does_not_borrow_those_of_an_earlier_range() {
    let plugin = unruly().await;
    cases::transform(plugin.clone(), cases::records(0, ["log-error an old story"])).await.unwrap();
    let text = trap_of(&plugin, "trap").await;
    assert!(text.starts_with("error while executing at wasm backtrace:"), "{text}");
    assert!(!text.contains("an old story"), "{text}");
}

#[tokio::test]
async fn a_trap_names_the_first_and_the_last_offset_of_its_slice() {
    let plugin = unruly().await;
    let values = ["ok 1", "trap", "ok 1"].map(str::to_owned);
    let (first, last, _) = trap(&plugin, 40, &values).await;
    assert_eq!((first, last), (40, 42));
    // A call takes 4,096 records: the second one fails.
    let mut values = vec!["drop".to_owned(); 10_000];
    values[5_000] = "trap".to_owned();
    let (first, last, _) = trap(&plugin, 100, &values).await;
    assert_eq!((first, last), (100 + 4_096, 100 + 8_191));
    let fault = cases::transform(plugin, cases::records(7, ["trap"])).await.unwrap_err().to_string();
    assert!(fault.starts_with("transform records 7 to 7: the plugin trapped: "), "{fault}");
}

#[tokio::test]
async fn memory_beyond_the_limit_is_a_trap_and_within_it_is_not() {
    let plugin = load("unruly", InstanceSettings { memory: 32 << 20, ..cases::instance() }).await;
    let within = cases::transform(plugin.clone(), cases::records(0, ["grow 16", "grow 16"])).await.unwrap();
    assert_eq!(texts(&*plugin, &within), ["grown", "grown"]);
    let text = trap_of(&plugin, "grow 64").await;
    assert!(text.contains("forcing trap when growing memory to "), "{text}");
    // More than 32 bits can address is not even asked for.
    let text = trap_of(&plugin, "grow 4095").await;
    assert!(text.contains("unreachable") || text.contains("forcing trap"), "{text}");
}

#[tokio::test]
async fn rows_as_large_as_the_memory_allows_arrive_whole() {
    let plugin = unruly().await;
    let megabytes = 60;
    let command = format!("big-row {}", megabytes << 20);
    let transformed = cases::transform(plugin, cases::records(0, [command])).await.unwrap();
    let chunk = &transformed.routes[0].chunks[0];
    assert_eq!(chunk.ends.len(), 1);
    assert!(chunk.bytes.len() > megabytes << 20);
}

#[tokio::test]
async fn endless_recursion_is_a_trap() {
    let text = trap_of(&unruly().await, "recurse").await;
    assert!(text.contains("wasm trap: call stack exhausted"), "{text}");
}

#[tokio::test]
async fn a_spinning_guest_lets_others_work_on_its_only_thread_and_can_be_cancelled() {
    let threads = Workers::start(1).unwrap();
    let workers = threads.share("acme", 1);
    let (spinning, normal) = (unruly().await, unruly().await);
    let spins = workers.spawn(cases::transform(spinning.clone(), cases::records(0, ["spin"])));
    for _ in 0..3 {
        let works = workers.spawn(cases::transform(normal.clone(), cases::records(0, ["ok 2"])));
        assert_eq!(texts(&*normal, &works.await.unwrap()), ["ok", "ok"]);
    }
    assert!(!spins.is_finished());
    assert!(spins.cancel().await.is_none());
    // The plugin itself goes on, with another instance.
    let again = workers.spawn(cases::transform(spinning.clone(), cases::records(0, ["ok 1"])));
    assert_eq!(texts(&*spinning, &again.await.unwrap()), ["ok"]);
}

#[tokio::test]
async fn workers_end_though_a_guest_spins() {
    let threads = Workers::start(1).unwrap();
    let workers = threads.share("acme", 1);
    let spins = workers.spawn(cases::transform(unruly().await, cases::records(0, ["spin"])));
    workers.spawn(async {}).await;
    drop(threads);
    drop(spins);
}

#[tokio::test]
async fn a_reject_takes_back_its_rows_and_no_others() {
    let plugin = unruly().await;
    let values = ["ok 2", "emit-and-reject second thoughts", "drop", "reject no", "ok 1", "what"];
    let transformed = cases::transform(plugin.clone(), cases::records(0, values)).await.unwrap();
    assert_eq!(texts(&*plugin, &transformed), ["ok"; 3]);
    assert_eq!(transformed.routes[0].chunks[0].origins, [0, 0, 4]);
    assert_eq!(rejects(&transformed), [(1, "second thoughts"), (3, "no"), (5, "there is no command what")]);
    assert_eq!(transformed.dropped, 1);
}

#[tokio::test]
async fn a_lookup_finds_rows_and_does_not_find_others() {
    let directory = tempfile::tempdir().unwrap();
    let words = directory.path().join("words.csv");
    std::fs::write(&words, "word,meaning\ntide,\"water, coming and going\"\nворота,gate\n").unwrap();
    let lookups = Arc::new(cases::lookups([("words", words)]).unwrap());
    let settings = r#"{"table":"words"}"#.to_owned();
    let plugin = load("unruly", InstanceSettings { lookups, settings, ..cases::instance() }).await;
    let values = ["lookup tide", "lookup ворота", "lookup sea"];
    let transformed = cases::transform(plugin.clone(), cases::records(0, values)).await.unwrap();
    assert_eq!(texts(&*plugin, &transformed), ["water, coming and going", "gate", "nothing"]);
}
