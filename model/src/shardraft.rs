//! Groups of the sharded store, each on a Raft of its own, that hand a slot over.
//!
//! The model of groups ([`crate::shardkv`]) takes a group for one machine, whose leader may know less and may be
//! followed by another. Here nothing of that is assumed: the servers of both groups are those of [`crate::cluster`],
//! with the shared `Group` as the service, and each has what its driver has: a `Duty`, which is told after every step
//! in which term the server leads, is shown the group of that server's replica, and proposes to that server alone. So a
//! deposed leader that does not know goes on beside its successor, what it had proposed may still be committed or never
//! will be, and a replica that is asked for a read may lag.
//!
//! What is true is kept outside: each group as what is committed makes it, by whichever server first, and a store in
//! which the slot never moves and which executes what either group executes.

use crate::bounds::Net;
use crate::cluster::{self, Cluster};
use crate::history::Violation as RaftViolation;
use crate::node::DiskFault;
use crate::raft::{CLAIMS, ELECTION_SAFETY, STATE_MACHINE_SAFETY};
use crate::search::is_sampled;
use crate::telling::{self, Told as _};
use protocol::kv::Seq;
use protocol::shardkv::mover::Input;
use state::{id_of, place_of};
use stateright::actor::ActorModelAction;
use stateright::{Model, Path, Property};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use steps::{Controller, Place, happens};

mod bounds;
mod holding;
mod mutants;
mod probes;
mod record;
mod runs;
mod settle;
mod state;
mod steps;
mod words;

pub use bounds::{Bounds, Links, PLAN, PROGRAM, bounds_text, validate};
pub use holding::{Content, Holding, Hosted, Origin, Question, Sending};
pub use mutants::{Bug, HUNTS, Hunt, Wrong};
pub use probes::{Corner, Corners};
pub use record::{Record, Violation};
pub use runs::{DEEP_ESTATES, ESTATES, EstateRun};
pub use settle::settles;
pub use state::{Letter, Message, Seat, State, Stimulus};

/// PROP-SHARD-ONE, of the groups as what is committed makes them.
pub const ONE: &str = crate::shardkv::ONE;
/// PROP-SHARD-REPLIES: of every call that is committed.
pub const REPLIES: &str = crate::shardkv::REPLIES;
/// PROP-SHARD-ONCE.
pub const ONCE: &str = crate::shardkv::ONCE;
/// PROP-SHARD-KEPT.
pub const KEPT: &str = crate::shardkv::KEPT;
/// PROP-SHARD-REPORTS: by what is committed, whatever the replica knows whose mover reports.
pub const REPORTS: &str = crate::shardkv::REPORTS;
/// PROP-SHARD-SETTLES: [`settles`].
pub const SETTLES: &str = crate::shardkv::SETTLES;
/// PROP-TELLS, of clients and movers.
pub const TELLS: &str = crate::group::TELLS;
/// PROP-FRESH, of reads at any server of either group.
pub const FRESH: &str = crate::group::FRESH;

/// A step.
pub type Action = ActorModelAction<Message, Stimulus, ()>;

/// A step of one group's servers.
type ServerAction = cluster::Action<Hosted>;

/// The model.
#[derive(Clone)]
pub struct Estate {
    rules: Wrong,
    clusters: [Cluster<Hosted>; 2],
    /// What may happen.
    pub bounds: Bounds,
    /// What was reached; shared by all clones.
    pub corners: Arc<Corners>,
    /// When set, no further actions are offered, so that a checker that can't be stopped comes to an end.
    pub stop: Arc<AtomicBool>,
}

impl Estate {
    /// Two groups at the first configuration, whose first servers lead.
    pub fn new(bounds: Bounds, rules: Wrong) -> Self {
        let cluster = |servers| {
            let cluster = Cluster::new(servers, Hosted(rules), DiskFault::None);
            if bounds.links.keep_order() { cluster.with_connections() } else { cluster }
        };
        let clusters = bounds.servers.map(cluster);
        Self { rules, clusters, bounds, corners: Arc::default(), stop: Arc::default() }
    }

    /// What ships.
    pub fn right(bounds: Bounds) -> Self {
        Self::new(bounds, Wrong(Bug::None))
    }

    /// Where it begins: the first server of each group leads, the client has made its first call, and every server has
    /// applied what is committed and knows that.
    fn first_state(&self) -> State {
        let groups = [0, 1].map(|number: usize| Arc::new(self.clusters[number].start()));
        let seats = [0, 1].map(|number: usize| {
            let count = self.bounds.servers[number].servers;
            (0..count).map(|_| Arc::new(Seat::new())).collect()
        });
        let mut state = State::new(groups, seats);
        let by = Controller::Late;
        // What is reached here is no corner of the run.
        let first = Self::new(self.bounds, self.rules);
        for number in 0..2 {
            // A group of one leads when it has booted.
            first.deliver_all(&mut state, number, by);
            if !state.node(number, 0).replica().raft().leads() {
                let campaign = happens(0, crate::node::Stimulus::Campaign);
                first.serve(&mut state, (number, 0), campaign, by);
                first.deliver_all(&mut state, number, by);
            }
            if number == 0 {
                first.call(&mut state, (0, 0), 1, by);
                first.deliver_all(&mut state, number, by);
            }
            let beat = crate::node::Stimulus::Timer(protocol::raft::Timer::Heartbeat);
            first.serve(&mut state, (number, 0), happens(0, beat), by);
            first.deliver_all(&mut state, number, by);
            let servers = Arc::make_mut(&mut state.groups[number]);
            if let stateright::actor::Network::UnorderedDuplicating(mail, _) = &mut servers.network
            {
                mail.clear();
            }
        }
        let blank = state.clone();
        state.seal(&blank);
        state
    }

    /// Nothing is explored behind a violation.
    fn is_over(&self, state: &State) -> bool {
        let violated = || state.groups.iter().any(|servers| servers.history.violated());
        state.record.violation.is_some() || violated() || state.is_broken()
    }

    fn all_settles(&self, state: &State) -> bool {
        let sampled = !self.is_over(state) && is_sampled(state, self.bounds.settle_every);
        self.corners.settle(sampled, || settles(self, state).is_ok())
    }

    /// What may happen at a server besides what happens to Raft.
    fn offer(&self, state: &State, place: Place, mut offer: impl FnMut(Stimulus)) {
        let (number, server) = place;
        let raft = state.node(number, server).replica().raft();
        let (record, seat) = (&state.record, &state.seats[number][server]);
        if raft.leads() && record.sends <= self.bounds.sends {
            let latest = (record.answered + 1).min(PROGRAM.calls().len() as Seq);
            (1..=latest).for_each(|seq| offer(Stimulus::Call(seq)));
        }
        let may_ask = self.bounds.servers[number].readers.contains(raft.me());
        if record.asked < self.bounds.reads && may_ask && raft.leader().is_some() {
            offer(Stimulus::Read);
        }
        if !seat.asks.is_empty() {
            offer(Stimulus::Submit);
        }
        if seat.has_mover() {
            offer(Stimulus::Tick);
            if self.may_learn(state, place) {
                offer(Stimulus::Learn);
            }
        }
    }

    fn take(&self, state: &mut State, action: Action) -> Option<()> {
        let by = Controller::Late;
        match action {
            ActorModelAction::Deliver { src, dst, msg: Message::Raft(msg) } => {
                let ((_, from), place) = (place_of(src), place_of(dst));
                let (src, dst) = (from.into(), place.1.into());
                let deliver = ActorModelAction::Deliver { src, dst, msg };
                self.serve(state, place, deliver, by).then_some(())
            }
            ActorModelAction::Deliver { dst, msg: Message::Letter(message), .. } => {
                let place = place_of(dst);
                let letter = Letter::new(place.0, message);
                if self.bounds.letters == Net::Reorder {
                    state.mail.remove(&letter);
                }
                self.open(state, place, &letter, by);
                Some(())
            }
            ActorModelAction::Timeout(id, stimulus) => {
                let place = place_of(id);
                match stimulus {
                    Stimulus::Server(stimulus) => {
                        self.serve(state, place, happens(place.1, stimulus), by);
                    }
                    Stimulus::Call(seq) => self.call(state, place, seq, by),
                    Stimulus::Read => self.read(state, place),
                    Stimulus::Tick => self.attend(state, place, Vec::new(), Some(Input::Tick), by),
                    Stimulus::Learn => self.learn(state, place, by),
                    Stimulus::Submit => drop(self.submit(state, place, by)),
                }
                Some(())
            }
            _ => None,
        }
    }
}

/// Something that the servers of a group may do, as an action of this model.
fn of_servers(number: usize, action: ServerAction) -> Option<Action> {
    let id = |id: stateright::actor::Id| id_of(number, usize::from(id));
    match action {
        ActorModelAction::Deliver { src, dst, msg } => {
            Some(ActorModelAction::Deliver { src: id(src), dst: id(dst), msg: Message::Raft(msg) })
        }
        ActorModelAction::Timeout(server, stimulus) => {
            Some(ActorModelAction::Timeout(id(server), Stimulus::Server(stimulus)))
        }
        _ => None,
    }
}

/// The record has seen no violation of this kind.
macro_rules! never {
    ($name:expr, $violation:ident) => {
        Property::always($name, |_, state: &State| {
            state.record.violation != Some(Violation::$violation)
        })
    };
}

fn free_of(state: &State, violation: RaftViolation) -> bool {
    state.groups.iter().all(|servers| servers.history.violation != Some(violation))
}

impl Model for Estate {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![self.first_state()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if self.stop.load(Ordering::Relaxed) || self.is_over(state) {
            return;
        }
        for (number, cluster) in self.clusters.iter().enumerate() {
            cluster
                .offer(&state.groups[number], |action| actions.extend(of_servers(number, action)));
        }
        for (number, server) in state.places() {
            let id = id_of(number, server);
            if state.seats[number][server].has_mover() {
                for letter in state.mail.iter().filter(|letter| letter.to() == number) {
                    let msg = Message::Letter(letter.message().clone());
                    let src = id_of(1 - number, 0);
                    actions.push(ActorModelAction::Deliver { src, dst: id, msg });
                }
            }
            self.offer(state, (number, server), |stimulus| {
                actions.push(ActorModelAction::Timeout(id, stimulus));
            });
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut next = last.clone();
        self.take(&mut next, action)?;
        next.seal(last);
        (next != *last).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(CLAIMS, |_, state: &State| !state.is_broken()),
            Property::always(ELECTION_SAFETY, |_, state: &State| {
                free_of(state, RaftViolation::ElectionSafety)
            }),
            Property::always(STATE_MACHINE_SAFETY, |_, state: &State| {
                free_of(state, RaftViolation::StateMachineSafety)
            }),
            never!(ONCE, ExecutedTwice),
            never!(TELLS, ToldFalsely),
            never!(FRESH, Stale),
            never!(REPORTS, ReportedEarly),
            Property::always(ONE, |_, state: &State| state.record.one_has_it()),
            Property::always(REPLIES, |_, state: &State| {
                state.record.violation != Some(Violation::AnotherReply)
                    && state.record.reads_are_the_twins()
            }),
            Property::always(KEPT, |_, state: &State| state.record.nothing_is_lost()),
            Property::always(SETTLES, |estate: &Self, state: &State| estate.all_settles(state)),
        ]
    }

    fn format_action(&self, action: &Action) -> String {
        Self::describe(action)
    }

    fn format_step(&self, last: &State, action: Action) -> Option<String> {
        let next = self.next_state(last, action.clone())?;
        Some(Self::consequences(last, &next, &action).join("\n"))
    }

    fn as_svg(&self, path: Path<State, Action>) -> Option<String> {
        Some(telling::picture(self, &path.into_actions()))
    }
}
