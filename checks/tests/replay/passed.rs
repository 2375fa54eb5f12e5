//! Commands that are passed on, and their answers: none comes that was not given, and none twice.

use super::world::World;
use super::{judge, refused, summary};
use checks::conform::{Network, replay_by};
use protocol::NodeId;
use protocol::raft;
use protocol::rsm::{Decided, Outcome};

/// A command that the second has passed on, and the first has executed; its answer is under way.
fn under_way() -> World<Decided> {
    let mut world = World::new(Decided);
    world.pass_on(1, 5);
    let call = world.calls.pop_front().expect("it was passed on");
    world.call(&call);
    world.settle();
    assert_eq!(world.answers.len(), 1, "it is done");
    world
}

#[test]
fn what_was_passed_on_is_taken() {
    let mut world = under_way();
    let answer = world.answers.pop_front().expect("it is under way");
    let ticket = answer.2;
    world.answer(&answer);
    assert_eq!(world.sites[1].told, [(ticket, Outcome::Done(5))]);
    assert_eq!(summary(&world).passed, 2, "the command and its answer");
}

#[test]
fn an_answer_that_nobody_gave_is_found() {
    let mut world = World::new(Decided);
    let ticket = world.pass_on(1, 5);
    world.answer(&(NodeId(0), NodeId(1), ticket, Outcome::Done(5)));
    world.flush(1);
    refused(&world, "it received an answer to 1 from node 0, which did not give it");
}

#[test]
fn an_answer_of_somebody_else_is_found() {
    let mut world = under_way();
    let (_, to, ticket, outcome) = world.answers[0];
    world.answer(&(NodeId(2), to, ticket, outcome));
    world.flush(1);
    refused(&world, "it received an answer to 1 from node 2, which did not give it");
}

#[test]
fn an_answer_to_another_ticket_is_found() {
    let mut world = under_way();
    let other = world.pass_on(1, 6);
    let (from, to, ticket, outcome) = world.answers[0];
    assert_ne!(ticket, other);
    world.answer(&(from, to, other, outcome));
    world.flush(1);
    refused(
        &world,
        &format!("it received an answer to {other} from node 0, which did not give it"),
    );
}

#[test]
fn another_answer_than_was_given_is_found() {
    let mut world = under_way();
    let (from, to, ticket, _) = world.answers[0];
    world.answer(&(from, to, ticket, Outcome::Done(6)));
    world.flush(1);
    refused(&world, "which did not give it");
}

#[test]
fn an_answer_that_came_twice_is_found() {
    let mut world = under_way();
    let answer = world.answers[0];
    world.answer(&answer);
    world.answer(&answer);
    world.flush(1);
    refused(&world, "which did not give it");
}

/// An answer that is too long for a frame is replaced by one that says nothing, once.
#[test]
fn an_answer_that_says_nothing_stands_for_one_that_was_given() {
    let mut world = under_way();
    let (from, to, ticket, _) = world.answers[0];
    world.answer(&(from, to, ticket, Outcome::Unknown));
    world.flush(1);
    assert_eq!(summary(&world).passed, 2);
    world.answer(&(from, to, ticket, Outcome::Unknown));
    world.flush(1);
    refused(&world, "which did not give it");
}

#[test]
fn a_command_that_nobody_passed_on_is_found() {
    let mut world = World::new(Decided);
    world.pass_on(1, 5);
    let (_, to, ticket, command) = world.calls.pop_front().expect("it was passed on");
    // By another, under another ticket, or another command.
    let other = quorate::rsm::stamped(1, &quorate::rsm::encode(&6u64).expect("a number"));
    let lies = [
        (NodeId(2), to, ticket, command.clone()),
        (NodeId(1), to, ticket + 1, command),
        (NodeId(1), to, ticket, other),
    ];
    for lie in lies {
        let mut world = World::new(Decided);
        world.pass_on(1, 5);
        world.call(&lie);
        world.settle();
        let refusal = judge(&world, Decided).expect_err("nobody passed it on");
        let from = format!("it received a command under {} from node {}", lie.2, lie.0.0);
        assert!(refusal.contains("node 0 life 1 step"), "{refusal}");
        assert!(refusal.contains(&(from + ", which did not pass it on")), "{refusal}");
    }
}

#[test]
fn a_command_that_came_twice_is_found() {
    let mut world = World::new(Decided);
    world.pass_on(1, 5);
    let call = world.calls.pop_front().expect("it was passed on");
    world.call(&call);
    world.settle();
    world.call(&call);
    world.settle();
    refused(&world, "which did not pass it on");
}

/// Commands of two servers that come at once: whoever of them is replayed last.
#[test]
fn commands_that_come_together_are_taken() {
    for turned in [false, true] {
        let mut world = World::new(Decided);
        world.pass_on(1, 5);
        world.pass_on(2, 6);
        let mut calls: Vec<_> = world.calls.drain(..).collect();
        assert_eq!(calls.len(), 2, "both were passed on");
        if turned {
            calls.reverse();
        }
        world.call_together(&calls);
        world.settle();
        assert_eq!(summary(&world).passed, 2);
    }
}

/// A call that was no command, or came when the server was busy, is refused before it comes to the machine; its answer
/// was given all the same.
#[test]
fn a_call_that_was_turned_away_is_answered() {
    for (busy, outcome) in [(true, Outcome::Busy), (false, Outcome::NotExecuted { leader: None })] {
        let mut world = World::new(Decided);
        let ticket = world.pass_on(1, 5);
        world.turn_away(0, (NodeId(1), ticket), busy);
        world.answer(&(NodeId(0), NodeId(1), ticket, outcome));
        world.flush(1);
        assert_eq!(summary(&world).passed, 1);
        world.answer(&(NodeId(0), NodeId(1), ticket, outcome));
        world.flush(1);
        refused(&world, "which did not give it");
    }
}

/// Who is told that nothing was done may ask again.
#[test]
fn a_call_that_was_turned_away_and_executed_all_the_same_is_found() {
    let mut world = World::new(Decided);
    let ticket = world.pass_on(1, 5);
    let call = world.calls.pop_front().expect("it was passed on");
    world.turn_away(0, (NodeId(1), ticket), true);
    world.call(&call);
    world.settle();
    refused(&world, "it received a command under 1 from node 1, which did not pass it on");
}

#[test]
fn a_call_that_was_turned_away_and_never_passed_on_is_found() {
    let mut world = World::new(Decided);
    let ticket = world.pass_on(1, 5);
    world.turn_away(0, (NodeId(1), ticket + 1), true);
    refused(&world, "it refused a command under 2 from node 1, which did not pass it on");
}

/// Two nodes that each think to lead, by the votes of one whose trace is not here: what that one says is believed, and
/// so all that is left to be found is that they have committed different entries.
#[test]
fn different_entries_at_one_index_are_found() {
    use protocol::raft::{Body, Message};
    let mut world = World::idle(Decided);
    let absent = NodeId(2);
    for (node, term) in [(0, 1), (1, 2)] {
        let me = NodeId(node as u8);
        let said = |world: &mut World<Decided>, term, body| {
            world.deliver(&(absent, me, Message { term, body }, Vec::new()));
            world.finish(node);
            world.net.clear();
        };
        if node == 1 {
            said(&mut world, 1, Body::Heartbeat { commit: 0, round: 0 });
        }
        world.raft(node, raft::Input::Campaign);
        world.finish(node);
        said(&mut world, term, Body::VoteGranted);
        world.submit(node, 10 + node as u64);
        world.finish(node);
        said(&mut world, term, Body::Accepted { matched: 2 });
        assert_eq!(world.sites[node].machine.applied(), 2, "node {node} has committed it");
        world.flush(node);
    }
    let folders = &world.folders()[..2];
    let judged = replay_by(folders, &super::Sum(0), (raft::Paper, Decided), Network::Once);
    let refusal = judged.expect_err("they differ").to_string();
    assert!(refusal.starts_with("node 1 life 1 step "), "{refusal}");
    let said = "it commits 2.1 at index 1, and node 0 committed 1.1 there";
    assert!(refusal.ends_with(said), "{refusal}");
    // Each by itself is what a server may do that is lied to.
    for folder in folders {
        let alone = std::slice::from_ref(folder);
        replay_by(alone, &super::Sum(0), (raft::Paper, Decided), Network::Once).expect("honest");
    }
}
