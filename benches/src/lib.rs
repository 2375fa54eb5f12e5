//! What the benchmarks share: a whole group in one thread.
//!
//! A figure is only worth something if the thing measured is driven as its real driver drives it. So the
//! group here obeys the contract of [`protocol::Machine`] to the letter: effects in list order, a message's
//! entries taken before the next step, one answer of the disk for all the writes of a step. It leaves out
//! what a protocol's benchmark must not contain: sockets, clocks, and the time that a disk takes.

pub mod group;
pub mod peers;
