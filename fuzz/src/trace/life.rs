//! A life of a recorder as bytes choose it, and what must be in its file: the events of each batch that was handed
//! over. The inputs are any that there are, in any order; no machine takes them.

use super::super::bytes::Choices;
use super::super::seeds::works;
use super::{Line, WHOSE, second};
use protocol::kv::{Bytes, Op, Reply};
use protocol::log::{Durable, Entry};
use protocol::quorum::NodeSet;
use protocol::raft::{self, Body, Config, Message, Paper, Timer};
use protocol::rsm::{Caller, Decided, Effect, Input, Outcome, Rsm, Ticket};
use protocol::{HardState, LogId, NodeId, ReadId, SnapshotId, Write, replica};
use quorate::kv::{Admitted, Kv};
use quorate::rsm::{Coded, StateMachine, encode, stamped};
use quorate::session::{Answer, Query};
use quorate::trace::{
    Boot, Event, Heard, Origin, Raw, Recorder, log_hash, of_effects, of_state, whole,
};
use quorate::wal;
use std::cell::Cell;
use std::io;
use std::path::{Path, PathBuf};

type Machine = Rsm<Coded<Kv>, Paper, Decided>;
type In<'a> = Input<'a, Coded<Kv>>;

/// What is in a life's file: batches of events, each as it is written.
pub struct Life {
    pub batches: Vec<Vec<Vec<u8>>>,
}

fn number(choices: &mut Choices<'_>) -> u64 {
    choices.pick(&[0, 1, 2, 7, 127, 128, 300, 1 << 20, 1 << 40, u64::MAX])
}

fn node(choices: &mut Choices<'_>) -> NodeId {
    NodeId(choices.byte())
}

fn id(choices: &mut Choices<'_>) -> LogId {
    LogId::new(number(choices), number(choices))
}

fn work(choices: &mut Choices<'_>) -> Admitted {
    let works = works();
    Admitted { work: works[choices.below(works.len())].clone(), value_bytes: 1000 }
}

fn payload(choices: &mut Choices<'_>) -> wal::Bytes {
    if choices.coin() {
        return stamped(number(choices), &encode(&work(choices)).expect("it is plain data"));
    }
    let length = choices.below(40);
    choices.take(length).into()
}

fn entries(choices: &mut Choices<'_>) -> Vec<Entry<wal::Bytes>> {
    let one = |choices: &mut Choices<'_>| match choices.below(3) {
        0 => Entry::NoOp,
        _ => Entry::Command(payload(choices)),
    };
    (0..choices.below(4)).map(|_| one(choices)).collect()
}

fn lent(entry: &Entry<wal::Bytes>) -> Entry<Raw<'_>> {
    match entry {
        Entry::NoOp => Entry::NoOp,
        Entry::Command(bytes) => Entry::Command(Raw(bytes)),
    }
}

fn message(choices: &mut Choices<'_>) -> Message {
    let body = match choices.below(8) {
        0 => Body::PreVote { last: id(choices) },
        1 => Body::VoteGranted,
        2 => {
            let (prev, run) = (id(choices), number(choices));
            Body::AppendEntries { prev, run, count: 2, commit: number(choices) }
        }
        3 => Body::Accepted { matched: number(choices) },
        4 => Body::Rejected { prev: number(choices), hint: id(choices) },
        5 => Body::Heartbeat { commit: number(choices), round: number(choices) },
        6 => Body::InstallSnapshot { id: covers(choices) },
        _ => Body::ReadGranted { id: ReadId(number(choices)), index: number(choices) },
    };
    Message { term: number(choices), body }
}

fn covers(choices: &mut Choices<'_>) -> SnapshotId {
    SnapshotId { last: id(choices), runs: number(choices) }
}

fn query(choices: &mut Choices<'_>) -> Query {
    let key = || Bytes::from("{t}a");
    match choices.below(5) {
        0 => Query::Op { key: key(), op: Op::Get },
        1 => Query::Seen { keys: vec![key(), key()] },
        2 => {
            let (cursor, pattern) = (number(choices), choices.coin().then(key));
            Query::Scan { cursor, count: choices.below(9), pattern, strings: choices.coin() }
        }
        3 => Query::RandomKey { number: number(choices) },
        _ => Query::Len,
    }
}

fn outcome(choices: &mut Choices<'_>) -> Outcome<Answer> {
    let value = Bytes::from("value");
    match choices.below(7) {
        0 => Outcome::NotExecuted { leader: choices.coin().then(|| node(choices)) },
        1 => Outcome::Busy,
        2 => Outcome::Unknown,
        3 => Outcome::Done(Answer::Keys(vec![value])),
        4 => Outcome::Done(Answer::Reply(Reply::Value { value, version: number(choices) })),
        5 => Outcome::Done(Answer::Text("text".into())),
        _ => {
            let parts = (0..choices.below(9)).fold(Reply::Nil, |part, _| Reply::Many(vec![part]));
            Outcome::Done(Answer::Reply(parts))
        }
    }
}

/// Those that leave are the ones that others see something of.
fn effect(choices: &mut Choices<'_>) -> (bool, Effect<Answer>) {
    let ticket = number(choices);
    match choices.below(8) {
        0 => {
            let (to, message) = (node(choices), message(choices));
            (true, Effect::Raft(raft::Effect::Send { to, message }))
        }
        1 => (true, Effect::Raft(raft::Effect::Write(Write::HardState(HardState::default())))),
        2 => (true, Effect::Tell { ticket, outcome: outcome(choices) }),
        3 => (true, Effect::Pass { to: node(choices), ticket }),
        4 => (false, Effect::Raft(raft::Effect::Arm(Timer::Heartbeat))),
        5 => (false, Effect::Resubmit { ticket }),
        _ => (false, Effect::ArmRetry),
    }
}

/// Which server has passed a command on.
fn origin(ticket: Ticket) -> Origin {
    (ticket % 2 == 1).then_some((NodeId(ticket as u8), ticket / 3))
}

/// A clock that goes on with every look.
fn clock() -> u64 {
    thread_local!(static NOW: Cell<u64> = const { Cell::new(1) });
    NOW.with(|now| now.replace(now.get() + 1))
}

/// What a service writes, piece by piece.
struct Pieces(Vec<Vec<u8>>);

impl io::Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.push(bytes.to_vec());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Writer {
    recorder: Recorder,
    machine: Machine,
    path: PathBuf,
    /// Noted, and not handed over.
    held: Vec<Vec<u8>>,
    batches: Vec<Vec<Vec<u8>>>,
}

impl Writer {
    /// Begins a life: from nothing, or from what a disk has, with all of it or without.
    fn begin(folder: &Path, life: u64, choices: &mut Choices<'_>) -> Self {
        let mut recorder = Recorder::begin_by(folder, WHOSE, 3, clock).expect("a folder");
        assert_eq!(recorder.life(), life);
        let mut durable = Durable::default();
        let mut service = Coded::new(Kv::new());
        if choices.coin() {
            durable.apply(&Write::HardState(HardState { term: 9, vote: None }), [].into_iter());
            if choices.coin() {
                let covered = SnapshotId { last: LogId::new(3, 5), runs: 2 };
                durable.apply(&Write::Snapshot { id: covered, keep: false }, [].into_iter());
            }
            let (first, entries) = (durable.log.last() + 1, entries(choices));
            let write = Write::Append { first, term: 4, count: entries.len() as u32 };
            durable.apply(&write, entries.into_iter());
            for stamp in 0..choices.below(3) {
                service.service.apply(1000 + stamp as u64, work(choices));
            }
        }
        let max_batch = 1 + u32::from(choices.byte());
        let config = Config { me: NodeId(0), voters: NodeSet::first(3), max_batch, window: 64 };
        let first_read = number(choices);
        let boot = Boot {
            config,
            first_read,
            hard: durable.hard,
            terms: durable.terms.clone(),
            log: log_hash(&durable.log, durable.snapshot().last.index + 1),
            sum: choices.coin().then_some(77),
            print: service.service.print(),
            whole: choices.coin().then(|| whole(&durable, &service)),
        };
        recorder.boot(&boot, &durable, &service).expect("a trace");
        let machine = Machine::new((Paper, Decided), config, durable.clone(), service, first_read);
        let path = folder.join(super::name(life as usize));
        let (held, batches) = (Vec::new(), Vec::new());
        let mut writer = Self { recorder, machine, path, held, batches };
        writer.expect(Event::Boot(boot.clone().into()));
        if boot.whole.is_some() {
            for index in durable.snapshot().last.index + 1..=durable.log.last() {
                let entry = durable.log.get(index).expect("it is in the log");
                writer.expect(Event::Entries(vec![lent(entry)]));
            }
            let mut pieces = Pieces(Vec::new());
            writer.machine.service().snapshot(&mut pieces).expect("a vector takes all bytes");
            pieces.0.iter().for_each(|piece| writer.expect(Event::State(Raw(piece))));
        }
        writer.hand_over();
        writer
    }

    fn expect(&mut self, event: Line<'_>) {
        self.held.push(encode(&event).expect("it is plain data"));
    }

    /// All that was noted must be in the file now.
    fn hand_over(&mut self) {
        if !self.held.is_empty() {
            self.batches.push(std::mem::take(&mut self.held));
        }
        let file = std::fs::read(&self.path).expect("the life has begun");
        let head = second::header(&file).expect("it has a header");
        let (there, end) = second::batches(&file, head.life);
        assert_eq!((there.len(), end), (self.batches.len(), second::End::Whole));
        let stamps =
            there.last().map(|(_, body)| [0, 8, 16].map(|at| second::number_at(body, at, 8)));
        let [begun, ended, applied] = stamps.expect("a life begins with a batch");
        assert!(begun < ended, "a batch takes time");
        assert_eq!(applied, u128::from(self.machine.applied()));
    }

    /// A step: its input, and what it comes to.
    fn step(
        &mut self,
        input: &In<'_>,
        heard: Heard<Raw<'_>, Query, Outcome<Answer>>,
        choices: &mut Choices<'_>,
    ) {
        self.recorder.input::<Kv>(input, origin);
        self.expect(Event::Input(heard));
        self.done(choices);
    }

    fn done(&mut self, choices: &mut Choices<'_>) {
        let (leave, effects): (Vec<bool>, Vec<_>) =
            (0..choices.below(3)).map(|_| effect(choices)).unzip();
        self.recorder.done(&self.machine, &effects).expect("a trace");
        let (effects, state) = (of_effects(&effects), of_state(&self.machine));
        self.expect(Event::Done { effects: effects.to_le_bytes(), state: state.to_le_bytes() });
        if leave.contains(&true) {
            self.hand_over();
        }
    }

    /// A step of Raft, or with commands.
    fn raft(&mut self, choices: &mut Choices<'_>) {
        let from = node(choices);
        let input = match choices.below(8) {
            0 => raft::Input::Start,
            1 => raft::Input::Timer(choices.pick(&[Timer::Election, Timer::Quorum])),
            2 => raft::Input::Propose { count: u32::from(choices.short()) },
            3 => raft::Input::Read { id: ReadId(number(choices)) },
            4 => raft::Input::Compact { through: number(choices) },
            5 => raft::Input::Campaign,
            6 => raft::Input::Message { from, message: message(choices) },
            _ => {
                let (entries, message) = (entries(choices), message(choices));
                let input = replica::Input::Message { from, message, entries: &entries };
                let entries = entries.iter().map(lent).collect();
                let heard = Heard::Message { from, message, entries };
                return self.step(&Input::Replica(input), heard, choices);
            }
        };
        self.step(&Input::Replica(replica::Input::Raft(input)), Heard::Raft(input), choices);
    }

    /// A step with payloads.
    fn load(&mut self, choices: &mut Choices<'_>) {
        let count = choices.below(4);
        let payloads: Vec<wal::Bytes> = (0..count).map(|_| payload(choices)).collect();
        let lines = || payloads.iter().map(|bytes| Raw(bytes));
        let from = node(choices);
        let ticket = number(choices);
        match choices.below(4) {
            0 => {
                let input = Input::Replica(replica::Input::Propose(&payloads));
                self.step(&input, Heard::Propose(lines().collect()), choices);
            }
            1 => {
                let caller = |number: usize| Caller { ticket: number as u64, passes: number == 2 };
                let commands = payloads.iter().cloned().enumerate();
                let commands = commands.map(|(at, bytes)| (caller(at), bytes)).collect();
                let heard = lines().enumerate();
                let heard = heard.map(|(at, raw)| (caller(at), origin(at as u64), raw)).collect();
                self.step(&Input::Submit(commands), Heard::Submit(heard), choices);
            }
            2 => {
                let reads: Vec<_> = (0..count as u64).map(|at| (at, query(choices))).collect();
                self.step(&Input::Read(reads.clone()), Heard::Read(reads), choices);
            }
            _ => {
                let outcome = outcome(choices);
                let input = Input::Answer { from, ticket, outcome: outcome.clone() };
                self.step(&input, Heard::Answer { from, ticket, outcome }, choices);
            }
        }
    }

    /// The other steps, each with a number.
    fn plain(&mut self, choices: &mut Choices<'_>) {
        let (number, node) = (number(choices), node(choices));
        let (input, heard): (In<'_>, _) = match choices.below(8) {
            0 => {
                let writes = number as usize;
                let input = replica::Input::Durable { writes };
                (Input::Replica(input), Heard::Durable(number))
            }
            1 => (Input::Clock { now: number }, Heard::Clock(number)),
            2 => (Input::NotPassed { ticket: number }, Heard::NotPassed(number)),
            3 => (Input::Lost { node }, Heard::Lost(node)),
            4 => (Input::Retry, Heard::Retry),
            5 => (Input::GiveUpParked { below: number }, Heard::GiveUpParked(number)),
            6 => (Input::GiveUp { below: number }, Heard::GiveUp(number)),
            _ => {
                let (message, sum) = (message(choices), 7);
                self.recorder.install(node, message, sum);
                self.expect(Event::Input(Heard::Install { from: node, message, sum }));
                return self.done(choices);
            }
        };
        self.step(&input, heard, choices);
    }

    /// What is no step.
    fn note(&mut self, choices: &mut Choices<'_>) {
        let (node, ticket) = (node(choices), number(choices));
        let id = covers(choices);
        match choices.below(4) {
            0 => {
                self.recorder.copied(id);
                self.expect(Event::Copied(id));
            }
            1 => {
                self.recorder.snapshot(id, 0xffff_0000);
                self.expect(Event::Snapshot { id, sum: 0xffff_0000 });
            }
            2 => {
                let busy = ticket % 2 == 0;
                self.recorder.turned_away((node, ticket), busy, &self.machine).expect("a trace");
                self.expect(match busy {
                    true => Event::Busy { node, ticket },
                    false => Event::TurnedAway { node, ticket },
                });
                self.hand_over();
            }
            _ => {
                self.recorder.end_batch(&self.machine).expect("a trace");
                self.hand_over();
            }
        }
    }
}

impl Life {
    /// Records a life. What is not handed over in the end is lost with its process.
    pub fn record(folder: &Path, life: u64, choices: &mut Choices<'_>) -> Self {
        let mut writer = Writer::begin(folder, life, choices);
        for _ in 0..choices.below(32) {
            match choices.below(4) {
                0 => writer.raft(choices),
                1 => writer.load(choices),
                2 => writer.plain(choices),
                _ => writer.note(choices),
            }
        }
        Self { batches: writer.batches }
    }
}
