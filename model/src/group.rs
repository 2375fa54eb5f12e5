//! The replicated store and its clients (labs 3 and 4): what callers are told is so, whatever happens to the servers.
//!
//! The servers are those of [`crate::cluster`], with the store inside. Clients are outside of them: a client hands a
//! call to any server in one step, and what the server tells waits until the client hears it, or never. So an answer
//! may come when its client has sent the call again elsewhere, and a copy may lie in a deposed leader's log.
//! `record.rs` has what is true, and compares.

use crate::cluster::{self, Cluster};
use crate::converge::converge_with;
use crate::errands::{Errands, ParcelOf};
use crate::history::Violation as RaftViolation;
use crate::node::{self, DiskFault, Node, PacketOf};
use crate::raft::{CLAIMS, STATE_MACHINE_SAFETY};
use crate::search::is_sampled;
use crate::telling::Told as _;
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
mod handed;
mod mutants;
mod offers;
mod passing;
mod probes;
mod record;
mod runs;
mod shelf;
mod telling;

pub use bounds::Bounds;
pub use client::{Client, Program};
pub use handed::Handed;
pub use mutants::{Bug, HUNTS, Hunt, Wrong};
pub use probes::{Corner, Corners};
pub use record::{Record, Violation};
pub use runs::{GROUPS, GroupRun};
pub use shelf::{Sending, Served, Shelf};
pub use telling::{bounds_text, picture};

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

    /// The servers.
    pub const fn cluster(&self) -> &Cluster<Served<W>> {
        &self.cluster
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
        let (mut lost, mut answered) = (None, None);
        match &action {
            ActorModelAction::Timeout(_, node::Stimulus::Lost(to)) => lost = Some(*to),
            ActorModelAction::Timeout(_, node::Stimulus::Answer(_, ticket, outcome)) => {
                answered = Some((*ticket, outcome.clone()));
            }
            _ => {}
        }
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
            lost,
            answered,
        };
        next.record.note(&step, &next.servers.history, &events, &self.corners);
        let again = self.carry_events(&mut next, NodeId(server as u8), events);
        for ticket in again {
            next = self.submit_again(next, NodeId(server as u8), ticket);
        }
        self.drop_void(&mut next);
        Some(next)
    }

    /// RED-ANSWER. An answer to a call that is over changes nothing, now and for ever.
    ///
    /// RED-HEARD. Nor does the answer to a client's last call, where nobody sends again and no order is kept.
    fn drop_void(&self, state: &mut State<W>) {
        let clients = &state.clients;
        state.mail.retain(|letter| self.matters(clients, letter));
    }

    /// Whether an answer can still change something.
    pub fn matters(&self, clients: &[Client], letter: &Letter) -> bool {
        let Bounds { attempts, linearizable, keep_heard, .. } = self.bounds;
        let last_matters = keep_heard || linearizable || attempts > 1;
        let (call, _) = call_of(letter.ticket);
        let client = &clients[usize::from(call.0)];
        client.is_busy() && client.call() == call && (last_matters || client.has_more())
    }

    /// Finds the entries of the commands that were proposed.
    fn note_proposals(&self, state: &mut State<W>, server: usize, comes: bool) {
        let node = &state.servers.actor_states[server];
        let (log, terms) = (node.replica().log(), node.replica().raft().terms());
        let open = |at: NodeId, wait: &Wait| {
            usize::from(at.0) == server
                && wait.read.is_none()
                && wait.entry.is_none()
                && wait.sent.is_none()
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
        let ends = node.rsm.service().ends(&command.key);
        let was_due = until.is_some_and(|(_, until)| ends.is_some_and(|ends| ends <= until));
        let read = Some((committed, command.key.clone()));
        next.record.waits.insert((to, ticket), Wait { read, until, was_due, ..wait });
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

    fn everyone_is_told(&self, state: &State<W>) -> bool {
        let sampled = !is_over(state) && is_sampled(state, self.bounds.servers.converge_every);
        self.corners.settle(sampled, || {
            converge_with(&self.cluster, &state.servers, &state.errands).is_ok()
        })
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
        let mut next = self.take(last, action)?;
        next.record.note_waiting(&next.servers.actor_states);
        Some(next)
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
            Property::always(TELLS, |_, state: &State<W>| {
                free_of(state, Violation::ToldFalsely) && free_of(state, Violation::Forgotten)
            }),
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
        Self::describe(action)
    }

    fn format_step(&self, last: &State<W>, action: Action) -> Option<String> {
        let next = self.next_state(last, action.clone())?;
        Some(Self::consequences(last, &next, &action).join("\n"))
    }

    fn as_svg(&self, path: Path<State<W>, Action>) -> Option<String> {
        Some(picture(self, &path.into_actions()))
    }
}
