//! What servers say to each other, what may happen to a server, and what it asks its driver to do.

use crate::types::{Index, LogId, NodeId, ReadId, SnapshotId, Term, Write};

/// A message between two servers of one group.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Message {
    /// The sender's current term. A later one makes the receiver a follower of that term; an earlier one
    /// makes the message void (§5.1).
    pub term: Term,
    /// What it says.
    pub body: Body,
}

/// What a message says.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Body {
    /// Would you vote for me in the term behind this one? (dissertation §9.6)
    PreVote {
        /// The asker's last entry.
        last: LogId,
    },
    /// I would.
    PreVoteGranted,
    /// Vote for me in this term (§5.2).
    RequestVote {
        /// The candidate's last entry.
        last: LogId,
    },
    /// You have my vote in this term, and my disk knows.
    VoteGranted,
    /// `count` entries of term `run` follow the entry `prev` in my log (§5.3). All of one term: a batch
    /// ends where a run ends.
    AppendEntries {
        /// The entry in front of the first new one.
        prev: LogId,
        /// Term of the entries; `prev.term` if there are none.
        run: Term,
        /// How many entries.
        count: u32,
        /// The leader's commit index.
        commit: Index,
    },
    /// My log equals yours up to `matched`, and my disk knows.
    Accepted {
        /// Index of the last entry that is known to be equal.
        matched: Index,
    },
    /// My log does not have the entry at `prev` that you named.
    Rejected {
        /// Index of the entry that was asked for.
        prev: Index,
        /// My last entry that could be in your log, as far as I can tell from `prev`.
        hint: LogId,
    },
    /// I lead this term. Promises nothing about the log.
    Heartbeat {
        /// What is committed, as far as the receiver's log is known to reach.
        commit: Index,
        /// The leader's latest round of reads (see [`Body::Alive`]).
        round: u64,
    },
    /// When I heard that heartbeat you led this term. Promises nothing about my disk.
    Alive {
        /// The round that the heartbeat carried.
        round: u64,
    },
    /// My log is compacted beyond what you need: here is a snapshot (§7). It is delivered when its file
    /// is complete and durable at the receiver; chunks are the transport's business.
    InstallSnapshot {
        /// What the snapshot covers.
        id: SnapshotId,
    },
    /// Up to which index must I have applied to answer this read? (dissertation §6.4)
    ReadIndex {
        /// The asker's name for the read.
        id: ReadId,
    },
    /// Up to `index`, and I still led the term after you asked.
    ReadGranted {
        /// The asker's name for the read.
        id: ReadId,
        /// What was committed when the question arrived.
        index: Index,
    },
    /// Your term is over: mine is later.
    Outdated,
}

impl Message {
    /// Whether an honest server could have sent it in some state. A driver's decoder checks the bytes; this
    /// checks the numbers, so that none of them can overflow or contradict itself inside a step.
    pub const fn is_well_formed(&self) -> bool {
        const fn id(id: LogId) -> bool {
            (id.term == 0) == (id.index == 0) && id.index <= MAX_INDEX
        }
        match self.body {
            Body::PreVote { last } | Body::RequestVote { last } => {
                id(last) && last.term <= self.term
            }
            Body::AppendEntries { prev, run, count, commit } => {
                let grows =
                    count == 0 && run == prev.term || count > 0 && run >= prev.term && run > 0;
                id(prev) && grows && run <= self.term && commit <= MAX_INDEX
            }
            Body::Accepted { matched } => matched <= MAX_INDEX,
            Body::Rejected { prev, hint } => prev <= MAX_INDEX && id(hint) && hint.index <= prev,
            Body::Heartbeat { commit, .. } => commit <= MAX_INDEX,
            Body::InstallSnapshot { id: snapshot } => {
                let LogId { term, index } = snapshot.last;
                id(snapshot.last) && index > 0 && term <= self.term && snapshot.runs <= index
            }
            Body::ReadGranted { index, .. } => index <= MAX_INDEX,
            Body::PreVoteGranted
            | Body::VoteGranted
            | Body::Alive { .. }
            | Body::ReadIndex { .. }
            | Body::Outdated => true,
        }
    }
}

impl Message {
    /// The same AppendEntries as two, the first with `count` of the entries; None if it does not have more. A leader
    /// could have sent them so itself, for a batch ends where it likes; a driver with bounded frames does.
    pub const fn split(&self, count: u32) -> Option<(Self, Self)> {
        let Body::AppendEntries { prev, run, count: all, commit } = self.body else { return None };
        if count == 0 || count >= all {
            return None;
        }
        let middle = LogId::new(run, prev.index + count as Index);
        let (term, rest) = (self.term, all - count);
        let first = Body::AppendEntries { prev, run, count, commit };
        let second = Body::AppendEntries { prev: middle, run, count: rest, commit };
        Some((Self { term, body: first }, Self { term, body: second }))
    }
}

/// No index and no term goes beyond this: a million a second would take 146,000 years.
const MAX_INDEX: Index = 1 << 62;

impl Body {
    /// Whether the sender acts as the leader of the message's term.
    pub const fn is_from_leader(&self) -> bool {
        matches!(
            self,
            Self::AppendEntries { .. } | Self::Heartbeat { .. } | Self::InstallSnapshot { .. }
        )
    }

    /// Whether an asker waits for an answer, so that a server of a later term owes it one.
    pub const fn is_request(&self) -> bool {
        self.is_from_leader()
            || matches!(
                self,
                Self::PreVote { .. } | Self::RequestVote { .. } | Self::ReadIndex { .. }
            )
    }
}

/// A named timer. Durations and jitter are the driver's; in the model an armed timer may fire any time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Timer {
    /// No leader for an election timeout, chosen at random anew each time: ask to become one.
    Election,
    /// The *minimum* election timeout since a leader was last heard: pre-votes may be granted again.
    Contact,
    /// A leader's period of heartbeats.
    Heartbeat,
    /// A leader's election timeout: was a quorum heard within it? (dissertation §6.2, CheckQuorum)
    Quorum,
}

/// What may happen to a server.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Input {
    /// The server has just been built from its disk: it arms its timer.
    Start,
    /// A message arrived, whole.
    Message {
        /// The sender, as the transport knows it.
        from: NodeId,
        /// The message.
        message: Message,
    },
    /// A timer fired. It is no longer armed.
    Timer(Timer),
    /// A client's commands, `count` of them.
    Propose {
        /// How many commands.
        count: u32,
    },
    /// A client's linearizable read. The server never uses this id again.
    Read {
        /// Its name.
        id: ReadId,
    },
    /// The service's snapshot of everything through `through` is durable in its file.
    Compact {
        /// Index of the last entry it covers; applied, hence committed.
        through: Index,
    },
    /// Ask for votes at once, without a pre-vote. This is how a leader will hand over (TimeoutNow,
    /// dissertation §3.10); in models it stands for every pre-vote that could succeed.
    Campaign,
}

/// Which role a server has.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum RoleName {
    /// Follows a leader, or waits for one.
    Follower,
    /// Asks whether an election could succeed.
    PreCandidate,
    /// Asks for votes.
    Candidate,
    /// Leads its term.
    Leader,
}

/// Why a request of the driver was not carried out. Nothing of it has happened or will.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Refusal {
    /// Commands go to the leader, and this server is not it.
    NotLeader {
        /// The leader of this server's term, if it has heard of one.
        leader: Option<NodeId>,
    },
    /// This read can't be confirmed: there is no leader, or it changed. A retry takes a new id.
    ReadLost {
        /// The read.
        id: ReadId,
    },
    /// Too many reads wait already. The driver tells its client to come back.
    TooManyReads {
        /// The read.
        id: ReadId,
    },
    /// The snapshot does not go beyond the one that stands, or covers what is not committed.
    Snapshot {
        /// Index of the last entry that it would have covered.
        through: Index,
    },
}

/// What a server asks its driver to do, in order.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Effect {
    /// Send now (the fast lane).
    Send {
        /// To whom.
        to: NodeId,
        /// What.
        message: Message,
    },
    /// Make durable. Writes are finished in the order in which they were asked for.
    Write(Write),
    /// Send when every write so far is durable (the slow lane). To itself: an input, once the present
    /// list of effects is finished.
    AfterDisk {
        /// To whom.
        to: NodeId,
        /// What.
        message: Message,
    },
    /// Everything through this index is committed: apply it in order.
    Commit {
        /// Index of the last committed entry.
        through: Index,
    },
    /// Start the timer anew.
    Arm(Timer),
    /// Stop the timer.
    Disarm(Timer),
    /// The commands of [`Input::Propose`] are in the leader's log. Whether they will be committed is open.
    Proposed {
        /// The first one's identity; the others follow in the same term.
        first: LogId,
        /// How many.
        count: u32,
    },
    /// A request of the driver was not carried out.
    Refused(Refusal),
    /// The read may be answered from any state that has applied `index`.
    Readable {
        /// The read.
        id: ReadId,
        /// What must have been applied.
        index: Index,
    },
    /// Replace the service's state by the received snapshot.
    Restore {
        /// What the snapshot covers.
        id: SnapshotId,
    },
    /// The server's role, term or leader changed.
    Role {
        /// The role now.
        role: RoleName,
        /// The term now.
        term: Term,
        /// The leader of the term, if known.
        leader: Option<NodeId>,
    },
}
