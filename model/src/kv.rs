//! The store's clients against one server (lab 2): what a caller may believe, whatever the network does.
//!
//! Clients run small programs through the shared clerk and lock; one server applies what arrives to the shared
//! store; requests and answers are late, lost, reordered, and repeated where a scene says so. What is true is
//! kept in a history outside of them, and compared with what the callers were told.

use crate::bounds::Net;
use protocol::kv::clerk::{self, Answer, Outcome, Request};
use protocol::kv::lock::{self, State as LockState};
use protocol::kv::{Bytes, ClientId, Limits, Rules, Version};
use stateright::actor::{
    ActorModel, ActorModelAction, ActorModelState, Envelope, Id, LossyNetwork, Network,
};
use stateright::{Model, Property};
use std::sync::Arc;

mod history;
mod mutants;
mod party;
mod probes;
mod scenes;
mod settle;

pub use history::{History, Violation};
pub use mutants::{Bug, HUNTS, Hunt, Wrong};
pub use party::{Do, Event, Message, Party, Person, Program, Stimulus};
pub use probes::{Corner, Corners};
pub use scenes::{SCENES, Scene};
pub use settle::settles;

/// A system of clients and one server.
pub type State<R> = ActorModelState<Party<R>, History>;

/// A step of it.
pub type Action = ActorModelAction<Message, Stimulus, ()>;

/// Some order of the calls explains all replies, each call taking effect between its begin and its end.
///
/// PROP-LINEARIZABLE; watches KV-PUT-1, KV-ONCE-2, CLERK-MAYBE-1.
pub const LINEARIZABLE: &str = "Linearizable";
/// No call is executed twice.
///
/// PROP-EXACTLY-ONCE; watches KV-ONCE-1, KV-ONCE-2, KV-ONCE-3, KV-ONCE-4, KV-ONCE-5.
pub const EXACTLY_ONCE: &str = "Exactly Once";
/// What its caller was told is refused was not executed before and is not executed later.
///
/// PROP-REFUSED; watches CLERK-MAYBE-1.
pub const REFUSED: &str = "Refused Is Not Executed";
/// The versions of a key only rise, also over a deletion.
///
/// PROP-VERSIONS; watches KV-VERSION-1, KV-VERSION-2.
pub const VERSIONS: &str = "Versions Rise";
/// At most one holds the lock, and each with a greater fencing version than all before.
///
/// PROP-LOCK; watches LOCK-TOKEN-1, LOCK-TAKE-1, LOCK-MAYBE-1, LOCK-RELEASE-1.
pub const MUTUAL_EXCLUSION: &str = "Mutual Exclusion";
/// Once the network delivers, every program comes to its end: [`settles`].
///
/// PROP-CALLS-END; watches CLERK-RETRY-1, CLERK-SEQ-1, CLERK-ONCE-1, LOCK-MAYBE-1.
pub const CALLS_END: &str = "Calls End";

/// The properties' ids in SPEC.md, with their names.
pub const IDS: [(&str, &str); 6] = [
    ("PROP-LINEARIZABLE", LINEARIZABLE),
    ("PROP-EXACTLY-ONCE", EXACTLY_ONCE),
    ("PROP-REFUSED", REFUSED),
    ("PROP-VERSIONS", VERSIONS),
    ("PROP-LOCK", MUTUAL_EXCLUSION),
    ("PROP-CALLS-END", CALLS_END),
];

/// The bounds of a scene.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// What each client does.
    pub programs: &'static [Program],
    /// The network. Without duplication every copy of a request is one that the clerk has sent.
    pub net: Net,
    /// How often a call may be sent.
    pub attempts: u32,
    /// How often a client may look at a lock that another holds.
    pub looks: u8,
    /// Whether puts are recorded.
    pub record_puts: bool,
    /// The store's.
    pub limits: Limits,
}

/// The model of a scene.
#[derive(Clone)]
pub struct Shop<R: Rules> {
    inner: ActorModel<Person<R>, (), History>,
    /// What may happen.
    pub bounds: Bounds,
    /// What was reached; shared by all clones.
    pub corners: Arc<Corners>,
}

impl<R: Rules> Shop<R> {
    /// A server, number 0, and a client for each program, from number 1.
    pub fn new(bounds: Bounds, rules: R) -> Self {
        let network = match bounds.net {
            Net::Reorder => Network::new_unordered_nonduplicating([]),
            Net::Duplicate => Network::new_unordered_duplicating([]),
        };
        let clients = bounds.programs.iter().enumerate().map(|(number, &program)| {
            let client = ClientId(number as u64 + 1);
            let config = clerk::Config { client, servers: 1, record_puts: bounds.record_puts };
            Person::Client { rules, config, program }
        });
        let server = Person::Server { rules, limits: bounds.limits };
        let inner = ActorModel::new((), History::default())
            .actors(std::iter::once(server).chain(clients))
            .init_network(network)
            .lossy_network(LossyNetwork::No);
        Self { inner, bounds, corners: Arc::default() }
    }

    /// The actor with this number.
    pub fn person(&self, number: usize) -> &Person<R> {
        &self.inner.actors[number]
    }

    fn record(&self, old: &State<R>, new: &mut State<R>, id: Id) {
        let index = usize::from(id);
        let mut events = Vec::new();
        if !new.actor_states[index].events().is_empty() {
            events = Arc::make_mut(&mut new.actor_states[index]).take_events();
        }
        for event in &events {
            self.corners.note(event);
            new.history.note(index as u8, event);
        }
        let held = |state: &State<R>| state.actor_states.iter().any(|party| party.held().is_some());
        if held(old) && !events.is_empty() && matches!(*new.actor_states[index], Party::Client(_)) {
            self.corners.note_beside_holder(&new.actor_states[index]);
        }
    }
}

impl<R: Rules> Model for Shop<R> {
    type State = State<R>;
    type Action = Action;

    fn init_states(&self) -> Vec<State<R>> {
        self.inner.init_states()
    }

    fn actions(&self, state: &State<R>, actions: &mut Vec<Action>) {
        if state.history.violation.is_some() {
            return;
        }
        for envelope in state.network.iter_deliverable() {
            let Envelope { src, dst, msg } = envelope.to_cloned_msg();
            actions.push(ActorModelAction::Deliver { src, dst, msg });
        }
        actions.sort_unstable_by(|a, b| order(a).cmp(&order(b)));
        for (index, party) in state.actor_states.iter().enumerate() {
            for stimulus in party.stimuli(&self.bounds) {
                actions.push(ActorModelAction::Timeout(Id::from(index), stimulus));
            }
        }
    }

    fn next_state(&self, last: &State<R>, action: Action) -> Option<State<R>> {
        let id = match &action {
            ActorModelAction::Deliver { dst, .. } => *dst,
            ActorModelAction::Timeout(id, _) => *id,
            _ => return None,
        };
        let mut next = self.inner.next_state(last, action)?;
        self.record(last, &mut next, id);
        match &mut next.network {
            Network::UnorderedDuplicating(_, last) => *last = None,
            Network::UnorderedNonDuplicating(_) | Network::Ordered(_) => {}
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(EXACTLY_ONCE, |_, state: &State<R>| {
                state.history.violation != Some(Violation::ExecutedTwice)
            }),
            Property::always(REFUSED, |_, state: &State<R>| {
                state.history.violation != Some(Violation::RefusedAndExecuted)
            }),
            Property::always(VERSIONS, |_, state: &State<R>| {
                state.history.violation != Some(Violation::VersionFell)
            }),
            Property::always(MUTUAL_EXCLUSION, |_, state: &State<R>| {
                let holders = state.actor_states.iter().filter(|party| party.held().is_some());
                holders.count() <= 1 && state.history.violation != Some(Violation::FenceFell)
            }),
            Property::always(LINEARIZABLE, |_, state: &State<R>| state.history.is_linearizable()),
            Property::always(CALLS_END, |shop: &Self, state: &State<R>| {
                settles(shop, state).is_ok()
            }),
        ]
    }

    fn format_action(&self, action: &Action) -> String {
        match action {
            ActorModelAction::Deliver { src, dst, msg } => {
                format!("{} → {}  {msg:?}", name(*src), name(*dst))
            }
            ActorModelAction::Timeout(id, stimulus) => format!("{}  {stimulus:?}", name(*id)),
            other => format!("{other:?}"),
        }
    }
}

fn name(id: Id) -> String {
    match usize::from(id) {
        0 => "server".into(),
        number => format!("c{number}"),
    }
}

fn order(action: &Action) -> Option<(Id, Id, &Message)> {
    match action {
        ActorModelAction::Deliver { src, dst, msg } => Some((*src, *dst, msg)),
        _ => None,
    }
}
