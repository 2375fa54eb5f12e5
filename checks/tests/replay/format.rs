//! The bytes of a trace: what is torn is cut, what is damaged is refused.

use super::world::{Sum, World, any_leaves};
use protocol::raft::{self, Timer};
use protocol::rsm::{Decided, Effect, Input, Outcome};
use protocol::{Machine, replica};
use quorate::trace::{Event, Next, Raw, Reader};
use quorate::wal::Identity;
use std::path::{Path, PathBuf};

type Line<'a> = Event<Raw<'a>, (), Outcome<u64>>;

/// The whole batches of a file and where each ends, and how many bytes of a torn one follow.
fn read(path: &Path) -> Result<(Vec<u64>, u64), quorate::trace::Error> {
    let mut reader = Reader::open(path)?;
    let mut ends = Vec::new();
    loop {
        match reader.next_batch()? {
            Next::Batch(batch) => {
                let mut place = 0;
                while let Some((_, next)) = batch.event::<(), Outcome<u64>>(place)? {
                    place = next;
                }
                ends.push(batch.offset);
            }
            Next::Torn { bytes, .. } => return Ok((ends, bytes)),
            Next::End => return Ok((ends, 0)),
        }
    }
}

fn file(world: &World<Decided>, node: usize) -> PathBuf {
    world.folders()[node].join("life-00000001.trace")
}

/// A file of few batches: one of two followers that hear of a leader.
fn small() -> (World<Decided>, PathBuf, Vec<u8>) {
    let world = World::new(Decided);
    let path = file(&world, 1);
    let bytes = std::fs::read(&path).expect("a trace");
    (world, path, bytes)
}

/// TRACE-TORN, TRACE-NAME.
#[test]
fn a_torn_end_is_cut_at_every_byte() {
    let (world, path, bytes) = small();
    let (begins, torn) = read(&path).expect("it is whole");
    assert_eq!(torn, 0);
    assert!(begins.len() > 3, "there are batches");
    let header = 64;
    for length in 0..bytes.len() {
        std::fs::write(&path, &bytes[..length]).expect("a trace");
        if length < header {
            assert!(read(&path).is_err(), "a header is never torn");
            continue;
        }
        let (whole, torn) = read(&path).expect("what is torn is cut");
        // Those that end in front of the cut.
        let ends = begins[1..].iter().copied().chain([bytes.len() as u64]);
        let expected = ends.clone().filter(|end| *end <= length as u64).count();
        assert_eq!(whole.len(), expected, "cut at {length}");
        let last = begins.get(expected).copied().unwrap_or(bytes.len() as u64);
        assert_eq!(torn, length as u64 - last, "cut at {length}");
    }
    drop(world);
}

#[test]
fn a_torn_end_is_taken_and_said() {
    let mut world = World::new(Decided);
    let path = file(&world, 2);
    let whole = std::fs::read(&path).expect("a trace").len();
    // A step that nobody has seen anything of: what it sends is lost with it.
    world.raft(2, raft::Input::Timer(Timer::Election));
    world.net.clear();
    let bytes = std::fs::read(&path).expect("a trace");
    assert!(bytes.len() > whole + 1, "it was handed over");
    std::fs::write(&path, &bytes[..bytes.len() - 1]).expect("a trace");
    world.restart(2, 0);
    let summary = super::summary(&world);
    assert_eq!((summary.nodes[2].lives, summary.nodes[2].torn), (2, 1));
    assert!(checks::conform::text(&summary).contains("end within a batch that nobody saw"));
}

/// TRACE-TORN.
#[test]
fn every_flipped_bit_is_damage() {
    let (world, path, bytes) = small();
    for at in 0..bytes.len() {
        for bit in [0, 3, 7] {
            let mut bad = bytes.clone();
            bad[at] ^= 1 << bit;
            std::fs::write(&path, &bad).expect("a trace");
            let error = read(&path).expect_err("it is damaged");
            assert!(error.to_string().contains("damaged"), "byte {at}: {error}");
        }
    }
    drop(world);
}

#[test]
fn a_batch_that_was_taken_out_is_damage() {
    let (world, path, bytes) = small();
    let (begins, _) = read(&path).expect("it is whole");
    let (from, to) = (begins[1] as usize, begins[2] as usize);
    let cut = [&bytes[..from], &bytes[to..]].concat();
    std::fs::write(&path, cut).expect("a trace");
    super::refused(&world, "not the head of the batch that belongs here");
}

#[test]
fn a_life_that_is_missing_is_said() {
    let mut world = World::new(Decided);
    world.restart(1, 0);
    std::fs::remove_file(file(&world, 1)).expect("it is there");
    super::refused(&world, "has no trace of life 1");
}

#[test]
fn another_nodes_folder_is_refused() {
    let world = World::new(Decided);
    let identity = Identity { cluster: 7, node: 2 };
    let error = quorate::trace::Recorder::begin(&world.folders()[1], identity);
    let error = error.expect_err("it is node 1's").to_string();
    assert!(error.contains("Give each node a folder of its own"), "{error}");
}

/// TRACE-LEAVE: whenever somebody could see something of a step, the step is in the file.
#[test]
fn a_step_is_in_the_file_before_its_effects_leave() {
    let mut world = World::new(Decided);
    let path = file(&world, 0);
    let noted = || {
        let mut reader = Reader::open(&path).expect("a trace");
        let mut steps = 0;
        while let Next::Batch(batch) = reader.next_batch().expect("it is whole") {
            let mut place = 0;
            while let Some((line, next)) = batch.event(place).expect("it is understood") {
                let line: Line<'_> = line;
                steps += u32::from(matches!(line, Event::Done { .. }));
                place = next;
            }
        }
        steps
    };
    world.flush(0);
    let site = &mut world.sites[0];
    let (mut taken, mut left) = (noted(), 0);
    for round in 0..20 {
        let timer = replica::Input::Raft(raft::Input::Timer(Timer::Heartbeat));
        let inputs: [Input<'_, _>; 2] = [Input::Clock { now: round }, Input::Replica(timer)];
        for input in inputs {
            site.recorder.input::<Sum>(&input, |_| None);
            let mut effects: Vec<Effect<u64>> = Vec::new();
            site.machine.step(input, &mut effects);
            site.recorder.done(&site.machine, &effects).expect("a trace");
            taken += 1;
            if any_leaves(&effects) {
                left += 1;
                assert_eq!(noted(), taken, "nothing leaves that is not in the file");
            }
        }
    }
    assert_eq!(left, 20, "each heartbeat leaves");
}
