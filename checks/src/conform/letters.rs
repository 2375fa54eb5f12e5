//! What groups and the controller of a sharded cluster have written to each other.

use super::Network;
use protocol::NodeId;
use quorate::shardkv::Letter;
use quorate::trace::of;
use std::collections::{BTreeSet, HashMap};

/// Letters that were sent, and those that came. A letter goes to one node, or to all that may lead the group that it is
/// for; so it comes to each server once at the most for each time that it was sent.
#[derive(Debug, Default)]
pub struct Letters {
    network: Network,
    /// The groups of which all servers are replayed, by their places in the nodes' logs.
    whole: BTreeSet<u64>,
    /// By a letter's fingerprint, how often it was sent.
    sent: HashMap<u64, u64>,
    /// How often it has come to a server of a group on a node.
    came: HashMap<(u64, u32, NodeId), u64>,
    /// Letters that were matched.
    pub matched: u64,
    /// What movers were told.
    pub moves: u64,
}

impl Letters {
    /// Nothing was sent yet. What is from a group of which not all servers are replayed is believed.
    pub fn new(network: Network, whole: impl Iterator<Item = u32>) -> Self {
        Self { network, whole: whole.map(u64::from).collect(), ..Self::default() }
    }

    /// A letter leaves.
    pub fn send(&mut self, letter: &Letter) {
        *self.sent.entry(of(letter)).or_default() += 1;
    }

    /// A letter comes to the server of a group on a node: false if it was not sent, or not as often.
    pub fn receive(&mut self, group: u32, node: NodeId, letter: &Letter) -> bool {
        if !self.whole.contains(&letter.from().map_or(0, |group| group.0)) {
            return true;
        }
        let print = of(letter);
        let Some(sent) = self.sent.get(&print) else { return false };
        let came = self.came.entry((print, group, node)).or_default();
        if *came >= *sent && self.network == Network::Once {
            return false;
        }
        *came += 1;
        self.matched += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::shardkv::GroupId;

    fn next(number: u64) -> Letter {
        Letter::Next { from: GroupId(1), number }
    }

    #[test]
    fn letters_come_to_each_node_as_often_as_they_were_sent() {
        for network in [Network::Once, Network::Copies] {
            let mut letters = Letters::new(network, [0, 1].into_iter());
            assert!(!letters.receive(0, NodeId(0), &next(3)), "it was not sent");
            letters.send(&next(3));
            for node in [NodeId(0), NodeId(1)] {
                assert!(letters.receive(0, node, &next(3)));
                assert_eq!(letters.receive(0, node, &next(3)), network == Network::Copies);
            }
            assert!(!letters.receive(0, NodeId(0), &next(4)), "another");
        }
    }

    #[test]
    fn who_is_not_replayed_is_believed() {
        let mut letters = Letters::new(Network::Once, [0].into_iter());
        assert!(letters.receive(0, NodeId(0), &next(3)));
        let told = Letter::Noted { to: GroupId(1), number: 3 };
        assert!(!letters.receive(1, NodeId(0), &told), "the controller is replayed");
        assert_eq!(letters.matched, 0);
    }
}
