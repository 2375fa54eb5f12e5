//! What is seen of a step from outside: by the history, which compares it with what is true, and by the corners.

use super::probes::Corner;
use super::server::Applied;
use protocol::kv::clerk::Outcome;
use protocol::kv::{Bytes, Op, Reply, Seq, Version};

/// What was seen in one step. The history reads it; it is no part of a state.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Event {
    /// A client has begun a call.
    Called {
        /// Which of its calls.
        seq: Seq,
        /// On which key.
        key: Bytes,
        /// To do what.
        op: Op,
    },
    /// A client's call is over.
    Returned {
        /// Which.
        seq: Seq,
        /// With this.
        outcome: Outcome,
        /// Whether there would be a reason for Maybe: it writes, it was sent more than once, and it is not recorded
        /// or its refusal is not.
        may_be_maybe: bool,
    },
    /// A client sent a call once more.
    SentAgain,
    /// The server changed a key.
    Executed {
        /// For whom.
        client: usize,
        /// For which of their calls.
        seq: Seq,
        /// The keys, and the version that each has now; none if it is gone.
        changes: Vec<(Bytes, Option<Version>)>,
    },
    /// The server applied something; only in a scene with a mirror.
    Applied(Applied),
    /// The server told how a key is that will be watched.
    Watched {
        /// Whom.
        client: u8,
        /// Which.
        key: Bytes,
    },
    /// The server made a step of a scan.
    Scanned {
        /// For whom.
        client: u8,
        /// Whether it was the first.
        begins: bool,
        /// Whether it was the last.
        ends: bool,
        /// What it returned.
        found: Vec<Bytes>,
    },
    /// A holder came to the resource.
    Used {
        /// Its fencing version.
        version: Version,
        /// Whether it was let in.
        admitted: bool,
    },
    /// The server began anew from a snapshot.
    Restarted,
    /// The server answered a write that it did not execute in this step.
    Unchanged {
        /// The answer.
        reply: Reply,
    },
    /// A client has the lock.
    Acquired {
        /// With this fencing version.
        version: Version,
        /// Only after it had looked whose Put it was that came through.
        looked: bool,
    },
    /// A client saw that another has the lock.
    Waits,
    /// A client has freed the lock.
    Released,
    /// A client waits no longer for the answer to a write: to it, the call ended in Maybe.
    GaveUp {
        /// Which of its calls.
        seq: Seq,
    },
    /// A client was told that a call of its was not executed and never will be.
    Failed {
        /// Which of its calls.
        seq: Seq,
    },
    /// A corner.
    Reached(Corner),
}
