//! Calls and answers: each call is answered, surely not sent, or undecided, and one learns which.

use crate::raw::{self, Hello};
use crate::world::{Plan, Server, heartbeat, listener, noise, pair, quick};
use protocol::NodeId;
use quorate::peer::{Limits, Received, Ticket};
use std::io::Write;
use std::net::SocketAddr;

#[track_caller]
fn expect_call(server: &Server) -> (NodeId, Ticket, Vec<u8>) {
    server.expect("a call", |received| match received {
        Received::Forward { from, ticket, call } => Some((from, ticket, call)),
        _ => None,
    })
}

#[track_caller]
fn expect_answer(server: &Server) -> (NodeId, u64, Vec<u8>) {
    server.expect("an answer", |received| match received {
        Received::Answer { from, ticket, outcome } => Some((from, ticket, outcome)),
        _ => None,
    })
}

#[test]
fn calls_are_answered_under_their_numbers() {
    let (a, b) = pair();
    let calls = [Vec::new(), b"x".to_vec(), noise(1 << 20, 3)];
    for (ticket, call) in (u64::MAX - 2..=u64::MAX).zip(&calls) {
        assert!(a.room.forward(NodeId(1), ticket, call));
    }
    let tickets = calls.each_ref().map(|call| {
        let (from, ticket, came) = expect_call(&b);
        assert_eq!((from, &came), (NodeId(0), call));
        ticket
    });
    // In another order, with other bytes.
    for (at, ticket) in tickets.into_iter().enumerate().rev() {
        b.room.answer(NodeId(0), ticket, &noise(at * 1000, 4));
    }
    for at in (0..3).rev() {
        let outcome = noise(at * 1000, 4);
        assert_eq!(expect_answer(&a), (NodeId(1), u64::MAX - 2 + at as u64, outcome));
    }
}

/// A call that is too large never leaves, and the caller is told so.
#[test]
fn a_call_beyond_the_bound_surely_stays() {
    let limits = Limits { max_frame_bytes: 1 << 10, ..quick() };
    let (a, b) = crate::world::pair_with(limits);
    assert!(!a.room.forward(NodeId(1), 1, &noise(1 << 10, 1)));
    assert!(!a.room.forward(NodeId(1), 2, &noise((1 << 10) - 10, 1)));
    assert!(a.room.forward(NodeId(1), 3, &noise((1 << 10) - 11, 1)));
    let (_, ticket, call) = expect_call(&b);
    assert_eq!(call, noise((1 << 10) - 11, 1));
    b.room.answer(NodeId(0), ticket, b"done");
    assert_eq!(expect_answer(&a).1, 3);
}

/// An answer that can't be sent ends the connection, so that nobody waits for it.
#[test]
fn an_answer_beyond_the_bound_is_undecided() {
    let limits = Limits { max_frame_bytes: 1 << 10, ..quick() };
    let (a, b) = crate::world::pair_with(limits);
    assert!(a.room.forward(NodeId(1), 1, b"call"));
    let (_, ticket, _) = expect_call(&b);
    b.room.answer(NodeId(0), ticket, &noise(1 << 10, 1));
    a.expect_down(1);
    a.expect_up(1);
}

/// Up and Down come in turns, and no answer behind the Down that its call was lost with.
#[test]
fn calls_that_were_under_way_are_undecided() {
    let (listen_a, fake) = (listener(), listener());
    let a = Plan::new(0, &[(1, fake.local_addr().unwrap())]).start(listen_a);
    for life in 0..3_u64 {
        let (mut stream, _) = fake.accept().unwrap();
        raw::welcome(&mut stream);
        a.expect_up(1);
        assert!(a.room.forward(NodeId(1), life, b"one"));
        assert!(a.room.forward(NodeId(1), life + 100, b"two"));
        let (kind, payload) = raw::next(&mut stream).unwrap();
        assert_eq!(
            (kind, &payload[..8], &payload[8..]),
            (raw::FORWARD, &life.to_le_bytes()[..], &b"one"[..])
        );
        stream.write_all(&raw::frame(raw::ANSWER, &[&payload[..8], b"done"].concat())).unwrap();
        // The answer came before the loss, and is told before it.
        assert_eq!(expect_answer(&a), (NodeId(1), life, b"done".to_vec()));
        drop(stream);
        let told = a.mail.recv_timeout(crate::world::PATIENCE).unwrap();
        assert_eq!(told, Received::Down { node: NodeId(1) });
    }
}

/// A peer that comes again uses its numbers again: an answer to its earlier life does not reach it.
#[test]
fn an_answer_to_an_earlier_life_is_dropped() {
    let nobody: SocketAddr = { listener().local_addr().unwrap() };
    let b = Plan::new(1, &[(0, nobody)]).start(listener());
    let hello = Hello::new(0, 1, raw::MESSAGES);
    let call = raw::frame(raw::FORWARD, &[&7_u64.to_le_bytes()[..], b"call"].concat());
    let mut first = raw::greeted(b.peers.address(), hello);
    first.write_all(&call).unwrap();
    let (_, old, _) = expect_call(&b);
    let mut second = raw::greeted(b.peers.address(), hello);
    second.write_all(&call).unwrap();
    let (_, new, _) = expect_call(&b);
    // The newer connection is the one that counts.
    raw::expect_closed(&mut first);
    b.room.answer(NodeId(0), old, b"to the old one");
    b.room.answer(NodeId(0), new, b"to the new one");
    let (kind, payload) = raw::next(&mut second).unwrap();
    assert_eq!((kind, &payload[8..]), (raw::ANSWER, &b"to the new one"[..]));
    // It goes on: what comes on it is taken.
    second.write_all(&raw::frame(raw::MESSAGE, &raw::message(&heartbeat(1)))).unwrap();
    assert_eq!(b.expect_message().1, heartbeat(1));
}

/// A peer that holds the connection open and says nothing is given up.
#[test]
fn a_peer_that_falls_silent_is_given_up() {
    let limits = Limits { silence: std::time::Duration::from_millis(200), ..quick() };
    let fake = listener();
    let peers = [(1, fake.local_addr().unwrap())];
    let a = Plan { limits, ..Plan::new(0, &peers) }.start(listener());
    let (mut stream, _) = fake.accept().unwrap();
    raw::welcome(&mut stream);
    a.expect_up(1);
    assert!(a.room.forward(NodeId(1), 1, b"call"));
    a.expect_down(1);
    a.until_peer("the reason", 1, |peer| {
        peer.trouble.as_ref().is_some_and(|trouble| trouble.contains("nothing was heard"))
    });
    // The one that dialed lets go too when it hears nothing.
    let mut mute = raw::greeted(a.peers.address(), Hello::new(1, 0, raw::MESSAGES));
    raw::expect_closed(&mut mute);
}

/// Two that have nothing to say keep their connection by signs of life.
#[test]
fn peers_with_nothing_to_say_stay_connected() {
    let limits = Limits { silence: std::time::Duration::from_millis(400), ..quick() };
    let (a, b) = crate::world::pair_with(limits);
    // More signs of life than fit into the time of silence.
    for server in [&a, &b] {
        let node = if std::ptr::eq(server, &raw const a) { 1 } else { 0 };
        server.until_peer("signs of life", node, |peer| peer.received.frames >= 20);
    }
    for server in [a, b] {
        server.peers.stop();
        let told: Vec<_> = server.mail.iter().collect();
        assert!(told.iter().all(|told| matches!(told, Received::Down { .. })), "{told:?}");
        assert!(told.len() <= 1, "{told:?}");
    }
}
