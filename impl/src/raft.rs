//! A server of a group as it runs: its threads, its disk, and how callers reach it.
//!
//! What it does is decided by [`protocol::rsm::Rsm`], the machine that the models check. One *core* thread owns it,
//! with no lock around it. Beside it: the *disk* thread, which makes durable what has come through the gate; the
//! *snapshot* thread, which writes and reads snapshot files; the *timer* thread; and the transport's threads for each
//! other server. They talk by mailboxes.
//!
//! A node's folder holds `wal/` (the log) and `snapshots/`. The log's record says which snapshot counts.

mod clocks;
mod core;
mod disk;
#[doc(hidden)]
pub mod files;
mod host;
mod options;
mod record;
mod script;
mod start;
mod status;
mod stream;
mod waiting;

pub use clocks::{Clocks, SystemClocks};
pub use disk::LogThread;
pub use files::{Error as SnapshotError, snapshot_sum};
pub use host::{Bounds, Host};
pub use options::Options;
pub use start::Ground;
pub use status::{Shared, Status};
pub use stream::{Applied, ApplyStream, Number, Raft};

use crate::mailbox::{Mailbox, Refused};
use crate::peer::{self, Received, Transport};
use crate::rsm::{Coded, StateMachine};
use crate::timer::TimerThread;
use crate::trace::{self, Recorder};
use crate::wal::{self, Batch, GroupId, Identity};
use protocol::log::Entry;
use protocol::raft::{self, Message, Paper};
pub use protocol::rsm::Outcome;
use protocol::rsm::{self as machine, Decided, Rsm};
use protocol::terms::Terms;
use protocol::{Index, NodeId, SnapshotId, Term, Write};
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

/// How many timers a core has.
const SLOTS: usize = 8;
/// The most posts that wait for the core. A post can hold many requests.
const MAX_MAIL: usize = 1 << 16;

/// Those who ask a server, as it answers them: in its core's thread.
pub trait Callers<S: StateMachine>: Send + 'static {
    /// One of them.
    type Caller: Send + 'static;

    /// Tells one. Must not block.
    fn tell(&mut self, caller: Self::Caller, outcome: Outcome<S::Reply>);

    /// A caller's command stands in this server's log now, at this index of it; whether it stays is told by
    /// [`Callers::tell`]. From the index, [`Terms`] know the term and the number among all commands.
    fn logged(&mut self, caller: &Self::Caller, index: Index, log: &Terms) {
        let _ = (caller, index, log);
    }

    /// The service is what a snapshot says: another server's, or this server's own, at its start.
    fn restored(&mut self, service: &S, from: Option<NodeId>) {
        let _ = (service, from);
    }

    /// Something was applied in this round.
    fn applied(&mut self, service: &S) {
        let _ = service;
    }

    /// The round is over: the service with all that is applied, and the term in which this server leads, if it does.
    /// What is given is asked next, in order. If the server is recorded, what is taken in is noted; what leaves because
    /// of it has to wait for [`Callers::carry`].
    fn attend(
        &mut self,
        service: &S,
        leads: Option<Term>,
        trace: Option<&mut Recorder>,
    ) -> Requests<S, Self::Caller> {
        let _ = (service, leads, trace);
        Vec::new()
    }

    /// What [`Callers::attend`] has come to may leave.
    fn carry(&mut self) {}

    /// Of a caller's command that is the proposal of a group's mover, the mover's term and the proposal's number: it is
    /// noted in the trace.
    fn proposal(&self, caller: &Self::Caller) -> Option<(Term, u64)> {
        let _ = caller;
        None
    }

    /// The round is over, and the machine is here. For tests that compare it with a model's.
    #[doc(hidden)]
    fn seen<R: raft::Rules, W: machine::Rules>(&mut self, machine: &Rsm<Coded<S>, R, W>) {
        let _ = machine;
    }

    /// The round is over: what was told may be sent off.
    fn flush(&mut self);
}

/// What a caller asks.
#[derive(Debug)]
pub struct Request<Q, C> {
    /// Who asks.
    pub caller: C,
    /// What.
    pub what: What<Q>,
    /// Whether a server that does not lead may pass it on to the leader. Reads need not be passed on: any server
    /// answers them once the leader has confirmed.
    pub forwards: bool,
}

/// What callers ask in one post, in order.
pub type Requests<S, C> = Vec<Request<<S as StateMachine>::Query, C>>;

/// A command or a query.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub enum What<Q> {
    /// A command, as [`crate::rsm::encode`] writes it.
    Command(Vec<u8>),
    /// A query.
    Query(Q),
}

/// A core's mail.
enum Mail<S: StateMachine, C> {
    Requests(Vec<Request<S::Query, C>>),
    Peer(Received),
    Timer {
        slot: usize,
        generation: u64,
    },
    Durable {
        writes: usize,
        /// How many bytes of the log's files they take, sectors and all.
        bytes: u64,
    },
    /// The snapshot that was asked for is durable, with this checksum; none if it failed.
    Snapshot {
        taken: Option<(SnapshotId, u32)>,
    },
    /// A snapshot that the program made: the service as it is after so many commands.
    Cut {
        commands: u64,
        service: S,
    },
    Install {
        from: NodeId,
        message: Message,
        state: Box<Coded<S>>,
        /// Its file's checksum.
        sum: u32,
    },
    /// To ask for votes without a pre-vote: only scripts do.
    Campaign,
    /// To have a snapshot taken of what is applied: only scripts do.
    TakeSnapshot,
    Stop,
    /// The disk has failed, or is said to have.
    Broken,
}

/// What the snapshot thread does.
enum Job<S> {
    Take {
        id: SnapshotId,
        state: Coded<S>,
    },
    Adopt {
        from: NodeId,
        message: Message,
        path: std::path::PathBuf,
    },
    /// The record of this snapshot is durable: older ones may go.
    Keep(SnapshotId),
}

/// What waits for the disk.
#[derive(Default)]
struct Filled {
    batches: Vec<Batch>,
    /// Whether each write is a batch by itself: see [`Disk::SYNCS_TOGETHER`](crate::disk::Disk::SYNCS_TOGETHER).
    apart: bool,
}

impl Filled {
    fn push<'a, I: Iterator<Item = &'a Entry<wal::Bytes>>>(
        &mut self,
        group: GroupId,
        write: &Write,
        entries: impl Fn() -> I,
    ) -> Result<(), wal::Error> {
        let full = self.apart && self.batches.last().is_some_and(|batch| !batch.is_empty());
        if self.batches.is_empty() || full {
            self.batches.push(Batch::new());
        }
        let last = self.batches.last_mut().expect("there is one");
        if let Err(error) = last.push(group, write, entries()) {
            if last.is_empty() {
                return Err(error);
            }
            let mut next = Batch::new();
            next.push(group, write, entries())?;
            self.batches.push(next);
        }
        Ok(())
    }
}

/// Why a server can't start or go on. Each message ends with what to do.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The log.
    #[error(transparent)]
    Wal(#[from] wal::Error),
    /// A snapshot.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// The trace.
    #[error(transparent)]
    Trace(#[from] trace::Error),
    /// The group's server was started here before.
    #[error("the server of group {0} was started here before. Start the node again")]
    Seated(GroupId),
    /// The transport.
    #[error("{0}")]
    Peer(Arc<peer::Error>),
    /// The folder.
    #[error("can't make {path}: {error}. Choose a folder that can be written")]
    Folder {
        /// Which.
        path: String,
        /// What the system said.
        error: Arc<std::io::Error>,
    },
    /// A command in the log.
    #[error(
        "the log has a command at index {index} that this program does not know: {why}. \
        Start the release that wrote it"
    )]
    Command {
        /// Where.
        index: u64,
        /// What is wrong.
        why: String,
    },
    /// The system gives no more threads.
    #[error("no thread can be started: {0}. Raise the limit on threads of this user")]
    Thread(Arc<std::io::Error>),
    /// The snapshot thread, or the core, has come to an unexpected end.
    #[error(
        "a thread of the server has panicked; its message is above. What was acknowledged is on the disk: start again"
    )]
    Panicked,
}

/// A running server of a replicated service.
pub struct Server<S: StateMachine, K: Callers<S>> {
    mail: Mailbox<Mail<S, K::Caller>>,
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<Result<(), Error>>>,
    timer: Option<TimerThread<SLOTS>>,
}

/// Sends requests to a server. Cheap to clone.
pub struct Handle<S: StateMachine, C>(Mailbox<Mail<S, C>>);

impl<S: StateMachine, C> Clone for Handle<S, C> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<S: StateMachine, C: Send + 'static> Handle<S, C> {
    /// Posts requests, in order.
    ///
    /// # Errors
    /// The requests, if the server is behind or stops. They were not and will not be executed.
    pub fn post(&self, requests: Requests<S, C>) -> Result<(), Refused<Requests<S, C>>> {
        self.0.post(Mail::Requests(requests)).map_err(|refused| match refused.mail {
            Mail::Requests(mail) => Refused { mail, why: refused.why },
            _ => unreachable!("what was posted comes back"),
        })
    }

    /// Lets the server come to the end of a round, where its callers attend to what they have.
    pub fn wake(&self) {
        // One that has too much to do comes there by itself; one that stops has no more to attend to.
        let _ = self.0.post(Mail::Requests(Vec::new()));
    }
}

/// How a server reaches the others.
pub enum Network {
    /// There are none.
    Alone,
    /// By connections of its own.
    Tcp(peer::Options),
    /// By connections that the servers of other groups use too, and that do not go yet.
    Shared(Arc<peer::Peers>),
    /// By something else, such as a script. It is given where to put what comes, which may be done from any thread.
    Other(Box<dyn FnOnce(Sink) -> Box<dyn Transport>>),
}

impl From<Arc<peer::Peers>> for Network {
    fn from(peers: Arc<peer::Peers>) -> Self {
        Self::Shared(peers)
    }
}

/// Where a transport puts what comes.
pub type Sink = Box<dyn Fn(Received) + Send + Sync>;

impl From<Option<peer::Options>> for Network {
    fn from(options: Option<peer::Options>) -> Self {
        options.map_or(Self::Alone, Self::Tcp)
    }
}

impl<S: StateMachine, K: Callers<S>> Server<S, K> {
    /// Starts a server from what its folder has; an empty folder is a server that has never run. `empty` is the service
    /// before the first command.
    ///
    /// # Errors
    /// If the folder can't be used, is damaged, or belongs to somebody else, or a port can't be had.
    pub fn start(
        folder: &Path,
        identity: Identity,
        options: Options,
        network: impl Into<Network>,
        empty: S,
        callers: K,
    ) -> Result<Self, Error> {
        let hosted = Host::open(folder, identity, 1, options.snapshot_bytes)?;
        start::alone(hosted, (Paper, Decided), network.into(), options, empty, callers)
    }
}

impl<S: StateMachine, K: Callers<S>> Drop for Server<S, K> {
    /// A server that nobody waits for stops all the same.
    fn drop(&mut self) {
        self.stop();
    }
}

impl<S: StateMachine, K: Callers<S>> Server<S, K> {
    /// Sends requests to it.
    pub fn handle(&self) -> Handle<S, K::Caller> {
        Handle(self.mail.clone())
    }

    /// What it shows of itself.
    pub fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.shared)
    }

    /// Tells it to stop; [`Server::wait`] sees the end. What was acknowledged is durable; those who wait are told that
    /// nobody knows.
    pub fn stop(&self) {
        let _ = self.mail.post_always(Mail::Stop);
    }

    /// Tells it to stop, from another thread.
    pub fn stopper(&self) -> impl Fn() + Send + Sync + use<S, K> {
        let mail = self.mail.clone();
        move || {
            let _ = mail.post_always(Mail::Stop);
        }
    }

    /// Waits until it has stopped.
    ///
    /// # Errors
    /// Why, if nobody told it to.
    pub fn wait(mut self) -> Result<(), Error> {
        let mut result = Ok(());
        for thread in self.threads.drain(..) {
            let ended = thread.join().unwrap_or(Err(Error::Panicked));
            result = result.and(ended);
        }
        drop(self.timer.take());
        result
    }
}
