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
    tick_keys: 8,
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
        unacknowledged: LIMITS.unacknowledged,
        reply_bytes: LIMITS.reply_bytes,
        latest: 0,
        idle_ms: LIMITS.idle_ms,
        tick_keys: LIMITS.tick_keys,
        restarts: 0,
        ttl_ms: 0,
        give_ups: 0,
        deaths: 0,
        late: false,
        steady: false,
        mirror: false,
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

/// What is held against a mirror in every step.
const fn mirrored(programs: [Program; 3]) -> Bounds {
    Bounds { linearizable: false, mirror: true, ..bounds(programs) }
}

/// Stamps from 0 to 2, in any order; keys that live for 1.
pub(super) const EXPIRY: Bounds =
    Bounds { latest: 2, settle_every: 100, ..mirrored([SetsForGets, LeasesX, Nothing]) };
/// Two keys are due, and a tick takes out one.
pub(super) const TICKS: Bounds =
    Bounds { latest: 2, tick_keys: 1, attempts: 1, ..mirrored([SetsTwoFor, GetsTwo, Nothing]) };
/// A lock with a deadline, and a resource that asks for fencing versions.
pub(super) const LEASE: Bounds =
    Bounds { latest: 2, attempts: 1, ..mirrored([Leases, LeasesToo, Nothing]) };
/// Clients that are idle for 2 are dropped.
pub(super) const IDLE_CLIENTS: Bounds = Bounds {
    latest: 3,
    idle_ms: 1,
    settle_every: 100,
    ..mirrored([IncrementsTwice, Increments, Nothing])
};
/// Transactions are not recorded, and sent once.
pub(super) const WATCHES: Bounds =
    Bounds { latest: 1, ..mirrored([Watches, ComesAndGoes, Nothing]) };
/// Recorded transactions, of which one reply is kept.
pub(super) const EXECS: Bounds = Bounds {
    net: Net::Duplicate,
    record_puts: true,
    unacknowledged: 1,
    ..mirrored([ExecsPair, ExecsFault, ExecsReads])
};
pub(super) const FLUSH: Bounds = mirrored([IncrementsFlushes, IncrementsTwice, Nothing]);
pub(super) const SCANS: Bounds = Bounds { latest: 1, ..mirrored([Scans, ShiftsKeys, Nothing]) };
/// The server begins anew from a snapshot, with keys, floors, records and deadlines in it.
pub(super) const RESTART: Bounds =
    Bounds { latest: 1, restarts: 1, ..mirrored([IncrementsDeletes, LeasesGets, Nothing]) };

/// Locks with a time to live of two steps. Each call is sent once; who waits does not look again.
const fn leases(programs: [Program; 3]) -> Bounds {
    Bounds {
        latest: 2,
        ttl_ms: 2,
        steady: true,
        attempts: 1,
        looks: 0,
        clients_kept: 16,
        settle_every: 10,
        ..mirrored(programs)
    }
}

pub(super) const HOLDERS: Bounds =
    Bounds { looks: 1, settle_every: 100, ..leases([HoldsOn, Holds, Nothing]) };
/// Calls are given up, and what becomes of them is reported all the same.
pub(super) const GIVEN_UP: Bounds =
    Bounds { give_ups: 1, drop_void: false, ..leases([HoldsLong, Nothing, Nothing]) };
pub(super) const AGAIN: Bounds = Bounds { give_ups: 1, ..leases([HoldsTwice, Nothing, Nothing]) };
pub(super) const DEATHS: Bounds = Bounds { deaths: 1, ..leases([Holds, Holds, Nothing]) };

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
    Run {
        name: "kv-lock-race",
        about: "two clients race for one version of a lock that is there; each call is sent once",
        bounds: Bounds { attempts: 1, looks: 1, settle_every: 1, ..RACE },
        reaches: &[Corner::Acquired, Corner::Waited, Corner::Mismatch, Corner::Released],
    },
    Run {
        name: "kv-lock-twice",
        about: "one client acquires the lock twice while another wants it; each call is sent once",
        bounds: Bounds {
            attempts: 1,
            looks: 1,
            settle_every: 1,
            ..three(LOCK, [LocksTwice, Locks, Nothing])
        },
        reaches: &[Corner::Acquired, Corner::Waited, Corner::Mismatch, Corner::Released],
    },
    Run {
        name: "kv-lock-alone",
        about: "one client acquires the lock twice, and copies of its calls come late",
        bounds: Bounds {
            attempts: 2,
            settle_every: 1,
            ..three(LOCK, [LocksTwice, Nothing, Nothing])
        },
        reaches: &[
            Corner::Acquired,
            Corner::AcquiredByLook,
            Corner::MaybeExecuted,
            Corner::Released,
        ],
    },
    Run {
        name: "kv-not-kept",
        about: "replies are too long to be kept: who asks again learns that it was executed, and no more",
        bounds: Bounds { reply_bytes: 0, ..APPENDS },
        reaches: &[Corner::SentAgain, Corner::NotKept, Corner::AfterAcknowledged],
    },
    Run {
        name: "kv-expiry",
        about: "keys with deadlines, and stamps that jump forwards and back",
        bounds: EXPIRY,
        reaches: &[
            Corner::SentAgain,
            Corner::StampBehind,
            Corner::Expired,
            Corner::DueAndNotTakenOut,
            Corner::WrittenAfterExpiry,
        ],
    },
    Run {
        name: "kv-ticks",
        about: "two keys are due and a tick takes out one: the other is there for nobody",
        bounds: TICKS,
        reaches: &[Corner::TickLeftSome, Corner::DueAndNotTakenOut, Corner::Expired],
    },
    Run {
        name: "kv-lease",
        about: "two clients take a lock that frees itself: a late holder can neither use the resource nor free the lock",
        bounds: LEASE,
        reaches: &[
            Corner::LateHolder,
            Corner::WrittenAfterExpiry,
            Corner::Mismatch,
            Corner::MissingKey,
        ],
    },
    Run {
        name: "kv-lease-held",
        about: "two users of a lock with a time to live: held, put off, given back, or over and taken by the other",
        bounds: HOLDERS,
        reaches: &[
            Corner::Acquired,
            Corner::Renewed,
            Corner::Waited,
            Corner::Released,
            Corner::Ended,
            Corner::WrittenAfterExpiry,
            Corner::CameLate,
            Corner::ReleasedLate,
        ],
    },
    Run {
        name: "kv-lease-taken",
        about: "two users, and a call that is given up: it is executed before, later, or never",
        bounds: Bounds { give_ups: 1, settle_every: 100, ..leases([Holds, Holds, Nothing]) },
        reaches: &[
            Corner::MaybeExecuted,
            Corner::MaybeNotExecuted,
            Corner::ExecutedAfterMaybe,
            Corner::AcquiredTooLate,
            Corner::CameLate,
        ],
    },
    Run {
        name: "kv-lease-given-up",
        about: "one user gives up a call, and hears of it when it waits for another",
        bounds: GIVEN_UP,
        reaches: &[Corner::Renewed, Corner::RenewalUnknown, Corner::OldOutcome],
    },
    Run {
        name: "kv-lease-again",
        about: "one user acquires the lock twice: its time is over while it waits for an answer, which comes all the same",
        bounds: Bounds { give_ups: 0, drop_void: false, ..AGAIN },
        reaches: &[
            Corner::Waited,
            Corner::Ended,
            Corner::ReleasedLate,
            Corner::AcquiredTooLate,
            Corner::OldOutcome,
        ],
    },
    Run {
        name: "kv-lease-dies",
        about: "a holder dies, and its lock comes free",
        bounds: DEATHS,
        reaches: &[Corner::HolderDied, Corner::Acquired, Corner::WrittenAfterExpiry],
    },
    Run {
        name: "kv-lease-late",
        about: "holders that are late believe what is not so; the resource turns them away",
        bounds: Bounds { late: true, ..leases([HoldsAndUses, HoldsAndUses, Nothing]) },
        reaches: &[Corner::LateHolder, Corner::WrittenAfterExpiry, Corner::ReleasedLate],
    },
    Run {
        name: "kv-lease-both",
        about: "a lock's user with a time to live and one without; leaders' clocks fall back",
        bounds: Bounds { steady: false, ..leases([Holds, Locks, Nothing]) },
        reaches: &[Corner::Acquired, Corner::Waited, Corner::Released, Corner::StampBehind],
    },
    Run {
        name: "kv-lease-lost",
        about: "two messages are lost for good: every call ends all the same, or its lock is over",
        bounds: Bounds { losses: 2, attempts: 2, latest: 1, ..leases([Holds, Nothing, Nothing]) },
        reaches: &[Corner::MessageLost, Corner::SentAgain, Corner::FromRecord, Corner::Ended],
    },
    Run {
        name: "kv-lease-doubled",
        about: "two users, and every message may come twice",
        bounds: Bounds {
            net: Net::Duplicate,
            latest: 1,
            ttl_ms: 1,
            settle_every: 500,
            ..leases([Holds, Holds, Nothing])
        },
        reaches: &[Corner::Acquired, Corner::FromRecord, Corner::CameLate],
    },
    Run {
        name: "kv-idle",
        about: "clients are idle for too long by the group's clock: who comes back is turned away",
        bounds: IDLE_CLIENTS,
        reaches: &[Corner::SessionExpired, Corner::StampBehind, Corner::MaybeExecuted],
    },
    Run {
        name: "kv-watch",
        about: "a watched key that is missing comes and goes, by a command or its deadline",
        bounds: WATCHES,
        reaches: &[
            Corner::WatchHeld,
            Corner::WatchedChanged,
            Corner::WatchedCame,
            Corner::NeighbourWent,
            Corner::StampBehind,
        ],
    },
    Run {
        name: "kv-transactions",
        about: "recorded transactions over two keys, one with a fault inside, with duplication",
        bounds: EXECS,
        reaches: &[Corner::FaultInside, Corner::TooManyUnacknowledged],
    },
    Run {
        name: "kv-flush",
        about: "all keys go at once while another client adds to one",
        bounds: FLUSH,
        reaches: &[Corner::Flushed, Corner::SentAgain, Corner::WrittenAnew],
    },
    Run {
        name: "kv-scan",
        about: "a scan goes on while keys come and go",
        bounds: SCANS,
        reaches: &[Corner::ScannedAcrossChange, Corner::Deleted],
    },
    Run {
        name: "kv-restart",
        about: "the server begins anew from its snapshot, between any two steps",
        bounds: RESTART,
        reaches: &[Corner::Restarted, Corner::SentAgain, Corner::Expired, Corner::WrittenAnew],
    },
];
