//! How a server comes up: what its disk has is read, and its threads are started.

use super::core::{Core, State};
use super::disk::{LogThread, Posts, SnapshotThread};
use super::files::Files;
use super::host::{Host, Seated};
use super::record::{self, Up};
use super::{Callers, Clocks, Error, Job, MAX_MAIL, Mail, Network, Options, SLOTS, Server, Shared};
use crate::disk::Disk;
use crate::mailbox::Mailbox;
use crate::peer::{self, Peers, Received, Room, Transport};
use crate::rsm::{Coded, StateMachine};
use crate::timer::TimerThread;
use crate::trace::{Recorder, Whose};
use crate::wal::{self, GroupId, Identity};
use protocol::log::{Durable, Entry};
use protocol::raft::{self, Config, Paper};
use protocol::rsm::{self as machine, Decided, Rsm};
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

/// What a server stands on. Tests put something else in its place: seeded bugs, a disk and a network that follow a
/// script.
pub struct Ground<R, W, D> {
    /// What is decided, of consensus and of who is told what.
    pub rules: (R, W),
    /// Where the log is.
    pub disk: D,
    /// How it reaches the others.
    pub network: Network,
}

/// What was recovered and what threads are made of.
struct Parts<S: StateMachine, K, R, W> {
    rsm: Rsm<Coded<S>, R, W>,
    files: Files,
    recorder: Option<Recorder>,
    options: Options,
    network: Network,
    callers: K,
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
    /// Starts the only server of a node on another ground than the usual one. Snapshots are in `folder` all the same.
    ///
    /// # Errors
    /// As [`Server::start`].
    #[doc(hidden)]
    pub fn start_on<R, W, D>(
        ground: Ground<R, W, D>,
        folder: &Path,
        identity: Identity,
        options: Options,
        empty: S,
        callers: K,
    ) -> Result<Self, Error>
    where
        R: raft::Rules,
        W: machine::Rules,
        D: Disk<File: Send, Lock: Send> + Send + 'static,
    {
        let Ground { rules, disk, network } = ground;
        let hosted = Host::open_on(disk, folder, identity, (1, options.snapshot_bytes))?;
        alone(hosted, rules, network, options, empty, callers)
    }
}

/// Starts the only server of a node, which runs the log's thread too.
pub(super) fn alone<S, K, R, W, D>(
    (host, log): (Host, LogThread<D>),
    rules: (R, W),
    network: Network,
    options: Options,
    empty: S,
    callers: K,
) -> Result<Server<S, K>, Error>
where
    S: StateMachine,
    K: Callers<S>,
    R: raft::Rules,
    W: machine::Rules,
    D: Disk<File: Send, Lock: Send> + Send + 'static,
{
    let mut server = start(&host, GroupId(0), rules, network, options, empty, callers)?;
    // The log's thread ends with the server's core, which has the last handle.
    drop(host);
    server.threads.push(spawn("disk", || log.run())?);
    Ok(server)
}

impl Host {
    /// Starts a group's server here, once in a host's life.
    ///
    /// # Errors
    /// If what the log has is no state of this service, the group's snapshot can't be read, or a port can't be had.
    pub fn start<S: StateMachine, K: Callers<S>>(
        &self,
        group: GroupId,
        options: Options,
        network: impl Into<Network>,
        empty: S,
        callers: K,
    ) -> Result<Server<S, K>, Error> {
        start(self, group, (Paper, Decided), network.into(), options, empty, callers)
    }
}

/// A group's state as the host has it, and the threads that go on with it.
fn start<S, K, R, W>(
    host: &Host,
    group: GroupId,
    rules: (R, W),
    network: Network,
    options: Options,
    empty: S,
    callers: K,
) -> Result<Server<S, K>, Error>
where
    S: StateMachine,
    K: Callers<S>,
    R: raft::Rules,
    W: machine::Rules,
{
    let durable = host.take(group)?;
    check_commands::<S>(&durable)?;
    let files = Files::new(&host.snapshots(group))?;
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
    let first_read = host.first_read();
    let recorder = options.record.as_deref().map(|folder| {
        let up = Up { config, first_read, sum, durable: &durable, service: &service };
        let whose = Whose { identity: host.identity(), group: u32::from(group.0) };
        record::begin(folder, whose, &up)
    });
    let recorder = recorder.transpose()?;
    let rsm = Rsm::new(rules, config, durable, service, first_read);
    start_threads(host, group, Parts { rsm, files, recorder, options, network, callers })
}

fn spawn(
    name: &str,
    run: impl FnOnce() -> Result<(), Error> + Send + 'static,
) -> Result<JoinHandle<Result<(), Error>>, Error> {
    let thread = thread::Builder::new().name(name.into()).spawn(run);
    thread.map_err(|error| Error::Thread(error.into()))
}

/// Starts the threads and what they share.
fn start_threads<S, K, R, W>(
    host: &Host,
    group: GroupId,
    parts: Parts<S, K, R, W>,
) -> Result<Server<S, K>, Error>
where
    S: StateMachine,
    K: Callers<S>,
    R: raft::Rules,
    W: machine::Rules,
{
    let Parts { rsm, files, recorder, options, network, callers } = parts;
    let mail: Mailbox<Mail<S, K::Caller>> = Mailbox::new(MAX_MAIL);
    let jobs = Mailbox::new(MAX_MAIL);
    let shared = Arc::new(Shared::new(options.me));
    let peers = reach::<S, K>(group, network, &mail)?;
    let timer = clock::<S, K>(&options.clocks, &mail)?;
    let timers = Arc::clone(timer.timers());
    let seed = options.me.0.into();
    let seed = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), &seed as &u64);
    let state = State::new(&rsm, seed, &*options.clocks, &host.room());
    let seat = host.sit(group, Arc::new(Posts { mail: mail.clone(), jobs: jobs.clone() }));
    let snapshots = SnapshotThread { files: files.clone(), jobs: jobs.clone(), mail: mail.clone() };
    let core = Core {
        options,
        rsm,
        mail: mail.clone(),
        group,
        gate: host.gate().clone(),
        room: host.room(),
        timers,
        peers,
        jobs: jobs.clone(),
        files,
        recorder,
        shared: Arc::clone(&shared),
        callers,
        state,
    };
    let run = move || {
        // However it ends: the threads beside it end too.
        let _closer = Closer { jobs, _seat: seat };
        core.run()
    };
    let threads = vec![spawn("core", run)?, spawn("snapshots", || snapshots.run())?];
    Ok(Server { mail, shared, threads, timer: Some(timer) })
}

/// Where the mail of a core goes.
type Post<S, K> = Mailbox<Mail<S, <K as Callers<S>>::Caller>>;

/// Begins to reach the others.
fn reach<S: StateMachine, K: Callers<S>>(
    group: GroupId,
    network: Network,
    mail: &Post<S, K>,
) -> Result<Option<Box<dyn Transport>>, Error> {
    let post = mail.clone();
    let sink = move |received: Received| {
        if let Some(received) = checked::<S>(received) {
            // A full mailbox drops messages, as a network does; Raft sends again.
            let _ = post.post(Mail::Peer(received));
        }
    };
    Ok(match network {
        Network::Alone => None,
        Network::Tcp(options) => {
            let failed = |error: peer::Error| Error::Peer(error.into());
            let peers = Arc::new(Peers::open(options).map_err(failed)?);
            let room = Room::open(&peers, group, sink);
            peers.go().map_err(failed)?;
            Some(Box::new(room))
        }
        Network::Shared(peers) => Some(Box::new(Room::open(&peers, group, sink))),
        Network::Other(start) => Some(start(Box::new(sink))),
    })
}

/// The thread that fires timers.
fn clock<S: StateMachine, K: Callers<S>>(
    clocks: &Arc<dyn Clocks>,
    mail: &Post<S, K>,
) -> Result<TimerThread<SLOTS>, Error> {
    let post = mail.clone();
    let clocks = Arc::clone(clocks);
    let now = move || clocks.now_us();
    let fire = move |slot, generation| {
        // The core is gone: nothing is to be done at any time.
        let _ = post.post_always(Mail::Timer { slot, generation });
    };
    TimerThread::spawn(now, fire).map_err(|error| Error::Thread(error.into()))
}

/// Ends the threads that work for a core: that of the log ends with the last handle of its host, which a seat is.
struct Closer<S> {
    jobs: Mailbox<Job<S>>,
    _seat: Seated,
}

impl<S> Drop for Closer<S> {
    fn drop(&mut self) {
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
