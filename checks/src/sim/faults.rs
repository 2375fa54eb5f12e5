//! What can go wrong around the servers, by name, and how often it did; and the corners that a run has reached.

use serde::{Serialize, Serializer};
use std::fmt;

macro_rules! named {
    ($(#[$doc:meta])* $name:ident, $all:ident: $($variant:ident $text:literal $about:literal,)*) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum $name { $(#[doc = $about] $variant,)* }

        /// All of them.
        pub const $all: &[$name] = &[$($name::$variant,)*];

        impl $name {
            /// Its name.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// What it is.
            pub const fn about(self) -> &'static str {
                match self { $(Self::$variant => $about,)* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}

named! {
    /// A kind of fault.
    Fault, FAULTS:
    Loss "loss" "a message between servers is lost",
    Duplicate "duplicate" "a message between servers comes twice",
    Reorder "reorder" "a message between servers is overtaken by later ones",
    Delay "delay" "a message is late, by up to several election timeouts",
    Partition "partition" "some servers do not reach the others, in neither direction",
    OneWay "one-way" "a server does not reach another, which reaches it",
    Break "break" "a connection breaks: between servers, or a client's, with the request or its answer",
    Crash "crash" "a server is killed, between any two effects of a step, and starts again",
    Tear "tear" "a crash leaves a part of what was being written",
    Stall "stall" "a disk takes long for a write",
    Full "full" "a disk is full: its server stops with what it has",
    Flip "flip" "a bit on the disk of a server that is down changes",
    Drift "drift" "a server's clocks run too fast or too slow",
    Jump "jump" "a server's time of day is set wrong, by up to an hour",
    Freeze "freeze" "a server is not scheduled for a while",
    Pause "pause" "a client does nothing for a while, not even read its answers",
}

named! {
    /// Something that a run should reach sometimes, or it has shown little.
    Corner, CORNERS:
    Ran "candidates" "a server ran for a term",
    Contested "candidates of a term that had one" "several ran for one term",
    Elected "leaders elected" "a server began to lead",
    SteppedDown "leaders that lost their quorum" "a leader stopped leading within its term",
    Truncated "logs truncated" "a server's log was cut",
    SnapshotTaken "snapshots taken" "a server compacted its log",
    SnapshotFailed "snapshots that failed" "a snapshot's file could not be written",
    SnapshotInstalled "snapshots installed" "a server took another's snapshot over",
    CrashedInStep "crashes within a step" "a server was killed with effects still to carry out",
    Forgotten "writes forgotten" "a crash forgot a write that was asked for",
    Unreported "writes durable and not reported" "a crash fell between a write and its report",
    Torn "batches torn" "a crash kept a part of a batch",
    StartedFromSnapshot "starts from a snapshot" "a server started with a snapshot",
    DamageRefused "bit flips detected" "a server refused to start from a damaged disk",
    Passed "commands passed on" "a command was sent on to the leader",
    PassedDone "commands passed on and executed" "a caller was told what another server had executed",
    PassLost "commands lost with a connection" "what was passed on had no answer",
    NotPassed "commands that stayed" "a command could not leave",
    TriedAgain "commands submitted again" "a refused command was tried again",
    ToldUnknown "callers told unknown" "nobody knows whether the command was executed",
    ToldNotExecuted "callers told not executed" "the command never will be executed",
    ToldBusy "callers told busy" "too many waited",
    ToldMaybe "clerks told maybe" "a Put may have been executed",
    Repeated "copies answered from a record" "a copy of a call that had been executed was applied",
    SentAgain "calls sent again" "a clerk sent a call more than once",
    GivenUp "calls given up" "a client gave a call up",
    Expired "sessions expired" "a client's records were dropped before its call came",
    Ticked "ticks applied" "what was due was taken out by a tick",
    Held "reads at a leader with something due" "a read came when a key was due by the leader's clock",
    ReadElsewhere "reads answered by followers" "a read was answered by a server that did not lead",
}

/// Some of the faults.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Faults(u32);

impl Faults {
    /// All of them.
    pub const ALL: Self = Self((1 << FAULTS.len()) - 1);
    /// None.
    pub const NONE: Self = Self(0);

    /// Whether this one is among them.
    pub const fn has(self, fault: Fault) -> bool {
        self.0 & (1 << fault as u32) != 0
    }

    /// The same without this one.
    #[must_use]
    pub const fn without(self, fault: Fault) -> Self {
        Self(self.0 & !(1 << fault as u32))
    }

    /// Whether there are any.
    pub const fn is_any(self) -> bool {
        self.0 != 0
    }

    /// Those that are missing.
    pub fn missing(self) -> impl Iterator<Item = Fault> {
        FAULTS.iter().copied().filter(move |&fault| !self.has(fault))
    }

    /// The fault of this name. The error lists them all.
    pub fn named(name: &str) -> Result<Fault, String> {
        FAULTS.iter().copied().find(|fault| fault.name() == name).ok_or_else(|| {
            let names: Vec<&str> = FAULTS.iter().map(|fault| fault.name()).collect();
            format!("there is no fault `{name}`; there are {}", names.join(", "))
        })
    }
}

/// How often each happened. In JSON: an object, every name in it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Counts<const N: usize> {
    names: [&'static str; N],
    counts: [u64; N],
}

/// How often each fault happened.
pub type FaultCounts = Counts<{ FAULTS.len() }>;
/// How often each corner was reached.
pub type CornerCounts = Counts<{ CORNERS.len() }>;

impl<const N: usize> Counts<N> {
    /// By name, in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.names.into_iter().zip(self.counts)
    }

    /// All together.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Adds another run's.
    pub fn add(&mut self, other: &Self) {
        self.counts.iter_mut().zip(other.counts).for_each(|(mine, theirs)| *mine += theirs);
    }
}

impl Default for FaultCounts {
    fn default() -> Self {
        Self { names: std::array::from_fn(|at| FAULTS[at].name()), counts: [0; FAULTS.len()] }
    }
}

impl Default for CornerCounts {
    fn default() -> Self {
        Self { names: std::array::from_fn(|at| CORNERS[at].name()), counts: [0; CORNERS.len()] }
    }
}

impl FaultCounts {
    /// It happened.
    pub const fn count(&mut self, fault: Fault) {
        self.counts[fault as usize] += 1;
    }

    /// How often.
    pub const fn of(&self, fault: Fault) -> u64 {
        self.counts[fault as usize]
    }
}

impl CornerCounts {
    /// It was reached.
    pub const fn count(&mut self, corner: Corner) {
        self.counts[corner as usize] += 1;
    }

    /// How often.
    pub const fn of(&self, corner: Corner) -> u64 {
        self.counts[corner as usize]
    }
}

impl<const N: usize> Serialize for Counts<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}
