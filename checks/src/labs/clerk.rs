//! Clients of the store beside a scenario: the Clerk that ships, driven bit by bit.
//!
//! The labs' clients send a call again when it fails, and their calls always end. Ours do the same: what fails is sent
//! to the next server after a short pause; what has no answer for long, too.

use super::bed::{Answered, Ticket};
use super::lab::{LONGEST, Lab, Next, Outcome, ms};
use super::machines::AnyClerk;
use super::sharded::SERVERS;
use super::sharded::route::Route;
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
    /// Its way to the group of a key, if the store is sharded.
    route: Option<Route>,
}

impl Caller {
    /// A client that reaches all servers.
    pub fn new(lab: &mut Lab) -> Self {
        Self::of(lab, Rc::new(Cell::new(ALL)))
    }

    /// A client that reaches these servers only, a bit for each.
    pub fn of(lab: &mut Lab, reaches: Rc<Cell<u64>>) -> Self {
        let servers = lab.servers();
        Self::among(lab, reaches, servers)
    }

    /// A client of the sharded store, which goes this way.
    pub fn sharded(lab: &mut Lab, route: Route) -> Self {
        let caller = Self::among(lab, Rc::new(Cell::new(ALL)), SERVERS);
        Self { route: Some(route), ..caller }
    }

    fn among(lab: &mut Lab, reaches: Rc<Cell<u64>>, servers: usize) -> Self {
        let client = lab.bed_mut().new_client();
        let servers = u8::try_from(servers).expect("there are few servers");
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
            route: None,
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
        self.route.iter_mut().for_each(|route| route.begin(&key));
        self.step(lab, Input::Call { key, op });
    }

    /// A server by the name by which the clerk knows it.
    fn server(&self, to: NodeId) -> usize {
        self.route.as_ref().map_or_else(|| to.0.into(), |route| route.server(to))
    }

    fn reached(&self, server: usize) -> bool {
        self.reaches.get() >> server & 1 == 1
    }

    fn step(&mut self, lab: &mut Lab, input: Input) {
        let mut effects = Vec::new();
        self.clerk.step(input, &mut effects);
        for effect in effects {
            match effect {
                Effect::Send { to, request } => {
                    let server = self.server(to);
                    if !self.reached(server) {
                        // What leads nowhere has failed, and can't have been executed.
                        let (seq, attempt) = (request.seq, request.attempt);
                        let answer = Answer::NotExecuted { leader: None };
                        self.retry_at = Some(lab.bed().now() + PAUSE);
                        self.step(lab, Input::Answer { seq, attempt, answer });
                        continue;
                    }
                    // Copies of one call have its number, and no other call has it.
                    let call = self.number << 32 | request.seq;
                    let ticket = lab.bed_mut().send(server, call, request.clone());
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
                    let leader = leader.map(|leader| NodeId(leader as u8));
                    let leader = leader.filter(|leader| self.reached(self.server(*leader)));
                    if leader.is_none() {
                        self.missed(lab);
                    }
                    let answer = Answer::NotExecuted { leader };
                    self.step(lab, Input::Answer { seq, attempt, answer });
                    self.clerk.attempts() == attempt
                }
                Answered::Refused(refusal) => {
                    let answer = Answer::NotExecuted { leader: None };
                    self.step(lab, Input::Answer { seq, attempt, answer });
                    let route = self.route.as_mut().filter(|_| latest);
                    if route.is_some_and(|route| route.refused(lab, &refusal)) {
                        self.retry_at = Some(lab.bed().now() + LOOK);
                        continue;
                    }
                    true
                }
                Answered::Unknown | Answered::Failed => {
                    self.missed(lab);
                    true
                }
                Answered::Control(reply) => {
                    return Err(lab.failure(format!("a client of the store is told {reply:?}")));
                }
            };
            if latest && retry {
                self.retry_at = Some(lab.bed().now() + PAUSE);
            }
        }
        self.route.iter_mut().for_each(|route| route.poll(lab));
        if self.retry_at.is_some_and(|at| at <= lab.bed().now()) {
            self.missed(lab);
            self.step(lab, Input::Retry);
        }
        let Some(told) = self.ended.take() else { return Ok(None) };
        self.note(lab, &told)?;
        Ok(Some(told))
    }

    /// Nobody has executed the call this time.
    fn missed(&mut self, lab: &mut Lab) {
        self.route.iter_mut().for_each(|route| route.missed(lab));
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
