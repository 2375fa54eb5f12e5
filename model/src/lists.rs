//! The two lists that every model beside Raft's has: what a run can reach, and what can be wrong.

/// The corners of a model, each with a text: an enum `Corner`, and `Corners`, which remembers what was reached.
macro_rules! corners {
    ($($name:ident $text:literal,)*) => {
        /// A corner that a run may be required to reach.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Corner {
            $(#[doc = $text] $name,)*
        }

        impl Corner {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The corner in words.
            pub const fn text(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }

        /// What was reached, from all threads.
        #[derive(Debug, Default)]
        pub struct Corners {
            reached: std::sync::atomic::AtomicU64,
            settled: std::sync::atomic::AtomicU64,
        }

        impl Corners {
            pub(super) fn reach(&self, corner: Corner) {
                let bit = 1 << corner as u32;
                if self.reached.load(std::sync::atomic::Ordering::Relaxed) & bit == 0 {
                    self.reached.fetch_or(bit, std::sync::atomic::Ordering::Relaxed);
                }
            }

            /// Whether a corner was reached.
            pub fn reached(&self, corner: Corner) -> bool {
                self.reached.load(std::sync::atomic::Ordering::Relaxed) & (1 << corner as u32) != 0
            }

            /// Whether the fair schedule comes to its end from a state, if that is one of the sample; which is
            /// counted.
            pub(super) fn settle(&self, sampled: bool, settles: impl FnOnce() -> bool) -> bool {
                let settled = !sampled || settles();
                if sampled && settled {
                    self.settled.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                }
                settled
            }

            /// From how many states the fair schedule was tried.
            pub fn settled(&self) -> u64 {
                self.settled.load(std::sync::atomic::Ordering::Relaxed)
            }
        }
    };
}

/// What can be wrong with a model's rules, each with a text: an enum `Bug`.
macro_rules! bugs {
    ($($name:ident $text:literal,)*) => {
        /// One thing that is wrong.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Bug {
            /// Nothing: the rules as they should be.
            None,
            $(#[doc = $text] $name,)*
        }

        impl Bug {
            /// What is wrong, in words.
            pub const fn text(self) -> &'static str {
                match self { Self::None => "nothing", $(Self::$name => $text,)* }
            }
        }
    };
}

pub(crate) use {bugs, corners};
