//! What could be wrong with what callers are told, or with the service behind it, and what must notice it.

use super::runs;
use super::{Bounds, DUE, FRESH, Group, SERVICE, TELLS, TOLD};
use crate::lists::bugs;
use crate::node::DiskFault;
use crate::raft::CLAIMS;
use protocol::clock::Stamp;
use protocol::rsm::waiters::Verdict;
use protocol::rsm::{Decided, Rules};
use protocol::{Index, LogId};

bugs! {
    IndexIsEnough "a caller is matched with what is committed at its index, whatever it is",
    NeverOver "nobody is told before its own index is applied, which a shorter log may not reach",
    OverWithoutTerm "whatever is behind an entry of another term is taken for over, also what is still to come",
    TruncatedIsRefused "a server whose log was cut tells that the command never will be executed",
    HiddenIsRefused "what a received snapshot covers is told as not executed",
    LateIsRefused "a caller who has waited long enough is told that its command was not executed",
    AnswersAtOnce "a read is answered from what the server has, whoever leads",
    LeaderAnswersAtOnce "a leader answers reads without asking whether it still leads",
    AnswersEarly "a read is answered before what it must show is applied",
    ParkedStay "who is parked stays so when a leader is known",
    UnknownGoesOn "a command that may have been executed is passed on or tried again",
    LostIsRefused "what left over a lost connection is taken for not executed",
    NeverAgain "what came back refused is not submitted again",
    ShowsWhatIsDue "a leader answers reads although a key is due by its clock",
    NeverTicks "no tick is proposed for what is due",
    FileForgets "a snapshot's file lacks the exactly-once records",
    RestartsAhead "a restart takes the service as it was and applies what is behind the snapshot again",
    RestartsEmpty "a restart begins with an empty service although a snapshot covers a prefix",
}

/// The rules with one thing wrong.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Wrong(pub Bug);

impl Wrong {
    fn is(self, bug: Bug) -> bool {
        self.0 == bug
    }
}

impl Rules for Wrong {
    fn is_it(&self, proposed: LogId, applied: LogId) -> bool {
        match self.0 {
            Bug::IndexIsEnough => proposed.index == applied.index,
            _ => Decided.is_it(proposed, applied),
        }
    }

    fn is_over(&self, proposed: LogId, committed: LogId) -> bool {
        match self.0 {
            Bug::NeverOver => false,
            Bug::OverWithoutTerm => {
                committed.index < proposed.index && committed.term != proposed.term
            }
            _ => Decided.is_over(proposed, committed),
        }
    }

    fn at_truncation(&self, proposed: LogId, first: Index) -> Option<Verdict> {
        let refused = self.is(Bug::TruncatedIsRefused) && proposed.index >= first;
        refused.then_some(Verdict::NotExecuted)
    }

    fn hidden(&self) -> Verdict {
        if self.is(Bug::HiddenIsRefused) { Verdict::NotExecuted } else { Decided.hidden() }
    }

    fn at_deadline(&self) -> Verdict {
        if self.is(Bug::LateIsRefused) { Verdict::NotExecuted } else { Decided.at_deadline() }
    }

    fn may_answer(&self, applied: Index, index: Index) -> bool {
        self.is(Bug::AnswersEarly) || Decided.may_answer(applied, index)
    }

    fn may_go_on(&self, leader_known: bool) -> bool {
        !self.is(Bug::ParkedStay) && Decided.may_go_on(leader_known)
    }

    fn may_pass(&self, verdict: Verdict) -> bool {
        self.is(Bug::UnknownGoesOn) || Decided.may_pass(verdict)
    }

    fn when_lost(&self) -> Verdict {
        if self.is(Bug::LostIsRefused) { Verdict::NotExecuted } else { Decided.when_lost() }
    }

    fn may_submit_again(&self) -> bool {
        !self.is(Bug::NeverAgain) && Decided.may_submit_again()
    }

    fn must_wait(&self, leads: bool, clock: Stamp, due: Option<Stamp>, until: Stamp) -> bool {
        !self.is(Bug::ShowsWhatIsDue) && Decided.must_wait(leads, clock, due, until)
    }

    fn must_tick(&self, leads: bool, due: Option<Stamp>, now: Stamp) -> bool {
        !self.is(Bug::NeverTicks) && Decided.must_tick(leads, due, now)
    }

    fn answers_at_once(&self, leads: bool) -> bool {
        match self.0 {
            Bug::AnswersAtOnce => true,
            Bug::LeaderAnswersAtOnce => leads,
            _ => Decided.answers_at_once(leads),
        }
    }
}

/// How a mutant is hunted, and what must notice it.
#[derive(Clone, Copy, Debug)]
pub struct Hunt {
    /// Its name: the zoo's row, or `Q…` for one of ours.
    pub id: &'static str,
    /// The rule of SPEC.md that it breaks.
    pub rule: &'static str,
    /// What is wrong.
    pub bug: Bug,
    /// What the model may do.
    pub bounds: Bounds,
    /// A path of allowed actions from whose end the hunt begins.
    pub prefix: &'static [&'static [&'static str]],
    /// The property that must die.
    pub property: &'static str,
}

impl Hunt {
    const fn new(
        id: &'static str,
        rule: &'static str,
        bug: Bug,
        bounds: Bounds,
        property: &'static str,
    ) -> Self {
        Self { id, rule, bug, bounds, prefix: &[], property }
    }

    const fn from(self, prefix: &'static [&'static [&'static str]]) -> Self {
        Self { prefix, ..self }
    }

    /// The model in which the mutant is hunted. The fair schedule is tried from every state if it is to die by that.
    pub fn group(&self) -> Group<Wrong> {
        self.group_in(self.bounds)
    }

    /// The mutant in other bounds.
    pub fn group_in(&self, mut bounds: Bounds) -> Group<Wrong> {
        bounds.servers.converge_every = u64::from(self.property == TOLD);
        Group::new(bounds, Wrong(self.bug), self.fault())
    }

    /// What is wrong with the disks, or with how a server starts from them.
    pub const fn fault(&self) -> DiskFault {
        match self.bug {
            Bug::FileForgets => DiskFault::ForgetsRecords,
            Bug::RestartsAhead => DiskFault::RestartsAhead,
            Bug::RestartsEmpty => DiskFault::RestartsEmpty,
            _ => DiskFault::None,
        }
    }

    /// The same hunt with nothing wrong: it must find nothing, or the hunt shows nothing.
    pub const fn control(&self) -> Self {
        Self { bug: Bug::None, ..*self }
    }
}

/// n0 leads term 1 with n1's vote, and its disk has the no-op.
const N0_LEADS: &[&str] =
    &["n0 campaign", "n0 disk", "n0→n1 RequestVote", "n1 disk", "n1→n0 VoteGranted", "n0 disk"];

/// n1 has the no-op of term 1.
const N1_HAS_NO_OP: &[&str] = &["n0→n1 t1 AppendEntries", "n1 disk"];

/// n2 has it.
const N2_HAS_NO_OP: &[&str] = &["n0→n2 t1 AppendEntries", "n2 disk", "n2 disk"];

/// A client's command is in n0's log, on its disk too.
const AT_N0: &[&str] = &["c0 calls n0", "n0 disk"];

/// n1 leads term 2 with n2's vote.
const N1_LEADS: &[&str] =
    &["n1 campaign", "n1 disk", "n1→n2 t2 RequestVote", "n2 disk", "n2→n1 t2 VoteGranted"];

/// n1 commits its no-op with n2.
const N1_COMMITS: &[&str] = &["n1 disk", "n1→n2 t2 AppendEntries", "n2 disk", "n2→n1 t2 Accepted"];

/// n2 gets from n1 all that n1 has.
const N2_HAS_ALL: &[&str] = &[
    "n1 disk",
    "n1→n2 t2 AppendEntries prev 1.2",
    "n2→n1 t2 Rejected",
    "n1→n2 t2 AppendEntries prev 0.0",
    "n2 disk",
    "n2→n1 t2 Accepted",
];

/// n1 hears of the command, and no more; then it leads term 2.
const N1_HAS_COMMAND: &[&str] =
    &["n1→n0 t1 Accepted", "c0 calls n0", "n0→n1 t1 AppendEntries prev 1.1 entries 1.2", "n1 disk"];

/// n0's log is cut, and its disk forgets that.
const N0_IS_CUT: &[&str] = &["n1→n0 t2 AppendEntries", "n0 crash"];

/// n0 learns of term 2 and leads term 3 with n2's vote.
const N0_LEADS_3: &[&str] = &[
    "n1→n0 t2 RequestVote",
    "n0 disk",
    "n0 campaign",
    "n0 disk",
    "n0→n2 t3 RequestVote",
    "n2 disk",
    "n2→n0 t3 VoteGranted",
    "n0 disk",
];

/// Every mutant.
pub const HUNTS: &[Hunt] = &[
    Hunt::new("K3", "RSM-SNAP-1", Bug::FileForgets, runs::RESTART, SERVICE),
    Hunt::new("S11", "RSM-SNAP-1", Bug::FileForgets, runs::INSTALL, SERVICE).from(&[
        N0_LEADS,
        N1_HAS_NO_OP,
        N1_HAS_COMMAND,
        N1_LEADS,
        N2_HAS_ALL,
    ]),
    Hunt::new("K4", "RSM-TELL-1", Bug::IndexIsEnough, runs::RIVALS, CLAIMS).from(&[
        N0_LEADS,
        N1_HAS_NO_OP,
        N2_HAS_NO_OP,
        AT_N0,
        N1_LEADS,
        N1_COMMITS,
    ]),
    Hunt::new("K6", "RSM-APPLY-1", Bug::RestartsAhead, runs::RESTART, SERVICE),
    Hunt::new("P6", "RAFT-SNAP-6", Bug::RestartsEmpty, runs::RESTART, SERVICE),
    Hunt::new("K7", "RSM-TELL-5", Bug::LateIsRefused, runs::LATE, TELLS),
    Hunt::new("K9", "RSM-READ-2", Bug::AnswersAtOnce, runs::READS, FRESH),
    Hunt::new("K9b", "RSM-READ-2", Bug::LeaderAnswersAtOnce, runs::READS, FRESH).from(&[N0_LEADS]),
    Hunt::new("K13", "RSM-TELL-3", Bug::TruncatedIsRefused, runs::CUT, TELLS)
        .from(&[N0_LEADS, AT_N0, N1_LEADS, N0_IS_CUT, N0_LEADS_3]),
    Hunt::new("K14", "RSM-TELL-2", Bug::NeverOver, runs::RIVALS, TOLD).from(&[N0_LEADS]),
    Hunt::new("QR1", "RSM-TELL-4", Bug::HiddenIsRefused, runs::INSTALL, TELLS).from(&[
        N0_LEADS,
        N1_HAS_NO_OP,
        N1_HAS_COMMAND,
        N1_LEADS,
        N2_HAS_ALL,
    ]),
    Hunt::new("QR2", "RSM-READ-1", Bug::AnswersEarly, runs::READS, FRESH),
    Hunt::new("QR3", "RSM-PARK-1", Bug::ParkedStay, runs::LATE, CLAIMS),
    Hunt::new("QR4", "RSM-TELL-2", Bug::OverWithoutTerm, runs::RIVALS, TELLS).from(&[
        N0_LEADS,
        N1_HAS_NO_OP,
        N1_LEADS,
    ]),
    Hunt::new("QR5", "RSM-PASS-1", Bug::UnknownGoesOn, runs::PASSES, TELLS),
    Hunt::new("QR6", "RSM-PASS-2", Bug::LostIsRefused, runs::PASSES, TELLS),
    Hunt::new("QR7", "RSM-PASS-3", Bug::NeverAgain, runs::PASSES, TOLD),
    Hunt::new("QR8", "RSM-DUE-1", Bug::ShowsWhatIsDue, runs::CLOCKS, DUE),
    Hunt::new("QR9", "RSM-TICK-1", Bug::NeverTicks, runs::CLOCKS, TOLD),
];
