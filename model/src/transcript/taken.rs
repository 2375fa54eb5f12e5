//! One step, taken again and watched: who acted, what it sent, what its disk finished, what became
//! void.
//!
//! A checker's path says which actions were taken and no more. Everything that a reader wants
//! besides is found here once, for the transcript and the diagram alike, by running the server's
//! step again with a list of commands of its own.

use crate::cluster::{Action, Cluster, State, describe};
use crate::node::{Event, Node, Packet, Pending, Stimulus};
use protocol::raft::Rules;
use protocol::{NodeId, Write};
use stateright::actor::{Actor, ActorModelAction, Command, Envelope, Id, Out};
use stateright::{Expectation, Model};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

/// A step that was taken.
pub(crate) struct Taken<R: Rules> {
    /// The state behind it.
    pub next: State<R>,
    /// What the server did that took it; none if the network lost a message.
    pub deed: Option<Deed<R>>,
    /// Messages that were under way and from now on could change nothing, so the model drops them.
    pub void: Vec<Envelope<Packet>>,
}

/// What one server did in one step.
pub(crate) struct Deed<R: Rules> {
    /// The server.
    pub me: NodeId,
    /// Its state before.
    pub before: Arc<Node<R>>,
    /// Its state behind.
    pub after: Arc<Node<R>>,
    /// What its adapter saw.
    pub events: Vec<Event>,
    /// What it sent, in order.
    pub sent: Vec<Sent>,
    /// The write that its disk was to finish.
    pub finished: Option<Pending>,
}

impl<R: Rules> Deed<R> {
    /// Whether the disk reported a write that it has not made.
    pub fn is_disk_false(&self) -> bool {
        let (old, new) = (&self.before.disk, &self.after.disk);
        self.finished.as_ref().is_some_and(|Pending { write, .. }| match *write {
            Write::HardState(hard) => hard != new.hard,
            Write::Append { .. } | Write::Snapshot { .. } => old == new,
        })
    }
}

/// A message that was sent.
pub(crate) struct Sent {
    /// To whom, and what.
    pub envelope: Envelope<Packet>,
    /// What becomes of it.
    pub lot: Lot,
}

/// What becomes of a message in the network.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Lot {
    /// It is under way.
    UnderWay,
    /// The same message is under way already; the two are one.
    Twin,
    /// Its receiver would ignore it for ever, so it never enters the network.
    Void,
}

/// The messages under way, in a fixed order.
pub(crate) fn under_way<R: Rules>(state: &State<R>) -> BTreeSet<Envelope<Packet>> {
    state.network.iter_deliverable().map(|envelope| envelope.to_cloned_msg()).collect()
}

/// The properties that a state violates, by name.
pub(crate) fn violated<R: Rules>(cluster: &Cluster<R>, state: &State<R>) -> Vec<&'static str> {
    let always = cluster
        .properties()
        .into_iter()
        .filter(|property| property.expectation == Expectation::Always);
    always.filter(|rule| !(rule.condition)(cluster, state)).map(|rule| rule.name).collect()
}

/// A write in words, with its entries.
pub(crate) fn in_words(pending: &Pending) -> String {
    let Pending { write, entries } = pending;
    match write {
        Write::Append { .. } => format!("{write:?} {entries:?}"),
        _ => format!("{write:?}"),
    }
}

/// Takes a step and watches it. The error says why the model does not have this step.
pub(crate) fn take<R: Rules>(
    cluster: &Cluster<R>,
    last: &State<R>,
    action: &Action,
) -> Result<Taken<R>, String> {
    let mut offered = Vec::new();
    cluster.actions(last, &mut offered);
    if !offered.contains(action) {
        return Err(why_not(cluster, last, action));
    }
    let next = cluster.next_state(last, action.clone()).ok_or("it changes nothing")?;
    let (before, after) = (under_way(last), under_way(&next));
    let gone = match action {
        ActorModelAction::Deliver { src, dst, msg } => {
            Some(Envelope { src: *src, dst: *dst, msg: msg.clone() })
        }
        ActorModelAction::Drop(envelope) => Some(envelope.clone()),
        _ => None,
    };
    let void = before.difference(&after).filter(|&envelope| Some(envelope) != gone.as_ref());
    let void = void.cloned().collect();
    let deed = watch(cluster, last, &next, action, (before, &after));
    Ok(Taken { next, deed, void })
}

/// Runs the server's step again, for what a state does not show.
fn watch<R: Rules>(
    cluster: &Cluster<R>,
    last: &State<R>,
    next: &State<R>,
    action: &Action,
    (mut known, later): (BTreeSet<Envelope<Packet>>, &BTreeSet<Envelope<Packet>>),
) -> Option<Deed<R>> {
    let id = match action {
        ActorModelAction::Deliver { dst, .. } => *dst,
        ActorModelAction::Timeout(id, _) => *id,
        _ => return None,
    };
    let index = usize::from(id);
    let me = NodeId(index as u8);
    let before = Arc::clone(&last.actor_states[index]);
    let mut node = Cow::Borrowed(&*before);
    let mut out = Out::new();
    let mut finished = None;
    match action {
        ActorModelAction::Deliver { src, msg, .. } => {
            cluster.server(me).on_msg(id, &mut node, *src, msg.clone(), &mut out);
        }
        ActorModelAction::Timeout(_, stimulus) => {
            if *stimulus == Stimulus::Disk {
                finished = before.pending.front().cloned();
            }
            cluster.server(me).on_timeout(id, &mut node, stimulus, &mut out);
        }
        _ => {}
    }
    let mut sent = Vec::new();
    for command in out.iter() {
        let Command::Send(dst, msg) = command else { continue };
        let envelope = Envelope { src: id, dst: *dst, msg: msg.clone() };
        let lot = match (known.contains(&envelope), later.contains(&envelope)) {
            (_, false) => Lot::Void,
            (true, true) => Lot::Twin,
            (false, true) => Lot::UnderWay,
        };
        known.insert(envelope.clone());
        sent.push(Sent { envelope, lot });
    }
    let events = node.events.clone();
    let after = Arc::clone(&next.actor_states[index]);
    Some(Deed { me, before, after, events, sent, finished })
}

/// Why the model does not offer this action in this state.
fn why_not<R: Rules>(cluster: &Cluster<R>, state: &State<R>, action: &Action) -> String {
    let stopped = state.actor_states.iter().any(|node| node.broken.is_some());
    if stopped || state.history.violated() {
        return "the model goes no further once a property is violated".into();
    }
    let server = |id: &Id| state.actor_states.get(usize::from(*id));
    match action {
        ActorModelAction::Deliver { .. } => "no such message is under way".into(),
        ActorModelAction::Drop(_) if cluster.bounds.losses == 0 => {
            "this model loses no message".into()
        }
        ActorModelAction::Drop(_) => "no such message is under way".into(),
        ActorModelAction::Timeout(id, stimulus) => match (server(id), stimulus) {
            (None, _) => format!("there is no n{}", usize::from(*id)),
            (Some(_), Stimulus::Disk) => "no write is pending".into(),
            (Some(node), Stimulus::Timer(timer)) if !node.armed.contains(*timer) => {
                "the timer is not armed".into()
            }
            (Some(node), Stimulus::Propose) if !node.replica().raft().leads() => {
                "commands go to a leader, and it does not lead".into()
            }
            (Some(node), Stimulus::Campaign) if node.replica().raft().leads() => {
                "it leads already".into()
            }
            _ => "the model's bounds or the server's state do not allow it".into(),
        },
        other => format!("this model has no such action: {}", describe(other)),
    }
}
