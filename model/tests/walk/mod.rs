//! Walks through a model by saying what should happen next, and remembers the path.

use model::cluster::{Action, Cluster, State, describe};
use model::node::{DiskFault, Stimulus};
use protocol::raft::{Body, Paper, Rules};
use stateright::Model;
use stateright::actor::{ActorModelAction, Envelope};

/// A path in the making.
pub struct Walk<R: Rules = Paper> {
    pub cluster: Cluster<R>,
    pub start: State<R>,
    pub state: State<R>,
    pub actions: Vec<Action>,
}

#[allow(dead_code, reason = "not every test takes every kind of step")]
impl<R: Rules> Walk<R> {
    pub fn new(bounds: model::bounds::Bounds, rules: R, fault: DiskFault) -> Self {
        let cluster = Cluster::new(bounds, rules, fault);
        let start = cluster.init_states().remove(0);
        Self { cluster, state: start.clone(), start, actions: Vec::new() }
    }

    /// The actions that the model offers now.
    pub fn offered(&self) -> Vec<Action> {
        let mut offered = Vec::new();
        self.cluster.actions(&self.state, &mut offered);
        offered
    }

    /// Takes the first offered action that changes something and is wanted. False if there is none.
    pub fn may(&mut self, wanted: impl Fn(&Action) -> bool) -> bool {
        for action in self.offered().into_iter().filter(wanted) {
            if let Some(next) = self.cluster.next_state(&self.state, action.clone()) {
                self.state = next;
                self.actions.push(action);
                return true;
            }
        }
        false
    }

    /// Like [`Walk::may`], and it must be possible.
    pub fn go(&mut self, wanted: impl Fn(&Action) -> bool) {
        if !self.may(wanted) {
            let words: Vec<_> = self.offered().iter().map(describe).collect();
            panic!(
                "after {} steps only this is offered:\n{}",
                self.actions.len(),
                words.join("\n")
            );
        }
    }

    pub fn on(&mut self, server: usize, stimulus: Stimulus) {
        self.go(|action| {
            matches!(action, ActorModelAction::Timeout(id, what)
                if usize::from(*id) == server && *what == stimulus)
        });
    }

    pub fn deliver(&mut self, from: usize, to: usize, wanted: impl Fn(&Body) -> bool) {
        self.go(|action| {
            matches!(action, ActorModelAction::Deliver { src, dst, msg }
                if (usize::from(*src), usize::from(*dst)) == (from, to)
                    && wanted(&msg.message.body))
        });
    }

    pub fn lose(&mut self, from: usize, to: usize, wanted: impl Fn(&Body) -> bool) {
        self.go(|action| {
            matches!(action, ActorModelAction::Drop(Envelope { src, dst, msg })
                if (usize::from(*src), usize::from(*dst)) == (from, to)
                    && wanted(&msg.message.body))
        });
    }

    /// Lets the disk of a server finish all that is pending.
    pub fn flush(&mut self, server: usize) {
        while !self.state.actor_states[server].pending.is_empty() {
            self.on(server, Stimulus::Disk);
        }
    }

    /// Elects a server by the vote of another one.
    pub fn elect(&mut self, server: usize, voter: usize) {
        self.on(server, Stimulus::Campaign);
        self.flush(server);
        self.deliver(server, voter, |body| matches!(body, Body::RequestVote { .. }));
        self.flush(voter);
        self.deliver(voter, server, |body| matches!(body, Body::VoteGranted));
    }

    /// Lets what is possible happen, chosen by a fixed sequence of numbers, for at most `steps`
    /// steps.
    pub fn wander(&mut self, steps: usize, mut seed: u64) {
        for _ in 0..steps {
            let offered = self.offered();
            let changes: Vec<_> = offered
                .into_iter()
                .filter(|action| self.cluster.next_state(&self.state, action.clone()).is_some())
                .collect();
            if changes.is_empty() {
                return;
            }
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let action = changes[(seed >> 33) as usize % changes.len()].clone();
            self.state = self
                .cluster
                .next_state(&self.state, action.clone())
                .expect("only actions that change something are chosen from");
            self.actions.push(action);
        }
    }
}
