//! Administrators of a sharded cluster, who change its configuration at any moment: groups come and go, slots move.

use super::chapter::PATIENCE;
use super::faults::World;
use super::nodes::Node;
use crate::walk::Random;
use protocol::kv::Bytes;
use protocol::shardctl::{Change, Outcome, Refusal, SlotRange, Status};
use protocol::shardkv::GroupId;
use quorate::client::admin::Admin;
use quorate::client::{Address, Options};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long an administrator waits to be told what became of a change.
const WAITS: Duration = Duration::from_secs(4);
/// The slots that there are.
const SLOTS: usize = protocol::kv::SLOTS as usize;

/// Who asks, in a thread, and what.
pub type Asking = JoinHandle<()>;

/// What a node is told of the controller and of so many groups: all of them are on all nodes.
pub fn arguments(list: &str, groups: u8) -> Vec<String> {
    let mut all = Vec::new();
    if groups > 0 {
        all.extend(["--controller".into(), list.to_owned()]);
    }
    for group in 1..=groups {
        all.extend(["--group".into(), format!("{group}={list}")]);
    }
    all
}

fn admin(nodes: &[Node], password: &str, patience: Duration) -> Admin {
    let addresses: Vec<Address> = nodes.iter().map(|node| Address::from(node.address)).collect();
    let options = Options {
        connect: Duration::from_millis(500),
        answer: Duration::from_secs(2),
        patience: Some(patience),
        password: Some(password.into()),
        ..Options::default()
    };
    Admin::new(&addresses, options)
}

fn join(group: u64, nodes: &[Node]) -> Change {
    let names = nodes.iter().map(|node| Bytes::from(node.address.to_string().as_str()));
    Change::Join(vec![(GroupId(group), names.collect())])
}

/// Lets all groups join.
///
/// # Errors
/// If the controller does not do it for too long.
pub fn begin(world: &World) -> Result<u64, String> {
    let begun = Instant::now();
    for group in 1..=u64::from(world.groups) {
        let join = join(group, &world.nodes);
        loop {
            match admin(&world.nodes, &world.password, PATIENCE).change(&join) {
                Ok(Outcome::Done { .. } | Outcome::Refused(Refusal::InUse(_))) => break,
                told if begun.elapsed() > PATIENCE => {
                    return Err(format!("group {group} can't join: {told:?}"));
                }
                _ => std::thread::sleep(Duration::from_millis(20)),
            }
        }
    }
    settle(world)
}

/// A change that an administrator wants, in words too. It may be one that can't be.
fn wish(world: &World, random: &mut Random) -> (Change, String) {
    let group = 1 + random.below(world.groups.into()) as u64;
    match random.below(8) {
        0 | 1 => (join(group, &world.nodes), format!("join {group}")),
        2 | 3 => (Change::Leave(vec![GroupId(group)]), format!("leave {group}")),
        4 => (Change::Rebalance, "rebalance".into()),
        _ => {
            let (first, many) = (random.below(SLOTS), 1 + random.below(SLOTS / 2));
            let last = (first + many).min(SLOTS - 1);
            let range = SlotRange { first: first as u16, last: last as u16 };
            let change = Change::Move { slots: vec![range], to: GroupId(group) };
            (change, format!("{first}-{last} to {group}"))
        }
    }
}

/// Lets one or two administrators ask at once for what they draw, and nobody waits until slots have moved.
pub fn ask(world: &World, random: &mut Random) -> (Vec<Asking>, String) {
    let count = 1 + random.below(2);
    let wishes: Vec<_> = (0..count).map(|_| wish(world, random)).collect();
    let words: Vec<&str> = wishes.iter().map(|(_, words)| words.as_str()).collect();
    let words = words.join(" | ");
    let asks = wishes.into_iter().map(|(change, _)| {
        let mut admin = admin(&world.nodes, &world.password, WAITS);
        std::thread::spawn(move || {
            // Whatever it is told: that it can't be, or that nobody knows. What matters is told to clients.
            let _ = admin.change(&change);
        })
    });
    (asks.collect(), words)
}

/// Waits until every slot is where it belongs. The number of the configuration.
///
/// # Errors
/// If it is not for too long.
pub fn settle(world: &World) -> Result<u64, String> {
    let begun = Instant::now();
    let mut admin = admin(&world.nodes, &world.password, PATIENCE);
    loop {
        let status = admin.status().map_err(|error| error.to_string())?;
        if let Some(Status { latest, groups, .. }) = &status
            && groups.values().all(|it| it.finished >= it.left.unwrap_or(*latest))
        {
            return Ok(*latest);
        }
        if begun.elapsed() > PATIENCE {
            let seconds = PATIENCE.as_secs();
            return Err(format!(
                "slots are still on their way {seconds} s after everything was mended: {status:?}"
            ));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}
