//! What the servers of a model are made of: the rules of their machine, and the service that it replicates.

use super::Tag;
use protocol::raft;
use protocol::rsm::{self, Decided, StateMachine};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::hash::Hash;

/// A service, with what a model needs to have of one.
pub trait Service:
    StateMachine<
        Command: Ord + Hash + fmt::Debug + Serialize + DeserializeOwned + Send + Sync + 'static,
        Query: Clone
                   + Ord
                   + Hash
                   + fmt::Debug
                   + Serialize
                   + DeserializeOwned
                   + Send
                   + Sync
                   + 'static,
        Reply: Clone
                   + Eq
                   + Ord
                   + Hash
                   + fmt::Debug
                   + Serialize
                   + DeserializeOwned
                   + Send
                   + Sync
                   + 'static,
    > + Eq
    + Ord
    + Hash
    + fmt::Debug
    + Serialize
    + DeserializeOwned
    + Send
    + Sync
    + 'static
{
    /// The service before the first command.
    fn empty() -> Self;

    /// A command that a leader proposes by itself.
    fn proposal(tag: Tag) -> Self::Command;

    /// A command as it is sent or submitted once more: two sendings are told apart.
    #[must_use]
    fn again(command: &Self::Command) -> Self::Command {
        command.clone()
    }

    /// From which number on the machine numbers its reads in a server's life. None: the adapter names all reads.
    fn first_read(boots: u8) -> u64;

    /// The service without what it keeps so that no call is executed twice, for mutants.
    #[must_use]
    fn without_records(&self) -> Self {
        self.clone()
    }
}

/// What the servers of a model are made of.
pub trait Recipe: Copy + fmt::Debug + Send + Sync + 'static {
    /// Raft's rules.
    type Raft: raft::Rules;
    /// The rules of what callers are told.
    type Rsm: rsm::Rules;
    /// The service.
    type Service: Service;

    /// The rules.
    fn rules(&self) -> (Self::Raft, Self::Rsm);
}

/// The commands of a recipe's service.
pub type CommandOf<R> = <<R as Recipe>::Service as StateMachine>::Command;
/// Its queries.
pub type QueryOf<R> = <<R as Recipe>::Service as StateMachine>::Query;
/// Its replies.
pub type ReplyOf<R> = <<R as Recipe>::Service as StateMachine>::Reply;

/// Raft's rules alone are servers that replicate nothing but tags.
impl<R: raft::Rules> Recipe for R {
    type Raft = R;
    type Rsm = Decided;
    type Service = Bare;

    fn rules(&self) -> (R, Decided) {
        (*self, Decided)
    }
}

/// No service: what is committed is applied to nothing, for models of Raft alone.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Bare {}

impl StateMachine for Bare {
    type Command = Tag;
    type Query = ();
    type Reply = ();

    fn apply(&mut self, _: &Tag) {}

    fn read(&self, _: &()) {}
}

impl Service for Bare {
    fn empty() -> Self {
        Self {}
    }

    fn proposal(tag: Tag) -> Tag {
        tag
    }

    fn first_read(_: u8) -> u64 {
        0
    }
}

impl fmt::Debug for Bare {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }
}
