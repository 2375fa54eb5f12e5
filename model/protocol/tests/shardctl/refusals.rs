//! What is not done, and what is said of it; and the fence.

use super::*;

/// CTL-CAS-1: only on the latest, and once. A request that comes again finds a later number.
#[test]
fn a_change_is_based_on_the_latest() {
    let mut desk = Desk::with(TEN, &[1]);
    assert_eq!(desk.ask(Some(0), join(&[2])), Reply::Stale { latest: 1 });
    assert_eq!(desk.ask(Some(2), join(&[2])), Reply::Stale { latest: 1 }, "nor on one to come");
    let command = Command::Change { request: request(9), based: Some(1), change: join(&[2]) };
    assert_eq!(desk.controller.apply(&command), Reply::Changed { number: 2 });
    let before = desk.controller.clone();
    assert_eq!(desk.controller.apply(&command), Reply::Stale { latest: 2 });
    assert!(before == desk.controller);
    // Without a number it is not fenced: each copy is executed.
    assert_eq!(desk.ask(None, move_to(0, 0, 2)), Reply::Changed { number: 3 });
}

/// CTL-NUM-1: one by one, and what was made stays as it was.
#[test]
fn numbers_go_up_by_one() {
    let mut desk = Desk::new(Limits { kept: 100, ..TEN });
    let mut made = vec![desk.latest().clone()];
    for change in [join(&[4, 5]), leave(&[4]), join(&[6]), move_to(2, 7, 6), Change::Rebalance] {
        made.push(desk.changed(change));
    }
    assert_eq!(desk.numbers(), [0, 1, 2, 3, 4, 5]);
    assert_eq!(desk.controller.configs(), made);
    assert_eq!(made[0], Config::empty(10));
    let by: Vec<_> = made.iter().skip(1).map(|config| config.request).collect();
    assert_eq!(by, (1..=5).map(|asked| Some(request(asked))).collect::<Vec<_>>());
}

/// CTL-JOIN-1.
#[test]
fn what_cannot_join() {
    let mut desk = Desk::with(Limits { groups: 3, nodes: 3, ..TEN }, &[1, 2]);
    let with = |id: u64, nodes: &[&str]| {
        Change::Join(vec![(GroupId(id), nodes.iter().map(|&node| Bytes::from(node)).collect())])
    };
    assert_eq!(desk.refused(join(&[])), Refusal::Nothing);
    assert_eq!(desk.refused(join(&[0])), Refusal::GroupZero);
    assert_eq!(desk.refused(join(&[3, 2])), Refusal::InUse(GroupId(2)));
    assert_eq!(desk.refused(join(&[3, 3])), Refusal::NamedTwice(GroupId(3)));
    assert_eq!(desk.refused(with(3, &[])), Refusal::NoAddress(GroupId(3)));
    assert_eq!(desk.refused(with(3, &["x", "x"])), Refusal::AddressTwice("x".into()));
    assert_eq!(desk.refused(with(3, &["x", "y", "x"])), Refusal::AddressTwice("x".into()));
    assert_eq!(desk.refused(with(3, &["x", ""])), Refusal::BadAddress(GroupId(3)));
    assert_eq!(desk.refused(with(3, &[&"x".repeat(256)])), Refusal::BadAddress(GroupId(3)));
    assert_eq!(desk.refused(with(3, &["w", "x", "y", "z"])), Refusal::TooMany);
    assert_eq!(desk.refused(join(&[3, 4])), Refusal::TooMany);
    // A node may be in several groups.
    desk.changed(with(3, &["a1:7400", &"x".repeat(255)]));
}

/// CTL-JOIN-2: who left comes back when it has given all away, and not before.
#[test]
fn who_is_leaving_cannot_join() {
    let mut desk = Desk::with(TEN, &[1, 2]);
    desk.changed(leave(&[1]));
    desk.changed(join(&[3]));
    assert_eq!(desk.refused(join(&[4, 1])), Refusal::Leaving(GroupId(1)));
    assert_eq!(desk.finish(1, 1), Reply::Noted { finished: 1 });
    assert_eq!(desk.refused(join(&[1])), Refusal::Leaving(GroupId(1)));
    assert_eq!(desk.finish(1, 2), Reply::Noted { finished: 2 });
    desk.changed(join(&[1]));
    assert_eq!(desk.status().groups[&GroupId(1)].finished, 3, "it begins anew");
}

/// CTL-LAST-1.
#[test]
fn who_cannot_leave() {
    let mut desk = Desk::with(TEN, &[1, 2]);
    assert_eq!(desk.refused(leave(&[])), Refusal::Nothing);
    assert_eq!(desk.refused(leave(&[3])), Refusal::NoSuchGroup(GroupId(3)));
    assert_eq!(desk.refused(leave(&[1, 3])), Refusal::NoSuchGroup(GroupId(3)));
    assert_eq!(desk.refused(leave(&[1, 1])), Refusal::NamedTwice(GroupId(1)));
    assert_eq!(desk.refused(leave(&[1, 2])), Refusal::LastGroup);
    desk.changed(leave(&[2]));
    assert_eq!(desk.refused(leave(&[1])), Refusal::LastGroup);
}

/// CTL-MOVE-2.
#[test]
fn what_cannot_move() {
    let mut desk = Desk::new(TEN);
    assert_eq!(desk.refused(move_to(0, 0, 1)), Refusal::NoSuchGroup(GroupId(1)));
    assert_eq!(desk.refused(Change::Rebalance), Refusal::NoChange);
    desk.changed(join(&[1, 2]));
    assert_eq!(desk.refused(move_to(0, 0, 3)), Refusal::NoSuchGroup(GroupId(3)));
    assert_eq!(desk.refused(move_to(0, 0, 0)), Refusal::NoSuchGroup(GroupId(0)));
    assert_eq!(desk.refused(move_to(8, 10, 1)), Refusal::NoSuchSlot(10));
    assert_eq!(desk.refused(move_to(11, u16::MAX, 1)), Refusal::NoSuchSlot(u16::MAX));
    assert_eq!(desk.refused(move_to(3, 2, 1)), Refusal::BadRange(SlotRange { first: 3, last: 2 }));
    let nowhere = Change::Move { slots: vec![], to: GroupId(1) };
    assert_eq!(desk.refused(nowhere), Refusal::Nothing);
    assert_eq!(desk.refused(Change::Rebalance), Refusal::NoChange);
    let whole = Change::Move {
        slots: vec![SlotRange { first: 0, last: 4 }, SlotRange { first: 4, last: 9 }],
        to: GroupId(2),
    };
    assert_eq!(flat(&desk.changed(whole).slots), [2; 10], "ranges may overlap");
}

/// CTL-WHOLE-1: who joins has its part, and who leaves has nothing, in the same configuration.
#[test]
fn a_change_is_whole() {
    let mut desk = Desk::with(TEN, &[1, 2]);
    assert_eq!(counts(&desk.changed(join(&[3])))[&3], 3);
    assert!(!flat(&desk.changed(leave(&[2])).slots).contains(&2));
}

/// Every reason says what is wrong, and names what it is about.
#[test]
fn reasons_are_told() {
    let text = |refusal: Refusal| refusal.to_string();
    assert_eq!(text(Refusal::InUse(GroupId(3))), "group 3 is there already: take another id");
    let twice = text(Refusal::AddressTwice("n1:7400".into()));
    assert_eq!(twice, "n1:7400 is named twice: a group has one server on a node");
    assert!(text(Refusal::LastGroup).contains("let another join first"));
    assert!(text(Refusal::Behind(GroupId(4))).starts_with("group 4 is too many"));
}
