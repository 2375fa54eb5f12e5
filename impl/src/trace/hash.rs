//! Fingerprints of effects and of the protocol's state: of 64 bits, the same in every process of one build.

use crate::rsm::{Coded, StateMachine};
use crate::wal;
use foldhash::quality::FixedState;
use postcard::ser_flavors::Flavor;
use protocol::log::{Entry, Log};
use protocol::raft;
use protocol::rsm::{Effect, Rsm, Rules};
use serde::Serialize;
use std::hash::{BuildHasher, Hash, Hasher};

pub(super) fn hasher() -> impl Hasher {
    FixedState::with_seed(0x7175_6f72).build_hasher()
}

/// Feeds what postcard writes to a hasher, so that long replies are not copied.
struct Feed<'a, H>(&'a mut H);

impl<H: Hasher> Flavor for Feed<'_, H> {
    type Output = ();

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.write_u8(byte);
        Ok(())
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.write(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

/// Of a step's effects, in order.
pub fn of_effects<Y: Serialize>(effects: &[Effect<Y>]) -> u64 {
    let mut state = hasher();
    for effect in effects {
        match effect {
            Effect::Raft(effect) => (0u8, effect).hash(&mut state),
            Effect::Tell { ticket, outcome } => {
                (1u8, ticket).hash(&mut state);
                // What can't be written down has no more to say than that.
                let _ = postcard::serialize_with_flavor(outcome, Feed(&mut state));
            }
            Effect::Pass { to, ticket } => (2u8, to, ticket).hash(&mut state),
            Effect::Resubmit { ticket } => (3u8, ticket).hash(&mut state),
            Effect::ArmRetry => 4u8.hash(&mut state),
        }
    }
    state.finish()
}

/// Of the protocol's state: [`Rsm::digest`].
pub fn of_state<S: StateMachine, R: raft::Rules, W: Rules>(rsm: &Rsm<Coded<S>, R, W>) -> u64 {
    let mut state = hasher();
    rsm.digest(&mut state);
    state.finish()
}

/// Of a log's entries, whatever is in front of them.
pub fn log_hash(log: &Log<wal::Bytes>, first: u64) -> u64 {
    let mut state = hasher();
    (first..=log.last()).filter_map(|index| log.get(index)).for_each(|it| it.hash(&mut state));
    state.finish()
}

/// Of an entry.
pub fn of_entry(entry: &Entry<wal::Bytes>) -> u64 {
    let mut state = hasher();
    entry.hash(&mut state);
    state.finish()
}

/// Of anything that can be hashed.
pub fn of_hashed<T: Hash>(value: &T) -> u64 {
    let mut state = hasher();
    value.hash(&mut state);
    state.finish()
}

/// Of anything that can be written down.
pub fn of<T: Serialize>(value: &T) -> u64 {
    let mut state = hasher();
    let _ = postcard::serialize_with_flavor(value, Feed(&mut state));
    state.finish()
}
