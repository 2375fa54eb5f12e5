//! The scenarios by name, in the labs' order.

mod mapreduce;
mod raft;
mod sharded;
mod single;
mod store;

use super::harsh::Level;
use super::lab::{Lab, Outcome};
use super::mapreduce::Job;
use super::sharded::Sharded;
use super::sharded::cluster::Cluster;
use super::store::{Storm, Style, Told};

/// A scenario.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// The labs' name for it.
    pub name: &'static str,
    /// The lab, by the numbers of 2024 and later.
    pub lab: &'static str,
    /// What the labs print.
    pub about: &'static str,
    /// How many servers; in lab 1, workers.
    pub servers: u8,
    /// Whether the network is reliable, at least at first.
    pub reliable: bool,
    /// What the servers are servers of.
    pub serves: Service,
    /// What happens.
    pub run: Run,
}

/// What happens in a scenario.
#[derive(Clone, Copy, Debug)]
pub enum Run {
    /// This.
    Told(fn(&mut Lab) -> Outcome),
    /// This, with clients in the manner of a year.
    Styled(fn(&mut Told<'_>) -> Outcome, Style),
    /// Rounds of clients of the store.
    Storm(Storm),
    /// This, of the sharded store.
    Sharded(fn(&mut Cluster<'_>) -> Outcome),
    /// A job of MapReduce.
    Job(Job),
}

/// What servers are servers of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Service {
    /// A log of commands, which come out of every server.
    Log {
        /// A snapshot is taken as often as so many were applied; 0: never.
        snapshot_every: u64,
    },
    /// The store, with clients.
    Store {
        /// A snapshot is taken when the log is longer than this, in bytes (the labs' maxraftstate).
        snapshot_bytes: Option<u64>,
    },
    /// The store itself, on one server and without a log.
    Single,
    /// The sharded store.
    Sharded(Sharded),
    /// Nothing: there are MapReduce's workers in their place.
    Workers,
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
    let (serves, run) = (Service::Log { snapshot_every: 0 }, Run::Told(run));
    Scenario { name, lab, about, servers, reliable: true, serves, run }
}

impl Scenario {
    const fn unreliable(self) -> Self {
        let run = match self.run {
            Run::Storm(storm) => Run::Storm(Storm { reliable: false, ..storm }),
            run => run,
        };
        Self { reliable: false, run, ..self }
    }

    /// All servers restart at the end of each round.
    const fn restarts(self) -> Self {
        let Run::Storm(storm) = self.run else { return self };
        Self { run: Run::Storm(Storm { crash: true, ..storm }), ..self }
    }

    /// The network is parted again and again.
    const fn partitions(self) -> Self {
        let Run::Storm(storm) = self.run else { return self };
        Self { run: Run::Storm(Storm { partition: true, ..storm }), ..self }
    }

    const fn snapshots(self) -> Self {
        Self { serves: Service::Log { snapshot_every: SNAPSHOT_EVERY }, ..self }
    }

    const fn store(self) -> Self {
        Self { serves: Service::Store { snapshot_bytes: None }, ..self }
    }

    const fn compacting(self, bytes: u64) -> Self {
        Self { serves: Service::Store { snapshot_bytes: Some(bytes) }, ..self }
    }

    /// The labs' maxraftstate, if there is one.
    const fn snapshot_bytes(&self) -> Option<u64> {
        match self.serves {
            Service::Store { snapshot_bytes } => snapshot_bytes,
            Service::Sharded(sharded) => sharded.snapshot_bytes,
            Service::Log { .. } | Service::Single | Service::Workers => None,
        }
    }

    /// Plays it.
    ///
    /// # Errors
    /// What went wrong.
    pub fn play(&self, lab: &mut Lab) -> Outcome {
        let snapshot_bytes = self.snapshot_bytes();
        match self.run {
            Run::Told(run) => run(lab)?,
            Run::Styled(run, style) => run(&mut Told { lab, style, snapshot_bytes })?,
            Run::Storm(storm) => storm.play(lab, snapshot_bytes)?,
            Run::Sharded(run) => self.play_sharded(lab, run)?,
            Run::Job(_) => return Err(lab.failure("a job is played without servers")),
        }
        lab.finish()
    }

    fn play_sharded(&self, lab: &mut Lab, run: fn(&mut Cluster<'_>) -> Outcome) -> Outcome {
        let Service::Sharded(sharded) = self.serves else {
            return Err(lab.failure("there is no sharded store"));
        };
        let mut cluster = Cluster::new(lab, sharded, self.reliable);
        run(&mut cluster)?;
        cluster.end()
    }

    /// How harsh the network may be: see [`super::harsh`].
    pub fn harsh(&self) -> Level {
        const COUNTED: [&str; 2] = ["RPCBytes", "Count"];
        /// They try again and have seconds for it, or claim progress only at the end.
        const PATIENT: [&str; 3] = ["ManyElections", "Figure8", "ReliableChurn"];
        let storm = matches!(self.run, Run::Storm(_));
        match () {
            () if COUNTED.contains(&self.name) => Level::Fair,
            () if storm || !self.reliable || PATIENT.contains(&self.name) => Level::Spells,
            () => Level::Copies,
        }
    }

    /// Whether it can be played in real time here. Those of lab 1 are, elsewhere: [`super::mapreduce`].
    pub fn can_be_real(&self) -> bool {
        self.serves != Service::Workers
    }

    /// The network in one letter, as the labs have it.
    pub const fn network(&self) -> &'static str {
        if self.reliable { "R" } else { "U" }
    }
}

/// All scenarios. Where the labs' years differ, the later year's network: SnapshotAllCrash and SnapshotInit are
/// unreliable since 2025.
pub fn scenarios() -> impl Iterator<Item = &'static Scenario> {
    let later = store::RSM.iter().chain(store::LATER);
    let one = mapreduce::ALL.iter().chain(single::ALL).chain(raft::ALL);
    let sharded = sharded::CONTROLLER.iter().chain(sharded::EARLIER).chain(sharded::LATER);
    one.chain(later).chain(store::EARLIER).chain(store::ONE_KEY).chain(sharded)
}

/// A few scenarios for every kind of thing, for CI: the store on one server, its memory and its lock, elections,
/// persistence, snapshots over a bad network, the replicated state machine, the store with restarts and partitions, the
/// controller, groups that stop while slots move, a slot that is stuck, and administrators who are cut off.
pub const CI: &[&str] = &[
    "UnreliableOneKey2",
    "MemAppend2",
    "ManyClientsUnreliable",
    "InitialElection",
    "ReElection",
    "BasicAgree",
    "RPCBytes",
    "Rejoin",
    "Backup",
    "Count",
    "Persist1",
    "Persist2",
    "UnreliableChurn",
    "SnapshotInstallUnCrash",
    "SnapshotAllCrash",
    "LeaderPartition4A",
    "RestartSubmit4A",
    "Snapshot4C",
    "Unreliable4B",
    "PersistPartitionUnreliable4B",
    "ShardctrlerMulti",
    "ShardkvConcurrent1",
    "ShardkvUnreliable3",
    "ShardkvChallenge2Partial",
    "JoinLeave5B",
    "PartitionControllerJoin5C",
];

/// The scenarios whose name or lab has this in it, whatever the case.
///
/// # Errors
/// If there is none.
pub fn filtered(filter: Option<&str>) -> Result<Vec<&'static Scenario>, String> {
    let wanted = filter.unwrap_or_default().to_lowercase();
    let fits = |text: &str| text.to_lowercase().contains(&wanted);
    let found: Vec<_> =
        scenarios().filter(|scenario| fits(scenario.name) || fits(scenario.lab)).collect();
    if found.is_empty() {
        let names: Vec<_> = scenarios().map(|scenario| scenario.name).collect();
        return Err(format!(
            "no scenario or lab is like `{wanted}`; there are {}",
            names.join(", ")
        ));
    }
    Ok(found)
}

/// The scenario of this very name.
pub fn named(name: &str) -> Option<&'static Scenario> {
    scenarios().find(|scenario| scenario.name == name)
}
