//! A sharded cluster of one node in one thread: the controller and two groups, recorded. Letters go from hand to hand.
//! What it records is right; the tests lie where they want to.

use super::world::Place;
use protocol::kv::{ClientId, Command as Call, Op, Work};
use protocol::log::{Durable, Entry};
use protocol::quorum::NodeSet;
use protocol::raft::{self, Config, Paper};
use protocol::rsm::{Caller, Decided, Effect, Input, Outcome, Rsm, Ticket};
use protocol::shardctl::{self, Change, RequestId, SlotRange};
use protocol::shardkv::mover::{Duty, Effect as Move, Input as Told, Settings};
use protocol::shardkv::{self, Command, GroupId, InOrder, Next, Step};
use protocol::{Machine, NodeId, Write, replica};
use quorate::rsm::{Coded, StateMachine, encode, stamped};
use quorate::session::Answer;
use quorate::shardctl::Shardctl;
use quorate::shardkv::{Letter, Shardkv, To, Wanted};
use quorate::trace::{Boot, Moved, Recorder, Whose, log_hash, place};
use quorate::wal::{Bytes, Identity};
use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;

const IDENTITY: Identity = Identity { cluster: 9, node: 0 };
/// Parts so small that a slot goes in several.
const SETTINGS: Settings = Settings { part_bytes: 64, slots: 64, ..Settings::DEFAULT };

/// A server.
pub struct Site<S: StateMachine> {
    pub machine: Rsm<Coded<S>, Paper, Decided>,
    pub recorder: Recorder,
    disk: Durable<Bytes>,
    pending: VecDeque<(Write, Vec<Entry<Bytes>>)>,
    ticket: Ticket,
    told: Vec<(Ticket, Outcome<S::Reply>)>,
}

impl<S: StateMachine> Site<S> {
    fn start(folder: PathBuf, group: u32, empty: S, disk: Durable<Bytes>) -> Self {
        let whose = Whose { identity: IDENTITY, group };
        let mut recorder = Recorder::begin(&folder, whose).expect("a folder");
        let (me, voters) = (NodeId(0), NodeSet::first(1));
        let config = Config { me, voters, max_batch: 8, window: 64 };
        let (service, first_read) = (Coded::new(empty), recorder.life() << 32);
        let boot = Boot {
            config,
            first_read,
            hard: disk.hard,
            terms: disk.terms.clone(),
            log: log_hash(&disk.log, 1),
            sum: None,
            print: service.service.print(),
            whole: None,
        };
        recorder.boot(&boot, &disk, &service).expect("a trace");
        let machine = Rsm::new((Paper, Decided), config, disk.clone(), service, first_read);
        let (pending, told) = (VecDeque::new(), Vec::new());
        let mut site = Self { machine, recorder, disk, pending, ticket: 0, told };
        site.step(Input::Replica(replica::Input::Raft(raft::Input::Start)));
        assert!(site.leads().is_some(), "it is alone");
        site
    }

    pub fn leads(&self) -> Option<u64> {
        self.machine.replica().raft().leads_in()
    }

    /// A step, and what the disk finishes because of it.
    pub fn step(&mut self, input: Input<'_, Coded<S>>) {
        self.step_once(input);
        while !self.pending.is_empty() {
            let writes = self.pending.len();
            for (write, entries) in self.pending.drain(..) {
                self.disk.apply(&write, entries.into_iter());
            }
            self.step_once(Input::Replica(replica::Input::Durable { writes }));
        }
    }

    fn step_once(&mut self, input: Input<'_, Coded<S>>) {
        self.recorder.input::<S>(&input, |_| None);
        let mut effects = Vec::new();
        self.machine.step(input, &mut effects);
        self.recorder.done(&self.machine, &effects).expect("a trace");
        for effect in effects {
            match effect {
                Effect::Raft(raft::Effect::Write(write)) => {
                    let entries = self.machine.replica().entries_of_write(&write).cloned();
                    self.pending.push_back((write, entries.collect()));
                }
                Effect::Tell { ticket, outcome } => self.told.push((ticket, outcome)),
                _ => {}
            }
        }
    }

    pub fn next_ticket(&mut self) -> Ticket {
        self.ticket += 1;
        self.ticket
    }

    /// Submits a command: what became of it.
    pub fn submit(&mut self, ticket: Ticket, command: &S::Command, passes: bool) -> S::Reply {
        let payload = stamped(1, &encode(command).expect("it is plain data"));
        self.step(Input::Submit(vec![(Caller { ticket, passes }, payload)]));
        match self.told.pop() {
            Some((told, Outcome::Done(reply))) if told == ticket => reply,
            _ => panic!("who is alone decides at once"),
        }
    }

    fn flush(&mut self) {
        self.recorder.end_batch(&self.machine).expect("a trace");
    }
}

/// A group's server and its mover.
pub struct House {
    pub site: Site<Shardkv>,
    pub duty: Duty,
}

/// All of them.
pub struct Town {
    pub place: Place,
    pub desk: Site<Shardctl>,
    pub houses: BTreeMap<u64, House>,
    /// What is under way.
    pub letters: VecDeque<Letter>,
    seq: u64,
    /// What the traces get of a mover's effects.
    pub lie: fn(&mut Vec<Move>),
}

fn house(place: &Place, gid: u64, disk: Durable<Bytes>) -> House {
    let folder = quorate::trace::place(&place.0.join("trace"), gid as u32);
    let site = Site::start(folder, gid as u32, Shardkv::new(GroupId(gid)), disk);
    House { site, duty: Duty::new(InOrder, SETTINGS) }
}

impl House {
    /// A round of the mover: what it asks for.
    pub fn attend(&mut self, inputs: Vec<Told>, lie: fn(&mut Vec<Move>)) -> Vec<Move> {
        let Self { site, duty } = self;
        let (leads, group) = (site.leads(), &site.machine.service().service.0);
        if let Some(term) = leads.filter(|_| duty.term() != leads) {
            site.recorder.moved(Moved::Leads { term, settings: SETTINGS });
        }
        duty.lead(leads, group);
        let mut effects = Vec::new();
        for input in inputs {
            site.recorder.moved(Moved::of(&input));
            duty.step(group, input, &mut effects);
        }
        let mut noted = effects.clone();
        lie(&mut noted);
        site.recorder.moves(duty, &noted);
        site.recorder.let_leave(&site.machine).expect("a trace");
        effects
    }
}

impl Town {
    /// A controller and groups 1 and 2, of which none has joined.
    pub fn new() -> Self {
        let town = Place::new();
        let folder = place(&town.0.join("trace"), 0);
        let desk = Site::start(folder, 0, Shardctl::new(), Durable::default());
        let houses = (1..=2).map(|gid| (gid, house(&town, gid, Durable::default()))).collect();
        Self { place: town, desk, houses, letters: VecDeque::new(), seq: 0, lie: |_| {} }
    }

    /// The node's folder.
    pub fn folder(&self) -> PathBuf {
        self.place.0.join("trace")
    }

    /// Has the configuration changed.
    pub fn change(&mut self, change: Change) {
        self.seq += 1;
        let request = RequestId { client: ClientId(5), seq: self.seq };
        let command = shardctl::Command::Change { request, based: None, change };
        let ticket = self.desk.next_ticket();
        let reply = self.desk.submit(ticket, &command, true);
        assert!(matches!(reply, shardctl::Reply::Changed { .. }), "{reply:?}");
    }

    /// A group joins.
    pub fn join(&mut self, gid: u64) {
        self.change(Change::Join(vec![(GroupId(gid), vec!["node:1".into()])]));
    }

    /// Sets a key at a group.
    pub fn set(&mut self, gid: u64, key: &str, value: &str) -> Answer {
        let op = Op::Set { value: value.into() };
        let work = Work::Command(Call { key: key.into(), op, once: None });
        let command = Command::Work { work, value_bytes: 1000 };
        let site = &mut self.houses.get_mut(&gid).expect("it is there").site;
        let ticket = site.next_ticket();
        site.submit(ticket, &command, true)
    }

    /// Gives a group's mover what has come for it, and what becomes of that.
    pub fn tell(&mut self, gid: u64, input: Told) {
        let house = self.houses.get_mut(&gid).expect("it is there");
        let mut inputs = vec![input];
        while !inputs.is_empty() {
            let effects = house.attend(std::mem::take(&mut inputs), self.lie);
            let term = house.duty.term().expect("it leads");
            for effect in effects {
                match Letter::of(GroupId(gid), effect) {
                    Wanted::Letter(letter) => self.letters.push_back(letter),
                    Wanted::Proposal(proposal, command) => {
                        let answer = propose(&mut house.site, (term, proposal), &command);
                        inputs.push(Told::Outcome { proposal, answer: Some(answer) });
                    }
                }
            }
        }
    }

    /// Delivers a letter.
    pub fn deliver(&mut self, letter: Letter) {
        match (letter.to(), letter) {
            (To::Controller, letter) => self.ask(letter),
            (To::Group(to), Letter::Move { from, message, .. }) => {
                self.tell(to.0, Told::Message { from, message });
            }
            (To::Group(to), Letter::Told { next, .. }) => self.tell(to.0, Told::Next(next)),
            (To::Group(to), Letter::Noted { number, .. }) => {
                self.tell(to.0, Told::Reported { number });
            }
            (_, letter) => panic!("nobody sends {letter:?}"),
        }
    }

    fn ask(&mut self, letter: Letter) {
        let controller = &self.desk.machine.service().service.0;
        let next = match letter {
            Letter::Next { from, number } => Next::of(controller, from, number),
            _ => None,
        };
        self.desk.recorder.letter(letter.clone(), next.is_some());
        self.desk.recorder.let_leave(&self.desk.machine).expect("a trace");
        match letter {
            Letter::Next { from: to, .. } => {
                self.letters.extend(next.map(|next| Letter::Told { to, next }));
            }
            Letter::Finished { from: group, number } => {
                let ticket = self.desk.next_ticket();
                let command = shardctl::Command::Finished { group, number };
                let reply = self.desk.submit(ticket, &command, true);
                if let shardctl::Reply::Noted { finished: number } = reply {
                    self.letters.push_back(Letter::Noted { to: group, number });
                }
            }
            _ => {}
        }
    }

    /// Lets so much time pass, and delivers what is under way in between.
    pub fn pass(&mut self, ticks: usize) {
        for _ in 0..ticks {
            let gids: Vec<u64> = self.houses.keys().copied().collect();
            gids.into_iter().for_each(|gid| self.tell(gid, Told::Tick));
            while let Some(letter) = self.letters.pop_front() {
                self.deliver(letter);
            }
        }
    }

    /// Kills a group's server, and starts it again.
    pub fn restart(&mut self, gid: u64) {
        let old = self.houses.remove(&gid).expect("it is there");
        let disk = old.site.disk.clone();
        drop(old);
        self.houses.insert(gid, house(&self.place, gid, disk));
    }

    /// All that nobody has seen yet is handed over, as at an end in order.
    pub fn flush(&mut self) {
        self.desk.flush();
        self.houses.values_mut().for_each(|house| house.site.flush());
    }

    /// The number of a group's configuration.
    pub fn number(&self, gid: u64) -> u64 {
        self.houses[&gid].site.machine.service().service.0.number()
    }
}

/// Submits a proposal: what the group answers.
pub fn propose(site: &mut Site<Shardkv>, which: (u64, u64), command: &Command) -> shardkv::Answer {
    let ticket = site.next_ticket();
    site.recorder.proposed(ticket, which);
    match site.submit(ticket, command, false) {
        Answer::Step(step) => shardkv::Answer::Step(step),
        other => panic!("{other:?} is no step"),
    }
}

/// Two groups that have handed slots over, both of which were started again meanwhile.
pub fn busy() -> Town {
    let mut town = Town::new();
    let group = |gid, name: &str| (GroupId(gid), vec![name.into()]);
    town.change(Change::Join(vec![group(1, "node:1"), group(2, "other:1")]));
    town.pass(3);
    let keys: Vec<String> = (0..6).map(|number| format!("k{number}")).collect();
    for key in &keys {
        let told = [1, 2].map(|gid| town.set(gid, key, &"v".repeat(60)));
        let served = told.iter().filter(|told| matches!(told, Answer::Reply(_)));
        assert_eq!(served.count(), 1, "{told:?}");
    }
    for (to, restarted) in [(2, 1), (1, 2)] {
        let range = |key: &String| SlotRange { first: slot(key), last: slot(key) };
        town.change(Change::Move { slots: keys.iter().map(range).collect(), to: GroupId(to) });
        town.pass(1);
        // Some letters are lost, and a part of a slot is there.
        for _ in 0..8 {
            town.tell(restarted, Told::Tick);
            if let Some(letter) = town.letters.pop_front() {
                town.deliver(letter);
            }
        }
        town.letters.clear();
        town.restart(restarted);
        town.pass(5);
    }
    town.flush();
    town
}

fn slot(key: &str) -> u16 {
    protocol::kv::Bytes::from(key).slot().0
}

/// What a step of a move has come to, as an answer.
pub const fn step(step: Step) -> Option<shardkv::Answer> {
    Some(shardkv::Answer::Step(step))
}
