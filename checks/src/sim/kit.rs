//! What the servers and clients of a simulation are made of: the rules that ship, or a mutant's.

use crate::catalog::AnyHunt;
use model::node::DiskFault;
use model::{group, kv, mr, mutants, shardctl, shardkv};
use protocol::kv::{Exact, Rules as KvRules};
use protocol::mr::{Paper as MapReduce, Rules as MrRules};
use protocol::raft::{Paper, Rules as RaftRules};
use protocol::rsm::{Decided, Rules as RsmRules};
use protocol::shardctl::{Exact as ExactCtl, Rules as CtlRules};
use protocol::shardkv::{InOrder, Rules as ShardRules};
use std::fmt;

/// The rules of all machines.
pub trait Kit: Copy + fmt::Debug + 'static {
    /// Raft's.
    type Raft: RaftRules;
    /// Those of what callers are told.
    type Rsm: RsmRules;
    /// The store's and its clients'.
    type Kv: KvRules;
    /// Those of the controller and its administrators.
    type Ctl: CtlRules;
    /// Those of groups that hand slots over.
    type Shard: ShardRules;
    /// MapReduce's.
    type Mr: MrRules;

    /// Raft's.
    fn raft(&self) -> Self::Raft;
    /// Those of what callers are told.
    fn rsm(&self) -> Self::Rsm;
    /// The store's and its clients'.
    fn kv(&self) -> Self::Kv;
    /// Those of the controller and its administrators.
    fn ctl(&self) -> Self::Ctl;
    /// Those of groups that hand slots over.
    fn shard(&self) -> Self::Shard;
    /// MapReduce's.
    fn mr(&self) -> Self::Mr;

    /// What is wrong with the disks.
    fn disk(&self) -> DiskFault {
        DiskFault::None
    }
}

/// What ships.
#[derive(Clone, Copy, Debug)]
pub struct Right;

impl Kit for Right {
    type Raft = Paper;
    type Rsm = Decided;
    type Kv = Exact;
    type Ctl = ExactCtl;
    type Shard = InOrder;
    type Mr = MapReduce;

    fn raft(&self) -> Paper {
        Paper
    }

    fn rsm(&self) -> Decided {
        Decided
    }

    fn kv(&self) -> Exact {
        Exact
    }

    fn ctl(&self) -> ExactCtl {
        ExactCtl
    }

    fn shard(&self) -> InOrder {
        InOrder
    }

    fn mr(&self) -> MapReduce {
        MapReduce
    }
}

/// A mutant. All mutants are one type, so that they cost one compilation.
#[derive(Clone, Copy, Debug)]
pub struct Wrong {
    raft: mutants::Bug,
    rsm: group::Bug,
    kv: kv::Bug,
    ctl: shardctl::Bug,
    shard: shardkv::Bug,
    mr: mr::Bug,
    disk: DiskFault,
}

impl Wrong {
    /// Nothing is wrong with it: it must behave as [`Right`] does.
    pub const NOTHING: Self = Self {
        raft: mutants::Bug::None,
        rsm: group::Bug::None,
        kv: kv::Bug::None,
        ctl: shardctl::Bug::None,
        shard: shardkv::Bug::None,
        mr: mr::Bug::None,
        disk: DiskFault::None,
    };

    /// Whether the product's own threads can be wrong in this way. Their store is what ships.
    pub fn can_be_real(self) -> bool {
        let disk = matches!(self.disk, DiskFault::None | DiskFault::ReportsEarly);
        let shards = self.ctl == shardctl::Bug::None && self.shard == shardkv::Bug::None;
        self.kv == kv::Bug::None && shards && disk
    }

    /// A mutant of the models.
    pub const fn of(hunt: &AnyHunt) -> Self {
        match hunt {
            AnyHunt::Raft(hunt) => Self { raft: hunt.bug, disk: hunt.fault, ..Self::NOTHING },
            // A file without records is a rule of the store's that is wrong.
            AnyHunt::Group(group::Hunt { bug: group::Bug::FileForgets, .. }) => {
                Self { kv: kv::Bug::RecordsNotSaved, ..Self::NOTHING }
            }
            AnyHunt::Group(hunt) => Self { rsm: hunt.bug, disk: hunt.fault(), ..Self::NOTHING },
            AnyHunt::Kv(hunt) => Self { kv: hunt.bug, ..Self::NOTHING },
            // They show where there is a controller, and slots that move: in the labs' scenarios of the sharded store.
            // Of a wrong store there only the slots are wrong that are handed over, which is beyond this.
            AnyHunt::Ctl(hunt) => Self { ctl: hunt.bug, ..Self::NOTHING },
            AnyHunt::Shard(hunt) => Self { shard: hunt.bug, ..Self::NOTHING },
            // In lab 1's scenarios only.
            AnyHunt::Mr(hunt) => Self { mr: hunt.bug, ..Self::NOTHING },
            // There is no mover on Raft that could do wrong by itself, and no router.
            AnyHunt::ShardRaft(_) | AnyHunt::Route(_) => Self::NOTHING,
        }
    }
}

impl Kit for Wrong {
    type Raft = mutants::Mutant;
    type Rsm = group::Wrong;
    type Kv = kv::Wrong;
    type Ctl = shardctl::Wrong;
    type Shard = shardkv::Wrong;
    type Mr = mr::Wrong;

    fn raft(&self) -> mutants::Mutant {
        mutants::Mutant(self.raft)
    }

    fn rsm(&self) -> group::Wrong {
        group::Wrong(self.rsm)
    }

    fn kv(&self) -> kv::Wrong {
        kv::Wrong(self.kv)
    }

    fn ctl(&self) -> shardctl::Wrong {
        shardctl::Wrong { bug: self.ctl, replica: 0 }
    }

    fn shard(&self) -> shardkv::Wrong {
        shardkv::Wrong(self.shard)
    }

    fn mr(&self) -> mr::Wrong {
        mr::Wrong(self.mr)
    }

    fn disk(&self) -> DiskFault {
        self.disk
    }
}
