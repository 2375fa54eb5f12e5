//! What a server's driver does with the effects of a step, one after the other; and what the judge sees of it.

use super::claims;
use super::disk::Pending;
use super::env::{Delivered, Env};
use super::event::{Call, Command, Event, Packet};
use super::faults::{Corner, Fault};
use super::judge::{CLAIMS, DAMAGE, News, STATE_MACHINE_SAFETY};
use super::kinds::Said;
use super::kit::Kit;
use super::server::{Flow, HEARTBEAT_US, InputOf, RETRY, RETRY_US, Server, Stopped, size};
use super::service::Applied;
use super::waiting::Origin;
use protocol::log::Entry;
use protocol::raft::{self, Body, RoleName, Timer};
use protocol::rsm::{self, Input, Outcome, Ticket};
use protocol::{Machine, NodeId, Write};
use std::rc::Rc;

impl<T: Kit> Server<T> {
    /// A step, and those that its effects ask for: never one inside another.
    pub(super) fn step(&mut self, input: InputOf<'_, T>, env: &mut Env) -> Flow {
        self.step_once(input, env)?;
        loop {
            let life = self.alive()?;
            if let Some(ticket) = life.stayed.pop() {
                self.step_once(Input::NotPassed { ticket }, env)?;
            } else if life.again.is_empty() {
                return Ok(());
            } else {
                self.submit_again(env)?;
            }
        }
    }

    pub(super) fn step_once(&mut self, input: InputOf<'_, T>, env: &mut Env) -> Flow {
        let me = self.me;
        let life = self.alive()?;
        let mut effects = std::mem::take(&mut life.effects);
        if let Err(text) = claims::caught(|| life.rsm.step(input, &mut effects)) {
            env.violate(CLAIMS, format!("{me:?}: {text}"));
            return Err(Stopped);
        }
        self.observe(env)?;
        for effect in effects.drain(..) {
            if let Some(fuse) = &mut self.fuse {
                if *fuse == 0 {
                    env.corner(Corner::CrashedInStep);
                    self.kill(env);
                    self.start_again(env);
                    return Err(Stopped);
                }
                *fuse -= 1;
            }
            match effect {
                rsm::Effect::Raft(effect) => self.carry_out(effect, env)?,
                rsm::Effect::Tell { ticket, outcome } => self.tell(ticket, outcome, env),
                rsm::Effect::Pass { to, ticket } => self.pass(to, ticket, env),
                rsm::Effect::Resubmit { ticket } => {
                    env.corner(Corner::TriedAgain);
                    self.alive()?.again.push(ticket);
                }
                rsm::Effect::ArmRetry => self.set_timer(RETRY, RETRY_US, env),
            }
        }
        self.alive()?.effects = effects;
        Ok(())
    }

    /// Shows the judge what the step has committed, applied, and become.
    pub(super) fn observe(&mut self, env: &mut Env) -> Flow {
        let me = self.me;
        let life = self.life.as_mut().ok_or(Stopped)?;
        let raft = life.rsm.replica().raft();
        let base = raft.terms().base();
        if base.index > life.judged {
            life.judged = base.index;
            env.corner(Corner::SnapshotInstalled);
            env.tell(|| format!("{me:?} takes the snapshot {base:?} over"));
            let service = life.rsm.service();
            env.wrong(|judge, me| judge.restores(me, base, service.history()), me);
            env.deliver(me, || Delivered::Restored(service.encode()));
        }
        while life.judged < raft.commit() {
            life.judged += 1;
            let entry = life.rsm.replica().log().get(life.judged);
            let (Some(id), Some(entry)) = (raft.terms().id_at(life.judged), entry) else {
                env.violate(STATE_MACHINE_SAFETY, format!("{me:?} has lost {}", life.judged));
                return Err(Stopped);
            };
            env.wrong(|judge, me| judge.commits(me, id, entry), me);
        }
        for applied in self.seen.borrow_mut().drain(..) {
            let Applied { count, copy, .. } = applied;
            env.deliver(me, || Delivered::Applied { count, copy });
            match env.judge.applies(me, applied) {
                Ok(Some(News::Repeated)) => env.corner(Corner::Repeated),
                Ok(Some(News::Ticked)) => env.corner(Corner::Ticked),
                Ok(None) => {}
                Err((property, text)) => env.violate(property, text),
            }
        }
        let (role, term) = (raft.role(), raft.term());
        let (before, earlier) = std::mem::replace(&mut life.led, (role, term));
        if term != earlier && self.fuse.is_none() && env.strikes(Fault::Crash, env.habits.nervous) {
            env.fault(Fault::Crash);
            self.fuse = Some(env.random.skewed(1, 24) as u32 - 1);
        }
        if role == RoleName::Candidate && (before, earlier) != (role, term) {
            env.corner(Corner::Ran);
            if env.judge.runs(me, term) {
                env.corner(Corner::Contested);
            }
        }
        if role == RoleName::Leader && (before, earlier) != (role, term) {
            env.corner(Corner::Elected);
            env.tell(|| format!("{me:?} LEADS term {term}"));
            let has = |id| raft.terms().contains(id) || id.index < base.index;
            let boot = env.boot(me);
            env.wrong(|judge, me| judge.leads(me, boot, term, has), me);
        } else if before == RoleName::Leader && role != before && term == earlier {
            env.corner(Corner::SteppedDown);
        }
        if env.judge.violation().is_some() { Err(Stopped) } else { Ok(()) }
    }

    fn carry_out(&mut self, effect: raft::Effect, env: &mut Env) -> Flow {
        match effect {
            raft::Effect::Send { to, message } => {
                let rsm = &self.alive()?.rsm;
                let entries = rsm.replica().entries_of(&message).cloned().collect();
                let mut packet = Packet { from: self.me, to, message, entries, file: None };
                if let Body::InstallSnapshot { id } = message.body {
                    packet.file = self.disk.file(id.last);
                    if packet.file.is_none() {
                        let text = format!("{:?} has no file of its snapshot {id:?}", self.me);
                        env.violate(DAMAGE, text);
                        return Err(Stopped);
                    }
                }
                env.send(packet);
            }
            raft::Effect::Write(write) => self.write(write, env)?,
            raft::Effect::Arm(timer) => {
                let (least, most) = env.election_us();
                let us = match timer {
                    Timer::Election => env.random.between(least, most),
                    Timer::Contact => least,
                    Timer::Heartbeat => HEARTBEAT_US,
                    Timer::Quorum => most,
                };
                self.set_timer(timer as usize, us, env);
            }
            raft::Effect::Disarm(timer) => self.alive()?.generations[timer as usize] += 1,
            raft::Effect::Role { role, term, leader } => {
                env.tell(|| format!("{:?} {role:?} of term {term}, leader {leader:?}", self.me));
            }
            raft::Effect::Refused(refusal) => {
                env.tell(|| format!("{:?} refused: {refusal:?}", self.me));
            }
            other => panic!("the replicated state machine keeps {other:?} to itself"),
        }
        Ok(())
    }

    fn write(&mut self, write: Write, env: &mut Env) -> Flow {
        let life = self.alive()?;
        let replica = life.rsm.replica();
        let entries: Vec<Entry<Command>> = replica.entries_of_write(&write).cloned().collect();
        match write {
            Write::HardState(_) => {}
            Write::Append { first, .. } => {
                if life.sizes_after + life.sizes.len() as u64 >= first {
                    env.corner(Corner::Truncated);
                }
                let gone = life.sizes.drain((first - 1 - life.sizes_after) as usize..);
                life.log_bytes -= gone.sum::<u64>();
                life.sizes.extend(entries.iter().map(size));
                life.log_bytes += entries.iter().map(size).sum::<u64>();
            }
            Write::Snapshot { id, keep } => {
                let covered = id.last.index.saturating_sub(life.sizes_after) as usize;
                let gone = if keep { covered.min(life.sizes.len()) } else { life.sizes.len() };
                life.log_bytes -= life.sizes.drain(..gone).sum::<u64>();
                life.sizes_after = id.last.index;
            }
        }
        env.tell(|| format!("{:?} writes {write:?}", self.me));
        if self.disk.write(Pending { write, entries }) {
            self.begin_batch(env);
        }
        Ok(())
    }

    /// The disk begins to sync all that waits.
    pub fn begin_batch(&mut self, env: &mut Env) {
        if self.disk.begin() {
            let wait = self.stalled_until.saturating_sub(env.now);
            let wait = wait + env.random.skewed(60, env.habits.sync_us);
            env.after(wait, Event::Synced { node: self.me, boot: env.boot(self.me) });
        }
    }

    fn pass(&mut self, to: NodeId, ticket: Ticket, env: &mut Env) {
        let Some(life) = &mut self.life else { return };
        let (from, epoch) = (self.me, 0);
        let command = life.waiting.get(ticket).and_then(|slot| slot.command.as_ref());
        let call = command.map(|command| {
            let command = Rc::clone(command);
            Call { from, to, epoch, ticket, command }
        });
        if call.is_some_and(|call| env.pass(call)) {
            env.corner(Corner::Passed);
            env.tell(|| format!("{:?} passes {ticket} on to {to:?}", self.me));
        } else {
            env.corner(Corner::NotPassed);
            life.stayed.push(ticket);
        }
    }

    fn tell(&mut self, ticket: Ticket, outcome: Outcome<Said>, env: &mut Env) {
        let Some(life) = &mut self.life else { return };
        let Some(slot) = life.waiting.take(ticket) else { return };
        env.tell(|| format!("{:?} tells {:?} {outcome:?}", self.me, slot.origin));
        match slot.origin {
            Origin::Peer { node, epoch, ticket } => {
                env.answer_call(self.me, node, epoch, ticket, outcome);
            }
            Origin::Client(sending) => {
                let leads = life.rsm.replica().raft().leads();
                self.tell_client(&sending, slot.read, outcome, leads, env);
            }
            Origin::Mover { term, proposal } => life.moves.told((term, proposal), outcome),
            Origin::Group(group) => self.noted(group, &outcome, env),
        }
    }
}
