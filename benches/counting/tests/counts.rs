//! That it counts, and what it counts.

use counting::{Counting, allocations, held_bytes, is_installed};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Without this, "0 allocations" could mean that nobody counts.
#[test]
fn the_counter_counts_this_thread_only() {
    let before = allocations();
    let mut numbers = vec![0_u8];
    numbers.reserve_exact(1000);
    assert_eq!(allocations() - before, 2, "one allocation, one reallocation");

    let other = std::thread::spawn(|| {
        let before = allocations();
        drop(vec![0_u8; 10]);
        allocations() - before
    });
    let before = allocations();
    let there = other.join();
    assert_eq!(there.ok(), Some(1), "one allocation in the other thread");
    assert_eq!(allocations() - before, 0, "none of it is counted here");
}

#[test]
fn what_is_given_back_is_not_held() {
    assert!(is_installed());
    let before = held_bytes();
    let mut numbers = vec![0_u8; 10];
    assert_eq!(held_bytes() - before, 10);
    numbers.reserve_exact(1000);
    assert_eq!(held_bytes() - before, 1010);
    drop(numbers);
    assert_eq!(held_bytes() - before, 0);
}
