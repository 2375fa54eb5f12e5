//! What a run of the groups' model may do.

use super::{Do, Plan, Program};
use crate::bounds::Net;
use crate::system::within;
use protocol::kv::{Limits, Stamp};
use protocol::shardkv::mover::Settings;
use serde::{Deserialize, Serialize};

/// What may happen in a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Bounds {
    /// The configurations.
    pub plan: Plan,
    /// What each client calls.
    pub programs: [Program; 2],
    /// Whether the first client has made its first call before all else, so that there is something to move.
    pub begun: bool,
    /// The network.
    pub net: Net,
    /// How many leaders each group has at most, one after the other.
    pub leaders: [u64; 3],
    /// By how many entries a leader's replica may be behind its group, and the next leader's too.
    pub behind: u8,
    /// How many proposals may come to nothing.
    pub losses: u8,
    /// Of each group, how many proposals may come into the log a second time, from nobody and at any later time; one at
    /// a time.
    pub repeats: [u8; 3],
    /// How often a group may begin anew from its bytes, without a leader that knows anything.
    pub restarts: u8,
    /// Bytes of a part; it has up to one key or reply more.
    pub part_bytes: usize,
    /// Parts of a slot that may be under way.
    pub parts: usize,
    /// After how many copies a slot is stopped even if more is written than is sent; with 0 it is stopped after the
    /// first.
    pub copies: u32,
    /// How many slots go to one group at a time.
    pub slots: usize,
    /// The clock of each group.
    pub stamps: [Stamp; 3],
    /// Whether what a group needs not walk through is dropped: it is told to begin.
    pub late: bool,
    /// From every so many states, the fair schedule must bring everything to its end; 0 for none.
    pub settle_every: u64,
}

/// More than any run uses.
pub const LIMITS: Limits = Limits { clients: 4, tick_keys: 1_000_000, ..Limits::DEFAULT };

impl Bounds {
    /// What the groups' leaders are told of how much may be under way.
    pub const fn settings(&self) -> Settings {
        let Self { part_bytes, parts, copies, slots, .. } = *self;
        let little_bytes = if copies == 0 { usize::MAX } else { 0 };
        Settings { slots, parts, part_bytes, little_bytes, copies }
    }
}

/// Refuses bounds that no model can have. The error says what to write instead.
pub fn validate(bounds: &Bounds) -> Result<(), String> {
    for leaders in bounds.leaders {
        within("leaders", leaders, 1, 100)?;
    }
    within("parts", bounds.parts as u64, 1, 100)?;
    within("slots", bounds.slots as u64, 1, 100)?;
    within("part_bytes", bounds.part_bytes as u64, 1, 1 << 20)?;
    if bounds.programs[0] == Program::Nothing {
        return Err("the first client calls nothing: name its program first".into());
    }
    let last = bounds.plan.slots();
    let beyond = |call: &Do| call.slot() >= last;
    if let Some(program) = bounds.programs.iter().find(|it| it.calls().iter().any(beyond)) {
        let plan = bounds.plan;
        return Err(format!("{program:?} calls a second slot, and {plan:?} has one only"));
    }
    Ok(())
}

/// The plan, the clients' programs, the leaders, and what is special.
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
    add(bounds.begun, "begun".into());
    add(bounds.net == Net::Duplicate, "dup".into());
    add(bounds.leaders != [1; 3], format!("leaders={:?}", bounds.leaders));
    add(bounds.behind > 0, format!("behind={}", bounds.behind));
    add(bounds.losses > 0, format!("{}loss", bounds.losses));
    add(bounds.repeats != [0; 3], format!("again={:?}", bounds.repeats));
    add(bounds.restarts > 0, format!("{}restart", bounds.restarts));
    add(bounds.part_bytes < 1_000, format!("part={}", bounds.part_bytes));
    add(bounds.parts > 1, format!("parts={}", bounds.parts));
    add(bounds.copies > 0, format!("copies={}", bounds.copies));
    add(bounds.slots > 1, format!("slots={}", bounds.slots));
    add(bounds.late, "late".into());
    add(bounds.stamps != [0; 3], format!("clocks={:?}", bounds.stamps));
    text
}
