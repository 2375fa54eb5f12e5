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
use protocol::shardkv::mover::{Input, Settings};
use protocol::shardkv::{self, Configuration, Group, InOrder};

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
            pair.input(index, Input::Configuration(configuration.clone()));
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
