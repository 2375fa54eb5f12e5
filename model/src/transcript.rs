//! A path as text: one numbered line for each input, and under it each consequence on a line of its
//! own.
//!
//! A counterexample is read far more often than it is found. The transcript says what a server was
//! told and everything that followed from it (what its disk was asked for and has finished, what
//! its log and role became, what it sent), so that nobody has to compare two printed states by eye.
//! It is also what the Explorer shows for a step.

pub(crate) mod taken;

use crate::cluster::{Action, Cluster, State, describe};
use crate::node::{Event, Node, Stimulus};
use protocol::NodeId;
use protocol::raft::{RoleName, Rules};
use stateright::actor::{ActorModelAction, Envelope};
use std::fmt::Write as _;
use taken::{Deed, Lot, Sent, Taken, in_words, take, violated};

/// The consequences of one action, a line each. None if the model does not have the action in this
/// state or if it changes nothing.
pub fn step<R: Rules>(
    cluster: &Cluster<R>,
    last: &State<R>,
    action: &Action,
) -> Option<Vec<String>> {
    let taken = take(cluster, last, action).ok()?;
    if taken.next == *last {
        return None;
    }
    Some(consequences(cluster, last, action, &taken))
}

/// The state behind a path.
///
/// # Errors
/// Names the first step, counted from 1, that the model does not have, and says why.
pub fn replay<R: Rules>(
    cluster: &Cluster<R>,
    start: &State<R>,
    actions: &[Action],
) -> Result<State<R>, String> {
    let mut state = start.clone();
    for (position, action) in actions.iter().enumerate() {
        match take(cluster, &state, action) {
            Ok(taken) => state = taken.next,
            Err(why) => return Err(impossible(position + 1, action, &why)),
        }
    }
    Ok(state)
}

/// What to say of a step that the model does not have.
pub(crate) fn impossible(number: usize, action: &Action, why: &str) -> String {
    format!("step {number} is not possible: {}: {why}", describe(action))
}

/// The transcript of a path, and the state behind it, a line for each server. A path that the model
/// does not have is told as far as it goes; a line says which step is not possible.
pub fn render<R: Rules>(cluster: &Cluster<R>, start: &State<R>, actions: &[Action]) -> String {
    let width = actions.len().to_string().len();
    let mut text = String::new();
    let mut state = start.clone();
    for (position, action) in actions.iter().enumerate() {
        let number = position + 1;
        match take(cluster, &state, action) {
            Ok(taken) => {
                line(&mut text, format_args!("{number:width$}  {}", describe(action)));
                for consequence in consequences(cluster, &state, action, &taken) {
                    line(&mut text, format_args!("{:width$}      {consequence}", ""));
                }
                state = taken.next;
            }
            Err(why) => {
                line(&mut text, format_args!("{}", impossible(number, action, &why)));
                break;
            }
        }
    }
    for node in &state.actor_states {
        line(&mut text, format_args!("{node:?}"));
    }
    text
}

fn line(text: &mut String, content: std::fmt::Arguments<'_>) {
    writeln!(text, "{content}").expect("a string takes any text");
}

fn consequences<R: Rules>(
    cluster: &Cluster<R>,
    last: &State<R>,
    action: &Action,
    taken: &Taken<R>,
) -> Vec<String> {
    let silent = taken.deed.as_ref().is_none_or(|deed| deed.sent.is_empty());
    if silent && taken.next == *last {
        return vec!["nothing changes".into()];
    }
    let mut lines = Vec::new();
    if let Some(deed) = &taken.deed {
        if matches!(action, ActorModelAction::Timeout(_, Stimulus::Crash)) {
            lines.extend(forgotten(deed));
        } else {
            lines.extend(disk_news(deed));
            lines.extend(server_news(deed));
            lines.extend(writes_asked(deed));
        }
        lines.extend(deed.sent.iter().map(sent));
        let asked = taken.next.history.reads.iter();
        let asked = asked.filter(|read| !last.history.reads.contains(read));
        lines.extend(asked.map(|(node, id, index)| {
            format!("{node:?} is asked for {id:?}: {index} committed by now")
        }));
        lines.extend(deed.events.iter().filter_map(|event| told(deed.me, event)));
        if lines.is_empty() {
            lines.push(format!("{:?} is now {:?}", deed.me, deed.after.replica().raft()));
        }
        if let Some(claim) = &deed.after.broken {
            lines.push(format!("BROKEN: {claim}"));
        }
    }
    lines.extend(taken.void.iter().map(|Envelope { src, dst, msg }| {
        format!("void from now on: n{} → n{}  {msg:?}", usize::from(*src), usize::from(*dst))
    }));
    let already = violated(cluster, last);
    let new = violated(cluster, &taken.next).into_iter().filter(|name| !already.contains(name));
    lines.extend(new.map(|name| format!("VIOLATED: {name}")));
    lines
}

/// A sent message and what becomes of it.
fn sent(Sent { envelope, lot }: &Sent) -> String {
    let Envelope { src, dst, msg } = envelope;
    let note = match lot {
        Lot::UnderWay => "",
        Lot::Twin => "  (is under way already)",
        Lot::Void => "  (void: its receiver's term is later)",
    };
    format!("n{} → n{}  {msg:?}{note}", usize::from(*src), usize::from(*dst))
}

/// What the disk has finished, or says it has.
fn disk_news<R: Rules>(deed: &Deed<R>) -> Option<String> {
    let write = in_words(deed.finished.as_ref()?);
    Some(match deed.is_disk_false() {
        true => format!("{:?}'s disk reports {write} and has not made it", deed.me),
        false => format!("{:?}'s disk has {write}", deed.me),
    })
}

/// A server's role, term and leader in words.
fn standing<R: Rules>(node: &Node<R>) -> String {
    let raft = node.replica().raft();
    let role = match (raft.role(), raft.leader()) {
        (RoleName::Follower, Some(leader)) => format!("follower of {leader:?}"),
        (RoleName::Follower, None) => "follower".into(),
        (RoleName::PreCandidate, _) => "pre-candidate".into(),
        (RoleName::Candidate, _) => "candidate".into(),
        (RoleName::Leader, _) => "leader".into(),
    };
    format!("{role} in t{}", raft.term())
}

/// What changed in the server's memory.
fn server_news<R: Rules>(deed: &Deed<R>) -> Vec<String> {
    let (me, before, after) = (deed.me, &deed.before, &deed.after);
    let (old, new) = (before.replica().raft(), after.replica().raft());
    let mut lines = Vec::new();
    let (was, is) = (standing(before), standing(after));
    if was != is {
        lines.push(format!("{me:?} {was} → {is}"));
    }
    if old.terms() != new.terms() || before.replica().log() != after.replica().log() {
        let (log, commands) = (new.terms(), after.replica().log());
        lines.push(format!("{me:?} log {:?} → {log:?}  {commands:?}", old.terms()));
    }
    if old.commit() != new.commit() {
        lines.push(format!("{me:?} commit {} → {}", old.commit(), new.commit()));
    }
    if before.applied() != after.applied() {
        lines.push(format!("{me:?} applied {} → {}", before.applied(), after.applied()));
    }
    if old.heard() != new.heard() {
        lines.push(match new.heard() {
            true => format!("{me:?} has heard a leader"),
            false => format!("{me:?} no longer counts a leader as heard"),
        });
    }
    if old.leads() && new.leads() {
        let both = old.progress().iter().zip(new.progress()).enumerate();
        let changed = both.filter(|(_, (one, two))| one != two);
        lines.extend(changed.map(|(number, (_, two))| format!("{me:?} sees n{number}: {two:?}")));
    }
    lines
}

/// The writes that are pending now and were not before.
fn writes_asked<R: Rules>(deed: &Deed<R>) -> Vec<String> {
    let done = usize::from(deed.finished.is_some());
    let old = deed.before.pending.len().saturating_sub(done);
    let new = deed.after.pending.iter().skip(old);
    let words = new.map(in_words);
    words.map(|write| format!("{:?} asks its disk: {write}", deed.me)).collect()
}

/// What a crash took away.
fn forgotten<R: Rules>(deed: &Deed<R>) -> Vec<String> {
    let Deed { me, before, after, .. } = deed;
    let (old, new) = (before.replica().raft(), after.replica().raft());
    let pending = before.pending.iter();
    let mut lines: Vec<_> = pending
        .map(in_words)
        .map(|write| format!("{me:?} forgets the unfinished write: {write}"))
        .collect();
    if before.disk != after.disk {
        lines.push(format!("{me:?}'s disk {:?} → {:?}", before.disk, after.disk));
    }
    if lines.is_empty() {
        lines.push(format!("{me:?} had everything on its disk"));
    }
    if old.commit() != new.commit() {
        lines.push(format!("{me:?} forgets that {} were committed", old.commit()));
    }
    lines.push(format!(
        "{me:?} {} → {}, {:?} log {:?} commit {}, boot {}",
        standing(before),
        standing(after),
        new.hard_state(),
        new.terms(),
        new.commit(),
        after.boots
    ));
    lines
}

/// What the adapter saw, unless another line says it.
fn told(me: NodeId, event: &Event) -> Option<String> {
    match *event {
        Event::Readable { id, index } => {
            Some(format!("{me:?} may answer {id:?} once it has applied {index}"))
        }
        Event::ReadLost { id } => Some(format!("{me:?} gives {id:?} up")),
        Event::Restored { id, kept_tail: true, .. } => {
            Some(format!("{me:?} takes the snapshot {id:?} and keeps the entries behind it"))
        }
        Event::Restored { id, contradicted: true, .. } => {
            Some(format!("{me:?} takes the snapshot {id:?} over a log that contradicts it"))
        }
        Event::Restored { id, .. } => Some(format!("{me:?} takes the snapshot {id:?}")),
        Event::StaleSnapshot => Some(format!("{me:?} does not need the snapshot")),
        Event::Overwrote => Some(format!("{me:?} drops entries for others")),
        Event::LostQuorum => Some(format!("{me:?} has heard no quorum and stops leading")),
        Event::Told { ticket, .. } => Some(format!("caller {ticket} is told")),
        Event::Passed { to, ticket } => Some(format!("what {ticket} wants goes on to {to:?}")),
        Event::Again { ticket } => Some(format!("what {ticket} wants is submitted again")),
        Event::Asked { .. }
        | Event::AskedAgain
        | Event::Crashed { .. }
        | Event::CompactedLate { .. } => None,
    }
}
