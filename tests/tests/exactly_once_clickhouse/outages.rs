//! Whatever a server or what is in front of it answers: the rows are tried again, and are there once.

use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, ensure};
use tidegate::config::Guarantee;
use tidegate::sink::SinkFault;

use super::front::{Deed, Front};
use super::stand::{Batch, Stand, WINDOW};

/// What may come in place of an answer, and what the operator reads of it.
const ANSWERS: [(Deed, &str); 15] = [
    (Deed::Break, "network error"),
    (Deed::LoseAnswer, "network error"),
    (Deed::Answer(200, "<html>Please log in</html>"), "not ClickHouse's"),
    (Deed::Answer(500, ""), "500 Internal Server Error"),
    (Deed::Answer(503, "<html>503 Service Temporarily Unavailable</html>"), "Service Temporarily Unavailable"),
    (Deed::Answer(429, "slow down"), "slow down"),
    (Deed::Answer(502, "\u{1f}\u{8b}\u{0}garbage"), "garbage"),
    (Deed::Answer(404, "no such page"), "no such page"),
    (
        Deed::Answer(500, "Code: 201. DB::Exception: Quota for user `u` for 60s has been exceeded. (QUOTA_EXCEEDED)"),
        "Quota",
    ),
    (
        Deed::Answer(500, "Code: 202. DB::Exception: Too many simultaneous queries. (TOO_MANY_SIMULTANEOUS_QUERIES)"),
        "simultaneous",
    ),
    (
        Deed::Answer(500, "Code: 241. DB::Exception: (total) memory limit exceeded. (MEMORY_LIMIT_EXCEEDED)"),
        "memory limit",
    ),
    (Deed::Answer(500, "Code: 242. DB::Exception: Table is in readonly mode. (TABLE_IS_READ_ONLY)"), "readonly"),
    (
        Deed::Answer(
            500,
            "Code: 252. DB::Exception: Too many parts (3000 with average size of 1 KiB). (TOO_MANY_PARTS)",
        ),
        "Too many parts",
    ),
    (
        Deed::Answer(500, "Code: 164. DB::Exception: u: Cannot execute query in readonly mode. (READONLY)"),
        "readonly mode",
    ),
    (
        Deed::Answer(500, "Code: 98765. DB::Exception: what nobody knows yet. (FROM_THE_FUTURE)"),
        "what nobody knows yet",
    ),
];

#[test]
fn whatever_is_answered_the_rows_are_there_once_and_nobody_blames_them() -> anyhow::Result<()> {
    let stand = Stand::new()?;
    stand.run(&format!("CREATE TABLE {{db}}.t (n UInt64) ENGINE = MergeTree ORDER BY n {WINDOW}"))?;
    let inserts = AtomicUsize::new(0);
    // Every other insert is tried in vain.
    let front = Front::start(&stand.url, move |request| match request.is_insert() {
        true => match inserts.fetch_add(1, Ordering::Relaxed) {
            even if even % 2 == 0 => ANSWERS[even / 2].0.clone(),
            _ => Deed::Pass,
        },
        false => Deed::Pass,
    })?;
    let sales = stand.open_in(&stand.sink(&front.url(), "")?, "t", "n UInt64", Guarantee::ExactlyOnce)?;
    for (index, (deed, part)) in ANSWERS.iter().enumerate() {
        let batch = Batch::numbers(i64::try_from(index)? * 100, 0..100);
        let fault = stand.write(&sales, &batch).err().with_context(|| format!("{deed:?} is taken for an answer"))?;
        ensure!(!matches!(fault, SinkFault::Rows(_)), "{deed:?}: {fault:?}");
        ensure!(fault.to_string().contains(part), "{deed:?}: {fault}");
        stand.write(&sales, &batch)?;
        ensure!(stand.count("t")? == 100 * (u64::try_from(index)? + 1), "after {deed:?}");
    }
    Ok(())
}

#[test]
fn an_answer_that_does_not_come_in_time_is_not_waited_for() -> anyhow::Result<()> {
    let stand = Stand::new()?;
    stand.run(&format!("CREATE TABLE {{db}}.t (n UInt64) ENGINE = MergeTree ORDER BY n {WINDOW}"))?;
    let (held, release) = std::sync::mpsc::channel::<()>();
    let release = std::sync::Mutex::new(release);
    // Held until the test lets go, which it does after the sink has given up.
    let front = Front::start(&stand.url, move |request| {
        if request.is_insert() {
            let _ = release.lock().map(|release| release.recv());
        }
        Deed::Pass
    })?;
    let sink = stand.sink(&front.url(), "timeout = \"300 ms\"")?;
    let sales = stand.open_in(&sink, "t", "n UInt64", Guarantee::ExactlyOnce)?;
    let batch = Batch::numbers(0, 0..100);
    let late = stand.write(&sales, &batch);
    ensure!(matches!(late, Err(SinkFault::Unavailable(_))), "{late:?}");
    // The late one and the next arrive together.
    held.send(())?;
    held.send(())?;
    drop(held);
    while stand.write(&sales, &batch).is_err() {}
    ensure!(stand.count("t")? == 100);
    Ok(())
}
