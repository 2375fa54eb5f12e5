//! Connections: each keeps the order of what is sent, and loses only its end.

use super::judge::Cause;
use super::mill::{Event, Mill, Process};
use protocol::mr::{Event as Heard, Input, Letter, Order, Rules, Session};
use std::collections::{BTreeMap, VecDeque};

/// A connection's number.
pub(super) type LineId = u64;

/// A connection.
#[derive(Debug)]
pub(super) struct Line {
    pub process: Process,
    pub session: Session,
    /// What the worker has written, and when the last of it comes.
    pub up: VecDeque<Letter<Cause>>,
    up_at: u64,
    /// What it was told.
    down: VecDeque<Order<Cause>>,
    down_at: u64,
    /// Whether the worker takes it for whole, and the coordinator.
    pub open: bool,
    pub known: bool,
    /// Whether the coordinator has heard the hello.
    greeted: bool,
}

/// All of them.
pub(super) type Lines = BTreeMap<LineId, Line>;

impl<R: Rules> Mill<'_, R> {
    /// A worker's process looks for the coordinator.
    pub(super) fn dial(&mut self, process: Process) {
        let index = process.0;
        let seat = &mut self.seats[index];
        let Some(machine) = &seat.machine else { return };
        if seat.line.is_some() {
            return;
        }
        if self.head.is_none() {
            let after = seat.retry_us;
            seat.retry_us = (2 * after).min(1_000_000);
            return self.put(after, Event::Dials(process));
        }
        let Session { worker, incarnation } = machine.session();
        let session = Session { worker, incarnation: incarnation + 1 };
        self.lines_made += 1;
        let id = self.lines_made;
        let line = Line {
            process,
            session,
            up: VecDeque::new(),
            up_at: 0,
            down: VecDeque::new(),
            down_at: 0,
            open: true,
            known: true,
            greeted: false,
        };
        self.lines.insert(id, line);
        (self.seats[index].line, self.seats[index].retry_us) = (Some(id), 20_000);
        self.work(index, Heard::Connected);
    }

    fn delay(&mut self) -> u64 {
        match self.harsh && self.random.chance(30_000) {
            true => self.random.between(50_000, 2_000_000),
            false => self.random.between(50, 2_000),
        }
    }

    /// A worker writes.
    pub(super) fn write(&mut self, index: usize, letter: Letter<Cause>) {
        let Some(id) = self.seats[index].line else { return };
        let at = self.now + self.delay();
        self.requests += 1;
        self.bytes += postcard::to_allocvec(&letter).map_or(0, |bytes| bytes.len() as u64);
        let Some(line) = self.lines.get_mut(&id) else { return };
        line.up_at = line.up_at.max(at);
        line.up.push_back(letter);
        let at = line.up_at;
        self.at(at, Event::Letter(id));
    }

    /// The coordinator tells a worker something.
    pub(super) fn tell_worker(&mut self, session: Session, order: Order<Cause>) {
        let at = self.now + self.delay();
        self.requests += 1;
        self.bytes += length(&order);
        let mut known = self.lines.iter_mut().filter(|(_, line)| line.known);
        let found = known.find(|(_, line)| line.session == session);
        let open = found.as_ref().is_some_and(|(_, line)| line.open);
        self.judge.tells((session, open), &order, &self.files, self.now);
        if let Some((id, line)) = found.filter(|_| open) {
            line.down_at = line.down_at.max(at);
            line.down.push_back(order);
            let (id, at) = (*id, line.down_at);
            self.at(at, Event::Order(id));
        }
    }

    /// The next letter comes to the coordinator.
    pub(super) fn arrive(&mut self, id: LineId) {
        let Some(line) = self.lines.get_mut(&id).filter(|line| line.known) else { return };
        let Some(letter) = line.up.pop_front() else { return };
        line.greeted |= matches!(letter, Letter::Hello(..));
        self.judge.hears(&letter, self.now);
        self.tell(match letter {
            Letter::Hello(session, hello) => Input::Hello(session, hello),
            Letter::Report(session, report) => Input::Report(session, report),
        });
    }

    /// The next order comes to a worker.
    pub(super) fn obey(&mut self, id: LineId) {
        let Some(line) = self.lines.get_mut(&id).filter(|line| line.open) else { return };
        let (index, Some(order)) = (line.process.0, line.down.pop_front()) else { return };
        self.work(index, Heard::Order(order));
    }

    /// A worker's connection breaks, at its end: of what it has written a beginning arrives.
    pub(super) fn break_line(&mut self, id: LineId) {
        let Some(line) = self.lines.get_mut(&id).filter(|line| line.open) else { return };
        line.open = false;
        line.down.clear();
        if self.harsh {
            let kept = self.random.below(line.up.len() as u64 + 1);
            line.up.truncate(kept as usize);
        }
        let (behind, session, index) = (line.up_at.max(self.now), line.session, line.process.0);
        self.judge.broke(session);
        let seat = &mut self.seats[index];
        if seat.line == Some(id) {
            seat.line = None;
        }
        let after = self.notice();
        self.at(behind + after, Event::Gone(id));
    }

    /// How long it takes until somebody notices that a connection is gone.
    fn notice(&mut self) -> u64 {
        match self.harsh && self.random.chance(150_000) {
            true => self.random.between(10_000, self.times.silence_us),
            false => self.random.between(200, 5_000),
        }
    }

    /// The coordinator has noticed that a connection is gone, or lets it go.
    pub(super) fn gone(&mut self, id: LineId) {
        let Some(line) = self.lines.get_mut(&id) else { return };
        let (was_known, session, greeted) = (line.known, line.session, line.greeted);
        line.known = false;
        line.up.clear();
        let open = line.open;
        if !open {
            self.lines.remove(&id);
        }
        if was_known && greeted {
            self.judge.broke(session);
            self.judge.hears_gone(session);
            self.tell(Input::Gone(session));
        }
        if open && was_known {
            self.put(1_000, Event::Lost(id));
        }
    }

    /// The coordinator's process is gone: all its connections are, and workers notice by and by. What was told before
    /// arrives first, if it left by itself.
    pub(super) fn hang_up(&mut self, orderly: bool) {
        let ids: Vec<LineId> = self.lines.keys().copied().collect();
        for id in ids {
            let after = self.notice();
            let Some(line) = self.lines.get_mut(&id) else { continue };
            line.known = false;
            line.up.clear();
            if !line.open {
                self.lines.remove(&id);
                continue;
            }
            let behind = if orderly { line.down_at.max(self.now) } else { self.now };
            self.at(behind + after, Event::Lost(id));
        }
    }

    /// A worker notices that its connection is lost.
    pub(super) fn lose(&mut self, id: LineId) {
        let Some(line) = self.lines.get_mut(&id).filter(|line| line.open) else { return };
        line.open = false;
        line.down.clear();
        let (process, known) = (line.process, line.known);
        if !known {
            self.lines.remove(&id);
        }
        let seat = &mut self.seats[process.0];
        if seat.line == Some(id) {
            seat.line = None;
            self.work(process.0, Heard::Broken);
            self.put(20_000, Event::Dials(process));
        }
    }
}

/// About how long an order is as bytes.
fn length(order: &Order<Cause>) -> u64 {
    let bytes = match order {
        Order::Run { attempt, inputs, skip } => {
            postcard::to_allocvec(&(attempt, &**inputs, &**skip))
        }
        Order::Cancel(attempt) | Order::TooLate(attempt) | Order::Accepted(attempt) => {
            postcard::to_allocvec(attempt)
        }
        Order::Over(ending) => postcard::to_allocvec(ending),
        Order::Refused(why) => postcard::to_allocvec(why),
    };
    1 + bytes.map_or(0, |bytes| bytes.len() as u64)
}
