//! What is kept so that a call is executed exactly once, however often it is sent.
//!
//! A reply is kept by client and number until the client says that it has arrived. Numbers at or below what
//! a client has acknowledged are never executed again, recorded or not.
//!
//! Room for clients is bounded, so records must be dropped one day, and a call that comes after that looks
//! new. Therefore client ids are ordered by time and a slot keeps a *floor*, the largest id whose records it
//! ever dropped: a client that is not known and not above the floor may have been here, and is refused. No
//! client has to open a session, and no two replicas' clocks are compared.

mod travel;

use super::code::{DecodeError, Decoded, Reader, put_number};
use super::totals::Totals;
use super::whole::TICK_CLIENTS;
use super::{Limits, Pages, Reply, Rules, Stamp};
use alloc::vec::Vec;
use core::fmt;

/// A client. The upper 48 bits are the time at which it was made, in milliseconds since 1970; the others
/// tell clients of one millisecond apart (DEP-CLIENT-ID). A UUID of version 7 (RFC 9562) is one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ClientId(pub u128);

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
    print: u64,
    reply: Reply,
}

impl Record {
    fn goes(&self, seq: Seq, totals: &mut Totals) {
        totals.reply_goes(seq, self.print, &self.reply);
    }
}

/// What is known of one client. A copy of it shares the records.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Session {
    used: Stamp,
    acknowledged: Seq,
    records: Pages<Seq, Record>,
}

/// The records of one slot.
///
/// Invariant: `by_use` has each known client once, at the stamp of its last call.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct Records {
    sessions: Pages<ClientId, Session>,
    by_use: Pages<(Stamp, ClientId), ()>,
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
    /// Below the time.
    const REST_BITS: u32 = 80;

    /// A client that was made so many milliseconds after 1970 (48 bits), told apart by the rest (80 bits).
    pub const fn new(made_ms: u64, rest: u128) -> Self {
        Self((made_ms as u128) << Self::REST_BITS | rest & (u128::MAX >> 48))
    }

    /// When the client was made, in milliseconds since 1970.
    pub const fn made_ms(self) -> u64 {
        (self.0 >> Self::REST_BITS) as u64
    }

    /// Appends it: the upper half, then the lower.
    fn encode(self, out: &mut Vec<u8>) {
        put_number(out, (self.0 >> 64) as u64);
        put_number(out, self.0 as u64);
    }

    fn decode(from: &mut Reader<'_>) -> Decoded<Self> {
        let upper = u128::from(from.number()?);
        Ok(Self(upper << 64 | u128::from(from.number()?)))
    }
}

impl Records {
    /// The largest client whose records were dropped.
    pub(super) const fn floor(&self) -> ClientId {
        self.floor
    }

    /// How many clients are known.
    pub(super) const fn clients(&self) -> usize {
        self.sessions.len()
    }

    /// By client, what is known of it.
    pub(super) fn sessions(&self) -> impl Iterator<Item = (ClientId, &Session)> {
        self.sessions.iter().map(|(client, session)| (*client, session))
    }

    /// Looks a call up, and takes in what it acknowledges.
    pub(super) fn find<R: Rules>(
        &mut self,
        rules: R,
        (limits, clock): (&Limits, Stamp),
        once: Once,
        print: u64,
        totals: &mut Totals,
    ) -> Found {
        let Once { client, seq, acknowledged } = once;
        self.drop_idle(rules, limits, clock, totals);
        if !self.sessions.contains_key(&client) {
            // KV-ONCE-7, KV-ONCE-4.
            if rules.is_ahead(client, clock, limits.ahead_ms) {
                return Found::Answer(Reply::ClientAhead);
            }
            if !rules.may_begin(client, self.floor) {
                return Found::Answer(Reply::SessionExpired);
            }
            self.make_room(rules, limits.clients, totals);
        }
        let acknowledged = acknowledged.min(seq.saturating_sub(1));
        let session = self.used_now(client, clock, totals);
        session.acknowledge(acknowledged, totals);
        if let Some(record) = session.records.get(&seq) {
            // KV-ONCE-1, KV-ONCE-6.
            let same = rules.is_same_command(record.print, print);
            return Found::Answer(if same { record.reply.clone() } else { Reply::SeqReused });
        }
        if rules.is_over(seq, session.acknowledged) {
            return Found::Answer(Reply::Acknowledged);
        }
        if session.records.len() >= limits.unacknowledged {
            return Found::Answer(Reply::TooManyUnacknowledged);
        }
        Found::New
    }

    fn used_now(&mut self, client: ClientId, clock: Stamp, totals: &mut Totals) -> &mut Session {
        let by_use = &mut self.by_use;
        let session = self.sessions.get_or_insert_with(client, || {
            totals.session_comes();
            by_use.insert((clock, client), ());
            Session { used: clock, acknowledged: 0, records: Pages::new() }
        });
        if session.used != clock {
            by_use.remove(&(session.used, client));
            by_use.insert((clock, client), ());
            session.used = clock;
        }
        session
    }

    /// KV-ONCE-5. Drops the clients that were idle longest until there is room for another.
    fn make_room<R: Rules>(&mut self, rules: R, room: usize, totals: &mut Totals) {
        while self.sessions.len() >= room.max(1) {
            self.drop_first(rules, totals);
        }
    }

    /// Whether some client made no call for too long.
    pub(super) fn has_idle<R: Rules>(&self, rules: R, limits: &Limits, clock: Stamp) -> bool {
        let oldest = self.by_use.first();
        oldest.is_some_and(|((used, _), ())| rules.is_idle(*used, clock, limits.idle_ms))
    }

    /// KV-ONCE-5, KV-IDLE-1. Drops some of the clients that made no call for too long, by the group's clock.
    pub(super) fn drop_idle<R: Rules>(
        &mut self,
        rules: R,
        limits: &Limits,
        clock: Stamp,
        totals: &mut Totals,
    ) {
        for _ in 0..TICK_CLIENTS {
            if !self.has_idle(rules, limits, clock) {
                return;
            }
            self.drop_first(rules, totals);
        }
    }

    fn drop_first<R: Rules>(&mut self, rules: R, totals: &mut Totals) {
        let Some(((_, client), ())) = self.by_use.pop_first() else { return };
        if let Some(session) = self.sessions.remove(&client) {
            session.goes(totals);
        }
        self.floor = rules.client_floor_after(self.floor, client);
    }

    /// Forgets all.
    pub(super) fn clear(&mut self, totals: &mut Totals) {
        self.sessions.values().for_each(|session| session.goes(totals));
        *self = Self::default();
    }

    /// Keeps the reply to a call that was found to be new.
    pub(super) fn keep(&mut self, once: Once, print: u64, reply: Reply, totals: &mut Totals) {
        totals.reply_comes(once.seq, print, &reply);
        let session = self.sessions.get_mut(&once.client).expect("a new call's client is known");
        session.records.insert(once.seq, Record { print, reply });
    }

    /// Appends what comes in front of the sessions.
    pub(super) fn encode_head(&self, out: &mut Vec<u8>) {
        self.floor.encode(out);
        put_number(out, self.sessions.len() as u64);
    }

    /// Reads the same: no sessions yet, and how many follow.
    pub(super) fn decode_head(from: &mut Reader<'_>) -> Decoded<(Self, u64)> {
        let floor = ClientId::decode(from)?;
        Ok((Self { floor, ..Self::default() }, from.number()?))
    }

    /// Reads a session, which comes behind those that were read before.
    pub(super) fn decode_next(
        &mut self,
        from: &mut Reader<'_>,
        clock: Stamp,
        totals: &mut Totals,
    ) -> Decoded<()> {
        let client = ClientId::decode(from)?;
        let in_order = self.sessions.last().is_none_or(|(last, _)| *last < client);
        let (used, acknowledged) = (from.number()?, from.number()?);
        if !in_order || used > clock {
            return Err(DecodeError::Invalid("a client"));
        }
        let mut records = Pages::new();
        for _ in 0..from.number()? {
            let (seq, print) = (from.number()?, from.number()?);
            if records.last().is_some_and(|(last, _)| *last >= seq) {
                return Err(DecodeError::Invalid("records are out of order"));
            }
            if seq <= acknowledged {
                return Err(DecodeError::Invalid("an acknowledged record"));
            }
            records.insert(seq, Record { print, reply: Reply::decode(from)? });
        }
        totals.session_comes();
        for (seq, Record { print, reply }) in &records {
            totals.reply_comes(*seq, *print, reply);
        }
        self.by_use.insert((used, client), ());
        self.sessions.insert(client, Session { used, acknowledged, records });
        Ok(())
    }
}

#[cfg(test)]
impl Records {
    /// How many pages are not also those of the other.
    pub(super) fn own_pages(&self, other: &Self) -> usize {
        self.sessions.own_pages(&other.sessions) + self.by_use.own_pages(&other.by_use)
    }
}

impl Session {
    fn goes(&self, totals: &mut Totals) {
        totals.session_goes();
        self.records.iter().for_each(|(seq, record)| record.goes(*seq, totals));
    }

    /// KV-ONCE-3. What has arrived is not kept.
    fn acknowledge(&mut self, up_to: Seq, totals: &mut Totals) {
        self.acknowledged = self.acknowledged.max(up_to);
        while self.records.first().is_some_and(|(seq, _)| *seq <= self.acknowledged) {
            let record = self.records.pop_first();
            record.into_iter().for_each(|(seq, record)| record.goes(seq, totals));
        }
    }

    /// Appends a client's session.
    pub(super) fn encode(&self, client: ClientId, out: &mut Vec<u8>) {
        let Self { used, acknowledged, records } = self;
        client.encode(out);
        put_number(out, *used);
        put_number(out, *acknowledged);
        put_number(out, records.len() as u64);
        for (seq, Record { print, reply }) in records {
            put_number(out, *seq);
            put_number(out, *print);
            reply.encode(out);
        }
    }
}

impl fmt::Debug for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let made_ms = self.made_ms();
        match self.0 ^ Self::new(made_ms, 0).0 {
            rest if made_ms == 0 => write!(f, "c{rest}"),
            rest => write!(f, "c{made_ms}.{rest:x}"),
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
            for (seq, Record { reply, .. }) in &session.records {
                write!(f, " #{seq} {reply:?}")?;
            }
            f.write_str("]")?;
        }
        Ok(())
    }
}
