//! A client: it runs its program, through the shared clerk and lock or past them.

use super::direct::{Ask, Direct, Told};
use super::event::Event;
use super::party::{Message, Person, SERVER, lock_key};
use super::programs::{Do, Expect, Program};
use protocol::Machine;
use protocol::kv::clerk::{self, Answer, Clerk, Outcome};
use protocol::kv::lock::{self, Lock, State as LockState};
use protocol::kv::{
    Bytes, ClientId, Deadline, Op, Reply, Rules, Seq, StringOp, Version, When, Work,
};
use stateright::actor::{Id, Out};

/// A client's state.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Client<R> {
    pub(super) clerk: Clerk<R>,
    pub(super) lock: Lock<R>,
    /// What it asks past the clerk.
    pub(super) direct: Direct,
    /// Whose the recorded calls past the clerk are; none if they are not recorded.
    direct_client: Option<ClientId>,
    pub(super) program: Program,
    /// How many steps of the program have begun.
    pub(super) begun: usize,
    /// The version that the last Get or Put showed.
    seen: Version,
    /// How often it has looked at a lock that another held.
    pub(super) looks: u8,
    /// See [`Event`]. Empty in every state that a checker sees.
    pub(super) events: Vec<Event>,
}

impl<R: Rules> Client<R> {
    /// A client that has done nothing yet.
    pub fn new(rules: R, config: clerk::Config, program: Program) -> Self {
        // A client id of its own: a clerk acknowledges all calls before the one that it makes.
        let beside = ClientId(config.client.0 + 8);
        Self {
            clerk: Clerk::new(rules, config),
            lock: Lock::new(rules, config.client),
            direct: Direct::default(),
            direct_client: config.record_puts.then_some(beside),
            program,
            begun: 0,
            seen: 0,
            looks: 0,
            events: Vec::new(),
        }
    }

    /// Whether nothing is under way.
    fn is_idle(&self) -> bool {
        !self.clerk.is_busy()
            && !self.direct.is_busy()
            && matches!(self.lock.state(), LockState::Idle | LockState::Held { .. })
    }

    /// Whether its program has come to its end.
    pub fn is_done(&self) -> bool {
        self.is_idle() && self.begun >= self.program.steps().len()
    }

    fn call(&mut self, key: Bytes, op: Op, out: &mut Out<Person<R>>) {
        self.clerk(clerk::Input::Call { key: key.clone(), op: op.clone() }, Some((key, op)), out);
    }

    pub(super) fn clerk(
        &mut self,
        input: clerk::Input,
        called: Option<(Bytes, Op)>,
        out: &mut Out<Person<R>>,
    ) {
        let retried = input == clerk::Input::Retry;
        let passing = matches!(&input, clerk::Input::Answer { answer: Answer::Reply(reply), .. }
            if reply.is_passing());
        let sent_again = self.clerk.writes() && self.clerk.attempts() > 1;
        let may_be_maybe = sent_again && (passing || !self.clerk.is_recorded());
        let mut effects = Vec::new();
        self.clerk.step(input, &mut effects);
        if let Some((key, op)) = called {
            self.events.push(Event::Called { seq: self.clerk.seq(), key, op });
        }
        for effect in effects {
            match effect {
                clerk::Effect::Send { request, .. } => {
                    if retried {
                        self.events.push(Event::SentAgain);
                    }
                    out.send(Id::from(SERVER), Message::Request(request));
                }
                clerk::Effect::Done(outcome) => {
                    let seq = self.clerk.seq();
                    let told = outcome.clone();
                    self.events.push(Event::Returned { seq, outcome: told, may_be_maybe });
                    self.finished(outcome, out);
                }
                clerk::Effect::ArmRetry | clerk::Effect::DisarmRetry => {}
                clerk::Effect::Busy => panic!("a client makes one call at a time"),
            }
        }
    }

    fn finished(&mut self, outcome: Outcome, out: &mut Out<Person<R>>) {
        if !matches!(self.lock.state(), LockState::Idle | LockState::Held { .. }) {
            return self.lock(lock::Input::Outcome(outcome), out);
        }
        if let (Some(Do::Holds(_, own)), Outcome::Reply(reply)) = (self.latest_step(), &outcome)
            && !matches!(reply, Reply::Value { value, .. } if *value == Bytes::from(own))
        {
            // It has no lease, and goes no further.
            self.begun = self.program.steps().len();
        }
        match outcome {
            Outcome::Reply(Reply::Value { version, .. } | Reply::Written { version }) => {
                self.seen = version;
            }
            Outcome::Reply(Reply::NoKey) => self.seen = 0,
            _ => {}
        }
    }

    pub(super) fn lock(&mut self, input: lock::Input, out: &mut Out<Person<R>>) {
        let looked = self.lock.state() == LockState::Looking;
        let mut effects = Vec::new();
        self.lock.step(input, &mut effects);
        for effect in effects {
            match effect {
                lock::Effect::Call(op) => self.call(lock_key(), op, out),
                lock::Effect::Acquired { version } => {
                    self.events.push(Event::Acquired { version, looked });
                }
                lock::Effect::Released => self.events.push(Event::Released),
                // Its user would make a new client; here its program is over.
                lock::Effect::Failed(_) => self.begun = self.program.steps().len(),
                lock::Effect::ArmRetry => self.events.push(Event::Waits),
                lock::Effect::Ignored => panic!("a program acquires and releases in turn"),
            }
        }
    }

    pub(super) fn next(&mut self, out: &mut Out<Person<R>>) {
        let step = self.program.steps()[self.begun];
        self.begun += 1;
        let seen = self.seen;
        let version = |expect: Expect| match expect {
            Expect::Version(version) => version,
            Expect::Seen => seen,
        };
        match step {
            Do::Get(key) => self.call(key.into(), Op::Get, out),
            Do::Set(key, value) => self.call(key.into(), Op::Set { value: value.into() }, out),
            Do::Append(key, value) => {
                self.call(key.into(), Op::Append { value: value.into() }, out);
            }
            Do::Put(key, value, expect) => {
                let op = Op::Put { value: value.into(), expected: version(expect) };
                self.call(key.into(), op, out);
            }
            Do::Delete(key, expect) => {
                self.call(key.into(), Op::Delete { expected: version(expect) }, out);
            }
            Do::SetFor(key, value, ms) => self.set(key, value, When::Always, ms, out),
            Do::Lease(key, value, ms) => self.set(key, value, When::Missing, ms, out),
            Do::Holds(key, _) => self.call(key.into(), Op::Get, out),
            Do::Use => self.direct.ask(Ask::Use { version: seen }, out),
            Do::Incr(key) => {
                self.call(key.into(), Op::String(StringOp::IncrBy { by: 1 }), out);
            }
            Do::Watch(key) => self.direct.ask(Ask::Watch(key.into()), out),
            Do::Exec(parts) => self.direct.exec(parts, self.direct_client, out),
            Do::Flush => self.direct.ask(Ask::Work(Work::Flush), out),
            Do::Scan => self.direct.scan(out),
            Do::Acquire => self.lock(lock::Input::Acquire, out),
            Do::Release => self.lock(lock::Input::Release, out),
            Do::AcquireFor | Do::Renew => panic!("a program with a time to live has a user"),
        }
    }

    fn latest_step(&self) -> Option<Do> {
        self.program.steps().get(self.begun.checked_sub(1)?).copied()
    }

    fn set(&mut self, key: &str, value: &str, when: When, ms: u64, out: &mut Out<Person<R>>) {
        let deadline = Deadline::In(ms);
        let op = StringOp::Set { value: value.into(), when, deadline, get: false };
        self.call(key.into(), Op::String(op), out);
    }

    /// An answer to what was asked past the clerk. A scan is one step of a program, however many it takes.
    pub(super) fn told(&mut self, seq: Seq, told: Told) {
        match self.direct.told(seq, told) {
            Some(Told::Scanned { next }) if next > 0 => self.begun -= 1,
            // Of a call that was turned away for its client's sake, another copy may have been executed.
            Some(Told::Reply(reply)) if !reply.is_passing() => {
                let outcome = Outcome::Reply(reply);
                self.events.push(Event::Returned { seq, outcome, may_be_maybe: false });
            }
            _ => {}
        }
    }
}
