//! The named runs of the store's model.

use super::programs::Program::{self, *};
use super::{Bounds, Corner};
use crate::bounds::Net;
use crate::runs::Run;
use protocol::kv::Limits;

/// A named exploration of the store.
pub type Scene = Run<Bounds, Corner>;

pub(super) const LIMITS: Limits = Limits {
    clients: 8,
    unacknowledged: 4,
    reply_bytes: 64,
    ahead_ms: 1_000,
    idle_ms: u64::MAX,
    value_bytes: 1 << 20,
};

const fn bounds(programs: [Program; 3]) -> Bounds {
    Bounds {
        programs,
        net: Net::Reorder,
        losses: 0,
        attempts: 2,
        looks: 1,
        record_puts: false,
        one_id: false,
        first_from_future: false,
        clients_kept: LIMITS.clients,
        linearizable: true,
        drop_void: true,
        settle_every: 1,
    }
}

pub(super) const APPENDS: Bounds =
    Bounds { net: Net::Duplicate, ..bounds([Appends, AppendsGets, Nothing]) };
pub(super) const SETS: Bounds = bounds([SetsGets, SetsOther, Nothing]);
pub(super) const PUTS: Bounds = bounds([PutsNew, GetsPuts, Nothing]);
pub(super) const DELETES: Bounds =
    Bounds { settle_every: 100, ..bounds([PutsDeletes, GetsPuts, Nothing]) };
pub(super) const SESSIONS: Bounds =
    Bounds { clients_kept: 1, ..bounds([Appends, AppendsOther, Nothing]) };
pub(super) const IMPOSTOR: Bounds =
    Bounds { one_id: true, ..bounds([Appends, AppendsOther, Nothing]) };
pub(super) const FUTURE: Bounds =
    Bounds { clients_kept: 1, first_from_future: true, ..bounds([Appends, AppendsOther, Nothing]) };
pub(super) const LOCK: Bounds =
    Bounds { linearizable: false, looks: 0, settle_every: 100, ..bounds([Locks, Locks, Nothing]) };
/// A lock that is there: two race for it over one version.
pub(super) const RACE: Bounds = three(LOCK, [Frees, Locks, Locks]);
pub(super) const LOST: Bounds =
    Bounds { losses: 2, settle_every: 100, ..bounds([AppendsGets, SetsGets, Nothing]) };

const fn three(bounds: Bounds, programs: [Program; 3]) -> Bounds {
    Bounds { programs, ..bounds }
}

/// The scenes of the standard set.
pub const SCENES: &[Scene] = &[
    Run {
        name: "kv-appends",
        about: "two clients append and read; requests and answers come twice, late and out of order",
        bounds: APPENDS,
        reaches: &[Corner::SentAgain, Corner::FromRecord, Corner::AfterAcknowledged],
    },
    Run {
        name: "kv-appends-three",
        about: "two clients append and one reads, with duplication",
        bounds: Bounds { settle_every: 100, ..three(APPENDS, [AppendsOther, AppendsGets, Gets]) },
        reaches: &[Corner::SentAgain, Corner::FromRecord],
    },
    Run {
        name: "kv-lost",
        about: "two messages are lost for good: every call ends all the same",
        bounds: LOST,
        reaches: &[Corner::MessageLost, Corner::SentAgain, Corner::FromRecord],
    },
    Run {
        name: "kv-sets",
        about: "two clients write one key, and a late copy must not undo what came between",
        bounds: SETS,
        reaches: &[Corner::SentAgain, Corner::FromRecord],
    },
    Run {
        name: "kv-puts",
        about: "unrecorded Puts with versions: one that is sent again and refused ends in Maybe",
        bounds: PUTS,
        reaches: &[Corner::MaybeExecuted, Corner::MaybeNotExecuted, Corner::Mismatch],
    },
    Run {
        name: "kv-puts-thrice",
        about: "as kv-puts, and each call may be sent three times",
        bounds: Bounds { attempts: 3, settle_every: 1000, ..PUTS },
        reaches: &[Corner::MaybeExecuted, Corner::MaybeNotExecuted, Corner::Mismatch],
    },
    Run {
        name: "kv-puts-early",
        about: "a Put expects a version that comes later: after Maybe, a late copy may be executed yet",
        bounds: bounds([PutsNew, PutsEarly, Nothing]),
        reaches: &[Corner::MaybeExecuted, Corner::MaybeNotExecuted, Corner::ExecutedAfterMaybe],
    },
    Run {
        name: "kv-puts-recorded",
        about: "recorded Puts with versions, with duplication: nobody is told Maybe",
        bounds: Bounds {
            net: Net::Duplicate,
            record_puts: true,
            ..bounds([PutsNew, GetsPuts, Nothing])
        },
        reaches: &[Corner::FromRecord, Corner::Mismatch, Corner::AfterAcknowledged],
    },
    Run {
        name: "kv-deletes",
        about: "a key is written, deleted and written anew while another client writes over what it saw",
        bounds: DELETES,
        reaches: &[Corner::Deleted, Corner::WrittenAnew, Corner::MissingKey, Corner::Mismatch],
    },
    Run {
        name: "kv-sessions",
        about: "room for one client's records: who comes back after they were dropped is turned away",
        bounds: SESSIONS,
        reaches: &[Corner::SessionExpired, Corner::MaybeExecuted, Corner::FromRecord],
    },
    Run {
        name: "kv-sessions-three",
        about: "room for one client's records and three clients",
        bounds: Bounds {
            settle_every: 1000,
            ..three(SESSIONS, [Appends, AppendsOther, AppendsGets])
        },
        reaches: &[Corner::SessionExpired, Corner::MaybeExecuted, Corner::MaybeNotExecuted],
    },
    Run {
        name: "kv-impostor",
        about: "two clients use one id, against the rules: no call gets the other's reply",
        bounds: IMPOSTOR,
        reaches: &[Corner::SeqReused],
    },
    Run {
        name: "kv-future",
        about: "a client's id is from the far future: it is refused, and expires nobody",
        bounds: FUTURE,
        reaches: &[Corner::ClientAhead],
    },
    Run {
        name: "kv-lock",
        about: "two clients want one lock, made of Get and Put; answers are late and each call is sent up to twice",
        bounds: LOCK,
        reaches: &[
            Corner::Acquired,
            Corner::AcquiredByLook,
            Corner::Waited,
            Corner::Released,
            Corner::MaybeExecuted,
        ],
    },
    Run {
        name: "kv-lock-recorded",
        about: "as kv-lock with recorded Puts, and every message may come twice",
        bounds: Bounds { net: Net::Duplicate, record_puts: true, settle_every: 1, ..LOCK },
        reaches: &[Corner::Acquired, Corner::Waited, Corner::Released, Corner::FromRecord],
    },
];
