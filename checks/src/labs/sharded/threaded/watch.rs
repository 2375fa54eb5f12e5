//! What a server of the sharded store tells clients and others, and what is put in at it.

use crate::labs::bed::Holding;
use crate::labs::sharded::{SERVERS, Sharded};
use crate::labs::threaded::hub::{Given, Hub, Inlet, Load};
use crate::labs::threaded::watch::Caller;
use crate::labs::wire::Letter as Noted;
use crate::sim::kinds::{Ask, Told};
use protocol::NodeId;
use protocol::kv::Work;
use protocol::kv::clerk::Answer;
use protocol::shardctl::Asked;
use protocol::shardkv::{Command, GroupId};
use quorate::raft::{Callers, Handle, Outcome, Request, What};
use quorate::rsm::{StateMachine, encode};
use quorate::session::{self, Query};
use quorate::shardctl::{self, Shardctl};
use quorate::shardkv::{self, Carrier, Letter, Shardkv, To};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// For how long a group's leader is taken to be where it was when it was last heard of.
const REMEMBERED: Duration = Duration::from_secs(1);

/// Listens to a life of a server.
pub struct Watch {
    hub: Arc<Hub>,
    me: NodeId,
    life: u64,
}

impl Watch {
    /// Of this life.
    pub const fn new(hub: Arc<Hub>, me: NodeId, life: u64) -> Self {
        Self { hub, me, life }
    }

    fn told(&self, caller: Caller, executed: bool, told: Option<Told>) {
        let Some(mut state) = self.hub.of_life(self.me, self.life) else { return };
        let state = &mut *state;
        state.commands += u64::from(executed);
        if let Caller::Client(ticket) | Caller::Writer(ticket) = caller {
            let now = self.hub.now_us();
            let lost = state.wire.loses_answer(self.me, now, &mut state.random);
            state.fates.answer(ticket, told, lost);
        }
    }

    fn restored(&self, from: Option<NodeId>) {
        if let Some(mut state) = self.hub.of_life(self.me, self.life) {
            state.snapshots += u64::from(from.is_some());
        }
    }

    fn has(&self, service: &Shardkv) {
        let group = &service.0;
        let holding =
            Holding { keys: group.store().len() as u64, bytes: group.memory_bytes() as u64 };
        if let Some(mut state) = self.hub.of_life(self.me, self.life) {
            state.ends[usize::from(self.me.0)].holding = Some(holding);
        }
    }

    fn violate(&self, text: String) {
        if let Some(mut state) = self.hub.of_life(self.me, self.life) {
            state.violate(text);
        }
    }
}

/// What a client is told of what was not done.
fn undone<R>(outcome: Outcome<R>) -> Result<R, Option<Told>> {
    match outcome {
        Outcome::Done(reply) => Ok(reply),
        Outcome::NotExecuted { leader } => Err(Some(Told::Answer(Answer::NotExecuted { leader }))),
        Outcome::Busy => Err(Some(Told::Answer(Answer::NotExecuted { leader: None }))),
        Outcome::Unknown => Err(None),
    }
}

impl Callers<Shardkv> for Watch {
    type Caller = Caller;

    fn tell(&mut self, caller: Caller, outcome: Outcome<session::Answer>) {
        let executed = caller.has_written(&outcome);
        let told = match undone(outcome) {
            Ok(session::Answer::Reply(reply)) => Some(Told::Answer(Answer::Reply(reply))),
            Ok(session::Answer::Refused(refusal)) => Some(Told::Refused(refusal)),
            Ok(other) => return self.violate(format!("a request is answered with {other:?}")),
            Err(undone) => undone,
        };
        self.told(caller, executed, told);
    }

    fn restored(&mut self, service: &Shardkv, from: Option<NodeId>) {
        Self::restored(self, from);
        self.has(service);
    }

    fn applied(&mut self, service: &Shardkv) {
        self.has(service);
    }

    fn flush(&mut self) {}
}

impl Callers<Shardctl> for Watch {
    type Caller = Caller;

    fn tell(&mut self, caller: Caller, outcome: Outcome<protocol::shardctl::Reply>) {
        let executed = caller.has_written(&outcome);
        let told = match undone(outcome) {
            Ok(reply) => Some(Told::Control(reply)),
            Err(undone) => undone,
        };
        self.told(caller, executed, told);
    }

    fn restored(&mut self, _: &Shardctl, from: Option<NodeId>) {
        Self::restored(self, from);
    }

    fn flush(&mut self) {}
}

impl Drop for Watch {
    /// A core that ends in a life that nobody has ended has come to an end by itself.
    fn drop(&mut self) {
        self.violate(format!("server {} has ended by itself", self.me.0));
    }
}

/// Asks a server. One that refuses was killed meanwhile, or has no room: then nothing is answered.
fn ask<S: StateMachine, C: Send + 'static>(server: &Handle<S, C>, caller: C, what: What<S::Query>) {
    let _ = server.post(vec![Request { caller, what, forwards: false }]);
}

/// What is put in at a server of a group.
pub fn group(
    server: Handle<Shardkv, shardkv::Asker<Caller>>,
    door: shardkv::Door<Caller>,
    post: Arc<Post>,
) -> Inlet {
    Arc::new(move |given| match given {
        Given::Request(caller, Ask::Store(request)) => {
            let command = request.command;
            let what = if command.op.writes() {
                let work = Work::Command(command);
                let command = Command::Work { work, value_bytes: u32::MAX };
                What::Command(encode(&command).expect("a command is plain data"))
            } else {
                What::Query(Query::Op { key: command.key, op: command.op })
            };
            ask(&server, shardkv::Asker::Client(caller.with(&what)), what);
        }
        Given::Request(..) => {}
        Given::Letter(from, letter) => {
            post.hear(from, &letter);
            door.put((*letter).clone());
        }
        Given::Tick => door.tick(),
    })
}

/// What is put in at a server of the controller.
pub fn controller(
    server: Handle<Shardctl, shardctl::Asker<Caller>>,
    door: shardctl::Door<Caller>,
    post: Arc<Post>,
) -> Inlet {
    Arc::new(move |given| match given {
        Given::Request(caller, Ask::Control { asked, .. }) => {
            let what = match asked {
                Asked::Change(command) => {
                    What::Command(encode(&command).expect("a command is plain data"))
                }
                Asked::Query(query) => What::Query(query),
            };
            ask(&server, shardctl::Asker::Client(caller.with(&what)), what);
        }
        Given::Letter(from, letter) => {
            post.hear(from, &letter);
            door.put(&letter);
        }
        Given::Request(..) | Given::Tick => {}
    })
}

/// Carries the letters of a life of a server, as the product's post does: to where their reader was last heard of, or
/// else to all that may be it. It knows where each group is, also one that is in no latest configuration any more.
pub struct Post {
    hub: Arc<Hub>,
    me: NodeId,
    life: u64,
    state: Mutex<Heard>,
}

#[derive(Default)]
struct Heard {
    leaders: BTreeMap<GroupId, (usize, Instant)>,
    turn: usize,
}

impl Post {
    /// Of this life.
    pub fn new(hub: Arc<Hub>, me: NodeId, life: u64) -> Self {
        Self { hub, me, life, state: Mutex::default() }
    }

    /// A letter has come from a server.
    pub fn hear(&self, from: NodeId, letter: &Letter) {
        if let Some(group) = letter.from() {
            let mut heard = self.state.lock().expect("nobody panics with this lock");
            heard.leaders.insert(group, (usize::from(from.0), Instant::now()));
        }
    }

    fn destinations(&self, to: To, servers: usize) -> Vec<usize> {
        let mut heard = self.state.lock().expect("nobody panics with this lock");
        match to {
            To::Node(_) => Vec::new(),
            To::Controller => {
                heard.turn += 1;
                vec![heard.turn % SERVERS]
            }
            To::Group(group) => {
                let known = heard.leaders.get(&group);
                let known = known.filter(|(_, at)| at.elapsed() < REMEMBERED);
                let of_group = || {
                    let set = Sharded::place(group).map(|place| place + 1);
                    let set = set.filter(|set| (set + 1) * SERVERS <= servers);
                    set.map_or(0..0, |set| set * SERVERS..(set + 1) * SERVERS)
                };
                known.map_or_else(|| of_group().collect(), |(server, _)| vec![*server])
            }
        }
    }
}

impl Carrier for Post {
    fn carry(&self, letter: Letter) {
        let bytes = encode(&letter).expect("a letter is plain data").len() as u64;
        let to = letter.to();
        let letter = Arc::new(letter);
        let Some(mut state) = self.hub.of_life(self.me, self.life) else { return };
        let (state, now) = (&mut *state, self.hub.now_us());
        for server in self.destinations(to, state.ends.len()) {
            let to = NodeId(u8::try_from(server).expect("there are few servers"));
            let noted = Noted { from: self.me, to, is_request: true, bytes };
            let Some(us) = state.wire.carries(noted, now, &mut state.random) else { continue };
            let copy = state.wire.copy_after();
            for later in [Some(0), copy].into_iter().flatten() {
                let load = Load::Letter(Arc::clone(&letter));
                self.hub.post(state, us + later, to, Some(noted), load);
            }
        }
    }
}
