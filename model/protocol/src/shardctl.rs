//! The controller of the sharded store: which group has which slots (lab 4A of 6.824, 2021).
//!
//! A *configuration* says which groups there are, at which addresses their nodes are, and which of them has each slot.
//! Configurations are numbered from 0, in which there are no groups and nobody has a slot, and one never changes. The
//! groups of the store walk from each to the next. Nothing else tells them what to do, so that whoever reads two
//! configurations of neighbouring numbers knows what is to be moved.
//!
//! [`Controller`] is a [`StateMachine`], a deterministic function of the commands that were applied: its replicas hold
//! the same configurations under the same numbers. A command carries a *change*, as its administrator wants it, and
//! the number on which it is *based*. It is applied only if that is the latest. So two administrators are fenced, the
//! second of them has to look what the first has done, and a request that comes twice is executed once: its second
//! copy finds a later number. There are no records of clients; a configuration names the request that has made it,
//! and who asks once more, [`Admin`] does, finds its own name there or another's.
//!
//! The next configuration is computed when the command is applied, by [`next`]: by the same function and from the same
//! latest configuration on every replica.
//!
//! A group tells which number it has *finished* walking to. What every group has behind it, those that are about to
//! leave too, nobody needs any more, and it is dropped but for the last few.

mod admin;
mod author;
mod balance;
mod moves;
mod rules;
mod slots;
mod snapshot;
mod words;

pub use admin::{Admin, Asked, Effect, Input, Outcome};
pub use author::next;
pub use moves::{Moves, back, drain, first_open, moves};
pub use rules::{Exact, Rules};
pub use slots::{SlotRange, Slots};
pub use snapshot::DecodeError;

use crate::kv::{Bytes, ClientId, SLOTS, Seq};
use crate::rsm::StateMachine;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// A configuration's number.
pub type Num = u64;

/// A group of servers that hold slots together, from 1 on: 0 names none (the labs' invalid gid).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct GroupId(pub u64);

/// The name of a request to change something. No two requests have the same.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct RequestId {
    /// Who asks.
    pub client: ClientId,
    /// Which of its calls.
    pub seq: Seq,
}

/// A numbered configuration.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Config {
    /// Its number.
    pub number: Num,
    /// The request that has made it. None of number 0.
    pub request: Option<RequestId>,
    /// The addresses of each group's nodes, in the order in which they were given.
    pub groups: BTreeMap<GroupId, Vec<Bytes>>,
    /// Which group has each slot.
    pub slots: Slots,
}

/// What an administrator can want.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
pub enum Change {
    /// These groups come, with the addresses of their nodes, and get their part.
    Join(Vec<(GroupId, Vec<Bytes>)>),
    /// These groups go, and what they have goes to those that stay.
    Leave(Vec<GroupId>),
    /// These slots go to a group. That pins nothing: the next change that balances may take them away again.
    Move {
        /// The slots.
        slots: Vec<SlotRange>,
        /// The group.
        to: GroupId,
    },
    /// Each group gets its part, as after a Join.
    Rebalance,
}

/// What changes the controller.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
pub enum Command {
    /// An administrator wants another configuration.
    Change {
        /// The request.
        request: RequestId,
        /// Only if this is the latest. None: whichever that is. Then it is not fenced, and must not be sent again.
        based: Option<Num>,
        /// What it wants.
        change: Change,
    },
    /// A group has finished walking to a configuration: what it had to give there is given, what it had to take is
    /// its own, and it needs none in front of it.
    Finished {
        /// The group.
        group: GroupId,
        /// The configuration's number.
        number: Num,
    },
}

/// What can be asked.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
pub enum Query {
    /// The configuration of this number, or the latest if that is smaller. None: the latest (the labs' -1).
    Config(Option<Num>),
    /// How far the groups are.
    Status,
}

/// How far a group is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Standing {
    /// The largest number that it has finished; one that joined has finished all in front of that.
    pub finished: Num,
    /// In which configuration it is no more. It is forgotten when it has finished that.
    pub left: Option<Num>,
}

/// The groups' progress.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Status {
    /// The latest configuration's number.
    pub latest: Num,
    /// The oldest one's that is still here.
    pub oldest: Num,
    /// Each group that is there, or is about to leave.
    pub groups: BTreeMap<GroupId, Standing>,
}

/// What a command or a query is answered with.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
pub enum Reply {
    /// The change has made the configuration of this number.
    Changed {
        /// The number.
        number: Num,
    },
    /// The change is based on another configuration than the latest. This copy of it was not executed.
    Stale {
        /// The latest one's number.
        latest: Num,
    },
    /// Nothing was changed, for a reason.
    Refused(Refusal),
    /// What a group has finished was noted.
    Noted {
        /// What it has finished now.
        finished: Num,
    },
    /// A configuration.
    Config(Config),
    /// The configuration that was asked for is not here any more.
    Dropped {
        /// The oldest that is.
        oldest: Num,
    },
    /// The groups' progress.
    Status(Status),
}

/// Why nothing was changed.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
pub enum Refusal {
    /// The change names no group, or no slots.
    Nothing,
    /// All would stay as it is.
    NoChange,
    /// A group cannot have the id 0.
    GroupZero,
    /// The change names a group twice.
    NamedTwice(GroupId),
    /// A group of this id is there.
    InUse(GroupId),
    /// A group of this id has left and has not given all away yet.
    Leaving(GroupId),
    /// There is no group of this id.
    NoSuchGroup(GroupId),
    /// A group needs a node.
    NoAddress(GroupId),
    /// A group has one server on a node. A node may be in several groups.
    AddressTwice(Bytes),
    /// An address is empty or too long.
    BadAddress(GroupId),
    /// Some group must keep the slots.
    LastGroup,
    /// There is no slot of this number.
    NoSuchSlot(u16),
    /// A range ends before it begins.
    BadRange(SlotRange),
    /// There would be more groups, or more nodes in one, than there may be.
    TooMany,
    /// As many configurations as may be are waiting for this group to walk on.
    Behind(GroupId),
    /// A group reports a configuration that is not there yet, or that it is not in any more.
    NotThere(Num),
}

/// Bounds of a controller. They decide replies, so they are the same on all replicas.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Limits {
    /// How many slots there are.
    pub slots: u16,
    /// How many groups there may be.
    pub groups: usize,
    /// How many nodes a group may have.
    pub nodes: usize,
    /// The longest address, in bytes.
    pub address_bytes: usize,
    /// So many configurations in front of the latest are kept though nobody needs them, for administrators who ask
    /// what became of a request.
    pub kept: u64,
    /// At most so many configurations in front of the latest are kept for a group that is behind: then nothing can be
    /// changed.
    pub open: u64,
}

impl Limits {
    /// The bounds of a server that was told nothing else.
    pub const DEFAULT: Self =
        Self { slots: SLOTS, groups: 1024, nodes: 32, address_bytes: 255, kept: 64, open: 1024 };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// The controller.
///
/// Invariants: there is a configuration; their numbers go up by one; each group of the latest is in `standings`, with
/// no `left`, and all others there have one.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Controller<R = Exact> {
    rules: R,
    limits: Limits,
    /// The configurations that were not dropped, the oldest first.
    configs: Vec<Config>,
    standings: BTreeMap<GroupId, Standing>,
}

impl<R: Rules> Controller<R> {
    /// A controller with configuration 0.
    ///
    /// # Panics
    /// If there is to be no slot, or no room for a configuration that a group has not finished.
    pub fn new(rules: R, limits: Limits) -> Self {
        assert!(limits.slots > 0 && limits.open > 0, "a controller has slots, and room to change");
        Self {
            rules,
            limits,
            configs: Vec::from([Config::empty(limits.slots)]),
            standings: BTreeMap::new(),
        }
    }

    /// The latest configuration.
    pub fn latest(&self) -> &Config {
        self.configs.last().expect("there is a configuration")
    }

    /// The configurations that are here, the oldest first.
    pub fn configs(&self) -> &[Config] {
        &self.configs
    }

    /// The configuration of this number, if it is here.
    pub fn config(&self, number: Num) -> Option<&Config> {
        self.configs.iter().find(|config| config.number == number)
    }

    /// How far each group is.
    pub const fn standings(&self) -> &BTreeMap<GroupId, Standing> {
        &self.standings
    }

    fn oldest(&self) -> Num {
        self.configs.first().expect("there is a configuration").number
    }

    /// CTL-CAS-1. A change that comes a second time finds a later number too.
    fn change(&mut self, request: RequestId, based: Option<Num>, change: &Change) -> Reply {
        let latest = self.latest().number;
        if based.is_some_and(|based| !self.rules.is_current(based, latest)) {
            return Reply::Stale { latest };
        }
        match self.next(request, change) {
            Err(refusal) => Reply::Refused(refusal),
            Ok(config) => {
                let number = config.number;
                self.take_over(config);
                Reply::Changed { number }
            }
        }
    }

    /// The next configuration, if there may be one.
    fn next(&self, request: RequestId, change: &Change) -> Result<Config, Refusal> {
        let Self { rules, limits, standings, .. } = self;
        let open = self.latest().number - self.needed();
        if !rules.may_grow(open, limits.open) {
            let behind = standings.iter().min_by_key(|(_, standing)| standing.finished);
            let behind = behind.expect("some group needs what is open");
            return Err(Refusal::Behind(*behind.0));
        }
        if let Change::Join(groups) = change {
            let leaving = |id: &GroupId| standings.get(id).is_some_and(|it| it.left.is_some());
            let leaving = groups.iter().map(|(id, _)| *id).find(leaving);
            if let Some(id) = leaving.filter(|_| !rules.may_come_back_early()) {
                return Err(Refusal::Leaving(id));
            }
        }
        next(*rules, limits, self.latest(), request, change)
    }

    fn take_over(&mut self, config: Config) {
        let number = config.number;
        for (id, standing) in &mut self.standings {
            if standing.left.is_none() && !config.groups.contains_key(id) {
                standing.left = Some(number);
            }
        }
        let before = self.latest().number;
        for id in config.groups.keys() {
            let there = self.standings.get(id).is_some_and(|standing| standing.left.is_none());
            if !there {
                self.standings.insert(*id, Standing { finished: before, left: None });
            }
        }
        self.configs.push(config);
        self.forget();
    }

    /// CTL-FINISH-1, CTL-FINISH-2.
    fn finished(&mut self, group: GroupId, number: Num) -> Reply {
        let (rules, latest) = (self.rules, self.latest().number);
        let Some(standing) = self.standings.get_mut(&group) else {
            return Reply::Refused(Refusal::NoSuchGroup(group));
        };
        let last = standing.left.unwrap_or(latest);
        if !rules.may_report(number, last) {
            return Reply::Refused(Refusal::NotThere(number));
        }
        standing.finished = rules.finished_after(standing.finished, number);
        let finished = standing.finished;
        if standing.left.is_some_and(|left| left <= finished) {
            self.standings.remove(&group);
        }
        self.forget();
        Reply::Noted { finished }
    }

    /// The first configuration that some group still needs.
    fn needed(&self) -> Num {
        let latest = self.latest().number;
        let needs = self.standings.values().map(|standing| self.rules.needs(*standing));
        needs.min().unwrap_or(latest).min(latest)
    }

    /// CTL-DROP-1. Drops what nobody needs, but for the last few.
    fn forget(&mut self) {
        let kept = self.latest().number.saturating_sub(self.limits.kept);
        let first = self.needed().min(kept);
        self.configs.retain(|config| config.number >= first);
    }

    /// CTL-DROP-2. The answer about a number.
    fn show(&self, number: Option<Num>) -> Reply {
        let latest = self.latest();
        let number = number.map_or(latest.number, |number| number.min(latest.number));
        match self.config(number) {
            Some(config) => Reply::Config(config.clone()),
            None if !self.rules.tells_dropped() => Reply::Config(self.configs[0].clone()),
            None => Reply::Dropped { oldest: self.oldest() },
        }
    }
}

impl<R: Rules> StateMachine for Controller<R> {
    type Command = Command;
    type Query = Query;
    type Reply = Reply;

    fn apply(&mut self, command: &Command) -> Reply {
        match command {
            Command::Change { request, based, change } => self.change(*request, *based, change),
            Command::Finished { group, number } => self.finished(*group, *number),
        }
    }

    fn read(&self, query: &Query) -> Reply {
        match query {
            Query::Config(number) => self.show(*number),
            Query::Status => Reply::Status(Status {
                latest: self.latest().number,
                oldest: self.oldest(),
                groups: self.standings.clone(),
            }),
        }
    }
}

impl Config {
    /// Configuration 0: no groups, and nobody has a slot.
    pub fn empty(slots: u16) -> Self {
        Self { number: 0, request: None, groups: BTreeMap::new(), slots: Slots::none(slots) }
    }
}
