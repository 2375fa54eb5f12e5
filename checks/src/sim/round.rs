//! What a server's driver does at the end of a round, as the product's: it submits what has come together, looks after
//! the clock, the log's length and those who have waited long enough.

use super::env::Env;
use super::event::Command;
use super::event::{Event, Sending};
use super::faults::Corner;
use super::judge::{DUE, TOLD};
use super::kinds::{Ask, Query, Said, Told};
use super::kit::Kit;
use super::server::{Flow, SWEEP, Server, TICK};
use super::service::Proposal;
use super::waiting::{Asked, Origin, Slot};
use model::node::DiskFault;
use protocol::kv::clerk::{Answer, Request};
use protocol::kv::{Op, Reply};
use protocol::raft::{self, RoleName};
use protocol::rsm::{Caller, Input, Outcome, StateMachine};
use protocol::shardkv;
use protocol::{SnapshotId, replica};
use std::rc::Rc;

/// The product's times, in microseconds.
const SWEEP_US: u64 = 50_000;
const PARK_US: u64 = 1_000_000;
const DEADLINE_US: u64 = 1_500_000;
const LONGEST_TICK_MS: u64 = 1000;

/// Who waits, a command, and whether it may be passed on.
pub type Submitted = (Origin, Command, bool);

impl<T: Kit> Server<T> {
    pub(super) fn look_at_clock(&mut self, env: &mut Env) -> Flow {
        let (wall, monotonic) = (self.clock.wall_ms(env.now), self.clock.monotonic_ms(env.now));
        let life = self.alive()?;
        let leads = life.rsm.replica().raft().leads();
        life.estimate.keep(leads, life.rsm.service().clock(), wall, monotonic);
        let now = life.estimate.now(monotonic);
        self.step(Input::Clock { now }, env)
    }

    pub(super) fn finish_round(&mut self, env: &mut Env) -> Flow {
        let asks = self.attend(env)?;
        self.submit_requests(asks, env)?;
        self.look_after_log(env)?;
        self.arm_clock(env)?;
        let now = env.now;
        let life = self.alive()?;
        if !life.waiting.is_empty() {
            life.waiting.mark(now);
            if !std::mem::replace(&mut life.sweeping, true) {
                self.set_timer(SWEEP, SWEEP_US, env);
            }
        }
        Ok(())
    }

    /// The commands that have come together and the server's own, and then the reads, as far as there is room.
    fn submit_requests(&mut self, asks: Vec<Submitted>, env: &mut Env) -> Flow {
        let (most, kind) = (env.habits.max_waiting, self.kind);
        let life = self.alive()?;
        let requests = std::mem::take(&mut life.requests);
        let room = most.saturating_sub(life.waiting.len());
        let (mut commands, mut reads) = (Vec::new(), Vec::new());
        for (number, sending) in requests.into_iter().enumerate() {
            if number >= room {
                self.tell_client(&sending, None, Outcome::Busy, false, env);
            } else if let Some(query) = sending.ask.query() {
                reads.push((sending, query));
            } else if let Some(task) = sending.ask.task(kind) {
                let command = Rc::new(Proposal { stamp: 0, tag: 0, copy: sending.copy, task });
                let passes = sending.passes;
                commands.push((Origin::Client(sending), command, passes));
            }
        }
        commands.extend(asks);
        if !commands.is_empty() {
            self.submit(commands, env)?;
        }
        if reads.is_empty() { Ok(()) } else { self.submit_reads(reads, env) }
    }

    fn submit_reads(&mut self, sendings: Vec<(Sending, Query)>, env: &mut Env) -> Flow {
        let life = self.alive()?;
        let (raft, until) = (life.rsm.replica().raft(), life.rsm.time());
        let asked = Asked { role: raft.role(), term: raft.term(), until };
        let due = life.rsm.service().deadline();
        if raft.leads() && due.is_some_and(|due| due <= until) {
            env.corner(Corner::Held);
        }
        let mut reads = Vec::with_capacity(sendings.len());
        for (sending, query) in sendings {
            let origin = Origin::Client(sending);
            let slot = Slot { origin, command: None, read: Some(asked) };
            reads.push((life.waiting.add(slot), query));
        }
        self.step(Input::Read(reads), env)
    }

    /// Gives each a ticket, a stamp and a number, and submits them.
    pub(super) fn submit(&mut self, commands: Vec<Submitted>, env: &mut Env) -> Flow {
        let life = self.alive()?;
        let stamp = life.rsm.time();
        let mut submitted = Vec::with_capacity(commands.len());
        for (origin, command, passes) in commands {
            let Proposal { copy, task, .. } = &*command;
            let proposal = Proposal { stamp, tag: env.tag(), copy: *copy, task: task.clone() };
            let slot = Slot { origin, command: passes.then_some(command), read: None };
            let ticket = life.waiting.add(slot);
            submitted.push((Caller { ticket, passes }, Rc::new(proposal)));
        }
        self.step(Input::Submit(submitted), env)
    }

    /// Submits anew what the machine asks for again.
    pub(super) fn submit_again(&mut self, env: &mut Env) -> Flow {
        let life = self.alive()?;
        let stamp = life.rsm.time();
        let mut submitted = Vec::new();
        for ticket in std::mem::take(&mut life.again) {
            let command = life.waiting.get(ticket).and_then(|slot| slot.command.as_ref());
            let Some(Proposal { copy, task, .. }) = command.map(|command| &**command) else {
                continue;
            };
            let proposal = Proposal { stamp, tag: env.tag(), copy: *copy, task: task.clone() };
            submitted.push((Caller { ticket, passes: true }, Rc::new(proposal)));
        }
        self.step_once(Input::Submit(submitted), env)
    }

    /// Sets the timer for when the machine wants to be told of its clock.
    fn arm_clock(&mut self, env: &mut Env) -> Flow {
        let life = self.alive()?;
        let wants = life.rsm.wants_clock();
        if let Some(due) = wants
            && life.tick_at != wants
        {
            life.tick_at = wants;
            let after = due.saturating_sub(life.rsm.time()).clamp(1, LONGEST_TICK_MS);
            self.set_timer(TICK, after * 1000, env);
        }
        Ok(())
    }

    /// Proposes a command of a client's at once, as a round would that has nothing else to do.
    pub fn propose(&mut self, sending: Sending, env: &mut Env) {
        if self.life.is_some() {
            // A server that is killed by it says so itself.
            let _ = self.look_at_clock(env);
            self.alive().into_iter().for_each(|life| life.requests.push(sending.clone()));
            let _ = self.finish_round(env);
        }
    }

    /// Has a snapshot taken when the log has become too long.
    fn look_after_log(&mut self, env: &mut Env) -> Flow {
        let unapplied = self.kit.disk() == DiskFault::SnapshotsUnapplied;
        let (me, boot) = (self.me, env.boot(self.me));
        let life = self.alive()?;
        let raft = life.rsm.replica().raft();
        let bytes = life.log_bytes;
        let through = if unapplied { raft.last().index } else { life.rsm.applied() };
        let most = env.habits.snapshot_bytes.max(life.no_snapshot_below);
        let due = bytes > most || life.is_due(env.habits.snapshot_every);
        if !due || life.snapshotting || through == raft.terms().base().index {
            return Ok(());
        }
        let id = raft.terms().snapshot_at(through).expect("what is applied is in the log");
        let file = life.rsm.service().encode().into();
        life.snapshotting = true;
        env.soon(300, env.habits.file_us, Event::Written { node: me, boot, id, file });
        Ok(())
    }

    /// A snapshot's file is durable, or could not be written.
    pub(super) fn snapshot_taken(&mut self, id: Option<SnapshotId>, env: &mut Env) -> Flow {
        let life = self.alive()?;
        life.snapshotting = false;
        let bytes = life.log_bytes;
        let Some(id) = id else {
            // What failed fails again at once; it is tried again when the log has grown by as much as it may.
            life.no_snapshot_below = bytes + env.habits.snapshot_bytes;
            env.corner(Corner::SnapshotFailed);
            return Ok(());
        };
        life.no_snapshot_below = 0;
        env.corner(Corner::SnapshotTaken);
        let input = raft::Input::Compact { through: id.last.index };
        self.step(Input::Replica(replica::Input::Raft(input)), env)
    }

    /// Tells those who have waited long enough.
    pub(super) fn sweep(&mut self, env: &mut Env) -> Flow {
        let now = env.now;
        let below = self.alive()?.waiting.below(now.saturating_sub(PARK_US));
        self.step(Input::GiveUpParked { below }, env)?;
        let below = self.alive()?.waiting.below(now.saturating_sub(DEADLINE_US));
        self.step(Input::GiveUp { below }, env)?;
        let life = self.alive()?;
        life.waiting.forget(now.saturating_sub(DEADLINE_US));
        life.sweeping = false;
        Ok(())
    }

    /// Answers a client, and shows the judge what it is told.
    pub(super) fn tell_client(
        &mut self,
        sending: &Sending,
        read: Option<Asked>,
        outcome: Outcome<Said>,
        leads: bool,
        env: &mut Env,
    ) {
        let copy = sending.copy;
        let writes = sending.ask.writes();
        let answer = match outcome {
            Outcome::Done(said) => {
                if writes {
                    env.wrong(|judge, _| judge.executed(copy), self.me);
                } else {
                    self.judge_read(sending, read, &said, leads, env);
                }
                Some(Told::from(said))
            }
            Outcome::NotExecuted { leader } => {
                env.corner(Corner::ToldNotExecuted);
                env.wrong(|judge, _| judge.refuses(copy), self.me);
                Some(Told::Answer(Answer::NotExecuted { leader }))
            }
            Outcome::Busy => {
                env.corner(Corner::ToldBusy);
                env.wrong(|judge, _| judge.refuses(copy), self.me);
                Some(Told::Answer(Answer::NotExecuted { leader: None }))
            }
            Outcome::Unknown => {
                env.corner(Corner::ToldUnknown);
                if !writes {
                    env.violate(TOLD, format!("the fate of read {copy} is told as unknown"));
                }
                None
            }
        };
        if let Some(us) = env.to_client() {
            let (seq, attempt) = sending.ask.call();
            let client = sending.client;
            env.after(us, Event::Reply { client, copy, seq, attempt, answer });
        }
    }

    /// A leader that has led since the read came shows nothing that was due by its clock then.
    fn judge_read(
        &self,
        sending: &Sending,
        read: Option<Asked>,
        said: &Said,
        leads: bool,
        env: &mut Env,
    ) {
        if !leads {
            env.corner(Corner::ReadElsewhere);
        }
        let Some(Asked { role: RoleName::Leader, term, until }) = read else { return };
        let now = self.life.as_ref().map(|life| life.rsm.replica().raft().term());
        let Ask::Store(Request { command, .. }) = &sending.ask else { return };
        let Said::Store(shardkv::Answer::Reply(Reply::Value { version, .. })) = said else {
            return;
        };
        let key = &command.key;
        if command.op != Op::Get {
            return;
        }
        let Some(ends) = env.judge.ends_at(key, *version) else { return };
        if !leads || now != Some(term) || ends > until {
            return;
        }
        let text = format!("{:?} shows {key:?}, due at {ends}, at {until}", self.me);
        env.violate(DUE, text);
    }
}
