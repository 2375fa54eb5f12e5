//! Groups that walk the configurations of a controller, as it makes them.

use super::clients::slot;
use super::random::Random;
use super::steps::Pair;
use super::world::LIMITS;
use protocol::kv::{Bytes, ClientId, Exact, SlotId, Store};
use protocol::rsm::StateMachine as _;
use protocol::shardctl::{
    self, Change, Command, Config, Controller, GroupId, Reply, RequestId, SlotRange,
};
use protocol::shardkv::mover::{Effect, Input, Mover, Settings};
use protocol::shardkv::{
    self, Answer, Beginning, Command as Entry, Configuration, Group, InOrder, Next, Step,
};

fn change(controller: &mut Controller, seq: u64, change: Change) -> Option<Config> {
    let request = RequestId { client: ClientId(1), seq };
    match controller.apply(&Command::Change { request, based: None, change }) {
        Reply::Changed { .. } => Some(controller.latest().clone()),
        Reply::Refused(_) => None,
        other => panic!("{other:?}"),
    }
}

fn join(id: u64) -> Change {
    Change::Join(vec![(GroupId(id), vec![Bytes::from(format!("n{id}").as_str())])])
}

fn any_change(random: &mut Random, slots: u64) -> Change {
    let group = 1 + random.below(5);
    match random.below(4) {
        0 => join(group),
        1 => Change::Leave(vec![GroupId(group)]),
        2 => Change::Rebalance,
        _ => {
            let first = random.below(slots) as u16;
            let last = first + random.below(slots - u64::from(first)) as u16;
            Change::Move { slots: vec![SlotRange { first, last }], to: GroupId(group) }
        }
    }
}

/// What `between` says, made of the owners of all slots one by one.
fn one_by_one(before: &Config, after: &Config, slots: u16) -> Vec<shardkv::Change> {
    let of = |slot: u16| {
        let (from, to) = (before.slots.owner(slot), after.slots.owner(slot)?);
        (from != Some(to)).then_some(shardkv::Change { slot: SlotId(slot), from, to })
    };
    (0..slots).filter_map(of).collect()
}

#[test]
fn what_a_configuration_changes_is_what_differs() {
    let mut changed = 0;
    for seed in 0..200 {
        let mut random = Random::new(seed);
        let slots = 1 + random.below(40) as u16;
        let limits = shardctl::Limits { slots, ..shardctl::Limits::DEFAULT };
        let mut controller = Controller::new(shardctl::Exact, limits);
        let mut before = controller.latest().clone();
        for seq in 0..30 {
            let wanted = any_change(&mut random, slots.into());
            let Some(after) = change(&mut controller, seq, wanted) else { continue };
            let found = Configuration::between(&before, &after);
            assert_eq!(found.number, after.number);
            assert_eq!(found.changes, one_by_one(&before, &after, slots), "seed {seed}");
            assert_eq!(found.changes.len(), before.slots.moved(&after.slots));
            changed += found.changes.len();
            before = after;
        }
    }
    assert!(changed > 5_000, "{changed}");
}

/// Two groups come, slots move by hand, one group goes: at each configuration every slot is served by whose it is.
#[test]
fn groups_follow_the_controller() {
    let mut controller = Controller::new(shardctl::Exact, shardctl::Limits::DEFAULT);
    let group = |id| Group::new(InOrder, GroupId(id), 0, [], Store::new(Exact, LIMITS));
    let mut pair = Pair::new([group(1), group(2)], Settings::DEFAULT);
    let there = SlotRange { first: slot(0).0, last: slot(0).0 };
    let moved = Change::Move { slots: vec![there], to: GroupId(1) };
    let changes = [join(1), join(2), Change::Rebalance, moved, Change::Leave(vec![GroupId(1)])];
    let mut before = controller.latest().clone();
    for (seq, wanted) in changes.into_iter().enumerate() {
        let Some(after) = change(&mut controller, seq as u64, wanted) else { continue };
        let configuration = Configuration::between(&before, &after);
        for index in 0..2 {
            pair.input(index, Input::Next(Next::Configuration(configuration.clone())));
        }
        // A few slots go at a time.
        let on_its_way = |pair: &Pair| pair.groups.iter().any(|group| !group.moves().is_empty());
        while on_its_way(&pair) {
            pair.tick();
        }
        for group in &pair.groups {
            assert_eq!((group.number(), group.finished()), (after.number, after.number));
            let is_its = |slot| after.slots.owner(slot) == Some(group.gid());
            let all = 0..after.slots.count();
            let wrong = all.filter(|slot| group.serves(SlotId(*slot)).is_ok() != is_its(*slot));
            assert_eq!(wrong.count(), 0, "{:?} at {}", group.gid(), after.number);
        }
        before = after;
    }
    assert_eq!(before.number, 4, "nothing was there to be evened out");
}

/// CTL-FINISH-2: a group that has left walks no farther than that, whatever is changed while it gives its slots away.
#[test]
fn a_group_that_has_left_is_told_of_nothing_behind_it() {
    let mut controller = Controller::new(shardctl::Exact, shardctl::Limits::DEFAULT);
    let leave = Change::Leave(vec![GroupId(1)]);
    for (seq, wanted) in [join(1), join(2), leave, join(3)].into_iter().enumerate() {
        assert!(change(&mut controller, seq as u64, wanted).is_some(), "{seq}");
    }
    let next = |group, number| Next::of(&controller, GroupId(group), number);
    assert!(matches!(next(1, 2), Some(Next::Configuration(it)) if it.number == 3));
    assert_eq!(next(1, 3), None, "it left in 3");
    assert!(matches!(next(2, 3), Some(Next::Configuration(it)) if it.number == 4));
    let noted = controller.apply(&Command::Finished { group: GroupId(1), number: 3 });
    assert_eq!(noted, Reply::Noted { finished: 3 });
    assert!(!controller.standings().contains_key(&GroupId(1)), "it is forgotten");
}

/// SHARD-BEGIN-1: who comes when configurations were dropped already begins in front of the one by which it comes.
#[test]
fn a_group_that_comes_late_begins_in_front_of_its_configuration() {
    let limits = shardctl::Limits { kept: 0, ..shardctl::Limits::DEFAULT };
    let mut controller = Controller::new(shardctl::Exact, limits);
    let leave = Change::Leave(vec![GroupId(3)]);
    for (seq, wanted) in [join(1), join(3), leave, join(2)].into_iter().enumerate() {
        assert!(change(&mut controller, seq as u64, wanted).is_some(), "{seq}");
        let latest = controller.latest().number;
        for (group, standing) in controller.standings().clone() {
            let number = standing.left.unwrap_or(latest);
            // The one that has just come is nowhere yet.
            if group != GroupId(2) {
                controller.apply(&Command::Finished { group, number });
            }
        }
    }
    assert_eq!(controller.configs()[0].number, 3, "what nobody needs was dropped");
    let next = |number| Next::of(&controller, GroupId(2), number);
    let all = SlotRange { first: 0, last: limits.slots - 1 };
    let beginning = Beginning { number: 3, owners: vec![(all, GroupId(1))] };
    assert_eq!(next(0), Some(Next::Begin(beginning.clone())));
    assert_eq!(next(4), None, "there is no more yet");
    assert_eq!(Next::of(&controller, GroupId(9), 0), None, "nobody knows it");

    let mut group = Group::new(InOrder, GroupId(2), 0, [], Store::new(Exact, LIMITS));
    let mut mover = Mover::new(InOrder, Settings::DEFAULT, 1, 0);
    let mut out = Vec::new();
    let mut told = |group: &Group, next| {
        out.clear();
        mover.step(group, Input::Next(next), &mut out);
        out.clone()
    };
    let command = Entry::Begin(beginning.clone());
    let proposes = |proposal| vec![Effect::Propose { proposal, command: command.clone() }];
    assert_eq!(told(&group, Next::Begin(beginning.clone())), proposes(1));
    assert_eq!(told(&group, Next::Begin(beginning.clone())), [], "it is under way");
    assert_eq!(group.apply(1, &command), Answer::Step(Step::Done));
    assert_eq!(group.apply(1, &command), Answer::Step(Step::Over));
    assert_eq!(told(&group, Next::Begin(beginning.clone())), []);
    assert_eq!((group.number(), group.owner(slot(0))), (3, Some(GroupId(1))));
    let Some(Next::Configuration(configuration)) = next(3) else { panic!("{controller:?}") };
    assert_eq!(configuration.changes.len(), usize::from(limits.slots) / 2);
    let called_off = Default::default();
    assert_eq!(group.may_advance(&configuration, &called_off), Step::Done);
    group.apply(1, &Entry::Advance { configuration, called_off });

    // Who has something, or would have, does not begin: that would be lost.
    let later = Entry::Begin(Beginning { number: 9, ..beginning });
    assert_eq!(group.apply(1, &later), Answer::Step(Step::NotNext));
    let mut other = Group::new(InOrder, GroupId(1), 0, [], Store::new(Exact, LIMITS));
    assert_eq!(other.apply(1, &later), Answer::Step(Step::NotNext));
    assert_eq!((group.number(), other.number()), (4, 0));
}
