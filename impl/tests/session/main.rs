//! A client's connection, driven against a real store without a socket: what is told for each command, in which
//! order, and what is asked of whom.

mod bench;
mod cluster;
mod connection;
mod keys;
mod once;
mod order;
mod outcomes;
mod random;
mod server;
mod strings;
mod transactions;

use bench::{Bench, access, cases, view};
