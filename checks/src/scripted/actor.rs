//! One server of a script: the product's threads, on a disk and a network and by clocks that do what they are told.
//!
//! Everything that happens to a server is a post to its core, and every post is a round, at whose end the core says so.
//! So the script waits for rounds, and neither sleeps nor guesses.

use super::tape::Tape;
use super::wire::{Outbox, Sent};
use protocol::NodeId;
use protocol::log::Durable;
use protocol::quorum::NodeSet;
use protocol::raft::{self, Timer};
use protocol::rsm::{Outcome, Rsm, Rules};
use quorate::peer::Received;
use quorate::raft::{Callers, Clocks, Ground, Network, Options, Request, Server, Sink, What};
use quorate::rsm::{Coded, StateMachine};
use quorate::wal::{self, Bytes, GroupId, Identity, Wal};
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Once};
use std::time::Duration;

/// How long a round may take before something must be stuck.
const PATIENCE: Duration = Duration::from_secs(120);

/// How long callers wait for a leader, and in all, by the script's clocks: so short that the group's clock, which
/// counts milliseconds, stands still.
const PARK: Duration = Duration::from_micros(100);
const DEADLINE: Duration = Duration::from_micros(300);

/// A server as it is seen at the end of a round.
pub type Machine<S, R, W> = Rsm<Coded<S>, R, W>;

/// One caller's answer: who, and what.
pub type Told<S> = (u64, Outcome<<S as StateMachine>::Reply>);

/// What a round has shown.
enum Round<S: StateMachine, R, W> {
    Over {
        told: Vec<Told<S>>,
        machine: Box<Machine<S, R, W>>,
    },
    /// A claim of the machine did not hold, and the core has panicked.
    Broken(String),
}

/// Stands in the core's thread and tells the script of each round.
struct Watcher<S: StateMachine, R, W> {
    told: Vec<Told<S>>,
    machine: Option<Box<Machine<S, R, W>>>,
    rounds: Sender<Round<S, R, W>>,
}

thread_local! {
    static WATCHED: Cell<bool> = const { Cell::new(false) };
    static CLAIM: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Keeps the claims at which a watched core panics from being printed: the script tells of them.
fn quiet_watched_cores() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !WATCHED.get() {
                return usual(info);
            }
            let payload = info.payload();
            let text = payload.downcast_ref::<&str>().map(ToString::to_string);
            let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
            CLAIM.set(text.unwrap_or_default());
        }));
    });
}

impl<S, R, W> Callers<S> for Watcher<S, R, W>
where
    S: StateMachine<Query: Clone, Reply: Clone>,
    R: raft::Rules,
    W: Rules,
{
    type Caller = u64;

    fn tell(&mut self, caller: u64, outcome: Outcome<S::Reply>) {
        self.told.push((caller, outcome));
    }

    fn seen<R2: raft::Rules, W2: Rules>(&mut self, machine: &Machine<S, R2, W2>) {
        WATCHED.set(true);
        let machine: &dyn Any = machine;
        self.machine = machine.downcast_ref::<Machine<S, R, W>>().cloned().map(Box::new);
    }

    fn flush(&mut self) {
        // At its end a core answers once more, and nobody listens.
        let Some(machine) = self.machine.take() else { return };
        let told = std::mem::take(&mut self.told);
        let _ = self.rounds.send(Round::Over { told, machine });
    }
}

impl<S: StateMachine, R, W> Drop for Watcher<S, R, W> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let _ = self.rounds.send(Round::Broken(CLAIM.take()));
        }
    }
}

/// Clocks that show what they are set to.
#[derive(Debug, Default)]
pub struct Still {
    now_us: AtomicU64,
}

impl Clocks for Still {
    fn now_us(&self) -> u64 {
        self.now_us.load(Ordering::SeqCst)
    }

    fn wall_ms(&self) -> u64 {
        0
    }
}

/// What every life of a server has in common.
#[derive(Clone, Copy, Debug)]
pub struct Setting<R, W> {
    /// The rules of its machine.
    pub rules: (R, W),
    /// What it is told at its start.
    pub config: raft::Config,
    /// Whether the `Contact` timer fires as soon as it is set, as in the model (RED-CONTACT).
    pub contact_at_once: bool,
}

/// What came of something that happened to a server.
pub struct Came<S: StateMachine> {
    /// What it sent, in order.
    pub sent: Vec<Sent>,
    /// Whom it told what.
    pub told: Vec<Told<S>>,
}

impl<S: StateMachine> Default for Came<S> {
    fn default() -> Self {
        Self { sent: Vec::new(), told: Vec::new() }
    }
}

/// A server, life after life.
pub struct Actor<S, R, W>
where
    S: StateMachine<Query: Clone, Reply: Clone>,
    R: raft::Rules,
    W: Rules,
{
    setting: Setting<R, W>,
    empty: S,
    folder: PathBuf,
    life: Option<Life<S, R, W>>,
    /// How often it was started.
    pub boots: u8,
    tape: Tape,
    /// Where it reads the time.
    pub clocks: Arc<Still>,
    /// The machine at the end of the last round.
    pub machine: Box<Machine<S, R, W>>,
    /// The claim that did not hold: its core is gone.
    pub broken: Option<String>,
}

/// One life's threads.
struct Life<S: StateMachine<Query: Clone, Reply: Clone>, R: raft::Rules, W: Rules> {
    server: Server<S, Watcher<S, R, W>>,
    rounds: Receiver<Round<S, R, W>>,
    sink: Sink,
    outbox: Outbox,
}

fn identity(me: NodeId) -> Identity {
    Identity { cluster: 1, node: me.0.into() }
}

impl<S, R, W> Actor<S, R, W>
where
    S: StateMachine<Query: Clone, Reply: Clone>,
    R: raft::Rules,
    W: Rules,
{
    /// A server that has never run, started. Its snapshots are in `folder`.
    pub fn new(setting: Setting<R, W>, folder: &Path, empty: S) -> Result<Self, String> {
        quiet_watched_cores();
        let Setting { rules, config, .. } = setting;
        let service = Coded::new(empty.clone());
        let mut actor = Self {
            setting,
            empty,
            folder: folder.join(format!("n{}", config.me.0)),
            life: None,
            boots: 0,
            tape: Tape::default(),
            clocks: Arc::default(),
            machine: Box::new(Rsm::new(rules, config, Durable::default(), service, 0)),
            broken: None,
        };
        actor.boot()?;
        Ok(actor)
    }

    fn boot(&mut self) -> Result<Came<S>, String> {
        let raft::Config { me, voters, max_batch, window } = self.setting.config;
        let (rounds_in, rounds) = channel();
        let (sink_in, sink) = channel();
        let outbox = Outbox::default();
        let transport = outbox.clone();
        let connect = move |sink: Sink| {
            let _ = sink_in.send(sink);
            Box::new(transport) as _
        };
        let network = Network::Other(Box::new(connect));
        let ground = Ground { rules: self.setting.rules, disk: self.tape.clone(), network };
        let clocks = Arc::clone(&self.clocks);
        let options = Options {
            max_batch,
            window,
            snapshot_bytes: u64::MAX / 4,
            clocks,
            park: PARK,
            deadline: DEADLINE,
            ..Options::new(me, voters)
        };
        let watcher = Watcher { told: Vec::new(), machine: None, rounds: rounds_in };
        let (empty, who) = (self.empty.clone(), identity(me));
        let server = Server::start_on(ground, &self.folder, who, options, empty, watcher)
            .map_err(|error| format!("n{} does not start: {error}", me.0))?;
        let sink = sink.recv().map_err(|_| "the server did not ask for its network")?;
        self.life = Some(Life { server, rounds, sink, outbox });
        self.boots += 1;
        // Nothing is asked: the round shows the server as it came up.
        self.ask(Vec::new())
    }

    fn life(&self) -> Result<&Life<S, R, W>, String> {
        self.life.as_ref().ok_or_else(|| "the server has been stopped".to_owned())
    }

    /// Something was posted: waits for as many rounds, and fires `Contact` where it fires at once.
    fn rounds(&mut self, count: usize) -> Result<Came<S>, String> {
        let mut came = Came::default();
        for _ in 0..count {
            self.round(&mut came)?;
        }
        let contact = Timer::Contact as usize;
        if self.setting.contact_at_once
            && self.broken.is_none()
            && self.life()?.server.fire(contact)
        {
            self.round(&mut came)?;
        }
        Ok(came)
    }

    fn round(&mut self, came: &mut Came<S>) -> Result<(), String> {
        if self.broken.is_some() {
            return Ok(());
        }
        let life = self.life()?;
        let round = life.rounds.recv_timeout(PATIENCE);
        came.sent.extend(life.outbox.take());
        match round {
            Ok(Round::Over { told, machine }) => {
                came.told.extend(told);
                self.machine = machine;
            }
            Ok(Round::Broken(claim)) => self.broken = Some(claim),
            Err(RecvTimeoutError::Timeout) => return Err("a round does not end".into()),
            Err(RecvTimeoutError::Disconnected) => return Err("the core has stopped".into()),
        }
        Ok(())
    }

    /// Callers ask.
    pub fn ask(&mut self, requests: Vec<Request<S::Query, u64>>) -> Result<Came<S>, String> {
        // Who came earlier has waited longer.
        self.clocks.now_us.fetch_add(1, Ordering::SeqCst);
        let posted = self.life()?.server.handle().post(requests);
        posted.map_err(|refused| refused.to_string())?;
        self.rounds(1)
    }

    /// One caller asks.
    pub fn ask_one(
        &mut self,
        caller: u64,
        what: What<S::Query>,
        forwards: bool,
    ) -> Result<Came<S>, String> {
        self.ask(vec![Request { caller, what, forwards }])
    }

    /// A message comes, with what it carries.
    pub fn receive(&mut self, from: NodeId, sent: &Sent) -> Result<Came<S>, String> {
        let message = sent.message;
        let Some(file) = &sent.file else {
            let entries = sent.entries.clone();
            (self.life()?.sink)(Received::Message { from, message, entries });
            return self.rounds(1);
        };
        let path = self.folder.join("snapshots").join("arrived");
        std::fs::write(&path, file).map_err(|error| format!("{}: {error}", path.display()))?;
        // A second round takes it over when it was read.
        let rounds = if self.machine.needs_state(&message) { 2 } else { 1 };
        (self.life()?.sink)(Received::Snapshot { from, message, path });
        self.rounds(rounds)
    }

    /// Whether a timer is set.
    pub fn is_set(&self, timer: Timer) -> bool {
        self.life.as_ref().is_some_and(|life| life.server.is_set(timer as usize))
    }

    /// A timer fires. None if it is not set.
    pub fn fire(&mut self, slot: usize) -> Result<Option<Came<S>>, String> {
        if !self.life()?.server.fire(slot) {
            return Ok(None);
        }
        self.rounds(1).map(Some)
    }

    /// Those who have waited too long are told; by then, everybody here has. None if nobody waits.
    pub fn give_up(&mut self, only_parked: bool) -> Result<Option<Came<S>>, String> {
        let wait = if only_parked { PARK } else { DEADLINE };
        self.clocks.now_us.fetch_add(wait.as_micros() as u64, Ordering::SeqCst);
        self.fire(Server::<S, Watcher<S, R, W>>::SWEEP)
    }

    /// What came back is tried again. None if nothing did.
    pub fn retry(&mut self) -> Result<Option<Came<S>>, String> {
        self.fire(Server::<S, Watcher<S, R, W>>::RETRY)
    }

    /// It asks for votes without a pre-vote.
    pub fn campaign(&mut self) -> Result<Came<S>, String> {
        self.life()?.server.campaign();
        self.rounds(1)
    }

    /// A snapshot is taken of what it has applied, and the log is cut.
    pub fn compact(&mut self) -> Result<Came<S>, String> {
        self.life()?.server.take_snapshot();
        self.rounds(2)
    }

    /// Its disk finishes the oldest write.
    pub fn finish_write(&mut self) -> Result<Came<S>, String> {
        self.tape.permit();
        self.rounds(1)
    }

    /// It crashes, and boots from what its disk has.
    pub fn crash(&mut self) -> Result<Came<S>, String> {
        self.end();
        self.tape = self.tape.after_crash();
        self.boot()
    }

    fn end(&mut self) {
        if let Some(life) = self.life.take() {
            self.tape.kill();
            life.server.kill();
            // It ends as a node whose disk has failed.
            let _ = life.server.wait();
        }
    }

    /// What its disk has: what a server would start from now.
    pub fn durable(&self) -> Result<Durable<Bytes>, String> {
        let options = wal::Options::default();
        let who = identity(self.setting.config.me);
        let opened = Wal::open(self.tape.after_crash(), wal::Sound, who, options);
        let (_, mut recovered) = opened.map_err(|error| error.to_string())?;
        Ok(recovered.groups.remove(&GroupId(0)).map(|group| group.durable).unwrap_or_default())
    }
}

impl<S, R, W> Drop for Actor<S, R, W>
where
    S: StateMachine<Query: Clone, Reply: Clone>,
    R: raft::Rules,
    W: Rules,
{
    fn drop(&mut self) {
        self.end();
    }
}

/// The servers of a group, with a folder for their snapshots that goes with them.
pub struct Cast<S, R, W>
where
    S: StateMachine<Query: Clone, Reply: Clone>,
    R: raft::Rules,
    W: Rules,
{
    /// By number.
    pub actors: Vec<Actor<S, R, W>>,
    folder: PathBuf,
}

impl<S, R, W> Cast<S, R, W>
where
    S: StateMachine<Query: Clone, Reply: Clone>,
    R: raft::Rules,
    W: Rules,
{
    /// As many servers as there are settings, started for the first time.
    pub fn new(settings: &[Setting<R, W>], empty: &S) -> Result<Self, String> {
        static CASTS: AtomicU64 = AtomicU64::new(0);
        let number = CASTS.fetch_add(1, Ordering::Relaxed);
        let name = format!("quorate-play-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let mut cast = Self { actors: Vec::new(), folder };
        for setting in settings {
            cast.actors.push(Actor::new(*setting, &cast.folder, empty.clone())?);
        }
        Ok(cast)
    }

    /// The servers' settings in a group that has these bounds.
    pub fn settings(
        rules: (R, W),
        bounds: &model::bounds::Bounds,
        contact_at_once: bool,
    ) -> Vec<Setting<R, W>> {
        let voters = NodeSet::first(bounds.servers);
        let of = |me| {
            let config =
                raft::Config { me, voters, max_batch: bounds.max_batch, window: bounds.window };
            Setting { rules, config, contact_at_once }
        };
        voters.iter().map(of).collect()
    }
}

impl<S, R, W> Drop for Cast<S, R, W>
where
    S: StateMachine<Query: Clone, Reply: Clone>,
    R: raft::Rules,
    W: Rules,
{
    fn drop(&mut self) {
        self.actors.clear();
        // Only the system's own folder for what does not matter.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
