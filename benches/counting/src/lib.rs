//! An allocator that counts, so that "allocates nothing" is a test and not a hope.
//!
//! The hot path's promise is that effects, messages and queue slots live in buffers that their owners
//! reuse. One forgotten `collect` breaks it and no ordinary test notices: the result is right, only slow,
//! and slow in the worst way, with a lock and a cache miss that show under load. A program that wants to
//! know installs [`Counting`]:
//!
//! ```
//! use counting::{Counting, allocations};
//!
//! #[global_allocator]
//! static ALLOCATOR: Counting = Counting;
//!
//! let before = allocations();
//! drop(Box::new(1));
//! assert_eq!(allocations() - before, 1);
//! ```
//!
//! It also knows what a thread has asked for and not given back ([`held_bytes`]), as asked for: what the system's
//! allocator lays around it is not in it.
//!
//! Each thread counts for itself. The test harness runs tests side by side and prints from a thread of its
//! own; with one counter for all, a neighbour's allocation would fail the wrong test.
//!
//! A crate of its own, on the lowest floor, for `benches` and `checks` both count; and with `impl/heap` the only one
//! with `unsafe`.

#![allow(
    unsafe_code,
    reason = "GlobalAlloc is an unsafe trait; every method only counts and forwards"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    // Constant and without a destructor: reading it neither allocates nor fails while a thread ends,
    // both of which an allocator must not do.
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
    static HELD: Cell<i64> = const { Cell::new(0) };
}

/// How often this thread has asked for memory so far: allocations and reallocations. Always 0 in a
/// program that has not installed [`Counting`].
pub fn allocations() -> u64 {
    ALLOCATIONS.get()
}

/// The bytes that this thread has asked for so far, less those that it has given back. What one thread asks for and
/// another gives back makes both numbers wrong, so only differences around code that keeps to itself mean something.
pub fn held_bytes() -> i64 {
    HELD.get()
}

/// Whether this program has installed [`Counting`].
pub fn is_installed() -> bool {
    let before = allocations();
    drop(std::hint::black_box(Box::new(0_u8)));
    allocations() > before
}

fn count(more: usize) {
    ALLOCATIONS.set(ALLOCATIONS.get() + 1);
    hold(more as i64);
}

fn hold(more: i64) {
    HELD.set(HELD.get() + more);
}

/// The system's allocator, counted.
pub struct Counting;

// SAFETY: every method passes its arguments unchanged to `System` and returns what `System` returns, so
// what `System` guarantees holds here and what it demands of its caller is demanded of ours. Counting
// touches thread-local integers only: it does not allocate, unwind or call back.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: see above.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: see above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count(new_size);
        hold(-(layout.size() as i64));
        // SAFETY: see above.
        unsafe { System.realloc(memory, layout, new_size) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        hold(-(layout.size() as i64));
        // SAFETY: see above.
        unsafe { System.dealloc(memory, layout) }
    }
}
