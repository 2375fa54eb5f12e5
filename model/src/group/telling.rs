//! What the steps of the replicated store's model are called, and a path as a picture.

use super::shelf::call_of;
use super::{Action, Bounds, Group, Program, State, Stimulus};
use crate::cluster::Cluster;
use crate::search;
use crate::system::System;
use crate::telling::{Told, escaped};
use protocol::quorum::NodeSet;
use protocol::raft::Paper;
use protocol::rsm::Rules;
use stateright::actor::{ActorModelAction, Envelope, Id};

/// The servers' bounds, the clients' programs, how often a call is sent, and what is special.
pub fn bounds_text(bounds: &Bounds) -> String {
    let mut text = Cluster::<Paper>::bounds_text(&bounds.servers);
    let programs = bounds.programs.iter().filter(|program| **program != Program::Nothing);
    let names: Vec<_> = programs.map(|program| format!("{program:?}")).collect();
    text += &format!(" {} ×{}", names.join("+"), bounds.attempts);
    if bounds.contacts != NodeSet::first(bounds.servers.servers) {
        let names: Vec<_> = bounds.contacts.iter().map(|node| format!("{node:?}")).collect();
        text += &format!(" call={}", names.join("+"));
    }
    if bounds.deadlines > 0 {
        text += &format!(" {}late", bounds.deadlines);
    }
    if bounds.beats_from > 1 {
        text += &format!(" hb≥t{}", bounds.beats_from);
    }
    if bounds.servers.heartbeats {
        text += &format!(" hb×{}", bounds.beats);
    }
    if bounds.lost > 0 {
        text += &format!(" {}lost", bounds.lost);
    }
    if bounds.latest > 0 {
        text += &format!(" clocks≤{}", bounds.latest);
    }
    let words = [
        (bounds.each_its_own, "own"),
        (bounds.at_leaders, "at-leaders"),
        (bounds.record_puts, "rec"),
        (bounds.background, "background"),
        (!bounds.linearizable, "no-order"),
        (bounds.keep_heard, "heard"),
        (bounds.passes, "passes"),
    ];
    for (_, word) in words.iter().filter(|(on, _)| *on) {
        text.push(' ');
        text.push_str(word);
    }
    text
}

impl<W: Rules> Told for Group<W> {
    fn describe(action: &Action) -> String {
        match action {
            ActorModelAction::Deliver { src, dst, msg } => {
                format!("n{} → n{}  {msg:?}", usize::from(*src), usize::from(*dst))
            }
            ActorModelAction::Drop(Envelope { src, dst, msg }) => {
                format!("lost  n{} ⇥ n{}  {msg:?}", usize::from(*src), usize::from(*dst))
            }
            ActorModelAction::Timeout(id, stimulus) => match stimulus {
                Stimulus::Server(stimulus) => format!("n{}  {stimulus:?}", usize::from(*id)),
                Stimulus::Call(client, to) => format!("c{client} calls {to:?}"),
                Stimulus::Retry(client, to) => format!("c{client} calls again {to:?}"),
                Stimulus::Arrive(parcel) => format!("n{} gets  {parcel:?}", usize::from(*id)),
                Stimulus::Stay(parcel) => format!("n{} can't send  {parcel:?}", usize::from(*id)),
                Stimulus::Lose(from, to) => format!("{from:?} loses its connection to {to:?}"),
                Stimulus::Hear(letter) => {
                    let ((client, seq), attempt) = call_of(letter.ticket);
                    format!("c{client} hears of #{seq}.{attempt}: {:?}", letter.answer)
                }
            },
            other => format!("{other:?}"),
        }
    }

    fn consequences(old: &State<W>, new: &State<W>, _: &Action) -> Vec<String> {
        let mut lines = Vec::new();
        for (before, after) in old.servers.actor_states.iter().zip(&new.servers.actor_states) {
            if before != after {
                lines.push(format!("{after:?}"));
            }
        }
        for (before, after) in old.clients.iter().zip(&new.clients) {
            if before != after {
                lines.push(format!("{after:?}"));
            }
        }
        let sent = |state: &State<W>| {
            let network = state.servers.network.iter_deliverable();
            let mut sent: Vec<_> = network.map(|envelope| envelope.to_cloned_msg()).collect();
            sent.sort_unstable();
            sent
        };
        let was = sent(old);
        for Envelope { src, dst, msg } in sent(new).into_iter().filter(|one| !was.contains(one)) {
            lines.push(format!("n{} → n{}  {msg:?}", usize::from(src), usize::from(dst)));
        }
        for parcel in new.errands.under_way.difference(&old.errands.under_way) {
            lines.push(format!("{parcel:?}"));
        }
        for letter in new.mail.difference(&old.mail) {
            let ((client, seq), attempt) = call_of(letter.ticket);
            lines.push(format!("c{client} is told of #{seq}.{attempt}: {:?}", letter.answer));
        }
        let violation = new.record.violation.filter(|_| old.record.violation.is_none());
        lines.extend(violation.map(|violation| format!("record: {violation:?}")));
        lines
    }

    fn at_the_end(&self, state: &State<W>) -> Vec<String> {
        let nodes = state.servers.actor_states.iter().map(|node| format!("{node:?}"));
        let clients = state.clients.iter().map(|client| format!("{client:?}"));
        let violated = search::violated(self, state).map(|name| format!("VIOLATED: {name}"));
        nodes.chain(clients).chain(violated).collect()
    }
}

const LEFT: usize = 70;
const APART: usize = 300;
const ROW: usize = 30;

/// A path as a sequence diagram: a lifeline for each server and client, and a row for each action.
pub fn picture<W: Rules>(group: &Group<W>, path: &[Action]) -> String {
    let state = group.start();
    let servers = state.servers.actor_states.len();
    let actors = servers + state.clients.len();
    let x = |id: usize| LEFT + id * APART;
    let (width, height) = (LEFT + actors * APART, 60 + (path.len() + 1) * ROW);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
    );
    for actor in 0..actors {
        let name = match actor.checked_sub(servers) {
            None => format!("n{actor}"),
            Some(client) => format!("c{client}"),
        };
        let x = x(actor);
        svg += &format!(
            "<text x=\"{x}\" y=\"24\" text-anchor=\"middle\" font-weight=\"bold\">{name}</text>\n\
             <line x1=\"{x}\" y1=\"32\" x2=\"{x}\" y2=\"{height}\" stroke=\"#999\"/>\n"
        );
    }
    for (row, action) in path.iter().enumerate() {
        let y = 60 + row * ROW;
        let at = |id: &Id| usize::from(*id);
        let (from, to) = match action {
            ActorModelAction::Deliver { src, dst, .. } => (at(src), at(dst)),
            ActorModelAction::Drop(envelope) => (at(&envelope.src), at(&envelope.src)),
            ActorModelAction::Timeout(id, Stimulus::Call(_, to) | Stimulus::Retry(_, to)) => {
                (at(id), usize::from(to.0))
            }
            ActorModelAction::Timeout(id, _) => (at(id), at(id)),
            _ => break,
        };
        let (x1, x2) = (x(from), x(to));
        let text = escaped(&Group::<W>::describe(action));
        svg += &format!(
            "<line x1=\"{x1}\" y1=\"{y}\" x2=\"{x2}\" y2=\"{y}\" stroke=\"#369\"/>\n\
             <circle cx=\"{x2}\" cy=\"{y}\" r=\"3.5\" fill=\"#369\"/>\n\
             <text x=\"{}\" y=\"{}\" stroke=\"#fff\" stroke-width=\"3\" paint-order=\"stroke\">{}  {text}</text>\n",
            x2 + 8,
            y + 4,
            row + 1
        );
    }
    svg + "</svg>\n"
}
