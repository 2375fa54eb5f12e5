//! The labs' scenarios (MIT 6.5840), each written once, for virtual time and for threads.
//!
//! The models explore everything within small bounds and the simulator lets everything go wrong at once; the labs'
//! suites are what others measure a Raft by. Here they stand under their own names, with their own parameters and
//! limits, so that a reader who knows them knows what was shown.
//!
//! A scenario ([`raft`]) is blocking code that is told with the labs' helpers ([`lab`]) and stands on a [`bed`]:
//! servers, a network, and time. One bed is here, [`simulated`]: the simulator's servers in virtual time, on the
//! labs' network ([`wire`]). One seed is one run, as in the simulator. Another bed, of the product's own threads, needs
//! nothing of a scenario changed: all waiting goes through the bed. Lab 1 has no servers: [`mapreduce`].
//!
//! What comes out of servers is watched from outside ([`checker`]), as the labs do and a little more strictly; in
//! virtual time the simulator's judge watches too.

pub mod bed;
pub mod catalog;
pub mod checker;
pub mod clerk;
pub mod command;
pub mod harsh;
pub mod kvsrv;
pub mod lab;
pub mod machines;
pub mod mapreduce;
mod one;
pub mod raft;
pub mod record;
pub mod report;
pub mod requests;
pub mod round;
pub mod rsm;
pub mod sharded;
pub mod simulated;
pub mod single;
pub mod store;
pub mod threaded;
pub mod wire;
