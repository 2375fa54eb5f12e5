//! Groups of the sharded store that hand slots over while clients write (labs 4B and 5).
//!
//! A group is one replicated machine here: that a replicated log is one log is checked elsewhere. Its log is the order
//! in which proposals are committed, all but its leader's replica apply them at once, and its leader may be replaced
//! at any moment by one that knows less; what it had proposed may still be committed. Messages between leaders are
//! late, lost, reordered, and repeated where a run says so. The configurations are given; a leader learns the next one
//! at any moment, or never. Clients call any group at any moment, and repeat every call.
//!
//! Beside the groups there is a twin of each slot, a store in which it never moves, which executes what any group
//! executes of the slot, in that order. A call takes effect between its beginning and its answer, at the group that
//! serves the slot; so replies that are the twin's are linearizable, whatever moved.

use crate::bounds::Net;
use crate::search::is_sampled;
use crate::telling::{self, Told as _};
use protocol::kv::{self, Exact, Op, Store};
use protocol::shardkv::{self, Answer, Group, Query};
use state::State as Whole;
use stateright::actor::{ActorModelAction, Envelope, Id};
use stateright::{Model, Path, Property};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use steps::Controller;

mod bounds;
mod history;
mod mutants;
pub(crate) mod plans;
mod probes;
mod runs;
mod settle;
mod state;
mod steps;
mod words;

pub use bounds::{Bounds, bounds_text, validate};
use history::keys;
pub use history::{History, Violation};
pub use mutants::{Bug, HUNTS, Hunt, Wrong};
pub use plans::{Do, Plan, Program};
pub use probes::{Corner, Corners};
pub use runs::{RELAYS, RelayRun};
pub use settle::settles;
pub use state::{Letter, Message, Node, Origin, State, Stimulus};

/// A step.
pub type Action = ActorModelAction<Message, Stimulus, ()>;

/// At most one group serves a slot, and nobody else has it in its store.
///
/// PROP-SHARD-ONE; watches SHARD-SERVE-1, SHARD-ADVANCE-2, SHARD-CANCEL-1.
pub const ONE: &str = "One Group Has It";
/// Every reply is that of a store in which the slot never moved, and so is what can be read.
///
/// PROP-SHARD-REPLIES; watches SHARD-SERVE-2, SHARD-INSTALL-1, SHARD-INSTALL-2, SHARD-STAGE-1, SHARD-COPY-1, PARTS-2.
pub const REPLIES: &str = "Linearizable Across Moves";
/// No call is executed twice, though it was executed by one group and is repeated at another.
///
/// PROP-SHARD-ONCE; watches PARTS-1.
pub const ONCE: &str = "Executed Once Across Moves";
/// Every slot is served, or it stands stopped and whole at a group.
///
/// PROP-SHARD-KEPT; watches SHARD-DELETE-1, SHARD-DELETE-2, SHARD-FINISHED-1, SHARD-FREEZE-1.
pub const KEPT: &str = "Nothing Is Lost";
/// Groups apply configurations by number, each once; one that begins leaves out none that concerns it.
///
/// PROP-SHARD-WALKS; watches SHARD-ADVANCE-1, SHARD-BEGIN-1.
pub const WALKS: &str = "One Configuration After The Other";
/// A slot that is served stays so until it is stopped for its own move.
///
/// PROP-SHARD-SERVED; watches SHARD-SERVE-1.
pub const SERVED: &str = "Served Until It Is Stopped";
/// What a group reports as finished is finished.
///
/// PROP-SHARD-REPORTS; watches SHARD-REPORT-1.
pub const REPORTS: &str = "What Is Finished Is Finished";
/// A group that is read from its bytes is the one that was written.
///
/// PROP-SHARD-SAVED; watches SHARD-SAVE-1.
pub const SAVED: &str = "Groups Are Saved Whole";
/// Once nothing is lost and nobody dies, every slot is with whose it is, and nobody keeps anything of another's:
/// [`settles`].
///
/// PROP-SHARD-SETTLES; watches SHARD-RESUME-1, SHARD-FREEZE-2, SHARD-CANCEL-2.
pub const SETTLES: &str = "All Slots Settle";

/// The properties' ids in SPEC.md, with their names.
pub const IDS: [(&str, &str); 9] = [
    ("PROP-SHARD-ONE", ONE),
    ("PROP-SHARD-REPLIES", REPLIES),
    ("PROP-SHARD-ONCE", ONCE),
    ("PROP-SHARD-KEPT", KEPT),
    ("PROP-SHARD-WALKS", WALKS),
    ("PROP-SHARD-SERVED", SERVED),
    ("PROP-SHARD-REPORTS", REPORTS),
    ("PROP-SHARD-SAVED", SAVED),
    ("PROP-SHARD-SETTLES", SETTLES),
];

/// The rules of a group and those of its store, in one.
pub trait Both: shardkv::Rules + kv::Rules {}

/// The rules as SPEC.md has them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Right;

impl shardkv::Rules for Right {}
impl kv::Rules for Right {}
impl Both for Right {}

/// The model.
#[derive(Clone)]
pub struct Relay<R: Both> {
    rules: R,
    /// What may happen.
    pub bounds: Bounds,
    /// What was reached; shared by all clones.
    pub corners: Arc<Corners>,
    /// When set, no further actions are offered, so that a checker that can't be stopped comes to an end.
    pub stop: Arc<AtomicBool>,
}

impl<R: Both> Relay<R> {
    /// Groups at the first configuration of the plan.
    pub fn new(bounds: Bounds, rules: R) -> Self {
        Self { rules, bounds, corners: Arc::default(), stop: Arc::default() }
    }

    fn all_settles(&self, state: &State<R>) -> bool {
        let sampled =
            state.history.violation.is_none() && is_sampled(state, self.bounds.settle_every);
        self.corners.settle(sampled, || settles(self, state).is_ok())
    }

    fn slots(&self) -> std::ops::Range<usize> {
        0..self.bounds.plan.slots()
    }

    fn one_has_it(&self, state: &State<R>) -> bool {
        self.slots().map(plans::slot).all(|id| {
            let serves = |node: &&Arc<Node<R>>| node.group.serves(id).is_ok();
            let has = |node: &Arc<Node<R>>| node.group.store().slots().any(|there| there == id);
            let mut others = state.nodes.iter().filter(|node| !serves(node));
            state.nodes.iter().filter(serves).count() <= 1 && !others.any(has)
        })
    }

    fn reads_are_the_twins(&self, state: &State<R>) -> bool {
        self.slots().all(|index| {
            state.nodes.iter().all(|node| {
                let twin = state.history.twin_at(index, node.group.store().clock());
                reads(&node.group, &twin, index) != Some(false)
            })
        })
    }

    fn nothing_is_lost(&self, state: &State<R>) -> bool {
        self.slots().all(|index| {
            let id = plans::slot(index);
            state.nodes.iter().any(|node| {
                let frozen = node.group.moves().get(&id).is_some_and(|there| {
                    let twin = || state.history.twin_at(index, node.group.store().clock());
                    match &there.state {
                        shardkv::State::Frozen(copy) => keys(copy) == keys(&twin().copy_slot(id)),
                        _ => false,
                    }
                });
                frozen || node.group.serves(id).is_ok()
            })
        })
    }
}

/// Whether a read of the slot's key is answered as the twin answers it; None if it is refused.
fn reads<R: Both>(group: &Group<R, R>, twin: &Store<Exact>, index: usize) -> Option<bool> {
    let key = plans::key(index);
    let expected = twin.read(&key, &Op::Get);
    match group.read(&Query::Op { key, op: Op::Get }) {
        Answer::Reply(reply) => Some(Some(reply) == expected),
        _ => None,
    }
}

/// Whether a group has a slot whole.
fn holds<R: Both>(group: &Group<R, R>, twin: &Store<Exact>, index: usize) -> bool {
    let id = plans::slot(index);
    group.store().copy_slot(id) == twin.copy_slot(id)
}

/// The history has seen no violation of this kind.
macro_rules! never {
    ($name:expr, $violation:ident) => {
        Property::always($name, |_, state: &State<R>| {
            state.history.violation != Some(Violation::$violation)
        })
    };
}

impl<R: Both> Model for Relay<R> {
    type State = Whole<R>;
    type Action = Action;

    fn init_states(&self) -> Vec<State<R>> {
        vec![self.first()]
    }

    fn actions(&self, state: &State<R>, actions: &mut Vec<Action>) {
        if self.stop.load(Ordering::Relaxed) || state.history.violation.is_some() {
            return;
        }
        for letter in &state.mail {
            let Envelope { src, dst, msg } = letter.envelope().clone();
            actions.push(ActorModelAction::Deliver { src, dst, msg });
        }
        self.stimuli(state, |id, stimulus| {
            actions.push(ActorModelAction::Timeout(Id::from(id), stimulus));
        });
    }

    fn next_state(&self, last: &State<R>, action: Action) -> Option<State<R>> {
        let mut next = last.clone();
        match action {
            ActorModelAction::Deliver { src, dst, msg } => {
                let envelope = Envelope { src, dst, msg };
                if self.bounds.net == Net::Reorder {
                    next.mail.remove(&Letter::new(envelope.clone()));
                }
                self.arrive(&mut next, envelope, Controller::Late);
            }
            ActorModelAction::Timeout(id, stimulus) => {
                self.happen(&mut next, usize::from(id), stimulus, Controller::Late);
            }
            _ => return None,
        }
        next.seal(last);
        (next != *last).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            never!(ONCE, ExecutedTwice),
            never!(WALKS, NotTheNext),
            never!(SERVED, Interrupted),
            never!(REPORTS, ReportedEarly),
            never!(SAVED, SavedWrongly),
            Property::always(ONE, |relay: &Self, state: &State<R>| relay.one_has_it(state)),
            Property::always(REPLIES, |relay: &Self, state: &State<R>| {
                state.history.violation != Some(Violation::AnotherReply)
                    && relay.reads_are_the_twins(state)
            }),
            Property::always(KEPT, |relay: &Self, state: &State<R>| relay.nothing_is_lost(state)),
            Property::always(SETTLES, |relay: &Self, state: &State<R>| relay.all_settles(state)),
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
