//! `kvsrv1/lock`: the lock that ships, made of Get and Put.
//!
//! Who holds it looks whether anybody else believes the same: it writes its name under a key where no name may stand,
//! and takes it away before it releases the lock.

use crate::labs::clerk::{CallEnd, Caller, LOOK, WAIT};
use crate::labs::lab::{Lab, Next, Outcome, ms};
use crate::labs::machines::AnyLock;
use crate::labs::store::linearizable;
use protocol::kv::clerk::Outcome as Ended;
use protocol::kv::lock::{Effect, Input};
use protocol::kv::{Bytes, Op, Reply};
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

/// Where the holder's name stands.
const HOLDER: &str = "l0";
/// How long a lock is held.
const HOLD: Duration = ms(10);
/// How long clients work.
const RUN: Duration = ms(2000);

/// What a lock tells its user.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum News {
    Acquired,
    Released,
}

/// A lock that one client uses.
struct Used {
    lock: Box<dyn AnyLock>,
    name: String,
    /// Another holds it: when to look again.
    again_at: Option<Duration>,
    news: Option<News>,
}

impl Used {
    fn new(lab: &Lab, caller: &Caller, name: &str) -> Self {
        let lock = lab.machines().lock(caller.id());
        Self { lock, name: name.into(), again_at: None, news: None }
    }

    fn step(&mut self, lab: &mut Lab, caller: &mut Caller, input: Input) -> Outcome {
        let mut effects = Vec::new();
        self.lock.step(input, &mut effects);
        for effect in effects {
            match effect {
                Effect::Call(op) => caller.begin(lab, &self.name, op),
                Effect::Acquired { .. } => self.news = Some(News::Acquired),
                Effect::Released => self.news = Some(News::Released),
                Effect::ArmRetry => {
                    let pause = ms(5 + lab.random.below(10));
                    self.again_at = Some(lab.bed().now() + pause);
                }
                Effect::Failed(_) | Effect::Ignored => {
                    return Err(lab.failure(format!("the lock says {effect:?}")));
                }
            }
        }
        Ok(())
    }

    /// What it tells, as soon as it does.
    fn poll(&mut self, lab: &mut Lab, caller: &mut Caller) -> Outcome<Option<News>> {
        if caller.is_busy() {
            if let Some(end) = caller.poll(lab)? {
                let outcome = match end {
                    CallEnd::Reply(reply) => Ended::Reply(reply),
                    CallEnd::Maybe => Ended::Maybe,
                };
                self.step(lab, caller, Input::Outcome(outcome))?;
            }
        } else if self.again_at.is_some_and(|at| at <= lab.bed().now()) {
            self.again_at = None;
            self.step(lab, caller, Input::Retry)?;
        }
        Ok(self.news.take())
    }

    /// Acquires or releases it, from begin to end.
    fn ask(&mut self, lab: &mut Lab, caller: &mut Caller, input: Input) -> Outcome {
        self.step(lab, caller, input)?;
        while self.poll(lab, caller)?.is_none() {
            lab.sleep(LOOK)?;
        }
        Ok(())
    }
}

/// One client, one lock, once.
pub fn basic(lab: &mut Lab) -> Outcome {
    let mut caller = Caller::new(lab);
    let mut lock = Used::new(lab, &caller, "l");
    lock.ask(lab, &mut caller, Input::Acquire)?;
    lock.ask(lab, &mut caller, Input::Release)?;
    linearizable(lab)
}

/// One client and two locks, each inside the other.
pub fn nested(lab: &mut Lab) -> Outcome {
    let mut caller = Caller::new(lab);
    let by = &mut caller;
    let (mut one, mut two) = (Used::new(lab, by, "one"), Used::new(lab, by, "other"));
    for _ in 0..2 {
        for (outer, inner) in [(0, 1), (1, 0)] {
            let locks = [&mut one, &mut two];
            locks[outer].ask(lab, by, Input::Acquire)?;
            locks[inner].ask(lab, by, Input::Acquire)?;
            locks[inner].ask(lab, by, Input::Release)?;
            locks[outer].ask(lab, by, Input::Release)?;
        }
    }
    linearizable(lab)
}

/// What a client does next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    /// It takes a second lock, which nobody else wants, and keeps it.
    Second,
    Idle,
    Acquiring,
    /// It looks whether a holder's name stands there.
    Looking,
    /// It writes its own over this version.
    Writing(u64),
    Holding(u64),
    Clearing,
    Releasing,
}

/// A client that takes the lock again and again.
struct User {
    caller: Caller,
    lock: Used,
    second: Used,
    number: u64,
    phase: Phase,
    stop: Rc<Cell<bool>>,
    /// How often it held the lock.
    held: Rc<Cell<u64>>,
}

impl User {
    fn new(lab: &mut Lab, number: u64, name: &str, stop: &Rc<Cell<bool>>) -> Self {
        let caller = Caller::new(lab);
        let lock = Used::new(lab, &caller, name);
        let second = Used::new(lab, &caller, &format!("{name}.{number}"));
        let (phase, held) = (Phase::Second, Rc::default());
        Self { caller, lock, second, number, phase, stop: Rc::clone(stop), held }
    }

    /// Begins to put something under the holder's key.
    fn put(&mut self, lab: &mut Lab, value: &str, expected: u64) {
        let op = Op::Put { value: Bytes::from(value), expected };
        self.caller.begin(lab, HOLDER, op);
    }

    /// The version that its own write has now. Nobody else writes there: who is told Maybe has written.
    fn wrote(&self, lab: &Lab, end: &CallEnd) -> Outcome {
        let fine = matches!(end, CallEnd::Maybe | CallEnd::Reply(Reply::Written { .. }));
        lab.require(fine, || format!("holder {}, alone, is told {end:?}", self.number))
    }

    fn looked(&mut self, lab: &mut Lab, end: &CallEnd) -> Outcome {
        let version = match end {
            CallEnd::Reply(Reply::NoKey) => 0,
            CallEnd::Reply(Reply::Value { value, version }) if value.as_ref().is_empty() => {
                *version
            }
            _ => {
                let text = format!("{} holds the lock, and finds {end:?}", self.number);
                return Err(lab.failure(text));
            }
        };
        self.held.set(self.held.get() + 1);
        self.phase = Phase::Writing(version);
        self.put(lab, &self.number.to_string(), version);
        Ok(())
    }

    fn step(&mut self, lab: &mut Lab) -> Outcome<Next> {
        match self.phase {
            Phase::Second if !self.second.lock.is_held() => {
                if !self.caller.is_busy() && self.second.again_at.is_none() {
                    self.second.step(lab, &mut self.caller, Input::Acquire)?;
                }
                self.second.poll(lab, &mut self.caller)?;
            }
            Phase::Second | Phase::Idle if self.stop.get() => return Ok(Next::Done),
            Phase::Second | Phase::Idle => {
                self.phase = Phase::Acquiring;
                self.lock.step(lab, &mut self.caller, Input::Acquire)?;
            }
            Phase::Acquiring => {
                if self.lock.poll(lab, &mut self.caller)? == Some(News::Acquired) {
                    self.phase = Phase::Looking;
                    self.caller.begin(lab, HOLDER, Op::Get);
                }
            }
            Phase::Releasing => {
                if self.lock.poll(lab, &mut self.caller)? == Some(News::Released) {
                    self.phase = Phase::Idle;
                }
            }
            Phase::Holding(version) => {
                self.phase = Phase::Clearing;
                self.put(lab, "", version);
            }
            Phase::Looking | Phase::Writing(_) | Phase::Clearing => {
                let Some(end) = self.caller.poll(lab)? else { return Ok(WAIT) };
                return self.called(lab, &end);
            }
        }
        Ok(WAIT)
    }

    /// Its call on the holder's key has ended.
    fn called(&mut self, lab: &mut Lab, end: &CallEnd) -> Outcome<Next> {
        match self.phase {
            Phase::Looking => self.looked(lab, end)?,
            Phase::Writing(version) => {
                self.wrote(lab, end)?;
                self.phase = Phase::Holding(version + 1);
                return Ok(Next::After(HOLD));
            }
            _ => {
                self.wrote(lab, end)?;
                self.phase = Phase::Releasing;
                self.lock.step(lab, &mut self.caller, Input::Release)?;
            }
        }
        Ok(WAIT)
    }
}

/// So many clients want one lock, for two seconds. The labs let a lock pass that one client alone ever gets.
fn contended(lab: &mut Lab, clients: u64) -> Outcome {
    let (stop, name) = (Rc::new(Cell::new(false)), format!("l{:x}", lab.random.next()));
    let mut held = Vec::new();
    for number in 0..clients {
        let mut user = User::new(lab, number, &name, &stop);
        held.push(Rc::clone(&user.held));
        lab.beside(Box::new(move |lab| user.step(lab)));
    }
    lab.sleep(RUN)?;
    stop.set(true);
    lab.calm();
    lab.join()?;
    let holders = held.iter().filter(|count| count.get() > 0).count() as u64;
    lab.require(holders >= clients.min(2), || format!("only {holders} clients got the lock"))?;
    linearizable(lab)
}

/// One client.
pub fn one_client(lab: &mut Lab) -> Outcome {
    contended(lab, 1)
}

/// Ten.
pub fn many_clients(lab: &mut Lab) -> Outcome {
    contended(lab, 10)
}
