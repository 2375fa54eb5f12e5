//! A group in one thread whose servers are recorded: machines, a network that loses nothing, and disks. What it
//! records is right; the tests lie where they want to.

use protocol::log::{Durable, Entry};
use protocol::quorum::NodeSet;
use protocol::raft::{self, Body, Config, Message, Paper, Timer};
use protocol::rsm::{Caller, Effect, Input, Outcome, Rsm, Rules, Ticket};
use protocol::{Machine, NodeId, Write, replica};
use quorate::raft::snapshot_sum;
use quorate::rsm::{Coded, StateMachine, encode, stamped};
use quorate::trace::{Boot, Origin, Recorder, leaves, log_hash, whole};
use quorate::wal::{Bytes, Identity};
use std::cell::Cell;
use std::collections::{HashMap, VecDeque};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// A service that adds up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sum(pub u64);

impl StateMachine for Sum {
    type Command = u64;
    type Query = ();
    type Reply = u64;

    fn apply(&mut self, _: u64, more: u64) -> u64 {
        self.0 += more;
        self.0
    }

    fn read(&self, (): &()) -> u64 {
        self.0
    }

    fn snapshot(&self, out: &mut dyn io::Write) -> io::Result<()> {
        out.write_all(&self.0.to_le_bytes())
    }

    fn restore(bytes: &mut dyn Read) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let mut number = [0; 8];
        bytes.read_exact(&mut number)?;
        Ok(Self(u64::from_le_bytes(number)))
    }

    fn print(&self) -> u64 {
        self.0
    }
}

type Machine3<W> = Rsm<Coded<Sum>, Paper, W>;
/// From whom, to whom, what, and its entries.
pub type Letter = (NodeId, NodeId, Message, Vec<Entry<Bytes>>);

/// A command that is passed on: from whom, to whom, its ticket there, and itself.
pub type Call = (NodeId, NodeId, Ticket, Bytes);
/// An answer to one: from whom, to whom, the ticket there, and what is said.
pub type Answer = (NodeId, NodeId, Ticket, Outcome<u64>);

/// A folder that goes with its test.
pub struct Place(pub PathBuf);

impl Place {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("replay-{}-{number}", std::process::id());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).expect("the build's folder can be written");
        Self(path)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A clock that goes on with every look.
fn clock() -> u64 {
    thread_local!(static NOW: Cell<u64> = const { Cell::new(1) });
    NOW.with(|now| now.replace(now.get() + 1))
}

/// A server.
pub struct Site<W> {
    pub machine: Machine3<W>,
    pub recorder: Recorder,
    pub disk: Durable<Bytes>,
    /// The state of the snapshot on the disk.
    pub saved: Option<Coded<Sum>>,
    pub pending: VecDeque<(Write, Vec<Entry<Bytes>>)>,
    pub told: Vec<(Ticket, Outcome<u64>)>,
    folder: PathBuf,
    lives: u64,
    /// By ticket: a command, and who has passed it on.
    commands: HashMap<Ticket, (Bytes, Origin)>,
}

/// A group.
pub struct World<W: Rules> {
    pub place: Place,
    rules: W,
    pub sites: Vec<Site<W>>,
    pub net: VecDeque<Letter>,
    /// What is passed on, and the answers.
    pub calls: VecDeque<Call>,
    pub answers: VecDeque<Answer>,
    ticket: Ticket,
}

/// What a trace says of a start, which may be a lie.
pub type Lie<'a> = &'a dyn Fn(&mut Boot, &mut Durable<Bytes>, &mut Coded<Sum>);

fn boot<W: Rules>(folder: PathBuf, node: usize, rules: W, parts: Parts, lie: Lie<'_>) -> Site<W> {
    let Parts { disk, saved, first_read, lives } = parts;
    let identity = Identity { cluster: 7, node: node as u64 };
    let mut recorder = Recorder::begin_by(&folder, identity, 1, clock).expect("a folder");
    let me = NodeId(node as u8);
    let config = Config { me, voters: NodeSet::first(3), max_batch: 8, window: 64 };
    let id = disk.snapshot();
    let service = saved.clone().unwrap_or(Coded::new(Sum(0)));
    let first = recorder.life() == 1 && disk != Durable::default();
    let mut boot = Boot {
        config,
        first_read,
        hard: disk.hard,
        terms: disk.terms.clone(),
        log: log_hash(&disk.log, id.last.index + 1),
        sum: saved.as_ref().map(|state| snapshot_sum(id, state).expect("bytes")),
        print: service.service.print(),
        whole: first.then(|| whole(&disk, &service)),
    };
    let (mut said, mut shown) = (disk.clone(), service.clone());
    lie(&mut boot, &mut said, &mut shown);
    recorder.boot(&boot, &said, &shown).expect("a trace");
    let machine = Rsm::new((Paper, rules), config, disk.clone(), service, first_read);
    let (pending, told, commands) = (VecDeque::new(), Vec::new(), HashMap::new());
    Site { machine, recorder, disk, saved, pending, told, folder, lives, commands }
}

/// What a server starts from.
pub struct Parts {
    pub disk: Durable<Bytes>,
    pub saved: Option<Coded<Sum>>,
    pub first_read: u64,
    pub lives: u64,
}

impl<W: Rules> World<W> {
    /// Three servers of which the first leads.
    pub fn new(rules: W) -> Self {
        let mut world = Self::idle(rules);
        world.elect(0);
        world
    }

    /// Three servers that have just been started.
    pub fn idle(rules: W) -> Self {
        let place = Place::new();
        let fresh = |node: usize| {
            let parts = Parts { disk: Durable::default(), saved: None, first_read: 0, lives: 1 };
            boot(place.0.join(node.to_string()), node, rules, parts, &|_, _, _| {})
        };
        let sites = (0..3).map(fresh).collect();
        let (net, calls, answers) = (VecDeque::new(), VecDeque::new(), VecDeque::new());
        let mut world = Self { place, rules, sites, net, calls, answers, ticket: 0 };
        for node in 0..3 {
            world.raft(node, raft::Input::Start);
        }
        world
    }

    /// The folders of all of them.
    pub fn folders(&self) -> Vec<PathBuf> {
        self.sites.iter().map(|site| site.folder.clone()).collect()
    }

    /// Hands over what nobody has seen yet, as a server does that ends in order.
    pub fn flush(&mut self, node: usize) {
        let site = &mut self.sites[node];
        site.recorder.end_batch(&site.machine).expect("a trace");
    }

    /// Makes a server the leader.
    pub fn elect(&mut self, node: usize) {
        self.raft(node, raft::Input::Timer(Timer::Election));
        self.settle();
        assert!(self.sites[node].machine.replica().raft().leads(), "it leads");
    }

    pub fn raft(&mut self, node: usize, input: raft::Input) {
        self.step(node, Input::Replica(replica::Input::Raft(input)));
    }

    /// A step, recorded as it should be.
    pub fn step(&mut self, node: usize, input: Input<'_, Coded<Sum>>) {
        self.step_by(node, input, |_| {});
    }

    /// A step of which the trace gets effects that were changed.
    pub fn step_by(
        &mut self,
        node: usize,
        input: Input<'_, Coded<Sum>>,
        change: impl Fn(&mut Vec<Effect<u64>>),
    ) {
        let me = NodeId(node as u8);
        let site = &mut self.sites[node];
        let origin = |ticket| site.commands.get(&ticket).and_then(|command| command.1);
        match &input {
            Input::Install { from, message, state } => {
                let Body::InstallSnapshot { id } = message.body else { panic!("a snapshot") };
                let sum = snapshot_sum(id, state).expect("bytes");
                site.recorder.install(*from, *message, sum);
            }
            input => site.recorder.input::<Sum>(input, origin),
        }
        let mut effects = Vec::new();
        site.machine.step(input, &mut effects);
        let mut noted = effects.clone();
        change(&mut noted);
        site.recorder.done(&site.machine, &noted).expect("a trace");
        for effect in effects {
            match effect {
                Effect::Raft(raft::Effect::Send { to, message }) => {
                    let entries = site.machine.replica().entries_of(&message).cloned().collect();
                    self.net.push_back((me, to, message, entries));
                }
                Effect::Raft(raft::Effect::Write(write)) => {
                    let entries = site.machine.replica().entries_of_write(&write).cloned();
                    site.pending.push_back((write, entries.collect()));
                }
                Effect::Tell { ticket, outcome } => {
                    let command = site.commands.remove(&ticket);
                    if let Some((_, Some((to, there)))) = command {
                        self.answers.push_back((me, to, there, outcome));
                    } else {
                        site.told.push((ticket, outcome));
                    }
                }
                Effect::Pass { to, ticket } => {
                    let command = site.commands[&ticket].0.clone();
                    self.calls.push_back((me, to, ticket, command));
                }
                _ => {}
            }
        }
    }

    /// The disk finishes what was asked of it.
    pub fn finish(&mut self, node: usize) {
        let site = &mut self.sites[node];
        let writes = site.pending.len();
        for (write, entries) in site.pending.drain(..) {
            site.disk.apply(&write, entries.into_iter());
            if let Write::Snapshot { .. } = write {
                site.saved = Some(site.machine.service().clone());
            }
        }
        if writes > 0 {
            self.step(node, Input::Replica(replica::Input::Durable { writes }));
        }
    }

    /// Delivers a message.
    pub fn deliver(&mut self, (from, to, message, entries): &Letter) {
        let node = usize::from(to.0);
        if let Body::InstallSnapshot { .. } = message.body {
            let state = self.sites[usize::from(from.0)].saved.clone().expect("it was saved");
            let (from, message) = (*from, *message);
            self.step(node, Input::Install { from, message, state: &state });
        } else {
            let (from, message) = (*from, *message);
            let input = replica::Input::Message { from, message, entries };
            self.step(node, Input::Replica(input));
        }
    }

    /// Delivers and finishes until nothing is left.
    pub fn settle(&mut self) {
        loop {
            (0..self.sites.len()).for_each(|node| self.finish(node));
            let Some(letter) = self.net.pop_front() else {
                if self.sites.iter().all(|site| site.pending.is_empty()) {
                    return;
                }
                continue;
            };
            self.deliver(&letter);
        }
    }

    /// Submits a command.
    pub fn submit(&mut self, node: usize, more: u64) -> Ticket {
        let payload = stamped(1, &encode(&more).expect("a number"));
        self.submit_as(node, payload, None, false)
    }

    /// Submits a command that a server which does not lead may pass on.
    pub fn pass_on(&mut self, node: usize, more: u64) -> Ticket {
        let payload = stamped(1, &encode(&more).expect("a number"));
        self.submit_as(node, payload, None, true)
    }

    /// Delivers a command that was passed on.
    pub fn call(&mut self, (from, to, ticket, command): &Call) {
        self.submit_as(usize::from(to.0), command.clone(), Some((*from, *ticket)), false);
    }

    /// Refuses a command that was passed on.
    pub fn turn_away(&mut self, node: usize, call: (NodeId, Ticket), busy: bool) {
        let site = &mut self.sites[node];
        site.recorder.turned_away(call, busy, &site.machine).expect("a trace");
    }

    /// Delivers commands that were passed on to one server, at once.
    pub fn call_together(&mut self, calls: &[Call]) {
        let node = usize::from(calls[0].1.0);
        let submitted = calls.iter().map(|(from, _, ticket, command)| {
            self.ticket += 1;
            let origin = Some((*from, *ticket));
            self.sites[node].commands.insert(self.ticket, (command.clone(), origin));
            (Caller { ticket: self.ticket, passes: false }, command.clone())
        });
        let submitted = submitted.collect();
        self.step(node, Input::Submit(submitted));
    }

    /// Delivers an answer.
    pub fn answer(&mut self, (from, to, ticket, outcome): &Answer) {
        let (from, ticket, outcome) = (*from, *ticket, *outcome);
        self.step(usize::from(to.0), Input::Answer { from, ticket, outcome });
    }

    fn submit_as(&mut self, node: usize, payload: Bytes, origin: Origin, passes: bool) -> Ticket {
        self.ticket += 1;
        let caller = Caller { ticket: self.ticket, passes };
        self.sites[node].commands.insert(self.ticket, (payload.clone(), origin));
        self.step(node, Input::Submit(vec![(caller, payload)]));
        self.ticket
    }

    /// Reads.
    pub fn read(&mut self, node: usize) -> Ticket {
        self.ticket += 1;
        self.step(node, Input::Read(vec![(self.ticket, ())]));
        self.ticket
    }

    /// Tells everybody what is committed.
    pub fn beat(&mut self) {
        self.raft(0, raft::Input::Timer(Timer::Heartbeat));
        self.settle();
    }

    /// Takes a snapshot, and compacts.
    pub fn compact(&mut self, node: usize) {
        let site = &mut self.sites[node];
        let through = site.machine.applied();
        let id = site.machine.replica().raft().terms().snapshot_at(through).expect("it is there");
        let sum = snapshot_sum(id, site.machine.service()).expect("bytes");
        site.recorder.copied(id);
        site.recorder.snapshot(id, sum);
        self.raft(node, raft::Input::Compact { through });
        self.finish(node);
    }

    /// Kills a server, of whose writes under way the first so many have reached the disk; and starts it again.
    pub fn restart(&mut self, node: usize, reached: usize) {
        self.restart_by(node, reached, |_| {});
    }

    /// The same from parts that were changed.
    pub fn restart_by(&mut self, node: usize, reached: usize, change: impl Fn(&mut Parts)) {
        let site = &mut self.sites[node];
        for (write, entries) in site.pending.drain(..reached) {
            site.disk.apply(&write, entries.into_iter());
        }
        let folder = site.folder.clone();
        self.start(node, folder, change, &|_, _, _| {});
    }

    /// Kills a server and starts it again, of which its trace says something else.
    pub fn restart_saying(&mut self, node: usize, lie: Lie<'_>) {
        self.sites[node].pending.clear();
        let folder = self.sites[node].folder.clone();
        self.start(node, folder, |_| {}, lie);
    }

    /// Starts a server that has run so far as if nobody had recorded it: its trace begins with all that it has, or with
    /// a lie.
    pub fn record_from_now(&mut self, node: usize, lie: Lie<'_>) {
        self.sites[node].pending.clear();
        let folder = self.place.0.join(format!("{node}-from-{}", self.sites[node].lives));
        self.start(node, folder, |_| {}, lie);
    }

    fn start(&mut self, node: usize, folder: PathBuf, change: impl Fn(&mut Parts), lie: Lie<'_>) {
        let site = &self.sites[node];
        let (disk, saved, lives) = (site.disk.clone(), site.saved.clone(), site.lives + 1);
        let mut parts = Parts { disk, saved, first_read: lives << 32, lives };
        change(&mut parts);
        self.sites[node] = boot(folder, node, self.rules, parts, lie);
        self.raft(node, raft::Input::Start);
    }
}

/// Whether somebody sees something of them.
pub fn any_leaves(effects: &[Effect<u64>]) -> bool {
    effects.iter().any(leaves)
}
