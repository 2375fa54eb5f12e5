//! Several groups on the same connections: each hears what is said to it, and nothing else.

use crate::raw::{self, Hello};
use crate::world::{
    GROUP, PATIENCE, Plan, Server, append, command, heartbeat, listener, noise, quick, snapshot,
};
use protocol::NodeId;
use quorate::peer::{Received, Room};
use quorate::wal::GroupId;
use std::io::Write;
use std::sync::mpsc::{Receiver, channel};

const OTHERS: [GroupId; 2] = [GroupId(0), GroupId(u16::MAX)];

/// A server whose other rooms are heard too.
struct Many {
    server: Server,
    rooms: Vec<(Room, Receiver<Received>)>,
}

fn many(plan: Plan, listener: std::net::TcpListener) -> Many {
    let mut rooms = Vec::new();
    let server = plan.start_beside(listener, |peers| {
        rooms = OTHERS
            .map(|group| {
                let (tell, told) = channel();
                let sink = move |received| crate::world::deliver(&tell, received);
                (Room::open(peers, group, sink), told)
            })
            .into();
    });
    Many { server, rooms }
}

fn pair() -> (Many, Many) {
    let (a, b) = (listener(), listener());
    let (at_a, at_b) = (a.local_addr().unwrap(), b.local_addr().unwrap());
    let a = many(Plan::new(0, &[(1, at_b)]), a);
    let b = many(Plan::new(1, &[(0, at_a)]), b);
    a.server.expect_up(1);
    b.server.expect_up(0);
    (a, b)
}

/// The next thing told, signs of connections left out.
fn next(told: &Receiver<Received>) -> Received {
    loop {
        let received = told.recv_timeout(PATIENCE).expect("something comes");
        if !matches!(received, Received::Up { .. } | Received::Down { .. }) {
            return received;
        }
    }
}

#[test]
fn each_room_hears_its_own() {
    let (a, b) = pair();
    let to = NodeId(1);
    // Every room is told of the connection.
    for (_, told) in a.rooms.iter().chain(&b.rooms) {
        assert!(matches!(told.recv_timeout(PATIENCE), Ok(Received::Up { .. })));
    }
    let entries = [command(b"one"), command(&noise(5000, 1))];
    for round in 0..100 {
        a.server.room.send(to, &heartbeat(3 * round), [].iter());
        a.rooms[0].0.send(to, &heartbeat(3 * round + 1), [].iter());
        a.rooms[1].0.send(to, &append(9, 2), entries.iter());
    }
    let from = NodeId(0);
    for round in 0..100 {
        assert_eq!(b.server.expect_message().1, heartbeat(3 * round));
        let message = heartbeat(3 * round + 1);
        assert_eq!(next(&b.rooms[0].1), Received::Message { from, message, entries: Vec::new() });
        let message = append(9, 2);
        let entries = entries.to_vec();
        assert_eq!(next(&b.rooms[1].1), Received::Message { from, message, entries });
    }
}

/// The same number means another call in another room.
#[test]
fn calls_and_answers_stay_in_their_rooms() {
    let (a, b) = pair();
    for (room, _) in &a.rooms {
        assert!(room.forward(NodeId(1), 7, format!("{room:?}").as_bytes()));
    }
    // The last call is answered first.
    for (room, told) in b.rooms.iter().rev() {
        let Received::Forward { from, ticket, call } = next(told) else { panic!("a call") };
        assert_eq!((from, ticket.number()), (NodeId(0), 7));
        assert_eq!(call, format!("{room:?}").as_bytes());
        room.answer(from, ticket, &call);
    }
    for (room, told) in &a.rooms {
        let outcome = format!("{room:?}").into_bytes();
        let answer = Received::Answer { from: NodeId(1), ticket: 7, outcome };
        assert_eq!(next(told), answer);
    }
}

/// Snapshots of two groups wait for each other, and none is lost.
#[test]
fn each_group_s_snapshot_comes() {
    let (a, b) = pair();
    let path = a.server.folder.0.join("snapshot");
    std::fs::write(&path, noise(300_000, 3)).unwrap();
    for (index, (room, _)) in (1..).zip(&a.rooms) {
        room.send_snapshot(NodeId(1), snapshot(index), path.clone());
    }
    let mut paths = Vec::new();
    for (index, (_, told)) in (1..).zip(&b.rooms) {
        let Received::Snapshot { from, message, path } = next(told) else { panic!("a snapshot") };
        assert_eq!((from, message), (NodeId(0), snapshot(index)));
        assert_eq!(std::fs::read(&path).unwrap(), noise(300_000, 3));
        paths.push(path);
    }
    assert_ne!(paths[0], paths[1]);
}

/// A message for a group that is not here is lost, as in a network. A call would be waited for: its connection ends. A
/// snapshot is not taken, and its file goes.
#[test]
fn what_is_for_nobody_here() {
    let nobody = { listener().local_addr().unwrap() };
    let b = Plan { limits: quick(), ..Plan::new(1, &[(0, nobody)]) }.start(listener());
    let mut stream = raw::greeted(b.peers.address(), Hello::new(0, 1, raw::MESSAGES));
    stream.write_all(&raw::frame_for(7, raw::MESSAGE, &raw::message(&heartbeat(1)))).unwrap();
    stream.write_all(&raw::frame(raw::MESSAGE, &raw::message(&heartbeat(2)))).unwrap();
    assert_eq!(b.expect_message().1, heartbeat(2));
    let call = [&7_u64.to_le_bytes()[..], b"call"].concat();
    stream.write_all(&raw::frame_for(GROUP.0 + 1, raw::FORWARD, &call)).unwrap();
    raw::expect_closed(&mut stream);
    let mut bulk = raw::greeted(b.peers.address(), Hello::new(0, 1, raw::SNAPSHOT));
    let begin = [&4_u64.to_le_bytes()[..], &raw::message(&snapshot(3))].concat();
    for frame in [
        raw::frame_for(7, raw::BEGIN, &begin),
        raw::frame(raw::CHUNK, b"data"),
        raw::frame(raw::END, &crc32c::crc32c(b"data").to_le_bytes()),
    ] {
        bulk.write_all(&frame).unwrap();
    }
    raw::expect_closed(&mut bulk);
    assert_eq!(b.folder.names(), Vec::<String>::new());
}

#[test]
#[should_panic(expected = "before the transport goes")]
fn no_room_is_opened_too_late() {
    let a = Plan::new(0, &[]).start(listener());
    let _ = Room::open(&a.peers, GroupId(9), |_| {});
}
