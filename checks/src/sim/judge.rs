//! Who watches: one history of what was committed, kept outside the servers, with which all of them are compared; and
//! what every caller was told, with which that is compared.
//!
//! Nothing here asks the store what is right. It sees which command stands where, what each was told of it, what it
//! changed; and two servers that have applied as many commands must be equal.

use super::event::Command;
use super::kinds::Said;
use super::service::{Applied, Change};
use linear::kv::{History, Kv, Op, Told};
use linear::{Budget, Verdict};
use protocol::clock::Stamp;
use protocol::kv::{Bytes, ClientId, Limits, Reply, SlotId, Version};
use protocol::log::Entry;
use protocol::shardkv::Answer;
use protocol::{Index, LogId, NodeId, Term};
use std::collections::BTreeMap;

/// A claim of a machine holds.
pub const CLAIMS: &str = "Claims";
/// One leader a term.
pub const ELECTION_SAFETY: &str = "Election Safety";
/// Who leads has everything that is committed.
pub const LEADER_COMPLETENESS: &str = "Leader Completeness";
/// At one index all servers apply one command.
pub const STATE_MACHINE_SAFETY: &str = "State Machine Safety";
/// Servers that have applied as many commands are equal, and gave the same replies.
pub const EQUAL_STATES: &str = "Equal States";
/// No call, and no sending of one, is executed twice.
pub const EXACTLY_ONCE: &str = "Exactly Once";
/// What a caller is told is so.
pub const TOLD: &str = "What Is Told";
/// A key's versions rise and never come again.
pub const VERSIONS: &str = "Versions";
/// The group's clock never goes back.
pub const CLOCK: &str = "Clock";
/// A leader shows nothing that is due by its clock.
pub const DUE: &str = "Due";
/// A client whose calls expire has made none in their slot for long, or had to make room there.
pub const TURNED_AWAY: &str = "Turned Away For A Reason";
/// The clients' history has an order that explains every reply.
pub const LINEARIZABLE: &str = "Linearizable";
/// A disk that was damaged is refused, and one that was not is not.
pub const DAMAGE: &str = "Damage Is Found";
/// So few clients do not make so many events.
pub const BOUNDED_WORK: &str = "Bounded Work";
/// When nothing goes wrong any more, the group becomes one again and everybody is told.
pub const CONVERGENCE: &str = "Convergence";

/// A property that does not hold.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct Violation {
    /// When it was seen, in microseconds.
    pub at_us: u64,
    /// Which.
    pub property: &'static str,
    /// What was seen.
    pub text: String,
}

/// A sending of a call.
#[derive(Clone, Copy, Debug, Default)]
struct Copy {
    call: usize,
    applied: bool,
    refused: bool,
}

/// A call of a client.
#[derive(Clone, Copy, Debug, Default)]
struct Call {
    executed: bool,
    refused: bool,
}

/// Who watches.
#[derive(Default)]
pub struct Judge {
    /// For how long a client may be idle, in milliseconds, and how many a slot has room for.
    keeps: (u64, usize),
    violation: Option<Violation>,
    /// By index, what was committed there: its term, and the number of its command.
    committed: Vec<(Term, u64)>,
    /// By how many commands were applied, what was seen of the last of them.
    applied: Vec<Applied>,
    leaders: BTreeMap<Term, (NodeId, u32)>,
    /// Who has run first, by term.
    candidates: BTreeMap<Term, NodeId>,
    copies: Vec<Copy>,
    calls: Vec<Call>,
    versions: BTreeMap<Bytes, Version>,
    /// By slot and client, when by the group's clock it made its last call there that did not expire.
    used: BTreeMap<(SlotId, ClientId), Stamp>,
    ends: BTreeMap<(Bytes, Version), Stamp>,
    history: History,
}

/// What a command did, as those who count want to know.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum News {
    /// A copy of a call that had been executed was answered from its record.
    Repeated,
    /// A tick took something out.
    Ticked,
}

impl Judge {
    /// Of a store with these bounds.
    pub fn new(limits: &Limits) -> Self {
        Self { keeps: (limits.idle_ms, limits.clients), ..Self::default() }
    }

    /// What does not hold, if anything.
    pub const fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }

    /// A property does not hold. The first one counts.
    pub fn violate(&mut self, at_us: u64, property: &'static str, text: String) {
        self.violation.get_or_insert(Violation { at_us, property, text });
    }

    /// The last committed entry.
    pub fn last(&self) -> LogId {
        let index = self.committed.len() as Index;
        self.committed.last().map_or(LogId::ZERO, |(term, _)| LogId::new(*term, index))
    }

    /// Who began to lead last, of the latest term.
    pub fn leader(&self) -> Option<NodeId> {
        self.leaders.last_key_value().map(|(_, (node, _))| *node)
    }

    /// How many commands were applied.
    pub const fn commands(&self) -> usize {
        self.applied.len()
    }

    /// A server runs in a term: whether another has before it.
    pub fn runs(&mut self, node: NodeId, term: Term) -> bool {
        *self.candidates.entry(term).or_insert(node) != node
    }

    /// A server began to lead, in this life. Its log has, as far as it says, the last entry that is committed.
    pub fn leads(
        &mut self,
        node: NodeId,
        boot: u32,
        term: Term,
        has: impl Fn(LogId) -> bool,
    ) -> Wrong {
        let (first, life) = *self.leaders.entry(term).or_insert((node, boot));
        if (first, life) != (node, boot) {
            let text = format!("{first:?} in life {life} and {node:?} in {boot} lead term {term}");
            return Some((ELECTION_SAFETY, text));
        }
        let last = self.last();
        let lacks = format!("{node:?} leads term {term} without the committed entry {last:?}");
        (!has(last)).then_some((LEADER_COMPLETENESS, lacks))
    }

    /// A server has committed an entry.
    pub fn commits(&mut self, node: NodeId, id: LogId, entry: &Entry<Command>) -> Wrong {
        let tag = if let Entry::Command(command) = entry { command.tag } else { u64::MAX };
        let position = id.index as usize - 1;
        match self.committed.get(position) {
            None if position == self.committed.len() => self.committed.push((id.term, tag)),
            Some(&(term, other)) if (term, other) == (id.term, tag) => {}
            found => {
                let text = format!("{node:?} commits {id:?} with command {tag}, others {found:?}");
                return Some((STATE_MACHINE_SAFETY, text));
            }
        }
        None
    }

    /// A server has taken over a snapshot, or started with one.
    pub fn restores(&mut self, node: NodeId, id: LogId, (count, chain): (u64, u64)) -> Wrong {
        let term = self.committed.get((id.index as usize).wrapping_sub(1)).map(|(term, _)| *term);
        if term != Some(id.term) {
            let text =
                format!("{node:?} has a snapshot through {id:?}, others term {term:?} there");
            return Some((STATE_MACHINE_SAFETY, text));
        }
        let known = match count.checked_sub(1) {
            None => Some(0),
            Some(last) => self.applied.get(last as usize).map(|applied| applied.chain),
        };
        let text = format!("{node:?} has another snapshot of {count} commands through {id:?}");
        (known != Some(chain)).then_some((EQUAL_STATES, text))
    }

    /// A server has applied a command. What is new in it.
    pub fn applies(&mut self, node: NodeId, applied: Applied) -> Result<Option<News>, Broken> {
        let position = applied.count as usize - 1;
        match self.applied.get(position) {
            Some(known) if *known == applied => return Ok(None),
            Some(known) => {
                let text =
                    format!("{node:?} after {}: {applied:?}, another {known:?}", known.count);
                return Err((EQUAL_STATES, text));
            }
            None if position > self.applied.len() => {
                let text =
                    format!("{node:?} applies as number {} what nobody knows", applied.count);
                return Err((STATE_MACHINE_SAFETY, text));
            }
            None => {}
        }
        if self.applied.last().is_some_and(|last| last.clock > applied.clock) {
            return Err((CLOCK, format!("the group's clock falls to {}", applied.clock)));
        }
        let news = self.first_applied(&applied)?;
        self.applied.push(applied);
        Ok(news)
    }

    fn first_applied(&mut self, applied: &Applied) -> Result<Option<News>, Broken> {
        let Applied { copy, change, .. } = applied;
        match change {
            Change::Ticked(keys) => return Ok((*keys > 0).then_some(News::Ticked)),
            Change::Step => return Ok(None),
            Change::None | Change::Wrote { .. } | Change::Done => {}
        }
        let Some(sent) = self.copies.get_mut(*copy as usize) else {
            return Err((STATE_MACHINE_SAFETY, format!("nobody has sent copy {copy}")));
        };
        if sent.applied || sent.refused {
            let property = if sent.applied { EXACTLY_ONCE } else { TOLD };
            let was = if sent.applied { "applied before" } else { "told as not executed" };
            return Err((property, format!("copy {copy} is applied and was {was}: {applied:?}")));
        }
        sent.applied = true;
        let number = sent.call;
        if let Some(broken) = self.turned_away(applied) {
            return Err(broken);
        }
        let call = &mut self.calls[number];
        if *change == Change::None {
            return Ok(call.executed.then_some(News::Repeated));
        }
        if call.executed || call.refused {
            let property = if call.executed { EXACTLY_ONCE } else { TOLD };
            let was = if call.executed { "executed before" } else { "told as refused" };
            let text = format!("call {number} is executed and was {was}: {applied:?}");
            return Err((property, text));
        }
        call.executed = true;
        if let Change::Wrote { key, version, ends } = change {
            let greatest = self.versions.entry(key.clone()).or_default();
            if version <= greatest {
                let text = format!("{key:?} gets version {version} after {greatest}");
                return Err((VERSIONS, text));
            }
            *greatest = *version;
            ends.map(|ends| self.ends.insert((key.clone(), *version), ends));
        }
        Ok(None)
    }

    /// KV-IDLE-1, KV-ONCE-5. Its records have gone; so they were there for long enough, or as many clients as there is
    /// room for have called since.
    fn turned_away(&mut self, applied: &Applied) -> Wrong {
        let (slot, client) = applied.once?;
        match applied.said {
            Said::Store(Answer::Reply(Reply::SessionExpired)) => {}
            Said::Store(Answer::Reply(Reply::ClientAhead) | Answer::Refused(_)) => return None,
            _ => {
                self.used.insert((slot, client), applied.clock);
                return None;
            }
        }
        let used = *self.used.get(&(slot, client))?;
        let (idle_ms, room) = self.keeps;
        let of_slot = (slot, ClientId(0))..=(slot, ClientId(u128::MAX));
        let since = self.used.range(of_slot).filter(|(_, other)| **other >= used).count() - 1;
        let text = format!(
            "{client:?} has called {} ms before, {since} others since: {applied:?}",
            applied.clock - used
        );
        (used.saturating_add(idle_ms) >= applied.clock && since < room)
            .then_some((TURNED_AWAY, text))
    }

    /// A client begins a call: its number.
    pub fn begins(&mut self) -> usize {
        self.calls.push(Call::default());
        self.calls.len() - 1
    }

    /// A client sends a copy of a call. Numbers of copies rise by one.
    pub fn sends(&mut self, copy: u64, call: usize) {
        self.copies.resize(copy as usize, Copy::default());
        self.copies.push(Copy { call, applied: false, refused: false });
    }

    /// The caller's server says of a copy that it was not executed and never will be.
    pub fn refuses(&mut self, copy: u64) -> Wrong {
        let sent = &mut self.copies[copy as usize];
        sent.refused = true;
        let text = format!("copy {copy} was applied and is told as not executed");
        sent.applied.then_some((TOLD, text))
    }

    /// The caller's server says that a copy of a command was executed.
    pub fn executed(&self, copy: u64) -> Wrong {
        let text = format!("copy {copy} is told as executed and nobody has applied it");
        (!self.copies[copy as usize].applied).then_some((TOLD, text))
    }

    /// A client was told that its call has changed something, or that it never will.
    pub fn ended(&mut self, call: usize, changed: bool) -> Wrong {
        let known = &mut self.calls[call];
        known.refused = !changed;
        let text = format!(
            "call {call} was {} and is told otherwise",
            if changed { "never executed" } else { "executed" }
        );
        (known.executed != changed).then_some((TOLD, text))
    }

    /// When the value that a key had at a version goes.
    pub fn ends_at(&self, key: &Bytes, version: Version) -> Option<Stamp> {
        self.ends.get(&(key.clone(), version)).copied()
    }

    /// How many calls there were.
    pub const fn calls(&self) -> u64 {
        self.calls.len() as u64
    }

    /// Every key that was ever written.
    pub fn keys(&self) -> impl Iterator<Item = Bytes> {
        self.versions.keys().cloned()
    }

    /// A client calls.
    pub fn note_call(&mut self, client: u64, now: u64, op: Op) {
        self.history.call(client, now, op).expect("a client has one call at a time");
    }

    /// A client is told.
    pub fn note_end(&mut self, client: u64, now: u64, told: Told) {
        self.history.end(client, now, told).expect("who is told has called");
    }

    /// The clients' history.
    pub const fn history(&self) -> &History {
        &self.history
    }

    /// Judges the clients' history.
    pub fn linearizable(&mut self, at_us: u64) -> linear::Report {
        let budget = Budget { steps: 20_000_000, memory_bytes: 2 << 30 };
        // Values that end leave floors too, of which the history says nothing.
        let report = linear::check(&Kv { deletes: true }, &self.history, budget);
        if report.verdict != Verdict::Ok {
            let text = {
                let place = report.places.first();
                place.map_or_else(String::new, |place| linear::text::place(&self.history, place))
            };
            self.violate(at_us, LINEARIZABLE, text);
        }
        report
    }
}

/// A property and what was seen, if it does not hold.
pub type Wrong = Option<Broken>;
/// A property, and what was seen.
pub type Broken = (&'static str, String);
