//! Bare `Raft` machines, without commands or queue, for measuring single steps.
//!
//! A step is measured in the state in which it is usually taken: a settled group with a leader. Getting
//! there takes an election, so these servers pass each other's messages, and their disks finish at once.

use protocol::quorum::NodeSet;
use protocol::raft::{Body, Config, Effect, Input, Message, Paper, Raft};
use protocol::terms::Terms;
use protocol::{HardState, Index, Machine, NodeId};
use std::collections::VecDeque;

/// The server that leads.
pub const LEADER: NodeId = NodeId(0);

/// Servers `0..n` of one group, all in one term.
pub struct Peers {
    servers: Vec<Raft<Paper>>,
    effects: Vec<Effect>,
    mail: VecDeque<(NodeId, NodeId, Message)>,
    answered: u64,
}

impl Peers {
    /// A group that has elected its leader and committed its no-op.
    pub fn new(count: usize) -> Self {
        let voters = NodeSet::first(count);
        let server = |me| {
            let config = Config { me, voters, max_batch: 256, window: 1 << 20 };
            Raft::new(Paper, config, HardState::default(), Terms::new())
        };
        let mut peers = Self {
            servers: voters.iter().map(server).collect(),
            effects: Vec::new(),
            mail: VecDeque::new(),
            answered: 0,
        };
        peers.settle(LEADER, Input::Campaign);
        assert!(peers.server(LEADER).leads(), "a server that all can hear is elected");
        peers
    }

    /// One server.
    pub fn server(&self, node: NodeId) -> &Raft<Paper> {
        &self.servers[usize::from(node.0)]
    }

    /// How many reads were ever answered.
    pub const fn answered(&self) -> u64 {
        self.answered
    }

    /// One step of one server. Its effects are returned and not carried out.
    pub fn step(&mut self, node: NodeId, input: Input) -> &[Effect] {
        self.effects.clear();
        self.servers[usize::from(node.0)].step(input, &mut self.effects);
        &self.effects
    }

    /// Steps the leader by a message of its own term.
    pub fn hear(&mut self, from: NodeId, body: Body) -> &[Effect] {
        let message = Message { term: self.server(LEADER).term(), body };
        self.step(LEADER, Input::Message { from, message })
    }

    /// Every server acknowledges all that the leader has.
    pub fn acknowledge(&mut self) {
        let matched: Index = self.server(LEADER).last().index;
        for node in self.server(LEADER).config().voters.iter() {
            self.hear(node, Body::Accepted { matched });
        }
    }

    /// One step of one server, and whatever follows from it on all of them.
    pub fn settle(&mut self, node: NodeId, input: Input) {
        self.step(node, input);
        self.post(node);
        while let Some((from, to, message)) = self.mail.pop_front() {
            self.step(to, Input::Message { from, message });
            self.post(to);
        }
    }

    fn post(&mut self, from: NodeId) {
        for effect in &self.effects {
            match *effect {
                Effect::Send { to, message } | Effect::AfterDisk { to, message } => {
                    self.mail.push_back((from, to, message));
                }
                Effect::Readable { .. } => self.answered += 1,
                _ => {}
            }
        }
    }
}
