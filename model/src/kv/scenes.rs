//! The named runs of the store's model.

use super::programs::Program::{self, *};
use super::{Bounds, Corner};
use crate::bounds::Net;
use crate::runs::Run;
use protocol::kv::Limits;

/// A named exploration of the store.
pub type Scene = Run<Bounds, Corner>;

pub(super) const LIMITS: Limits =
    Limits { clients: 8, unacknowledged: 4, reply_bytes: 64, ahead_ms: 1_000 };

const fn bounds(programs: [Program; 3]) -> Bounds {
    Bounds {
        programs,
        net: Net::Reorder,
        attempts: 2,
        looks: 1,
        record_puts: false,
        one_id: false,
        first_from_future: false,
        clients_kept: LIMITS.clients,
        settle_every: 1,
    }
}

pub(super) const APPENDS: Bounds =
    Bounds { net: Net::Duplicate, settle_every: 100, ..bounds([Appends, AppendsGets, Nothing]) };
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
pub(super) const LOCK: Bounds = Bounds { settle_every: 100, ..bounds([Locks, Locks, Nothing]) };
pub(super) const LOST: Bounds = bounds([AppendsGets, Nothing, Nothing]);

/// The scenes of the standard set.
pub const SCENES: &[Scene] = &[
    Run {
        name: "kv-appends",
        about: "two clients append and read; requests and answers come twice, late and out of order",
        bounds: APPENDS,
        reaches: &[Corner::SentAgain, Corner::FromRecord, Corner::AfterAcknowledged],
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
        name: "kv-puts-recorded",
        about: "recorded Puts with versions, with duplication: nobody is told Maybe",
        bounds: Bounds { net: Net::Duplicate, record_puts: true, ..PUTS },
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
        about: "two clients want one lock, made of Get and Put, over a network that loses and repeats",
        bounds: LOCK,
        reaches: &[
            Corner::Acquired,
            Corner::AcquiredByLook,
            Corner::Waited,
            Corner::Released,
            Corner::MaybeExecuted,
        ],
    },
];
