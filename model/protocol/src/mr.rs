//! MapReduce: who runs which task, which attempt of it counts, and what the output is.
//!
//! "Paper" is Dean and Ghemawat, *MapReduce: Simplified Data Processing on Large Clusters* (2004), quoted by §.
//!
//! A job has M map tasks and R reduce tasks. A [`Coordinator`] hands them to [`Worker`]s, one at a time each. A task
//! may be run more than once: its worker died, fell silent or was slow, or its output was lost. Each time is an
//! *attempt* with a number that never comes again, and an attempt writes a file that bears its number; so attempts
//! never meet. The first attempt that is told as finished is the task's *winner*. From then on the task is *won*: the
//! other attempts are stopped, their files go, and their counters count for nothing.
//!
//! *Nobody sees half a file.* A worker writes aside, and gives the file its attempt's name when it is whole: one
//! rename. A reduce reads the winners' files only, by their attempts' names, which it is told. Its own winner's file
//! becomes `mr-out-Y` by another rename, and that is the coordinator's: no worker ever touches a name that a user
//! reads. So whoever dies, comes late or comes twice, an output appears once, whole, and stays as it is; and who was
//! paused while its job ended finds its folder gone and can harm nothing.
//!
//! *The journal.* What the coordinator must not forget it writes down: its lives, the winners, outputs that were lost,
//! failures, and the end. What rests on a record waits until the disk has it. A coordinator that died is made anew
//! from the records; workers come back by themselves, say what they have, and go on.
//!
//! *Time* is the driver's. The machine arms named timers and is told when they fire; nothing is looked at only when
//! somebody happens to ask.
//!
//! What the drivers promise: one coordinator at a time has a job's journal, and its output directory, which bears the
//! job's number, is this job's alone; a worker's connection keeps the order of what is sent, and loses only its end;
//! a connection's incarnation is greater than that of every earlier one of its worker; files are on the disk before
//! they get their names.

mod contract;
mod coordinator;
mod counters;
mod rules;
mod worker;

pub use contract::{
    AttemptId, Badge, Effect, Ending, Fault, Hello, Input, Kind, Limits, Order, Record, Refusal,
    Report, Session, Spec, TaskId, Timer, WorkerId,
};
pub use coordinator::{Coordinator, Doing, Tally, Unfit};
pub use counters::Counters;
pub use rules::{Held, Paper, Rules};
pub use worker::{Act, Event, Letter, Parting, Worker};
