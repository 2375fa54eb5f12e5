//! The connection that this server makes to a peer: it carries messages and calls there, and back what
//! became of the calls.
//!
//! One thread for each peer, for as long as the transport lives: it dials, shakes hands, writes until the
//! connection is lost, waits a little and dials again. What became of a call comes back on the connection
//! that the call left by, and on no other. So when that one is lost, and [`Received::Down`] says so, each
//! call that went over it is undecided for good, and no number of a call means anything to the next
//! connection, nor to the next life of this process.

use super::error::Trouble;
use super::frame::{self, Kind, Malformed};
use super::hello::Purpose;
use super::link::{self, Socket};
use super::{Peer, Received, Shared};
use crate::finally::Finally;
use crate::sync::{Mutex, Parker};
use std::net::{TcpStream, ToSocketAddrs};
use std::thread;
use std::time::{Duration, Instant};

/// A peer's thread.
pub(super) fn run(shared: &Shared, peer: &Peer, parker: &Parker) {
    let mut delay = shared.limits.retry;
    while !shared.sockets.is_stopped() {
        let lost = match connect(shared, peer, Purpose::Messages) {
            Ok(socket) => {
                delay = shared.limits.retry;
                carry(shared, peer, &socket, parker)
            }
            Err(trouble) => trouble,
        };
        if shared.sockets.is_stopped() {
            break;
        }
        shared.lost(peer, &lost);
        wait(shared, parker, jittered(delay));
        delay = (delay * 2).min(shared.limits.retry_most);
    }
}

/// A connection to the peer on which both sides have proved who they are.
pub(super) fn connect<'a>(
    shared: &'a Shared,
    peer: &Peer,
    purpose: Purpose,
) -> Result<Socket<'a>, Trouble> {
    let mut last = Trouble::NoAddress(peer.address.clone());
    let addresses = peer.address.to_socket_addrs();
    let addresses = addresses.map_err(|source| Trouble::Name(peer.address.clone(), source))?;
    for address in addresses {
        match TcpStream::connect_timeout(&address, shared.limits.handshake) {
            // A port of this machine at which nobody listens may be drawn for the dialer's own end.
            Ok(stream) if stream.local_addr()? == address => last = Trouble::Foreign,
            Ok(stream) => {
                let socket = shared.sockets.add(stream)?.ok_or(Trouble::LetGo)?;
                socket.stream.set_nodelay(true)?;
                shared.site.greet(&socket.stream, peer.node, purpose)?;
                return Ok(socket);
            }
            Err(error) => last = error.into(),
        }
    }
    Err(last)
}

/// Carries what is to be sent until the connection is lost; says why it is.
fn carry(shared: &Shared, peer: &Peer, socket: &Socket<'_>, parker: &Parker) -> Trouble {
    let silence = shared.limits.silence;
    let opened = link::prepare(&socket.stream, Some(silence)).map_err(Trouble::Io);
    let opened = opened.and_then(|()| peer.out.open(socket.number, parker.unparker().clone()));
    if let Err(trouble) = opened {
        return trouble;
    }
    shared.made(peer);
    shared.tell_all(&Received::Up { node: peer.node });
    let first = Mutex::new(None);
    let note = |trouble| {
        first.lock().get_or_insert(trouble);
    };
    // Nothing can be sent from here on, so whatever was is decided or lost when `Down` is told.
    let end = || {
        peer.out.close(socket.number);
        socket.shut();
    };
    thread::scope(|scope| {
        let name = format!("peer {} answers", peer.node.0);
        let read = || {
            let _end = Finally(end);
            note(read_answers(shared, peer, &socket.stream));
        };
        let _end = Finally(end);
        match thread::Builder::new().name(name).spawn_scoped(scope, read) {
            Ok(_) => {
                if let Err(trouble) = peer.out.write_to(socket, parker, silence) {
                    note(trouble);
                }
            }
            Err(error) => note(error.into()),
        }
    });
    peer.courier.cut(&shared.sockets);
    shared.tell_all(&Received::Down { node: peer.node });
    let trouble = first.lock().take();
    trouble.unwrap_or(Trouble::LetGo)
}

fn read_answers(shared: &Shared, peer: &Peer, stream: &TcpStream) -> Trouble {
    let limits = &shared.limits;
    link::read_from(stream, limits.max_frame_bytes, limits.silence, |kind, payload| {
        peer.count(payload.len());
        match kind {
            Kind::Pulse => {}
            Kind::Answer => {
                let (group, ticket, outcome) = frame::numbered_of(payload)?;
                let outcome = outcome.to_vec();
                shared.tell(group, Received::Answer { from: peer.node, ticket, outcome });
            }
            _ => return Err(Malformed::Place("to the side that dialed")),
        }
        Ok(())
    })
}

/// Waits, or until the transport stops.
fn wait(shared: &Shared, parker: &Parker, most: Duration) {
    let end = Instant::now() + most;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() || shared.sockets.is_stopped() {
            return;
        }
        parker.park_timeout(left);
    }
}

/// Between half of it and all of it, so that servers that lost each other at once don't meet at once.
fn jittered(delay: Duration) -> Duration {
    let part = getrandom::u32().unwrap_or_default();
    delay / 2 + (delay / 2).mul_f64(f64::from(part) / f64::from(u32::MAX))
}
