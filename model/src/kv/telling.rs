//! What the steps of the store's model are called.

use super::programs::{Do, Program};
use super::{Action, Message, Party, Shop, State};
use crate::bounds::Net;
use crate::telling::{self, Drawn, Told};
use protocol::kv::Rules;
use stateright::actor::{ActorModelAction, Envelope, Id};

/// The clients' programs, how often a call is sent, and what is special.
pub fn bounds_text(bounds: &super::Bounds) -> String {
    let programs = bounds.programs.iter().filter(|program| !program.steps().is_empty());
    let names: Vec<_> = programs.map(|program| format!("{program:?}")).collect();
    let mut text = format!("{} ×{}", names.join("+"), bounds.attempts);
    if bounds.losses > 0 {
        text += &format!(" {}loss", bounds.losses);
    }
    let words = [
        (bounds.net == Net::Duplicate, "dup"),
        (bounds.record_puts, "rec"),
        (bounds.one_id, "one-id"),
        (bounds.first_from_future, "future"),
        (!bounds.linearizable && !bounds.mirror, "no-order"),
        (!bounds.drop_void, "void"),
    ];
    for (_, word) in words.iter().filter(|(on, _)| *on) {
        text.push(' ');
        text.push_str(word);
    }
    let locks = |program: &Program| program.has_ttl() || program.steps().contains(&Do::Acquire);
    if bounds.programs.iter().any(locks) && bounds.looks > 0 {
        text += &format!(" looks={}", bounds.looks);
    }
    if bounds.ttl_ms > 0 {
        text += &format!(" ttl={}", bounds.ttl_ms);
    }
    if bounds.give_ups > 0 {
        text += &format!(" {}given-up", bounds.give_ups);
    }
    if bounds.deaths > 0 {
        text += &format!(" {}dies", bounds.deaths);
    }
    let clocks = [(bounds.late, " late"), (bounds.steady, " steady")];
    clocks.iter().filter(|(on, _)| *on).for_each(|(_, word)| text += word);
    if bounds.mirror {
        text += " mirror";
    }
    if bounds.latest > 0 {
        text += &format!(" clock={}", bounds.latest);
    }
    if bounds.idle_ms < super::scenes::LIMITS.idle_ms {
        text += &format!(" idle={}", bounds.idle_ms);
    }
    if bounds.restarts > 0 {
        text += &format!(" {}restart", bounds.restarts);
    }
    if bounds.clients_kept < super::scenes::LIMITS.clients {
        text += &format!(" keep={}", bounds.clients_kept);
    }
    text
}

fn name(id: Id) -> String {
    match usize::from(id) {
        0 => "server".into(),
        number => format!("c{number}"),
    }
}

impl<R: Rules> Told for Shop<R> {
    fn describe(action: &Action) -> String {
        telling::describe(action, name)
    }

    /// The messages that it sent and the one actor that acted.
    fn consequences(old: &State<R>, new: &State<R>, action: &Action) -> Vec<String> {
        let (ActorModelAction::Deliver { dst: id, .. } | ActorModelAction::Timeout(id, _)) = action
        else {
            return Vec::new();
        };
        let actor = usize::from(*id);
        let (before, after): (&Party<R>, &Party<R>) =
            (&old.actor_states[actor], &new.actor_states[actor]);
        let acted = (before != after).then(|| format!("{after:?}"));
        let mut lines: Vec<_> = acted.into_iter().chain(telling::sent::<Self>(old, new)).collect();
        if let Some(violation) = new.history.violation.filter(|_| old.history.violation.is_none()) {
            lines.push(format!("history: {violation:?}"));
        }
        lines
    }

    fn at_the_end(&self, state: &State<R>) -> Vec<String> {
        state.actor_states.iter().map(|party| format!("{party:?}")).collect()
    }
}

impl<R: Rules> Drawn for Shop<R> {
    fn name(id: Id) -> String {
        name(id)
    }

    fn actors(state: &State<R>) -> usize {
        state.actor_states.len()
    }

    fn under_way(state: &State<R>) -> Vec<Envelope<Message>> {
        let network = state.network.iter_deliverable();
        let mut mail: Vec<_> = network.map(|envelope| envelope.to_cloned_msg()).collect();
        mail.sort_unstable();
        mail
    }
}
