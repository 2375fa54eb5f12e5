//! Which nodes have which groups of a sharded cluster.

use super::{Address, Error, Settings, within};
use crate::wal;
use protocol::NodeId;
use protocol::quorum::{MAX_NODES, NodeSet};
use protocol::shardkv::GroupId;
use std::collections::{BTreeMap, BTreeSet};

/// Where the controller and the groups are, as far as this node was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sharded {
    /// The nodes of the controller.
    pub controllers: NodeSet,
    /// The nodes of each group that was named.
    pub groups: BTreeMap<GroupId, NodeSet>,
    /// Groups of which nothing is to stay here.
    pub forgotten: BTreeSet<GroupId>,
}

/// What is wrong with what was said of groups.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShardedError {
    /// There is nobody to say whose the slots are.
    #[error(
        "groups are named, and no controller, which says whose the slots are. \
        Name its nodes with --controller, the same on each node"
    )]
    NoController,
    /// An address that is no node's.
    #[error(
        "{of} is on {address}, which is none of the nodes {nodes}. Write it as it stands in nodes"
    )]
    NoNode {
        /// Of what.
        of: String,
        /// The address.
        address: String,
        /// The nodes.
        nodes: String,
    },
    /// A node that is named twice.
    #[error("{of} is on {address} twice. Name each of its nodes once")]
    Twice {
        /// Of what.
        of: String,
        /// The address.
        address: String,
    },
    /// No id.
    #[error(
        "{0:?} is no group's id. Write a number from 1 to 65535; the controller is named by --controller"
    )]
    Id(String),
    /// A group without nodes.
    #[error("group {0} has no nodes. Write {0}=HOST:PORT,HOST:PORT,…")]
    Empty(String),
    /// A group that has a server here.
    #[error(
        "group {0} has a server on this node, which is to forget it. Leave out --group {0} or --forget-group {0}"
    )]
    Forgotten(String),
    /// There is nothing to do here.
    #[error(
        "{0} is in no group, and not one of the controller's nodes. Name a group that it is in with --group"
    )]
    NothingHere(String),
}

/// A group as a flag has it: its id and its nodes.
///
/// # Errors
/// If it is not of the form `ID=HOST:PORT,HOST:PORT,…`.
pub fn group_flag(text: &str) -> Result<(String, Vec<String>), ShardedError> {
    let (id, nodes) = text.split_once('=').ok_or_else(|| ShardedError::Empty(text.into()))?;
    let nodes = nodes.split(',').filter(|node| !node.is_empty()).map(String::from).collect();
    Ok((id.trim().into(), nodes))
}

impl Settings {
    /// What was said of groups, if anything was.
    pub(super) fn sharded(&self, nodes: &[Address], me: NodeId) -> Result<Option<Sharded>, Error> {
        if self.controller.is_empty() {
            let none = self.groups.is_empty() && self.forget_groups.is_empty();
            return if none { Ok(None) } else { Err(ShardedError::NoController.into()) };
        }
        let controllers = self.places("the controller", &self.controller, nodes)?;
        let id_of = |text: &String| {
            let id = text.parse::<u16>().ok().filter(|id| *id > 0);
            id.ok_or_else(|| ShardedError::Id(text.clone()))
        };
        let mut groups = BTreeMap::new();
        for (text, places) in &self.groups {
            let id = id_of(text)?;
            if places.is_empty() {
                return Err(ShardedError::Empty(text.clone()).into());
            }
            let places = self.places(&format!("group {id}"), places, nodes)?;
            groups.insert(GroupId(id.into()), places);
        }
        if !controllers.contains(me) && !groups.values().any(|places| places.contains(me)) {
            let own = &nodes[usize::from(me.0)];
            return Err(ShardedError::NothingHere(own.with(own.plain)).into());
        }
        let mut forgotten = BTreeSet::new();
        for text in &self.forget_groups {
            let group = GroupId(id_of(text)?.into());
            if groups.get(&group).is_some_and(|places: &NodeSet| places.contains(me)) {
                return Err(ShardedError::Forgotten(text.clone()).into());
            }
            forgotten.insert(group);
        }
        Ok(Some(Sharded { controllers, groups, forgotten }))
    }

    /// The nodes at these addresses.
    fn places(&self, of: &str, addresses: &[String], nodes: &[Address]) -> Result<NodeSet, Error> {
        within("the number of nodes", addresses.len() as u64, 1, MAX_NODES as u64)?;
        let mut places = NodeSet::EMPTY;
        for text in addresses {
            let address = self.address("controller and groups", text)?;
            let position = nodes.iter().position(|node| *node == address);
            let position = position.ok_or_else(|| {
                let nodes = nodes.iter().map(|node| node.with(node.plain)).collect::<Vec<_>>();
                ShardedError::NoNode {
                    of: of.into(),
                    address: text.clone(),
                    nodes: nodes.join(", "),
                }
            })?;
            let node = NodeId(position as u8);
            if places.contains(node) {
                return Err(ShardedError::Twice { of: of.into(), address: text.clone() }.into());
            }
            places.insert(node);
        }
        Ok(places)
    }
}

/// A group's place in the log that all groups of a node share; the controller has place 0.
pub fn log_of(group: GroupId) -> wal::GroupId {
    wal::GroupId(u16::try_from(group.0).expect("ids were checked"))
}
