//! Nodes that had run before anybody recorded them: their traces begin with all that they had, and a beginning that
//! does not fit together is refused.

use super::world::{Lie, Sum, World};
use super::{busy, refused, summary};
use protocol::log::Entry;
use protocol::rsm::Decided;
use protocol::{HardState, Write};
use quorate::rsm::{Coded, encode, stamped};
use quorate::trace::whole;

/// Three servers that have run, the first of which has a snapshot; from now on they are recorded, the first with a lie.
fn late(compact: bool, lie: Lie<'_>) -> World<Decided> {
    let mut world = busy();
    if compact {
        world.compact(0);
    }
    world.submit(0, 6);
    world.submit(0, 7);
    world.settle();
    world.record_from_now(0, lie);
    (1..3).for_each(|node| world.record_from_now(node, &|_, _, _| {}));
    world.elect(1);
    world.submit(1, 8);
    world.settle();
    world.read(1);
    world.settle();
    (0..3).for_each(|node| world.flush(node));
    world
}

fn honest(compact: bool) -> World<Decided> {
    late(compact, &|_, _, _| {})
}

#[test]
fn what_was_there_before_is_believed() {
    for compact in [false, true] {
        let mut world = honest(compact);
        let lives = |world: &World<Decided>| {
            let nodes = summary(world).nodes;
            nodes.iter().map(|node| node.lives).collect::<Vec<_>>()
        };
        assert_eq!(lives(&world), [1, 1, 1]);
        // A later life begins from what the disk has by then.
        world.restart(0, 0);
        world.restart(2, 0);
        assert_eq!(lives(&world), [2, 1, 2]);
        let folder = &world.folders()[0];
        let first = std::fs::read(folder.join("life-00000001.trace")).expect("a trace");
        let later = std::fs::read(folder.join("life-00000002.trace")).expect("a trace");
        assert!(later.len() < first.len(), "only the first has all of it");
        // Nothing of the old traces is needed, and they are replayed by themselves.
        assert!(world.place.0.join("0").is_dir());
    }
}

/// A trace that begins in the middle without what was there is refused.
#[test]
fn a_beginning_that_is_missing_is_found() {
    let world = late(false, &|boot, _, _| boot.whole = None);
    refused(&world, "it starts from what was not durable");
}

#[test]
fn a_beginning_that_is_cut_short_is_found() {
    let shorter: Lie<'_> = &|_, disk, _| {
        let first = disk.log.last();
        disk.apply(&Write::Append { first, term: 1, count: 0 }, [].into_iter());
    };
    refused(&late(false, shorter), "what it begins with is cut short");
    let bytes: Lie<'_> = &|boot, _, _| {
        boot.whole.as_mut().expect("it has run before").bytes += 1;
    };
    refused(&late(false, bytes), "what it begins with is cut short");
}

#[test]
fn another_beginning_is_found() {
    let other = || [Entry::Command(stamped(1, &encode(&9u64).expect("a number")))].into_iter();
    let entry: Lie<'_> = &|_, disk, _| {
        let first = disk.log.last();
        disk.apply(&Write::Append { first, term: 1, count: 1 }, other());
    };
    refused(&late(true, entry), "what it begins with is not what it says of it");
    // More terms than entries.
    let terms: Lie<'_> = &|boot, _, _| {
        let first = boot.terms.last().index + 1;
        boot.terms.follow(&Write::Append { first, term: 1, count: 1 });
    };
    refused(&late(true, terms), "what it begins with is not what it says of it");
    // It fits together, but not with what others have.
    let all: Lie<'_> = &|boot, disk, _| {
        let first = disk.log.last();
        disk.apply(&Write::Append { first, term: 1, count: 1 }, other());
        boot.log = quorate::trace::log_hash(&disk.log, disk.snapshot().last.index + 1);
    };
    refused(&late(false, all), "it has another entry 1.8 than others have");
}

#[test]
fn another_store_at_the_beginning_is_found() {
    let store: Lie<'_> = &|_, _, service| service.service = Sum(99);
    refused(&late(true, store), "is not of the state that was copied for it");
    refused(&late(false, store), "the store with which it starts is not that of its snapshot");
    let print: Lie<'_> = &|boot, _, _| boot.print += 1;
    refused(&late(true, print), "the store with which it starts is not that of its snapshot");
    let clock: Lie<'_> = &|_, _, service: &mut Coded<Sum>| service.clock += 1;
    refused(&late(true, clock), "is not of the state that was copied for it");
}

/// Term and vote can't be compared with anything but what it does.
#[test]
fn another_hard_state_at_the_beginning_is_found() {
    let vote: Lie<'_> = &|boot, _, _| boot.hard.vote = None;
    refused(&late(false, vote), "the protocol's state is another");
    let term: Lie<'_> = &|boot, _, _| boot.hard = HardState { term: 0, vote: None };
    refused(&late(false, term), "the protocol's state is another");
    let config: Lie<'_> = &|boot, _, _| boot.config.window = 0;
    refused(&late(false, config), "it starts from what no server has: a batch and a window hold");
}

#[test]
fn a_beginning_in_a_later_life_is_found() {
    let mut world = busy();
    world.restart_saying(0, &|boot, disk, service| boot.whole = Some(whole(disk, service)));
    world.flush(0);
    refused(&world, "only the first life of a trace brings its own beginning along");
}

/// Wherever a byte of the beginning is changed.
#[test]
fn a_damaged_beginning_is_found() {
    let world = honest(true);
    let path = world.folders()[0].join("life-00000001.trace");
    let bytes = std::fs::read(&path).expect("a trace");
    let header = 64;
    let batch =
        header + 12 + u32::from_le_bytes([0, 1, 2, 3].map(|at| bytes[header + at])) as usize;
    for at in (header..batch).step_by(5) {
        let mut bad = bytes.clone();
        bad[at] ^= 0x10;
        std::fs::write(&path, &bad).expect("a trace");
        refused(&world, "damaged at byte 64");
    }
}
