//! What could be wrong with the store, its clients and the lock, and what must notice it.

use super::scenes::{
    self, AGAIN, DEATHS, EXECS, EXPIRY, FLUSH, GIVEN_UP, HOLDERS, IDLE_CLIENTS, LEASE, RESTART,
    SCANS, TICKS, WATCHES,
};
use super::{
    BELIEF, Bounds, CALLS_END, CLOCK, EXACTLY_ONCE, FENCE, FLOOR, IDLE, LINEARIZABLE, MAYBE,
    MIRROR, MUTUAL_EXCLUSION, REFUSED, SCAN, Shop, TICK, VERSIONS, WATCH,
};
use crate::bounds::Net;
use crate::lists::bugs;
use protocol::kv::clerk::{Answer, Outcome};
use protocol::kv::{
    AfterMaybe, Bytes, ClientId, Deadline, Exact, Op, Reply, Rules, Seen, Seq, Stamp, Version, When,
};

bugs! {
    NothingRecorded "no reply is kept: a write that is sent again is executed again",
    SetsNotRecorded "only appends are recorded: a Set is idempotent, is it not",
    AcknowledgedRunsAgain "a late copy of an acknowledged call is executed again",
    FloorStays "a client's records are dropped and its slot's floor stays where it was",
    UnknownIsNew "a client whose records were dropped begins anew",
    AnyCommandFits "a number that is used for another command gets the old command's reply",
    FutureWelcome "a client's id from the far future is taken, and expires everyone when it is dropped",
    VersionUnchecked "a Put is executed whatever version it expects",
    VersionStays "a write leaves its key's version as it was",
    VersionRestarts "a key that comes back begins at version 1",
    FloorNotRaised "a deletion leaves no floor under its slot's versions",
    CreationNotRecorded "a Put over version 0 is not recorded: a late copy creates the key again after a deletion",
    MismatchIsFinal "a Put that was sent again and is refused is told as refused",
    MaybeThoughRecorded "a recorded write that was sent again and refused is told as Maybe",
    AlwaysMaybe "every refused Put is told as Maybe",
    LateAnswerTaken "an answer to an earlier call is taken for one to this call",
    NeverSentAgain "a call that is not answered is not sent again",
    MaybeHolds "an acquirer that is told Maybe takes the lock for its own",
    MaybeForgets "an acquirer that is told Maybe begins anew with another token",
    OneToken "all acquirers write the same token",
    HeldLooksFree "a lock is taken whoever holds it",
    ReleasesZero "a holder frees the lock over version 0, not over the version that it holds by",
    FloorFalls "when a client's records are dropped, its slot's floor becomes its id, though it was higher",
    DueIsThere "a key that is due is there for readers and writers until a tick takes it out",
    ExpiryLeavesNoFloor "a key that is taken out because it is due leaves no floor under its slot's versions",
    ClockFollows "the group's clock is the latest entry's stamp and not the largest",
    TickTakesAll "a tick takes out all keys that are due, however many",
    SpanFromStamp "a span counts from the command's stamp, which may be behind the clock",
    WatchForgotten "a transaction is executed whatever became of what it watched",
    MissingIsMissing "a missing key that came and went is as it was seen",
    FaultStops "the operations behind one that faults are not executed",
    FlushForgetsFloors "a flush leaves no floor under its slots' versions",
    FlushForgetsRecords "a flush takes the clients' records too",
    IdleAtOnce "a client's records go as soon as the clock goes on",
    PlaceByNumber "a key's place in a scan is its number among the keys that are there",
    FloorsNotSaved "a snapshot is without the floors under its slots' versions",
    RecordsNotSaved "a snapshot is without the clients' records",
    NoFence "a resource lets in whoever believes to have the lock",
    ReleasesWhatItSees "a holder that was told Maybe frees the lock at whatever version it sees",
    TakesAnything "a lock that was seen free is taken, whoever has it by then",
    OneTokenAnAcquire "all takes of one acquire write the same token",
    AnyTokenIsOwn "a token that a client wrote for an earlier hold is taken for the present one's",
    OwnFence "the fencing version is a number of the holder's own",
    MaybeIsFailed "an acquirer is told that it has failed when nobody knows",
    RenewsAnything "a renewal is written over whatever is there",
    MaybePutsOff "a renewal that nobody answered counts as one that was executed",
    ReleasesAnything "a release is written over whatever is there",
    BelievesUntilReleased "a holder goes on believing until its release is answered",
    WaitsAtEnd "a holder whose time is over waits for the answer to its renewal",
    TokenStays "a token has no deadline",
    EmptyStays "a lock that was released has no deadline",
    AnyOutcome "what became of a call that was given up is taken for the outcome of the present one",
    ReckonsFromAnswer "a holder's time is reckoned from the answer to its call",
}

/// The rules with one thing wrong.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Wrong(pub Bug);

impl Wrong {
    fn is(self, bug: Bug) -> bool {
        self.0 == bug
    }
}

impl Rules for Wrong {
    fn records(&self, op: &Op) -> bool {
        match self.0 {
            Bug::NothingRecorded => false,
            Bug::SetsNotRecorded => matches!(op, Op::Append { .. }),
            _ => Exact.records(op),
        }
    }

    fn is_over(&self, seq: Seq, acknowledged: Seq) -> bool {
        !self.is(Bug::AcknowledgedRunsAgain) && Exact.is_over(seq, acknowledged)
    }

    fn may_begin(&self, client: ClientId, floor: ClientId) -> bool {
        self.is(Bug::UnknownIsNew) || Exact.may_begin(client, floor)
    }

    fn client_floor_after(&self, floor: ClientId, dropped: ClientId) -> ClientId {
        match self.0 {
            Bug::FloorStays => floor,
            Bug::FloorFalls => dropped,
            _ => Exact.client_floor_after(floor, dropped),
        }
    }

    fn is_same_command(&self, kept: u64, print: u64) -> bool {
        self.is(Bug::AnyCommandFits) || Exact.is_same_command(kept, print)
    }

    fn is_ahead(&self, client: ClientId, clock: Stamp, ahead_ms: u64) -> bool {
        !self.is(Bug::FutureWelcome) && Exact.is_ahead(client, clock, ahead_ms)
    }

    fn may_write(&self, version: Version, expected: Version) -> bool {
        self.is(Bug::VersionUnchecked) || Exact.may_write(version, expected)
    }

    fn next_version(&self, old: Option<Version>, floor: Version) -> Version {
        if let (Bug::VersionStays, Some(version)) = (self.0, old) {
            return version;
        }
        let floor = if self.is(Bug::VersionRestarts) { 0 } else { floor };
        Exact.next_version(old, floor)
    }

    fn floor_after(&self, floor: Version, gone: Version) -> Version {
        if self.is(Bug::FloorNotRaised) { floor } else { Exact.floor_after(floor, gone) }
    }

    fn is_due(&self, deadline: Stamp, clock: Stamp) -> bool {
        !self.is(Bug::DueIsThere) && Exact.is_due(deadline, clock)
    }

    fn floor_after_expiry(&self, floor: Version, gone: Version) -> Version {
        if self.is(Bug::ExpiryLeavesNoFloor) { floor } else { Exact.floor_after(floor, gone) }
    }

    fn clock_after(&self, clock: Stamp, stamp: Stamp) -> Stamp {
        if self.is(Bug::ClockFollows) { stamp } else { Exact.clock_after(clock, stamp) }
    }

    fn tick_goes_on(&self, gone: usize, most: usize) -> bool {
        self.is(Bug::TickTakesAll) || Exact.tick_goes_on(gone, most)
    }

    fn span_begins(&self, clock: Stamp, stamp: Stamp) -> Stamp {
        if self.is(Bug::SpanFromStamp) { stamp } else { Exact.span_begins(clock, stamp) }
    }

    fn is_unchanged(&self, seen: Seen, now: Seen) -> bool {
        match (self.0, seen, now) {
            (Bug::WatchForgotten, ..) => true,
            (Bug::MissingIsMissing, Seen::Missing { .. }, Seen::Missing { .. }) => true,
            _ => Exact.is_unchanged(seen, now),
        }
    }

    fn goes_on_after(&self, reply: &Reply) -> bool {
        !(self.is(Bug::FaultStops) && matches!(reply, Reply::Fault(_)))
    }

    fn floor_after_flush(&self, floor: Version, gone: Version) -> Version {
        if self.is(Bug::FlushForgetsFloors) { 0 } else { Exact.floor_after_flush(floor, gone) }
    }

    fn keeps_records_in_flush(&self) -> bool {
        !self.is(Bug::FlushForgetsRecords)
    }

    fn is_idle(&self, used: Stamp, clock: Stamp, idle_ms: u64) -> bool {
        let idle_ms = if self.is(Bug::IdleAtOnce) { 0 } else { idle_ms };
        Exact.is_idle(used, clock, idle_ms)
    }

    fn place_in_scan(&self, hash: u64, number: u64) -> u64 {
        if self.is(Bug::PlaceByNumber) { number } else { Exact.place_in_scan(hash, number) }
    }

    fn floor_in_snapshot(&self, floor: Version) -> Version {
        if self.is(Bug::FloorsNotSaved) { 0 } else { floor }
    }

    fn has_records_in_snapshot(&self) -> bool {
        !self.is(Bug::RecordsNotSaved)
    }

    fn lets_in(&self, version: Version, greatest: Version) -> bool {
        self.is(Bug::NoFence) || Exact.lets_in(version, greatest)
    }

    fn is_mine(&self, answered: Seq, seq: Seq) -> bool {
        self.is(Bug::LateAnswerTaken) || Exact.is_mine(answered, seq)
    }

    fn sends_again(&self) -> bool {
        !self.is(Bug::NeverSentAgain)
    }

    fn records_creation(&self) -> bool {
        !self.is(Bug::CreationNotRecorded)
    }

    fn is_maybe(&self, answer: &Answer, recorded: bool, others: usize) -> bool {
        match (self.0, answer) {
            (Bug::MismatchIsFinal, _) => false,
            (Bug::MaybeThoughRecorded, _) => Exact.is_maybe(answer, false, others),
            (Bug::AlwaysMaybe, Answer::Reply(reply)) => reply.is_refusal(),
            _ => Exact.is_maybe(answer, recorded, others),
        }
    }

    fn token(&self, client: ClientId, acquires: u64) -> Bytes {
        match self.0 {
            Bug::OneToken => Bytes::from("mine"),
            _ => Exact.token(client, acquires),
        }
    }

    fn after_maybe(&self) -> AfterMaybe {
        match self.0 {
            Bug::MaybeHolds => AfterMaybe::Hold,
            Bug::MaybeForgets => AfterMaybe::Forget,
            _ => Exact.after_maybe(),
        }
    }

    fn is_free(&self, value: &Bytes) -> bool {
        self.is(Bug::HeldLooksFree) || Exact.is_free(value)
    }

    fn still_held(&self, held: Version, now: Version) -> Option<Version> {
        if self.is(Bug::ReleasesWhatItSees) { Some(now) } else { Exact.still_held(held, now) }
    }

    fn released_version(&self, held: Version) -> Version {
        if self.is(Bug::ReleasesZero) { 0 } else { held }
    }

    fn takes_when(&self, seen: When) -> When {
        if self.is(Bug::TakesAnything) { When::Always } else { seen }
    }

    fn takes_anew(&self) -> bool {
        !self.is(Bug::OneTokenAnAcquire)
    }

    fn is_own(&self, value: &Bytes, client: ClientId, take: u64) -> bool {
        match self.0 {
            Bug::AnyTokenIsOwn => value.as_ref().starts_with(&client.0.to_be_bytes()),
            _ => Exact.is_own(value, client, take),
        }
    }

    fn fence(&self, seen: Version, take: u64) -> Version {
        if self.is(Bug::OwnFence) { take } else { Exact.fence(seen, take) }
    }

    fn refusal_of_take(&self, outcome: &Outcome) -> Option<Reply> {
        match (self.0, outcome) {
            (Bug::MaybeIsFailed, Outcome::Maybe) => Some(Reply::SessionExpired),
            _ => Exact.refusal_of_take(outcome),
        }
    }

    fn renews_when(&self, token: Bytes) -> When {
        if self.is(Bug::RenewsAnything) { When::Always } else { Exact.renews_when(token) }
    }

    fn puts_off(&self, outcome: &Outcome) -> bool {
        self.is(Bug::MaybePutsOff) && *outcome == Outcome::Maybe || Exact.puts_off(outcome)
    }

    fn releases_when(&self, token: Bytes) -> When {
        if self.is(Bug::ReleasesAnything) { When::Always } else { Exact.releases_when(token) }
    }

    fn believes_until_released(&self) -> bool {
        self.is(Bug::BelievesUntilReleased)
    }

    fn ends_while_calling(&self) -> bool {
        !self.is(Bug::WaitsAtEnd)
    }

    fn lease_deadline(&self, ttl_ms: u64, value: &Bytes) -> Deadline {
        match (self.0, value.as_ref().is_empty()) {
            (Bug::TokenStays, false) | (Bug::EmptyStays, true) => Deadline::Never,
            _ => Exact.lease_deadline(ttl_ms, value),
        }
    }

    fn is_of_latest(&self, call: u64, latest: u64) -> bool {
        self.is(Bug::AnyOutcome) || Exact.is_of_latest(call, latest)
    }

    fn reckons_from<T>(&self, asked: T, answered: T) -> T {
        if self.is(Bug::ReckonsFromAnswer) { answered } else { asked }
    }
}

/// How a mutant is hunted, and what must notice it.
#[derive(Clone, Copy, Debug)]
pub struct Hunt {
    /// Its name: the zoo's row, or `Q…` for one of ours.
    pub id: &'static str,
    /// The rule of SPEC.md that it breaks.
    pub rule: &'static str,
    /// What is wrong.
    pub bug: Bug,
    /// What the model may do.
    pub bounds: Bounds,
    /// The property that must die.
    pub property: &'static str,
}

impl Hunt {
    /// The model in which the mutant is hunted. Every state must settle if it is to die by that.
    pub fn shop(&self) -> Shop<Wrong> {
        let settle_every = u64::from(self.property == CALLS_END);
        Shop::new(Bounds { settle_every, ..self.bounds }, Wrong(self.bug))
    }

    /// The same hunt with nothing wrong: it must find nothing, or the hunt shows nothing.
    pub const fn control(&self) -> Self {
        Self { bug: Bug::None, ..*self }
    }
}

const fn hunt(
    id: &'static str,
    rule: &'static str,
    bug: Bug,
    bounds: Bounds,
    property: &'static str,
) -> Hunt {
    Hunt { id, rule, bug, bounds, property }
}

/// Each call is sent once: nothing comes twice.
const ONCE: Bounds = Bounds { attempts: 1, ..scenes::PUTS };
/// An answer to a call that is over may come.
const LATE: Bounds = Bounds { drop_void: false, ..scenes::APPENDS };
const RECORDED: Bounds = Bounds { net: Net::Duplicate, record_puts: true, ..scenes::PUTS };

/// The mutants of the store, the clerk and the lock.
pub const HUNTS: &[Hunt] = &[
    hunt("K1", "KV-ONCE-1", Bug::NothingRecorded, scenes::APPENDS, EXACTLY_ONCE),
    hunt("K2", "KV-ONCE-2", Bug::SetsNotRecorded, scenes::SETS, EXACTLY_ONCE),
    hunt("QK1", "KV-ONCE-3", Bug::AcknowledgedRunsAgain, scenes::APPENDS, EXACTLY_ONCE),
    hunt("K5", "KV-ONCE-5", Bug::FloorStays, scenes::SESSIONS, EXACTLY_ONCE),
    hunt("K16", "KV-ONCE-4", Bug::UnknownIsNew, scenes::SESSIONS, EXACTLY_ONCE),
    hunt("QK2", "KV-ONCE-6", Bug::AnyCommandFits, scenes::IMPOSTOR, LINEARIZABLE),
    hunt("QK3", "KV-ONCE-7", Bug::FutureWelcome, scenes::FUTURE, FLOOR),
    hunt("QK4", "KV-PUT-1", Bug::VersionUnchecked, ONCE, LINEARIZABLE),
    hunt("QK12", "KV-VERSION-1", Bug::VersionStays, scenes::SETS, VERSIONS),
    hunt("K17", "KV-VERSION-1", Bug::VersionRestarts, scenes::DELETES, VERSIONS),
    hunt("QK5", "KV-VERSION-2", Bug::FloorNotRaised, scenes::DELETES, VERSIONS),
    hunt("QK15", "KV-EXPIRE-1", Bug::DueIsThere, EXPIRY, MIRROR),
    hunt("QK16", "KV-EXPIRE-2", Bug::ExpiryLeavesNoFloor, EXPIRY, VERSIONS),
    hunt("QK17", "KV-EXPIRE-3", Bug::ClockFollows, EXPIRY, CLOCK),
    hunt("QK18", "KV-EXPIRE-4", Bug::TickTakesAll, TICKS, TICK),
    hunt("QK19", "KV-EXPIRE-5", Bug::SpanFromStamp, EXPIRY, MIRROR),
    hunt("QK20", "KV-WATCH-1", Bug::WatchForgotten, WATCHES, WATCH),
    hunt("QK21", "KV-WATCH-1", Bug::MissingIsMissing, WATCHES, WATCH),
    hunt("QK22", "KV-TX-1", Bug::FaultStops, EXECS, MIRROR),
    hunt("QK23", "KV-FLUSH-1", Bug::FlushForgetsFloors, FLUSH, VERSIONS),
    hunt("QK24", "KV-FLUSH-1", Bug::FlushForgetsRecords, FLUSH, EXACTLY_ONCE),
    hunt("QK25", "KV-IDLE-1", Bug::IdleAtOnce, IDLE_CLIENTS, IDLE),
    hunt("K5b", "KV-IDLE-1", Bug::FloorStays, IDLE_CLIENTS, EXACTLY_ONCE),
    hunt("K16b", "KV-ONCE-4", Bug::UnknownIsNew, IDLE_CLIENTS, EXACTLY_ONCE),
    hunt("QK26", "KV-ONCE-5", Bug::FloorFalls, IDLE_CLIENTS, EXACTLY_ONCE),
    hunt("QK27", "KV-SCAN-1", Bug::PlaceByNumber, SCANS, SCAN),
    hunt("S11b", "KV-SNAPSHOT-1", Bug::RecordsNotSaved, RESTART, EXACTLY_ONCE),
    hunt("QK28", "KV-SNAPSHOT-1", Bug::FloorsNotSaved, RESTART, VERSIONS),
    hunt("QK11", "CLERK-CREATE-1", Bug::CreationNotRecorded, scenes::DELETES, EXACTLY_ONCE),
    hunt("K10", "CLERK-MAYBE-1", Bug::MismatchIsFinal, scenes::PUTS, REFUSED),
    hunt("QK6", "CLERK-MAYBE-1", Bug::AlwaysMaybe, RECORDED, MAYBE),
    hunt("QK13", "CLERK-MAYBE-1", Bug::MaybeThoughRecorded, RECORDED, MAYBE),
    hunt("QK7", "CLERK-SEQ-1", Bug::LateAnswerTaken, LATE, LINEARIZABLE),
    hunt("QK8", "CLERK-RETRY-1", Bug::NeverSentAgain, scenes::LOST, CALLS_END),
    hunt("LK1", "LOCK-MAYBE-1", Bug::MaybeHolds, scenes::RACE, MUTUAL_EXCLUSION),
    hunt("LK2", "LOCK-MAYBE-1", Bug::MaybeForgets, scenes::LOCK, CALLS_END),
    hunt("LK3", "LOCK-TOKEN-1", Bug::OneToken, scenes::LOCK, MUTUAL_EXCLUSION),
    hunt("QK9", "LOCK-TAKE-1", Bug::HeldLooksFree, scenes::LOCK, MUTUAL_EXCLUSION),
    hunt("LK4", "LOCK-FENCE-1", Bug::NoFence, LEASE, FENCE),
    hunt("QK14", "LOCK-RELEASE-1", Bug::ReleasesWhatItSees, scenes::LOCK, MUTUAL_EXCLUSION),
    hunt("QK10", "LOCK-RELEASE-1", Bug::ReleasesZero, scenes::LOCK, CALLS_END),
    hunt("QL1", "LEASE-TAKE-1", Bug::TakesAnything, HOLDERS, BELIEF),
    hunt("QL2", "LEASE-TOKEN-1", Bug::OneTokenAnAcquire, AGAIN, BELIEF),
    hunt("QL3", "LEASE-HOLD-1", Bug::AnyTokenIsOwn, AGAIN, MUTUAL_EXCLUSION),
    hunt("QL4", "LEASE-FENCE-1", Bug::OwnFence, HOLDERS, MUTUAL_EXCLUSION),
    hunt("QL5", "LEASE-FAIL-1", Bug::MaybeIsFailed, AGAIN, REFUSED),
    hunt("QL6", "LEASE-RENEW-1", Bug::RenewsAnything, HOLDERS, BELIEF),
    hunt("QL7", "LEASE-RENEW-2", Bug::MaybePutsOff, GIVEN_UP, BELIEF),
    hunt("QL8", "LEASE-RELEASE-1", Bug::ReleasesAnything, HOLDERS, BELIEF),
    hunt("QL9", "LEASE-RELEASE-1", Bug::BelievesUntilReleased, HOLDERS, BELIEF),
    hunt("QL10", "LEASE-LEFT-1", Bug::TokenStays, DEATHS, CALLS_END),
    hunt("QL11", "LEASE-LEFT-1", Bug::EmptyStays, HOLDERS, CALLS_END),
    hunt("QL12", "LEASE-CALL-1", Bug::AnyOutcome, GIVEN_UP, BELIEF),
    hunt("QL13", "LEASE-END-1", Bug::WaitsAtEnd, GIVEN_UP, BELIEF),
    hunt("QL14", "LEASE-CLOCK-1", Bug::ReckonsFromAnswer, GIVEN_UP, BELIEF),
];
