//! What a run of the router's model may do, and what its clients ask.

use crate::shardkv::Plan;
use crate::system::within;
use protocol::shardkv::GroupId;
use serde::{Deserialize, Serialize};

/// One call of a client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Do {
    /// It puts something behind the key of the slot of this index.
    Append(usize),
    /// It takes all keys away.
    Flush,
    /// It counts all keys.
    Count,
}

macro_rules! programs {
    ($($name:ident $calls:expr, $text:literal;)*) => {
        /// What a session asks, one after the other, without waiting for answers.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
        pub enum Program {
            $(#[doc = $text] $name,)*
        }

        impl Program {
            /// Its calls.
            pub const fn calls(self) -> &'static [Do] {
                use Do::{Append, Count, Flush};
                match self { $(Self::$name => $calls,)* }
            }
        }
    };
}

programs! {
    Nothing &[], "There is no such session.";
    Once &[Append(0)], "One call.";
    Twice &[Append(0), Append(0)], "Two calls of one slot.";
    Thrice &[Append(0), Append(0), Append(0)], "Three calls of one slot.";
    Apart &[Append(0), Append(1), Append(0)], "Calls of two slots.";
    Flushes &[Flush], "All keys are taken away.";
    Counts &[Count], "All keys are counted.";
    FlushesBetween &[Append(0), Flush, Append(0)], "All keys are taken away between two calls.";
}

/// What may happen in a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Bounds {
    /// The configurations.
    pub plan: Plan,
    /// What each session asks.
    pub programs: [Program; 2],
    /// The first group that has no server on this node, and all behind it; 0 if all have one.
    pub first_elsewhere: u64,
    /// Whether groups that are not the first are told of no configuration until they are told of one.
    pub new: bool,
    /// How many calls a group may not execute though it serves their slot.
    pub failures: u8,
    /// Of how many calls nobody may know whether they were executed.
    pub unknown: u8,
    /// How many calls to groups elsewhere may be given up on the way, and come there late or never.
    pub strays: u8,
    /// On how many nodes each group that is elsewhere has servers: one, or two.
    pub ways: u8,
    /// How often another server of a group that is elsewhere may come to lead.
    pub leads: u8,
    /// How many calls may have waited long enough when they are refused.
    pub lates: u8,
    /// Whether clients go to groups' leaders by themselves.
    pub stays: bool,
    /// Whether the first session may go.
    pub goes: bool,
    /// From every so many states, the fair schedule must bring everything to its end; 0 for none.
    pub settle_every: u64,
}

impl Bounds {
    /// The groups.
    pub fn groups(&self) -> impl Iterator<Item = GroupId> {
        (1..=self.plan.groups() as u64).map(GroupId)
    }

    /// Whether a group has a server on this node.
    pub fn is_here(&self, group: GroupId) -> bool {
        self.first_elsewhere == 0 || group.0 < self.first_elsewhere
    }
}

/// Refuses bounds that no model can have. The error says what to write instead.
pub fn validate(bounds: &Bounds) -> Result<(), String> {
    within("first_elsewhere", bounds.first_elsewhere, 0, 9)?;
    within("ways", bounds.ways.into(), 1, 2)?;
    if bounds.leads > 0 && bounds.ways < 2 {
        return Err(
            "a group of which one server is in the model has one that leads: set ways=2, or \
                    leads=0"
                .into(),
        );
    }
    if bounds.first_elsewhere == 1 && bounds.stays {
        return Err("a node without a group has nothing to say to clients that go to leaders by \
                    themselves: let first_elsewhere be 0, or 2 and above, or leave out stays"
            .into());
    }
    if bounds.first_elsewhere == 0 && (bounds.strays > 0 || bounds.ways > 1) {
        return Err("only what is sent to another node may stray, or have two ways: set \
                    first_elsewhere"
            .into());
    }
    let calls = || bounds.programs.iter().flat_map(|program| program.calls());
    let slots = bounds.plan.slots();
    let is_beyond = |call: &&Do| matches!(call, Do::Append(slot) if *slot >= slots);
    if let Some(call) = calls().find(is_beyond) {
        let plan = bounds.plan;
        return Err(format!("{call:?} calls a second slot, and {plan:?} has one only"));
    }
    if bounds.ways > 1 && calls().any(|call| !matches!(call, Do::Append(_))) {
        return Err("a question about all keys goes one way to each group: set ways=1".into());
    }
    let leaves_out = bounds.first_elsewhere > 0 && bounds.stays;
    if leaves_out && calls().any(|call| !matches!(call, Do::Append(_))) {
        return Err("a question about all keys is for runs in which all groups are asked: set \
                    first_elsewhere=0, or leave out stays"
            .into());
    }
    Ok(())
}

/// The plan, the sessions' programs, and what is special.
pub fn bounds_text(bounds: &Bounds) -> String {
    let programs = bounds.programs.iter().filter(|program| **program != Program::Nothing);
    let names: Vec<_> = programs.map(|program| format!("{program:?}")).collect();
    let mut text = format!("{:?} {}", bounds.plan, names.join("+"));
    let mut add = |on: bool, word: String| {
        if on {
            text.push(' ');
            text += &word;
        }
    };
    add(bounds.first_elsewhere > 0, format!("elsewhere={}", bounds.first_elsewhere));
    add(bounds.new, "new".into());
    add(bounds.failures > 0, format!("{}fail", bounds.failures));
    add(bounds.unknown > 0, format!("{}unknown", bounds.unknown));
    add(bounds.strays > 0, format!("{}stray", bounds.strays));
    add(bounds.ways > 1, format!("{}ways", bounds.ways));
    add(bounds.leads > 0, format!("{}lead", bounds.leads));
    add(bounds.lates > 0, format!("{}late", bounds.lates));
    add(bounds.stays, "stays".into());
    add(bounds.goes, "goes".into());
    text
}
