//! What a simulation is told, and what it draws from its seed before it begins.

use super::faults::Faults;
use super::random::Random;
use protocol::kv::Limits;

/// The largest and smallest groups that are simulated.
pub const NODES: (u64, u64) = (3, 7);
/// The most and fewest clients of a group.
pub const CLIENTS: (u64, u64) = (10, 50);

/// What a simulation is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Plan {
    /// The seed: of everything.
    pub seed: u64,
    /// How many servers; None: the seed says.
    pub nodes: Option<u8>,
    /// How many clients; None: the seed says.
    pub clients: Option<u16>,
    /// For how long things go wrong, in milliseconds.
    pub ms: u64,
    /// What goes wrong.
    pub faults: Faults,
}

/// What the seed says of a group: its size, its bounds, its weather. They are drawn in this order, also those that
/// are overruled, so that one that is overruled changes no other.
#[derive(Clone, Copy, Debug)]
pub struct Habits {
    /// How many servers.
    pub nodes: u8,
    /// How many clients.
    pub clients: u16,
    /// A snapshot is taken when the commands in the log exceed this, in bytes.
    pub snapshot_bytes: u64,
    /// Or as often as so many commands were applied, whatever their length; 0: never.
    pub snapshot_every: u64,
    /// How long the file of a snapshot takes at the most, in microseconds.
    pub file_us: u64,
    /// The most entries in a message.
    pub max_batch: u32,
    /// The most entries on their way to a follower.
    pub window: u32,
    /// The most callers that wait at a server.
    pub max_waiting: usize,
    /// The store's bounds.
    pub limits: Limits,
    /// How long a client thinks between two calls at the most, in microseconds.
    pub think_us: u64,
    /// How long there is between two faults at the most, in microseconds.
    pub calm_us: u64,
    /// How long a disk takes to sync at the most when nothing is wrong, in microseconds.
    pub sync_us: u64,
    /// How often a server that votes or runs is killed a moment later, in millionths.
    pub nervous: u32,
    /// How long a killed server stays down at the most, in microseconds.
    pub down_us: u64,
    /// How many keys of each kind there are at a time.
    pub keys: u64,
    /// Whether all keys lie in one slot.
    pub one_slot: bool,
    /// How often a timer of elections is set to a few milliseconds while things go wrong, in millionths.
    pub hasty: u32,
}

impl Habits {
    /// Those of a plan.
    pub fn of(plan: &Plan, random: &mut Random) -> Self {
        let nodes = random.pick(&[3, 3, 3, 4, 5, 5, 5, 6, 7]);
        let clients = random.skewed(CLIENTS.0, CLIENTS.1) as u16;
        let snapshot_bytes = random.skewed(1 << 10, 256 << 10);
        let max_batch = random.pick(&[1, 4, 64, 1024, 1024]);
        let window = max_batch * random.pick(&[1, 2, 8, 8]);
        let max_waiting = random.pick(&[8, 64, 1 << 16, 1 << 16]);
        // A store that forgets clients soon: what protects against their late calls shows only then.
        let (clients_kept, idle_ms) =
            random.pick(&[(4096, 24 * 3_600_000), (4096, 3_000), (24, 24 * 3_600_000)]);
        let limits = Limits { clients: clients_kept, idle_ms, ..Limits::DEFAULT };
        let think_us = random.skewed(20_000, 400_000);
        let calm_us = random.skewed(150_000, 3_000_000);
        let sync_us = random.skewed(500, 30_000);
        let nervous = random.pick(&[0, 20_000, 150_000, 400_000]);
        let down_us = random.skewed(5_000, 3_000_000);
        let keys = random.between(1, 4);
        let one_slot = random.chance(500_000);
        // A storm of elections: several candidates a term, and servers that are killed as they vote and are back at
        // once. The machine promises safety whatever its timers do.
        let hasty = random.pick(&[0, 0, 300_000, 300_000, 950_000]);
        let (nervous, down_us) = if hasty > 0 { (400_000, 20_000) } else { (nervous, down_us) };
        // The fewer vote, the more hangs on each.
        let nodes = if hasty > 0 && random.chance(700_000) { 3 } else { nodes };
        Self {
            nodes: plan.nodes.unwrap_or(nodes),
            clients: plan.clients.unwrap_or(clients),
            snapshot_bytes,
            snapshot_every: 0,
            file_us: 30_000,
            max_batch,
            window,
            max_waiting,
            limits,
            think_us,
            calm_us,
            sync_us,
            nervous,
            down_us,
            keys,
            one_slot,
            hasty,
        }
    }
}
