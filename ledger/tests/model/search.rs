//! A search through all orders of events, breadth first, so that what it finds is as short as can be.
//!
//! States are told apart by 64 bits of a hash: of a million states two are taken for one in one run out of thirty million.

use std::collections::HashMap;
use std::collections::hash_map::{DefaultHasher, Entry};
use std::fmt::{Display, Write};
use std::hash::{Hash, Hasher};

/// What is searched.
pub trait Model {
    /// A state.
    type State: Clone + Hash;
    /// What may happen in it.
    type Event: Copy + Display;

    /// Where it begins.
    fn begin(&self) -> Self::State;
    /// All that may happen.
    fn events(&self, state: &Self::State) -> Vec<Self::Event>;
    /// What comes of it.
    fn apply(&self, state: &mut Self::State, event: Self::Event);
    /// What is wrong, if anything is.
    fn wrong(&self, state: &Self::State) -> Option<String>;
    /// Whether this is where it is to come to.
    fn is_goal(&self, state: &Self::State) -> bool;
    /// Whether an event is trouble: a goal has to be in reach without more of that.
    fn is_fault(&self, state: &Self::State, event: Self::Event) -> bool;
    /// A line for people.
    fn show(&self, state: &Self::State) -> String;
}

/// What a search has found.
pub struct Found {
    /// How many states.
    pub states: usize,
    /// Of how many events in a row.
    pub depth: usize,
    /// Whether these are all there are.
    pub is_all: bool,
    /// What is wrong, and how it came about.
    pub wrong: Option<String>,
}

/// Tries everything up to so many events in a row, or as many states.
pub fn search<M: Model>(model: &M, depth: usize, most: usize) -> Found {
    let begin = model.begin();
    let mut known = HashMap::from([(fingerprint(&begin), 0_u32)]);
    // How each was come to first.
    let mut origins: Vec<Option<(u32, M::Event)>> = vec![None];
    // From where without a fault: target, source.
    let mut ways: Vec<(u32, u32)> = Vec::new();
    let mut reached = vec![model.is_goal(&begin)];
    let mut layer = vec![(0_u32, begin)];
    let mut level = 0;
    while !layer.is_empty() && level < depth && origins.len() < most {
        let mut next = Vec::new();
        let mut rest = layer.into_iter();
        for (id, state) in rest.by_ref() {
            for event in model.events(&state) {
                let mut after = state.clone();
                model.apply(&mut after, event);
                let new = u32::try_from(origins.len()).unwrap();
                let target = match known.entry(fingerprint(&after)) {
                    Entry::Occupied(entry) => *entry.get(),
                    Entry::Vacant(entry) => {
                        entry.insert(new);
                        origins.push(Some((id, event)));
                        reached.push(model.is_goal(&after));
                        if let Some(wrong) = model.wrong(&after) {
                            let wrong = Some(trace(model, &origins, new, &wrong));
                            return Found { states: origins.len(), depth: level, is_all: false, wrong };
                        }
                        next.push((new, after));
                        new
                    }
                };
                if !model.is_fault(&state, event) && target != id {
                    ways.push((target, id));
                }
            }
            if origins.len() >= most {
                break;
            }
        }
        level += usize::from(rest.len() == 0);
        layer = rest.chain(next).collect();
    }
    // Nobody knows what lies behind those that were not tried.
    layer.iter().for_each(|(id, _)| reached[usize::try_from(*id).unwrap()] = true);
    let wrong = stuck(&mut reached, &ways).map(|id| {
        trace(
            model,
            &origins,
            id,
            "neither completion nor a stated pause can be reached from here without further trouble",
        )
    });
    Found { states: origins.len(), depth: level, is_all: layer.is_empty(), wrong }
}

fn fingerprint(state: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    state.hash(&mut hasher);
    hasher.finish()
}

/// The first state from which no goal can be reached.
fn stuck(reached: &mut [bool], ways: &[(u32, u32)]) -> Option<u32> {
    let index = |id: u32| usize::try_from(id).unwrap();
    let mut first = vec![0_usize; reached.len() + 1];
    ways.iter().for_each(|(target, _)| first[index(*target) + 1] += 1);
    (1..first.len()).for_each(|at| first[at] += first[at - 1]);
    let (mut sources, mut filled) = (vec![0_u32; ways.len()], first.clone());
    for (target, source) in ways {
        sources[filled[index(*target)]] = *source;
        filled[index(*target)] += 1;
    }
    let mut open: Vec<usize> = (0..reached.len()).filter(|id| reached[*id]).collect();
    while let Some(id) = open.pop() {
        for source in &sources[first[id]..first[id + 1]] {
            if !std::mem::replace(&mut reached[index(*source)], true) {
                open.push(index(*source));
            }
        }
    }
    reached.iter().position(|reached| !reached).map(|id| u32::try_from(id).unwrap())
}

/// How a state came about, for people.
fn trace<M: Model>(model: &M, origins: &[Option<(u32, M::Event)>], id: u32, wrong: &str) -> String {
    let mut events = Vec::new();
    let mut at = id;
    while let Some((before, event)) = origins[usize::try_from(at).unwrap()] {
        events.push(event);
        at = before;
    }
    let mut state = model.begin();
    let mut text = String::new();
    for (index, event) in events.iter().rev().enumerate() {
        model.apply(&mut state, *event);
        let event = event.to_string();
        let _ = writeln!(text, "  {:2}. {event:<70} {}", index + 1, model.show(&state));
    }
    let _ = writeln!(text, "  => {wrong}");
    text
}
