//! A token is spent once, whatever happens around it.

use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::ensure;
use tidegate::pipeline::Lineage;
use tidegate::sink::SinkFault;

use super::front::{Deed, Front};
use super::stand::{Batch, LINEAGE, OTHER_ROUTE, ROUTE, Stand, WINDOW};

fn numbers(from: u64, to: u64) -> Vec<Vec<u8>> {
    (from..to).map(|number| number.to_le_bytes().to_vec()).collect()
}

fn table(stand: &Stand) -> anyhow::Result<()> {
    stand.run(&format!("CREATE TABLE {{db}}.t (n UInt64) ENGINE = MergeTree ORDER BY n {WINDOW}"))?;
    Ok(())
}

#[test]
fn the_same_rows_under_their_token_are_there_once_and_under_another_twice() -> anyhow::Result<()> {
    let stand = Stand::new()?;
    table(&stand)?;
    let sales = stand.exact("t", "n UInt64")?;
    for _ in 0..3 {
        stand.write(&sales, &Batch::numbers(0, 0..1_000))?;
    }
    ensure!(stand.count("t")? == 1_000);
    // The same rows of the next range: not taken for the same.
    stand.write(&sales, &Batch::numbers(1_000, 0..1_000))?;
    ensure!(stand.count("t")? == 2_000);
    // A gateway that has just started has only the plan.
    stand.write(&stand.exact("t", "n UInt64")?, &Batch::numbers(0, 0..1_000))?;
    ensure!(stand.count("t")? == 2_000);
    Ok(())
}

#[test]
fn two_routes_and_two_pipelines_into_one_table_are_not_taken_for_each_other() -> anyhow::Result<()> {
    let stand = Stand::new()?;
    table(&stand)?;
    let rows = numbers(0, 100);
    let (one, two) = (stand.exact("t", "n UInt64")?, stand.exact("t", "n UInt64")?);
    let writes = [
        (&one, Batch::new(LINEAGE, 0, ROUTE, &rows)),
        (&one, Batch::new(LINEAGE, 0, OTHER_ROUTE, &rows)),
        // Another pipeline reads the same topic, or another one, in a group of its own.
        (&two, Batch::new(Lineage(8), 0, ROUTE, &rows)),
        (&two, Batch::of_topic("u", LINEAGE, 0, ROUTE, &rows)),
    ];
    for _ in 0..2 {
        for (table, batch) in &writes {
            stand.write(table, batch)?;
        }
    }
    ensure!(stand.count("t")? == 400);
    Ok(())
}

#[test]
fn a_lost_answer_doubles_nothing() -> anyhow::Result<()> {
    let stand = Stand::new()?;
    table(&stand)?;
    let inserts = AtomicUsize::new(0);
    let front = Front::start(&stand.url, move |request| match request.is_insert() {
        true if inserts.fetch_add(1, Ordering::Relaxed) < 2 => Deed::LoseAnswer,
        _ => Deed::Pass,
    })?;
    let sink = stand.sink(&front.url(), "")?;
    let sales = stand.open_in(&sink, "t", "n UInt64", tidegate::config::Guarantee::ExactlyOnce)?;
    let batch = Batch::numbers(0, 0..1_000);
    for _ in 0..2 {
        let lost = stand.write(&sales, &batch);
        ensure!(matches!(lost, Err(SinkFault::Unavailable(_))), "{lost:?}");
        ensure!(stand.count("t")? == 1_000, "it was not done");
    }
    stand.write(&sales, &batch)?;
    ensure!(stand.count("t")? == 1_000);
    Ok(())
}

#[test]
fn tries_at_the_same_time_add_one_of_them() -> anyhow::Result<()> {
    let stand = Stand::new()?;
    table(&stand)?;
    stand.run(&format!("CREATE TABLE {{db}}.u (n UInt64) ENGINE = MergeTree ORDER BY n {WINDOW}"))?;
    stand.run("CREATE MATERIALIZED VIEW {db}.v TO {db}.u AS SELECT n FROM {db}.t")?;
    let sales = stand.exact("t", "n UInt64")?;
    for round in 0..10 {
        // One that was given up by its gateway, and one of its successor.
        for written in stand.write_at_once(&sales, &Batch::numbers(round * 50_000, 0..50_000), 4) {
            written?;
        }
    }
    ensure!((stand.count("t")?, stand.count("u")?) == (500_000, 500_000));
    Ok(())
}

#[test]
fn what_is_too_much_for_one_insert_goes_in_chunks_that_are_known_again() -> anyhow::Result<()> {
    let stand = Stand::new()?;
    table(&stand)?;
    let inserts = AtomicUsize::new(0);
    // The first is done and its answer is lost; then, the first passes and the second never arrives; then, the second is done unheard.
    let front = Front::start(&stand.url, move |request| {
        if !request.is_insert() {
            return Deed::Pass;
        }
        match inserts.fetch_add(1, Ordering::Relaxed) {
            0 | 4 => Deed::LoseAnswer,
            2 => Deed::Break,
            _ => Deed::Pass,
        }
    })?;
    let sink = stand.sink(&front.url(), "")?;
    let sales = stand.open_in(&sink, "t", "n UInt64", tidegate::config::Guarantee::ExactlyOnce)?;
    let batch = Batch::numbers(0, 0..1_200_000);
    let after = [500_000, 500_000, 1_000_000];
    for expected in after {
        ensure!(stand.write(&sales, &batch).is_err());
        let count = stand.count("t")?;
        ensure!(count == expected, "{count} rows, not {expected}");
    }
    stand.write(&sales, &batch)?;
    stand.write(&sales, &batch)?;
    ensure!(stand.count("t")? == 1_200_000);
    ensure!(stand.number("SELECT uniqExact(n) FROM {db}.t")? == 1_200_000);
    Ok(())
}

#[test]
fn inserts_stay_as_they_were_cut_when_rows_are_left_out() -> anyhow::Result<()> {
    let stand = Stand::new()?;
    table(&stand)?;
    let inserts = AtomicUsize::new(0);
    // Two of the three inserts pass. Then the table begins to refuse a row of the first.
    let front = Front::start(&stand.url, move |request| {
        let breaks = request.is_insert() && inserts.fetch_add(1, Ordering::Relaxed) == 2;
        if breaks { Deed::Break } else { Deed::Pass }
    })?;
    let sink = stand.sink(&front.url(), "")?;
    let sales = stand.open_in(&sink, "t", "n UInt64", tidegate::config::Guarantee::ExactlyOnce)?;
    let batch = Batch::numbers(0, 0..1_200_000);
    ensure!(stand.write(&sales, &batch).is_err());
    ensure!(stand.count("t")? == 1_000_000);
    stand.run("ALTER TABLE {db}.t ADD CONSTRAINT c CHECK n != 3")?;
    let refused = stand.write(&sales, &batch);
    ensure!(matches!(refused, Err(SinkFault::Rows(_))), "{refused:?}");
    let blamed = stand.blame(&sales, &batch)?;
    ensure!(blamed.iter().map(|blamed| blamed.row).collect::<Vec<_>>() == [3], "{blamed:?}");
    for _ in 0..2 {
        stand.write(&sales, &batch.without(&blamed))?;
    }
    let there = (stand.count("t")?, stand.number("SELECT uniqExact(n) FROM {db}.t")?);
    ensure!(there == (1_200_000, 1_200_000), "{there:?} rows, and as many different ones");
    Ok(())
}

#[test]
fn after_a_delete_a_spent_token_still_swallows_and_a_new_lineage_writes() -> anyhow::Result<()> {
    let stand = Stand::new()?;
    table(&stand)?;
    let sales = stand.exact("t", "n UInt64")?;
    let rows = numbers(0, 100);
    let again = |lineage| stand.write(&sales, &Batch::new(lineage, 0, ROUTE, &rows));
    again(LINEAGE)?;
    for delete in ["DELETE FROM {db}.t WHERE n >= 0", "ALTER TABLE {db}.t DELETE WHERE n >= 0"] {
        stand.run(delete)?;
        again(LINEAGE)?;
        ensure!(stand.count("t")? == 0, "after {delete}");
    }
    // An operator who sets the group's offset back, or replays, gets another one.
    again(Lineage(8))?;
    again(Lineage(8))?;
    ensure!(stand.count("t")? == 100);
    // What takes whole parts away takes their tokens along.
    stand.run("TRUNCATE TABLE {db}.t")?;
    again(LINEAGE)?;
    ensure!(stand.count("t")? == 100);
    Ok(())
}
