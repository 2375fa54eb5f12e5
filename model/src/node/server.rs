//! The actor: inputs from stateright, effects carried out, disks that finish or forget.

use super::claims::{Before, Came};
use super::{
    Armed, CommandOf, Event, Node, PacketOf, Pending, Recipe, ReplyOf, Service, Stimulus,
    StimulusOf, Tag,
};
use protocol::log::Durable;
use protocol::raft::{self, Body, Config, Effect, Message, Refusal, Timer};
use protocol::rsm::{self, Input, Rsm, StateMachine};
use protocol::{LogId, Machine, NodeId, ReadId, Write, replica};
use stateright::actor::{Actor, Id, Out};
use std::borrow::Cow;
use std::cell::Cell;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
/// A wrong disk or a wrong restart, for mutants of what is not the machine's to decide.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum DiskFault {
    /// None: the disk does what is asked, in order.
    #[default]
    None,
    /// A write is reported durable and was never made.
    LosesAppends,
    /// A snapshot's record is reported durable and was never made.
    LosesSnapshots,
    /// A restart finds no hard state and takes term 0 for granted.
    ForgetsHardState,
    /// When one write is durable, all that are pending are reported to be.
    ReportsEarly,
    /// A write that is finished while others are pending is not reported.
    DropsReports,
    /// A snapshot takes effect in two steps, the log first; a crash falls between.
    TearsSnapshots,
    /// A restart begins with an empty service although a snapshot covers a prefix.
    RestartsEmpty,
    /// A restart takes the service as it was, and applies to it again what is behind the snapshot.
    RestartsAhead,
    /// A snapshot's file lacks what the service keeps so that no call is executed twice.
    ForgetsRecords,
    /// A snapshot is taken of the whole log, applied or not.
    SnapshotsUnapplied,
    /// The numbers of reads begin anew at a restart.
    ReusesReadIds,
    /// A snapshot's record has lost the count of the runs that the snapshot covers.
    MiscountsRuns,
}

/// The actor: how a server is built and what its disk is worth.
#[derive(Clone, Copy, Debug)]
pub struct Server<R> {
    /// The rules of its machine.
    pub rules: R,
    /// What it is told at its start.
    pub config: Config,
    /// The disk.
    pub fault: DiskFault,
    /// RED-CONTACT. Whether the `Contact` timer fires as soon as it is armed. Sound where no pre-vote is asked for, the
    /// only rule that reads what it clears.
    pub contact_at_once: bool,
}

thread_local! {
    static IN_STEP: Cell<bool> = const { Cell::new(false) };
}

/// Keeps claims that do not hold, which the model catches, from being printed as panics.
pub fn quiet_broken_claims() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if !IN_STEP.get() {
            usual(info);
        }
    }));
}

impl<R: Recipe> Server<R> {
    fn boot(
        &self,
        disk: Durable<CommandOf<R>>,
        mut files: Vec<(LogId, R::Service)>,
        boots: u8,
        out: &mut Out<Self>,
    ) -> Node<R> {
        let snapshot = disk.snapshot().last;
        // A file without a record is deleted.
        files.retain(|(last, _)| *last == snapshot);
        let service = match files.first() {
            Some((_, service)) if self.fault != DiskFault::RestartsEmpty => service.clone(),
            _ => R::Service::empty(),
        };
        self.boot_with(disk, files, service, boots, out)
    }

    fn boot_with(
        &self,
        disk: Durable<CommandOf<R>>,
        files: Vec<(LogId, R::Service)>,
        service: R::Service,
        boots: u8,
        out: &mut Out<Self>,
    ) -> Node<R> {
        let first_read = R::Service::first_read(boots);
        let rsm = Rsm::new(self.rules.rules(), self.config, disk.clone(), service, first_read);
        let mut node = Node {
            rsm,
            armed: Armed::default(),
            retries: false,
            pending: VecDeque::new(),
            disk,
            files,
            copy: None,
            boots,
            reads: 0,
            broken: None,
            events: Vec::new(),
        };
        self.feed(&mut node, raft_input(raft::Input::Start), out);
        node
    }

    /// One input and its effects. A claim that does not hold is caught here and nowhere else.
    fn feed(&self, node: &mut Node<R>, input: Input<'_, R::Service>, out: &mut Out<Self>) {
        let outer = IN_STEP.replace(true);
        let result = catch_unwind(AssertUnwindSafe(|| self.carry_out(node, input, out)));
        IN_STEP.set(outer);
        if let Err(panic) = result {
            let text = panic.downcast_ref::<&str>().map(ToString::to_string);
            let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
            node.broken = Some(text.unwrap_or_else(|| "a claim failed".into()).into());
        }
    }

    fn carry_out(&self, node: &mut Node<R>, input: Input<'_, R::Service>, out: &mut Out<Self>) {
        let came = Came::of(&input);
        let before = Before::of(node, &came);
        let mut effects = Vec::new();
        node.rsm.step(input, &mut effects);
        let (mut rearmed, mut granted_pre_vote) = (false, false);
        for effect in effects {
            let effect = match effect {
                rsm::Effect::Raft(effect) => effect,
                other => {
                    note(node, other);
                    continue;
                }
            };
            match effect {
                Effect::Send { to, message } => {
                    granted_pre_vote |= message.body == Body::PreVoteGranted;
                    if matches!(message.body, Body::ReadIndex { .. }) && came.message.is_some() {
                        node.events.push(Event::AskedAgain);
                    }
                    out.send(Id::from(usize::from(to.0)), packet(node, message));
                }
                Effect::Write(write) => {
                    let entries = node.replica().entries_of_write(&write).cloned().collect();
                    if matches!(write, Write::Append { first, .. } if first <= before.last) {
                        node.events.push(Event::Overwrote);
                    }
                    if let Write::Snapshot { id, keep } = write
                        && id.last.index > before.commit
                    {
                        let contradicted = before.contradicts;
                        let kept_tail = keep && before.last > id.last.index;
                        node.events.push(Event::Restored { id, kept_tail, contradicted });
                    }
                    node.pending.push_back(Pending { write, entries });
                }
                Effect::AfterDisk { .. } => panic!("a replica keeps its slow lane to itself"),
                Effect::Commit { .. } | Effect::Restore { .. } => {
                    panic!("a machine keeps its service to itself")
                }
                Effect::Arm(timer) => {
                    rearmed |= timer == Timer::Election;
                    node.armed.set(timer, true);
                }
                Effect::Disarm(timer) => node.armed.set(timer, false),
                Effect::Readable { id, index } => node.events.push(Event::Readable { id, index }),
                Effect::Refused(Refusal::ReadLost { id } | Refusal::TooManyReads { id }) => {
                    node.events.push(Event::ReadLost { id });
                }
                Effect::Refused(_) | Effect::Proposed { .. } | Effect::Role { .. } => {}
            }
        }
        let vote = node.replica().raft().hard_state().vote;
        let granted = came.message.is_some_and(|(from, _)| vote == Some(from));
        self.observe(node, &before, &came, rearmed && !granted);
        // RAFT-PREVOTE-1, this and the next claim.
        let helps = granted_pre_vote && (before.leads || before.heard);
        assert!(!helps, "who leads or hears a leader does not help to replace it");
        if let Some((_, Message { term, body: Body::PreVote { last } })) = came.message
            && term == node.replica().raft().term()
            && last >= node.replica().raft().last()
            && !(before.leads || before.heard)
        {
            assert!(granted_pre_vote, "who hears no leader helps whoever could win");
        }
        if self.contact_at_once && node.armed.contains(Timer::Contact) {
            node.armed.set(Timer::Contact, false);
            self.carry_out(node, raft_input(raft::Input::Timer(Timer::Contact)), out);
        }
    }

    /// Claims about one step that need the state before it; what is worth noting of it.
    fn observe(&self, node: &mut Node<R>, before: &Before, came: &Came, rearmed_for_nothing: bool) {
        let raft = node.replica().raft();
        assert!(raft.commit() >= before.commit, "the commit index never falls within a life");
        // RAFT-SNAP-4, among others.
        assert!(raft.term() >= before.term, "the term never falls within a life");
        if before.leads && raft.leads() && before.term == raft.term() {
            assert!(raft.last().index >= before.last, "Leader Append-Only");
            assert!(!node.events.contains(&Event::Overwrote), "Leader Append-Only");
            // RAFT-MATCH-1.
            let mut peers = before.matched.iter().zip(raft.progress());
            assert!(peers.all(|(old, peer)| *old <= peer.matched), "match indices only rise");
        }
        // RAFT-PREVOTE-2.
        let body = came.message.map(|(_, message)| message.body);
        let from_leader = body.is_some_and(|body| body.is_from_leader());
        assert!(before.heard || !raft.heard() || from_leader, "only a leader's message is contact");
        match body {
            Some(Body::PreVote { .. } | Body::RequestVote { .. }) => {
                // RAFT-TIMER-1.
                assert!(
                    !rearmed_for_nothing || before.leads,
                    "a refused request leaves the election timer alone"
                );
            }
            Some(Body::InstallSnapshot { id }) if id.last.index <= before.commit => {
                // RAFT-SNAP-2.
                assert_eq!(node.rsm.applied(), before.commit, "a stale snapshot changes nothing");
                node.events.push(Event::StaleSnapshot);
            }
            _ if came.timer == Some(Timer::Quorum) && before.leads && !raft.leads() => {
                node.events.push(Event::LostQuorum);
            }
            _ => {}
        }
    }

    fn stimulate(&self, node: &mut Node<R>, stimulus: StimulusOf<R>, out: &mut Out<Self>) {
        match stimulus {
            Stimulus::Timer(timer) => {
                node.armed.set(timer, false);
                self.feed(node, raft_input(raft::Input::Timer(timer)), out);
            }
            Stimulus::Disk => self.finish_write(node, out),
            Stimulus::Crash => self.crash(node, out),
            Stimulus::Propose => {
                let tag = Tag { node: self.config.me, boot: node.boots };
                let command = R::Service::proposal(tag);
                self.feed(node, Input::Replica(replica::Input::Propose(&[command])), out);
            }
            Stimulus::Read => {
                node.reads += 1;
                let boot = if self.fault == DiskFault::ReusesReadIds { 0 } else { node.boots };
                let id = ReadId(u64::from(boot) * 100 + u64::from(node.reads));
                node.events.push(Event::Asked { id });
                self.feed(node, raft_input(raft::Input::Read { id }), out);
            }
            Stimulus::Copy => node.copy = Some((node.applied(), node.rsm.service().clone())),
            Stimulus::Compact => self.compact(node, out),
            Stimulus::Campaign => self.feed(node, raft_input(raft::Input::Campaign), out),
            Stimulus::Submit(caller, command) => {
                self.feed(node, Input::Submit(vec![(caller, command)]), out);
            }
            Stimulus::Ask(ticket, query) => {
                self.feed(node, Input::Read(vec![(ticket, query)]), out);
            }
            Stimulus::GiveUpParked(below) => self.feed(node, Input::GiveUpParked { below }, out),
            Stimulus::GiveUp(below) => self.feed(node, Input::GiveUp { below }, out),
            Stimulus::Clock(now) => self.feed(node, Input::Clock { now }, out),
            Stimulus::NotPassed(ticket) => self.feed(node, Input::NotPassed { ticket }, out),
            Stimulus::Answer(from, ticket, outcome) => {
                self.feed(node, Input::Answer { from, ticket, outcome }, out);
            }
            Stimulus::Lost(server) => self.feed(node, Input::Lost { node: server }, out),
            Stimulus::Retry => {
                node.retries = false;
                self.feed(node, Input::Retry, out);
            }
        }
        node.forget_files();
    }

    /// The snapshot's file is durable before the machine hears of it.
    fn compact(&self, node: &mut Node<R>, out: &mut Out<Self>) {
        let copy = node.copy.take();
        let (mut through, mut state) =
            copy.unwrap_or_else(|| (node.applied(), node.rsm.service().clone()));
        if self.fault == DiskFault::SnapshotsUnapplied {
            through = node.replica().raft().last().index;
        }
        if self.fault == DiskFault::ForgetsRecords {
            state = state.without_records();
        }
        let terms = node.replica().raft().terms();
        let late = through < node.applied();
        let old = terms.base();
        if let Some(id) = terms.snapshot_at(through) {
            node.keep_file(id.last, state);
        }
        self.feed(node, raft_input(raft::Input::Compact { through }), out);
        if late {
            let taken = node.replica().raft().terms().base() != old;
            node.events.push(Event::CompactedLate { taken });
        }
    }

    fn finish_write(&self, node: &mut Node<R>, out: &mut Out<Self>) {
        let Some(Pending { mut write, entries }) = node.pending.pop_front() else { return };
        let term = node.disk.hard.term;
        let lost = match self.fault {
            DiskFault::LosesAppends => matches!(write, Write::Append { .. }),
            DiskFault::LosesSnapshots => matches!(write, Write::Snapshot { .. }),
            _ => false,
        };
        if let (DiskFault::MiscountsRuns, Write::Snapshot { id, .. }) = (self.fault, &mut write) {
            id.runs = 0;
        }
        let outer = IN_STEP.replace(true);
        let disk = &mut node.disk;
        if !lost
            && catch_unwind(AssertUnwindSafe(|| disk.apply(&write, entries.into_iter()))).is_err()
        {
            node.broken = Some("the disk can't follow the writes".into());
        }
        IN_STEP.set(outer);
        if node.disk.hard.term < term {
            node.broken = Some("the durable term never falls".into());
        }
        let reported = match self.fault {
            DiskFault::DropsReports if !node.pending.is_empty() => 0,
            DiskFault::ReportsEarly => node.replica().pending_writes(),
            _ => 1,
        };
        self.feed(node, Input::Replica(replica::Input::Durable { writes: reported }), out);
    }

    fn crash(&self, node: &mut Node<R>, out: &mut Out<Self>) {
        let mut disk = node.disk.clone();
        if self.fault == DiskFault::ForgetsHardState {
            disk.hard = Default::default();
        }
        let next = node.pending.front().map(|pending| pending.write);
        if self.fault == DiskFault::TearsSnapshots && matches!(next, Some(Write::Snapshot { .. })) {
            disk = Durable { hard: disk.hard, ..Durable::default() };
        }
        let writes = node.pending.len();
        let (files, boots) = (std::mem::take(&mut node.files), node.boots.saturating_add(1));
        *node = match self.fault {
            DiskFault::RestartsAhead => {
                self.boot_with(disk, files, node.rsm.service().clone(), boots, out)
            }
            _ => self.boot(disk, files, boots, out),
        };
        node.events.push(Event::Crashed { writes });
    }
}

impl<R: Recipe> Node<R> {
    /// Keeps a snapshot's file. One that is there already has the same content.
    fn keep_file(&mut self, last: LogId, state: R::Service) {
        if self.files.iter().all(|(known, _)| *known != last) {
            self.files.push((last, state));
        }
    }

    /// Deletes the files that no record names: neither one on the disk or on its way there, nor the machine's.
    fn forget_files(&mut self) {
        let (disk, memory) = (self.disk.snapshot().last, self.replica().raft().terms().base());
        let named: Vec<_> = self
            .pending
            .iter()
            .filter_map(|pending| match pending.write {
                Write::Snapshot { id, .. } => Some(id.last),
                _ => None,
            })
            .chain([disk, memory])
            .collect();
        self.files.retain(|(last, _)| named.contains(last));
    }
}

/// A message with what it carries.
fn packet<R: Recipe>(node: &Node<R>, message: Message) -> PacketOf<R> {
    let entries = node.replica().entries_of(&message).cloned().collect();
    let state = match message.body {
        Body::InstallSnapshot { id } => {
            let file = node.files.iter().find(|(last, _)| *last == id.last);
            Some(file.expect("a snapshot has its file").1.clone())
        }
        _ => None,
    };
    PacketOf::<R> { message, entries, state }
}

fn raft_input<S: StateMachine>(input: raft::Input) -> Input<'static, S> {
    Input::Replica(replica::Input::Raft(input))
}

/// What the machine asks of a driver beyond Raft.
fn note<R: Recipe>(node: &mut Node<R>, effect: rsm::Effect<ReplyOf<R>>) {
    node.events.push(match effect {
        rsm::Effect::Tell { ticket, outcome } => Event::Told { ticket, outcome },
        rsm::Effect::Pass { to, ticket } => Event::Passed { to, ticket },
        rsm::Effect::Resubmit { ticket } => Event::Again { ticket },
        rsm::Effect::ArmRetry => {
            node.retries = true;
            return;
        }
        rsm::Effect::Raft(_) => return,
    });
}

impl<R: Recipe> Actor for Server<R> {
    type Msg = PacketOf<R>;
    type State = Node<R>;
    type Timer = StimulusOf<R>;
    type Random = ();
    type Storage = ();

    fn on_start(&self, _: Id, _: &Option<()>, out: &mut Out<Self>) -> Node<R> {
        self.boot(Durable::default(), Vec::new(), 1, out)
    }

    fn on_msg(
        &self,
        _: Id,
        state: &mut Cow<'_, Node<R>>,
        src: Id,
        packet: PacketOf<R>,
        out: &mut Out<Self>,
    ) {
        let from = NodeId(usize::from(src) as u8);
        let mut node = state.as_ref().clone();
        let message = packet.message;
        match (message.body, &packet.state) {
            (Body::InstallSnapshot { id }, Some(state)) => {
                node.keep_file(id.last, state.clone());
                self.feed(&mut node, Input::Install { from, message, state }, out);
                node.forget_files();
            }
            _ => {
                let entries = &packet.entries;
                let input = replica::Input::Message { from, message, entries };
                self.feed(&mut node, Input::Replica(input), out);
            }
        }
        replace_if_changed(state, node);
    }

    fn on_timeout(
        &self,
        _: Id,
        state: &mut Cow<'_, Node<R>>,
        stimulus: &StimulusOf<R>,
        out: &mut Out<Self>,
    ) {
        let mut node = state.as_ref().clone();
        self.stimulate(&mut node, stimulus.clone(), out);
        replace_if_changed(state, node);
    }
}

/// Keeps a `Cow` borrowed when nothing changed, so that stateright prunes the step.
fn replace_if_changed<R: Recipe>(state: &mut Cow<'_, Node<R>>, node: Node<R>) {
    if **state != node || !node.events.is_empty() {
        *state = Cow::Owned(node);
    }
}
