//! The clients' side of a node: one thread, a readiness loop over sockets, a [`Session`] for each.
//!
//! A round takes what has arrived on any socket, hands the calls of all sessions to the core in one post, takes what
//! the core has told, and writes. So the costs of waking and locking are shared by all clients that were busy at once.
//! A session that wants no more is not read, and its client's own buffers fill: nothing here grows without a bound.

mod asking;
mod callers;
mod connection;
mod guests;
mod router;
mod view;
mod waits;

pub use callers::{Caller, NetCallers};
pub use guests::Guests;
pub use router::{ControllerHandle, GroupHandle, Router};
pub use view::{Source, Views};

use crate::kv::Kv;
use crate::mailbox::Mailbox;
use crate::peer::Peers;
use crate::raft::{Handle, Request};
use crate::session::{Access, Asked, Password, Port, Query, Session, SessionLimits};
use callers::NetMail;
use connection::Connection;
use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token, Waker};
use protocol::NodeId;
use protocol::shardkv::GroupId;
use slab::Slab;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;
use waits::Waits;

const WAKER: Token = Token(0);
const PLAIN: Token = Token(1);
const CLUSTER: Token = Token(2);
const FIRST: usize = 3;
/// The most mail that waits for this thread; the core's answers go in whatever is there.
const MAX_MAIL: usize = 1 << 16;
/// How soon it is tried again to accept a client that could not be.
const STARVED: Duration = Duration::from_millis(100);

/// How clients are served.
#[derive(Clone, Debug)]
pub struct Options {
    /// The most clients.
    pub max_clients: usize,
    /// What one client may have under way.
    pub limits: SessionLimits,
    /// What clients must give first.
    pub password: Option<Password>,
}

/// By whom the clients are served.
pub enum Core {
    /// The server of the one group, which has all slots.
    One(Handle<Kv, Caller>),
    /// The servers of a sharded cluster's groups.
    Sharded(Box<Router>),
}

/// The thread that serves the clients.
#[derive(Debug)]
pub struct Net {
    mail: Mailbox<NetMail>,
    thread: JoinHandle<io::Result<()>>,
}

/// How many connections the system holds ready while the loop is busy. It cuts this to its own bound, on Linux
/// `net.core.somaxconn`; who comes beyond it tries again, in a second or later.
const BACKLOG: i32 = 1024;

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // Connections of an earlier life may still be ending there. Elsewhere this would share the port.
    if cfg!(unix) {
        socket.set_reuse_address(true)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(TcpListener::from_std(socket.into()))
}

/// Sockets that listen, and the way to the thread that will serve them: made before the core, which needs that way.
#[derive(Debug)]
pub struct Doors {
    poll: Poll,
    plain: TcpListener,
    cluster: TcpListener,
    mail: Mailbox<NetMail>,
    waits: Waits,
}

impl Doors {
    /// Listens on both ports.
    ///
    /// # Errors
    /// Which address can't be had, and why.
    pub fn open(plain: SocketAddr, cluster: SocketAddr) -> Result<Self, (SocketAddr, io::Error)> {
        let poll = Poll::new().map_err(|error| (plain, error))?;
        let waker = Waker::new(poll.registry(), WAKER).map_err(|error| (plain, error))?;
        let wake = Box::new(move || {
            // The loop ends only when it is told to; a pipe that is full wakes it anyhow.
            let _ = waker.wake();
        });
        let listen = |address: SocketAddr, token| {
            let mut listener = listen(address).map_err(|error| (address, error))?;
            let registered = poll.registry().register(&mut listener, token, Interest::READABLE);
            registered.map_err(|error| (address, error))?;
            Ok(listener)
        };
        let (plain, cluster) = (listen(plain, PLAIN)?, listen(cluster, CLUSTER)?);
        let mail = Mailbox::with_waker(MAX_MAIL, wake);
        Ok(Self { poll, plain, cluster, mail, waits: Waits::default() })
    }

    /// Where clients are served: plain and cluster.
    ///
    /// # Errors
    /// Those of the system.
    pub fn addresses(&self) -> io::Result<(SocketAddr, SocketAddr)> {
        Ok((self.plain.local_addr()?, self.cluster.local_addr()?))
    }

    /// The core's way to the clients.
    pub fn callers(&self) -> NetCallers {
        NetCallers::new(self.mail.clone(), None, self.waits.clone(), None)
    }

    /// The way to the clients of a group's core, those on other nodes too.
    pub fn callers_of(&self, group: GroupId, guests: Arc<Guests>) -> NetCallers {
        NetCallers::new(self.mail.clone(), Some(group), self.waits.clone(), Some(guests))
    }

    /// The way to groups on other nodes, and of those nodes to groups here.
    pub fn guests(&self, others: Vec<NodeId>, peers: Option<&Arc<Peers>>) -> Arc<Guests> {
        Guests::open(self.mail.clone(), others, peers)
    }

    /// Begins to serve.
    ///
    /// # Errors
    /// If there is no thread to be had.
    pub fn serve(self, core: Core, views: Views, options: Options) -> io::Result<Net> {
        let mail = self.mail.clone();
        let server = Loop {
            doors: self,
            core,
            views,
            options,
            connections: Slab::new(),
            next_id: 1,
            waits_looked_ms: 0,
            starved: Vec::new(),
            starves: false,
            dirty: Vec::new(),
            requests: Vec::new(),
            calls: Vec::new(),
            buffer: vec![0; 256 << 10],
        };
        let thread = thread::Builder::new().name("clients".into()).spawn(|| server.run())?;
        Ok(Net { mail, thread })
    }
}

impl Net {
    /// Ends the service: what is answered is sent as far as sockets take it, then all connections are closed.
    pub fn stop(&self) {
        let _ = self.mail.post_always(NetMail::Stop);
    }

    /// Waits for the thread's end.
    ///
    /// # Errors
    /// Why it ended, if nobody had told it to.
    pub fn wait(self) -> io::Result<()> {
        self.thread.join().unwrap_or_else(|_| Err(io::Error::other("the clients' thread panicked")))
    }
}

struct Loop {
    doors: Doors,
    core: Core,
    views: Views,
    options: Options,
    connections: Slab<Connection>,
    next_id: u64,
    /// When those who wait for keys were looked at, in milliseconds since the start.
    waits_looked_ms: u64,
    /// Ports where clients wait that could not be accepted.
    starved: Vec<Port>,
    /// Whether the last one could not.
    starves: bool,
    /// Connections that may have something to be sent, parsed or closed. May name one twice.
    dirty: Vec<usize>,
    requests: Vec<Request<Query, Caller>>,
    /// Empty between uses; kept for its capacity.
    calls: Vec<Asked>,
    buffer: Vec<u8>,
}

impl Loop {
    fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(1024);
        let mut mail = Vec::new();
        loop {
            let timeout = self.patience();
            match self.doors.poll.poll(&mut events, timeout) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            self.refresh();
            self.accept_starved();
            for event in &events {
                match event.token() {
                    WAKER => {}
                    PLAIN => self.accept(Port::Plain),
                    CLUSTER => self.accept(Port::Cluster),
                    Token(token) => {
                        let token = token - FIRST;
                        if let Some(connection) = self.connections.get_mut(token) {
                            connection.readable |= event.is_readable();
                            connection.writable |= event.is_writable();
                            self.dirty.push(token);
                        }
                    }
                }
            }
            self.doors.mail.try_take(&mut mail);
            for item in mail.drain(..) {
                match item {
                    NetMail::Told(group, told) => {
                        let tell = |(caller, outcome)| self.told(caller, group, outcome);
                        told.into_iter().for_each(tell);
                    }
                    NetMail::Woken(wait) => self.ask_for(&wait),
                    NetMail::Stop => return self.end(),
                }
            }
            self.end_waits();
            self.ask_again();
            self.serve_dirty();
            self.post();
        }
    }

    /// How long there is nothing to do if nothing comes.
    fn patience(&self) -> Option<Duration> {
        if !self.dirty.is_empty() {
            return Some(Duration::ZERO);
        }
        let now = self.views.up_ms();
        let again = match &self.core {
            Core::One(_) => None,
            Core::Sharded(router) => {
                let waits = !self.doors.waits.nobody();
                let look = waits.then_some(self.waits_looked_ms + asking::LOOK_MS);
                router.next_ms().into_iter().chain(look).min()
            }
        };
        let next = self.doors.waits.next().into_iter().chain(again).min();
        let next = next.map(|at| Duration::from_millis(at.saturating_sub(now)));
        let starved = (!self.starved.is_empty()).then_some(STARVED);
        next.into_iter().chain(starved).min()
    }

    fn accept_starved(&mut self) {
        let mut starved = std::mem::take(&mut self.starved);
        starved.dedup();
        starved.into_iter().for_each(|port| self.accept(port));
    }

    fn accept(&mut self, port: Port) {
        loop {
            let listener =
                if port == Port::Plain { &self.doors.plain } else { &self.doors.cluster };
            let (socket, address) = match listener.accept() {
                Ok(accepted) => accepted,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => {
                    // Out of descriptors, as a rule. The poll does not tell of those who wait once more.
                    if !std::mem::replace(&mut self.starves, true) {
                        tracing::warn!(%error, "clients can't be accepted; they wait");
                    }
                    self.starved.push(port);
                    return;
                }
            };
            self.starves = false;
            self.views.counters.connections += 1;
            if self.connections.len() >= self.options.max_clients {
                self.views.counters.rejected += 1;
                connection::turn_away(socket);
                continue;
            }
            let local = socket.local_addr().map(|local| local.to_string()).unwrap_or_default();
            let access = Access {
                password: self.options.password.clone(),
                loopback: address.ip().is_loopback(),
                port,
                address: address.to_string(),
                local,
            };
            let id = self.next_id;
            self.next_id += 1;
            let session = Session::new(id, access, self.options.limits, self.views.now_ms());
            let entry = self.connections.vacant_entry();
            let token = entry.key();
            let registry = self.doors.poll.registry();
            match Connection::new(socket, session, port, Token(token + FIRST), registry) {
                Ok(connection) => {
                    entry.insert(connection);
                    self.dirty.push(token);
                }
                Err(error) => tracing::warn!(%error, "a client could not be registered"),
            }
        }
    }

    /// Reads, parses, writes and closes where there is something to do.
    fn serve_dirty(&mut self) {
        let mut dirty = std::mem::take(&mut self.dirty);
        dirty.sort_unstable();
        dirty.dedup();
        for token in dirty.drain(..) {
            let Some(connection) = self.connections.get_mut(token) else { continue };
            let view = self.views.current();
            let now = self.views.now_ms();
            let again = connection.turn(&mut self.buffer, &view, now, &mut self.calls);
            let (received, sent) = connection.take_counts();
            self.views.counters.received_bytes += received;
            self.views.counters.sent_bytes += sent;
            let ends = connection.is_over();
            self.ask(token);
            if ends {
                self.close(token);
            } else if again {
                self.dirty.push(token);
            }
        }
    }

    fn close(&mut self, token: usize) {
        let mut connection = self.connections.remove(token);
        let id = connection.session.id();
        self.doors.waits.forget(id);
        if let Core::Sharded(router) = &mut self.core {
            router.forget(token, id);
        }
        // The socket is closed here; that it was never registered is nothing that could be helped.
        let _ = self.doors.poll.registry().deregister(&mut connection.socket);
    }

    /// Sends what is answered, as far as the sockets take it.
    fn end(mut self) -> io::Result<()> {
        let (view, now) = (self.views.current(), self.views.now_ms());
        for (_, connection) in &mut self.connections {
            connection.session.end();
            connection.turn(&mut self.buffer, &view, now, &mut self.calls);
        }
        Ok(())
    }
}

/// A node's view for a session, shared.
pub type SharedView = Arc<crate::view::View>;
