//! Jobs of many tasks.

use super::*;
use protocol::mr::{Doing, Ending, Timer};
use std::collections::{BTreeMap, BTreeSet};

/// What a step does, it does to few tasks: as many effects for the last of many tasks as for the first of few.
#[test]
fn a_task_costs_no_more_among_many() {
    let effects = |maps: u32, reduces: u32| {
        let mut office = Office::new(spec(maps, reduces));
        office.taken();
        let mut most = 0;
        office.hello(worker(1));
        while office.coordinator.ending().is_none() {
            let effects = office.taken();
            most = most.max(effects.len());
            let run = effects.into_iter().find_map(|effect| match effect {
                Effect::Send(_, Order::Run { attempt, .. }) => Some(attempt),
                _ => None,
            });
            office.finish(worker(1), run.expect("there is something to do"));
        }
        assert_eq!(office.counted(), 10 * i64::from(maps + reduces));
        most
    };
    assert_eq!(effects(10_000, 1_000), effects(10, 10));
}

/// A small deterministic generator, so that a failure can be seen again.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// A job whose workers do what the dice say.
struct Town {
    office: Office,
    dice: Dice,
    spec: Spec,
    /// What each worker was told to run, by its connection.
    running: BTreeMap<Session, Option<AttemptId>>,
    late: Vec<AttemptId>,
    workers: u64,
}

impl Town {
    fn new(seed: u64) -> Self {
        let mut dice = Dice(seed);
        let (maps, reduces) = (dice.below(20) as u32, 1 + dice.below(5) as u32);
        let limits = Limits { own: 1_000, others: 1_000, skips: 0 };
        let spec = Spec { limits, ..spec(maps, reduces) };
        let (office, running) = (Office::new(spec), BTreeMap::new());
        Self { office, dice, spec, running, late: Vec::new(), workers: 0 }
    }

    /// Workers do as they are told.
    fn obey(&mut self) {
        for effect in self.office.taken() {
            match effect {
                Effect::Send(session, Order::Run { attempt, .. }) => {
                    self.running.insert(session, Some(attempt));
                }
                Effect::Send(session, Order::Cancel(attempt))
                    if self.running.get(&session) == Some(&Some(attempt)) =>
                {
                    self.running.insert(session, None);
                }
                _ => {}
            }
        }
    }

    /// One of those who have something to run; none if there are too few workers.
    fn chosen(&mut self) -> Option<(Session, AttemptId)> {
        let busy =
            |(session, attempt): (&Session, &Option<AttemptId>)| Some((*session, (*attempt)?));
        let busy: Vec<_> = self.running.iter().filter_map(busy).collect();
        if self.running.len() < 3 || busy.is_empty() {
            return None;
        }
        Some(busy[self.dice.below(busy.len() as u64) as usize])
    }

    fn connect_again(&mut self, session: Session, attempt: Option<AttemptId>) -> Session {
        let again = Session { incarnation: session.incarnation + 1, ..session };
        self.running.remove(&session);
        self.running.insert(again, attempt);
        self.office.come_back(again, attempt, Vec::new());
        again
    }

    fn restart(&mut self) {
        let records = self.office.records.clone();
        self.office = Office::of(self.spec, records);
        for (session, attempt) in self.running.clone() {
            self.connect_again(session, attempt);
        }
        self.office.tell(Input::Fired(Timer::Gather));
    }

    /// Who is at work has a live attempt and who has a live attempt is at work, and no task is run more than twice.
    fn holds(&self) -> bool {
        let coordinator = &self.office.coordinator;
        let busy = coordinator.workers().filter_map(|(worker, doing)| match doing {
            Doing::Busy(attempt) => Some((attempt, worker)),
            Doing::Parked | Doing::Silent(_) => None,
        });
        let tasks = (0..self.spec.maps).map(map).chain((0..self.spec.reduces).map(reduce));
        let live = |task| coordinator.live(task).map(|(attempt, worker, _)| (attempt, worker));
        let few = tasks.clone().all(|task| coordinator.live(task).count() <= 2);
        let live: BTreeSet<_> = tasks.flat_map(live).collect();
        few && (coordinator.ending().is_some() || live == busy.collect())
    }

    fn step(&mut self) {
        self.obey();
        let Some((session, attempt)) = self.chosen() else {
            self.workers += 1;
            self.running.insert(worker(self.workers), None);
            return self.office.hello(worker(self.workers));
        };
        match self.dice.below(20) {
            0 => {
                self.running.remove(&session);
                self.late.push(attempt);
                self.office.tell(Input::Gone(session));
            }
            1 => {
                self.running.insert(session, None);
                let report = Report::Failed { attempt, at: None, cause: "exit 1" };
                self.office.report(session, report);
            }
            2 => self.office.tell(Input::Fired(Timer::Straggles(attempt))),
            3 => self.office.tell(Input::Fired(Timer::Silence(attempt))),
            4 => self.office.report(session, Report::Progress { attempt, at: None }),
            5 => {
                self.connect_again(session, Some(attempt));
                self.office.tell(Input::Gone(session));
            }
            6 => {
                if let Some(attempt) = self.late.pop() {
                    self.office.finish(session, attempt);
                }
            }
            7 if self.dice.below(10) == 0 => self.restart(),
            _ => {
                self.running.insert(session, None);
                self.office.finish(session, attempt);
            }
        }
    }
}

/// Workers that die, hang, come back and report late, and coordinators that are started again: each job is done, and
/// what was counted is right.
#[test]
fn whatever_happens_jobs_are_done() {
    for seed in 0..200 {
        let mut town = Town::new(seed);
        let mut steps = 0;
        while town.office.coordinator.ending().is_none() {
            town.step();
            assert!(town.holds(), "seed {seed}: {:?}", town.office.coordinator);
            steps += 1;
            assert!(steps < 100_000, "seed {seed}");
        }
        assert_eq!(town.office.coordinator.ending(), Some(&Ending::Done), "seed {seed}");
        let all = town.spec.maps + town.spec.reduces;
        assert_eq!(town.office.counted(), 10 * i64::from(all), "seed {seed}");
    }
}
