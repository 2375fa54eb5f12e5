//! One round of a scenario, from a seed to what it came to: in virtual time, or in real time on threads.

use super::catalog::Scenario;
use super::lab::{Failure, Lab, Limit};
use super::simulated::Simulated;
use super::threaded::Threaded;
use crate::sim::claims;
use crate::sim::kit::Kit;
use crate::sim::random::sum;
use serde::Serialize;
use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

/// What a round came to. In virtual time it holds nothing of the wall clock.
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
    /// Crashes that lost something that was under way to a disk.
    pub losses: u64,
    /// What was measured against the labs' limits.
    pub limits: Vec<Limit>,
    /// When it failed, in microseconds, and by what.
    pub failure: Option<(u64, String)>,
}

/// Runs a scenario in virtual time.
pub fn simulate<T: Kit>(kit: T, scenario: &Scenario, seed: u64) -> Report {
    let seed_of_all = sum(&(scenario.name, seed));
    let bed = Simulated::new(kit, scenario, seed_of_all);
    play(scenario, seed, Lab::new(Box::new(bed), seed_of_all))
}

/// Runs a scenario in real time, on threads. Its servers have their folders in this one, which stays if it fails. Of
/// the kit, rules of the store mean nothing, and of the faults of disks only that writes are reported early.
pub fn in_real_time<T: Kit>(kit: T, scenario: &Scenario, seed: u64, folder: &Path) -> Report {
    let folder = folder.join(format!("{}-{seed}", scenario.name));
    let seed_of_all = sum(&(scenario.name, seed));
    let bed = match Threaded::new(kit, scenario, seed, &folder) {
        Ok(bed) => bed,
        Err(error) => {
            let failure = Some((0, format!("no thread can be started: {error}")));
            return Report { failure, ..Report::empty(scenario.name, seed) };
        }
    };
    let mut report = play(scenario, seed, Lab::new(Box::new(bed), seed_of_all));
    if let Some((_, text)) = &mut report.failure {
        let _ = write!(text, "; its folder is {}", folder.display());
    } else if let Err(error) = std::fs::remove_dir_all(&folder) {
        eprintln!("can't remove {}: {error}", folder.display());
    }
    report
}

impl Report {
    fn empty(scenario: &'static str, seed: u64) -> Self {
        let (us, requests, bytes, commands, snapshots, losses) = (0, 0, 0, 0, 0, 0);
        let (limits, failure) = (Vec::new(), None);
        Self { scenario, seed, us, requests, bytes, commands, snapshots, losses, limits, failure }
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

fn play(scenario: &Scenario, seed: u64, mut lab: Lab) -> Report {
    // A claim outside of a server's step, such as one of this program's own.
    let ended = claims::caught(|| scenario.play(&mut lab));
    let mut ended = ended.unwrap_or_else(|text| Err(lab.failure(text)));
    if let Err(Failure { text, .. }) = &mut ended
        && lab.bed().is_real()
        && let Some(more) = lab.bed_mut().broken_at_end(&[])
        && !text.contains(&more)
    {
        let _ = write!(text, "; {more}");
    }
    let bed = lab.bed();
    Report {
        us: micros(bed.now()),
        requests: bed.requests(),
        bytes: bed.bytes(),
        commands: bed.commands(),
        snapshots: bed.snapshots(),
        losses: bed.losses(),
        limits: lab.limits.clone(),
        failure: ended.err().map(|Failure { at, text }| (micros(at), text)),
        ..Report::empty(scenario.name, seed)
    }
}
