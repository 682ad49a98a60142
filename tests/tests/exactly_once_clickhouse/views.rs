//! Views get each insert once, and what they lack since they failed comes with the next try.

use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::ensure;
use tidegate::config::Guarantee;
use tidegate::sink::SinkFault;

use super::front::{Deed, Front};
use super::stand::{Batch, Stand, WINDOW, says};

/// A table with two views, one of which sums up and one of which multiplies rows and has a view of its own. Counts, all told, are as many
/// as rows of `t`, but for `wide` and `nested`, where they are three times as many.
fn shop(stand: &Stand) -> anyhow::Result<()> {
    for statement in [
        "CREATE TABLE {db}.t (n UInt64) ENGINE = MergeTree ORDER BY n",
        "CREATE TABLE {db}.sums (k UInt64, c UInt64) ENGINE = SummingMergeTree ORDER BY k",
        "CREATE TABLE {db}.wide (n UInt64, i UInt64) ENGINE = MergeTree ORDER BY n",
        "CREATE TABLE {db}.nested (k UInt64, c UInt64) ENGINE = SummingMergeTree ORDER BY k",
    ] {
        stand.run(&format!("{statement} {WINDOW}"))?;
    }
    stand.run(
        "CREATE MATERIALIZED VIEW {db}.a TO {db}.sums AS SELECT n % 1000 AS k, count() AS c FROM {db}.t GROUP BY k",
    )?;
    stand.run("CREATE MATERIALIZED VIEW {db}.b TO {db}.wide AS SELECT n, arrayJoin(range(3)) AS i FROM {db}.t")?;
    stand.run(
        "CREATE MATERIALIZED VIEW {db}.c TO {db}.nested AS SELECT n % 7 AS k, count() AS c FROM {db}.wide GROUP BY k",
    )?;
    Ok(())
}

fn counts(stand: &Stand) -> anyhow::Result<[u64; 4]> {
    Ok([
        stand.count("t")?,
        stand.number("SELECT sum(c) FROM {db}.sums")?,
        stand.count("wide")?,
        stand.number("SELECT sum(c) FROM {db}.nested")?,
    ])
}

#[test]
fn views_and_views_of_their_targets_count_every_row_once() -> anyhow::Result<()> {
    let stand = Stand::new()?;
    shop(&stand)?;
    let sales = stand.exact("t", "n UInt64")?;
    for first in [0, 200_000] {
        for _ in 0..3 {
            stand.write(&sales, &Batch::numbers(first, 0..200_000))?;
        }
    }
    let counts = counts(&stand)?;
    ensure!(counts == [400_000, 400_000, 1_200_000, 1_200_000], "{counts:?}");
    Ok(())
}

#[test]
fn no_profile_makes_a_try_again_a_new_insert() -> anyhow::Result<()> {
    let stand = Stand::new()?;
    // Each would double rows, or lose them in a view, were it not for what the sink says with every insert.
    for profile in [
        "max_block_size=1000",
        "max_insert_block_size=1000",
        "min_insert_block_size_rows=1000",
        "min_insert_block_size_bytes=1000",
        "use_strict_insert_block_limits=1&min_insert_block_size_rows=1000",
        "input_format_max_block_size_bytes=1000",
        "deduplicate_insert=disable",
        "deduplicate_insert=backward_compatible_choice&insert_deduplicate=0",
        "deduplicate_blocks_in_dependent_materialized_views=0",
        "async_insert=1&wait_for_async_insert=0",
        "parallel_view_processing=1&max_insert_threads=4&max_threads=4",
        "compatibility=22.3",
    ] {
        for name in ["t", "sums", "wide", "nested", "a", "b", "c"] {
            stand.run(&format!("DROP TABLE IF EXISTS {{db}}.{name}"))?;
        }
        shop(&stand)?;
        let under =
            Front::start(&stand.url, |request| if request.is_insert() { Deed::With(profile) } else { Deed::Pass })?;
        let under = stand.sink(&under.url(), "").map(|sink| (sink, under))?;
        let usual = stand.exact("t", "n UInt64")?;
        let other = stand.open_in(&under.0, "t", "n UInt64", Guarantee::ExactlyOnce)?;
        for table in [&usual, &other, &other, &usual] {
            stand.write(table, &Batch::numbers(0, 0..150_000))?;
        }
        let counts = counts(&stand)?;
        ensure!(counts == [150_000, 150_000, 450_000, 450_000], "{profile}: {counts:?}");
    }
    Ok(())
}

#[test]
fn a_lost_answer_doubles_nothing_in_views() -> anyhow::Result<()> {
    let stand = Stand::new()?;
    shop(&stand)?;
    let inserts = AtomicUsize::new(0);
    let front = Front::start(&stand.url, move |request| match request.is_insert() {
        true if inserts.fetch_add(1, Ordering::Relaxed) == 0 => Deed::LoseAnswer,
        _ => Deed::Pass,
    })?;
    let sales = stand.open_in(&stand.sink(&front.url(), "")?, "t", "n UInt64", Guarantee::ExactlyOnce)?;
    ensure!(stand.write(&sales, &Batch::numbers(0, 0..1_000)).is_err());
    stand.write(&sales, &Batch::numbers(0, 0..1_000))?;
    let counts = counts(&stand)?;
    ensure!(counts == [1_000, 1_000, 3_000, 3_000], "{counts:?}");
    Ok(())
}

#[test]
fn a_view_that_fails_holds_the_range_blames_no_row_and_gets_its_rows_once_it_is_mended() -> anyhow::Result<()> {
    let stand = Stand::new()?;
    shop(&stand)?;
    let sales = stand.exact("t", "n UInt64")?;
    stand.run(
        "ALTER TABLE {db}.c MODIFY QUERY SELECT throwIf(n = 13) + n % 7 AS k, count() AS c FROM {db}.wide GROUP BY k",
    )?;
    let batch = Batch::numbers(0, 0..1_000);
    for _ in 0..2 {
        let fault = says(stand.write(&sales, &batch), &[&format!("its view `{}.c` fails on them", stand.database)])?;
        ensure!(matches!(fault, SinkFault::Unavailable(_)), "{fault:?}");
    }
    let held = counts(&stand)?;
    ensure!(held[0] == 1_000 && held[3] == 0, "{held:?}");
    ensure!(stand.blame(&sales, &batch)?.is_empty(), "the table takes them all");
    stand.run("ALTER TABLE {db}.c MODIFY QUERY SELECT n % 7 AS k, count() AS c FROM {db}.wide GROUP BY k")?;
    stand.write(&sales, &batch)?;
    stand.write(&sales, &batch)?;
    let counts = counts(&stand)?;
    ensure!(counts == [1_000, 1_000, 3_000, 3_000], "{counts:?}");
    Ok(())
}
