//! To which node calls go that are for a group without a server here.
//!
//! Any of the group's servers takes them, and passes them on to the one that leads. A group keeps the order of what it
//! is asked by one node, as long as the connection holds; what is asked by two it may mix up. So calls go to one node
//! as long as any is under way there, whoever leads by then, and else to the one that leads, as far as is known.

use super::Rules;
use crate::NodeId;
use alloc::vec::Vec;

/// The way of one node's calls to one group.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Passage {
    /// Where its calls go, as long as any is under way.
    node: Option<NodeId>,
    /// How many are.
    under_way: usize,
    /// Who leads it, as it was last told.
    leader: Option<NodeId>,
    /// Which of its nodes is tried first, if nobody is known to lead.
    turn: usize,
}

impl Passage {
    /// ROUTE-WAY-1. The nodes to try for the next call, the best first, out of these, which have servers of the group.
    pub fn candidates(&self, rules: &impl Rules, nodes: &[NodeId]) -> Vec<NodeId> {
        if let Some(node) = self.node.filter(|_| rules.stays_on_way(self.under_way)) {
            return [node].into();
        }
        let leader = self.leader.filter(|leader| nodes.contains(leader));
        let turned = nodes.iter().cycle().skip(self.turn % nodes.len().max(1)).take(nodes.len());
        leader.into_iter().chain(turned.copied()).collect()
    }

    /// A call is given to this node.
    pub const fn sent(&mut self, node: NodeId) {
        self.node = Some(node);
        self.under_way += 1;
    }

    /// A call that was sent is not under way any more: it was answered, is lost, or could not leave.
    ///
    /// # Panics
    /// If none is under way.
    pub fn ended(&mut self) {
        assert!(self.under_way > 0, "what ends was sent");
        self.under_way -= 1;
    }

    /// An answer has said who leads, as far as the server there knows.
    pub const fn told(&mut self, leader: Option<NodeId>) {
        self.leader = leader;
        if leader.is_none() {
            self.turn += 1;
        }
    }

    /// The connection to a node is lost. What was sent there has ended, each by itself.
    pub fn lost(&mut self, node: NodeId) {
        if self.node == Some(node) || self.leader == Some(node) {
            self.told(None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Ordered;
    use super::*;

    const NODES: [NodeId; 3] = [NodeId(1), NodeId(2), NodeId(3)];

    #[test]
    fn calls_go_to_one_node_at_a_time() {
        let mut passage = Passage::default();
        let next = |passage: &Passage| passage.candidates(&Ordered, &NODES);
        assert_eq!(next(&passage), NODES);
        passage.sent(NODES[0]);
        passage.sent(NODES[0]);
        passage.ended();
        passage.told(Some(NODES[2]));
        assert_eq!(next(&passage), [NODES[0]], "one is under way there");
        passage.ended();
        assert_eq!(next(&passage), [NODES[2], NODES[0], NODES[1], NODES[2]]);
        passage.sent(NODES[2]);
        passage.ended();
        passage.lost(NODES[1]);
        assert_eq!(next(&passage)[0], NODES[2], "another's connection");
        passage.lost(NODES[2]);
        assert_eq!(next(&passage), [NODES[1], NODES[2], NODES[0]], "the next one is tried");
        assert_eq!(passage.candidates(&Ordered, &[]), []);
    }
}
