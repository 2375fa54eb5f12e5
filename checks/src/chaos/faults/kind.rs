//! Which faults there are.

use serde::Serialize;

/// What can go wrong.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// kill -9 of one node, which is started again.
    KillOne,
    /// The same to the one that leads.
    KillLeader,
    /// kill -9 of all nodes, which are started again at once.
    KillAll,
    /// All nodes are asked to end, and started again.
    RestartAll,
    /// SIGSTOP of one node, SIGCONT later.
    Stop,
    /// The same to the one that leads.
    StopLeader,
    /// One node reaches no other, and none reaches it. Clients do.
    Isolate,
    /// The same to the one that leads.
    IsolateLeader,
    /// A majority and a minority.
    Halves,
    /// Two sides, and one node that both see.
    Bridge,
    /// What some send to others does not arrive; what comes back does.
    OneWay,
    /// No client reaches one node.
    NoClients,
    /// What one node sends is late, or lost.
    SlowNetwork,
    /// There is no room on one node's disk.
    FullDisk,
    /// Nothing that one node writes is written, until later.
    FrozenDisk,
    /// The disk that the others share is kept busy.
    SlowDisk,
    /// One node's syncs take longer.
    SlowSyncs,
    /// One node's time of day jumps, and back.
    Clock,
    /// Administrators want groups to come or go, or slots to move: no fault, but never at a good moment.
    Change,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 19] = [
        Self::KillOne,
        Self::KillLeader,
        Self::KillAll,
        Self::RestartAll,
        Self::Stop,
        Self::StopLeader,
        Self::Isolate,
        Self::IsolateLeader,
        Self::Halves,
        Self::Bridge,
        Self::OneWay,
        Self::NoClients,
        Self::SlowNetwork,
        Self::FullDisk,
        Self::FrozenDisk,
        Self::SlowDisk,
        Self::SlowSyncs,
        Self::Clock,
        Self::Change,
    ];

    /// For people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::KillOne => "kill -9 one",
            Self::KillLeader => "kill -9 leader",
            Self::KillAll => "kill -9 all",
            Self::RestartAll => "restart all",
            Self::Stop => "SIGSTOP one",
            Self::StopLeader => "SIGSTOP leader",
            Self::Isolate => "isolate one",
            Self::IsolateLeader => "isolate leader",
            Self::Halves => "halves",
            Self::Bridge => "bridge",
            Self::OneWay => "one-way cut",
            Self::NoClients => "no clients",
            Self::SlowNetwork => "slow network",
            Self::FullDisk => "full disk",
            Self::FrozenDisk => "frozen disk",
            Self::SlowDisk => "slow disk",
            Self::SlowSyncs => "slow syncs",
            Self::Clock => "clock jump",
            Self::Change => "configuration",
        }
    }

    /// Whether it needs ways that can be cut.
    pub const fn cuts(self) -> bool {
        matches!(
            self,
            Self::Isolate
                | Self::IsolateLeader
                | Self::Halves
                | Self::Bridge
                | Self::OneWay
                | Self::NoClients
        )
    }

    /// The least that it lasts, in milliseconds.
    pub(super) const fn least_ms(self) -> usize {
        // A process looks at its clock's file once a second.
        if matches!(self, Self::Clock) { 1500 } else { 200 }
    }

    /// The most that it lasts beyond that, in milliseconds: longer than an election takes, some longer than clients
    /// wait.
    pub(super) const fn most_ms(self) -> usize {
        match self {
            Self::Stop | Self::StopLeader | Self::OneWay | Self::SlowNetwork => 5000,
            Self::KillAll | Self::RestartAll => 800,
            Self::Change => 1000,
            Self::KillOne | Self::KillLeader | Self::FullDisk => 3000,
            _ => 4000,
        }
    }
}
