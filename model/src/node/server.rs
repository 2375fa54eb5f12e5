//! The actor: inputs from stateright, effects carried out, disks that finish or forget.

use super::{Armed, Event, Node, Packet, Pending, Stimulus, Tag};
use protocol::log::Durable;
use protocol::raft::{self, Body, Config, Effect, Message, Refusal, Rules, Timer};
use protocol::replica::{Input, Replica};
use protocol::{Index, Machine, NodeId, ReadId, Term, Write};
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
    /// A restart resumes with nothing applied although a snapshot covers a prefix.
    RestartsBeforeSnapshot,
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

impl<R: Rules> Server<R> {
    fn boot(&self, disk: Durable<Tag>, boots: u8, out: &mut Out<Self>) -> Node<R> {
        let applied = match self.fault {
            DiskFault::RestartsBeforeSnapshot => 0,
            _ => disk.snapshot().last.index,
        };
        let mut node = Node {
            replica: Replica::new(self.rules, self.config, disk.clone()),
            armed: Armed::default(),
            pending: VecDeque::new(),
            disk,
            boots,
            reads: 0,
            applied,
            broken: None,
            events: Vec::new(),
        };
        self.feed(&mut node, Input::Raft(raft::Input::Start), out);
        node
    }

    /// One input and its effects. A claim that does not hold is caught here and nowhere else.
    fn feed(&self, node: &mut Node<R>, input: Input<'_, Tag>, out: &mut Out<Self>) {
        let outer = IN_STEP.replace(true);
        let result = catch_unwind(AssertUnwindSafe(|| self.carry_out(node, input, out)));
        IN_STEP.set(outer);
        if let Err(panic) = result {
            let text = panic.downcast_ref::<&str>().map(ToString::to_string);
            let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
            node.broken = Some(text.unwrap_or_else(|| "a claim failed".into()).into());
        }
    }

    fn carry_out(&self, node: &mut Node<R>, input: Input<'_, Tag>, out: &mut Out<Self>) {
        let before = Before::of(node, &input);
        let mut effects = Vec::new();
        node.replica.step(input, &mut effects);
        let (mut rearmed, mut granted_pre_vote) = (false, false);
        for effect in effects {
            match effect {
                Effect::Send { to, message } => {
                    granted_pre_vote |= message.body == Body::PreVoteGranted;
                    if matches!(message.body, Body::ReadIndex { .. })
                        && matches!(input, Input::Message { .. })
                    {
                        node.events.push(Event::AskedAgain);
                    }
                    let entries = node.replica.entries_of(&message).copied().collect();
                    out.send(Id::from(usize::from(to.0)), Packet { message, entries });
                }
                Effect::Write(write) => {
                    let entries = node.replica.entries_of_write(&write).copied().collect();
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
                Effect::Commit { through } => {
                    // This and the next also watch RAFT-SNAP-6: where a restart resumes.
                    assert!(through > node.applied, "every entry is applied once");
                    let log = node.replica.log();
                    let there = (node.applied + 1..=through).all(|index| log.get(index).is_some());
                    assert!(there, "what is to be applied is in the log");
                    node.applied = through;
                }
                Effect::Restore { id } => {
                    // RAFT-SNAP-2.
                    assert!(
                        id.last.index > node.applied,
                        "a snapshot never takes the service back"
                    );
                    node.applied = id.last.index;
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
        let granted = node.replica.raft().hard_state().vote.is_some_and(|vote| input.is_from(vote));
        self.observe(node, &before, input, rearmed && !granted);
        // RAFT-PREVOTE-1, this and the next claim.
        let helps = granted_pre_vote && (before.leads || before.heard);
        assert!(!helps, "who leads or hears a leader does not help to replace it");
        if let Input::Message { message: Message { term, body: Body::PreVote { last } }, .. } =
            input
            && term == node.replica.raft().term()
            && last >= node.replica.raft().last()
            && !(before.leads || before.heard)
        {
            assert!(granted_pre_vote, "who hears no leader helps whoever could win");
        }
        if self.contact_at_once && node.armed.contains(Timer::Contact) {
            node.armed.set(Timer::Contact, false);
            self.carry_out(node, Input::Raft(raft::Input::Timer(Timer::Contact)), out);
        }
    }

    /// Claims about one step that need the state before it; what is worth noting of it.
    fn observe(
        &self,
        node: &mut Node<R>,
        before: &Before,
        input: Input<'_, Tag>,
        rearmed_for_nothing: bool,
    ) {
        let raft = node.replica.raft();
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
        let from_leader = matches!(input, Input::Message { message, .. }
            if message.body.is_from_leader());
        assert!(before.heard || !raft.heard() || from_leader, "only a leader's message is contact");
        match input {
            Input::Message { message: Message { body, .. }, .. } => match body {
                Body::PreVote { .. } | Body::RequestVote { .. } => {
                    // RAFT-TIMER-1.
                    assert!(
                        !rearmed_for_nothing || before.leads,
                        "a refused request leaves the election timer alone"
                    );
                }
                Body::InstallSnapshot { id } if id.last.index <= before.commit => {
                    node.events.push(Event::StaleSnapshot);
                }
                _ => {}
            },
            Input::Raft(raft::Input::Timer(Timer::Quorum)) if before.leads && !raft.leads() => {
                node.events.push(Event::LostQuorum);
            }
            _ => {}
        }
    }

    fn stimulate(&self, node: &mut Node<R>, stimulus: Stimulus, out: &mut Out<Self>) {
        match stimulus {
            Stimulus::Timer(timer) => {
                node.armed.set(timer, false);
                self.feed(node, Input::Raft(raft::Input::Timer(timer)), out);
            }
            Stimulus::Disk => self.finish_write(node, out),
            Stimulus::Crash => self.crash(node, out),
            Stimulus::Propose => {
                let tag = Tag { node: self.config.me, boot: node.boots };
                self.feed(node, Input::Propose(&[tag]), out);
            }
            Stimulus::Read => {
                node.reads += 1;
                let boot = if self.fault == DiskFault::ReusesReadIds { 0 } else { node.boots };
                let id = ReadId(u64::from(boot) * 100 + u64::from(node.reads));
                node.events.push(Event::Asked { id });
                self.feed(node, Input::Raft(raft::Input::Read { id }), out);
            }
            Stimulus::Compact => {
                let through = match self.fault {
                    DiskFault::SnapshotsUnapplied => node.replica.raft().last().index,
                    _ => node.applied,
                };
                self.feed(node, Input::Raft(raft::Input::Compact { through }), out);
            }
            Stimulus::Campaign => self.feed(node, Input::Raft(raft::Input::Campaign), out),
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
            DiskFault::ReportsEarly => node.replica.pending_writes(),
            _ => 1,
        };
        self.feed(node, Input::Durable { writes: reported }, out);
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
        *node = self.boot(disk, node.boots.saturating_add(1), out);
        node.events.push(Event::Crashed { writes });
    }
}

/// What of a server's state one step is compared with.
struct Before {
    commit: Index,
    term: Term,
    last: Index,
    leads: bool,
    heard: bool,
    matched: Vec<Index>,
    /// A snapshot has come that ends at another entry than the log has there.
    contradicts: bool,
}

impl Before {
    fn of<R: Rules>(node: &Node<R>, input: &Input<'_, Tag>) -> Self {
        let raft = node.replica.raft();
        let contradicts = match input {
            Input::Message {
                message: Message { body: Body::InstallSnapshot { id }, .. }, ..
            } => raft.terms().term_at(id.last.index).is_some_and(|term| term != id.last.term),
            _ => false,
        };
        Self {
            commit: raft.commit(),
            term: raft.term(),
            last: raft.last().index,
            leads: raft.leads(),
            heard: raft.heard(),
            matched: raft.progress().iter().map(|peer| peer.matched).collect(),
            contradicts,
        }
    }
}

impl<R: Rules> Actor for Server<R> {
    type Msg = Packet;
    type State = Node<R>;
    type Timer = Stimulus;
    type Random = ();
    type Storage = ();

    fn on_start(&self, _: Id, _: &Option<()>, out: &mut Out<Self>) -> Node<R> {
        self.boot(Durable::default(), 1, out)
    }

    fn on_msg(
        &self,
        _: Id,
        state: &mut Cow<'_, Node<R>>,
        src: Id,
        packet: Packet,
        out: &mut Out<Self>,
    ) {
        let from = NodeId(usize::from(src) as u8);
        let mut node = state.as_ref().clone();
        let input = Input::Message { from, message: packet.message, entries: &packet.entries };
        self.feed(&mut node, input, out);
        replace_if_changed(state, node);
    }

    fn on_timeout(
        &self,
        _: Id,
        state: &mut Cow<'_, Node<R>>,
        stimulus: &Stimulus,
        out: &mut Out<Self>,
    ) {
        let mut node = state.as_ref().clone();
        self.stimulate(&mut node, *stimulus, out);
        replace_if_changed(state, node);
    }
}

/// Keeps a `Cow` borrowed when nothing changed, so that stateright prunes the step.
fn replace_if_changed<R: Rules>(state: &mut Cow<'_, Node<R>>, node: Node<R>) {
    if **state != node || !node.events.is_empty() {
        *state = Cow::Owned(node);
    }
}
