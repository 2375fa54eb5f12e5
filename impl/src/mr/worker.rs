//! A worker's process: one attempt at a time.
//!
//! The main thread has the machine. `link.rs` is the connection, which is made again when it is lost; `attempt.rs` the
//! thread in which the engine works. A worker may be killed at any moment: what is not whole has no name, and what was
//! not told is told by whoever runs the task again.

mod attempt;
mod link;

use self::attempt::{Attempt, Job, Work};
use super::error::Error;
use super::places::Places;
use super::wire::{self, Errand, Gauge, Outbox, REPORT, Sheet, ToCoordinator};
use super::{Notice, RELEASE, counters};
use crate::mailbox::Mailbox;
use crate::peer::Secret;
use crate::timer::TimerThread;
use mapreduce::{Blame, Counters as Counted, Split, Stores};
use protocol::Machine as _;
use protocol::mr::{
    Act, AttemptId, Badge, Event, Kind, Order, Paper, Parting, TaskId, Worker as Machine, WorkerId,
};
use std::collections::{BTreeSet, VecDeque};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How much mail may wait. The connection's thread waits when there is more.
const MAIL: usize = 1024;
/// The longest reason of a failure that is told, in bytes.
const CAUSE_BYTES: usize = 4 << 10;
/// The timers: to tell that an attempt goes on, and to give up looking for a coordinator.
const TELL: usize = 0;
const PATIENCE: usize = 1;

/// What a worker is told at its start.
pub struct Options {
    /// The coordinator's `host:port`.
    pub connect: String,
    /// What proves that it may work.
    pub secret: Option<Secret>,
    /// How long it looks for a coordinator before it leaves.
    pub patience: Duration,
    /// The name of the computer, if it is not to be asked for it. A task that has failed there by itself goes to a
    /// worker of another, if there is one.
    pub host: Option<String>,
    /// Gets lines about what happens, and what streaming's programs write to standard error.
    pub notice: Notice,
}

/// The number of a computer, by its name. Without one, what this is called, and when it was started: many are called
/// `localhost`.
fn host(named: Option<&str>) -> u64 {
    let mut hasher = DefaultHasher::new();
    match named {
        Some(name) => name.hash(&mut hasher),
        None => {
            // Where one can't be had, the other is as good.
            nix::unistd::gethostname().unwrap_or_default().hash(&mut hasher);
            fs::read("/proc/sys/kernel/random/boot_id").unwrap_or_default().hash(&mut hasher);
        }
    }
    hasher.finish()
}

/// What the main thread is told.
#[derive(Debug)]
enum Mail {
    Connected(Box<Sheet>, Outbox),
    Errand(Errand),
    /// The connection is lost, or could not be made: why.
    Broken {
        was_up: bool,
        why: String,
    },
    /// There is no use in trying again.
    Refused(Error),
    Ended(AttemptId, Result<Counted, mapreduce::Error>),
    Due(usize),
    Stop,
}

/// A worker.
pub struct Worker {
    options: Options,
    mail: Mailbox<Mail>,
    timer: TimerThread<2>,
    begun: Instant,
    out: Option<Outbox>,
    /// From the first connection on.
    host: Option<Host>,
    attempt: Option<Attempt>,
    /// What the next attempt of a map reads.
    split: Option<(AttemptId, Split)>,
    why: String,
}

/// A worker that knows its job.
struct Host {
    machine: Machine<String>,
    sheet: Box<Sheet>,
    stores: Stores,
    places: Places,
    job: Arc<Job>,
}

/// How a worker ends.
type End = Option<Result<Parting<String>, Error>>;

impl Worker {
    /// Begins to look for the coordinator.
    ///
    /// # Errors
    /// If the system has no threads to give.
    pub fn start(options: Options) -> Result<Self, Error> {
        let mail: Mailbox<Mail> = Mailbox::new(MAIL);
        let (begun, post) = (Instant::now(), mail.clone());
        let now = move || begun.elapsed().as_micros() as u64;
        let fire = move |slot, _| {
            // Who takes no mail any more has left.
            let _ = post.post_always(Mail::Due(slot));
        };
        let timer = TimerThread::spawn(now, fire).map_err(Error::thread)?;
        link::start(&options, mail.clone())?;
        let (host, attempt, split, out) = (None, None, None, None);
        let why = "nobody answered yet".to_owned();
        let worker = Self { options, mail, timer, begun, out, host, attempt, split, why };
        worker.arm(PATIENCE, worker.options.patience);
        Ok(worker)
    }

    /// Ends it, and what it runs.
    pub fn stopper(&self) -> impl Fn() + Send + Sync + use<> {
        let mail = self.mail.clone();
        move || {
            let _ = mail.post_always(Mail::Stop);
        }
    }

    fn arm(&self, slot: usize, after: Duration) {
        let at = self.begun.elapsed() + after;
        self.timer.timers().arm(slot, at.as_micros() as u64, 0);
    }

    /// Works until it leaves: why it did.
    ///
    /// # Errors
    /// If there is no coordinator, or it has another version or secret; if an attempt can't be stopped, or its files
    /// can't get their names: then the process must end.
    pub fn run(mut self) -> Result<Parting<String>, Error> {
        let mut mails = Vec::new();
        while self.mail.take(&mut mails) {
            for mail in mails.drain(..) {
                if let Some(end) = self.take(mail) {
                    self.mail.close();
                    if let Some(out) = &self.out {
                        out.close();
                    }
                    return end;
                }
            }
        }
        Ok(Parting::Alone)
    }

    fn take(&mut self, mail: Mail) -> End {
        match mail {
            Mail::Connected(sheet, out) => {
                self.out = Some(out);
                if let Err(error) = self.meet(sheet) {
                    return Some(Err(error));
                }
                self.step(Event::Connected)
            }
            Mail::Errand(errand) => {
                let order = self.order(errand);
                self.step(Event::Order(order))
            }
            Mail::Broken { was_up, why } => {
                self.why = why;
                self.out = None;
                if was_up { self.step(Event::Broken) } else { None }
            }
            Mail::Refused(error) => Some(self.stop().and(Err(error))),
            Mail::Ended(attempt, result) => self.ended(attempt, result),
            Mail::Due(TELL) => self.report(),
            Mail::Due(_) if self.host.is_none() => Some(Err(self.alone())),
            Mail::Due(_) => self.step(Event::Patience),
            Mail::Stop => Some(self.stop().map(|()| Parting::Alone)),
        }
    }

    fn alone(&self) -> Error {
        let Options { connect, patience, .. } = &self.options;
        let (address, why) = (connect.clone(), self.why.clone());
        Error::Alone { address, patience: *patience, why }
    }

    /// The first connection says which job it is.
    fn meet(&mut self, sheet: Box<Sheet>) -> Result<(), Error> {
        if self.host.is_some() {
            return Ok(());
        }
        let drawn = getrandom::u64().map_err(|error| Error::System {
            what: "draw the worker's number",
            source: io::Error::other(error),
        })?;
        let mut acts = Vec::new();
        let (worker, host) = (WorkerId(drawn), host(self.options.host.as_deref()));
        let badge = Badge { worker, host, job: sheet.job, version: RELEASE };
        let machine = Machine::new(Paper, badge, &mut acts);
        let job = Arc::new(Job { app: sheet.program.load()?, notice: self.options.notice.clone() });
        let mut stores = Stores::default();
        let places = Places::new(&sheet.work, &mut stores)?;
        self.host = Some(Host { machine, sheet, stores, places, job });
        for act in acts {
            self.carry_out(act, &mut VecDeque::new())?;
        }
        Ok(())
    }

    /// The machine's order; what the engine needs beside it is kept.
    fn order(&mut self, errand: Errand) -> Order<String> {
        match errand {
            Errand::Refused(why) => Order::Refused(why),
            Errand::Run { attempt, inputs, skip, split } => {
                self.split = split.map(|split| (attempt, split));
                let skip = Arc::new(skip.into_iter().collect());
                Order::Run { attempt, inputs: Arc::new(inputs), skip }
            }
            Errand::Cancel(attempt) => Order::Cancel(attempt),
            Errand::TooLate(attempt) => Order::TooLate(attempt),
            Errand::Accepted(attempt) => Order::Accepted(attempt),
            Errand::Over(ending) => Order::Over(ending),
        }
    }

    fn step(&mut self, event: Event<String>) -> End {
        let (mut events, mut acts) = (VecDeque::from([event]), Vec::new());
        while let Some(event) = events.pop_front() {
            let host = self.host.as_mut()?;
            host.machine.step(event, &mut acts);
            for act in acts.drain(..) {
                match self.carry_out(act, &mut events) {
                    Ok(None) => {}
                    Ok(Some(parting)) => return Some(Ok(parting)),
                    Err(error) => return Some(Err(error)),
                }
            }
        }
        None
    }

    /// What it leads to goes into `events`. How it leaves, if it does.
    fn carry_out(
        &mut self,
        act: Act<String>,
        events: &mut VecDeque<Event<String>>,
    ) -> Result<Option<Parting<String>>, Error> {
        let Some(host) = &self.host else { return Ok(None) };
        match act {
            Act::Send(letter) => self.say(&ToCoordinator::Letter(letter)),
            Act::Start { attempt, inputs, skip } => {
                let started = self.start_attempt(attempt, &inputs, &skip);
                if let Err(error) = started {
                    events.push_back(Event::Failed(attempt, None, error.to_string()));
                }
            }
            Act::Stop(attempt) => self.stop_attempt(attempt)?,
            Act::Name(attempt) => {
                host.places.name(attempt)?;
                events.push_back(Event::Named(attempt));
            }
            Act::Delete(attempt) => {
                if let Err(error) = host.places.delete(attempt) {
                    (self.options.notice)(&error.to_string());
                }
            }
            Act::Arm => self.arm(PATIENCE, self.options.patience),
            Act::Disarm => drop(self.timer.timers().disarm(PATIENCE)),
            Act::Leave(parting) => {
                if parting == Parting::Alone {
                    return Err(self.alone());
                }
                return Ok(Some(parting));
            }
        }
        Ok(None)
    }

    fn say(&self, said: &ToCoordinator) {
        if let Some(out) = &self.out
            && out.post(wire::frame(said)).is_err()
        {
            // The connection is lost or too slow; a new one says all that counts again.
            out.close();
        }
    }

    fn start_attempt(
        &mut self,
        attempt: AttemptId,
        inputs: &[u64],
        skip: &BTreeSet<u64>,
    ) -> Result<(), Error> {
        let Some(Host { sheet, stores, places, job, .. }) = &mut self.host else { return Ok(()) };
        let split = self.split.take().filter(|(of, _)| *of == attempt).map(|(_, split)| split);
        let split = split.map(|split| Ok::<_, Error>((stores.of(&split.path)?, split)));
        places.prepare(attempt.life())?;
        let task = Work::new(attempt, sheet, places, inputs, skip, split.transpose()?);
        let mail = self.mail.clone();
        self.attempt = Some(Attempt::start(attempt, task, inputs, Arc::clone(job), mail)?);
        self.arm(TELL, REPORT);
        Ok(())
    }

    fn stop_attempt(&mut self, attempt: AttemptId) -> Result<(), Error> {
        match self.attempt.take_if(|it| it.id == attempt) {
            Some(it) => it.stop(),
            None => Ok(()),
        }
    }

    /// Stops what runs. Its files stay for the folder's end.
    fn stop(&mut self) -> Result<(), Error> {
        self.attempt.take().map_or(Ok(()), Attempt::stop)
    }

    fn ended(&mut self, id: AttemptId, result: Result<Counted, mapreduce::Error>) -> End {
        let ended = self.attempt.take_if(|it| it.id == id)?;
        let event = match result {
            Ok(counted) => Event::Wrote(id, counters::named(id.task.kind, &counted)),
            Err(error) => match error.blame() {
                Blame::MapOutput { map, .. } => {
                    let task = TaskId { kind: Kind::Map, index: map };
                    let attempt = ended.inputs.get(map as usize).copied().unwrap_or_default();
                    Event::Unreadable(id, AttemptId { task, attempt })
                }
                // Nobody asked for it, or the attempt would be gone.
                Blame::Nobody | Blame::Job | Blame::Application | Blame::Worker => {
                    let at = self.at(error.record());
                    Event::Failed(id, at, clipped(error.to_string()))
                }
            },
        };
        self.step(event)
    }

    /// The record, if records are to be told.
    fn at(&self, record: Option<u64>) -> Option<u64> {
        record.filter(|_| self.host.as_ref().is_some_and(|host| host.sheet.skips))
    }

    /// Tells that the attempt goes on, and looks again after a while. One that does nothing for too long has failed.
    fn report(&mut self) -> End {
        let (host, attempt) = (self.host.as_ref()?, self.attempt.as_mut()?);
        let timeout = Duration::from_millis(host.sheet.task_timeout_ms);
        let (id, record) = (attempt.id, attempt.record());
        let is_stuck = attempt.still_for() > timeout && !timeout.is_zero();
        let (done, total, text) = attempt.gauge();
        let at = self.at(record);
        if is_stuck {
            if let Err(error) = self.stop() {
                return Some(Err(error));
            }
            let cause = format!("it read and wrote nothing for {timeout:?} (--task-timeout)");
            return self.step(Event::Failed(id, at, cause));
        }
        self.arm(TELL, if timeout.is_zero() { REPORT } else { REPORT.min(timeout / 2) });
        self.say(&ToCoordinator::Gauge(id, Gauge { done, total, text }));
        self.step(Event::Progress(id, at))
    }
}

fn clipped(mut text: String) -> String {
    if text.len() > CAUSE_BYTES {
        let end = (0..=CAUSE_BYTES).rev().find(|end| text.is_char_boundary(*end));
        text.truncate(end.unwrap_or(0));
        text.push('…');
    }
    text
}
