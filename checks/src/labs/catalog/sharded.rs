//! Lab 4 of 2021 and lab 5 of 2024: the controller and ShardKV. Lab 5 of 2025 and 2026.
//!
//! The scenarios of 2021 are named as they are there, behind the name of their package, for other labs have some of the
//! same names; 2024 has the same in 5A and 5B, and two of its own. How the labs' shards, groups and controllers are
//! mapped is in [`crate::labs::sharded`].
//!
//! **Not here**: `shardcfg TestBasic` of 2025, which tests the labs' own arithmetic of configurations; ours is tested
//! where it is, and in the model of the controller.

use super::{Outcome, Run, Scenario, Service};
use crate::labs::sharded::cluster::Cluster;
use crate::labs::sharded::{
    LATER_SHARDS, SERVERS, SHARDS, Sharded, challenges, controller, later, pulls, recovery,
};

/// The labs' numbers.
const CONTROLLER_LAB: &str = "2021 4A";
const CONTROLLER_2024: &str = "2024 5";
const SHARDKV: &str = "2021 4B";
const SHARDKV_2024: &str = "2024 5A";
const MOVES: &str = "5A";
const RECOVERY: &str = "5B";
const CONTROLLERS: &str = "5C";

const fn sharded(
    name: &'static str,
    lab: &'static str,
    about: &'static str,
    sharded: Sharded,
    run: fn(&mut Cluster<'_>) -> Outcome,
) -> Scenario {
    let servers = (sharded.groups + 1) * SERVERS as u8;
    let (serves, run) = (Service::Sharded(sharded), Run::Sharded(run));
    Scenario { name, lab, about, servers, reliable: true, serves, run }
}

/// Of the controller, without a group's servers.
const fn alone(
    name: &'static str,
    lab: &'static str,
    about: &'static str,
    run: fn(&mut Cluster<'_>) -> Outcome,
) -> Scenario {
    let only = Sharded { groups: 0, slots: SHARDS, snapshot_bytes: None };
    sharded(name, lab, about, only, run)
}

/// Of ShardKV, with three groups.
const fn shardkv(
    name: &'static str,
    about: &'static str,
    snapshot_bytes: Option<u64>,
    run: fn(&mut Cluster<'_>) -> Outcome,
) -> Scenario {
    let three = Sharded { groups: 3, slots: SHARDS, snapshot_bytes };
    sharded(name, SHARDKV, about, three, run)
}

/// Of lab 5, with so many groups.
const fn lab5(
    name: &'static str,
    lab: &'static str,
    about: &'static str,
    groups: u8,
    run: fn(&mut Cluster<'_>) -> Outcome,
) -> Scenario {
    let groups = Sharded { groups, slots: LATER_SHARDS, snapshot_bytes: None };
    sharded(name, lab, about, groups, run)
}

/// The controller.
pub(super) static CONTROLLER: &[Scenario] = &[
    alone("ShardctrlerBasic", CONTROLLER_LAB, "basic leave/join, queries, move", controller::basic),
    alone("ShardctrlerMulti", CONTROLLER_LAB, "multi-group join/leave", controller::multi),
    alone(
        "ShardctrlerMinimalAgain",
        CONTROLLER_2024,
        "minimal movement again",
        controller::minimal_again,
    ),
];

/// ShardKV, of 2021 to 2024.
pub(super) static EARLIER: &[Scenario] = &[
    shardkv("ShardkvStaticShards", "static shards", None, pulls::static_shards),
    Scenario { lab: SHARDKV_2024, ..shardkv("Rejection5A", "rejection", None, pulls::rejection) },
    shardkv("ShardkvJoinLeave", "join then leave", None, pulls::join_leave),
    shardkv("ShardkvSnapshot", "snapshots, join, and leave", Some(1000), pulls::snapshot),
    shardkv(
        "ShardkvMissChange",
        "servers miss configuration changes",
        Some(1000),
        pulls::miss_change,
    ),
    shardkv(
        "ShardkvConcurrent1",
        "concurrent puts and configuration changes",
        Some(100),
        pulls::concurrent1,
    ),
    shardkv(
        "ShardkvConcurrent2",
        "more concurrent puts and configuration changes",
        None,
        pulls::concurrent2,
    ),
    shardkv(
        "ShardkvConcurrent3",
        "concurrent configuration change and restart",
        Some(300),
        pulls::concurrent3,
    ),
    shardkv("ShardkvUnreliable1", "unreliable 1", Some(100), pulls::unreliable1).unreliable(),
    shardkv("ShardkvUnreliable2", "unreliable 2", Some(100), pulls::unreliable2).unreliable(),
    shardkv("ShardkvUnreliable3", "unreliable 3", Some(100), pulls::unreliable3).unreliable(),
    shardkv("ShardkvChallenge1Delete", "shard deletion (challenge 1)", Some(1), challenges::delete),
    shardkv(
        "ShardkvChallenge2Unaffected",
        "unaffected shard access (challenge 2)",
        Some(100),
        challenges::unaffected,
    )
    .unreliable(),
    shardkv(
        "ShardkvChallenge2Partial",
        "partial migration shard access (challenge 2)",
        Some(100),
        challenges::partial,
    )
    .unreliable(),
];

/// Lab 5, of 2025 and 2026.
pub(super) static LATER: &[Scenario] = &[
    lab5("InitQuery5A", MOVES, "init and query", 1, later::init_query),
    lab5("StaticOneShardGroup5A", MOVES, "one shard group", 1, later::static_one),
    lab5("JoinBasic5A", MOVES, "a group joins", 2, later::join_basic),
    lab5("DeleteBasic5A", MOVES, "delete", 2, later::delete_basic),
    lab5("JoinLeaveBasic5A", MOVES, "basic groups join/leave", 2, later::join_leave_basic),
    lab5("ManyJoinLeaveReliable5A", MOVES, "many groups join/leave", 9, later::many_join_leave),
    lab5("ManyJoinLeaveUnreliable5A", MOVES, "many groups join/leave", 9, later::many_join_leave)
        .unreliable(),
    lab5("Shutdown5A", MOVES, "shutdown", 3, later::shutdown),
    lab5("ProgressShutdown5A", MOVES, "progress", 5, later::progress_shutdown),
    lab5("ProgressJoin5A", MOVES, "progress", 6, later::progress_join),
    lab5("OneConcurrentClerkReliable5A", MOVES, "one concurrent clerk", 9, later::one_clerk),
    lab5("OneConcurrentClerkUnreliable5A", MOVES, "one concurrent clerk", 9, later::one_clerk)
        .unreliable(),
    lab5("ManyConcurrentClerkReliable5A", MOVES, "many concurrent clerks", 9, later::many_clerks),
    lab5("ManyConcurrentClerkUnreliable5A", MOVES, "many concurrent clerks", 9, later::many_clerks)
        .unreliable(),
    lab5("JoinLeave5B", RECOVERY, "join/leave while a group is down", 2, recovery::join_leave),
    lab5("RecoverCtrler5B", RECOVERY, "recover the controller", 9, recovery::recover),
    lab5("ConcurrentReliable5C", CONTROLLERS, "concurrent controllers", 5, recovery::concurrent),
    lab5(
        "AcquireLockConcurrentUnreliable5C",
        CONTROLLERS,
        "concurrent controllers",
        5,
        recovery::concurrent,
    )
    .unreliable(),
    lab5(
        "PartitionControllerJoin5C",
        CONTROLLERS,
        "partition controller in join",
        2,
        recovery::partition_join,
    ),
    lab5(
        "PartitionRecoveryReliableNoClerk5C",
        CONTROLLERS,
        "recovery from a partitioned controller",
        9,
        recovery::partition_no_clerk,
    ),
    lab5(
        "PartitionRecoveryUnreliableNoClerk5C",
        CONTROLLERS,
        "recovery from a partitioned controller",
        9,
        recovery::partition_no_clerk,
    )
    .unreliable(),
    lab5(
        "PartitionRecoveryReliableClerks5C",
        CONTROLLERS,
        "recovery from a partitioned controller",
        9,
        recovery::partition_clerks,
    ),
    lab5(
        "PartitionRecoveryUnreliableClerks5C",
        CONTROLLERS,
        "recovery from a partitioned controller",
        9,
        recovery::partition_clerks,
    )
    .unreliable(),
];
