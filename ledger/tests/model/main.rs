//! A search through all orders of events that a partition's ledger may meet: two gateways, a broker, a table, and everything that may go
//! wrong between them. `docs/delivery-model.md` says what is in it and what is not.
//!
//! `TIDEGATE_MODEL_DEPTH` is how many events in a row are tried, `TIDEGATE_MODEL_STATES` how many states at most.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that fails may say so in any way"
)]

mod event;
mod gateway;
mod possible;
mod rules;
mod search;
mod table;
mod world;

use std::time::Instant;

use event::Fault;
use rules::Kind::{Changed, Fickle, Flaky, Gap, Good, Poison, Refused};
use rules::{Memory, Rule, Scenario};
use search::{Found, search};
use tidegate_ledger::Ledger;
use world::Try;

/// So many states of a scenario are tried at most, unless more are asked for.
const STATES: usize = 22_000;
/// And without one of the rules: what goes wrong then is found before.
const STATES_UNTIL_WRONG: usize = 200_000;

const PLAIN: Scenario = Scenario {
    name: "members",
    log: &[Good, Flaky],
    memory: Memory::Tokens(8),
    routes: 1,
    room: Ledger::ROOM,
    longest: 2,
    under_way: 2,
    makes_slowly: false,
    faults: &[(Fault::Crash, 1), (Fault::Expire, 1), (Fault::Revoke, 1), (Fault::Lose, 1), (Fault::Late, 1)],
    most_faults: 1,
    depth: 40,
    begins_planned: false,
    begins_at_least_once: false,
};

/// What is tried, each with all that may go wrong in it.
fn scenarios() -> Vec<Scenario> {
    vec![
        PLAIN,
        Scenario {
            name: "commits",
            log: &[Good, Good],
            longest: 1,
            faults: &[(Fault::Defer, 1), (Fault::Retry, 1), (Fault::Lose, 1), (Fault::Expire, 1), (Fault::Revoke, 1)],
            most_faults: 2,
            ..PLAIN
        },
        Scenario {
            name: "three ranges",
            log: &[Good, Good, Good],
            longest: 1,
            under_way: 3,
            makes_slowly: true,
            faults: &[(Fault::Crash, 1), (Fault::Expire, 1), (Fault::Revoke, 1)],
            most_faults: 1,
            ..PLAIN
        },
        Scenario {
            name: "a record that traps one time",
            log: &[Flaky, Good],
            faults: &[(Fault::Crash, 1), (Fault::Expire, 1), (Fault::Late, 1)],
            most_faults: 1,
            under_way: 1,
            ..PLAIN
        },
        Scenario {
            name: "tokens and a table that is altered",
            log: &[Fickle, Good],
            faults: &[(Fault::Alter, 2), (Fault::Late, 1), (Fault::Crash, 1), (Fault::Expire, 1)],
            most_faults: 3,
            under_way: 1,
            ..PLAIN
        },
        Scenario {
            name: "a fence and a table that is altered",
            log: &[Fickle],
            memory: Memory::Fence,
            faults: &[(Fault::Alter, 2), (Fault::Late, 2), (Fault::Crash, 1), (Fault::Expire, 1)],
            most_faults: 3,
            under_way: 1,
            ..PLAIN
        },
        Scenario {
            name: "dead letters",
            log: &[Poison, Refused],
            faults: &[(Fault::Crash, 1), (Fault::Expire, 1), (Fault::Lose, 1)],
            most_faults: 1,
            ..PLAIN
        },
        Scenario {
            name: "routes",
            log: &[Good, Good, Refused],
            routes: 2,
            under_way: 1,
            longest: 3,
            faults: &[(Fault::Crash, 1), (Fault::Expire, 1), (Fault::Late, 1)],
            most_faults: 1,
            ..PLAIN
        },
        Scenario {
            name: "versions",
            log: &[Changed, Changed],
            faults: &[(Fault::Swap, 1), (Fault::Crash, 1), (Fault::Expire, 1)],
            most_faults: 2,
            ..PLAIN
        },
        Scenario {
            name: "an operator's reset",
            log: &[Good, Good],
            faults: &[(Fault::Reset, 1), (Fault::Crash, 1), (Fault::Late, 1)],
            most_faults: 2,
            ..PLAIN
        },
        Scenario {
            name: "exactly once, then at least once",
            log: &[Good, Good, Flaky],
            begins_at_least_once: true,
            begins_planned: true,
            faults: &[(Fault::Crash, 1), (Fault::Expire, 1), (Fault::Mode, 1)],
            most_faults: 1,
            ..PLAIN
        },
        Scenario {
            name: "at least once, then exactly once",
            log: &[Good, Good],
            longest: 1,
            under_way: 1,
            faults: &[(Fault::Mode, 1), (Fault::Defer, 1), (Fault::Revoke, 1)],
            most_faults: 3,
            begins_at_least_once: true,
            ..PLAIN
        },
        Scenario { name: "offsets without records", log: &[Good, Gap, Good], longest: 3, ..PLAIN },
        Scenario {
            name: "little room",
            log: &[Poison, Poison, Poison, Poison],
            // One range with three verdicts, or three ranges.
            room: 168,
            longest: 4,
            under_way: 4,
            faults: &[(Fault::Crash, 1), (Fault::Expire, 1)],
            most_faults: 1,
            ..PLAIN
        },
    ]
}

/// The scenario that shows what becomes of a promise without the rule.
fn shows(rule: Rule) -> &'static str {
    match rule {
        Rule::PlanBeforeSend | Rule::AwaitAnswer | Rule::ReplayWhatIsPlanned | Rule::CarryLineage => "members",
        Rule::WideWindow => "members",
        Rule::CarryVerdicts => "a record that traps one time",
        Rule::OneOutstanding | Rule::EndMembershipOnUnknown | Rule::EndMembershipOnLost => "commits",
        Rule::AnswerRevocationAfterCommit => "commits",
        Rule::KeepPlannedRanges => "three ranges",
        Rule::AtLeastOnceIsAsCareful => "at least once, then exactly once",
        Rule::UnplannedHasOwnLineage => "exactly once, then at least once",
        Rule::ReplayWithBundle => "versions",
        Rule::ResetBeginsLineage => "an operator's reset",
        Rule::TokenPerRoute => "routes",
        Rule::PlanVerdicts | Rule::AskWhetherAltered | Rule::SpendToken => "tokens and a table that is altered",
        Rule::FenceHoldsVerdicts => "a fence and a table that is altered",
        Rule::LettersWithCommit | Rule::ReadStable => "dead letters",
    }
}

fn asked(variable: &str, otherwise: usize) -> usize {
    std::env::var(variable).map_or(otherwise, |text| text.parse().unwrap())
}

fn tried(scenario: Scenario, broken: Vec<Rule>) -> Found {
    let states = if broken.is_empty() { STATES } else { STATES_UNTIL_WRONG };
    let depth = asked("TIDEGATE_MODEL_DEPTH", scenario.depth);
    search(&Try { scenario, broken }, depth, asked("TIDEGATE_MODEL_STATES", states))
}

#[test]
fn nothing_is_lost_and_nothing_doubled() {
    let only = std::env::var("TIDEGATE_MODEL_ONLY").ok();
    let mut wrong = Vec::new();
    for scenario in scenarios().into_iter().filter(|scenario| only.as_ref().is_none_or(|only| scenario.name == only)) {
        let (name, started) = (scenario.name, Instant::now());
        let found = tried(scenario, Vec::new());
        let all = if found.is_all { "all there are" } else { "more lie behind" };
        println!(
            "{name}: {} states, all orders of {} events, {all}, {:.1?}",
            found.states,
            found.depth,
            started.elapsed()
        );
        wrong.extend(found.wrong.map(|wrong| format!("{name}:\n{wrong}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_rule_is_needed() {
    let mut idle = Vec::new();
    for rule in Rule::ALL {
        let scenario = scenarios().into_iter().find(|scenario| scenario.name == shows(rule)).unwrap();
        let (name, started) = (scenario.name, Instant::now());
        let found = tried(scenario, vec![rule]);
        match found.wrong {
            Some(wrong) => println!(
                "without {rule:?}, of {} states of `{name}`, {:.1?}:\n{wrong}",
                found.states,
                started.elapsed()
            ),
            None => idle.push(format!(
                "{rule:?} ({name}, {} states, {} events, {:.1?})",
                found.states,
                found.depth,
                started.elapsed()
            )),
        }
    }
    assert!(idle.is_empty(), "nothing goes wrong without {}", idle.join(", "));
}
