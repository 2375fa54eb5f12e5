//! The decisions on which the store, its clients and the lock rest, each with its id in SPEC.md.

use super::clerk::{Answer, Outcome};
use super::op::{Deadline, When};
use super::records::ClientId;
use super::{Bytes, Op, Reply, Seen, Seq, Stamp, Version};
use core::fmt;
use core::hash::Hash;

/// What the store decides. The only implementation that is right is [`Exact`]; the models have others.
pub trait Rules: Copy + Eq + Hash + fmt::Debug + Send + Sync + 'static {
    /// KV-ONCE-2. Whether the reply to this write is kept.
    fn records(&self, _: &Op) -> bool {
        true
    }

    /// KV-ONCE-3. Whether a call was acknowledged, and is never executed again.
    fn is_over(&self, seq: Seq, acknowledged: Seq) -> bool {
        seq <= acknowledged
    }

    /// KV-ONCE-4. Whether a client of whom nothing is known is new for sure.
    fn may_begin(&self, client: ClientId, floor: ClientId) -> bool {
        client > floor
    }

    /// KV-ONCE-5. The floor when a client's records are dropped.
    fn client_floor_after(&self, floor: ClientId, dropped: ClientId) -> ClientId {
        floor.max(dropped)
    }

    /// KV-ONCE-6. Whether two commands of one number are the same.
    fn is_same_command(&self, kept: u64, print: u64) -> bool {
        kept == print
    }

    /// KV-PUT-1. Whether a write that expects a version may go on.
    fn may_write(&self, version: Version, expected: Version) -> bool {
        version == expected
    }

    /// KV-VERSION-1. The version of a write.
    fn next_version(&self, old: Option<Version>, floor: Version) -> Version {
        old.unwrap_or(floor) + 1
    }

    /// KV-VERSION-2. The slot's floor when a key goes.
    fn floor_after(&self, floor: Version, gone: Version) -> Version {
        floor.max(gone)
    }

    /// KV-EXPIRE-1. Whether a key with this deadline is there no more, for any reader or writer.
    fn is_due(&self, deadline: Stamp, clock: Stamp) -> bool {
        deadline <= clock
    }

    /// KV-EXPIRE-2. The slot's floor when a key goes because it is due.
    fn floor_after_expiry(&self, floor: Version, gone: Version) -> Version {
        self.floor_after(floor, gone)
    }

    /// KV-EXPIRE-3. The group's clock when an entry with this stamp is applied.
    fn clock_after(&self, clock: Stamp, stamp: Stamp) -> Stamp {
        clock.max(stamp)
    }

    /// KV-EXPIRE-4. Whether a tick that has taken out so many keys takes out another.
    fn tick_goes_on(&self, gone: usize, most: usize) -> bool {
        gone < most
    }

    /// KV-EXPIRE-5. From when a span counts. The command's own stamp may be behind the clock, and readers compare with
    /// the clock.
    fn span_begins(&self, clock: Stamp, _stamp: Stamp) -> Stamp {
        clock
    }

    /// KV-WATCH-1. Whether a watched key is as it was seen.
    fn is_unchanged(&self, seen: Seen, now: Seen) -> bool {
        seen == now
    }

    /// KV-TX-1. Whether the operations behind one with this reply are executed.
    fn goes_on_after(&self, _: &Reply) -> bool {
        true
    }

    /// KV-FLUSH-1. The slot's floor when a key goes with all others.
    fn floor_after_flush(&self, floor: Version, gone: Version) -> Version {
        self.floor_after(floor, gone)
    }

    /// KV-FLUSH-1. Whether the clients' records stay when all keys go.
    fn keeps_records_in_flush(&self) -> bool {
        true
    }

    /// KV-IDLE-1. Whether a client made no call for so long that its records go.
    fn is_idle(&self, used: Stamp, clock: Stamp, idle_ms: u64) -> bool {
        used.saturating_add(idle_ms) < clock
    }

    /// KV-SCAN-1. Where a key stands among those of its slot in a scan, by the hash of the key. Its number among
    /// the keys that are there now would change when others come and go.
    fn place_in_scan(&self, hash: u64, _number: u64) -> u64 {
        hash
    }

    /// KV-SNAPSHOT-1. The slot's floor in a snapshot.
    fn floor_in_snapshot(&self, floor: Version) -> Version {
        floor
    }

    /// KV-SNAPSHOT-1. Whether a snapshot has the clients' records.
    fn has_records_in_snapshot(&self) -> bool {
        true
    }

    /// PARTS-1. The slot's floor when it goes to another group.
    fn floor_in_parts(&self, floor: Version) -> Version {
        floor
    }

    /// PARTS-1. Whether the clients' records go along with a slot.
    fn has_records_in_parts(&self) -> bool {
        true
    }

    /// PARTS-2. The group's clock when a slot comes from another group, by that group's clock.
    fn clock_after_install(&self, clock: Stamp, of_slot: Stamp) -> Stamp {
        clock.max(of_slot)
    }

    /// CLERK-SEQ-1. Whether an answer is one to the call that is under way.
    fn is_mine(&self, answered: Seq, seq: Seq) -> bool {
        answered == seq
    }

    /// KV-ONCE-7. Whether a client's id is from a future that the group's clock is far from.
    fn is_ahead(&self, client: ClientId, clock: Stamp, ahead_ms: u64) -> bool {
        client.made_ms() > clock.saturating_add(ahead_ms)
    }

    /// CLERK-RETRY-1. Whether a call that was not answered in time is sent once more.
    fn sends_again(&self) -> bool {
        true
    }

    /// CLERK-CREATE-1. Whether a Put over version 0 is recorded in any case. Every other version comes once, so a late
    /// copy of a Put over it is refused; but a key that is deleted is at version 0 again.
    fn records_creation(&self) -> bool {
        true
    }

    /// CLERK-MAYBE-1. Whether a refused write may have been executed all the same, or may yet be: another copy of
    /// it is or was under way. Of a recorded write only the refusals that are not recorded leave that open.
    fn is_maybe(&self, answer: &Answer, recorded: bool, others: usize) -> bool {
        match answer {
            Answer::Reply(reply) => {
                reply.is_refusal() && others > 0 && (!recorded || reply.is_passing())
            }
            Answer::NotExecuted { .. } => false,
        }
    }

    /// LOCK-TOKEN-1. What a holder writes into the lock: no two acquires write the same.
    fn token(&self, client: ClientId, acquires: u64) -> Bytes {
        Bytes::from([&client.0.to_be_bytes()[..], &acquires.to_be_bytes()].concat())
    }

    /// LOCK-MAYBE-1. What is made of a Put that may or may not have taken the lock.
    fn after_maybe(&self) -> AfterMaybe {
        AfterMaybe::Look
    }

    /// LOCK-TAKE-1. Whether a lock with this value is free.
    fn is_free(&self, value: &Bytes) -> bool {
        value.as_ref().is_empty()
    }

    /// LOCK-RELEASE-1. The version to be freed by a holder that was told Maybe and sees the lock at version `now`.
    fn still_held(&self, held: Version, now: Version) -> Option<Version> {
        (now == held).then_some(held)
    }

    /// LOCK-FENCE-1. Whether a resource lets a holder in.
    fn lets_in(&self, version: Version, greatest: Version) -> bool {
        version >= greatest
    }

    /// LOCK-RELEASE-1. The version over which a holder puts the empty value: the one that it holds by.
    fn released_version(&self, held: Version) -> Version {
        held
    }

    /// LEASE-TAKE-1. On what the write depends that takes a lock: that it is as it was seen, free.
    fn takes_when(&self, seen: When) -> When {
        seen
    }

    /// LEASE-TOKEN-1. Whether a take writes a token of its own though its acquire has written one before. A token that
    /// two calls may have written does not tell from when its deadline counts.
    fn takes_anew(&self) -> bool {
        true
    }

    /// LEASE-HOLD-1. Whether a value is the token of this take.
    fn is_own(&self, value: &Bytes, client: ClientId, take: u64) -> bool {
        *value == self.token(client, take)
    }

    /// LEASE-FENCE-1. The fencing version of a holder that sees its token at this version.
    fn fence(&self, seen: Version, _take: u64) -> Version {
        seen
    }

    /// LEASE-FAIL-1. The refusal by which an acquirer knows that its take was not executed and never will be.
    fn refusal_of_take(&self, outcome: &Outcome) -> Option<Reply> {
        match outcome {
            Outcome::Reply(reply) if reply.is_refusal() => Some(reply.clone()),
            _ => None,
        }
    }

    /// LEASE-RENEW-1. On what a renewal depends: that the holder's own token is there.
    fn renews_when(&self, token: Bytes) -> When {
        When::Equal(token)
    }

    /// LEASE-RENEW-2. Whether a renewal with this outcome has put the end off.
    fn puts_off(&self, outcome: &Outcome) -> bool {
        *outcome == Outcome::Reply(Reply::Ok)
    }

    /// LEASE-RELEASE-1. On what a release depends: that the holder's own token is there.
    fn releases_when(&self, token: Bytes) -> When {
        When::Equal(token)
    }

    /// LEASE-RELEASE-1. Whether a holder goes on believing until its release is answered.
    fn believes_until_released(&self) -> bool {
        false
    }

    /// LEASE-END-1. Whether a holder stops at its end though it waits for an answer.
    fn ends_while_calling(&self) -> bool {
        true
    }

    /// LEASE-LEFT-1. The deadline of what is written into the lock, a token or the empty value.
    fn lease_deadline(&self, ttl_ms: u64, _value: &Bytes) -> Deadline {
        Deadline::In(ttl_ms)
    }

    /// LEASE-CALL-1. Whether an outcome is that of the call that is under way.
    fn is_of_latest(&self, call: u64, latest: u64) -> bool {
        call == latest
    }

    /// LEASE-CLOCK-1, for the driver. From when the time to live of what a call wrote is reckoned, of when the call was
    /// asked for and when its answer came: the store reckons from somewhere between.
    fn reckons_from<T>(&self, asked: T, _answered: T) -> T {
        asked
    }
}

/// What an acquirer can make of Maybe.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum AfterMaybe {
    /// Sees who holds the lock.
    Look,
    /// Takes it for held: wrong.
    Hold,
    /// Takes it for another's, and begins anew: wrong.
    Forget,
}

/// The rules as SPEC.md has them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Exact;

impl Rules for Exact {}

impl fmt::Debug for Exact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Exact")
    }
}
