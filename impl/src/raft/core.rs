//! The core: the one thread that owns a server's machine, takes its mail, and carries out its effects.
//!
//! It takes all the mail there is, steps, and answers; so batches fall out of load, and nothing waits for one. What
//! leaves at once leaves while it steps; writes go into the gate, from which the disk's thread takes them.

mod commands;
mod notes;
mod portions;
mod round;

use super::files::Files;
use super::host::{Room, part_of};
use super::options::Options;
use super::status::{Shared, Status};
use super::waiting::{Origin, Slot, Waiting};
use super::{Callers, Clocks, Error, Filled, Job, Mail, Outcome, Request, SLOTS, What};
use crate::gate::Gate;
use crate::mailbox::Mailbox;
use crate::peer::{Received, Transport};
use crate::rsm::{Coded, StateMachine, decode, encode, stamped};
use crate::timer::Timers;
use crate::trace::{self, Recorder};
use crate::wal::GroupId;
use commands::{Come, Held};
use portions::portions;
use protocol::clock::Estimate;
use protocol::kv::Stamp;
use protocol::log::Entry;
use protocol::raft::{self, Body, Message, Timer};
use protocol::rsm::{self as machine, Caller, Input, Rsm, Ticket};
use protocol::{Index, Machine, NodeId, Write, replica};
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// The slots of the timers: Raft's four, and these.
pub const SWEEP: usize = 4;
const TICK: usize = 5;
pub const RETRY: usize = 6;
const STOP: usize = 7;
/// How often those who wait are looked through for who has waited long enough.
const SWEEP_EVERY: Duration = Duration::from_millis(50);
/// How long a request that found no leader there waits until it is tried again.
const RETRY_AFTER: Duration = Duration::from_millis(20);
/// No timer is set further ahead: the clock that it stands for may be steered.
const LONGEST_TICK_MS: u64 = 1000;

/// What a core works with.
pub struct Core<S: StateMachine, K: Callers<S>, R, W> {
    pub options: Options,
    pub rsm: Rsm<Coded<S>, R, W>,
    pub mail: Mailbox<Mail<S, K::Caller>>,
    pub group: GroupId,
    pub gate: Gate<Filled>,
    pub room: Arc<Room>,
    pub timers: Arc<Timers<SLOTS>>,
    pub peers: Option<Box<dyn Transport>>,
    pub jobs: Mailbox<Job<S>>,
    pub files: Files,
    pub recorder: Option<Recorder>,
    pub shared: Arc<Shared>,
    pub callers: K,
    pub state: State<S, K::Caller>,
}

/// What a core keeps in mind.
pub struct State<S: StateMachine, C> {
    waiting: Waiting<C>,
    /// Those that have come in this round.
    commands: Vec<Come<C>>,
    held: Held<C>,
    reads: Vec<(Origin<C>, S::Query)>,
    /// Whose commands surely did not leave.
    stayed: Vec<Ticket>,
    /// Whose commands are to be submitted again.
    again: Vec<Ticket>,
    generations: [u64; SLOTS],
    estimate: Estimate,
    /// The deadline for which the timer is set.
    tick_at: Option<Stamp>,
    sweeping: bool,
    /// The lengths of the entries behind the snapshot, in bytes.
    sizes: VecDeque<u32>,
    /// The last index that the snapshot covers.
    sizes_after: Index,
    log_bytes: u64,
    /// How many bytes of the log's files they take, about.
    taken: u64,
    snapshotting: bool,
    /// No snapshot is taken before the log has so many bytes: the last one failed.
    no_snapshot_below: u64,
    stopping: bool,
    stopped: bool,
    /// The trace can't be written: not a step more.
    failed: Option<trace::Error>,
    /// The servers to which there is a connection, a bit each.
    up: u32,
    seed: u64,
    /// Up to where the callers have seen the service.
    shown: Index,
    effects: Vec<machine::Effect<S::Reply>>,
}

impl<S: StateMachine, C> State<S, C> {
    /// As a server starts with this machine.
    pub fn new<R: raft::Rules, W: machine::Rules>(
        rsm: &Rsm<Coded<S>, R, W>,
        seed: u64,
        clocks: &dyn Clocks,
        room: &Room,
    ) -> Self {
        let log = rsm.replica().log();
        let first = rsm.replica().raft().terms().base().index + 1;
        let entries = (first..=log.last()).filter_map(|index| log.get(index));
        let sizes: VecDeque<u32> = entries.clone().map(size).collect();
        let stamps = entries.filter_map(|entry| match entry {
            Entry::Command(payload) => crate::rsm::unstamped(payload).ok(),
            Entry::NoOp => None,
        });
        let last = stamps.map(|(stamp, _)| stamp).max().unwrap_or(0);
        let now_ms = clocks.now_us() / 1000;
        let log_bytes = sizes.iter().copied().map(u64::from).sum();
        Self {
            waiting: Waiting::default(),
            commands: Vec::new(),
            held: Held::default(),
            reads: Vec::new(),
            stayed: Vec::new(),
            again: Vec::new(),
            generations: [0; SLOTS],
            estimate: Estimate::new(rsm.service().clock, last, clocks.wall_ms(), now_ms),
            tick_at: None,
            sweeping: false,
            log_bytes,
            sizes,
            sizes_after: first - 1,
            taken: room.taken_by(log_bytes),
            snapshotting: false,
            no_snapshot_below: 0,
            stopping: false,
            stopped: false,
            failed: None,
            up: 0,
            seed,
            shown: 0,
            effects: Vec::new(),
        }
    }

    /// Some entries are gone, and the room that they took with them, if each took as much as the others.
    fn drop_sizes(&mut self, gone: Range<usize>) {
        let before = self.log_bytes;
        let dropped: u64 = self.sizes.drain(gone).map(u64::from).sum();
        self.log_bytes -= dropped;
        self.taken = part_of(self.taken, self.log_bytes, before);
    }

    /// A number below `bound`: SplitMix64, for jitter only.
    fn random(&mut self, bound: u64) -> u64 {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.seed ^ (self.seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound.max(1)
    }
}

fn size(entry: &Entry<crate::wal::Bytes>) -> u32 {
    let bytes = if let Entry::Command(payload) = entry { payload.len() } else { 0 };
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

impl<S: StateMachine, K: Callers<S>, R: raft::Rules, W: machine::Rules> Core<S, K, R, W> {
    /// Runs until it is told to stop, or can't write its trace.
    pub fn run(mut self) -> Result<(), Error> {
        if self.rsm.applied() > 0 {
            self.callers.restored(&self.rsm.service().service, None);
        }
        self.step(Input::Replica(replica::Input::Raft(raft::Input::Start)));
        let mut mail = Vec::new();
        let mut goes_on = true;
        while goes_on && self.mail.take(&mut mail) {
            self.look_at_clock();
            for item in mail.drain(..) {
                goes_on &= self.receive(item);
            }
            self.finish_round();
            let told = self.state.waiting.len() == 0 && self.state.held.len() == 0;
            goes_on &= !(self.state.stopped || self.state.stopping && told);
            goes_on &= self.state.failed.is_none();
        }
        self.mail.close();
        self.give_up();
        self.record(|recorder, rsm| recorder.end_batch(rsm));
        // Those who have asked meanwhile are told by the end of their tellers.
        while self.mail.take(&mut mail) {
            mail.clear();
        }
        let Some(error) = self.state.failed.take() else { return Ok(()) };
        tracing::error!(%error, "the trace can't go on, and so the server can't");
        Err(error.into())
    }

    fn now_us(&self) -> u64 {
        self.options.clocks.now_us()
    }

    fn receive(&mut self, mail: Mail<S, K::Caller>) -> bool {
        match mail {
            Mail::Requests(requests) => {
                for request in requests {
                    if self.state.stopping {
                        let outcome = Outcome::NotExecuted { leader: None };
                        self.callers.tell(request.caller, outcome);
                        continue;
                    }
                    let Request { caller, what, forwards: passes } = request;
                    let origin = Origin::Caller(caller);
                    match what {
                        What::Command(command) => {
                            self.state.commands.push(Come { origin, command, passes });
                        }
                        What::Query(query) => self.state.reads.push((origin, query)),
                    }
                }
            }
            Mail::Peer(received) => self.receive_from_peer(received),
            Mail::Timer { slot, generation } => self.timer(slot, generation),
            Mail::Durable { writes, bytes } => {
                self.state.taken += bytes;
                self.step(Input::Replica(replica::Input::Durable { writes }));
            }
            Mail::Snapshot { taken } => {
                self.state.snapshotting = false;
                if taken.is_none() {
                    // What failed fails again at once: it is tried again when the log has grown.
                    let length = self.log_length();
                    let more = length.min(self.options.snapshot_bytes);
                    self.state.no_snapshot_below = length + more;
                }
                if let Some((id, sum)) = taken {
                    self.note(|recorder| recorder.snapshot(id, sum));
                    let input = raft::Input::Compact { through: id.last.index };
                    self.step(Input::Replica(replica::Input::Raft(input)));
                }
            }
            Mail::Cut { commands, service } => self.cut(commands, service),
            Mail::Install { from, message, state, sum } => {
                self.note(|recorder| recorder.install(from, message, sum));
                let before = self.rsm.applied();
                self.step(Input::Install { from, message, state: &state });
                if self.rsm.applied() != before {
                    self.callers.restored(&self.rsm.service().service, Some(from));
                }
            }
            Mail::Campaign => {
                self.step(Input::Replica(replica::Input::Raft(raft::Input::Campaign)))
            }
            Mail::TakeSnapshot => self.take_snapshot(),
            Mail::Stop => self.begin_to_stop(),
            Mail::Broken => return false,
        }
        true
    }

    /// Takes nothing more, and goes on until all who wait are told, but not for ever.
    fn begin_to_stop(&mut self) {
        if !self.state.stopping {
            self.state.stopping = true;
            self.set_timer(STOP, self.options.deadline);
        }
    }

    fn receive_from_peer(&mut self, received: Received) {
        match received {
            Received::Message { from, message, entries } => {
                self.step(Input::Replica(replica::Input::Message {
                    from,
                    message,
                    entries: &entries,
                }));
            }
            Received::Snapshot { from, message, path } => {
                if self.rsm.needs_state(&message) {
                    // Closed only when the node stops.
                    let _ = self.jobs.post_always(Job::Adopt { from, message, path });
                } else {
                    let input = raft::Input::Message { from, message };
                    self.step(Input::Replica(replica::Input::Raft(input)));
                    // It has come too late. What can't be removed now goes at the next start.
                    let _ = std::fs::remove_file(path);
                }
            }
            Received::Forward { from, ticket, call } => {
                let origin = Origin::Peer(from, ticket);
                if Coded::<S>::check_command(&call).is_ok() {
                    self.state.commands.push(Come { origin, command: call, passes: false });
                } else {
                    self.turn_away(origin, Outcome::NotExecuted { leader: None });
                }
            }
            Received::Answer { from, ticket, outcome } => {
                // Bytes that are no answer say nothing of what was done.
                let outcome = decode(&outcome).unwrap_or(Outcome::Unknown);
                self.step(Input::Answer { from, ticket, outcome });
            }
            Received::Up { node } => self.state.up |= 1 << node.0,
            Received::Down { node } => {
                self.state.up &= !(1 << node.0);
                self.step(Input::Lost { node });
            }
        }
    }

    fn timer(&mut self, slot: usize, generation: u64) {
        if self.state.generations[slot] != generation {
            return;
        }
        self.state.generations[slot] += 1;
        match slot {
            SWEEP => self.sweep(),
            // The round has looked at the clock.
            TICK => self.state.tick_at = None,
            STOP => self.state.stopped = true,
            RETRY => self.step(Input::Retry),
            _ => {
                let timers = [Timer::Election, Timer::Contact, Timer::Heartbeat, Timer::Quorum];
                let input = raft::Input::Timer(timers[slot]);
                self.step(Input::Replica(replica::Input::Raft(input)));
            }
        }
    }

    fn set_timer(&mut self, slot: usize, after: Duration) {
        self.state.generations[slot] += 1;
        let after = u64::try_from(after.as_micros()).unwrap_or(u64::MAX / 2);
        self.timers.arm(slot, self.now_us() + after, self.state.generations[slot]);
    }

    /// A step, and those that its effects ask for: never one inside another.
    fn step(&mut self, input: Input<'_, Coded<S>>) {
        self.step_once(input);
        loop {
            if let Some(ticket) = self.state.stayed.pop() {
                self.step_once(Input::NotPassed { ticket });
            } else if !self.state.again.is_empty() {
                self.submit_again();
            } else {
                return;
            }
        }
    }

    fn step_once(&mut self, input: Input<'_, Coded<S>>) {
        if self.state.failed.is_some() {
            return;
        }
        let mut effects = std::mem::take(&mut self.state.effects);
        if let Some(recorder) = &mut self.recorder {
            recorder.input(&input, |ticket| self.state.waiting.origin(ticket));
        }
        self.rsm.step(input, &mut effects);
        self.record(|recorder, rsm| recorder.done(rsm, &effects));
        if self.state.failed.is_some() {
            // Nobody would know of them.
            effects.clear();
        }
        for effect in effects.drain(..) {
            match effect {
                machine::Effect::Raft(effect) => self.carry_out(effect),
                machine::Effect::Tell { ticket, outcome } => self.tell(ticket, outcome),
                machine::Effect::Pass { to, ticket } => self.pass(to, ticket),
                machine::Effect::Resubmit { ticket } => self.state.again.push(ticket),
                machine::Effect::ArmRetry => self.set_timer(RETRY, RETRY_AFTER),
            }
        }
        self.state.effects = effects;
    }

    fn carry_out(&mut self, effect: raft::Effect) {
        match effect {
            raft::Effect::Send { to, message } => self.send(to, &message),
            raft::Effect::Write(write) => self.write(&write),
            raft::Effect::Arm(timer) => {
                let (least, most) = self.options.election;
                let after = match timer {
                    Timer::Election => {
                        let spread = most.saturating_sub(least).as_micros();
                        let spread = u64::try_from(spread).unwrap_or(u64::MAX);
                        least + Duration::from_micros(self.state.random(spread + 1))
                    }
                    Timer::Contact => least,
                    Timer::Heartbeat => self.options.heartbeat,
                    Timer::Quorum => most,
                };
                self.set_timer(timer as usize, after);
            }
            raft::Effect::Disarm(timer) => {
                self.state.generations[timer as usize] += 1;
                self.timers.disarm(timer as usize);
            }
            raft::Effect::Role { role, term, leader } => {
                tracing::info!(?role, term, ?leader, "this server");
            }
            raft::Effect::Refused(refusal) => tracing::debug!(?refusal, "refused"),
            other => unreachable!("the replicated state machine keeps {other:?} to itself"),
        }
    }

    fn send(&mut self, to: NodeId, message: &Message) {
        let Some(peers) = &self.peers else { return };
        if let Body::InstallSnapshot { id } = message.body {
            peers.send_snapshot(to, *message, self.files.path(id));
        } else {
            peers.send(to, message, &mut self.rsm.replica().entries_of(message));
        }
    }

    fn write(&mut self, write: &Write) {
        let state = &mut self.state;
        match *write {
            Write::HardState(_) => {}
            Write::Append { first, .. } => {
                let kept = (first - 1 - state.sizes_after) as usize;
                state.drop_sizes(kept..state.sizes.len());
                for size in self.rsm.replica().entries_of_write(write).map(size) {
                    state.sizes.push_back(size);
                    state.log_bytes += u64::from(size);
                }
            }
            Write::Snapshot { id, keep } => {
                let covered = (id.last.index - state.sizes_after) as usize;
                state.drop_sizes(0..if keep { covered } else { state.sizes.len() });
                state.sizes_after = id.last.index;
                state.no_snapshot_below = 0;
            }
        }
        // A closed gate means that the node stops; what it had not promised may be lost.
        let replica = self.rsm.replica();
        let entries = || replica.entries_of_write(write);
        let group = self.group;
        let filled = self.gate.fill(|filled| filled.push(group, write, entries));
        if let Ok(Err(error)) = filled {
            panic!("a write that the log can't take: {error}");
        }
    }

    fn pass(&mut self, to: NodeId, ticket: Ticket) {
        let command = self.state.waiting.get(ticket).and_then(|slot| slot.command.as_ref());
        let sent =
            |command: &Vec<u8>| self.peers.as_ref()?.forward(to, ticket, command).then_some(());
        if command.and_then(sent).is_none() {
            self.state.stayed.push(ticket);
        }
    }

    fn tell(&mut self, ticket: Ticket, outcome: Outcome<S::Reply>) {
        let Some(slot) = self.state.waiting.take(ticket) else { return };
        self.answer(slot.origin, outcome);
    }

    fn answer(&mut self, origin: Origin<K::Caller>, outcome: Outcome<S::Reply>) {
        match origin {
            Origin::Caller(caller) => self.callers.tell(caller, outcome),
            Origin::Peer(node, ticket) => {
                let Some(peers) = &self.peers else { return };
                let bytes = encode(&outcome).ok().filter(|bytes| peers.fits(bytes.len()));
                // A reply too long to be passed on is kept from its caller alone, not from all who wait there.
                let bytes = bytes.or_else(|| encode(&Outcome::<S::Reply>::Unknown).ok());
                peers.answer(node, ticket, &bytes.unwrap_or_default());
            }
        }
    }

    /// Submits anew what the machine asks for again.
    fn submit_again(&mut self) {
        let again = std::mem::take(&mut self.state.again);
        let stamp = self.rsm.time();
        let commands = again.into_iter().filter_map(|ticket| {
            let command = self.state.waiting.get(ticket)?.command.as_ref()?;
            Some((Caller { ticket, passes: true }, stamped(stamp, command)))
        });
        let commands: Vec<_> = commands.collect();
        for portion in portions(commands) {
            self.step_once(Input::Submit(portion));
        }
    }
}
