//! What the checks need to know of a model, whichever protocol it is of.

use crate::bounds::{self, Bounds};
use crate::cluster::Cluster;
use crate::group::{self, Group};
use crate::node::{Packet, Stimulus};
use crate::probes::Probe;
use crate::raft::CONVERGENCE;
use crate::{diagram, kv, mr, router, shardctl, shardkv, shardraft, symmetry, telling, transcript};
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

/// What the checks need to know of a model whose fair schedule is tried from every so many states, with the property
/// that dies if it fails. Its module has what all of them have.
macro_rules! settling {
    ($name:literal, [$($generics:tt)*] $model:ty, $home:ident, $settles:ident) => {
        impl<$($generics)*> System for $model {
            type Message = $home::Message;
            type Stimulus = $home::Stimulus;
            type Bounds = $home::Bounds;
            type Corner = $home::Corner;

            const NAME: &'static str = $name;

            fn bounds(&self) -> $home::Bounds {
                self.bounds
            }

            fn bounds_text(bounds: &$home::Bounds) -> String {
                $home::bounds_text(bounds)
            }

            fn validate(bounds: &$home::Bounds) -> Result<(), String> {
                $home::validate(bounds)
            }

            fn stop(&self) -> &AtomicBool {
                &self.stop
            }

            fn reached(&self) -> Vec<$home::Corner> {
                let all = $home::Corner::ALL.iter().copied();
                all.filter(|&corner| self.corners.reached(corner)).collect()
            }

            fn corner_text(corner: $home::Corner) -> &'static str {
                corner.text()
            }

            fn converged(&self) -> u64 {
                self.corners.settled()
            }

            fn thorough(&self, property: &str) -> Self {
                let mut thorough = self.clone();
                if property == $home::$settles {
                    thorough.bounds.settle_every = 1;
                }
                thorough
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
    };
}

settling!("kv", [R: protocol::kv::Rules] kv::Shop<R>, kv, CALLS_END);
settling!("ctl", [R: shardctl::Placed] shardctl::Office<R>, shardctl, SETTLES);
settling!("shard", [R: shardkv::Both] shardkv::Relay<R>, shardkv, SETTLES);
settling!("shardraft", [] shardraft::Estate, shardraft, SETTLES);
settling!("route", [R: router::Rules] router::Desk<R>, router, SETTLES);
settling!("mr", [R: mr::Rules] mr::Mill<R>, mr, SETTLES);

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

/// Refuses a bound that is out of its range. The error names it.
pub(crate) fn within(name: &str, value: u64, least: u64, most: u64) -> Result<(), String> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(format!("{name} is {value}; it must be {least} to {most}"))
}
