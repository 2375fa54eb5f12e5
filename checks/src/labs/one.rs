//! One command on its way to an agreement, as the labs' `one` goes about it: ask every connected server in turn, and
//! when one has taken the command wait until enough servers have applied it there.

use super::bed::{Command, Number};
use super::checker::short;
use super::lab::{Lab, Next, Outcome, ms};
use std::time::Duration;

/// How long it is tried.
const ONE: Duration = ms(10_000);
/// How long a server that has taken it is waited for.
const CLAIMED: Duration = ms(2000);

/// A command on its way to an agreement.
pub(super) struct One {
    command: Command,
    count: usize,
    retry: bool,
    end: Duration,
    /// Whom to ask next.
    next: usize,
    /// Since when a server has it.
    claimed: Option<Duration>,
    number: Number,
}

impl One {
    /// A new one: at least `count` servers must apply it.
    pub(super) const fn new(now: Duration, command: Command, count: usize, retry: bool) -> Self {
        Self {
            command,
            count,
            retry,
            end: now.saturating_add(ONE),
            next: 0,
            claimed: None,
            number: 0,
        }
    }

    /// Where it stands.
    pub(super) const fn number(&self) -> Number {
        self.number
    }

    /// Asks whoever is next, or looks what became of it.
    pub(super) fn step(&mut self, lab: &mut Lab) -> Outcome<Next> {
        let now = lab.bed().now();
        if let Some(since) = self.claimed {
            let (have, command) = lab.committed(self.number)?;
            if have >= self.count.max(1) && command.as_ref() == Some(&self.command) {
                return Ok(Next::Done);
            }
            if now < since + CLAIMED {
                return Ok(Next::After(ms(20)));
            }
            self.claimed = None;
            lab.require(self.retry, || self.text())?;
        }
        lab.require(now < self.end, || self.text())?;
        for _ in 0..lab.servers() {
            let server = self.next;
            self.next = lab.behind(server, 1);
            if lab.is_connected(server) {
                let proposed = lab.propose(server, &self.command);
                if proposed.leads {
                    (self.number, self.claimed) = (proposed.number, Some(now));
                    return Ok(Next::After(ms(20)));
                }
            }
        }
        Ok(Next::After(ms(50)))
    }

    fn text(&self) -> String {
        let (command, count) = (short(&self.command), self.count);
        format!("{command} failed to reach agreement of {count} servers")
    }
}
