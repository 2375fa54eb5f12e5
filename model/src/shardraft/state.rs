//! Who takes part: the servers of two groups, what drives each server's mover, and the letters between the groups.

use super::bounds::SETTINGS;
use super::holding::{Hosted, Sending};
use super::record::Record;
use crate::cluster;
use crate::node::{Node, PacketOf, StimulusOf};
use crate::search::fingerprint;
use protocol::kv::Seq;
use protocol::shardkv::mover::{self, Duty};
use protocol::shardkv::{GroupId, InOrder};
use serde::{Deserialize, Serialize};
use stateright::actor::Id;
use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// The most servers of a group.
pub(super) const MOST: usize = 3;

/// The client's number among the actors.
pub(super) const CLIENT: usize = 2 * MOST;

/// The actor that a server is.
pub(super) fn id_of(number: usize, server: usize) -> Id {
    Id::from(number * MOST + server)
}

/// The group's number, from 0, and the server's in it.
pub(super) fn place_of(id: Id) -> (usize, usize) {
    (usize::from(id) / MOST, usize::from(id) % MOST)
}

/// The group with this number.
pub(super) const fn gid_of(number: usize) -> GroupId {
    GroupId(number as u64 + 1)
}

/// The number of a group, from 0.
pub(super) const fn number_of(gid: GroupId) -> usize {
    gid.0 as usize - 1
}

/// What travels.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Message {
    /// Between servers of a group.
    Raft(PacketOf<Hosted>),
    /// From one group's mover to the other's.
    Letter(mover::Message),
}

/// What may happen besides a message.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stimulus {
    /// To a server.
    Server(StimulusOf<Hosted>),
    /// The client hands a call to a server, a new one or again.
    Call(Seq),
    /// A server is asked what the key has.
    Read,
    /// To a mover: some time has passed.
    Tick,
    /// To a mover: it learns the next configuration.
    Learn,
    /// What the mover has proposed first comes to its server.
    Submit,
}

/// A letter under way, with its fingerprint.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Letter(Arc<((usize, mover::Message), u64)>);

impl Letter {
    /// To the mover of the group with this number.
    pub fn new(to: usize, message: mover::Message) -> Self {
        let print = fingerprint(&(to, &message));
        Self(Arc::new(((to, message), print)))
    }

    /// The number of the group that it is for.
    pub fn to(&self) -> usize {
        self.0.0.0
    }

    /// What it says.
    pub fn message(&self) -> &mover::Message {
        &self.0.0.1
    }
}

/// What drives a server's mover.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Seat {
    /// The server's part in moves.
    pub duty: Duty,
    /// What was proposed, and waits in the server's mailbox.
    pub asks: VecDeque<Sending>,
    /// How often a mover that should be gone has proposed something: of a wrong driver alone.
    pub in_vain: u8,
}

/// A mover that should be gone hears no more when it has proposed so often: nothing else would end that.
const MOST_IN_VAIN: u8 = 2;

impl Seat {
    /// Of a server that comes up.
    pub fn new() -> Self {
        let duty = Duty::new(InOrder, SETTINGS);
        Self { duty, asks: VecDeque::new(), in_vain: 0 }
    }

    /// Whether there is a mover here that hears what happens.
    pub fn has_mover(&self) -> bool {
        self.duty.term().is_some() && self.in_vain < MOST_IN_VAIN
    }
}

impl Default for Seat {
    fn default() -> Self {
        Self::new()
    }
}

/// The fingerprints of a state's parts. Most steps change few of them, and the others are not computed again.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
struct Prints {
    /// Of each group's servers, in order, and their network and history.
    groups: [(Vec<u64>, u64); 2],
    seats: [Vec<u64>; 2],
    mail: u64,
    record: u64,
}

/// A state of the model.
#[derive(Clone)]
pub struct State {
    /// The servers of each group and their network.
    pub groups: [Arc<cluster::State<Hosted>>; 2],
    /// What drives their movers.
    pub seats: [Vec<Arc<Seat>>; 2],
    /// Letters under way.
    pub mail: BTreeSet<Letter>,
    /// What is true.
    pub record: Arc<Record>,
    prints: Prints,
}

impl State {
    pub(super) fn new(
        groups: [Arc<cluster::State<Hosted>>; 2],
        seats: [Vec<Arc<Seat>>; 2],
    ) -> Self {
        let record = Arc::new(Record::new());
        Self { groups, seats, mail: BTreeSet::new(), record, prints: Prints::default() }
    }

    /// A server.
    pub fn node(&self, number: usize, server: usize) -> &Node<Hosted> {
        &self.groups[number].actor_states[server]
    }

    /// All servers by their places.
    pub fn places(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let counts = [0, 1].map(|number: usize| (number, self.seats[number].len()));
        counts
            .into_iter()
            .flat_map(|(number, count)| (0..count).map(move |server| (number, server)))
    }

    /// Whether a claim of some server's machine did not hold.
    pub fn is_broken(&self) -> bool {
        self.places().any(|(number, server)| self.node(number, server).broken.is_some())
    }

    /// Takes the fingerprints of what is another than it was before a step.
    pub(super) fn seal(&mut self, before: &Self) {
        let is_new = before.prints == Prints::default();
        let prints = &mut self.prints;
        for number in 0..2 {
            let (now, old) = (&self.groups[number], &before.groups[number]);
            if is_new || !Arc::ptr_eq(now, old) {
                let (nodes, rest) = &mut prints.groups[number];
                nodes.resize(now.actor_states.len(), 0);
                for (position, node) in now.actor_states.iter().enumerate() {
                    if is_new || !Arc::ptr_eq(node, &old.actor_states[position]) {
                        nodes[position] = fingerprint(&**node);
                    }
                }
                *rest = fingerprint(&(&now.network, &now.history));
            }
            prints.seats[number].resize(self.seats[number].len(), 0);
            for (position, seat) in self.seats[number].iter().enumerate() {
                if is_new || !Arc::ptr_eq(seat, &before.seats[number][position]) {
                    prints.seats[number][position] = fingerprint(&**seat);
                }
            }
        }
        prints.mail = self.mail.iter().fold(0, |sum, letter| sum.wrapping_add(letter.0.1));
        if is_new || !Arc::ptr_eq(&self.record, &before.record) {
            prints.record = fingerprint(&*self.record);
        }
    }
}

/// By the fingerprints: states are told apart by theirs anyway.
impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        self.prints == other.prints
    }
}

impl Hash for State {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.prints.hash(state);
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Raft(packet) => write!(f, "{packet:?}"),
            Self::Letter(message) => write!(f, "{message:?}"),
        }
    }
}

impl fmt::Debug for Stimulus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(stimulus) => write!(f, "{stimulus:?}"),
            Self::Call(seq) => write!(f, "is called #{seq}"),
            Self::Read => f.write_str("is asked"),
            Self::Tick => f.write_str("has waited"),
            Self::Learn => f.write_str("learns what follows"),
            Self::Submit => f.write_str("takes what its mover proposes"),
        }
    }
}

impl fmt::Debug for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.duty.term() {
            Some(stream) => write!(f, "mover {stream}")?,
            None => f.write_str("no mover")?,
        }
        self.asks.iter().try_for_each(|ask| write!(f, " proposes {ask:?}"))
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, server) in self.places() {
            let seat = &self.seats[number][server];
            write!(f, "g{}{:?} {seat:?}; ", number + 1, self.node(number, server))?;
        }
        let mail: Vec<_> =
            self.mail.iter().map(|letter| (letter.to() + 1, letter.message())).collect();
        write!(f, "{mail:?} {:?}", self.record)
    }
}
