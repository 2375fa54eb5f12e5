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
    /// Acquires the lock.
    Acquire,
    /// Releases it.
    Release,
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

            /// Whether it makes writes that expect a version, by itself or through the lock.
            pub fn is_conditional(self) -> bool {
                let conditional = |step: &Do| {
                    matches!(step, Do::Put(..) | Do::Delete(..) | Do::Acquire | Do::Release)
                };
                self.steps().iter().any(conditional)
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
}
