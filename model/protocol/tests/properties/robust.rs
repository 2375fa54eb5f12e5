//! Any reachable state stands any input that its driver may give it, at any time, and any void
//! message: one of an earlier term, or from a stranger. Such a message changes nothing (RAFT-TERM-2).

use super::cases;
use super::random::{World, ops, shape};
use super::support::Tag;
use proptest::prelude::*;
use protocol::log::Entry;
use protocol::raft::{self, Body, Effect, Message, Paper, Timer};
use protocol::replica::{Input, Replica};
use protocol::{LogId, Machine, NodeId, ReadId, SnapshotId};

/// An input that no honest group need produce.
#[derive(Clone, Debug)]
enum Odd {
    Start,
    Timer(Timer),
    Campaign,
    Propose(usize),
    Compact(u64),
    Read(u64),
    Disk(usize),
    /// A message of a term so much earlier, with this number of entries.
    Void {
        from: u8,
        back: u64,
        body: Body,
        entries: usize,
    },
    /// A message of any term from a server that is none of the group.
    Stranger {
        from: u8,
        term: u64,
        body: Body,
        entries: usize,
    },
}

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![4 => 0..12u64, 1 => any::<u64>()]
}

fn log_id() -> impl Strategy<Value = LogId> {
    (number(), number()).prop_map(|(term, index)| LogId { term, index })
}

fn body() -> impl Strategy<Value = Body> {
    let asks = prop_oneof![
        log_id().prop_map(|last| Body::PreVote { last }),
        Just(Body::PreVoteGranted),
        log_id().prop_map(|last| Body::RequestVote { last }),
        Just(Body::VoteGranted),
        Just(Body::Outdated),
    ];
    let replicates = prop_oneof![
        (log_id(), number(), 0..4u32, number()).prop_map(|(prev, run, count, commit)| {
            Body::AppendEntries { prev, run, count, commit }
        }),
        number().prop_map(|matched| Body::Accepted { matched }),
        (number(), log_id()).prop_map(|(prev, hint)| Body::Rejected { prev, hint }),
        (number(), number()).prop_map(|(commit, round)| Body::Heartbeat { commit, round }),
        number().prop_map(|round| Body::Alive { round }),
        (log_id(), number())
            .prop_map(|(last, runs)| Body::InstallSnapshot { id: SnapshotId { last, runs } }),
    ];
    let reads = prop_oneof![
        number().prop_map(|id| Body::ReadIndex { id: ReadId(id) }),
        (number(), number()).prop_map(|(id, index)| Body::ReadGranted { id: ReadId(id), index }),
    ];
    prop_oneof![asks, replicates, reads]
}

fn odd() -> impl Strategy<Value = Odd> {
    let timer = prop::sample::select(vec![
        Timer::Election,
        Timer::Contact,
        Timer::Heartbeat,
        Timer::Quorum,
    ]);
    prop_oneof![
        1 => Just(Odd::Start),
        4 => timer.prop_map(Odd::Timer),
        1 => Just(Odd::Campaign),
        2 => (0..5usize).prop_map(Odd::Propose),
        2 => number().prop_map(Odd::Compact),
        3 => number().prop_map(Odd::Read),
        3 => (0..8usize).prop_map(Odd::Disk),
        12 => (0..8u8, 1..4u64, body(), 0..4usize)
            .prop_map(|(from, back, body, entries)| Odd::Void { from, back, body, entries }),
        4 => (5..=u8::MAX, number(), body(), 0..4usize)
            .prop_map(|(from, term, body, entries)| Odd::Stranger { from, term, body, entries }),
    ]
}

/// A message that changes nothing; at most its sender is told that its term is over.
fn is_void(replica: &mut Replica<Tag>, from: NodeId, message: Message, entries: usize) {
    let before = replica.clone();
    let mut out = Vec::new();
    let entries = vec![Entry::Command(Tag::new("odd")); entries];
    replica.step(Input::Message { from, message, entries: &entries }, &mut out);
    assert_eq!(*replica, before, "a void message changes nothing");
    let answer = Message { term: replica.raft().term(), body: Body::Outdated };
    let honest = |effect: &Effect| *effect == Effect::Send { to: from, message: answer };
    assert!(out.len() <= 1 && out.iter().all(honest), "{out:?}");
}

fn stand(replica: &mut Replica<Tag>, odd: &Odd) {
    let input = match *odd {
        Odd::Start => raft::Input::Start,
        Odd::Timer(timer) => raft::Input::Timer(timer),
        Odd::Campaign => raft::Input::Campaign,
        Odd::Compact(through) => raft::Input::Compact { through },
        Odd::Read(id) => raft::Input::Read { id: ReadId(id) },
        Odd::Propose(count) => {
            let commands = vec![Tag::new("odd"); count];
            return replica.step(Input::Propose(&commands), &mut Vec::new());
        }
        Odd::Disk(count) => {
            let writes = count.min(replica.pending_writes());
            return replica.step(Input::Durable { writes }, &mut Vec::new());
        }
        Odd::Void { from, back, body, entries } => {
            let Some(term) = replica.raft().term().checked_sub(back) else { return };
            return is_void(replica, NodeId(from), Message { term, body }, entries);
        }
        Odd::Stranger { from, term, body, entries } => {
            return is_void(replica, NodeId(from), Message { term, body }, entries);
        }
    };
    replica.step(Input::Raft(input), &mut Vec::new());
}

proptest! {
    #![proptest_config(cases(500))]

    #[test]
    fn any_state_stands_any_input_of_its_driver_and_void_messages(
        shape in shape(),
        ops in ops(),
        odd in prop::collection::vec(odd(), 1..40),
    ) {
        let mut world = World::new(Paper, shape);
        for (position, op) in ops.iter().enumerate() {
            let Some((node, input)) = world.input(op) else { continue };
            world.feed(node, &input);
            if position % 8 == 0 {
                let mut replica = world.group.server(node).replica.clone();
                odd.iter().for_each(|odd| stand(&mut replica, odd));
            }
        }
    }
}
