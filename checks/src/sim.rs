//! The simulator: whole groups of servers and their clients in virtual time, under every kind of fault, one seed each.
//!
//! The models explore everything within small bounds. Here nothing is exhausted, and nothing is small: seven servers,
//! fifty clients, minutes, snapshots, clocks, disks. What runs is the same: [`protocol::rsm::Rsm`] over
//! [`protocol::kv::Store`], [`protocol::kv::clerk::Clerk`], [`protocol::clock::Estimate`], with the product's times.
//!
//! **One seed is one run.** There is one thread, one source of chance ([`random`]), and one agenda in which two events
//! of one time stand in the order in which they were asked for ([`event`]). Nothing iterates over a hash map or looks
//! at a clock. So a failure is a number, and a smaller failure is found by trying ([`shrink`]).
//!
//! **What may go wrong** is in [`faults`], and each kind is counted. What the product promises of its surroundings
//! stays: a commanded write is whole or not at all, what was synced stays, a damaged log is refused ([`disk`]); what
//! is passed on comes at most once ([`net`]).
//!
//! **Who judges** stands outside and asks no store what is right ([`judge`]): one history of what is committed, by
//! which all servers go; what each caller was told, against it; and, at the end, whether some order of the clients'
//! calls explains every reply ([`linear`]). Keys with an end are no part of that history: of them only the group's
//! clock, the versions, the ticks and what a leader shows are judged.
//!
//! **Left out**: locks, transactions, flushing and scans; membership; a real file system (the log's own tests have one
//! that loses sectors).

pub mod carry;
pub mod claims;
pub mod client;
pub mod clock;
pub mod command;
pub mod disk;
pub mod env;
pub mod event;
pub mod faults;
pub mod group;
pub mod hunt;
pub mod judge;
pub mod kinds;
pub mod kit;
pub mod mischief;
pub mod moves;
pub mod net;
pub mod ops;
pub mod plan;
pub mod random;
pub mod report;
pub mod round;
pub mod server;
pub mod service;
pub mod shrink;
pub mod waiting;
pub mod world;
