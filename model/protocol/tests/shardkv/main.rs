//! Groups of the sharded store and their leaders, in random worlds and step by step.

mod bugs;
mod bytes;
mod clients;
mod every;
mod mutants;
mod random;
mod seen;
mod steps;
mod world;
