//! A job in virtual time: what is under way, and what happens next.

use super::apps::{App, Met, Pair};
use super::files::Files;
use super::hands::counted;
use super::judge::{Cause, Judge, SETTLES};
use super::lines::{LineId, Lines};
use super::pace::Pace;
use crate::sim::random::Random;
use mapreduce::Application;
use protocol::mr::{AttemptId, Coordinator, Counters, Kind, Record, Rules, Spec, Timer, Worker};
use std::collections::BTreeMap;
use std::rc::Rc;

/// A worker's place among all, and which of its processes it is.
pub(super) type Process = (usize, u32);

/// What happens at a moment.
#[derive(Clone, Debug)]
pub(super) enum Event {
    /// The coordinator is started, or started again.
    Opens,
    /// A worker's process is started.
    Starts(usize),
    Dials(Process),
    /// The next letter of a connection comes, or the next order.
    Letter(LineId),
    Order(LineId),
    /// The coordinator notices that a connection is gone; a worker does.
    Gone(LineId),
    Lost(LineId),
    /// A timer, unless it was armed anew.
    Fires(Timer, u64),
    /// So many records are on the disk, of a life of the coordinator's process.
    Synced(u32, usize),
    Publishes(u32, AttemptId),
    /// A call of the application ends.
    Called(Process, AttemptId),
    /// An attempt tells that it goes on.
    Tells(Process, AttemptId),
    Names(Process, AttemptId),
    Patience(Process, u64),
    /// The application ends its process.
    Dies(Process),
    /// Something goes wrong.
    Mischief,
    /// The coordinator is killed, if it is this life's.
    Beheaded(u32),
}

/// How long is long, in microseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    pub silence_us: u64,
    pub backup_after_us: u64,
    pub gather_us: u64,
    pub farewell_us: u64,
    pub patience_us: u64,
    pub report_us: u64,
}

/// The product's, which are the labs' where they say something.
pub(super) const TIMES: Times = Times {
    silence_us: 10_000_000,
    backup_after_us: 10_000_000,
    gather_us: 3_000_000,
    farewell_us: 5_000_000,
    patience_us: 60_000_000,
    report_us: 500_000,
};

/// What a worker runs.
#[derive(Debug)]
pub(super) struct Run {
    pub attempt: AttemptId,
    /// Of a reduce, what it has read.
    pub pairs: Vec<Pair>,
    /// The calls that it takes, each with its key, and the one it is at.
    pub calls: Vec<Vec<u8>>,
    pub at: usize,
    pub met: Met,
}

/// A worker's place: its process, if it runs.
#[derive(Debug)]
pub(super) struct Seat<R> {
    pub machine: Option<Worker<Cause, R>>,
    pub boot: u32,
    pub line: Option<LineId>,
    pub run: Option<Run>,
    pub naming: Option<AttemptId>,
    /// Until when it does nothing.
    pub paused_until: u64,
    /// Which of its patience's ends counts.
    pub patience: u64,
    pub retry_us: u64,
}

/// The coordinator's disk.
#[derive(Debug, Default)]
pub(super) struct Disk {
    pub records: Vec<Record<Cause>>,
    pub durable: usize,
    /// Of earlier lives.
    pub earlier: usize,
    pub syncing: bool,
    /// The outputs that are to get their names.
    pub publishing: Vec<AttemptId>,
}

/// A round.
pub(super) struct Mill<'a, R: Rules> {
    pub rules: R,
    pub app: App,
    pub engine: &'a dyn Application,
    /// The input.
    pub input: &'a [(&'static str, String)],
    pub spec: Spec,
    pub times: Times,
    pub harsh: bool,
    /// How long a worker's process that has died stays so, in microseconds.
    pub again_us: u64,
    pub random: Random,
    pub now: u64,
    agenda: BTreeMap<(u64, u64), Event>,
    put: u64,
    pub head: Option<Coordinator<Cause, R>>,
    /// The number of the coordinator's process.
    pub life: u32,
    pub exited: bool,
    pub disk: Disk,
    /// Which arming of a timer counts.
    pub timers: BTreeMap<Timer, u64>,
    pub pace: Pace,
    pub seats: Vec<Seat<R>>,
    pub lines: Lines,
    pub lines_made: u64,
    pub files: Files,
    pub judge: Judge,
    /// What was counted when it was told that the job is over.
    pub counters: Counters,
    /// How often a map was called: the markers of `jobcount`.
    pub maps_called: u64,
    pub requests: u64,
    pub bytes: u64,
    /// Crashes of the coordinator that have lost records.
    pub losses: u64,
    /// What has gone wrong so far, and until when more does.
    pub mischief: u64,
    pub storm_until: u64,
}

impl<'a, R: Rules> Mill<'a, R> {
    /// Nobody runs yet.
    pub(super) fn new(
        (rules, app, engine): (R, App, &'a dyn Application),
        input: &'a [(&'static str, String)],
        (spec, workers): (Spec, usize),
        (harsh, again_us): (bool, u64),
        judge: Judge,
        mut random: Random,
    ) -> Self {
        let storm = if harsh { random.skewed(500_000, 60_000_000) } else { 0 };
        let seat = |_| Seat {
            machine: None,
            boot: 0,
            line: None,
            run: None,
            naming: None,
            paused_until: 0,
            patience: 0,
            retry_us: 20_000,
        };
        let mut mill = Self {
            rules,
            app,
            engine,
            input,
            spec,
            times: TIMES,
            harsh,
            again_us,
            random,
            now: 0,
            agenda: BTreeMap::new(),
            put: 0,
            head: None,
            life: 0,
            exited: false,
            disk: Disk::default(),
            timers: BTreeMap::new(),
            pace: Pace::new(TIMES.backup_after_us),
            seats: (0..workers).map(seat).collect(),
            lines: Lines::new(),
            lines_made: 0,
            files: Files::default(),
            judge,
            counters: Counters::NONE,
            maps_called: 0,
            requests: 0,
            bytes: 0,
            losses: 0,
            mischief: 0,
            storm_until: storm,
        };
        mill.put(0, Event::Opens);
        for worker in 0..workers {
            let after = mill.random.between(1_000, if harsh { 2_000_000 } else { 50_000 });
            mill.put(after, Event::Starts(worker));
        }
        if harsh {
            mill.put(0, Event::Mischief);
        }
        mill
    }

    /// Something happens after a while.
    pub(super) fn put(&mut self, after: u64, event: Event) {
        self.at(self.now + after, event);
    }

    /// Something happens then.
    pub(super) fn at(&mut self, at: u64, event: Event) {
        self.put += 1;
        self.agenda.insert((at, self.put), event);
    }

    /// A number that nothing else has.
    pub(super) fn stamp(&mut self) -> u64 {
        self.put += 1;
        self.put
    }

    /// Until everybody has left, or something does not hold.
    pub(super) fn run(&mut self, longest_us: u64) {
        while self.judge.violation.is_none() {
            if self.exited && self.seats.iter().all(|seat| seat.machine.is_none()) {
                return;
            }
            let Some(((at, _), event)) = self.agenda.pop_first() else {
                return self.judge.violate(SETTLES, "nothing happens any more");
            };
            self.now = at;
            if at > longest_us {
                let text = format!("not within {:.0} s: {}", longest_us as f64 / 1e6, self.words());
                return self.judge.violate(SETTLES, text);
            }
            self.happen(event);
        }
    }

    /// The worker that does nothing at present to whom this happens, and until when.
    fn paused(&self, event: &Event) -> Option<u64> {
        let index = match event {
            Event::Dials(process)
            | Event::Called(process, _)
            | Event::Tells(process, _)
            | Event::Names(process, _)
            | Event::Patience(process, _)
            | Event::Dies(process) => process.0,
            Event::Order(id) | Event::Lost(id) => self.lines.get(id)?.process.0,
            _ => return None,
        };
        Some(self.seats[index].paused_until).filter(|until| *until > self.now)
    }

    fn happen(&mut self, event: Event) {
        if let Some(until) = self.paused(&event) {
            return self.at(until, event);
        }
        match event {
            Event::Opens => self.open(),
            Event::Starts(index) => self.start(index),
            Event::Dials(process) if self.is_now(process) => self.dial(process),
            Event::Letter(id) => self.arrive(id),
            Event::Order(id) => self.obey(id),
            Event::Gone(id) => self.gone(id),
            Event::Lost(id) => self.lose(id),
            Event::Fires(timer, stamp) => self.fire(timer, stamp),
            Event::Synced(life, records) => self.synced(life, records),
            Event::Publishes(life, attempt) => self.publish(life, attempt),
            Event::Called(process, attempt) if self.is_now(process) => {
                self.called(process, attempt);
            }
            Event::Tells(process, attempt) if self.is_now(process) => self.report(process, attempt),
            Event::Names(process, attempt) if self.is_now(process) => self.name(process, attempt),
            Event::Patience(process, stamp) if self.is_now(process) => {
                self.lose_patience(process, stamp);
            }
            Event::Dies(process) if self.is_now(process) => self.die(process.0),
            Event::Mischief => self.make_mischief(),
            Event::Beheaded(life) if life == self.life => self.behead(),
            Event::Dials(_)
            | Event::Called(..)
            | Event::Tells(..)
            | Event::Names(..)
            | Event::Patience(..)
            | Event::Dies(_)
            | Event::Beheaded(_) => {}
        }
    }

    /// Whether it is the process that its place has.
    fn is_now(&self, (index, boot): Process) -> bool {
        let seat = &self.seats[index];
        seat.boot == boot && seat.machine.is_some()
    }

    /// How everything stands.
    fn words(&self) -> String {
        let mut text = match &self.head {
            Some(head) => {
                let (maps, reduces) = (head.tally(Kind::Map), head.tally(Kind::Reduce));
                format!("life {}, {maps:?}, {reduces:?}", head.life())
            }
            None if self.exited => "the coordinator has left".into(),
            None => "there is no coordinator".into(),
        };
        for (index, seat) in self.seats.iter().enumerate() {
            let doing = match &seat.machine {
                None => "is gone".into(),
                Some(machine) => format!("runs {:?}", machine.running()),
            };
            let line = if seat.line.is_some() { "" } else { " without a connection" };
            text += &format!("; worker {index} {doing}{line}");
        }
        text
    }

    /// How many pairs tasks of this kind have given or read, each counted once.
    pub(super) fn counted(&self, kind: Kind) -> i64 {
        self.counters.get(counted(kind))
    }

    /// How many workers are in a call of this kind.
    pub(super) fn at_work(&self, attempt: AttemptId) -> usize {
        let kind = attempt.task.kind;
        let runs = |seat: &&Seat<R>| match &seat.run {
            Some(run) => seat.machine.is_some() && run.attempt.task.kind == kind,
            None => false,
        };
        self.seats.iter().filter(runs).count()
    }

    /// What a map gives, by partition.
    pub(super) fn partition(&self, pairs: Vec<Pair>) -> Rc<Vec<Vec<Pair>>> {
        let mut parts = vec![Vec::new(); self.spec.reduces as usize];
        for pair in pairs {
            let part = self.engine.partition(&pair.0, self.spec.reduces);
            parts[part as usize].push(pair);
        }
        Rc::new(parts)
    }
}
