//! The hot path allocates nothing: the claim of DESIGN's "contract of a machine", held by a test.
//!
//! Continuous integration runs tests and not benchmarks, and a benchmark that got slower by an allocation
//! would only look like a noisy machine. A group is warmed up until its buffers have their size; from then
//! on, committing, compacting, heartbeats and reads must not ask for memory once.

use benches::group::{COMPACT_EVERY, Group, HEARTBEAT_EVERY};
use counting::{Counting, allocations};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Long enough for several compactions and, at the largest batch, for a heartbeat.
fn entries_for(batch: usize) -> u64 {
    (8 * COMPACT_EVERY).max(2 * HEARTBEAT_EVERY * batch as u64)
}

fn allocations_of_commits(servers: usize, batch: usize) -> u64 {
    let mut group = Group::new(servers);
    group.commit(entries_for(batch), batch);
    let before = allocations();
    let committed = group.commit(entries_for(batch), batch);
    let during = allocations() - before;
    assert!(committed >= entries_for(batch), "every server learns of every entry");
    during
}

#[test]
fn a_steady_group_commits_without_allocating() {
    for servers in [3, 5] {
        for batch in [1, 8, 64] {
            let count = allocations_of_commits(servers, batch);
            assert_eq!(count, 0, "{servers} servers, batches of {batch}");
        }
    }
}

#[test]
fn a_steady_group_answers_reads_without_allocating() {
    let mut group = Group::new(3);
    let warmed_up = (0..10).map(|_| group.read()).last();
    assert_eq!(
        warmed_up,
        Some(20),
        "each round answers a read of the leader and one of a follower"
    );
    let before = allocations();
    let answered = (0..1000).map(|_| group.read()).last();
    assert_eq!(allocations() - before, 0);
    assert_eq!(answered, Some(2020));
}

#[test]
fn every_server_has_the_same_commands() {
    let mut group = Group::new(3);
    let entries = group.commit(COMPACT_EVERY / 2, 7);
    let [leader, followers @ ..] = group.replicas() else { panic!("a group has servers") };
    for index in 1..=entries {
        let entry = leader.log().get(index);
        assert!(entry.is_some(), "too few entries for a compaction: all are there");
        for follower in followers {
            assert_eq!(follower.log().get(index), entry, "at index {index}");
        }
    }
}
