//! The post of a node: it takes letters to the nodes of the cluster, and those that come to the servers here.

use super::{Carrier, Letter, To};
use crate::peer::Peers;
use crate::rsm::{decode, encode};
use crate::sync::Mutex;
use protocol::NodeId;
use protocol::shardctl::{Config, Num};
use protocol::shardkv::GroupId;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// For how long a group's leader is taken to be where it was when it was last heard of.
const REMEMBERED: Duration = Duration::from_secs(1);

/// Where letters are put in at a server. Nothing there may wait.
pub type Inlet = Arc<dyn Fn(Letter) + Send + Sync>;

/// A node's post.
pub struct Post {
    me: NodeId,
    /// The nodes of the cluster as they are written, in the order of their numbers.
    nodes: Vec<String>,
    peers: Option<Arc<Peers>>,
    state: Mutex<State>,
}

struct State {
    controllers: Vec<NodeId>,
    controller: Option<Inlet>,
    /// The groups' servers on this node.
    groups: BTreeMap<GroupId, Inlet>,
    /// The latest configuration that this node knows.
    latest: Option<Arc<Config>>,
    /// On which node a group's leader was last heard of, and when.
    leaders: BTreeMap<GroupId, (NodeId, Instant)>,
    /// Whose turn it is among the controller's nodes.
    turn: usize,
}

impl Post {
    /// The post of a node in a cluster whose controller is on these nodes. `peers` does not go yet.
    pub fn open(
        me: NodeId,
        nodes: Vec<String>,
        controllers: Vec<NodeId>,
        peers: Option<Arc<Peers>>,
    ) -> Arc<Self> {
        let state = State {
            controllers,
            controller: None,
            groups: BTreeMap::new(),
            latest: None,
            leaders: BTreeMap::new(),
            turn: 0,
        };
        let post = Arc::new(Self { me, nodes, peers, state: Mutex::new(state) });
        if let Some(peers) = &post.peers {
            // Who has the post has the connections, and not the other way round.
            let weak = Arc::downgrade(&post);
            peers.read_letters(move |from, bytes| match decode(bytes) {
                Ok(letter) => {
                    if let Some(post) = weak.upgrade() {
                        post.receive(from, letter);
                    }
                    true
                }
                Err(_) => false,
            });
        }
        post
    }

    /// The server of the controller on this node.
    pub fn put_controller(&self, inlet: Inlet) {
        self.state.lock().controller = Some(inlet);
    }

    /// A group's server on this node.
    pub fn put_group(&self, group: GroupId, inlet: Inlet) {
        self.state.lock().groups.insert(group, inlet);
    }

    /// The latest configuration that this node knows.
    pub fn latest(&self) -> Option<Arc<Config>> {
        self.state.lock().latest.clone()
    }

    /// Whether the connection to another node is made.
    pub fn is_up(&self, node: NodeId) -> bool {
        self.peers.as_ref().is_some_and(|peers| peers.is_up(node))
    }

    /// The nodes of the controller.
    pub fn controllers(&self) -> Vec<NodeId> {
        self.state.lock().controllers.clone()
    }

    /// Asks the controller whether there is a later configuration. It is answered some time, or never.
    pub fn look(&self) {
        let number = self.state.lock().latest.as_ref().map_or(0, |latest| latest.number);
        self.carry(Letter::Show { from: self.me, number });
    }

    /// On which node a group's leader was last heard of, if that is not long ago.
    pub fn leader(&self, group: GroupId) -> Option<NodeId> {
        self.state.lock().leader(group)
    }

    /// A letter has come from a node.
    fn receive(&self, from: NodeId, letter: Letter) {
        if let Some(group) = letter.from() {
            self.state.lock().leaders.insert(group, (from, Instant::now()));
        }
        self.deliver(letter);
    }

    /// Puts a letter in here, if somebody here is whom it is for.
    fn deliver(&self, letter: Letter) {
        let mut state = self.state.lock();
        let inlet = match letter.to() {
            To::Controller => state.controller.clone(),
            To::Group(group) => state.groups.get(&group).cloned(),
            To::Node(_) => {
                if let Letter::Shown { config, .. } = letter {
                    state.learn(config);
                }
                return;
            }
        };
        drop(state);
        if let Some(inlet) = inlet {
            inlet(letter);
        }
    }

    fn send(&self, to: NodeId, letter: &Letter) {
        if to == self.me {
            self.deliver(letter.clone());
        } else if let Some(peers) = &self.peers {
            let bytes = encode(letter).expect("a letter is plain data");
            peers.send_letter(to, &bytes);
        }
    }

    /// The number of the node at an address, as the configuration has it.
    pub fn number_of(&self, address: &[u8]) -> Option<NodeId> {
        let position = self.nodes.iter().position(|node| node.as_bytes() == address)?;
        u8::try_from(position).ok().map(NodeId)
    }

    /// To which nodes a letter goes: where its reader was last heard of, or else everywhere it may be.
    fn destinations(&self, to: To) -> Vec<NodeId> {
        let mut state = self.state.lock();
        match to {
            To::Node(node) => vec![node],
            To::Controller => {
                state.turn = state.turn.wrapping_add(1);
                let count = state.controllers.len().max(1);
                state.controllers.get(state.turn % count).copied().into_iter().collect()
            }
            To::Group(group) => {
                if let Some(leader) = state.leader(group) {
                    return vec![leader];
                }
                let groups = state.latest.as_ref().map(|latest| &latest.groups);
                let nodes = groups.and_then(|groups| groups.get(&group));
                let numbers =
                    nodes.into_iter().flatten().filter_map(|it| self.number_of(it.as_ref()));
                let numbers: Vec<NodeId> = numbers.collect();
                if !numbers.is_empty() {
                    return numbers;
                }
                // A group that has left, and still has slots to take or to give, is in no latest configuration.
                let everywhere = 0..u8::try_from(self.nodes.len()).unwrap_or(u8::MAX);
                everywhere.map(NodeId).collect()
            }
        }
    }
}

impl State {
    fn leader(&self, group: GroupId) -> Option<NodeId> {
        let (node, heard) = self.leaders.get(&group)?;
        (heard.elapsed() < REMEMBERED).then_some(*node)
    }

    fn learn(&mut self, config: Config) {
        let known: Num = self.latest.as_ref().map_or(0, |latest| latest.number);
        if config.number > known {
            self.latest = Some(Arc::new(config));
        }
    }
}

impl Carrier for Post {
    fn carry(&self, letter: Letter) {
        if let Some(group) = letter.from() {
            // Its leader is here.
            self.state.lock().leaders.insert(group, (self.me, Instant::now()));
        }
        for node in self.destinations(letter.to()) {
            self.send(node, &letter);
        }
    }
}
