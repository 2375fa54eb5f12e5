//! The data engine of `quorate mr`: what an attempt of a map or a reduce task does with bytes.
//!
//! ```text
//! words of the command line ─ plan ─► splits
//!        split ─ run_map ────► intermediate file: sorted runs by partition     (a file an attempt)
//!        a partition of all of them ─ run_reduce ─► reduce-i-attempt ─ publish ─► mr-out-i
//! ```
//!
//! It knows no network, no coordinator, no retry: which attempt runs where, which one counts, when a task is called off
//! and what follows an error is decided by the coordinator's machine, which the models check. This crate promises it
//! three things. An attempt that returns has made a whole file under a name of its own; one that fails or is killed has
//! made none. [`publish`] makes an output visible in one step. And what an attempt makes depends on its task alone, so
//! that it does not matter which of two attempts wins. (An application can break the third, as the labs' do.)
//!
//! **How it is fast.** A record costs no allocation anywhere. With [`Combiner::Sum`] a key that was seen before costs
//! one look into a hash table whose entries hold the beginnings of their keys. What must be sorted is sorted as slots
//! of 16 bytes by the first eight bytes of the keys, and merged by a tree of losers that compares the same. Files are
//! written and read in blocks of 64 KiB and more.
//!
//! **How memory is bounded.** By [`Limits`]: tables and buffers are written out as sorted runs when they are full; a
//! reduce task has one block of each run in memory and merges in passes if these are too many; values of a key are a
//! stream. Only a record (a line, a key with its value) has to fit into memory as a whole.
//!
//! **In which order.** A partition's keys come by their bytes ([`Order`] says otherwise), a key's values in the order
//! in which the map tasks, by index, emitted them. So the output is the same however the job is run:
//! [`reference::run`].
//!
//! Read [`Application`] first, then [`run_map`] and [`run_reduce`]. For Unix.

mod app;
mod bytes;
mod collect;
mod counters;
mod error;
mod fetch;
mod files;
mod groups;
mod map;
mod merge;
mod passes;
mod reduce;
mod run;
mod sequential;
mod task;

pub mod apps;
pub mod input;
pub mod reference;
pub mod store;
pub mod streaming;

pub use app::{Application, Combiner};
pub use apps::Program;
pub use bytes::{Order, default_partition};
pub use collect::{Combined, Emitter};
pub use counters::Counters;
pub use error::{Blame, Error, Failure, Outcome};
pub use files::{Durability, prepare_output, publish};
pub use groups::{Groups, Values};
pub use input::{Form, Record, Records, Split};
pub use map::{for_each_pair, run_map, run_map_from};
pub use reduce::{Output, run_reduce, run_reduce_from};
pub use sequential::{Job, Totals, run_sequential};
pub use store::{Location, Store, Stores};
pub use task::{
    Intermediate, Kind, Limits, MapOutput, MapTask, Place, ReduceOutput, ReduceTask, TaskId,
    Unwatched, Watch, output_name, output_path,
};
