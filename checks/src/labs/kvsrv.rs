//! Lab 2: a store on one server, without Raft. That of 2024 (`kvsrv`: Put, Append and Get, exactly once), and that of
//! 2025 and 2026 (`kvsrv1`: versioned Puts that may end in Maybe, and a lock made of them).
//!
//! Here the store itself is asked, and the Clerk and the lock that ship ask it, over the labs' network
//! ([`single`](super::single)). The store's bounds are lifted as far as the lab has none: values of any length, no
//! reply too long to be kept, no client forgotten.

pub mod lock;
pub mod memory;
pub mod versions;
