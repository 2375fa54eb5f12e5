//! What a node of a sharded cluster knows of the groups.

use super::Role;
use crate::rsm::Slots;
use protocol::kv::SlotId;
use protocol::shardctl::Config;
use protocol::shardkv::GroupId;
use protocol::{Index, NodeId, Term};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Of what a server of a sharded cluster is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Of the controller.
    Controller,
    /// Of a group.
    Group(GroupId),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Controller => f.write_str("controller"),
            Self::Group(group) => write!(f, "{group}"),
        }
    }
}

/// A server of a sharded cluster that is on this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Served {
    /// Of what.
    pub place: Place,
    /// What it is.
    pub role: Role,
    /// Whom it believes to lead, itself included.
    pub leader: Option<NodeId>,
    /// Its term.
    pub term: Term,
    /// Up to where it knows its log to be committed.
    pub commit: Index,
    /// Up to where its log is applied.
    pub applied: Index,
    /// What its snapshot covers.
    pub snapshot: Index,
    /// Keys that are there; 0 for the controller.
    pub keys: u64,
    /// What it has to do with slots.
    pub slots: Slots,
}

/// A group, as clients are told of it.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Shard {
    /// Its nodes, as far as this one knows them by number.
    pub nodes: Vec<NodeId>,
    /// Who leads it, if that is known and there is a connection to it.
    pub leader: Option<NodeId>,
    /// The term of its server here; 0 if there is none.
    pub term: Term,
    /// Whether it has a server here.
    pub here: bool,
    /// Whether that server may have slots still which the configuration gives to others.
    pub gives: bool,
}

/// The groups, and whose the slots are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shards {
    /// The latest configuration that this node knows.
    pub config: Arc<Config>,
    /// The groups of it, and those that have a server here.
    pub groups: BTreeMap<GroupId, Shard>,
    /// The controller's nodes.
    pub controllers: Vec<NodeId>,
    /// Slots that groups were found to have which the configuration does not say.
    pub found: BTreeMap<SlotId, GroupId>,
}

impl Shards {
    /// Nothing is known.
    pub fn unknown() -> Self {
        let config = Arc::new(Config::empty(protocol::kv::slot::SLOTS));
        let controllers = Vec::new();
        Self { config, groups: BTreeMap::new(), controllers, found: BTreeMap::new() }
    }

    /// The group that serves a slot, as far as this node knows.
    pub fn of(&self, slot: SlotId) -> Option<GroupId> {
        self.pick(slot, self.found.get(&slot).copied())
    }

    /// The same, if a group was found to have it a moment ago. A server of the slot's group here knows better.
    pub fn pick(&self, slot: SlotId, found: Option<GroupId>) -> Option<GroupId> {
        let owner = self.config.slots.owner(slot.0);
        let is_here = |group: &GroupId| self.groups.get(group).is_some_and(|shard| shard.here);
        let found = found.filter(|group| is_here(group) || !owner.as_ref().is_some_and(is_here));
        found.or(owner)
    }

    /// The group that says best who serves a slot, if this node leads it: the slot's by the configuration, or one that
    /// may not have given it away yet. If only what such a group says redirects a client, two groups between which a
    /// slot is on its way do not send it to and fro.
    pub fn authority(&self, me: NodeId, slot: SlotId) -> Option<GroupId> {
        let leads = |shard: &Shard| shard.leader == Some(me);
        let owner = self.config.slots.owner(slot.0);
        let owner = owner.filter(|group| self.groups.get(group).is_some_and(leads));
        owner.or_else(|| self.giving(me).next())
    }

    /// The groups that this node leads and that may have a slot, who says most first.
    pub fn led(&self, me: NodeId, slot: SlotId) -> Vec<GroupId> {
        let first = self.authority(me, slot);
        first.into_iter().chain(self.giving(me).filter(|group| Some(*group) != first)).collect()
    }

    /// The groups that this node leads and that may have slots which the configuration gives to others.
    fn giving(&self, me: NodeId) -> impl Iterator<Item = GroupId> {
        let gives = self.groups.iter().filter(move |(_, it)| it.leader == Some(me) && it.gives);
        gives.map(|(group, _)| *group)
    }

    /// The node that takes a command on keys of a slot, if it is surely another than this one. `cluster` says whether
    /// the client looks for the leader, `any` whether a server that does not lead will do.
    pub fn elsewhere(&self, me: NodeId, slot: SlotId, cluster: bool, any: bool) -> Option<NodeId> {
        // On the plain port any node answers for any key.
        if !cluster || self.authority(me, slot).is_some() {
            return None;
        }
        let shard = self.groups.get(&self.of(slot)?)?;
        if shard.here && any {
            return None;
        }
        let somebody = if shard.here { None } else { shard.nodes.first().copied() };
        shard.leader.or(somebody).filter(|node| *node != me)
    }
}
