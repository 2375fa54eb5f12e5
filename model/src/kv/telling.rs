//! A path in words and as a picture.

use super::programs::{Do, Program};
use super::{Action, Party, Shop, State};
use crate::bounds::Net;
use protocol::kv::Rules;
use stateright::Model;
use stateright::actor::{ActorModelAction, ActorModelState, Envelope, Id};
use std::fmt::Write as _;

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

/// One action in words.
pub fn describe(action: &Action) -> String {
    match action {
        ActorModelAction::Deliver { src, dst, msg } => {
            format!("{} → {}  {msg:?}", name(*src), name(*dst))
        }
        ActorModelAction::Drop(Envelope { src, dst, msg }) => {
            format!("lost  {} ⇥ {}  {msg:?}", name(*src), name(*dst))
        }
        ActorModelAction::Timeout(id, stimulus) => format!("{}  {stimulus:?}", name(*id)),
        other => format!("{other:?}"),
    }
}

/// Takes one step, if the model offers it and it changes something.
fn take<R: Rules>(shop: &Shop<R>, state: &State<R>, action: &Action) -> Option<State<R>> {
    let mut offered = Vec::new();
    shop.actions(state, &mut offered);
    offered.contains(action).then(|| shop.next_state(state, action.clone())).flatten()
}

/// The state behind a path from the start. The error names the first step that the model does not have.
pub fn follow<R: Rules>(shop: &Shop<R>, path: &[Action]) -> Result<State<R>, String> {
    let mut state = shop.init_states().remove(0);
    for (position, action) in path.iter().enumerate() {
        let number = position + 1;
        state = take(shop, &state, action)
            .ok_or_else(|| format!("step {number} is not possible: {}", describe(action)))?;
    }
    Ok(state)
}

/// What an action changed: the messages that it sent and the one actor that acted.
pub fn consequences<R: Rules>(old: &State<R>, new: &State<R>, action: &Action) -> Vec<String> {
    let mut lines = Vec::new();
    let (ActorModelAction::Deliver { dst: id, .. } | ActorModelAction::Timeout(id, _)) = action
    else {
        return lines;
    };
    let actor = usize::from(*id);
    let (before, after): (&Party<R>, &Party<R>) =
        (&old.actor_states[actor], &new.actor_states[actor]);
    if before != after {
        lines.push(format!("{after:?}"));
    }
    let sent = |state: &ActorModelState<super::Person<R>, super::History>| {
        let mut sent: Vec<_> =
            state.network.iter_deliverable().map(|envelope| envelope.to_cloned_msg()).collect();
        sent.sort_unstable();
        sent
    };
    let was = sent(old);
    for envelope in sent(new) {
        if !was.contains(&envelope) {
            lines.push(format!("sends {} {:?}", name(envelope.dst), envelope.msg));
        }
    }
    if let Some(violation) = new.history.violation.filter(|_| old.history.violation.is_none()) {
        lines.push(format!("history: {violation:?}"));
    }
    lines
}

/// A path in words: a numbered line for each action, and under it what it changed.
pub fn transcript<R: Rules>(shop: &Shop<R>, path: &[Action]) -> String {
    let width = path.len().to_string().len();
    let mut text = String::new();
    let mut state = shop.init_states().remove(0);
    for (position, action) in path.iter().enumerate() {
        let number = position + 1;
        let Some(next) = take(shop, &state, action) else {
            line(&mut text, format_args!("step {number} is not possible: {}", describe(action)));
            break;
        };
        line(&mut text, format_args!("{number:width$}  {}", describe(action)));
        for consequence in consequences(&state, &next, action) {
            line(&mut text, format_args!("{:width$}      {consequence}", ""));
        }
        state = next;
    }
    for party in &state.actor_states {
        line(&mut text, format_args!("{party:?}"));
    }
    text
}

fn line(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    writeln!(text, "{arguments}").expect("a string takes every text");
}

const LEFT: usize = 70;
const APART: usize = 330;
const ROW: usize = 34;

/// A path as a sequence diagram: a lifeline for each actor, a row for each action, and an arrow for a message
/// from the row in which it was last sent to the row in which it arrives.
pub fn picture<R: Rules>(shop: &Shop<R>, path: &[Action]) -> String {
    let mut state = shop.init_states().remove(0);
    let actors = state.actor_states.len();
    let x = |id: Id| LEFT + usize::from(id) * APART;
    let y = |row: usize| 60 + row * ROW;
    let (width, height) = (LEFT + actors * APART, y(path.len() + 1));
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
    );
    for actor in 0..actors {
        let (x, name) = (x(Id::from(actor)), name(Id::from(actor)));
        svg += &format!(
            "<text x=\"{x}\" y=\"24\" text-anchor=\"middle\" font-weight=\"bold\">{name}</text>\n"
        );
        svg +=
            &format!("<line x1=\"{x}\" y1=\"32\" x2=\"{x}\" y2=\"{height}\" stroke=\"#999\"/>\n");
    }
    // Where each message was last sent.
    let mut sent: Vec<(Envelope<super::Message>, usize)> = Vec::new();
    for (row, action) in path.iter().enumerate() {
        let Some(next) = take(shop, &state, action) else { break };
        for envelope in next.network.iter_deliverable().map(|envelope| envelope.to_cloned_msg()) {
            if !sent.iter().any(|(known, _)| *known == envelope) {
                sent.push((envelope, row));
            }
        }
        let (at, text, colour) = match action {
            ActorModelAction::Deliver { src, dst, msg } => {
                let same = |(envelope, _): &&(Envelope<super::Message>, usize)| {
                    envelope.src == *src && envelope.dst == *dst && envelope.msg == *msg
                };
                let from = sent.iter().find(same).map_or(row, |(_, row)| *row);
                let (x1, y1, x2, y2) = (x(*src), y(from), x(*dst), y(row));
                svg += &format!(
                    "<line x1=\"{x1}\" y1=\"{y1}\" x2=\"{x2}\" y2=\"{y2}\" stroke=\"#369\"/>\n\
                     <circle cx=\"{x2}\" cy=\"{y2}\" r=\"3.5\" fill=\"#369\"/>\n"
                );
                (*dst, format!("{msg:?}"), "#136")
            }
            ActorModelAction::Timeout(id, stimulus) => (*id, format!("{stimulus:?}"), "#630"),
            ActorModelAction::Drop(Envelope { src, msg, .. }) => {
                (*src, format!("lost: {msg:?}"), "#900")
            }
            _ => break,
        };
        let (x, y) = (x(at) + 8, y(row) + 4);
        let text = format!("{}  {}", row + 1, escaped(&text));
        svg += &format!(
            "<text x=\"{x}\" y=\"{y}\" fill=\"{colour}\" stroke=\"#fff\" stroke-width=\"3\" \
             paint-order=\"stroke\">{text}</text>\n"
        );
        state = next;
    }
    svg + "</svg>\n"
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
