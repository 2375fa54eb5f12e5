//! Explores quorate's models, hunts its mutants, replays paths: what `cargo run -p checks` does.
#![forbid(unsafe_code)]

pub mod catalog;
#[cfg(unix)]
pub mod chaos;
pub mod conform;
pub mod deep;
pub mod engine;
pub mod explore;
pub mod labs;
pub mod ledger;
pub mod linearize;
pub mod list;
pub mod machine;
pub mod mutants;
pub mod paths;
pub mod program;
pub mod report;
pub mod runner;
pub mod scripted;
pub mod settings;
pub mod sim;
pub mod spec;
pub mod walk;

/// Every program and test of this crate counts its memory, for the labs limit that of a server.
#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;
