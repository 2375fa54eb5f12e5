//! The runtime of quorate: what carries out the effects of the machines in `protocol`, and what it speaks.
//!
//! Nothing here decides anything about the protocol. What a server must still know after a crash goes
//! through [`wal`], the write-ahead log that all groups of a node share; [`disk`] is what the log needs
//! of a file system, so that tests can put a worse one in its place. [`resp`] is the Redis protocol,
//! [`commands`] the table of its commands; [`glob`] is Redis' rules for patterns. [`session`] is a client's
//! connection without its socket, and [`view`] what a node knows of itself and tells its clients.
#![forbid(unsafe_code)]

pub mod commands;
pub mod disk;
pub mod glob;
pub mod resp;
pub mod session;
pub mod view;
pub mod wal;
