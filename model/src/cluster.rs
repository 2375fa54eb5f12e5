//! The system: servers as stateright actors, a network, bounds, and the history outside the servers.
//!
//! [`Cluster`] wraps stateright's `ActorModel` and adds what it lacks. It offers only actions within the
//! bounds (so no state is generated and thrown away), keeps the network canonical, and after each step
//! writes the auxiliary *history*: who led which term in which life, what was committed first, what had
//! been committed when a read was asked. The properties in [`crate::raft`] compare servers with it.

use crate::bounds::{ANY_NUMBER, Bounds, Net};
use crate::history::History;
use crate::node::{
    CommandOf, DiskFault, Event, Node, PacketOf, Recipe, ReplyOf, Server, Stimulus, StimulusOf,
};
use crate::probes::{Probe, Probes};
use crate::search::is_sampled;
use protocol::NodeId;
use protocol::quorum::NodeSet;
use protocol::raft::{self, Body, Config, Paper, Timer};
use stateright::actor::{
    ActorModel, ActorModelAction, ActorModelState, Envelope, Id, LossyNetwork, Network,
};
use stateright::{Model, Path, Property};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A cluster's state: servers, network and history.
pub type State<R> = ActorModelState<Server<R>, History<CommandOf<R>>>;

/// A step: a delivery, a loss, or a stimulus of one server.
pub type Action<R = Paper> = ActorModelAction<PacketOf<R>, StimulusOf<R>, ()>;

/// What the adapter saw in a step.
pub type EventsOf<R> = Vec<Event<ReplyOf<R>>>;

/// A model of a Raft group within bounds.
#[derive(Clone)]
pub struct Cluster<R: Recipe> {
    inner: ActorModel<Server<R>, (), History<CommandOf<R>>>,
    /// What this model may do.
    pub bounds: Bounds,
    /// What was reached; shared by all clones.
    pub probes: Arc<Probes>,
    /// When set, no further actions are offered, so that a checker that can't be stopped comes to an end.
    pub stop: Arc<AtomicBool>,
}

impl<R: Recipe> Cluster<R> {
    /// A cluster whose servers all follow `rules` and have disks with `fault`.
    pub fn new(bounds: Bounds, rules: R, fault: DiskFault) -> Self {
        let network = match bounds.net {
            Net::Reorder => Network::new_unordered_nonduplicating([]),
            Net::Duplicate => Network::new_unordered_duplicating([]),
        };
        let servers = (0..bounds.servers).map(|number| Server {
            rules,
            config: Config {
                me: NodeId(number as u8),
                voters: NodeSet::first(bounds.servers),
                max_batch: bounds.max_batch,
                window: bounds.window,
            },
            fault,
            contact_at_once: !bounds.pre_vote,
        });
        let lossy = if bounds.losses > 0 { LossyNetwork::Yes } else { LossyNetwork::No };
        let history = History { told_apart: bounds.told_apart(), ..History::default() };
        let inner =
            ActorModel::new((), history).actors(servers).init_network(network).lossy_network(lossy);
        Self { inner, bounds, probes: Arc::default(), stop: Arc::default() }
    }

    /// The same model with the `Contact` timer firing when it likes, also without pre-votes (RED-CONTACT).
    #[must_use]
    pub fn with_late_contact(mut self) -> Self {
        self.inner.actors.iter_mut().for_each(|server| server.contact_at_once = false);
        self
    }

    /// The same model with connections for a network: between two servers, messages arrive in the order in which they
    /// were sent, each once.
    #[must_use]
    pub fn with_connections(mut self) -> Self {
        self.inner = self.inner.init_network(Network::new_ordered([]));
        self
    }

    /// Whether this state is one from which convergence is checked: all of them, every so many by a hash of
    /// the state, or none. A state that violates something else already is left out.
    pub fn samples(&self, state: &State<R>) -> bool {
        let broken = || state.actor_states.iter().any(|node| node.broken.is_some());
        !state.history.violated() && !broken() && is_sampled(state, self.bounds.converge_every)
    }

    /// The actor with this number.
    pub fn server(&self, node: NodeId) -> &Server<R> {
        &self.inner.actors[usize::from(node.0)]
    }

    /// What a server may do besides receiving messages, within the bounds (RED-BOUNDS).
    fn stimuli(
        &self,
        node: &Node<R>,
        history: &History<CommandOf<R>>,
        mut offer: impl FnMut(StimulusOf<R>),
    ) {
        let bounds = &self.bounds;
        let raft = node.replica().raft();
        let me = raft.me();
        if !node.pending.is_empty() {
            offer(Stimulus::Disk);
        }
        for timer in node.armed.iter() {
            let offered = match timer {
                Timer::Election => bounds.pre_vote && bounds.may_campaign(me, raft.term()),
                Timer::Contact => !self.server(me).contact_at_once,
                Timer::Heartbeat => bounds.heartbeats,
                Timer::Quorum => bounds.check_quorum,
            };
            if offered {
                offer(Stimulus::Timer(timer));
            }
        }
        if bounds.forced_elections && !raft.leads() && bounds.may_campaign(me, raft.term()) {
            offer(Stimulus::Campaign);
        }
        if raft.leads() && raft.last().index < bounds.max_log {
            offer(Stimulus::Propose);
        }
        if history.crashes < bounds.crashes && bounds.victims.contains(me) {
            offer(Stimulus::Crash);
        }
        if history.asked < bounds.reads && bounds.readers.contains(me) && raft.leader().is_some() {
            offer(Stimulus::Read);
        }
        if bounds.compactors.contains(me)
            && raft.terms().base().index < node.applied()
            && history.compactions < bounds.compactions
        {
            offer(Stimulus::Compact);
        }
    }

    /// Whether a delivery stays within the rounds of reads that a leader may begin.
    fn within_rounds(&self, state: &State<R>, to: Id, packet: &PacketOf<R>) -> bool {
        let round = state.actor_states[usize::from(to)].replica().raft().round();
        round < self.bounds.max_round || !matches!(packet.message.body, Body::ReadIndex { .. })
    }

    /// Writes history and notes what was reached, from the one server that took the step.
    fn record(
        &self,
        old: &State<R>,
        new: &mut State<R>,
        id: Id,
        action: &Action<R>,
    ) -> EventsOf<R> {
        let index = usize::from(id);
        let before = Arc::clone(&old.actor_states[index]);
        let mut events = Vec::new();
        if !new.actor_states[index].events.is_empty() {
            events = std::mem::take(&mut Arc::make_mut(&mut new.actor_states[index]).events);
        }
        let node = Arc::clone(&new.actor_states[index]);
        let me = NodeId(index as u8);
        match action {
            ActorModelAction::Timeout(_, Stimulus::Crash) => new.history.crashes += 1,
            ActorModelAction::Timeout(_, Stimulus::Compact) => new.history.compactions += 1,
            ActorModelAction::Timeout(_, Stimulus::Read) => new.history.asked += 1,
            _ => {}
        }
        new.history.note_leader(&before, &node);
        new.history.note_commit(&before, &node);
        for event in &events {
            new.history.note_event(me, event);
            self.probes.note_event(event);
        }
        self.probes.note_step(&before, &node, new, action);
        events
    }

    /// One network content for all that differ only in what can't matter (SPEC.md, "Reductions").
    fn normalize(&self, state: &mut State<R>) {
        match &mut state.network {
            Network::UnorderedDuplicating(set, last) => {
                *last = None;
                if self.bounds.drop_void {
                    let nodes = &state.actor_states;
                    if set.iter().any(|env| is_void(nodes, env)) {
                        set.retain(|env| !is_void(nodes, env));
                    }
                }
            }
            Network::UnorderedNonDuplicating(counts) => {
                // RED-MERGE; a set that duplicates has one copy of each anyhow.
                if counts.values().any(|&count| count > 1) {
                    counts.values_mut().for_each(|count| *count = 1);
                }
                if self.bounds.drop_void {
                    let nodes = &state.actor_states;
                    if counts.keys().any(|env| is_void(nodes, env)) {
                        counts.retain(|env, _| !is_void(nodes, env));
                    }
                }
            }
            Network::Ordered(_) => {}
        }
    }
}

/// RED-VOID. Whether delivering the message would change nothing, now and for ever: an answer of a term that its
/// receiver's disk has left behind. The durable term never falls, and a void answer is ignored.
fn is_void<R: Recipe>(nodes: &[Arc<Node<R>>], envelope: &Envelope<PacketOf<R>>) -> bool {
    let message = &envelope.msg.message;
    let receiver = &nodes[usize::from(envelope.dst)];
    !message.body.is_request() && message.term < receiver.disk.hard.term
}

impl<R: Recipe> Cluster<R> {
    /// The only initial state.
    pub(crate) fn start(&self) -> State<R> {
        self.inner.init_states().remove(0)
    }

    /// What may happen next, within the bounds.
    pub(crate) fn offer(&self, state: &State<R>, mut offer: impl FnMut(Action<R>)) {
        if state.history.violated() || state.actor_states.iter().any(|node| node.broken.is_some()) {
            return;
        }
        let loses = self.bounds.losses == ANY_NUMBER || state.history.lost < self.bounds.losses;
        let mut mail = Vec::new();
        for envelope in state.network.iter_deliverable() {
            let Envelope { src, dst, msg } = envelope.to_cloned_msg();
            if self.within_rounds(state, dst, &msg) {
                mail.push(ActorModelAction::Deliver { src, dst, msg });
            }
            if loses {
                mail.push(ActorModelAction::Drop(envelope.to_cloned_msg()));
            }
        }
        // The network is a hash set; a path names actions by position.
        mail.sort_unstable_by(|a, b| order::<R>(a).cmp(&order::<R>(b)));
        mail.into_iter().for_each(&mut offer);
        for (index, node) in state.actor_states.iter().enumerate() {
            self.stimuli(node, &state.history, |stimulus| {
                offer(ActorModelAction::Timeout(Id::from(index), stimulus));
            });
        }
    }

    /// The state behind an action, offered or not, and what the server's adapter saw. None if nothing changes.
    pub(crate) fn step(
        &self,
        last: &State<R>,
        action: Action<R>,
    ) -> Option<(State<R>, EventsOf<R>)> {
        let id = match &action {
            ActorModelAction::Deliver { dst, .. } => *dst,
            ActorModelAction::Timeout(id, _) => *id,
            ActorModelAction::Drop(_) => {
                let mut next = self.inner.next_state(last, action)?;
                if self.bounds.losses != ANY_NUMBER {
                    next.history.lost += 1;
                }
                self.normalize(&mut next);
                self.probes.reach(Probe::MessageLost);
                return Some((next, Vec::new()));
            }
            _ => return None,
        };
        let Some(mut next) = self.inner.next_state(last, action.clone()) else {
            self.probes.note_refusal(last, &action);
            return None;
        };
        let events = self.record(last, &mut next, id, &action);
        self.normalize(&mut next);
        Some((next, events))
    }
}

impl<R: raft::Rules> Model for Cluster<R> {
    type State = State<R>;
    type Action = Action<R>;

    fn init_states(&self) -> Vec<State<R>> {
        vec![self.start()]
    }

    fn actions(&self, state: &State<R>, actions: &mut Vec<Action<R>>) {
        if !self.stop.load(Ordering::Relaxed) {
            self.offer(state, |action| actions.push(action));
        }
    }

    fn next_state(&self, last: &State<R>, action: Action<R>) -> Option<State<R>> {
        self.step(last, action).map(|(next, _)| next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        crate::raft::properties()
    }

    fn format_action(&self, action: &Action<R>) -> String {
        describe(action)
    }

    fn format_step(&self, last: &State<R>, action: Action<R>) -> Option<String> {
        crate::transcript::step(self, last, &action).map(|step| step.join("\n"))
    }

    fn as_svg(&self, path: Path<State<R>, Action<R>>) -> Option<String> {
        let actions = path.into_actions();
        Some(crate::diagram::sequence(self, &actions))
    }
}

/// One action in words.
pub fn describe<P: fmt::Debug, T: fmt::Debug>(action: &ActorModelAction<P, T, ()>) -> String {
    match action {
        ActorModelAction::Deliver { src, dst, msg } => {
            format!("n{} → n{}  {msg:?}", usize::from(*src), usize::from(*dst))
        }
        ActorModelAction::Drop(Envelope { src, dst, msg }) => {
            format!("lost  n{} ⇥ n{}  {msg:?}", usize::from(*src), usize::from(*dst))
        }
        ActorModelAction::Timeout(id, stimulus) => format!("n{}  {stimulus:?}", usize::from(*id)),
        other => format!("{other:?}"),
    }
}

/// Deliveries before losses, then by sender, receiver and message.
fn order<R: Recipe>(action: &Action<R>) -> Option<(Id, Id, &PacketOf<R>, bool)> {
    match action {
        ActorModelAction::Deliver { src, dst, msg } => Some((*src, *dst, msg, false)),
        ActorModelAction::Drop(Envelope { src, dst, msg }) => Some((*src, *dst, msg, true)),
        _ => None,
    }
}
