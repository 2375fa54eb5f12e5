//! What needs the models and the engines that explore them. One program: each of several would compile them anew.

mod engines;
mod group;
mod product;
mod reductions;
mod scripted;
mod store;
