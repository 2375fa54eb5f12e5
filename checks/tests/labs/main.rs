//! The labs' scenarios and the simulator. One program: each of several would compile their servers anew.

mod mapreduce;
mod scenarios;
mod sharded;
mod sim;
mod store;
