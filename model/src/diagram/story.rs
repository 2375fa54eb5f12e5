//! What there is to draw: rows, and messages from the row of their sending to those of their
//! arrival.

use crate::bounds::Net;
use crate::cluster::{Action, Cluster, State};
use crate::node::{Event, Node, Packet, Stimulus};
use crate::transcript::impossible;
use crate::transcript::taken::{Deed, Lot, Taken, in_words, take, under_way, violated};
use protocol::raft::{RoleName, Rules};
use stateright::actor::{ActorModelAction, Envelope};

/// A diagram's contents.
pub struct Story {
    /// Roles at the start, by server.
    pub roles: Vec<RoleName>,
    /// The rows; the first one is the start.
    pub rows: Vec<Row>,
    /// The messages, in the order in which they were sent.
    pub flights: Vec<Flight>,
    /// What is wrong at the end, a line each.
    pub verdict: Vec<String>,
    /// How each server ends, in short.
    pub ends: Vec<String>,
}

/// One action, or the start.
pub struct Row {
    /// The server at which it happens: for a loss, the one that the message never reaches.
    pub server: usize,
    /// What happens.
    pub what: What,
    /// The server's role from here on.
    pub role: RoleName,
    /// What it changes.
    pub captions: Vec<Caption>,
}

impl Row {
    /// Whether the server does something in it.
    pub const fn is_deed(&self) -> bool {
        matches!(self.what, What::Arrival(_) | What::Mark(..))
    }
}

/// What happens in a row.
#[derive(Clone, PartialEq, Eq)]
pub enum What {
    /// The diagram begins.
    Start,
    /// The flight of this number arrives.
    Arrival(usize),
    /// The flight of this number is lost.
    Loss(usize),
    /// Something else happens to the server.
    Mark(Stimulus, String),
}

/// A short text beside a lifeline.
pub struct Caption {
    /// The text.
    pub text: String,
    /// What kind of news it is.
    pub tone: Tone,
}

/// What kind of news a caption has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Term, log and commit index.
    State,
    /// Something that happened.
    News,
    /// Something that must not happen.
    Alarm,
}

/// A message.
pub struct Flight {
    /// The sender.
    pub src: usize,
    /// The receiver.
    pub dst: usize,
    /// The message.
    pub packet: Packet,
    /// The row of its sending.
    pub sent: usize,
    /// The rows of its arrivals.
    pub arrivals: Vec<usize>,
    /// The row of its loss.
    pub lost: Option<usize>,
    /// Whether it may still arrive.
    live: bool,
}

impl Flight {
    fn is(&self, envelope: &Envelope<Packet>) -> bool {
        self.live
            && self.src == usize::from(envelope.src)
            && self.dst == usize::from(envelope.dst)
            && self.packet == envelope.msg
    }

    /// Whether it neither arrived nor was lost.
    pub fn is_adrift(&self) -> bool {
        self.arrivals.is_empty() && self.lost.is_none()
    }
}

impl Story {
    /// The story of a path.
    pub fn of<R: Rules>(cluster: &Cluster<R>, start: &State<R>, actions: &[Action]) -> Self {
        let nodes = &start.actor_states;
        let roles: Vec<_> = nodes.iter().map(|node| node.replica().raft().role()).collect();
        let mut story = Self {
            rows: vec![Row {
                server: 0,
                what: What::Start,
                role: roles.first().copied().unwrap_or(RoleName::Follower),
                captions: Vec::new(),
            }],
            roles,
            flights: Vec::new(),
            verdict: Vec::new(),
            ends: Vec::new(),
        };
        for envelope in under_way(start) {
            story.send(&envelope, 0);
        }
        let mut state = start.clone();
        for (position, action) in actions.iter().enumerate() {
            match take(cluster, &state, action) {
                Ok(taken) => {
                    story.tell(action, &taken, cluster.bounds.net);
                    state = taken.next;
                }
                Err(why) => {
                    story.verdict.push(impossible(position + 1, action, &why));
                    break;
                }
            }
        }
        let names = violated(cluster, &state).into_iter();
        story.verdict.extend(names.map(|name| format!("violated: {name}")));
        for node in &state.actor_states {
            let me = node.replica().raft().me();
            story.verdict.extend(node.broken.iter().map(|claim| format!("{me:?} BROKEN: {claim}")));
        }
        story.ends = state.actor_states.iter().map(|node| summary(node)).collect();
        story
    }

    fn tell<R: Rules>(&mut self, action: &Action, taken: &Taken<R>, net: Net) {
        let number = self.rows.len();
        let (server, what) = match action {
            ActorModelAction::Deliver { src, dst, msg } => {
                let envelope = Envelope { src: *src, dst: *dst, msg: msg.clone() };
                (usize::from(*dst), What::Arrival(self.arrive(&envelope, number, net)))
            }
            ActorModelAction::Drop(envelope) => {
                (usize::from(envelope.dst), What::Loss(self.lose(envelope, number)))
            }
            ActorModelAction::Timeout(id, stimulus) => {
                let words = taken.deed.as_ref().map(|deed| mark(deed, *stimulus));
                (usize::from(*id), What::Mark(*stimulus, words.unwrap_or_default()))
            }
            _ => return,
        };
        for envelope in &taken.void {
            self.end(envelope);
        }
        if let Some(deed) = &taken.deed {
            for sent in &deed.sent {
                // In a network that repeats messages any sending may be the cause of the next
                // arrival.
                if sent.lot != Lot::Twin || net == Net::Duplicate {
                    self.send(&sent.envelope, number);
                }
                if sent.lot == Lot::Void {
                    self.end(&sent.envelope);
                }
            }
        }
        let role = taken.next.actor_states[server].replica().raft().role();
        let captions = taken.deed.as_ref().map_or_else(Vec::new, captions);
        self.rows.push(Row { server, what, role, captions });
    }

    fn send(&mut self, envelope: &Envelope<Packet>, row: usize) {
        self.flights.push(Flight {
            src: usize::from(envelope.src),
            dst: usize::from(envelope.dst),
            packet: envelope.msg.clone(),
            sent: row,
            arrivals: Vec::new(),
            lost: None,
            live: true,
        });
    }

    /// The flight that the network hands over: the oldest that has not arrived, or the newest once
    /// more.
    fn next(&self, envelope: &Envelope<Packet>) -> usize {
        let fresh = self.flights.iter().position(|flight| {
            let waits = flight.arrivals.is_empty();
            waits && flight.is(envelope)
        });
        fresh
            .or_else(|| self.flights.iter().rposition(|flight| flight.is(envelope)))
            .expect("what the network has was sent")
    }

    fn arrive(&mut self, envelope: &Envelope<Packet>, row: usize, net: Net) -> usize {
        let number = self.next(envelope);
        self.flights[number].arrivals.push(row);
        self.flights[number].live = net == Net::Duplicate;
        number
    }

    fn lose(&mut self, envelope: &Envelope<Packet>, row: usize) -> usize {
        let number = self.next(envelope);
        self.flights[number].lost = Some(row);
        self.end(envelope);
        number
    }

    /// The network has no such message any more.
    fn end(&mut self, envelope: &Envelope<Packet>) {
        for flight in &mut self.flights {
            flight.live &= !flight.is(envelope);
        }
    }
}

/// Term, log and commit index.
fn summary<R: Rules>(node: &Node<R>) -> String {
    let raft = node.replica().raft();
    format!("t{} {:?} commit {}", raft.term(), raft.terms(), raft.commit())
}

/// What a stimulus is called beside the lifeline.
fn mark<R: Rules>(deed: &Deed<R>, stimulus: Stimulus) -> String {
    let (before, after) = (&deed.before, &deed.after);
    match stimulus {
        Stimulus::Disk => match &deed.finished {
            Some(pending) if deed.is_disk_false() => format!("disk lies: {}", in_words(pending)),
            Some(pending) => format!("disk: {}", in_words(pending)),
            None => "disk".into(),
        },
        Stimulus::Crash => match before.pending.len() {
            0 => "crash, nothing forgotten".into(),
            1 => "crash, 1 write forgotten".into(),
            writes => format!("crash, {writes} writes forgotten"),
        },
        Stimulus::Propose => {
            let log = after.replica().log();
            match log.get(log.last()) {
                Some(entry) if log.last() > before.replica().log().last() => {
                    format!("client proposes {entry:?}")
                }
                _ => "client proposes".into(),
            }
        }
        Stimulus::Read => {
            let asked = deed.events.iter().find_map(|event| match event {
                Event::Asked { id } => Some(format!("client asks for {id:?}")),
                _ => None,
            });
            asked.unwrap_or_else(|| "client reads".into())
        }
        Stimulus::Compact => format!("snapshot {:?}", after.replica().raft().terms().snapshot()),
        other => format!("{other:?}"),
    }
}

/// What a step changed, in short.
fn captions<R: Rules>(deed: &Deed<R>) -> Vec<Caption> {
    let mut captions = Vec::new();
    let state = summary(&deed.after);
    if state != summary(&deed.before) {
        captions.push(Caption { text: state, tone: Tone::State });
    }
    let news = deed.events.iter().filter_map(|event| match event {
        Event::Readable { id, index } => Some(format!("{id:?} may be answered at {index}")),
        Event::ReadLost { id } => Some(format!("{id:?} given up")),
        Event::Restored { id, .. } => Some(format!("takes snapshot {id:?}")),
        Event::StaleSnapshot => Some("snapshot not needed".into()),
        Event::Overwrote => Some("entries overwritten".into()),
        Event::LostQuorum => Some("lost its quorum".into()),
        Event::Told { ticket, .. } => Some(format!("caller {ticket} is told")),
        Event::Passed { to, ticket } => Some(format!("what {ticket} wants goes on to {to:?}")),
        Event::Again { ticket } => Some(format!("what {ticket} wants is submitted again")),
        Event::Asked { .. }
        | Event::AskedAgain
        | Event::Crashed { .. }
        | Event::CompactedLate { .. } => None,
    });
    captions.extend(news.map(|text| Caption { text, tone: Tone::News }));
    if deed.after.broken.is_some() && deed.before.broken.is_none() {
        captions.push(Caption { text: "BROKEN".into(), tone: Tone::Alarm });
    }
    captions
}
