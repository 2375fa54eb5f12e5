//! One run of a model through stateright, with progress, limits and an honest end.
//!
//! stateright can't be cancelled and has no memory limit, and its own "done" is also true of a run that was
//! cut off. So the model has a stop flag (it offers no further actions, and the checker drains), and a run
//! counts as exhausted only if every worker came to an end by itself and nobody raised that flag.

use crate::machine;
use model::system::System;
use serde::Serialize;
use stateright::{Checker, HasDiscoveries, Model};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How a model is explored.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// Breadth first: more memory, shallow states first.
    Bfs,
    /// Depth first: 16 bytes a state. The default.
    Dfs,
    /// Depth first over representatives of states that differ only in which server is which.
    Symmetry,
    /// Random paths from a seed. Never exhausts anything.
    Walk,
}

/// When a run is cut off.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Unique states.
    pub states: usize,
    /// Memory of the process, in MiB.
    pub memory_mib: u64,
}

/// Why a run was cut off.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cut {
    /// Somebody pressed Ctrl-C.
    Interrupted,
    /// The limit of states.
    States,
    /// The limit of memory.
    Memory,
}

impl Cut {
    /// The reason in words.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Interrupted => "interrupted",
            Self::States => "state limit reached",
            Self::Memory => "memory limit reached",
        }
    }
}

/// A property that does not hold, and how to get there.
#[derive(Clone, Debug)]
pub struct Violation<A> {
    /// Its name.
    pub property: &'static str,
    /// The path from the initial state, as the checker found it.
    pub path: Vec<A>,
}

/// What a run came to.
#[derive(Clone, Debug)]
pub struct Verdict<A, C> {
    /// Unique states.
    pub states: usize,
    /// States generated, repetitions included.
    pub generated: usize,
    /// The longest path that the checker took.
    pub depth: usize,
    /// Wall time.
    pub seconds: f64,
    /// Why it was cut off, if it was.
    pub cut: Option<Cut>,
    /// What was violated.
    pub violation: Option<Violation<A>>,
    /// What it reached.
    pub reached: Vec<C>,
    /// From how many states convergence was shown.
    pub converged: u64,
}

impl<A, C> Verdict<A, C> {
    /// Whether every state within the bounds was visited and every property held in it.
    pub const fn exhausted(&self) -> bool {
        self.cut.is_none() && self.violation.is_none()
    }

    /// The odds that two different states had one 64-bit fingerprint, so that one was not visited.
    pub fn collision_odds(&self) -> f64 {
        collision_odds(self.states)
    }
}

/// About n²/2⁶⁵ for n states.
pub fn collision_odds(states: usize) -> f64 {
    (states as f64).powi(2) / 2f64.powi(65)
}

/// Set by Ctrl-C: the present run is cut off.
pub static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// A look at a run under way.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Unique states so far.
    pub states: usize,
    /// States generated so far.
    pub generated: usize,
    /// The longest path so far.
    pub depth: usize,
    /// Since the start.
    pub elapsed: Duration,
}

/// What a run of this system comes to.
pub type VerdictOf<S> = Verdict<<S as Model>::Action, <S as System>::Corner>;

/// Explores a model to its end or a limit, telling `watch` about ten times a second.
pub fn explore<S: System>(
    system: &S,
    strategy: Strategy,
    threads: usize,
    limits: Limits,
    watch: impl FnMut(Progress),
) -> Result<VerdictOf<S>, String> {
    let builder =
        system.clone().checker().threads(threads).finish_when(HasDiscoveries::AnyFailures);
    match strategy {
        Strategy::Bfs => drive(system, builder.spawn_bfs(), limits, watch),
        Strategy::Dfs => drive(system, builder.spawn_dfs(), limits, watch),
        Strategy::Symmetry => match S::representative() {
            Some(representative) => {
                drive(system, builder.symmetry_fn(representative).spawn_dfs(), limits, watch)
            }
            None => Err(format!("no two actors of a {} model are alike", S::NAME)),
        },
        Strategy::Walk => Err("a walk is no exploration: it is driven by a seed".into()),
    }
}

fn drive<S: System, C: Checker<S>>(
    system: &S,
    mut checker: C,
    limits: Limits,
    mut watch: impl FnMut(Progress),
) -> Result<VerdictOf<S>, String> {
    let start = Instant::now();
    let handles = checker.handles();
    let mut cut = None;
    let mut pause = Duration::from_millis(1);
    while !handles.iter().all(thread::JoinHandle::is_finished) {
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(100));
        let states = checker.unique_state_count();
        if cut.is_none() {
            cut = over_limit(states, limits);
            if cut.is_some() {
                system.stop().store(true, Ordering::Relaxed);
            }
        }
        let (generated, depth) = (checker.state_count(), checker.max_depth());
        watch(Progress { states, generated, depth, elapsed: start.elapsed() });
    }
    for handle in handles {
        handle
            .join()
            .map_err(|_| "a checker thread panicked; what it had not visited is not known")?;
    }
    system.stop().store(false, Ordering::Relaxed);
    let violation = checker.discoveries().into_iter().min_by_key(|(name, _)| *name);
    let violation =
        violation.map(|(property, path)| Violation { property, path: path.into_actions() });
    Ok(Verdict {
        states: checker.unique_state_count(),
        generated: checker.state_count(),
        depth: checker.max_depth(),
        seconds: start.elapsed().as_secs_f64(),
        cut,
        violation,
        reached: system.reached(),
        converged: system.converged(),
    })
}

pub(crate) fn over_limit(states: usize, limits: Limits) -> Option<Cut> {
    if INTERRUPTED.load(Ordering::Relaxed) {
        Some(Cut::Interrupted)
    } else if states >= limits.states {
        Some(Cut::States)
    } else if machine::memory_mib().is_some_and(|mib| mib >= limits.memory_mib) {
        Some(Cut::Memory)
    } else {
        None
    }
}
