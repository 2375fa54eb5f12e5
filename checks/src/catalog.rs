//! Everything that can be explored or hunted, of all systems.

use model::bounds::Bounds;
use model::cluster::Cluster;
use model::group::{self, GROUPS};
use model::kv::{self, HUNTS, SCENES, Shop, Wrong};
use model::mr::{self, DEEP_MILLS, MILLS, Mill};
use model::mutants::{Mutant, NEVER_REACHED, TABLE};
use model::node::DiskFault;
use model::probes::Probe;
use model::router::{self, DESKS, Desk};
use model::runs::{DEEP, Run, STANDARD};
use model::script;
use model::shardctl::{self, OFFICES, Office};
use model::shardkv::{self, RELAYS, Relay, Right};
use model::shardraft::{self, DEEP_ESTATES, ESTATES, Estate};
use model::system::System;
use protocol::kv::Exact;
use protocol::mr::Paper as MapReduce;
use protocol::raft::Paper;
use protocol::rsm::Decided;
use protocol::shardctl::Exact as Controls;
use protocol::shardkv::router::Ordered;
use stateright::Model;

/// A run of a system.
pub type RunOf<S> = Run<<S as System>::Bounds, <S as System>::Corner>;

/// A path of a hunt's prefix, and the state behind it.
pub type Begun<S> = (Vec<<S as Model>::Action>, <S as Model>::State);

/// What is known of a mutant, whichever system it is of.
#[derive(Clone, Copy, Debug)]
pub struct Prey {
    /// Its name.
    pub id: &'static str,
    /// The rule of SPEC.md that it breaks.
    pub rule: &'static str,
    /// What is wrong with it.
    pub text: &'static str,
    /// The property that must die.
    pub property: &'static str,
}

/// A system with its right rules, its runs and its mutants.
pub trait Kind {
    /// The model of what ships.
    type Right: System;
    /// The model of a mutant.
    type Wrong: System<
            Bounds = <Self::Right as System>::Bounds,
            Message = <Self::Right as System>::Message,
            Stimulus = <Self::Right as System>::Stimulus,
            Corner = <Self::Right as System>::Corner,
        >;
    /// How a mutant is hunted.
    type Hunt: Copy + Send + Sync + 'static;

    /// The mutants.
    const HUNTS: &'static [Self::Hunt];

    /// The model with the right rules.
    fn right(bounds: <Self::Right as System>::Bounds) -> Self::Right;
    /// The model with a mutant's rules, in these bounds.
    fn wrong(hunt: &Self::Hunt, bounds: <Self::Right as System>::Bounds) -> Self::Wrong;
    /// The model in which a mutant is hunted.
    fn hunted(hunt: &Self::Hunt) -> Self::Wrong;
    /// The same hunt with nothing wrong.
    fn control(hunt: &Self::Hunt) -> Self::Hunt;
    /// What is known of a mutant.
    fn prey(hunt: &Self::Hunt) -> Prey;
    /// Where a hunt begins.
    fn begin(hunt: &Self::Hunt, system: &Self::Wrong) -> Result<Begun<Self::Wrong>, String>;
    /// Whether the corner that such a hunt watches was missed.
    fn missed(hunt: &Self::Hunt, system: &Self::Wrong) -> bool;
}

/// Raft.
pub struct Raft;

/// The store with one server.
pub struct Kv;

/// The replicated store.
pub struct Group;

/// The controller of the sharded store.
pub struct Ctl;

/// The groups of the sharded store.
pub struct Shard;

/// The same, each on a Raft of its own.
pub struct ShardRaft;

/// Where a node takes its clients' calls.
pub struct Route;

/// MapReduce.
pub struct Mr;

impl Kind for Raft {
    type Right = Cluster<Paper>;
    type Wrong = Cluster<Mutant>;
    type Hunt = model::mutants::Hunt;

    const HUNTS: &'static [Self::Hunt] = TABLE;

    fn right(bounds: Bounds) -> Cluster<Paper> {
        Cluster::new(bounds, Paper, DiskFault::None)
    }

    fn wrong(hunt: &Self::Hunt, bounds: Bounds) -> Cluster<Mutant> {
        Cluster::new(bounds, Mutant(hunt.bug), hunt.fault)
    }

    fn hunted(hunt: &Self::Hunt) -> Cluster<Mutant> {
        hunt.cluster()
    }

    fn control(hunt: &Self::Hunt) -> Self::Hunt {
        hunt.control()
    }

    fn prey(hunt: &Self::Hunt) -> Prey {
        Prey { id: hunt.id, rule: hunt.rule, text: hunt.text, property: hunt.property }
    }

    fn begin(hunt: &Self::Hunt, system: &Self::Wrong) -> Result<Begun<Self::Wrong>, String> {
        script::follow(system, hunt.prefix)
    }

    fn missed(hunt: &Self::Hunt, system: &Self::Wrong) -> bool {
        hunt.property == NEVER_REACHED && !system.probes.reached(Probe::QuorumLost)
    }
}

impl Kind for Kv {
    type Right = Shop<Exact>;
    type Wrong = Shop<Wrong>;
    type Hunt = kv::Hunt;

    const HUNTS: &'static [Self::Hunt] = HUNTS;

    fn right(bounds: kv::Bounds) -> Shop<Exact> {
        Shop::new(bounds, Exact)
    }

    fn wrong(hunt: &Self::Hunt, bounds: kv::Bounds) -> Shop<Wrong> {
        Shop::new(bounds, Wrong(hunt.bug))
    }

    fn hunted(hunt: &Self::Hunt) -> Shop<Wrong> {
        hunt.shop()
    }

    fn control(hunt: &Self::Hunt) -> Self::Hunt {
        hunt.control()
    }

    fn prey(hunt: &Self::Hunt) -> Prey {
        let kv::Hunt { id, rule, property, bug, .. } = *hunt;
        Prey { id, rule, text: bug.text(), property }
    }

    fn begin(_: &Self::Hunt, system: &Self::Wrong) -> Result<Begun<Self::Wrong>, String> {
        Ok((Vec::new(), system.start()))
    }

    fn missed(_: &Self::Hunt, _: &Self::Wrong) -> bool {
        false
    }
}

impl Kind for Group {
    type Right = group::Group<Decided>;
    type Wrong = group::Group<group::Wrong>;
    type Hunt = group::Hunt;

    const HUNTS: &'static [Self::Hunt] = group::HUNTS;

    fn right(bounds: group::Bounds) -> Self::Right {
        group::Group::new(bounds, Decided, DiskFault::None)
    }

    fn wrong(hunt: &Self::Hunt, bounds: group::Bounds) -> Self::Wrong {
        hunt.group_in(bounds)
    }

    fn hunted(hunt: &Self::Hunt) -> Self::Wrong {
        hunt.group()
    }

    fn control(hunt: &Self::Hunt) -> Self::Hunt {
        hunt.control()
    }

    fn prey(hunt: &Self::Hunt) -> Prey {
        let group::Hunt { id, rule, property, bug, .. } = *hunt;
        Prey { id, rule, text: bug.text(), property }
    }

    fn begin(hunt: &Self::Hunt, system: &Self::Wrong) -> Result<Begun<Self::Wrong>, String> {
        script::follow(system, hunt.prefix)
    }

    fn missed(_: &Self::Hunt, _: &Self::Wrong) -> bool {
        false
    }
}

/// A kind whose hunts begin at the start, with what ships and what hunts it.
macro_rules! from_the_start {
    ($kind:ident, $system:ident, $module:ident, $rules:expr, $right:ty, $hunted:ident, $within:ident) => {
        impl Kind for $kind {
            type Right = $system<$right>;
            type Wrong = $system<$module::Wrong>;
            type Hunt = $module::Hunt;

            const HUNTS: &'static [Self::Hunt] = $module::HUNTS;

            fn right(bounds: $module::Bounds) -> Self::Right {
                $system::new(bounds, $rules)
            }

            fn wrong(hunt: &Self::Hunt, bounds: $module::Bounds) -> Self::Wrong {
                hunt.$within(bounds)
            }

            fn hunted(hunt: &Self::Hunt) -> Self::Wrong {
                hunt.$hunted()
            }

            fn control(hunt: &Self::Hunt) -> Self::Hunt {
                hunt.control()
            }

            fn prey(hunt: &Self::Hunt) -> Prey {
                let $module::Hunt { id, rule, property, bug, .. } = *hunt;
                Prey { id, rule, text: bug.text(), property }
            }

            fn begin(_: &Self::Hunt, system: &Self::Wrong) -> Result<Begun<Self::Wrong>, String> {
                Ok((Vec::new(), system.start()))
            }

            fn missed(_: &Self::Hunt, _: &Self::Wrong) -> bool {
                false
            }
        }
    };
}

from_the_start!(Ctl, Office, shardctl, Controls, Controls, office, office_in);
from_the_start!(Shard, Relay, shardkv, Right, Right, relay, relay_in);
from_the_start!(Route, Desk, router, Ordered, Ordered, desk, desk_in);
from_the_start!(Mr, Mill, mr, MapReduce, MapReduce, mill, mill_in);

impl Kind for ShardRaft {
    type Right = Estate;
    type Wrong = Estate;
    type Hunt = shardraft::Hunt;

    const HUNTS: &'static [Self::Hunt] = shardraft::HUNTS;

    fn right(bounds: shardraft::Bounds) -> Estate {
        Estate::right(bounds)
    }

    fn wrong(hunt: &Self::Hunt, bounds: shardraft::Bounds) -> Estate {
        hunt.estate_in(bounds)
    }

    fn hunted(hunt: &Self::Hunt) -> Estate {
        hunt.estate()
    }

    fn control(hunt: &Self::Hunt) -> Self::Hunt {
        hunt.control()
    }

    fn prey(hunt: &Self::Hunt) -> Prey {
        let shardraft::Hunt { id, rule, property, bug, .. } = *hunt;
        Prey { id, rule, text: bug.text(), property }
    }

    fn begin(hunt: &Self::Hunt, system: &Estate) -> Result<Begun<Estate>, String> {
        script::follow(system, hunt.prefix)
    }

    fn missed(_: &Self::Hunt, _: &Estate) -> bool {
        false
    }
}

/// The mutant of this kind with this id, in capitals or not. The error lists them.
pub fn mutant<K: Kind>(id: &str) -> Result<&'static K::Hunt, String> {
    K::HUNTS.iter().find(|hunt| K::prey(hunt).id.eq_ignore_ascii_case(id)).ok_or_else(|| {
        let ids: Vec<_> = K::HUNTS.iter().map(|hunt| K::prey(hunt).id).collect();
        let name = K::Right::NAME;
        format!("there is no mutant `{id}` of {name}; there are {}", ids.join(" "))
    })
}

/// A named run of one of the systems.
#[derive(Clone, Copy, Debug)]
pub enum Named {
    /// Of Raft.
    Raft(&'static RunOf<Cluster<Paper>>),
    /// Of the store with one server.
    Kv(&'static RunOf<Shop<Exact>>),
    /// Of the replicated store.
    Group(&'static group::GroupRun),
    /// Of the controller of the sharded store.
    Ctl(&'static shardctl::OfficeRun),
    /// Of groups that hand slots over.
    Shard(&'static shardkv::RelayRun),
    /// Of such groups, each on a Raft of its own.
    ShardRaft(&'static shardraft::EstateRun),
    /// Of where calls go.
    Route(&'static router::DeskRun),
    /// Of MapReduce.
    Mr(&'static mr::MillRun),
}

/// The same of each system's run.
macro_rules! each {
    ($named:expr, $run:ident => $body:expr) => {
        match $named {
            Named::Raft($run) => $body,
            Named::Kv($run) => $body,
            Named::Group($run) => $body,
            Named::Ctl($run) => $body,
            Named::Shard($run) => $body,
            Named::ShardRaft($run) => $body,
            Named::Route($run) => $body,
            Named::Mr($run) => $body,
        }
    };
}

/// The standard runs.
pub fn standard() -> impl Iterator<Item = Named> {
    let raft = STANDARD.iter().map(Named::Raft);
    let stores = SCENES.iter().map(Named::Kv).chain(GROUPS.iter().map(Named::Group));
    let sharded = OFFICES.iter().map(Named::Ctl).chain(RELAYS.iter().map(Named::Shard));
    let sharded = sharded.chain(ESTATES.iter().map(Named::ShardRaft));
    let calls = DESKS.iter().map(Named::Route);
    raft.chain(stores).chain(sharded).chain(calls).chain(MILLS.iter().map(Named::Mr))
}

/// The deep runs.
pub fn deep() -> impl Iterator<Item = Named> {
    let raft = DEEP.iter().map(Named::Raft).chain(DEEP_ESTATES.iter().map(Named::ShardRaft));
    raft.chain(DEEP_MILLS.iter().map(Named::Mr))
}

/// All runs, the standard ones first.
pub fn all() -> impl Iterator<Item = Named> {
    standard().chain(deep())
}

/// The run of this name. The error lists them all.
pub fn find(name: &str) -> Result<Named, String> {
    all().find(|run| run.name() == name).ok_or_else(|| {
        let names: Vec<_> = all().map(|run| run.name()).collect();
        format!("there is no run `{name}`; there are {}", names.join(", "))
    })
}

impl Named {
    /// Its name.
    pub const fn name(&self) -> &'static str {
        each!(self, run => run.name)
    }

    /// What it is for.
    pub const fn about(&self) -> &'static str {
        each!(self, run => run.about)
    }

    /// Whether it takes long and belongs to `checks deep`.
    pub fn is_deep(&self) -> bool {
        deep().any(|run| run.name() == self.name())
    }

    /// Its bounds, as JSON.
    pub fn bounds(&self) -> serde_json::Value {
        each!(self, run => serde_json::json!(run.bounds))
    }

    /// Its bounds in few letters.
    pub fn bounds_text(&self) -> String {
        match self {
            Self::Raft(run) => Cluster::<Paper>::bounds_text(&run.bounds),
            Self::Kv(run) => Shop::<Exact>::bounds_text(&run.bounds),
            Self::Group(run) => group::bounds_text(&run.bounds),
            Self::Ctl(run) => shardctl::bounds_text(&run.bounds),
            Self::Shard(run) => shardkv::bounds_text(&run.bounds),
            Self::ShardRaft(run) => shardraft::bounds_text(&run.bounds),
            Self::Route(run) => router::bounds_text(&run.bounds),
            Self::Mr(run) => mr::bounds_text(&run.bounds),
        }
    }

    /// The names of the corners that it must reach.
    pub fn corners(&self) -> Vec<String> {
        each!(self, run => run.reaches.iter().map(|corner| format!("{corner:?}")).collect())
    }
}

/// A mutant of one of the systems.
#[derive(Clone, Copy, Debug)]
pub enum AnyHunt {
    /// Of Raft.
    Raft(&'static model::mutants::Hunt),
    /// Of the store, its clients or the lock.
    Kv(&'static kv::Hunt),
    /// Of what callers are told.
    Group(&'static group::Hunt),
    /// Of the controller or its administrators.
    Ctl(&'static shardctl::Hunt),
    /// Of groups that hand slots over.
    Shard(&'static shardkv::Hunt),
    /// Of what drives groups that stand on a Raft.
    ShardRaft(&'static shardraft::Hunt),
    /// Of where calls go.
    Route(&'static router::Hunt),
    /// Of MapReduce.
    Mr(&'static mr::Hunt),
}

/// All mutants.
pub fn hunts() -> impl Iterator<Item = AnyHunt> {
    let raft = TABLE.iter().map(AnyHunt::Raft);
    let stores = HUNTS.iter().map(AnyHunt::Kv).chain(group::HUNTS.iter().map(AnyHunt::Group));
    let sharded = shardctl::HUNTS.iter().map(AnyHunt::Ctl);
    let groups = shardkv::HUNTS.iter().map(AnyHunt::Shard);
    let on_raft = shardraft::HUNTS.iter().map(AnyHunt::ShardRaft);
    let calls = router::HUNTS.iter().map(AnyHunt::Route);
    let jobs = mr::HUNTS.iter().map(AnyHunt::Mr);
    raft.chain(stores).chain(sharded).chain(groups).chain(on_raft).chain(calls).chain(jobs)
}

/// The mutant with this id. The error lists them all.
pub fn hunt(id: &str) -> Result<AnyHunt, String> {
    hunts().find(|hunt| hunt.prey().id.eq_ignore_ascii_case(id)).ok_or_else(|| {
        let ids: Vec<_> = hunts().map(|hunt| hunt.prey().id).collect();
        format!("there is no mutant `{id}`; there are {}", ids.join(" "))
    })
}

impl AnyHunt {
    /// What is known of it.
    pub fn prey(&self) -> Prey {
        match self {
            Self::Raft(hunt) => Raft::prey(hunt),
            Self::Kv(hunt) => Kv::prey(hunt),
            Self::Group(hunt) => Group::prey(hunt),
            Self::Ctl(hunt) => Ctl::prey(hunt),
            Self::Shard(hunt) => Shard::prey(hunt),
            Self::ShardRaft(hunt) => ShardRaft::prey(hunt),
            Self::Route(hunt) => Route::prey(hunt),
            Self::Mr(hunt) => Mr::prey(hunt),
        }
    }
}
