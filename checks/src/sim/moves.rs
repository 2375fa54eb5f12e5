//! What a server of the sharded store does beside its Raft, as the product's driver does it (`impl/src/shardctl.rs` and
//! `impl/src/shardkv/mover.rs`): who leads a group has a mover, which is driven at the end of each round; a server of
//! the controller answers the groups' questions from what it has.
//!
//! Letters leave by [`Env::letters`]; who has the servers carries them.

use super::env::Env;
use super::event::Command;
use super::kinds::{Kind, Said, Task};
use super::kit::Kit;
use super::round::Submitted;
use super::server::{MOVES, Server, Stopped};
use super::service::Proposal;
use super::waiting::Origin;
use protocol::Term;
use protocol::rsm::Outcome;
use protocol::shardctl;
use protocol::shardkv::mover::{Duty, Effect, Input, Settings};
use protocol::shardkv::{Answer, GroupId, Next, Rules, Step};
use quorate::shardkv::Letter;
use std::rc::Rc;

/// The product's time between two ticks of a mover, in microseconds.
const TICK_US: u64 = 50_000;

/// What a server knows of moves, while it runs.
pub struct Moves<R> {
    duty: Duty<R>,
    inputs: Vec<Input>,
    /// What became of proposals, by their movers' terms and their numbers.
    told: Vec<((Term, u64), Option<Step>)>,
    /// What groups have asked the controller.
    questions: Vec<Letter>,
}

impl<R: Rules> Moves<R> {
    /// Of a server that has just started.
    pub(super) const fn new(rules: R, kind: Kind) -> Self {
        let settings = match kind {
            Kind::Group(_, settings) => settings,
            Kind::Store | Kind::Controller(_) => Settings::DEFAULT,
        };
        let duty = Duty::new(rules, settings);
        Self { duty, inputs: Vec::new(), told: Vec::new(), questions: Vec::new() }
    }

    /// A letter has come.
    pub(super) fn read(&mut self, letter: Letter) {
        match letter {
            Letter::Move { from, message, .. } => {
                self.inputs.push(Input::Message { from, message })
            }
            Letter::Told { next, .. } => self.inputs.push(Input::Next(next)),
            Letter::Noted { number, .. } => self.inputs.push(Input::Reported { number }),
            question => self.questions.push(question),
        }
    }

    /// Some time has passed.
    pub(super) fn tick(&mut self) {
        self.inputs.push(Input::Tick);
    }

    /// Something became of a proposal.
    pub(super) fn told(&mut self, which: (Term, u64), outcome: Outcome<Said>) {
        let step = match outcome {
            Outcome::Done(Said::Store(Answer::Step(step))) => Some(step),
            _ => None,
        };
        self.told.push((which, step));
    }
}

fn command(task: Task) -> Command {
    Rc::new(Proposal { stamp: 0, tag: 0, copy: 0, task })
}

impl<T: Kit> Server<T> {
    /// A group's server will tick.
    pub(super) fn tick_moves(&mut self, env: &mut Env) {
        if matches!(self.kind, Kind::Group(..)) {
            self.set_timer(MOVES, TICK_US, env);
        }
    }

    /// What this server itself wants to have in its log.
    pub(super) fn attend(&mut self, env: &mut Env) -> Result<Vec<Submitted>, Stopped> {
        match self.kind {
            Kind::Store => Ok(Vec::new()),
            Kind::Group(gid, _) => self.attend_group(gid, env),
            Kind::Controller(_) => self.attend_controller(env),
        }
    }

    fn attend_group(&mut self, from: GroupId, env: &mut Env) -> Result<Vec<Submitted>, Stopped> {
        let me = self.me;
        let life = self.alive()?;
        let raft = life.rsm.replica().raft();
        let leads = raft.leads().then(|| raft.term());
        let Some(group) = life.rsm.service().group() else { return Ok(Vec::new()) };
        let moves = &mut life.moves;
        let mut effects = Vec::new();
        moves.duty.lead(leads, group);
        for (which, step) in moves.told.drain(..) {
            moves.duty.tell(group, which, step.map(Answer::Step), &mut effects);
        }
        for input in moves.inputs.drain(..) {
            moves.duty.step(group, input, &mut effects);
        }
        let Some(term) = moves.duty.term() else { return Ok(Vec::new()) };
        let mut asks = Vec::new();
        for effect in effects {
            let letter = match effect {
                Effect::Send { to, message } => Letter::Move { from, to, message },
                Effect::Query { number } => Letter::Next { from, number },
                Effect::Report { number } => Letter::Finished { from, number },
                Effect::Propose { proposal, command: entry } => {
                    // Only this server's log will do: who does not lead any more has nothing to propose.
                    let origin = Origin::Mover { term, proposal };
                    asks.push((origin, command(Task::Group(entry)), false));
                    continue;
                }
            };
            env.letters.push((me, letter));
        }
        Ok(asks)
    }

    fn attend_controller(&mut self, env: &mut Env) -> Result<Vec<Submitted>, Stopped> {
        let me = self.me;
        let life = self.alive()?;
        let Some(controller) = life.rsm.service().controller() else { return Ok(Vec::new()) };
        let mut asks = Vec::new();
        for question in life.moves.questions.drain(..) {
            match question {
                Letter::Next { from: to, number } => {
                    if let Some(next) = Next::of(controller, to, number) {
                        env.letters.push((me, Letter::Told { to, next }));
                    }
                }
                Letter::Finished { from, number } => {
                    let entry = shardctl::Command::Finished { group: from, number };
                    asks.push((Origin::Group(from), command(Task::Control(entry)), true));
                }
                _ => {}
            }
        }
        Ok(asks)
    }

    /// The controller has noted what a group has finished, or has not: then it reports again.
    pub(super) fn noted(&self, to: GroupId, outcome: &Outcome<Said>, env: &mut Env) {
        if let Outcome::Done(Said::Control(shardctl::Reply::Noted { finished: number })) = *outcome
        {
            env.letters.push((self.me, Letter::Noted { to, number }));
        }
    }
}
