//! The decisions of MapReduce, each with its id in SPEC.md.

use super::{AttemptId, Badge, Hello, Limits, Refusal, Spec, Tally};
use core::fmt;
use core::hash::Hash;

/// What waits until the disk has what was written down before.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Held {
    /// MR-DISK-1. An attempt is run: its number is of a life that is on the disk.
    Run,
    /// MR-DISK-2. A worker is told that it need not tell again of an attempt that has finished: the winner is on the
    /// disk.
    Accept,
    /// MR-DISK-3. An output gets its name: its winner is on the disk.
    Publish,
    /// MR-DISK-4. It is told that the job is over: that it is, is on the disk.
    Over,
}

/// What coordinators and workers decide. The only implementation that is right is [`Paper`]; the tests have others.
pub trait Rules: Copy + Eq + Hash + fmt::Debug + Send + Sync + 'static {
    /// MR-ORDER-1. Whether reduces are run, the first time or again: every map has a winner, and the disk has all of
    /// these.
    fn may_reduce(&self, maps: &Tally, on_disk: bool, again: bool) -> bool {
        let _ = again;
        maps.idle + maps.running == 0 && on_disk
    }

    /// MR-ORDER-2. Whether a task that is run may be run a second time: it takes long, and is run once (§3.6).
    fn is_slow(&self, straggles: bool, live: usize) -> bool {
        straggles && live == 1
    }

    /// MR-WAKE-1. Whether work is handed out behind each step, or only when a worker has said something.
    fn wakes(&self, asked: bool) -> bool {
        let _ = asked;
        true
    }

    /// MR-QUIET-1. Whether a worker that fell silent gets nothing before it was heard.
    fn shuns_silent(&self) -> bool {
        true
    }

    /// MR-WIN-1. Whether an attempt that has finished wins: none has before it (§3.3).
    fn wins(&self, won: bool) -> bool {
        !won
    }

    /// MR-WIN-2. Whether what a finished attempt has counted counts: it wins (§4.8).
    fn counts(&self, wins: bool) -> bool {
        wins
    }

    /// MR-WIN-3. Whether the other attempts of a task that is won are stopped.
    fn stops_others(&self) -> bool {
        true
    }

    /// MR-SILENT-1. Whether a deadline ends its attempt when it fires, and not when somebody asks later.
    fn ends_at_once(&self) -> bool {
        true
    }

    /// MR-SILENT-2. Whether what an attempt reports puts its deadline off.
    fn puts_off(&self) -> bool {
        true
    }

    /// MR-GONE-1. Whether a connection that is gone is its worker's present one.
    fn is_present(&self, present: u64, gone: u64) -> bool {
        present == gone
    }

    /// MR-FAIL-1. Whether a task has failed too often.
    fn gives_up(&self, own: u32, others: u32, limits: &Limits) -> bool {
        own >= limits.own || others >= limits.others
    }

    /// MR-FAIL-2. Whether the failure of an attempt counts: it was live, or its task's winner.
    fn counts_failure(&self, live: bool) -> bool {
        live
    }

    /// MR-HOST-1. Whether a worker may get a task that has failed by itself on its host. So many workers of other hosts
    /// are here, on which it has not, and of these so many are silent: unless all are, it waits for one of them.
    fn tries_again(&self, others: usize, silent: usize) -> bool {
        others == silent
    }

    /// MR-HOST-1. The host that a worker names: the one that it runs on.
    fn host(&self, badge: &Badge) -> u64 {
        badge.host
    }

    /// MR-SKIP-1. Whether a record is skipped from now on, at which so many attempts of its task have failed (§4.6).
    fn is_bad(&self, times: u32) -> bool {
        times >= 2
    }

    /// MR-LOST-1. Whether a map is run again of which a reduce can't read an attempt's output: the attempt is its
    /// winner, and reduces need it.
    fn is_lost(&self, winner: bool, needed: bool) -> bool {
        winner && needed
    }

    /// MR-LOST-2. Whether what a winner has counted whose output was lost counts still: nobody has won since. A job
    /// may end before anybody does.
    fn counts_lost(&self, won_since: bool) -> bool {
        !won_since
    }

    /// MR-DISK-1, MR-DISK-2, MR-DISK-3, MR-DISK-4. Whether this waits for the disk.
    fn waits(&self, held: Held) -> bool {
        let _ = held;
        true
    }

    /// MR-LIFE-1. The number of a life behind one of this number.
    fn next_life(&self, before: u32) -> u32 {
        before + 1
    }

    /// MR-RECOVER-1. Whether who has won in an earlier life has won.
    fn keeps_won(&self) -> bool {
        true
    }

    /// MR-RECOVER-2. Whether winners' outputs get their names again: the earlier life may have died before.
    fn publishes_again(&self) -> bool {
        true
    }

    /// MR-RECOVER-2. Whether an output of an earlier life counts as published before it was looked at.
    fn takes_as_published(&self) -> bool {
        false
    }

    /// MR-RECOVER-3. Whether nothing is run until workers of the earlier life had time to come back.
    fn gathers(&self) -> bool {
        true
    }

    /// MR-AGAIN-1. Whether a job that has failed is gone on with: its user asks for it again.
    fn takes_up(&self, asked: bool) -> bool {
        asked
    }

    /// MR-AGAIN-2. Whether it is in later lives too.
    fn stays_taken_up(&self) -> bool {
        true
    }

    /// MR-RECOVER-4. Whether an attempt goes on that its worker comes back with: its task is not won, and no two other
    /// attempts of it are live.
    fn goes_on(&self, won: bool, others: usize, earlier_life: bool) -> bool {
        let _ = earlier_life;
        !won && others < 2
    }

    /// MR-OVER-1. Whether the job is done: all outputs have their names.
    fn is_done(&self, maps: &Tally, reduces: &Tally) -> bool {
        match reduces.all() {
            0 => maps.idle + maps.running == 0,
            all => reduces.published == all,
        }
    }

    /// MR-OVER-2. Whether the coordinator may go when the job is over: nobody is left who was not told.
    fn may_exit(&self, sessions: usize) -> bool {
        sessions == 0
    }

    /// MR-HELLO-1. Why a worker is sent away, if it is.
    fn refuses<C>(&self, spec: &Spec, hello: &Hello<C>) -> Option<Refusal> {
        if hello.job != spec.job {
            Some(Refusal::OtherJob)
        } else if hello.version != spec.version {
            Some(Refusal::OtherVersion)
        } else {
            None
        }
    }

    /// MR-FILE-1. By which attempt a file is named: the one that writes it.
    fn file(&self, attempt: AttemptId) -> AttemptId {
        attempt
    }

    /// MR-FILE-2. Whether a worker writes aside, and gives a file its name when it is whole (§3.3).
    fn writes_aside(&self) -> bool {
        true
    }

    /// MR-FILE-3. Whether a worker tells that an attempt has finished: its file has its name.
    fn tells_finished(&self, named: bool) -> bool {
        named
    }

    /// MR-FILE-4. Whether a winner's files stay.
    fn keeps_accepted(&self) -> bool {
        true
    }

    /// MR-READ-1. Whether a reduce ends that can't read one of the outputs it was told to read. Who runs it asks this.
    fn reads_all(&self) -> bool {
        true
    }

    /// MR-STOP-1. Whether an order to cancel an attempt stops what is run: it names that.
    fn stops(&self, running: AttemptId, cancelled: AttemptId) -> bool {
        running == cancelled
    }

    /// MR-STOP-2. Whether what has finished goes: another has won before. That it was to be stopped is not enough.
    fn drops_finished(&self, too_late: bool) -> bool {
        too_late
    }

    /// MR-STAY-1. Whether a worker leaves: it was told to, and not only that its attempt is of no use.
    fn leaves(&self, told: bool) -> bool {
        told
    }

    /// MR-STAY-2. Whether a worker leaves that has found no coordinator for long.
    fn gives_up_looking(&self) -> bool {
        true
    }
}

/// The rules as SPEC.md has them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Paper;

impl Rules for Paper {}
