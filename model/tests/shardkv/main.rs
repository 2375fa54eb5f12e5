//! Groups of the sharded store and their leaders: their model, random worlds, and step by step.

mod bytes;
mod clients;
mod controlled;
mod model;
mod random;
mod seen;
mod steps;
mod world;
mod worlds;
