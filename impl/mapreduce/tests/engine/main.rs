//! The engine against the reference, and against whatever may happen to it.

mod bad_input;
mod damage;
mod equality;
mod far;
mod jobs;
mod labs;
mod memory;
mod splits;
mod streaming;
mod support;

use counting::Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;
