//! MapReduce on threads and processes: what carries out the effects of [`protocol::mr`].
//!
//! ```text
//!  a person ── mr run ──► Coordinator            worker processes, here or on other machines
//!                 core ◄── mailbox ◄── links ◄── letters ── main ◄── the attempt's thread: the engine
//!                  │ └─► orders ─► links ─────────────────► main ──► starts, stops, names, deletes
//!                  └─► disk: journal, publish
//! ```
//!
//! The machines decide who runs what, which attempt counts and when the job is over; the engine ([`mapreduce`]) says
//! what an attempt does with bytes. What is left for this module: sockets, the journal's file, deadlines,
//! and where files are (`places.rs`). One thread owns each machine and has no lock around it.
//!
//! *The output directory is the job's alone.* It is locked as long as a coordinator runs. In it a hidden folder bears
//! the job's number and holds all that is not output: what the job is ([`Job`]), its journal, and what attempts write.
//! When the job is done the folder gets another name, by which nobody knows it, and is removed; so who wakes up late
//! finds nothing to write into. When the job has failed or was stopped, it stays, and the same command goes on there.
//!
//! *Durability.* A reduce's file is synced before it gets its attempt's name, and again as it is published. A map's
//! file is not: it has checksums, and what a power failure has damaged counts as lost, so the map is run again.

mod clock;
mod coordinator;
mod counters;
mod error;
mod folder;
#[doc(hidden)]
pub mod fuzzing;
mod job;
mod journal;
mod pace;
mod places;
mod scratch;
mod sequential;
mod spark;
mod status;
mod wire;
mod worker;

pub use coordinator::{Coordinator, Ended, Options, Times, check};
pub use counters::{COUNTERS, map_counter, reduce_counter};
pub use error::Error;
pub use folder::{Claim, claim};
pub use job::{Asked, Job};
pub use sequential::sequential;
pub use spark::{SparkJob, spark_program};
pub use status::{Phase, Stage, Status, WorkerStatus, ask};
pub use worker::{Options as WorkerOptions, Worker};

use std::sync::Arc;

/// The release, as the machines compare it: workers must have the coordinator's.
pub const RELEASE: u32 = release(env!("CARGO_PKG_VERSION"));

/// Takes a line for people. Called from several threads.
pub type Notice = Arc<dyn Fn(&str) + Send + Sync>;

/// `1.2.3` as a number.
const fn release(text: &str) -> u32 {
    let bytes = text.as_bytes();
    let (mut all, mut part, mut at) = (0_u32, 0_u32, 0);
    while at < bytes.len() && matches!(bytes[at], b'.' | b'0'..=b'9') {
        if bytes[at] == b'.' {
            all = all * 1000 + part;
            part = 0;
        } else {
            part = part * 10 + (bytes[at] - b'0') as u32;
        }
        at += 1;
    }
    all * 1000 + part
}
