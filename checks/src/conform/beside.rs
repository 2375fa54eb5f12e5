//! What a server of a sharded cluster does beside its machine: the mover of a group's leader, which is a machine too,
//! and the letters that the controller answers.

use super::letters::Letters;
use super::node::{Fault, claimed};
use protocol::NodeId;
use protocol::rsm::{Outcome, Rsm, Rules, Ticket};
use protocol::shardctl::{self, Reply};
use protocol::shardkv::mover::{Duty, Effect, Settings};
use protocol::shardkv::{Command, GroupId, InOrder, Next, Step};
use protocol::{Term, raft};
use quorate::rsm::{Coded, StateMachine, decode, encode};
use quorate::session::Answer;
use quorate::shardctl::Shardctl;
use quorate::shardkv::{Letter, Shardkv, Wanted};
use quorate::trace::{Moved, of, of_duty, of_moves};
use std::collections::HashMap;

/// What was noted of it.
pub enum Aside {
    /// Of a mover.
    Mover(Moved),
    /// A proposal has a ticket now.
    Proposed(Ticket, (Term, u64)),
    /// A letter has come to the controller.
    Letter(Letter),
}

/// A command that is submitted.
pub struct Submitted<'a> {
    /// Its ticket.
    pub ticket: Ticket,
    /// Whether a client, a mover or a letter of this node has asked, and not another server.
    pub is_own: bool,
    /// Whether it may be passed on.
    pub passes: bool,
    /// Its bytes.
    pub bytes: &'a [u8],
}

/// What a server does beside its machine.
pub trait Beside<S: StateMachine, R, W> {
    /// A life begins: nothing is left of what was under way.
    fn begin(&mut self);

    /// Takes what was noted, with the machine as it is then.
    fn take(
        &mut self,
        aside: Aside,
        machine: &Rsm<Coded<S>, R, W>,
        letters: &mut Letters,
    ) -> Result<(), Fault>;

    /// Whether something was taken, and it is not noted yet what it has come to.
    fn is_open(&self) -> bool {
        false
    }

    /// A command is submitted.
    fn submitted(&mut self, command: &Submitted<'_>) -> Result<(), String> {
        let _ = command;
        Ok(())
    }

    /// Somebody here is told what became of a command.
    fn told(&mut self, ticket: Ticket, outcome: &Outcome<S::Reply>, letters: &mut Letters) {
        let _ = (ticket, outcome, letters);
    }
}

/// Of a server that does nothing else.
pub struct Nothing;

impl<S: StateMachine, R, W> Beside<S, R, W> for Nothing {
    fn begin(&mut self) {}

    fn take(&mut self, _: Aside, _: &Rsm<Coded<S>, R, W>, _: &mut Letters) -> Result<(), Fault> {
        Err(Fault::Refused("it notes what only servers of a sharded cluster do".into()))
    }
}

/// Of a server of the controller.
pub struct Desk {
    me: NodeId,
    /// By ticket, the groups whose reports are under way.
    reports: HashMap<Ticket, GroupId>,
}

impl Desk {
    /// Of the one on this node.
    pub fn new(me: NodeId) -> Self {
        Self { me, reports: HashMap::new() }
    }
}

impl<R: raft::Rules, W: Rules> Beside<Shardctl, R, W> for Desk {
    fn begin(&mut self) {
        self.reports.clear();
    }

    fn take(
        &mut self,
        aside: Aside,
        machine: &Rsm<Coded<Shardctl>, R, W>,
        letters: &mut Letters,
    ) -> Result<(), Fault> {
        let letter = match aside {
            Aside::Letter(letter @ (Letter::Next { .. } | Letter::Finished { .. })) => letter,
            _ => {
                return Err(Fault::Refused(
                    "it notes what no server of the controller does".into(),
                ));
            }
        };
        if !letters.receive(0, self.me, &letter) {
            return Err(Fault::Unread(format!("it received {letter:?}, which was not sent")));
        }
        if let Letter::Next { from, number } = letter {
            let controller = &machine.service().service.0;
            let next = claimed(|| Next::of(controller, from, number));
            if let Some(next) = next.map_err(Fault::Refused)? {
                letters.send(&Letter::Told { to: from, next });
            }
        }
        Ok(())
    }

    fn submitted(&mut self, command: &Submitted<'_>) -> Result<(), String> {
        if command.is_own
            && let Ok(shardctl::Command::Finished { group, .. }) = decode(command.bytes)
        {
            self.reports.insert(command.ticket, group);
        }
        Ok(())
    }

    fn told(&mut self, ticket: Ticket, outcome: &Outcome<Reply>, letters: &mut Letters) {
        if let Some(to) = self.reports.remove(&ticket)
            && let Outcome::Done(Reply::Noted { finished: number }) = *outcome
        {
            letters.send(&Letter::Noted { to, number });
        }
    }
}

/// A proposal of which its mover was not told yet what became of it.
struct Proposal {
    /// The command's fingerprint.
    print: u64,
    /// How far it is.
    far: Far,
}

#[derive(Clone, Copy)]
enum Far {
    /// It was not submitted, for all that is known.
    Asked,
    /// It has a ticket.
    Submitted,
    /// The machine has said what became of it.
    Told(Option<Step>),
}

/// Of a server of a group: its mover, while it leads.
pub struct Mover {
    gid: GroupId,
    place: u32,
    me: NodeId,
    duty: Duty,
    settings: Option<Settings>,
    effects: Vec<Effect>,
    /// Something was taken, and it is not noted yet what it has come to.
    open: bool,
    /// By term and number.
    proposals: HashMap<(Term, u64), Proposal>,
    /// Those that are submitted next.
    next: HashMap<Ticket, (Term, u64)>,
    /// Those that were submitted.
    tickets: HashMap<Ticket, (Term, u64)>,
}

impl Mover {
    /// Of the server of the group at this place of the log of this node.
    pub fn new(place: u32, me: NodeId) -> Self {
        Self {
            gid: GroupId(place.into()),
            place,
            me,
            duty: Duty::new(InOrder, Settings::DEFAULT),
            settings: None,
            effects: Vec::new(),
            open: false,
            proposals: HashMap::new(),
            next: HashMap::new(),
            tickets: HashMap::new(),
        }
    }

    /// What became of a proposal is what the machine has said of its ticket.
    fn outcome(&mut self, proposal: u64, step: Option<Step>) -> Result<(), String> {
        let term = self.duty.term().unwrap_or(0);
        let Some(Proposal { far, .. }) = self.proposals.remove(&(term, proposal)) else {
            return Err(format!(
                "its mover is told of proposal {proposal}, which is none of its own"
            ));
        };
        let right = match far {
            Far::Asked => step.is_none(),
            Far::Submitted => false,
            Far::Told(said) => said == step,
        };
        if right {
            return Ok(());
        }
        let said = match far {
            Far::Asked => "was not submitted".into(),
            Far::Submitted => "is not decided".into(),
            Far::Told(said) => format!("has come to {said:?}"),
        };
        Err(format!("its mover is told {step:?} of proposal {proposal}, which {said}"))
    }

    /// What all that was taken has come to.
    fn done(&mut self, effects: u64, state: u64, letters: &mut Letters) -> Result<(), String> {
        if !std::mem::take(&mut self.open) {
            return Err("its mover has come to something, and was told nothing".into());
        }
        if of_moves(&self.effects) != effects {
            return Err(format!("the mover's effects are others. Replayed, {:?}", self.effects));
        }
        if of_duty(&self.duty) != state {
            return Err("the mover's state is another".into());
        }
        let term = self.duty.term().unwrap_or(0);
        for effect in self.effects.drain(..) {
            match Letter::of(self.gid, effect) {
                Wanted::Letter(letter) => letters.send(&letter),
                Wanted::Proposal(number, command) => {
                    let bytes = encode(&command).map_err(|error| error.to_string())?;
                    let proposal = Proposal { print: of(&bytes), far: Far::Asked };
                    self.proposals.insert((term, number), proposal);
                }
            }
        }
        Ok(())
    }

    fn proposed(&mut self, ticket: Ticket, which: (Term, u64)) -> Result<(), String> {
        match self.proposals.get_mut(&which) {
            Some(Proposal { far: far @ Far::Asked, .. }) => *far = Far::Submitted,
            _ => {
                let what = format!("proposal {} of term {} is submitted", which.1, which.0);
                return Err(what + ", which no mover has made, or again");
            }
        }
        self.next.insert(ticket, which);
        Ok(())
    }
}

impl<R: raft::Rules, W: Rules> Beside<Shardkv, R, W> for Mover {
    fn begin(&mut self) {
        *self = Self::new(self.place, self.me);
    }

    fn is_open(&self) -> bool {
        self.open
    }

    fn take(
        &mut self,
        aside: Aside,
        machine: &Rsm<Coded<Shardkv>, R, W>,
        letters: &mut Letters,
    ) -> Result<(), Fault> {
        let moved = match aside {
            Aside::Mover(moved) => moved,
            Aside::Proposed(ticket, which) => {
                return self.proposed(ticket, which).map_err(Fault::Refused);
            }
            Aside::Letter(_) => {
                return Err(Fault::Refused("it notes what only the controller does".into()));
            }
        };
        let (group, leads) = (&machine.service().service.0, machine.replica().raft().leads_in());
        match moved {
            Moved::Leads { term, settings } => {
                if leads != Some(term) || self.duty.term() == leads {
                    let what =
                        format!("a mover of term {term} begins, and the server leads in {leads:?}");
                    return Err(Fault::Refused(what));
                }
                if self.settings.is_some_and(|before| before != settings) {
                    return Err(Fault::Refused("its movers have other bounds than before".into()));
                }
                if self.settings.is_none() {
                    (self.settings, self.duty) = (Some(settings), Duty::new(InOrder, settings));
                }
                self.duty.lead(Some(term), group);
            }
            Moved::Rests => {
                if leads.is_some() || self.duty.term().is_none() {
                    return Err(Fault::Refused("a mover ends whose server leads".into()));
                }
                self.duty.lead(None, group);
            }
            Moved::Done { effects, state } => {
                let (effects, state) = (u64::from_le_bytes(effects), u64::from_le_bytes(state));
                return self.done(effects, state, letters).map_err(Fault::Refused);
            }
            moved => {
                if leads.is_none() || self.duty.term() != leads {
                    let what = format!("a mover is told {moved:?}, and there is none");
                    return Err(Fault::Refused(what));
                }
                if let Some(letter) = moved.letter(self.gid)
                    && !letters.receive(self.place, self.me, &letter)
                {
                    let what = format!("its mover received {letter:?}, which was not sent");
                    return Err(Fault::Unread(what));
                }
                if let Moved::Told { proposal, step } = moved {
                    self.outcome(proposal, step)?;
                }
                if let Some(input) = moved.input() {
                    let (duty, effects) = (&mut self.duty, &mut self.effects);
                    claimed(|| duty.step(group, input, effects))
                        .map_err(|claim| format!("its mover breaks a claim: {claim}"))?;
                }
                letters.moves += 1;
            }
        }
        self.open = true;
        Ok(())
    }

    fn submitted(&mut self, command: &Submitted<'_>) -> Result<(), String> {
        let is_work = matches!(decode(command.bytes), Ok(Command::Work { .. }) | Err(_));
        let Some(which) = self.next.remove(&command.ticket) else {
            return match is_work {
                true => Ok(()),
                false => Err("a step of a move is submitted, which no mover has proposed".into()),
            };
        };
        if !command.is_own || command.passes {
            return Err("a proposal of its mover comes from elsewhere, or may go there".into());
        }
        if let Some(proposal) = self.proposals.get(&which)
            && proposal.print != of(&command.bytes)
        {
            return Err(format!("proposal {} is another than its mover has made", which.1));
        }
        self.tickets.insert(command.ticket, which);
        Ok(())
    }

    fn told(&mut self, ticket: Ticket, outcome: &Outcome<Answer>, _: &mut Letters) {
        let Some(which) = self.tickets.remove(&ticket) else { return };
        if self.duty.term() != Some(which.0) {
            // Nobody will be told.
            self.proposals.remove(&which);
        }
        if let Some(proposal) = self.proposals.get_mut(&which) {
            proposal.far = Far::Told(match outcome {
                Outcome::Done(Answer::Step(step)) => Some(*step),
                _ => None,
            });
        }
    }
}
