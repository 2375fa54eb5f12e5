//! The labs' scenarios for Raft, under their names and with their parameters and limits.
//!
//! Each is a function of a [`Lab`](super::lab::Lab), which stands on any bed. A server that is *cut* runs on and
//! reaches nobody; one that *crashed* comes back with what its disk has.

pub mod agreement;
pub mod elections;
pub mod persistence;
pub mod snapshots;
pub mod unreliable;
