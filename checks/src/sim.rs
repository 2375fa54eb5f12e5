//! The simulator: whole groups of servers and their clients in virtual time, under every kind of fault, one seed each.

pub mod carry;
pub mod claims;
pub mod client;
pub mod clock;
pub mod command;
pub mod disk;
pub mod env;
pub mod event;
pub mod faults;
pub mod hunt;
pub mod judge;
pub mod kit;
pub mod mischief;
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
