//! Random paths from a seed: quick looks beyond what can be exhausted. Own, because stateright's simulation
//! names wrong paths when an action changes nothing.

use crate::engine::{INTERRUPTED, Violation};
use model::search;
use model::system::System;
use std::sync::atomic::Ordering;

/// What a walk came to.
pub struct Walked<A> {
    /// Paths taken.
    pub paths: usize,
    /// Steps taken.
    pub steps: usize,
    /// What does not hold.
    pub violation: Option<Violation<A>>,
}

/// A small generator of random numbers (SplitMix64): the same seed is the same walk everywhere.
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        (mixed % bound.max(1) as u64) as usize
    }
}

/// Takes `paths` random paths of at most `steps` steps each; `tell` is called after each.
pub fn walk<S: System>(
    system: &S,
    seed: u64,
    paths: usize,
    steps: usize,
    mut tell: impl FnMut(&Walked<S::Action>),
) -> Walked<S::Action> {
    let mut random = Random(seed);
    let mut walked = Walked { paths: 0, steps: 0, violation: None };
    for _ in 0..paths {
        if INTERRUPTED.load(Ordering::Relaxed) {
            break;
        }
        walked.paths += 1;
        let mut state = system.start();
        let mut path: Vec<S::Action> = Vec::new();
        while path.len() < steps {
            let Some((action, next)) = step(system, &state, &mut random) else { break };
            path.push(action);
            state = next;
            walked.steps += 1;
            if let Some(property) = search::violated(system, &state) {
                walked.violation = Some(Violation { property, path });
                return walked;
            }
        }
        tell(&walked);
    }
    walked
}

/// One random step that changes something; none if no action does.
fn step<S: System>(
    system: &S,
    state: &S::State,
    random: &mut Random,
) -> Option<(S::Action, S::State)> {
    let mut actions = Vec::new();
    system.actions(state, &mut actions);
    while !actions.is_empty() {
        let action = actions.swap_remove(random.below(actions.len()));
        if let Some(next) = system.next_state(state, action.clone()) {
            return Some((action, next));
        }
    }
    None
}
