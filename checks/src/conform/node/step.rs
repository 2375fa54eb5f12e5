//! A step: whether its input can have happened, and what the machine makes of it.

use super::super::beside::Submitted;
use super::super::post::Shared;
use super::{Came, Fault, Node, Who};
use protocol::log::Entry;
use protocol::raft::{self, Body, Message};
use protocol::rsm::{Effect, Input, Outcome, Rsm, Rules};
use protocol::{Index, LogId, Machine, NodeId, Write, replica};
use quorate::rsm::{Coded, StateMachine};
use quorate::trace::{Batch, Heard, Raw, of, of_effects, of_state, owned};
use quorate::wal::Bytes;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// An input of this service, as it was read.
type Noted<'a, S> = Heard<Raw<'a>, <S as StateMachine>::Query, Outcome<<S as StateMachine>::Reply>>;

/// So much of a list of effects is shown, in bytes.
const SHOWN: usize = 1200;

/// A command without its stamp.
fn command_of(payload: &[u8]) -> u64 {
    of(&Raw(payload.get(8..).unwrap_or_default()))
}

/// Lets the machine do something, which it claims to be able to do: else what it claims.
pub fn claimed<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|panic| {
        let claim = panic.downcast_ref::<String>().cloned();
        let claim = claim.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
        claim.unwrap_or_else(|| "a claim".into())
    })
}

fn words<Y>(effects: &[Effect<Y>]) -> String {
    let said = |outcome: &Outcome<Y>| match outcome {
        Outcome::Done(_) => "it is done".into(),
        Outcome::NotExecuted { leader } => format!("not executed, leader {leader:?}"),
        Outcome::Busy => "busy".into(),
        Outcome::Unknown => "unknown".to_owned(),
    };
    let word = |effect: &Effect<Y>| match effect {
        Effect::Raft(effect) => format!("{effect:?}"),
        Effect::Tell { ticket, outcome } => format!("tell {ticket} {}", said(outcome)),
        Effect::Pass { to, ticket } => format!("pass {ticket} on to {to:?}"),
        Effect::Resubmit { ticket } => format!("submit {ticket} again"),
        Effect::ArmRetry => "arm Retry".into(),
    };
    let mut text = effects.iter().map(word).collect::<Vec<_>>().join("; ");
    if text.is_empty() {
        text = "there are none".into();
    }
    if let Some((cut, _)) = text.char_indices().find(|(at, _)| *at >= SHOWN) {
        text.truncate(cut);
        text += "…";
    }
    text
}

impl<S: StateMachine, R: raft::Rules, W: Rules> Node<S, R, W> {
    pub(super) fn hear(
        &mut self,
        heard: Noted<'_, S>,
        batch: &Batch,
        shared: &mut Shared<S>,
    ) -> Result<(), Fault> {
        self.step += 1;
        let entries: Vec<Entry<Bytes>> = match &heard {
            Heard::Message { entries, .. } => entries.iter().map(owned).collect(),
            _ => Vec::new(),
        };
        let possible = self.can_be(&heard, &entries, batch, shared);
        possible.inspect_err(|fault| self.step -= u64::from(matches!(fault, Fault::Unheard(_))))?;
        let state = match &heard {
            Heard::Install { from, message, sum } => {
                self.sent_state(*from, message, *sum, shared)?
            }
            _ => None,
        };
        let first = self.step == 1;
        let is_start = matches!(heard, Heard::Raft(raft::Input::Start));
        if first != is_start {
            return Err(Fault::Refused("a life begins with Start, and has no other".into()));
        }
        let Some(machine) = &mut self.machine else {
            return Err(Fault::Refused("a step in front of the start".into()));
        };
        let before = machine.applied();
        let said = said(&heard);
        let commands: Vec<Bytes> = match &heard {
            Heard::Propose(commands) => commands.iter().map(|bytes| bytes.0.into()).collect(),
            _ => Vec::new(),
        };
        let input = input_of(heard, &entries, &commands, state.as_ref());
        let mut effects = Vec::new();
        claimed(|| machine.step(input, &mut effects))
            .map_err(|claim| format!("{said} breaks a claim of the machine: {claim}"))?;
        self.summary.steps += 1;
        self.came = Some(Came { said, effects, before });
        Ok(())
    }

    /// Whether a step has come to what was noted.
    pub(super) fn compare(&self, noted: (u64, u64), came: &Came<S::Reply>) -> Result<(), String> {
        let Some(machine) = &self.machine else { return Ok(()) };
        let did = || format!("{} has these effects: {}", came.said, words(&came.effects));
        if of_effects(&came.effects) != noted.0 {
            return Err(format!("the effects are others. Replayed, {}", did()));
        }
        if of_state(machine) != noted.1 {
            let raft = machine.replica().raft();
            return Err(format!(
                "the protocol's state is another. Replayed, it is {:?} of term {}, commit {}, last {:?}, and {}",
                raft.role(),
                raft.term(),
                raft.commit(),
                raft.last(),
                did()
            ));
        }
        Ok(())
    }

    /// Whether it can have happened.
    fn can_be(
        &mut self,
        heard: &Noted<'_, S>,
        entries: &[Entry<Bytes>],
        batch: &Batch,
        shared: &mut Shared<S>,
    ) -> Result<(), Fault> {
        let me = self.config.me;
        match heard {
            Heard::Raft(raft::Input::Message { from, message })
            | Heard::Message { from, message, .. }
            | Heard::Install { from, message, .. } => {
                if !shared.receive(*from, me, message) {
                    return Err(Fault::Unheard(format!(
                        "it received {:?} of term {} from node {}, which did not send it",
                        message.body, message.term, from.0
                    )));
                }
                self.entries_can_be(*from, message, entries, shared)?;
            }
            Heard::Raft(raft::Input::Timer(timer)) if !self.armed.remove(timer) => {
                return Err(Fault::Refused(format!(
                    "the timer {timer:?} fired, which was not armed"
                )));
            }
            Heard::Raft(raft::Input::Compact { through })
                if !self.files.iter().any(|id| id.last.index == *through) =>
            {
                let what = format!("it compacts up to {through}, and has no snapshot of that");
                return Err(Fault::Refused(what));
            }
            Heard::Durable(writes) => self.become_durable(*writes)?,
            Heard::Submit(commands) => {
                let passed = commands.iter().filter_map(|(_, origin, payload)| {
                    origin.map(|(node, ticket)| (node, ticket, command_of(payload.0)))
                });
                shared.passed(me, passed).map_err(|(node, ticket)| {
                    let what = format!("it received a command under {ticket} from node {}", node.0);
                    Fault::Unheard(what + ", which did not pass it on")
                })?;
                for (caller, origin, payload) in commands {
                    let command = command_of(payload.0);
                    self.beside.submitted(&Submitted {
                        ticket: caller.ticket,
                        is_own: origin.is_none(),
                        passes: caller.passes,
                        bytes: payload.0.get(8..).unwrap_or_default(),
                    })?;
                    self.callers.insert(caller.ticket, Who { origin: *origin, command });
                }
            }
            Heard::Read(reads) => {
                let came_us = batch.stamps.begun_us;
                self.reads.extend(reads.iter().map(|(ticket, _)| (*ticket, came_us)));
            }
            Heard::Answer { from, ticket, outcome } => {
                let unknown = matches!(outcome, Outcome::Unknown);
                if !shared.answered(*from, me, *ticket, of(outcome), unknown) {
                    let what = format!("it received an answer to {ticket} from node {}", from.0);
                    return Err(Fault::Unheard(what + ", which did not give it"));
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn entries_can_be(
        &self,
        from: NodeId,
        message: &Message,
        entries: &[Entry<Bytes>],
        shared: &mut Shared<S>,
    ) -> Result<(), Fault> {
        let Body::AppendEntries { prev, run, .. } = message.body else { return Ok(()) };
        // What no server sends is dropped by the machine.
        if !message.is_well_formed() {
            return Ok(());
        }
        for (index, entry) in (prev.index + 1..).zip(entries) {
            if !shared.knows_entry(from, LogId::new(run, index), entry) {
                return Err(Fault::Refused(format!(
                    "it received an entry {run}.{index} from node {} that is not the one that was written",
                    from.0
                )));
            }
        }
        Ok(())
    }

    fn become_durable(&mut self, writes: u64) -> Result<(), Fault> {
        let there = self.pending.len();
        let count = usize::try_from(writes).ok().filter(|count| *count <= there);
        let Some(count) = count else {
            return Err(Fault::Refused(format!(
                "{writes} writes were reported durable, and {there} were queued"
            )));
        };
        for (write, entries) in self.pending.drain(..count) {
            self.disk.apply(&write, entries.into_iter());
        }
        Ok(())
    }

    /// The state of a snapshot that has come. None: it has come too late to be of use, and its state may be forgotten.
    fn sent_state(
        &mut self,
        from: NodeId,
        message: &Message,
        sum: u32,
        shared: &Shared<S>,
    ) -> Result<Option<Coded<S>>, String> {
        let Body::InstallSnapshot { id } = message.body else {
            return Err("it installs what is no snapshot".into());
        };
        let is_of_use = self.machine.as_ref().is_none_or(|machine| machine.needs_state(message));
        let Some((state, right)) = shared.state(id) else {
            if !is_of_use {
                return Ok(None);
            }
            return Err(format!(
                "it installs snapshot {id:?} from node {}, which no trace here has made: give all nodes' folders",
                from.0
            ));
        };
        if *right != sum {
            return Err(format!(
                "it installs a file of snapshot {id:?} with checksum {sum:08x}, and not {right:08x}"
            ));
        }
        self.files.insert(id);
        self.summary.snapshots += 1;
        Ok(is_of_use.then(|| state.clone()))
    }

    /// What was applied in the step is what others have applied there.
    pub(super) fn commit(&self, before: Index, shared: &mut Shared<S>) -> Result<(), String> {
        let Some(machine) = &self.machine else { return Ok(()) };
        let replica = machine.replica();
        for index in before + 1..=machine.applied() {
            // What a snapshot has brought is not there.
            let Some(entry) = replica.log().get(index) else { continue };
            let Some(id) = replica.raft().terms().id_at(index) else { continue };
            if let Err((other, by)) = shared.commit(self.config.me, id, entry) {
                return Err(format!(
                    "it commits {id:?} at index {index}, and node {} committed {other:?} there",
                    by.0
                ));
            }
        }
        Ok(())
    }

    pub(super) fn carry_out(
        &mut self,
        effect: Effect<S::Reply>,
        batch: &Batch,
        shared: &mut Shared<S>,
    ) -> Result<(), String> {
        let me = self.config.me;
        match effect {
            Effect::Raft(raft::Effect::Send { to, message }) => {
                if let Body::ReadIndex { id } = message.body {
                    self.next_read = self.next_read.max(id.0.saturating_add(1));
                }
                shared.send(me, to, message);
            }
            Effect::Raft(raft::Effect::Write(write)) => self.write(write, shared)?,
            Effect::Raft(raft::Effect::Arm(timer)) => {
                self.armed.insert(timer);
            }
            Effect::Raft(raft::Effect::Disarm(timer)) => {
                self.armed.remove(&timer);
            }
            Effect::Tell { ticket, outcome } => {
                self.beside.told(ticket, &outcome, &mut shared.letters.borrow_mut());
                if let Some(came_us) = self.reads.remove(&ticket) {
                    if let Outcome::Done(_) = outcome {
                        let applied = self.machine.as_ref().map_or(0, Rsm::applied);
                        self.answered(came_us, applied, batch, shared);
                    }
                } else if let Some(Who { origin: Some((node, there)), .. }) =
                    self.callers.remove(&ticket)
                {
                    shared.answer(me, node, there, of(&outcome));
                }
            }
            Effect::Pass { to, ticket } => {
                let command = self.callers.get(&ticket).map_or(0, |who| who.command);
                shared.pass(me, to, ticket, command);
            }
            Effect::Raft(_) | Effect::Resubmit { .. } | Effect::ArmRetry => {}
        }
        Ok(())
    }

    fn write(&mut self, write: Write, shared: &mut Shared<S>) -> Result<(), String> {
        let Some(machine) = &self.machine else { return Ok(()) };
        let entries: Vec<_> = machine.replica().entries_of_write(&write).cloned().collect();
        if let Write::Append { first, term, .. } = write {
            for (index, entry) in (first..).zip(&entries) {
                if !shared.write_entry(LogId::new(term, index), entry) {
                    return Err(format!("it writes another entry {term}.{index} than others have"));
                }
            }
        }
        self.pending.push_back((write, entries));
        Ok(())
    }
}

/// An input in words.
fn said<P, Q, Y>(heard: &Heard<P, Q, Y>) -> String {
    match heard {
        Heard::Raft(raft::Input::Message { from, message })
        | Heard::Message { from, message, .. } => {
            format!("{:?} of term {} from node {}", message.body, message.term, from.0)
        }
        Heard::Raft(input) => format!("{input:?}"),
        Heard::Propose(commands) => format!("{} commands without callers", commands.len()),
        Heard::Durable(writes) => format!("{writes} durable writes"),
        Heard::Install { from, message, .. } => {
            format!("{:?} of term {} from node {}", message.body, message.term, from.0)
        }
        Heard::Submit(commands) => format!("{} commands", commands.len()),
        Heard::Read(reads) => format!("{} reads", reads.len()),
        Heard::Clock(now) => format!("the clock at {now}"),
        Heard::NotPassed(ticket) => format!("that {ticket} was not passed on"),
        Heard::Answer { from, ticket, .. } => format!("node {}'s answer to {ticket}", from.0),
        Heard::Lost(node) => format!("that the connection to node {} is lost", node.0),
        Heard::Retry => "the timer Retry".into(),
        Heard::GiveUpParked(below) => format!("that who is parked below {below} gives up"),
        Heard::GiveUp(below) => format!("that who waits below {below} gives up"),
    }
}

/// The input that was noted.
fn input_of<'a, S: StateMachine>(
    heard: Noted<'_, S>,
    entries: &'a [Entry<Bytes>],
    commands: &'a [Bytes],
    state: Option<&'a Coded<S>>,
) -> Input<'a, Coded<S>> {
    match heard {
        Heard::Raft(input) => Input::Replica(replica::Input::Raft(input)),
        Heard::Message { from, message, .. } => {
            Input::Replica(replica::Input::Message { from, message, entries })
        }
        Heard::Propose(_) => Input::Replica(replica::Input::Propose(commands)),
        Heard::Durable(writes) => {
            Input::Replica(replica::Input::Durable { writes: writes as usize })
        }
        Heard::Install { from, message, .. } => match state {
            Some(state) => Input::Install { from, message, state },
            None => Input::Replica(replica::Input::Raft(raft::Input::Message { from, message })),
        },
        Heard::Submit(commands) => Input::Submit(
            commands.into_iter().map(|(caller, _, Raw(bytes))| (caller, bytes.into())).collect(),
        ),
        Heard::Read(reads) => Input::Read(reads),
        Heard::Clock(now) => Input::Clock { now },
        Heard::NotPassed(ticket) => Input::NotPassed { ticket },
        Heard::Answer { from, ticket, outcome } => Input::Answer { from, ticket, outcome },
        Heard::Lost(node) => Input::Lost { node },
        Heard::Retry => Input::Retry,
        Heard::GiveUpParked(below) => Input::GiveUpParked { below },
        Heard::GiveUp(below) => Input::GiveUp { below },
    }
}
