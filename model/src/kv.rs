//! The store's clients against one server (lab 2, and Redis's deadlines and transactions): what a caller may believe,
//! whatever the network and the leaders' clocks do.
//!
//! Clients run small programs through the shared clerk and locks; one server applies what arrives to the shared
//! store; requests and answers are late, lost, reordered, and repeated where a scene says so. What is true is
//! kept in a history outside of them, and compared with what the callers were told.

use crate::bounds::Net;
use crate::search::is_sampled;
use crate::telling::Told as _;
use mirror::Known;
use protocol::kv::clerk;
use protocol::kv::{ClientId, Limits, Rules, Stamp, Version};
use scenes::LIMITS;
use serde::{Deserialize, Serialize};
use stateright::actor::{
    ActorModel, ActorModelAction, ActorModelState, Envelope, Id, LossyNetwork, Network,
};
use stateright::{Model, Path, Property};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

mod client;
mod direct;
mod event;
mod history;
mod mirror;
mod mutants;
mod party;
mod probes;
mod programs;
mod scenes;
mod server;
mod settle;
mod telling;
mod user;
mod validate;

pub use client::Client;
pub use direct::{Ask, Told};
pub use event::Event;
pub use history::{History, Violation};
pub use mutants::{Bug, HUNTS, Hunt, Wrong};
pub use party::{Message, Party, Person, Stimulus};
pub use probes::{Corner, Corners};
pub use programs::{Part, Program};
pub use scenes::{SCENES, Scene};
pub use server::{Applied, Kept, Server, Shown};
pub use settle::settles;
pub use telling::bounds_text;
pub use user::{User, Watch};
pub use validate::validate;

/// A system of clients and one server.
pub type State<R> = ActorModelState<Person<R>, History>;

/// A step of it.
pub type Action = ActorModelAction<Message, Stimulus, ()>;

/// Some order of the calls explains all replies, each call taking effect between its begin and its end.
///
/// PROP-LINEARIZABLE; watches KV-PUT-1, KV-ONCE-2, KV-ONCE-6, CLERK-SEQ-1.
pub const LINEARIZABLE: &str = "Linearizable";
/// No call is executed twice.
///
/// PROP-EXACTLY-ONCE; watches KV-ONCE-1, KV-ONCE-2, KV-ONCE-3, KV-ONCE-4, KV-ONCE-5, KV-IDLE-1, KV-FLUSH-1,
/// KV-SNAPSHOT-1, CLERK-CREATE-1.
pub const EXACTLY_ONCE: &str = "Exactly Once";
/// What its caller was told is refused was not executed before and is not executed later.
///
/// PROP-REFUSED; watches CLERK-MAYBE-1, LEASE-FAIL-1.
pub const REFUSED: &str = "Refused Is Not Executed";
/// The versions of a key only rise, also over a deletion, its deadline, a flush and a snapshot.
///
/// PROP-VERSIONS; watches KV-VERSION-1, KV-VERSION-2, KV-EXPIRE-2, KV-FLUSH-1, KV-SNAPSHOT-1.
pub const VERSIONS: &str = "Versions Rise";
/// At most one holds the lock, each with a greater fencing version than all before, and a lock without a deadline stays
/// at that version while it is held.
///
/// PROP-LOCK; watches LOCK-TOKEN-1, LOCK-TAKE-1, LOCK-MAYBE-1, LOCK-RELEASE-1, LEASE-FENCE-1.
pub const MUTUAL_EXCLUSION: &str = "Mutual Exclusion";
/// Who believes that it holds a lock with a time to live has it: a token of its own is there, and not over.
///
/// PROP-LEASE; watches LEASE-TAKE-1, LEASE-TOKEN-1, LEASE-HOLD-1, LEASE-RENEW-1, LEASE-RENEW-2, LEASE-RELEASE-1,
/// LEASE-CALL-1, LEASE-END-1, LEASE-CLOCK-1.
pub const BELIEF: &str = "Belief Is True";
/// Maybe is said only of a write that was sent more than once and whose refusal is not recorded.
///
/// PROP-MAYBE; watches CLERK-MAYBE-1.
pub const MAYBE: &str = "Maybe Has A Reason";
/// No client can expire those that come after it for longer than `ahead_ms`: what a slot has dropped is not farther
/// ahead of its clock.
///
/// PROP-FLOOR; watches KV-ONCE-7.
pub const FLOOR: &str = "Floors Stay Behind";
/// The group's clock is the largest stamp that was applied: it never goes back.
///
/// PROP-CLOCK; watches KV-EXPIRE-3.
pub const CLOCK: &str = "Clock Never Goes Back";
/// After every entry and read the store shows and replies what its mirror does, which has every key, value and deadline
/// in one list and drops what is due by the clock at once.
///
/// PROP-MIRROR; watches KV-EXPIRE-1, KV-EXPIRE-5, KV-TX-1.
pub const MIRROR: &str = "As The Mirror";
/// A tick takes out no more keys than it may.
///
/// PROP-TICK; watches KV-EXPIRE-4.
pub const TICK: &str = "Ticks Are Bounded";
/// A transaction is executed only if nothing touched what it watched, and fails only if something may have.
///
/// PROP-WATCH; watches KV-WATCH-1.
pub const WATCH: &str = "Watched Is Untouched";
/// Only a client that was idle for too long is turned away.
///
/// PROP-IDLE; watches KV-IDLE-1.
pub const IDLE: &str = "Turned Away For A Reason";
/// A scan returns each key that is there throughout, and once.
///
/// PROP-SCAN; watches KV-SCAN-1.
pub const SCAN: &str = "Scans Are Complete";
/// Once a holder has used a resource, none that held the lock before may.
///
/// PROP-FENCE; watches LOCK-FENCE-1.
pub const FENCE: &str = "Late Holders Stay Out";
/// Once the network delivers, every program comes to its end, and what is left of a lock with a time to live goes:
/// [`settles`].
///
/// PROP-CALLS-END; watches CLERK-RETRY-1, CLERK-SEQ-1, LOCK-MAYBE-1, LOCK-RELEASE-1, LEASE-LEFT-1.
pub const CALLS_END: &str = "Calls End";

/// The properties' ids in SPEC.md, with their names.
pub const IDS: [(&str, &str); 16] = [
    ("PROP-LINEARIZABLE", LINEARIZABLE),
    ("PROP-EXACTLY-ONCE", EXACTLY_ONCE),
    ("PROP-REFUSED", REFUSED),
    ("PROP-VERSIONS", VERSIONS),
    ("PROP-LOCK", MUTUAL_EXCLUSION),
    ("PROP-LEASE", BELIEF),
    ("PROP-MAYBE", MAYBE),
    ("PROP-FLOOR", FLOOR),
    ("PROP-CLOCK", CLOCK),
    ("PROP-MIRROR", MIRROR),
    ("PROP-TICK", TICK),
    ("PROP-WATCH", WATCH),
    ("PROP-IDLE", IDLE),
    ("PROP-SCAN", SCAN),
    ("PROP-FENCE", FENCE),
    ("PROP-CALLS-END", CALLS_END),
];

/// The bounds of a scene.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Bounds {
    /// What each client does.
    pub programs: [Program; 3],
    /// The network. Without duplication every copy of a request is one that the clerk has sent.
    pub net: Net,
    /// How many messages may be lost for good. Without it a message may still be later than all else.
    pub losses: u8,
    /// How often a call may be sent.
    pub attempts: u32,
    /// How often a client may look again at a lock that another holds.
    pub looks: u8,
    /// Whether Puts are recorded.
    pub record_puts: bool,
    /// Whether all clients use one client id, which no right client does.
    pub one_id: bool,
    /// Whether the first client's id is farther in the future than the store allows.
    pub first_from_future: bool,
    /// Of how many clients a slot keeps records.
    pub clients_kept: usize,
    /// How many replies of a client are kept that it has not acknowledged.
    pub unacknowledged: usize,
    /// The longest reply that is kept, in bytes.
    pub reply_bytes: usize,
    /// The latest stamp: every entry may have any from 0 to this, in any order. 0: the clock stands still.
    pub latest: Stamp,
    /// How long a client's records are kept after its last call.
    pub idle_ms: u64,
    /// The most keys that a tick takes out.
    pub tick_keys: usize,
    /// How often the server begins anew from a snapshot.
    pub restarts: u8,
    /// For how long users of a lock with a time to live hold it at a time; 0 if there are none.
    pub ttl_ms: Stamp,
    /// How often one of them may give up a write that it waits for.
    pub give_ups: u8,
    /// How many of them may die.
    pub deaths: u8,
    /// Whether they may be late: their timers do not fire in time, and what they believe is not always so.
    pub late: bool,
    /// Whether the leader's clock never falls back, as it would when a leader follows that is behind.
    pub steady: bool,
    /// Whether the store is held against a mirror in every step, instead of an order of the calls at their ends.
    pub mirror: bool,
    /// Whether every reply is held against an order of the calls. It tells many states apart; where it is left out
    /// (RED-HISTORY), the other properties stand.
    pub linearizable: bool,
    /// Whether answers to calls that are over are taken out of the network at once (RED-ANSWER).
    pub drop_void: bool,
    /// From every so many states, the fair schedule must bring all programs to their ends; 0 for none.
    pub settle_every: u64,
}

impl Bounds {
    /// Whether some client makes a conditional write that is not recorded.
    pub fn has_unrecorded_puts(&self) -> bool {
        let conditional = |program: &Program| program.is_conditional();
        !self.record_puts && self.programs.iter().any(conditional)
    }

    /// The store's bounds.
    const fn limits(&self) -> Limits {
        Limits {
            clients: self.clients_kept,
            unacknowledged: self.unacknowledged,
            reply_bytes: self.reply_bytes,
            idle_ms: self.idle_ms,
            tick_keys: self.tick_keys,
            ..LIMITS
        }
    }
}

/// The model of a scene.
#[derive(Clone)]
pub struct Shop<R: Rules> {
    inner: ActorModel<Person<R>, (), History>,
    /// What may happen.
    pub bounds: Bounds,
    /// What was reached; shared by all clones.
    pub corners: Arc<Corners>,
    /// When set, no further actions are offered, so that a checker that can't be stopped comes to an end.
    pub stop: Arc<AtomicBool>,
}

impl<R: Rules> Shop<R> {
    /// A server, number 0, and a client for each program, from number 1.
    pub fn new(bounds: Bounds, rules: R) -> Self {
        let network = match bounds.net {
            Net::Reorder => Network::new_unordered_nonduplicating([]),
            Net::Duplicate => Network::new_unordered_duplicating([]),
        };
        let busy = |program: &&Program| **program != Program::Nothing;
        let clients = bounds.programs.iter().filter(busy).enumerate().map(|(number, &program)| {
            let first = number == 0;
            let rest = if bounds.one_id { 1 } else { number as u128 + 1 };
            let made_ms = if first && bounds.first_from_future { LIMITS.ahead_ms + 1 } else { 0 };
            let client = ClientId::new(made_ms, rest);
            let config = clerk::Config { client, servers: 1, record_puts: bounds.record_puts };
            let watch = Watch { ttl_ms: bounds.ttl_ms, late: bounds.late };
            match program.has_ttl() {
                true => Person::User { rules, config, program, watch },
                false => Person::Client { rules, config, program },
            }
        });
        let limits = bounds.limits();
        let server = Person::Server { rules, limits, mirrored: bounds.mirror };
        let known = Known { idle_ms: bounds.idle_ms, tick_keys: bounds.tick_keys };
        let history = History::new(bounds.linearizable, bounds.mirror.then_some(known));
        let inner = ActorModel::new((), history)
            .actors(std::iter::once(server).chain(clients))
            .init_network(network)
            .lossy_network(if bounds.losses > 0 { LossyNetwork::Yes } else { LossyNetwork::No });
        Self { inner, bounds, corners: Arc::default(), stop: Arc::default() }
    }

    /// What the actors do in a step. Where time goes on, it does so for all.
    fn step(&self, state: &State<R>, action: Action) -> Option<State<R>> {
        let mut next = self.inner.next_state(state, action)?;
        let now = |state: &State<R>| state.actor_states[party::SERVER].estimate();
        if self.bounds.ttl_ms > 0 && now(&next) > now(state) {
            for party in next.actor_states.iter_mut().filter(|party| party.user().is_some()) {
                Arc::make_mut(party).grow_older();
            }
        }
        Some(next)
    }

    /// LEASE-CLOCK-1. Whether some holder's timer fires before time goes on.
    fn holds_up_time(&self, state: &State<R>) -> bool {
        let mut users = state.actor_states.iter().filter_map(|party| party.user());
        users.any(User::holds_up_time)
    }

    /// How many calls of users may be given up yet, and how many of them may die.
    fn mishaps_left(&self, state: &State<R>) -> (u8, u8) {
        let users = || state.actor_states.iter().filter_map(|party| party.user());
        let given_up = users().map(User::given_up).sum::<u8>();
        let died = users().map(|user| u8::from(user.has_died())).sum::<u8>();
        (self.bounds.give_ups - given_up, self.bounds.deaths - died)
    }

    /// A step that leaves no trace in history or corners.
    fn quiet_step(&self, state: &State<R>, action: Action) -> Option<State<R>> {
        let mut next = self.step(state, action)?;
        for party in &mut next.actor_states {
            if party.has_events() {
                Arc::make_mut(party).take_events();
            }
        }
        Some(next)
    }

    /// One network content for all that differ only in what can't matter.
    fn normalize(&self, state: &mut State<R>) {
        let void = |parties: &[Arc<Party<R>>], envelope: &Envelope<Message>| {
            self.bounds.drop_void && parties[usize::from(envelope.dst)].ignores(&envelope.msg)
        };
        let parties = &state.actor_states;
        match &mut state.network {
            Network::UnorderedDuplicating(set, last) => {
                *last = None;
                set.retain(|envelope| !void(parties, envelope));
            }
            Network::UnorderedNonDuplicating(counts) => {
                counts.retain(|envelope, _| !void(parties, envelope));
            }
            Network::Ordered(_) => {}
        }
    }

    fn record(&self, new: &mut State<R>, id: Id) {
        let party = &mut new.actor_states[usize::from(id)];
        let actor = usize::from(id) as u8;
        if !party.has_events() {
            return;
        }
        for event in Arc::make_mut(party).take_events() {
            new.history.note(actor, &event, &self.corners);
            self.corners.note(actor, &event, &new.history);
        }
    }

    fn calls_end(&self, state: &State<R>) -> bool {
        let sampled =
            state.history.violation.is_none() && is_sampled(state, self.bounds.settle_every);
        self.corners.settle(sampled, || settles(self, state).is_ok())
    }
}

/// The version at which the store has the lock.
fn lock_version<R: Rules>(state: &State<R>) -> Option<Version> {
    let store = state.actor_states.iter().find_map(|party| party.store())?;
    store.get(&party::lock_key()).map(|(_, version)| version)
}

/// Whether whoever believes that it holds a lock with a time to live does, and nobody else holds it.
fn belief_is_true<R: Rules>(state: &State<R>) -> bool {
    let store = state.actor_states.iter().find_map(|party| party.store());
    let lock = store.and_then(|store| store.get(&party::lock_key()));
    let has = |client: ClientId| {
        lock.is_some_and(|(value, _)| value.as_ref().starts_with(&client.0.to_be_bytes()))
    };
    let users = state.actor_states.iter().filter_map(|party| party.user());
    let believers: Vec<_> = users.filter_map(User::believes).collect();
    let others = state.actor_states.iter().filter(|party| party.held().is_some()).count();
    let alone = believers.is_empty() || believers.len() + others == 1;
    alone && believers.into_iter().all(has)
}

/// Whether no client id among the dropped ones is farther ahead of the clock than the store allows.
fn floors_stay_behind<R: Rules>(state: &State<R>) -> bool {
    let stores = state.actor_states.iter().filter_map(|party| party.store());
    stores
        .flat_map(|store| store.client_floors().map(|floor| (store.clock(), floor.1)))
        .all(|(clock, floor)| floor.made_ms() <= clock + LIMITS.ahead_ms)
}

/// The history has seen no violation of these.
macro_rules! never {
    ($name:expr, $($violation:ident)|+) => {
        Property::always($name, |_, state: &State<R>| {
            !matches!(state.history.violation, Some($(Violation::$violation)|+))
        })
    };
}

impl<R: Rules> Model for Shop<R> {
    type State = State<R>;
    type Action = Action;

    fn init_states(&self) -> Vec<State<R>> {
        self.inner.init_states()
    }

    fn actions(&self, state: &State<R>, actions: &mut Vec<Action>) {
        if self.stop.load(Ordering::Relaxed) || state.history.violation.is_some() {
            return;
        }
        for envelope in state.network.iter_deliverable() {
            let Envelope { src, dst, msg } = envelope.to_cloned_msg();
            actions.push(ActorModelAction::Deliver { src, dst, msg });
            if state.history.lost < self.bounds.losses {
                actions.push(ActorModelAction::Drop(envelope.to_cloned_msg()));
            }
        }
        actions.sort_unstable_by(|a, b| order(a).cmp(&order(b)));
        let held_up = self.holds_up_time(state);
        let left = self.mishaps_left(state);
        for (index, party) in state.actor_states.iter().enumerate() {
            let server = party.server_stimuli(&self.bounds, state.history.restarts, held_up);
            let mishaps = party.user().map(|user| user.mishaps(left));
            let own = party.stimulus(&self.bounds).into_iter().chain(mishaps.unwrap_or_default());
            for stimulus in server.into_iter().chain(own) {
                actions.push(ActorModelAction::Timeout(Id::from(index), stimulus));
            }
        }
    }

    fn next_state(&self, last: &State<R>, action: Action) -> Option<State<R>> {
        let id = match &action {
            ActorModelAction::Deliver { dst, .. } => *dst,
            ActorModelAction::Timeout(id, _) => *id,
            ActorModelAction::Drop(_) => {
                let mut next = self.inner.next_state(last, action)?;
                next.history.lost += 1;
                self.corners.reach(Corner::MessageLost);
                return Some(next);
            }
            _ => return None,
        };
        let mut next = self.step(last, action)?;
        self.record(&mut next, id);
        self.normalize(&mut next);
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            never!(EXACTLY_ONCE, ExecutedTwice),
            never!(REFUSED, RefusedAndExecuted),
            never!(VERSIONS, VersionFell),
            Property::always(MUTUAL_EXCLUSION, |_, state: &State<R>| {
                let held: Vec<_> = state.actor_states.iter().filter_map(|one| one.held()).collect();
                let stays = held.iter().all(|&version| lock_version(state) == Some(version));
                let fell = state.history.violation == Some(Violation::FenceFell);
                held.len() <= 1 && stays && !fell
            }),
            Property::always(BELIEF, |shop: &Self, state: &State<R>| {
                shop.bounds.late || belief_is_true(state)
            }),
            never!(MAYBE, MaybeForNothing),
            Property::always(FLOOR, |_, state: &State<R>| floors_stay_behind(state)),
            never!(CLOCK, ClockFell),
            never!(MIRROR, NotAsTheMirror),
            never!(TICK, TickTooLong),
            never!(WATCH, WatchIgnored | WatchFailedForNothing),
            never!(IDLE, TurnedAwayForNothing),
            never!(SCAN, ScanWrong),
            never!(FENCE, LateHolderLetIn),
            never!(LINEARIZABLE, NotLinearizable),
            Property::always(CALLS_END, |shop: &Self, state: &State<R>| shop.calls_end(state)),
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
        Some(crate::telling::picture(self, &path.into_actions()))
    }
}

fn order(action: &Action) -> Option<(Id, Id, &Message, bool)> {
    match action {
        ActorModelAction::Deliver { src, dst, msg } => Some((*src, *dst, msg, false)),
        ActorModelAction::Drop(Envelope { src, dst, msg }) => Some((*src, *dst, msg, true)),
        _ => None,
    }
}
