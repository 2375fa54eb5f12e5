//! How far a job is, for people and programs.

use super::error::Error;
use super::wire::{self, ToWorker};
use crate::peer::Secret;
use crate::peer::error::Trouble;
use crate::peer::hello::Purpose;
use serde::{Deserialize, Serialize};
use std::io::BufReader;

/// How many tasks of a kind stand how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stage {
    /// Nobody runs them.
    pub idle: u32,
    /// They are run.
    pub running: u32,
    /// They have a winner; of a reduce, the output has its name.
    pub done: u32,
    /// Bytes done, of those that run too.
    pub bytes_done: u64,
    /// Bytes in all; 0 where nobody knows yet.
    pub bytes: u64,
}

impl Stage {
    /// How many tasks there are.
    pub const fn all(&self) -> u32 {
        self.idle + self.running + self.done
    }
}

/// How far the job is as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// Workers of an earlier coordinator may come back.
    Gathering,
    /// Maps are run.
    Map,
    /// All maps are done.
    Reduce,
    /// The output is there.
    Done,
    /// It has failed of this.
    Failed(String),
}

/// A worker with a connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerStatus {
    /// Where its connection comes from.
    pub address: String,
    /// What it runs, such as `map 3, attempt 1.1`; nothing if it waits.
    pub runs: Option<String>,
    /// Whether it was not heard for too long.
    pub silent: bool,
    /// Bytes done.
    pub bytes_done: u64,
    /// Of so many; 0 if it has not said.
    pub bytes: u64,
    /// What the application says that it is doing.
    pub text: String,
}

/// How far a job is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The job's number.
    pub job: u64,
    /// The coordinator's life, from 1 on.
    pub life: u32,
    /// As a whole.
    pub phase: Phase,
    /// The map tasks.
    pub map: Stage,
    /// The reduce tasks.
    pub reduce: Stage,
    /// Attempts that were run, or came back, in this life.
    pub attempts: u64,
    /// Attempts that have failed in this life.
    pub failures: u64,
    /// The workers.
    pub workers: Vec<WorkerStatus>,
    /// What the winners have counted, by name.
    pub counters: Vec<(String, i64)>,
    /// For how long this life lasts, in milliseconds.
    pub elapsed_ms: u64,
    /// How long the present phase will go on, in milliseconds, if its tasks go on to take what they took so far.
    pub eta_ms: Option<u64>,
}

impl Status {
    /// The sum of this name.
    pub fn counter(&self, name: &str) -> i64 {
        let found = self.counters.iter().find(|(its, _)| its == name);
        found.map_or(0, |(_, sum)| *sum)
    }
}

/// Asks a job's coordinator.
///
/// # Errors
/// If there is none, or it has another version or secret.
pub fn ask(address: &str, secret: Option<Secret>) -> Result<Status, Error> {
    let failed = |trouble: Trouble| Error::handshake(address, &trouble);
    let stream = wire::dial(address, &wire::site(secret), Purpose::Status).map_err(failed)?;
    let mut frames = wire::frames(BufReader::new(&stream));
    loop {
        match wire::next(&mut frames).map_err(failed)? {
            ToWorker::Status(status) => return Ok(*status),
            ToWorker::Pulse => {}
            ToWorker::Sheet(_) | ToWorker::Errand(_) => return Err(failed(Trouble::Foreign)),
        }
    }
}
