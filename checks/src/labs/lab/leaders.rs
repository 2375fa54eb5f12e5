//! Who leads, by what the connected servers say of themselves.

use super::{Lab, Outcome, ms};
use crate::labs::bed::State;
use std::collections::BTreeSet;

impl Lab {
    fn connected_states(&self) -> impl Iterator<Item = (usize, State)> {
        let connected = (0..self.servers()).filter(|server| self.connected[*server]);
        connected.filter_map(|server| Some((server, self.bed.state(server)?)))
    }

    /// The only leader of the highest term among the connected servers, once there is one.
    ///
    /// # Errors
    /// If there are two in one term, or none for about five seconds.
    pub fn one_leader(&mut self) -> Outcome<usize> {
        for _ in 0..10 {
            let pause = ms(450 + self.random.below(100));
            self.sleep(pause)?;
            let leaders: Vec<_> =
                self.connected_states().filter(|(_, state)| state.leads).collect();
            let terms: BTreeSet<u64> = leaders.iter().map(|(_, state)| state.term).collect();
            self.require(terms.len() == leaders.len(), || {
                format!("two servers lead in one term: {leaders:?}")
            })?;
            if let Some((server, _)) = leaders.iter().max_by_key(|(_, state)| state.term) {
                return Ok(*server);
            }
        }
        Err(self.failure("expected one leader, got none"))
    }

    /// No connected server leads.
    ///
    /// # Errors
    /// If one does.
    pub fn no_leader(&self) -> Outcome {
        let leader = self.connected_states().find(|(_, state)| state.leads);
        self.require(leader.is_none(), || format!("expected no leader, got {leader:?}"))
    }

    /// The term in which all connected servers are.
    ///
    /// # Errors
    /// If they do not agree.
    pub fn one_term(&self) -> Outcome<u64> {
        let terms: BTreeSet<u64> = self.connected_states().map(|(_, state)| state.term).collect();
        let term = terms.first().copied().filter(|_| terms.len() == 1);
        term.ok_or_else(|| self.failure(format!("servers disagree on the term: {terms:?}")))
    }

    /// Whether a server's term has gone beyond this one.
    pub fn is_past(&self, term: u64) -> bool {
        (0..self.servers()).filter_map(|server| self.bed.state(server)).any(|at| at.term > term)
    }
}
