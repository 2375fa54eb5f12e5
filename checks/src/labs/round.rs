//! One round of a scenario, from a seed to what it came to: in virtual time, or in real time on threads.

use super::bed::Bed;
use super::catalog::Scenario;
use super::catalog::Service;
use super::harsh::Level;
use super::lab::{Failure, Lab, Limit, Outcome};
use super::machines::Of;
use super::mapreduce;
use super::sharded;
use super::simulated::Simulated;
use super::single::{Here, Single, There};
use super::threaded::Threaded;
use crate::sim::claims;
use crate::sim::kit::Kit;
use crate::sim::random::sum;
use serde::{Deserialize, Serialize};
use std::fmt::{self, Write};
use std::path::Path;
use std::time::Duration;

/// Where scenarios are played, and on what network.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Setting {
    /// On real threads, or in virtual time.
    pub real: bool,
    /// On a network that does what the labs' never does.
    pub harsh: bool,
}

impl Setting {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self { real: false, harsh: false },
        Self { real: true, harsh: false },
        Self { real: false, harsh: true },
        Self { real: true, harsh: true },
    ];
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.real { "threads" } else { "virtual" })?;
        f.write_str(if self.harsh { ", harsh" } else { "" })
    }
}

/// What a round came to. In virtual time it holds nothing of the wall clock.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Report {
    /// The scenario.
    pub scenario: &'static str,
    /// Where it was played.
    pub setting: Setting,
    /// Its seed.
    pub seed: u64,
    /// How long it took in its own time, in microseconds.
    pub us: u64,
    /// Requests that were sent.
    pub requests: u64,
    /// Bytes that were sent.
    pub bytes: u64,
    /// Messages and requests that a harsh network has made from others.
    pub copies: u64,
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

/// One seed, and many different ones of it.
pub(super) fn seed_of_all(scenario: &Scenario, seed: u64) -> u64 {
    sum(&(scenario.name, seed))
}

/// Runs a scenario in virtual time, on the labs' network.
pub fn simulate<T: Kit>(kit: T, scenario: &Scenario, seed: u64) -> Report {
    simulate_in(Setting::default(), kit, scenario, seed)
}

/// Runs a scenario in virtual time.
pub fn simulate_in<T: Kit>(setting: Setting, kit: T, scenario: &Scenario, seed: u64) -> Report {
    let from = seed_of_all(scenario, seed);
    let bed: Box<dyn Bed> = match scenario.serves {
        Service::Single => Box::new(Single::new(Here::new(kit.kv()), scenario.reliable, from)),
        Service::Log { .. } | Service::Store { .. } => {
            Box::new(Simulated::new(kit, scenario, from))
        }
        Service::Sharded(sharded) => {
            Box::new(sharded::simulated::Simulated::new(kit, scenario, sharded, from))
        }
        Service::Workers => return mapreduce::simulate(setting, kit.mr(), scenario, seed),
    };
    play(setting, kit, bed, scenario, seed)
}

/// Runs a scenario in real time, on threads. Its servers have their folders in this one, which stays if it fails. Of
/// the kit, rules of the store mean something in lab 2 only, and of the faults of disks only that writes are reported
/// early.
pub fn in_real_time<T: Kit>(kit: T, scenario: &Scenario, seed: u64, folder: &Path) -> Report {
    real_in(Setting { real: true, harsh: false }, kit, scenario, seed, folder)
}

/// The same, on the network of a setting.
pub fn real_in<T: Kit>(
    setting: Setting,
    kit: T,
    scenario: &Scenario,
    seed: u64,
    folder: &Path,
) -> Report {
    let from = seed_of_all(scenario, seed);
    if scenario.serves == Service::Single {
        let bed = Single::new(There::new(kit.kv()), scenario.reliable, from);
        return play(setting, kit, Box::new(bed), scenario, seed);
    }
    if !scenario.can_be_real() {
        let text = "it is played with processes: cargo test -p quorate --test mr labs";
        let failure = Some((0, text.into()));
        return Report { failure, ..Report::empty(setting, scenario.name, seed) };
    }
    let folder = folder.join(format!("{}-{seed}", scenario.name));
    let begun: std::io::Result<Box<dyn Bed>> = match scenario.serves {
        Service::Sharded(sharded) => {
            let bed = sharded::threaded::Threaded::new(kit, scenario, sharded, seed, &folder);
            bed.map(|bed| Box::new(bed) as Box<dyn Bed>)
        }
        _ => {
            let bed = Threaded::new(kit, scenario, seed, &folder);
            bed.map(|bed| Box::new(bed) as Box<dyn Bed>)
        }
    };
    let bed = match begun {
        Ok(bed) => bed,
        Err(error) => {
            let failure = Some((0, format!("no thread can be started: {error}")));
            return Report { failure, ..Report::empty(setting, scenario.name, seed) };
        }
    };
    let mut report = play(setting, kit, bed, scenario, seed);
    if let Some((_, text)) = &mut report.failure {
        let _ = write!(text, "; its folder is {}", folder.display());
    } else if let Err(error) = std::fs::remove_dir_all(&folder) {
        eprintln!("can't remove {}: {error}", folder.display());
    }
    report
}

impl Report {
    pub(super) fn empty(setting: Setting, scenario: &'static str, seed: u64) -> Self {
        let (us, requests, bytes, copies, commands, snapshots, losses) = (0, 0, 0, 0, 0, 0, 0);
        let (limits, failure) = (Vec::new(), None);
        Self {
            scenario,
            setting,
            seed,
            us,
            requests,
            bytes,
            copies,
            commands,
            snapshots,
            losses,
            limits,
            failure,
        }
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// Runs a scenario on a bed.
fn play<T: Kit>(
    setting: Setting,
    kit: T,
    bed: Box<dyn Bed>,
    scenario: &Scenario,
    seed: u64,
) -> Report {
    let mut lab = Lab::new(bed, Box::new(Of(kit)), seed_of_all(scenario, seed));
    let begin = |lab: &mut Lab| -> Outcome {
        match scenario.harsh() {
            Level::Copies | Level::Spells if setting.harsh => lab.make_harsh(scenario.harsh()),
            _ => Ok(()),
        }
    };
    // A claim outside of a server's step, such as one of this program's own.
    let ended = claims::caught(|| begin(&mut lab).and_then(|()| scenario.play(&mut lab)));
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
        copies: bed.copies(),
        commands: bed.commands(),
        snapshots: bed.snapshots(),
        losses: bed.losses(),
        limits: lab.limits.clone(),
        failure: ended.err().map(|Failure { at, text }| (micros(at), text)),
        ..Report::empty(setting, scenario.name, seed)
    }
}
