//! What may happen besides the servers' own steps, and a step of the model.

use super::record::Wait;
use super::shelf::call_of;
use super::{Action, Bounds, Group, State, Stimulus};
use crate::errands::Parcel;
use crate::node;
use protocol::NodeId;
use protocol::kv::clerk::Answer;
use protocol::rsm::Rules;
use stateright::actor::{ActorModelAction, Id};
use std::collections::BTreeSet;

impl<W: Rules> Group<W> {
    /// What clients may do, and which deadlines may pass.
    pub(super) fn offer_clients(&self, state: &State<W>, actions: &mut Vec<Action>) {
        let servers = state.servers.actor_states.len();
        let Bounds { attempts, contacts, each_its_own, at_leaders, .. } = self.bounds;
        for (number, client) in state.clients.iter().enumerate() {
            let mut offer = |stimulus| {
                actions.push(ActorModelAction::Timeout(Id::from(servers + number), stimulus));
            };
            for (place, server) in contacts.iter().enumerate() {
                let called = self.server(state, Id::from(usize::from(server.0)));
                let leads = called.replica().raft().leads();
                if each_its_own && place != number || at_leaders && !leads {
                    continue;
                }
                if client.may_call() {
                    offer(Stimulus::Call(number as u8, server));
                }
                if client.is_busy() && client.attempts() < attempts {
                    offer(Stimulus::Retry(number as u8, server));
                }
            }
        }
        for letter in &state.mail {
            let client = usize::from(call_of(letter.ticket).0.0);
            // What makes a client send again is late when it may send no more.
            let sends_again = matches!(letter.answer, Answer::NotExecuted { .. });
            if !sends_again || state.clients[client].attempts() < attempts {
                let hears = Stimulus::Hear(letter.clone());
                actions.push(ActorModelAction::Timeout(Id::from(servers + client), hears));
            }
        }
        self.offer_errands(state, actions);
        if state.record.deadlines >= self.bounds.deadlines {
            return;
        }
        for (&(server, ticket), Wait { at_leader, hop, .. }) in &state.record.waits {
            let mut late = |stimulus| {
                let late = Stimulus::Server(stimulus);
                actions.push(ActorModelAction::Timeout(Id::from(usize::from(server.0)), late));
            };
            late(node::Stimulus::GiveUp(ticket + 1));
            if !at_leader || *hop > 0 {
                late(node::Stimulus::GiveUpParked(ticket + 1));
            }
        }
    }

    /// What servers pass on to each other, and their clocks.
    fn offer_errands(&self, state: &State<W>, actions: &mut Vec<Action>) {
        let mut offer = |server: NodeId, stimulus| {
            actions.push(ActorModelAction::Timeout(Id::from(usize::from(server.0)), stimulus));
        };
        let may_lose = state.record.lost < self.bounds.lost;
        for parcel in &state.errands.under_way {
            let (Parcel::Call { from, to, .. } | Parcel::Answer { from, to, .. }) = *parcel;
            offer(to, Stimulus::Arrive(parcel.clone()));
            if may_lose && matches!(parcel, Parcel::Call { heard: true, .. }) {
                offer(from, Stimulus::Stay(parcel.clone()));
            }
        }
        for (number, node) in state.servers.actor_states.iter().enumerate() {
            let me = NodeId(number as u8);
            if node.retries {
                offer(me, Stimulus::Server(node::Stimulus::Retry));
            }
            let to: BTreeSet<NodeId> = node.rsm.sent_on().map(|(_, to)| to).collect();
            for to in to.into_iter().filter(|_| may_lose) {
                offer(me, Stimulus::Lose(me, to));
            }
            let due = node.rsm.wants_clock().is_some_and(|due| due <= node.rsm.time());
            for now in 0..=self.bounds.latest {
                if now != node.rsm.estimate() || due {
                    offer(me, Stimulus::Server(node::Stimulus::Clock(now)));
                }
            }
        }
    }

    /// One step.
    pub(super) fn take(&self, last: &State<W>, action: Action) -> Option<State<W>> {
        let servers = last.servers.actor_states.len();
        match action {
            ActorModelAction::Deliver { src, dst, msg } => {
                let action = ActorModelAction::Deliver { src, dst, msg };
                self.serve(last, usize::from(dst), action)
            }
            ActorModelAction::Drop(envelope) => {
                let (servers, _) =
                    self.cluster.step(&last.servers, ActorModelAction::Drop(envelope))?;
                Some(State { servers, ..last.clone() })
            }
            ActorModelAction::Timeout(id, Stimulus::Server(stimulus)) => {
                self.serve(last, usize::from(id), ActorModelAction::Timeout(id, stimulus))
            }
            ActorModelAction::Timeout(_, Stimulus::Arrive(parcel)) => self.arrive(last, parcel),
            ActorModelAction::Timeout(_, Stimulus::Stay(parcel)) => self.stay(last, parcel),
            ActorModelAction::Timeout(_, Stimulus::Lose(from, to)) => self.lose(last, from, to),
            ActorModelAction::Timeout(id, stimulus) => {
                let client = usize::from(id).checked_sub(servers)?;
                match stimulus {
                    Stimulus::Call(_, to) => self.call(last, client, to),
                    Stimulus::Retry(_, to) => self.retry(last, client, to),
                    Stimulus::Hear(letter) => self.hear(last, client, letter),
                    _ => None,
                }
            }
            _ => None,
        }
    }
}
