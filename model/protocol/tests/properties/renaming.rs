//! The machines treat all servers alike: renaming the servers and stepping is stepping and
//! renaming. The models rest on it when they explore one of several equal states.

use super::cases;
use super::random::{World, ops, shape};
use super::support::group::Happening;
use super::support::{Packet, Tag};
use proptest::prelude::*;
use protocol::raft::{self, Effect, Paper, Raft, Refusal};
use protocol::replica::Replica;
use protocol::{Machine, NodeId, Write};

/// A permutation of server numbers.
struct Names(Vec<u8>);

impl Names {
    /// The order in which a longer permutation names the first `count` servers.
    fn among(count: usize, names: Vec<u8>) -> Self {
        Self(names.into_iter().filter(|name| usize::from(*name) < count).collect())
    }

    fn of(&self, node: NodeId) -> NodeId {
        NodeId(self.0[usize::from(node.0)])
    }

    fn input(&self, input: &Happening) -> Happening {
        match input {
            Happening::Arrival(packet) => Happening::Arrival(Packet {
                from: self.of(packet.from),
                to: self.of(packet.to),
                ..packet.clone()
            }),
            _ => input.clone(),
        }
    }

    fn effect(&self, effect: &Effect) -> Effect {
        let name = |node| self.of(node);
        match *effect {
            Effect::Send { to, message } => Effect::Send { to: self.of(to), message },
            Effect::AfterDisk { to, message } => Effect::AfterDisk { to: self.of(to), message },
            Effect::Write(Write::HardState(mut hard)) => {
                hard.vote = hard.vote.map(name);
                Effect::Write(Write::HardState(hard))
            }
            Effect::Refused(Refusal::NotLeader { leader }) => {
                Effect::Refused(Refusal::NotLeader { leader: leader.map(name) })
            }
            Effect::Role { role, term, leader } => {
                Effect::Role { role, term, leader: leader.map(name) }
            }
            other => other,
        }
    }

    /// The effects under other names, in an order that does not depend on names.
    fn effects(&self, effects: &[Effect]) -> Vec<String> {
        let mut lines: Vec<String> =
            effects.iter().map(|effect| format!("{:?}", self.effect(effect))).collect();
        lines.sort();
        lines
    }

    fn check_replica(&self, before: &Replica<Tag>, input: &Happening) {
        let (renamed, unnamed) = (self.input(input), Self((0..self.0.len() as u8).collect()));
        let (Some(input), Some(renamed)) = (input.as_input(), renamed.as_input()) else { return };
        let name = |node| self.of(node);
        let (mut here, mut there) = (before.clone(), before.renamed(&name, Tag::clone));
        let (mut out_here, mut out_there) = (Vec::new(), Vec::new());
        here.step(input, &mut out_here);
        there.step(renamed, &mut out_there);
        assert_eq!(self.effects(&out_here), unnamed.effects(&out_there));
        // What waits behind one write has no order of its own; renaming sorts it.
        let sorted = there.renamed(&|node| node, Tag::clone);
        assert_eq!(here.renamed(&name, Tag::clone), sorted);
    }

    fn check_raft(&self, before: &Raft<Paper>, input: raft::Input) {
        let name = |node| self.of(node);
        let renamed = match input {
            raft::Input::Message { from, message } => {
                raft::Input::Message { from: self.of(from), message }
            }
            other => other,
        };
        let (mut here, mut there) = (before.clone(), before.renamed(&name));
        let (mut out_here, mut out_there) = (Vec::new(), Vec::new());
        here.step(input, &mut out_here);
        there.step(renamed, &mut out_there);
        let unnamed = Self((0..self.0.len() as u8).collect());
        assert_eq!(self.effects(&out_here), unnamed.effects(&out_there));
        assert_eq!(here.renamed(&name), there);
    }
}

fn raft_input(input: &Happening) -> Option<raft::Input> {
    Some(match input {
        Happening::Timer(timer) => raft::Input::Timer(*timer),
        Happening::Campaign => raft::Input::Campaign,
        Happening::Compact(through) => raft::Input::Compact { through: *through },
        Happening::Read(id) => raft::Input::Read { id: *id },
        Happening::Propose(commands) => raft::Input::Propose { count: commands.len() as u32 },
        Happening::Arrival(Packet { from, message, .. }) => {
            raft::Input::Message { from: *from, message: *message }
        }
        Happening::Start => raft::Input::Start,
        Happening::Disk(_) | Happening::Crash => return None,
    })
}

proptest! {
    #![proptest_config(cases(500))]

    #[test]
    fn renaming_commutes_with_stepping(
        shape in shape(),
        ops in ops(),
        names in Just((0..5u8).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let names = Names::among(shape.servers, names);
        let mut world = World::new(Paper, shape);
        for op in &ops {
            let Some((node, input)) = world.input(op) else { continue };
            let before = world.group.server(node).replica.clone();
            names.check_replica(&before, &input);
            if let Some(input) = raft_input(&input) {
                names.check_raft(before.raft(), input);
            }
            world.feed(node, &input);
        }
    }

    /// Renaming there and back is the same state.
    #[test]
    fn renaming_back_is_nothing(
        shape in shape(),
        ops in ops(),
        names in Just((0..5u8).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let Names(names) = Names::among(shape.servers, names);
        let back = |node: NodeId| {
            let position = names.iter().position(|name| *name == node.0);
            NodeId(position.expect("a permutation has every name") as u8)
        };
        let mut world = World::new(Paper, shape);
        for op in &ops {
            let Some((node, input)) = world.input(op) else { continue };
            world.feed(node, &input);
            let raft = world.group.server(node).replica.raft();
            let there = raft.renamed(&|node| NodeId(names[usize::from(node.0)]));
            prop_assert_eq!(&there.renamed(&back), raft);
        }
    }
}
