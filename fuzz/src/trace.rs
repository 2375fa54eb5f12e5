//! Traces of recorded servers. Whatever a file holds, it has the whole batches that another reader finds in it, and
//! behind them comes its end, a torn one, or an error that says where; events in a batch are understood or refused, and
//! what was understood can be written and is read as it was. What a recorder wrote is read back just so, as far as it
//! was handed over; and a recorder goes on behind it, or refuses and leaves everything as it was.

mod life;
mod real;
mod second;

use super::bytes::{Choices, tail};
use super::wal::crc32c;
use super::{Scratch, scratch};
use life::Life;
use protocol::kv::Reply;
use protocol::rsm::Outcome;
use quorate::rsm::encode;
use quorate::session::{Answer, Query};
use quorate::trace::{Batch, Event, Heard, Next, Raw, Reader, Recorder, Whose, lives};
use quorate::wal::Identity;
use second::{End, Head, STAMPS};
use std::path::{Path, PathBuf};

pub use real::seeds as real_seeds;

/// A line of a trace of the store.
type Line<'a> = Event<Raw<'a>, Query, Outcome<Answer>>;

const IDENTITY: Identity = Identity { cluster: 0xc105_7e12, node: 7 };
const WHOSE: Whose = Whose { identity: IDENTITY, group: 3 };
const HEAD: Head = Head { cluster: IDENTITY.cluster, node: 7, group: 3, life: 1, clock: 3 };

fn name(life: usize) -> String {
    format!("life-{life:08}.trace")
}

/// How many replies a reply lies in.
fn depth(reply: &Reply) -> usize {
    match reply {
        Reply::Many(parts) => parts.iter().map(|part| 1 + depth(part)).max().unwrap_or(0),
        _ => 0,
    }
}

/// What a replay takes for granted of what was understood.
fn can_be_used(event: &Line<'_>) {
    match event {
        Event::Input(Heard::Answer { outcome: Outcome::Done(Answer::Reply(reply)), .. }) => {
            assert!(depth(reply) <= 8, "replies are no deeper than any is");
        }
        Event::Boot(boot) => {
            let (terms, last) = (&boot.terms, boot.terms.last());
            assert!(!format!("{terms:?}").is_empty());
            assert_eq!(terms.term_at(last.index), Some(last.term), "the last entry has its term");
            assert_eq!(terms.snapshot_at(last.index).map(|id| id.last), Some(last));
            assert!(terms.index_of_command(1, last.index).is_none_or(|index| index <= last.index));
        }
        _ => {}
    }
}

/// The events of a batch as they are written; none if one of them is refused.
fn events(batch: &Batch, body: &[u8]) -> Option<Vec<Vec<u8>>> {
    let (mut place, mut found) = (0, Vec::new());
    loop {
        let next: Result<Option<(Line<'_>, usize)>, _> = batch.event(place);
        match next {
            Ok(Some((event, next))) => {
                can_be_used(&event);
                let written = encode(&event).expect("what was read can be written");
                assert!(written.len() <= next - place, "it is written as short as can be");
                found.push(written);
                place = next;
            }
            Ok(None) => {
                assert_eq!(place, body.len() - STAMPS, "all of it was read");
                return Some(found);
            }
            Err(error) => {
                let text = error.to_string();
                let says = format!("byte {} can't be understood", batch.offset);
                assert!(text.contains("life-") && text.contains(&says), "{text}");
                return None;
            }
        }
    }
}

/// What is in a file's batches, and whether it ends behind one; none if a byte of it is refused.
struct Found {
    batches: Vec<Vec<Vec<u8>>>,
    whole: bool,
}

/// Reads a file, and compares with what another reader finds there.
fn read(path: &Path, bytes: &[u8]) -> Option<Found> {
    let mut reader = match (Reader::open(path), second::header(bytes)) {
        (Ok(reader), Some(head)) => {
            let header = reader.header();
            let Whose { identity: Identity { cluster, node }, group } = header.whose;
            let (node, life) = (u32::try_from(node).expect("it has four bytes"), header.life);
            assert_eq!(Head { cluster, node, group, life, clock: header.clock }, head);
            reader
        }
        (Err(error), None) => {
            let text = error.to_string();
            let says = ["damaged at byte 0", "has format"].iter().any(|what| text.contains(what));
            assert!(text.contains("life-") && says, "{text}");
            return None;
        }
        (reader, head) => panic!("{:?} and {head:?}", reader.err()),
    };
    let (right, end) = second::batches(bytes, reader.header().life);
    let mut found = Found { batches: Vec::new(), whole: end == End::Whole };
    let mut understood = true;
    for (number, (offset, body)) in right.iter().enumerate() {
        let next = reader.next_batch().expect("it has right checksums");
        let Next::Batch(batch) = next else { panic!("{next:?} and not a batch") };
        assert_eq!((batch.number, batch.offset), (number as u64, *offset));
        let stamps = batch.stamps;
        let stamps = [stamps.begun_us, stamps.ended_us, stamps.applied, stamps.print];
        let there = [0, 8, 16, 24].map(|at| second::number_at(body, at, 8) as u64);
        assert_eq!(stamps, there);
        match events(&batch, body) {
            Some(events) => found.batches.push(events),
            None => understood = false,
        }
    }
    match (reader.next_batch(), end) {
        (Ok(Next::End), End::Whole) => {}
        (Ok(Next::Torn { offset, bytes }), End::Torn(at, there)) => {
            assert_eq!((offset, bytes), (at, there));
        }
        (Err(error), End::Damaged(at)) => {
            let text = error.to_string();
            assert!(text.contains(&format!("is damaged at byte {at}: ")), "{text}");
            return None;
        }
        (next, end) => panic!("{next:?} and {end:?}"),
    }
    understood.then_some(found)
}

/// A folder with one file in it.
fn one(bytes: &[u8]) -> (Scratch, PathBuf) {
    let folder = scratch("trace");
    std::fs::create_dir_all(&*folder).expect("the folder can be made");
    let path = folder.join(name(1));
    std::fs::write(&path, bytes).expect("the file can be written");
    (folder, path)
}

/// Bytes as they are.
fn raw(bytes: &[u8]) -> bool {
    let (_folder, path) = one(bytes);
    read(&path, bytes).is_some()
}

/// Any events under right checksums; what was understood is written anew, and read again as it was.
fn sealed(bytes: &[u8], [lie, at, _]: [u8; 3]) -> bool {
    let mut choices = Choices::new(bytes);
    let mut file = second::sealed_header(HEAD);
    for number in 0.. {
        if choices.is_empty() {
            break;
        }
        let length = usize::from(choices.short());
        let body = [&[number as u8; STAMPS], choices.take(length)].concat();
        let mut says = body.len() as u32;
        if lie == 1 && number == u64::from(at) {
            // A length that the file does not bear out, under a checksum that does.
            says = u32::MAX - u32::from(at);
        }
        file.extend(second::sealed_batch(HEAD.life, number, &body, says));
    }
    let (_folder, path) = one(&file);
    let Some(found) = read(&path, &file) else { return false };
    let mut again = second::sealed_header(HEAD);
    for (number, events) in found.batches.iter().enumerate() {
        let body = [&[number as u8; STAMPS][..], &events.concat()].concat();
        again.extend(second::sealed_batch(HEAD.life, number as u64, &body, body.len() as u32));
    }
    std::fs::write(&path, &again).expect("the file can be written");
    let second = read(&path, &again).expect("what was written is read");
    assert!(second.batches == found.batches, "and as it was");
    true
}

/// A file that a recorder wrote, and then changed behind its back.
fn recorded(bytes: &[u8]) -> bool {
    let mut choices = Choices::new(bytes);
    let folder = scratch("trace");
    let count = 1 + choices.below(2);
    let lives_of: Vec<Life> =
        (1..=count).map(|life| Life::record(&folder, life as u64, &mut choices)).collect();
    let Some(last) = lives_of.last() else { return false };
    let path = folder.join(name(count));
    let mut file = std::fs::read(&path).expect("a life that has begun has its file");
    let found = read(&path, &file).expect("what a recorder wrote is read");
    assert!(found.whole && found.batches == last.batches, "and as it was");
    let edits = choices.below(4);
    for _ in 0..edits {
        edit(&mut file, &mut choices);
    }
    std::fs::write(&path, &file).expect("the file can be written");
    let found = read(&path, &file);
    go_on(&folder, count, &file);
    found.is_some()
}

fn edit(file: &mut Vec<u8>, choices: &mut Choices<'_>) {
    let at = usize::from(choices.short()) % (file.len() + 1);
    let to = (at + usize::from(choices.byte())).min(file.len());
    match choices.below(5) {
        0 => file.truncate(at),
        1 => drop(file.drain(at..to)),
        2 => {
            let copy = file[at..to].to_vec();
            file.extend(copy);
        }
        3 => file.extend([choices.byte()]),
        _ => {
            if let Some(byte) = file.get_mut(at) {
                *byte ^= 1 << choices.below(8);
            }
        }
    }
}

/// The next life begins behind a file that is this server's, and not behind another.
fn go_on(folder: &Path, last: usize, file: &[u8]) {
    let head = second::header(file);
    match Recorder::begin_by(folder, WHOSE, 3, || 0) {
        Ok(next) => {
            assert_eq!(next.life(), last as u64 + 1);
            let whose = |head: Head| (head.cluster, head.node, head.group);
            assert_eq!(head.map(whose), Some(whose(HEAD)), "it is this server's");
        }
        Err(error) => {
            let text = error.to_string();
            assert!(text.contains(&name(last)) && text.len() > 60, "{text} helps nobody");
        }
    }
    let there = lives(folder).expect("none is missing");
    assert_eq!(there.len(), last, "a life that has not begun has no name");
    let now = std::fs::read(folder.join(name(last))).expect("it is there");
    assert!(now == file, "what was written is left as it was");
}

/// The last four bytes choose what is made of the rest: a file, events, or what a recorder is given.
pub fn run(input: &[u8]) -> bool {
    let (bytes, [choice, rest @ ..]) = tail(input);
    match choice % 4 {
        0 => raw(bytes),
        1 | 2 => sealed(bytes, rest),
        _ => recorded(bytes),
    }
}
