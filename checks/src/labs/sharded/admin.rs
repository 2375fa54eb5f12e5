//! An administrator of the controller: the machine that ships, driven bit by bit.

use super::SERVERS;
use crate::labs::bed::{Answered, Ticket};
use crate::labs::clerk::LOOK;
use crate::labs::lab::{LONGEST, Lab, Next, Outcome as Done, ms};
use crate::labs::machines::AnyAdmin;
use protocol::kv::Seq;
use protocol::shardctl::{Change, Effect, Input, Outcome, Refusal};
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

/// Between a failed call and the next.
const PAUSE: Duration = ms(10);
/// An answer that takes longer is not waited for.
const PATIENCE: Duration = ms(2000);

/// An administrator.
pub struct Person {
    admin: Box<dyn AnyAdmin>,
    /// His number among all who call.
    number: u64,
    /// The server of the controller that he asks.
    at: usize,
    /// Whether he reaches the controller. Others may change it at any time.
    reaches: Rc<Cell<bool>>,
    sent: Vec<(Ticket, Seq)>,
    retry_at: Option<Duration>,
    ended: Option<Outcome>,
}

impl Person {
    /// One who reaches the controller as long as this says so.
    pub fn of(lab: &mut Lab, reaches: Rc<Cell<bool>>) -> Self {
        let client = lab.bed_mut().new_client();
        let admin = lab.machines().admin(client);
        let (number, at) = (lab.number(), 0);
        Self { admin, number, at, reaches, sent: Vec::new(), retry_at: None, ended: None }
    }

    /// One who always does.
    pub fn new(lab: &mut Lab) -> Self {
        Self::of(lab, Rc::new(Cell::new(true)))
    }

    /// Asks for a change. One at a time.
    pub fn begin(&mut self, lab: &mut Lab, change: Change) {
        self.step(lab, Input::Ask(change));
    }

    fn step(&mut self, lab: &mut Lab, input: Input) {
        let mut effects = Vec::new();
        self.admin.step(input, &mut effects);
        for effect in effects {
            match effect {
                Effect::Send { seq, attempt, asked } => {
                    let now = lab.bed().now();
                    if self.reaches.get() {
                        let call = self.number << 32 | seq;
                        let ticket = lab.bed_mut().ask(self.at, call, (seq, attempt), asked);
                        self.sent.push((ticket, seq));
                        self.retry_at = Some(now + PATIENCE);
                    } else {
                        self.retry_at = Some(now + PAUSE);
                    }
                }
                Effect::Ended(outcome) => {
                    self.retry_at = None;
                    self.ended = Some(outcome);
                }
                Effect::Busy => {}
            }
        }
    }

    /// How the request has ended, if it has.
    pub fn poll(&mut self, lab: &mut Lab) -> Option<Outcome> {
        for (ticket, seq) in std::mem::take(&mut self.sent) {
            let Some(answered) = lab.bed_mut().answer(ticket) else {
                self.sent.push((ticket, seq));
                continue;
            };
            // What comes to somebody who is cut off does not come.
            match answered {
                Answered::Control(reply) if self.reaches.get() => {
                    self.step(lab, Input::Answer { seq, reply });
                }
                Answered::NotExecuted(Some(leader)) if self.reaches.get() => {
                    self.at = leader;
                    self.retry_at = self.retry_at.map(|_| lab.bed().now() + PAUSE);
                }
                _ => {
                    self.at = (self.at + 1) % SERVERS;
                    self.retry_at = self.retry_at.map(|_| lab.bed().now() + PAUSE);
                }
            }
        }
        if self.retry_at.is_some_and(|at| at <= lab.bed().now()) {
            if self.sent.len() > 2 * SERVERS {
                // Nothing is to be expected of the oldest ones.
                self.sent.drain(..SERVERS);
            }
            self.step(lab, Input::Retry);
        }
        self.ended.take()
    }
}

/// An administrator beside a scenario, who has some things changed one after the other.
pub struct Errand {
    is_over: Rc<Cell<bool>>,
}

impl Errand {
    /// He begins.
    pub fn begin(lab: &mut Lab, changes: Vec<Change>) -> Self {
        let errand = Self { is_over: Rc::default() };
        let is_over = Rc::clone(&errand.is_over);
        let mut person = Person::new(lab);
        let mut left = changes.into_iter();
        let mut now: Option<Change> = None;
        let mut again_at = Duration::ZERO;
        lab.beside(Box::new(move |lab| {
            if now.is_none() {
                now = left.next();
                let Some(change) = &now else {
                    is_over.set(true);
                    return Ok(Next::Done);
                };
                person.begin(lab, change.clone());
            }
            if again_at > lab.bed().now() {
                return Ok(Next::After(LOOK));
            }
            let again = now.clone();
            match person.poll(lab) {
                None => {}
                Some(Outcome::Done { .. }) => now = None,
                Some(Outcome::Stale) => again.into_iter().for_each(|it| person.begin(lab, it)),
                Some(Outcome::Refused(Refusal::Leaving(_))) => {
                    again_at = lab.bed().now() + PAUSE;
                    again.into_iter().for_each(|it| person.begin(lab, it));
                }
                Some(other) => return Err(lab.failure(format!("{now:?} ends in {other:?}"))),
            }
            Ok(Next::After(LOOK))
        }));
        errand
    }

    /// Whether everything was changed.
    pub fn is_over(&self) -> bool {
        self.is_over.get()
    }

    /// Waits until everything was changed.
    ///
    /// # Errors
    /// If it was not within two minutes.
    pub fn join(&self, lab: &mut Lab) -> Done {
        let over = Rc::clone(&self.is_over);
        lab.until("an administrator has done his errand", LONGEST, |_| over.get())
    }
}
