//! What clients do: small programs, each made so that some rule matters.

use protocol::kv::Version;
use serde::{Deserialize, Serialize};

/// The version that a conditional write expects.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Expect {
    /// This one.
    Version(Version),
    /// The one that the client's last Get or write showed.
    Seen,
}

/// One operation of a transaction: key, then value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// Writes.
    Set(&'static str, &'static str),
    /// Writes for so many milliseconds.
    SetFor(&'static str, &'static str, u64),
    /// Adds one to a number.
    Incr(&'static str),
    /// Reads.
    Get(&'static str),
    /// Takes away.
    Delete(&'static str),
}

/// One step of a program: key, then value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Do {
    /// Reads.
    Get(&'static str),
    /// Writes whatever is there.
    Set(&'static str, &'static str),
    /// Writes behind what is there.
    Append(&'static str, &'static str),
    /// Writes over a version.
    Put(&'static str, &'static str, Expect),
    /// Takes away a version.
    Delete(&'static str, Expect),
    /// Writes for so many milliseconds.
    SetFor(&'static str, &'static str, u64),
    /// Writes for so many milliseconds if the key is not there: takes a lock that frees itself.
    Lease(&'static str, &'static str, u64),
    /// Reads, and ends the program unless this is the value: another's lease, or none.
    Holds(&'static str, &'static str),
    /// Uses a resource with the version that was read last, as the fencing version.
    Use,
    /// Adds one to a number.
    Incr(&'static str),
    /// Watches a key.
    Watch(&'static str),
    /// Does several things as one, if what was watched is as it was.
    Exec(&'static [Part]),
    /// Takes away all keys.
    Flush,
    /// Asks for all keys, one by one.
    Scan,
    /// Acquires the lock.
    Acquire,
    /// Releases it.
    Release,
    /// Acquires the lock with a time to live.
    AcquireFor,
    /// Puts its end off.
    Renew,
}

macro_rules! programs {
    ($($name:ident $text:literal [$($step:expr),*],)*) => {
        /// A client's program.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum Program {
            $(#[doc = $text] $name,)*
        }

        impl Program {
            /// Its steps.
            pub const fn steps(self) -> &'static [Do] {
                use Do::*;
                match self { $(Self::$name => &[$($step),*],)* }
            }

            /// Whether it is that of a user of a lock with a time to live.
            pub fn has_ttl(self) -> bool {
                self.steps().contains(&Do::AcquireFor)
            }

            /// Whether it makes writes that expect a version, by itself or through the lock.
            pub fn is_conditional(self) -> bool {
                let conditional = |step: &Do| {
                    matches!(
                        step,
                        Do::Put(..) | Do::Delete(..) | Do::Acquire | Do::Release | Do::Exec(_)
                    )
                };
                !self.has_ttl() && self.steps().iter().any(conditional)
            }

            /// Whether it asks things past its clerk that must not come twice and are never recorded.
            pub fn asks_once(self) -> bool {
                let asks =
                    |step: &Do| matches!(step, Do::Watch(_) | Do::Flush | Do::Scan | Do::Use);
                self.steps().iter().any(asks)
            }

            /// Whether all that it does are the labs' operations.
            pub fn is_of_the_labs(self) -> bool {
                let of_redis = |step: &Do| {
                    matches!(
                        step,
                        Do::SetFor(..)
                            | Do::Lease(..)
                            | Do::Incr(_)
                            | Do::Exec(_)
                            | Do::Flush
                            | Do::AcquireFor
                    )
                };
                !self.steps().iter().any(of_redis)
            }
        }
    };
}

use Expect::{Seen, Version as At};

programs! {
    Nothing "Does nothing." [],
    Gets "Reads x." [Get("x")],
    Appends "Appends a letter to x, then another." [Append("x", "a"), Append("x", "b")],
    AppendsOther "Appends to x a letter that nobody else appends." [Append("x", "c")],
    AppendsGets "Appends to x and reads it." [Append("x", "d"), Get("x")],
    SetsGets "Writes x and reads it." [Set("x", "a"), Get("x")],
    SetsOther "Writes something else to x." [Set("x", "b")],
    PutsNew "Writes x if it is not there, then over what it wrote."
        [Put("x", "a", At(0)), Put("x", "b", Seen)],
    PutsEarly "Writes over the first version of x, which may not be there yet." [Put("x", "e", At(1))],
    GetsPuts "Reads x and writes over what it saw." [Get("x"), Put("x", "d", Seen)],
    PutsDeletes "Writes x if it is not there, deletes it, and writes it anew."
        [Put("x", "a", At(0)), Delete("x", Seen), Put("x", "b", At(0))],
    Frees "Makes the lock, free." [Put("lock", "", At(0))],
    Locks "Acquires the lock and releases it." [Acquire, Release],
    LocksTwice "Acquires the lock and releases it, and does so again."
        [Acquire, Release, Acquire, Release],
    Holds "Acquires the lock for a while and releases it." [AcquireFor, Release],
    HoldsOn "Acquires the lock for a while, puts its end off, and releases it."
        [AcquireFor, Renew, Release],
    HoldsLong "Acquires the lock for a while, puts its end off twice, and releases it."
        [AcquireFor, Renew, Renew, Release],
    HoldsTwice "Acquires the lock for a while, puts its end off, and acquires it again."
        [AcquireFor, Renew, Release, AcquireFor, Release],
    HoldsAndUses "Acquires the lock for a while, uses the resource, and releases the lock."
        [AcquireFor, Use, Release],
    SetsForGets "Writes x for a millisecond and reads it." [SetFor("{t}x", "a", 1), Get("{t}x")],
    LeasesX "Writes x for a millisecond if it is not there." [Lease("{t}x", "b", 1)],
    LeasesGets "Writes x for a millisecond if it is not there, and reads it."
        [Lease("{t}x", "b", 1), Get("{t}x")],
    SetsTwoFor "Writes x and y for a millisecond each."
        [SetFor("{t}x", "a", 1), SetFor("{t}y", "a", 1)],
    GetsTwo "Reads x and y." [Get("{t}x"), Get("{t}y")],
    Leases "Takes a lock that frees itself, uses the resource, and frees the lock."
        [Lease("lease", "1", 1), Holds("lease", "1"), Use, Delete("lease", Seen)],
    LeasesToo "The same, as another holder."
        [Lease("lease", "2", 1), Holds("lease", "2"), Use, Delete("lease", Seen)],
    Increments "Adds one to x." [Incr("{t}x")],
    IncrementsTwice "Adds one to x, and another." [Incr("{t}x"), Incr("{t}x")],
    Watches "Watches x, and adds one to y if it is untouched."
        [Watch("{t}x"), Exec(&[Part::Incr("{t}y")])],
    ComesAndGoes "Lets x and its neighbour z come and go."
        [SetFor("{t}x", "a", 1), Exec(&[Part::Set("{t}z", "a")]), Exec(&[Part::Delete("{t}z")])],
    ExecsPair "Writes x and y as one."
        [Exec(&[Part::Set("{t}x", "a"), Part::Set("{t}y", "a")])],
    ExecsFault "Writes x and y as one, with a fault between, and then again."
        [Exec(&[Part::Set("{t}x", "b"), Part::Incr("{t}x"), Part::Set("{t}y", "b")]),
         Exec(&[Part::Incr("{t}z")])],
    ExecsReads "Reads x and y as one." [Exec(&[Part::Get("{t}x"), Part::Get("{t}y")])],
    IncrementsFlushes "Adds one to x, and takes away all keys." [Incr("{t}x"), Flush],
    IncrementsDeletes "Adds one to x, and takes it away."
        [Incr("{t}x"), Exec(&[Part::Delete("{t}x")])],
    Scans "Asks for all keys, one by one." [Scan],
    ShiftsKeys "Makes three keys and one that expires, takes the first away, and makes another."
        [Exec(&[Part::Set("{t}a", "1"), Part::Set("{t}b", "1"), Part::Set("{t}c", "1"),
               Part::SetFor("{t}e", "1", 1)]),
         Exec(&[Part::Delete("{t}a")]), Exec(&[Part::Set("{t}d", "1")])],
}
