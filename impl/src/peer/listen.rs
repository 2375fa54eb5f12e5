//! The connections that peers make to this server.
//!
//! One thread accepts; each connection has a thread that shakes hands and then reads, and a second one that
//! writes what became of the peer's calls. Of one peer the newest connection of a kind counts: it is the
//! one that the peer knows of, and the older is let go. Strangers can hold no more than a few connections,
//! each for the time of a handshake; when there are too many the oldest goes, so that those who hold
//! theirs as long as they can keep nobody out.

use super::error::Trouble;
use super::frame::{self, Kind, Malformed};
use super::hello::Purpose;
use super::link::{self, Number, Socket};
use super::{Peer, Received, Shared, Ticket, snapshot};
use crate::finally::Finally;
use crate::sync::{Mutex, Parker};
use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::{self, Scope};
use std::time::Duration;

/// How long to wait when the system has no room for another connection.
const CROWDED: Duration = Duration::from_millis(100);

/// The connections that have not proved anything, the oldest first.
type Unproven = Mutex<VecDeque<Number>>;

/// The accepting thread. It ends with the transport, when the last connection's threads have.
pub(super) fn run(shared: &Shared, listener: &TcpListener) {
    let unproven = Mutex::new(VecDeque::new());
    thread::scope(|scope| {
        loop {
            let accepted = listener.accept();
            if shared.sockets.is_stopped() {
                return;
            }
            match accepted {
                Ok((stream, address)) => {
                    if let Err(error) = begin(scope, shared, &unproven, stream, address) {
                        shared.turned(address, &error.into());
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "can't accept a peer's connection; are too many files open?");
                    thread::park_timeout(CROWDED);
                }
            }
        }
    });
}

fn begin<'scope>(
    scope: &'scope Scope<'scope, '_>,
    shared: &'scope Shared,
    unproven: &'scope Unproven,
    stream: TcpStream,
    address: SocketAddr,
) -> io::Result<()> {
    let Some(socket) = shared.sockets.add(stream)? else { return Ok(()) };
    let oldest = {
        let mut waiting = unproven.lock();
        waiting.push_back(socket.number);
        if waiting.len() > shared.limits.max_unproven { waiting.pop_front() } else { None }
    };
    if let Some(oldest) = oldest {
        shared.sockets.shut(oldest);
    }
    let number = socket.number;
    let serve = move || serve(shared, unproven, &socket, address);
    let spawned = thread::Builder::new().name("peer".to_owned()).spawn_scoped(scope, serve);
    if spawned.is_err() {
        proven(unproven, number);
    }
    spawned.map(|_| ())
}

/// It has proved what it could, or failed to; says whether it was still given the time.
fn proven(unproven: &Unproven, number: Number) -> bool {
    let mut waiting = unproven.lock();
    let at = waiting.iter().position(|&waiting| waiting == number);
    at.is_some_and(|at| waiting.remove(at).is_some())
}

/// A connection's thread.
fn serve(shared: &Shared, unproven: &Unproven, socket: &Socket<'_>, address: SocketAddr) {
    let received = socket.stream.set_nodelay(true).map_err(Trouble::Io);
    let received = received.and_then(|()| shared.site.receive(&socket.stream));
    let had_time = proven(unproven, socket.number);
    let received = if had_time { received } else { Err(Trouble::Crowded) };
    let (from, purpose) = match received {
        Ok(received) => received,
        Err(trouble) => {
            if !shared.sockets.is_stopped() {
                shared.turned(address, &trouble);
            }
            return;
        }
    };
    let peer = shared.peer(from).expect("the handshake knows the same peers");
    let ended = match purpose {
        Purpose::Messages => carry(shared, peer, socket),
        Purpose::Snapshot => snapshot::take_in(shared, peer, socket),
        Purpose::Work | Purpose::Status => {
            Err(Malformed::Payload("a hello to the coordinator of a job").into())
        }
    };
    if let Err(trouble) = ended
        && !shared.sockets.is_stopped()
    {
        tracing::info!(peer = from.0, %address, ?purpose, %trouble, "a peer's connection has ended");
    }
}

/// Takes what the peer sends, and writes back what became of its calls.
fn carry(shared: &Shared, peer: &Peer, socket: &Socket<'_>) -> Result<(), Trouble> {
    let silence = shared.limits.silence;
    link::prepare(&socket.stream, Some(silence))?;
    let parker = Parker::new();
    if let Some(older) = peer.back.open(socket.number, parker.unparker().clone())? {
        tracing::info!(peer = peer.node.0, "a newer connection replaces the one there was");
        shared.sockets.shut(older);
    }
    let end = || {
        peer.back.close(socket.number);
        socket.shut();
    };
    thread::scope(|scope| {
        let name = format!("peer {} calls", peer.node.0);
        let write = move || {
            let _end = Finally(end);
            peer.back.write_to(socket, &parker, silence)
        };
        let ending = Finally(end);
        let writer = thread::Builder::new().name(name).spawn_scoped(scope, write)?;
        let trouble = read(shared, peer, socket);
        drop(ending);
        // The writer's reason, if it has one, came first: it shut the socket, and so the reader ended.
        writer.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        Err(trouble)
    })
}

fn read(shared: &Shared, peer: &Peer, socket: &Socket<'_>) -> Trouble {
    let (limits, from) = (&shared.limits, peer.node);
    link::read_from(&socket.stream, limits.max_frame_bytes, limits.silence, |kind, payload| {
        peer.count(payload.len());
        match kind {
            Kind::Pulse => {}
            Kind::Message => {
                let (group, message, entries) = frame::message_of(payload)?;
                shared.tell(group, Received::Message { from, message, entries });
            }
            Kind::Forward => {
                let (group, number, call) = frame::numbered_of(payload)?;
                let ticket = Ticket { connection: socket.number, number };
                let forward = Received::Forward { from, ticket, call: call.to_vec() };
                if !shared.tell(group, forward) {
                    // The caller would wait.
                    return Err(Malformed::Place("for a group that is not here"));
                }
            }
            Kind::Letter => {
                if !shared.take_letter(from, payload) {
                    return Err(Malformed::Payload("no letter"));
                }
            }
            _ => return Err(Malformed::Place("to the side that was dialed")),
        }
        Ok(())
    })
}
