//! What a configuration moves, what calls that off, and how a group gives everything away.

use super::*;
use protocol::shardctl::{back, drain, first_open, moves};

/// What every configuration moves that is here, the oldest first.
fn all(desk: &Desk) -> Vec<protocol::shardctl::Moves> {
    let status = desk.status();
    let pairs = desk.controller.configs().windows(2);
    pairs.flat_map(|pair| moves(&pair[0], &pair[1], &status)).collect()
}

#[test]
fn a_move_is_over_when_both_groups_have_said_so() {
    let mut desk = Desk::with(TEN, &[1]);
    assert_eq!(all(&desk), [], "what nobody had before is no move");
    assert_eq!(first_open(&desk.status()), Some(1));
    desk.finish(1, 1);
    assert_eq!(first_open(&desk.status()), None);
    desk.changed(join(&[2]));
    let told = |desk: &Desk| -> Vec<_> {
        all(desk).iter().map(|it| (it.number, it.from.0, it.to.0, it.is_over)).collect()
    };
    assert_eq!(told(&desk), [(2, 1, 2, false)]);
    assert_eq!(first_open(&desk.status()), Some(2));
    let slots: usize = all(&desk)[0].slots.iter().map(|range| range.len()).sum();
    assert_eq!(slots, 5);
    desk.finish(1, 2);
    assert_eq!(told(&desk), [(2, 1, 2, false)], "the taker has not said so");
    desk.finish(2, 2);
    assert_eq!(first_open(&desk.status()), None);
}

/// Whatever was changed one after the other, going back brings every slot to whose it was before the first of it, but
/// for those that a later change has moved elsewhere, and those of groups that are gone.
#[test]
fn going_back_brings_slots_to_whose_they_were() {
    let mut desk = Desk::with(Limits { kept: 10, ..TEN }, &[1]);
    desk.finish(1, 1);
    desk.changed(join(&[2, 3]));
    (1..=3).for_each(|group| {
        desk.finish(group, 2);
    });
    let before = desk.latest().clone();
    assert_eq!(back(&all(&desk), desk.latest()), [], "all of it is over");
    desk.changed(move_to(0, 9, 2));
    let first = desk.latest().number;
    desk.changed(move_to(0, 9, 3));
    let of = |desk: &Desk, from: Num| -> Vec<_> {
        all(desk).into_iter().filter(|it| it.number >= from).collect()
    };
    for change in back(&of(&desk, first), desk.latest()) {
        desk.changed(change);
    }
    assert_eq!(desk.latest().slots, before.slots);
    // Of the first move alone nothing is there any more: the second has taken it all.
    let mut desk = Desk::with(Limits { kept: 10, ..TEN }, &[1, 2, 3]);
    desk.changed(move_to(0, 9, 2));
    let first: Vec<_> = all(&desk);
    desk.changed(move_to(0, 9, 3));
    assert_eq!(back(&first, desk.latest()), []);
    desk.changed(leave(&[1, 2]));
    assert_eq!(back(&first, desk.latest()), [], "they have gone");
}

#[test]
fn a_drained_group_has_nothing_and_the_others_no_less_than_before() {
    for groups in 2..=5_u64 {
        for group in 1..=groups {
            let ids: Vec<u64> = (1..=groups).collect();
            let mut desk = Desk::with(TEN, &ids);
            let before = desk.latest().clone();
            for change in drain(&TEN, &before, GroupId(group)).expect("there are others") {
                desk.changed(change);
            }
            let after = desk.latest().clone();
            assert_eq!(counts(&after)[&group], 0);
            assert!(after.groups.contains_key(&GroupId(group)), "it stays");
            let gone =
                before.slots.of_group(GroupId(group)).map(|range| range.len()).sum::<usize>();
            assert_eq!(before.slots.moved(&after.slots), gone, "nothing else moves");
            let others = counts(&after).into_iter().filter(|(id, _)| *id != group);
            let others: Vec<usize> = others.map(|(_, count)| count).collect();
            let (least, most) = (others.iter().min(), others.iter().max());
            assert!(most.zip(least).is_some_and(|(most, least)| most - least <= 1), "{others:?}");
            assert_eq!(drain(&TEN, &after, GroupId(group)), Err(Refusal::NoChange));
            desk.changed(leave(&[group]));
            assert_eq!(desk.latest().slots, after.slots, "leaving moves nothing any more");
        }
    }
}

#[test]
fn what_can_not_be_drained() {
    let desk = Desk::with(TEN, &[1]);
    assert_eq!(drain(&TEN, desk.latest(), GroupId(1)), Err(Refusal::LastGroup));
    assert_eq!(drain(&TEN, desk.latest(), GroupId(2)), Err(Refusal::NoSuchGroup(GroupId(2))));
}
