//! What groups and the controller tell each other, and what carries it.

use protocol::NodeId;
use protocol::shardctl::Config;
use protocol::shardkv::mover::{Effect, Message};
use protocol::shardkv::{Command, GroupId, Next, Num};
use serde::{Deserialize, Serialize};

/// Something that a group or the controller tells another.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Letter {
    /// From a group's leader to another's.
    Move {
        /// The group.
        from: GroupId,
        /// The other.
        to: GroupId,
        /// What it says.
        message: Message,
    },
    /// To the controller: what follows the group's configuration?
    Next {
        /// The group.
        from: GroupId,
        /// The number of its configuration.
        number: Num,
    },
    /// To the controller: the group has finished a configuration.
    Finished {
        /// The group.
        from: GroupId,
        /// The configuration's number.
        number: Num,
    },
    /// From the controller: this follows.
    Told {
        /// The group.
        to: GroupId,
        /// What follows.
        next: Next,
    },
    /// From the controller: it is known what the group has finished.
    Noted {
        /// The group.
        to: GroupId,
        /// The configuration's number.
        number: Num,
    },
    /// From a node to the controller: is there a later configuration?
    Show {
        /// The node.
        from: NodeId,
        /// The number of the latest that it knows.
        number: Num,
    },
    /// From the controller to a node: the latest configuration.
    Shown {
        /// The node.
        to: NodeId,
        /// It.
        config: Config,
    },
}

/// What a mover asks of its driver.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Wanted {
    /// That this is sent.
    Letter(Letter),
    /// That a command is proposed under this number.
    Proposal(u64, Command),
}

/// Whom a letter is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum To {
    /// The controller, any of its servers.
    Controller,
    /// A group's leader.
    Group(GroupId),
    /// A node.
    Node(NodeId),
}

impl Letter {
    /// What a group's mover asks for.
    pub fn of(from: GroupId, effect: Effect) -> Wanted {
        Wanted::Letter(match effect {
            Effect::Send { to, message } => Self::Move { from, to, message },
            Effect::Query { number } => Self::Next { from, number },
            Effect::Report { number } => Self::Finished { from, number },
            Effect::Propose { proposal, command } => return Wanted::Proposal(proposal, command),
        })
    }

    /// Whom it is for.
    pub const fn to(&self) -> To {
        match self {
            Self::Move { to, .. } | Self::Told { to, .. } | Self::Noted { to, .. } => {
                To::Group(*to)
            }
            Self::Next { .. } | Self::Finished { .. } | Self::Show { .. } => To::Controller,
            Self::Shown { to, .. } => To::Node(*to),
        }
    }

    /// The group whose leader has sent it, if a group's has.
    pub const fn from(&self) -> Option<GroupId> {
        match self {
            Self::Move { from, .. } | Self::Next { from, .. } | Self::Finished { from, .. } => {
                Some(*from)
            }
            _ => None,
        }
    }
}

/// Carries letters. It is called by cores, in their threads, so it must not wait: what it can't take is lost.
pub trait Carrier: Send + Sync {
    /// Takes a letter.
    fn carry(&self, letter: Letter);
}
