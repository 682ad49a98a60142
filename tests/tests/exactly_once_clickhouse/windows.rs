//! What a table must remember: too little doubles, is refused before, and is mended by the statement that is told.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, ensure};
use tidegate::config::Guarantee;
use tidegate::sink::SinkFault;
use tidegate_tests::harness::eventually;

use super::stand::{Batch, LINEAGE, ROUTE, Stand, WINDOW, says, statements};

/// Days in so many months, one row a month and round again.
fn months(count: u16, rows: u64) -> Vec<Vec<u8>> {
    let day = |number: u64| 19_723 + u16::try_from(number).unwrap() % count * 31;
    (0..rows).map(|number| [&number.to_le_bytes()[..], &day(number).to_le_bytes()[..]].concat()).collect()
}

#[test]
fn a_window_counts_parts_and_one_that_is_too_small_doubles_and_is_refused() -> anyhow::Result<()> {
    let stand = Stand::new()?;
    let create = "CREATE TABLE {db}.t (n UInt64, at Date) ENGINE = MergeTree PARTITION BY toYYYYMM(at) ORDER BY n \
                  SETTINGS non_replicated_deduplication_window =";
    let columns = "n UInt64, at Date";
    // Two inserts of six months: twelve parts. What is remembered of the first ones is gone when it is tried again.
    stand.run(&format!("{create} 11"))?;
    let loose = stand.open("t", columns, Guarantee::AtLeastOnce)?;
    let (one, two) = (Batch::new(LINEAGE, 0, ROUTE, &months(6, 600)), Batch::new(LINEAGE, 600, ROUTE, &months(6, 600)));
    for batch in [&one, &two, &one] {
        stand.write(&loose, batch)?;
    }
    let doubled = stand.count("t")?;
    ensure!(doubled > 1_200, "a window of 11 tells 12 parts apart: {doubled} rows");
    // An insert a second at most, for a second and for what was saved in half a minute, six months each.
    let sink = stand.sink(&stand.url, "inserts_per_second = 1\noutage = \"1 s\"\nparts_per_insert = 6")?;
    let opened = stand.open_in(&sink, "t", columns, Guarantee::ExactlyOnce);
    let fault = says(
        opened,
        &["non_replicated_deduplication_window is 11, expected at least 186, for 31 inserts of 6 parts each"],
    )?;
    stand.run("TRUNCATE TABLE {db}.t")?;
    let [statement] = &statements(&fault)[..] else { anyhow::bail!("{fault}") };
    stand.run(statement)?;
    let exact = stand.open_in(&sink, "t", columns, Guarantee::ExactlyOnce)?;
    for batch in [&one, &two, &one, &two] {
        stand.write(&exact, batch)?;
    }
    ensure!(stand.count("t")? == 1_200);
    Ok(())
}

#[test]
fn as_many_inserts_as_are_promised_are_told_apart() -> anyhow::Result<()> {
    let stand = Stand::new()?;
    let sink = stand.sink(&stand.url, "inserts_per_second = 1000\noutage = \"1 ms\"\nparts_per_insert = 1")?;
    stand.run("CREATE TABLE {db}.t (n UInt64) ENGINE = MergeTree ORDER BY n")?;
    let fault = says(stand.open_in(&sink, "t", "n UInt64", Guarantee::ExactlyOnce), &["expected at least 31000"])?;
    stand.run(statements(&fault).first().context("no statement")?)?;
    let table = stand.open_in(&sink, "t", "n UInt64", Guarantee::ExactlyOnce)?;
    for first in (0..200).chain(0..200) {
        stand.write(&table, &Batch::numbers(first, [1]))?;
    }
    ensure!(stand.count("t")? == 200);
    Ok(())
}

#[test]
fn a_views_target_needs_a_window_of_its_own_and_so_does_that_of_its_view() -> anyhow::Result<()> {
    let stand = Stand::new()?;
    stand.run(&format!("CREATE TABLE {{db}}.t (n UInt64) ENGINE = MergeTree ORDER BY n {WINDOW}"))?;
    // One makes a table for itself, and what it writes there goes on into a table with partitions.
    stand.run("CREATE MATERIALIZED VIEW {db}.a ENGINE = SummingMergeTree ORDER BY k AS SELECT n AS k, count() AS c FROM {db}.t GROUP BY k")?;
    stand.run("CREATE TABLE {db}.`odd na\\`me` (k UInt64) ENGINE = MergeTree PARTITION BY k % 10 ORDER BY k")?;
    let inner = stand.run("SELECT name FROM system.tables WHERE database = '{db}' AND name LIKE '.inner%'")?;
    stand
        .run(&format!("CREATE MATERIALIZED VIEW {{db}}.b TO {{db}}.`odd na\\`me` AS SELECT k FROM {{db}}.`{inner}`"))?;
    let batch = Batch::numbers(0, 0..10);
    let loose = stand.open("t", "n UInt64", Guarantee::AtLeastOnce)?;
    for _ in 0..2 {
        stand.write(&loose, &batch)?;
    }
    let sums = "SELECT sum(c) FROM {db}.a";
    ensure!((stand.count("t")?, stand.number(sums)?, stand.count("`odd na\\`me`")?) == (10, 20, 20));

    let database = &stand.database;
    let fault = says(
        stand.open("t", "n UInt64", Guarantee::ExactlyOnce),
        &[
            &format!("`{database}.{inner}`, which its view `{database}.a` writes to, forgets inserts too early"),
            &format!("`{database}.odd na`me`, which its view `{database}.b` writes to, forgets"),
            "expected at least 7260, for 7260 inserts;",
            "expected at least 72600, for 7260 inserts of 10 parts each",
        ],
    )?;
    let statements = statements(&fault);
    ensure!(statements.len() == 2, "{statements:?}");
    for statement in statements {
        stand.run(&statement)?;
    }
    let exact = stand.exact("t", "n UInt64")?;
    for _ in 0..2 {
        stand.write(&exact, &Batch::numbers(10, 0..10))?;
    }
    ensure!((stand.count("t")?, stand.number(sums)?, stand.count("`odd na\\`me`")?) == (20, 30, 30));
    Ok(())
}

#[test]
fn a_table_that_is_not_there_is_proposed_with_its_window() -> anyhow::Result<()> {
    let stand = Stand::new()?;
    let fault = says(stand.open("t", "n UInt64", Guarantee::ExactlyOnce), &["it does not exist"])?;
    stand.run(statements(&fault).first().context("no statement")?)?;
    stand.exact("t", "n UInt64")?;
    stand.run("DROP TABLE {db}.t")?;
    let fault = says(stand.open("t", "n UInt64", Guarantee::AtLeastOnce), &["it does not exist"])?;
    ensure!(!fault.to_string().contains("window"), "{fault}");
    Ok(())
}

#[test]
fn what_does_not_fit_and_what_is_not_remembered_are_told_at_once() -> anyhow::Result<()> {
    let stand = Stand::new()?;
    stand.run("CREATE TABLE {db}.t (n UInt32) ENGINE = MergeTree ORDER BY tuple()")?;
    let fault = says(
        stand.open("t", "n UInt64, s String", Guarantee::ExactlyOnce),
        &["its column `n` is UInt32", "it has no column `s`", "non_replicated_deduplication_window is 0"],
    )?;
    ensure!(matches!(fault, SinkFault::Mismatch(_)), "{fault:?}");
    for statement in statements(&fault) {
        stand.run(&statement)?;
    }
    stand.exact("t", "n UInt64, s String")?;
    Ok(())
}

#[test]
fn one_pace_holds_for_all_that_write_to_a_table() -> anyhow::Result<()> {
    let stand = Stand::new()?;
    for name in ["t", "u"] {
        stand.run(&format!("CREATE TABLE {{db}}.{name} (n UInt64) ENGINE = MergeTree ORDER BY n {WINDOW}"))?;
    }
    let sink = stand.sink(&stand.url, "inserts_per_second = 1")?;
    let open = |table| stand.open_in(&sink, table, "n UInt64", Guarantee::ExactlyOnce);
    let (one, two, other) = (open("t")?, open("t")?, open("u")?);
    let started = std::time::Instant::now();
    for first in 0..30 {
        ensure!(one.delay().is_zero() && two.delay().is_zero(), "after {first} of what was saved in half a minute");
        stand.write(if first % 2 == 0 { &one } else { &two }, &Batch::numbers(first, [1]))?;
    }
    // Each second that went by meanwhile lets one more through.
    let mut more = 0;
    while two.delay().is_zero() {
        ensure!(more <= started.elapsed().as_secs() + 1, "{more} more went through");
        stand.write(&one, &Batch::numbers(1_000 + i64::try_from(more)?, [1]))?;
        more += 1;
    }
    ensure!(other.delay().is_zero(), "another table has another pace");
    Ok(())
}

#[test]
fn whether_inserts_are_forgotten_is_told_by_what_has_come_since() -> anyhow::Result<()> {
    let stand = Stand::new()?;
    let window = "SETTINGS non_replicated_deduplication_window = 31";
    for name in ["t", "u"] {
        stand.run(&format!("CREATE TABLE {{db}}.{name} (n UInt64) ENGINE = MergeTree ORDER BY n {window}"))?;
        stand.run(&format!("SYSTEM STOP MERGES {{db}}.{name}"))?;
    }
    stand.run("CREATE MATERIALIZED VIEW {db}.v TO {db}.u AS SELECT n FROM {db}.t WHERE n % 2 = 0")?;
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).map(|now| now.as_secs());
    let begun = now()? - 60;
    let sink = stand.sink(&stand.url, "inserts_per_second = 1\noutage = \"1 ms\"\nparts_per_insert = 1")?;
    let table = stand.open_in(&sink, "t", "n UInt64", Guarantee::ExactlyOnce)?;
    let insert = |numbers: std::ops::Range<u64>| -> anyhow::Result<()> {
        numbers.into_iter().try_for_each(|n| stand.run(&format!("INSERT INTO {{db}}.t VALUES ({n})")).map(|_| ()))
    };
    let says = |since, part: &str| -> anyhow::Result<()> {
        let forgotten = stand.forgotten_since(&table, since)?;
        ensure!(forgotten.as_ref().is_some_and(|reason| reason.contains(part)), "{forgotten:?}, not {part}");
        Ok(())
    };
    ensure!(stand.forgotten_since(&table, begun)?.is_none(), "nothing has come yet");
    insert(0..20)?;
    ensure!(stand.forgotten_since(&table, begun)?.is_none());
    insert(20..40)?;
    says(begun, "it remembers 31 parts, and up to 40 have come since")?;
    // Within the time that a window was made for nobody asks.
    let long = stand.sink(&stand.url, "inserts_per_second = 1\noutage = \"2 m\"\nparts_per_insert = 1")?;
    stand.run("CREATE TABLE {db}.w (n UInt64) ENGINE = MergeTree ORDER BY n SETTINGS non_replicated_deduplication_window = 150")?;
    let other = stand.open_in(&long, "w", "n UInt64", Guarantee::ExactlyOnce)?;
    ensure!(stand.forgotten_since(&other, begun)?.is_none());
    let goes_on_to = |second| {
        eventually("the clock goes on", || {
            ensure!(now()? >= second, "it does not");
            Ok(())
        })
    };
    // The server tells in whole seconds how old a part is, and its clock may be a second behind.
    let since = now()? + 3;
    goes_on_to(since)?;
    insert(40..50)?;
    // So that it is longer ago than the window was made for.
    goes_on_to(since + 1)?;
    ensure!(stand.forgotten_since(&table, since)?.is_none());
    // What a view writes to may forget earlier.
    stand.run("ALTER TABLE {db}.u MODIFY SETTING non_replicated_deduplication_window = 5")?;
    says(since, &format!("`{0}.u`, which its view `{0}.v` writes to, remembers 5 parts", stand.database))
}
