//! What surrounds servers and clients: time, chance, the network, who watches, and what is counted.

use super::event::{Agenda, Event};
use super::faults::{Corner, CornerCounts, Fault, FaultCounts, Faults};
use super::judge::{Judge, Wrong};
use super::net::Net;
use super::plan::{Habits, Plan};
use super::random::{Random, Sum};
use super::server::{ELECTION_US, HASTY_US};
use protocol::NodeId;
use quorate::shardkv::Letter;
use std::collections::VecDeque;
use std::hash::Hasher;

/// The last lines of what happened that are kept, if any are.
const LINES: usize = 400;

/// What a server's service was given.
#[derive(Clone, Debug)]
pub enum Delivered {
    /// The state with which its server has started.
    Started(Vec<u8>),
    /// The state of another server's snapshot.
    Restored(Vec<u8>),
    /// A command.
    Applied {
        /// It is the command with this number.
        count: u64,
        /// The sending whose command it is.
        copy: u64,
    },
}

/// What surrounds everybody.
pub struct Env {
    /// Microseconds since the beginning.
    pub now: u64,
    /// What will happen.
    pub agenda: Agenda,
    /// Chance.
    pub random: Random,
    /// What the seed says of the group.
    pub habits: Habits,
    /// The network.
    pub net: Net,
    /// Who watches.
    pub judge: Judge,
    /// What may go wrong. Nothing any more in the last part.
    pub faults: Faults,
    /// What went wrong.
    pub injected: FaultCounts,
    /// What was reached.
    pub corners: CornerCounts,
    /// How many events there were.
    pub events: u64,
    /// A sum over all events.
    pub sum: Sum,
    /// The judgement of the clients' history, if it came so far.
    pub judged: Option<linear::Report>,
    /// Each server's life, and whether it runs.
    lives: Vec<(u32, bool)>,
    lines: Option<VecDeque<String>>,
    /// What services were given, if anybody wants to know.
    pub delivered: Option<Vec<(NodeId, Delivered)>>,
    /// Letters that servers of the sharded store have written, and who has written them.
    pub letters: Vec<(NodeId, Letter)>,
    tags: u64,
    copies: u64,
}

impl Env {
    /// Before the beginning. With `tells`, what happens is written down.
    pub fn new(plan: &Plan, tells: bool) -> Self {
        let mut random = Random::new(plan.seed);
        let habits = Habits::of(plan, &mut random);
        Self { faults: plan.faults, ..Self::with(habits, random, tells) }
    }

    /// A group with these habits, and nothing that goes wrong.
    pub fn with(habits: Habits, random: Random, tells: bool) -> Self {
        Self {
            now: 0,
            agenda: Agenda::default(),
            random,
            habits,
            net: Net::new(habits.nodes),
            judge: Judge::new(&habits.limits),
            faults: Faults::NONE,
            injected: FaultCounts::default(),
            corners: CornerCounts::default(),
            events: 0,
            sum: Sum::default(),
            judged: None,
            lives: vec![(0, false); usize::from(habits.nodes)],
            lines: tells.then(VecDeque::new),
            delivered: None,
            letters: Vec::new(),
            tags: 0,
            copies: 0,
        }
    }

    /// In which life a server is; 0 before the first.
    pub fn boot(&self, node: NodeId) -> u32 {
        self.lives[usize::from(node.0)].0
    }

    /// Whether a server runs.
    pub fn runs(&self, node: NodeId) -> bool {
        self.lives[usize::from(node.0)].1
    }

    /// A server begins a life, or ends it.
    pub fn lives(&mut self, node: NodeId, runs: bool) {
        let (boot, ran) = &mut self.lives[usize::from(node.0)];
        *boot += u32::from(runs);
        *ran = runs;
    }

    /// It will happen after so many microseconds.
    pub fn after(&mut self, us: u64, event: Event) {
        self.agenda.plan(self.now + us, event);
    }

    /// It will happen after some time between these two, in microseconds.
    pub fn soon(&mut self, least: u64, most: u64, event: Event) {
        let us = self.random.between(least, most);
        self.after(us, event);
    }

    /// Notes that a fault happened.
    pub const fn fault(&mut self, fault: Fault) {
        self.injected.count(fault);
    }

    /// Notes that a corner was reached.
    pub const fn corner(&mut self, corner: Corner) {
        self.corners.count(corner);
    }

    /// A fault that is allowed happens, so many times in a million.
    pub const fn strikes(&mut self, fault: Fault, millionths: u32) -> bool {
        self.faults.has(fault) && self.random.chance(millionths)
    }

    /// The bounds of an election timeout that is about to begin, in microseconds.
    pub const fn election_us(&mut self) -> (u64, u64) {
        let hasty = self.faults.is_any() && self.random.chance(self.habits.hasty);
        if hasty { HASTY_US } else { ELECTION_US }
    }

    /// A number that no other proposal has.
    pub const fn tag(&mut self) -> u64 {
        self.tags += 1;
        self.tags
    }

    /// A number that no other sending has.
    pub const fn copy(&mut self) -> u64 {
        self.copies += 1;
        self.copies
    }

    /// How many copies of calls were sent so far.
    pub const fn copies(&self) -> u64 {
        self.copies
    }

    /// Counts an event, and sums it up.
    pub fn event(&mut self, at: u64, kind: u64) {
        self.now = at;
        self.events += 1;
        self.sum.write_u64(at);
        self.sum.write_u64(kind);
    }

    /// Writes down what happens, if anybody wants to know.
    pub fn tell(&mut self, line: impl FnOnce() -> String) {
        if let Some(lines) = &mut self.lines {
            if lines.len() == LINES {
                lines.pop_front();
            }
            let (ms, us) = (self.now / 1000, self.now % 1000);
            lines.push_back(format!("{ms:>7}.{us:03} {}", line()));
        }
    }

    /// Notes what a service was given, if anybody wants to know.
    pub fn deliver(&mut self, node: NodeId, what: impl FnOnce() -> Delivered) {
        if let Some(delivered) = &mut self.delivered {
            delivered.push((node, what()));
        }
    }

    /// Breaks a property, once.
    pub fn violate(&mut self, property: &'static str, text: String) {
        if self.judge.violation().is_none() {
            self.tell(|| format!("!! {property}: {text}"));
            self.judge.violate(self.now, property, text);
        }
    }

    /// Asks the judge, who may find that a property is broken.
    pub fn wrong(&mut self, ask: impl FnOnce(&mut Judge, NodeId) -> Wrong, node: NodeId) {
        if let Some((property, text)) = ask(&mut self.judge, node) {
            self.violate(property, text);
        }
    }

    /// What was written down.
    pub fn lines(self) -> Vec<String> {
        self.lines.map(Vec::from).unwrap_or_default()
    }
}
