//! Labs 4A to 4C (2025, 2026), and 3A and 3B of 2021: services on Raft.

use super::{Run, Scenario, Service, scenario};
use crate::labs::rsm;
use crate::labs::store::singles;
use crate::labs::store::{Keys, Storm, Style};

/// The replicated state machine.
pub(super) static RSM: &[Scenario] = &[
    scenario("Basic4A", "4A", "basic", 3, rsm::basic).store(),
    scenario("Concurrent4A", "4A", "concurrent submit", 3, rsm::concurrent).store(),
    scenario("LeaderFailure4A", "4A", "leader failure", 3, rsm::leader_failure).store(),
    scenario("LeaderPartition4A", "4A", "leader partition", 3, rsm::leader_partition).store(),
    scenario("RestartReplay4A", "4A", "restart", 3, rsm::restart_replay).store(),
    scenario("Shutdown4A", "4A", "shutdown", 3, rsm::shutdown).store(),
    scenario("RestartSubmit4A", "4A", "restart and submit", 3, rsm::restart_submit).store(),
    scenario("Snapshot4C", "4C", "creating snapshots", 3, rsm::snapshot)
        .compacting(rsm::MAX_LOG_BYTES),
];

/// The labs' maxraftstate.
const BOUND: Option<u64> = Some(singles::MAX_LOG_BYTES);

/// Rounds of so many clients, on five servers.
const fn storm(
    name: &'static str,
    lab: &'static str,
    about: &'static str,
    clients: u64,
    style: Style,
) -> Scenario {
    let keys = match style {
        Style::Versions => Keys::One,
        Style::Appends => Keys::Own,
    };
    let storm = Storm {
        clients,
        style,
        keys,
        crash: false,
        partition: false,
        snapshot_bytes: None,
        reliable: true,
    };
    let (reliable, serves) = (true, Service::Store { snapshot_bytes: None });
    Scenario { name, lab, about, servers: 5, reliable, serves, run: Run::Storm(storm) }
}

/// Changes a storm, and what its scenario says of it.
const fn with(scenario: Scenario, crash: bool, partition: bool, reliable: bool) -> Scenario {
    let Run::Storm(storm) = scenario.run else { return scenario };
    let run = Run::Storm(Storm { crash, partition, reliable, ..storm });
    Scenario { reliable, run, ..scenario }
}

const fn bounded(scenario: Scenario) -> Scenario {
    let Run::Storm(storm) = scenario.run else { return scenario };
    let run = Run::Storm(Storm { snapshot_bytes: BOUND, ..storm });
    Scenario { run, serves: Service::Store { snapshot_bytes: BOUND }, ..scenario }
}

/// Seven servers, and clients that share so many keys.
const fn shared(scenario: Scenario, keys: u64) -> Scenario {
    let Run::Storm(storm) = scenario.run else { return scenario };
    let run = Run::Storm(Storm { keys: Keys::Shared(keys), ..storm });
    Scenario { servers: 7, run, ..scenario }
}

/// The store of 2025 and 2026: versioned Puts.
pub(super) static LATER: &[Scenario] = &[
    storm("Basic4B", "4B", "one client", 1, Style::Versions),
    scenario("Speed4B", "4B", "ops complete fast enough", 3, singles::speed_versions).store(),
    storm("Concurrent4B", "4B", "many clients", 5, Style::Versions),
    with(
        storm("Unreliable4B", "4B", "unreliable net, many clients", 5, Style::Versions),
        false,
        false,
        false,
    ),
    scenario(
        "OnePartition4B",
        "4B",
        "progress in majority, no progress in minority",
        5,
        singles::one_partition_versions,
    )
    .unreliable()
    .store(),
    with(
        storm("ManyPartitionsOneClient4B", "4B", "partitions, one client", 1, Style::Versions),
        false,
        true,
        true,
    ),
    with(
        storm("ManyPartitionsManyClients4B", "4B", "partitions, many clients", 5, Style::Versions),
        false,
        true,
        true,
    ),
    with(
        storm("PersistOneClient4B", "4B", "restarts, one client", 1, Style::Versions),
        true,
        false,
        true,
    ),
    with(
        storm("PersistConcurrent4B", "4B", "restarts, many clients", 5, Style::Versions),
        true,
        false,
        true,
    ),
    with(
        storm(
            "PersistConcurrentUnreliable4B",
            "4B",
            "unreliable net, restarts, many clients",
            5,
            Style::Versions,
        ),
        true,
        false,
        false,
    ),
    with(
        storm("PersistPartition4B", "4B", "restarts, partitions, many clients", 5, Style::Versions),
        true,
        true,
        true,
    ),
    with(
        storm(
            "PersistPartitionUnreliable4B",
            "4B",
            "unreliable net, restarts, partitions, many clients",
            5,
            Style::Versions,
        ),
        true,
        true,
        false,
    ),
    shared(
        with(
            storm(
                "PersistPartitionUnreliableLinearizable4B",
                "4B",
                "unreliable net, restarts, partitions, random keys, many clients",
                15,
                Style::Versions,
            ),
            true,
            true,
            false,
        ),
        100,
    ),
    scenario("SnapshotRPC4C", "4C", "InstallSnapshot RPC", 3, singles::snapshot_rpc_versions)
        .compacting(singles::MAX_LOG_BYTES),
    scenario(
        "SnapshotSize4C",
        "4C",
        "snapshot size is reasonable",
        3,
        singles::snapshot_size_versions,
    )
    .compacting(singles::MAX_LOG_BYTES),
    scenario("Speed4C", "4C", "ops complete fast enough", 3, singles::speed_versions_compacting)
        .compacting(singles::MAX_LOG_BYTES),
    bounded(with(
        storm("SnapshotRecover4C", "4C", "restarts, snapshots, one client", 1, Style::Versions),
        true,
        false,
        true,
    )),
    bounded(with(
        storm(
            "SnapshotRecoverManyClients4C",
            "4C",
            "restarts, snapshots, many clients",
            20,
            Style::Versions,
        ),
        true,
        false,
        true,
    )),
    bounded(with(
        storm(
            "SnapshotUnreliable4C",
            "4C",
            "unreliable net, snapshots, many clients",
            5,
            Style::Versions,
        ),
        false,
        false,
        false,
    )),
    bounded(with(
        storm(
            "SnapshotUnreliableRecover4C",
            "4C",
            "unreliable net, restarts, snapshots, many clients",
            5,
            Style::Versions,
        ),
        true,
        false,
        false,
    )),
    bounded(with(
        storm(
            "SnapshotUnreliableRecoverConcurrentPartition4C",
            "4C",
            "unreliable net, restarts, partitions, snapshots, many clients",
            5,
            Style::Versions,
        ),
        true,
        true,
        false,
    )),
    shared(
        bounded(with(
            storm(
                "SnapshotUnreliableRecoverConcurrentPartitionLinearizable4C",
                "4C",
                "unreliable net, restarts, partitions, snapshots, random keys, many clients",
                15,
                Style::Versions,
            ),
            true,
            true,
            false,
        )),
        100,
    ),
];

/// The store of 2021 to 2024: Appends, exactly once. The labs of 2021 are named, those of 2024 are 4A and 4B.
pub(super) static EARLIER: &[Scenario] = &[
    storm("Basic3A", "2021 3A", "one client", 1, Style::Appends),
    scenario("Speed3A", "2021 3A", "ops complete fast enough", 3, singles::speed_appends).store(),
    storm("Concurrent3A", "2021 3A", "many clients", 5, Style::Appends),
    with(
        storm("Unreliable3A", "2021 3A", "unreliable net, many clients", 5, Style::Appends),
        false,
        false,
        false,
    ),
    scenario(
        "UnreliableOneKey3A",
        "2021 3A",
        "concurrent append to same key, unreliable",
        3,
        singles::one_key,
    )
    .unreliable()
    .store(),
    scenario(
        "OnePartition3A",
        "2021 3A",
        "progress in majority, no progress in minority",
        5,
        singles::one_partition_appends,
    )
    .store(),
    with(
        storm("ManyPartitionsOneClient3A", "2021 3A", "partitions, one client", 1, Style::Appends),
        false,
        true,
        true,
    ),
    with(
        storm(
            "ManyPartitionsManyClients3A",
            "2021 3A",
            "partitions, many clients",
            5,
            Style::Appends,
        ),
        false,
        true,
        true,
    ),
    with(
        storm("PersistOneClient3A", "2021 3A", "restarts, one client", 1, Style::Appends),
        true,
        false,
        true,
    ),
    with(
        storm("PersistConcurrent3A", "2021 3A", "restarts, many clients", 5, Style::Appends),
        true,
        false,
        true,
    ),
    with(
        storm(
            "PersistConcurrentUnreliable3A",
            "2021 3A",
            "unreliable net, restarts, many clients",
            5,
            Style::Appends,
        ),
        true,
        false,
        false,
    ),
    with(
        storm(
            "PersistPartition3A",
            "2021 3A",
            "restarts, partitions, many clients",
            5,
            Style::Appends,
        ),
        true,
        true,
        true,
    ),
    with(
        storm(
            "PersistPartitionUnreliable3A",
            "2021 3A",
            "unreliable net, restarts, partitions, many clients",
            5,
            Style::Appends,
        ),
        true,
        true,
        false,
    ),
    shared(
        with(
            storm(
                "PersistPartitionUnreliableLinearizable3A",
                "2021 3A",
                "unreliable net, restarts, partitions, random keys, many clients",
                15,
                Style::Appends,
            ),
            true,
            true,
            false,
        ),
        15,
    ),
    scenario("SnapshotRPC3B", "2021 3B", "InstallSnapshot RPC", 3, singles::snapshot_rpc_appends)
        .compacting(singles::MAX_LOG_BYTES),
    scenario(
        "SnapshotSize3B",
        "2021 3B",
        "snapshot size is reasonable",
        3,
        singles::snapshot_size_appends,
    )
    .compacting(singles::MAX_LOG_BYTES),
    scenario(
        "Speed3B",
        "2021 3B",
        "ops complete fast enough",
        3,
        singles::speed_appends_compacting,
    )
    .compacting(singles::MAX_LOG_BYTES),
    bounded(with(
        storm("SnapshotRecover3B", "2021 3B", "restarts, snapshots, one client", 1, Style::Appends),
        true,
        false,
        true,
    )),
    bounded(with(
        storm(
            "SnapshotRecoverManyClients3B",
            "2021 3B",
            "restarts, snapshots, many clients",
            20,
            Style::Appends,
        ),
        true,
        false,
        true,
    )),
    bounded(with(
        storm(
            "SnapshotUnreliable3B",
            "2021 3B",
            "unreliable net, snapshots, many clients",
            5,
            Style::Appends,
        ),
        false,
        false,
        false,
    )),
    bounded(with(
        storm(
            "SnapshotUnreliableRecover3B",
            "2021 3B",
            "unreliable net, restarts, snapshots, many clients",
            5,
            Style::Appends,
        ),
        true,
        false,
        false,
    )),
    bounded(with(
        storm(
            "SnapshotUnreliableRecoverConcurrentPartition3B",
            "2021 3B",
            "unreliable net, restarts, partitions, snapshots, many clients",
            5,
            Style::Appends,
        ),
        true,
        true,
        false,
    )),
    shared(
        bounded(with(
            storm(
                "SnapshotUnreliableRecoverConcurrentPartitionLinearizable3B",
                "2021 3B",
                "unreliable net, restarts, partitions, snapshots, random keys, many clients",
                15,
                Style::Appends,
            ),
            true,
            true,
            false,
        )),
        15,
    ),
];
