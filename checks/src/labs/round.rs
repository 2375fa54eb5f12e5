//! One round of a scenario, from a seed to what it came to.

use super::catalog::Scenario;
use super::lab::{Failure, Lab, Limit};
use super::simulated::Simulated;
use crate::sim::claims;
use crate::sim::kit::Kit;
use crate::sim::random::sum;
use serde::Serialize;

/// What a round came to. It holds nothing of the wall clock.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Report {
    /// The scenario.
    pub scenario: &'static str,
    /// Its seed.
    pub seed: u64,
    /// How long it took in its own time, in microseconds.
    pub us: u64,
    /// Requests that were sent.
    pub requests: u64,
    /// Bytes that were sent.
    pub bytes: u64,
    /// Commands that were applied.
    pub commands: u64,
    /// Snapshots that were installed.
    pub snapshots: u64,
    /// What was measured against the labs' limits.
    pub limits: Vec<Limit>,
    /// When it failed, in microseconds, and by what.
    pub failure: Option<(u64, String)>,
}

/// Runs a scenario in virtual time.
pub fn simulate<T: Kit>(kit: T, scenario: &Scenario, seed: u64) -> Report {
    let name = scenario.name;
    let seed_of_all = sum(&(name, seed));
    let bed = Simulated::new(kit, scenario, seed_of_all);
    let mut lab = Lab::new(Box::new(bed), seed_of_all);
    // A claim outside of a server's step, such as one of this program's own.
    let ended = claims::caught(|| scenario.play(&mut lab));
    let ended = ended.unwrap_or_else(|text| Err(lab.failure(text)));
    let micros = |time: std::time::Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    let bed = lab.bed();
    Report {
        scenario: name,
        seed,
        us: micros(bed.now()),
        requests: bed.requests(),
        bytes: bed.bytes(),
        commands: bed.commands(),
        snapshots: bed.snapshots(),
        limits: lab.limits.clone(),
        failure: ended.err().map(|Failure { at, text }| (micros(at), text)),
    }
}
