//! What the steps of the router's model are called.

use super::state::{GROUPS, Message, State};
use super::{Action, Desk, Rules};
use crate::telling::{self, Drawn, Told};
use stateright::actor::{Envelope, Id};

fn name(id: Id) -> String {
    match usize::from(id) {
        0 => "router".into(),
        number => format!("g{}", number - GROUPS + 1),
    }
}

impl<R: Rules> Told for Desk<R> {
    fn describe(action: &Action) -> String {
        telling::describe(action, name)
    }

    /// Which group is another than before, what was sent, and who was told.
    fn consequences(old: &State<R>, new: &State<R>, _: &Action) -> Vec<String> {
        let groups = old.groups.iter().zip(&new.groups).filter(|(before, after)| before != after);
        let mut lines: Vec<String> = groups.map(|(_, after)| format!("{after:?}")).collect();
        for (number, (before, after)) in old.sent.iter().zip(&new.sent).enumerate() {
            if after.len() > before.len() {
                let (group, other) = (number % new.groups.len() + 1, number >= new.groups.len());
                let node = if other { ", on its second node," } else { "" };
                lines.push(format!("g{group}{node} is sent {after:?}"));
            }
        }
        for (call, fate) in
            new.history.told.iter().filter(|it| !old.history.told.contains_key(it.0))
        {
            lines.push(format!("s{}#{} is told: {fate:?}", call.session, call.place));
        }
        lines.extend(telling::sent::<Self>(old, new));
        if let Some(violation) = new.history.violation.filter(|_| old.history.violation.is_none()) {
            lines.push(format!("history: {violation:?}"));
        }
        lines
    }

    fn at_the_end(&self, state: &State<R>) -> Vec<String> {
        vec![format!("{state:?}")]
    }
}

impl<R: Rules> Drawn for Desk<R> {
    fn name(id: Id) -> String {
        name(id)
    }

    fn actors(state: &State<R>) -> usize {
        GROUPS + state.groups.len()
    }

    fn under_way(state: &State<R>) -> Vec<Envelope<Message>> {
        let envelope = |(group, msg): &(protocol::shardkv::GroupId, Message)| Envelope {
            src: Id::from(GROUPS + group.0 as usize - 1),
            dst: Id::from(0),
            msg: msg.clone(),
        };
        state.answers.iter().map(envelope).collect()
    }
}
