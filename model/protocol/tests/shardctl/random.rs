//! Random changes, good and bad ones.

use super::*;
use proptest::prelude::*;

/// A command before it is known what the latest configuration is.
#[derive(Clone, Debug)]
pub(super) enum Wish {
    Change { behind: u64, change: Change },
    Finish { group: u64, behind: u64 },
}

/// Ids of groups, few, so that they meet.
fn ids() -> impl Strategy<Value = Vec<u64>> {
    prop::collection::vec(0..8u64, 0..4)
}

pub(super) fn change() -> impl Strategy<Value = Change> {
    let range =
        (0..12u16, 0..4u16).prop_map(|(first, more)| SlotRange { first, last: first + more });
    let ranges = prop::collection::vec(range, 0..3);
    prop_oneof![
        4 => ids().prop_map(|ids| join(&ids)),
        3 => ids().prop_map(|ids| leave(&ids)),
        3 => (ranges, 0..8u64).prop_map(|(slots, to)| Change::Move { slots, to: GroupId(to) }),
        1 => Just(Change::Rebalance),
    ]
}

pub(super) fn wishes(most: usize) -> impl Strategy<Value = Vec<Wish>> {
    let behind = prop_oneof![6 => Just(0), 1 => 0..3u64];
    let finish = (0..8u64, 0..4u64).prop_map(|(group, behind)| Wish::Finish { group, behind });
    let wish = prop_oneof![
        3 => (behind, change()).prop_map(|(behind, change)| Wish::Change { behind, change }),
        2 => finish,
    ];
    prop::collection::vec(wish, 0..most)
}

impl Desk {
    /// Applies what is wished, and says what was answered.
    pub(super) fn wish(&mut self, wish: &Wish) -> Reply {
        let latest = self.latest().number;
        match wish {
            Wish::Change { behind, change } => {
                self.ask(Some(latest.saturating_sub(*behind)), change.clone())
            }
            Wish::Finish { group, behind } => {
                self.finish(*group, (latest + 1).saturating_sub(*behind))
            }
        }
    }

    /// One that has taken all of them.
    pub(super) fn grown(limits: Limits, wishes: &[Wish]) -> Self {
        let mut desk = Self::new(limits);
        for wish in wishes {
            desk.wish(wish);
        }
        desk
    }
}
