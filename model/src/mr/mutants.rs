//! What could be wrong with MapReduce, and what must notice it.

use super::runs::{
    AGAIN as ASKED, ALONE, BAD, BREAK, FAILS, FAILS_ALONE, FAILS_HOSTS, FAILS_HUNG, FAILS_LATE,
    HUNG, LOST, LOST_SLOW, ONE as PLAIN, OUTPUT as ENDS, RESTART, SILENT, SKIPS, SLOW, SLOW_TORN,
    STRANGER, THREE, THREE_BREAK, TORN,
};
use super::{
    AGAIN, ALIVE, Bounds, COUNT, COUNTERS, DONE, FAIL, FRESH, HOST, KEPT, Mill, NEED, ONE, ORDER,
    OURS, OUTPUT, OVER, Rules, SETTLES, SKIP, STOP, TOLD, WHOLE,
};
use crate::lists::bugs;
use protocol::mr::{AttemptId, Badge, Held, Hello, Limits, Paper, Refusal, Spec, Tally};

bugs! {
    InPlace "a file is written under its name",
    LateWins "an attempt that finishes late takes the winner's place",
    LateCounts "what an attempt has counted counts whether it wins or not",
    WhileMapsRun "reduces are run when no map is idle",
    DoneWhenWon "the job is done when all reduces have finished, whether their outputs are there or not",
    TwiceAtOnce "a task is run a second time as soon as a worker has nothing to do",
    LooksWhenAsked "a deadline is looked at when a worker says something",
    ForgetsWinners "a coordinator that is started again does not know who has won",
    ExitsAtOnce "the coordinator goes as soon as the job is over",
    LooksForEver "a worker looks for a coordinator for ever",
    BeforeDisk "reduces are run before the disk has all winners of maps",
    ThirdAttempt "a task that takes long is run any number of times",
    SleepsOn "a worker that waits gets work only when some worker says something",
    TrustsSilent "a worker that fell silent gets the next task",
    LetsRun "the other attempts of a task that is won run on",
    NeverPutsOff "a deadline is not put off by what an attempt reports",
    AnyEnd "the end of an earlier connection counts as that of the present one",
    NeverGivesUp "a task may fail for ever",
    AddsUp "a task's own failures and others are taken together",
    CountsEnded "the failure of an attempt that was given up counts once more",
    GivesBack "a task is given to a worker on whose host it has failed, though there is another",
    NeverBack "a task is never given to a worker on whose host it has failed",
    WaitsForSilent "a task that has failed on a host waits for a worker of another that fell silent",
    NamesItself "a worker names itself in place of its host",
    SkipsAtOnce "a record is skipped at which one attempt has failed",
    NeverSkips "no record is skipped",
    AnyReport "a map is run again whichever attempt's output can't be read",
    KeepsLost "a map is not run again whose output can't be read",
    TakesBack "what a winner has counted is taken back as soon as its output is lost",
    CountsLost "what a winner has counted whose output was lost counts beside what the next one has",
    RunsEarly "an attempt is run before its life is on the disk",
    AcceptsEarly "a worker is told that its attempt has won before the disk knows",
    PublishesEarly "an output gets its name before the disk knows whose it is",
    EndsEarly "it is told that the job is over before the disk knows",
    SameLife "a life has the number of the one before",
    TakesAsPublished "outputs of an earlier life's winners are taken for published",
    NotAgain "outputs of an earlier life's winners are not published",
    NoGathering "tasks are run as soon as a coordinator was started again",
    StopsEarlier "attempts of an earlier life are stopped",
    TakesAll "a worker of another job is taken",
    NamedByTask "a file is named by its task",
    TellsBefore "a worker tells that it has finished before the file has its name",
    DeletesAccepted "a worker deletes what has won",
    StopsAnything "an order to stop one attempt stops another",
    StopsFinished "an order to stop an attempt takes the file of one that has finished",
    LeavesWhenStopped "a worker leaves whose attempt was stopped",
    AgainAnyhow "a reduce that takes long is run again though a map has no winner any more",
    StaysFailed "a job that has failed stays so though its user asks for it again",
    GoesOnUnasked "a job that has failed is gone on with though nobody has asked for it",
    ForgetsAsking "that a failed job was asked for again is forgotten when the coordinator dies",
    ReadsSome "a reduce takes what it can read",
}

/// The rules with one thing wrong.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Wrong(pub Bug);

impl Wrong {
    fn has(self, bug: Bug) -> bool {
        self.0 == bug
    }
}

impl Rules for Wrong {
    fn may_reduce(&self, maps: &Tally, on_disk: bool, again: bool) -> bool {
        match self.0 {
            Bug::WhileMapsRun => maps.idle == 0,
            Bug::AgainAnyhow if again => true,
            Bug::BeforeDisk => Paper.may_reduce(maps, true, again),
            _ => Paper.may_reduce(maps, on_disk, again),
        }
    }

    fn is_slow(&self, straggles: bool, live: usize) -> bool {
        match self.0 {
            Bug::TwiceAtOnce => live == 1,
            Bug::ThirdAttempt => straggles,
            _ => Paper.is_slow(straggles, live),
        }
    }

    fn wakes(&self, asked: bool) -> bool {
        asked || !self.has(Bug::SleepsOn)
    }

    fn shuns_silent(&self) -> bool {
        !self.has(Bug::TrustsSilent)
    }

    fn wins(&self, won: bool) -> bool {
        self.has(Bug::LateWins) || Paper.wins(won)
    }

    fn counts(&self, wins: bool) -> bool {
        self.has(Bug::LateCounts) || Paper.counts(wins)
    }

    fn stops_others(&self) -> bool {
        !self.has(Bug::LetsRun)
    }

    fn ends_at_once(&self) -> bool {
        !self.has(Bug::LooksWhenAsked)
    }

    fn puts_off(&self) -> bool {
        !self.has(Bug::NeverPutsOff)
    }

    fn is_present(&self, present: u64, gone: u64) -> bool {
        self.has(Bug::AnyEnd) || Paper.is_present(present, gone)
    }

    fn gives_up(&self, own: u32, others: u32, limits: &Limits) -> bool {
        match self.0 {
            Bug::NeverGivesUp => false,
            Bug::AddsUp => own + others >= limits.own.min(limits.others),
            _ => Paper.gives_up(own, others, limits),
        }
    }

    fn counts_failure(&self, live: bool) -> bool {
        self.has(Bug::CountsEnded) || Paper.counts_failure(live)
    }

    fn tries_again(&self, others: usize, silent: usize) -> bool {
        match self.0 {
            Bug::GivesBack => true,
            Bug::NeverBack => false,
            Bug::WaitsForSilent => others == 0,
            _ => Paper.tries_again(others, silent),
        }
    }

    fn host(&self, badge: &Badge) -> u64 {
        if self.has(Bug::NamesItself) { badge.worker.0 } else { Paper.host(badge) }
    }

    fn is_bad(&self, times: u32) -> bool {
        match self.0 {
            Bug::SkipsAtOnce => true,
            Bug::NeverSkips => false,
            _ => Paper.is_bad(times),
        }
    }

    fn is_lost(&self, winner: bool, needed: bool) -> bool {
        match self.0 {
            Bug::AnyReport => needed,
            Bug::KeepsLost => false,
            _ => Paper.is_lost(winner, needed),
        }
    }

    fn counts_lost(&self, won_since: bool) -> bool {
        match self.0 {
            Bug::TakesBack => false,
            Bug::CountsLost => true,
            _ => Paper.counts_lost(won_since),
        }
    }

    fn waits(&self, held: Held) -> bool {
        let early = match held {
            Held::Run => Bug::RunsEarly,
            Held::Accept => Bug::AcceptsEarly,
            Held::Publish => Bug::PublishesEarly,
            Held::Over => Bug::EndsEarly,
        };
        !self.has(early)
    }

    fn next_life(&self, before: u32) -> u32 {
        if self.has(Bug::SameLife) { before } else { Paper.next_life(before) }
    }

    fn keeps_won(&self) -> bool {
        !self.has(Bug::ForgetsWinners)
    }

    fn publishes_again(&self) -> bool {
        !self.has(Bug::NotAgain)
    }

    fn takes_as_published(&self) -> bool {
        self.has(Bug::TakesAsPublished)
    }

    fn gathers(&self) -> bool {
        !self.has(Bug::NoGathering)
    }

    fn goes_on(&self, won: bool, others: usize, earlier_life: bool) -> bool {
        let stops = earlier_life && self.has(Bug::StopsEarlier);
        !stops && Paper.goes_on(won, others, earlier_life)
    }

    fn is_done(&self, maps: &Tally, reduces: &Tally) -> bool {
        let won = reduces.idle + reduces.running == 0 && reduces.all() > 0;
        self.has(Bug::DoneWhenWon) && won || Paper.is_done(maps, reduces)
    }

    fn may_exit(&self, sessions: usize) -> bool {
        self.has(Bug::ExitsAtOnce) || Paper.may_exit(sessions)
    }

    fn refuses<C>(&self, spec: &Spec, hello: &Hello<C>) -> Option<Refusal> {
        Paper.refuses(spec, hello).filter(|_| !self.has(Bug::TakesAll))
    }

    fn file(&self, attempt: AttemptId) -> AttemptId {
        let number = if self.has(Bug::NamedByTask) { 0 } else { attempt.attempt };
        AttemptId { attempt: number, ..attempt }
    }

    fn writes_aside(&self) -> bool {
        !self.has(Bug::InPlace)
    }

    fn tells_finished(&self, named: bool) -> bool {
        named || self.has(Bug::TellsBefore)
    }

    fn keeps_accepted(&self) -> bool {
        !self.has(Bug::DeletesAccepted)
    }

    fn reads_all(&self) -> bool {
        !self.has(Bug::ReadsSome)
    }

    fn takes_up(&self, asked: bool) -> bool {
        match self.0 {
            Bug::StaysFailed => false,
            Bug::GoesOnUnasked => true,
            _ => Paper.takes_up(asked),
        }
    }

    fn stays_taken_up(&self) -> bool {
        !self.has(Bug::ForgetsAsking)
    }

    fn stops(&self, running: AttemptId, cancelled: AttemptId) -> bool {
        self.has(Bug::StopsAnything) || Paper.stops(running, cancelled)
    }

    fn drops_finished(&self, too_late: bool) -> bool {
        self.has(Bug::StopsFinished) || Paper.drops_finished(too_late)
    }

    fn leaves(&self, told: bool) -> bool {
        self.has(Bug::LeavesWhenStopped) || Paper.leaves(told)
    }

    fn gives_up_looking(&self) -> bool {
        !self.has(Bug::LooksForEver)
    }
}

/// How a mutant is hunted, and what must notice it.
#[derive(Clone, Copy, Debug)]
pub struct Hunt {
    /// Its name.
    pub id: &'static str,
    /// The rule of SPEC.md that it breaks.
    pub rule: &'static str,
    /// What is wrong.
    pub bug: Bug,
    /// What the model may do.
    pub bounds: Bounds,
    /// The property that must die.
    pub property: &'static str,
}

impl Hunt {
    /// The model in which the mutant is hunted. Every state must settle if it is to die by that.
    pub fn mill(&self) -> Mill<Wrong> {
        let settle_every = u64::from(self.property == SETTLES);
        self.mill_in(Bounds { settle_every, ..self.bounds })
    }

    /// The model with the mutant's rules in other bounds.
    pub fn mill_in(&self, bounds: Bounds) -> Mill<Wrong> {
        Mill::new(bounds, Wrong(self.bug))
    }

    /// The same hunt with nothing wrong: it must find nothing, or the hunt shows nothing.
    pub const fn control(&self) -> Self {
        Self { bug: Bug::None, ..*self }
    }
}

const fn hunt(
    id: &'static str,
    rule: &'static str,
    bug: Bug,
    bounds: Bounds,
    property: &'static str,
) -> Hunt {
    Hunt { id, rule, bug, bounds, property }
}

/// The mutants of MapReduce.
pub const HUNTS: &[Hunt] = &[
    hunt("R1", "MR-FILE-2", Bug::InPlace, TORN, WHOLE),
    hunt("R2", "MR-WIN-1", Bug::LateWins, SILENT, COUNTERS),
    hunt("R2b", "MR-WIN-2", Bug::LateCounts, SILENT, COUNTERS),
    hunt("R3", "MR-ORDER-1", Bug::WhileMapsRun, PLAIN, ORDER),
    hunt("R4", "MR-OVER-1", Bug::DoneWhenWon, PLAIN, DONE),
    hunt("R4b", "MR-STAY-1", Bug::LeavesWhenStopped, SLOW, TOLD),
    hunt("R5", "MR-ORDER-2", Bug::TwiceAtOnce, PLAIN, COUNT),
    hunt("R6", "MR-SILENT-1", Bug::LooksWhenAsked, HUNG, SETTLES),
    hunt("R7", "MR-RECOVER-1", Bug::ForgetsWinners, RESTART, KEPT),
    hunt("R8", "MR-OVER-2", Bug::ExitsAtOnce, PLAIN, TOLD),
    hunt("R8b", "MR-STAY-2", Bug::LooksForEver, ALONE, SETTLES),
    hunt("QM1", "MR-ORDER-1", Bug::BeforeDisk, RESTART, ORDER),
    hunt("QM2", "MR-ORDER-2", Bug::ThirdAttempt, THREE, COUNT),
    hunt("QM3", "MR-WAKE-1", Bug::SleepsOn, RESTART, SETTLES),
    hunt("QM4", "MR-QUIET-1", Bug::TrustsSilent, HUNG, SETTLES),
    hunt("QM5", "MR-WIN-3", Bug::LetsRun, SLOW, STOP),
    hunt("QM6", "MR-SILENT-2", Bug::NeverPutsOff, SILENT, ALIVE),
    hunt("QM7", "MR-GONE-1", Bug::AnyEnd, BREAK, COUNT),
    hunt("QM8", "MR-FAIL-1", Bug::NeverGivesUp, BAD, SETTLES),
    hunt("QM9", "MR-FAIL-1", Bug::AddsUp, FAILS, FAIL),
    hunt("QM10", "MR-FAIL-2", Bug::CountsEnded, FAILS_LATE, FAIL),
    hunt("QM11", "MR-SKIP-1", Bug::SkipsAtOnce, SKIPS, SKIP),
    hunt("QM12", "MR-SKIP-1", Bug::NeverSkips, SKIPS, SKIP),
    hunt("QM13", "MR-LOST-1", Bug::AnyReport, LOST, KEPT),
    hunt("QM14", "MR-LOST-1", Bug::KeepsLost, LOST, SETTLES),
    hunt("QM15", "MR-DISK-1", Bug::RunsEarly, RESTART, FRESH),
    hunt("QM16", "MR-DISK-2", Bug::AcceptsEarly, RESTART, KEPT),
    hunt("QM17", "MR-DISK-3", Bug::PublishesEarly, ENDS, ONE),
    hunt("QM18", "MR-DISK-4", Bug::EndsEarly, ENDS, OVER),
    hunt("QM19", "MR-LIFE-1", Bug::SameLife, RESTART, FRESH),
    hunt("QM20", "MR-RECOVER-2", Bug::TakesAsPublished, ENDS, DONE),
    hunt("QM21", "MR-RECOVER-2", Bug::NotAgain, ENDS, SETTLES),
    hunt("QM22", "MR-RECOVER-3", Bug::NoGathering, RESTART, COUNT),
    hunt("QM23", "MR-RECOVER-4", Bug::StopsEarlier, RESTART, NEED),
    hunt("QM24", "MR-HELLO-1", Bug::TakesAll, STRANGER, OURS),
    hunt("QM25", "MR-FILE-1", Bug::NamedByTask, SLOW_TORN, WHOLE),
    hunt("QM26", "MR-FILE-3", Bug::TellsBefore, TORN, KEPT),
    hunt("QM27", "MR-FILE-4", Bug::DeletesAccepted, PLAIN, KEPT),
    hunt("QM28", "MR-STOP-1", Bug::StopsAnything, SLOW, SETTLES),
    hunt("QM29", "MR-READ-1", Bug::ReadsSome, LOST, OUTPUT),
    hunt("QM30", "MR-STOP-2", Bug::StopsFinished, THREE_BREAK, KEPT),
    hunt("QM31", "MR-ORDER-1", Bug::AgainAnyhow, LOST_SLOW, ORDER),
    hunt("QM32", "MR-AGAIN-1", Bug::StaysFailed, ASKED, AGAIN),
    hunt("QM33", "MR-AGAIN-1", Bug::GoesOnUnasked, ASKED, AGAIN),
    hunt("QM34", "MR-AGAIN-2", Bug::ForgetsAsking, ASKED, AGAIN),
    hunt("QM35", "MR-LOST-2", Bug::TakesBack, LOST, COUNTERS),
    hunt("QM36", "MR-LOST-2", Bug::CountsLost, LOST, COUNTERS),
    hunt("QM37", "MR-HOST-1", Bug::GivesBack, FAILS, HOST),
    hunt("QM38", "MR-HOST-1", Bug::NeverBack, FAILS_ALONE, SETTLES),
    hunt("QM39", "MR-HOST-1", Bug::WaitsForSilent, FAILS_HUNG, SETTLES),
    hunt("QM40", "MR-HOST-1", Bug::NamesItself, FAILS_HOSTS, HOST),
];
