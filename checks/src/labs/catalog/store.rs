//! Labs 4A to 4C (2025, 2026), and 3A and 3B of 2021: services on Raft.
//!
//! Both years have the same matrix: so many clients, and what happens to the servers and the network meanwhile, first
//! with a log that only grows (part A) and then with snapshots (part B). It stands here once; a year reads it in its
//! [`Style`] and gives the names.

use super::{Run, Scenario, Service, scenario};
use crate::labs::rsm;
use crate::labs::store::{Keys, Storm, Style, Told, singles};

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

/// How a year names a scenario of the matrix, and what its clients do.
#[derive(Clone, Copy)]
struct Year {
    style: Style,
    name: &'static str,
    lab: &'static str,
    about: &'static str,
}

impl Year {
    /// So many clients, on five servers.
    const fn clients(self, clients: u64) -> Scenario {
        let Self { style, name, lab, about } = self;
        let (keys, round_ms) = match style {
            Style::Versions => (Keys::One, 1_000),
            Style::Appends => (Keys::Own, 5_000),
        };
        let run = Run::Storm(Storm::new(clients, style, keys, round_ms));
        let serves = Service::Store { snapshot_bytes: None };
        Scenario { name, lab, about, servers: 5, reliable: true, serves, run }
    }

    /// A scenario that is told by itself.
    const fn told(self, servers: u8, tell: fn(&mut Told<'_>) -> super::Outcome) -> Scenario {
        let run = Run::Styled(tell, self.style);
        Scenario { servers, run, ..self.clients(0) }
    }

    /// What 2021 has on a reliable network and 2025 on an unreliable one.
    const fn since_2025_unreliable(self, scenario: Scenario) -> Scenario {
        match self.style {
            Style::Versions => scenario.unreliable(),
            Style::Appends => scenario,
        }
    }
}

/// Seven servers, and clients that share keys: the later year a hundred, the earlier one as many as there are clients.
const fn random_keys(scenario: Scenario) -> Scenario {
    let Run::Storm(storm) = scenario.run else { return scenario };
    let count = match storm.style {
        Style::Versions => 100,
        Style::Appends => storm.clients,
    };
    let run = Run::Storm(Storm { keys: Keys::Shared(count), ..storm });
    Scenario { servers: 7, run, ..scenario }
}

/// With snapshots: the labs' maxraftstate.
const fn snapshots(scenario: Scenario) -> Scenario {
    scenario.compacting(singles::MAX_LOG_BYTES)
}

/// The store of 2025 and 2026: versioned Puts.
macro_rules! later {
    (A $name:literal, $about:literal) => {
        Year { style: Style::Versions, name: concat!($name, "4B"), lab: "4B", about: $about }
    };
    (B $name:literal, $about:literal) => {
        Year { style: Style::Versions, name: concat!($name, "4C"), lab: "4C", about: $about }
    };
}

/// The store of 2021 to 2024: Appends, exactly once. The labs of 2021 are named, those of 2024 are 4A and 4B.
macro_rules! earlier {
    (A $name:literal, $about:literal) => {
        Year { style: Style::Appends, name: concat!($name, "3A"), lab: "2021 3A", about: $about }
    };
    (B $name:literal, $about:literal) => {
        Year { style: Style::Appends, name: concat!($name, "3B"), lab: "2021 3B", about: $about }
    };
}

/// The matrix.
macro_rules! matrix {
    ($year:ident) => {
        &[
            $year!(A "Basic", "one client").clients(1),
            $year!(A "Speed", "ops complete fast enough").told(3, singles::speed),
            $year!(A "Concurrent", "many clients").clients(5),
            $year!(A "Unreliable", "unreliable net, many clients").clients(5).unreliable(),
            {
                let year = $year!(
                    A "OnePartition", "progress in majority, no progress in minority"
                );
                year.since_2025_unreliable(year.told(5, singles::one_partition))
            },
            $year!(A "ManyPartitionsOneClient", "partitions, one client").clients(1).partitions(),
            $year!(A "ManyPartitionsManyClients", "partitions, many clients")
                .clients(5)
                .partitions(),
            $year!(A "PersistOneClient", "restarts, one client").clients(1).restarts(),
            $year!(A "PersistConcurrent", "restarts, many clients").clients(5).restarts(),
            $year!(A "PersistConcurrentUnreliable", "unreliable net, restarts, many clients")
                .clients(5)
                .restarts()
                .unreliable(),
            $year!(A "PersistPartition", "restarts, partitions, many clients")
                .clients(5)
                .restarts()
                .partitions(),
            $year!(
                A "PersistPartitionUnreliable",
                "unreliable net, restarts, partitions, many clients"
            )
            .clients(5)
            .restarts()
            .partitions()
            .unreliable(),
            random_keys(
                $year!(
                    A "PersistPartitionUnreliableLinearizable",
                    "unreliable net, restarts, partitions, random keys, many clients"
                )
                .clients(15)
                .restarts()
                .partitions()
                .unreliable(),
            ),
            snapshots(
                $year!(B "SnapshotRPC", "InstallSnapshot RPC").told(3, singles::snapshot_rpc),
            ),
            snapshots(
                $year!(B "SnapshotSize", "snapshot size is reasonable")
                    .told(3, singles::snapshot_size),
            ),
            snapshots($year!(B "Speed", "ops complete fast enough").told(3, singles::speed)),
            snapshots(
                $year!(B "SnapshotRecover", "restarts, snapshots, one client")
                    .clients(1)
                    .restarts(),
            ),
            snapshots(
                $year!(B "SnapshotRecoverManyClients", "restarts, snapshots, many clients")
                    .clients(20)
                    .restarts(),
            ),
            snapshots(
                $year!(B "SnapshotUnreliable", "unreliable net, snapshots, many clients")
                    .clients(5)
                    .unreliable(),
            ),
            snapshots(
                $year!(
                    B "SnapshotUnreliableRecover",
                    "unreliable net, restarts, snapshots, many clients"
                )
                .clients(5)
                .restarts()
                .unreliable(),
            ),
            snapshots(
                $year!(
                    B "SnapshotUnreliableRecoverConcurrentPartition",
                    "unreliable net, restarts, partitions, snapshots, many clients"
                )
                .clients(5)
                .restarts()
                .partitions()
                .unreliable(),
            ),
            snapshots(random_keys(
                $year!(
                    B "SnapshotUnreliableRecoverConcurrentPartitionLinearizable",
                    "unreliable net, restarts, partitions, snapshots, random keys, many clients"
                )
                .clients(15)
                .restarts()
                .partitions()
                .unreliable(),
            )),
        ]
    };
}

/// 2025 and 2026.
pub(super) static LATER: &[Scenario] = matrix!(later);

/// 2021.
pub(super) static EARLIER: &[Scenario] = matrix!(earlier);

/// What only 2021 has.
pub(super) static ONE_KEY: &[Scenario] =
    &[earlier!(A "UnreliableOneKey", "concurrent append to same key, unreliable")
        .told(3, singles::one_key)
        .unreliable()];
