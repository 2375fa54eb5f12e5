//! What groups have finished, and what is forgotten.

use super::*;
use protocol::shardctl::Standing;

const fn at(finished: Num) -> Standing {
    Standing { finished, left: None }
}

/// CTL-FINISH-1: reports may be late and come again.
#[test]
fn a_standing_only_rises() {
    let mut desk = Desk::with(TEN, &[1, 2]);
    for change in [join(&[3]), leave(&[3]), move_to(0, 9, 2)] {
        desk.changed(change);
    }
    assert_eq!(desk.finish(1, 1), Reply::Noted { finished: 1 });
    assert_eq!(desk.finish(1, 4), Reply::Noted { finished: 4 }, "one report for several");
    assert_eq!(desk.finish(1, 2), Reply::Noted { finished: 4 });
    assert_eq!(desk.status().groups[&GroupId(1)], at(4));
    assert_eq!(desk.status().groups[&GroupId(2)], at(0));
    let leaving = Standing { finished: 1, left: Some(3) };
    assert_eq!(desk.status().groups[&GroupId(3)], leaving, "it joined in 2");
}

/// CTL-FINISH-2: nobody reports what is not there, or what it is not in any more.
#[test]
fn reports_of_nothing_are_refused() {
    let mut desk = Desk::with(TEN, &[1, 2]);
    let refused = |refusal| Reply::Refused(refusal);
    assert_eq!(desk.finish(1, 2), refused(Refusal::NotThere(2)));
    assert_eq!(desk.finish(3, 1), refused(Refusal::NoSuchGroup(GroupId(3))));
    desk.changed(leave(&[2]));
    desk.changed(join(&[4]));
    assert_eq!(desk.finish(2, 3), refused(Refusal::NotThere(3)), "it left in 2");
    assert_eq!(desk.finish(2, 2), Reply::Noted { finished: 2 });
    assert_eq!(desk.finish(2, 2), refused(Refusal::NoSuchGroup(GroupId(2))), "it is forgotten");
}

/// CTL-DROP-1: not before every group has finished it, and those that left too; from what a group has finished it sees
/// what is to be moved in the next.
#[test]
fn what_nobody_needs_is_dropped() {
    let mut desk = Desk::with(TEN, &[1, 2]);
    desk.changed(leave(&[2]));
    desk.changed(join(&[3]));
    assert_eq!(desk.numbers(), [0, 1, 2, 3]);
    desk.finish(1, 3);
    assert_eq!(desk.numbers(), [0, 1, 2, 3], "group 2 is at 0");
    desk.finish(2, 1);
    assert_eq!(desk.numbers(), [1, 2, 3]);
    desk.finish(2, 2);
    assert_eq!(desk.numbers(), [2, 3], "group 2 is gone, group 3 came in 3");
    desk.finish(3, 3);
    assert_eq!(desk.numbers(), [3]);
    desk.changed(leave(&[3]));
    desk.finish(3, 4);
    assert_eq!(desk.numbers(), [3, 4], "group 1 is still at 3");
    desk.finish(1, 4);
    assert_eq!(desk.numbers(), [4]);
    let status = desk.status();
    assert_eq!((status.oldest, status.latest), (4, 4));
}

/// The last few stay, for who asks what became of a request.
#[test]
fn the_last_few_stay() {
    let mut desk = Desk::with(Limits { kept: 2, ..TEN }, &[1]);
    for slot in 0..5 {
        let change = if slot % 2 == 0 { join(&[2 + slot]) } else { leave(&[1 + slot]) };
        let number = desk.changed(change).number;
        for id in 1..10 {
            desk.finish(id, number);
        }
    }
    assert_eq!(desk.numbers(), [4, 5, 6]);
}

/// CTL-DROP-2: another one is no answer.
#[test]
fn who_asks_for_what_was_dropped_is_told() {
    let mut desk = Desk::with(TEN, &[1]);
    desk.changed(join(&[2]));
    desk.finish(1, 2);
    assert_eq!(desk.query(Some(0)), Reply::Dropped { oldest: 1 }, "group 2 came in 2 and needs 1");
    assert!(matches!(desk.query(Some(1)), Reply::Config(config) if config.number == 1));
}

/// CTL-BOUND-1: a group that does not walk on holds up changes and not memory.
#[test]
fn who_is_behind_holds_up_changes() {
    let mut desk = Desk::with(Limits { open: 3, kept: 0, ..TEN }, &[1, 2]);
    desk.changed(move_to(0, 9, 1));
    desk.changed(Change::Rebalance);
    assert_eq!(desk.refused(join(&[3])), Refusal::Behind(GroupId(1)));
    desk.finish(1, 3);
    assert_eq!(desk.refused(join(&[3])), Refusal::Behind(GroupId(2)));
    desk.finish(2, 1);
    desk.changed(join(&[3]));
    assert_eq!(desk.refused(join(&[4])), Refusal::Behind(GroupId(2)));
    assert_eq!(desk.numbers(), [1, 2, 3, 4]);
}
