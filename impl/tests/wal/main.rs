//! The write-ahead log under a disk that does its worst, and under every change of its bytes.
#![allow(clippy::unwrap_used, reason = "a test says by a panic what it did not expect")]

mod bugs;
mod cases;
mod crashes;
mod damage;
mod folder;
mod follows;
mod format;
mod refusals;
mod segments;
mod sim;
