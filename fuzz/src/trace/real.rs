//! Where the fuzzer begins: traces of three servers that elect, write, read, pass on, snapshot and start again.

use super::super::seeds::works;
use super::super::{Scratch, scratch};
use super::second;
use protocol::log::{Durable, Entry};
use protocol::quorum::NodeSet;
use protocol::raft::{self, Config, Message, Paper, Timer};
use protocol::rsm::{Caller, Decided, Effect, Input, Outcome, Rsm, Ticket};
use protocol::{Machine, NodeId, Write, replica};
use quorate::kv::{Admitted, Kv};
use quorate::raft::snapshot_sum;
use quorate::rsm::{Coded, StateMachine, encode, stamped};
use quorate::session::{Answer, Query};
use quorate::trace::{Boot, Origin, Recorder, log_hash, whole};
use quorate::wal::{Bytes, Identity};
use std::collections::VecDeque;

type In<'a> = Input<'a, Coded<Kv>>;

struct Site {
    machine: Rsm<Coded<Kv>, Paper, Decided>,
    recorder: Recorder,
    disk: Durable<Bytes>,
    pending: VecDeque<(Write, Vec<Entry<Bytes>>)>,
}

enum Letter {
    Message(Message, Vec<Entry<Bytes>>),
    Call(Ticket, Bytes),
    Answer(Ticket, Outcome<Answer>),
}

struct Group {
    folder: Scratch,
    sites: Vec<Site>,
    net: VecDeque<(NodeId, NodeId, Letter)>,
    /// By ticket: the command, and who has passed it on.
    commands: Vec<(Bytes, Origin)>,
}

fn start(folder: &Scratch, node: usize, disk: Durable<Bytes>) -> Site {
    let identity = Identity { cluster: 7, node: node as u64 };
    let path = folder.join(node.to_string());
    let mut recorder = Recorder::begin_by(&path, identity, 1, || 5).expect("a folder");
    let me = NodeId(node as u8);
    let config = Config { me, voters: NodeSet::first(3), max_batch: 8, window: 64 };
    let service = Coded::new(Kv::new());
    let first_read = recorder.life() << 32;
    let boot = Boot {
        config,
        first_read,
        hard: disk.hard,
        terms: disk.terms.clone(),
        log: log_hash(&disk.log, 1),
        sum: None,
        print: service.service.print(),
        whole: (recorder.life() == 1).then(|| whole(&disk, &service)),
    };
    recorder.boot(&boot, &disk, &service).expect("a trace");
    let machine = Rsm::new((Paper, Decided), config, disk.clone(), service, first_read);
    Site { machine, recorder, disk, pending: VecDeque::new() }
}

impl Group {
    fn new() -> Self {
        let folder = scratch("real-trace");
        let sites = (0..3).map(|node| start(&folder, node, Durable::default())).collect();
        let mut group = Self { folder, sites, net: VecDeque::new(), commands: Vec::new() };
        (0..3).for_each(|node| group.raft(node, raft::Input::Start));
        group.raft(0, raft::Input::Timer(Timer::Election));
        group.settle();
        group
    }

    fn raft(&mut self, node: usize, input: raft::Input) {
        self.step(node, Input::Replica(replica::Input::Raft(input)));
    }

    fn step(&mut self, node: usize, input: In<'_>) {
        let me = NodeId(node as u8);
        let site = &mut self.sites[node];
        let commands = &self.commands;
        site.recorder.input::<Kv>(&input, |ticket| commands[ticket as usize].1);
        let mut effects = Vec::new();
        site.machine.step(input, &mut effects);
        site.recorder.done(&site.machine, &effects).expect("a trace");
        for effect in effects {
            match effect {
                Effect::Raft(raft::Effect::Send { to, message }) => {
                    let entries = site.machine.replica().entries_of(&message).cloned().collect();
                    self.net.push_back((me, to, Letter::Message(message, entries)));
                }
                Effect::Raft(raft::Effect::Write(write)) => {
                    let entries = site.machine.replica().entries_of_write(&write).cloned();
                    site.pending.push_back((write, entries.collect()));
                }
                Effect::Pass { to, ticket } => {
                    let command = commands[ticket as usize].0.clone();
                    self.net.push_back((me, to, Letter::Call(ticket, command)));
                }
                Effect::Tell { ticket, outcome } => {
                    if let Some((to, there)) = commands[ticket as usize].1 {
                        self.net.push_back((me, to, Letter::Answer(there, outcome)));
                    }
                }
                _ => {}
            }
        }
    }

    fn settle(&mut self) {
        loop {
            for node in 0..3 {
                let site = &mut self.sites[node];
                let writes = site.pending.len();
                for (write, entries) in site.pending.drain(..) {
                    site.disk.apply(&write, entries.into_iter());
                }
                if writes > 0 {
                    self.step(node, Input::Replica(replica::Input::Durable { writes }));
                }
            }
            let Some((from, to, letter)) = self.net.pop_front() else { return };
            let node = usize::from(to.0);
            match letter {
                Letter::Message(message, entries) => {
                    let input = replica::Input::Message { from, message, entries: &entries };
                    self.step(node, Input::Replica(input));
                }
                Letter::Call(ticket, command) => self.submit(node, command, Some((from, ticket))),
                Letter::Answer(ticket, outcome) => {
                    self.step(node, Input::Answer { from, ticket, outcome });
                }
            }
        }
    }

    fn submit(&mut self, node: usize, command: Bytes, origin: Origin) {
        let caller = Caller { ticket: self.commands.len() as u64, passes: origin.is_none() };
        self.commands.push((command.clone(), origin));
        self.step(node, Input::Submit(vec![(caller, command)]));
    }

    fn read(&mut self, node: usize) {
        let ticket = self.commands.len() as u64;
        self.commands.push((Bytes::from([]), None));
        self.step(node, Input::Read(vec![(ticket, Query::Len)]));
        self.settle();
    }

    fn compact(&mut self, node: usize) {
        let site = &mut self.sites[node];
        let through = site.machine.applied();
        let id = site.machine.replica().raft().terms().snapshot_at(through).expect("it is there");
        site.recorder.copied(id);
        let sum = snapshot_sum(id, site.machine.service()).expect("bytes");
        site.recorder.snapshot(id, sum);
        self.raft(node, raft::Input::Compact { through });
        self.settle();
    }

    fn restart(&mut self, node: usize) {
        let disk = self.sites[node].disk.clone();
        self.sites[node] = start(&self.folder, node, disk);
        self.raft(node, raft::Input::Start);
    }

    /// All files that they have.
    fn files(&self) -> Vec<Vec<u8>> {
        let paths = (0..3).flat_map(|node| {
            let folder = self.folder.join(node.to_string());
            quorate::trace::lives(&folder).expect("none is missing")
        });
        paths.map(|(_, path)| std::fs::read(path).expect("it is there")).collect()
    }
}

/// Files of a group, whole, and what is in each of them under its checksums.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut group = Group::new();
    for (number, work) in works().into_iter().enumerate().step_by(3) {
        let command = encode(&Admitted { work, value_bytes: 1000 }).expect("it is plain data");
        group.submit(number % 3, stamped(1000, &command), None);
        group.settle();
    }
    group.restart(2);
    group.raft(0, raft::Input::Timer(Timer::Heartbeat));
    group.settle();
    (0..3).for_each(|node| group.read(node));
    group.compact(1);
    group.step(0, Input::Clock { now: 2000 });
    group.sites.iter_mut().for_each(|site| {
        site.recorder.end_batch(&site.machine).expect("a trace");
    });
    let mut seeds = Vec::new();
    for file in group.files() {
        let head = second::header(&file).expect("a recorder wrote it");
        let mut bodies = Vec::new();
        for (_, body) in second::batches(&file, head.life).0.into_iter().take(24) {
            let events = &body[second::STAMPS..];
            bodies.extend((events.len() as u16).to_le_bytes());
            bodies.extend_from_slice(events);
        }
        bodies.truncate(4000);
        seeds.push([&bodies[..], &[1, 0, 0, 0]].concat());
        if file.len() < 4000 {
            seeds.push([&file[..], &[0; 4]].concat());
        }
    }
    seeds
}
