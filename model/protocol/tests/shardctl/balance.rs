//! Parts and moves, against a dumb twin: every assignment there is, or a count of what must move.

use super::random::{Wish, wishes};
use super::*;
use proptest::prelude::*;
use protocol::kv::SLOTS;
use protocol::shardctl::next;

/// The fewest moves to any assignment in which the parts differ by one at most: all of them are tried.
fn fewest_by_trial(before: &[u64], ids: &[u64]) -> usize {
    let mut fewest = before.len();
    let mut places = vec![0; before.len()];
    loop {
        let after: Vec<u64> = places.iter().map(|&place| ids[place]).collect();
        let parts = ids.iter().map(|id| after.iter().filter(|owner| *owner == id).count());
        let (most, least) = (parts.clone().max(), parts.min());
        if most.zip(least).is_some_and(|(most, least)| most - least <= 1) {
            let moves = before.iter().zip(&after).filter(|(one, two)| one != two).count();
            fewest = fewest.min(moves);
        }
        let Some(slot) = places.iter().position(|&place| place + 1 < ids.len()) else { break };
        places[slot] += 1;
        places[..slot].fill(0);
    }
    fewest
}

/// By counting: what has no owner that stays must move, and of each group what is beyond its part; one more is best
/// given to those who have it.
fn fewest_by_count(before: &[u64], ids: &[u64]) -> usize {
    let (part, more) = (before.len() / ids.len(), before.len() % ids.len());
    let has = |id: &u64| before.iter().filter(|owner| *owner == id).count();
    let stay: usize = ids.iter().map(|id| has(id).min(part)).sum();
    let keep_one_more = ids.iter().filter(|id| has(id) > part).count().min(more);
    before.len() - stay - keep_one_more
}

fn runs(owners: &[u64]) -> usize {
    1 + owners.windows(2).filter(|pair| pair[0] != pair[1]).count()
}

/// CTL-BALANCE-1, CTL-MOVES-1: from any assignment, however uneven, to any groups.
#[test]
fn every_small_assignment() {
    for slots in 1..=6u16 {
        for members in [&[1u64][..], &[1, 2], &[2, 3], &[1, 2, 3]] {
            let limits = Limits { slots, ..TEN };
            let all = 3usize.pow(slots.into());
            for number in 0..all {
                let mut desk = Desk::with(limits, &[1, 2, 3]);
                let owner = |slot: u16| 1 + (number / 3usize.pow(slot.into()) % 3) as u64;
                for slot in 0..slots {
                    desk.change(move_to(slot, slot, owner(slot)));
                }
                let before = flat(&desk.latest().slots);
                let gone: Vec<u64> = (1..=3).filter(|id| !members.contains(id)).collect();
                let change = if gone.is_empty() { Change::Rebalance } else { leave(&gone) };
                let reply = desk.change(change);
                let after = desk.latest();
                is_balanced(after, members);
                let moves = before.iter().zip(flat(&after.slots)).filter(|(one, two)| *one != two);
                let moves = moves.count();
                assert_eq!(moves, fewest_by_trial(&before, members), "{before:?} {after:?}");
                assert_eq!(moves, fewest_by_count(&before, members));
                assert_eq!(
                    reply == Reply::Refused(Refusal::NoChange),
                    gone.is_empty() && moves == 0
                );
            }
        }
    }
}

/// What one change does, and nothing else: the twin has a list of owners and a list of groups.
fn as_asked(before: &Config, after: &Config, change: &Change) {
    let (old, new) = (flat(&before.slots), flat(&after.slots));
    let mut ids: Vec<u64> = before.groups.keys().map(|id| id.0).collect();
    match change {
        Change::Join(groups) => ids.extend(groups.iter().map(|(id, _)| id.0)),
        Change::Leave(gone) => ids.retain(|id| !gone.contains(&GroupId(*id))),
        Change::Rebalance => {}
        Change::Move { slots, to } => {
            let mut moved = old.clone();
            for range in slots {
                moved[usize::from(range.first)..=usize::from(range.last)].fill(to.0);
            }
            assert_eq!(new, moved);
            assert_eq!(after.groups, before.groups);
            return;
        }
    }
    ids.sort_unstable();
    is_balanced(after, &ids);
    for (id, group) in &after.groups {
        assert_eq!(group, &nodes(id.0));
    }
    let moves = after.slots.moved(&before.slots);
    assert_eq!(moves, old.iter().zip(&new).filter(|(one, two)| one != two).count());
    assert_eq!(moves, fewest_by_count(&old, &ids), "{before:?} {after:?}");
    let has = |owners: &[u64], id: &u64| owners.iter().filter(|owner| *owner == id).count();
    let touched = ids.iter().filter(|id| has(&old, id) != has(&new, id)).count();
    assert!(runs(&new) <= runs(&old) + touched, "{before:?} {after:?}");
}

fn twin(limits: Limits, wishes: &[Wish]) {
    let mut desk = Desk::new(limits);
    for wish in wishes {
        let before = desk.latest().clone();
        let reply = desk.wish(wish);
        let after = desk.latest();
        match (wish, reply) {
            (Wish::Change { behind: 0, change }, Reply::Changed { number }) => {
                assert_eq!((number, after.number), (before.number + 1, number));
                as_asked(&before, after, change);
            }
            (_, Reply::Changed { .. }) => {
                assert_eq!(before.number, 0, "a change of another than the latest");
            }
            _ => assert_eq!(before, *after),
        }
        // Whoever asks beforehand is told the same.
        let Wish::Change { change, .. } = wish else { continue };
        let asked = next(Exact, &limits, after, request(0), change);
        let again = next(Exact, &limits, after, request(0), change);
        assert_eq!(asked, again);
    }
}

proptest! {
    #![proptest_config(cases(2000))]

    /// CTL-BALANCE-1, CTL-MOVES-1, CTL-MOVE-1, CTL-CAS-1.
    #[test]
    fn changes_are_as_asked(wishes in wishes(30)) {
        twin(TEN, &wishes);
        twin(Limits { slots: 12, kept: 5, ..TEN }, &wishes);
    }

    /// CTL-ORDER-1: the order in which groups are named does not matter, and who applies it does not either.
    #[test]
    fn the_order_of_names_is_nothing(ids in Just((1..20u64).collect::<Vec<_>>()).prop_shuffle(), some in 1..18usize) {
        let mut sorted = ids.clone();
        sorted.sort_unstable();
        let (mut one, mut two) = (Desk::new(TEN), Desk::new(TEN));
        prop_assert_eq!(one.changed(join(&ids)), two.changed(join(&sorted)));
        let mut gone = ids[..some].to_vec();
        let first = one.changed(leave(&gone));
        gone.sort_unstable();
        prop_assert_eq!(first, two.changed(leave(&gone)));
    }
}

proptest! {
    #![proptest_config(cases(100))]

    /// All slots of a store, and many groups.
    #[test]
    fn a_store_of_full_size(first in 1..60u64, more in 1..60u64, gone in 1..50u64, cut in 0..SLOTS) {
        let limits = Limits { slots: SLOTS, ..TEN };
        let mut desk = Desk::new(limits);
        let ids = |from: u64, many: u64| (from..from + many).collect::<Vec<_>>();
        let leaves = ids(1, gone.min(first + more - 1));
        let steps = [join(&ids(1, first)), move_to(0, cut, first), join(&ids(first + 1, more)), leave(&leaves)];
        for change in steps {
            let before = desk.latest().clone();
            if let Reply::Changed { .. } = desk.change(change.clone()) {
                as_asked(&before, desk.latest(), &change);
            }
        }
        prop_assert!(desk.latest().number >= 3);
    }
}

/// A hundred groups come one by one. Each that is there must give each newcomer something, or more would be moved than
/// need be: that cuts, but no more than there are groups; and what comes together again is one run.
#[test]
fn runs_stay_few() {
    let mut desk = Desk::with(Limits { slots: SLOTS, open: 1_000, ..TEN }, &[1]);
    for id in 2..=100 {
        desk.changed(join(&[id]));
    }
    let most = runs(&flat(&desk.latest().slots));
    assert!(most < 4_000, "{most} runs");
    for id in 2..=90 {
        desk.changed(leave(&[id]));
    }
    let few = runs(&flat(&desk.latest().slots));
    assert!(few < 2_500, "{few} runs of {most}");
}
