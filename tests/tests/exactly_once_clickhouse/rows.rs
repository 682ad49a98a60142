//! Rows that a table refuses are found in a copy of it, and the others go in.

use std::collections::BTreeSet;

use anyhow::{Context, ensure};
use tidegate::config::Guarantee;
use tidegate::sink::SinkFault;

use super::front::{Deed, Front};
use super::stand::{Batch, LINEAGE, ROUTE, Stand, WINDOW, says};

/// Rows are found, only they, with a reason; the table is untouched by that; the others go in under the same token.
fn only_these_are_bad(
    stand: &Stand,
    columns: &str,
    rows: &[Vec<u8>],
    bad: &[usize],
    reason: &str,
) -> anyhow::Result<()> {
    let table = stand.exact("t", columns)?;
    let batch = Batch::new(LINEAGE, 0, ROUTE, rows);
    let refused = stand.write(&table, &batch);
    ensure!(matches!(refused, Err(SinkFault::Rows(_))), "{refused:?}");
    let blamed = stand.blame(&table, &batch)?;
    let found: Vec<_> = blamed.iter().map(|blamed| blamed.row).collect();
    ensure!(found == bad, "{found:?} are blamed, not {bad:?}");
    ensure!(blamed.iter().all(|blamed| blamed.reason.contains(reason)), "{blamed:?}");
    ensure!(stand.count("t")? == 0, "the table was touched");
    nothing_is_left(stand)?;
    for _ in 0..2 {
        stand.write(&table, &batch.without(&blamed))?;
    }
    ensure!(stand.count("t")? == u64::try_from(rows.len() - bad.len())?);
    ensure!(stand.blame(&table, &batch.without(&blamed))?.is_empty());
    Ok(())
}

fn nothing_is_left(stand: &Stand) -> anyhow::Result<()> {
    let tables =
        stand.run("SELECT groupArray(name) FROM system.tables WHERE database = '{db}' AND name LIKE 'tidegate%'")?;
    ensure!(tables == "[]", "{tables} are left behind");
    Ok(())
}

fn numbers(numbers: impl IntoIterator<Item = u64>) -> Vec<Vec<u8>> {
    numbers.into_iter().map(|number| number.to_le_bytes().to_vec()).collect()
}

fn text(text: &str) -> Vec<u8> {
    [&[u8::try_from(text.len()).unwrap()][..], text.as_bytes()].concat()
}

#[test]
fn one_in_a_thousand_that_breaks_a_constraint_is_found() -> anyhow::Result<()> {
    let stand = Stand::new()?;
    stand.run(&format!(
        "CREATE TABLE {{db}}.t (n UInt64, CONSTRAINT small CHECK n < 1000000) ENGINE = MergeTree ORDER BY n {WINDOW}"
    ))?;
    // Spread, at both ends, and some in a row.
    let bad: BTreeSet<usize> =
        (0..50).map(|index| index * 997 % 50_000).chain([0, 49_999, 31_000, 31_001, 31_002]).collect();
    let rows = numbers((0..50_000).map(|row| if bad.contains(&row) { 7_000_000 } else { row as u64 }));
    let bad: Vec<_> = bad.into_iter().collect();
    let started = std::time::Instant::now();
    only_these_are_bad(&stand, "n UInt64", &rows, &bad, "Constraint `small`")?;
    println!("{} of {} rows were found in {:?}", bad.len(), rows.len(), started.elapsed());
    Ok(())
}

#[test]
fn where_the_server_names_no_row_they_are_found_all_the_same() -> anyhow::Result<()> {
    let stand = Stand::new()?;
    stand.run(&format!(
        "CREATE TABLE {{db}}.t (n UInt64, m UInt64 MATERIALIZED intDiv(10, n)) ENGINE = MergeTree ORDER BY n {WINDOW}"
    ))?;
    let bad = [0, 1, 2, 3_333, 5_000, 5_001, 7_777, 9_999];
    let rows = numbers((0..10_000).map(|row| u64::from(!bad.contains(&row))));
    only_these_are_bad(&stand, "n UInt64", &rows, &bad, "Division by zero")
}

#[test]
fn two_constraints_that_are_broken_in_turns_are_both_found() -> anyhow::Result<()> {
    let stand = Stand::new()?;
    let constraints = "CONSTRAINT small CHECK n < 1000, CONSTRAINT no_seven CHECK n % 100 != 7";
    stand.run(&format!("CREATE TABLE {{db}}.t (n UInt64, {constraints}) ENGINE = MergeTree ORDER BY n {WINDOW}"))?;
    let rows = numbers((0..600).map(|row| if row % 250 == 10 { 5_000 } else { row }));
    only_these_are_bad(&stand, "n UInt64", &rows, &[7, 10, 107, 207, 260, 307, 407, 507, 510], "Constraint `")
}

#[test]
fn what_columns_and_keys_are_computed_from_is_looked_at_as_well() -> anyhow::Result<()> {
    for (create, reason) in [
        ("(n UInt64, m UInt64 MATERIALIZED intDiv(10, n)) ENGINE = MergeTree ORDER BY n", "Division by zero"),
        ("(n UInt64, m UInt64 DEFAULT throwIf(n = 0)) ENGINE = MergeTree ORDER BY n", "throwIf"),
        (
            "(n UInt64, m Decimal(9, 4) MATERIALIZED toDecimal32(if(n = 0, 999999999, 1), 4)) ENGINE = MergeTree ORDER BY n",
            "overflow",
        ),
        ("(n UInt64) ENGINE = MergeTree PARTITION BY intDiv(10, n) ORDER BY n", "Division by zero"),
        ("(n UInt64) ENGINE = MergeTree ORDER BY intDiv(10, n)", "Division by zero"),
        ("(n UInt64, INDEX i intDiv(10, n) TYPE minmax) ENGINE = MergeTree ORDER BY n", "Division by zero"),
        (
            "(n UInt64, at DateTime DEFAULT now()) ENGINE = MergeTree ORDER BY n TTL at + toIntervalDay(intDiv(10, n))",
            "Division by zero",
        ),
        ("(n UInt64, CONSTRAINT c CHECK intDiv(10, n) < 100) ENGINE = MergeTree ORDER BY n", "Division by zero"),
    ] {
        let stand = Stand::new()?;
        stand.run(&format!("CREATE TABLE {{db}}.t {create} SETTINGS non_replicated_deduplication_window = 100000"))?;
        let rows = numbers([3, 3, 0, 3, 3, 3, 0, 0, 3]);
        only_these_are_bad(&stand, "n UInt64", &rows, &[2, 6, 7], reason).context(create)?;
    }
    Ok(())
}

#[test]
fn texts_that_a_column_cannot_be_made_of_are_found() -> anyhow::Result<()> {
    for (column, good, reason) in [
        ("m Date MATERIALIZED toDate(s)", "2026-11-25", "Cannot parse date"),
        ("m DateTime MATERIALIZED parseDateTimeBestEffort(s)", "2026-11-25 10:00:00", "DateTime"),
        ("m UInt8 MATERIALIZED toUInt8(s)", "7", "Cannot parse string"),
        ("m UUID MATERIALIZED toUUID(s)", "61f0c404-5cb3-11e7-907b-a6006ad3dba0", "Cannot parse uuid"),
        ("m IPv4 MATERIALIZED toIPv4(s)", "127.0.0.1", "IPv4"),
        ("m IPv6 MATERIALIZED toIPv6(s)", "::1", "IPv6"),
        ("m Enum8('a' = 1) MATERIALIZED s", "a", "Unknown element"),
        ("m FixedString(1) MATERIALIZED s", "a", "too long"),
        ("m Array(UInt8) MATERIALIZED s", "[1]", "Array does not start"),
        ("m Bool MATERIALIZED s", "true", "Cannot parse bool"),
        ("m JSON MATERIALIZED s", "{}", "Cannot parse JSON"),
        ("m String MATERIALIZED CAST(if(s = 'bad', NULL, s) AS String)", "a", "NULL"),
    ] {
        let stand = Stand::new()?;
        stand.run(&format!("CREATE TABLE {{db}}.t (s String, {column}) ENGINE = MergeTree ORDER BY s {WINDOW}"))?;
        let rows: Vec<_> = [good, "bad", good].into_iter().map(text).collect();
        only_these_are_bad(&stand, "s String", &rows, &[1], reason).context(column)?;
    }
    Ok(())
}

#[test]
fn a_sign_that_is_none_is_found() -> anyhow::Result<()> {
    let stand = Stand::new()?;
    stand.run(&format!(
        "CREATE TABLE {{db}}.t (n UInt64, s Int8) ENGINE = CollapsingMergeTree(s) ORDER BY n {WINDOW}"
    ))?;
    let rows: Vec<_> =
        [1, 5, 1].iter().zip(0u64..).map(|(sign, n)| [&n.to_le_bytes()[..], &[*sign]].concat()).collect();
    only_these_are_bad(&stand, "n UInt64, s Int8", &rows, &[1], "Sign = 5")
}

#[test]
fn rows_of_more_partitions_than_an_insert_may_have_are_found_though_each_passes_alone() -> anyhow::Result<()> {
    let stand = Stand::new()?;
    let window = "SETTINGS non_replicated_deduplication_window = 1000000";
    stand.run(&format!(
        "CREATE TABLE {{db}}.t (n UInt64) ENGINE = MergeTree PARTITION BY intDiv(n, 1000) ORDER BY n {window}"
    ))?;
    // Ninety-nine partitions that most rows are of, and five rows that are each of one more.
    let wild = [20_000, 20_001, 30_000, 39_998, 39_999];
    let of = |row: u64| if wild.contains(&row) { 1_000_000 * row } else { row % 99 * 1000 };
    let rows = numbers((0..40_000).map(of));
    only_these_are_bad(&stand, "n UInt64", &rows, &[20_001, 30_000, 39_998, 39_999], "Too many partitions")
}

#[test]
fn views_have_no_part_in_it() -> anyhow::Result<()> {
    let stand = Stand::new()?;
    for name in ["t", "u"] {
        stand.run(&format!(
            "CREATE TABLE {{db}}.{name} (n UInt64, CONSTRAINT c CHECK n < 10) ENGINE = MergeTree ORDER BY n {WINDOW}"
        ))?;
    }
    stand.run("CREATE MATERIALIZED VIEW {db}.v TO {db}.u AS SELECT n + 5 AS n FROM {db}.t")?;
    let table = stand.exact("t", "n UInt64")?;
    let batch = Batch::numbers(0, [1, 7, 11]);
    // The third breaks the table's own constraint, the second that of the view's target.
    ensure!(matches!(stand.write(&table, &batch), Err(SinkFault::Rows(_))));
    let blamed = stand.blame(&table, &batch)?;
    ensure!(blamed.iter().map(|blamed| blamed.row).collect::<Vec<_>>() == [2], "{blamed:?}");
    ensure!((stand.count("t")?, stand.count("u")?) == (0, 0));
    let rest = batch.without(&blamed);
    ensure!(matches!(stand.write(&table, &rest), Err(SinkFault::Unavailable(_))));
    ensure!(stand.blame(&table, &rest)?.is_empty());
    stand.run("ALTER TABLE {db}.u DROP CONSTRAINT c")?;
    stand.write(&table, &rest)?;
    ensure!((stand.count("t")?, stand.count("u")?) == (2, 2));
    Ok(())
}

#[test]
fn objects_are_looked_at_in_the_same_way() -> anyhow::Result<()> {
    let stand = Stand::new()?;
    stand.run(&format!(
        "CREATE TABLE {{db}}.t (n UInt64, CONSTRAINT c CHECK n < 10) ENGINE = MergeTree ORDER BY n {WINDOW}"
    ))?;
    let rows: Vec<_> = [1, 11, 3, 12].iter().map(|n| format!("{{\"n\":{n}}}\n").into_bytes()).collect();
    only_these_are_bad(&stand, "", &rows, &[1, 3], "Constraint `c`")
}

#[test]
fn where_no_row_passes_the_table_is_to_blame() -> anyhow::Result<()> {
    let stand = Stand::new()?;
    stand.run(&format!(
        "CREATE TABLE {{db}}.t (n UInt64, CONSTRAINT never CHECK n > 1000000) ENGINE = MergeTree ORDER BY n {WINDOW}"
    ))?;
    let table = stand.exact("t", "n UInt64")?;
    let fault = says(
        stand.blame(&table, &Batch::numbers(0, 0..50_000)),
        &[
            "mend the table or the plugin",
            "none of 32 rows passes alone: the table refuses them all",
            "Constraint `never`",
        ],
    )?;
    ensure!(matches!(fault, SinkFault::Refused(_)), "{fault:?}");
    nothing_is_left(&stand)
}

#[test]
fn a_search_that_takes_too_many_tries_is_given_up() -> anyhow::Result<()> {
    let stand = Stand::new()?;
    stand.run(&format!(
        "CREATE TABLE {{db}}.t (n UInt64, CONSTRAINT odd CHECK n % 2 = 1) ENGINE = MergeTree ORDER BY n {WINDOW}"
    ))?;
    let table = stand.exact("t", "n UInt64")?;
    says(stand.blame(&table, &Batch::numbers(0, 0..3_000)), &["there are too many: ", "Constraint `odd`"])?;
    ensure!(stand.count("t")? == 0);
    nothing_is_left(&stand)
}

#[test]
fn a_user_who_may_make_no_tables_is_told_what_to_grant_and_what_a_crash_left_is_dropped() -> anyhow::Result<()> {
    let stand = Stand::new()?;
    stand.run(&format!(
        "CREATE TABLE {{db}}.t (n UInt64, CONSTRAINT c CHECK n < 10) ENGINE = MergeTree ORDER BY n {WINDOW}"
    ))?;
    let denied = "Code: 497. DB::Exception: u: Not enough privileges. To execute this query, it's necessary to have the grant CREATE TABLE";
    let front = Front::start(&stand.url, move |request| match request.text.contains("CREATE TABLE") {
        true => Deed::Answer(403, denied),
        false => Deed::Pass,
    })?;
    let sink = stand.sink(&front.url(), "")?;
    let table = stand.open_in(&sink, "t", "n UInt64", Guarantee::ExactlyOnce)?;
    let batch = Batch::numbers(0, [1, 11]);
    let grant = format!("GRANT CREATE TABLE, DROP TABLE, INSERT ON `{}`.tidegate_blame_* TO ", stand.database);
    says(stand.blame(&table, &batch), &["Not enough privileges", &grant])?;
    ensure!(stand.count("t")? == 0);

    // One of a gateway that ended long ago, one of another that is looking just now, and one that is no clone.
    let now = stand.number("SELECT toUnixTimestamp(now())")?;
    let fresh = format!("tidegate_blame_{now}_00000002");
    for name in ["tidegate_blame_1700000000_00000001", &fresh, "tidegate_blame"] {
        stand.run(&format!("CREATE TABLE {{db}}.{name} (n UInt64) ENGINE = Memory"))?;
    }
    let usual = stand.exact("t", "n UInt64")?;
    let blamed = stand.blame(&usual, &batch)?;
    ensure!(blamed.len() == 1 && blamed[0].row == 1, "{blamed:?}");
    let left = stand
        .run("SELECT groupArray(name) FROM (SELECT name FROM system.tables WHERE database = '{db}' ORDER BY name)")?;
    ensure!(left == format!("['t','tidegate_blame','{fresh}']"), "{left}");
    Ok(())
}

#[test]
fn a_table_whose_copy_would_write_into_it_is_not_copied() -> anyhow::Result<()> {
    let stand = Stand::new()?;
    stand.run(&format!(
        "CREATE TABLE {{db}}.t (n UInt64, CONSTRAINT c CHECK n < 10) ENGINE = MergeTree ORDER BY n {WINDOW}"
    ))?;
    stand.run("CREATE MATERIALIZED VIEW {db}.v TO {db}.t AS SELECT n FROM {db}.other").or_else(|_| {
        stand.run("CREATE TABLE {db}.other (n UInt64) ENGINE = Null")?;
        stand.run("CREATE MATERIALIZED VIEW {db}.v TO {db}.t AS SELECT n FROM {db}.other")
    })?;
    let view = stand.open("v", "n UInt64", Guarantee::AtLeastOnce)?;
    says(
        stand.blame(&view, &Batch::numbers(0, [1, 11])),
        &["rows of a MaterializedView cannot be looked for in a copy of it"],
    )?;
    nothing_is_left(&stand)
}
