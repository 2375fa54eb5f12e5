//! Properties: the pieces against dumb twins, and the whole protocol in random groups.
//!
//! The asserts inside the machines are claims about the protocol, and forged messages may break
//! them. So the inputs come from whole groups of honest servers, whose network, disks and timers
//! are random.

mod log;
mod mutants;
mod queue;
mod quorum;
mod random;
mod renaming;
mod robust;
#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "the transcripts use the rest")]
mod support;
mod terms;

use proptest::test_runner::Config;

/// So many cases, and no files of old failures: a failure becomes a test of its own.
fn cases(cases: u32) -> Config {
    Config { cases, failure_persistence: None, ..Config::default() }
}
