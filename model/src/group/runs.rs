//! The named runs of the replicated store.

use super::probes::Corner::{self, *};
use super::{Bounds, Program};
use crate::bounds::Bounds as ServerBounds;
use crate::runs::Run;
use protocol::NodeId;
use protocol::quorum::NodeSet;

/// A named exploration of the replicated store.
pub type GroupRun = Run<Bounds, Corner>;

const N0: NodeSet = NodeSet::only(NodeId(0));
const N01: NodeSet = NodeSet::first(2);

const fn bounds(servers: ServerBounds, programs: [Program; 3]) -> Bounds {
    Bounds {
        servers: ServerBounds { max_log: 0, ..servers },
        programs,
        attempts: 1,
        contacts: NodeSet::first(servers.servers),
        each_its_own: false,
        record_puts: false,
        deadlines: 0,
        at_leaders: false,
        beats_from: 1,
        beats: 1,
        background: false,
        linearizable: false,
        passes: false,
        lost: 0,
        latest: 0,
        keep_heard: false,
    }
}

use Program::{Appends, AppendsGets, Bare, Gets, GetsPuts, Nothing, Puts, SetsForGets};

/// Three servers, two terms, two rivals in turn; a command at each: one is cut off, or goes on with the successor.
pub(super) const RIVALS: Bounds = Bounds {
    contacts: N01,
    each_its_own: true,
    at_leaders: true,
    ..bounds(
        ServerBounds {
            max_term: 2,
            campaigners: N01,
            in_turn: true,
            max_batch: 1,
            window: 1,
            converge_every: 1000,
            ..ServerBounds::plain(3)
        },
        [Appends, Appends, Nothing],
    )
};

/// A deposed leader's log is cut, and its disk forgets that: it wins again and commits what was cut.
pub(super) const CUT: Bounds = Bounds {
    servers: ServerBounds {
        max_term: 3,
        crashes: 1,
        victims: N0,
        converge_every: 0,
        ..RIVALS.servers
    },
    programs: [Appends, Nothing, Nothing],
    contacts: N0,
    ..RIVALS
};

/// Two servers; a leader restarts from its snapshot, and its client sends again.
pub(super) const RESTART: Bounds = Bounds {
    attempts: 2,
    contacts: N01,
    linearizable: true,
    background: true,
    ..bounds(
        ServerBounds {
            max_term: 2,
            campaigners: N01,
            in_turn: true,
            crashes: 1,
            victims: N0,
            compactions: 1,
            compactors: N0,
            converge_every: 1000,
            ..ServerBounds::plain(2)
        },
        [Appends, Nothing, Nothing],
    )
};

/// Three servers; a deposed leader gets the successor's snapshot. Too many states for the standard set: mutants are
/// hunted here from where a prefix ends.
pub(super) const INSTALL: Bounds = Bounds {
    contacts: N0,
    at_leaders: true,
    beats_from: 2,
    ..bounds(
        ServerBounds {
            max_term: 2,
            campaigners: N01,
            in_turn: true,
            heartbeats: true,
            compactions: 1,
            compactors: NodeSet::only(NodeId(1)),
            converge_every: 1000,
            ..ServerBounds::plain(3)
        },
        [Appends, Nothing, Nothing],
    )
};

/// Two servers; callers wait for a leader, or for too long.
pub(super) const LATE: Bounds = Bounds {
    deadlines: 1,
    attempts: 2,
    linearizable: true,
    ..bounds(
        ServerBounds {
            max_term: 2,
            campaigners: N01,
            in_turn: true,
            converge_every: 20,
            ..ServerBounds::plain(2)
        },
        [Appends, Nothing, Nothing],
    )
};

/// Two servers, two rivals in turn, and two clients: one appends and reads, the other reads.
pub(super) const TWO: Bounds = Bounds {
    linearizable: true,
    ..bounds(
        ServerBounds {
            max_term: 2,
            campaigners: N01,
            in_turn: true,
            converge_every: 1000,
            ..ServerBounds::plain(2)
        },
        [AppendsGets, Gets, Nothing],
    )
};

/// Two servers and two clients who write over what they have seen.
pub(super) const PUTS: Bounds = Bounds {
    linearizable: true,
    ..bounds(
        ServerBounds {
            max_term: 1,
            campaigners: N0,
            converge_every: 100,
            ..ServerBounds::plain(2)
        },
        [Puts, GetsPuts, Nothing],
    )
};

/// Three servers; a read at a leader that is deposed by its rival.
pub(super) const READS: Bounds = Bounds {
    contacts: N01,
    each_its_own: true,
    at_leaders: true,
    ..bounds(
        ServerBounds {
            max_term: 2,
            campaigners: N01,
            in_turn: true,
            converge_every: 1000,
            ..ServerBounds::plain(3)
        },
        [Gets, Nothing, Nothing],
    )
};

/// Two servers that lead in turn, and pass a command on whose second execution would show.
pub(super) const PASSES: Bounds = Bounds {
    passes: true,
    lost: 1,
    deadlines: 1,
    ..bounds(
        ServerBounds {
            max_term: 2,
            campaigners: N01,
            in_turn: true,
            crashes: 1,
            victims: N01,
            converge_every: 100,
            ..ServerBounds::plain(2)
        },
        [Bare, Nothing, Nothing],
    )
};

/// Two servers that lead in turn, whose clocks jump, and a key that has little to live.
pub(super) const CLOCKS: Bounds = Bounds {
    latest: 1,
    ..bounds(
        ServerBounds {
            max_term: 2,
            campaigners: N01,
            in_turn: true,
            converge_every: 1000,
            ..ServerBounds::plain(2)
        },
        [SetsForGets, Nothing, Nothing],
    )
};

/// The runs of the standard set.
pub const GROUPS: &[GroupRun] = &[
    Run {
        name: "group-truncate",
        about: "two rivals lead in turn, and each has a command: who is told what when logs are cut",
        bounds: RIVALS,
        reaches: &[Executed, AnotherInItsPlace, LaterTermInFront, BySuccessor],
    },
    Run {
        name: "group-restart",
        about: "a server restarts from its snapshot while a call is sent again",
        bounds: RESTART,
        reaches: &[RestartedRecords, MetItsFirstCopy, CompactedLate],
    },
    Run {
        name: "group-late",
        about: "callers wait for a leader, or too long, and send again",
        bounds: LATE,
        reaches: &[Parked, ParkedThenProposed, ParkedThenSentOn, Late, NobodyLed, EarlierAnswer],
    },
    Run {
        name: "group-two",
        about: "one client appends and reads, another reads, while the lead changes: any order that is told is one",
        bounds: TWO,
        reaches: &[Executed, ReadAnswered, ParkedThenProposed],
    },
    Run {
        name: "group-puts",
        about: "two clients write over the versions that they have seen",
        bounds: PUTS,
        reaches: &[Executed, ReadAnswered, ParkedThenProposed],
    },
    Run {
        name: "group-reads",
        about: "a read at a leader while a rival takes over and commits its no-op",
        bounds: READS,
        reaches: &[ReadAnswered, ReadAskedAgain],
    },
    Run {
        name: "group-passes",
        about: "commands are passed on to the leader, which changes; servers crash, connections are lost, callers late",
        bounds: PASSES,
        reaches: &[PassedOn, PassedBack, ExecutedThere, LostOnTheWay],
    },
    Run {
        name: "group-clocks",
        about: "a key with little to live, on servers whose clocks jump: who asks too late does not see it",
        bounds: CLOCKS,
        reaches: &[HeldForTick],
    },
];
