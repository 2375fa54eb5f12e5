//! Messages come whole and in order, from whom they say, and come again after a restart.

use crate::world::{
    Plan, Server, append, command, heartbeat, listener, noise, pair, pair_with, quick,
};
use protocol::log::Entry;
use protocol::raft::{Body, Message};
use protocol::{LogId, NodeId, ReadId};
use quorate::peer::{Limits, bind};

/// Every kind of message, with entries of every kind and length where there are any.
#[test]
fn every_message_arrives_whole_and_in_order() {
    let (a, b) = pair();
    let last = LogId { term: 4, index: 1 << 40 };
    let bodies = [
        Body::PreVote { last },
        Body::PreVoteGranted,
        Body::RequestVote { last },
        Body::VoteGranted,
        Body::Accepted { matched: 1 << 62 },
        Body::Rejected { prev: 1 << 61, hint: last },
        Body::Heartbeat { commit: 5, round: u64::MAX },
        Body::Alive { round: u64::MAX },
        Body::ReadIndex { id: ReadId(u64::MAX) },
        Body::ReadGranted { id: ReadId(9), index: 1 << 62 },
        Body::Outdated,
        append(0, 0).body,
    ];
    let mut sent: Vec<(Message, Vec<_>)> =
        bodies.into_iter().map(|body| (Message { term: u64::MAX, body }, Vec::new())).collect();
    for length in [0, 1, 127, 128, 65_535, 65_536, 1_000_000] {
        let entries = vec![Entry::NoOp, command(&noise(length, 1)), Entry::NoOp, command(b"end")];
        sent.push((append(9, 4), entries));
    }
    for (message, entries) in &sent {
        a.send(1, message, entries);
    }
    for (message, entries) in sent {
        assert_eq!(b.expect_message(), (NodeId(0), message, entries));
    }
}

/// Thousands of messages in both directions at once, none lost as long as there is room.
#[test]
fn many_messages_arrive_in_order_both_ways() {
    let (a, b) = pair();
    for round in 0..20_000 {
        a.send(1, &heartbeat(round), &[]);
        b.send(0, &heartbeat(round), &[]);
    }
    for round in 0..20_000 {
        assert_eq!(b.expect_message().1, heartbeat(round));
        assert_eq!(a.expect_message().1, heartbeat(round));
    }
    let stats = a.peers.stats();
    assert_eq!((stats.peers[0].dropped, stats.refused), (0, 0), "{stats:#?}");
    assert!(stats.peers[0].sent.frames >= 20_000 && stats.peers[0].received.frames >= 20_000);
}

#[test]
fn three_servers_hear_each_other() {
    let listeners = [listener(), listener(), listener()];
    let at = listeners.each_ref().map(|listener| listener.local_addr().unwrap());
    let mut servers: Vec<Server> = Vec::new();
    for (me, listener) in (0..).zip(listeners) {
        let others: Vec<_> = (0..).zip(at).filter(|(node, _)| *node != me).collect();
        servers.push(Plan::new(me, &others).start(listener));
    }
    for (me, server) in (0..).zip(&servers) {
        let mut missing: Vec<u8> = (0..3).filter(|node| *node != me).collect();
        while !missing.is_empty() {
            let node = server.expect("Up", |received| match received {
                quorate::peer::Received::Up { node } => Some(node.0),
                _ => None,
            });
            missing.retain(|other| *other != node);
        }
    }
    for (me, server) in (0..).zip(&servers) {
        for to in (0..3).filter(|to| *to != me) {
            server.send(to, &heartbeat(u64::from(10 * me + to)), &[]);
        }
    }
    for (me, server) in (0..).zip(&servers) {
        let mut heard =
            [server.expect_message(), server.expect_message()].map(|mail| (mail.0.0, mail.1));
        heard.sort_unstable();
        let said = (0..3).filter(|from| *from != me);
        let said: Vec<_> = said.map(|from| (from, heartbeat(u64::from(10 * from + me)))).collect();
        assert_eq!(heard.to_vec(), said);
    }
}

/// A batch beyond a frame's bound goes as several messages that join; an entry beyond it goes not at all.
#[test]
fn a_large_batch_is_cut_into_messages_that_join() {
    let limits = Limits { max_frame_bytes: 1 << 10, ..quick() };
    let (a, b) = pair_with(limits);
    let entries: Vec<_> = (0..50).map(|seed| command(&noise(100 + seed as usize, seed))).collect();
    a.send(1, &append(9, 50), &entries);
    let (mut joined, mut pieces) = (Vec::new(), 0);
    let mut before = LogId { term: 2, index: 9 };
    while joined.len() < entries.len() {
        let (_, message, mut piece) = b.expect_message();
        let Body::AppendEntries { prev, run, count, commit } = message.body else {
            panic!("an append became {message:?}");
        };
        assert_eq!((prev, run, commit, message.term), (before, 3, 1, 7));
        assert_eq!(count as usize, piece.len());
        assert!(message.is_well_formed());
        before = LogId { term: 3, index: prev.index + u64::from(count) };
        joined.append(&mut piece);
        pieces += 1;
    }
    assert_eq!(joined, entries);
    assert!(pieces > 5, "{pieces} pieces");

    a.send(1, &append(9, 2), &[command(b"small"), command(&noise(1 << 10, 1))]);
    a.send(1, &heartbeat(1), &[]);
    assert_eq!(b.expect_message(), (NodeId(0), append(9, 1), vec![command(b"small")]));
    assert_eq!(b.expect_message().1, heartbeat(1));
    assert_eq!(a.peers.stats().peers[0].dropped, 1);
}

/// What finds no connection is dropped and counted, at once.
#[test]
fn a_peer_that_is_not_there_costs_nothing() {
    let nobody = { listener().local_addr().unwrap() };
    let a = Plan::new(0, &[(1, nobody)]).start(listener());
    for round in 0..1000 {
        a.send(1, &heartbeat(round), &[]);
    }
    assert!(!a.room.forward(NodeId(1), 1, b"call"));
    assert_eq!(a.peers.stats().peers[0].dropped, 1001);
    a.until_peer("the reason", 1, |peer| peer.trouble.is_some());
    // Nobody that was not named is a peer.
    a.send(9, &heartbeat(1), &[]);
    assert!(!a.room.forward(NodeId(9), 1, b"call"));
}

/// What finds no room is dropped and counted; what found room arrives when the peer reads again.
#[test]
fn a_peer_that_does_not_read_costs_no_more_than_the_bound() {
    let limits = Limits { max_frame_bytes: 1 << 20, max_queue_bytes: 2 << 20, ..quick() };
    let (listen_a, listen_b) = (listener(), listener());
    let (at_a, at_b) = (listen_a.local_addr().unwrap(), listen_b.local_addr().unwrap());
    let a = Plan { limits, ..Plan::new(0, &[(1, at_b)]) }.start(listen_a);
    // Each message must be let in by the test.
    let (sender, mail) = std::sync::mpsc::channel();
    let (admit, door) = std::sync::mpsc::channel::<()>();
    let door = std::sync::Mutex::new(door);
    let b = Plan { limits, ..Plan::new(1, &[(0, at_a)]) };
    let b = b.start_with(listen_b, mail, move |received| {
        if matches!(received, quorate::peer::Received::Message { .. }) {
            let _ = door.lock().unwrap().recv();
        }
        crate::world::deliver(&sender, received);
    });
    a.expect_up(1);
    let entry = [command(&noise(512 << 10, 1))];
    let mut sent = 0;
    // The socket's own buffers take something too, but not for ever.
    while a.peers.stats().peers[0].dropped == 0 {
        a.send(1, &append(sent, 1), &entry);
        sent += 1;
        assert!(sent < 10_000, "nothing is ever dropped");
    }
    drop(admit);
    for prev in 0..sent - 1 {
        assert_eq!(b.expect_message().1, append(prev, 1));
    }
    a.send(1, &heartbeat(1), &[]);
    assert_eq!(b.expect_message().1, heartbeat(1));
}

#[test]
fn a_restarted_peer_is_found_again() {
    let (a, mut b) = pair();
    let (at_a, at_b) = (a.peers.address(), b.peers.address());
    for life in 0..3 {
        a.send(1, &heartbeat(life), &[]);
        assert_eq!(b.expect_message().1, heartbeat(life));
        b.send(0, &heartbeat(life), &[]);
        assert_eq!(a.expect_message().1, heartbeat(life));
        b.peers.stop();
        a.expect_down(1);
        b = Plan::new(1, &[(0, at_a)]).start(bind(at_b).unwrap());
        b.expect_up(0);
        a.expect_up(1);
    }
}

/// A server that stops says nothing more: its sink is gone with its threads.
#[test]
fn stopping_and_dropping_join_all_threads() {
    for stops in [true, false] {
        let (Server { peers, room, mail, folder: _folder }, b) = pair();
        for round in 0..1000 {
            b.send(0, &heartbeat(round), &[]);
        }
        if stops {
            peers.stop()
        } else {
            drop((peers, room))
        }
        // Every thread held the sink, and the sink the sender.
        let rest = mail.iter().count();
        assert!(rest <= 1010, "{rest}");
        b.expect_down(0);
    }
}

/// Threads that wait for whatever there is to wait for are joined too: a peer that does not answer the
/// handshake, one that is not there, one that has begun a handshake here.
#[test]
fn stopping_does_not_wait_for_peers() {
    let silent = listener();
    let nobody = { listener().local_addr().unwrap() };
    let peers = [(1, silent.local_addr().unwrap()), (2, nobody)];
    let a = Plan::new(0, &peers).start(listener());
    let dialed = silent.accept().unwrap();
    let stranger = std::net::TcpStream::connect(a.peers.address()).unwrap();
    a.peers.stop();
    assert_eq!(a.mail.iter().count(), 0);
    drop((dialed, stranger));
}
