//! What happens in a step.

use super::history::{History, Violation, keys};
use super::plans::slot;
use super::probes::Corner;
use super::state::{GROUPS, Letter, Message, Node, Origin, State, Stimulus, id_of};
use super::{Both, Program, Relay};
use protocol::kv::{Seq, SlotId};
use protocol::shardkv::mover::{Duty, Effect, Input};
use protocol::shardkv::{
    Answer, Command, Group, GroupId, Next, Num, Refusal, Step, Way, Whereabouts,
};
use stateright::actor::Envelope;
use std::sync::Arc;

/// Whether a leader that asks the controller is answered in the same step.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Controller {
    /// It learns what is next in a step of its own, whether it has asked or not.
    Late,
    /// It is answered.
    Answers,
}

impl<R: Both> Relay<R> {
    /// Where it begins.
    pub(super) fn first(&self) -> State<R> {
        let bounds = &self.bounds;
        let gids = (1..=bounds.plan.groups() as u64).map(GroupId);
        let nodes = gids.map(|gid| Arc::new(Node::new(self.rules, gid, bounds)));
        let mut first = State::new(nodes.collect(), History::new(bounds));
        let begun = first.clone();
        if bounds.begun {
            let (index, _) = bounds.programs[0].work(0, 1);
            let owner = bounds.plan.owner(index, 1).expect("every slot has a group");
            self.call(&mut first, 0, 1, owner.0 as usize - 1);
        }
        first.seal(&begun);
        first
    }

    /// What may happen besides messages, within the bounds.
    pub(super) fn stimuli(&self, state: &State<R>, mut add: impl FnMut(usize, Stimulus)) {
        let bounds = &self.bounds;
        let history = &state.history;
        for (client, program) in bounds.programs.iter().enumerate() {
            let latest = (state.answered[client] + 1).min(program.calls().len() as Seq);
            for seq in 1..=latest {
                for (at, node) in state.nodes.iter().enumerate() {
                    if !self.is_far_behind(node) {
                        add(client, Stimulus::Call(seq, at as u8));
                    }
                }
            }
        }
        for (number, node) in state.nodes.iter().enumerate() {
            let mut add = |stimulus| add(GROUPS + number, stimulus);
            add(Stimulus::Tick);
            if node.seen().number() < bounds.plan.last() {
                add(Stimulus::Learn);
            }
            if !node.pending.is_empty() && !self.is_far_behind(node) {
                add(Stimulus::Commit);
            }
            if !node.pending.is_empty() && history.losses < bounds.losses {
                add(Stimulus::Lose);
            }
            if !node.pending.is_empty() && history.repeats[number] < bounds.repeats[number] {
                add(Stimulus::Keep);
            }
            if node.kept.is_some() && !self.is_far_behind(node) {
                add(Stimulus::Again);
            }
            if !node.unapplied.is_empty() {
                add(Stimulus::Apply);
            }
            if node.life < bounds.leaders[number] {
                add(Stimulus::Lead);
            }
            if history.restarts < bounds.restarts {
                add(Stimulus::Restart);
            }
        }
    }

    /// Whether a leader's replica is behind by as much as it may be.
    fn is_far_behind(&self, node: &Node<R>) -> bool {
        self.bounds.behind > 0 && node.unapplied.len() >= usize::from(self.bounds.behind)
    }

    /// A message arrives.
    pub(super) fn arrive(&self, state: &mut State<R>, envelope: Envelope<Message>, by: Controller) {
        let Envelope { src, dst, msg } = envelope;
        let from = GroupId((usize::from(src) - GROUPS) as u64 + 1);
        let number = usize::from(dst) - GROUPS;
        if state.nodes[number].replica.is_some() {
            self.corners.reach(Corner::LeaderBehind);
        }
        self.lead_on(state, number, Input::Message { from, message: msg }, by);
    }

    /// A group's leader takes a step.
    pub(super) fn lead_on(
        &self,
        state: &mut State<R>,
        number: usize,
        input: Input,
        by: Controller,
    ) {
        self.lead_by(state, number, by, |leader, group, out| leader.step(group, input, out));
    }

    /// The same, whatever it is told.
    fn lead_by(
        &self,
        state: &mut State<R>,
        number: usize,
        by: Controller,
        told: impl FnOnce(&mut Duty<R>, &Group<R, R>, &mut Vec<Effect>),
    ) {
        let node = Arc::make_mut(&mut state.nodes[number]);
        let Node { group, replica, leader, life, pending, .. } = node;
        let (gid, mut effects) = (group.gid(), Vec::new());
        told(leader, replica.as_ref().unwrap_or(group), &mut effects);
        let mut learns = false;
        for effect in effects {
            match effect {
                Effect::Send { to, message } => {
                    let (src, dst) = (id_of(gid), id_of(to));
                    state.mail.insert(Letter::new(Envelope { src, dst, msg: message }));
                }
                Effect::Propose { proposal, command } => {
                    pending.push_back((Origin { life: *life, proposal }, command));
                }
                Effect::Query { number } => {
                    learns = by == Controller::Answers && number < self.bounds.plan.last();
                }
                Effect::Report { number } => {
                    let on_its_way = group.moves().values().any(|there| there.number <= number);
                    if on_its_way || number > group.number() {
                        Arc::make_mut(&mut state.history).violate(Violation::ReportedEarly);
                    }
                }
            }
        }
        if learns {
            self.learn(state, number, by);
        }
    }

    fn learn(&self, state: &mut State<R>, number: usize, by: Controller) {
        let plan = self.bounds.plan;
        let node = &state.nodes[number];
        let next = match self.begins_with(node) {
            Some(number) => Next::Begin(plan.beginning(number)),
            None => Next::Configuration(plan.configuration(node.seen().number() + 1)),
        };
        self.lead_on(state, number, Input::Next(next), by);
    }

    /// What the controller has noted as finished when the group came, if its leader has not come so far. It may have
    /// been replaced by one that is behind.
    fn begins_with(&self, node: &Node<R>) -> Option<Num> {
        let (plan, gid) = (self.bounds.plan, node.group.gid());
        let comes = |number: &Num| plan.has_none(gid, *number) && !plan.has_none(gid, *number + 1);
        let is_noted = |number: &Num| {
            *number <= node.group.number() || self.has_nothing_until(&node.group, *number)
        };
        let later = (node.seen().number() + 1..plan.last()).rev();
        later.filter(|_| self.bounds.late).filter(comes).find(is_noted)
    }

    /// Whether a group has nothing, and gets nothing up to a later configuration.
    fn has_nothing_until(&self, group: &Group<R, R>, number: Num) -> bool {
        let plan = self.bounds.plan;
        let mut numbers = group.number()..=number;
        group.moves().is_empty() && numbers.all(|number| plan.has_none(group.gid(), number))
    }

    /// Something happens besides a message.
    pub(super) fn happen(
        &self,
        state: &mut State<R>,
        id: usize,
        stimulus: Stimulus,
        by: Controller,
    ) {
        if let Stimulus::Call(seq, at) = stimulus {
            return self.call(state, id, seq, at.into());
        }
        let number = id - GROUPS;
        match stimulus {
            Stimulus::Call(..) => {}
            Stimulus::Tick => self.lead_on(state, number, Input::Tick, by),
            Stimulus::Learn => self.learn(state, number, by),
            Stimulus::Commit => {
                let node = Arc::make_mut(&mut state.nodes[number]);
                if let Some((origin, command)) = node.pending.pop_front() {
                    self.commit(state, number, (origin, command), by);
                }
            }
            Stimulus::Lose => {
                self.corners.reach(Corner::ProposalLost);
                Arc::make_mut(&mut state.history).losses += 1;
                let node = Arc::make_mut(&mut state.nodes[number]);
                if let Some((origin, _)) = node.pending.pop_front() {
                    self.tell(state, number, origin, None, by);
                }
            }
            Stimulus::Keep => {
                Arc::make_mut(&mut state.history).repeats[number] += 1;
                let node = Arc::make_mut(&mut state.nodes[number]);
                node.kept = node.pending.front().map(|(_, command)| command.clone());
            }
            Stimulus::Again => {
                let node = Arc::make_mut(&mut state.nodes[number]);
                if let Some(command) = node.kept.take() {
                    self.commit(state, number, (Origin::NOBODY, command), by);
                }
            }
            Stimulus::Apply => self.apply(state, number, by),
            Stimulus::Lead => self.lead(state, number),
            Stimulus::Restart => self.restart(state, number),
        }
    }

    /// A leader is told what became of its proposal, if it leads still.
    fn tell(
        &self,
        state: &mut State<R>,
        number: usize,
        origin: Origin,
        answer: Option<Answer>,
        by: Controller,
    ) {
        let Origin { life, proposal } = origin;
        self.lead_by(state, number, by, |leader, group, out| {
            leader.tell(group, (life, proposal), answer, out);
        });
    }

    /// A proposal is committed; all replicas but perhaps the leader's apply it at once.
    fn commit(
        &self,
        state: &mut State<R>,
        number: usize,
        (origin, command): (Origin, Command),
        by: Controller,
    ) {
        let stamp = self.bounds.stamps[number];
        let slots = self.bounds.plan.slots();
        let node = Arc::make_mut(&mut state.nodes[number]);
        if self.bounds.behind > 0 {
            node.replica.get_or_insert_with(|| node.group.clone());
            node.unapplied.push_back((origin, command.clone()));
        }
        let before = node.group.clone();
        let answer = node.group.apply(stamp, &command);
        let ends = |id: SlotId| matches!(&command, Command::Freeze { slot, .. } if *slot == id);
        let interrupted = (0..slots)
            .map(slot)
            .any(|id| before.serves(id).is_ok() && node.group.serves(id).is_err() && !ends(id));
        let number_now = node.group.number();
        let walks = answer != Answer::Step(Step::Done)
            || match &command {
                Command::Advance { .. } => number_now == before.number() + 1,
                Command::Begin(_) => {
                    number_now > before.number() && self.has_nothing_until(&before, number_now)
                }
                _ => number_now == before.number(),
            };
        if !walks {
            Arc::make_mut(&mut state.history).violate(Violation::NotTheNext);
        }
        if interrupted {
            Arc::make_mut(&mut state.history).violate(Violation::Interrupted);
        }
        self.corners.note_entry(state, number, (&before, origin), (&command, &answer));
        if self.bounds.behind == 0 {
            self.tell(state, number, origin, Some(answer), by);
        }
    }

    /// The leader's replica applies what is next for it.
    fn apply(&self, state: &mut State<R>, number: usize, by: Controller) {
        let stamp = self.bounds.stamps[number];
        let node = Arc::make_mut(&mut state.nodes[number]);
        let (Some((origin, command)), Some(replica)) =
            (node.unapplied.pop_front(), &mut node.replica)
        else {
            return;
        };
        let answer = replica.apply(stamp, &command);
        if node.unapplied.is_empty() {
            node.replica = None;
        }
        self.tell(state, number, origin, Some(answer), by);
    }

    /// Another leader comes. It may know less than the one before it: what its own replica has applied.
    fn lead(&self, state: &mut State<R>, number: usize) {
        let node = Arc::make_mut(&mut state.nodes[number]);
        node.life += 1;
        for there in node.group.moves().values() {
            self.corners.reach(match there.way() {
                Way::Giving | Way::Frozen => Corner::LeaderWhileGiving,
                Way::Taking => Corner::LeaderWhileTaking,
            });
        }
        let Node { group, replica, leader, life, .. } = node;
        leader.lead(Some(*life), replica.as_ref().unwrap_or(group));
    }

    /// From the bytes of what is committed and applied. What was proposed may still come.
    fn restart(&self, state: &mut State<R>, number: usize) {
        let node = Arc::make_mut(&mut state.nodes[number]);
        let mut bytes = Vec::new();
        node.group.encode(&mut bytes);
        let read = Group::decode((self.rules, self.rules), super::bounds::LIMITS, &bytes);
        (node.replica, node.unapplied) = (None, [].into());
        let whole = read.as_ref().is_ok_and(|read| *read == node.group);
        if let Ok(read) = read {
            node.group = read;
        }
        self.lead(state, number);
        self.corners.reach(Corner::Restarted);
        let history = Arc::make_mut(&mut state.history);
        history.restarts += 1;
        if !whole {
            history.violate(Violation::SavedWrongly);
        }
    }

    /// A client's call comes to a group, and is answered at once: what is later, is sent later, and may come again.
    fn call(&self, state: &mut State<R>, client: usize, seq: Seq, at: usize) {
        let program: Program = self.bounds.programs[client];
        let (index, work) = program.work(client, seq);
        let id = slot(index);
        let node = Arc::make_mut(&mut state.nodes[at]);
        let before = keys(&node.group.store().copy_slot(id));
        let command = Command::Work { work: work.clone(), value_bytes: 1 << 10 };
        if node.replica.is_some() {
            node.unapplied.push_back((Origin::NOBODY, command.clone()));
        }
        let answer = node.group.apply(self.bounds.stamps[at], &command);
        let reply = match answer {
            Answer::Reply(reply) => reply,
            Answer::Refused(refusal) => return self.note_refusal(node, &refusal),
            Answer::Step(_) | Answer::Seen(_) | Answer::Flushed(_) | Answer::Writes => {
                unreachable!("a client's work is answered")
            }
        };
        let has_changed = keys(&node.group.store().copy_slot(id)) != before;
        let clock = node.group.store().clock();
        let is_giving = node.group.moves().contains_key(&id);
        let first = Arc::make_mut(&mut state.history).note_executed(
            (index, clock),
            &work,
            &reply,
            has_changed,
        );
        state.answered[client] = state.answered[client].max(seq);
        if is_giving && first {
            self.corners.reach(Corner::WhileGiving);
        }
        let began = self.bounds.plan.owner(index, 1) == Some(GroupId(at as u64 + 1));
        if !first && !began {
            self.corners.reach(Corner::RepeatElsewhere);
        }
        if first && program == Program::Remakes && seq == 3 && !began {
            self.corners.reach(Corner::VersionsWentOn);
        }
    }

    fn note_refusal(&self, node: &Node<R>, refusal: &Refusal) {
        self.corners.reach(match refusal.whereabouts {
            Whereabouts::GoingTo(_) => Corner::RefusedFrozen,
            Whereabouts::ComingFrom(_) => Corner::RefusedTaking,
            Whereabouts::With(gid) if gid != node.group.gid() => Corner::RefusedElsewhere,
            Whereabouts::With(_) | Whereabouts::Nowhere => return,
        });
    }
}
