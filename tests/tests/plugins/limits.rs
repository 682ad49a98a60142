//! Guests that panic, trap, grow, recurse and spin: each fails its own range, and the next range knows nothing of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tidegate::config::{ByteSize, Limits};
use tidegate::metrics::Metrics;
use tidegate::pipeline::{Range, Stage, TransformFault};
use tidegate::plugin::contract::{Batch, Headers, Strings};
use tidegate::plugin::{GuestFault, InstanceSettings, LoadFault, Plugin};
use tidegate::workers::Workers;
use tidegate_tests::cases;

use crate::{limited, load, load_file, rejects, texts, unruly};

/// Where the range failed and the text of the trap; then the same plugin has to do another range as if nothing had been.
async fn trap(plugin: &Arc<dyn Plugin>, first: i64, values: &[String]) -> (i64, i64, String) {
    let failed = cases::transform(plugin.clone(), cases::records(first, values)).await.unwrap_err();
    let next = cases::transform(plugin.clone(), cases::records(0, ["ok 1"])).await.unwrap();
    assert_eq!(texts(&**plugin, &next), ["ok"]);
    match failed {
        TransformFault { first, last, fault: GuestFault::Trap(text) } => (first, last, text),
        TransformFault { first, last, fault: GuestFault::Limit { problem, .. } } => (first, last, problem),
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
    let plugin = load("unruly", limited(|limits| limits.memory = ByteSize::mib(32))).await;
    let within = cases::transform(plugin.clone(), cases::records(0, ["grow 16", "grow 16"])).await.unwrap();
    assert_eq!(texts(&*plugin, &within), ["grown", "grown"]);
    let text = trap_of(&plugin, "grow 64").await;
    assert!(text.contains("its memory would grow to "), "{text}");
    assert!(text.contains("beyond 32 MiB; a larger `limits.memory` in the pipeline's file allows more"), "{text}");
    // More than 32 bits can address is not even asked for.
    let text = trap_of(&plugin, "grow 4095").await;
    assert!(text.contains("unreachable") || text.contains("limits.memory"), "{text}");
}

/// Which limit stopped this command, and what is said of it; then the same plugin has to do another range.
async fn limit_of(plugin: &Arc<dyn Plugin>, command: &str) -> (&'static str, String) {
    let failed = cases::transform(plugin.clone(), cases::records(0, [command])).await.unwrap_err();
    let next = cases::transform(plugin.clone(), cases::records(0, ["ok 1"])).await.unwrap();
    assert_eq!(texts(&**plugin, &next), ["ok"]);
    match failed.fault {
        GuestFault::Limit { limit, problem } => (limit, problem),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn memory_that_is_never_given_back_meets_the_limit_and_the_next_instance_is_small_again() {
    let plugin = load("unruly", limited(|limits| limits.memory = ByteSize::mib(32))).await;
    let kept = cases::transform(plugin.clone(), cases::records(0, ["keep 20"])).await.unwrap();
    assert_eq!(texts(&*plugin, &kept), ["kept"]);
    // Of the same instance.
    assert_eq!(limit_of(&plugin, "keep 20").await.0, "memory");
    let kept = cases::transform(plugin.clone(), cases::records(0, ["keep 20"])).await.unwrap();
    assert_eq!(texts(&*plugin, &kept), ["kept"]);
    assert!((20 << 20..=32 << 20).contains(&plugin.usage().unwrap().used().memory));
}

#[tokio::test]
async fn a_spinning_record_is_stopped_when_its_cpu_time_is_spent() {
    let plugin = load("unruly", limited(|limits| limits.cpu = Duration::from_millis(50))).await;
    let (limit, problem) = limit_of(&plugin, "spin").await;
    assert_eq!(limit, "cpu");
    let text = "one call takes more than 50 ms of CPU time; a larger `limits.cpu` in the pipeline's file allows more; ";
    assert!(problem.starts_with(text), "{problem}");
    assert!(problem.contains("unruly.wasm!"), "it does not say where: {problem}");
    assert!(plugin.usage().unwrap().used().cpu < Duration::from_millis(50));
}

#[tokio::test]
async fn settings_that_make_it_spin_are_refused_when_its_cpu_time_is_spent() {
    let settings = r#"{"spin":true}"#.to_owned();
    let instance = InstanceSettings { settings, ..limited(|limits| limits.cpu = Duration::from_millis(50)) };
    let Err(fault) = load_file(&cases::built("unruly").unwrap(), instance).await else { panic!("it was loaded") };
    assert!(matches!(&fault, LoadFault::Guest { problem: GuestFault::Limit { limit: "cpu", .. }, .. }), "{fault}");
}

/// Two guests that spin on one thread have half of it each: by the wall's clock they would be stopped twice as early.
#[tokio::test]
async fn only_its_own_cpu_time_counts() {
    const BUDGET: Duration = Duration::from_millis(300);
    let threads = Workers::start(1).unwrap();
    let workers = threads.share("acme", 1);
    let plugin = load("unruly", limited(|limits| limits.cpu = BUDGET)).await;
    let spin = || workers.spawn(cases::transform(plugin.clone(), cases::records(0, ["spin"])));
    let (began, one, other) = (Instant::now(), spin(), spin());
    for spun in [one.await, other.await] {
        assert!(matches!(spun.unwrap_err().fault, GuestFault::Limit { limit: "cpu", .. }));
    }
    assert!(began.elapsed() >= 2 * BUDGET, "they were stopped after {:?}", began.elapsed());
}

#[tokio::test]
async fn a_guest_can_be_given_more_time_for_one_range() {
    let plugin = load("unruly", limited(|limits| limits.cpu = Duration::from_millis(10))).await;
    const WORK: &str = "work 200000000";
    assert_eq!(limit_of(&plugin, WORK).await.0, "cpu");
    let records = cases::records(0, [WORK]);
    let range = Range { topic: "test".into(), partition: 0, first: 0, next: 1 };
    let mut guest = plugin.guest(&range).await.unwrap();
    guest.set_cpu_budget(Duration::from_secs(600));
    let none = || Strings { bytes: &[], ends: &[], nulls: &[] };
    let batch = Batch {
        topic: &range.topic,
        partition: range.partition,
        offsets: &records.offsets,
        timestamps: &records.timestamps,
        keys: none(),
        values: Strings { bytes: &records.values.bytes, ends: &records.values.ends, nulls: &[] },
        headers: Headers { record_ends: &[], names: none(), values: none() },
    };
    assert_eq!(guest.transform(batch).await.unwrap().rows.len(), 1);
    plugin.give_back(guest);
    // The next range has the usual again.
    assert_eq!(limit_of(&plugin, WORK).await.0, "cpu");
}

#[tokio::test]
async fn a_call_hands_over_so_much_and_no_more() {
    let plugin = load("unruly", limited(|limits| limits.output = ByteSize::mib(1))).await;
    let within = cases::transform(plugin.clone(), cases::records(0, ["big-row 1000000"])).await.unwrap();
    assert_eq!(within.routes[0].rows, 1);
    assert!(plugin.usage().unwrap().used().output > 1_000_000);
    let (limit, problem) = limit_of(&plugin, "big-row 1048576").await;
    assert_eq!(limit, "output");
    let text = "one call hands over more than 1 MiB; a larger `limits.output` in the pipeline's file allows more; ";
    assert!(problem.starts_with(text), "{problem}");
    // Also what it hands to the log.
    assert_eq!(limit_of(&plugin, &format!("log {}", "x".repeat((1 << 20) + 1))).await.0, "output");
}

#[tokio::test]
async fn a_call_that_hands_over_more_than_a_gateway_should_hold_is_refused_by_default() {
    let large = |limits: &mut Limits| (limits.memory, limits.cpu) = (ByteSize::mib(1_000), Duration::from_secs(60));
    let plugin = load("unruly", limited(large)).await;
    assert_eq!(limit_of(&plugin, "big-row 140000000").await.0, "output");
}

#[tokio::test]
async fn a_record_of_too_many_rows_is_rejected_alone() {
    let metrics = Metrics::new();
    let plugin = load("unruly", limited(|limits| limits.rows_per_record = 10)).await;
    plugin.usage().unwrap().count_in(metrics.pipeline("acme", "sales"));
    let values = ["ok 10", "ok 11", "drop", "ok 3", "ok 1000000"];
    let transformed = cases::transform(plugin.clone(), cases::records(0, values)).await.unwrap();
    let more = "a larger `limits.rows_per_record` in the pipeline's file allows more";
    let reason = |rows| format!("it became {rows} rows, and 10 is the limit; {more}");
    assert_eq!(rejects(&transformed), [(1, &*reason(11)), (4, &*reason(1_000_000))]);
    assert!(transformed.rejects.iter().all(|reject| reject.stage == Stage::Encode));
    assert_eq!(transformed.routes[0].rows, 13);
    assert_eq!(texts(&*plugin, &transformed), ["ok"; 13]);
    assert_eq!(transformed.routes[0].chunks[0].origins, [&[0; 10][..], &[3; 3]].concat());
    assert_eq!(transformed.dropped, 1);
    assert_eq!(plugin.usage().unwrap().used().rows_per_record, 1_000_000);
    let counted = r#"tidegate_limited_total{tenant="acme",pipeline="sales",limit="rows_per_record"} 2"#;
    assert!(metrics.encode().contains(counted), "{}", metrics.encode());
}

#[tokio::test]
async fn lines_beyond_the_limit_are_left_out_and_counted() {
    let metrics = Metrics::new();
    let plugin = load("unruly", limited(|limits| limits.log_lines = 10)).await;
    plugin.usage().unwrap().count_in(metrics.pipeline("acme", "sales"));
    cases::transform(plugin.clone(), cases::records(0, ["logs 100000", "log-error last"])).await.unwrap();
    assert_eq!(plugin.usage().unwrap().used().log_lines, 100_001);
    let counted = metrics.encode();
    let left_out = counted.lines().find_map(|line| {
        line.strip_prefix(r#"tidegate_limited_total{tenant="acme",pipeline="sales",limit="log_lines"} "#)
    });
    // Ten of every second that it took.
    let left_out: u64 = left_out.unwrap().parse().unwrap();
    assert!((90_000..=99_991).contains(&left_out), "{left_out}");
    // A panic's message is none of the lines: it is told with the trap.
    let text = trap_of(&plugin, "panic at the disco").await;
    assert!(text.contains("at the disco"), "{text}");
}

#[tokio::test]
async fn lookups_beyond_the_limit_are_a_fault_and_those_of_other_records_count_for_it() {
    let directory = tempfile::tempdir().unwrap();
    let words = directory.path().join("words.csv");
    std::fs::write(&words, "word,meaning\ntide,water\n").unwrap();
    let lookups = Arc::new(cases::lookups([("words", words)]).unwrap());
    let settings = r#"{"table":"words"}"#.to_owned();
    let instance = limited(|limits| limits.lookups_per_record = 1_000);
    let plugin = load("unruly", InstanceSettings { lookups, settings, ..instance }).await;
    let within = cases::records(0, ["lookups 2000", "drop"]);
    assert_eq!(texts(&*plugin, &cases::transform(plugin.clone(), within).await.unwrap()), ["looked"]);
    assert_eq!(plugin.usage().unwrap().used().lookups_per_record, 1_000);
    let (limit, problem) = limit_of(&plugin, "lookups 1001").await;
    assert_eq!(limit, "lookups_per_record");
    assert!(problem.starts_with("it asks lookup tables more than 1000 times a record; a larger"), "{problem}");
}

#[tokio::test]
async fn a_file_beyond_the_limit_is_refused_with_its_size() {
    let instance = limited(|limits| limits.module_size = ByteSize(1 << 10));
    let Err(fault) = load_file(&cases::built("unruly").unwrap(), instance).await else { panic!("it was loaded") };
    assert!(matches!(&fault, LoadFault::TooLarge { .. }), "{fault}");
    let text = "and 1 KiB is the limit; a larger `limits.module_size` in the pipeline's file allows more";
    assert!(fault.to_string().contains(text), "{fault}");
}

#[tokio::test]
async fn what_limits_stop_is_counted_by_their_names() {
    let metrics = Metrics::new();
    let plugin = load("unruly", limited(|limits| limits.memory = ByteSize::mib(32))).await;
    plugin.usage().unwrap().count_in(metrics.pipeline("acme", "sales"));
    limit_of(&plugin, "grow 64").await;
    limit_of(&plugin, "recurse").await;
    for limit in ["memory", "stack"] {
        let counted = format!(r#"tidegate_limited_total{{tenant="acme",pipeline="sales",limit="{limit}"}} 1"#);
        assert!(metrics.encode().contains(&counted), "{}", metrics.encode());
    }
}

#[tokio::test]
async fn the_memory_of_idle_instances_can_be_released() {
    let plugin = unruly().await;
    let calls =
        async || texts(&*plugin, &cases::transform(plugin.clone(), cases::records(0, ["calls"])).await.unwrap());
    assert_eq!((calls().await, calls().await), (vec!["1".to_owned()], vec!["2".to_owned()]));
    plugin.release_idle();
    assert_eq!(calls().await, ["1"]);
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
    let patient = limited(|limits| limits.cpu = Duration::from_secs(600));
    let (spinning, normal) = (load("unruly", patient).await, unruly().await);
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
