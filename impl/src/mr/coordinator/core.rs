//! The thread that has the machine: it takes its mail, steps, and carries out what the machine asks for.

use super::disk::{Chore, Disk};
use super::out::Out;
use super::{Effects, Ended, report};
use crate::mailbox::Mailbox;
use crate::mr::Notice;
use crate::mr::clock::Deadlines;
use crate::mr::coordinator::Times;
use crate::mr::error::Error;
use crate::mr::pace::Pace;
use crate::mr::status::Status;
use crate::mr::wire::{Errand, Gauge, PULSE, ToCoordinator, ToWorker};
use crate::timer::TimerThread;
use crate::waiter::Teller;
use mapreduce::Split;
use protocol::Machine as _;
use protocol::mr::{
    AttemptId, Coordinator as Machine, Effect, Ending, Input, Kind, Letter, Order, Record, Session,
    Timer,
};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A connection of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LinkId(pub u64);

/// How long connections have to write what they were told when the coordinator ends.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// What the core is told.
#[derive(Debug)]
pub(super) enum Mail {
    /// A worker has a connection.
    Came {
        link: LinkId,
        out: Out,
        address: SocketAddr,
    },
    Said(LinkId, ToCoordinator),
    Gone(LinkId),
    Asked(Teller<Status>),
    Durable(u64),
    Published(AttemptId, Result<(), String>),
    /// A deadline has come.
    Tick,
    Stop,
    /// Nothing can be promised any more.
    Broken(Error),
    /// Something for people to know.
    Note(String),
}

/// A connection.
#[derive(Debug)]
pub(super) struct Link {
    out: Out,
    pub(super) address: SocketAddr,
    /// As its hello said.
    session: Option<Session>,
}

/// The thread's own.
pub(super) struct Core {
    pub(super) machine: Machine<String>,
    pub(super) splits: Vec<Split>,
    times: Times,
    pub(super) pace: Pace,
    mail: Mailbox<Mail>,
    disk: Disk,
    notice: Notice,
    begun: Instant,
    timer: TimerThread<1>,
    deadlines: Deadlines,
    pulse_us: u64,
    links: BTreeMap<LinkId, Link>,
    /// Those with something to send at the end of this round.
    told: Vec<LinkId>,
    sessions: BTreeMap<Session, LinkId>,
    pub(super) gauges: BTreeMap<AttemptId, Gauge>,
    /// To whom attempts that run were given.
    given: BTreeMap<AttemptId, SocketAddr>,
    /// How often attempts have failed in this life.
    pub(super) failures: u64,
    effects: Effects,
    ending: Option<Ending<String>>,
    exits: bool,
}

impl Core {
    pub(super) fn new(
        machine: Machine<String>,
        splits: Vec<Split>,
        times: Times,
        pace: Pace,
        mail: Mailbox<Mail>,
        disk: Disk,
    ) -> Result<Self, Error> {
        let (begun, post) = (Instant::now(), mail.clone());
        let now = move || begun.elapsed().as_micros() as u64;
        let fire = move |_, _| {
            // A core that takes no mail any more needs no clock.
            let _ = post.post_always(Mail::Tick);
        };
        let timer = TimerThread::spawn(now, fire).map_err(Error::thread)?;
        Ok(Self {
            machine,
            splits,
            times,
            pace,
            mail,
            disk,
            notice: Arc::new(|_| {}),
            begun,
            timer,
            deadlines: Deadlines::default(),
            pulse_us: 0,
            links: BTreeMap::new(),
            told: Vec::new(),
            sessions: BTreeMap::new(),
            gauges: BTreeMap::new(),
            given: BTreeMap::new(),
            failures: 0,
            effects: Vec::new(),
            ending: None,
            exits: false,
        })
    }

    pub(super) fn with_notice(self, notice: Notice) -> Self {
        Self { notice, ..self }
    }

    pub(super) fn now_us(&self) -> u64 {
        self.begun.elapsed().as_micros() as u64
    }

    /// Until the job is over, or it is stopped. `effects` are those of the machine's beginning.
    pub(super) fn run(mut self, effects: Effects) -> Result<(Ended, Status), Error> {
        for effect in effects {
            self.carry_out(effect, None);
        }
        let mut mails = Vec::new();
        let ended = loop {
            self.set_timer();
            if !self.mail.take(&mut mails) {
                break Ok(Ended::Stopped);
            }
            let stop = mails.drain(..).find_map(|mail| self.take(mail));
            self.send_all();
            if let Some(stop) = stop {
                break stop;
            }
            if self.exits {
                let ending = self.ending.clone();
                break Ok(ending.map_or(Ended::Stopped, Ended::Over));
            }
        };
        let status = report::status(&self);
        self.end();
        ended.map(|ended| (ended, status))
    }

    /// What this round has told anybody goes.
    fn send_all(&mut self) {
        for link in self.told.drain(..) {
            if let Some(link) = self.links.get_mut(&link) {
                link.out.send();
            }
        }
    }

    /// Lets all connections go when they have written what they were told, and the disk when all is written.
    fn end(self) {
        let Self { disk, mail, timer, begun, mut links, .. } = self;
        disk.chores.close();
        disk.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        links.values_mut().for_each(|link| link.out.close());
        let end = begun.elapsed() + LAST_WORDS;
        let mut mails = Vec::new();
        while !links.is_empty() && begun.elapsed() < end {
            timer.timers().arm(0, end.as_micros() as u64, 0);
            if !mail.take(&mut mails) {
                break;
            }
            for mail in mails.drain(..) {
                match mail {
                    Mail::Gone(link) => drop(links.remove(&link)),
                    Mail::Came { mut out, .. } => out.close(),
                    _ => {}
                }
            }
        }
    }

    fn set_timer(&mut self) {
        let next_us = self.deadlines.next_us().map_or(self.pulse_us, |at| at.min(self.pulse_us));
        self.timer.timers().arm(0, next_us, 0);
    }

    /// Carries out one mail; how it ended, if it has.
    fn take(&mut self, mail: Mail) -> Option<Result<Ended, Error>> {
        match mail {
            Mail::Came { link, out, address } => {
                self.links.insert(link, Link { out, address, session: None });
            }
            Mail::Said(link, said) => self.hear(link, said),
            Mail::Gone(link) => self.lose(link),
            Mail::Asked(teller) => {
                // Who asked may be gone.
                let _ = teller.tell(report::status(self));
            }
            Mail::Durable(records) => self.step(Input::Durable(records), None),
            Mail::Published(attempt, Ok(())) => self.step(Input::Published(attempt), None),
            Mail::Published(attempt, Err(why)) => {
                self.step(Input::NotPublished(attempt, why), None);
            }
            Mail::Tick => self.tick(),
            Mail::Stop => return Some(Ok(Ended::Stopped)),
            Mail::Broken(error) => return Some(Err(error)),
            Mail::Note(text) => (self.notice)(&text),
        }
        None
    }

    fn tick(&mut self) {
        let now_us = self.now_us();
        while let Some(timer) = self.deadlines.due(now_us) {
            if let Timer::Straggles(attempt) = timer
                && let Err(at_us) = self.pace.straggles(attempt, now_us)
            {
                self.deadlines.arm(timer, at_us);
            } else {
                self.step(Input::Fired(timer), None);
            }
        }
        if self.pulse_us <= now_us {
            self.pulse_us = now_us + PULSE.as_micros() as u64;
            let links: Vec<LinkId> = self.links.keys().copied().collect();
            for link in links {
                self.write(link, &ToWorker::Pulse);
            }
        }
    }

    fn hear(&mut self, link: LinkId, said: ToCoordinator) {
        let Some(session) = self.links.get(&link).map(|link| link.session) else { return };
        match (said, session) {
            (ToCoordinator::Pulse, _) => {}
            (ToCoordinator::Letter(Letter::Hello(said, hello)), None) => {
                self.set_session(link, said);
                self.step(Input::Hello(said, hello), Some(link));
            }
            (ToCoordinator::Letter(Letter::Report(said, report)), Some(session))
                if said == session =>
            {
                self.step(Input::Report(session, report), Some(link));
            }
            (ToCoordinator::Gauge(attempt, gauge), Some(_)) => {
                if self.machine.live(attempt.task).any(|(live, ..)| live == attempt) {
                    self.gauges.insert(attempt, gauge);
                }
            }
            // No worker says this: it is let go.
            (ToCoordinator::Letter(_) | ToCoordinator::Gauge(..), _) => self.let_go(link),
        }
    }

    fn set_session(&mut self, link: LinkId, session: Session) {
        if let Some(link) = self.links.get_mut(&link) {
            link.session = Some(session);
        }
        // If the machine does not want it, this is undone as that is told.
        self.sessions.entry(session).or_insert(link);
    }

    fn let_go(&mut self, link: LinkId) {
        if let Some(link) = self.links.get_mut(&link) {
            link.out.close();
        }
    }

    fn lose(&mut self, link: LinkId) {
        let session = self.links.remove(&link).and_then(|link| link.session);
        if let Some(session) = session
            && self.sessions.get(&session) == Some(&link)
        {
            self.sessions.remove(&session);
            self.step(Input::Gone(session), None);
        }
    }

    /// `from` is the connection that the input came over.
    fn step(&mut self, input: Input<String>, from: Option<LinkId>) {
        let mut effects = std::mem::take(&mut self.effects);
        self.machine.step(input, &mut effects);
        let mut over = Vec::new();
        for effect in effects.drain(..) {
            if let Effect::Disarm(Timer::Straggles(attempt)) = effect {
                over.push(attempt);
            }
            self.carry_out(effect, from);
        }
        // Only now: whether it has won, or failed, is told behind that its deadlines are off.
        for attempt in over {
            self.pace.ends(attempt);
            self.given.remove(&attempt);
        }
        self.effects = effects;
    }

    fn carry_out(&mut self, effect: Effect<String>, from: Option<LinkId>) {
        match effect {
            Effect::Journal(record) => {
                self.note(&record);
                self.chore(Chore::Write(record));
            }
            Effect::Publish(attempt) => self.chore(Chore::Publish(attempt)),
            Effect::Send(session, order) => self.send(session, order, from),
            Effect::Arm(timer) => self.arm(timer),
            Effect::Disarm(timer) => {
                self.deadlines.disarm(timer);
                if let Timer::Silence(attempt) = timer {
                    self.gauges.remove(&attempt);
                }
            }
            Effect::Over(ending) => self.ending = Some(ending),
            Effect::Exit => self.exits = true,
        }
    }

    fn chore(&self, chore: Chore) {
        // A disk thread that takes none has said why, and that ends the core.
        let _ = self.disk.chores.post_always(chore);
    }

    fn arm(&mut self, timer: Timer) {
        let now_us = self.now_us();
        let after = match timer {
            Timer::Silence(_) => self.times.silence,
            Timer::Straggles(attempt) => {
                self.pace.begins(attempt, now_us);
                self.times.backup_after
            }
            Timer::Gather => self.times.gather,
            Timer::Farewell => self.times.farewell,
        };
        self.deadlines.arm(timer, now_us + after.as_micros() as u64);
    }

    fn note(&mut self, record: &Record<String>) {
        match record {
            Record::Won { attempt, .. } => {
                let now_us = self.now_us();
                self.pace.wins(*attempt, now_us);
            }
            Record::Failed { attempt, fault, at } => {
                self.failures += 1;
                let worker = self.given.get(attempt).copied();
                (self.notice)(&report::failure(*attempt, fault, *at, worker));
            }
            Record::Began { .. } | Record::Over(_) => {}
        }
    }

    fn send(&mut self, session: Session, order: Order<String>, from: Option<LinkId>) {
        let refused = matches!(order, Order::Refused(_));
        // A connection that is refused may have named the session of another one.
        let link = match from.filter(|_| refused) {
            Some(link) => Some(link),
            None => self.sessions.get(&session).copied(),
        };
        let Some(link) = link else { return };
        let errand = match order {
            Order::Refused(why) => Errand::Refused(why),
            Order::Run { attempt, inputs, skip } => {
                let split = (attempt.task.kind == Kind::Map)
                    .then(|| self.splits[attempt.task.index as usize].clone());
                self.given.extend(self.links.get(&link).map(|link| (attempt, link.address)));
                let (inputs, skip) = (inputs.to_vec(), skip.iter().copied().collect());
                Errand::Run { attempt, inputs, skip, split }
            }
            Order::Cancel(attempt) => Errand::Cancel(attempt),
            Order::TooLate(attempt) => Errand::TooLate(attempt),
            Order::Accepted(attempt) => Errand::Accepted(attempt),
            Order::Over(ending) => Errand::Over(ending),
        };
        self.write(link, &ToWorker::Errand(errand));
        if refused {
            if self.sessions.get(&session) == Some(&link) {
                self.sessions.remove(&session);
            }
            self.let_go(link);
        }
    }

    /// Has it written when the round ends.
    fn write(&mut self, id: LinkId, said: &ToWorker) {
        if let Some(link) = self.links.get_mut(&id)
            && link.out.put(said)
        {
            self.told.push(id);
        }
    }

    /// Where a worker's connection comes from.
    pub(super) fn address_of(&self, worker: protocol::mr::WorkerId) -> Option<SocketAddr> {
        let mine = |(session, _): &(&Session, &LinkId)| session.worker == worker;
        // The greatest incarnation is the present one.
        let (_, link) = self.sessions.iter().rev().find(mine)?;
        self.links.get(link).map(|link| link.address)
    }
}
