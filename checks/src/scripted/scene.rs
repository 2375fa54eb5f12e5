//! What a model's steps are for threads: which service they replicate, what its commands are called, and what is to be
//! done to a server when the path says that a client asks.

use super::actor::{Came, Machine};
use super::play::{Moved, Play};
use model::bounds::Bounds;
use model::cluster;
use model::node::{CommandOf, DiskFault, Node, PacketOf, Recipe};
use model::system::System;
use protocol::NodeId;
use protocol::rsm::Outcome;
use quorate::rsm::StateMachine;
use quorate::wal::Bytes;
use stateright::actor::Id;
use std::fmt::Debug;

/// Raft's rules of a scene.
pub type RaftOf<G> = <<G as Scene>::Recipe as Recipe>::Raft;
/// The rules of what callers are told.
pub type RsmOf<G> = <<G as Scene>::Recipe as Recipe>::Rsm;
/// A server's machine in a scene's threads.
pub type MachineOf<G> = Machine<<G as Scene>::Service, RaftOf<G>, RsmOf<G>>;
/// What came of something that happened to a server of a scene.
pub type CameOf<G> = Came<<G as Scene>::Service>;

/// A model whose paths can be played on threads.
pub trait Scene: System {
    /// What the model's servers are made of. The threads have the same rules.
    type Recipe: Recipe;
    /// What the threads replicate.
    type Service: StateMachine<Query: Clone, Reply: Clone + Debug>;
    /// A command by a name that it has in the model and on the threads.
    type Word: Clone + Eq + Ord + Debug;
    /// What a scene keeps in mind.
    type Notes: Default;

    /// What a read breaks that is answered from a state that is too old.
    const READS: &'static str;

    /// The servers and their network.
    fn servers(state: &Self::State) -> &cluster::State<Self::Recipe>;

    /// The servers' bounds.
    fn server_bounds(&self) -> Bounds;

    /// What is wrong with the model's disks or restarts.
    fn fault(&self) -> DiskFault;

    /// Whether threads can have what is wrong with the model. The error says why not.
    fn is_playable(&self) -> Result<(), String> {
        match self.fault() {
            DiskFault::None => Ok(()),
            fault => Err(format!(
                "{fault:?} is wrong with the model's disk or restart, which threads do not have: choose a mutant of \
                 the rules"
            )),
        }
    }

    /// The rules.
    fn rules(&self) -> (RaftOf<Self>, RsmOf<Self>);

    /// The service before the first command.
    fn empty(&self) -> Self::Service;

    /// A command of the model.
    fn word(command: &CommandOf<Self::Recipe>) -> Self::Word;

    /// A command as it is in the threads' logs.
    fn word_of(payload: &Bytes) -> Self::Word;

    /// The number that the model gives to a read. Each life of a server numbers its own.
    fn read_id(life: u64, number: u64) -> u64;

    /// The message that an action delivers: from whom, and to whom.
    fn delivered(action: &Self::Action) -> Option<(Id, Id, &PacketOf<Self::Recipe>)>;

    /// The message that an action loses.
    fn lost(action: &Self::Action) -> Option<(Id, Id, &PacketOf<Self::Recipe>)>;

    /// Whether something can happen to the threads, besides to their network. The error says why not.
    fn can(play: &Play<Self>, action: &Self::Action) -> Result<(), String>
    where
        Self: Sized;

    /// Has something happen to the threads that is not of their network.
    fn perform(
        play: &mut Play<Self>,
        action: &Self::Action,
        next: &Self::State,
    ) -> Result<Moved<Self>, String>
    where
        Self: Sized;

    /// A caller was told.
    fn told(
        play: &mut Play<Self>,
        server: NodeId,
        caller: u64,
        outcome: &Outcome<<Self::Service as StateMachine>::Reply>,
    ) where
        Self: Sized;

    /// A server has taken a step, and both are in the state behind it. The error says how the threads differ.
    fn stepped(play: &mut Play<Self>, node: NodeId) -> Result<(), String>
    where
        Self: Sized,
    {
        let _ = (play, node);
        Ok(())
    }

    /// Whether the service is what the model's is. The error says what differs.
    fn compare(node: &Node<Self::Recipe>, machine: &MachineOf<Self>) -> Result<(), String>;
}
