//! What the steps do.

use super::state::{Call, GROUPS, Message, NODES, Said, State, Stimulus, config};
use super::{Corner, Desk, Do, Fate, History, Violation};
use crate::shardkv::plans;
use protocol::kv::{Bytes, Command as Ask, Op, Part, Place, SlotCopy, SlotId, Work};
use protocol::shardctl::SlotRange;
use protocol::shardkv::router::{Effect, Heard, Input, Rules, Told};
use protocol::shardkv::{Answer, Command, Group, GroupId, Head, State as Kept, Step, Way};
use protocol::{Machine, NodeId};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What a group is told of the next configuration, if it can go to it: the slots whose givers have called them off.
fn called_off<R: Rules>(
    desk: &Desk<R>,
    state: &State<R>,
    number: usize,
) -> Option<BTreeSet<SlotId>> {
    let group = &state.groups[number];
    let next = group.number() + 1;
    if next > desk.bounds.plan.last() {
        return None;
    }
    let configuration = desk.bounds.plan.configuration(next);
    let has_called_off = |slot: &SlotId| {
        group.moves().get(slot).is_some_and(|there| {
            let giver = &state.groups[there.other.0 as usize - 1];
            let gives = giver.moves().get(slot);
            giver.number() >= next && gives.is_none_or(|gives| gives.number > there.number)
        })
    };
    let changed = configuration.changes.iter().filter(|change| group.is_returned(change));
    let called_off = changed.map(|change| change.slot).filter(has_called_off).collect();
    let step = group.may_advance(&configuration, &called_off);
    (step == Step::Done).then_some(called_off)
}

/// A slot that was stopped, by its giver.
fn frozen(groups: &[Arc<Group>], index: usize) -> Option<(usize, GroupId, u64, SlotCopy)> {
    let slot = plans::slot(index);
    groups.iter().enumerate().find_map(|(number, group)| {
        let there = group.moves().get(&slot)?;
        match &there.state {
            Kept::Frozen(copy) => Some((number, there.other, there.number, copy.clone())),
            _ => None,
        }
    })
}

/// Whether a taker waits for a slot that was stopped for it.
fn may_install(groups: &[Arc<Group>], number: usize, index: usize) -> bool {
    let taker = &groups[number];
    frozen(groups, index).is_some_and(|(_, to, by, _)| {
        let there = taker.moves().get(&plans::slot(index));
        to == taker.gid() && there.is_some_and(|it| it.way() == Way::Taking && it.number == by)
    })
}

impl<R: Rules> Desk<R> {
    /// What may happen besides answers, within the bounds.
    pub(super) fn stimuli(&self, state: &State<R>, mut add: impl FnMut(usize, Stimulus)) {
        let (bounds, history) = (&self.bounds, &state.history);
        for (session, program) in (0..).zip(&bounds.programs) {
            let number = usize::from(session);
            if !state.gone[number] && state.asked[number] < program.calls().len() as u64 {
                add(0, Stimulus::Ask(session));
            }
        }
        if bounds.goes && !state.gone[0] && state.asked[0] > 0 {
            add(0, Stimulus::Gone(0));
        }
        for &call in &state.due {
            add(0, Stimulus::Due(call));
        }
        if state.router.config().number < bounds.plan.last() {
            add(0, Stimulus::Learn);
        }
        if history.lates < bounds.lates {
            let refused = |said: &Said| matches!(said, Said::Refused(_) | Said::Flushed(_));
            for (group, message) in state.answers.iter().filter(|(_, it)| refused(&it.said)) {
                add(0, Stimulus::Late(*group, message.clone()));
            }
        }
        for number in 0..state.groups.len() {
            let mut add = |stimulus| add(GROUPS + number, stimulus);
            if let Some(call) = state.sent[number].front() {
                add(Stimulus::Take);
                if history.failures < bounds.failures {
                    add(Stimulus::Fail);
                }
                let serves = match self.wish(*call) {
                    Do::Append(index) => state.groups[number].serves(plans::slot(index)).is_ok(),
                    Do::Flush | Do::Count => false,
                };
                if history.unknowns < bounds.unknown && serves {
                    add(Stimulus::Lose(true));
                    add(Stimulus::Lose(false));
                }
                let elsewhere = !bounds.is_here(state.groups[number].gid());
                let of_slot = matches!(self.wish(*call), Do::Append(_));
                if history.strays < bounds.strays && elsewhere && of_slot && bounds.ways == 1 {
                    add(Stimulus::Stray);
                }
            }
            let second = state.sent.get(state.groups.len() + number);
            if second.is_some_and(|calls| !calls.is_empty()) {
                add(Stimulus::TakeOther);
            }
            for (node, strays) in NODES.iter().zip([Stimulus::Stray, Stimulus::StrayOther]) {
                let is_on = |at: &(usize, NodeId)| *at == (number, *node);
                if history.strays < bounds.strays && state.lanes.values().any(is_on) {
                    add(strays);
                }
            }
            let has_two = bounds.ways > 1 && !bounds.is_here(state.groups[number].gid());
            if history.leads < bounds.leads && has_two {
                add(Stimulus::Lead);
            }
            for &call in &state.strayed[number] {
                add(Stimulus::Land(call));
            }
            if called_off(self, state, number).is_some() {
                add(Stimulus::Advance);
            }
            for index in 0..bounds.plan.slots() {
                let there = state.groups[number].moves().get(&plans::slot(index));
                match there.map(protocol::shardkv::Move::way) {
                    Some(Way::Giving) => add(Stimulus::Freeze(index)),
                    Some(Way::Taking) if may_install(&state.groups, number, index) => {
                        add(Stimulus::Install(index));
                    }
                    _ => {}
                }
            }
        }
    }

    /// What a call is.
    pub(super) fn wish(&self, call: Call) -> Do {
        self.calls(call)[call.place as usize - 1]
    }

    /// All calls of its session.
    pub(super) fn calls(&self, call: Call) -> &'static [Do] {
        self.bounds.programs[usize::from(call.session)].calls()
    }

    /// A stimulus comes to an actor.
    pub(super) fn happen(&self, state: &mut State<R>, id: usize, stimulus: Stimulus) {
        match stimulus {
            Stimulus::Ask(session) => self.ask(state, session),
            Stimulus::Due(call) => {
                state.due.remove(&call);
                self.step(state, &Input::Due { call }, None);
            }
            Stimulus::Gone(session) => {
                state.gone[usize::from(session)] = true;
                self.corners.reach(Corner::Gone);
                self.step(state, &Input::Gone { session }, None);
            }
            Stimulus::Learn => {
                let next = config(&self.bounds, state.router.config().number + 1);
                self.step(state, &Input::Configuration(next), None);
            }
            Stimulus::Late(group, message) => {
                Arc::make_mut(&mut state.history).lates += 1;
                self.arrive(state, group, message, true);
            }
            at_group => self.happen_at(state, id - GROUPS, &at_group),
        }
    }

    fn happen_at(&self, state: &mut State<R>, number: usize, stimulus: &Stimulus) {
        let apply = |groups: &mut Vec<Arc<Group>>, number: usize, command| {
            Arc::make_mut(&mut groups[number]).apply(0, &command)
        };
        match *stimulus {
            Stimulus::Advance => {
                let Some(called_off) = called_off(self, state, number) else { return };
                let configuration =
                    self.bounds.plan.configuration(state.groups[number].number() + 1);
                apply(&mut state.groups, number, Command::Advance { configuration, called_off });
            }
            Stimulus::Freeze(index) => {
                let slot = plans::slot(index);
                let Some(there) = state.groups[number].moves().get(&slot) else { return };
                let command = Command::Freeze { slot, number: there.number };
                apply(&mut state.groups, number, command);
            }
            Stimulus::Install(index) => {
                let slot = plans::slot(index);
                let Some((giver, _, by, copy)) = frozen(&state.groups, index) else { return };
                let (changes, _) = copy.changes(&SlotCopy::empty(slot), Place::START, usize::MAX);
                let part = Part { stream: 1, index: 0, changes };
                let head = Head { number: by, stream: 1, parts: 1, sum: copy.sum() };
                apply(&mut state.groups, number, Command::Stage { slot, number: by, part });
                apply(&mut state.groups, number, Command::Install { slot, head });
                apply(&mut state.groups, giver, Command::Delete { slot, number: by });
            }
            Stimulus::Lead => {
                let leader = &mut state.leaders[number];
                *leader = NODES[usize::from(*leader == NODES[0])];
                Arc::make_mut(&mut state.history).leads += 1;
            }
            Stimulus::Stray if self.bounds.ways > 1 => self.lose_way(state, number, NODES[0]),
            Stimulus::StrayOther => self.lose_way(state, number, NODES[1]),
            Stimulus::Land(call) => {
                state.strayed[number].remove(&call);
                if self.execute(state, number, call, true) == Said::Done {
                    self.corners.reach(Corner::Stray);
                }
            }
            _ => self.take(state, number, stimulus),
        }
    }

    /// The connection to a group's node is lost, with all that is under way there: what was not taken may come late.
    fn lose_way(&self, state: &mut State<R>, number: usize, node: NodeId) {
        let (gid, lane) = (state.groups[number].gid(), usize::from(node.0));
        let on_it = state.lanes.iter().filter(|(_, at)| **at == (number, node));
        let lost: Vec<Call> = on_it.map(|(call, _)| *call).collect();
        let history = Arc::make_mut(&mut state.history);
        history.strays += 1;
        for call in lost {
            state.lanes.remove(&call);
            state.passages[number].ended();
            state.answers.retain(|(from, message)| *from != gid || message.call != call);
            state.answers.insert((gid, Message { call, said: Said::Unknown }));
            history.unknown.insert(call);
        }
        state.passages[number].lost(node);
        let at = number + lane * state.groups.len();
        let left = std::mem::take(&mut state.sent[at]);
        state.strayed[number].extend(left);
    }

    /// On which of a group's nodes a call goes to it.
    fn lane(&self, state: &mut State<R>, call: Call, number: usize) -> usize {
        if self.bounds.ways < 2 || self.bounds.is_here(state.groups[number].gid()) {
            return 0;
        }
        let node = state.passages[number].candidates(&self.rules, &NODES)[0];
        state.passages[number].sent(node);
        state.lanes.insert(call, (number, node));
        node.0.into()
    }

    /// A group takes the first call that was sent to it.
    fn take(&self, state: &mut State<R>, number: usize, stimulus: &Stimulus) {
        let other = *stimulus == Stimulus::TakeOther;
        let at = if other { state.groups.len() + number } else { number };
        let Some(call) = state.sent[at].pop_front() else { return };
        if other {
            self.corners.reach(Corner::OtherWay);
        }
        let said = match stimulus {
            Stimulus::Fail => {
                Arc::make_mut(&mut state.history).failures += 1;
                self.corners.reach(Corner::Failed);
                Said::NotExecuted
            }
            Stimulus::Lose(executes) => {
                if *executes {
                    self.execute(state, number, call, false);
                }
                let history = Arc::make_mut(&mut state.history);
                history.unknowns += 1;
                history.unknown.insert(call);
                self.corners.reach(Corner::Unknown);
                Said::Unknown
            }
            Stimulus::Stray => {
                state.strayed[number].insert(call);
                let history = Arc::make_mut(&mut state.history);
                history.strays += 1;
                history.unknown.insert(call);
                Said::Unknown
            }
            _ => self.execute(state, number, call, false),
        };
        let gid = state.groups[number].gid();
        state.answers.insert((gid, Message { call, said }));
    }

    /// A group executes a call; whether it was given up long before.
    fn execute(&self, state: &mut State<R>, number: usize, call: Call, strayed: bool) -> Said {
        let wish = self.wish(call);
        let gid = state.groups[number].gid();
        let work = match wish {
            Do::Append(index) => {
                let value = Bytes::from(format!("{}{}", call.session, call.place).as_str());
                let (key, op) = (plans::key(index), Op::Append { value });
                Work::Command(Ask { key, op, once: None })
            }
            Do::Flush => Work::Flush,
            Do::Count => {
                Arc::make_mut(&mut state.history).note_gathered(call, gid, [].into_iter());
                return Said::Done;
            }
        };
        let group = Arc::make_mut(&mut state.groups[number]);
        let command = Command::Work { work, value_bytes: u32::MAX };
        let history = Arc::make_mut(&mut state.history);
        match group.apply(0, &command) {
            Answer::Refused(refusal) => Said::Refused(refusal),
            Answer::Flushed(ranges) => {
                let is_in = |index: &usize| {
                    let slot = plans::slot(*index).0;
                    ranges.iter().any(|range| (range.first..=range.last).contains(&slot))
                };
                let slots: BTreeSet<usize> = (0..self.bounds.plan.slots()).filter(is_in).collect();
                history.note_gathered(call, gid, slots.iter().copied());
                Said::Flushed(slots)
            }
            _ => {
                history.note_executed(call, self.calls(call), strayed);
                Said::Done
            }
        }
    }

    fn ask(&self, state: &mut State<R>, session: u8) {
        let number = usize::from(session);
        state.asked[number] += 1;
        let call = Call { session, place: state.asked[number] };
        let groups: Vec<GroupId> = self.bounds.groups().collect();
        let input = match self.wish(call) {
            Do::Append(index) => {
                let here = || groups.iter().copied().filter(|group| self.bounds.is_here(*group));
                let led = self.bounds.stays.then(|| here().collect());
                Input::Ask { call, slot: plans::slot(index), led }
            }
            all => {
                let (flushes, by_itself) = (all == Do::Flush, self.bounds.stays);
                Input::AskAll { call, groups: &groups, flushes, by_itself }
            }
        };
        let sent = state.sent.iter().map(std::collections::VecDeque::len).sum::<usize>();
        self.step(state, &input, None);
        if state.sent.iter().map(std::collections::VecDeque::len).sum::<usize>() == sent {
            self.corners.reach(match self.wish(call) {
                Do::Append(_) => Corner::Waits,
                Do::Flush | Do::Count => Corner::WaitsForAll,
            });
        }
    }

    /// An answer comes to the router.
    pub(super) fn arrive(
        &self,
        state: &mut State<R>,
        group: GroupId,
        message: Message,
        late: bool,
    ) {
        state.answers.remove(&(group, message.clone()));
        let Message { call, said } = message;
        if let Some((number, _)) = state.lanes.remove(&call) {
            state.passages[number].ended();
            state.passages[number].told(Some(state.leaders[number]));
        }
        let ranges: Vec<SlotRange> = match &said {
            Said::Flushed(slots) => slots
                .iter()
                .map(|index| plans::slot(*index).0)
                .map(|slot| SlotRange { first: slot, last: slot })
                .collect(),
            _ => Vec::new(),
        };
        let heard = match said {
            Said::Done => Heard::Done,
            Said::Flushed(_) => Heard::Flushed(&ranges),
            Said::Refused(refusal) => Heard::Refused(refusal),
            Said::NotExecuted => Heard::NotExecuted,
            Said::Unknown => Heard::Unknown,
        };
        let input = Input::Answered { call, group, heard, late };
        self.step(state, &input, Some((heard, late)));
        if late && matches!(heard, Heard::Refused(_)) {
            self.corners.reach(Corner::Late);
            if state.router.has(call) {
                Arc::make_mut(&mut state.history).violate(Violation::NoNeed);
            }
        }
    }

    /// The router takes a step, and what it wants is done.
    fn step(&self, state: &mut State<R>, input: &Input<'_, u8>, by: Option<(Heard<'_>, bool)>) {
        let mut out = Vec::new();
        Arc::make_mut(&mut state.router).step(input.clone(), &mut out);
        let answered = match input {
            Input::Answered { call, .. } => Some(*call),
            _ => None,
        };
        for effect in out {
            let of = match effect {
                Effect::Send { call, .. } | Effect::Later { call } | Effect::Tell { call, .. } => {
                    Some(call)
                }
                Effect::Found { .. } => None,
            };
            if of.is_some_and(|call| state.gone[usize::from(call.session)]) {
                Arc::make_mut(&mut state.history).violate(Violation::SentForGone);
            }
            match effect {
                Effect::Send { call, group } => {
                    if matches!(input, Input::Answered { .. }) {
                        self.corners.reach(Corner::Released);
                    }
                    if !self.bounds.is_here(group) {
                        self.corners.reach(Corner::PassedOn);
                    }
                    let number = group.0 as usize - 1;
                    let lane = self.lane(state, call, number);
                    state.sent[number + lane * state.groups.len()].push_back(call);
                }
                Effect::Later { call } => {
                    self.corners.reach(Corner::Later);
                    state.due.insert(call);
                }
                Effect::Tell { call, told } => {
                    let by = by.filter(|_| answered == Some(call));
                    self.told(state, call, told, by);
                }
                Effect::Found { .. } => {}
            }
        }
    }

    /// A client is told.
    fn told(&self, state: &mut State<R>, call: Call, told: Told, by: Option<(Heard<'_>, bool)>) {
        let heard = by.map(|(heard, _)| heard);
        let late = by.is_some_and(|(_, late)| late);
        let fate = match told {
            Told::Answer if heard == Some(Heard::NotExecuted) => Fate::NotExecuted,
            Told::Answer | Told::Gathered | Told::Unknown => Fate::Told,
            Told::Elsewhere(_) | Told::Nowhere | Told::OnItsWay => Fate::NotExecuted,
        };
        let history = Arc::make_mut(&mut state.history);
        let executed = match (self.wish(call), history.gathered.get(&call)) {
            (Do::Append(_), _) => history.executed.contains(&call),
            (Do::Flush, gathered) => gathered.is_some(),
            // It changes nothing.
            (Do::Count, _) => false,
        };
        let needed = match told {
            Told::OnItsWay => late || history.is_overtaken(call, self.calls(call)),
            Told::Elsewhere(group) => self.bounds.stays && !self.bounds.is_here(group),
            Told::Nowhere => false,
            Told::Answer | Told::Gathered | Told::Unknown => true,
        };
        let claims = told == Told::Answer && heard == Some(Heard::Done);
        if (fate == Fate::NotExecuted && executed) || (claims && !executed) {
            history.violate(Violation::ToldWrongly);
        }
        if told == Told::Gathered && !self.is_of_all(history, call) {
            history.violate(Violation::NotAll);
        }
        if !needed {
            history.violate(Violation::NoNeed);
        }
        history.note_told(call, fate);
        match told {
            Told::OnItsWay if !late => self.corners.reach(Corner::Overtaken),
            Told::Elsewhere(_) => self.corners.reach(Corner::Elsewhere),
            Told::Unknown => self.corners.reach(Corner::ToldUnknown),
            _ => {}
        }
    }

    /// Whether every group has answered a call, and every slot was flushed if that was wanted.
    fn is_of_all(&self, history: &History, call: Call) -> bool {
        let gathered = history.gathered.get(&call);
        gathered.is_some_and(|(groups, slots)| {
            let flushed = slots.len() == self.bounds.plan.slots();
            groups.len() == self.bounds.plan.groups() && (flushed || self.wish(call) != Do::Flush)
        })
    }
}
