//! The servers of one group; and of the servers of all groups, who goes on next.

use super::beside::Beside;
use super::letters::Letters;
use super::node::{Node, Stop};
use super::post::Shared;
use super::{Network, Refusal, Summary};
use protocol::rsm::Rules;
use protocol::{NodeId, raft};
use quorate::rsm::StateMachine;
use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;

/// A group's servers, whatever its service.
pub trait Crew {
    /// How many there are.
    fn len(&self) -> usize;

    /// Of which cluster they are.
    fn cluster(&self) -> u128;

    /// Whether all of one's trace was replayed.
    fn is_over(&self, at: usize) -> bool;

    /// When the batch began in which one goes on.
    fn time(&self, at: usize) -> u64;

    /// How many lines one has taken.
    fn lines(&self, at: usize) -> u64;

    /// Lets one go on to the end of its batch, or to what was not sent yet. Whether the next message that it hears may
    /// be a part of a longer one is said.
    fn go_on(&mut self, at: usize, takes_part: bool) -> Result<(), Stop>;

    /// Whether all of the group's servers are here.
    fn is_whole(&self) -> bool;

    /// By what letters go between groups.
    fn write_by(&mut self, letters: &Rc<RefCell<Letters>>);

    /// What was replayed, when all of it was.
    fn judge(&mut self) -> Result<Summary, Refusal>;
}

/// A group's servers.
pub struct Servers<S: StateMachine, R, W> {
    nodes: Vec<Node<S, R, W>>,
    voters: Vec<NodeId>,
    shared: Shared<S>,
}

impl<S: StateMachine, R: raft::Rules, W: Rules> Servers<S, R, W> {
    /// Those with traces in these folders. `whose` is the group's place in its nodes' logs and its name, if it has one.
    pub fn open(
        folders: &[PathBuf],
        whose: Option<(u32, &str)>,
        empty: &S,
        rules: (R, W),
        network: Network,
        beside: impl Fn(NodeId) -> Box<dyn Beside<S, R, W>>,
    ) -> Result<Self, Refusal> {
        let open = |folder: &PathBuf| Node::open(folder, whose, empty, rules, &beside);
        let mut nodes: Vec<Node<S, R, W>> = folders.iter().map(open).collect::<Result<_, _>>()?;
        nodes.sort_by_key(Node::number);
        let voters = belong_together(&nodes)?;
        let present: Vec<NodeId> = nodes.iter().map(Node::number).collect();
        Ok(Self { nodes, voters, shared: Shared::new(&present, network) })
    }

    /// Those of the group whose folders were not given.
    fn absent(&self) -> impl Iterator<Item = NodeId> {
        let is_here = |node: &NodeId| self.nodes.iter().any(|there| there.number() == *node);
        self.voters.iter().copied().filter(move |node| !is_here(node))
    }
}

impl<S: StateMachine, R: raft::Rules, W: Rules> Crew for Servers<S, R, W> {
    fn len(&self) -> usize {
        self.nodes.len()
    }

    fn cluster(&self) -> u128 {
        self.nodes.first().map_or(0, |node| node.group().0)
    }

    fn is_over(&self, at: usize) -> bool {
        self.nodes[at].is_over()
    }

    fn time(&self, at: usize) -> u64 {
        self.nodes[at].time()
    }

    fn lines(&self, at: usize) -> u64 {
        self.nodes[at].lines()
    }

    fn is_whole(&self) -> bool {
        self.absent().next().is_none()
    }

    fn write_by(&mut self, letters: &Rc<RefCell<Letters>>) {
        self.shared.letters = Rc::clone(letters);
    }

    fn go_on(&mut self, at: usize, takes_part: bool) -> Result<(), Stop> {
        self.shared.takes_part = takes_part;
        let gone = self.nodes[at].go_on(&mut self.shared);
        self.shared.forget(self.nodes.iter().map(Node::snapshot).min().unwrap_or(0));
        gone
    }

    fn judge(&mut self) -> Result<Summary, Refusal> {
        let window = std::mem::take(&mut self.shared.window);
        let (reads, reads_without_clock) = window.judge()?;
        let shared = &self.shared;
        Ok(Summary {
            nodes: self.nodes.iter().map(Node::summary).collect(),
            messages: shared.messages,
            copies: shared.copies(),
            passed: shared.passed,
            entries: shared.committed(),
            reads,
            reads_without_clock,
            absent: self.absent().map(|node| node.0).collect(),
            ..Summary::default()
        })
    }
}

/// The voters of the group, of which each folder has another.
fn belong_together<S: StateMachine, R: raft::Rules, W: Rules>(
    nodes: &[Node<S, R, W>],
) -> Result<Vec<NodeId>, Refusal> {
    let Some(first) = nodes.first() else {
        return Err(Refusal::Folders("name at least one folder with a trace".into()));
    };
    for pair in nodes.windows(2) {
        if pair[0].number() == pair[1].number() {
            let (one, other) = (pair[0].folder().display(), pair[1].folder().display());
            let text = format!("{one} and {other} are both of node {}", pair[0].number().0);
            return Err(Refusal::Folders(text + ": name each node's folder once"));
        }
        if pair[0].group() != pair[1].group() {
            let (one, other) = (pair[0].folder().display(), pair[1].folder().display());
            let text = format!("{one} and {other} are of different clusters");
            return Err(Refusal::Folders(text + ": name the folders of one"));
        }
    }
    Ok(first.voters())
}

/// One of all servers.
struct Seat {
    crew: usize,
    at: usize,
    /// Why it can't go on for now.
    waits: Option<Refusal>,
    /// It waits for a letter, which another group may send.
    for_letter: bool,
    /// It can't even if what it hears was cut into parts.
    stuck: bool,
}

/// Lets all go on until their traces are over: who has come least far in time goes first.
///
/// # Errors
/// The first thing that differs, or that can't have happened.
pub fn run(crews: &mut [Box<dyn Crew>]) -> Result<(), Refusal> {
    let mut seats = Vec::new();
    for (crew, servers) in crews.iter().enumerate() {
        let seat = |at| Seat { crew, at, waits: None, for_letter: false, stuck: false };
        seats.extend((0..servers.len()).map(seat));
    }
    loop {
        let first = |may: &dyn Fn(&Seat) -> bool| {
            let open = |seat: &Seat| !crews[seat.crew].is_over(seat.at) && may(seat);
            let open = seats.iter().enumerate().filter(|(_, seat)| open(seat));
            open.min_by_key(|(_, seat)| crews[seat.crew].time(seat.at)).map(|(place, _)| place)
        };
        let ready = first(&|seat| seat.waits.is_none());
        let takes_part = ready.is_none();
        let Some(next) = ready.or_else(|| first(&|seat| !seat.stuck)) else {
            return match first(&|_| true).and_then(|place| seats[place].waits.take()) {
                Some(nobody) => Err(nobody),
                None => Ok(()),
            };
        };
        let (crew, at) = (seats[next].crew, seats[next].at);
        let before = crews[crew].lines(at);
        let stopped = match crews[crew].go_on(at, takes_part) {
            Ok(()) => None,
            Err(Stop::Refused(refusal)) => return Err(refusal),
            Err(Stop::Unheard(nobody)) => Some((nobody, false)),
            Err(Stop::Unread(nobody)) => Some((nobody, true)),
        };
        if stopped.is_none() || crews[crew].lines(at) > before {
            for seat in seats.iter_mut().filter(|seat| seat.crew == crew || seat.for_letter) {
                (seat.waits, seat.for_letter, seat.stuck) = (None, false, false);
            }
        } else {
            seats[next].stuck = takes_part;
        }
        if let Some((nobody, for_letter)) = stopped {
            (seats[next].waits, seats[next].for_letter) = (Some(nobody), for_letter);
        }
    }
}
