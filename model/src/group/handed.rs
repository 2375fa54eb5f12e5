//! What clients hand to servers, for those who play a path on real ones.

use super::{Action, Group, State, Stimulus, shelf};
use protocol::NodeId;
use protocol::kv::Command;
use protocol::kv::clerk::{self, Request};
use protocol::rsm::{Rules, Ticket};
use stateright::actor::ActorModelAction;

/// A command, or a read if its operation is a Get, on its way from a client to a server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Handed {
    /// The server.
    pub to: NodeId,
    /// Names the sending.
    pub ticket: Ticket,
    /// The command.
    pub command: Command,
}

impl<W: Rules> Group<W> {
    /// What a client hands to a server in this step, if it does.
    pub fn handed(&self, state: &State<W>, action: &Action) -> Option<Handed> {
        let ActorModelAction::Timeout(id, stimulus) = action else { return None };
        let number = usize::from(*id).checked_sub(state.servers.actor_states.len())?;
        let mut client = state.clients.get(number)?.clone();
        let (moves, to) = match stimulus {
            Stimulus::Call(_, to) => (client.next().2, Some(*to)),
            Stimulus::Retry(_, to) => (client.step(clerk::Input::Retry), Some(*to)),
            Stimulus::Hear(letter) => {
                let ((_, seq), attempt) = shelf::call_of(letter.ticket);
                let answer = letter.answer.clone();
                (client.step(clerk::Input::Answer { seq, attempt, answer }), None)
            }
            _ => return None,
        };
        let (own, Request { seq, attempt, command }) = moves.sends?;
        let ticket = shelf::ticket((number as u8, seq), attempt);
        Some(Handed { to: to.unwrap_or(own), ticket, command })
    }
}
