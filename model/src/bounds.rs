//! What a model may do: the bounds of a run.

use protocol::quorum::NodeSet;
use protocol::{NodeId, Term};

/// What the network does with a message. In both, a message may arrive at any later time or never, and
/// messages overtake each other freely.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub enum Net {
    /// A message arrives at most once. One that is sent again while its twin is under way is one message.
    Reorder,
    /// A message arrives any number of times.
    Duplicate,
}

/// Losses without a bound.
pub const ANY_NUMBER: u8 = u8::MAX;

/// The bounds of a run. A run is exhausted when every state within them was visited.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct Bounds {
    /// Servers in the group, all voters.
    pub servers: usize,
    /// The last term: no election begins once it is reached.
    pub max_term: u64,
    /// A leader takes a command only while its log is shorter than this, no-ops counted: 2 leaves room for
    /// one command behind the first leader's no-op, 0 and 1 for none.
    pub max_log: u64,
    /// The most entries in one message.
    pub max_batch: u32,
    /// The most entries under way to one follower.
    pub window: u32,
    /// The network.
    pub net: Net,
    /// RED-LOSS: none, where lateness does as well. How many messages may be lost for good;
    /// [`ANY_NUMBER`] is not counted.
    pub losses: u8,
    /// Crashes in all.
    pub crashes: u8,
    /// RED-VICTIM. Who may crash.
    pub victims: NodeSet,
    /// Who may start elections.
    pub campaigners: NodeSet,
    /// Whether campaigners, at most two then, take turns: one begins the odd terms, the other the even ones.
    pub in_turn: bool,
    /// Whether the election timer fires: with pre-votes.
    pub pre_vote: bool,
    /// RED-CAMPAIGN. Whether elections may begin without a pre-vote. Covers every pre-vote that could succeed.
    pub forced_elections: bool,
    /// Whether heartbeats are sent.
    pub heartbeats: bool,
    /// A follower's question for a read does not reach a leader that has begun this many rounds. A late grant
    /// lets the follower ask again, which begins another round: nothing else would end that.
    pub max_round: u64,
    /// Whether leaders check their quorum.
    pub check_quorum: bool,
    /// Reads in all.
    pub reads: u8,
    /// Who is asked for reads.
    pub readers: NodeSet,
    /// Snapshots that services take, in all.
    pub compactions: u8,
    /// Who takes them.
    pub compactors: NodeSet,
    /// Whether void answers are taken out of the network at once.
    pub drop_void: bool,
    /// From every so many states, the fair schedule must converge; 0 for none.
    pub converge_every: u64,
}

impl Bounds {
    /// Elections of any server without pre-votes, one command, no faults but delay and reordering.
    pub const fn plain(servers: usize) -> Self {
        Self {
            servers,
            max_term: 1,
            max_log: 2,
            max_batch: 2,
            window: 2,
            net: Net::Reorder,
            losses: 0,
            crashes: 0,
            victims: NodeSet::EMPTY,
            campaigners: NodeSet::first(servers),
            in_turn: false,
            pre_vote: false,
            forced_elections: true,
            heartbeats: false,
            max_round: 2,
            check_quorum: false,
            reads: 0,
            readers: NodeSet::EMPTY,
            compactions: 0,
            compactors: NodeSet::EMPTY,
            drop_void: true,
            converge_every: 0,
        }
    }

    /// Whether a server whose term is `term` may begin the next one.
    pub fn may_campaign(&self, node: NodeId, term: Term) -> bool {
        let turn = (term % self.campaigners.len().max(1) as u64) as usize;
        term < self.max_term
            && self.campaigners.contains(node)
            && (!self.in_turn || self.campaigners.iter().nth(turn) == Some(node))
    }

    /// The sets that tell servers apart.
    pub fn told_apart(&self) -> [NodeSet; 5] {
        let first = self.campaigners.iter().take(usize::from(self.in_turn)).collect();
        [self.victims, self.campaigners, first, self.readers, self.compactors]
    }
}
