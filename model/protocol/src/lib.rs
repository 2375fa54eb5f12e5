//! The transition functions of quorate, written once.
//!
//! Everything that decides *what the protocol does* is in this crate, and nothing else is: no clock,
//! no random number, no thread, no file, no socket. `no_std` makes the compiler say so. The models in
//! `model/` explore these functions exhaustively; the programs in `impl/` call the very same ones.
//!
//! A [`Machine`] takes an input and appends the effects that its driver must carry out, in order.
//! Its contract, in full:
//!
//! 1. [`Machine::step`] is total: any input in any state returns. A refusal is an effect.
//! 2. It reads nothing but itself and its input.
//! 3. Effects are carried out in list order.
//! 4. An `assert!` in a step is a claim about the protocol, and the checker checks it. They stay on
//!    in release: a server that has broken a claim must stop rather than go on.
//! 5. Decoding refuses bad bytes before `step` sees them.
//!
//! The effects are no part of the machine's state: the caller owns the list and reuses it, so the hot
//! path allocates nothing, and a printed list is a transcript.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod clock;
pub mod kv;
pub mod log;
pub mod mr;
pub mod queue;
pub mod quorum;
pub mod raft;
pub mod replica;
pub mod rsm;
pub mod shardctl;
pub mod shardkv;
pub mod terms;
pub mod types;

pub use types::{HardState, Index, LogId, NodeId, ReadId, SnapshotId, Term, Write};

use alloc::vec::Vec;

/// A deterministic state machine that turns inputs into effects. See the crate's page for the contract.
pub trait Machine {
    /// What may happen to the machine. It borrows payloads from its driver for the time of one step.
    type Input<'a>
    where
        Self: 'a;
    /// What the machine asks its driver to do.
    type Effect;

    /// Takes one input and appends its effects to `out`.
    fn step(&mut self, input: Self::Input<'_>, out: &mut Vec<Self::Effect>);
}
