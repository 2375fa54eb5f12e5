//! MapReduce's machines, rule by rule and in big jobs. The models take them through all orders of events.

mod big;
mod ends;
mod recovery;
mod work;
mod worker;

use protocol::Machine;
use protocol::mr::{
    AttemptId, Coordinator, Counters, Effect, Hello, Input, Kind, Limits, Order, Paper, Record,
    Report, Session, Spec, TaskId, WorkerId,
};

/// A job of so many tasks.
fn spec(maps: u32, reduces: u32) -> Spec {
    Spec { job: 7, version: 3, maps, reduces, limits: Limits::DEFAULT }
}

/// A coordinator whose disk is fast and whose outputs get their names at once, unless it is told otherwise.
struct Office {
    coordinator: Coordinator<&'static str>,
    records: Vec<Record<&'static str>>,
    durable: usize,
    earlier: usize,
    /// Whether records are on the disk at once.
    fast: bool,
    /// What happened since it was asked.
    effects: Vec<Effect<&'static str>>,
}

impl Office {
    fn new(spec: Spec) -> Self {
        Self::of(spec, Vec::new())
    }

    /// Of a job that has left these records.
    fn of(spec: Spec, records: Vec<Record<&'static str>>) -> Self {
        Self::asked(spec, records, false)
    }

    /// The same; whether its user asks for it again, if it has failed.
    fn asked(spec: Spec, records: Vec<Record<&'static str>>, again: bool) -> Self {
        let mut out = Vec::new();
        let coordinator = Coordinator::recover(Paper, spec, records.clone(), again, &mut out);
        let coordinator = coordinator.expect("the records are the job's");
        let earlier = records.len();
        let durable = earlier;
        let mut office =
            Self { coordinator, records, durable, earlier, fast: true, effects: Vec::new() };
        office.carry_out(out);
        office
    }

    fn carry_out(&mut self, effects: Vec<Effect<&'static str>>) {
        let mut next = Vec::new();
        for effect in effects {
            match &effect {
                Effect::Journal(record) => self.records.push(record.clone()),
                Effect::Publish(attempt) => next.push(Input::Published(*attempt)),
                _ => {}
            }
            self.effects.push(effect);
        }
        if self.fast && self.durable < self.records.len() {
            self.sync();
        }
        for input in next {
            self.tell(input);
        }
    }

    fn sync(&mut self) {
        self.durable = self.records.len();
        let durable = (self.durable - self.earlier) as u64;
        self.tell(Input::Durable(durable));
    }

    fn tell(&mut self, input: Input<&'static str>) {
        let mut out = Vec::new();
        self.coordinator.step(input, &mut out);
        self.carry_out(out);
    }

    fn hello(&mut self, session: Session) {
        self.come_back(session, None, Vec::new());
    }

    fn come_back(
        &mut self,
        session: Session,
        running: Option<AttemptId>,
        reports: Vec<Report<&'static str>>,
    ) {
        let running = running.map(|attempt| (attempt, None));
        let host = host_of(session.worker);
        self.tell(Input::Hello(session, Hello { job: 7, version: 3, host, running, reports }));
    }

    fn report(&mut self, session: Session, report: Report<&'static str>) {
        self.tell(Input::Report(session, report));
    }

    fn finish(&mut self, session: Session, attempt: AttemptId) {
        self.report(session, finished(attempt));
    }

    /// What happened since it was asked last.
    fn taken(&mut self) -> Vec<Effect<&'static str>> {
        std::mem::take(&mut self.effects)
    }

    /// What workers were told since it was asked last.
    fn orders(&mut self) -> Vec<(u64, Order<&'static str>)> {
        let orders = self.taken().into_iter().filter_map(|effect| match effect {
            Effect::Send(session, order) => Some((session.worker.0, order)),
            _ => None,
        });
        orders.collect()
    }

    /// What workers were given to run since it was asked last.
    fn runs(&mut self) -> Vec<(u64, AttemptId)> {
        let runs = self.orders().into_iter().filter_map(|(worker, order)| match order {
            Order::Run { attempt, .. } => Some((worker, attempt)),
            _ => None,
        });
        runs.collect()
    }

    fn counted(&self) -> i64 {
        self.coordinator.counters().get("lines")
    }
}

/// The first connection of a worker.
const fn worker(id: u64) -> Session {
    Session { worker: WorkerId(id), incarnation: 1 }
}

/// The host of a worker: each has its own, but 11, 21 and so on have that of 1.
const fn host_of(worker: WorkerId) -> u64 {
    worker.0 % 10
}

const fn map(index: u32) -> TaskId {
    TaskId { kind: Kind::Map, index }
}

const fn reduce(index: u32) -> TaskId {
    TaskId { kind: Kind::Reduce, index }
}

/// An attempt of the first life.
const fn attempt(task: TaskId, number: u64) -> AttemptId {
    AttemptId { task, attempt: 1 << 32 | number }
}

/// Ten lines were counted.
fn finished(attempt: AttemptId) -> Report<&'static str> {
    let mut counters = Counters::NONE;
    counters.add("lines", 10);
    Report::Finished { attempt, counters }
}
