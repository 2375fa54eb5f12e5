//! Lab 3D: what is forgotten. A snapshot is taken as often as ten commands were applied.

use crate::labs::lab::{Lab, Outcome, ms};

/// The most that the log on a disk may hold, in bytes.
const MAX_LOG_BYTES: u64 = 2_000;

/// What happens to the victim of a round.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Nothing,
    Cut,
    Crash,
}

/// Thirty rounds of commands, in which the log never grows beyond its bound, whoever is missing.
fn rounds(lab: &mut Lab, fate: Fate) -> Outcome {
    let servers = lab.servers();
    lab.one(servers, true)?;
    let mut leader = lab.one_leader()?;
    for round in 0..30 {
        let next = lab.behind(leader, 1);
        let (victim, sender) = if round % 3 == 1 { (leader, next) } else { (next, leader) };
        let missing = usize::from(fate != Fate::Nothing);
        match fate {
            Fate::Nothing => {}
            Fate::Cut => lab.disconnect(victim),
            Fate::Crash => lab.crash(victim),
        }
        if missing > 0 {
            lab.one(servers - 1, true)?;
        }
        let count = 5 + lab.random.below(10) as usize;
        lab.feed(sender, count);
        lab.one(servers - missing, true)?;
        let longest = (0..servers).map(|server| lab.bed().log_bytes(server)).max();
        lab.at_most("bytes of log", longest.unwrap_or(0), MAX_LOG_BYTES - 1)?;
        if missing > 0 {
            lab.start(victim);
            lab.one(servers, true)?;
            leader = lab.one_leader()?;
        }
    }
    // A victim that never needed a snapshot would have shown nothing.
    let snapshots = lab.bed().snapshots();
    lab.require(fate == Fate::Nothing || snapshots > 0, || "no snapshot was installed".into())?;
    every_disk_has_a_snapshot(lab)
}

fn every_disk_has_a_snapshot(lab: &mut Lab) -> Outcome {
    let is = |lab: &Lab| (0..lab.servers()).all(|server| lab.bed().snapshot_bytes(server) > 0);
    lab.until("every disk has a snapshot", ms(5000), is)
}

/// Nothing fails.
pub fn basic(lab: &mut Lab) -> Outcome {
    rounds(lab, Fate::Nothing)
}

/// A server is cut off in each round and needs a snapshot when it is back.
pub fn install(lab: &mut Lab) -> Outcome {
    rounds(lab, Fate::Cut)
}

/// A server crashes in each round and needs a snapshot when it is back.
pub fn install_crash(lab: &mut Lab) -> Outcome {
    rounds(lab, Fate::Crash)
}

/// All servers crash, five times, and go on behind what they had.
pub fn all_crash(lab: &mut Lab) -> Outcome {
    let servers = lab.servers();
    lab.one(servers, true)?;
    for _ in 0..5 {
        let count = 5 + lab.random.below(10);
        for _ in 0..count {
            lab.one(servers, true)?;
        }
        let before = lab.one(servers, true)?;
        lab.restart_all();
        let after = lab.one(servers, true)?;
        lab.require(after > before, || format!("number {after} after number {before}"))?;
    }
    every_disk_has_a_snapshot(lab)
}

/// All servers crash right behind a snapshot, and again with nothing new but a command: the snapshot stays.
pub fn init(lab: &mut Lab) -> Outcome {
    let servers = lab.servers();
    for _ in 0..12 {
        lab.one(servers, true)?;
    }
    for _ in 0..2 {
        lab.restart_all();
        lab.one(servers, true)?;
    }
    every_disk_has_a_snapshot(lab)
}
