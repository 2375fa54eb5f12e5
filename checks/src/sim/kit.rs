//! What the servers and clients of a simulation are made of: the rules that ship, or a mutant's.

use crate::catalog::AnyHunt;
use model::node::DiskFault;
use model::{group, kv, mutants};
use protocol::kv::{Exact, Rules as KvRules};
use protocol::raft::{Paper, Rules as RaftRules};
use protocol::rsm::{Decided, Rules as RsmRules};
use std::fmt;

/// The rules of all machines.
pub trait Kit: Copy + fmt::Debug + 'static {
    /// Raft's.
    type Raft: RaftRules;
    /// Those of what callers are told.
    type Rsm: RsmRules;
    /// The store's and its clients'.
    type Kv: KvRules;

    /// Raft's.
    fn raft(&self) -> Self::Raft;
    /// Those of what callers are told.
    fn rsm(&self) -> Self::Rsm;
    /// The store's and its clients'.
    fn kv(&self) -> Self::Kv;

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

    fn raft(&self) -> Paper {
        Paper
    }

    fn rsm(&self) -> Decided {
        Decided
    }

    fn kv(&self) -> Exact {
        Exact
    }
}

/// A mutant. All mutants are one type, so that they cost one compilation.
#[derive(Clone, Copy, Debug)]
pub struct Wrong {
    raft: mutants::Bug,
    rsm: group::Bug,
    kv: kv::Bug,
    disk: DiskFault,
}

impl Wrong {
    /// Nothing is wrong with it: it must behave as [`Right`] does.
    pub const NOTHING: Self = Self {
        raft: mutants::Bug::None,
        rsm: group::Bug::None,
        kv: kv::Bug::None,
        disk: DiskFault::None,
    };

    /// Whether the product's own threads can be wrong in this way. Their store is what ships.
    pub fn can_be_real(self) -> bool {
        let disk = matches!(self.disk, DiskFault::None | DiskFault::ReportsEarly);
        self.kv == kv::Bug::None && disk
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
            // The simulator has neither a controller nor slots that move.
            AnyHunt::Ctl(_) | AnyHunt::Shard(_) | AnyHunt::ShardRaft(_) | AnyHunt::Route(_) => {
                Self::NOTHING
            }
        }
    }
}

impl Kit for Wrong {
    type Raft = mutants::Mutant;
    type Rsm = group::Wrong;
    type Kv = kv::Wrong;

    fn raft(&self) -> mutants::Mutant {
        mutants::Mutant(self.raft)
    }

    fn rsm(&self) -> group::Wrong {
        group::Wrong(self.rsm)
    }

    fn kv(&self) -> kv::Wrong {
        kv::Wrong(self.kv)
    }

    fn disk(&self) -> DiskFault {
        self.disk
    }
}
