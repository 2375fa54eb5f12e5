//! Steps of moves, one by one.

use super::clients::slot;
use super::world::LIMITS;
use protocol::kv::{
    ClientId, Command as KeyCommand, Exact, Once, Op, Part, Reply, Staged, Store, Work,
};
use protocol::shardkv::mover::{Effect, Input, Message, Mover, Settings};
use protocol::shardkv::{
    Answer, Change, Command, Configuration, Group, GroupId, Head, InOrder, Next, Num, Query,
    Refusal, Rules, Step, Way, Whereabouts,
};
use std::collections::{BTreeSet, VecDeque};

pub const ONE: GroupId = GroupId(1);
pub const TWO: GroupId = GroupId(2);

pub fn group<R: Rules>(rules: R, gid: GroupId) -> Group<R> {
    Group::new(rules, gid, 0, [], Store::new(Exact, LIMITS))
}

fn change(index: usize, from: Option<GroupId>, to: GroupId) -> Change {
    Change { slot: slot(index), from, to }
}

pub fn advance<R: Rules>(group: &mut Group<R>, number: Num, changes: Vec<Change>) -> Answer {
    let configuration = Configuration { number, changes };
    group.apply(1, &Command::Advance { configuration, called_off: BTreeSet::new() })
}

fn append(name: &str, seq: u64) -> Command {
    let once = Some(Once { client: ClientId(1), seq, acknowledged: 0 });
    let command = KeyCommand { key: name.into(), op: Op::Append { value: "v".into() }, once };
    Command::Work { work: Work::Command(command), value_bytes: 1 << 20 }
}

fn get(name: &str) -> Query {
    Query::Op { key: name.into(), op: Op::Get }
}

fn refusal(number: Num, index: usize, whereabouts: Whereabouts) -> Answer {
    Answer::Refused(Refusal { slot: slot(index), number, whereabouts })
}

const fn step(step: Step) -> Answer {
    Answer::Step(step)
}

fn appended(old: &str, version: u64) -> Answer {
    Answer::Reply(Reply::Appended { old: old.into(), version })
}

/// Two groups: the first has slots a and b, and a key in each.
pub fn two<R: Rules>(rules: R) -> [Group<R>; 2] {
    let mut groups = [group(rules, ONE), group(rules, TWO)];
    for group in &mut groups {
        let first = vec![change(0, None, ONE), change(1, None, ONE), change(2, None, TWO)];
        assert_eq!(advance(group, 1, first), step(Step::Done));
    }
    assert_eq!(groups[0].apply(1, &append("{a}1", 1)), appended("", 1));
    assert_eq!(groups[0].apply(1, &append("{b}1", 1)), appended("", 1));
    groups
}

/// The head of a slot that was stopped, sent in one part.
fn head<R: Rules>(group: &Group<R>, index: usize) -> (Part, Head) {
    let there = group.moves().get(&slot(index)).expect("it is on its way");
    let protocol::shardkv::State::Frozen(copy) = &there.state else {
        panic!("{there:?} was not stopped")
    };
    let empty = protocol::kv::SlotCopy::empty(slot(index));
    let (changes, _) = copy.changes(&empty, protocol::kv::Place::START, 1 << 20);
    let head = Head { number: there.number, stream: 1, parts: 1, sum: copy.sum() };
    (Part { stream: 1, index: 0, changes }, head)
}

/// SHARD-SERVE-1, SHARD-SERVE-2: who is refused is told who has the slot, and nothing of it is recorded.
#[test]
fn a_refusal_says_who_has_the_slot() {
    let [mut one, mut two] = two(InOrder);
    let (a, b) = (append("{a}1", 2), append("{b}1", 2));
    assert_eq!(two.apply(1, &a), refusal(1, 0, Whereabouts::With(ONE)));
    assert_eq!(two.read(&get("{a}1")), refusal(1, 0, Whereabouts::With(ONE)));
    assert_eq!(one.apply(1, &append("{d}1", 2)), refusal(1, 3, Whereabouts::Nowhere));
    for group in [&mut one, &mut two] {
        assert_eq!(advance(group, 2, vec![change(0, Some(ONE), TWO)]), step(Step::Done));
    }
    assert_eq!(one.apply(1, &a), appended("v", 2), "the giver serves until its Freeze");
    assert_eq!(two.apply(1, &a), refusal(2, 0, Whereabouts::ComingFrom(ONE)));
    assert_eq!(two.read(&get("{a}1")), refusal(2, 0, Whereabouts::ComingFrom(ONE)));
    let freeze = Command::Freeze { slot: slot(0), number: 2 };
    assert_eq!(one.apply(1, &freeze), step(Step::Done));
    assert_eq!(one.apply(1, &append("{a}1", 3)), refusal(2, 0, Whereabouts::GoingTo(TWO)));
    assert_eq!(one.read(&get("{a}1")), refusal(2, 0, Whereabouts::GoingTo(TWO)));
    assert_eq!(one.apply(1, &b), appended("v", 2), "another slot is served throughout");
    let (part, head) = head(&one, 0);
    two.apply(1, &Command::Stage { slot: slot(0), number: 2, part });
    assert_eq!(two.apply(1, &Command::Install { slot: slot(0), head }), step(Step::Done));
    assert_eq!(two.apply(1, &a), appended("v", 2), "it was executed by the giver, and is no more");
    assert_eq!(two.apply(1, &append("{a}1", 3)), appended("vv", 3));
}

/// SHARD-FREEZE-1, SHARD-INSTALL-1: Freeze and Delete refuse only smaller numbers, an Install refuses equal ones too.
#[test]
fn numbers_fence() {
    let [mut one, mut two] = two(InOrder);
    for group in [&mut one, &mut two] {
        advance(group, 2, vec![change(0, Some(ONE), TWO)]);
    }
    let freeze = |number| Command::Freeze { slot: slot(0), number };
    let delete = |number| Command::Delete { slot: slot(0), number };
    assert_eq!(one.apply(1, &freeze(1)), step(Step::Over));
    assert_eq!(one.apply(1, &freeze(3)), step(Step::Early));
    assert_eq!(one.apply(1, &freeze(2)), step(Step::Done));
    assert_eq!(one.apply(1, &freeze(2)), step(Step::Done), "again");
    let (part, head) = head(&one, 0);
    let stage = |number| Command::Stage { slot: slot(0), number, part: part.clone() };
    let install = |number| Command::Install { slot: slot(0), head: Head { number, ..head } };
    assert_eq!(two.apply(1, &install(2)), step(Step::NotNext), "nothing has come");
    assert_eq!(two.apply(1, &stage(1)), step(Step::Over));
    assert_eq!(two.apply(1, &stage(3)), step(Step::Early));
    assert_eq!(two.apply(1, &stage(2)), step(Step::Done));
    assert_eq!(two.apply(1, &stage(2)), step(Step::NotNext), "again");
    assert_eq!(two.apply(1, &install(1)), step(Step::Over));
    assert_eq!(two.apply(1, &install(3)), step(Step::Early));
    assert_eq!(two.apply(1, &install(2)), step(Step::Done));
    two.apply(1, &append("{a}1", 7));
    assert_eq!(two.apply(1, &install(2)), step(Step::Over), "again");
    assert!(matches!(two.read(&get("{a}1")), Answer::Reply(Reply::Value { version: 2, .. })));
    assert_eq!(one.apply(1, &delete(1)), step(Step::Over));
    assert_eq!(one.apply(1, &delete(3)), step(Step::Early));
    assert_eq!(one.apply(1, &delete(2)), step(Step::Done));
    assert_eq!(one.apply(1, &delete(2)), step(Step::Over), "again");
    assert!(one.store().slots().eq([slot(1)]), "the giver keeps nothing");

    // The slot goes back: what is of the first move is of no move now.
    for group in [&mut one, &mut two] {
        assert_eq!(advance(group, 3, vec![change(0, Some(TWO), ONE)]), step(Step::Done));
    }
    assert_eq!(two.apply(1, &freeze(2)), step(Step::Over));
    assert_eq!(two.apply(1, &delete(2)), step(Step::Over));
    assert_eq!(one.apply(1, &stage(2)), step(Step::Over));
    assert_eq!(one.apply(1, &install(2)), step(Step::Over));
    assert_eq!(two.moves().get(&slot(0)).map(protocol::shardkv::Move::way), Some(Way::Giving));
}

/// No leader asks for it. If one did, it would be refused.
#[test]
fn what_is_served_is_not_deleted() {
    let [mut one, _] = two(InOrder);
    advance(&mut one, 2, vec![change(0, Some(ONE), TWO)]);
    let answer = one.apply(1, &Command::Delete { slot: slot(0), number: 2 });
    assert_eq!(answer, step(Step::NotNext));
    assert!(matches!(one.read(&get("{a}1")), Answer::Reply(Reply::Value { .. })));
}

/// SHARD-ADVANCE-2: only what it changes itself holds a configuration up.
#[test]
fn a_configuration_waits_for_its_own_slots_and_for_no_others() {
    let [mut one, _] = two(InOrder);
    advance(&mut one, 2, vec![change(0, Some(ONE), TWO)]);
    assert_eq!(advance(&mut one, 2, vec![]), step(Step::Over));
    assert_eq!(advance(&mut one, 4, vec![]), step(Step::Early));
    assert_eq!(advance(&mut one, 3, vec![change(0, Some(TWO), GroupId(3))]), step(Step::NotNext));
    assert_eq!(advance(&mut one, 3, vec![change(1, Some(ONE), TWO)]), step(Step::Done));
    assert_eq!((one.number(), one.finished(), one.moves().len()), (3, 1, 2));
}

/// What nobody changes costs nothing: neither what is kept nor what is copied.
#[test]
fn slots_that_nobody_changes_cost_nothing() {
    let [mut one, _] = two(InOrder);
    let before = one.clone();
    for number in 2..50 {
        assert_eq!(advance(&mut one, number, vec![]), step(Step::Done));
    }
    assert!(one.moves().is_empty());
    assert_eq!((one.finished(), one.memory_bytes()), (49, before.memory_bytes()));
    assert!(one.store() == before.store());
    // A slot of other groups is known, and no move.
    assert_eq!(advance(&mut one, 50, vec![change(2, Some(TWO), GroupId(3))]), step(Step::Done));
    assert_eq!(one.apply(1, &append("{c}1", 5)), refusal(50, 2, Whereabouts::With(GroupId(3))));
    assert!(one.moves().is_empty());
}

/// What was stopped stays as it was.
#[test]
fn neither_a_tick_nor_a_flush_touches_what_was_stopped() {
    let [mut one, _] = two(InOrder);
    advance(&mut one, 2, vec![change(0, Some(ONE), TWO)]);
    one.apply(1, &Command::Freeze { slot: slot(0), number: 2 });
    let before = head(&one, 0);
    for work in [Work::Tick, Work::Flush] {
        one.apply(900_000_000, &Command::Work { work, value_bytes: 0 });
    }
    assert_eq!(head(&one, 0), before);
    assert!(one.store().is_empty());
}

/// Leaders of two groups, between whom nothing is lost.
pub struct Pair {
    pub groups: [Group; 2],
    pub movers: [Mover; 2],
    /// What was proposed, by its name.
    pub proposed: Vec<&'static str>,
}

const fn name(command: &Command) -> &'static str {
    match command {
        Command::Work { .. } => "Work",
        Command::Advance { .. } => "Advance",
        Command::Begin(_) => "Begin",
        Command::Freeze { .. } => "Freeze",
        Command::Stage { .. } => "Stage",
        Command::Install { .. } => "Install",
        Command::Delete { .. } => "Delete",
    }
}

impl Pair {
    pub fn new(groups: [Group; 2], settings: Settings) -> Self {
        let mover = || Mover::new(InOrder, settings, 1, 0);
        Self { groups, movers: [mover(), mover()], proposed: vec![] }
    }

    /// An input, and all that comes of it.
    pub fn input(&mut self, index: usize, input: Input) {
        let mut inputs = VecDeque::from([(index, input)]);
        while let Some((index, input)) = inputs.pop_front() {
            let mut effects = Vec::new();
            self.movers[index].step(&self.groups[index], input, &mut effects);
            for effect in effects {
                match effect {
                    Effect::Send { to, message } => {
                        let from = GroupId(index as u64 + 1);
                        inputs.push_back((to.0 as usize - 1, Input::Message { from, message }));
                    }
                    Effect::Propose { proposal, command } => {
                        self.proposed.push(name(&command));
                        let answer = Some(self.groups[index].apply(1, &command));
                        inputs.push_back((index, Input::Outcome { proposal, answer }));
                    }
                    Effect::Query { .. } | Effect::Report { .. } => {}
                }
            }
        }
    }

    pub fn tick(&mut self) {
        (0..2).for_each(|index| self.input(index, Input::Tick));
    }
}

/// What a move costs, in entries: a slot with nothing in it three, a small one one more.
#[test]
fn a_small_slot_moves_in_four_entries() {
    for (index, expected) in
        [(3, &["Freeze", "Install", "Delete"][..]), (0, &["Stage", "Freeze", "Install", "Delete"])]
    {
        let mut groups = two(InOrder);
        for group in &mut groups {
            advance(group, 2, vec![change(3, None, ONE)]);
            advance(group, 3, vec![change(index, Some(ONE), TWO)]);
        }
        let mut pair = Pair::new(groups, Settings::DEFAULT);
        pair.tick();
        assert_eq!(pair.proposed, expected);
        let [one, two] = &pair.groups;
        assert_eq!((one.finished(), two.finished()), (3, 3));
        assert!(two.serves(slot(index)).is_ok() && one.serves(slot(index)).is_err());
    }
}

/// Of a slot that is stopped before a leader came, nothing is sent until the taker has said how far it is.
#[test]
fn a_new_leader_asks_first() {
    let [mut one, _] = two(InOrder);
    advance(&mut one, 2, vec![change(0, Some(ONE), TWO)]);
    one.apply(1, &Command::Freeze { slot: slot(0), number: 2 });
    let mut mover = Mover::new(InOrder, Settings::DEFAULT, 9, 2);
    let (slot, number, mut out) = (slot(0), 2, Vec::new());
    mover.step(&one, Input::Tick, &mut out);
    let ask = Effect::Send { to: TWO, message: Message::Ask { slot, number } };
    assert_eq!(out, [ask, Effect::Query { number: 2 }, Effect::Report { number: 1 }]);
    out.clear();
    let finished = Message::Finished { slot, number };
    for (from, number) in [(GroupId(3), 2), (TWO, 1)] {
        let message = Message::Finished { slot, number };
        mover.step(&one, Input::Message { from, message }, &mut out);
        assert_eq!(out, [], "of another group, or another move");
    }
    mover.step(&one, Input::Message { from: TWO, message: finished }, &mut out);
    let command = Command::Delete { slot, number };
    assert_eq!(out, [Effect::Propose { proposal: 1, command }]);
}

/// SHARD-STAGE-1.
#[test]
fn the_first_part_of_a_later_stream_begins_anew() {
    assert!(Staged::is_next((3, 2), (3, 2)) && Staged::is_next((3, 2), (4, 0)));
    for part in [(3, 1), (3, 3), (4, 1), (2, 0), (2, 2)] {
        assert!(!Staged::is_next((3, 2), part), "{part:?}");
    }
}

/// SHARD-CANCEL-1, SHARD-CANCEL-2: the taker may be down. When it comes back it is told that the slot stays.
#[test]
fn a_later_configuration_cancels_a_move() {
    let mut pair = Pair::new(two(InOrder), Settings::DEFAULT);
    let there = Configuration { number: 2, changes: vec![change(0, Some(ONE), TWO)] };
    let back = Configuration { number: 3, changes: vec![change(0, Some(TWO), ONE)] };
    let one = |pair: &mut Pair, configuration: &Configuration| {
        let mut out = Vec::new();
        let input = Input::Next(Next::Configuration(configuration.clone()));
        pair.movers[0].step(&pair.groups[0], input, &mut out);
        let [Effect::Propose { command, .. }] = &out[..] else { panic!("{out:?}") };
        let (answer, command) = (pair.groups[0].apply(1, command), command.clone());
        let outcome = Input::Outcome { proposal: configuration.number - 1, answer: Some(answer) };
        out.clear();
        pair.movers[0].step(&pair.groups[0], outcome, &mut out);
        command
    };
    one(&mut pair, &there);
    assert_eq!(pair.groups[0].moves().len(), 1);
    one(&mut pair, &back);
    assert!(pair.groups[0].moves().is_empty() && pair.groups[0].serves(slot(0)).is_ok());
    assert_eq!(pair.groups[0].apply(1, &append("{a}1", 2)), appended("v", 2));

    pair.input(1, Input::Next(Next::Configuration(there)));
    assert!(pair.groups[1].serves(slot(0)).is_err());
    pair.input(1, Input::Next(Next::Configuration(back)));
    assert_eq!(pair.groups[1].number(), 2, "nobody has said yet that the slot will not come");
    pair.tick();
    pair.tick();
    assert_eq!((pair.groups[1].number(), pair.groups[1].finished()), (3, 3));
    assert!(pair.groups[1].serves(slot(0)).is_err() && pair.groups[0].serves(slot(0)).is_ok());
    assert_eq!(pair.proposed, ["Advance", "Advance"]);
}

/// SHARD-CANCEL-1: what was stopped goes, and comes back by the later configuration.
#[test]
fn what_was_stopped_is_not_called_off() {
    let [mut one, mut two] = two(InOrder);
    let back = || vec![change(0, Some(TWO), ONE)];
    for group in [&mut one, &mut two] {
        advance(group, 2, vec![change(0, Some(ONE), TWO)]);
    }
    assert_eq!(advance(&mut two, 3, back()), step(Step::NotNext));
    one.apply(1, &Command::Freeze { slot: slot(0), number: 2 });
    assert_eq!(advance(&mut one, 3, back()), step(Step::NotNext));
    assert!(one.serves(slot(0)).is_err());
}

/// KV-EXPIRE-3: whatever becomes of an entry, the group's clock is not behind its stamp.
#[test]
fn every_stamp_counts() {
    let [mut one, _] = two(InOrder);
    let freeze = Command::Freeze { slot: slot(0), number: 9 };
    for (stamp, command) in [(20, append("{c}1", 2)), (30, freeze), (25, append("{a}1", 2))] {
        one.apply(stamp, &command);
    }
    assert_eq!(one.store().clock(), 30, "the largest stamp");
}
