//! Labs 3A to 3D: Raft.

use super::{Scenario, scenario};
use crate::labs::raft::{agreement, elections, persistence, snapshots, unreliable};

/// All of them.
pub(super) static ALL: &[Scenario] = &[
    scenario("InitialElection", "3A", "initial election", 3, elections::initial_election),
    scenario("ReElection", "3A", "election after network failure", 3, elections::re_election),
    scenario("ManyElections", "3A", "multiple elections", 7, elections::many_elections),
    scenario("BasicAgree", "3B", "basic agreement", 3, agreement::basic_agree),
    scenario("RPCBytes", "3B", "RPC byte count", 3, agreement::rpc_bytes),
    scenario(
        "FollowerFailure",
        "3B",
        "progressive failure of followers",
        3,
        agreement::follower_failure,
    ),
    scenario("LeaderFailure", "3B", "failure of leaders", 3, agreement::leader_failure),
    scenario("FailAgree", "3B", "agreement after follower reconnects", 3, agreement::fail_agree),
    scenario(
        "FailNoAgree",
        "3B",
        "no agreement if too many followers disconnect",
        5,
        agreement::fail_no_agree,
    ),
    scenario("ConcurrentStarts", "3B", "concurrent Start()s", 3, agreement::concurrent_starts),
    scenario("Rejoin", "3B", "rejoin of partitioned leader", 3, agreement::rejoin),
    scenario(
        "Backup",
        "3B",
        "leader backs up quickly over incorrect follower logs",
        5,
        agreement::backup,
    ),
    scenario("Count", "3B", "RPC counts aren't too high", 3, agreement::count),
    scenario("Persist1", "3C", "basic persistence", 3, persistence::persist1),
    scenario("Persist2", "3C", "more persistence", 5, persistence::persist2),
    scenario(
        "Persist3",
        "3C",
        "partitioned leader and one follower crash, leader restarts",
        3,
        persistence::persist3,
    ),
    scenario("Figure8", "3C", "Figure 8", 5, persistence::figure8),
    scenario("UnreliableAgree", "3C", "unreliable agreement", 5, unreliable::unreliable_agree)
        .unreliable(),
    scenario("Figure8Unreliable", "3C", "Figure 8 (unreliable)", 5, unreliable::figure8_unreliable)
        .unreliable(),
    scenario("ReliableChurn", "3C", "churn", 5, unreliable::churn),
    scenario("UnreliableChurn", "3C", "unreliable churn", 5, unreliable::churn).unreliable(),
    scenario("SnapshotBasic", "3D", "snapshots basic", 3, snapshots::basic).snapshots(),
    scenario("SnapshotInstall", "3D", "install snapshots (disconnect)", 3, snapshots::install)
        .snapshots(),
    scenario(
        "SnapshotInstallUnreliable",
        "3D",
        "install snapshots (disconnect+unreliable)",
        3,
        snapshots::install,
    )
    .unreliable()
    .snapshots(),
    scenario(
        "SnapshotInstallCrash",
        "3D",
        "install snapshots (crash)",
        3,
        snapshots::install_crash,
    )
    .snapshots(),
    scenario(
        "SnapshotInstallUnCrash",
        "3D",
        "install snapshots (unreliable+crash)",
        3,
        snapshots::install_crash,
    )
    .unreliable()
    .snapshots(),
    scenario("SnapshotAllCrash", "3D", "crash and restart all servers", 3, snapshots::all_crash)
        .unreliable()
        .snapshots(),
    scenario("SnapshotInit", "3D", "snapshot initialization after crash", 3, snapshots::init)
        .unreliable()
        .snapshots(),
];
