//! Calls under way, and what becomes of them.

use super::call::{Asked, Call, Kind, Outcome};
use super::local::Now;
use super::migrations::{Next, Task};
use super::replies::Expected;
use super::request::{Held, State};
use super::text::{self, Text};
use crate::commands::Id;
use protocol::shardctl;

/// Calls that are not answered.
#[derive(Debug, Default)]
pub(super) struct Flight {
    writes: usize,
    reads: usize,
    others: usize,
    bytes: usize,
}

impl Flight {
    /// How many there are.
    pub(super) const fn calls(&self) -> usize {
        self.writes + self.reads + self.others
    }

    /// About how many bytes they hold.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether a call of this kind may join them.
    pub(super) const fn admits(&self, kind: Kind) -> bool {
        match kind {
            Kind::Write => self.reads == 0,
            Kind::Read => self.writes == 0,
            Kind::Other => true,
        }
    }

    const fn of(&mut self, kind: Kind) -> &mut usize {
        match kind {
            Kind::Write => &mut self.writes,
            Kind::Read => &mut self.reads,
            Kind::Other => &mut self.others,
        }
    }
}

impl State {
    pub(super) fn send(&mut self, call: Call, expected: Expected, calls: &mut Vec<Asked>) {
        *self.flight.of(expected.kind) += 1;
        self.flight.bytes += expected.bytes;
        let place = self.replies.expect(expected);
        calls.push(Asked { place, call });
    }

    /// Begins what the controller is asked for, one question after the other, at one place.
    pub(super) fn begin(
        &mut self,
        task: Task,
        asked: shardctl::Asked,
        expected: Expected,
        calls: &mut Vec<Asked>,
    ) {
        self.send(Call::Control(asked), expected, calls);
        if let Some(asked) = calls.last() {
            self.tasks.insert(asked.place, task);
        }
    }

    /// Takes the outcome of a call, and asks what waited for it.
    pub(super) fn answer(
        &mut self,
        place: u64,
        outcome: Outcome,
        now: Now<'_>,
        calls: &mut Vec<Asked>,
    ) {
        let Some(expected) = self.replies.expected(place) else { return };
        let mut told = None;
        if let Some(task) = self.tasks.get_mut(&place) {
            match task.step(outcome.clone(), now.view) {
                Next::Ask(asked) => {
                    return calls.push(Asked { place, call: Call::Control(asked) });
                }
                Next::Told(it) => told = Some(it),
            }
            self.tasks.remove(&place);
        }
        *self.flight.of(expected.kind) -= 1;
        self.flight.bytes -= expected.bytes;
        if let Some(told) = told {
            self.replies.tell_at(place, |writer| match told {
                Ok(told) => told.write(now.view, writer),
                Err(text) => writer.error(text.as_bytes()),
            });
            return self.release(now, calls);
        }
        let outcome = match outcome {
            Outcome::Done(answer) => Ok(answer),
            other => Err(self.not_done(expected, &other, now)),
        };
        let expected = self.replies.expected(place).map(|expected| &expected.form);
        if let Some(form) = expected {
            self.multi.watched(form, outcome.as_ref().ok());
        }
        self.replies.answer(place, outcome);
        self.release(now, calls);
    }

    /// What a client is told of a call that was not carried out, or perhaps was.
    fn not_done(&self, expected: &Expected, outcome: &Outcome, now: Now<'_>) -> Text {
        match outcome {
            Outcome::Moved { leader } if self.client.is_cluster() || now.view.shards.is_some() => {
                text::moved(now.view, *leader, expected.slot)
            }
            Outcome::Moved { .. } => text::LEADER_LOST.into(),
            Outcome::NoLeader => text::NO_LEADER.into(),
            Outcome::Busy => text::BUSY.into(),
            Outcome::NoController => text::no_controller(now.view),
            Outcome::Nowhere => text::NOWHERE.into(),
            Outcome::OnItsWay => text::ON_ITS_WAY.into(),
            Outcome::Unknown if expected.row.id == Id::Controller => text::UNCERTAIN.into(),
            Outcome::Unknown if expected.kind != Kind::Write => text::READ_UNKNOWN.into(),
            Outcome::Unknown if expected.once => text::ONCE_UNKNOWN.into(),
            Outcome::Unknown | Outcome::Done(_) => text::UNCERTAIN.into(),
        }
    }

    /// Asks what was held, if it may be asked now.
    fn release(&mut self, now: Now<'_>, calls: &mut Vec<Asked>) {
        match self.held.take() {
            None => {}
            Some(Held::Call(held)) if self.flight.admits(held.1.kind) => {
                let (call, expected) = *held;
                self.send(call, expected, calls);
            }
            Some(Held::Exec { silent }) if !self.multi.waits() => self.exec(silent, now, calls),
            Some(held) => self.held = Some(held),
        }
    }
}
