//! Traces with right checksums over what nobody wrote: each is replayed or refused, and nothing else happens.

use super::world::{Sum, World};
use checks::conform::{Network, Refusal, Summary, replay, replay_by};
use protocol::raft::{self, Paper, Timer};
use protocol::rsm::Decided;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

#[allow(dead_code, reason = "the fuzzer's target reads and writes more of a file")]
#[path = "../../../fuzz/src/trace/second.rs"]
mod second;

/// The checksum of both, and of the log: CRC-32C.
fn crc32c(before: u32, bytes: &[u8]) -> u32 {
    let step = |sum: u32| if sum & 1 == 1 { (sum >> 1) ^ 0x82f6_3b78 } else { sum >> 1 };
    let byte = |sum: u32, byte: &u8| (0..8).fold(sum ^ u32::from(*byte), |sum, _| step(sum));
    !bytes.iter().fold(!before, byte)
}

/// A group that has done all that there is to do: one of them begins with all that it had, and has a second life.
fn all() -> World<Decided> {
    let mut world = super::busy();
    world.compact(0);
    (0..3).for_each(|node| world.record_from_now(node, &|_, _, _| {}));
    world.elect(0);
    for node in 0..3 {
        world.pass_on(node, 5);
        while let Some(call) = world.calls.pop_front() {
            world.call(&call);
        }
        world.settle();
        while let Some(answer) = world.answers.pop_front() {
            world.answer(&answer);
        }
        world.read(node);
        world.settle();
        world.beat();
    }
    world.compact(1);
    world.submit(0, 6);
    world.restart(1, 0);
    world.settle();
    world.raft(2, raft::Input::Timer(Timer::Contact));
    world.beat();
    (0..3).for_each(|node| world.flush(node));
    world
}

/// A number from a seed (splitmix64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % bound.max(1) as u64) as usize
    }
}

fn files(folders: &[PathBuf]) -> Vec<(PathBuf, Vec<u8>)> {
    let lives = folders.iter().flat_map(|folder| quorate::trace::lives(folder).expect("lives"));
    lives.map(|(_, path)| (path.clone(), std::fs::read(path).expect("a trace"))).collect()
}

/// The file with some bytes changed, or batches lost, doubled or exchanged, under right checksums.
fn strange(file: &[u8], chance: &mut Chance) -> Vec<u8> {
    let head = second::header(file).expect("it was recorded");
    let found = second::batches(file, head.life).0;
    let mut bodies: Vec<Vec<u8>> = found.into_iter().map(|(_, body)| body.to_vec()).collect();
    for _ in 0..=chance.below(3) {
        let at = chance.below(bodies.len());
        let Some(body) = bodies.get_mut(at).filter(|body| body.len() > second::STAMPS) else {
            continue;
        };
        let place = second::STAMPS + chance.below(body.len() - second::STAMPS);
        match chance.below(12) {
            0 => drop(bodies.remove(at)),
            1 => bodies.insert(at, bodies[at].clone()),
            2 => {
                let other = chance.below(bodies.len());
                bodies.swap(at, other);
            }
            3 => body.truncate(place),
            4 => drop(body.remove(place)),
            // A number of many bytes: the largest there is.
            5 => drop(body.splice(place..=place, [[0xff; 9].as_slice(), &[1]].concat())),
            6 => body.insert(place, chance.below(256) as u8),
            7 => body[chance.below(second::STAMPS)] ^= 1 << chance.below(8),
            8 => body[place] = chance.below(8) as u8,
            _ => body[place] ^= 1 << chance.below(8),
        }
    }
    let mut made = second::sealed_header(head);
    for (number, body) in bodies.iter().enumerate() {
        made.extend(second::sealed_batch(head.life, number as u64, body, body.len() as u32));
    }
    made
}

/// How many of so many strange traces were refused, each with where it is and what differs.
fn refused(
    rounds: usize,
    files: &[(PathBuf, Vec<u8>)],
    judge: impl Fn(&Path, &mut Chance) -> Result<Summary, Refusal>,
) -> usize {
    let mut refused = 0;
    for seed in 0..rounds {
        let mut chance = Chance(seed as u64);
        let (path, honest) = &files[chance.below(files.len())];
        std::fs::write(path, strange(honest, &mut chance)).expect("a trace");
        let judged = catch_unwind(AssertUnwindSafe(|| judge(path, &mut chance)));
        let judged = judged.unwrap_or_else(|_| panic!("seed {seed} is more than a refusal"));
        if let Err(refusal) = judged {
            assert!(refusal.to_string().len() > 30, "seed {seed}: {refusal}");
            refused += 1;
        }
        std::fs::write(path, honest).expect("a trace");
    }
    println!("{refused} of {rounds} strange traces are refused");
    refused
}

/// What was changed is nearly always seen; a stamp, or what comes in the end, may be believed.
#[test]
fn strange_traces_are_refused_or_replayed() {
    let world = all();
    super::summary(&world);
    let (folders, rounds) = (world.folders(), 2000);
    let files = files(&folders);
    assert_eq!(files.len(), 4);
    let refused = refused(rounds, &files, |path, chance| {
        // All of them, or this one: then what others are said to have sent is believed.
        let alone = [path.parent().expect("it is in a folder").to_owned()];
        let folders = if chance.below(2) == 0 { &folders[..] } else { &alone };
        replay_by(folders, &Sum(0), (Paper, Decided), Network::Once)
    });
    assert!(refused * 10 > rounds * 7, "{refused} of {rounds}");
}

/// The same of a sharded cluster, with what its movers were told and the letters.
#[test]
fn strange_traces_of_movers_are_refused_or_replayed() {
    let town = super::town::busy();
    let servers = quorate::trace::servers(&town.folder()).expect("it is there");
    let folders: Vec<PathBuf> = servers.into_iter().map(|(_, folder)| folder).collect();
    let (files, rounds) = (files(&folders), 1000);
    assert_eq!(files.len(), 5);
    let refused = refused(rounds, &files, |_, _| replay(&[town.folder()], Network::Once));
    assert!(refused * 10 > rounds * 7, "{refused} of {rounds}");
}

/// The seals are right: as it is, a file that was taken apart and put together is what it was.
#[test]
fn what_is_sealed_again_is_the_same() {
    for (path, file) in files(&all().folders()) {
        let head = second::header(&file).expect("it was recorded");
        let mut made = second::sealed_header(head);
        let (bodies, end) = second::batches(&file, head.life);
        for (number, (_, body)) in bodies.iter().enumerate() {
            made.extend(second::sealed_batch(head.life, number as u64, body, body.len() as u32));
        }
        assert!(made == file && end == second::End::Whole, "{}", path.display());
    }
}
