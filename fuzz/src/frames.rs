//! What servers say to each other. However it comes in pieces, the same frames come out, or the same refusal; what was
//! read is read again when it is written; and a frame says nothing that no server says. So are letters between groups.

use super::bytes::{Choices, pieces, tail};
use quorate::peer::fuzzing::{End, HELLO, LETTER, Said, frames, hello, put, put_any};
use quorate::rsm::{decode, encode};
use quorate::shardkv::Letter;
use std::io::Read;

/// The largest frame here, in bytes.
const MOST: usize = 4096;

/// A stream that gives its bytes in pieces.
struct Pieces<'a>(Vec<&'a [u8]>);

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let Some(first) = self.0.first_mut() else { return Ok(0) };
        let count = first.read(buffer)?;
        if first.is_empty() {
            self.0.remove(0);
        }
        Ok(count)
    }
}

/// Frames of any payload under right checksums: kind, length, payload, again and again.
fn sealed(input: &[u8]) -> Vec<u8> {
    let mut choices = Choices::new(input);
    let mut out = Vec::new();
    while !choices.is_empty() {
        let kind = choices.byte();
        let length = usize::from(choices.byte());
        put_any(kind, choices.take(length), &mut out);
    }
    out
}

fn check(bytes: &[u8], lengths: [u8; 3]) -> bool {
    let (said, end) = frames(bytes, MOST);
    let parted = frames(Pieces(pieces(bytes, lengths)), MOST);
    assert_eq!((&said, &end), (&parted.0, &parted.1), "pieces make no difference");
    let mut again = Vec::new();
    for said in &said {
        if let Said::Message(_, message, _) | Said::Snapshot(_, message, _) = said {
            assert!(message.is_well_formed(), "{message:?} is let in");
        }
        if let Said::Bytes(LETTER, bytes) = said {
            letter(bytes);
        }
        assert!(put(said, 2 * MOST, &mut again), "what fits into a frame fits into one");
    }
    assert_eq!(frames(&again[..], 2 * MOST), (said.clone(), End::Clean), "written and read again");
    // What is cut anywhere says less, and nothing else.
    if let Some(front) = bytes.get(..usize::from(lengths[0])) {
        let (fewer, _) = frames(front, MOST);
        assert!(said.starts_with(&fewer), "a beginning is read as it was");
    }
    !said.is_empty()
}

fn letter(bytes: &[u8]) -> bool {
    let Ok(letter) = decode::<Letter>(bytes) else { return false };
    let again = encode(&letter).expect("a letter is plain data");
    assert_eq!(decode::<Letter>(&again).ok(), Some(letter), "a letter is read as it was written");
    true
}

fn greet(bytes: &[u8]) -> bool {
    let mut whole = [0; HELLO];
    let length = bytes.len().min(HELLO);
    whole[..length].copy_from_slice(&bytes[..length]);
    let Some(again) = hello(&whole) else { return false };
    // Magic and version were looked at before.
    assert_eq!(again[9..], whole[9..again.len()], "a hello is read as it was written");
    true
}

/// The last four bytes choose what is made of the rest: a stream, payloads under checksums, a hello, or a letter.
pub fn run(input: &[u8]) -> bool {
    let (bytes, [choice, lengths @ ..]) = tail(input);
    match choice % 4 {
        0 => check(bytes, lengths),
        1 => check(&sealed(bytes), lengths),
        2 => greet(bytes),
        _ => letter(bytes),
    }
}
