//! Clients: some are Clerks, which send a call until it is answered; some send each call once and take what they are
//! told. What each is told is noted for the judges.

use super::clock::BEGINNING_MS;
use super::env::Env;
use super::event::{ClientTimer, Event, Mail, Sending};
use super::faults::Corner;
use super::judge::TOLD;
use super::kinds::{Ask, Told as Said};
use super::ops;
use linear::kv::Told;
use protocol::kv::clerk::{Answer, Clerk, Config, Effect, Input, Outcome, Request};
use protocol::kv::{Bytes, ClientId, Command, Op, Reply, Rules, Seq, Version};
use protocol::{Machine, NodeId};
use std::collections::BTreeMap;

/// A call that takes longer is given up, in microseconds.
const PATIENCE_US: u64 = 8_000_000;
/// Who sends once waits so long for an answer, in microseconds.
const ONCE_US: u64 = 4_000_000;
/// A Clerk sends again after so long, when its server has said that nobody knows.
const PAUSE_US: u64 = 20_000;

/// A call that is under way.
#[derive(Clone, Debug)]
struct Open {
    /// Its number at the judge.
    call: usize,
    key: Bytes,
    op: Op,
    /// Whether it stands in the history.
    noted: bool,
}

/// A client.
pub struct Client<R> {
    rules: R,
    number: usize,
    /// Its number in the history: another one after it has given a call up.
    name: u64,
    /// Answers to sendings below this are for who it was before.
    since: u64,
    /// None: it sends once.
    clerk: Option<Clerk<R>>,
    seq: Seq,
    passes: bool,
    record_puts: bool,
    retry_us: u64,
    generations: [u64; 3],
    open: Option<Open>,
    /// What it has seen.
    versions: BTreeMap<Bytes, Version>,
    /// It does nothing before this.
    pub paused_until: u64,
    /// No more calls but these reads; None: as many as it likes.
    last_reads: Option<Vec<Bytes>>,
    effects: Vec<Effect>,
}

impl<R: Rules> Client<R> {
    /// A client that begins soon.
    pub fn new(rules: R, number: usize, env: &mut Env) -> Self {
        let once = env.random.chance(350_000);
        let mut client = Self {
            rules,
            number,
            name: 0,
            since: 0,
            clerk: None,
            seq: 0,
            passes: env.random.chance(500_000),
            record_puts: env.random.chance(300_000),
            retry_us: env.random.skewed(100_000, 3_000_000),
            generations: [0; 3],
            open: None,
            versions: BTreeMap::new(),
            paused_until: 0,
            last_reads: None,
            effects: Vec::new(),
        };
        client.begin_anew(env, !once);
        client.arm(ClientTimer::Next, 50_000, env);
        client
    }

    /// Somebody else: another id, nothing under way.
    fn begin_anew(&mut self, env: &mut Env, is_clerk: bool) {
        self.name = env.tag();
        self.since = env.copy();
        let made_ms = BEGINNING_MS + env.now / 1000;
        let client = ClientId::new(made_ms, self.name.into());
        let (servers, record_puts) = (env.habits.nodes, self.record_puts);
        let config = Config { client, servers, record_puts };
        self.clerk = is_clerk.then(|| Clerk::new(self.rules, config));
        self.open = None;
    }

    /// Whether no call is under way, and none will be.
    pub fn is_done(&self) -> bool {
        self.open.is_none() && self.last_reads.as_ref().is_some_and(Vec::is_empty)
    }

    /// What it waits for, for people.
    pub fn waits_for(&self) -> Option<String> {
        self.open.as_ref().map(|open| {
            format!(
                "client {} waits for call {}: {:?} {:?}",
                self.number, open.call, open.key, open.op
            )
        })
    }

    /// From now on only these are read, one after the other.
    pub fn finish(&mut self, reads: Vec<Bytes>, env: &mut Env) {
        self.last_reads = Some(reads);
        self.paused_until = 0;
        if self.open.is_none() {
            self.arm(ClientTimer::Next, 1_000, env);
        }
    }

    fn arm(&mut self, timer: ClientTimer, us: u64, env: &mut Env) {
        let generation = &mut self.generations[timer as usize];
        *generation += 1;
        let (client, generation) = (self.number, *generation);
        env.after(us, Event::Client { client, generation, timer });
    }

    fn disarm(&mut self, timer: ClientTimer) {
        self.generations[timer as usize] += 1;
    }

    /// A timer has fired.
    pub fn timer(&mut self, timer: ClientTimer, generation: u64, env: &mut Env) {
        if self.generations[timer as usize] != generation {
            return;
        }
        self.disarm(timer);
        match (timer, self.clerk.is_some()) {
            (ClientTimer::Next, _) => self.call(env),
            (ClientTimer::Retry, true) => self.step(Input::Retry, env),
            (ClientTimer::Retry, false) => self.end(Told::Unknown, None, env),
            // At the end everybody is patient.
            (ClientTimer::GiveUp, _) if self.last_reads.is_some() => {}
            (ClientTimer::GiveUp, _) => {
                env.corner(Corner::GivenUp);
                self.end(Told::Unknown, None, env);
                self.disarm(ClientTimer::Retry);
                let is_clerk = self.clerk.is_some();
                self.begin_anew(env, is_clerk);
            }
        }
    }

    fn call(&mut self, env: &mut Env) {
        if self.open.is_some() {
            return;
        }
        let (key, op) = match &mut self.last_reads {
            None => ops::draw(env, self.clerk.is_some(), self.name, self.seq + 1, &self.versions),
            Some(reads) => match reads.pop() {
                Some(key) => (key, Op::Get),
                None => return,
            },
        };
        self.seq += 1;
        let call = env.judge.begins();
        let noted = ops::noted(&key, &op);
        if let Some(op) = &noted {
            env.judge.note_call(self.name, env.now, op.clone());
        }
        env.tell(|| format!("client {} call {call}: {key:?} {op:?}", self.number));
        let (key_too, op_too) = (key.clone(), op.clone());
        self.open = Some(Open { call, key: key_too, op: op_too, noted: noted.is_some() });
        if self.clerk.is_some() {
            self.arm(ClientTimer::GiveUp, PATIENCE_US, env);
            self.step(Input::Call { key, op }, env);
        } else {
            self.arm(ClientTimer::Retry, ONCE_US, env);
            let command = Command { key, op, once: None };
            let request = Request { seq: self.seq, attempt: 1, command };
            let to = NodeId(env.random.below(u64::from(env.habits.nodes)) as u8);
            self.send(to, request, env);
        }
    }

    fn send(&mut self, to: NodeId, request: Request, env: &mut Env) {
        let Some(open) = &self.open else { return };
        let copy = env.copy();
        env.judge.sends(copy, open.call);
        if request.attempt == 2 {
            env.corner(Corner::SentAgain);
        }
        env.tell(|| format!("client {} copy {copy} to {to:?}: {request:?}", self.number));
        if let Some(us) = env.to_client() {
            let (client, passes) = (self.number, self.passes);
            let sending = Sending { client, copy, ask: Ask::Store(request), passes };
            env.after(us, Event::Arrives(to, Mail::Request(sending)));
        }
    }

    /// An answer has arrived.
    pub fn answer(&mut self, copy: u64, call: (Seq, u32), told: Option<Said>, env: &mut Env) {
        let (seq, attempt) = call;
        let answer = told.map(|told| match told {
            Said::Answer(answer) => answer,
            other => unreachable!("a store says {other:?}"),
        });
        if copy < self.since {
            return;
        }
        if self.clerk.is_some() {
            match answer {
                Some(answer) => self.step(Input::Answer { seq, attempt, answer }, env),
                None => {
                    let current = self
                        .clerk
                        .as_ref()
                        .is_some_and(|clerk| clerk.seq() == seq && clerk.attempts() == attempt);
                    if current {
                        self.arm(ClientTimer::Retry, PAUSE_US, env);
                    }
                }
            }
            return;
        }
        if seq != self.seq || self.open.is_none() {
            return;
        }
        match answer {
            None => self.end(Told::Unknown, None, env),
            Some(Answer::NotExecuted { .. }) => self.end(Told::NotExecuted, None, env),
            Some(Answer::Reply(reply)) => self.reply(reply, env),
        }
    }

    fn step(&mut self, input: Input, env: &mut Env) {
        let Some(clerk) = &mut self.clerk else { return };
        let (recorded, attempts) = (clerk.is_recorded(), clerk.attempts());
        let passing = matches!(
            &input,
            Input::Answer { answer: Answer::Reply(reply), .. } if reply.is_passing()
        );
        let mut effects = std::mem::take(&mut self.effects);
        clerk.step(input, &mut effects);
        for effect in effects.drain(..) {
            match effect {
                Effect::Send { to, request } => self.send(to, request, env),
                Effect::ArmRetry => self.arm(ClientTimer::Retry, self.retry_us, env),
                Effect::DisarmRetry => self.disarm(ClientTimer::Retry),
                Effect::Done(Outcome::Reply(reply)) => self.reply(reply, env),
                Effect::Done(Outcome::Maybe) => {
                    env.corner(Corner::ToldMaybe);
                    // CLERK-MAYBE-1: not without need.
                    if attempts < 2 || recorded && !passing {
                        let text = format!("{} is told Maybe for nothing", self.number);
                        env.violate(TOLD, format!("client {text} after {attempts} sendings"));
                    }
                    self.end(Told::Maybe, None, env);
                }
                Effect::Busy => {}
            }
        }
        self.effects = effects;
    }

    fn reply(&mut self, reply: Reply, env: &mut Env) {
        let Some(open) = self.open.clone() else { return };
        match ops::told(&open.op, &reply) {
            Ok((told, changed)) => {
                if let Some(version) = ops::version(&reply) {
                    self.versions.insert(open.key.clone(), version);
                }
                if reply.is_passing() {
                    env.corner(Corner::Expired);
                }
                self.end(told, changed, env);
                if reply.is_passing() {
                    self.begin_anew(env, true);
                }
            }
            Err(text) => {
                let Open { key, op, .. } = open;
                env.violate(TOLD, format!("{key:?} {op:?} is answered with {text}"));
            }
        }
    }

    fn end(&mut self, told: Told, changed: Option<bool>, env: &mut Env) {
        let Some(open) = self.open.take() else { return };
        env.tell(|| {
            format!("client {} call {} ends: {}", self.number, open.call, ops::told_text(&told))
        });
        if let Some(changed) = changed {
            env.wrong(|judge, _| judge.ended(open.call, changed), NodeId(0));
        }
        if open.noted {
            env.judge.note_end(self.name, env.now, told);
        }
        self.disarm(ClientTimer::Retry);
        self.disarm(ClientTimer::GiveUp);
        let think = env.random.skewed(500, env.habits.think_us);
        let think = if self.last_reads.is_some() { 500 } else { think };
        self.arm(ClientTimer::Next, think, env);
    }
}
