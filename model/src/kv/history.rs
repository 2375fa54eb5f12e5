//! What is true: kept outside of the clients and the server, and compared with what the clients were told.

use super::event::Event;
use super::mirror::{Known, Mirror, Noticed};
use super::probes::{Corner, Corners};
use protocol::kv::clerk::Outcome;
use protocol::kv::{Bytes, Op, Reply, Seq, SlotId, Version};
use stateright::semantics::{ConsistencyTester, LinearizabilityTester, SequentialSpec};
use std::collections::{BTreeMap, BTreeSet};

/// A call: its client's number and the call's.
pub type Call = (u8, Seq);

/// What does not hold.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Violation {
    /// A call was executed more than once.
    ExecutedTwice,
    /// A call was executed whose caller was told that it is not.
    RefusedAndExecuted,
    /// A key got a version that is not above all that it had.
    VersionFell,
    /// An acquirer got a fencing version that is not above all before.
    FenceFell,
    /// A caller was told Maybe without a reason.
    MaybeForNothing,
    /// No order of the calls explains the replies.
    NotLinearizable,
    /// The group's clock is not the largest stamp that was applied.
    ClockFell,
    /// A tick took out more keys than it may.
    TickTooLong,
    /// The store shows or replies what the mirror does not.
    NotAsTheMirror,
    /// A transaction was executed whose watched key was touched.
    WatchIgnored,
    /// A transaction failed though no watched key was touched and no missing one can have been.
    WatchFailedForNothing,
    /// A client was turned away that had not been idle for too long.
    TurnedAwayForNothing,
    /// A scan left out a key that was there throughout, or returned it twice.
    ScanWrong,
    /// A resource let a holder in that was late.
    LateHolderLetIn,
}

/// The store in a few lines, as its users think of it: one key has one value and one version, and a deletion
/// leaves its version behind as a floor under all new keys of the slot.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Twin {
    keys: BTreeMap<Bytes, (Bytes, Version)>,
    floors: BTreeMap<SlotId, Version>,
}

impl Twin {
    fn write(&mut self, key: &Bytes, value: Bytes) -> Version {
        let floor = self.floors.get(&key.slot()).copied().unwrap_or(0);
        let version = self.keys.get(key).map_or(floor, |(_, version)| *version) + 1;
        self.keys.insert(key.clone(), (value, version));
        version
    }
}

impl SequentialSpec for Twin {
    type Op = (Bytes, Op);
    type Ret = Reply;

    fn invoke(&mut self, (key, op): &(Bytes, Op)) -> Reply {
        let old = self.keys.get(key).cloned();
        let fits = |expected: Version| old.as_ref().map_or(0, |(_, version)| *version) == expected;
        let refused = if old.is_some() { Reply::VersionMismatch } else { Reply::NoKey };
        match op {
            Op::Get => old.map_or(Reply::NoKey, |(value, version)| Reply::Value { value, version }),
            Op::Put { expected, .. } | Op::Delete { expected } if !fits(*expected) => refused,
            Op::Put { value, .. } | Op::Set { value } => {
                Reply::Written { version: self.write(key, value.clone()) }
            }
            Op::Append { value } => {
                let old = old.map_or_else(Bytes::default, |(value, _)| value);
                let new = [old.as_ref(), value.as_ref()].concat();
                Reply::Appended { version: self.write(key, new.into()), old }
            }
            Op::String(_) | Op::Key(_) => unreachable!("the scenes have the labs' operations only"),
            Op::Delete { .. } => match self.keys.remove(key) {
                None => Reply::NoKey,
                Some((_, version)) => {
                    let floor = self.floors.entry(key.slot()).or_default();
                    *floor = version.max(*floor);
                    Reply::Written { version }
                }
            },
        }
    }

    /// A call that is turned away for what its client did, or for room, leaves no trace.
    fn is_valid_step(&mut self, op: &(Bytes, Op), reply: &Reply) -> bool {
        match reply {
            Reply::SessionExpired
            | Reply::SeqReused
            | Reply::ClientAhead
            | Reply::TooManyUnacknowledged => true,
            Reply::NotKept => {
                self.invoke(op);
                true
            }
            _ => self.invoke(op) == *reply,
        }
    }
}

/// The history.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct History {
    /// Calls and their replies. Every call is its own thread, because one that ended in Maybe may be executed
    /// while its client already makes the next.
    /// None where a scene does without.
    tester: Option<LinearizabilityTester<Call, Twin>>,
    executed: BTreeSet<Call>,
    refused: BTreeSet<Call>,
    maybe: BTreeSet<Call>,
    /// The greatest version that each key had.
    versions: BTreeMap<Bytes, Version>,
    /// The keys that were deleted at some time.
    deleted: BTreeSet<Bytes>,
    /// The greatest fencing version.
    fence: Version,
    /// None where a scene does without.
    mirror: Option<Mirror>,
    /// The greatest fencing version that a resource has let in.
    let_in: Version,
    /// How many messages were lost.
    pub lost: u8,
    /// How often the server began anew.
    pub restarts: u8,
    /// What does not hold.
    pub violation: Option<Violation>,
}

impl History {
    /// An empty one.
    pub fn new(linearizable: bool, mirrored: Option<Known>) -> Self {
        let tester = linearizable.then(|| LinearizabilityTester::new(Twin::default()));
        Self { tester, mirror: mirrored.map(Mirror::new), ..Self::default() }
    }

    fn violate(&mut self, violation: Violation) {
        self.violation.get_or_insert(violation);
    }

    /// Whether this call was executed.
    pub fn was_executed(&self, call: Call) -> bool {
        self.executed.contains(&call)
    }

    /// Whether this call's client was told Maybe.
    pub fn was_maybe(&self, call: Call) -> bool {
        self.maybe.contains(&call)
    }

    /// Whether this key was deleted at some time.
    pub fn was_deleted(&self, key: &Bytes) -> bool {
        self.deleted.contains(key)
    }

    /// Takes in what was seen at the actor with this number.
    pub fn note(&mut self, actor: u8, event: &Event, corners: &Corners) {
        match event {
            Event::Called { seq, key, op } => {
                // A thread of its own for each call, so that none is begun twice.
                if let Some(tester) = &mut self.tester {
                    let begun = tester.on_invoke((actor, *seq), (key.clone(), op.clone()));
                    begun.expect("every call has its own number");
                }
            }
            Event::Returned { seq, outcome, may_be_maybe } => {
                if *outcome == Outcome::Maybe && !may_be_maybe {
                    self.violate(Violation::MaybeForNothing);
                }
                self.note_return((actor, *seq), outcome);
            }
            Event::Executed { client, seq, changes } => {
                self.note_executed((*client as u8, *seq), changes);
            }
            Event::Applied(applied) => {
                let noticed = self.mirror.as_mut().map(|mirror| mirror.apply(applied));
                self.take_in(noticed, corners);
            }
            Event::Watched { client, key } => {
                if let Some(mirror) = &mut self.mirror {
                    mirror.watch(*client, key);
                }
            }
            Event::Scanned { client, begins, ends, found } => {
                let scan = |mirror: &mut Mirror| mirror.scan(*client, *begins, *ends, found);
                let noticed = self.mirror.as_mut().map(scan);
                self.take_in(noticed, corners);
            }
            Event::Used { version, admitted: true } => {
                if *version < self.let_in {
                    self.violate(Violation::LateHolderLetIn);
                }
                self.let_in = self.let_in.max(*version);
            }
            Event::Used { admitted: false, .. } => corners.reach(Corner::LateHolder),
            Event::Restarted => {
                self.restarts += 1;
                corners.reach(Corner::Restarted);
            }
            Event::Acquired { version, .. } => {
                if *version <= self.fence {
                    self.violate(Violation::FenceFell);
                }
                self.fence = self.fence.max(*version);
            }
            Event::GaveUp { seq } => {
                self.maybe.insert((actor, *seq));
            }
            Event::Failed { seq } => self.refuse((actor, *seq)),
            Event::SentAgain
            | Event::Unchanged { .. }
            | Event::Waits
            | Event::Released
            | Event::Reached(_) => {}
        }
    }

    fn take_in(&mut self, noticed: Option<Noticed>, corners: &Corners) {
        let Some(Noticed { violation, corners: reached }) = noticed else { return };
        if let Some(violation) = violation {
            self.violate(violation);
        }
        reached.into_iter().for_each(|corner| corners.reach(corner));
    }

    fn note_executed(&mut self, call: Call, changes: &[(Bytes, Option<Version>)]) {
        if self.refused.contains(&call) {
            self.violate(Violation::RefusedAndExecuted);
        }
        if !self.executed.insert(call) {
            self.violate(Violation::ExecutedTwice);
        }
        for (key, version) in changes {
            let Some(version) = *version else {
                self.deleted.insert(key.clone());
                continue;
            };
            let greatest = self.versions.entry(key.clone()).or_default();
            let rises = version > *greatest;
            *greatest = version.max(*greatest);
            if !rises {
                self.violate(Violation::VersionFell);
            }
        }
    }

    /// It was not executed, says whoever told its caller.
    fn refuse(&mut self, call: Call) {
        if self.executed.contains(&call) {
            self.violate(Violation::RefusedAndExecuted);
        }
        self.refused.insert(call);
    }

    fn note_return(&mut self, call: Call, outcome: &Outcome) {
        let Outcome::Reply(reply) = outcome else {
            self.maybe.insert(call);
            return;
        };
        if reply.is_refusal() {
            self.refuse(call);
        }
        if *reply == Reply::Acknowledged {
            // It was executed or not: its client has said itself that it knows which.
            return;
        }
        let Some(tester) = &mut self.tester else { return };
        tester.on_return(call, reply.clone()).expect("a call returns once");
        if !tester.is_consistent() {
            self.violate(Violation::NotLinearizable);
        }
    }
}
