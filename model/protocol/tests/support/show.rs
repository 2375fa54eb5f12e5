//! How events are written down: one line for each input and each effect.

use super::Tag;
use super::group::{Event, Happening};
use protocol::log::Entry;
use protocol::raft::{Body, Effect, Message, Refusal, RoleName};
use protocol::{Index, LogId, NodeId, Term, Write};

/// The line of one event.
pub fn event(event: &Event) -> String {
    match event {
        Event::Input { node, input: happening } => input(*node, happening),
        Event::Finished { node, writes } => {
            let writes: Vec<_> = writes.iter().map(|write| format!("{write:?}")).collect();
            format!("{node:?} disk ✓ {}", shorten(&writes, ", "))
        }
        Event::Sent { packet, lost } => {
            let arrow = if *lost { "↛" } else { "→" };
            let text = message(&packet.message, &packet.entries);
            format!("{:?} {arrow} {:?}  {text}", packet.from, packet.to)
        }
        Event::Asked { node, write: asked, entries } => {
            format!("{node:?} disk ← {}", write(asked, entries))
        }
        Event::Took { node, first, commands } => {
            format!("{node:?} takes {}", list(first.term, first.index, commands))
        }
        Event::Applied { node, entries } => {
            let applied: Vec<_> = entries.iter().map(|(_, entry)| entry.clone()).collect();
            match (entries.first(), entries.last()) {
                (Some((first, _)), Some((last, _))) if first < last => {
                    format!("{node:?} commits {first}..{last}: {}", words(&applied))
                }
                (Some((first, _)), _) => format!("{node:?} commits {first}: {}", words(&applied)),
                _ => format!("{node:?} commits nothing new"),
            }
        }
        Event::Restored { node, id } => format!("{node:?} restores snapshot {id:?}"),
        Event::Other { node, effect } => format!("{node:?} {}", other(*node, effect)),
    }
}

fn input(node: NodeId, input: &Happening) -> String {
    match input {
        Happening::Timer(timer) => format!("{node:?} timer {timer:?}"),
        Happening::Campaign => format!("{node:?} campaigns"),
        Happening::Compact(through) => format!("{node:?} has a snapshot file through {through}"),
        Happening::Read(id) => format!("{node:?} is asked for {id:?}"),
        Happening::Propose(commands) => {
            let entries: Vec<_> = commands.iter().cloned().map(Entry::Command).collect();
            format!("{node:?} is given {}", words(&entries))
        }
        Happening::Arrival(packet) => {
            let text = message(&packet.message, &packet.entries);
            format!("{node:?} ⇐ {:?}  {text}", packet.from)
        }
        Happening::Disk(count) => format!("{node:?} disk ✓ {count}"),
        Happening::Crash => format!("{node:?} crashes"),
        Happening::Start => format!("{node:?} starts"),
    }
}

/// A message with its term, and with the entries that travel beside it.
pub fn message(message: &Message, entries: &[Entry<Tag>]) -> String {
    let body = match message.body {
        Body::PreVote { last } => format!("PreVote last {last:?}"),
        Body::RequestVote { last } => format!("RequestVote last {last:?}"),
        Body::AppendEntries { prev, count: 0, commit, .. } => {
            format!("AppendEntries prev {prev:?} no entries commit {commit}")
        }
        Body::AppendEntries { prev, run, commit, .. } => {
            let entries = list(run, prev.index + 1, entries);
            format!("AppendEntries prev {prev:?} entries {entries} commit {commit}")
        }
        Body::Accepted { matched } => format!("Accepted through {matched}"),
        Body::Rejected { prev, hint } => format!("Rejected prev {prev} hint {hint:?}"),
        Body::Heartbeat { commit, round } => format!("Heartbeat commit {commit} round {round}"),
        Body::Alive { round } => format!("Alive round {round}"),
        Body::InstallSnapshot { id } => format!("InstallSnapshot {id:?}"),
        Body::ReadIndex { id } => format!("ReadIndex {id:?}"),
        Body::ReadGranted { id, index } => format!("ReadGranted {id:?} index {index}"),
        _ => kind(&message.body).to_owned(),
    };
    format!("t{} {body}", message.term)
}

/// The name of what a message says.
pub const fn kind(body: &Body) -> &'static str {
    match body {
        Body::PreVote { .. } => "PreVote",
        Body::PreVoteGranted => "PreVoteGranted",
        Body::RequestVote { .. } => "RequestVote",
        Body::VoteGranted => "VoteGranted",
        Body::AppendEntries { .. } => "AppendEntries",
        Body::Accepted { .. } => "Accepted",
        Body::Rejected { .. } => "Rejected",
        Body::Heartbeat { .. } => "Heartbeat",
        Body::Alive { .. } => "Alive",
        Body::InstallSnapshot { .. } => "InstallSnapshot",
        Body::ReadIndex { .. } => "ReadIndex",
        Body::ReadGranted { .. } => "ReadGranted",
        Body::Outdated => "Outdated",
    }
}

fn write(write: &Write, entries: &[Entry<Tag>]) -> String {
    match *write {
        Write::Append { first, term, count: 1 } => format!("entry {}", list(term, first, entries)),
        Write::Append { first, term, .. } => format!("entries {}", list(term, first, entries)),
        _ => format!("{write:?}"),
    }
}

fn other(node: NodeId, effect: &Effect) -> String {
    match effect {
        Effect::Arm(timer) => format!("arms {timer:?}"),
        Effect::Disarm(timer) => format!("disarms {timer:?}"),
        Effect::Readable { id, index } => format!("may answer {id:?} from {index} on"),
        Effect::Role { role: RoleName::Leader, term, .. } => format!("is LEADER of t{term}"),
        Effect::Role { role, term, leader } => {
            let of = leader.map_or(String::new(), |leader| format!(" of {leader:?}"));
            format!("is {}{of} in t{term}", role_name(*role))
        }
        Effect::Refused(refusal) => match refusal {
            Refusal::NotLeader { leader: Some(leader) } => format!("refuses: {leader:?} leads"),
            Refusal::NotLeader { leader: None } => "refuses: it knows no leader".to_owned(),
            Refusal::ReadLost { id } => format!("refuses {id:?}: it can't be confirmed"),
            Refusal::TooManyReads { id } => format!("refuses {id:?}: too many wait"),
            Refusal::Snapshot { through } => format!("refuses the snapshot through {through}"),
        },
        _ => format!("{effect:?} (unexpected at {node:?})"),
    }
}

/// The word for a role, in scripts and in lines.
pub const fn role_name(role: RoleName) -> &'static str {
    match role {
        RoleName::Follower => "follower",
        RoleName::PreCandidate => "pre-candidate",
        RoleName::Candidate => "candidate",
        RoleName::Leader => "leader",
    }
}

/// `1.1 ∅, 1.2 x`; a long batch as its two ends.
fn list(term: Term, first: Index, entries: &[Entry<Tag>]) -> String {
    let one = |(position, entry): (usize, &Entry<Tag>)| {
        format!("{:?} {entry:?}", LogId::new(term, first + position as Index))
    };
    let all: Vec<_> = entries.iter().enumerate().map(one).collect();
    shorten(&all, ", ")
}

fn words(entries: &[Entry<Tag>]) -> String {
    let all: Vec<_> = entries.iter().map(|entry| format!("{entry:?}")).collect();
    shorten(&all, " ")
}

fn shorten(all: &[String], between: &str) -> String {
    match all {
        [first, .., last] if all.len() > 5 => format!("{first} … {last} ({} in all)", all.len()),
        _ => all.join(between),
    }
}
