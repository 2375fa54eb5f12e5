//! The replicated store and its clients (labs 3 and 4): what callers are told is so, whatever happens to the servers.
//!
//! The servers are those of [`crate::cluster`], with the store inside. Clients are outside of them: a client hands a
//! call to any server in one step, and what the server tells waits until the client hears it, or never. So an answer
//! may come when its client has sent the call again elsewhere, and a copy may lie in a deposed leader's log.
//! `record.rs` has what is true, and compares.

use crate::cluster::{self, Cluster};
use crate::converge::converge_with;
use crate::errands::{Errands, Parcel, ParcelOf};
use crate::history::Violation as RaftViolation;
use crate::node::{self, DiskFault, Node, PacketOf};
use crate::raft::{CLAIMS, STATE_MACHINE_SAFETY};
use crate::search::fingerprint;
use client::Moves;
use protocol::kv::clerk::{self, Answer, Outcome, Request};
use protocol::kv::{Bytes, Op};
use protocol::log::Entry;
use protocol::raft::Timer;
use protocol::rsm::{self, Caller, Rules, Ticket};
use protocol::{LogId, NodeId, Term};
use record::{Step, Wait};
use serde::{Deserialize, Serialize};
use shelf::call_of;
use stateright::actor::{ActorModelAction, Id};
use stateright::{Model, Path, Property};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

mod bounds;
mod client;
mod mutants;
mod probes;
mod record;
mod runs;
mod shelf;
mod telling;

pub use bounds::Bounds;
pub use client::{Client, Program};
pub use mutants::{Bug, HUNTS, Hunt, Wrong};
pub use probes::{Corner, Corners};
pub use record::{Record, Violation};
pub use runs::{GROUPS, GroupRun};
pub use shelf::{Sending, Served, Shelf};
pub use telling::{bounds_text, describe, follow, picture, transcript};

/// Every caller is told what is so, once, and nobody is told another's result.
///
/// PROP-TELLS; watches RSM-TELL-1, RSM-TELL-2, RSM-TELL-3, RSM-TELL-4, RSM-TELL-5, RSM-PASS-1,
/// RSM-PASS-2.
pub const TELLS: &str = "Tells Are True";
/// A server's service is what the committed history makes of an empty store, up to what the server has applied.
///
/// PROP-SERVICE; watches RSM-APPLY-1, RSM-SNAP-1, RAFT-SNAP-6.
pub const SERVICE: &str = "Service Is History";
/// No server's service has executed a call twice: PROP-EXACTLY-ONCE; watches RSM-SNAP-1.
pub const EXACTLY_ONCE: &str = crate::kv::EXACTLY_ONCE;
/// PROP-VERSIONS, of each server's store.
pub const VERSIONS: &str = crate::kv::VERSIONS;
/// No read is answered from a state older than what was committed when it was asked.
///
/// PROP-FRESH; watches RSM-READ-1, RSM-READ-2.
pub const FRESH: &str = "Reads Are Fresh";
/// PROP-LINEARIZABLE, of the clients' calls.
pub const LINEARIZABLE: &str = crate::kv::LINEARIZABLE;
/// From here, a fair schedule brings the servers together ([`crate::converge`]) and everybody who waits is told.
///
/// PROP-TOLD; watches RSM-TELL-2, RSM-PARK-1, RSM-PASS-3, RSM-TICK-1.
pub const TOLD: &str = "Everyone Is Told";

/// A leader shows nobody what was due by its clock when it was asked.
///
/// PROP-DUE; watches RSM-DUE-1.
pub const DUE: &str = "What Is Due Is Gone";

/// The properties' ids in SPEC.md that are of this model alone, with their names.
pub const IDS: [(&str, &str); 5] = [
    ("PROP-TELLS", TELLS),
    ("PROP-SERVICE", SERVICE),
    ("PROP-FRESH", FRESH),
    ("PROP-DUE", DUE),
    ("PROP-TOLD", TOLD),
];

/// An answer on its way to a client.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Letter {
    /// To which sending of a call.
    pub ticket: Ticket,
    /// The answer.
    pub answer: Answer,
}

/// What may happen besides the servers' messages.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stimulus {
    /// To a server.
    Server(node::StimulusOf<Served<rsm::Decided>>),
    /// A client makes its next call, at a server.
    Call(u8, NodeId),
    /// A client has waited long enough and sends its call to a server.
    Retry(u8, NodeId),
    /// A client hears this.
    Hear(Letter),
    /// What one server has sent another arrives.
    Arrive(ParcelOf<Served<rsm::Decided>>),
    /// A server finds that what it was to pass on has not left.
    Stay(ParcelOf<Served<rsm::Decided>>),
    /// A server loses its connection to another.
    Lose(NodeId, NodeId),
}

/// A step.
pub type Action = ActorModelAction<Message, Stimulus, ()>;
/// A message between servers.
pub type Message = PacketOf<Served<rsm::Decided>>;

/// Servers, clients, answers under way, and what is true.
#[derive(Clone, PartialEq, Hash, Debug)]
pub struct State<W: Rules> {
    /// The servers and their network.
    pub servers: cluster::State<Served<W>>,
    /// The clients.
    pub clients: Vec<Client>,
    /// Answers under way.
    pub mail: BTreeSet<Letter>,
    /// What servers pass on to each other.
    pub errands: Errands<Served<W>>,
    /// What is true.
    pub record: Record,
}

/// A model of a replicated store within bounds.
#[derive(Clone)]
pub struct Group<W: Rules> {
    cluster: Cluster<Served<W>>,
    /// What may happen.
    pub bounds: Bounds,
    /// What was reached; shared by all clones.
    pub corners: Arc<Corners>,
}

impl<W: Rules> Group<W> {
    /// A group whose servers tell by `rules` and have disks with `fault`.
    pub fn new(bounds: Bounds, rules: W, fault: DiskFault) -> Self {
        let cluster = Cluster::new(bounds.servers, Served(rules), fault);
        Self { cluster, bounds, corners: Arc::default() }
    }

    /// When set, no further actions are offered.
    pub fn stop(&self) -> &AtomicBool {
        &self.cluster.stop
    }

    fn server<'a>(&self, state: &'a State<W>, id: Id) -> &'a Node<Served<W>> {
        &state.servers.actor_states[usize::from(id)]
    }

    /// A server takes a step, and the record takes it in. None if nothing changes.
    fn serve(&self, last: &State<W>, server: usize, action: ServerAction<W>) -> Option<State<W>> {
        let crash = matches!(action, ActorModelAction::Timeout(_, node::Stimulus::Crash));
        let comes = matches!(
            action,
            ActorModelAction::Timeout(_, node::Stimulus::Submit(..) | node::Stimulus::Ask(..))
        );
        let deadline = matches!(
            action,
            ActorModelAction::Timeout(
                _,
                node::Stimulus::GiveUp(_) | node::Stimulus::GiveUpParked(_)
            )
        );
        let beat =
            matches!(action, ActorModelAction::Timeout(_, node::Stimulus::Timer(Timer::Heartbeat)));
        let (servers, events) = self.cluster.step(&last.servers, action)?;
        let mut next = State { servers, ..last.clone() };
        next.record.beats += u8::from(beat);
        if crash {
            next.record.forget(server);
            next.errands.crash(NodeId(server as u8));
            if self.server(&next, Id::from(server)).rsm.service().has_records() {
                self.corners.reach(Corner::RestartedRecords);
            }
        }
        next.record.deadlines += u8::from(deadline);
        self.note_proposals(&mut next, server, comes);
        let node = &next.servers.actor_states[server];
        if node.broken.is_some() {
            return Some(next);
        }
        let step = Step {
            server: NodeId(server as u8),
            applied: node.applied(),
            service: node.rsm.service(),
            leads: leads_term(node),
            committed: last.servers.history.committed.len(),
            deadline,
            later: !comes,
        };
        next.record.note(&step, &next.servers.history, &events, &self.corners);
        let me = NodeId(server as u8);
        let mut again = Vec::new();
        for event in events {
            let (ticket, outcome) = match event {
                node::Event::Told { ticket, outcome } => (ticket, outcome),
                node::Event::Passed { to, ticket } => {
                    next.errands.pass(me, to, ticket);
                    continue;
                }
                node::Event::Again { ticket } => {
                    again.push(ticket);
                    continue;
                }
                _ => continue,
            };
            if next.errands.tell(me, ticket, &outcome) {
                continue;
            }
            let answer = match outcome {
                rsm::Outcome::Done(reply) => Answer::Reply(reply),
                rsm::Outcome::NotExecuted { leader } => Answer::NotExecuted { leader },
                // Says nothing that the client did not know: it waits for its timer.
                rsm::Outcome::Unknown | rsm::Outcome::Busy => continue,
            };
            next.mail.insert(Letter { ticket, answer });
        }
        for ticket in again {
            let command = next.errands.again(me, ticket);
            next = self.submit(next, me, Caller { ticket, passes: true }, command);
        }
        self.drop_void(&mut next);
        Some(next)
    }

    /// A server takes a command, and puts its stamp on it.
    fn submit(&self, last: State<W>, to: NodeId, caller: Caller, command: Sending) -> State<W> {
        let stamp = self.server(&last, Id::from(usize::from(to.0))).rsm.time();
        let stimulus = node::Stimulus::Submit(caller, Sending { stamp, ..command });
        let came = ActorModelAction::Timeout(Id::from(usize::from(to.0)), stimulus);
        self.serve(&last, usize::from(to.0), came).unwrap_or(last)
    }

    /// What one server has sent another arrives.
    fn arrive(&self, last: &State<W>, parcel: ParcelOf<Served<W>>) -> Option<State<W>> {
        let mut next = last.clone();
        next.errands.under_way.remove(&parcel);
        match parcel {
            Parcel::Call { from, to, ticket, command, heard } => {
                next.errands.arrive(to, ticket, heard.then_some(from));
                let at_leader = self.leader_of(&next, to).is_some();
                let (hop, entry) = (command.hop, None);
                let wait = Wait { hop, entry, at_leader, ..Wait::default() };
                next.record.waits.insert((to, ticket), wait);
                Some(self.submit(next, to, Caller { ticket, passes: false }, command))
            }
            Parcel::Answer { from, to, ticket, outcome } => {
                let server = usize::from(to.0);
                let stimulus = node::Stimulus::Answer(from, ticket, outcome);
                let came = ActorModelAction::Timeout(Id::from(server), stimulus);
                Some(self.serve(&next, server, came).unwrap_or(next))
            }
        }
    }

    /// A server finds out that what it was to pass on has not left.
    fn stay(&self, last: &State<W>, parcel: ParcelOf<Served<W>>) -> Option<State<W>> {
        let mut next = last.clone();
        next.errands.under_way.remove(&parcel);
        next.record.lost += 1;
        let Parcel::Call { from, ticket, .. } = parcel else { return None };
        let server = usize::from(from.0);
        let came = ActorModelAction::Timeout(Id::from(server), node::Stimulus::NotPassed(ticket));
        Some(self.serve(&next, server, came).unwrap_or(next))
    }

    fn lose(&self, last: &State<W>, from: NodeId, to: NodeId) -> Option<State<W>> {
        let mut next = last.clone();
        next.errands.lose(from, to);
        next.record.lost += 1;
        let server = usize::from(from.0);
        let came = ActorModelAction::Timeout(Id::from(server), node::Stimulus::Lost(to));
        Some(self.serve(&next, server, came).unwrap_or(next))
    }

    fn leader_of(&self, state: &State<W>, server: NodeId) -> Option<NodeId> {
        self.server(state, Id::from(usize::from(server.0))).replica().raft().leader()
    }

    /// RED-ANSWER. An answer to a call that is over changes nothing, now and for ever.
    ///
    /// RED-HEARD. Nor does the answer to a client's last call, where nobody sends again and no order is kept.
    fn drop_void(&self, state: &mut State<W>) {
        let Bounds { attempts, linearizable, keep_heard, .. } = self.bounds;
        let last_matters = keep_heard || linearizable || attempts > 1;
        let clients = &state.clients;
        state.mail.retain(|letter| {
            let (call, _) = call_of(letter.ticket);
            let client = &clients[usize::from(call.0)];
            client.is_busy() && client.call() == call && (last_matters || client.has_more())
        });
    }

    /// Finds the entries of the commands that were proposed.
    fn note_proposals(&self, state: &mut State<W>, server: usize, comes: bool) {
        let node = &state.servers.actor_states[server];
        let (log, terms) = (node.replica().log(), node.replica().raft().terms());
        let open = |at: NodeId, wait: &Wait| {
            usize::from(at.0) == server && wait.read.is_none() && wait.entry.is_none() && !wait.sent
        };
        let waits = state.record.waits.iter_mut();
        for (&(_, ticket), wait) in waits.filter(|((at, _), wait)| open(*at, wait)) {
            let first = terms.base().index + 1;
            let hop = wait.hop;
            let index = (first..=log.last()).find(|&index| match log.get(index) {
                Some(Entry::Command(one)) => (one.ticket, one.hop) == (ticket, hop),
                _ => false,
            });
            let Some(index) = index else { continue };
            let term = terms.term_at(index).expect("what is in the log has a term");
            wait.entry = Some(LogId::new(term, index));
            if !comes {
                self.corners.reach(Corner::ParkedThenProposed);
            }
        }
    }

    /// A client moves: what it sends is handed to a server in the same step.
    fn carry_out(
        &self,
        mut next: State<W>,
        client: usize,
        moves: Moves,
        to: Option<NodeId>,
    ) -> Option<State<W>> {
        if let Some(Outcome::Reply(reply)) = &moves.done {
            next.record.end(next.clients[client].call(), reply);
        }
        self.drop_void(&mut next);
        let Some((own, Request { seq, attempt, command })) = moves.sends else { return Some(next) };
        let to = to.unwrap_or(own);
        let ticket = shelf::ticket((client as u8, seq), attempt);
        let committed = next.servers.history.committed.len() as u64;
        let server = usize::from(to.0);
        let node = &next.servers.actor_states[server];
        let at_leader = node.replica().raft().leader().is_some();
        if !at_leader {
            self.corners.reach(Corner::Parked);
        }
        let passes = self.bounds.passes;
        let wait = Wait { at_leader, ..Wait::default() };
        if command.op != Op::Get {
            let sending = Sending { ticket, hop: 0, stamp: 0, command };
            if passes {
                next.errands.keep(to, ticket, sending.clone());
            }
            next.record.waits.insert((to, ticket), Wait { passes, ..wait });
            return Some(self.submit(next, to, Caller { ticket, passes }, sending));
        }
        let until = leads_term(node).filter(|_| self.bounds.latest > 0);
        let until = until.map(|term| (term, node.rsm.time()));
        let read = Some((committed, command.key.clone()));
        next.record.waits.insert((to, ticket), Wait { read, until, ..wait });
        let stimulus = node::Stimulus::Ask(ticket, command.key);
        let came = ActorModelAction::Timeout(Id::from(server), stimulus);
        Some(self.serve(&next, server, came).unwrap_or(next))
    }

    fn call(&self, last: &State<W>, client: usize, to: NodeId) -> Option<State<W>> {
        let mut next = last.clone();
        let (key, op, moves): (Bytes, Op, Moves) = next.clients[client].next();
        let call = next.clients[client].call();
        next.record.begin(call, key, op);
        self.carry_out(next, client, moves, Some(to))
    }

    fn retry(&self, last: &State<W>, client: usize, to: NodeId) -> Option<State<W>> {
        let mut next = last.clone();
        let moves = next.clients[client].step(clerk::Input::Retry);
        self.carry_out(next, client, moves, Some(to))
    }

    fn hear(&self, last: &State<W>, client: usize, letter: Letter) -> Option<State<W>> {
        let mut next = last.clone();
        next.mail.remove(&letter);
        let ((_, seq), attempt) = call_of(letter.ticket);
        if attempt < next.clients[client].attempts() {
            self.corners.reach(Corner::EarlierAnswer);
        }
        let input = clerk::Input::Answer { seq, attempt, answer: letter.answer };
        let moves = next.clients[client].step(input);
        self.carry_out(next, client, moves, None)
    }

    /// What clients may do, and which deadlines may pass.
    fn offer_clients(&self, state: &State<W>, actions: &mut Vec<Action>) {
        let servers = state.servers.actor_states.len();
        let Bounds { attempts, contacts, each_its_own, at_leaders, .. } = self.bounds;
        for (number, client) in state.clients.iter().enumerate() {
            let mut offer = |stimulus| {
                actions.push(ActorModelAction::Timeout(Id::from(servers + number), stimulus));
            };
            for (place, server) in contacts.iter().enumerate() {
                let called = self.server(state, Id::from(usize::from(server.0)));
                let leads = called.replica().raft().leads();
                if each_its_own && place != number || at_leaders && !leads {
                    continue;
                }
                if client.may_call() {
                    offer(Stimulus::Call(number as u8, server));
                }
                if client.is_busy() && client.attempts() < attempts {
                    offer(Stimulus::Retry(number as u8, server));
                }
            }
        }
        for letter in &state.mail {
            let client = usize::from(call_of(letter.ticket).0.0);
            // What makes a client send again is late when it may send no more.
            let sends_again = matches!(letter.answer, Answer::NotExecuted { .. });
            if !sends_again || state.clients[client].attempts() < attempts {
                let hears = Stimulus::Hear(letter.clone());
                actions.push(ActorModelAction::Timeout(Id::from(servers + client), hears));
            }
        }
        self.offer_errands(state, actions);
        if state.record.deadlines >= self.bounds.deadlines {
            return;
        }
        for (&(server, ticket), Wait { at_leader, hop, .. }) in &state.record.waits {
            let mut late = |stimulus| {
                let late = Stimulus::Server(stimulus);
                actions.push(ActorModelAction::Timeout(Id::from(usize::from(server.0)), late));
            };
            late(node::Stimulus::GiveUp(ticket + 1));
            if !at_leader || *hop > 0 {
                late(node::Stimulus::GiveUpParked(ticket + 1));
            }
        }
    }

    /// What servers pass on to each other, and their clocks.
    fn offer_errands(&self, state: &State<W>, actions: &mut Vec<Action>) {
        let mut offer = |server: NodeId, stimulus| {
            actions.push(ActorModelAction::Timeout(Id::from(usize::from(server.0)), stimulus));
        };
        let may_lose = state.record.lost < self.bounds.lost;
        for parcel in &state.errands.under_way {
            let (Parcel::Call { from, to, .. } | Parcel::Answer { from, to, .. }) = *parcel;
            offer(to, Stimulus::Arrive(parcel.clone()));
            if may_lose && matches!(parcel, Parcel::Call { heard: true, .. }) {
                offer(from, Stimulus::Stay(parcel.clone()));
            }
        }
        for (number, node) in state.servers.actor_states.iter().enumerate() {
            let me = NodeId(number as u8);
            if node.retries {
                offer(me, Stimulus::Server(node::Stimulus::Retry));
            }
            let to: BTreeSet<NodeId> = node.rsm.sent_on().map(|(_, to)| to).collect();
            for to in to.into_iter().filter(|_| may_lose) {
                offer(me, Stimulus::Lose(me, to));
            }
            let due = node.rsm.wants_clock().is_some_and(|due| due <= node.rsm.time());
            for now in 0..=self.bounds.latest {
                if now != node.rsm.estimate() || due {
                    offer(me, Stimulus::Server(node::Stimulus::Clock(now)));
                }
            }
        }
    }

    /// Whether this state is one from which the fair schedule is tried.
    fn samples(&self, state: &State<W>) -> bool {
        match self.bounds.servers.converge_every {
            0 => false,
            _ if is_over(state) => false,
            1 => true,
            every => fingerprint(state).is_multiple_of(every),
        }
    }

    fn everyone_is_told(&self, state: &State<W>) -> bool {
        if !self.samples(state) {
            return true;
        }
        self.corners.note_converged();
        converge_with(&self.cluster, &state.servers, &state.errands).is_ok()
    }
}

type ServerAction<W> = cluster::Action<Served<W>>;

fn leads_term<W: Rules>(node: &Node<Served<W>>) -> Option<Term> {
    let raft = node.replica().raft();
    raft.leads().then(|| raft.term())
}

/// Nothing is explored behind a violation.
fn is_over<W: Rules>(state: &State<W>) -> bool {
    state.record.violation.is_some()
        || state.servers.history.violated()
        || state.servers.actor_states.iter().any(|node| node.broken.is_some())
}

impl<W: Rules> Model for Group<W> {
    type State = State<W>;
    type Action = Action;

    fn init_states(&self) -> Vec<State<W>> {
        let Bounds { programs, record_puts, linearizable, .. } = self.bounds;
        let servers = self.bounds.servers.servers;
        let busy = programs.iter().filter(|program| **program != Program::Nothing);
        let clients = busy
            .zip(0..)
            .map(|(&program, number)| Client::new(number, program, servers, record_puts));
        vec![State {
            servers: self.cluster.start(),
            clients: clients.collect(),
            mail: BTreeSet::new(),
            errands: Errands::default(),
            record: Record::new(linearizable),
        }]
    }

    fn actions(&self, state: &State<W>, actions: &mut Vec<Action>) {
        if self.stop().load(Ordering::Relaxed) || is_over(state) {
            return;
        }
        self.cluster.offer(&state.servers, |action| {
            if let ActorModelAction::Timeout(id, node::Stimulus::Timer(Timer::Heartbeat)) = &action
                && (self.server(state, *id).replica().raft().term() < self.bounds.beats_from
                    || state.record.beats >= self.bounds.beats)
            {
                return;
            }
            // In the background a snapshot is what was copied before.
            if self.bounds.background
                && let ActorModelAction::Timeout(id, node::Stimulus::Compact) = &action
                && self.server(state, *id).copy.is_none()
            {
                let copies = Stimulus::Server(node::Stimulus::Copy);
                return actions.push(ActorModelAction::Timeout(*id, copies));
            }
            actions.push(match action {
                ActorModelAction::Deliver { src, dst, msg } => {
                    ActorModelAction::Deliver { src, dst, msg }
                }
                ActorModelAction::Drop(envelope) => ActorModelAction::Drop(envelope),
                ActorModelAction::Timeout(id, stimulus) => {
                    ActorModelAction::Timeout(id, Stimulus::Server(stimulus))
                }
                _ => return,
            });
        });
        self.offer_clients(state, actions);
    }

    fn next_state(&self, last: &State<W>, action: Action) -> Option<State<W>> {
        let servers = last.servers.actor_states.len();
        match action {
            ActorModelAction::Deliver { src, dst, msg } => {
                let action = ActorModelAction::Deliver { src, dst, msg };
                self.serve(last, usize::from(dst), action)
            }
            ActorModelAction::Drop(envelope) => {
                let (servers, _) =
                    self.cluster.step(&last.servers, ActorModelAction::Drop(envelope))?;
                Some(State { servers, ..last.clone() })
            }
            ActorModelAction::Timeout(id, Stimulus::Server(stimulus)) => {
                self.serve(last, usize::from(id), ActorModelAction::Timeout(id, stimulus))
            }
            ActorModelAction::Timeout(_, Stimulus::Arrive(parcel)) => self.arrive(last, parcel),
            ActorModelAction::Timeout(_, Stimulus::Stay(parcel)) => self.stay(last, parcel),
            ActorModelAction::Timeout(_, Stimulus::Lose(from, to)) => self.lose(last, from, to),
            ActorModelAction::Timeout(id, stimulus) => {
                let client = usize::from(id).checked_sub(servers)?;
                match stimulus {
                    Stimulus::Call(_, to) => self.call(last, client, to),
                    Stimulus::Retry(_, to) => self.retry(last, client, to),
                    Stimulus::Hear(letter) => self.hear(last, client, letter),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    fn properties(&self) -> Vec<Property<Self>> {
        fn free_of<W: Rules>(state: &State<W>, violation: Violation) -> bool {
            state.record.violation != Some(violation)
        }
        vec![
            Property::always(CLAIMS, |_, state: &State<W>| {
                state.servers.actor_states.iter().all(|node| node.broken.is_none())
            }),
            Property::always(STATE_MACHINE_SAFETY, |_, state: &State<W>| {
                let violation = state.servers.history.violation;
                !matches!(
                    violation,
                    Some(RaftViolation::StateMachineSafety | RaftViolation::Snapshot)
                )
            }),
            Property::always(TELLS, |_, state: &State<W>| free_of(state, Violation::ToldFalsely)),
            Property::always(EXACTLY_ONCE, |_, state: &State<W>| {
                free_of(state, Violation::ExecutedTwice)
            }),
            Property::always(VERSIONS, |_, state: &State<W>| {
                free_of(state, Violation::VersionFell)
            }),
            Property::always(SERVICE, |_, state: &State<W>| {
                free_of(state, Violation::NotTheHistory)
            }),
            Property::always(FRESH, |_, state: &State<W>| free_of(state, Violation::Stale)),
            Property::always(DUE, |_, state: &State<W>| free_of(state, Violation::ShownLate)),
            Property::always(LINEARIZABLE, |_, state: &State<W>| {
                free_of(state, Violation::NotLinearizable)
            }),
            Property::always(TOLD, |group: &Self, state: &State<W>| group.everyone_is_told(state)),
        ]
    }

    fn format_action(&self, action: &Action) -> String {
        describe(action)
    }

    fn format_step(&self, last: &State<W>, action: Action) -> Option<String> {
        let next = self.next_state(last, action)?;
        Some(telling::consequences(last, &next).join("\n"))
    }

    fn as_svg(&self, path: Path<State<W>, Action>) -> Option<String> {
        Some(picture(self, &path.into_actions()))
    }
}
