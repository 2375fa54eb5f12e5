//! Sets of servers and the arithmetic of majorities.

use crate::types::NodeId;
use core::fmt;

/// The largest number of servers in a group.
pub const MAX_NODES: usize = 32;

/// A set of servers: one bit each, so it is `Copy` and its union and size are single instructions.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct NodeSet(u32);

impl NodeSet {
    /// No server.
    pub const EMPTY: Self = Self(0);

    /// The servers `0..count`.
    ///
    /// # Panics
    /// If `count` exceeds [`MAX_NODES`].
    pub const fn first(count: usize) -> Self {
        assert!(count <= MAX_NODES, "a group has at most 32 servers");
        Self(((1u64 << count) - 1) as u32)
    }

    /// The set with this one server.
    ///
    /// # Panics
    /// If its number is not below [`MAX_NODES`].
    pub const fn only(node: NodeId) -> Self {
        assert!((node.0 as usize) < MAX_NODES, "servers are numbered 0 to 31");
        Self(1 << node.0)
    }

    /// Whether the server is in the set.
    pub const fn contains(self, node: NodeId) -> bool {
        (node.0 as usize) < MAX_NODES && self.0 & Self::only(node).0 != 0
    }

    /// Puts a server into the set.
    pub const fn insert(&mut self, node: NodeId) {
        self.0 |= Self::only(node).0;
    }

    /// How many servers there are.
    pub const fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The servers that are in both sets.
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The servers, in the order of their numbers.
    pub fn iter(self) -> impl Iterator<Item = NodeId> {
        let mut rest = self.0;
        core::iter::from_fn(move || {
            let node = rest.trailing_zeros();
            rest &= rest.checked_sub(1)?;
            Some(NodeId(node as u8))
        })
    }

    /// The same set under other names.
    pub fn renamed(self, name: &impl Fn(NodeId) -> NodeId) -> Self {
        self.iter().map(name).collect()
    }
}

impl FromIterator<NodeId> for NodeSet {
    fn from_iter<I: IntoIterator<Item = NodeId>>(nodes: I) -> Self {
        let mut set = Self::EMPTY;
        nodes.into_iter().for_each(|node| set.insert(node));
        set
    }
}

impl fmt::Debug for NodeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (position, node) in self.iter().enumerate() {
            write!(f, "{}{node:?}", if position == 0 { "" } else { " " })?;
        }
        f.write_str("}")
    }
}

/// How many of `voters` servers make a majority.
pub const fn majority(voters: usize) -> usize {
    voters / 2 + 1
}

/// The largest index that at least `needed` of `voters` have reached, by `matched`. This is the index
/// that §5.3 calls "stored on a majority" when `needed` is a majority; 0 if there are too few voters.
pub fn reached_by(needed: usize, voters: NodeSet, matched: impl Fn(NodeId) -> u64) -> u64 {
    let mut sorted = [0; MAX_NODES];
    let mut count = 0;
    for voter in voters.iter() {
        sorted[count] = matched(voter);
        count += 1;
    }
    sorted[..count].sort_unstable();
    count
        .checked_sub(needed)
        .map_or(0, |position| sorted[..count].get(position).copied().unwrap_or(0))
}
