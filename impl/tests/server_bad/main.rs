//! What users see of a server that is given what it should not be given: by clients, by peers, by the disk, by whoever
//! starts it. Each test asserts the text, and that the server goes on, or refuses to start before it has touched
//! anything.

#![allow(clippy::unwrap_used, reason = "a test says by a panic what it did not expect")]

#[path = "../support/mod.rs"]
mod support;

mod clients;
mod crowds;
mod disk;
mod folders;
mod peers;
mod recorded;
mod settings;
mod tools;
