//! What the steps of MapReduce's model are called.

use super::state::{Message, State};
use super::steps::WORKERS;
use super::{Action, Mill, Rules};
use crate::telling::{self, Drawn, Told};
use stateright::actor::{Envelope, Id};

fn name(id: Id) -> String {
    match usize::from(id) {
        0 => "coordinator".into(),
        number => format!("w{}", number - WORKERS),
    }
}

impl<R: Rules> Told for Mill<R> {
    fn describe(action: &Action) -> String {
        telling::describe(action, name)
    }

    /// What was written down, which files are other than before, and what is under way.
    fn consequences(old: &State<R>, new: &State<R>, _: &Action) -> Vec<String> {
        let mut lines = Vec::new();
        let (before, after) = (old.disk.records.len(), new.disk.records.len());
        if after < before {
            lines.push(format!("forgets {:?}", &old.disk.records[after..]));
        }
        lines.extend(
            new.disk.records.iter().skip(before).map(|record| format!("writes {record:?}")),
        );
        for (name, file) in
            new.files.iter().filter(|(name, file)| old.files.get(*name) != Some(*file))
        {
            let half = if file.whole { "" } else { "half of " };
            lines.push(format!("{half}{name:?} is there"));
        }
        for name in old.files.keys().filter(|name| !new.files.contains_key(name)) {
            lines.push(format!("{name:?} is gone"));
        }
        if let (Some(old), Some(new)) = (&old.coordinator, &new.coordinator)
            && old.life() != new.life()
        {
            lines.push(format!("life {} begins", new.life()));
        }
        if new.coordinator.is_none() && old.coordinator.is_some() {
            lines.push("the coordinator leaves".into());
        }
        for (index, (before, after)) in old.seats.iter().zip(&new.seats).enumerate() {
            if after.machine.has_left() && !before.machine.has_left() {
                lines.push(format!("w{index} leaves"));
            }
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

impl<R: Rules> Drawn for Mill<R> {
    fn name(id: Id) -> String {
        name(id)
    }

    fn actors(state: &State<R>) -> usize {
        WORKERS + state.seats.len()
    }

    fn under_way(state: &State<R>) -> Vec<Envelope<Message>> {
        let mut all = Vec::new();
        for (index, seat) in state.seats.iter().enumerate() {
            let (worker, coordinator) = (Id::from(WORKERS + index), Id::from(0));
            all.extend(seat.up.iter().map(|letter| Envelope {
                src: worker,
                dst: coordinator,
                msg: Message::of_letter(letter),
            }));
            all.extend(seat.down.iter().map(|order| Envelope {
                src: coordinator,
                dst: worker,
                msg: Message::of_order(order),
            }));
        }
        all
    }
}
