//! The commands on their way from whoever asks to the machine, and how they are held back when the log's files are
//! full.

use super::portions::{portions, tickets};
use super::{Core, Origin, Outcome, Slot};
use crate::raft::Callers;
use crate::rsm::{StateMachine, stamped};
use protocol::raft;
use protocol::rsm::{self as machine, Caller, Input};

/// A command that has come.
pub struct Come<C> {
    pub origin: Origin<C>,
    pub command: Vec<u8>,
    /// Whether it may be passed on to the leader.
    pub passes: bool,
}

/// Those that wait until there is room for them, the oldest first, each with the time at which it came, in
/// microseconds.
pub struct Held<C> {
    commands: Vec<(u64, Come<C>)>,
    bytes: usize,
}

impl<C> Default for Held<C> {
    fn default() -> Self {
        Self { commands: Vec::new(), bytes: 0 }
    }
}

impl<C> Held<C> {
    /// How many.
    pub const fn len(&self) -> usize {
        self.commands.len()
    }

    fn push(&mut self, now_us: u64, come: Come<C>) {
        self.bytes += come.command.len();
        self.commands.push((now_us, come));
    }

    /// Takes them all out.
    pub fn take_all(&mut self) -> impl Iterator<Item = Come<C>> + use<C> {
        self.bytes = 0;
        std::mem::take(&mut self.commands).into_iter().map(|(_, come)| come)
    }

    /// Takes out those that have been here since that time.
    fn take_late(&mut self, then_us: u64) -> Vec<Origin<C>> {
        let late = self.commands.partition_point(|&(since, _)| since <= then_us);
        let late: Vec<_> = self.commands.drain(..late).map(|(_, come)| come).collect();
        self.bytes -= late.iter().map(|come| come.command.len()).sum::<usize>();
        late.into_iter().map(|come| come.origin).collect()
    }
}

impl<S: StateMachine, K: Callers<S>, R: raft::Rules, W: machine::Rules> Core<S, K, R, W> {
    /// Submits the commands that have come, as far as there is room for them.
    pub(super) fn submit_commands(&mut self) {
        let come = std::mem::take(&mut self.state.commands);
        if come.is_empty() && self.state.held.len() == 0 {
            return;
        }
        let mut admitted = Vec::with_capacity(come.len());
        let (mut count, mut bytes) = (self.state.held.len(), self.state.held.bytes);
        for one in come {
            let waiting = &self.state.waiting;
            let more = waiting.bytes() + bytes + one.command.len();
            // Who passes one on has admitted it.
            let is_peers = matches!(one.origin, Origin::Peer(..));
            let fits = waiting.len() + count < self.options.max_waiting
                && more <= self.options.max_waiting_bytes;
            if is_peers || fits {
                (count, bytes) = (count + 1, bytes + one.command.len());
                admitted.push(one);
            } else {
                self.turn_away(one.origin, Outcome::Busy);
            }
        }
        if !self.is_held_back() {
            let all = self.state.held.take_all().chain(admitted);
            return self.submit(all);
        }
        // A slot that has been stopped waits for what its group proposes.
        let is_own = |one: &Come<K::Caller>| match &one.origin {
            Origin::Caller(caller) => self.callers.proposal(caller).is_some(),
            Origin::Peer(..) => false,
        };
        let (own, others): (Vec<_>, Vec<_>) = admitted.into_iter().partition(is_own);
        let now = self.now_us();
        others.into_iter().for_each(|one| self.state.held.push(now, one));
        if !own.is_empty() {
            self.submit(own);
        }
    }

    /// Gives each a ticket and submits them.
    fn submit(&mut self, commands: impl IntoIterator<Item = Come<K::Caller>>) {
        let stamp = self.rsm.time();
        let mut submitted = Vec::new();
        for Come { origin, command, passes } in commands {
            let payload = stamped(stamp, &command);
            let command = passes.then_some(command);
            let proposal = match &origin {
                Origin::Caller(caller) => self.callers.proposal(caller),
                Origin::Peer(..) => None,
            };
            let bytes = payload.len();
            let ticket = self.state.waiting.add(Slot { origin, command, bytes });
            if let Some(proposal) = proposal {
                self.note(|recorder| recorder.proposed(ticket, proposal));
            }
            submitted.push((Caller { ticket, passes }, payload));
        }
        for portion in portions(submitted) {
            let (last, tickets) = (self.rsm.replica().raft().last().index, tickets(&portion));
            self.step(Input::Submit(portion));
            self.tell_logged(last, tickets);
        }
    }

    /// Whether commands wait. While a snapshot is being taken the log may grow to twice its bound, and so may the
    /// files. The snapshot ends, and makes room.
    fn is_held_back(&self) -> bool {
        let full = self.state.log_bytes > 2 * self.options.snapshot_bytes || self.room.is_full();
        full && self.state.snapshotting && self.rsm.replica().raft().leads()
    }

    /// Tells those whose commands have been held back since that time. It is final: what other servers have passed on
    /// is not tried again, or it would come behind what its caller has sent since.
    pub(super) fn give_up_held(&mut self, then_us: u64) {
        for origin in self.state.held.take_late(then_us) {
            self.turn_away(origin, Outcome::Busy);
        }
    }

    /// Says that a command or a read does not come to the machine: it is busy, or it was not executed.
    pub(super) fn turn_away(&mut self, origin: Origin<K::Caller>, outcome: Outcome<S::Reply>) {
        if let Origin::Peer(from, ticket) = &origin {
            let call = (*from, ticket.number());
            let busy = matches!(outcome, Outcome::Busy);
            self.record(|recorder, rsm| recorder.turned_away(call, busy, rsm));
            if self.state.failed.is_some() {
                return;
            }
        }
        self.answer(origin, outcome);
    }
}
