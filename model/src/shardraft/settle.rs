//! The fair schedule: from here nobody dies and nothing is lost. Then both groups come to the last configuration, the
//! second serves the slot, whole, and the first keeps nothing of it.
//!
//! In each round all messages of servers arrive and disks finish, leaders send heartbeats, and where no leader has a
//! majority behind it the next server campaigns; time passes for every mover, every letter is read by every mover of
//! its group, and who asks the controller is answered.

use super::Estate;
use super::bounds::PLAN;
use super::state::State;
use super::steps::{Controller, happens};
use crate::bounds::Net;
use crate::node::Stimulus;
use protocol::NodeId;
use protocol::raft::Timer;
use protocol::shardkv::mover::Input;
use stateright::actor::{ActorModelAction, Envelope};

/// Within how many rounds all must come to its end.
pub const ROUNDS: usize = 30;

/// How often all messages of a group are gone through until none changes anything.
const PASSES: usize = 60;

/// Runs the schedule. The error says what did not come to its end.
pub fn settles(estate: &Estate, state: &State) -> Result<(), String> {
    // What is reached here is no corner of the run.
    let fair = Estate::new(estate.bounds, estate.rules);
    let mut state = state.clone();
    for round in 0..ROUNDS {
        for number in 0..2 {
            fair.bring_together(&mut state, number, round);
        }
        for place in state.places() {
            fair.attend(&mut state, place, Vec::new(), Some(Input::Tick), Controller::Answers);
        }
        for letter in std::mem::take(&mut state.mail) {
            for place in state.places().filter(|(number, _)| *number == letter.to()) {
                fair.open(&mut state, place, &letter, Controller::Answers);
            }
        }
        for place in state.places() {
            while fair.submit(&mut state, place, Controller::Answers) {}
        }
        if state.is_broken() || state.record.violation.is_some() {
            return Err(format!("a claim or a property did not hold on the way\n{state:?}"));
        }
        if state.record.unsettled(PLAN.last()).is_none() {
            return Ok(());
        }
    }
    let what = state.record.unsettled(PLAN.last()).unwrap_or_default();
    Err(format!("not within {ROUNDS} fair rounds: {what}\n{state:?}"))
}

impl Estate {
    /// All that servers of a group have sent arrives, and there is a leader whom a majority follows, or an attempt.
    fn bring_together(&self, state: &mut State, number: usize, round: usize) {
        let by = Controller::Answers;
        self.deliver_all(state, number, by);
        let count = state.seats[number].len();
        for server in 0..count {
            let node = state.node(number, server);
            if node.replica().raft().leads() && node.armed.contains(Timer::Heartbeat) {
                let beat = happens(server, Stimulus::Timer(Timer::Heartbeat));
                self.serve(state, (number, server), beat, by);
            }
        }
        self.deliver_all(state, number, by);
        let follows = |leader: usize| {
            let known = |server: &usize| {
                state.node(number, *server).replica().raft().leader() == Some(NodeId(leader as u8))
            };
            let leads = state.node(number, leader).replica().raft().leads();
            leads && (0..count).filter(known).count() > count / 2
        };
        if !(0..count).any(follows) {
            let campaign = happens(round % count, Stimulus::Campaign);
            self.serve(state, (number, round % count), campaign, by);
            self.deliver_all(state, number, by);
        }
    }

    /// Delivers the messages of a group's servers, and finishes their writes, until none changes anything.
    pub(super) fn deliver_all(&self, state: &mut State, number: usize, by: Controller) {
        let passes = match self.bounds.servers[number].net {
            Net::Reorder => PASSES,
            Net::Duplicate => 2,
        };
        for _ in 0..passes {
            let mut changed = false;
            for server in 0..state.seats[number].len() {
                while !state.node(number, server).pending.is_empty() {
                    let disk = happens(server, Stimulus::Disk);
                    changed |= self.serve(state, (number, server), disk, by);
                }
            }
            let network = &state.groups[number].network;
            let mut mail: Vec<_> =
                network.iter_deliverable().map(|one| one.to_cloned_msg()).collect();
            mail.sort_unstable();
            for envelope in mail {
                let there = |one: Envelope<_>| one == envelope;
                let network = &state.groups[number].network;
                if network.iter_deliverable().any(|one| there(one.to_cloned_msg())) {
                    let Envelope { src, dst, msg } = envelope;
                    let place = (number, usize::from(dst));
                    changed |=
                        self.serve(state, place, ActorModelAction::Deliver { src, dst, msg }, by);
                }
            }
            if !changed {
                return;
            }
        }
    }
}
