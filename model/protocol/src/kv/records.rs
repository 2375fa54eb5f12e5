//! What is kept so that a call is executed exactly once, however often it is sent.
//!
//! A reply is kept by client and number until the client says that it has arrived. Numbers at or below what
//! a client has acknowledged are never executed again, recorded or not.
//!
//! Room for clients is bounded, so records must be dropped one day, and a call that comes after that looks
//! new. Therefore client ids are ordered by time and a slot keeps a *floor*, the largest id whose records it
//! ever dropped: a client that is not known and not above the floor may have been here, and is refused. No
//! client has to open a session, and no two replicas' clocks are compared.

use super::code::{DecodeError, Decoded, Reader, put_number};
use super::whole::TICK_CLIENTS;
use super::{Limits, Reply, Rules, Stamp};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::fmt;

/// A client. The upper 48 bits are the time at which it was made, in milliseconds since 1970; the others
/// tell clients of one millisecond apart. Nobody uses another's.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ClientId(pub u64);

/// A client's number for a call: each has a greater one than the last, from 1 on.
pub type Seq = u64;

/// Makes a command one that is executed once.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Once {
    /// Whose call it is.
    pub client: ClientId,
    /// Which of theirs.
    pub seq: Seq,
    /// The replies to the calls up to this one have arrived. A client with one call at a time says `seq - 1`.
    pub acknowledged: Seq,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Record {
    seq: Seq,
    print: u64,
    reply: Reply,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Session {
    used: Stamp,
    acknowledged: Seq,
    records: Vec<Record>,
}

/// The records of one slot.
///
/// Invariant: `by_use` has each known client once, at the stamp of its last call.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Records {
    sessions: BTreeMap<ClientId, Session>,
    by_use: BTreeSet<(Stamp, ClientId)>,
    /// The largest client whose records were dropped.
    floor: ClientId,
}

/// What the records say to a call.
pub(super) enum Found {
    /// It is new, and its reply must be kept.
    New,
    /// It is not to be executed; this is the answer.
    Answer(Reply),
}

impl ClientId {
    /// When the client was made, in milliseconds since 1970.
    pub const fn made_ms(self) -> u64 {
        self.0 >> 16
    }
}

impl Records {
    /// The largest client whose records were dropped.
    pub(super) const fn floor(&self) -> ClientId {
        self.floor
    }

    /// Looks a call up, and takes in what it acknowledges.
    pub(super) fn find<R: Rules>(
        &mut self,
        rules: R,
        limits: &Limits,
        clock: Stamp,
        once: Once,
        print: u64,
    ) -> Found {
        let Once { client, seq, acknowledged } = once;
        self.drop_idle(rules, limits, clock);
        if !self.sessions.contains_key(&client) {
            // KV-ONCE-7, KV-ONCE-4.
            if rules.is_ahead(client, clock, limits.ahead_ms) {
                return Found::Answer(Reply::ClientAhead);
            }
            if !rules.may_begin(client, self.floor) {
                return Found::Answer(Reply::SessionExpired);
            }
            self.make_room(rules, limits.clients);
        }
        let session = self.sessions.entry(client).or_insert_with(|| Session {
            used: clock,
            acknowledged: 0,
            records: Vec::new(),
        });
        self.by_use.remove(&(session.used, client));
        self.by_use.insert((clock, client));
        session.used = clock;
        let acknowledged = acknowledged.min(seq.saturating_sub(1));
        session.acknowledged = session.acknowledged.max(acknowledged);
        let up_to = session.acknowledged;
        session.records.retain(|record| record.seq > up_to);
        if let Some(record) = session.records.iter().find(|record| record.seq == seq) {
            // KV-ONCE-1, KV-ONCE-6.
            let same = rules.is_same_command(record.print, print);
            return Found::Answer(if same { record.reply.clone() } else { Reply::SeqReused });
        }
        if rules.is_over(seq, up_to) {
            return Found::Answer(Reply::Acknowledged);
        }
        if session.records.len() >= limits.unacknowledged {
            return Found::Answer(Reply::TooManyUnacknowledged);
        }
        Found::New
    }

    /// KV-ONCE-5. Drops the clients that were idle longest until there is room for another.
    fn make_room<R: Rules>(&mut self, rules: R, room: usize) {
        while self.sessions.len() >= room.max(1) {
            self.drop_first(rules);
        }
    }

    /// KV-ONCE-5, KV-IDLE-1. Drops some of the clients that made no call for too long, by the group's clock.
    pub(super) fn drop_idle<R: Rules>(&mut self, rules: R, limits: &Limits, clock: Stamp) {
        for _ in 0..TICK_CLIENTS {
            match self.by_use.first() {
                Some((used, _)) if rules.is_idle(*used, clock, limits.idle_ms) => {}
                _ => return,
            }
            self.drop_first(rules);
        }
    }

    fn drop_first<R: Rules>(&mut self, rules: R) {
        let Some((_, client)) = self.by_use.pop_first() else { return };
        self.sessions.remove(&client);
        self.floor = rules.client_floor_after(self.floor, client);
    }

    /// Keeps the reply to a call that was found to be new.
    pub(super) fn keep(&mut self, once: Once, print: u64, reply: Reply) {
        let session = self.sessions.get_mut(&once.client).expect("a new call's client is known");
        session.records.push(Record { seq: once.seq, print, reply });
    }

    /// Appends the records' bytes to those of their slot.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let Self { sessions, by_use: _, floor } = self;
        put_number(out, floor.0);
        put_number(out, sessions.len() as u64);
        for (client, Session { used, acknowledged, records }) in sessions {
            put_number(out, client.0);
            put_number(out, *used);
            put_number(out, *acknowledged);
            put_number(out, records.len() as u64);
            for Record { seq, print, reply } in records {
                put_number(out, *seq);
                put_number(out, *print);
                reply.encode(out);
            }
        }
    }

    /// Reads the records of a slot.
    pub(super) fn decode(from: &mut Reader<'_>, clock: Stamp) -> Decoded<Self> {
        let mut read = Self { floor: ClientId(from.number()?), ..Self::default() };
        for _ in 0..from.number()? {
            let client = ClientId(from.number()?);
            let (used, acknowledged) = (from.number()?, from.number()?);
            let in_order = read.sessions.last_key_value().is_none_or(|(last, _)| *last < client);
            if !in_order || used > clock {
                return Err(DecodeError::Invalid("a client"));
            }
            let mut records = Vec::new();
            for _ in 0..from.number()? {
                let (seq, print) = (from.number()?, from.number()?);
                records.push(Record { seq, print, reply: Reply::decode(from)? });
            }
            read.by_use.insert((used, client));
            read.sessions.insert(client, Session { used, acknowledged, records });
        }
        Ok(read)
    }
}

impl fmt::Debug for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.made_ms(), self.0 & 0xffff) {
            (0, low) => write!(f, "c{low}"),
            (made_ms, low) => write!(f, "c{made_ms}.{low}"),
        }
    }
}

impl fmt::Debug for Once {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { client, seq, acknowledged } = self;
        write!(f, "once {client:?} #{seq} ack {acknowledged}")
    }
}

impl fmt::Debug for Records {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.floor > ClientId::default() {
            write!(f, " dropped up to {:?}", self.floor)?;
        }
        for (client, session) in &self.sessions {
            write!(f, " [{client:?} ack {}", session.acknowledged)?;
            for Record { seq, reply, .. } in &session.records {
                write!(f, " #{seq} {reply:?}")?;
            }
            f.write_str("]")?;
        }
        Ok(())
    }
}
