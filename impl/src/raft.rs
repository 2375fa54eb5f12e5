//! A server of a group as it runs: its threads, its disk, and how callers reach it.
//!
//! What it does is decided by [`protocol::rsm::Rsm`], the machine that the models check. One *core* thread owns it,
//! with no lock around it. Beside it: the *disk* thread, which makes durable what has come through the gate; the
//! *snapshot* thread, which writes and reads snapshot files; the *timer* thread; and the transport's threads for each
//! other server. They talk by mailboxes.
//!
//! A node's folder holds `wal/` (the log) and `snapshots/`. The log's record says which snapshot counts.

mod core;
mod disk;
#[doc(hidden)]
pub mod files;
mod options;
mod record;
mod status;
mod stream;
mod waiting;

pub use files::{Error as SnapshotError, snapshot_sum};
pub use options::Options;
pub use status::{Shared, Status};
pub use stream::{Applied, ApplyStream, Number, Raft};

use crate::disk::Folder;
use crate::gate::Gate;
use crate::mailbox::{Mailbox, Refused};
use crate::peer::{self, Peers, Received};
use crate::rsm::{Coded, StateMachine};
use crate::timer::TimerThread;
use crate::trace::{self, Recorder};
use crate::wal::{self, Batch, GroupId, Identity, Wal};
use core::{Core, State};
use disk::{DiskThread, SnapshotThread};
use files::Files;
use protocol::log::{Durable, Entry};
use protocol::raft::{Config, Message, Paper};
pub use protocol::rsm::Outcome;
use protocol::rsm::{Decided, Rsm};
use protocol::{NodeId, SnapshotId, Write};
use record::Up;
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Instant;

/// The only group of a node, for now.
const GROUP: GroupId = GroupId(0);
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

    /// Something was applied in this round.
    fn applied(&mut self, service: &S) {
        let _ = service;
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
#[derive(Debug)]
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
    Stop,
    /// The disk has failed.
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
    writes: usize,
    snapshot: Option<SnapshotId>,
}

impl Filled {
    fn push<'a, I: Iterator<Item = &'a Entry<wal::Bytes>>>(
        &mut self,
        write: &Write,
        entries: impl Fn() -> I,
    ) -> Result<(), wal::Error> {
        if self.batches.is_empty() {
            self.batches.push(Batch::new());
        }
        let last = self.batches.last_mut().expect("there is one");
        if let Err(error) = last.push(GROUP, write, entries()) {
            if last.is_empty() {
                return Err(error);
            }
            let mut next = Batch::new();
            next.push(GROUP, write, entries())?;
            self.batches.push(next);
        }
        self.writes += 1;
        if let Write::Snapshot { id, .. } = *write {
            self.snapshot = Some(id);
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
}

/// How a server reaches the others.
pub struct Network {
    /// See [`peer::Options`]; the identity, the server's number and the folder are put in here.
    pub options: peer::Options,
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
        network: Option<peer::Options>,
        empty: S,
        callers: K,
    ) -> Result<Self, Error> {
        let started = Instant::now();
        // Eight of these and what their openings copy are less than twice the bound.
        let segment_bytes = (options.snapshot_bytes / 10).clamp(16 << 10, 64 << 20);
        let wal_options = wal::Options { segment_bytes, ..wal::Options::default() };
        let folder_of = |name: &str| folder.join(name);
        let disk = Folder::new(folder_of("wal")).map_err(|error| Error::Folder {
            path: folder_of("wal").display().to_string(),
            error: error.into(),
        })?;
        let (wal, recovered) = Wal::open(disk, wal::Sound, identity, wal_options)?;
        if let Some(cut) = &recovered.cut {
            tracing::warn!(?cut, "a torn tail was cut off the log: writes that nobody was told of");
        }
        let first_read = wal.generations().last().unwrap_or(0) << 32;
        let durable = recovered.groups.get(&GROUP).map(|group| group.durable.clone());
        let durable = durable.unwrap_or_default();
        check_commands::<S>(&durable)?;
        let files = Files::new(&folder_of("snapshots"))?;
        let id = durable.snapshot();
        let (service, sum) = match id.last.index {
            0 => (Coded::new(empty), None),
            _ => files.load(id).map(|(state, sum)| (state, Some(sum)))?,
        };
        files.keep_only(id)?;
        let config = Config {
            me: options.me,
            voters: options.voters,
            max_batch: options.max_batch,
            window: options.window,
        };
        let recorder = options.record.as_deref().map(|folder| {
            let up = Up { config, first_read, sum, durable: &durable, service: &service };
            record::begin(folder, identity, &up)
        });
        let recorder = recorder.transpose()?;
        let rsm = Rsm::new((Paper, Decided), config, durable, service, first_read);
        Self::start_threads(Parts { wal, rsm, files, recorder, options, network, callers, started })
    }
}

impl<S: StateMachine, K: Callers<S>> Drop for Server<S, K> {
    /// A server that nobody waits for stops all the same.
    fn drop(&mut self) {
        self.stop();
    }
}

/// What was recovered and what threads are made of.
struct Parts<S: StateMachine, K> {
    wal: Wal<Folder>,
    rsm: Rsm<Coded<S>>,
    files: Files,
    recorder: Option<Recorder>,
    options: Options,
    network: Option<peer::Options>,
    callers: K,
    started: Instant,
}

/// What is in the log was checked when it came; a file of another release may have other commands.
fn check_commands<S: StateMachine>(durable: &Durable<wal::Bytes>) -> Result<(), Error> {
    let first = durable.snapshot().last.index + 1;
    for index in first..=durable.log.last() {
        if let Some(Entry::Command(payload)) = durable.log.get(index) {
            Coded::<S>::check(payload)
                .map_err(|error| Error::Command { index, why: error.to_string() })?;
        }
    }
    Ok(())
}

impl<S: StateMachine, K: Callers<S>> Server<S, K> {
    fn start_threads(parts: Parts<S, K>) -> Result<Self, Error> {
        let Parts { wal, rsm, files, recorder, options, network, callers, started } = parts;
        let mail: Mailbox<Mail<S, K::Caller>> = Mailbox::new(MAX_MAIL);
        let gate = Gate::new(Filled::default());
        let jobs = Mailbox::new(MAX_MAIL);
        let shared = Arc::new(Shared::new(options.me));
        let peers = match network {
            Some(network) => {
                let post = mail.clone();
                let sink = move |received: Received| {
                    if let Some(received) = checked::<S>(received) {
                        // A full mailbox drops messages, as a network does; Raft sends again.
                        let _ = post.post(Mail::Peer(received));
                    }
                };
                let peers =
                    Peers::start(network, sink).map_err(|error| Error::Peer(error.into()))?;
                Some(peers)
            }
            None => None,
        };
        let timer = {
            let post = mail.clone();
            let now = move || u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
            let fire = move |slot, generation| {
                // The core is gone: nothing is to be done at any time.
                let _ = post.post_always(Mail::Timer { slot, generation });
            };
            TimerThread::spawn(now, fire).map_err(|error| Error::Thread(error.into()))?
        };
        let timers = Arc::clone(timer.timers());
        let seed = options.me.0.into();
        let seed = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), &seed as &u64);
        let state = State::new(&rsm, seed);
        let disk = DiskThread { wal, gate: gate.clone(), mail: mail.clone(), jobs: jobs.clone() };
        let snapshots =
            SnapshotThread { files: files.clone(), jobs: jobs.clone(), mail: mail.clone() };
        let core = Core {
            options,
            rsm,
            mail: mail.clone(),
            gate,
            timers,
            peers,
            jobs,
            files,
            recorder,
            shared: Arc::clone(&shared),
            callers,
            started,
            state,
        };
        let spawn = |name: &str, run: Box<dyn FnOnce() -> Result<(), Error> + Send>| {
            let thread = thread::Builder::new().name(name.into()).spawn(run);
            thread.map_err(|error| Error::Thread(error.into()))
        };
        let threads = vec![
            spawn(
                "core",
                Box::new(|| {
                    // However it ends: the threads beside it end too.
                    let _closer = Closer { gate: core.gate.clone(), jobs: core.jobs.clone() };
                    core.run()
                }),
            )?,
            spawn("disk", Box::new(|| disk.run()))?,
            spawn("snapshots", Box::new(|| snapshots.run()))?,
        ];
        Ok(Self { mail, shared, threads, timer: Some(timer) })
    }

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

/// Ends the threads that work for a core.
struct Closer<S> {
    gate: Gate<Filled>,
    jobs: Mailbox<Job<S>>,
}

impl<S> Drop for Closer<S> {
    fn drop(&mut self) {
        self.gate.close();
        self.jobs.close();
    }
}

/// Drops what another server sent that is no command of this service: bad bytes never reach the machine.
fn checked<S: StateMachine>(received: Received) -> Option<Received> {
    if let Received::Message { from, entries, .. } = &received {
        for entry in entries {
            if let Entry::Command(payload) = entry
                && let Err(error) = Coded::<S>::check(payload)
            {
                tracing::error!(?from, %error, "a message with a command that this program does not know");
                return None;
            }
        }
    }
    Some(received)
}
