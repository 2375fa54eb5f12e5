//! Commands that one server passes on to another, and what comes back: the transport of `protocol::rsm`'s passing.
//!
//! It is a connection and no network of letters: a command arrives once or not at all, and its answer comes to that
//! sending in that life of its sender, or never. A connection that is lost takes the answers with it, but a command
//! that is on its way may arrive all the same.

use crate::node::{CommandOf, Recipe, ReplyOf, Service};
use protocol::NodeId;
use protocol::rsm::{Outcome, Ticket};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Something on its way from one server to another.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Parcel<C, Y> {
    /// A command.
    Call {
        /// The sender.
        from: NodeId,
        /// To whom.
        to: NodeId,
        /// Whose it is, at the sender.
        ticket: Ticket,
        /// The command.
        command: C,
        /// Whether the sender still listens for the answer.
        heard: bool,
    },
    /// An answer.
    Answer {
        /// The server that was asked.
        from: NodeId,
        /// The one that had passed the command on.
        to: NodeId,
        /// Whose command it was.
        ticket: Ticket,
        /// What became of it.
        outcome: Outcome<Y>,
    },
}

/// The parcels of a recipe's servers.
pub type ParcelOf<R> = Parcel<CommandOf<R>, ReplyOf<R>>;

impl<C: fmt::Debug, Y: fmt::Debug> fmt::Debug for Parcel<C, Y> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call { from, to, command, heard, .. } => {
                let deaf = if *heard { "" } else { " (nobody listens)" };
                write!(f, "{from:?} ⇒ {to:?} {command:?}{deaf}")
            }
            Self::Answer { from, to, ticket, outcome } => {
                write!(f, "{from:?} ⇒ {to:?} answer to {ticket}: {outcome:?}")
            }
        }
    }
}

/// What the transport and the servers' drivers keep.
pub struct Errands<R: Recipe> {
    /// The commands that may be passed on, by server and caller, as they were submitted or sent last.
    kept: BTreeMap<(NodeId, Ticket), CommandOf<R>>,
    /// What is on its way.
    pub under_way: BTreeSet<ParcelOf<R>>,
    /// Who had passed on what waits at a server, if that one still listens.
    origins: BTreeMap<(NodeId, Ticket), Option<NodeId>>,
}

impl<R: Recipe> Errands<R> {
    /// A caller who lets its server pass the command on submits it.
    pub fn keep(&mut self, server: NodeId, ticket: Ticket, command: CommandOf<R>) {
        self.kept.insert((server, ticket), command);
    }

    /// The command as it is submitted again.
    ///
    /// # Panics
    /// If it was not kept.
    pub fn again(&mut self, server: NodeId, ticket: Ticket) -> CommandOf<R> {
        let kept = self.kept.get_mut(&(server, ticket)).expect("what is tried again was kept");
        *kept = R::Service::again(kept);
        kept.clone()
    }

    /// A server passes a caller's command on.
    pub fn pass(&mut self, from: NodeId, to: NodeId, ticket: Ticket) {
        let command = self.again(from, ticket);
        self.under_way.insert(Parcel::Call { from, to, ticket, command, heard: true });
    }

    /// A command arrives.
    pub fn arrive(&mut self, to: NodeId, ticket: Ticket, from: Option<NodeId>) {
        self.origins.insert((to, ticket), from);
    }

    /// A server tells who waits there. Says whether that is another server.
    pub fn tell(&mut self, server: NodeId, ticket: Ticket, outcome: &Outcome<ReplyOf<R>>) -> bool {
        self.kept.remove(&(server, ticket));
        let Some(origin) = self.origins.remove(&(server, ticket)) else { return false };
        if let Some(to) = origin {
            let outcome = outcome.clone();
            self.under_way.insert(Parcel::Answer { from: server, to, ticket, outcome });
        }
        true
    }

    /// A server does not listen any more for what another one answers, or anyone.
    fn deafen(&mut self, server: NodeId, to: Option<NodeId>) {
        let lost = |other: NodeId| to.is_none_or(|to| to == other);
        self.under_way = std::mem::take(&mut self.under_way)
            .into_iter()
            .filter_map(|parcel| match parcel {
                Parcel::Call { from, to, ticket, command, .. } if from == server && lost(to) => {
                    Some(Parcel::Call { from, to, ticket, command, heard: false })
                }
                Parcel::Answer { from, to, .. } if to == server && lost(from) => None,
                other => Some(other),
            })
            .collect();
        for ((at, _), origin) in &mut self.origins {
            if *origin == Some(server) && lost(*at) {
                *origin = None;
            }
        }
    }

    /// A server loses its connection to another.
    pub fn lose(&mut self, server: NodeId, to: NodeId) {
        self.deafen(server, Some(to));
    }

    /// A server crashes: it has forgotten who waits, and whom it had asked.
    pub fn crash(&mut self, server: NodeId) {
        self.deafen(server, None);
        self.kept.retain(|(at, _), _| *at != server);
        self.origins.retain(|(at, _), _| *at != server);
    }

    /// Whether an answer may still come to what a server has passed on.
    pub fn may_answer(&self, server: NodeId, to: NodeId, ticket: Ticket) -> bool {
        self.origins.get(&(to, ticket)) == Some(&Some(server))
            || self.under_way.iter().any(|parcel| match parcel {
                Parcel::Call { from, to: other, ticket: one, heard, .. } => {
                    (*from, *other, *one, *heard) == (server, to, ticket, true)
                }
                Parcel::Answer { from, to: other, ticket: one, .. } => {
                    (*from, *other, *one) == (to, server, ticket)
                }
            })
    }
}

impl<R: Recipe> Default for Errands<R> {
    fn default() -> Self {
        Self { kept: BTreeMap::new(), under_way: BTreeSet::new(), origins: BTreeMap::new() }
    }
}

impl<R: Recipe> Clone for Errands<R> {
    fn clone(&self) -> Self {
        let Self { kept, under_way, origins } = self;
        Self { kept: kept.clone(), under_way: under_way.clone(), origins: origins.clone() }
    }
}

impl<R: Recipe> PartialEq for Errands<R> {
    fn eq(&self, other: &Self) -> bool {
        self.kept == other.kept
            && self.under_way == other.under_way
            && self.origins == other.origins
    }
}

impl<R: Recipe> Eq for Errands<R> {}

impl<R: Recipe> std::hash::Hash for Errands<R> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.kept.hash(state);
        self.under_way.hash(state);
        self.origins.hash(state);
    }
}

impl<R: Recipe> fmt::Debug for Errands<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.under_way.iter().try_for_each(|parcel| write!(f, "{parcel:?} "))
    }
}
