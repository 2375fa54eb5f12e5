//! What the labs' network never does: messages that come twice, ways that are cut in one direction only, and messages
//! that are held for longer than an election takes.
//!
//! The labs lose and delay, and part servers from each other in both directions. A network of this kind does more, and
//! every scenario can be played on it, as far as its claims can hold there ([`Level`]):
//!
//! - **Copies** harm no claim of any scenario but those that count messages: so they come at any time. Of a request
//!   from outside only what is executed once or only reads is copied: a client's connection copies nothing by itself,
//!   and to call an unrecorded Put refused or not executed is right only because of that. Between servers all messages
//!   of Raft are copied, snapshots with their files too: Raft asks of its transport no more than that what comes was
//!   sent. On threads the replay is told so ([`crate::conform::Network::Copies`]); what nobody sent it refuses there
//!   too.
//! - **Spells** come and go: for a while some ways are cut in one direction, and much of what goes the others is held,
//!   for up to three seconds. What a scenario claims of safety must hold all the time. What it claims of progress holds
//!   where it tries again and has seconds for it, for between two spells there is time for an election; where it does
//!   not, the scenario has no spells, or none while it claims that.

use crate::sim::random::{Random, sum};
use std::time::Duration;

/// How harsh a network can be without breaking what a scenario claims.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Level {
    /// Not at all: the scenario counts messages.
    Fair,
    /// Messages come twice.
    Copies,
    /// And in spells ways are cut in one direction, and messages are held.
    Spells,
}

/// Messages that come twice, of a million.
const COPIES: u32 = 50_000;
/// How much later, in microseconds: from, to.
const LATER_US: (u64, u64) = (100, 3_000_000);
/// How long a spell lasts, in microseconds.
const SPELL_US: (u64, u64) = (100_000, 600_000);
/// And what lies between two.
const CALM_US: (u64, u64) = (1_500_000, 3_000_000);
/// During a spell one way of so many is cut.
const CUT: u64 = 4;
/// And of a million messages so many are held, for so long.
const HELD: u32 = 200_000;
const HELD_US: (u64, u64) = (50_000, 3_000_000);

/// Whoever is no server.
pub const OUTSIDE: u8 = u8::MAX;

/// What becomes of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    /// What would have become of it anyway.
    Passes,
    /// It is lost.
    Lost,
    /// It comes so many microseconds later.
    Late(u64),
}

/// A harsh network.
#[derive(Clone, Debug)]
pub struct Harsh {
    random: Random,
    level: Level,
    /// In a spell: which ways are cut hangs on this.
    spell: Option<u64>,
    /// When that changes, in microseconds.
    until: u64,
}

impl Harsh {
    /// It begins now, between two spells.
    pub fn new(level: Level, now: Duration, seed: u64) -> Self {
        let now = u64::try_from(now.as_micros()).unwrap_or(u64::MAX);
        let mut random = Random::new(seed);
        let until = now + random.between(0, CALM_US.0);
        Self { random, level, spell: None, until }
    }

    /// Whether a way is cut now.
    fn is_cut(&mut self, now: u64, way: (u8, u8)) -> bool {
        while self.level == Level::Spells && now >= self.until {
            let (spell, span) = match self.spell {
                None => (Some(self.random.next()), SPELL_US),
                Some(_) => (None, CALM_US),
            };
            self.spell = spell;
            self.until += self.random.between(span.0, span.1);
        }
        self.spell.is_some_and(|spell| sum(&(spell, way)).is_multiple_of(CUT))
    }

    /// What becomes of a message that goes from one end to another now.
    pub fn fate(&mut self, now: u64, way: (u8, u8)) -> Fate {
        if self.is_cut(now, way) {
            Fate::Lost
        } else if self.spell.is_some() && self.random.chance(HELD) {
            Fate::Late(self.random.between(HELD_US.0, HELD_US.1))
        } else {
            Fate::Passes
        }
    }

    /// How much later a copy of a message comes, in microseconds, if there is one.
    pub fn copy_after(&mut self) -> Option<u64> {
        let copied = self.level >= Level::Copies && self.random.chance(COPIES);
        copied.then(|| self.random.skewed(LATER_US.0, LATER_US.1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By way, how many of its messages were lost, late and copied within so many milliseconds.
    fn counted(level: Level, ms: u64) -> Vec<[u64; 3]> {
        let mut harsh = Harsh::new(level, Duration::ZERO, 1);
        let ways = [(0, 1), (1, 0), (OUTSIDE, 0), (0, OUTSIDE)];
        let mut counts = vec![[0; 3]; ways.len()];
        for now in (0..ms).map(|ms| ms * 1_000) {
            for (way, [lost, late, copied]) in ways.iter().zip(&mut counts) {
                match harsh.fate(now, *way) {
                    Fate::Passes => {}
                    Fate::Lost => *lost += 1,
                    Fate::Late(us) => *late += u64::from(us <= HELD_US.1),
                }
                *copied += u64::from(harsh.copy_after().is_some());
            }
        }
        counts
    }

    #[test]
    fn levels() {
        assert!(counted(Level::Fair, 10_000).iter().all(|counts| *counts == [0; 3]));
        let copies = counted(Level::Copies, 10_000);
        assert!(copies.iter().all(|[lost, late, copied]| lost + late == 0 && *copied > 300));
        // A minute has some twenty spells, so every way was cut in some of them and held messages in others.
        let spells = counted(Level::Spells, 60_000);
        assert!(spells.iter().flatten().all(|count| *count > 50), "{spells:?}");
        // Each by itself: some way was cut while its other direction was not.
        assert!(spells[0][0].abs_diff(spells[1][0]) > 50, "{spells:?}");
        // Most of the time is fair.
        assert!(spells.iter().all(|[lost, late, _]| lost + late < 15_000), "{spells:?}");
    }
}
