//! stateright models of quorate's protocols.
//!
//! The servers of a model run the very transition functions of [`protocol`] that the programs run. What is
//! written here is only what surrounds them: a disk that can lose what it has not finished, a network that
//! reorders, loses and repeats, bounds, properties, and the mutants that show the checks can fail.
#![forbid(unsafe_code)]

pub mod bounds;
pub mod cluster;
pub mod converge;
pub mod diagram;
pub mod errands;
pub mod group;
pub mod history;
pub mod kv;
mod lists;
pub mod mr;
pub mod mutants;
pub mod node;
pub mod probes;
pub mod raft;
pub mod router;
pub mod runs;
pub mod script;
pub mod search;
pub mod shardctl;
pub mod shardkv;
pub mod shardraft;
pub mod symmetry;
pub mod system;
pub mod telling;
pub mod transcript;
