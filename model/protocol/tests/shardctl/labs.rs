//! Lab 4A of 2021 (2024: lab 5, first part), at the machine: the scenarios by the names of the tests there. What they
//! need servers for, that a killed server comes back with all configurations, is in `snapshot.rs` and the models.

use super::*;
use protocol::kv::SLOTS;

/// TestBasic, "Basic leave/join". The last group cannot leave here (CTL-LAST-1); there it can, and nobody has a slot.
#[test]
fn basic_leave_join() {
    let mut desk = Desk::new(TEN);
    assert_eq!(flat(&desk.latest().slots), [0; 10]);
    is_balanced(&desk.changed(join(&[1])), &[1]);
    is_balanced(&desk.changed(join(&[2])), &[1, 2]);
    for id in [1, 2] {
        assert_eq!(desk.latest().groups[&GroupId(id)], nodes(id), "in the order given");
    }
    is_balanced(&desk.changed(leave(&[1])), &[2]);
    assert_eq!(desk.refused(leave(&[2])), Refusal::LastGroup);
}

/// TestBasic, "Historical queries".
#[test]
fn historical_queries() {
    let limits = Limits { kept: 10, ..TEN };
    let mut desk = Desk::new(limits);
    let changes = [join(&[1]), join(&[2]), move_to(9, 9, 1), leave(&[1]), join(&[3])];
    let mut stored = vec![desk.latest().clone()];
    stored.extend(changes.map(|change| desk.changed(change)));
    for id in 2..=3 {
        desk.finish(id, 5);
    }
    for config in &stored {
        assert_eq!(desk.query(Some(config.number)), Reply::Config(config.clone()));
    }
    let latest = Reply::Config(stored[5].clone());
    assert_eq!(desk.query(None), latest, "-1 is the latest");
    assert_eq!(desk.query(Some(1000)), latest, "and so is one that is too large");
}

/// TestBasic, "Move". CTL-MOVE-1: what a Move has done lasts until the next change that balances.
#[test]
fn moves() {
    let mut desk = Desk::with(TEN, &[503]);
    desk.changed(join(&[504]));
    for slot in 0..10 {
        let to = if slot < 5 { 503 } else { 504 };
        let before = desk.latest().clone();
        match before.slots.owner(slot) == Some(GroupId(to)) {
            true => assert_eq!(desk.refused(move_to(slot, slot, to)), Refusal::NoChange),
            false => {
                assert_eq!(desk.changed(move_to(slot, slot, to)).slots.moved(&before.slots), 1)
            }
        }
    }
    let placed = [[503; 5], [504; 5]].concat();
    assert_eq!(flat(&desk.latest().slots), placed);
    assert_eq!(flat(&desk.changed(move_to(0, 9, 504)).slots), [504; 10], "however uneven");
    is_balanced(&desk.changed(join(&[505])), &[503, 504, 505]);
}

/// TestBasic, "Concurrent leave/join": ten administrators, each based on what it has seen last.
#[test]
fn concurrent_leave_join() {
    let mut desk = Desk::new(TEN);
    let ids: Vec<u64> = (0..10).map(|client| 100 + client * 10).collect();
    let mut todo: Vec<Vec<Change>> =
        ids.iter().map(|&id| vec![leave(&[id + 1000]), join(&[id]), join(&[id + 1000])]).collect();
    let mut rounds = 0;
    while todo.iter().any(|changes| !changes.is_empty()) {
        // All read before any of them asks: one wins a round, and the others are stale.
        let based = desk.latest().number;
        let mut won = 0;
        let turn = rounds % todo.len();
        for client in (turn..todo.len()).chain(0..turn) {
            let Some(change) = todo[client].last().cloned() else { continue };
            match desk.ask(Some(based), change) {
                Reply::Changed { number } => {
                    assert_eq!(number, based + 1);
                    todo[client].pop();
                    won += 1;
                }
                reply => assert_eq!(reply, Reply::Stale { latest: based + 1 }),
            }
        }
        assert_eq!(won, 1);
        rounds += 1;
    }
    assert_eq!(desk.latest().number, 30);
    is_balanced(desk.latest(), &ids);
}

/// No slot has moved from a group that stays to another that was there before.
fn only_to(before: &Config, after: &Config, new: &[u64]) {
    for (one, two) in flat(&before.slots).into_iter().zip(flat(&after.slots)) {
        let stays = after.groups.contains_key(&GroupId(one));
        assert!(one == two || !stays || new.contains(&two), "{before:?} {after:?}");
    }
}

/// TestBasic, "Minimal transfers after joins" and "… after leaves", which look at the wrong ids in the labs.
#[test]
fn minimal_transfers() {
    let mut desk = Desk::with(TEN, &[100, 110, 120, 130, 140, 150, 160, 170, 180, 190]);
    for id in 11..=15 {
        let before = desk.latest().clone();
        only_to(&before, &desk.changed(join(&[id])), &[id]);
    }
    for id in 11..=15 {
        let before = desk.latest().clone();
        let after = desk.changed(leave(&[id]));
        let gone = counts(&before)[&id];
        assert_eq!(after.slots.moved(&before.slots), gone, "only what it had");
    }
}

/// TestMinimalAgain (2024).
#[test]
fn minimal_movement_again() {
    let mut desk = Desk::with(TEN, &[1]);
    desk.changed(join(&[2]));
    let before = desk.latest().clone();
    let third = desk.changed(join(&[3]));
    only_to(&before, &third, &[3]);
    assert!(third.slots.moved(&before.slots) <= 10 / 3 + 1);
    let last = desk.changed(leave(&[1]));
    assert_eq!(last.slots.moved(&third.slots), counts(&third)[&1]);
    is_balanced(&last, &[2, 3]);
}

/// TestMulti, "Multi-group join/leave".
#[test]
fn multi_group_join_leave() {
    let mut desk = Desk::with(TEN, &[1, 2]);
    is_balanced(desk.latest(), &[1, 2]);
    is_balanced(&desk.changed(join(&[3])), &[1, 2, 3]);
    is_balanced(&desk.changed(leave(&[1, 3])), &[2]);
}

/// TestMulti, "Concurrent multi leave/join": in any order, as no two of these are in each other's way.
#[test]
fn concurrent_multi_leave_join() {
    let mut desk = Desk::new(TEN);
    for client in 0..10 {
        desk.changed(join(&[1000 + client, 2000 + client, 3000 + client]));
    }
    for client in (0..10).rev() {
        desk.changed(leave(&[2000 + client, 3000 + client]));
    }
    is_balanced(desk.latest(), &(1000..1010).collect::<Vec<_>>());
}

/// TestMulti, "Minimal transfers after multijoins" and "… multileaves".
#[test]
fn minimal_transfers_of_many() {
    let mut desk = Desk::with(TEN, &[1, 2, 3, 4, 5]);
    let before = desk.latest().clone();
    let more = desk.changed(join(&[11, 12, 13, 14, 15]));
    only_to(&before, &more, &[11, 12, 13, 14, 15]);
    assert_eq!(more.slots.moved(&before.slots), 5);
    let after = desk.changed(leave(&[11, 12, 13, 14, 15]));
    assert_eq!(after.slots.moved(&more.slots), 5);
}

/// TestMulti, "Check Same config on servers": every replica computes the same, also one that comes up from a snapshot
/// in between. CTL-ORDER-1: with many groups that are alike.
#[test]
fn same_config_on_servers() {
    let limits = Limits { slots: SLOTS, ..TEN };
    let (mut one, mut two) = (Desk::new(limits), Desk::new(limits));
    let ids: Vec<u64> = (1..=64).map(|id| id * 7 % 65).collect();
    let steps = [join(&ids), leave(&[1, 8, 15, 22]), move_to(100, 9_000, 2), Change::Rebalance];
    for change in steps {
        one.changed(change.clone());
        two.changed(change);
        let mut bytes = Vec::new();
        two.controller.encode(&mut bytes);
        let again = Controller::decode(Exact, limits, &bytes);
        two.controller = again.expect("a controller's own bytes");
        assert!(one.controller == two.controller);
    }
    assert_eq!(one.latest().groups.len(), 60);
}

/// The handout asks that a group's id can be used again after it left: from when it has given all away.
#[test]
fn a_group_comes_back() {
    let mut desk = Desk::with(TEN, &[1, 2]);
    desk.changed(leave(&[1]));
    assert_eq!(desk.refused(join(&[1])), Refusal::Leaving(GroupId(1)));
    assert_eq!(desk.finish(1, 2), Reply::Noted { finished: 2 });
    is_balanced(&desk.changed(join(&[1])), &[1, 2]);
}
