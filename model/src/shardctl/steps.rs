//! What happens in a step.

use super::history::{History, Violation};
use super::probes::Corner;
use super::state::{
    ADMINS, GROUPS, LEADER, Log, Message, Person, Replica, SECOND, State, Stimulus, Walker,
};
use super::{Office, Placed, Program};
use protocol::Machine as _;
use protocol::kv::Seq;
use protocol::rsm::StateMachine as _;
use protocol::shardctl::{
    Asked, Command, Config, Controller, Effect, GroupId, Input, Num, Outcome, Query, Reply,
};
use stateright::actor::{Envelope, Id};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What a group can do by what a replica has.
pub(super) enum NextFor {
    /// It comes into a configuration, behind this one.
    Begin(Num),
    /// It walks to the next one, and is in it or not.
    Walk(bool),
    /// The next one was dropped.
    Lost,
}

/// What is next for a group, by what a replica has.
pub(super) fn next_for<R: Placed>(walker: &Walker, replica: &Replica<R>) -> Option<NextFor> {
    let controller = &replica.controller;
    if !walker.is_in && !walker.roves {
        // A replica that is behind may have it in its last life still.
        let standing = controller.standings().get(&walker.group)?;
        return (standing.finished >= walker.at).then_some(NextFor::Begin(standing.finished));
    }
    let next = walker.at + 1;
    match controller.config(next) {
        Some(config) => Some(NextFor::Walk(config.groups.contains_key(&walker.group))),
        None if controller.latest().number < next || !walker.is_in => None,
        None => Some(NextFor::Lost),
    }
}

impl<R: Placed> Office<R> {
    /// Where it begins.
    pub(super) fn first(&self) -> State<R> {
        let limits = self.bounds.limits();
        let replica = |number| Arc::new(Replica::new(self.rules.at(number), limits));
        let busy = |(_, program): &(usize, Program)| *program != Program::Nothing;
        let admins = self.bounds.programs.into_iter().enumerate().filter(busy);
        let admin = |(number, program)| Arc::new(Person::new(self.rules, ADMINS + number, program));
        let walker = |id: u8| {
            let group = GroupId(id.into());
            Walker { group, at: 0, is_in: false, roves: false, reports: 0 }
        };
        State {
            replicas: [replica(LEADER), replica(SECOND)],
            log: Log::default(),
            admins: admins.map(admin).collect(),
            walkers: (1..=self.bounds.walkers).map(walker).collect(),
            mail: BTreeSet::new(),
            history: Arc::new(History::new(self.bounds.slots)),
        }
    }

    /// One state for all that differ only in what can't matter.
    pub(super) fn tidy(&self, state: &mut State<R>) {
        if self.bounds.drop_void {
            let void: Vec<_> =
                state.mail.iter().filter(|envelope| state.is_void(envelope)).cloned().collect();
            for envelope in void {
                state.mail.remove(&envelope);
            }
        }
        // A replica that begins anew asks for what is behind its last saving.
        let asks = |replica: &Arc<Replica<R>>| match self.bounds.restarts {
            0 => replica.applied,
            _ => replica.saved.1,
        };
        let gone = state.replicas.iter().map(asks).min().expect("there are replicas");
        if gone == 0 {
            return;
        }
        state.log.0.drain(..gone as usize);
        for replica in &mut state.replicas {
            Arc::make_mut(replica).forget(gone);
        }
    }

    /// A message arrives.
    pub(super) fn arrive(&self, state: &mut State<R>, envelope: Envelope<Message>) {
        let Envelope { src, dst, msg } = envelope;
        let dst = usize::from(dst);
        match msg {
            Message::Call { seq, asked: Asked::Change(command), .. } => {
                let reply = self.commit(state, command);
                answer(state, LEADER, src, seq, reply);
            }
            Message::Call { seq, asked: Asked::Query(query), .. } => {
                let reply = self.ask(state, dst, query);
                answer(state, dst, src, seq, reply);
            }
            Message::Answer { seq, reply } => self.hear(state, dst - ADMINS, seq, reply),
            Message::Report { number, .. } => {
                let group = state.walkers[usize::from(src) - GROUPS].group;
                self.commit(state, Command::Finished { group, number });
            }
        }
    }

    /// The leader, which has applied all that is committed, commits a command and applies it.
    fn commit(&self, state: &mut State<R>, command: Command) -> Reply {
        while state.leader().applied < state.log.end() {
            self.apply(state, LEADER);
        }
        state.log.0.push(command.clone());
        let before = match &command {
            Command::Finished { group, .. } => state.leader().controller.standings().get(group),
            Command::Change { .. } => None,
        };
        let before = before.map(|standing| standing.finished);
        let reply = self.apply(state, LEADER);
        if !self.bounds.lags {
            while state.replicas[SECOND].applied < state.log.end() {
                self.apply(state, SECOND);
            }
        }
        match (&command, &reply) {
            (Command::Finished { group, number }, _) => {
                let history = Arc::make_mut(&mut state.history);
                history.note_report(*group, *number, before, &reply, &self.corners);
            }
            (Command::Change { request, .. }, Reply::Stale { .. }) => {
                let own = |config: &Arc<Config>| config.request == Some(*request);
                self.corners.reach(match state.history.made.iter().any(own) {
                    true => Corner::SecondCopy,
                    false => Corner::Stale,
                });
            }
            _ => {}
        }
        reply
    }

    /// A replica applies what is committed next.
    fn apply(&self, state: &mut State<R>, number: usize) -> Reply {
        let replica = Arc::make_mut(&mut state.replicas[number]);
        let command = state.log.get(replica.applied).expect("it is committed");
        let oldest = replica.controller.configs()[0].number;
        let reply = replica.apply(command);
        let controller = &replica.controller;
        let history = Arc::make_mut(&mut state.history);
        if let (Command::Change { based, change, .. }, Reply::Changed { .. }) = (command, &reply) {
            history.note_made(controller.latest(), *based, change, &self.corners);
        }
        if controller.configs()[0].number > oldest {
            self.corners.reach(Corner::Dropped);
        }
        let least = |gone: bool| {
            let standings = controller.standings().values();
            standings.filter(|it| it.left.is_some() == gone).map(|it| it.finished).min()
        };
        if least(true).zip(least(false)).is_some_and(|(gone, there)| gone < there) {
            self.corners.reach(Corner::KeptForOneThatLeft);
        }
        reply
    }

    /// A replica answers a question from what it has; the leader, when it has applied all that is committed.
    fn ask(&self, state: &mut State<R>, number: usize, query: Query) -> Reply {
        while number == LEADER && state.leader().applied < state.log.end() {
            self.apply(state, LEADER);
        }
        let replica = &state.replicas[number];
        let reply = replica.controller.read(&query);
        let latest = replica.controller.latest().number;
        if latest < state.history.latest().number {
            self.corners.reach(Corner::ReplicaBehind);
        }
        if let Query::Config(asked) = query {
            if matches!(reply, Reply::Dropped { .. }) {
                self.corners.reach(Corner::AskedForDropped);
            }
            if asked > Some(latest) {
                self.corners.reach(Corner::NotThereYet);
            }
            Arc::make_mut(&mut state.history).note_answer(asked, latest, &reply);
        }
        reply
    }

    /// An administrator hears an answer.
    fn hear(&self, state: &mut State<R>, number: usize, seq: Seq, reply: Reply) {
        if !state.admins[number].dead {
            self.step(state, number, Input::Answer { seq, reply });
        }
    }

    fn step(&self, state: &mut State<R>, number: usize, input: Input) {
        let looked = matches!(&input, Input::Answer { reply: Reply::Config(_), .. });
        let person = Arc::make_mut(&mut state.admins[number]);
        let mut effects = Vec::new();
        person.admin.step(input, &mut effects);
        for effect in effects {
            match effect {
                Effect::Send { seq, attempt, asked } => {
                    if let Asked::Change(Command::Change { request, .. }) = &asked {
                        person.request = Some(*request);
                    }
                    let behind = self.bounds.asks_behind && attempt % 2 == 1;
                    let to = match asked {
                        Asked::Query(_) if behind => SECOND,
                        Asked::Query(_) | Asked::Change(_) => LEADER,
                    };
                    let (src, dst) = (Id::from(ADMINS + number), Id::from(to));
                    let msg = Message::Call { seq, attempt, asked };
                    state.mail.insert(Envelope { src, dst, msg });
                }
                Effect::Ended(outcome) => {
                    let request = person.request.expect("it has asked for a change");
                    match outcome {
                        Outcome::Done { .. } if looked => self.corners.reach(Corner::FoundOwn),
                        Outcome::Stale if looked => self.corners.reach(Corner::FoundOthers),
                        _ => {}
                    }
                    if outcome == Outcome::Stale && person.again < self.bounds.again {
                        person.again += 1;
                        self.corners.reach(Corner::BegunAnew);
                    } else {
                        (person.over, person.again) = (person.over + 1, 0);
                    }
                    let history = Arc::make_mut(&mut state.history);
                    history.note_told(request, &outcome, &self.corners);
                }
                Effect::Busy => unreachable!("a program makes one request at a time"),
            }
        }
    }

    /// Something happens besides a message.
    pub(super) fn happen(&self, state: &mut State<R>, id: usize, stimulus: Stimulus) {
        match stimulus {
            Stimulus::Next => {
                let person = &state.admins[id - ADMINS];
                let change = person.program.steps()[usize::from(person.over)].change();
                self.step(state, id - ADMINS, Input::Ask(change));
            }
            Stimulus::Retry => self.step(state, id - ADMINS, Input::Retry),
            Stimulus::Die => {
                Arc::make_mut(&mut state.admins[id - ADMINS]).dead = true;
                Arc::make_mut(&mut state.history).deaths += 1;
                self.corners.reach(Corner::AdminDied);
            }
            Stimulus::Walk(replica) => self.walk(state, id - GROUPS, replica.into()),
            Stimulus::Report => report(state, id - GROUPS),
            Stimulus::Apply => drop(self.apply(state, id)),
            Stimulus::Save => self.save(state, id),
            Stimulus::Restart => self.restart(state, id),
        }
    }

    fn walk(&self, state: &mut State<R>, number: usize, replica: usize) {
        let replica = &state.replicas[replica];
        let behind = replica.controller.latest().number < state.history.latest().number;
        let walker = &mut state.walkers[number];
        let next = next_for(walker, replica).expect("it is offered only if there is something");
        if behind {
            self.corners.reach(Corner::WalkedByReplicaBehind);
        }
        match next {
            NextFor::Begin(finished) => {
                (walker.at, walker.is_in, walker.reports) = (finished, true, 0);
                walker.roves = false;
            }
            NextFor::Walk(is_in) => {
                (walker.at, walker.is_in, walker.reports) = (walker.at + 1, is_in, 0);
                walker.roves = self.bounds.rovers && !is_in;
                report(state, number);
            }
            // It can't go on: that what it needs is not there is a property's business.
            NextFor::Lost => {}
        }
    }

    /// Bytes that are read again at once.
    fn save(&self, state: &mut State<R>, number: usize) {
        let replica = Arc::make_mut(&mut state.replicas[number]);
        let mut bytes = Vec::new();
        replica.controller.encode(&mut bytes);
        let read = Controller::decode(self.rules.at(number), self.bounds.limits(), &bytes);
        let whole = read.is_ok_and(|read| read == replica.controller);
        replica.saved = (bytes, replica.applied);
        let history = Arc::make_mut(&mut state.history);
        history.saves += 1;
        if !whole {
            history.violate(Violation::SavedWrongly);
        }
    }

    fn restart(&self, state: &mut State<R>, number: usize) {
        let replica = Arc::make_mut(&mut state.replicas[number]);
        let (bytes, applied) = &replica.saved;
        let read = Controller::decode(self.rules.at(number), self.bounds.limits(), bytes);
        // They were read when they were saved.
        replica.controller = read.expect("a replica's own bytes");
        replica.applied = *applied;
        Arc::make_mut(&mut state.history).restarts += 1;
        self.corners.reach(Corner::Restarted);
    }
}

fn answer<R>(state: &mut State<R>, from: usize, to: Id, seq: Seq, reply: Reply) {
    let msg = Message::Answer { seq, reply };
    state.mail.insert(Envelope { src: Id::from(from), dst: to, msg });
}

fn report<R>(state: &mut State<R>, number: usize) {
    let walker = &mut state.walkers[number];
    walker.reports += 1;
    let msg = Message::Report { number: walker.at, attempt: walker.reports };
    let (src, dst) = (Id::from(GROUPS + number), Id::from(LEADER));
    state.mail.insert(Envelope { src, dst, msg });
}
