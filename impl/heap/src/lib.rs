//! One setting of the C library's allocator, for programs that free much and must not pause.
//!
//! glibc keeps freed chunks of up to 128 bytes in lists as they are, and joins all of them, in one go, when something
//! larger is freed beside free memory (`malloc_consolidate`). A store frees what has the size of its commands, keys
//! and values: a core that applied three entries was seen to spend 160 ms of processor time in there, and everybody
//! waits for a core. Without those lists each chunk is joined when it is freed. Each thread still keeps a few of every
//! size to itself, so it costs little; `benches/README.md` has the figures.
//!
//! A crate of its own because it has `unsafe`, as `counting` has, and nothing else.

/// Has each freed chunk joined to its free neighbours at once, from now on and for the whole process. Returns whether
/// the allocator is glibc's and takes the setting; with another one nothing is to be set.
///
/// The allocator that is tuned is glibc's `malloc` (mallopt(3), `M_MXFAST`).
pub fn join_at_once() -> bool {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        #[expect(unsafe_code, reason = "a function of C")]
        // SAFETY: it takes two numbers, and the allocator's own lock.
        let taken = unsafe { libc::mallopt(libc::M_MXFAST, 0) };
        taken == 1
    }
    #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
    false
}

#[cfg(all(test, target_os = "linux", target_env = "gnu"))]
mod tests {
    #[test]
    fn glibc_takes_it() {
        assert!(super::join_at_once());
    }
}
