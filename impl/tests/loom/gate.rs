//! The gate.

use super::bugs::{FillsLater, LooksAway, MarksFirst, RingsFirst, SwapsInTwo};
use super::{DEADLOCK, Met, dies, holds};
use loom::thread;
use quorate::gate::{Gate, Rules};
use quorate::monitor::Sound;

/// GATE-FILL, GATE-SWAP. Two cores fill, the disk takes: each fill is in one buffer, in the order of its core.
fn two_fill<R: Rules>(met: &Met) {
    let gate = Gate::<Vec<(u8, u8)>, R>::with_rules(Vec::new());
    let cores = [(0, 2), (1, 1)].map(|(core, fills)| {
        let gate = gate.clone();
        thread::spawn(move || {
            for number in 0..fills {
                gate.fill(|buffer| buffer.push((core, number))).expect("it is open");
            }
        })
    });
    let mut buffers = Vec::new();
    while buffers.iter().map(Vec::len).sum::<usize>() < 3 {
        buffers.push(gate.take(Vec::new()).expect("it is open"));
        let filled = !buffers[buffers.len() - 1].is_empty();
        assert!(filled, "what is taken has something in it");
    }
    met.note(format!("{} buffers", buffers.len()));
    let taken = buffers.concat();
    let of = |core| taken.iter().filter(move |fill| fill.0 == core).map(|fill| fill.1);
    assert!(of(0).eq([0, 1]) && of(1).eq([0]), "each once, in order: {taken:?}");
    for core in cores {
        core.join().expect("it ends");
    }
    gate.close();
    assert_eq!(gate.take(Vec::new()), None, "nothing twice");
}

#[test]
fn what_is_filled_is_taken_once() {
    let meets = ["1 buffers", "2 buffers", "3 buffers"];
    holds(&meets, two_fill::<Sound>);
}

#[test]
fn what_is_filled_dies_if_the_swap_is_in_two() {
    dies(DEADLOCK, two_fill::<SwapsInTwo>);
}

#[test]
fn what_is_filled_dies_if_the_mark_comes_first() {
    dies("what is taken has something in it", two_fill::<MarksFirst>);
}

#[test]
fn what_is_filled_dies_if_the_bell_rings_first() {
    dies(DEADLOCK, two_fill::<RingsFirst>);
}

#[test]
fn what_is_filled_dies_if_the_disk_looks_away() {
    dies(DEADLOCK, two_fill::<LooksAway>);
}

/// GATE-FILL. The disk closes while a core fills: what was let in is taken before it is over.
fn one_closes<R: Rules>(met: &Met) {
    let gate = Gate::<Vec<u8>, R>::with_rules(Vec::new());
    let core = thread::spawn({
        let gate = gate.clone();
        move || [0, 1].map(|number| gate.fill(|buffer| buffer.push(number)).is_ok())
    });
    gate.close();
    let mut taken = Vec::new();
    while let Some(mut buffer) = gate.take(Vec::new()) {
        taken.append(&mut buffer);
    }
    let accepted = core.join().expect("it ends").into_iter().filter(|accepted| *accepted).count();
    assert_eq!(taken.len(), accepted, "what was let in is taken");
    met.note(format!("{accepted} let in"));
}

#[test]
fn a_closed_gate_is_emptied_first() {
    holds(&["0 let in", "1 let in", "2 let in"], one_closes::<Sound>);
}

#[test]
fn a_closed_gate_dies_if_one_fills_later() {
    dies("what was let in is taken", one_closes::<FillsLater>);
}
