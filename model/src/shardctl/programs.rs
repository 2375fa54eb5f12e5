//! What administrators want: small programs, each made so that some rule matters.

use super::state::address;
use protocol::shardctl::{Change, GroupId, SlotRange};
use serde::{Deserialize, Serialize};

/// One wish.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Do {
    /// These groups come.
    Join(&'static [u64]),
    /// A group comes, at another address than the one of that id has.
    Takes(u64),
    /// These groups go.
    Leave(&'static [u64]),
    /// Slots, from the first through the last, go to a group.
    Move(u16, u16, u64),
    /// All get their part.
    Rebalance,
}

macro_rules! programs {
    ($($name:ident $steps:expr, $text:literal;)*) => {
        /// What an administrator wants, one after the other.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
        pub enum Program {
            $(#[doc = $text] $name,)*
        }

        impl Program {
            /// Its wishes.
            pub const fn steps(self) -> &'static [Do] {
                use Do::{Join, Leave, Move, Rebalance, Takes};
                match self { $(Self::$name => $steps,)* }
            }
        }
    };
}

programs! {
    Nothing &[], "There is no such administrator.";
    JoinsOne &[Join(&[1])], "The first group comes.";
    JoinsTwo &[Join(&[1]), Join(&[2])], "Two groups come, one after the other.";
    JoinsBoth &[Join(&[1, 2])], "Two groups come at once.";
    JoinsThree &[Join(&[1, 2, 3])], "Three groups come at once.";
    JoinsFive &[Join(&[1, 2]), Join(&[3, 4, 5])], "More groups come than there are slots.";
    JoinsSecond &[Join(&[2])], "Another group comes.";
    JoinsThird &[Join(&[3])], "Yet another group comes.";
    TakesFirst &[Takes(1)], "A group comes with the first one's id.";
    Swaps &[Join(&[1]), Join(&[2]), Leave(&[1])], "Another group takes the first one's place.";
    ComesBack &[Join(&[1, 2]), Leave(&[1]), Join(&[1])], "A group goes and comes back.";
    LeavesFirst &[Leave(&[1])], "The first group goes.";
    LeavesBoth &[Leave(&[1, 2])], "All groups are to go.";
    Replaces &[Join(&[1, 2]), Leave(&[1]), Join(&[3])], "A group goes, and another one comes.";
    MovesBack &[Move(1, 1, 1), Rebalance], "A slot goes to the first group, and then all get their part.";
    Moved &[Join(&[1, 2]), Move(0, 1, 2), Join(&[3])], "A group comes when all slots are at one.";
    Skews &[Join(&[1, 2]), Move(0, 1, 2), Rebalance], "Slots are moved and dealt out again.";
    MovesAway &[Move(0, 0, 3)], "A slot is to go to a group that may not be there.";
}

impl Do {
    /// The change.
    pub fn change(self) -> Change {
        let ids = |ids: &[u64]| ids.iter().map(|&id| GroupId(id)).collect::<Vec<_>>();
        match self {
            Self::Join(groups) => {
                Change::Join(ids(groups).into_iter().map(|id| (id, vec![address(id)])).collect())
            }
            Self::Takes(id) => Change::Join(vec![(GroupId(id), vec![address(GroupId(id + 100))])]),
            Self::Leave(groups) => Change::Leave(ids(groups)),
            Self::Move(first, last, to) => {
                Change::Move { slots: vec![SlotRange { first, last }], to: GroupId(to) }
            }
            Self::Rebalance => Change::Rebalance,
        }
    }
}
