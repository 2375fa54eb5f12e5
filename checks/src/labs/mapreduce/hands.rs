//! Workers' processes: what their machines ask for, the application's calls, and their deaths.

use super::apps::{Call, Met};
use super::files::{Content, Name};
use super::judge::{Cause, SETTLES, counter};
use super::mill::{Event, Mill, Process, Run};
use protocol::Machine as _;
use protocol::mr::{
    Act, AttemptId, Badge, Counters, Event as Heard, Kind, Rules, TaskId, Worker, WorkerId,
};
use std::collections::VecDeque;
use std::rc::Rc;

/// How long it takes until a file has its name, in microseconds.
const NAMED_US: (u64, u64) = (100, 10_000);

impl<R: Rules> Mill<'_, R> {
    fn process(&self, index: usize) -> Process {
        (index, self.seats[index].boot)
    }

    /// A worker's process is started, unless there is no coordinator to come any more.
    pub(super) fn start(&mut self, index: usize) {
        if self.exited || self.seats[index].machine.is_some() {
            return;
        }
        let seat = &mut self.seats[index];
        seat.boot += 1;
        (seat.paused_until, seat.retry_us) = (0, 20_000);
        let worker = WorkerId(index as u64 + 64 * u64::from(seat.boot));
        let mut acts = Vec::new();
        let Self { rules, spec, .. } = *self;
        let badge = Badge { worker, host: index as u64, job: spec.job, version: spec.version };
        let machine = Worker::new(rules, badge, &mut acts);
        self.seats[index].machine = Some(machine);
        let mut events = VecDeque::new();
        acts.into_iter().for_each(|act| self.act(index, act, &mut events));
        let after = self.random.between(1_000, 20_000);
        self.put(after, Event::Dials(self.process(index)));
    }

    /// A worker takes a step, and what it wants is done.
    pub(super) fn work(&mut self, index: usize, event: Heard<Cause>) {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            let Some(machine) = &mut self.seats[index].machine else { return };
            let mut acts = Vec::new();
            machine.step(event, &mut acts);
            for act in acts {
                self.act(index, act, &mut events);
            }
        }
    }

    fn act(&mut self, index: usize, act: Act<Cause>, events: &mut VecDeque<Heard<Cause>>) {
        let process = self.process(index);
        match act {
            Act::Send(letter) => self.write(index, letter),
            Act::Start { attempt, inputs, .. } => {
                events.extend(self.begin(index, attempt, &inputs))
            }
            Act::Stop(_) => (self.seats[index].run, self.seats[index].naming) = (None, None),
            Act::Name(attempt) => {
                self.seats[index].naming = Some(attempt);
                let after = self.random.between(NAMED_US.0, NAMED_US.1);
                self.put(after, Event::Names(process, attempt));
            }
            Act::Delete(attempt) => {
                let of = self.rules.file(attempt);
                self.files.remove(Name::Aside(of));
                if self.files.remove(Name::Of(of)) {
                    self.judge.deleted(attempt);
                }
            }
            Act::Arm => {
                let stamp = self.stamp();
                self.seats[index].patience = stamp;
                self.put(self.times.patience_us, Event::Patience(process, stamp));
            }
            Act::Disarm => self.seats[index].patience = 0,
            Act::Leave(parting) => {
                self.judge.left(&parting, &self.files);
                self.end(index);
            }
        }
    }

    /// A worker's process is no more.
    fn end(&mut self, index: usize) {
        if let Some(line) = self.seats[index].line {
            self.break_line(line);
        }
        let seat = &mut self.seats[index];
        if let Some(machine) = seat.machine.take() {
            self.judge.died(machine.session().worker);
        }
        (seat.run, seat.naming) = (None, None);
    }

    /// A worker's process dies, and is started again.
    pub(super) fn die(&mut self, index: usize) {
        if self.seats[index].machine.is_some() {
            self.end(index);
            self.put(self.again_us, Event::Starts(index));
        }
    }

    pub(super) fn lose_patience(&mut self, process: Process, stamp: u64) {
        if self.seats[process.0].patience == stamp {
            self.work(process.0, Heard::Patience);
        }
    }

    /// Where an attempt writes.
    fn target(&self, attempt: AttemptId) -> Name {
        let of = self.rules.file(attempt);
        if self.rules.writes_aside() { Name::Aside(of) } else { Name::Of(of) }
    }

    /// An attempt begins: it reads, and has begun to write. What it ends with at once, if it does.
    fn begin(&mut self, index: usize, attempt: AttemptId, inputs: &[u64]) -> Option<Heard<Cause>> {
        let mut pairs = Vec::new();
        if attempt.task.kind == Kind::Reduce {
            for (map, number) in (0..).zip(inputs) {
                let task = TaskId { kind: Kind::Map, index: map };
                let output = AttemptId { task, attempt: *number };
                // MR-READ-1.
                match self.files.content(Name::Of(self.rules.file(output))) {
                    Some(Content::Parts(parts)) => {
                        pairs.extend_from_slice(&parts[attempt.task.index as usize]);
                    }
                    _ if self.rules.reads_all() => return Some(Heard::Unreadable(attempt, output)),
                    _ => {}
                }
            }
        }
        self.files.write(self.target(attempt), attempt, Content::Half, &mut self.judge);
        let calls = match attempt.task.kind {
            Kind::Map => vec![Vec::new()],
            Kind::Reduce => self.app.calls(&pairs),
        };
        let process = self.process(index);
        let number = process.0 as u64 + 64 * u64::from(process.1);
        let met = Met { process: number, at: self.now, ..Met::default() };
        self.seats[index].run = Some(Run { attempt, pairs, calls, at: 0, met });
        self.put(self.times.report_us, Event::Tells(process, attempt));
        self.call(index)
    }

    /// The next call of the application begins, or there is none and the file is whole.
    fn call(&mut self, index: usize) -> Option<Heard<Cause>> {
        let process = self.process(index);
        let run = self.seats[index].run.as_ref()?;
        let attempt = run.attempt;
        let Some(key) = run.calls.get(run.at) else { return self.finish(index) };
        let key = (attempt.task.kind == Kind::Reduce).then_some(key.as_slice());
        let call = self.app.call(key, &mut self.random);
        self.maps_called += u64::from(key.is_none());
        let (at_work, markers) = (self.at_work(attempt), self.maps_called);
        if let Some(run) = &mut self.seats[index].run {
            run.met.at_work.push(at_work);
            run.met.markers = markers;
        }
        match call {
            Call::Ends(after) => self.put(after, Event::Called(process, attempt)),
            Call::Dies => self.put(100, Event::Dies(process)),
        }
        None
    }

    fn runs(&mut self, process: Process, attempt: AttemptId) -> Option<&mut Run> {
        self.seats[process.0].run.as_mut().filter(|run| run.attempt == attempt)
    }

    pub(super) fn called(&mut self, process: Process, attempt: AttemptId) {
        let Some(run) = self.runs(process, attempt) else { return };
        run.at += 1;
        if let Some(event) = self.call(process.0) {
            self.work(process.0, event);
        }
    }

    /// What is written is whole.
    fn finish(&mut self, index: usize) -> Option<Heard<Cause>> {
        let Run { attempt, pairs, met, .. } = self.seats[index].run.take()?;
        let task = attempt.task;
        let made = match task.kind {
            Kind::Map => {
                let (file, text) = &self.input[task.index as usize];
                let pairs = self.app.map(self.engine, (file, text), &met);
                pairs.map(|pairs| (pairs.len(), Content::Parts(self.partition(pairs))))
            }
            Kind::Reduce => {
                let count = pairs.len();
                let lines = self.app.reduce(self.engine, pairs, &met);
                lines.map(|lines| (count, Content::Lines(Rc::new(lines))))
            }
        };
        let (count, content) = match made {
            Ok(made) => made,
            Err(text) => {
                self.judge.violate(SETTLES, format!("the application fails: {text}"));
                return None;
            }
        };
        let target = self.target(attempt);
        // Somebody else may have written there meanwhile.
        let mine = self.files.writer(target) == Some(attempt);
        let content = if mine { content } else { Content::Half };
        self.files.write(target, attempt, content, &mut self.judge);
        let mut counters = Counters::NONE;
        counters.add(&counter(task), attempt.attempt.cast_signed());
        counters.add(counted(task.kind), count as i64);
        Some(Heard::Wrote(attempt, counters))
    }

    /// An attempt tells that it goes on.
    pub(super) fn report(&mut self, process: Process, attempt: AttemptId) {
        let naming = self.seats[process.0].naming == Some(attempt);
        if self.runs(process, attempt).is_some() || naming {
            self.put(self.times.report_us, Event::Tells(process, attempt));
            self.work(process.0, Heard::Progress(attempt, None));
        }
    }

    /// A file gets its name.
    pub(super) fn name(&mut self, process: Process, attempt: AttemptId) {
        let seat = &mut self.seats[process.0];
        if seat.naming == Some(attempt) {
            seat.naming = None;
            let of = self.rules.file(attempt);
            self.files.rename(Name::Aside(of), Name::Of(of), &mut self.judge);
            self.work(process.0, Heard::Named(attempt));
        }
    }
}

/// The counter of what a task has read or given: pairs.
pub(super) const fn counted(kind: Kind) -> &'static str {
    match kind {
        Kind::Map => "lab,given",
        Kind::Reduce => "lab,read",
    }
}
