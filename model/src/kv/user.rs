//! A user of a lock with a time to live: the shared lease on the shared clerk, and the driver that both have.
//!
//! A driver has a clock of its own, and the model has it as steps of the group's time: a timer `End` that is armed must
//! fire before as many steps have passed as the time to live has, reckoned from the write that it was armed for
//! (LEASE-CLOCK-1). It may fire sooner; then the holder's clock is the faster one. The model does not take a step for
//! which some driver would have had to fire: see [`User::holds_up_time`].
//!
//! A driver may also give a call up: what it sent may be executed at any time, or never, and the next call is made as
//! another client, by a new clerk. Here calls have one row of numbers through all clerks of a user, which are those of
//! the lease; so an answer to a call that was given up is known for what it is, and reported to the lease, which must
//! ignore it.

use super::Bounds;
use super::direct::{Ask, Direct, Told};
use super::event::Event;
use super::party::{Message, Person, SERVER, Stimulus, lock_key};
use super::probes::Corner;
use super::programs::{Do, Program};
use protocol::Machine;
use protocol::kv::clerk::{self, Answer, Clerk, Outcome};
use protocol::kv::lease::{self, Lease, State as LeaseState};
use protocol::kv::{ClientId, Op, Rules, Seq, Stamp};
use stateright::actor::{Id, Out};

/// How its timers go.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Watch {
    /// For how long it holds the lock at a time.
    pub ttl_ms: Stamp,
    /// Whether its timer `End` may be late.
    pub late: bool,
}

/// A user's state.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct User<R> {
    rules: R,
    config: clerk::Config,
    watch: Watch,
    pub(super) clerk: Clerk<R>,
    /// How many clerks it had before.
    clerks: u64,
    /// How many calls those made.
    before: Seq,
    pub(super) lease: Lease<R>,
    pub(super) direct: Direct,
    pub(super) program: Program,
    /// How many steps of the program have begun.
    pub(super) begun: usize,
    looks: u8,
    given_up: u8,
    died: bool,
    /// Steps of time since the latest write was asked for, as long as that matters.
    asked: Stamp,
    /// The timer `End`, if it is armed: steps of time since the write that it reckons from.
    end: Option<Stamp>,
    /// See [`Event`]. Empty in every state that a checker sees.
    pub(super) events: Vec<Event>,
}

/// Clerks of one user have ids that are so far apart.
const APART: u128 = 16;

impl<R: Rules> User<R> {
    /// A user that has done nothing yet.
    pub fn new(rules: R, config: clerk::Config, program: Program, watch: Watch) -> Self {
        Self {
            rules,
            config,
            watch,
            clerk: Clerk::new(rules, config),
            clerks: 0,
            before: 0,
            lease: Lease::new(rules, config.client, watch.ttl_ms),
            direct: Direct::default(),
            program,
            begun: 0,
            looks: 0,
            given_up: 0,
            died: false,
            asked: 0,
            end: None,
            events: Vec::new(),
        }
    }

    /// Whose tokens it writes, while it believes that it has the lock.
    pub fn believes(&self) -> Option<ClientId> {
        self.lease.held().map(|_| self.config.client)
    }

    /// Whether it has died.
    pub const fn has_died(&self) -> bool {
        self.died
    }

    /// How many calls it has given up.
    pub const fn given_up(&self) -> u8 {
        self.given_up
    }

    /// Whether its program has come to its end.
    pub fn is_done(&self) -> bool {
        self.may_go_on() && self.begun >= self.program.steps().len()
    }

    fn next_step(&self) -> Option<Do> {
        self.program.steps().get(self.begun).copied()
    }

    /// A release does not wait for a renewal.
    fn may_go_on(&self) -> bool {
        let calls = self.clerk.is_busy() || self.direct.is_busy();
        match self.lease.state() {
            LeaseState::Idle | LeaseState::Held { .. } => !calls,
            LeaseState::Renewing { .. } => self.next_step() == Some(Do::Release),
            _ => false,
        }
    }

    /// What goes on by itself, within the bounds: what a fair schedule has.
    pub fn stimulus(&self, bounds: &Bounds) -> Option<Stimulus> {
        if self.lease.state() == LeaseState::Waiting {
            return (self.looks < bounds.looks).then_some(Stimulus::Look);
        }
        if self.clerk.is_busy() {
            return (self.clerk.attempts() < bounds.attempts).then_some(Stimulus::Retry);
        }
        (self.may_go_on() && self.next_step().is_some()).then_some(Stimulus::Next)
    }

    /// What may happen besides, if so many calls may be given up yet, and so many users die.
    pub fn mishaps(&self, (give_ups, deaths): (u8, u8)) -> Vec<Stimulus> {
        let state = self.lease.state();
        let releases = matches!(state, LeaseState::Releasing { .. });
        let renews = matches!(state, LeaseState::Renewing { .. });
        let writes = releases || renews || state == LeaseState::Taking;
        let holds = matches!(state, LeaseState::Held { .. });
        let mishaps = [
            (renews && self.may_go_on(), Stimulus::Next),
            (writes && give_ups > 0, Stimulus::GiveUp),
            (self.end.is_some() || releases, Stimulus::End),
            ((writes || holds) && deaths > 0, Stimulus::Die),
        ];
        mishaps.into_iter().filter(|(on, _)| *on).map(|(_, stimulus)| stimulus).collect()
    }

    /// LEASE-CLOCK-1. Whether its timer fires before time goes on by another step.
    pub fn holds_up_time(&self) -> bool {
        !self.watch.late && self.end.is_some_and(|since| since + 1 >= self.watch.ttl_ms)
    }

    /// Time goes on by a step.
    pub fn grow_older(&mut self) {
        if self.watch.late {
            return;
        }
        let most = self.watch.ttl_ms;
        let older = |since: Stamp| (since + 1).min(most);
        self.end = self.end.map(older);
        if self.reckons() {
            self.asked = older(self.asked);
        }
    }

    /// Whether it matters when the latest write was asked for: it may yet be found to have set the deadline.
    fn reckons(&self) -> bool {
        let holds = matches!(
            self.lease.state(),
            LeaseState::Idle | LeaseState::Held { .. } | LeaseState::Releasing { .. }
        );
        !holds && self.lease.token().is_some()
    }

    /// Its program goes on.
    pub fn next(&mut self, out: &mut Out<Person<R>>) {
        let step = self.program.steps()[self.begun];
        self.begun += 1;
        match step {
            Do::AcquireFor => self.lease(lease::Input::Acquire, out),
            Do::Renew => self.lease(lease::Input::Renew, out),
            Do::Release => {
                self.end = None;
                self.lease(lease::Input::Release, out);
            }
            Do::Use => {
                let version = self.lease.held().expect("a program uses what it holds");
                self.direct.ask(Ask::Use { version }, out);
            }
            other => panic!("no user of a lock does {other:?}"),
        }
    }

    /// Its timer `Retry` fires: it looks again.
    pub fn look(&mut self, out: &mut Out<Person<R>>) {
        self.looks = self.looks.saturating_add(1);
        self.lease(lease::Input::Retry, out);
    }

    /// Its timer `End` fires.
    pub fn end(&mut self, out: &mut Out<Person<R>>) {
        self.end = None;
        self.events.push(Event::Reached(Corner::Ended));
        self.lease(lease::Input::End, out);
    }

    /// It waits no longer for an answer.
    pub fn give_up(&mut self, out: &mut Out<Person<R>>) {
        let call = self.lease.latest_call();
        self.given_up += 1;
        self.drop_clerk();
        self.lease(lease::Input::Outcome { call, outcome: Outcome::Maybe }, out);
    }

    /// It is gone, and does nothing any more. What it has sent is under way.
    pub fn die(&mut self) {
        let Self { rules, config, program, watch, given_up, .. } = *self;
        *self = Self { given_up, died: true, ..Self::new(rules, config, program, watch) };
        self.begun = program.steps().len();
        self.events.push(Event::Reached(Corner::HolderDied));
    }

    /// The clerk's timer fires.
    pub fn send_again(&mut self, out: &mut Out<Person<R>>) {
        self.clerk(clerk::Input::Retry, out);
    }

    /// An answer comes.
    pub fn answer(&mut self, seq: Seq, attempt: u32, answer: Answer, out: &mut Out<Person<R>>) {
        if self.died {
            return;
        }
        if seq > self.before {
            let seq = seq - self.before;
            return self.clerk(clerk::Input::Answer { seq, attempt, answer }, out);
        }
        if let Answer::Reply(reply) = answer {
            let outcome = Outcome::Reply(reply);
            self.events.push(Event::Reached(Corner::OldOutcome));
            self.lease(lease::Input::Outcome { call: seq, outcome }, out);
        }
    }

    /// Whether this answer would change nothing here, now and for ever.
    pub fn ignores(&self, seq: Seq) -> bool {
        self.died || seq < self.before + self.clerk.seq() || !self.clerk.is_busy()
    }

    fn drop_clerk(&mut self) {
        if !self.clerk.is_busy() {
            return;
        }
        let seq = self.before + self.clerk.seq();
        if self.clerk.writes() {
            self.events.push(Event::GaveUp { seq });
        }
        self.before = seq;
        self.clerks += 1;
        let client = ClientId(self.config.client.0 + APART * u128::from(self.clerks));
        self.clerk = Clerk::new(self.rules, clerk::Config { client, ..self.config });
    }

    fn call(&mut self, call: u64, op: Op, out: &mut Out<Person<R>>) {
        self.drop_clerk();
        if op.writes() {
            self.asked = 0;
        }
        self.clerk(clerk::Input::Call { key: lock_key(), op }, out);
        assert_eq!(
            call,
            self.before + self.clerk.seq(),
            "each call of the lease is one of a clerk"
        );
    }

    fn clerk(&mut self, input: clerk::Input, out: &mut Out<Person<R>>) {
        let retried = input == clerk::Input::Retry;
        let passing = matches!(&input, clerk::Input::Answer { answer: Answer::Reply(reply), .. }
            if reply.is_passing());
        let may_be_maybe = passing && self.clerk.writes() && self.clerk.attempts() > 1;
        let mut effects = Vec::new();
        self.clerk.step(input, &mut effects);
        let seq = self.before + self.clerk.seq();
        for effect in effects {
            match effect {
                clerk::Effect::Send { request, .. } => {
                    if retried {
                        self.events.push(Event::SentAgain);
                    }
                    out.send(Id::from(SERVER), Message::Request(clerk::Request { seq, ..request }));
                }
                clerk::Effect::Done(outcome) => {
                    let told = outcome.clone();
                    self.events.push(Event::Returned { seq, outcome: told, may_be_maybe });
                    self.lease(lease::Input::Outcome { call: seq, outcome }, out);
                }
                clerk::Effect::ArmRetry | clerk::Effect::DisarmRetry => {}
                clerk::Effect::Busy => panic!("a user makes one call at a time"),
            }
        }
    }

    fn lease(&mut self, input: lease::Input, out: &mut Out<Person<R>>) {
        let told = matches!(input, lease::Input::Outcome { .. });
        let releases = told && matches!(self.lease.state(), LeaseState::Releasing { .. });
        let mut effects = Vec::new();
        self.lease.step(input, &mut effects);
        for effect in effects {
            match effect {
                lease::Effect::Call { call, op } => self.call(call, op, out),
                lease::Effect::Acquired { version } => {
                    self.arm();
                    if self.is_over() {
                        return self.acquire_anew(out);
                    }
                    // What one who is late acquires may have been another's since.
                    self.events.push(match self.watch.late {
                        true => Event::Reached(Corner::Acquired),
                        false => Event::Acquired { version, looked: false },
                    });
                }
                lease::Effect::Renewed => {
                    self.arm();
                    self.events.push(Event::Reached(Corner::Renewed));
                }
                lease::Effect::ArmRenew => {
                    self.events.push(Event::Reached(Corner::RenewalUnknown));
                }
                lease::Effect::Lost => {
                    if releases {
                        self.events.push(Event::Reached(Corner::ReleasedLate));
                    }
                    self.lose();
                }
                lease::Effect::Released => self.events.push(Event::Released),
                lease::Effect::Failed(_) => {
                    self.events.push(Event::Failed { seq: self.lease.latest_call() });
                    self.begun = self.program.steps().len();
                }
                lease::Effect::ArmRetry => self.events.push(Event::Waits),
                lease::Effect::Ignored => {}
            }
        }
        if !self.reckons() {
            self.asked = 0;
        }
    }

    /// LEASE-CLOCK-1. From when the write was asked for, and not from its answer, which comes now.
    fn arm(&mut self) {
        self.end = Some(self.rules.reckons_from(self.asked, 0));
    }

    fn is_over(&self) -> bool {
        !self.watch.late && self.end.is_some_and(|since| since >= self.watch.ttl_ms)
    }

    /// It learned that it has the lock when its time was over. Its program never hears of that.
    fn acquire_anew(&mut self, out: &mut Out<Person<R>>) {
        self.end = None;
        self.events.push(Event::Reached(Corner::AcquiredTooLate));
        self.lease.step(lease::Input::End, &mut Vec::new());
        self.lease(lease::Input::Acquire, out);
    }

    /// What was to be done with the lock is not done. What comes behind is.
    fn lose(&mut self) {
        self.drop_clerk();
        self.end = None;
        let steps = self.program.steps();
        while self.begun < steps.len() && steps[self.begun] != Do::AcquireFor {
            self.begun += 1;
        }
    }

    /// An answer to what was asked past the clerk.
    pub fn told(&mut self, seq: Seq, told: Told) {
        self.direct.told(seq, told);
    }
}
