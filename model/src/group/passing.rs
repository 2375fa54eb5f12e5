//! What servers tell their callers, and what they pass on to each other.

use super::record::Wait;
use super::shelf::{Sending, Served};
use super::{Corner, Group, Letter, State};
use crate::errands::{Parcel, ParcelOf};
use crate::node::{self, Event};
use protocol::NodeId;
use protocol::kv::Reply;
use protocol::kv::clerk::Answer;
use protocol::rsm::{Caller, Outcome, Rules, Ticket};
use stateright::actor::{ActorModelAction, Id};

impl<W: Rules> Group<W> {
    /// Carries out what a server's step has asked of its driver, but for what is to be submitted again: that is the
    /// result.
    pub(super) fn carry_events(
        &self,
        state: &mut State<W>,
        server: NodeId,
        events: Vec<Event<Reply>>,
    ) -> Vec<Ticket> {
        let mut again = Vec::new();
        for event in events {
            match event {
                Event::Told { ticket, outcome } => self.told(state, server, ticket, outcome),
                Event::Passed { to, ticket } => state.errands.pass(server, to, ticket),
                Event::Again { ticket } => again.push(ticket),
                _ => {}
            }
        }
        again
    }

    fn told(&self, state: &mut State<W>, server: NodeId, ticket: Ticket, outcome: Outcome<Reply>) {
        if state.errands.tell(server, ticket, &outcome) {
            return;
        }
        let answer = match outcome {
            Outcome::Done(reply) => Answer::Reply(reply),
            Outcome::NotExecuted { leader } => Answer::NotExecuted { leader },
            // Says nothing that the client did not know: it waits for its timer.
            Outcome::Unknown | Outcome::Busy => return,
        };
        state.mail.insert(Letter { ticket, answer });
    }

    pub(super) fn submit_again(
        &self,
        mut last: State<W>,
        server: NodeId,
        ticket: Ticket,
    ) -> State<W> {
        let command = last.errands.again(server, ticket);
        self.submit(last, server, Caller { ticket, passes: true }, command)
    }

    /// A server takes a command, and puts its stamp on it.
    pub(super) fn submit(
        &self,
        last: State<W>,
        to: NodeId,
        caller: Caller,
        command: Sending,
    ) -> State<W> {
        let stamp = self.server(&last, Id::from(usize::from(to.0))).rsm.time();
        let stimulus = node::Stimulus::Submit(caller, Sending { stamp, ..command });
        let came = ActorModelAction::Timeout(Id::from(usize::from(to.0)), stimulus);
        self.serve(&last, usize::from(to.0), came).unwrap_or(last)
    }

    /// What one server has sent another arrives.
    pub(super) fn arrive(&self, last: &State<W>, parcel: ParcelOf<Served<W>>) -> Option<State<W>> {
        let mut next = last.clone();
        next.errands.under_way.remove(&parcel);
        match parcel {
            Parcel::Call { from, to, ticket, command, heard } => {
                next.errands.arrive(to, ticket, heard.then_some(from));
                let at_leader = self.leader_of(&next, to).is_some();
                let (hop, entry) = (command.hop, None);
                let wait = Wait { hop, entry, at_leader, ..Wait::default() };
                next.record.waits.insert((to, ticket), wait);
                Some(self.submit(next, to, Caller { ticket, passes: false }, command))
            }
            Parcel::Answer { from, to, ticket, outcome } => {
                let server = usize::from(to.0);
                if let Outcome::NotExecuted { .. } = outcome {
                    next.record.comes_back(to, ticket);
                    self.corners.reach(Corner::PassedBack);
                }
                let stimulus = node::Stimulus::Answer(from, ticket, outcome);
                let came = ActorModelAction::Timeout(Id::from(server), stimulus);
                Some(self.serve(&next, server, came).unwrap_or(next))
            }
        }
    }

    /// A server finds out that what it was to pass on has not left.
    pub(super) fn stay(&self, last: &State<W>, parcel: ParcelOf<Served<W>>) -> Option<State<W>> {
        let mut next = last.clone();
        next.errands.under_way.remove(&parcel);
        next.record.lost += 1;
        let Parcel::Call { from, ticket, .. } = parcel else { return None };
        next.record.comes_back(from, ticket);
        let server = usize::from(from.0);
        let came = ActorModelAction::Timeout(Id::from(server), node::Stimulus::NotPassed(ticket));
        Some(self.serve(&next, server, came).unwrap_or(next))
    }

    pub(super) fn lose(&self, last: &State<W>, from: NodeId, to: NodeId) -> Option<State<W>> {
        let mut next = last.clone();
        next.errands.lose(from, to);
        next.record.lost += 1;
        let server = usize::from(from.0);
        let came = ActorModelAction::Timeout(Id::from(server), node::Stimulus::Lost(to));
        Some(self.serve(&next, server, came).unwrap_or(next))
    }

    fn leader_of(&self, state: &State<W>, server: NodeId) -> Option<NodeId> {
        self.server(state, Id::from(usize::from(server.0))).replica().raft().leader()
    }
}
