//! What the threads of a bed share: the network between them, and what was seen.
//!
//! One lock is around all of it, and nobody calls anything of the product with it. A server has a *life* from each
//! start to its end; what an earlier life sends or reports is not heard.

use super::watch::Caller;
use crate::labs::bed::{Delivery, Holding, Number};
use crate::labs::requests::Fates;
use crate::labs::wire::{Letter, Wire};
use crate::sim::kinds::Ask;
use crate::sim::random::Random;
use protocol::log::Entry;
use protocol::raft::Message;
use protocol::{NodeId, Term};
use quorate::kv::Kv;
use quorate::raft::Sink;
use quorate::shardkv;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BinaryHeap};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// What travels.
#[derive(Clone)]
pub enum Load {
    /// A message between servers.
    Message { message: Message, entries: Vec<Entry<Arc<[u8]>>> },
    /// A snapshot's file with its message: where the sender has it, and how long it is.
    Snapshot { message: Message, path: PathBuf, length: u64 },
    /// A client's request to a life of a server.
    Request { caller: Caller, ask: Ask, life: u64 },
    /// A letter to a server of the sharded store.
    Letter(Arc<shardkv::Letter>),
}

/// What is put in at a server, beside what Raft's servers tell each other.
pub enum Given {
    /// A request.
    Request(Caller, Ask),
    /// A letter, from this server.
    Letter(NodeId, Arc<shardkv::Letter>),
    /// Some time has passed.
    Tick,
}

/// Where it is put in. Nothing there may wait.
pub type Inlet = Arc<dyn Fn(Given) + Send + Sync>;

/// Something that will arrive.
pub struct Due {
    at: Instant,
    number: u64,
    pub to: NodeId,
    /// What the wire knows of it, if it is from a server.
    pub letter: Option<Letter>,
    pub load: Load,
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The earliest is the greatest, for the heap.
impl Ord for Due {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.number).cmp(&(self.at, self.number))
    }
}

/// A server, as the others reach it.
#[derive(Default)]
pub struct End {
    /// How often it was started or killed.
    pub life: u64,
    /// Where messages for it go, while it runs.
    pub sink: Option<Arc<Sink>>,
    /// Where requests and letters for it go.
    pub inlet: Option<Inlet>,
    /// The number of the first server of its group: there it is server 0.
    pub first: u8,
    /// The service as it last was, if somebody wants to know.
    pub service: Option<Kv>,
    /// What its group has by what it has applied, in the sharded store.
    pub holding: Option<Holding>,
    /// Where received files go.
    pub folder: PathBuf,
}

/// Where a command stands that a server has taken.
#[derive(Clone, Copy, Debug)]
pub struct Placed {
    pub number: Number,
    pub term: Term,
}

/// See [`Hub`].
pub struct State {
    pub wire: Wire,
    pub random: Random,
    due: BinaryHeap<Due>,
    sent: u64,
    pub ends: Vec<End>,
    /// The bed is at its end.
    pub over: bool,
    /// Snapshots that are on their way: from, to, and their messages.
    pub files: Vec<(NodeId, NodeId, Message)>,
    pub deliveries: Vec<(usize, Delivery)>,
    /// What became of proposals; None: not taken.
    pub proposals: BTreeMap<u64, Option<Placed>>,
    pub fates: Fates,
    /// How many commands were executed, as far as somebody was told so.
    pub commands: Number,
    /// How often a server took over another's snapshot.
    pub snapshots: u64,
    /// Who has spoken as leader, by group and term.
    leaders: BTreeMap<(u8, Term), NodeId>,
    pub broken: Option<String>,
}

/// What the threads of a bed share.
pub struct Hub {
    state: Mutex<State>,
    /// Something is due earlier than all else, or the bed is at its end.
    earlier: Condvar,
    /// Something became of a proposal.
    placed: Condvar,
    pub begun: Instant,
}

impl Hub {
    /// For so many servers.
    pub fn new(servers: usize, random: Random) -> Arc<Self> {
        let state = State {
            wire: Wire::new(servers),
            random,
            due: BinaryHeap::new(),
            sent: 0,
            ends: (0..servers).map(|_| End::default()).collect(),
            over: false,
            files: Vec::new(),
            deliveries: Vec::new(),
            proposals: BTreeMap::new(),
            fates: Fates::default(),
            commands: 0,
            snapshots: 0,
            leaders: BTreeMap::new(),
            broken: None,
        };
        let (earlier, placed) = (Condvar::new(), Condvar::new());
        Arc::new(Self { state: Mutex::new(state), earlier, placed, begun: Instant::now() })
    }

    /// All of it.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics with this lock")
    }

    /// The time since the beginning, in microseconds.
    pub fn now_us(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// All of it, for a life of a server; None: that is over.
    pub fn of_life(&self, server: NodeId, life: u64) -> Option<MutexGuard<'_, State>> {
        let state = self.state();
        (state.ends[usize::from(server.0)].life == life).then_some(state)
    }

    /// It will arrive after so many microseconds.
    pub fn post(&self, state: &mut State, us: u64, to: NodeId, letter: Option<Letter>, load: Load) {
        state.sent += 1;
        let at = Instant::now() + Duration::from_micros(us);
        let first = state.due.peek().is_none_or(|first| at < first.at);
        state.due.push(Due { at, number: state.sent, to, letter, load });
        if first {
            self.earlier.notify_all();
        }
    }

    /// Waits for what arrives next; None at the end.
    pub fn arrives(&self) -> Option<(MutexGuard<'_, State>, Due)> {
        const POISONED: &str = "nobody panics with this lock";
        let mut state = self.state();
        loop {
            if state.over {
                return None;
            }
            let now = Instant::now();
            state = match state.due.peek().map(|first| first.at) {
                Some(at) if at <= now => {
                    let due = state.due.pop()?;
                    return Some((state, due));
                }
                Some(at) => self.earlier.wait_timeout(state, at - now).expect(POISONED).0,
                None => self.earlier.wait(state).expect(POISONED),
            };
        }
    }

    /// Ends the network.
    pub fn end(&self) {
        self.state().over = true;
        self.earlier.notify_all();
    }

    /// Something became of a proposal.
    pub fn place(&self, state: &mut State, proposal: u64, placed: Option<Placed>) {
        state.proposals.entry(proposal).or_insert(placed);
        self.placed.notify_all();
    }

    /// Waits until something became of a proposal. None: its server did not take it.
    pub fn placed(&self, proposal: u64, patience: Duration) -> Option<Placed> {
        let waits = |state: &mut State| !state.proposals.contains_key(&proposal);
        let state = self.placed.wait_timeout_while(self.state(), patience, waits);
        state.expect("nobody panics with this lock").0.proposals.get(&proposal).copied().flatten()
    }
}

impl State {
    /// Something must not be. The first such thing is the one that is told.
    pub fn violate(&mut self, text: String) {
        self.broken.get_or_insert(text);
    }

    /// A server speaks as the leader of a term.
    pub fn leads(&mut self, term: Term, server: NodeId) {
        let group = self.ends[usize::from(server.0)].first;
        let other = *self.leaders.entry((group, term)).or_insert(server);
        if other != server {
            self.violate(format!("both {other:?} and {server:?} speak as leaders of term {term}"));
        }
    }
}
