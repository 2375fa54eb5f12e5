//! The runtime of quorate: what carries out the effects of the machines in `protocol`, and what it speaks.
//!
//! Nothing here decides anything about the protocol. What a server must still know after a crash goes
//! through [`wal`], the write-ahead log that all groups of a node share; [`disk`] is what the log needs
//! of a file system, so that tests can put a worse one in its place. [`resp`] is the Redis protocol,
//! [`commands`] the table of its commands; [`glob`] is Redis' rules for patterns. [`session`] is a client's
//! connection without its socket, and [`view`] what a node knows of itself and tells its clients.
//!
//! A node is a server of a replicated service ([`rsm`], [`kv`] is the store), run by [`raft`]; [`shardctl`] and
//! [`shardkv`] are those of the sharded store; [`peer`] takes it to the
//! others and [`net`] to its clients. [`config`] and [`folder`] say which node it is. [`client`] is the other end: the
//! Clerk and the lock, for programs in Rust. [`trace`] writes down what a server's machine was told, for a replay.
//!
//! [`mr`] runs MapReduce jobs: a coordinator and its workers, on the engine of the crate [`mapreduce`].
//!
//! What a node's threads share is small and has the locks: [`mailbox`], how a thread is reached; [`gate`],
//! the buffers in front of the disk; [`waiter`], one answer for one thread; [`timer`], the deadlines.
//! [`sync`] says where the locks come from, and [`monitor`] how threads wait. Only these are compiled
//! for loom (`--cfg quorate_loom`).
#![forbid(unsafe_code)]

#[cfg(not(quorate_loom))]
pub mod admin;
#[cfg(not(quorate_loom))]
pub mod client;
#[cfg(not(quorate_loom))]
pub mod commands;
#[cfg(not(quorate_loom))]
pub mod config;
#[cfg(not(quorate_loom))]
pub mod descriptors;
#[cfg(not(quorate_loom))]
pub mod disk;
#[cfg(not(quorate_loom))]
mod finally;
#[cfg(not(quorate_loom))]
pub mod folder;
pub mod gate;
#[cfg(not(quorate_loom))]
pub mod glob;
#[cfg(not(quorate_loom))]
pub mod kv;
pub mod mailbox;
pub mod monitor;
#[cfg(not(quorate_loom))]
pub mod mr;
#[cfg(not(quorate_loom))]
pub mod net;
#[cfg(not(quorate_loom))]
pub mod node;
#[cfg(not(quorate_loom))]
pub mod peer;
#[cfg(not(quorate_loom))]
pub mod raft;
#[cfg(not(quorate_loom))]
pub mod resp;
#[cfg(not(quorate_loom))]
pub mod rsm;
#[cfg(not(quorate_loom))]
pub mod session;
#[cfg(not(quorate_loom))]
pub mod shardctl;
#[cfg(not(quorate_loom))]
pub mod shardkv;
pub mod sync;
pub mod timer;
#[cfg(not(quorate_loom))]
pub mod trace;
#[cfg(not(quorate_loom))]
pub mod view;
pub mod waiter;
#[cfg(not(quorate_loom))]
pub mod wal;
