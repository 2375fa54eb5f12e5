//! What the steps of the groups' model are called.

use super::state::{GROUPS, State};
use super::{Action, Both, Message, Relay};
use crate::telling::{self, Drawn, Told};
use stateright::actor::{Envelope, Id};

fn name(id: Id) -> String {
    match usize::from(id) {
        number if number < GROUPS => format!("c{number}"),
        number => format!("g{}", number - GROUPS + 1),
    }
}

impl<R: Both> Told for Relay<R> {
    fn describe(action: &Action) -> String {
        telling::describe(action, name)
    }

    /// Which group is another than before, who was answered, and what was sent.
    fn consequences(old: &State<R>, new: &State<R>, _: &Action) -> Vec<String> {
        let nodes = old.nodes.iter().zip(&new.nodes).filter(|(before, after)| before != after);
        let mut lines: Vec<String> = nodes.map(|(_, after)| format!("{after:?}")).collect();
        for (client, (before, after)) in old.answered.iter().zip(&new.answered).enumerate() {
            if before != after {
                lines.push(format!("c{client} is answered #{after}"));
            }
        }
        lines.extend(telling::sent::<Self>(old, new));
        if let Some(violation) = new.history.violation.filter(|_| old.history.violation.is_none()) {
            lines.push(format!("history: {violation:?}"));
        }
        lines
    }

    fn at_the_end(&self, state: &State<R>) -> Vec<String> {
        let nodes = state.nodes.iter().map(|node| format!("{node:?}"));
        let twins = state.history.twins.iter().map(|twin| format!("without moves: {twin:?}"));
        nodes.chain(twins).collect()
    }
}

impl<R: Both> Drawn for Relay<R> {
    fn name(id: Id) -> String {
        name(id)
    }

    fn actors(state: &State<R>) -> usize {
        GROUPS + state.nodes.len()
    }

    fn under_way(state: &State<R>) -> Vec<Envelope<Message>> {
        state.mail.iter().map(|letter| letter.envelope().clone()).collect()
    }
}
