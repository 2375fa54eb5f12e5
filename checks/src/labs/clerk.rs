//! Clients of the store beside a scenario: the Clerk that ships, driven bit by bit.
//!
//! The labs' clients send a call again when it fails, and their calls always end. Ours do the same: what fails is sent
//! to the next server after a short pause; what has no answer for long, too.

use super::bed::{Answered, Ticket};
use super::lab::{LONGEST, Lab, Next, Outcome, ms};
use super::machines::AnyClerk;
use crate::sim::ops;
use linear::history::Told;
use protocol::NodeId;
use protocol::kv::clerk::{Answer, Config, Effect, Input, Outcome as Ended, Request};
use protocol::kv::{Bytes, ClientId, Op, Reply};
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

/// Between a failed call and the next.
const PAUSE: Duration = ms(10);
/// An answer that takes longer is not waited for.
const PATIENCE: Duration = ms(2000);
/// So often a client looks whether its call has ended.
pub const LOOK: Duration = ms(1);
/// And so often, if it is one of a hundred thousand.
const QUICK: Duration = Duration::from_micros(100);

/// Every server.
pub const ALL: u64 = u64::MAX;

/// How a call ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CallEnd {
    /// With this reply.
    Reply(Reply),
    /// It was executed once or not at all.
    Maybe,
}

/// A client with one call at a time.
pub struct Caller {
    clerk: Box<dyn AnyClerk>,
    id: ClientId,
    /// Its number in the history.
    number: u64,
    /// The servers that it reaches, a bit for each. Others may change it while a call is under way.
    reaches: Rc<Cell<u64>>,
    sent: Vec<(Ticket, Request)>,
    retry_at: Option<Duration>,
    /// The operation under way.
    op: Option<Op>,
    ended: Option<CallEnd>,
    /// Whether the history has its calls.
    notes: bool,
    /// So often it looks whether a call has ended for which nobody does anything else meanwhile.
    look: Duration,
}

impl Caller {
    /// A client that reaches all servers.
    pub fn new(lab: &mut Lab) -> Self {
        Self::of(lab, Rc::new(Cell::new(ALL)))
    }

    /// A client that reaches these servers only, a bit for each.
    pub fn of(lab: &mut Lab, reaches: Rc<Cell<u64>>) -> Self {
        let client = lab.bed_mut().new_client();
        let servers = u8::try_from(lab.servers()).expect("there are few servers");
        let config = Config { client, servers, record_puts: false };
        let clerk = lab.machines().clerk(config);
        let number = lab.number();
        Self {
            clerk,
            number,
            reaches,
            sent: Vec::new(),
            retry_at: None,
            op: None,
            ended: None,
            notes: true,
            look: LOOK,
            id: client,
        }
    }

    /// One of very many: it looks more often, and the history does not have its calls.
    pub fn quick(lab: &mut Lab) -> Self {
        Self { notes: false, look: QUICK, ..Self::new(lab) }
    }

    /// Who it is for the store.
    pub const fn id(&self) -> ClientId {
        self.id
    }

    /// Begins a call.
    pub fn begin(&mut self, lab: &mut Lab, key: &str, op: Op) {
        let key = Bytes::from(key);
        if self.notes
            && let Some(noted) = ops::noted(&key, &op)
        {
            let now = micros(lab);
            lab.history.call(self.number, now, noted).expect("a client has one call at a time");
        }
        self.op = Some(op.clone());
        self.step(lab, Input::Call { key, op });
    }

    fn step(&mut self, lab: &mut Lab, input: Input) {
        let mut effects = Vec::new();
        self.clerk.step(input, &mut effects);
        for effect in effects {
            match effect {
                Effect::Send { to, request } => {
                    if self.reaches.get() >> to.0 & 1 == 0 {
                        // What leads nowhere has failed, and can't have been executed.
                        let (seq, attempt) = (request.seq, request.attempt);
                        let answer = Answer::NotExecuted { leader: None };
                        self.retry_at = Some(lab.bed().now() + PAUSE);
                        self.step(lab, Input::Answer { seq, attempt, answer });
                        continue;
                    }
                    // Copies of one call have its number, and no other call has it.
                    let call = self.number << 32 | request.seq;
                    let ticket = lab.bed_mut().send(to.0.into(), call, request.clone());
                    self.sent.push((ticket, request));
                    self.retry_at = Some(lab.bed().now() + PATIENCE);
                }
                Effect::ArmRetry | Effect::Busy => {}
                Effect::DisarmRetry => self.retry_at = None,
                Effect::Done(Ended::Reply(reply)) => self.ended = Some(CallEnd::Reply(reply)),
                Effect::Done(Ended::Maybe) => self.ended = Some(CallEnd::Maybe),
            }
        }
    }

    /// How the call has ended, if it has.
    ///
    /// # Errors
    /// If the reply is none to such a call.
    pub fn poll(&mut self, lab: &mut Lab) -> Outcome<Option<CallEnd>> {
        for (ticket, request) in std::mem::take(&mut self.sent) {
            let Some(answered) = lab.bed_mut().answer(ticket) else {
                self.sent.push((ticket, request));
                continue;
            };
            let (seq, attempt) = (request.seq, request.attempt);
            let latest = (seq, attempt) == (self.clerk.seq(), self.clerk.attempts());
            let retry = match answered {
                Answered::Reply(reply) => {
                    let answer = Answer::Reply(reply);
                    self.step(lab, Input::Answer { seq, attempt, answer });
                    false
                }
                Answered::NotExecuted(leader) => {
                    let reached = |server: &usize| self.reaches.get() >> server & 1 == 1;
                    let leader = leader.filter(reached).map(|server| NodeId(server as u8));
                    let answer = Answer::NotExecuted { leader };
                    self.step(lab, Input::Answer { seq, attempt, answer });
                    self.clerk.attempts() == attempt
                }
                Answered::Unknown | Answered::Failed => true,
            };
            if latest && retry {
                self.retry_at = Some(lab.bed().now() + PAUSE);
            }
        }
        if self.retry_at.is_some_and(|at| at <= lab.bed().now()) {
            self.step(lab, Input::Retry);
        }
        let Some(told) = self.ended.take() else { return Ok(None) };
        self.note(lab, &told)?;
        Ok(Some(told))
    }

    fn note(&mut self, lab: &mut Lab, told: &CallEnd) -> Outcome {
        let Some(op) = self.op.take().filter(|_| self.notes) else { return Ok(()) };
        let noted = match told {
            CallEnd::Reply(reply) => {
                let told = ops::told(&op, reply);
                told.map_err(|text| lab.failure(format!("{op:?} is answered with {text}")))?.0
            }
            CallEnd::Maybe => Told::Maybe,
        };
        let now = micros(lab);
        lab.history.end(self.number, now, noted).expect("who is told has called");
        Ok(())
    }

    /// A call, from its begin to its end.
    ///
    /// # Errors
    /// See [`Lab::sleep`]; if it takes longer than any scenario may.
    pub fn call(&mut self, lab: &mut Lab, key: &str, op: Op) -> Outcome<CallEnd> {
        self.begin(lab, key, op);
        let end = lab.bed().now() + LONGEST;
        loop {
            if let Some(told) = self.poll(lab)? {
                return Ok(told);
            }
            lab.require(lab.bed().now() < end, || format!("a call has not ended in {LONGEST:?}"))?;
            lab.sleep(self.look)?;
        }
    }

    /// Whether a call is under way.
    pub const fn is_busy(&self) -> bool {
        self.op.is_some()
    }
}

fn micros(lab: &Lab) -> u64 {
    u64::try_from(lab.bed().now().as_micros()).unwrap_or(u64::MAX)
}

/// What an actor does while its client's call is under way.
pub const WAIT: Next = Next::After(LOOK);
