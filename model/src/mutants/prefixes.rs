//! Named, replayable stretches of allowed actions: a deep mutant is hunted from where they end. Each step
//! is picked by what it says (see [`crate::script`]); the hunt's control follows them with the right rules.

/// n0 gets n1's vote and leads term 1; its no-op is on no disk yet.
pub(super) const N0_LEADS_1: &[&str] =
    &["n0 campaign", "n0 disk", "n0→n1 RequestVote", "n1 disk", "n1→n0 VoteGranted"];

/// n1 has the no-op of term 1 and says so.
pub(super) const N1_HAS_NO_OP: &[&str] = &["n0→n1 t1 AppendEntries", "n1 disk", "n1→n0 Accepted"];

/// n2 as well.
pub(super) const N2_HAS_NO_OP: &[&str] =
    &["n0→n2 t1 AppendEntries", "n2 disk", "n2 disk", "n2→n0 Accepted"];

/// n0 takes a command.
pub(super) const N0_PROPOSES: &[&str] = &["n0 client proposes"];

/// A write of n0 becomes durable.
pub(super) const N0_DISK: &[&str] = &["n0 disk"];

/// n1 gets n2's vote and leads term 2.
pub(super) const N1_LEADS_2: &[&str] =
    &["n1 campaign", "n1 disk", "n1→n2 t2 RequestVote", "n2 disk", "n2→n1 t2 VoteGranted"];

/// n1 and n2 have the no-op of term 2, and n1 knows.
pub(super) const N1_COMMITS_2: &[&str] =
    &["n1 disk", "n1→n2 t2 AppendEntries", "n2 disk", "n2→n1 t2 Accepted"];

/// Figure 8 (b): n2 leads term 2 with n1's vote and has an entry of its own.
pub(super) const N2_LEADS_2: &[&str] = &[
    "n2 campaign",
    "n2 campaign",
    "n2 disk",
    "n2 disk",
    "n2→n1 t2 RequestVote",
    "n1 disk",
    "n1→n2 t2 VoteGranted",
    "n2 disk",
];

/// Figure 8 (c): n0 learns of term 2 and leads term 3 with n1's vote; n2's entry is on n2's disk alone.
pub(super) const N0_LEADS_3: &[&str] = &[
    "n2→n0 t2 RequestVote",
    "n0 disk",
    "n0 campaign",
    "n0 disk",
    "n0→n1 t3 RequestVote",
    "n1 disk",
    "n1→n0 t3 VoteGranted",
];

/// Figure 8 (c), end: n1 has the old entry of term 1 as well, and n0 hears it.
pub(super) const N0_SPREADS_OLD: &[&str] = &[
    "n0→n1 t3 AppendEntries prev 1.1",
    "n1→n0 t3 Rejected",
    "n0→n1 t3 AppendEntries prev 0.0",
    "n1 disk",
    "n1→n0 t3 Accepted",
];

/// Figure 8 (d): n2 asks for votes in term 4.
pub(super) const N2_RUNS_4: &[&str] =
    &["n0→n2 t3 RequestVote", "n2 disk", "n2 campaign", "n2 disk"];

/// n0 tells n1 what is committed.
pub(super) const N0_BEATS: &[&str] = &["n0 Heartbeat timer", "n0→n1 Heartbeat"];

/// n0's log of one entry becomes a snapshot; n2 has not seen the entry.
pub(super) const N0_COMPACTS: &[&str] = &["n0 snapshot", "n0 disk"];

/// n2 gets the no-op and loses it again before its disk has it.
pub(super) const N2_FORGETS_NO_OP: &[&str] = &["n0→n2 t1 AppendEntries", "n2 crash"];

/// As [`N1_LEADS_2`], its snapshot's record being pending.
pub(super) const N1_LEADS_2_COMPACTED: &[&str] = &[
    "n1 disk",
    "n1 campaign",
    "n1 disk",
    "n1→n2 t2 RequestVote",
    "n2 disk",
    "n2→n1 t2 VoteGranted",
];

/// n0 leads term 1 after a pre-vote, and n1 and n2 follow it.
pub(super) const N0_LEADS_1_ASKING: &[&str] = &[
    "n0 Election timer",
    "n0→n1 PreVote",
    "n1→n0 PreVoteGranted",
    "n0 disk",
    "n0→n1 RequestVote",
    "n1 disk",
    "n1→n0 VoteGranted",
    "n0→n1 AppendEntries",
    "n0→n2 AppendEntries",
];

/// n1's log of one entry becomes a snapshot.
pub(super) const N1_COMPACTS: &[&str] = &["n1 snapshot"];

/// n0 reads, and n1 answers its round.
pub(super) const N0_READS: &[&str] =
    &["n0 client reads", "n0→n1 Heartbeat round 1", "n1→n0 Alive round 1"];

/// n1 asks n0 for a read, and n2 confirms n0's round; the grant is under way.
pub(super) const N1_ASKS: &[&str] = &[
    "n1 client reads",
    "n1→n0 ReadIndex",
    "n0→n2 t1 AppendEntries",
    "n0→n2 Heartbeat round 1",
    "n2→n0 Alive round 1",
];
