//! What happens in a step: a server's machine takes an input, and what drives its mover attends to that.

use super::bounds::{PLAN, call};
use super::holding::{Caller, Holding, Origin, Question, Sending, caller_of, first, read_ticket};
use super::mutants::Bug;
use super::probes::Corner;
use super::record::{Violation, question};
use super::state::{Letter, Seat, State, gid_of, number_of};
use super::{Estate, ServerAction};
use crate::node::{self, Event, Node, PacketOf};
use protocol::kv::Seq;
use protocol::log::Entry;
use protocol::rsm::{self, Outcome, StateMachine as _, Ticket};
use protocol::shardkv::mover::{Duty, Effect, Input};
use protocol::shardkv::{Answer, Command, Group, Next, Step, Way};
use protocol::{NodeId, Term};
use stateright::actor::{ActorModelAction, Envelope, Id, Network};
use std::borrow::Cow;
use std::sync::Arc;

/// A group by its number, and a server in it.
pub(super) type Place = (usize, usize);

/// Whether a mover that asks the controller is answered in the same step.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Controller {
    /// It learns what is next in a step of its own, whether it has asked or not.
    Late,
    /// It is answered.
    Answers,
}

/// Something that happens to a server, and is no message.
pub(super) fn happens(server: usize, stimulus: node::StimulusOf<super::Hosted>) -> ServerAction {
    ActorModelAction::Timeout(Id::from(server), stimulus)
}

impl Estate {
    /// A server takes a step, and what drives its mover attends. False if nothing changes.
    pub(super) fn serve(
        &self,
        state: &mut State,
        (number, server): Place,
        action: ServerAction,
        by: Controller,
    ) -> bool {
        let cluster = &self.clusters[number];
        let Some((next, mut events)) = cluster.step(&state.groups[number], action) else {
            return false;
        };
        state.groups[number] = Arc::new(next);
        while self.bounds.quick_disks && !state.node(number, server).pending.is_empty() {
            let disk = happens(server, node::Stimulus::Disk);
            let Some((next, more)) = cluster.step(&state.groups[number], disk) else { break };
            state.groups[number] = Arc::new(next);
            events.extend(more);
        }
        if events.iter().any(|event| matches!(event, Event::Crashed { .. })) {
            state.seats[number][server] = Arc::new(Seat::new());
            Arc::make_mut(&mut state.record).forget(number, NodeId(server as u8));
            if !state.record.groups[number].moves().is_empty() {
                self.corners.reach(Corner::Restarted);
            }
        }
        let history = &state.groups[number].history;
        if history.committed.len() > state.record.committed(number) {
            Arc::make_mut(&mut state.record).note_committed(number, history, &self.corners);
        }
        self.attend(state, (number, server), events, None, by);
        while let Some(envelope) = self.quick(state, number) {
            let Envelope { src, dst, msg } = envelope.clone();
            let place = (number, usize::from(dst));
            let arrives = ActorModelAction::Deliver { src, dst, msg };
            if !self.serve(state, place, arrives, by)
                && let Network::UnorderedNonDuplicating(mail) =
                    &mut Arc::make_mut(&mut state.groups[number]).network
            {
                // It has arrived, and changed nothing.
                mail.remove(&envelope);
            }
        }
        true
    }

    /// What arrives in the step in which it was sent. Where no order is kept, the order is that of the messages.
    fn quick(&self, state: &State, number: usize) -> Option<Envelope<PacketOf<super::Hosted>>> {
        let links = self.bounds.links;
        let quick = |(from, to): (Id, Id)| links.is_quick(usize::from(from), usize::from(to));
        let mail = state.groups[number].network.iter_deliverable();
        let mail = mail.filter(|one| quick((one.src, one.dst)));
        mail.map(|one| one.to_cloned_msg()).min()
    }

    /// SHARD-LEAD-2. What the mover of a server is shown: the group of that server's replica, with all that it has
    /// applied.
    fn shown<'a>(&self, number: usize, node: &'a Node<super::Hosted>) -> Cow<'a, Group> {
        let holding = node.rsm.service();
        match self.rules.0 {
            Bug::GoesByLog => {
                let (log, mut ahead) = (node.replica().log(), holding.clone());
                for index in node.applied() + 1..=log.last() {
                    if let Some(Entry::Command(sending)) = log.get(index) {
                        ahead.apply(sending);
                    }
                }
                Cow::Owned(ahead.group().cloned().unwrap_or_else(|| first(gid_of(number))))
            }
            Bug::ShownLate => Cow::Owned(behind(number, holding)),
            _ => match holding.group() {
                Some(group) => Cow::Borrowed(group),
                None => Cow::Owned(first(gid_of(number))),
            },
        }
    }

    /// SHARD-LEAD-1, SHARD-LEAD-3. The mover hears in which term its server leads.
    fn lead(&self, duty: &mut Duty, leads: Option<Term>, group: &Group) {
        match (self.rules.0, leads) {
            (Bug::GoesOn, None) => {}
            (Bug::StaysIdle, Some(2..)) => duty.lead(None, group),
            (Bug::StreamStands, Some(_)) => duty.lead(Some(1), group),
            (Bug::StreamFalls, Some(term)) => duty.lead(Some(1_000 - term), group),
            _ => duty.lead(leads, group),
        }
    }

    /// The mover hears what became of a proposal.
    fn tell(
        &self,
        duty: &mut Duty,
        group: &Group,
        (stream, proposal): (u64, u64),
        outcome: Outcome<Answer>,
        out: &mut Vec<Effect>,
    ) {
        let answer = match outcome {
            Outcome::Done(answer) => Some(answer),
            _ if self.rules.0 == Bug::BelievesRefused => Some(Answer::Step(Step::Done)),
            _ if self.rules.0 == Bug::KeepsRefused => return,
            _ => None,
        };
        if self.rules.0 == Bug::BelievesEarlier {
            duty.step(group, Input::Outcome { proposal, answer }, out);
        } else {
            duty.tell(group, (stream, proposal), answer, out);
        }
    }

    /// What drives a server's mover comes to it: behind every step of the server, and when there is an input.
    pub(super) fn attend(
        &self,
        state: &mut State,
        (number, server): Place,
        events: Vec<Event<Answer>>,
        input: Option<Input>,
        by: Controller,
    ) {
        let servers = Arc::clone(&state.groups[number]);
        let node = &servers.actor_states[server];
        let group = self.shown(number, node);
        let leads = node.replica().raft().leads_in();
        let old = Arc::clone(&state.seats[number][server]);
        let mut seat = Seat::clone(&old);
        self.lead(&mut seat.duty, leads, &group);
        if seat.duty.term() != old.duty.term() {
            seat.in_vain = 0;
            self.note_leader(state, (number, server), &seat.duty);
        }
        let mut effects = Vec::new();
        for event in events {
            let Event::Told { ticket, outcome } = event else { continue };
            let record = Arc::make_mut(&mut state.record);
            match caller_of(ticket) {
                Caller::Read => {
                    self.note_read(state, (number, server), node, ticket, &outcome);
                }
                Caller::Client => {
                    record.note_told(number, ticket, &outcome, &servers.history);
                    if let Outcome::Done(Answer::Reply(_)) = outcome {
                        record.note_answered(ticket, &servers.history);
                    }
                }
                Caller::Mover(stream, proposal) => {
                    record.note_told(number, ticket, &outcome, &servers.history);
                    self.note_outcome(&seat.duty, stream, &outcome);
                    let which = (stream, proposal);
                    self.tell(&mut seat.duty, &group, which, outcome, &mut effects);
                }
            }
        }
        if let Some(input) = input {
            seat.duty.step(&group, input, &mut effects);
        }
        let learns = self.carry_out(state, (number, server), &mut seat, effects, by);
        if seat != *old {
            state.seats[number][server] = Arc::new(seat);
        }
        if learns {
            self.learn(state, (number, server), by);
        }
        while !self.bounds.mailbox && self.submit(state, (number, server), by) {}
    }

    /// Carries out what a mover wants. Says whether it learns at once what follows.
    fn carry_out(
        &self,
        state: &mut State,
        (number, server): Place,
        seat: &mut Seat,
        effects: Vec<Effect>,
        by: Controller,
    ) -> bool {
        let Some(stream) = seat.duty.term() else { return false };
        let term = state.node(number, server).replica().raft().term();
        let mut learns = false;
        for effect in effects {
            match effect {
                Effect::Send { to, message } => {
                    if self.is_deposed(state, (number, server)) {
                        self.corners.reach(Corner::OldMoverSpoke);
                    }
                    state.mail.insert(Letter::new(number_of(to), message));
                }
                Effect::Propose { proposal, command } => {
                    let origin = Origin::Mover { term, stream, proposal };
                    seat.asks.push_back(Sending::new(gid_of(number), origin, command));
                }
                Effect::Query { number } => {
                    learns |= by == Controller::Answers && number < PLAN.last();
                }
                Effect::Report { number: configuration } => {
                    if !state.record.is_finished(number, configuration) {
                        Arc::make_mut(&mut state.record).violate(Violation::ReportedEarly);
                    }
                }
            }
        }
        learns
    }

    /// Whether a server's mover is not of the latest term that was led in its group.
    fn is_deposed(&self, state: &State, (number, server): Place) -> bool {
        let latest = state.groups[number].history.leaders.len() as Term;
        state.node(number, server).replica().raft().term() < latest
    }

    /// What a mover has proposed first comes to its server. False if there is nothing.
    pub(super) fn submit(
        &self,
        state: &mut State,
        (number, server): Place,
        by: Controller,
    ) -> bool {
        if state.seats[number][server].asks.is_empty() {
            return false;
        }
        let leads = state.node(number, server).replica().raft().leads();
        let seat = Arc::make_mut(&mut state.seats[number][server]);
        let Some(sending) = seat.asks.pop_front() else { return false };
        if !leads {
            self.corners.reach(Corner::Mailbox);
            seat.in_vain = seat.in_vain.saturating_add(u8::from(self.rules.0 == Bug::GoesOn));
        }
        self.hand(state, (number, server), sending, by);
        true
    }

    fn hand(&self, state: &mut State, place: Place, sending: Sending, by: Controller) {
        let ticket = sending.content().origin.ticket();
        let caller = rsm::Caller { ticket, passes: false };
        let submit = happens(place.1, node::Stimulus::Submit(caller, sending));
        self.serve(state, place, submit, by);
    }

    /// The client hands a call to a server.
    pub(super) fn call(&self, state: &mut State, place: Place, seq: Seq, by: Controller) {
        let record = Arc::make_mut(&mut state.record);
        record.sends += 1;
        let origin = Origin::Client { seq, sending: record.sends };
        let command = Command::Work { work: call(seq), value_bytes: 1 << 10 };
        self.hand(state, place, Sending::new(gid_of(place.0), origin, command), by);
    }

    /// A server is asked what the key has.
    pub(super) fn read(&self, state: &mut State, (number, server): Place) {
        let record = Arc::make_mut(&mut state.record);
        record.asked += 1;
        let ticket = read_ticket(record.asked);
        let at = (number as u8, NodeId(server as u8), ticket);
        record.reads.insert(at, record.executed());
        let query = question();
        let ask = node::Stimulus::Ask(ticket, Question { gid: gid_of(number), query });
        self.serve(state, (number, server), happens(server, ask), Controller::Late);
    }

    /// A mover learns the next configuration.
    pub(super) fn learn(&self, state: &mut State, place: Place, by: Controller) {
        let number = self.shown(place.0, state.node(place.0, place.1)).number();
        if number < PLAN.last() {
            let next = Next::Configuration(PLAN.configuration(number + 1));
            self.attend(state, place, Vec::new(), Some(Input::Next(next)), by);
        }
    }

    /// Whether a mover may learn of another configuration.
    pub(super) fn may_learn(&self, state: &State, (number, server): Place) -> bool {
        self.shown(number, state.node(number, server)).number() < PLAN.last()
    }

    /// A server's mover reads a letter.
    pub(super) fn open(&self, state: &mut State, place: Place, letter: &Letter, by: Controller) {
        let (number, server) = place;
        if self.is_deposed(state, place) {
            self.corners.reach(Corner::OldMoverHeard);
        } else if (state.node(number, server).applied() as usize) < state.record.committed(number) {
            self.corners.reach(Corner::NewLeaderBehind);
        }
        let message = letter.message().clone();
        let input = Input::Message { from: gid_of(1 - number), message };
        self.attend(state, place, Vec::new(), Some(input), by);
    }

    fn note_leader(&self, state: &State, (number, server): Place, duty: &Duty) {
        if duty.term().is_none() {
            return;
        }
        let other =
            |(place, seat): (usize, &Arc<Seat>)| place != server && seat.duty.term().is_some();
        if state.seats[number].iter().enumerate().any(other) {
            self.corners.reach(Corner::TwoMovers);
        }
        for there in state.record.groups[number].moves().values() {
            self.corners.reach(match there.way() {
                Way::Giving => Corner::LeaderWhileGiving,
                Way::Frozen => Corner::LeaderWhileFrozen,
                Way::Taking => Corner::LeaderWhileTaking,
            });
        }
    }

    fn note_outcome(&self, duty: &Duty, stream: u64, outcome: &Outcome<Answer>) {
        if matches!(outcome, Outcome::NotExecuted { .. }) {
            self.corners.reach(Corner::NeverCommitted);
        }
        if duty.term().is_some_and(|term| term != stream) {
            self.corners.reach(Corner::OutcomeOfEarlier);
        }
    }

    fn note_read(
        &self,
        state: &mut State,
        (number, server): Place,
        node: &Node<super::Hosted>,
        ticket: Ticket,
        outcome: &Outcome<Answer>,
    ) {
        let at = (number as u8, NodeId(server as u8), ticket);
        let record = Arc::make_mut(&mut state.record);
        let Outcome::Done(answer) = outcome else {
            record.reads.remove(&at);
            return;
        };
        record.note_read(at, answer);
        match answer {
            Answer::Reply(_) if !node.replica().raft().leads() => {
                self.corners.reach(Corner::ReadByFollower);
            }
            Answer::Refused(_) => self.corners.reach(Corner::ReadRefused),
            _ => {}
        }
        if (node.applied() as usize) < record.committed(number) {
            self.corners.reach(Corner::ReadLags);
        }
    }
}

/// A group without the last entry that its replica has applied.
fn behind(number: usize, holding: &Holding) -> Group {
    let mut group = first(gid_of(number));
    for sending in holding.entries().iter().rev().skip(1).rev() {
        group.apply(0, &sending.content().command);
    }
    group
}
