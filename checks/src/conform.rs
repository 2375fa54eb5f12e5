//! `checks replay DIR…`: is what the threads did a behaviour of the model? The traces of a cluster's nodes
//! ([`quorate::trace`]) are taken step by step through the same functions that the models check.
//!
//! Each node's inputs go into a machine of its own, and what comes out must be what was noted: the same effects, the
//! same protocol state behind each step, the same store behind each batch, the same file for each snapshot. That
//! alone would believe any input. So each must also be one that the model allows:
//!
//! - a message was sent to this node, by the node that it is said to come from, once for each time that it came, and
//!   its entries are the ones that its sender had written; an answer to a command that was passed on, likewise. Where
//!   the network copies messages of Raft ([`Network`]) they come more often than they were sent, but none that was not;
//! - writes become durable that were asked for, in their order; a timer fires that was armed;
//! - a restart finds what was durable, and of what was under way to the disk the first so many writes, or none; its
//!   snapshot is the state that the service had there, and it gives its reads new numbers;
//! - a snapshot is compacted to, or installed, that was made;
//! - two nodes commit the same entries, and two entries of one term and index are the same;
//! - a read is answered from a state that is not older than what any node had committed before the read came, by the
//!   clock that the nodes of one machine share: this hangs on no rule of the protocol.
//!
//! In a sharded cluster each node has several servers, of the controller and of groups, with a trace each
//! ([`trace::place`]). They are replayed together, each group by itself.
//!
//! Nodes take turns: one goes on until the next message that it hears was not sent yet. If none can go on, one of these
//! messages may be a part of a longer one that was sent; if none is, the first of them was sent by nobody. Where a
//! node's folder is not given, what it sent is believed.

mod beside;
mod crew;
mod letters;
mod node;
mod post;
mod sharded;
mod window;

use beside::{Beside, Desk, Mover, Nothing};
use crew::{Crew, Servers};
use protocol::NodeId;
use protocol::raft;
use protocol::rsm::{Decided, Rules};
use quorate::kv::Kv;
use quorate::rsm::StateMachine;
use quorate::shardctl::Shardctl;
use quorate::shardkv::Shardkv;
use quorate::trace;
use serde::Serialize;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// Why traces are refused.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// A file of them can't be used.
    #[error(transparent)]
    Trace(#[from] trace::Error),
    /// They don't belong together.
    #[error("{0}")]
    Folders(String),
    /// What they say is not what the machine does, or not what can have happened.
    #[error("{server} life {life} step {step}, in the batch at byte {offset} of {}: {what}", path.display())]
    Step {
        /// Whose trace, in words.
        server: Rc<str>,
        /// Which life.
        life: u64,
        /// Which step of it, from 1 on; 0 is its start.
        step: u64,
        /// The file.
        path: PathBuf,
        /// Where the batch begins, in bytes.
        offset: u64,
        /// What differs.
        what: String,
    },
}

/// What the network between the servers may have done with Raft's messages, beside losing them. It makes none up, and
/// commands that are passed on, and their answers, come once on any.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Network {
    /// Nothing: a message comes once at the most for each time that it was sent. So do those of `quorate server`.
    #[default]
    Once,
    /// It has copied some: what was sent comes any number of times. Raft stands that, and the labs' harsh network does
    /// it.
    Copies,
}

/// What was replayed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// By node.
    pub nodes: Vec<NodeSummary>,
    /// Messages that were received, and matched with the sending.
    pub messages: u64,
    /// How many of them the network has made from others.
    pub copies: u64,
    /// Commands that were passed on, and matched; and answers to them.
    pub passed: u64,
    /// Entries that were committed, each compared between all nodes that applied it.
    pub entries: u64,
    /// Reads whose window was looked at.
    pub reads: u64,
    /// Reads without a clock that all nodes share.
    pub reads_without_clock: u64,
    /// Nodes of the group whose folders were not given: what they sent is believed.
    pub absent: Vec<u8>,
    /// Of a sharded cluster: letters between groups and the controller that came, and were matched with the sending.
    #[serde(skip_serializing_if = "is_zero")]
    pub letters: u64,
    /// What the movers of groups' leaders were told, and have made the same of.
    #[serde(skip_serializing_if = "is_zero")]
    pub moves: u64,
    /// Of a sharded cluster, its groups, each with its servers. The figures above are those of all of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<GroupSummary>,
}

/// Serde asks by reference.
#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
const fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl Summary {
    /// How many steps were taken, of all servers.
    pub fn steps(&self) -> u64 {
        let own: u64 = self.nodes.iter().map(|node| node.steps).sum();
        own + self.groups.iter().map(|group| group.servers.steps()).sum::<u64>()
    }
}

/// What was replayed of one group of a sharded cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct GroupSummary {
    /// Which: `the controller`, or `group 1` and so on.
    pub name: String,
    /// Of its servers.
    pub servers: Summary,
}

/// What was replayed of one node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct NodeSummary {
    /// Its number.
    pub node: u8,
    /// How often it was started.
    pub lives: u64,
    /// How many of its lives end within a batch, of which nobody has seen anything: it was killed.
    pub torn: u64,
    /// Batches.
    pub batches: u64,
    /// Steps.
    pub steps: u64,
    /// Snapshots whose files were compared.
    pub snapshots: u64,
}

/// Replays the traces of a cluster: a folder for each node. It is one of the store, or a sharded one.
///
/// # Errors
/// The first thing that differs, or that can't have happened.
pub fn replay(folders: &[PathBuf], network: Network) -> Result<Summary, Refusal> {
    match sharded::groups(folders)? {
        Some(groups) => sharded::replay(&groups, network),
        None => replay_by(folders, &Kv::new(), (raft::Paper, Decided), network),
    }
}

/// The same for one group of another service, or by other rules.
///
/// # Errors
/// As above.
pub fn replay_by<S: StateMachine, R: raft::Rules, W: Rules>(
    folders: &[PathBuf],
    empty: &S,
    rules: (R, W),
    network: Network,
) -> Result<Summary, Refusal> {
    alone(folders, empty, rules, network, |_| Box::new(Nothing))
}

/// The same for the controller's servers alone; letters are believed.
///
/// # Errors
/// As above.
pub fn replay_controller<R: raft::Rules, W: Rules>(
    folders: &[PathBuf],
    empty: &Shardctl,
    rules: (R, W),
    network: Network,
) -> Result<Summary, Refusal> {
    alone(folders, empty, rules, network, |me| Box::new(Desk::new(me)))
}

/// The same for the servers of one group of the sharded store alone; letters are believed.
///
/// # Errors
/// As above.
pub fn replay_group<R: raft::Rules, W: Rules>(
    folders: &[PathBuf],
    empty: &Shardkv,
    rules: (R, W),
    network: Network,
) -> Result<Summary, Refusal> {
    let gid = u32::try_from(empty.0.gid().0).expect("a group's number is small");
    alone(folders, empty, rules, network, |me| Box::new(Mover::new(gid, me)))
}

/// One group without any other; `beside` makes what a node's server does beside its machine.
fn alone<S: StateMachine, R: raft::Rules, W: Rules>(
    folders: &[PathBuf],
    empty: &S,
    rules: (R, W),
    network: Network,
    beside: impl Fn(NodeId) -> Box<dyn Beside<S, R, W>>,
) -> Result<Summary, Refusal> {
    let servers = Servers::open(folders, None, empty, rules, network, beside)?;
    let mut crews: [Box<dyn Crew>; 1] = [Box::new(servers)];
    crew::run(&mut crews)?;
    crews[0].judge()
}

/// Whether a replay of this is one of traces, and not of a saved path.
pub fn is_trace(path: &Path) -> bool {
    path.is_dir()
}

/// The summary for people.
pub fn text(summary: &Summary) -> String {
    let mut text = String::new();
    for GroupSummary { name, servers } in &summary.groups {
        let _ = writeln!(text, "{name}");
        self::text(servers).lines().for_each(|line| text.extend(["  ", line, "\n"]));
    }
    if !summary.groups.is_empty() {
        text += "all together\n";
    }
    for node in &summary.nodes {
        let NodeSummary { node, lives, torn, batches, steps, snapshots } = node;
        let _ = writeln!(
            text,
            "node {node}: {lives} lives, {batches} batches, {steps} steps, {snapshots} snapshots: as the machine does"
        );
        if *torn > 0 {
            let _ = writeln!(text, "  {torn} of its lives end within a batch that nobody saw");
        }
    }
    let Summary { messages, copies, passed, entries, reads, .. } = summary;
    let _ = writeln!(
        text,
        "{messages} messages and {passed} passed commands and answers were sent; {entries} entries are committed, \
         the same everywhere; {reads} reads were answered within their windows"
    );
    if *copies > 0 {
        let _ = writeln!(text, "{copies} of the messages are the network's copies of others");
    }
    if summary.reads_without_clock > 0 {
        let _ = writeln!(
            text,
            "{} reads have no clock in common with others: their windows were not looked at",
            summary.reads_without_clock
        );
    }
    if summary.letters > 0 {
        let Summary { letters, moves, .. } = summary;
        let _ = writeln!(
            text,
            "{letters} letters were sent; movers were told {moves} things, and did as the machine does"
        );
    }
    for node in &summary.absent {
        let _ = writeln!(text, "node {node} has no folder here: what it sent is believed");
    }
    text
}
