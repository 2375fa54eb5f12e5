//! What a group's leader does so that slots move: it sends, it asks, and it proposes.
//!
//! It is a machine beside the group and not in it: nothing here is replicated or on a disk. Who comes to lead makes a
//! new one, and all that it must know it finds in the [`Group`] or learns from the leader at the other end. What it
//! does, it does because of how the group stands and not because of how that came about; so a leader that dies at any
//! point leaves nothing behind that another does not take up (SHARD-RESUME-1).
//!
//! *As giver* (`giving.rs`) it asks the taker where it stands, sends copies until little is left, proposes the Freeze,
//! sends the last difference and what the whole is, and proposes the Delete when the taker says that it has installed
//! the slot. Slots go a few at a time for each taker: those that were stopped first.
//!
//! *As taker* (`taking.rs`) it proposes a Stage for each part that is the next one, proposes the Install when all is
//! there, and answers how far it is. It says that a slot was installed only of an entry that the group has applied.
//! Where the next configuration takes a slot back before it has come, it asks the giver whether it still will.
//!
//! Messages may be lost, come twice, late, or in any order: what is not answered is sent again with the next tick, and
//! what is of another move is dropped. A copy that was not finished when the leader changed begins anew, in a greater
//! stream.
//!
//! What the driver promises, of which [`Duty`] keeps the first: `stream` is greater than that of every mover of this
//! group before (the leader's term is); the group that a step is given is that of this replica, with all that it has
//! applied; every proposal has one outcome, and if it was executed the group has it; a message bears the group that
//! sent it.

mod digest;
mod duty;
mod giving;
mod taking;

pub use duty::Duty;

use super::{
    Answer, Beginning, Change, Command, Configuration, Group, GroupId, Head, InOrder, Next, Num,
    Rules, Step, Way,
};
use crate::kv::{self, Part, SlotId};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use giving::Sending;
use taking::Staging;

/// Bounds of what is under way.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Settings {
    /// Slots that are sent to one taker at a time.
    pub slots: usize,
    /// Parts of a slot that were sent and not staged yet.
    pub parts: usize,
    /// Bytes of a part; it has up to one key or reply more.
    pub part_bytes: usize,
    /// A slot is stopped when no more bytes than this differed at last.
    pub little_bytes: usize,
    /// It is stopped after so many copies even if more is written than is sent.
    pub copies: u32,
}

impl Settings {
    /// Those of a server that was told nothing else.
    pub const DEFAULT: Self =
        Self { slots: 16, parts: 2, part_bytes: 32 << 10, little_bytes: 16 << 10, copies: 8 };
}

impl Default for Settings {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// What leaders of two groups tell each other.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Message {
    /// From the giver: how far are you with this slot?
    Ask {
        /// The slot.
        slot: SlotId,
        /// The configuration that moves it.
        number: Num,
    },
    /// From the giver: a part.
    Part {
        /// The slot.
        slot: SlotId,
        /// The configuration that moves it.
        number: Num,
        /// The part.
        part: Part,
    },
    /// From the giver: the slot was stopped, and this is all.
    Whole {
        /// The slot.
        slot: SlotId,
        /// What all is.
        head: Head,
    },
    /// From the taker: will this slot come? The next configuration takes it back.
    Awaits {
        /// The slot.
        slot: SlotId,
        /// The configuration that moves it.
        number: Num,
    },
    /// From the giver: it will not come by that configuration, neither now nor later.
    CalledOff {
        /// The slot.
        slot: SlotId,
        /// The configuration that was to move it.
        number: Num,
    },
    /// From the taker: it has not come to that configuration.
    Early {
        /// The slot.
        slot: SlotId,
        /// The configuration that moves it.
        number: Num,
    },
    /// From the taker: so far.
    Staged {
        /// The slot.
        slot: SlotId,
        /// The configuration that moves it.
        number: Num,
        /// The stream that it has parts of.
        stream: u64,
        /// The index of the part that it waits for.
        next: u64,
    },
    /// From the taker: it has the slot, and so will every leader after it.
    Finished {
        /// The slot.
        slot: SlotId,
        /// The configuration that moves it.
        number: Num,
    },
}

/// What may happen.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Input {
    /// Some time has passed: what was not answered is sent again.
    Tick,
    /// Another group's leader says something.
    Message {
        /// The group.
        from: GroupId,
        /// What it says.
        message: Message,
    },
    /// What became of a proposal.
    Outcome {
        /// Its number.
        proposal: u64,
        /// What the group answered; None if it was not executed, or nobody knows.
        answer: Option<Answer>,
    },
    /// The controller has told what follows.
    Next(Next),
    /// The controller knows that this group has finished a configuration.
    Reported {
        /// Its number.
        number: Num,
    },
}

/// What the driver is asked to do, in order.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Effect {
    /// Tell another group's leader. It may be lost.
    Send {
        /// The group.
        to: GroupId,
        /// What it is told.
        message: Message,
    },
    /// Propose an entry, and say what became of it.
    Propose {
        /// Its number, from 1 on.
        proposal: u64,
        /// The entry's command.
        command: Command,
    },
    /// Ask the controller what follows the group's configuration. It may be lost.
    Query {
        /// The number of the group's configuration.
        number: Num,
    },
    /// Tell the controller that nothing of a configuration is on its way any more. It may be lost.
    Report {
        /// Its number.
        number: Num,
    },
}

/// What was proposed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Proposal {
    Advance,
    Begin,
    Freeze(SlotId),
    /// Of a slot that goes to this group.
    Delete(SlotId, GroupId),
    /// Of a slot that another group gives.
    Stage(SlotId, Num, GroupId),
    Install(SlotId, Num, GroupId),
}

/// The leader's part in moves.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Mover<R = InOrder> {
    rules: R,
    settings: Settings,
    stream: u64,
    /// The group's configuration when it began.
    since: Num,
    /// The number of the latest proposal.
    latest: u64,
    proposed: BTreeMap<u64, Proposal>,
    /// The configuration that follows, if it is known.
    next: Option<Configuration>,
    /// What the controller knows to be finished.
    reported: Num,
    sending: BTreeMap<SlotId, Sending>,
    staging: BTreeMap<SlotId, Staging>,
    /// Slots that will not come, by what their givers have said, and the configurations that were to move them.
    called_off: BTreeMap<SlotId, Num>,
}

/// Where a step puts its effects.
type Out<'a> = &'a mut Vec<Effect>;

impl<R: Rules> Mover<R> {
    /// Of a leader that comes to lead.
    pub const fn new(rules: R, settings: Settings, stream: u64, since: Num) -> Self {
        Self {
            rules,
            settings,
            stream,
            since,
            latest: 0,
            proposed: BTreeMap::new(),
            next: None,
            reported: 0,
            sending: BTreeMap::new(),
            staging: BTreeMap::new(),
            called_off: BTreeMap::new(),
        }
    }

    /// Takes one input and appends its effects. The group is that of the leader's replica.
    pub fn step<K: kv::Rules>(&mut self, group: &Group<R, K>, input: Input, out: Out<'_>) {
        match input {
            Input::Tick => self.on_tick(group, out),
            Input::Message { from, message } => self.on_message(group, from, message, out),
            Input::Outcome { proposal, answer } => self.on_outcome(group, proposal, answer, out),
            Input::Next(Next::Configuration(configuration)) => {
                if configuration.number == group.number() + 1 {
                    self.next = Some(configuration);
                    self.advance(group, out);
                }
            }
            Input::Next(Next::Begin(beginning)) => self.begin(group, beginning, out),
            Input::Reported { number } => self.reported = self.reported.max(number),
        }
    }

    fn on_tick<K: kv::Rules>(&mut self, group: &Group<R, K>, out: Out<'_>) {
        self.forget(group);
        self.remind(group, out);
        self.start(group, out);
        self.advance(group, out);
        self.ask_givers(group, out);
        if self.next.is_none() {
            out.push(Effect::Query { number: group.number() });
        }
        let finished = group.finished();
        if finished > self.reported {
            out.push(Effect::Report { number: finished });
        }
    }

    fn on_message<K: kv::Rules>(
        &mut self,
        group: &Group<R, K>,
        from: GroupId,
        message: Message,
        out: Out<'_>,
    ) {
        match message {
            Message::Ask { slot, number } => self.tell(group, (slot, number), from, out),
            Message::Part { slot, number, part } => {
                self.on_part(group, (slot, number, from), part, out);
            }
            Message::Whole { slot, head } => self.on_whole(group, (slot, from), head, out),
            Message::Awaits { slot, number } => {
                let giving = group.moves().get(&slot).filter(|there| there.way() != Way::Taking);
                let giving = giving.map(|there| there.number);
                if self.rules.has_called_off(number, group.number(), giving) {
                    let message = Message::CalledOff { slot, number };
                    out.push(Effect::Send { to: from, message });
                }
            }
            Message::CalledOff { slot, number } => {
                let there = group.moves().get(&slot);
                if there.is_some_and(|there| there.other == from && there.number == number) {
                    // There may be many: they are looked at with the next tick.
                    self.called_off.insert(slot, number);
                }
            }
            // It is asked again.
            Message::Early { .. } => {}
            Message::Staged { slot, number, stream, next } => {
                self.on_staged(group, (slot, number, from), (stream, next), out);
            }
            Message::Finished { slot, number } => {
                self.on_finished(group, (slot, number, from), out);
            }
        }
    }

    fn on_outcome<K: kv::Rules>(
        &mut self,
        group: &Group<R, K>,
        proposal: u64,
        answer: Option<Answer>,
        out: Out<'_>,
    ) {
        let Some(proposal) = self.proposed.remove(&proposal) else { return };
        match proposal {
            Proposal::Stage(slot, number, from) => {
                self.on_stage_outcome(group, (slot, number, from), out);
            }
            Proposal::Install(slot, number, from) => self.tell(group, (slot, number), from, out),
            // What was not done is tried again with the next tick.
            _ if answer != Some(Answer::Step(Step::Done)) => {}
            Proposal::Freeze(slot) => self.pump(group, slot, out),
            Proposal::Delete(_, to) => {
                self.forget(group);
                self.refill(group, to, out);
                self.advance_if_free(group, out);
            }
            Proposal::Begin | Proposal::Advance => {
                self.forget(group);
                self.start(group, out);
                self.advance(group, out);
                if self.next.is_none() {
                    out.push(Effect::Query { number: group.number() });
                }
            }
        }
        // A slot that has come may be what the next configuration waits for.
        if matches!(proposal, Proposal::Install(..)) {
            self.advance_if_free(group, out);
        }
    }

    /// The same if nothing is on its way; else it is looked at with the next tick. To look at it takes as long as it is
    /// large, and there may be as many slots on their way.
    fn advance_if_free<K: kv::Rules>(&mut self, group: &Group<R, K>, out: Out<'_>) {
        if group.moves().is_empty() {
            self.advance(group, out);
        }
    }

    /// Proposes the next configuration, if it is known and can be applied.
    fn advance<K: kv::Rules>(&mut self, group: &Group<R, K>, out: Out<'_>) {
        self.next.take_if(|next| next.number <= group.number());
        let Some(next) = &self.next else { return };
        let under_way = self.proposed.values().any(|other| *other == Proposal::Advance);
        let called_off = self.given_up(group, next);
        if !under_way && group.may_advance(next, &called_off) == Step::Done {
            let command = Command::Advance { configuration: next.clone(), called_off };
            self.propose(Proposal::Advance, command, out);
        }
    }

    /// Proposes what the controller says that the group begins with.
    fn begin<K: kv::Rules>(&mut self, group: &Group<R, K>, beginning: Beginning, out: Out<'_>) {
        if self.rules.begins_later(beginning.number, group.number()) {
            self.propose_once(Proposal::Begin, Command::Begin(beginning), out);
        }
    }

    /// SHARD-CANCEL-2. The slots that a configuration takes back and that will not come any more.
    fn given_up<K: kv::Rules>(
        &self,
        group: &Group<R, K>,
        next: &Configuration,
    ) -> BTreeSet<SlotId> {
        if self.called_off.is_empty() && self.rules.waits_for_word() {
            return BTreeSet::new();
        }
        let is_over = |change: &&Change| {
            let present = group.moves().get(&change.slot).map(|there| there.number);
            let said = present.is_some() && self.called_off.get(&change.slot).copied() == present;
            group.is_returned(change) && (said || !self.rules.waits_for_word())
        };
        next.changes.iter().filter(is_over).map(|change| change.slot).collect()
    }

    /// Asks of the slots that the next configuration takes back whether they will come.
    fn ask_givers<K: kv::Rules>(&self, group: &Group<R, K>, out: Out<'_>) {
        let changes = self.next.iter().flat_map(|next| &next.changes);
        for Change { slot, to, .. } in changes.filter(|change| group.is_returned(change)) {
            if let Some(there) = group.moves().get(slot) {
                let message = Message::Awaits { slot: *slot, number: there.number };
                out.push(Effect::Send { to: *to, message });
            }
        }
    }

    fn propose(&mut self, proposal: Proposal, command: Command, out: Out<'_>) {
        self.latest += 1;
        self.proposed.insert(self.latest, proposal);
        out.push(Effect::Propose { proposal: self.latest, command });
    }

    /// The same, unless it is under way.
    fn propose_once(&mut self, proposal: Proposal, command: Command, out: Out<'_>) {
        if !self.proposed.values().any(|other| *other == proposal) {
            self.propose(proposal, command, out);
        }
    }
}
