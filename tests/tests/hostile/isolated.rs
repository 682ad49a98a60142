//! One range through a hostile guest: which of its records are to blame, what becomes of the others, and what that costs.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use tidegate::config::{ByteSize, Limits, PipelineName};
use tidegate::metrics::Metrics;
use tidegate::pipeline::{
    Batch, Budget, Bundle, Concerns, Failed, Isolation, Lineage, Range, Stage, Status, Transformed, isolate,
};
use tidegate::plugin::{Engine, EngineSettings, InstanceSettings, Plugin, PluginFile, PluginHash};
use tidegate_tests::cases;
use tidegate_tests::harness::binary;

static ENGINE: LazyLock<Engine> = LazyLock::new(|| {
    let compiler = binary().unwrap();
    Engine::new(EngineSettings { compiler, ..EngineSettings::default() }).unwrap()
});

/// A pipeline of one plugin.
struct Pipeline {
    plugin: Arc<dyn Plugin>,
    isolation: Isolation,
    status: Arc<Status>,
}

impl Pipeline {
    async fn of(name: &str, instance: InstanceSettings) -> Self {
        let file = PluginFile::read(&cases::built(name).unwrap()).unwrap();
        let plugin = Arc::new(ENGINE.load(&file, instance).await.unwrap());
        let name = PipelineName { tenant: "default".to_owned(), pipeline: name.to_owned() };
        let metrics = Metrics::new().pipeline("default", "test");
        let status = Arc::new(Status::new(name, "test.toml".into(), metrics));
        Self { plugin, isolation: Isolation::new(status.clone()), status }
    }

    async fn unruly() -> Self {
        Self::limited(|limits| limits.memory = ByteSize::mib(64)).await
    }

    /// The plugin `unruly` within the usual limits, but for some.
    async fn limited(change: impl FnOnce(&mut Limits)) -> Self {
        let mut instance = cases::instance();
        change(&mut instance.limits);
        Self::of("unruly", instance).await
    }

    async fn liar() -> Self {
        Self::of("liar", cases::instance()).await
    }

    /// Runs values as one range whose first offset is 1,000.
    async fn run<V: AsRef<[u8]>>(&self, values: impl IntoIterator<Item = V>) -> Result<Transformed, Box<Failed>> {
        let records = cases::records(1_000, values);
        let next = records.offsets.last().unwrap() + 1;
        let range = Range { topic: "test".into(), partition: 0, first: 1_000, next };
        let bundle = Bundle { plugin: self.plugin.hash(), settings: PluginHash::of(b"") };
        let permit = Budget::new(usize::MAX).take(records.bytes());
        let batch = Batch { range, permit, records, lineage: Lineage(0), bundle: Arc::new(bundle), joined: Vec::new() };
        isolate(self.plugin.clone(), batch, &self.isolation).await
    }

    fn runs(&self) -> u64 {
        self.status.metrics().isolation_runs.get()
    }
}

/// How many rows each record has, by its index.
fn rows(transformed: &Transformed) -> BTreeMap<usize, usize> {
    let mut rows = BTreeMap::new();
    for origin in transformed.routes[0].chunks.iter().flat_map(|chunk| &chunk.origins) {
        *rows.entry(*origin as usize).or_default() += 1;
    }
    rows
}

/// Records with a row each, but for some that are hostile.
fn honest_but(count: usize, hostile: impl IntoIterator<Item = usize>, command: &str) -> Vec<String> {
    let mut values = vec!["ok 1".to_owned(); count];
    hostile.into_iter().for_each(|index| values[index] = command.to_owned());
    values
}

/// That the records of `hostile` and no others are rejected for `reason`, and all others have their row.
#[track_caller]
fn check(transformed: &Transformed, hostile: &[usize], stage: Stage, reason: &str) {
    let rejected: Vec<_> = transformed.rejects.iter().map(|reject| reject.record).collect();
    assert_eq!(rejected, hostile, "{reason}");
    for reject in &transformed.rejects {
        assert_eq!(reject.stage, stage, "{}", reject.reason);
        assert!(reject.reason.contains(reason), "`{reason}` is not in: {}", reject.reason);
    }
    let others = (0..transformed.batch.records.len()).filter(|record| !hostile.contains(record));
    assert_eq!(rows(transformed), others.map(|record| (record, 1)).collect());
    assert_eq!(transformed.dropped, 0);
}

#[tokio::test]
async fn a_record_that_traps_is_rejected_with_its_backtrace_and_no_other_is() {
    for (command, reason) in [
        ("panic out of tea", "out of tea; error while executing at wasm backtrace:"),
        ("trap", "wasm trap: wasm `unreachable` instruction executed"),
        ("recurse", "the plugin reached a limit: its calls are nested deeper than 512 KiB of stack"),
        ("grow 100", "the plugin reached a limit: its memory would grow to"),
        ("output 1024", "the plugin reached a limit: its memory would grow to"),
    ] {
        let pipeline = Pipeline::unruly().await;
        for place in [0, 123, 299] {
            let transformed = pipeline.run(honest_but(300, [place], command)).await.unwrap();
            check(&transformed, &[place], Stage::Trap, reason);
        }
        assert!(pipeline.runs() <= 3 * 24, "{command}: {} runs", pipeline.runs());
    }
}

#[tokio::test]
async fn the_backtrace_names_the_function_of_the_plugin_and_the_cause_stands_at_its_end() {
    let transformed = Pipeline::unruly().await.run(honest_but(9, [4], "recurse")).await.unwrap();
    let [reject] = transformed.rejects.as_slice() else { panic!("{:?}", transformed.rejects) };
    assert!(reject.reason.starts_with("the plugin reached a limit: its calls are nested"));
    assert!(reject.reason.contains("unruly.wasm!unruly::descend"), "{}", reject.reason);
    assert!(reject.reason.trim_end().ends_with("wasm trap: call stack exhausted"), "{}", reject.reason);
    assert!(reject.reason.len() < 4_200, "{}", reject.reason.len());
}

#[tokio::test]
async fn every_second_record_and_clusters_are_isolated() {
    let every_second: Vec<_> = (0..1_000).step_by(2).collect();
    let clusters: Vec<_> = (0..40).chain(500..501).chain(900..1_000).collect();
    for hostile in [every_second, clusters] {
        let pipeline = Pipeline::unruly().await;
        let command = format!("panic {}", "at the disco ".repeat(100));
        let transformed = pipeline.run(honest_but(1_000, hostile.iter().copied(), &command)).await.unwrap();
        check(&transformed, &hostile, Stage::Trap, "unreachable");
        assert!(pipeline.runs() < 2_000, "{} runs", pipeline.runs());
        // A few tell all of it, and all of them the cause.
        let lengths: Vec<_> = transformed.rejects.iter().map(|reject| reject.reason.len()).collect();
        assert_eq!(lengths.iter().filter(|length| **length > 600).count(), 100, "{lengths:?}");
    }
}

#[tokio::test]
async fn a_range_of_many_calls_is_isolated_where_it_fails() {
    let pipeline = Pipeline::unruly().await;
    let hostile = [4_100, 9_000, 9_001, 19_999];
    let transformed = pipeline.run(honest_but(20_000, hostile, "trap")).await.unwrap();
    check(&transformed, &hostile, Stage::Trap, "unreachable");
    assert!(pipeline.runs() < 110, "{} runs", pipeline.runs());
}

#[tokio::test]
async fn records_with_headers_keys_and_nulls_keep_them_when_others_are_left_out() {
    use tidegate::pipeline::{RecordRef, Records};
    let mut records = Records::default();
    for (offset, value) in (0..).zip([Some("ok 1"), Some("trap"), None, Some("ok 2")]) {
        let key = (offset % 2 == 0).then_some(&b"key"[..]);
        records.push(RecordRef { offset, timestamp: 7 + offset, key, value: value.map(str::as_bytes) });
        if offset > 1 {
            records.push_header(b"name", Some(b"value"));
        }
    }
    let pipeline = Pipeline::unruly().await;
    let range = Range { topic: "test".into(), partition: 0, first: 0, next: 4 };
    let bundle = Bundle { plugin: pipeline.plugin.hash(), settings: PluginHash::of(b"") };
    let permit = Budget::new(usize::MAX).take(records.bytes());
    let batch = Batch { range, permit, records, lineage: Lineage(0), bundle: Arc::new(bundle), joined: Vec::new() };
    let transformed = isolate(pipeline.plugin.clone(), batch, &pipeline.isolation).await.unwrap();
    let rejects: Vec<_> = transformed.rejects.iter().map(|reject| (reject.record, reject.stage)).collect();
    assert_eq!(rejects, [(1, Stage::Trap), (2, Stage::Transform)]);
    assert_eq!(rows(&transformed), BTreeMap::from([(0, 1), (3, 2)]));
    assert_eq!(transformed.batch.records.headers(3).count(), 1);
}

#[tokio::test]
async fn a_plugin_that_fails_on_everything_is_given_up_in_a_few_runs() {
    let pipeline = Pipeline::unruly().await;
    let failed = pipeline.run(vec!["panic at the disco"; 50_000]).await.unwrap_err();
    assert_eq!(failed.concerns, Concerns::EveryRecord(32));
    assert_eq!(failed.batch.records.len(), 50_000);
    let text = failed.to_string();
    assert!(text.starts_with("each of 32 records fails by itself, and none passes; record 1"), "{text}");
    assert!(text.contains("panic") && text.contains("at the disco"), "{text}");
    assert_eq!(pipeline.runs(), 33);
    // The next range is not even tried.
    let failed = pipeline.run(["ok 1"]).await.unwrap_err();
    assert_eq!(failed.concerns, Concerns::EveryRecord(32));
    assert_eq!(pipeline.runs(), 33);
}

#[tokio::test]
async fn ranges_of_one_record_each_are_rejected_until_there_are_too_many_in_a_row() {
    let pipeline = Pipeline::unruly().await;
    for _ in 0..31 {
        let transformed = pipeline.run(["trap"]).await.unwrap();
        check(&transformed, &[0], Stage::Trap, "unreachable");
    }
    // One that passes shows that the plugin is not to blame.
    pipeline.run(["ok 1"]).await.unwrap();
    for _ in 0..31 {
        pipeline.run(["trap"]).await.unwrap();
    }
    let failed = pipeline.run(["trap"]).await.unwrap_err();
    assert_eq!(failed.concerns, Concerns::EveryRecord(32));
}

#[tokio::test]
async fn records_that_fail_only_among_others_are_named_and_none_is_rejected() {
    let pipeline = Pipeline::liar().await;
    let mut values = honest_but(200, [], "");
    values[77] = "alone".to_owned();
    let failed = pipeline.run(values).await.unwrap_err();
    assert_eq!(failed.concerns, Concerns::Together);
    let (first, last) = (failed.fault.first, failed.fault.last);
    assert!((1_000..=1_077).contains(&first) && (1_077..=1_199).contains(&last) && last == first + 1, "{failed}");
    let text = failed.to_string();
    assert!(text.contains("fail together, though none of them fails alone: the plugin trapped:"), "{text}");
    assert_eq!(failed.batch.records.len(), 200);
    assert!(pipeline.runs() < 30, "{} runs", pipeline.runs());
    // It does not concern the plugin's other ranges.
    pipeline.run(["alone"]).await.unwrap();
}

#[tokio::test]
async fn an_instance_that_wears_out_is_replaced_and_no_record_is_blamed() {
    let pipeline = Pipeline::unruly().await;
    for round in 0..8 {
        let transformed = pipeline.run(["keep 20"]).await.unwrap();
        check(&transformed, &[], Stage::Trap, "");
        assert_eq!(transformed.rejects, [], "round {round}");
    }
    let traps = pipeline.status.metrics().traps.get();
    assert!((2..=4).contains(&traps), "{traps} traps");
    assert_eq!(pipeline.runs(), traps);
}

#[tokio::test]
async fn a_stateful_plugin_is_isolated_too_and_its_end_counts_what_is_left() {
    let pipeline = Pipeline::of("counter", cases::instance()).await;
    let values = vec!["a", "panic", "b", "c"];
    let transformed = pipeline.run(values).await.unwrap();
    let rejects: Vec<_> = transformed.rejects.iter().map(|reject| (reject.record, reject.stage)).collect();
    assert_eq!(rejects, [(1, Stage::Trap)]);
    let row = transformed.routes[0].chunks[0].rows().next().unwrap();
    assert_eq!(row[..8], 3u64.to_le_bytes());
}

#[tokio::test]
async fn a_plugin_that_fails_the_range_by_its_own_word_is_taken_at_it() {
    let pipeline = Pipeline::of("counter", cases::instance()).await;
    let failed = pipeline.run(["a", "fail", "b"]).await.unwrap_err();
    assert_eq!(failed.concerns, Concerns::Range);
    assert!(failed.to_string().contains("the count is not to be trusted"), "{failed}");
    assert_eq!(pipeline.runs(), 0);
}

#[tokio::test]
async fn an_output_that_breaks_the_contract_costs_the_record_that_made_it() {
    let pipeline = Pipeline::liar().await;
    for (command, reason) in [
        ("backwards", "rows for route `line`: row"),
        ("beyond", "to 4294967295, but there are"),
        ("behind", "rows for route `line`: the last row ends at"),
        ("origin 4000000", "comes from record 4000000 in a batch of 1"),
        ("no-origin", "ends, but"),
        ("route 7", "rows for route 7, but there are 1 routes"),
        ("route 0", "rows for route `line` twice in one output"),
        ("reject 999999", "a reject of record 999999 in a batch of 1"),
        ("reject 4294967295", "a reject of record 4294967295 in a batch of 1"),
        ("nobody", "row 0, which has no record, is wrong"),
    ] {
        let transformed = pipeline.run(honest_but(100, [42, 99], command)).await.unwrap();
        check(&transformed, &[42, 99], Stage::Trap, reason);
        assert!(transformed.rejects[0].reason.starts_with("the plugin broke the contract: "), "{command}");
    }
}

#[tokio::test]
async fn rows_that_are_not_as_described_are_left_out_alone() {
    let pipeline = Pipeline::liar().await;
    for (command, reason) in [
        ("short 3", "column `text`: the row ends within the value"),
        ("short 0", "column `text`: the row ends within the value"),
        ("long", "bytes stand behind the last column"),
        ("enum", "column `kind`: "),
        ("bool", "column `flag`: the byte 2 stands where 0 or 1 must"),
        ("text", "column `text`: the text is not UTF-8 from its byte 2 on"),
        ("length", "column `text`: the row ends within the value"),
    ] {
        let transformed = pipeline.run(["ok 1", command, "ok 3"]).await.unwrap();
        let [reject] = transformed.rejects.as_slice() else { panic!("{command}: {:?}", transformed.rejects) };
        assert_eq!((reject.record, reject.stage), (1, Stage::Encode));
        assert!(reject.reason.contains(reason), "{command}: {}", reject.reason);
        assert_eq!(rows(&transformed), BTreeMap::from([(0, 1), (1, 2), (2, 3)]), "{command}");
    }
    assert_eq!(pipeline.runs(), 0);
}

#[tokio::test]
async fn what_is_kept_of_many_complaints_about_one_record_is_one() {
    let pipeline = Pipeline::liar().await;
    for command in ["wrong-rows 1000000", "rejects 1000000", "reason 50000000"] {
        let transformed = pipeline.run(["ok 1", command, "ok 1"]).await.unwrap();
        let [reject] = transformed.rejects.as_slice() else { panic!("{command}: {}", transformed.rejects.len()) };
        assert_eq!(reject.record, 1);
        assert!(reject.reason.len() <= 1_027 && reject.reason.capacity() <= 2_048, "{}", reject.reason.capacity());
        assert_eq!(rows(&transformed), BTreeMap::from([(0, 1), (2, 1)]), "{command}");
    }
}

#[tokio::test]
async fn a_million_rows_of_one_record_are_written_or_cost_that_record() {
    let values = ["ok 1", "ok 1000000", "ok 1"];
    let pipeline = Pipeline::limited(|limits| limits.rows_per_record = 1_000_000).await;
    let transformed = pipeline.run(values).await.unwrap();
    assert_eq!(rows(&transformed), BTreeMap::from([(0, 1), (1, 1_000_000), (2, 1)]));
    let transformed = Pipeline::unruly().await.run(values).await.unwrap();
    check(&transformed, &[1], Stage::Encode, "it became 1000000 rows, and 10000 is the limit");
}

const BUDGET: Duration = Duration::from_millis(50);

#[tokio::test]
async fn a_record_that_spins_is_rejected_after_it_had_ten_times_the_time_and_no_other_is() {
    let pipeline = Pipeline::limited(|limits| limits.cpu = BUDGET).await;
    for place in [0, 222] {
        let transformed = pipeline.run(honest_but(300, [place], "spin")).await.unwrap();
        check(&transformed, &[place], Stage::Trap, "one call takes more than 500 ms of CPU time");
    }
    // The CPU time of it: two whole runs, their shares on the way down, and ten times the time of a call.
    assert!(pipeline.runs() < 50, "{} runs", pipeline.runs());
}

#[tokio::test]
async fn records_that_are_slow_alone_or_together_are_no_poison() {
    let pipeline = Pipeline::limited(|limits| limits.cpu = BUDGET).await;
    let (alone, together) = (steps(BUDGET * 3).await, steps(BUDGET / 20).await);
    let transformed = pipeline.run(honest_but(100, [40], &format!("work {alone}"))).await.unwrap();
    check(&transformed, &[], Stage::Trap, "");
    assert!(pipeline.runs() > 0, "it was not slow");
    let runs = pipeline.runs();
    let transformed = pipeline.run(vec![format!("work {together}"); 80]).await.unwrap();
    check(&transformed, &[], Stage::Trap, "");
    assert!(pipeline.runs() > runs, "it was not slow");
}

/// How many steps of `work` take about this long here and now.
async fn steps(time: Duration) -> u64 {
    const TRIED: u64 = 20_000_000;
    let pipeline = Pipeline::limited(|limits| limits.cpu = Duration::from_secs(60)).await;
    let before = tidegate::cpu::thread_time();
    pipeline.run([format!("work {TRIED}")]).await.unwrap();
    let took = tidegate::cpu::thread_time() - before;
    (TRIED as f64 * time.as_secs_f64() / took.as_secs_f64()) as u64
}

#[tokio::test]
async fn a_plugin_that_spins_on_everything_is_given_up_before_it_burns_much() {
    let pipeline = Pipeline::limited(|limits| limits.cpu = BUDGET).await;
    let before = tidegate::cpu::thread_time();
    let failed = pipeline.run(vec!["spin"; 10_000]).await.unwrap_err();
    let took = tidegate::cpu::thread_time() - before;
    let Concerns::TooMany(found) = failed.concerns else { panic!("{failed}") };
    assert!((4..=6).contains(&found), "{failed}");
    assert!(failed.to_string().starts_with("looking for the records to blame took too much CPU time"), "{failed}");
    assert!(took < BUDGET * 80, "{took:?}");
    // Others of its ranges cost nothing more.
    let runs = pipeline.runs();
    pipeline.run(["ok 1"]).await.unwrap_err();
    assert_eq!(pipeline.runs(), runs);
}

#[tokio::test]
async fn output_lookups_and_log_lines_beyond_their_limits_are_named() {
    let pipeline = Pipeline::limited(|limits| limits.output = ByteSize::mib(8)).await;
    let transformed = pipeline.run(honest_but(50, [7], "output 20")).await.unwrap();
    check(&transformed, &[7], Stage::Trap, "the plugin reached a limit: one call hands over more than 8 MiB");

    let directory = tempfile::tempdir().unwrap();
    let words = directory.path().join("words.csv");
    std::fs::write(&words, "word,meaning\ntide,water\n").unwrap();
    let lookups = Arc::new(cases::lookups([("words", words)]).unwrap());
    let settings = r#"{"table":"words"}"#.to_owned();
    let pipeline = Pipeline::of("unruly", InstanceSettings { lookups, settings, ..cases::instance() }).await;
    let transformed = pipeline.run(honest_but(50, [7], "flood-lookup 1000000")).await.unwrap();
    check(&transformed, &[7], Stage::Trap, "it asks lookup tables more than 100 times a record");

    // Lines beyond the limit are left out, and no record is to blame.
    let transformed = pipeline.run(honest_but(50, [], "")).await.unwrap();
    check(&transformed, &[], Stage::Trap, "");
    let transformed = pipeline.run(["ok 1", "logs 100000", "ok 1"]).await.unwrap();
    assert_eq!((transformed.rejects.len(), transformed.dropped), (0, 1));
}
