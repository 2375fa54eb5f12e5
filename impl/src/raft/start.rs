//! How a server comes up: what its disk has is read, and its threads are started.

use super::core::{Core, State};
use super::disk::{DiskThread, SnapshotThread};
use super::files::Files;
use super::record::{self, Up};
use super::{
    Callers, Error, Filled, GROUP, Job, MAX_MAIL, Mail, Network, Options, SLOTS, Server, Shared,
};
use crate::disk::Disk;
use crate::gate::Gate;
use crate::mailbox::Mailbox;
use crate::peer::{Peers, Received, Transport};
use crate::rsm::{Coded, StateMachine};
use crate::timer::TimerThread;
use crate::trace::Recorder;
use crate::wal::{self, Identity, Wal};
use protocol::log::{Durable, Entry};
use protocol::raft::{self, Config};
use protocol::rsm::{self as machine, Rsm};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

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
struct Parts<S: StateMachine, K, R, W, D: Disk> {
    wal: Wal<D>,
    rsm: Rsm<Coded<S>, R, W>,
    files: Files,
    recorder: Option<Recorder>,
    options: Options,
    network: Network,
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
    /// Starts a server on another ground than the usual one. Snapshots are in `folder` all the same.
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
        let started = Instant::now();
        // Eight of these and what their openings copy are less than twice the bound.
        let segment_bytes = (options.snapshot_bytes / 10).clamp(16 << 10, 64 << 20);
        let wal_options = wal::Options { segment_bytes, ..wal::Options::default() };
        let (wal, recovered) = Wal::open(disk, wal::Sound, identity, wal_options)?;
        if let Some(cut) = &recovered.cut {
            tracing::warn!(?cut, "a torn tail was cut off the log: writes that nobody was told of");
        }
        let first_read = wal.generations().last().unwrap_or(0) << 32;
        let durable = recovered.groups.get(&GROUP).map(|group| group.durable.clone());
        let durable = durable.unwrap_or_default();
        check_commands::<S>(&durable)?;
        let files = Files::new(&folder.join("snapshots"))?;
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
        let rsm = Rsm::new(rules, config, durable, service, first_read);
        start_threads(Parts { wal, rsm, files, recorder, options, network, callers, started })
    }
}

/// Starts the threads and what they share.
fn start_threads<S, K, R, W, D>(parts: Parts<S, K, R, W, D>) -> Result<Server<S, K>, Error>
where
    S: StateMachine,
    K: Callers<S>,
    R: raft::Rules,
    W: machine::Rules,
    D: Disk<File: Send, Lock: Send> + Send + 'static,
{
    let Parts { wal, rsm, files, recorder, options, network, callers, started } = parts;
    let mail: Mailbox<Mail<S, K::Caller>> = Mailbox::new(MAX_MAIL);
    let gate = Gate::new(Filled::default());
    let jobs = Mailbox::new(MAX_MAIL);
    let shared = Arc::new(Shared::new(options.me));
    let peers = reach::<S, K>(network, &mail)?;
    let timer = clock::<S, K>(started, &mail)?;
    let timers = Arc::clone(timer.timers());
    let seed = options.me.0.into();
    let seed = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), &seed as &u64);
    let state = State::new(&rsm, seed);
    let disk = DiskThread { wal, gate: gate.clone(), mail: mail.clone(), jobs: jobs.clone() };
    let snapshots = SnapshotThread { files: files.clone(), jobs: jobs.clone(), mail: mail.clone() };
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
    Ok(Server { mail, shared, threads, timer: Some(timer) })
}

/// Where the mail of a core goes.
type Post<S, K> = Mailbox<Mail<S, <K as Callers<S>>::Caller>>;

/// Begins to reach the others.
fn reach<S: StateMachine, K: Callers<S>>(
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
            let peers = Peers::start(options, sink).map_err(|error| Error::Peer(error.into()))?;
            Some(Box::new(peers))
        }
        Network::Other(start) => Some(start(Box::new(sink))),
    })
}

/// The thread that fires timers.
fn clock<S: StateMachine, K: Callers<S>>(
    started: Instant,
    mail: &Post<S, K>,
) -> Result<TimerThread<SLOTS>, Error> {
    let post = mail.clone();
    let now = move || u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
    let fire = move |slot, generation| {
        // The core is gone: nothing is to be done at any time.
        let _ = post.post_always(Mail::Timer { slot, generation });
    };
    TimerThread::spawn(now, fire).map_err(|error| Error::Thread(error.into()))
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
