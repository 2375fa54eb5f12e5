//! What a server of a sharded cluster is told beside its machine, and what it does then.
//!
//! A group's server has a mover while it leads: a machine too, [`protocol::shardkv::mover`], that is given the group as
//! it stands and says what is proposed and written to others. Its inputs stand between those of the server's own
//! machine, where they were taken; behind the last of a round stands what all of them came to. The controller's server
//! answers letters by what its service says at that moment, so only the letters are written down.

use super::hash::{hasher, of_hashed};
use super::{Error, Event, Recorder};
use crate::rsm::{Coded, StateMachine};
use crate::shardkv::Letter;
use protocol::Term;
use protocol::raft;
use protocol::rsm::{Rsm, Rules, Ticket};
use protocol::shardkv::mover::{Duty, Effect, Input, Message, Settings};
use protocol::shardkv::{self, Answer, GroupId, Next, Num, Step};
use serde::{Deserialize, Serialize};
use std::hash::Hasher as _;

/// What a mover was told, or has come to.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Moved {
    /// The server leads in this term, and this is a new one.
    Leads {
        /// The term.
        term: Term,
        /// Its bounds.
        settings: Settings,
    },
    /// The server does not lead any more: there is none.
    Rests,
    /// What became of a proposal of the present one.
    Told {
        /// Its number.
        proposal: u64,
        /// What the group answered; none if it was not executed, or nobody knows.
        step: Option<Step>,
    },
    /// Some time has passed.
    Tick,
    /// Another group's leader has written.
    Message {
        /// The group.
        from: GroupId,
        /// What it says.
        message: Message,
    },
    /// The controller has written what follows.
    Next(Next),
    /// The controller has written that it knows what this group has finished.
    Reported(Num),
    /// What the inputs since the last of these have come to.
    Done {
        /// [`of_moves`].
        effects: [u8; 8],
        /// [`of_duty`].
        state: [u8; 8],
    },
}

impl Moved {
    /// An input of a mover.
    pub fn of(input: &Input) -> Self {
        match input {
            Input::Tick => Self::Tick,
            Input::Message { from, message } => {
                Self::Message { from: *from, message: message.clone() }
            }
            Input::Outcome { proposal, answer } => {
                let step = match answer {
                    Some(Answer::Step(step)) => Some(*step),
                    _ => None,
                };
                Self::Told { proposal: *proposal, step }
            }
            Input::Next(next) => Self::Next(next.clone()),
            Input::Reported { number } => Self::Reported(*number),
        }
    }

    /// The input, if it is one.
    pub fn input(self) -> Option<Input> {
        Some(match self {
            Self::Tick => Input::Tick,
            Self::Message { from, message } => Input::Message { from, message },
            Self::Told { proposal, step } => {
                Input::Outcome { proposal, answer: step.map(Answer::Step) }
            }
            Self::Next(next) => Input::Next(next),
            Self::Reported(number) => Input::Reported { number },
            Self::Leads { .. } | Self::Rests | Self::Done { .. } => return None,
        })
    }

    /// The letter to a group by which it was told this, if it was by one.
    pub fn letter(&self, to: GroupId) -> Option<Letter> {
        Some(match self {
            Self::Message { from, message } => {
                Letter::Move { from: *from, to, message: message.clone() }
            }
            Self::Next(next) => Letter::Told { to, next: next.clone() },
            Self::Reported(number) => Letter::Noted { to, number: *number },
            _ => return None,
        })
    }
}

/// Of a mover's effects, in order.
pub fn of_moves(effects: &[Effect]) -> u64 {
    of_hashed(&effects)
}

/// Of a server's mover, or of none: [`Duty::digest`].
pub fn of_duty<R: shardkv::Rules>(duty: &Duty<R>) -> u64 {
    let mut state = hasher();
    duty.digest(&mut state);
    state.finish()
}

impl Recorder {
    /// Notes what a mover was told.
    pub fn moved(&mut self, moved: Moved) {
        self.put(&Event::<(), (), ()>::Mover(moved.into()));
    }

    /// Notes what all that a mover was told in this round has come to. It leaves, if there is anything:
    /// [`Recorder::let_leave`] comes first.
    pub fn moves<R: shardkv::Rules>(&mut self, duty: &Duty<R>, effects: &[Effect]) {
        let (effects_hash, state) = (of_moves(effects).to_le_bytes(), of_duty(duty).to_le_bytes());
        self.moved(Moved::Done { effects: effects_hash, state });
        self.leaves |= !effects.is_empty();
    }

    /// Notes that what is submitted next under a ticket is a mover's proposal.
    pub fn proposed(&mut self, ticket: Ticket, (term, proposal): (Term, u64)) {
        self.put(&Event::<(), (), ()>::Proposed { ticket, term, proposal });
    }

    /// Notes a letter that has come to the controller's server, and whether an answer leaves.
    pub fn letter(&mut self, letter: Letter, answered: bool) {
        self.put(&Event::<(), (), ()>::Letter(letter.into()));
        self.leaves |= answered;
    }

    /// Hands over what there is, if something of it leaves that is no effect of the machine.
    ///
    /// # Errors
    /// Those of the file system. Nothing of it may leave then.
    pub fn let_leave<S: StateMachine, R: raft::Rules, W: Rules>(
        &mut self,
        rsm: &Rsm<Coded<S>, R, W>,
    ) -> Result<(), Error> {
        // TRACE-LEAVE.
        if std::mem::take(&mut self.leaves) { self.end_batch(rsm) } else { Ok(()) }
    }
}
