//! The runtime of quorate: what carries out the effects of the machines in `protocol`, and what it speaks.
//!
//! Nothing here decides anything about the protocol. What a server must still know after a crash goes
//! through [`wal`], the write-ahead log that all groups of a node share; [`disk`] is what the log needs
//! of a file system, so that tests can put a worse one in its place. [`resp`] is the Redis protocol,
//! [`commands`] the table of its commands; [`number`] and [`glob`] are Redis' rules for numbers and
//! patterns. [`peer`] is how servers reach each other.
//!
//! What a node's threads share is small and has the locks: [`mailbox`], how a thread is reached; [`gate`],
//! the buffers in front of the disk; [`waiter`], one answer for one thread; [`timer`], the deadlines.
//! [`sync`] says where the locks come from, and [`monitor`] how threads wait. Only these are compiled
//! for loom (`--cfg quorate_loom`).
#![forbid(unsafe_code)]

#[cfg(not(quorate_loom))]
pub mod commands;
#[cfg(not(quorate_loom))]
pub mod disk;
pub mod gate;
#[cfg(not(quorate_loom))]
pub mod glob;
pub mod mailbox;
pub mod monitor;
#[cfg(not(quorate_loom))]
pub mod number;
#[cfg(not(quorate_loom))]
pub mod peer;
#[cfg(not(quorate_loom))]
pub mod resp;
pub mod sync;
pub mod timer;
pub mod waiter;
#[cfg(not(quorate_loom))]
pub mod wal;
