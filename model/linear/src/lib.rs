//! Judges histories: is there an order of the calls, each taking effect at one moment between its call and its
//! return, in which one object that does one thing after the other gives every reply? Then the history is
//! *linearizable* (Herlihy and Wing 1990), and no client could tell the cluster from a single store.
//!
//! [`History`] is what clients did and were told; [`Recorder`] takes one down from threads, and [`kv::file`] reads and
//! writes it. [`Model`] says what the object does. [`check`] answers with a [`Report`] and one of three words: `Ok`,
//! `Illegal`, or `Unknown` when its [`Budget`] was spent first. Only `Ok` is good. What is said of an illegal history
//! is in [`text`] and drawn by [`timeline`].
//!
//! # Rules
//! 1. Operations that share no key are judged apart (Herlihy and Wing's locality). One with several keys, a MULTI,
//!    joins them: parts are the components of "touches a key in common".
//! 2. Order is the order of events in the history. Times are only shown.
//! 3. An operation that did not return, or of which its client was told that nobody knows (`Unknown`, `Maybe`), is
//!    *pending*: it may take effect at any time from its call on, or never. So may a copy of it that is still on
//!    its way when its client has long gone on to the next call.
//! 4. One that was refused for sure (`NotExecuted`) must not have taken effect: it is counted and takes no part, so if
//!    it did, whoever saw its effect has a reply that nothing explains.
//!
//! # The search
//! Wing and Gong's (1993), with Lowe's memory (2017): take any operation that was called before the first return of all
//! that are left, see whether the object gives its reply, go on, and come back when nothing fits. What was tried is
//! remembered: the set of operations that were taken and the object's state, compared whole and never by a hash
//! alone. [`search`] says what is done about pending operations, each of which doubles what a plain search has to try.
//!
//! This crate depends on nothing else of the repository. A checker that borrowed the store's code would borrow its
//! bugs; a test compares the two.
#![forbid(unsafe_code)]

mod bits;
mod check;
pub mod history;
pub mod kv;
mod links;
pub mod model;
pub mod parts;
pub mod recorder;
pub mod sample;
pub mod search;
mod svg;
pub mod text;
pub mod timeline;

pub use check::{Budget, Counts, Place, Report, TAIL, Verdict, check};
pub use history::{Disorder, History, Operation, Told};
pub use model::{Model, Object};
pub use recorder::Recorder;
