//! The project's own small searches: a breadth-first one that finds the *shortest* counterexample, and a
//! minimizer for paths that other checkers found.
//!
//! stateright's breadth-first checker shares work between threads in blocks, so the counterexample that it
//! reports is not the shortest. This one is single-threaded and strict, and keeps two words per state for
//! the path. It is no second opinion on what is exhausted: that is stateright's job.

use foldhash::quality::FixedState;
use stateright::Model;
use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasher, BuildHasherDefault, Hash, Hasher};

/// What a search came to.
pub enum Outcome<M: Model> {
    /// A property does not hold at the end of this path.
    Violated {
        /// Its name.
        property: &'static str,
        /// The path from the search's start.
        path: Vec<M::Action>,
        /// The state at its end.
        state: Box<M::State>,
    },
    /// Every reachable state was visited.
    Exhausted,
    /// The limit of states was reached, or somebody cancelled.
    CutOff,
}

/// A search's result and what it cost.
pub struct Report<M: Model> {
    /// What it came to.
    pub outcome: Outcome<M>,
    /// Unique states visited.
    pub states: usize,
    /// Steps from the start to the farthest of them.
    pub depth: usize,
}

#[derive(Default)]
struct Identity(u64);

impl Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, _: &[u8]) {
        unreachable!("only fingerprints are hashed");
    }
    fn write_u64(&mut self, fingerprint: u64) {
        self.0 = fingerprint;
    }
}

/// A 64-bit fingerprint of a state. It is taken of every state, so the hash is a fast one.
pub fn fingerprint(state: &impl Hash) -> u64 {
    FixedState::with_seed(0).hash_one(state)
}

/// Whether a state is one of a sample: of every so many by their fingerprints; of 0, none.
pub fn is_sampled(state: &impl Hash, every: u64) -> bool {
    match every {
        0 | 1 => every == 1,
        every => fingerprint(state).is_multiple_of(every),
    }
}

/// The first property that does not hold in a state.
pub fn violated<M: Model>(model: &M, state: &M::State) -> Option<&'static str> {
    let mut properties = model.properties().into_iter();
    properties.find(|property| !(property.condition)(model, state)).map(|property| property.name)
}

/// How many states are expanded between two looks at the limits.
const ASKED_EVERY: u32 = 256;

/// Breadth-first from `start`, until a property does not hold, `limit` states are visited or `cut_off`, which
/// is asked now and then, says so.
pub fn shortest<M>(
    model: &M,
    start: M::State,
    limit: usize,
    cut_off: &dyn Fn() -> bool,
) -> Report<M>
where
    M: Model<State: Clone + Hash, Action: Clone>,
{
    let properties = model.properties();
    let check = |state: &M::State| {
        properties.iter().find(|property| !(property.condition)(model, state)).map(|p| p.name)
    };
    let mut seen: HashSet<u64, BuildHasherDefault<Identity>> = HashSet::default();
    seen.insert(fingerprint(&start));
    // Of each state: the state it came from, and the position of the action among those offered there.
    let mut origins: Vec<(u32, u16)> = vec![(0, 0)];
    let mut depth = 0;
    if let Some(property) = check(&start) {
        let outcome = Outcome::Violated { property, path: Vec::new(), state: Box::new(start) };
        return Report { outcome, states: 1, depth };
    }
    let mut frontier = VecDeque::from([(start.clone(), 0u32, 0usize)]);
    let mut actions = Vec::new();
    while let Some((state, number, steps)) = frontier.pop_front() {
        if origins.len() >= limit || number.is_multiple_of(ASKED_EVERY) && cut_off() {
            return Report { outcome: Outcome::CutOff, states: origins.len(), depth };
        }
        model.actions(&state, &mut actions);
        for (position, action) in actions.drain(..).enumerate() {
            let Some(next) = model.next_state(&state, action) else { continue };
            if !seen.insert(fingerprint(&next)) {
                continue;
            }
            origins.push((number, position as u16));
            depth = depth.max(steps + 1);
            let own = origins.len() as u32 - 1;
            if let Some(property) = check(&next) {
                let path = path_to(model, start, &origins, own);
                let outcome = Outcome::Violated { property, path, state: Box::new(next) };
                return Report { outcome, states: origins.len(), depth: steps + 1 };
            }
            frontier.push_back((next, own, steps + 1));
        }
    }
    Report { outcome: Outcome::Exhausted, states: origins.len(), depth }
}

fn path_to<M: Model<Action: Clone>>(
    model: &M,
    start: M::State,
    origins: &[(u32, u16)],
    end: u32,
) -> Vec<M::Action> {
    let mut positions = Vec::new();
    let mut number = end;
    while number != 0 {
        let (from, position) = origins[number as usize];
        positions.push(position);
        number = from;
    }
    let mut state = start;
    let mut path = Vec::new();
    for position in positions.into_iter().rev() {
        let mut actions = Vec::new();
        model.actions(&state, &mut actions);
        let action = actions.swap_remove(usize::from(position));
        state = model.next_state(&state, action.clone()).expect("the search took this step");
        path.push(action);
    }
    path
}

/// Follows a path as far as it is possible; the state at its end, or none if a step is not offered.
pub fn end_of<M>(model: &M, start: &M::State, path: &[M::Action]) -> Option<M::State>
where
    M: Model<State: Clone, Action: Clone + PartialEq>,
{
    let mut state = start.clone();
    for action in path {
        let mut offered = Vec::new();
        model.actions(&state, &mut offered);
        if !offered.contains(action) {
            return None;
        }
        state = model.next_state(&state, action.clone())?;
    }
    Some(state)
}

/// Leaves out steps, longest stretches first, as long as the path still ends in a violation of `property`.
pub fn minimize<M>(
    model: &M,
    start: &M::State,
    mut path: Vec<M::Action>,
    property: &str,
) -> Vec<M::Action>
where
    M: Model<State: Clone, Action: Clone + PartialEq>,
{
    let fails = |path: &[M::Action]| {
        end_of(model, start, path).is_some_and(|end| violated(model, &end) == Some(property))
    };
    let mut stretch = path.len() / 2;
    while stretch > 0 {
        let mut from = 0;
        let mut shorter = false;
        while from + stretch <= path.len() {
            let mut candidate = path.clone();
            candidate.drain(from..from + stretch);
            if fails(&candidate) {
                path = candidate;
                shorter = true;
            } else {
                from += 1;
            }
        }
        stretch = if shorter { stretch.min(path.len()) } else { stretch / 2 };
    }
    path
}
