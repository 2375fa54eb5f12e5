//! Paths worth playing: a mutant's shortest counterexample, a corner's shortest witness, or a saved one.

use crate::catalog::Kind;
use crate::engine::INTERRUPTED;
use model::search::{self, Outcome};
use model::system::System;
use stateright::{Model, Property};
use std::sync::atomic::Ordering;

/// A path, and what does not hold at its end by the model.
pub struct Found<A> {
    /// The steps.
    pub path: Vec<A>,
    /// The property that does not hold, if any.
    pub property: Option<&'static str>,
}

/// The shortest counterexample of a mutant, from where its hunt begins.
pub fn counterexample<K: Kind>(
    hunt: &K::Hunt,
    limit: usize,
) -> Result<Found<<K::Wrong as Model>::Action>, String> {
    let system = K::hunted(hunt);
    let (mut path, state) = K::begin(hunt, &system)?;
    match search::shortest(&system, state, limit, &interrupted).outcome {
        Outcome::Violated { property, path: rest, .. } => {
            path.extend(rest);
            Ok(Found { path, property: Some(property) })
        }
        _ => Err(format!("nothing wrong was found with {} in {limit} states", K::prey(hunt).id)),
    }
}

/// The shortest path to a corner.
pub fn witness<S: System>(
    system: &S,
    corner: S::Corner,
    limit: usize,
) -> Result<Found<S::Action>, String> {
    let watched = Watched { system: system.clone(), corner };
    let start = watched.init_states().remove(0);
    match search::shortest(&watched, start, limit, &interrupted).outcome {
        Outcome::Violated { path, .. } => Ok(Found { path, property: None }),
        _ => Err(format!("{corner:?} was not reached in {limit} states")),
    }
}

fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

/// A model whose states say whether the step to them has reached a corner.
#[derive(Clone)]
struct Watched<S: System> {
    system: S,
    corner: S::Corner,
}

impl<S: System> Model for Watched<S> {
    type State = (S::State, bool);
    type Action = S::Action;

    fn init_states(&self) -> Vec<Self::State> {
        vec![(self.system.start(), false)]
    }

    fn actions(&self, (state, _): &Self::State, actions: &mut Vec<S::Action>) {
        self.system.actions(state, actions);
    }

    fn next_state(&self, (last, _): &Self::State, action: S::Action) -> Option<Self::State> {
        let next = self.system.next_state(last, action);
        let reached = self.system.reached().contains(&self.corner);
        // A corner may be a step that changes nothing, such as a message that is refused.
        let next = if reached { next.or_else(|| Some(last.clone())) } else { next };
        next.map(|next| (next, reached))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::always("not reached", |_, (_, reached): &Self::State| !reached)]
    }
}
