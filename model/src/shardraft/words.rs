//! What the steps of groups on Raft are called.

use super::state::{CLIENT, State, id_of, place_of};
use super::{Action, Estate, Message};
use crate::telling::{self, Drawn, Told};
use stateright::actor::{Envelope, Id};

fn name(id: Id) -> String {
    let (number, server) = place_of(id);
    if usize::from(id) == CLIENT { "c0".into() } else { format!("g{}n{server}", number + 1) }
}

impl Told for Estate {
    fn describe(action: &Action) -> String {
        telling::describe(action, name)
    }

    /// Which servers and movers are others than before, what was sent, and what does not hold.
    fn consequences(old: &State, new: &State, _: &Action) -> Vec<String> {
        let mut lines = Vec::new();
        for (number, server) in new.places() {
            let (was, is) = (old.node(number, server), new.node(number, server));
            let (had, has) = (&old.seats[number][server], &new.seats[number][server]);
            if was != is {
                lines.push(format!("g{}{is:?}", number + 1));
            }
            if had != has {
                lines.push(format!("{} {has:?}", name(id_of(number, server))));
            }
        }
        lines.extend(telling::sent::<Self>(old, new));
        if new.record.answered > old.record.answered {
            lines.push(format!("the client is answered #{}", new.record.answered));
        }
        if let Some(violation) = new.record.violation.filter(|_| old.record.violation.is_none()) {
            lines.push(format!("record: {violation:?}"));
        }
        lines
    }

    fn at_the_end(&self, state: &State) -> Vec<String> {
        let groups = state.record.groups.iter().map(|group| format!("committed: {group:?}"));
        groups.chain([format!("without moves: {:?}", state.record.twin)]).collect()
    }
}

impl Drawn for Estate {
    fn name(id: Id) -> String {
        name(id)
    }

    fn actors(_: &State) -> usize {
        CLIENT
    }

    fn under_way(state: &State) -> Vec<Envelope<Message>> {
        let mut all = Vec::new();
        for (number, servers) in state.groups.iter().enumerate() {
            let id = |id: Id| id_of(number, usize::from(id));
            all.extend(servers.network.iter_deliverable().map(|one| {
                let Envelope { src, dst, msg } = one.to_cloned_msg();
                Envelope { src: id(src), dst: id(dst), msg: Message::Raft(msg) }
            }));
        }
        for letter in &state.mail {
            let (src, dst) = (id_of(1 - letter.to(), 0), id_of(letter.to(), 0));
            all.push(Envelope { src, dst, msg: Message::Letter(letter.message().clone()) });
        }
        all.sort_unstable();
        all
    }
}
