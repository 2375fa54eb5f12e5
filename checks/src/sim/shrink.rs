//! Makes a failing simulation smaller: fewer kinds of fault, less time, fewer clients and servers, as long as the same
//! property breaks. Each change makes another simulation of the same seed, so it is tried, not reasoned about.

use super::judge::Violation;
use super::plan::{NODES, Plan};

/// A smaller simulation that still fails.
#[derive(Clone, Debug)]
pub struct Shrunk {
    /// The plan.
    pub plan: Plan,
    /// How it fails.
    pub violation: Violation,
    /// How many were tried.
    pub tried: usize,
}

/// The most simulations that are tried.
const MOST: usize = 120;
/// Time is cut to a multiple of this, in milliseconds.
const GRAIN_MS: u64 = 100;

/// Shrinks a simulation of so many servers and clients. `fails` runs one.
pub fn shrink(
    plan: Plan,
    (nodes, clients): (u8, u16),
    violation: Violation,
    fails: impl Fn(&Plan) -> Option<Violation>,
) -> Shrunk {
    let plan = Plan { nodes: Some(nodes), clients: Some(clients), ..plan };
    let mut shrunk = Shrunk { plan, violation, tried: 0 };
    loop {
        let before = shrunk.plan;
        shrunk.cut_time(&fails);
        for fault in super::faults::FAULTS {
            let faults = shrunk.plan.faults.without(*fault);
            if faults != shrunk.plan.faults {
                shrunk.attempt(Plan { faults, ..shrunk.plan }, &fails);
            }
        }
        while let Some(clients @ 2..) = shrunk.plan.clients
            && shrunk.attempt(Plan { clients: Some(clients / 2), ..shrunk.plan }, &fails)
        {}
        while let Some(nodes) = shrunk.plan.nodes.filter(|nodes| u64::from(*nodes) > NODES.0)
            && shrunk.attempt(Plan { nodes: Some(nodes - 1), ..shrunk.plan }, &fails)
        {}
        if shrunk.plan == before || shrunk.tried >= MOST {
            return shrunk;
        }
    }
}

impl Shrunk {
    /// Whether this one fails in the same way; then it is taken.
    fn attempt(&mut self, plan: Plan, fails: &impl Fn(&Plan) -> Option<Violation>) -> bool {
        if self.tried >= MOST {
            return false;
        }
        self.tried += 1;
        let found = fails(&plan).filter(|found| found.property == self.violation.property);
        let Some(violation) = found else { return false };
        (self.plan, self.violation) = (plan, violation);
        true
    }

    /// What was seen after the end of mischief needs no more of it than there was; less may do.
    fn cut_time(&mut self, fails: &impl Fn(&Plan) -> Option<Violation>) {
        let seen = (self.violation.at_us / 1000).next_multiple_of(GRAIN_MS);
        if seen < self.plan.ms {
            self.attempt(Plan { ms: seen, ..self.plan }, fails);
        }
        let mut step = self.plan.ms / 2;
        while step >= GRAIN_MS {
            let ms = (self.plan.ms - step).next_multiple_of(GRAIN_MS);
            if ms >= self.plan.ms || !self.attempt(Plan { ms, ..self.plan }, fails) {
                step /= 2;
            }
        }
    }
}
