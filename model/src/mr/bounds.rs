//! What a run of MapReduce's model may do.

use crate::system::within;
use protocol::mr::{Limits, Spec};
use serde::{Deserialize, Serialize};

/// What may happen in a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Bounds {
    /// Workers.
    pub workers: u8,
    /// Computers that they run on.
    pub hosts: u8,
    /// Map tasks.
    pub maps: u8,
    /// Reduce tasks.
    pub reduces: u8,
    /// How many workers may die; each is started again.
    pub crashes: u8,
    /// How often the coordinator may die; it is started again.
    pub restarts: u8,
    /// How often the user may ask again for a job that has failed.
    pub agains: u8,
    /// How many connections may break.
    pub breaks: u8,
    /// How many deadlines may pass.
    pub silences: u8,
    /// How many attempts may take long.
    pub straggles: u8,
    /// How many attempts may fail.
    pub failures: u8,
    /// How many outputs of maps may be lost.
    pub losses: u8,
    /// How many workers may never do anything again.
    pub hangs: u8,
    /// How often attempts may report that they go on.
    pub reports: u8,
    /// Whether the last worker works for another job.
    pub stranger: bool,
    /// Whether no attempt survives one of the first map's records.
    pub bad: bool,
    /// How often tasks may fail.
    pub limits: Limits,
    /// Whether the journal's records and outputs' names take their time.
    pub lazy: bool,
    /// Whether a file is written in steps.
    pub torn: bool,
    /// From every so many states, the fair schedule must bring the job to its end; 0 for none.
    pub settle_every: u64,
}

/// The job's number.
pub(super) const JOB: u64 = 1;

impl Bounds {
    /// The job.
    pub fn spec(&self) -> Spec {
        let (maps, reduces) = (self.maps.into(), self.reduces.into());
        Spec { job: JOB, version: 1, maps, reduces, limits: self.limits }
    }

    /// Which computer a worker runs on, by its place among all.
    pub const fn host(&self, worker: usize) -> u64 {
        worker as u64 % self.hosts as u64
    }
}

/// Refuses bounds that no model can have. The error says what to write instead.
pub fn validate(bounds: &Bounds) -> Result<(), String> {
    within("workers", bounds.workers.into(), 1, 4)?;
    within("hosts", bounds.hosts.into(), 1, bounds.workers.into())?;
    within("maps", bounds.maps.into(), 0, 4)?;
    within("reduces", bounds.reduces.into(), 0, 4)?;
    within("limits.own", bounds.limits.own.into(), 1, 100)?;
    within("limits.others", bounds.limits.others.into(), 1, 100)?;
    if bounds.bad && bounds.maps == 0 {
        return Err("the bad record is one of the first map: set maps=1, or bad=false".into());
    }
    let absent = bounds.hangs + u8::from(bounds.stranger);
    if absent >= bounds.workers {
        return Err("nobody is left to do the work: set hangs and stranger so that they leave a \
                    worker"
            .into());
    }
    Ok(())
}

/// Workers and tasks, and what may happen.
pub fn bounds_text(bounds: &Bounds) -> String {
    let Bounds { workers, maps, reduces, .. } = *bounds;
    let mut text = format!("{workers}W {maps}M {reduces}R");
    let mut add = |on: bool, word: String| {
        if on {
            text.push(' ');
            text += &word;
        }
    };
    add(bounds.hosts < workers, format!("{}hosts", bounds.hosts));
    let mut some = |many: u8, word: &str| add(many > 0, format!("{many}{word}"));
    some(bounds.crashes, "C");
    some(bounds.restarts, "restart");
    some(bounds.agains, "again");
    some(bounds.breaks, "break");
    some(bounds.silences, "silent");
    some(bounds.straggles, "slow");
    some(bounds.failures, "fail");
    some(bounds.losses, "lost");
    some(bounds.hangs, "hung");
    some(bounds.reports, "report");
    add(bounds.stranger, "stranger".into());
    add(bounds.bad, "bad".into());
    add(bounds.limits.skips > 0, format!("{}skip", bounds.limits.skips));
    add(bounds.lazy, "lazy".into());
    add(bounds.torn, "torn".into());
    text
}
