//! Liveness without temporal logic: from a state, a fixed schedule without faults must converge.
//!
//! stateright's `eventually` misses cycles and joins and knows no fairness. Instead, from a state that a
//! checker has reached, this runs one fair schedule: disks finish their writes, every message arrives, a
//! leader's heartbeats fire, and without a leader the servers try to get elected, the lowest number first.
//! Within [`ROUNDS`] rounds there must be one leader and equal logs with *everything in them committed*,
//! without any help from clients; then a new command must be committed everywhere, and no read may still
//! wait. No leader may step down that everyone answers. Snapshots take three rounds to arrive, for they are large.
//!
//! The same must hold with any one server silent for good, if the others are a majority (§5: "fully
//! functional as long as any majority is").
//!
//! PROP-CONVERGENCE; watches the rules without which a group is safe and stands still: RAFT-TERM-3,
//! RAFT-VOTE-2, RAFT-PREVOTE-3, RAFT-LEAD-1, RAFT-APPEND-1, RAFT-NEXT-1, RAFT-NEXT-2, RAFT-NEXT-3,
//! RAFT-COMMIT-1, RAFT-QUORUM-2, RAFT-SNAP-5, and RAFT-DISK-2's reports.

use crate::cluster::{Cluster, State};
use crate::errands::{Errands, Parcel, ParcelOf};
use crate::node::{Event, Node, PacketOf, Recipe, Server, Stimulus, StimulusOf};
use protocol::NodeId;
use protocol::raft::{Body, Timer};
use protocol::rsm::Caller;
use stateright::actor::{Actor, Command, Id, Out};
use std::borrow::Cow;
use std::collections::VecDeque;

/// Within how many rounds a cluster must converge, for each of the two goals.
pub const ROUNDS: usize = 24;

/// A snapshot is large: it takes so many rounds to arrive, longer than an election timeout.
const TRANSFER_ROUNDS: usize = 3;

/// How many messages one round may deliver. More is a conversation without end.
const DELIVERIES: usize = 2_000;

struct Mail<R: Recipe> {
    from: usize,
    to: usize,
    packet: PacketOf<R>,
}

struct Schedule<'a, R: Recipe> {
    servers: Vec<&'a Server<R>>,
    nodes: Vec<Node<R>>,
    /// The servers that take part.
    present: Vec<usize>,
    mail: VecDeque<Mail<R>>,
    /// Snapshots under way, by the rounds until they arrive.
    transfers: VecDeque<Vec<Mail<R>>>,
    elections: usize,
    errands: Errands<R>,
}

/// Runs the schedule with all servers, and with each one silent. The error says what did not come about.
pub fn converge<R: Recipe>(cluster: &Cluster<R>, state: &State<R>) -> Result<(), String> {
    converge_with(cluster, state, &Errands::default())
}

/// The same with what servers have passed on to each other.
pub fn converge_with<R: Recipe>(
    cluster: &Cluster<R>,
    state: &State<R>,
    errands: &Errands<R>,
) -> Result<(), String> {
    let servers = state.actor_states.len();
    converge_without(cluster, state, errands, None)?;
    let spare = servers - protocol::quorum::majority(servers) > 0;
    (0..servers).filter(|_| spare).try_for_each(|silent| {
        converge_without(cluster, state, errands, Some(silent))
            .map_err(|error| format!("without n{silent}: {error}"))
    })
}

fn converge_without<R: Recipe>(
    cluster: &Cluster<R>,
    state: &State<R>,
    errands: &Errands<R>,
    silent: Option<usize>,
) -> Result<(), String> {
    let count = state.actor_states.len();
    let mut schedule = Schedule {
        servers: (0..count).map(|n| cluster.server(NodeId(n as u8))).collect(),
        nodes: state.actor_states.iter().map(|node| (**node).clone()).collect(),
        present: (0..count).filter(|&n| Some(n) != silent).collect(),
        mail: VecDeque::new(),
        transfers: (0..TRANSFER_ROUNDS).map(|_| Vec::new()).collect(),
        elections: 0,
        errands: errands.clone(),
    };
    let mut envelopes: Vec<_> =
        state.network.iter_deliverable().map(|envelope| envelope.to_cloned_msg()).collect();
    envelopes.sort_unstable();
    for envelope in envelopes {
        schedule.post(usize::from(envelope.src), usize::from(envelope.dst), envelope.msg);
    }
    schedule.until(Schedule::agrees, "one leader, equal logs, everything committed")?;
    let Some(leader) = schedule.leader() else { return Err("the leader was lost".into()) };
    let before = schedule.nodes[leader].replica().raft().commit();
    schedule.stimulate(leader, Stimulus::Propose)?;
    schedule.until(
        |schedule| {
            let grown = schedule.present().all(|node| node.replica().raft().commit() > before);
            schedule.agrees() && grown && schedule.no_reads()
        },
        "a new command committed everywhere, and no read waiting",
    )
}

impl<R: Recipe> Schedule<'_, R> {
    fn until(&mut self, goal: impl Fn(&Self) -> bool, what: &str) -> Result<(), String> {
        for _ in 0..ROUNDS {
            self.round()?;
            if goal(self) {
                return Ok(());
            }
        }
        let nodes: Vec<_> = self.nodes.iter().map(|node| format!("{node:?}")).collect();
        Err(format!("not within {ROUNDS} fair rounds: {what}\n{}", nodes.join("\n")))
    }

    /// One round: what is under way arrives, leaders send heartbeats and look whether a quorum answered,
    /// or somebody tries to get elected.
    fn round(&mut self) -> Result<(), String> {
        self.transfers.push_back(Vec::new());
        self.mail.extend(self.transfers.pop_front().unwrap_or_default());
        self.settle()?;
        let leads = |&n: &usize| self.nodes[n].replica().raft().leads();
        let leaders: Vec<_> = self.present.iter().copied().filter(leads).collect();
        for &leader in &leaders {
            self.fire(leader, Timer::Heartbeat)?;
        }
        self.settle()?;
        for leader in leaders {
            let led = self.nodes[leader].replica().raft().leads();
            self.fire(leader, Timer::Quorum)?;
            if led && !self.nodes[leader].replica().raft().leads() {
                return Err(format!("n{leader} stopped leading although everyone had answered it"));
            }
        }
        if !self.majority_follows() {
            for position in 0..self.present.len() {
                self.fire(self.present[position], Timer::Contact)?;
            }
            let candidate = self.present[self.elections % self.present.len()];
            self.elections += 1;
            self.fire(candidate, Timer::Election)?;
            self.settle()?;
        }
        self.run_errands()
    }

    /// What was passed on arrives, what can't be answered is lost, what waits is tried again, and clocks are looked at.
    fn run_errands(&mut self) -> Result<(), String> {
        for position in 0..self.present.len() {
            let number = self.present[position];
            let me = NodeId(number as u8);
            let sent: Vec<_> = self.nodes[number].rsm.sent_on().collect();
            for (ticket, to) in sent {
                let there = self.present.contains(&usize::from(to.0));
                if !there || !self.errands.may_answer(me, to, ticket) {
                    self.errands.lose(me, to);
                    self.stimulate(number, Stimulus::Lost(to))?;
                }
            }
            if self.nodes[number].retries {
                self.stimulate(number, Stimulus::Retry)?;
            }
            let rsm = &self.nodes[number].rsm;
            if let Some(due) = rsm.wants_clock() {
                let now = rsm.time().max(due);
                self.stimulate(number, Stimulus::Clock(now))?;
            }
        }
        self.settle()
    }

    fn deliver_parcel(&mut self, parcel: ParcelOf<R>) -> Result<(), String> {
        match parcel {
            Parcel::Call { from, to, ticket, command, heard } => {
                self.errands.arrive(to, ticket, heard.then_some(from));
                let caller = Caller { ticket, passes: false };
                self.stimulate(usize::from(to.0), Stimulus::Submit(caller, command))
            }
            Parcel::Answer { from, to, ticket, outcome } => {
                self.stimulate(usize::from(to.0), Stimulus::Answer(from, ticket, outcome))
            }
        }
    }

    fn fire(&mut self, number: usize, timer: Timer) -> Result<(), String> {
        match self.nodes[number].armed.contains(timer) {
            true => self.stimulate(number, Stimulus::Timer(timer)),
            false => Ok(()),
        }
    }

    /// Finishes writes and delivers messages until nothing is left.
    fn settle(&mut self) -> Result<(), String> {
        for _ in 0..DELIVERIES {
            if let Some(number) = (0..self.nodes.len()).find(|&n| !self.nodes[n].pending.is_empty())
            {
                self.stimulate(number, Stimulus::Disk)?;
            } else if let Some(Mail { from, to, packet }) = self.mail.pop_front() {
                let mut out = Out::new();
                let mut node = Cow::Borrowed(&self.nodes[to]);
                self.servers[to].on_msg(Id::from(to), &mut node, Id::from(from), packet, &mut out);
                let node = node.into_owned();
                self.replace(to, node, out)?;
            } else if let Some(parcel) = self.errands.under_way.pop_first() {
                let (Parcel::Call { to, .. } | Parcel::Answer { to, .. }) = parcel;
                if self.present.contains(&usize::from(to.0)) {
                    self.deliver_parcel(parcel)?;
                }
            } else {
                return Ok(());
            }
        }
        Err(format!("the servers still talk after {DELIVERIES} messages of one round"))
    }

    fn stimulate(&mut self, number: usize, stimulus: StimulusOf<R>) -> Result<(), String> {
        let mut out = Out::new();
        let mut node = Cow::Borrowed(&self.nodes[number]);
        self.servers[number].on_timeout(Id::from(number), &mut node, &stimulus, &mut out);
        let node = node.into_owned();
        self.replace(number, node, out)
    }

    fn replace(
        &mut self,
        number: usize,
        mut node: Node<R>,
        out: Out<Server<R>>,
    ) -> Result<(), String> {
        if let Some(broken) = &node.broken {
            return Err(format!("n{number} broke a claim on the way: {broken}"));
        }
        let events = std::mem::take(&mut node.events);
        self.nodes[number] = node;
        for command in out {
            if let Command::Send(to, packet) = command {
                self.post(number, usize::from(to), packet);
            }
        }
        let me = NodeId(number as u8);
        for event in events {
            match event {
                Event::Passed { to, ticket } => self.errands.pass(me, to, ticket),
                Event::Again { ticket } => {
                    let command = self.errands.again(me, ticket);
                    let caller = Caller { ticket, passes: true };
                    self.stimulate(number, Stimulus::Submit(caller, command))?;
                }
                Event::Told { ticket, outcome } => {
                    self.errands.tell(me, ticket, &outcome);
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn post(&mut self, from: usize, to: usize, packet: PacketOf<R>) {
        if !self.present.contains(&from) || !self.present.contains(&to) {
            return;
        }
        let mail = Mail { from, to, packet };
        match mail.packet.message.body {
            Body::InstallSnapshot { .. } => self.transfers[TRANSFER_ROUNDS - 1].push(mail),
            _ => self.mail.push_back(mail),
        }
    }

    fn present(&self) -> impl Iterator<Item = &Node<R>> {
        self.present.iter().map(|&number| &self.nodes[number])
    }

    /// Whether some server leads a majority, which then needs no election.
    fn majority_follows(&self) -> bool {
        self.present.iter().any(|&leader| {
            let follows =
                |node: &&Node<R>| node.replica().raft().leader() == Some(NodeId(leader as u8));
            self.nodes[leader].replica().raft().leads()
                && self.present().filter(follows).count() > self.nodes.len() / 2
        })
    }

    /// The only leader, if all others follow it.
    fn leader(&self) -> Option<usize> {
        let mut present = self.present.iter().copied();
        let leader = present.find(|&n| self.nodes[n].replica().raft().leads())?;
        let follows = |node: &Node<R>| node.replica().raft().leader() == Some(NodeId(leader as u8));
        self.present().all(follows).then_some(leader)
    }

    /// One leader, equal logs in memory and on disk, everything in them committed and applied, every caller told.
    fn agrees(&self) -> bool {
        let Some(leader) = self.leader() else { return false };
        let last = self.nodes[leader].replica().raft().last();
        self.present().all(|node| {
            let raft = node.replica().raft();
            raft.last() == last
                && node.disk.terms.last() == last
                && raft.commit() == last.index
                && node.applied() == last.index
                && node.rsm.waiting() == 0
        })
    }

    fn no_reads(&self) -> bool {
        self.present().all(|node| !node.replica().raft().awaits_read())
    }
}
