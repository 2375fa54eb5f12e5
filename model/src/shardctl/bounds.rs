//! What a run of the controller's model may do.

use super::Program;
use crate::bounds::Net;
use crate::system::within;
use protocol::shardctl::Limits;
use serde::{Deserialize, Serialize};

/// What may happen in a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Bounds {
    /// What each administrator wants.
    pub programs: [Program; 2],
    /// How many slots there are.
    pub slots: u16,
    /// How many groups walk from configuration to configuration: those with the smallest ids.
    pub walkers: u8,
    /// How many configurations are kept though nobody needs them.
    pub kept: u64,
    /// How many are kept at most for a group that is behind.
    pub open: u64,
    /// The network.
    pub net: Net,
    /// How many messages may be lost for good. Without it a message may still be later than all else.
    pub losses: u8,
    /// How often a call may be sent.
    pub attempts: u32,
    /// How often a wish may be begun anew when something else was changed first.
    pub again: u8,
    /// How often a group may report what it has finished.
    pub reports: u8,
    /// Whether the second replica applies what is committed later than the leader.
    pub lags: bool,
    /// Whether questions go to the second replica, and to the leader only when they are sent again.
    pub asks_behind: bool,
    /// How often a replica may save its state.
    pub saves: u8,
    /// How often a replica may begin anew from what it has saved.
    pub restarts: u8,
    /// How many administrators may die.
    pub deaths: u8,
    /// Whether groups that have left go on walking and reporting, which no right group does.
    pub rovers: bool,
    /// Whether answers and questions of calls that are over are taken out of the network at once (RED-OVER).
    pub drop_void: bool,
    /// From every so many states, the fair schedule must bring everything to its end; 0 for none.
    pub settle_every: u64,
}

impl Bounds {
    /// The controller's bounds.
    pub const fn limits(&self) -> Limits {
        let Self { slots, kept, open, .. } = *self;
        Limits { slots, kept, open, ..Limits::DEFAULT }
    }
}

/// The administrators' programs, slots and groups, how often a call is sent, and what is special.
pub fn bounds_text(bounds: &Bounds) -> String {
    let programs = bounds.programs.iter().filter(|program| **program != Program::Nothing);
    let names: Vec<_> = programs.map(|program| format!("{program:?}")).collect();
    let Bounds { slots, walkers, attempts, .. } = bounds;
    let mut text = format!("{} {slots}slots ×{attempts}", names.join("+"));
    let mut add = |on: bool, word: String| {
        if on {
            text.push(' ');
            text += &word;
        }
    };
    add(*walkers > 0, format!("{walkers}walk×{}", bounds.reports));
    add(*walkers > 0, format!("keep={}", bounds.kept));
    add(bounds.open < 9, format!("open={}", bounds.open));
    add(bounds.again > 0, format!("again={}", bounds.again));
    add(bounds.net == Net::Duplicate, "dup".into());
    add(bounds.losses > 0, format!("{}loss", bounds.losses));
    add(bounds.lags, "lags".into());
    add(bounds.asks_behind, "asks-behind".into());
    add(bounds.saves > 0, format!("{}save", bounds.saves));
    add(bounds.restarts > 0, format!("{}restart", bounds.restarts));
    add(bounds.deaths > 0, format!("{}dies", bounds.deaths));
    add(bounds.rovers, "rovers".into());
    add(!bounds.drop_void, "void".into());
    text
}

/// Refuses bounds that no model can have. The error says what to write instead.
pub fn validate(bounds: &Bounds) -> Result<(), String> {
    within("slots", bounds.slots.into(), 1, 16)?;
    within("walkers", bounds.walkers.into(), 0, 8)?;
    within("attempts", bounds.attempts.into(), 1, 100)?;
    within("open", bounds.open, 1, 100)?;
    if bounds.net == Net::Duplicate && (bounds.lags || bounds.restarts > 0) {
        return Err("copies without end fill a log that a replica has yet to apply: leave out \
                    net=Duplicate, or lags and restarts"
            .into());
    }
    if bounds.programs[0] == Program::Nothing {
        return Err("the first administrator wants nothing: name its program first".into());
    }
    if bounds.asks_behind && !bounds.lags {
        return Err("a replica that is never behind can't be asked behind: set lags=true, or \
                    leave out asks_behind"
            .into());
    }
    Ok(())
}
