//! Groups of the sharded store and their leaders, in random worlds and step by step.

mod bugs;
mod bytes;
mod clients;
mod mutants;
mod random;
mod steps;
mod world;
