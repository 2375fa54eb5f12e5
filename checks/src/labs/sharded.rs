//! The labs' scenarios for the sharded store: the controller and ShardKV of 2021 (2024's lab 5), and lab 5 of 2025 and
//! 2026.
//!
//! **Shards are slots.** The labs have 10 shards, or 12; here a controller of as many slots is asked, which is a bound
//! of its ([`shardctl::Limits`]), and a key bears a hash tag that lies in the slot of its shard. So everything that a
//! scenario says of shards is said of slots, and moves as many of them.
//!
//! **Groups walk by themselves.** In 2021 groups pull what they get, in 2025 a controller outside pushes it; here
//! leaders of groups tell each other (DESIGN's hand-over), and an administrator only says what is to be. So what
//! a lab's controller does in one call is here a change, and waiting until every group has finished it. Where a lab's
//! controller dies in between, here an administrator does, and the groups go on without him.
//!
//! **The last group stays.** The labs' groups may all leave, and then nobody has a shard; here the last one may not
//! (CTL-LAST-1). And one that comes back waits until it has given all away (CTL-JOIN-2).
//!
//! At the end of every scenario nothing goes wrong any more, and within seconds everything must be settled: every group
//! has finished the latest configuration, who left keeps nothing, every key is where it belongs, and some order of all
//! calls explains every reply.

pub mod admin;
pub mod challenges;
pub mod clerks;
pub mod cluster;
pub mod controller;
pub mod later;
pub mod pulls;
pub mod recovery;
pub mod route;
pub mod simulated;
pub mod threaded;

use protocol::kv::Bytes;
use protocol::shardctl;
use protocol::shardkv::GroupId;
use protocol::shardkv::mover::Settings;
use std::sync::LazyLock;

/// How many servers the controller has, and each group.
pub const SERVERS: usize = 3;
/// The labs' shards, of 2021 to 2024.
pub const SHARDS: u16 = 10;
/// The labs' shards, of 2025 and later.
pub const LATER_SHARDS: u16 = 12;

/// A controller and groups of the store.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sharded {
    /// How many groups have servers. They need not be in the configuration.
    pub groups: u8,
    /// How many slots there are.
    pub slots: u16,
    /// A group takes a snapshot when its log is longer than this, in bytes (the labs' maxraftstate).
    pub snapshot_bytes: Option<u64>,
}

/// For each slot a text that lies in it.
static TAGS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let tag = |slot: u16| {
        let mut texts = (0..u32::MAX).map(|number| number.to_string());
        texts.find(|text| Bytes::from(text.as_str()).slot().0 == slot).unwrap_or_default()
    };
    (0..LATER_SHARDS).map(tag).collect()
});

/// FNV-1a of 32 bits.
fn hash(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

impl Sharded {
    /// The controller's bounds.
    pub const fn limits(self) -> shardctl::Limits {
        shardctl::Limits { slots: self.slots, ..shardctl::Limits::DEFAULT }
    }

    /// How leaders of groups move slots: as those of the product do.
    pub const fn settings(self) -> Settings {
        Settings::DEFAULT
    }

    /// The name of a group, by its place among the groups from 0 on.
    pub const fn gid(place: usize) -> GroupId {
        GroupId(place as u64 + 1)
    }

    /// The place of a group; None: no group has this name.
    pub fn place(gid: GroupId) -> Option<usize> {
        usize::try_from(gid.0).ok()?.checked_sub(1)
    }

    /// The labs' shard of a key: by its first byte, and since 2025 by a hash of it.
    pub fn shard(self, text: &str) -> u16 {
        match self.slots {
            LATER_SHARDS => (hash(text) % u32::from(self.slots)) as u16,
            slots => u16::from(text.bytes().next().unwrap_or(0)) % slots,
        }
    }

    /// A key of the labs', as it is here: it lies in the slot with the number of its shard.
    pub fn key(self, text: &str) -> String {
        format!("{{{}}}{text}", TAGS[usize::from(self.shard(text))])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn keys_lie_in_the_slots_of_their_shards() {
        for slots in [SHARDS, LATER_SHARDS] {
            let sharded = Sharded { groups: 1, slots, snapshot_bytes: None };
            let mut seen = BTreeSet::new();
            for number in 0..60 {
                let text = format!("{}{number}", if slots == SHARDS { "" } else { "k" });
                let slot = Bytes::from(sharded.key(&text).as_str()).slot().0;
                assert_eq!(slot, sharded.shard(&text), "{text}");
                seen.insert(slot);
            }
            assert_eq!(seen.len(), usize::from(slots), "every shard has a key");
        }
    }

    #[test]
    fn groups_have_names() {
        for place in 0..9 {
            assert_eq!(Sharded::place(Sharded::gid(place)), Some(place));
        }
        assert_eq!(Sharded::place(GroupId(0)), None);
    }
}
