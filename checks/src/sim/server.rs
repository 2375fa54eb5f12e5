//! A server: the machine, and a driver that does with its effects what the core thread of the product does.
//!
//! What lies in front of the core is taken all at once, a little later than it came; so batches form as they do under
//! load. A killed server may be killed between any two effects: a fuse counts them.

use super::claims;
use super::clock::Clock;
use super::disk::{Disk, Refused};
use super::env::{Delivered, Env};
use super::event::{Call, Command, Event, Mail, Packet, Sending};
use super::faults::{Corner, Fault};
use super::judge::{CLAIMS, DAMAGE};
use super::kinds::{Kind, Said};
use super::kit::Kit;
use super::moves::Moves;
use super::service::{Seen, Service};
use super::waiting::{Origin, Waiting};
use model::node::DiskFault;
use protocol::clock::{Estimate, Stamp};
use protocol::log::Entry;
use protocol::quorum::NodeSet;
use protocol::raft::{self, Body, Config, RoleName, Timer};
use protocol::rsm::{self, Input, Outcome, Rsm, StateMachine, Ticket};
use protocol::{Index, LogId, NodeId, Term, replica};
use std::collections::VecDeque;
use std::rc::Rc;

/// The places of the timers: Raft's four, and these.
pub(super) const SWEEP: usize = 4;
pub(super) const TICK: usize = 5;
pub(super) const RETRY: usize = 6;
pub(super) const MOVES: usize = 7;
pub(super) const SLOTS: usize = 8;
/// The product's times, in microseconds.
pub(super) const HEARTBEAT_US: u64 = 50_000;
pub(super) const ELECTION_US: (u64, u64) = (250_000, 500_000);
/// What they are in haste: as long as a message and a sync take.
pub(super) const HASTY_US: (u64, u64) = (2_000, 12_000);
pub(super) const RETRY_US: u64 = 20_000;

/// The machine of a kit.
pub type MachineOf<T> = Rsm<Service<T>, <T as Kit>::Raft, <T as Kit>::Rsm>;
pub(super) type InputOf<'a, T> = Input<'a, Service<T>>;

/// The server goes no further: it was killed, or has done what must not be.
#[derive(Clone, Copy, Debug)]
pub struct Stopped;

/// Whether a server goes on.
pub type Flow = Result<(), Stopped>;

/// What a running server has in memory.
pub struct Life<T: Kit> {
    /// The machine.
    pub rsm: MachineOf<T>,
    pub(super) waiting: Waiting,
    pub(super) mail: Vec<Mail>,
    pub(super) requests: Vec<Sending>,
    pub(super) stayed: Vec<Ticket>,
    pub(super) again: Vec<Ticket>,
    pub(super) generations: [u64; SLOTS],
    pub(super) estimate: Estimate,
    pub(super) tick_at: Option<Stamp>,
    pub(super) sweeping: bool,
    pub(super) snapshotting: bool,
    pub(super) no_snapshot_below: u64,
    /// Up to where the judge has seen what is committed.
    pub(super) judged: Index,
    /// Role and term as they were last seen.
    pub(super) led: (RoleName, Term),
    /// The lengths of the entries behind `sizes_after`, in bytes.
    pub(super) sizes: VecDeque<u64>,
    pub(super) sizes_after: Index,
    pub(super) log_bytes: u64,
    pub(super) effects: Vec<rsm::Effect<Said>>,
    pub(super) moves: Moves<T::Shard>,
}

impl<T: Kit> Life<T> {
    /// Whether a snapshot is due that is taken as often as so many commands were applied; 0: it never is. Those of
    /// the labs fall on the commands 9, 19, 29 and so on.
    pub(super) fn is_due(&self, every: u64) -> bool {
        let covered = self.rsm.replica().raft().terms().snapshot();
        let (applied, _) = self.rsm.service().history();
        let number = |count: u64| (count + 1).checked_div(every).unwrap_or(0);
        number(applied) > number(covered.last.index - covered.runs)
    }
}

/// A server.
pub struct Server<T: Kit> {
    /// Its number.
    pub me: NodeId,
    /// What it is made of.
    pub kit: T,
    /// What it is a server of.
    pub kind: Kind,
    /// Its memory, while it runs.
    pub life: Option<Life<T>>,
    /// Its disk.
    pub disk: Disk,
    /// Its clocks.
    pub clock: Clock,
    /// Its disk is damaged: it never starts again.
    pub refused: bool,
    /// It is not scheduled before this.
    pub frozen_until: u64,
    /// Its disk does nothing before this.
    pub stalled_until: u64,
    /// After so many effects it is killed.
    pub fuse: Option<u32>,
    /// The service as it was when it was killed, for a mutant.
    old: Option<Service<T>>,
    pub(super) seen: Seen,
}

impl<T: Kit> Server<T> {
    /// A server that has never run.
    pub fn new(kit: T, me: NodeId, kind: Kind) -> Self {
        Self {
            me,
            kit,
            kind,
            life: None,
            disk: Disk::new(kit.disk()),
            clock: Clock::RIGHT,
            refused: false,
            frozen_until: 0,
            stalled_until: 0,
            fuse: None,
            old: None,
            seen: Seen::default(),
        }
    }

    /// Starts from what the disk has.
    pub fn start(&mut self, env: &mut Env) {
        if self.life.is_some() || self.refused || self.disk.full {
            return;
        }
        let found = self.disk.read().and_then(|durable| {
            let service = self.restore(env, durable.snapshot().last)?;
            Ok((durable, service))
        });
        let (durable, service) = match found {
            Ok(found) if !self.disk.flipped => found,
            Ok(_) => {
                return env.violate(DAMAGE, format!("{:?} starts from a damaged disk", self.me));
            }
            Err(refused) => return self.refuse(env, &refused),
        };
        let voters = NodeSet::first(usize::from(env.habits.nodes));
        let (max_batch, window) = (env.habits.max_batch, env.habits.window);
        let config = Config { me: self.me, voters, max_batch, window };
        env.lives(self.me, true);
        let boot = if self.kit.disk() == DiskFault::ReusesReadIds { 1 } else { env.boot(self.me) };
        let rules = (self.kit.raft(), self.kit.rsm());
        let last = durable.snapshot().last;
        let made =
            claims::caught(|| Rsm::new(rules, config, durable, service, u64::from(boot) << 32));
        let rsm = match made {
            Ok(rsm) => rsm,
            Err(text) => return env.violate(CLAIMS, format!("{:?} at its start: {text}", self.me)),
        };
        env.tell(|| format!("{:?} starts: {:?}", self.me, rsm.replica().raft()));
        env.deliver(self.me, || Delivered::Started(rsm.service().encode()));
        if last != LogId::ZERO {
            env.corner(Corner::StartedFromSnapshot);
            let history = rsm.service().history();
            env.wrong(|judge, me| judge.restores(me, last, history), self.me);
        }
        let sizes: VecDeque<u64> = log::<T>(&rsm).map(size).collect();
        let (wall, monotonic) = (self.clock.wall_ms(env.now), self.clock.monotonic_ms(env.now));
        let estimate = Estimate::new(rsm.service().clock(), last_stamp::<T>(&rsm), wall, monotonic);
        let judged = rsm.applied();
        self.life = Some(Life {
            rsm,
            waiting: Waiting::default(),
            mail: Vec::new(),
            requests: Vec::new(),
            stayed: Vec::new(),
            again: Vec::new(),
            generations: [0; SLOTS],
            estimate,
            tick_at: None,
            sweeping: false,
            snapshotting: false,
            no_snapshot_below: 0,
            judged,
            led: (RoleName::Follower, 0),
            log_bytes: sizes.iter().sum(),
            sizes,
            sizes_after: last.index,
            effects: Vec::new(),
            moves: Moves::new(self.kit.shard(), self.kind),
        });
        self.tick_moves(env);
        for other in env.net.all().filter(|other| *other != self.me) {
            env.soon(1_000, 20_000, Event::Connect { from: self.me, to: other });
        }
        let _ = self.step(Input::Replica(replica::Input::Raft(raft::Input::Start)), env);
    }

    fn refuse(&mut self, env: &mut Env, refused: &Refused) {
        env.tell(|| format!("{:?} refuses to start: {refused:?}", self.me));
        if self.disk.flipped {
            self.refused = true;
            env.corner(Corner::DamageRefused);
        } else {
            env.violate(DAMAGE, format!("{:?} refuses a good disk: {refused:?}", self.me));
        }
    }

    fn restore(&mut self, env: &Env, last: LogId) -> Result<Service<T>, Refused> {
        let (kit, limits, seen) = (self.kit, env.habits.limits, Rc::clone(&self.seen));
        if let (DiskFault::RestartsAhead, Some(old)) = (self.kit.disk(), self.old.take()) {
            return Ok(old);
        }
        if last == LogId::ZERO || self.kit.disk() == DiskFault::RestartsEmpty {
            return Ok(Service::empty(kit, self.kind, limits, seen));
        }
        let file = self.disk.file(last).ok_or(Refused::Missing(last))?;
        Service::decode(kit, self.kind, limits, seen, &file).map_err(Refused::Damaged)
    }

    /// Kills it.
    pub fn kill(&mut self, env: &mut Env) {
        let Some(life) = self.life.take() else { return };
        let tears = env.faults.has(Fault::Tear);
        let loss = self.disk.crash(&mut env.random, tears);
        env.tell(|| format!("{:?} is killed: {loss:?}", self.me));
        for (hit, corner) in [
            (loss.forgotten > 0, Corner::Forgotten),
            (loss.kept > 0, Corner::Unreported),
            (loss.torn, Corner::Torn),
        ] {
            if hit {
                env.corner(corner);
            }
        }
        if loss.torn {
            env.fault(Fault::Tear);
        }
        if self.kit.disk() == DiskFault::RestartsAhead {
            self.old = Some(life.rsm.service().clone());
        }
        self.fuse = None;
        env.lives(self.me, false);
        env.disconnect(self.me);
    }

    /// It will be started some time later.
    pub fn start_again(&self, env: &mut Env) {
        let us = env.random.skewed(500, env.habits.down_us);
        env.after(us, Event::Start(self.me));
    }

    /// Something lies in front of it.
    pub fn post(&mut self, mail: Mail, env: &mut Env) {
        let Some(life) = &mut self.life else { return };
        if life.mail.is_empty() {
            let wait = self.frozen_until.saturating_sub(env.now);
            let wait = wait + env.random.between(3, 120);
            env.after(wait, Event::Wake { node: self.me, boot: env.boot(self.me) });
        }
        life.mail.push(mail);
    }

    /// Takes all that lies in front of it.
    pub fn wake(&mut self, env: &mut Env) {
        let _ = self.round(env);
    }

    fn round(&mut self, env: &mut Env) -> Flow {
        let mail = std::mem::take(&mut self.alive()?.mail);
        self.look_at_clock(env)?;
        for item in mail {
            self.receive(item, env)?;
        }
        self.finish_round(env)
    }

    pub(super) fn alive(&mut self) -> Result<&mut Life<T>, Stopped> {
        self.life.as_mut().ok_or(Stopped)
    }

    fn receive(&mut self, mail: Mail, env: &mut Env) -> Flow {
        match mail {
            Mail::Packet(packet) => self.receive_packet(packet, env),
            Mail::Adopted(packet) => {
                let Some(file) = &packet.file else { return Ok(()) };
                let seen = Rc::clone(&self.seen);
                let state = Service::decode(self.kit, self.kind, env.habits.limits, seen, file);
                let state = state.expect("a file that arrives whole is one");
                let Packet { from, message, .. } = packet;
                self.step(Input::Install { from, message, state: &state }, env)
            }
            Mail::Call(Call { from, epoch, ticket, command, .. }) => {
                let origin = Origin::Peer { node: from, epoch, ticket };
                self.submit(vec![(origin, command, false)], env)
            }
            Mail::Told { from, ticket, outcome } => {
                if matches!(outcome, Outcome::Done(_)) {
                    env.corner(Corner::PassedDone);
                }
                self.step(Input::Answer { from, ticket, outcome }, env)
            }
            Mail::Lost(node) => {
                if self.alive()?.rsm.sent_on().any(|(_, to)| to == node) {
                    env.corner(Corner::PassLost);
                }
                self.step(Input::Lost { node }, env)
            }
            Mail::Request(sending) => {
                self.alive()?.requests.push(sending);
                Ok(())
            }
            Mail::Letter(letter) => {
                self.alive()?.moves.read(letter);
                Ok(())
            }
            Mail::Durable { writes } => self.report(writes, env),
            Mail::Snapshot(id) => self.snapshot_taken(id, env),
            Mail::Timer { slot, generation } => self.timer(slot, generation, env),
        }
    }

    fn receive_packet(&mut self, packet: Packet, env: &mut Env) -> Flow {
        let Packet { from, message, .. } = packet;
        if matches!(message.body, Body::InstallSnapshot { .. }) {
            if self.alive()?.rsm.needs_state(&message) {
                let boot = env.boot(self.me);
                env.soon(500, 20_000, Event::Stored(packet, boot));
                return Ok(());
            }
            let input = raft::Input::Message { from, message };
            return self.step(Input::Replica(replica::Input::Raft(input)), env);
        }
        let entries = &packet.entries;
        self.step(Input::Replica(replica::Input::Message { from, message, entries }), env)
    }

    fn report(&mut self, writes: usize, env: &mut Env) -> Flow {
        self.disk.reported(writes);
        let pending = self.alive()?.rsm.replica().pending_writes();
        let writes = match self.kit.disk() {
            DiskFault::ReportsEarly => pending,
            DiskFault::DropsReports if pending > writes => 0,
            _ => writes.min(pending),
        };
        self.step(Input::Replica(replica::Input::Durable { writes }), env)
    }

    fn timer(&mut self, slot: usize, generation: u64, env: &mut Env) -> Flow {
        let life = self.alive()?;
        if life.generations[slot] != generation {
            return Ok(());
        }
        life.generations[slot] += 1;
        match slot {
            SWEEP => self.sweep(env),
            // The round has looked at the clock.
            TICK => {
                life.tick_at = None;
                Ok(())
            }
            RETRY => self.step(Input::Retry, env),
            MOVES => {
                life.moves.tick();
                self.tick_moves(env);
                Ok(())
            }
            _ => {
                let timers = [Timer::Election, Timer::Contact, Timer::Heartbeat, Timer::Quorum];
                let input = raft::Input::Timer(timers[slot]);
                self.step(Input::Replica(replica::Input::Raft(input)), env)
            }
        }
    }

    pub(super) fn set_timer(&mut self, slot: usize, us: u64, env: &mut Env) {
        let Some(life) = &mut self.life else { return };
        life.generations[slot] += 1;
        let mail = Mail::Timer { slot, generation: life.generations[slot] };
        env.after(us, Event::Inside(self.me, env.boot(self.me), mail));
    }
}

/// The entries of a machine's log.
fn log<T: Kit>(rsm: &MachineOf<T>) -> impl Iterator<Item = &Entry<Command>> {
    let (first, log) = (rsm.replica().raft().terms().base().index + 1, rsm.replica().log());
    (first..=log.last()).filter_map(|index| log.get(index))
}

/// The largest stamp in a machine's log.
fn last_stamp<T: Kit>(rsm: &MachineOf<T>) -> Stamp {
    let stamps = log::<T>(rsm).filter_map(|entry| match entry {
        Entry::Command(command) => Some(command.stamp),
        Entry::NoOp => None,
    });
    stamps.max().unwrap_or(0)
}

/// How long an entry is, in bytes.
pub(super) fn size(entry: &Entry<Command>) -> u64 {
    if let Entry::Command(command) = entry { command.bytes() } else { 0 }
}
