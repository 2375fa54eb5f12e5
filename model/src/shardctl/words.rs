//! What the steps of the controller's model are called.

use super::state::{ADMINS, GROUPS, LEADER, SECOND, State};
use super::{Action, Message, Office, Placed};
use crate::telling::{self, Drawn, Told};
use stateright::actor::{Envelope, Id};

fn name(id: Id) -> String {
    match usize::from(id) {
        LEADER => "leader".into(),
        SECOND => "second".into(),
        number if number < GROUPS => format!("a{}", number - ADMINS),
        number => format!("g{}", number - GROUPS + 1),
    }
}

impl<R: Placed> Told for Office<R> {
    fn describe(action: &Action) -> String {
        telling::describe(action, name)
    }

    /// Who is another than before, and what was sent.
    fn consequences(old: &State<R>, new: &State<R>, _: &Action) -> Vec<String> {
        let mut lines = Vec::new();
        for (number, (before, after)) in old.replicas.iter().zip(&new.replicas).enumerate() {
            if before != after {
                lines.push(format!("{} {after:?}", name(Id::from(number))));
            }
        }
        for (number, (before, after)) in old.admins.iter().zip(&new.admins).enumerate() {
            if before != after {
                lines.push(format!("{} {after:?}", name(Id::from(ADMINS + number))));
            }
        }
        let walkers =
            old.walkers.iter().zip(&new.walkers).filter(|(before, after)| before != after);
        lines.extend(walkers.map(|(_, after)| format!("{after:?}")));
        lines.extend(telling::sent::<Self>(old, new));
        if let Some(violation) = new.history.violation.filter(|_| old.history.violation.is_none()) {
            lines.push(format!("history: {violation:?}"));
        }
        lines
    }

    fn at_the_end(&self, state: &State<R>) -> Vec<String> {
        let replicas = state.replicas.iter().map(|replica| format!("{replica:?}"));
        let admins = state.admins.iter().map(|person| format!("{person:?}"));
        let walkers = state.walkers.iter().map(|walker| format!("{walker:?}"));
        replicas.chain(admins).chain(walkers).collect()
    }
}

impl<R: Placed> Drawn for Office<R> {
    fn name(id: Id) -> String {
        name(id)
    }

    fn actors(state: &State<R>) -> usize {
        GROUPS + state.walkers.len()
    }

    fn under_way(state: &State<R>) -> Vec<Envelope<Message>> {
        state.mail.iter().cloned().collect()
    }
}
