//! Random commands, random pieces, random bytes.

use super::{Bench, access, cases};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use quorate::commands::TABLE;
use quorate::resp::reply::write_command;
use quorate::resp::{Decoder, Frame};
use quorate::session::{Access, Outcome, Password, Port, SessionLimits};

/// Words that mean something, so that random commands get far.
fn word() -> impl Strategy<Value = String> {
    let words = "{t}a {t}b {t}c foo 0 1 -1 10 1.5 NX XX GT LT EX PX EXAT KEEPTTL GET IFEQ MATCH COUNT * ACK 3 \
        65536 9223372036854775807 ON OFF SKIP ID LEN IDX MINMATCHLEN WITHMATCHLEN REPLACE PERSIST AUTH SETNAME";
    let words: Vec<&str> = words.split_whitespace().collect();
    prop_oneof![9 => select(words).prop_map(String::from), 1 => "[ -~]{0,5}"]
}

/// A command of the table with random arguments.
fn command() -> impl Strategy<Value = Vec<String>> {
    let names: Vec<&str> =
        TABLE.iter().map(|row| row.name).filter(|name| *name != "quit").collect();
    let frequent =
        "set get mget mset del incr multi exec watch once kv.put expire append discard unwatch";
    let frequent: Vec<&str> = frequent.split(' ').collect();
    let name = prop_oneof![1 => select(names), 2 => select(frequent)];
    (name, vec(word(), 0..6))
        .prop_map(|(name, arguments)| name.split('|').map(String::from).chain(arguments).collect())
}

fn bytes(commands: &[Vec<String>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    commands.iter().for_each(|command| write_command(&mut bytes, command));
    bytes
}

/// The replies in whole.
fn frames(output: &[u8]) -> Vec<Frame> {
    let mut decoder = Decoder::default();
    decoder.feed(output);
    let mut frames = Vec::new();
    while let Some(frame) = decoder.next_frame().expect("replies are the protocol") {
        frames.push(frame);
    }
    assert!(decoder.is_empty(), "replies are whole");
    frames
}

/// Everything that a session says to these pieces, each settled before the next.
fn replies(pieces: &[&[u8]], limits: SessionLimits) -> Vec<u8> {
    let mut b = Bench::with(access(Port::Plain), limits);
    let mut output = Vec::new();
    for piece in pieces {
        b.receive(piece);
        loop {
            b.settle();
            let more = b.output();
            if more.is_empty() && b.asked.is_empty() {
                break;
            }
            output.extend(more);
            b.receive(b"");
        }
    }
    assert_eq!(b.session.in_flight(), 0);
    output
}

/// Every command, in every place where a piece may end.
#[test]
fn pieces_do_not_matter_at_any_place() {
    let text = "SET k 1\r\n*2\r\n$4\r\nINCR\r\n$1\r\nk\r\nGET k\r\nMULTI\r\nGET k\r\nPING\r\nEXEC\r\nHELLO 3\r\nGET none\r\n\
        WATCH k\r\nMULTI\r\nDEL k\r\nEXEC\r\nEXISTS k\r\nFOO\r\n*-1\r\n\r\nQUIT\r\n";
    let whole = replies(&[text.as_bytes()], SessionLimits::default());
    for place in 0..=text.len() {
        let (one, other) = text.as_bytes().split_at(place);
        assert_eq!(replies(&[one, other], SessionLimits::default()), whole, "parted at {place}");
    }
    let single: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
    assert_eq!(replies(&single, SessionLimits::default()), whole);
}

proptest! {
    #![proptest_config(cases(2000))]

    /// Neither where pieces end nor how little is allowed to be under way changes a byte.
    #[test]
    fn pieces_and_bounds_do_not_matter(
        commands in vec(command(), 1..20),
        ends in vec(any::<Index>(), 0..8),
        calls in 1..4_usize,
        output_bytes in 1..2_000_usize,
    ) {
        // What a list of clients says of the last command is said when the list is made.
        let commands: Vec<_> = commands.into_iter().filter(|command| command[0] != "client").collect();
        let bytes = bytes(&commands);
        let mut ends: Vec<usize> = ends.iter().map(|end| end.index(bytes.len() + 1)).collect();
        ends.sort_unstable();
        let mut pieces = Vec::new();
        let mut start = 0;
        for end in ends {
            pieces.push(&bytes[start..end]);
            start = end;
        }
        pieces.push(&bytes[start..]);
        let whole = replies(&[&bytes], SessionLimits::default());
        prop_assert_eq!(&replies(&pieces, SessionLimits::default()), &whole);
        let few = SessionLimits { calls, output_bytes, ..SessionLimits::default() };
        prop_assert_eq!(&replies(&pieces, few), &whole);
    }

    /// Every command has one reply, whatever becomes of the calls and in whichever order they are answered.
    #[test]
    fn every_command_is_answered_once(
        commands in vec(command(), 1..20),
        picks in vec((any::<Index>(), 0..6_u8), 100),
    ) {
        // These may have no reply.
        let silent = |command: &&Vec<String>| command.iter().any(|word| word.eq_ignore_ascii_case("reply"));
        let commands: Vec<Vec<String>> = commands.iter().filter(|c| !silent(c)).cloned().collect();
        let mut b = Bench::cluster();
        b.receive(&bytes(&commands));
        let mut picks = picks.iter().cycle();
        while let (false, Some((pick, ending))) = (b.asked.is_empty(), picks.next()) {
            let index = pick.index(b.asked.len());
            match ending {
                0 => b.answer(index, Outcome::Unknown),
                1 => b.answer(index, Outcome::NoLeader),
                _ => b.carry_out(index),
            }
        }
        let mut output = b.output();
        loop {
            b.receive(b"");
            let more = b.output();
            if more.is_empty() {
                break;
            }
            output.extend(more);
        }
        let frames = frames(&output);
        if !b.session.closes() {
            prop_assert_eq!(frames.len(), commands.len(), "{:?}", commands);
        }
        prop_assert_eq!(b.session.in_flight(), 0);
    }

    /// Bytes that mean nothing are refused, by anybody's session.
    #[test]
    fn garbage_does_no_harm(
        pieces in vec(prop_oneof![
            vec(any::<u8>(), 0..40),
            "[*$:0-9 a-z\r\n\"'-]{0,60}".prop_map(String::into_bytes),
            command().prop_map(|command| bytes(&[command])),
        ], 0..20),
        password in any::<bool>(),
        loopback in any::<bool>(),
    ) {
        let password = password.then(|| Password::new(b"foo"));
        let access = Access { password, loopback, ..access(Port::Cluster) };
        let mut b = Bench::with(access, SessionLimits::default());
        for piece in &pieces {
            b.receive(piece);
            b.settle();
            frames(&b.output());
        }
    }
}
