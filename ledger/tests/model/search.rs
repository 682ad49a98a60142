//! A breadth-first search through all states that a world can come to: the first that breaks a promise is one with the shortest way there.
//! States are told apart by 64 bits of a hash; should two fall together among millions, one is passed over.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, DefaultHasher, Hash, Hasher};

use crate::event::Event;
use crate::setup::Setup;
use crate::world::World;

/// What was looked through.
#[derive(Default)]
pub struct Found {
    /// How many states.
    pub states: usize,
    /// How many steps from the beginning, at most.
    pub depth: usize,
    /// Whether there are no others.
    pub is_all: bool,
    /// In how many of them the partition has paused.
    pub paused: usize,
    /// What breaks a promise, step by step, if anything does.
    pub broken: Option<String>,
}

/// A way to the end that takes more steps than this is none.
const LONGEST: usize = 400;

type Known = HashSet<u64, BuildHasherDefault<DefaultHasher>>;
/// By state: the one before, and what happened.
type Ways = HashMap<u64, (u64, Option<Event>), BuildHasherDefault<DefaultHasher>>;

/// Looks through all states up to a depth, or as many as are allowed. From each of them everything goes well from then on, once: that must
/// come to an end where every record is where it belongs.
pub fn search(setup: &Setup, depth: usize, most: usize) -> Found {
    let begin = World::begin(setup);
    let (mut ways, mut ends_well) = (Ways::default(), Known::default());
    ways.insert(hash(&begin), (0, None));
    let (mut level, mut found) = (vec![begin], Found::default());
    loop {
        let mut behind = Vec::new();
        for world in &level {
            found.states += 1;
            found.paused += usize::from(world.is_paused());
            if let Err(broken) = calm(setup, world, &mut ends_well) {
                found.broken = Some(way(setup, &ways, hash(world)) + &broken);
                return found;
            }
            let from = hash(world);
            for event in world.events(setup) {
                let mut next = world.clone();
                if let Err(broken) = next.apply(setup, event) {
                    let last = line(world, event, &next);
                    found.broken = Some(format!("{}{last}BROKEN: {broken}\n", way(setup, &ways, from)));
                    return found;
                }
                let to = hash(&next);
                if let Entry::Vacant(way) = ways.entry(to) {
                    way.insert((from, Some(event)));
                    behind.push(next);
                }
            }
        }
        found.is_all = behind.is_empty();
        if found.is_all || found.depth == depth || found.states + behind.len() > most {
            return found;
        }
        found.depth += 1;
        level = behind;
    }
}

fn hash(world: &World) -> u64 {
    let mut hasher = DefaultHasher::new();
    world.hash(&mut hasher);
    hasher.finish()
}

/// Nothing goes wrong any more.
fn calm(setup: &Setup, from: &World, ends_well: &mut Known) -> Result<(), String> {
    let (mut world, mut passed, mut events) = (from.clone(), Vec::new(), Vec::new());
    let broken = loop {
        let hash = hash(&world);
        if ends_well.contains(&hash) {
            break Ok(());
        }
        passed.push(hash);
        if passed.len() > LONGEST {
            break Err("it comes to no end".to_owned());
        }
        let Some(event) = world.next_calm(setup) else { break world.check_end(setup) };
        events.push(event);
        if let Err(broken) = world.apply(setup, event) {
            break Err(broken);
        }
    };
    let Err(broken) = broken else {
        ends_well.extend(passed);
        return Ok(());
    };
    Err(format!("  -- from here on nothing goes wrong --\n{}BROKEN: {broken}\n", told(setup, from.clone(), events)))
}

fn way(setup: &Setup, ways: &Ways, mut at: u64) -> String {
    let mut events = Vec::new();
    while let Some((from, Some(event))) = ways.get(&at) {
        events.push(*event);
        at = *from;
    }
    events.reverse();
    format!("{setup}\n{}", told(setup, World::begin(setup), events))
}

fn told(setup: &Setup, mut world: World, events: Vec<Event>) -> String {
    let lines = events.into_iter().map(|event| {
        let before = world.clone();
        // What breaks a promise is told by who found it.
        let _ = world.apply(setup, event);
        line(&before, event, &world)
    });
    lines.collect()
}

fn line(before: &World, event: Event, after: &World) -> String {
    let line = format!("  {:<46} {}", event.to_string(), after.differences(before));
    format!("{}\n", line.trim_end())
}
