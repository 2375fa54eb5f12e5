//! Where a node takes its clients' calls in a sharded cluster: the router, groups that hand slots over meanwhile, and
//! sessions that ask without waiting for answers.
//!
//! The router and the groups are the machines that ship. A group takes calls in the order in which they were sent to
//! it, at any moment; answers come in any order. A group may say that it has not executed a call, or nobody may know,
//! and a call to a group on another node may come there when its client was long told that nobody knows; in some runs
//! such a group has servers on two nodes, each of which takes calls in an order of its own;
//! a client may have waited long enough, or be gone. A slot moves in one step when its giver has stopped it: how it
//! does that is checked elsewhere. Which calls were executed, and in which order, is kept outside of all of them, and
//! compared with what clients are told.

use crate::search::is_sampled;
use crate::telling::{self, Told as _};
pub use protocol::shardkv::router::Rules;
use state::State as Whole;
use stateright::actor::{ActorModelAction, Id};
use stateright::{Model, Path, Property};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

mod bounds;
mod history;
mod mutants;
mod probes;
mod runs;
mod settle;
mod state;
mod steps;
mod words;

pub use bounds::{Bounds, Do, Program, bounds_text, validate};
pub use history::{Fate, History, Violation};
pub use mutants::{Bug, HUNTS, Hunt, Wrong};
pub use probes::{Corner, Corners};
pub use runs::{DESKS, DeskRun};
pub use settle::settles;
pub use state::{Call, Message, Said, State, Stimulus};

/// A step.
pub type Action = ActorModelAction<Message, Stimulus, ()>;

/// What a session asks of a slot is executed in that order, or not at all; and so what it asks of all keys.
///
/// PROP-ROUTE-ORDER; watches ROUTE-ORDER-1, ROUTE-ORDER-2, ROUTE-ORDER-3, ROUTE-ORDER-4, ROUTE-UNKNOWN-1, ROUTE-WAY-1
/// and ROUTE-ALL-4.
pub const ORDER: &str = "Executed In Order";
/// No call is executed twice.
///
/// PROP-ROUTE-ONCE; watches ROUTE-UNKNOWN-2.
pub const ONCE: &str = "Routed Once";
/// A client that is told that its call was not executed is told the truth, and each is told once.
///
/// PROP-ROUTE-TOLD; watches ROUTE-ALL-2.
pub const TOLD: &str = "Told The Truth";
/// Who is told that all keys went, or how many there are, is told of all groups' and of every slot's.
///
/// PROP-ROUTE-ALL; watches ROUTE-ALL-1, ROUTE-ALL-3.
pub const ALL: &str = "All Means All";
/// A client is told to try again only if it has waited long enough or was overtaken, and then at once; and it is told
/// of another node only if it goes to leaders by itself and no server here has the slot's group.
///
/// PROP-ROUTE-NEED; watches ROUTE-LATE-1, ROUTE-HERE-1.
pub const NEED: &str = "No Answer Without Need";
/// Nothing is sent any more for a session that is gone.
///
/// PROP-ROUTE-GONE; watches ROUTE-GONE-1.
pub const GONE: &str = "Nothing For Who Is Gone";
/// Once slots have moved and nothing fails, every call comes to its end: [`settles`].
///
/// PROP-ROUTE-SETTLES; watches ROUTE-HERE-1, ROUTE-ORDER-4.
pub const SETTLES: &str = "All Calls End";

/// The properties' ids in SPEC.md, with their names.
pub const IDS: [(&str, &str); 7] = [
    ("PROP-ROUTE-ORDER", ORDER),
    ("PROP-ROUTE-ONCE", ONCE),
    ("PROP-ROUTE-TOLD", TOLD),
    ("PROP-ROUTE-ALL", ALL),
    ("PROP-ROUTE-NEED", NEED),
    ("PROP-ROUTE-GONE", GONE),
    ("PROP-ROUTE-SETTLES", SETTLES),
];

/// The model.
#[derive(Clone)]
pub struct Desk<R: Rules> {
    rules: R,
    /// What may happen.
    pub bounds: Bounds,
    /// What was reached; shared by all clones.
    pub corners: Arc<Corners>,
    /// When set, no further actions are offered, so that a checker that can't be stopped comes to an end.
    pub stop: Arc<AtomicBool>,
}

impl<R: Rules> Desk<R> {
    /// Groups at the first configuration of the plan, and a router that knows it.
    pub fn new(bounds: Bounds, rules: R) -> Self {
        Self { rules, bounds, corners: Arc::default(), stop: Arc::default() }
    }

    fn all_settles(&self, state: &State<R>) -> bool {
        let sampled =
            state.history.violation.is_none() && is_sampled(state, self.bounds.settle_every);
        self.corners.settle(sampled, || settles(self, state).is_ok())
    }
}

/// The history has seen no violation of this kind.
macro_rules! never {
    ($name:expr, $violation:ident) => {
        Property::always($name, |_, state: &State<R>| {
            state.history.violation != Some(Violation::$violation)
        })
    };
}

impl<R: Rules> Model for Desk<R> {
    type State = Whole<R>;
    type Action = Action;

    fn init_states(&self) -> Vec<State<R>> {
        vec![State::new(&self.bounds, self.rules)]
    }

    fn actions(&self, state: &State<R>, actions: &mut Vec<Action>) {
        if self.stop.load(Ordering::Relaxed) || state.history.violation.is_some() {
            return;
        }
        for (group, msg) in &state.answers {
            let src = Id::from(state::GROUPS + group.0 as usize - 1);
            actions.push(ActorModelAction::Deliver { src, dst: Id::from(0), msg: msg.clone() });
        }
        self.stimuli(state, |id, stimulus| {
            actions.push(ActorModelAction::Timeout(Id::from(id), stimulus));
        });
    }

    fn next_state(&self, last: &State<R>, action: Action) -> Option<State<R>> {
        let mut next = last.clone();
        match action {
            ActorModelAction::Deliver { src, msg, .. } => {
                let group = last.groups[usize::from(src) - state::GROUPS].gid();
                self.arrive(&mut next, group, msg, false);
            }
            ActorModelAction::Timeout(id, stimulus) => {
                self.happen(&mut next, usize::from(id), stimulus);
            }
            _ => return None,
        }
        (next != *last).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            never!(ORDER, OutOfOrder),
            never!(ONCE, ExecutedTwice),
            never!(TOLD, ToldWrongly),
            never!(ALL, NotAll),
            never!(NEED, NoNeed),
            never!(GONE, SentForGone),
            Property::always(SETTLES, |desk: &Self, state: &State<R>| desk.all_settles(state)),
        ]
    }

    fn format_action(&self, action: &Action) -> String {
        Self::describe(action)
    }

    fn format_step(&self, last: &State<R>, action: Action) -> Option<String> {
        let next = self.next_state(last, action.clone())?;
        Some(Self::consequences(last, &next, &action).join("\n"))
    }

    fn as_svg(&self, path: Path<State<R>, Action>) -> Option<String> {
        Some(telling::picture(self, &path.into_actions()))
    }
}
