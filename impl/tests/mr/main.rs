//! `quorate mr` as processes: what users see of jobs that go well, of workers and coordinators that are killed, of bad
//! input; and the labs' scenarios.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test says by a panic what it did not expect")]

#[path = "../support/mod.rs"]
mod support;

mod bad;
mod commands;
mod export;
mod kills;
mod labs;
mod stage;
mod streaming;
