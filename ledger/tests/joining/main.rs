//! A search through all orders of events of two partitions, whose ranges are now and then planned and written as one, with the gateway's own
//! ledgers inside: crashes at every step, partitions that move, commits and inserts of which nobody hears, and commits that a broker takes
//! in part.
//!
//! In all that is searched each record is written once. And each rule is needed: without it the search finds how one is lost or doubled.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod events;
mod owner;
mod world;

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use events::Event;
use world::World;

/// So many states are looked at, of each number of faults, where `TIDEGATE_MODEL_STATES` says nothing else.
const STATES: usize = 30_000;

/// The longest way to an end.
const LONGEST: usize = 200;

/// What is kept to.
#[derive(Clone, Copy)]
pub struct Rules {
    /// A commit that lets a range join another is taken as a whole, or not at all.
    atomic: bool,
    /// It is held back while not all of it is there.
    hold_back: bool,
    /// The plan of the range that leads names the others.
    name_joined: bool,
    /// Whoever comes next writes the joined ranges too.
    replay_joined: bool,
    /// What a range was to be planned with does not wait for it when its partition leaves.
    dissolve: bool,
}

const ALL: Rules = Rules { atomic: true, hold_back: true, name_joined: true, replay_joined: true, dissolve: true };

/// How many states were looked at, and the events that break a promise, if any do.
fn search(rules: Rules, faults: u8) -> (usize, Option<String>) {
    let most = std::env::var("TIDEGATE_MODEL_STATES").map_or(STATES, |text| text.parse().unwrap());
    let begin = World::begin(faults);
    let mut known = HashSet::from([hash(&begin)]);
    let (mut level, mut states): (Vec<(World, Vec<Event>)>, usize) = (vec![(begin, Vec::new())], 0);
    while !level.is_empty() && states < most {
        let mut behind = Vec::new();
        for (world, way) in level {
            states += 1;
            if let Err(broken) = calm(rules, world.clone()) {
                return (states, Some(format!("{way:?}, and nothing goes wrong from here on: {broken}")));
            }
            for event in world.events(rules) {
                let (mut next, mut way) = (world.clone(), way.clone());
                way.push(event);
                if let Err(broken) = next.apply(rules, event) {
                    return (states, Some(format!("{way:?}: {broken}")));
                }
                if known.insert(hash(&next)) {
                    behind.push((next, way));
                }
            }
        }
        level = behind;
    }
    (states, None)
}

/// From here on nothing goes wrong, and everything comes to its end.
fn calm(rules: Rules, mut world: World) -> Result<(), String> {
    for _ in 0..LONGEST {
        match world.next_calm(rules) {
            Some(event) => world.apply(rules, event)?,
            None => return world.check_end(),
        }
    }
    Err("it comes to no end".to_owned())
}

fn hash(world: &World) -> u64 {
    let mut hasher = DefaultHasher::new();
    world.hash(&mut hasher);
    hasher.finish()
}

fn breaks(rules: Rules) {
    let (states, broken) = search(rules, 2);
    let broken = broken.unwrap_or_else(|| panic!("nothing is broken in {states} states"));
    println!("{states} states: {broken}");
}

#[test]
fn each_record_is_written_once() {
    for faults in 0..=2 {
        let (states, broken) = search(ALL, faults);
        println!("{faults} faults: {states} states");
        assert_eq!(broken, None);
        assert!(states > 500, "{states} states");
    }
}

#[test]
fn a_commit_that_is_taken_in_part_loses_or_doubles() {
    breaks(Rules { atomic: false, ..ALL });
}

#[test]
fn a_commit_of_one_without_the_other_loses_or_doubles() {
    breaks(Rules { hold_back: false, ..ALL });
}

#[test]
fn a_plan_that_does_not_name_what_joins_it_loses() {
    breaks(Rules { name_joined: false, ..ALL });
}

#[test]
fn a_replay_without_what_joined_loses() {
    breaks(Rules { replay_joined: false, ..ALL });
}

#[test]
fn a_range_whose_partner_has_left_is_not_waited_for() {
    breaks(Rules { dissolve: false, ..ALL });
}
