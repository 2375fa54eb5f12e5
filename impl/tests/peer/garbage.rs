//! Bytes that are not what they should be, in front of the handshake and behind it.

use crate::raw::{self, Hello};
use crate::world::{Server, append, heartbeat, noise, pair, pair_and_one, quick};
use protocol::raft::{Body, Message};
use quorate::peer::Limits;
use std::io::Write;
use std::net::Shutdown;

/// The two go on: messages come both ways, and neither has lost its connection meanwhile.
#[track_caller]
fn expect_unharmed(a: &Server, b: &Server) {
    a.send(1, &heartbeat(1), &[]);
    b.send(0, &heartbeat(2), &[]);
    for (server, round) in [(b, 1), (a, 2)] {
        let told = server.mail.recv_timeout(crate::world::PATIENCE).unwrap();
        let expected = heartbeat(round);
        let quorate::peer::Received::Message { message, .. } = told else {
            panic!("{told:?} came instead of a message");
        };
        assert_eq!(message, expected);
    }
}

#[test]
fn strangers_of_all_kinds_are_turned_away() {
    let (a, b) = pair();
    let hello = Hello::new(1, 0, raw::MESSAGES).bytes();
    let mut tls = vec![0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3];
    tls.extend(noise(500, 8));
    let said: Vec<Vec<u8>> = vec![
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec(),
        b"*1\r\n$4\r\nPING\r\n".to_vec(),
        b"PROXY TCP4 1.2.3.4 1.2.3.4 1 1\r\n".to_vec(),
        tls,
        vec![0xff; 1 << 20],
        vec![0; 1000],
        noise(100_000, 1),
        noise(1, 2),
        Vec::new(),
        b"quorate\0".to_vec(),
        hello[..60].to_vec(),
        [&hello[..9], &[2, 1][..], &hello[11..]].concat(),
        [&hello[..10], &[9][..], &hello[11..]].concat(),
        [&hello[..], &[0; 1 << 16][..]].concat(),
    ];
    let count = said.len() as u64;
    for bytes in said {
        let mut stream = raw::connect(a.peers.address());
        // It may have closed before everything was said.
        let _ = stream.write_all(&bytes);
        let _ = stream.shutdown(Shutdown::Write);
        raw::expect_closed(&mut stream);
    }
    a.until("the refusals", |stats| (stats.refused == count).then_some(()));
    expect_unharmed(&a, &b);
}

/// Each of these, from one who has proved to be a peer, ends that connection and nothing else.
#[test]
fn bad_frames_end_their_connection() {
    let limits = Limits { max_frame_bytes: 1 << 16, ..quick() };
    let (a, b) = pair_and_one(limits);
    let good = raw::message(&heartbeat(1));
    let frame = raw::frame(raw::MESSAGE, &good);
    let claim = |length: u32| [&length.to_le_bytes()[..], &[0; 4], &noise(100, 1)].concat();
    let odd = |message: Message| raw::frame(raw::MESSAGE, &raw::message(&message));
    let overflow = Body::Heartbeat { commit: u64::MAX, round: 1 };
    let entry = |bytes: &[u8]| [bytes, &raw::message(&append(9, 1))].concat();
    let bad: Vec<Vec<u8>> = vec![
        claim(u32::MAX),
        claim((1 << 16) + 1),
        claim(0),
        claim(1 << 16),
        frame[..frame.len() - 1].to_vec(),
        frame[..5].to_vec(),
        noise(1 << 17, 3),
        raw::frame(0, b""),
        raw::frame(9, b"no such kind"),
        raw::frame(255, b""),
        raw::frame(raw::MESSAGE, b""),
        raw::bare(raw::MESSAGE, b""),
        raw::bare(raw::MESSAGE, &[1]),
        raw::bare(raw::FORWARD, &[1]),
        raw::frame_for(7, raw::FORWARD, &[0; 12]),
        raw::frame(raw::MESSAGE, &[0]),
        raw::frame(raw::MESSAGE, &[200]),
        raw::frame(raw::MESSAGE, &noise(50, 4)),
        raw::frame(raw::MESSAGE, &[&b"rest"[..], &good[..]].concat()),
        raw::frame(raw::MESSAGE, &entry(&[2])),
        raw::frame(raw::MESSAGE, &entry(&[1, 5, 0, 0])),
        raw::frame(raw::MESSAGE, &entry(&[1, 5, 0, 0, 0, 1, 2, 3, 4])),
        raw::frame(raw::MESSAGE, &entry(&[1, 255, 255, 255, 255])),
        raw::frame(raw::MESSAGE, &entry(&[0, 0])),
        odd(append(9, 1)),
        odd(append(9, u32::MAX)),
        odd(Message { term: 7, body: overflow }),
        raw::frame(raw::FORWARD, b"seven b"),
        raw::frame(raw::ANSWER, &[0; 20]),
        raw::frame(raw::BEGIN, &[0; 20]),
        raw::frame(raw::CHUNK, b"bytes"),
        raw::frame(raw::END, &[0; 4]),
        raw::frame(raw::TAKEN, b""),
    ];
    let at = a.peers.address();
    for (case, bytes) in bad.into_iter().enumerate() {
        let mut stream = raw::greeted(at, Hello::new(2, 0, raw::MESSAGES));
        // What stands in front of the bad frame is taken.
        let round = 1000 + case as u64;
        stream.write_all(&raw::frame(raw::MESSAGE, &raw::message(&heartbeat(round)))).unwrap();
        stream.write_all(&bytes).unwrap();
        let _ = stream.shutdown(Shutdown::Write);
        raw::expect_closed(&mut stream);
        let (_, message, _) = a.expect_message();
        assert_eq!(message, heartbeat(round), "case {case}");
    }
    assert_eq!(a.peers.stats().refused, 0);
    expect_unharmed(&a, &b);
}

/// A message cut and flipped at every byte is taken nowhere as another one.
#[test]
fn no_changed_byte_is_taken_for_a_message() {
    let (a, b) = pair_and_one(quick());
    let at = a.peers.address();
    let payload = [&[0, 1, 3, 0, 0, 0, 7, 8, 9][..], &raw::message(&append(9, 2))].concat();
    let frame = raw::frame(raw::MESSAGE, &payload);
    for byte in 0..frame.len() {
        let mut flipped = frame.clone();
        flipped[byte] ^= 1 << (byte % 8);
        for bytes in [&frame[..byte], &flipped] {
            let mut stream = raw::greeted(at, Hello::new(2, 0, raw::MESSAGES));
            stream.write_all(bytes).unwrap();
            let _ = stream.shutdown(Shutdown::Write);
            raw::expect_closed(&mut stream);
        }
    }
    // Of all that nothing was told: the next that comes is a good peer's message.
    expect_unharmed(&a, &b);
}
