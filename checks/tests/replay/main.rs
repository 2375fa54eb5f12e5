//! `checks replay DIR…`: honest traces are taken, and each lie is found.

mod format;
mod moved;
mod passed;
mod recorded;
#[cfg(unix)]
mod sharded;
mod strange;
mod town;
mod whole;
mod world;

#[cfg(unix)]
#[path = "../support/program.rs"]
mod program;

use checks::conform::{Network, Summary, replay_by};
use protocol::log::Entry;
use protocol::raft::{self, Body, Message, Paper, Timer};
use protocol::rsm::{Decided, Effect, Input, Outcome, Rules};
use protocol::{NodeId, Write, replica};
use world::{Sum, World};

fn judge<W: Rules>(world: &World<W>, rules: W) -> Result<Summary, String> {
    judge_on(Network::Once, world, rules)
}

fn judge_on<W: Rules>(network: Network, world: &World<W>, rules: W) -> Result<Summary, String> {
    let replayed = replay_by(&world.folders(), &Sum(0), (Paper, rules), network);
    replayed.map_err(|refusal| refusal.to_string())
}

fn summary(world: &World<Decided>) -> Summary {
    judge(world, Decided).expect("an honest trace")
}

/// The trace is refused, and the refusal says so.
#[track_caller]
fn refused(world: &World<Decided>, why: &str) {
    let refusal = judge(world, Decided).expect_err(why);
    assert!(refusal.contains(why), "`{refusal}` and not `{why}`");
}

/// Three servers that have done something.
fn busy() -> World<Decided> {
    let mut world = World::new(Decided);
    for more in 1..=5 {
        world.submit(0, more);
        world.settle();
    }
    world.read(0);
    world.settle();
    world.beat();
    world.read(1);
    world.settle();
    world
}

#[test]
fn what_happened_is_taken() {
    let world = busy();
    let summary = summary(&world);
    assert_eq!(summary.nodes.len(), 3);
    assert_eq!(summary.entries, 6, "the no-op and five commands");
    assert_eq!(summary.reads, 2);
    assert!(summary.messages > 10, "{summary:?}");
    let done = |ticket| move |told: &&(u64, Outcome<u64>)| told.0 == ticket;
    let said = world.sites[1].told.iter().find(done(7)).expect("it was answered");
    assert_eq!(said.1, Outcome::Done(15));
}

#[test]
fn crashes_and_snapshots_are_taken() {
    let mut world = busy();
    // Two writes under way, of which one reaches the disk.
    world.submit(0, 6);
    world.submit(0, 7);
    assert_eq!(world.sites[0].pending.len(), 2);
    world.net.clear();
    world.restart(0, 1);
    // The third may grant a pre-vote again.
    world.raft(2, raft::Input::Timer(Timer::Contact));
    world.elect(1);
    world.compact(1);
    // It has lost all, and gets the snapshot.
    world.submit(1, 8);
    world.settle();
    let read = world.read(2);
    world.settle();
    assert!(world.sites[2].told.iter().any(|(ticket, _)| *ticket == read));
    let summary = summary(&world);
    assert_eq!(summary.nodes[0].lives, 2);
    assert_eq!(summary.nodes[1].snapshots, 1);
}

/// Three servers of which the third has got a snapshot from the first.
fn one_has_got_a_snapshot() -> World<Decided> {
    let mut world = World::new(Decided);
    let late = NodeId(2);
    for more in 1..=20 {
        world.submit(0, more);
        // Nothing reaches the third.
        for _ in 0..20 {
            world.net.retain(|(_, to, ..)| *to != late);
            (0..3).for_each(|node| world.finish(node));
            let Some(letter) = world.net.pop_front() else { continue };
            world.deliver(&letter);
        }
    }
    world.net.clear();
    world.compact(0);
    world.beat();
    world.beat();
    world.beat();
    let site = &world.sites[2];
    assert!(site.machine.replica().raft().terms().base().index > 0, "it got the snapshot");
    world
}

#[test]
fn a_snapshot_that_is_sent_is_taken() {
    let mut world = one_has_got_a_snapshot();
    world.restart(2, 0);
    world.beat();
    assert_eq!(summary(&world).nodes[2].lives, 2);
}

/// It was let in while it was of use, and comes up when all have gone on without it.
#[test]
fn a_snapshot_that_comes_too_late_is_taken() {
    let mut world = one_has_got_a_snapshot();
    let (id, state) = (world.sites[2].disk.snapshot(), world.sites[0].saved.clone());
    world.submit(0, 21);
    world.settle();
    world.beat();
    (0..3).for_each(|node| world.compact(node));
    world.beat();
    let (from, message) = (NodeId(0), Message { term: 1, body: Body::InstallSnapshot { id } });
    let state = state.expect("the first has taken one");
    world.step(2, Input::Install { from, message, state: &state });
    world.flush(2);
    let replayed = judge_on(Network::Copies, &world, Decided).expect("a copy of the first");
    assert_eq!(replayed.copies, 1);
    refused(&world, "which did not send it");
}

#[test]
fn other_effects_are_found() {
    let mut world = busy();
    let beat = Input::Replica(replica::Input::Raft(raft::Input::Timer(Timer::Heartbeat)));
    world.step_by(0, beat, |effects| {
        effects.pop();
    });
    refused(&world, "the effects are others");
}

#[test]
fn another_answer_is_found() {
    let mut world = World::new(Decided);
    world.submit(0, 3);
    world.finish(0);
    let letter = world.net.iter().position(|(from, to, message, _)| {
        matches!(message.body, Body::AppendEntries { count: 1, .. }) && from.0 == 0 && to.0 == 1
    });
    let letter = world.net.remove(letter.expect("it was sent")).expect("it is there");
    world.deliver(&letter);
    world.finish(1);
    let (from, _, message, _) = world.net.pop_back().expect("it was accepted");
    let input = replica::Input::Message { from, message, entries: &[] };
    world.step_by(0, Input::Replica(input), |effects| {
        let told = effects.iter_mut().find_map(|effect| match effect {
            Effect::Tell { outcome, .. } => Some(outcome),
            _ => None,
        });
        *told.expect("somebody is told") = Outcome::Done(4);
    });
    refused(&world, "the effects are others");
}

#[test]
fn another_state_is_found() {
    let mut world = busy();
    let site = &mut world.sites[0];
    site.recorder.input::<Sum>(&Input::Clock { now: 5 }, |_| None);
    // The step was not taken.
    site.recorder.done(&site.machine, &[]).expect("a trace");
    site.recorder.end_batch(&site.machine).expect("a trace");
    refused(&world, "the protocol's state is another");
}

#[test]
fn another_store_is_found() {
    let mut world = busy();
    let mut other = World::new(Decided);
    for more in [1, 2, 3, 4, 6] {
        other.submit(0, more);
        other.settle();
    }
    // As much is applied, and something else.
    world.step(0, Input::Clock { now: 5 });
    world.sites[0].recorder.end_batch(&other.sites[0].machine).expect("a trace");
    refused(&world, "the store is another");
}

#[test]
fn a_snapshot_of_something_else_is_found() {
    let mut world = busy();
    let site = &mut world.sites[1];
    let id = site.machine.replica().raft().terms().snapshot_at(6).expect("it is there");
    site.recorder.copied(id);
    site.recorder.snapshot(id, 77);
    site.recorder.end_batch(&site.machine).expect("a trace");
    refused(&world, "of the state it would be");
    let mut world = busy();
    world.raft(1, raft::Input::Compact { through: 6 });
    refused(&world, "has no snapshot of that");
}

#[test]
fn a_message_that_nobody_sent_is_found() {
    let mut world = busy();
    let message = Message { term: 1, body: Body::Heartbeat { commit: 6, round: 9 } };
    world.deliver(&(NodeId(0), NodeId(1), message, Vec::new()));
    refused(&world, "which did not send it");
}

#[test]
fn a_message_that_came_twice_is_found() {
    let mut world = busy();
    world.raft(0, raft::Input::Timer(Timer::Heartbeat));
    let letter = world.net[0].clone();
    world.settle();
    world.deliver(&letter);
    refused(&world, "which did not send it");
}

/// Where the network copies it may come; and what nobody sent may not.
#[test]
fn a_message_that_the_network_copied_is_taken() {
    let mut world = busy();
    world.raft(0, raft::Input::Timer(Timer::Heartbeat));
    let letter = world.net[0].clone();
    world.settle();
    assert_eq!(summary(&world).copies, 0);
    world.deliver(&letter);
    world.flush(1);
    refused(&world, "which did not send it");
    let replayed = judge_on(Network::Copies, &world, Decided).expect("one of them is a copy");
    assert_eq!(replayed.copies, 1);
    let (from, to, mut message, entries) = letter;
    message.term += 1;
    world.deliver(&(from, to, message, entries));
    world.flush(1);
    let refusal = judge_on(Network::Copies, &world, Decided).expect_err("nobody sent that");
    assert!(refusal.contains("of term 2 from node 0, which did not send it"), "{refusal}");
}

#[test]
fn another_entry_in_a_message_is_found() {
    let mut world = World::new(Decided);
    world.submit(0, 3);
    let (from, to, message, _) = world.net.pop_front().expect("it was sent");
    let other = quorate::rsm::stamped(1, &quorate::rsm::encode(&4u64).expect("a number"));
    world.deliver(&(from, to, message, vec![Entry::Command(other)]));
    refused(&world, "is not the one that was written");
}

#[test]
fn a_batch_in_parts_is_taken() {
    let mut world = World::new(Decided);
    let commands = |from: u64| {
        let command = |more: u64| {
            let bytes = quorate::rsm::encode(&more).expect("a number");
            let caller = protocol::rsm::Caller { ticket: more, passes: false };
            (caller, quorate::rsm::stamped(1, &bytes))
        };
        (from..from + 4).map(command).collect::<Vec<_>>()
    };
    world.step(0, Input::Submit(commands(1)));
    let (from, to, message, entries) = world.net.pop_front().expect("it was sent");
    let (first, rest) = message.split(1).expect("there are four");
    let (second, third) = rest.split(2).expect("there are three");
    // The second is lost.
    let _ = second;
    world.deliver(&(from, to, first, entries[..1].to_vec()));
    world.deliver(&(from, to, third, entries[3..].to_vec()));
    world.settle();
    summary(&world);
}

#[test]
fn a_write_that_was_not_queued_is_found() {
    let mut world = busy();
    let site = &mut world.sites[2];
    let input = Input::Replica(replica::Input::Durable { writes: 1 });
    site.recorder.input::<Sum>(&input, |_| None);
    site.recorder.done(&site.machine, &[]).expect("a trace");
    site.recorder.end_batch(&site.machine).expect("a trace");
    refused(&world, "1 writes were reported durable, and 0 were queued");
}

#[test]
fn a_restart_from_what_was_not_durable_is_found() {
    // It has forgotten its last write.
    let mut world = busy();
    world.restart_by(1, 0, |parts| {
        let last = parts.disk.log.last();
        let write = Write::Append { first: last, term: 1, count: 0 };
        parts.disk.apply(&write, std::iter::empty());
    });
    refused(&world, "it starts from what was not durable");
    // Its vote is another.
    let mut world = busy();
    world.restart_by(1, 0, |parts| parts.disk.hard.vote = None);
    refused(&world, "it starts from what was not durable");
    // One of its commands is another.
    let mut world = busy();
    world.restart_by(1, 0, |parts| {
        let last = parts.disk.log.last();
        let other = quorate::rsm::stamped(1, &quorate::rsm::encode(&9u64).expect("a number"));
        let write = Write::Append { first: last, term: 1, count: 1 };
        parts.disk.apply(&write, std::iter::once(Entry::Command(other)));
    });
    refused(&world, "it starts from what was not durable");
    // A later write has reached the disk, and the one in front of it has not.
    let mut world = busy();
    world.submit(0, 6);
    world.submit(0, 7);
    world.sites[0].pending.pop_front();
    let (write, entries) = world.sites[0].pending.pop_front().expect("two were queued");
    let Write::Append { first, term, count } = write else { panic!("it is an append") };
    let write = Write::Append { first: first - 1, term, count };
    world.sites[0].pending.push_back((write, entries));
    world.restart(0, 1);
    refused(&world, "it starts from what was not durable");
}

/// It is killed when it has said from what it starts, and no step of it is in the trace: what it said is judged.
#[test]
fn a_life_without_a_step_is_taken_and_judged() {
    for last in [false, true] {
        let mut world = busy();
        world.compact(0);
        world.restart(0, 0);
        if !last {
            world.restart(0, 0);
            world.beat();
        }
        assert_eq!(summary(&world).nodes[0].lives, if last { 2 } else { 3 });
        let mut world = busy();
        world.compact(0);
        world.restart_saying(0, &|boot, _, _| boot.sum = boot.sum.map(|sum| sum ^ 1));
        if !last {
            world.restart(0, 0);
        }
        refused(&world, "is not of the state that was copied for it");
    }
}

#[test]
fn a_restart_with_old_read_numbers_is_found() {
    let mut world = busy();
    world.restart_by(1, 0, |parts| parts.first_read = 0);
    refused(&world, "an earlier life has come to");
}

#[test]
fn a_restart_from_another_snapshot_is_found() {
    let mut world = busy();
    world.compact(0);
    world.restart_by(0, 0, |parts| {
        let state = parts.saved.as_mut().expect("there is a snapshot");
        state.service = Sum(16);
    });
    world.flush(0);
    refused(&world, "is not of the state that was copied for it");
}

#[test]
fn a_timer_that_was_not_armed_is_found() {
    let mut world = busy();
    world.raft(1, raft::Input::Timer(Timer::Quorum));
    world.flush(1);
    refused(&world, "the timer Quorum fired, which was not armed");
}

/// Answers reads without a word to anybody.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct AtOnce;

impl Rules for AtOnce {
    fn answers_at_once(&self, _: bool) -> bool {
        true
    }
}

/// Recorded and replayed by the same wrong rules, every step is as it was; but the read came behind a commit that its
/// answer does not know of.
#[test]
fn a_read_outside_its_window_is_found() {
    let mut world = World::new(AtOnce);
    world.submit(0, 3);
    // The third hears nothing of it.
    for _ in 0..20 {
        world.net.retain(|(_, to, ..)| to.0 != 2);
        (0..3).for_each(|node| world.finish(node));
        let Some(letter) = world.net.pop_front() else { continue };
        world.deliver(&letter);
    }
    world.read(2);
    assert_eq!(world.sites[2].told.last().map(|told| told.1), Some(Outcome::Done(0)));
    let refusal = judge(&world, AtOnce).expect_err("the read is stale");
    assert!(refusal.contains("node 2 life 1"), "{refusal}");
    assert!(refusal.contains("answered outside its window"), "{refusal}");
}

#[test]
fn folders_that_do_not_belong_together() {
    let world = busy();
    let folders = world.folders();
    let judge = |folders: &[std::path::PathBuf]| {
        let judged = replay_by(folders, &Sum(0), (Paper, Decided), Network::Once);
        judged.map_err(|refusal| refusal.to_string())
    };
    let twice = judge(&[folders[0].clone(), folders[0].clone()]).expect_err("twice");
    assert!(twice.contains("are both of node 0"), "{twice}");
    let none = judge(&[]).expect_err("none");
    assert!(none.contains("name at least one folder"), "{none}");
    let alone = judge(&folders[..1]).expect("what others sent is believed");
    assert_eq!((alone.absent, alone.messages), (vec![1, 2], 0));
}
