//! The scenarios by name, in the labs' order.

use super::lab::{Lab, Outcome};
use super::raft::{agreement, elections, persistence, snapshots, unreliable};

/// A scenario.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// The labs' name for it.
    pub name: &'static str,
    /// The lab, by the numbers of 2024 and later.
    pub lab: &'static str,
    /// What the labs print.
    pub about: &'static str,
    /// How many servers.
    pub servers: u8,
    /// Whether the network is reliable, at least at first.
    pub reliable: bool,
    /// A snapshot is taken as often as so many commands were applied; 0: never.
    pub snapshot_every: u64,
    /// What happens.
    pub run: fn(&mut Lab) -> Outcome,
}

/// The labs' interval between snapshots, in commands.
const SNAPSHOT_EVERY: u64 = 10;

const fn scenario(
    name: &'static str,
    lab: &'static str,
    about: &'static str,
    servers: u8,
    run: fn(&mut Lab) -> Outcome,
) -> Scenario {
    Scenario { name, lab, about, servers, reliable: true, snapshot_every: 0, run }
}

impl Scenario {
    const fn unreliable(self) -> Self {
        Self { reliable: false, ..self }
    }

    const fn snapshots(self) -> Self {
        Self { snapshot_every: SNAPSHOT_EVERY, ..self }
    }

    /// The network in one letter, as the labs have it.
    pub const fn network(&self) -> &'static str {
        if self.reliable { "R" } else { "U" }
    }
}

/// All scenarios. Where the labs' years differ, the later year's network: SnapshotAllCrash and SnapshotInit are
/// unreliable since 2025.
pub const SCENARIOS: &[Scenario] = &[
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

/// The scenarios whose name or lab has this in it, whatever the case.
///
/// # Errors
/// If there is none.
pub fn filtered(filter: Option<&str>) -> Result<Vec<&'static Scenario>, String> {
    let wanted = filter.unwrap_or_default().to_lowercase();
    let fits = |text: &str| text.to_lowercase().contains(&wanted);
    let found: Vec<_> =
        SCENARIOS.iter().filter(|scenario| fits(scenario.name) || fits(scenario.lab)).collect();
    if found.is_empty() {
        let names: Vec<_> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
        return Err(format!(
            "no scenario or lab is like `{wanted}`; there are {}",
            names.join(", ")
        ));
    }
    Ok(found)
}

/// The scenario of this very name.
pub fn named(name: &str) -> Option<&'static Scenario> {
    SCENARIOS.iter().find(|scenario| scenario.name == name)
}
