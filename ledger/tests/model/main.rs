//! A search through all orders of events of small worlds, with the gateway's own ledger inside: crashes at every step, commits and inserts
//! that are late, lost, repeated or out of order, owners that are frozen past their session and go on, tables that are altered in between.
//!
//! In every world that is searched all promises hold. And every rule of the protocol is needed: without it the search finds how a record
//! is lost or doubled. `TIDEGATE_MODEL_STATES` is how many states of each world are looked at, `TIDEGATE_MODEL_DEPTH` to which depth.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod broker;
mod choices;
mod driving;
mod event;
mod group;
mod owner;
mod promises;
mod rules;
mod search;
mod setup;
mod table;
mod world;
mod writing;

use std::time::Instant;

use event::Fault::{
    self, Alter, Break, Commit, Crash, Defer, Freeze, Hold, Insert, Rebalance, Reset, Swap, SwitchPromise,
};
use rules::Rules;
use search::search;
use setup::Kind::{self, Delicate, Flaky, Gap, Good, Poison};
use setup::{Routes, Setup, Tables};
use tidegate_ledger::Promise;

/// So many states of each world are looked at where nothing else is said: all tests together take seconds.
const STATES: usize = 40_000;

/// So many until a rule that is broken has to have shown.
const STATES_OF_MUTATIONS: usize = 500_000;

fn number(name: &str, otherwise: usize) -> usize {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap())
}

fn holds(setup: &Setup) {
    let (depth, begun) = (number("TIDEGATE_MODEL_DEPTH", usize::MAX), Instant::now());
    let most = if depth == usize::MAX { STATES } else { usize::MAX };
    let found = search(setup, depth, number("TIDEGATE_MODEL_STATES", most));
    let all = if found.is_all { ", which are all" } else { "" };
    let (states, depth, paused) = (found.states, found.depth, found.paused);
    println!(
        "{setup}\n  {states} states to depth {depth}{all}, {paused} of them paused, {:.1} s",
        begun.elapsed().as_secs_f64()
    );
    if let Some(broken) = found.broken {
        panic!("{broken}");
    }
}

/// Without a rule the search finds what the rule is for.
fn breaks(mut setup: Setup, without: fn(&mut Rules)) {
    without(&mut setup.rules);
    assert_ne!(setup.rules, Rules::ALL);
    // What comes of it counts, not that a plan is not as it should be.
    setup.looks_at_plans = false;
    let found = search(&setup, usize::MAX, STATES_OF_MUTATIONS);
    println!("{} states to depth {}\n{}", found.states, found.depth, found.broken.as_deref().unwrap_or_default());
    assert!(found.broken.is_some(), "nobody needs the rule in {setup}");
}

fn world(name: &'static str, log: &[Kind], budget: u8, faults: &[Fault]) -> Setup {
    Setup::new(name, log, budget, faults)
}

fn crashes() -> Setup {
    world("crashes and zombies", &[Good, Poison], 2, &[Crash, Freeze, Rebalance, Commit, Insert])
}

fn commits() -> Setup {
    world("commits that go astray", &[Good, Good], 3, &[Crash, Freeze, Rebalance, Commit, Defer])
}

fn transactions() -> Setup {
    world("transactions that stay open", &[Poison, Good], 2, &[Crash, Freeze, Commit, Hold])
}

fn flaky() -> Setup {
    world("a record that traps one time and not the next", &[Flaky, Good], 2, &[Crash, Freeze, Commit, Insert])
}

fn refused() -> Setup {
    world("a table that refuses rows and is altered", &[Delicate, Good], 3, &[Crash, Freeze, Insert, Alter])
}

fn refused_at_last() -> Setup {
    Setup { strict: false, ..refused() }
}

fn refused_alone() -> Setup {
    Setup { ranges: 1, ..world("a range of which nothing is left", &[Delicate], 3, &[Crash, Freeze, Insert, Alter]) }
}

fn fenced(setup: Setup) -> Setup {
    Setup { tables: Tables::Fence, ..setup }
}

fn swapped() -> Setup {
    Setup {
        routes: Routes::OfBundle,
        ..world("another bundle takes over", &[Good, Good], 2, &[Crash, Swap, Insert, Commit])
    }
}

fn routes() -> Setup {
    Setup { routes: Routes::OfRecord, ..world("two routes", &[Good, Delicate], 2, &[Crash, Insert, Alter]) }
}

fn reset() -> Setup {
    world("an operator sets the offset back", &[Good, Good], 3, &[Crash, Freeze, Insert, Reset])
}

fn switched() -> Setup {
    world("the promise changes", &[Flaky, Good], 3, &[Crash, Insert, SwitchPromise])
}

fn everything() -> Setup {
    let faults = [Crash, Freeze, Rebalance, Commit, Defer, Hold, Insert, Alter, Swap, SwitchPromise, Reset];
    Setup { routes: Routes::OfBundle, ..world("everything", &[Flaky, Delicate], 3, &faults) }
}

/// Compaction and transactions leave offsets without a record: before, within and between ranges, and behind the last.
fn gaps() -> Setup {
    world("offsets without records", &[Gap, Good, Gap, Poison, Gap], 2, &[Crash, Freeze, Commit])
}

/// A plan has room for no range that four records are left out of.
fn narrow() -> Setup {
    Setup { room: 168, ..world("little room for plans", &[Poison, Poison, Poison, Poison], 1, &[Crash, Commit]) }
}

macro_rules! all_hold {
    ($($name:ident: $setup:expr;)*) => {$(
        #[test]
        fn $name() {
            holds(&$setup);
        }
    )*};
}

all_hold! {
    holds_through_crashes_and_zombies: crashes();
    holds_through_crashes_and_zombies_with_a_fence: fenced(crashes());
    holds_where_commits_go_astray: commits();
    holds_where_transactions_stay_open: transactions();
    holds_where_a_record_traps_now_and_then: flaky();
    holds_where_a_table_refuses_rows: refused();
    holds_where_a_table_refuses_rows_at_last: refused_at_last();
    holds_where_a_table_with_a_fence_refuses_rows: fenced(refused());
    holds_where_a_table_with_a_fence_refuses_rows_at_last: fenced(refused_at_last());
    holds_where_nothing_is_left: refused_alone();
    holds_where_nothing_is_left_with_a_fence: fenced(refused_alone());
    holds_where_another_bundle_takes_over: swapped();
    holds_with_two_routes: routes();
    holds_with_two_routes_and_a_fence: fenced(routes());
    holds_where_the_offset_is_set_back: reset();
    holds_where_less_is_promised: switched();
    holds_where_more_is_promised: Setup { promise: Promise::AtLeastOnce, ..switched() };
    holds_whatever_happens: everything();
    holds_whatever_happens_with_a_fence: fenced(everything());
    holds_with_offsets_without_records: gaps();
    holds_with_little_room_for_plans: narrow();
}

macro_rules! all_break {
    ($($name:ident: $setup:expr, $rule:ident;)*) => {$(
        #[test]
        fn $name() {
            breaks($setup, |rules| rules.$rule = false);
        }
    )*};
}

all_break! {
    rows_before_their_plan: crashes(), plan_before_send;
    rows_before_the_answer: crashes(), await_answer;
    two_commits_on_their_way: commits(), one_outstanding;
    going_on_after_a_commit_of_unknown_fate: commits(), end_membership_on_unknown;
    staying_a_member_after_a_loss: commits(), end_membership_on_lost;
    a_revocation_answered_before_the_commit: commits(), answer_revocation_after_commit;
    a_commit_sent_again: world("a connection breaks", &[Good, Good], 2, &[Crash, Break]), never_resend;
    reading_while_a_transaction_is_open: transactions(), read_stable;
    other_boundaries_in_a_replay: crashes(), replay_as_planned;
    another_bundle_in_a_replay: swapped(), replay_same_bundle;
    more_poison_in_a_replay: flaky(), replay_finds_no_poison;
    a_plan_without_verdicts: flaky(), carry_verdicts;
    another_lineage_each_time: crashes(), carry_lineage;
    the_same_lineage_after_a_reset: reset(), reset_begins_lineage;
    planned_ranges_that_are_dropped: commits(), keep_planned_ranges;
    refusals_that_are_not_planned: refused(), plan_refusals;
    refusals_of_an_altered_table: refused_at_last(), heed_alterations;
    refusals_of_an_altered_table_with_a_fence: fenced(refused()), heed_alterations;
    looking_at_a_table_too_early: refused(), look_when_written;
    looking_at_a_table_with_a_fence_too_early: fenced(refused()), look_when_written;
    nothing_left_that_spends_a_token: refused_alone(), pause_where_none_is_left;
    a_token_without_the_range: Setup { log: vec![Good, Good], ..crashes() }, token_names_range;
    a_token_without_the_route: routes(), token_names_route;
    unplanned_rows_under_a_planned_lineage: switched(), unplanned_lineage;
    no_fence_where_there_are_no_rows: fenced(refused_alone()), fence_without_rows;
    letters_before_the_commit: crashes(), letters_with_commit;
    an_old_plan_that_is_dropped: switched(), finish_old_plan;
}
