//! What a router is told, and what it asks for. See [the module above](super).

use crate::kv::SlotId;
use crate::shardctl::{Config, SlotRange};
use crate::shardkv::{GroupId, Num, Refusal};
use alloc::sync::Arc;
use alloc::vec::Vec;

/// A client's call: its session, and its place there.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Call<S> {
    /// The session.
    pub session: S,
    /// Its place among the calls of the session.
    pub place: u64,
}

/// What may happen.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Input<'a, S> {
    /// A client asks about a slot.
    Ask {
        /// The call.
        call: Call<S>,
        /// The slot.
        slot: SlotId,
        /// For a client that goes to groups' leaders by itself: the groups that are led here and may have the slot, who
        /// says most first. None for one whose calls are passed on, to leaders and to groups that have no server here.
        ///
        /// Such a client would be sent to and fro between two groups whose leaders are on different nodes. So only what
        /// those say who are led here sends it elsewhere, when all of them have said that another has the slot; and
        /// where its slot was stopped it waits until that group says who has it.
        led: Option<Vec<GroupId>>,
    },
    /// A client asks about all keys that these groups have.
    AskAll {
        /// The call.
        call: Call<S>,
        /// Which groups.
        groups: &'a [GroupId],
        /// Whether all these keys are to go.
        flushes: bool,
        /// Whether the client goes to groups' leaders by itself: then those that have no server here are left out.
        by_itself: bool,
    },
    /// A group's server has answered.
    Answered {
        /// The call.
        call: Call<S>,
        /// Which group.
        group: GroupId,
        /// What it says.
        heard: Heard<'a>,
        /// Whether the client has waited long enough.
        late: bool,
    },
    /// It is time to ask again for what [`Effect::Later`] has named.
    Due {
        /// The call.
        call: Call<S>,
    },
    /// A session is gone.
    Gone {
        /// Which.
        session: S,
    },
    /// A configuration became known.
    Configuration(Arc<Config>),
    /// What was found of a slot was found long ago.
    Stale {
        /// The slot.
        slot: SlotId,
    },
}

/// Whether a group may have slots still which the latest configuration that is known gives to others: some are on their
/// way from it, or it has not come to that configuration. Of such groups [`Input::Ask`] speaks.
pub const fn may_give(going: u64, at: Num, known: Num) -> bool {
    going > 0 || at < known
}

/// What a group's server says of a call.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Heard<'a> {
    /// It was executed.
    Done,
    /// All keys of these slots went.
    Flushed(&'a [SlotRange]),
    /// It was not executed, and the group does not serve its slot.
    Refused(Refusal),
    /// It was not executed and never will be.
    NotExecuted,
    /// Nobody knows whether it was or will be.
    Unknown,
}

/// What the driver is to do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Effect<S> {
    /// Ask a group's server: the one here, or else one on another node.
    Send {
        /// The call.
        call: Call<S>,
        /// Which group.
        group: GroupId,
    },
    /// Say [`Input::Due`] in a while.
    Later {
        /// The call.
        call: Call<S>,
    },
    /// Tell the client, and forget the call.
    Tell {
        /// The call.
        call: Call<S>,
        /// What it is told.
        told: Told,
    },
    /// It was found which group has a slot. Say [`Input::Stale`] when this is long ago.
    Found {
        /// The slot.
        slot: SlotId,
    },
}

/// What a client is told.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Told {
    /// What the group's server has just said.
    Answer,
    /// What all groups together say.
    Gathered,
    /// Not executed: a group without a server here has the slot (MOVED).
    Elsewhere(GroupId),
    /// Not executed: no group has the slot, as far as is known (CLUSTERDOWN).
    Nowhere,
    /// Not executed: the slot was on its way for too long, or a later call was executed meanwhile (TRYAGAIN).
    OnItsWay,
    /// Some of it may have been executed (UNCERTAIN).
    Unknown,
}
