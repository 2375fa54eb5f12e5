//! What a run of groups on Raft may do.

use crate::bounds::{Bounds as ServerBounds, Net};
use crate::cluster::Cluster;
use crate::shardkv::{Plan, Program};
use crate::system::{System, within};
use protocol::kv::{Bytes, Limits, Seq, SlotId, Work};
use protocol::raft::Paper;
use protocol::shardkv::mover::Settings;
use serde::{Deserialize, Serialize};

/// What moves: one slot, once, from the first group to the second.
pub const PLAN: Plan = Plan::There;

/// What the client calls.
pub const PROGRAM: Program = Program::Twice;

/// More than any run uses.
pub const LIMITS: Limits = Limits { clients: 4, tick_keys: 1_000_000, ..Limits::DEFAULT };

/// The slot goes in one part, and is stopped behind that.
pub(super) const SETTINGS: Settings =
    Settings { slots: 1, parts: 1, part_bytes: 1 << 20, little_bytes: usize::MAX, copies: 0 };

/// How messages between servers of a group travel.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Links {
    /// As the servers' bounds say.
    Any,
    /// RED-LINKS. Over connections: each is as late as it likes, and keeps its order.
    InOrder,
    /// RED-LINKS. Over connections of which only those from the first server, and the one to it from the second, are
    /// ever late. Over the others all arrives in the step in which it was sent.
    FirstIsSlow,
    /// The same are late, but they keep no order: what is late may be overtaken, or be lost.
    FirstIsOvertaken,
}

impl Links {
    /// Whether what a server sends another arrives at once.
    pub(super) const fn is_quick(self, from: usize, to: usize) -> bool {
        let first_only = matches!(self, Self::FirstIsSlow | Self::FirstIsOvertaken);
        first_only && from > 0 && (from > 1 || to > 0)
    }

    /// Whether what one server sends another arrives in that order.
    pub(super) const fn keep_order(self) -> bool {
        matches!(self, Self::InOrder | Self::FirstIsSlow)
    }
}

/// What may happen in a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Bounds {
    /// To the servers of each group: of the giver, and of the taker. They take no commands but those of clients and
    /// movers. The first server of each has led the first term from before the beginning.
    pub servers: [ServerBounds; 2],
    /// How often the client hands a call to a server, in all; besides the first call, which was made and answered
    /// before the beginning.
    pub sends: u8,
    /// How often a server is asked what the key has, in all; of each group, one of its bounds' `readers`.
    pub reads: u8,
    /// How messages travel in a group.
    pub links: Links,
    /// The network between the groups.
    pub letters: Net,
    /// Whether disks finish what they are asked to at once.
    pub quick_disks: bool,
    /// Whether what a mover proposes waits in its server's mailbox, and may come to the server when that does not lead
    /// any more.
    pub mailbox: bool,
    /// From every so many states, the fair schedule must bring everything to its end; 0 for none.
    pub settle_every: u64,
}

/// A call by its number.
pub(super) fn call(seq: Seq) -> Work {
    PROGRAM.work(0, seq).1
}

/// The key that is written.
pub(super) fn key() -> Bytes {
    match call(1) {
        Work::Command(command) => command.key,
        _ => unreachable!("a client calls commands"),
    }
}

/// The slot that moves.
pub(super) fn slot() -> SlotId {
    key().slot()
}

/// Refuses bounds that no model can have. The error says what to write instead.
pub fn validate(bounds: &Bounds) -> Result<(), String> {
    for servers in &bounds.servers {
        <Cluster<Paper> as System>::validate(servers)?;
        within("servers", servers.servers as u64, 1, 3)?;
        within("max_term", servers.max_term, 1, 100)?;
        within("max_log", servers.max_log, 0, 0)?;
        within("reads of the servers' own", servers.reads.into(), 0, 0)?;
        within("compactions", servers.compactions.into(), 0, 0)?;
        within("losses", servers.losses.into(), 0, 0)?;
        if servers.net == Net::Duplicate && bounds.links != Links::Any {
            return Err("a connection does not double: set links=any, or net=reorder".into());
        }
        if servers.pre_vote || servers.check_quorum {
            return Err(
                "elections begin by Campaign here: leave out pre_vote and check_quorum".into()
            );
        }
    }
    if bounds.quick_disks && bounds.servers.iter().any(|servers| servers.crashes > 0) {
        return Err(
            "a crash that forgets nothing is none: set quick_disks=false, or crashes=0".into()
        );
    }
    Ok(())
}

/// The servers of each group, what the client does, and what is special.
pub fn bounds_text(bounds: &Bounds) -> String {
    let [giver, taker] = bounds.servers.map(|one| {
        let reads = if one.readers.is_empty() { 0 } else { bounds.reads };
        Cluster::<Paper>::bounds_text(&ServerBounds { reads, ..one }).replace(" 0L", "")
    });
    let mut text = format!("{giver} → {taker} {}×", bounds.sends);
    let words = [
        (bounds.links == Links::InOrder, "in-order"),
        (bounds.links == Links::FirstIsSlow, "n0-slow"),
        (bounds.links == Links::FirstIsOvertaken, "n0-overtaken"),
        (bounds.letters == Net::Duplicate, "letters-dup"),
        (bounds.quick_disks, "quick"),
        (bounds.mailbox, "mailbox"),
    ];
    for (_, word) in words.iter().filter(|(on, _)| *on) {
        text.push(' ');
        text.push_str(word);
    }
    text
}
