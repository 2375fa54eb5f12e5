//! Servers that reach each other over loopback, and what tries to get between them.
#![allow(clippy::unwrap_used, reason = "a test says by a panic what it did not expect")]

mod calls;
mod garbage;
mod messages;
mod raw;
mod refusals;
mod rooms;
mod snapshots;
mod world;
