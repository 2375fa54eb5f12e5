//! What the checks need to know of a model, whichever protocol it is of.

use crate::bounds::{self, Bounds};
use crate::cluster::Cluster;
use crate::group::{self, Group};
use crate::kv::{self, Corner, Shop};
use crate::node::{Packet, Stimulus};
use crate::probes::Probe;
use crate::raft::CONVERGENCE;
use crate::shardctl::{self, Office, Placed, Program};
use crate::{diagram, symmetry, telling, transcript};
use protocol::quorum::NodeSet;
use protocol::raft;
use serde::Serialize;
use serde::de::DeserializeOwned;
use stateright::Model;
use stateright::actor::ActorModelAction;
use std::fmt::Debug;
use std::hash::Hash;
use std::sync::atomic::AtomicBool;

/// Takes a state to one that stands for all that differ from it in names only.
pub type Renaming<S> = fn(&<S as Model>::State) -> <S as Model>::State;

/// A model of some protocol, within bounds.
pub trait System:
    Model<
        State: Clone + Debug + PartialEq + Hash + Send + Sync,
        Action = ActorModelAction<Self::Message, Self::Stimulus, ()>,
    > + Clone
    + Send
    + Sync
    + 'static
{
    /// What travels between its actors.
    type Message: Clone + Debug + Eq + Ord + Hash + Send + Sync + Serialize + DeserializeOwned;
    /// What else may happen to one of them.
    type Stimulus: Clone + Debug + Eq + Ord + Hash + Send + Sync + Serialize + DeserializeOwned;
    /// Its bounds.
    type Bounds: Copy + Debug + Eq + Send + Sync + Serialize + DeserializeOwned;
    /// What a run of it may be required to reach.
    type Corner: Copy + Debug + Eq + Send + Sync;

    /// Its name, in saved paths.
    const NAME: &'static str;

    /// Its bounds.
    fn bounds(&self) -> Self::Bounds;

    /// Bounds in few letters.
    fn bounds_text(bounds: &Self::Bounds) -> String;

    /// Refuses bounds that no model can have. The error says what to write instead.
    fn validate(bounds: &Self::Bounds) -> Result<(), String>;

    /// When set, no further actions are offered.
    fn stop(&self) -> &AtomicBool;

    /// The corners that were reached.
    fn reached(&self) -> Vec<Self::Corner>;

    /// A corner in words.
    fn corner_text(corner: Self::Corner) -> &'static str;

    /// From how many states a fair schedule was shown to come to its end.
    fn converged(&self) -> u64;

    /// The same model with what is tried from sampled states tried from every state, if the property needs it.
    #[must_use]
    fn thorough(&self, property: &str) -> Self;

    /// One of all states that differ only in which server is which, if the model has such.
    fn representative() -> Option<Renaming<Self>>;

    /// The only initial state.
    fn start(&self) -> Self::State {
        self.init_states().remove(0)
    }

    /// A path from the start, in words, with the state behind it.
    fn transcript(&self, path: &[Self::Action]) -> String;

    /// A path from the start as an SVG document.
    fn picture(&self, path: &[Self::Action]) -> String;

    /// The state behind a path from the start. The error names the first step that the model does not have.
    fn follow(&self, path: &[Self::Action]) -> Result<Self::State, String>;
}

impl<R: raft::Rules> System for Cluster<R> {
    type Message = Packet;
    type Stimulus = Stimulus;
    type Bounds = Bounds;
    type Corner = Probe;

    const NAME: &'static str = "raft";

    fn bounds(&self) -> Bounds {
        self.bounds
    }

    /// Servers, terms, commands, and what is on.
    fn bounds_text(bounds: &Bounds) -> String {
        let mut text = format!("{}S {}T {}L", bounds.servers, bounds.max_term, bounds.max_log);
        let mut add = |on: bool, word: String| {
            if on {
                text.push(' ');
                text.push_str(&word);
            }
        };
        add(bounds.crashes > 0, format!("{}C", bounds.crashes));
        add(bounds.net == bounds::Net::Duplicate, "dup".into());
        match bounds.losses {
            bounds::ANY_NUMBER => add(true, "loss".into()),
            losses => add(losses > 0, format!("{losses}loss")),
        }
        add(bounds.compactions > 0, format!("{}snap", bounds.compactions));
        add(bounds.reads > 0, format!("{}R", bounds.reads));
        add(bounds.pre_vote, "pv".into());
        add(bounds.heartbeats, "hb".into());
        add(bounds.check_quorum, "cq".into());
        add(bounds.in_turn, "turns".into());
        let all = NodeSet::first(bounds.servers);
        let mut some = |word: &str, on: bool, set: NodeSet| {
            let names: Vec<_> = set.iter().map(|node| format!("{node:?}")).collect();
            let names = if names.is_empty() { "none".into() } else { names.join("+") };
            add(on && set != all, format!("{word}={names}"));
        };
        some("run", true, bounds.campaigners);
        some("crash", bounds.crashes > 0, bounds.victims);
        some("read", bounds.reads > 0, bounds.readers);
        some("snap", bounds.compactions > 0, bounds.compactors);
        text
    }

    fn validate(bounds: &Bounds) -> Result<(), String> {
        within("servers", bounds.servers as u64, 1, 7)?;
        within("max_term", bounds.max_term, 0, 100)?;
        within("max_log", bounds.max_log, 0, 1000)?;
        if bounds.in_turn {
            within("the number of campaigners in turn", bounds.campaigners.len() as u64, 1, 2)?;
        }
        within("max_round", bounds.max_round, 0, 1000)?;
        within("max_batch", bounds.max_batch.into(), 1, 1000)?;
        within("window", bounds.window.into(), 1, 1000)
    }

    fn stop(&self) -> &AtomicBool {
        &self.stop
    }

    fn reached(&self) -> Vec<Probe> {
        Probe::ALL.iter().copied().filter(|&probe| self.probes.reached(probe)).collect()
    }

    fn corner_text(corner: Probe) -> &'static str {
        corner.text()
    }

    fn converged(&self) -> u64 {
        self.probes.converged()
    }

    fn thorough(&self, property: &str) -> Self {
        let mut cluster = self.clone();
        if property == CONVERGENCE {
            cluster.bounds.converge_every = 1;
        }
        cluster
    }

    fn representative() -> Option<Renaming<Self>> {
        Some(symmetry::representative)
    }

    fn transcript(&self, path: &[Self::Action]) -> String {
        transcript::render(self, &self.start(), path)
    }

    fn picture(&self, path: &[Self::Action]) -> String {
        diagram::sequence(self, path)
    }

    fn follow(&self, path: &[Self::Action]) -> Result<Self::State, String> {
        transcript::replay(self, &self.start(), path)
    }
}

impl<R: protocol::kv::Rules> System for Shop<R> {
    type Message = kv::Message;
    type Stimulus = kv::Stimulus;
    type Bounds = kv::Bounds;
    type Corner = Corner;

    const NAME: &'static str = "kv";

    fn bounds(&self) -> kv::Bounds {
        self.bounds
    }

    /// The clients' programs, how often a call is sent, and what is special.
    fn bounds_text(bounds: &kv::Bounds) -> String {
        kv::bounds_text(bounds)
    }

    fn validate(bounds: &kv::Bounds) -> Result<(), String> {
        within("attempts", bounds.attempts.into(), 1, 100)?;
        within("clients_kept", bounds.clients_kept as u64, 1, 1000)?;
        let clients = bounds.programs.iter().filter(|program| !program.steps().is_empty()).count();
        let turned_away = bounds.clients_kept < clients || bounds.first_from_future;
        if bounds.net == bounds::Net::Duplicate && (turned_away || bounds.has_unrecorded_puts()) {
            return Err(
                "a network that doubles messages is for recorded writes of clients that are \
                        kept: leave out net=Duplicate, or set record_puts=true, clients_kept and \
                        first_from_future (SPEC.md, The store with one server)"
                    .into(),
            );
        }
        if bounds.net == bounds::Net::Duplicate
            && bounds.programs.iter().any(|program| program.asks_once())
        {
            return Err("WATCH, FLUSHALL, SCAN and the use of a resource are not recorded: leave \
                        out net=Duplicate"
                .into());
        }
        let of_the_labs = bounds.programs.iter().all(|program| program.is_of_the_labs());
        if bounds.linearizable && !(of_the_labs && bounds.latest == 0) {
            return Err("the twin behind linearizable=true knows the labs' operations and no \
                        clock: set linearizable=false and mirror=true"
                .into());
        }
        let lasting = bounds.programs.iter().any(|program| program.has_ttl());
        if lasting != (bounds.ttl_ms > 0) {
            return Err("users of a lock that frees itself need a time to live, and nobody else \
                        does: set ttl_ms, or leave it out"
                .into());
        }
        if bounds.mirror && bounds.clients_kept < 2 * clients {
            return Err(
                "the mirror knows nothing of room for clients: leave out clients_kept".into()
            );
        }
        Ok(())
    }

    fn stop(&self) -> &AtomicBool {
        &self.stop
    }

    fn reached(&self) -> Vec<Corner> {
        Corner::ALL.iter().copied().filter(|&corner| self.corners.reached(corner)).collect()
    }

    fn corner_text(corner: Corner) -> &'static str {
        corner.text()
    }

    fn converged(&self) -> u64 {
        self.corners.settled()
    }

    fn thorough(&self, property: &str) -> Self {
        let mut shop = self.clone();
        if property == kv::CALLS_END {
            shop.bounds.settle_every = 1;
        }
        shop
    }

    fn representative() -> Option<Renaming<Self>> {
        None
    }

    fn transcript(&self, path: &[Self::Action]) -> String {
        telling::transcript(self, path)
    }

    fn picture(&self, path: &[Self::Action]) -> String {
        telling::picture(self, path)
    }

    fn follow(&self, path: &[Self::Action]) -> Result<Self::State, String> {
        telling::follow(self, path)
    }
}

impl<W: protocol::rsm::Rules> System for Group<W> {
    type Message = group::Message;
    type Stimulus = group::Stimulus;
    type Bounds = group::Bounds;
    type Corner = group::Corner;

    const NAME: &'static str = "group";

    fn bounds(&self) -> group::Bounds {
        self.bounds
    }

    fn bounds_text(bounds: &group::Bounds) -> String {
        group::bounds_text(bounds)
    }

    fn validate(bounds: &group::Bounds) -> Result<(), String> {
        <Cluster<raft::Paper> as System>::validate(&bounds.servers)?;
        within("max_log", bounds.servers.max_log, 0, 0)?;
        within("reads", bounds.servers.reads.into(), 0, 0)?;
        within("attempts", bounds.attempts.into(), 1, 15)
    }

    fn stop(&self) -> &AtomicBool {
        self.stop()
    }

    fn reached(&self) -> Vec<group::Corner> {
        let all = group::Corner::ALL.iter().copied();
        all.filter(|&corner| self.corners.reached(corner)).collect()
    }

    fn corner_text(corner: group::Corner) -> &'static str {
        corner.text()
    }

    fn converged(&self) -> u64 {
        self.corners.settled()
    }

    fn thorough(&self, property: &str) -> Self {
        let mut group = self.clone();
        if property == group::TOLD {
            group.bounds.servers.converge_every = 1;
        }
        group
    }

    fn representative() -> Option<Renaming<Self>> {
        None
    }

    fn transcript(&self, path: &[Self::Action]) -> String {
        telling::transcript(self, path)
    }

    fn picture(&self, path: &[Self::Action]) -> String {
        group::picture(self, path)
    }

    fn follow(&self, path: &[Self::Action]) -> Result<Self::State, String> {
        telling::follow(self, path)
    }
}

impl<R: Placed> System for Office<R> {
    type Message = shardctl::Message;
    type Stimulus = shardctl::Stimulus;
    type Bounds = shardctl::Bounds;
    type Corner = shardctl::Corner;

    const NAME: &'static str = "ctl";

    fn bounds(&self) -> shardctl::Bounds {
        self.bounds
    }

    fn bounds_text(bounds: &shardctl::Bounds) -> String {
        shardctl::bounds_text(bounds)
    }

    fn validate(bounds: &shardctl::Bounds) -> Result<(), String> {
        within("slots", bounds.slots.into(), 1, 16)?;
        within("walkers", bounds.walkers.into(), 0, 8)?;
        within("attempts", bounds.attempts.into(), 1, 100)?;
        within("open", bounds.open, 1, 100)?;
        if bounds.net == bounds::Net::Duplicate && (bounds.lags || bounds.restarts > 0) {
            return Err(
                "copies without end fill a log that a replica has yet to apply: leave out \
                        net=Duplicate, or lags and restarts"
                    .into(),
            );
        }
        if bounds.programs[0] == Program::Nothing {
            return Err("the first administrator wants nothing: name its program first".into());
        }
        if bounds.asks_behind && !bounds.lags {
            return Err("a replica that is never behind can't be asked behind: set lags=true, or \
                        leave out asks_behind"
                .into());
        }
        Ok(())
    }

    fn stop(&self) -> &AtomicBool {
        &self.stop
    }

    fn reached(&self) -> Vec<shardctl::Corner> {
        let all = shardctl::Corner::ALL.iter().copied();
        all.filter(|&corner| self.corners.reached(corner)).collect()
    }

    fn corner_text(corner: shardctl::Corner) -> &'static str {
        corner.text()
    }

    fn converged(&self) -> u64 {
        self.corners.settled()
    }

    fn thorough(&self, property: &str) -> Self {
        let mut office = self.clone();
        if property == shardctl::SETTLES {
            office.bounds.settle_every = 1;
        }
        office
    }

    fn representative() -> Option<Renaming<Self>> {
        None
    }

    fn transcript(&self, path: &[Self::Action]) -> String {
        telling::transcript(self, path)
    }

    fn picture(&self, path: &[Self::Action]) -> String {
        telling::picture(self, path)
    }

    fn follow(&self, path: &[Self::Action]) -> Result<Self::State, String> {
        telling::follow(self, path)
    }
}

/// Refuses a bound that is out of its range. The error names it.
pub(crate) fn within(name: &str, value: u64, least: u64, most: u64) -> Result<(), String> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(format!("{name} is {value}; it must be {least} to {most}"))
}
