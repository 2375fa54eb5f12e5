//! What a simulation came to. It holds nothing of the wall clock, so the same seed gives the same bytes.

use super::env::Env;
use super::faults::{CornerCounts, FaultCounts};
use super::judge::Violation;
use super::plan::Plan;
use linear::history::Told;
use serde::Serialize;
use std::hash::Hasher;

/// How clients' calls ended. Only those whose keys the history has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Calls {
    /// All of them, those on other keys too.
    pub all: u64,
    /// In the history.
    pub noted: u64,
    /// Ended with a reply.
    pub replied: u64,
    /// Nobody knows whether they were executed.
    pub unknown: u64,
    /// Not executed.
    pub not_executed: u64,
}

impl Calls {
    /// Adds another simulation's.
    pub const fn add(&mut self, other: &Self) {
        self.all += other.all;
        self.noted += other.noted;
        self.replied += other.replied;
        self.unknown += other.unknown;
        self.not_executed += other.not_executed;
    }
}

/// What a simulation came to.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Report {
    /// Its seed.
    pub seed: u64,
    /// Servers.
    pub nodes: u8,
    /// Clients.
    pub clients: u16,
    /// Simulated time, in microseconds.
    pub simulated_us: u64,
    /// Events.
    pub events: u64,
    /// A sum over all events.
    pub sum: String,
    /// Commands that were committed.
    pub commands: u64,
    /// Clients' calls.
    pub calls: Calls,
    /// What went wrong, by kind.
    pub faults: FaultCounts,
    /// What was reached.
    pub sometimes: CornerCounts,
    /// Steps of the judge of the clients' history; none: it was not asked.
    pub judged_steps: Option<u64>,
    /// What does not hold.
    pub violation: Option<Violation>,
}

impl Report {
    /// Of a simulation that is over.
    pub fn of(plan: &Plan, env: &Env) -> Self {
        let mut calls = Calls { all: env.judge.calls(), ..Calls::default() };
        for operation in env.judge.history().operations() {
            calls.noted += 1;
            match operation.end {
                Some((_, Told::Reply(_))) => calls.replied += 1,
                Some((_, Told::NotExecuted)) => calls.not_executed += 1,
                Some((_, Told::Maybe | Told::Unknown)) | None => calls.unknown += 1,
            }
        }
        Self {
            seed: plan.seed,
            nodes: env.habits.nodes,
            clients: env.habits.clients,
            simulated_us: env.now,
            events: env.events,
            sum: format!("{:016x}", env.sum.finish()),
            commands: env.judge.commands() as u64,
            calls,
            faults: env.injected.clone(),
            sometimes: env.corners.clone(),
            judged_steps: env.judged.as_ref().map(|report| report.steps),
            violation: env.judge.violation().cloned(),
        }
    }
}
