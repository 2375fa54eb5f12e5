//! What the claims about one step compare.

use super::{Node, Recipe};
use protocol::raft::{self, Body, Message, Timer};
use protocol::rsm::{Input, StateMachine};
use protocol::{Index, NodeId, Term, replica};

/// What of an input the claims about its step look at.
pub(super) struct Came {
    pub message: Option<(NodeId, Message)>,
    pub timer: Option<Timer>,
}

impl Came {
    pub const fn of<S: StateMachine>(input: &Input<'_, S>) -> Self {
        match *input {
            Input::Replica(replica::Input::Message { from, message, .. })
            | Input::Install { from, message, .. } => {
                Self { message: Some((from, message)), timer: None }
            }
            Input::Replica(replica::Input::Raft(raft::Input::Timer(timer))) => {
                Self { message: None, timer: Some(timer) }
            }
            _ => Self { message: None, timer: None },
        }
    }
}

/// What of a server's state one step is compared with.
pub(super) struct Before {
    pub commit: Index,
    pub term: Term,
    pub last: Index,
    pub leads: bool,
    pub heard: bool,
    pub matched: Vec<Index>,
    /// A snapshot has come that ends at another entry than the log has there.
    pub contradicts: bool,
}

impl Before {
    pub fn of<R: Recipe>(node: &Node<R>, came: &Came) -> Self {
        let raft = node.replica().raft();
        let contradicts = match came.message {
            Some((_, Message { body: Body::InstallSnapshot { id }, .. })) => {
                raft.terms().term_at(id.last.index).is_some_and(|term| term != id.last.term)
            }
            _ => false,
        };
        Self {
            commit: raft.commit(),
            term: raft.term(),
            last: raft.last().index,
            leads: raft.leads(),
            heard: raft.heard(),
            matched: raft.progress().iter().map(|peer| peer.matched).collect(),
            contradicts,
        }
    }
}
