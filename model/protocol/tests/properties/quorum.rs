//! `NodeSet` against a plain set, and majorities against brute force.

use super::cases;
use proptest::prelude::*;
use protocol::NodeId;
use protocol::quorum::{MAX_NODES, NodeSet, majority, reached_by};
use std::collections::BTreeSet;

fn numbers() -> impl Strategy<Value = BTreeSet<u8>> {
    prop::collection::btree_set(0..MAX_NODES as u8, 0..=MAX_NODES)
}

fn set(numbers: &BTreeSet<u8>) -> NodeSet {
    numbers.iter().copied().map(NodeId).collect()
}

proptest! {
    #![proptest_config(cases(512))]

    #[test]
    fn a_node_set_is_a_set(one in numbers(), two in numbers(), node in 0..=u8::MAX) {
        let mut grown = NodeSet::EMPTY;
        for (size, &number) in one.iter().enumerate() {
            prop_assert_eq!(grown.len(), size);
            grown.insert(NodeId(number));
            grown.insert(NodeId(number));
        }
        prop_assert_eq!(grown, set(&one));
        prop_assert_eq!(grown.is_empty(), one.is_empty());
        prop_assert_eq!(grown.contains(NodeId(node)), one.contains(&node));
        let listed: Vec<u8> = grown.iter().map(|node| node.0).collect();
        prop_assert_eq!(listed, Vec::from_iter(one.clone()));
        prop_assert_eq!(grown.and(set(&two)), set(&(&one & &two)));
    }

    #[test]
    fn the_first_nodes_are_the_smallest(count in 0..=MAX_NODES) {
        prop_assert_eq!(NodeSet::first(count), set(&(0..count as u8).collect()));
    }

    #[test]
    fn one_node_is_a_set_of_one(node in 0..MAX_NODES as u8) {
        prop_assert_eq!(NodeSet::only(NodeId(node)), set(&BTreeSet::from([node])));
    }

    #[test]
    fn renaming_renames_each(
        one in numbers(),
        names in Just((0..MAX_NODES as u8).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let renamed = set(&one).renamed(&|node| NodeId(names[usize::from(node.0)]));
        prop_assert_eq!(renamed, set(&one.iter().map(|node| names[usize::from(*node)]).collect()));
    }

    /// The largest index that so many have reached, by trying them all. Indices are small and many
    /// are equal, or the interesting cases would not come up.
    #[test]
    fn reached_by_is_the_largest_that_enough_have(
        voters in numbers(),
        matched in prop::collection::vec(0..6u64, MAX_NODES),
        needed in 1..=MAX_NODES + 1,
    ) {
        let enough = |index: &u64| {
            voters.iter().filter(|voter| matched[usize::from(**voter)] >= *index).count() >= needed
        };
        let expected = (0..6).rfind(enough).unwrap_or(0);
        let reached = reached_by(needed, set(&voters), |node| matched[usize::from(node.0)]);
        prop_assert_eq!(reached, expected);
    }
}

/// Any two majorities share a server, and no smaller number has that property; nor is more than a
/// majority ever asked for: the others may be down. (RAFT-VOTE-3, RAFT-COMMIT-2.)
#[test]
fn majorities_meet() {
    for voters in 1..=MAX_NODES {
        let needed = majority(voters);
        assert!(2 * needed > voters, "two majorities of {voters} meet");
        assert!(2 * (needed - 1) <= voters, "{needed} of {voters} is the smallest such number");
    }
    for voters in 1..=5u32 {
        let all = 0..1u32 << voters;
        let majorities: Vec<u32> =
            all.filter(|set| set.count_ones() as usize >= majority(voters as usize)).collect();
        for one in &majorities {
            assert!(majorities.iter().all(|two| one & two != 0), "majorities of {voters} meet");
        }
    }
}
