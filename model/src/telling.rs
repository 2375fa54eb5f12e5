//! A path in words and as a picture, of any model that says what its steps are.

use crate::system::System;
use stateright::actor::{ActorModelAction, Envelope, Id};
use std::fmt::{Debug, Write as _};

/// A model whose paths are told by a line for each action, and under it what it changed.
pub trait Told: System {
    /// One action in words.
    fn describe(action: &Self::Action) -> String;

    /// What an action changed, a line each.
    fn consequences(old: &Self::State, new: &Self::State, action: &Self::Action) -> Vec<String>;

    /// What is told of the state behind the last action.
    fn at_the_end(&self, state: &Self::State) -> Vec<String>;
}

/// A model whose paths can be drawn: actors that send messages to each other.
pub trait Drawn: Told {
    /// How an actor is called.
    fn name(id: Id) -> String;

    /// How many actors there are.
    fn actors(state: &Self::State) -> usize;

    /// What is under way, in order.
    fn under_way(state: &Self::State) -> Vec<Envelope<Self::Message>>;
}

/// One action of a model whose actors have these names.
pub fn describe<M: Debug, T: Debug, R: Debug>(
    action: &ActorModelAction<M, T, R>,
    name: impl Fn(Id) -> String,
) -> String {
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

/// The messages that were not under way before, a line each.
pub fn sent<S: Drawn>(old: &S::State, new: &S::State) -> Vec<String> {
    let was = S::under_way(old);
    let is_new = |envelope: &Envelope<S::Message>| !was.contains(envelope);
    let line = |one: Envelope<S::Message>| format!("sends {} {:?}", S::name(one.dst), one.msg);
    S::under_way(new).into_iter().filter(is_new).map(line).collect()
}

/// Takes one step, if the model offers it and it changes something.
fn take<S: System>(system: &S, state: &S::State, action: &S::Action) -> Option<S::State> {
    let mut offered = Vec::new();
    system.actions(state, &mut offered);
    offered.contains(action).then(|| system.next_state(state, action.clone())).flatten()
}

/// The state behind a path from the start. The error names the first step that the model does not have.
pub fn follow<S: Told>(system: &S, path: &[S::Action]) -> Result<S::State, String> {
    let mut state = system.start();
    for (position, action) in path.iter().enumerate() {
        let number = position + 1;
        state = take(system, &state, action)
            .ok_or_else(|| format!("step {number} is not possible: {}", S::describe(action)))?;
    }
    Ok(state)
}

/// A path in words: a numbered line for each action, and under it what it changed.
pub fn transcript<S: Told>(system: &S, path: &[S::Action]) -> String {
    let width = path.len().to_string().len();
    let mut text = String::new();
    let mut line = |content: std::fmt::Arguments<'_>| {
        writeln!(text, "{content}").expect("a string takes every text");
    };
    let mut state = system.start();
    for (position, action) in path.iter().enumerate() {
        let number = position + 1;
        let Some(next) = take(system, &state, action) else {
            line(format_args!("step {number} is not possible: {}", S::describe(action)));
            break;
        };
        line(format_args!("{number:width$}  {}", S::describe(action)));
        for consequence in S::consequences(&state, &next, action) {
            line(format_args!("{:width$}      {consequence}", ""));
        }
        state = next;
    }
    for last in system.at_the_end(&state) {
        line(format_args!("{last}"));
    }
    text
}

const LEFT: usize = 70;
const APART: usize = 330;
const ROW: usize = 34;

/// A path as a sequence diagram: a lifeline for each actor, a row for each action, and an arrow for a message
/// from the row in which it was last sent to the row in which it arrives.
pub fn picture<S: Drawn>(system: &S, path: &[S::Action]) -> String {
    let mut state = system.start();
    let actors = S::actors(&state);
    let x = |id: Id| LEFT + usize::from(id) * APART;
    let y = |row: usize| 60 + row * ROW;
    let (width, height) = (LEFT + actors * APART, y(path.len() + 1));
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
    );
    for actor in 0..actors {
        let (x, name) = (x(Id::from(actor)), S::name(Id::from(actor)));
        svg += &format!(
            "<text x=\"{x}\" y=\"24\" text-anchor=\"middle\" font-weight=\"bold\">{name}</text>\n"
        );
        svg +=
            &format!("<line x1=\"{x}\" y1=\"32\" x2=\"{x}\" y2=\"{height}\" stroke=\"#999\"/>\n");
    }
    // Where each message was last sent.
    let mut sent: Vec<(Envelope<S::Message>, usize)> = Vec::new();
    for (row, action) in path.iter().enumerate() {
        let Some(next) = take(system, &state, action) else { break };
        for envelope in S::under_way(&next) {
            if !sent.iter().any(|(known, _)| *known == envelope) {
                sent.push((envelope, row));
            }
        }
        let (at, text, colour) = match action {
            ActorModelAction::Deliver { src, dst, msg } => {
                let same = |(envelope, _): &&(Envelope<S::Message>, usize)| {
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

/// A text as it stands in an SVG document.
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
