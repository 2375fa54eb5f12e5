//! What movers and the controller do beside their machines: honest traces are taken, and each lie is found.

use super::town::{Town, busy, propose, step};
use checks::conform::{Network, Summary, replay};
use protocol::kv::SlotId;
use protocol::shardkv::mover::{Effect, Input, Message};
use protocol::shardkv::{Command, GroupId, Step};
use quorate::shardkv::Letter;
use quorate::trace::Moved;

fn judge(town: &Town) -> Result<Summary, String> {
    replay(&[town.folder()], Network::Once).map_err(|refusal| refusal.to_string())
}

/// The traces are refused, and the refusal says so.
#[track_caller]
fn refused(mut town: Town, why: &str) {
    town.flush();
    let refusal = judge(&town).expect_err(why);
    assert!(refusal.contains(why), "`{refusal}` and not `{why}`");
}

/// One group that has joined, with nothing under way.
fn small() -> Town {
    let mut town = Town::new();
    town.join(1);
    town.pass(4);
    town
}

#[test]
fn what_movers_did_is_taken() {
    let town = busy();
    assert_eq!((town.number(1), town.number(2)), (3, 3));
    let summary = judge(&town).unwrap_or_else(|refusal| panic!("{refusal}"));
    println!("{}", checks::conform::text(&summary));
    assert!(summary.letters > 50 && summary.moves > 80, "{summary:?}");
    let lives = |group: usize| summary.groups[group].servers.nodes[0].lives;
    assert_eq!((lives(0), lives(1), lives(2)), (1, 2, 2));
}

#[test]
fn other_effects_of_a_mover_are_found() {
    let mut town = small();
    town.lie = |effects| {
        effects.push(Effect::Report { number: 7 });
    };
    town.tell(1, Input::Tick);
    refused(town, "group 1 on node 0 life 1 step");
    let mut town = small();
    town.lie = |effects| effects.clear();
    town.tell(1, Input::Tick);
    refused(town, "the mover's effects are others");
}

#[test]
fn another_state_of_a_mover_is_found() {
    let mut town = small();
    let other = town.houses[&2].duty.clone();
    let house = town.houses.get_mut(&1).expect("it is there");
    let mut effects = Vec::new();
    house.duty.step(&house.site.machine.service().service.0, Input::Tick, &mut effects);
    house.site.recorder.moved(Moved::Tick);
    house.site.recorder.moves(&other, &effects);
    refused(town, "the mover's state is another");
}

#[test]
fn a_letter_that_nobody_wrote_is_found() {
    let early = Message::Early { slot: SlotId(3), number: 1 };
    let letter = Letter::Move { from: GroupId(2), to: GroupId(1), message: early };
    let mut town = small();
    town.deliver(letter);
    refused(town, "its mover received Move");
    let mut town = small();
    town.deliver(Letter::Noted { to: GroupId(1), number: 0 });
    refused(town, "its mover received Noted");
    let mut town = small();
    town.deliver(Letter::Next { from: GroupId(2), number: 9 });
    refused(town, "the controller on node 0 life 1 step");
}

#[test]
fn a_letter_that_came_too_often_is_found() {
    let mut town = small();
    town.tell(1, Input::Tick);
    let letter = town.letters.pop_front().expect("it asks what follows");
    town.deliver(letter.clone());
    town.flush();
    judge(&town).expect("so far all is right");
    town.deliver(letter);
    refused(town, "which was not sent");
}

/// A group that is told of a configuration, and has not gone there yet.
fn told() -> (Town, u64, Command) {
    let mut town = Town::new();
    town.join(1);
    town.tell(1, Input::Tick);
    let query = town.letters.pop_front().expect("it asks what follows");
    town.deliver(query);
    let Some(Letter::Told { next, .. }) = town.letters.pop_front() else { panic!("it is told") };
    let lie = town.lie;
    let house = town.houses.get_mut(&1).expect("it is there");
    let effects = house.attend(vec![Input::Next(next)], lie);
    let Some(Effect::Propose { proposal, command }) = effects.into_iter().next() else {
        panic!("it proposes to go there");
    };
    (town, proposal, command)
}

#[test]
fn another_outcome_of_a_proposal_is_found() {
    let (mut town, proposal, command) = told();
    let lie = town.lie;
    let house = town.houses.get_mut(&1).expect("it is there");
    let which = (house.duty.term().expect("it leads"), proposal);
    assert_eq!(Some(propose(&mut house.site, which, &command)), step(Step::Done));
    house.attend(vec![Input::Outcome { proposal, answer: step(Step::Over) }], lie);
    refused(town, "is told Some(Over) of proposal 1, which has come to Some(Done)");
    let (mut town, proposal, _) = told();
    let house = town.houses.get_mut(&1).expect("it is there");
    house.attend(vec![Input::Outcome { proposal, answer: step(Step::Done) }], lie);
    refused(town, "which was not submitted");
    let (mut town, proposal, command) = told();
    let house = town.houses.get_mut(&1).expect("it is there");
    propose(&mut house.site, which, &command);
    let outcome = Input::Outcome { proposal, answer: step(Step::Done) };
    house.attend(vec![outcome.clone(), outcome], lie);
    refused(town, "is told of proposal 1, which is none of its own");
}

/// It was turned away before it came to the machine: its mover is told that it was not executed.
#[test]
fn a_proposal_that_was_not_submitted_is_taken() {
    let (mut town, proposal, _) = told();
    let lie = town.lie;
    let house = town.houses.get_mut(&1).expect("it is there");
    house.attend(vec![Input::Outcome { proposal, answer: None }], lie);
    town.pass(3);
    town.flush();
    judge(&town).unwrap_or_else(|refusal| panic!("{refusal}"));
    assert_eq!(town.number(1), 1);
}

#[test]
fn a_proposal_that_no_mover_has_made_is_found() {
    let mut town = small();
    let freeze = Command::Freeze { slot: SlotId(3), number: 1 };
    let house = town.houses.get_mut(&1).expect("it is there");
    let ticket = house.site.next_ticket();
    house.site.submit(ticket, &freeze, false);
    refused(town, "which no mover has proposed");
    let mut town = small();
    let house = town.houses.get_mut(&1).expect("it is there");
    let term = house.duty.term().expect("it leads");
    propose(&mut house.site, (term, 99), &freeze);
    refused(town, "proposal 99 of term 1 is submitted, which no mover has made, or again");
    let (mut town, proposal, _) = told();
    let house = town.houses.get_mut(&1).expect("it is there");
    propose(&mut house.site, (term, proposal), &freeze);
    refused(town, "is another than its mover has made");
    let (mut town, proposal, command) = told();
    let house = town.houses.get_mut(&1).expect("it is there");
    let ticket = house.site.next_ticket();
    house.site.recorder.proposed(ticket, (term, proposal));
    house.site.submit(ticket, &command, true);
    refused(town, "comes from elsewhere, or may go there");
}

#[test]
fn a_mover_that_is_not_there_is_found() {
    let mut town = small();
    let house = town.houses.get_mut(&1).expect("it is there");
    house.site.recorder.moved(Moved::Rests);
    refused(town, "a mover ends whose server leads");
    let mut town = small();
    let house = town.houses.get_mut(&1).expect("it is there");
    let settings = protocol::shardkv::mover::Settings::DEFAULT;
    house.site.recorder.moved(Moved::Leads { term: 2, settings });
    refused(town, "a mover of term 2 begins, and the server leads in Some(1)");
    // Nothing was noted of who leads.
    let mut town = Town::new();
    let house = town.houses.get_mut(&1).expect("it is there");
    house.site.recorder.moved(Moved::Tick);
    refused(town, "a mover is told Tick, and there is none");
}

#[test]
fn what_a_mover_came_to_is_noted() {
    let mut town = small();
    let house = town.houses.get_mut(&1).expect("it is there");
    house.site.recorder.moved(Moved::Tick);
    refused(town, "it is not noted what the step has come to");
    let mut town = small();
    let house = town.houses.get_mut(&1).expect("it is there");
    house.site.recorder.moved(Moved::Tick);
    town.set(1, "a", "b");
    refused(town, "it is not noted what the mover has come to");
    let mut town = small();
    let house = town.houses.get_mut(&1).expect("it is there");
    let duty = house.duty.clone();
    house.site.recorder.moves(&duty, &[]);
    refused(town, "and was told nothing");
}

#[test]
fn others_have_no_movers() {
    let mut town = small();
    town.desk.recorder.moved(Moved::Tick);
    refused(town, "it notes what no server of the controller does");
    let mut town = small();
    let house = town.houses.get_mut(&1).expect("it is there");
    house.site.recorder.letter(Letter::Next { from: GroupId(1), number: 1 }, false);
    refused(town, "it notes what only the controller does");
    let mut world = super::busy();
    world.sites[0].recorder.moved(Moved::Tick);
    world.flush(0);
    super::refused(&world, "it notes what only servers of a sharded cluster do");
}

/// Letters between groups that are not replayed are believed, and nothing else is.
#[test]
fn who_is_not_replayed_is_believed() {
    let mut town = busy();
    std::fs::remove_dir_all(town.folder().join("group-2")).expect("it is there");
    let summary = judge(&town).expect("the others are as they were");
    assert_eq!(summary.groups.len(), 2);
    town.tell(1, Input::Tick);
    let message = Message::Early { slot: SlotId(3), number: 1 };
    town.deliver(Letter::Move { from: GroupId(2), to: GroupId(1), message });
    town.flush();
    judge(&town).expect("nobody can know");
    town.deliver(Letter::Noted { to: GroupId(1), number: 77 });
    refused(town, "its mover received Noted");
}

#[test]
fn a_life_goes_on_where_the_last_one_was() {
    let mut town = busy();
    town.restart(1);
    town.pass(3);
    town.flush();
    let summary = judge(&town).unwrap_or_else(|refusal| panic!("{refusal}"));
    assert_eq!(summary.groups[1].servers.nodes[0].lives, 3);
}
