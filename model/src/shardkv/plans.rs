//! What moves, and what is asked meanwhile: small plans and programs, each made so that some rule matters.

use protocol::kv::{
    Bytes, ClientId, Command, Deadline, Once, Op, Seq, SlotId, StringOp, When, Work,
};
use protocol::shardctl::SlotRange;
use protocol::shardkv::{Beginning, Change, Configuration, GroupId, Num};
use serde::{Deserialize, Serialize};

/// The slots' hash tags.
const TAGS: [&str; 2] = ["a", "b"];

/// A slot of the model.
pub fn slot(index: usize) -> SlotId {
    key(index).slot()
}

/// The key of a slot that is written.
pub fn key(index: usize) -> Bytes {
    Bytes::from(TAGS[index])
}

/// A slot by its index, and the group that it goes to.
type Moves = &'static [(usize, u64)];

macro_rules! plans {
    ($($name:ident $groups:literal $moves:expr, $text:literal;)*) => {
        /// Configurations, one after the other.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
        pub enum Plan {
            $(#[doc = $text] $name,)*
        }

        impl Plan {
            /// How many groups there are.
            pub const fn groups(self) -> usize {
                match self { $(Self::$name => $groups,)* }
            }

            /// What each configuration moves.
            const fn moves(self) -> &'static [Moves] {
                match self { $(Self::$name => $moves,)* }
            }
        }
    };
}

plans! {
    There 2 &[&[(0, 1)], &[(0, 2)]], "A slot goes to another group.";
    Back 2 &[&[(0, 1)], &[(0, 2)], &[(0, 1)]], "A slot goes there and back.";
    Again 2 &[&[(0, 1)], &[(0, 2)], &[(0, 1)], &[(0, 2)]], "A slot goes there, back, and there again.";
    Swap 2 &[&[(0, 1), (1, 2)], &[(0, 2), (1, 1)]], "Two groups give each other a slot.";
    Both 2 &[&[(0, 1), (1, 1)], &[(0, 2), (1, 2)]], "Two slots go to another group.";
    Overtaken 2 &[&[(0, 1), (1, 1)], &[(0, 2)], &[(1, 2)]], "Two slots go, by one configuration each.";
    Late 2 &[&[(0, 1)], &[], &[(0, 2)]], "A slot goes to a group that comes late.";
    Return 2 &[&[(0, 1)], &[(0, 2)], &[(0, 1)], &[], &[(0, 2)]], "A slot goes to a group that left, and comes back.";
    Onward 3 &[&[(0, 1)], &[(0, 2)], &[(0, 3)]], "A slot goes on to a third group.";
    Round 3 &[&[(0, 1), (1, 2)], &[(0, 2), (1, 3)]], "Each of two groups gives the next one a slot.";
}

impl Plan {
    /// The number of the last configuration.
    pub const fn last(self) -> Num {
        self.moves().len() as Num
    }

    /// How many slots there are.
    pub const fn slots(self) -> usize {
        self.moves()[0].len()
    }

    /// Whose a slot is by a configuration; nobody's by number 0.
    pub fn owner(self, index: usize, number: Num) -> Option<GroupId> {
        let moves = self.moves()[..number as usize].iter().rev();
        let mut of_slot = moves.flat_map(|moves| moves.iter()).filter(|(slot, _)| *slot == index);
        of_slot.next().map(|(_, gid)| GroupId(*gid))
    }

    /// Whether a group has no slot by a configuration.
    pub fn has_none(self, gid: GroupId, number: Num) -> bool {
        (0..self.slots()).all(|index| self.owner(index, number) != Some(gid))
    }

    /// With what a group begins in front of the configuration behind this one.
    pub fn beginning(self, number: Num) -> Beginning {
        let owner = |index| {
            let slot = slot(index).0;
            Some((SlotRange { first: slot, last: slot }, self.owner(index, number)?))
        };
        Beginning { number, owners: (0..self.slots()).filter_map(owner).collect() }
    }

    /// A configuration, from 1 on.
    pub fn configuration(self, number: Num) -> Configuration {
        let change = |&(index, to): &(usize, u64)| {
            let from = self.owner(index, number - 1);
            Change { slot: slot(index), from, to: GroupId(to) }
        };
        let changes = self.moves()[number as usize - 1].iter().map(change).collect();
        Configuration { number, changes }
    }
}

/// One call: the slot's index, and what is asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Do {
    /// Something of its own is put behind.
    Append(usize),
    /// It is written over this version.
    Put(usize, u64),
    /// It is taken away, whatever version it has.
    Take(usize),
    /// It is written until this time.
    Until(usize, u64),
    /// It is kept for so long from now.
    Keep(usize, u64),
}

impl Do {
    /// The slot's index.
    pub const fn slot(self) -> usize {
        match self {
            Self::Append(slot)
            | Self::Put(slot, _)
            | Self::Take(slot)
            | Self::Until(slot, _)
            | Self::Keep(slot, _) => slot,
        }
    }
}

macro_rules! programs {
    ($($name:ident $calls:expr, $text:literal;)*) => {
        /// What a client calls, one after the other.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
        pub enum Program {
            $(#[doc = $text] $name,)*
        }

        impl Program {
            /// Its calls.
            pub const fn calls(self) -> &'static [Do] {
                use Do::{Append, Keep, Put, Take, Until};
                match self { $(Self::$name => $calls,)* }
            }
        }
    };
}

programs! {
    Nothing &[], "There is no such client.";
    Once &[Append(0)], "One call at the first slot.";
    Twice &[Append(0), Append(0)], "Two calls at the first slot.";
    Other &[Append(1)], "One call at the second slot.";
    OneEach &[Append(0), Append(1)], "A call at each slot.";
    Remakes &[Put(0, 0), Take(0), Put(0, 0)], "A key is made, taken away and made again.";
    Leases &[Until(0, 30), Keep(0, 10)], "A key with an end, whose end is then put off.";
}

impl Program {
    /// A call by its number, from 1 on: the slot's index, and the work.
    pub fn work(self, client: usize, seq: Seq) -> (usize, Work) {
        let call = self.calls()[seq as usize - 1];
        let index = call.slot();
        let value = || Bytes::from(format!("{client}{seq}").as_str());
        let set = |deadline| {
            Op::String(StringOp::Set { value: value(), when: When::Always, deadline, get: true })
        };
        let op = match call {
            Do::Append(_) => Op::Append { value: value() },
            Do::Put(_, expected) => Op::Put { value: value(), expected },
            Do::Take(_) => Op::String(StringOp::GetDel),
            Do::Until(_, end) => set(Deadline::At(end)),
            Do::Keep(_, span) => set(Deadline::In(span)),
        };
        let once = Once { client: ClientId(client as u128 + 1), seq, acknowledged: seq - 1 };
        (index, Work::Command(Command { key: key(index), op, once: Some(once) }))
    }
}
